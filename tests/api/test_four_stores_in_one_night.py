"""Nearer stores that cannot, each for a reason of its own, in the night in which the clocks go forward."""

from typing import Any

import shapely

from tests.api.client import Api
from tests.api.shop import north, order_of, placed

DOOR = (52.5200, 13.4050)
# 02:00 to 03:00 is skipped: ten minutes ago it was 01:59 in Berlin.
AT = "2027-03-28T03:10:00+02:00"


async def test_each_nearer_store_is_passed_over_for_its_own_reason(app_client: Api) -> None:
    lat, lon = DOOR
    around = shapely.box(lon - 0.1, lat - 0.1, lon + 0.1, lat + 0.1)
    courtyard = shapely.box(lon - 0.001, lat - 0.0005, lon + 0.001, lat + 0.0005)
    terms: dict[str, dict[str, Any]] = {
        "closing": {"opening_hours": "Mo-Su 00:00-03:20", "prepare_s": 900},
        "full": {"max_open_orders": 1},
        "night": {"opening_hours": "Mo-Su 02:00-03:00"},
        "holed": {"delivery_zone": shapely.to_wkt(around - courtyard)},
        "good": {"opening_hours": "Mo-Su 22:00-06:00"},
    }
    for n, (store_id, fields) in enumerate(terms.items()):
        told = await app_client.put_store(store_id, *north(100 + 50 * n, DOOR), **fields)
        assert (told["timezone"], told["warnings"]) == ("Europe/Berlin", [])
        await app_client.put_stock(store_id, tea=9)
    assert (await placed(app_client, "o", order_of(door=DOOR, only_stores=["full"])))["store"]["store_id"] == "full"
    answer = await app_client.quote(*DOOR, "tea", at=AT, explain=True)
    assert answer["store"]["store_id"] == "good"
    assert {entry["store_id"]: (entry["reason"], entry["detail"]) for entry in answer["passed_over"]} == {
        "closing": (
            "closes_too_soon",
            {"closes_at": "2027-03-28T03:20:00+02:00", "pickup_by": "2027-03-28T03:26:30+02:00"},
        ),
        "full": ("at_capacity", {"open_orders": 1, "max_open_orders": 1}),
        "night": ("closed", {"opens_at": "2027-03-29T02:00:00+02:00"}),
        "holed": ("outside_delivery_zone", {}),
    }
    assert answer["passed_over_total"] == 4
    an_hour_before = await app_client.quote(*DOOR, "tea", at="2027-03-28T01:30:00+01:00", explain=True)
    assert an_hour_before["store"]["store_id"] == "closing"
