"""POST /v1/quotes: which store, in which parts of a promise, at which price, and why not another."""

from datetime import datetime, timedelta
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pyproj import Geod

from tests.api.client import START, Api

TAIPEI = ZoneInfo("Asia/Taipei")
GEOD = Geod(ellps="WGS84")
DOOR = (25.0330, 121.5654)


def north(metres: float) -> tuple[float, float]:
    """A place so far north of the door, by the ellipsoid and not by the code under test."""
    lon, lat, _ = GEOD.fwd(DOOR[1], DOOR[0], 0.0, metres)
    return float(lat), float(lon)


async def test_a_quote_names_the_nearest_store_that_has_everything_and_the_parts_of_its_promise(
    app_client: Api,
) -> None:
    await app_client.put_store("near", *north(200), name="全家 near")
    await app_client.put_store("far", *north(1001), name="far", prepare_s=600, prepare_line_s=0, courier_s=0)
    await app_client.put_stock("near", tea=5)
    await app_client.put_stock("far", tea=5, rice=5)
    answer = await app_client.quote(*DOOR, "tea", "rice")
    assert answer["outcome"] == "fulfillable"
    store = answer["store"]
    assert (store["store_id"], store["name"], store["lat"], store["lon"]) == ("far", "far", *north(1001))
    assert store["distance_m"] == pytest.approx(1001, abs=1e-6)
    travel_s = ceil(1001 * 1.3 * 3.6 / 20)
    assert answer["eta"] == {
        "prepare_s": 600,
        "queue_s": 0,
        "courier_s": 0,
        "travel_s": travel_s,
        "handover_s": 120,
        "total_s": 600 + travel_s + 120,
        "pickup_by": "2026-11-20T10:10:00+08:00",
        "deliver_by": (START + timedelta(seconds=720 + travel_s)).astimezone(TAIPEI).isoformat(),
        "travel_source": "estimate",
    }
    assert answer["lines"] == [
        {"sku": "tea", "quantity": 1, "price": None, "currency": None},
        {"sku": "rice", "quantity": 1, "price": None, "currency": None},
    ]
    assert answer["alternatives"] == []
    assert "passed_over" not in answer
    certificate = answer["certificate"]
    assert certificate["key"] == "travel_s"
    assert certificate["key_s"] == travel_s
    assert certificate["stock_age_s"] == 0
    assert 0 <= certificate["replica_lag_s"] < 5
    assert certificate["version"].startswith("v1.")


async def test_prices_are_those_of_the_store_chosen_in_minor_units(app_client: Api) -> None:
    for store_id, metres, price in (("a", 100, 3500), ("b", 300, 3400)):
        await app_client.put_store(store_id, *north(metres))
        items = [{"sku": "tea", "on_hand": 5, "price": price, "currency": "TWD"}, {"sku": "gift", "on_hand": 5}]
        await app_client.write("PUT", f"/v1/stores/{store_id}/stock", {"items": items})
    answer = await app_client.quote(*DOOR, "tea", "gift", alternatives=5)
    assert [(line["sku"], line["price"], line["currency"]) for line in answer["lines"]] == [
        ("tea", 3500, "TWD"),
        ("gift", None, None),
    ]
    [other] = answer["alternatives"]
    assert set(other) == {"store", "eta", "lines"}
    assert (other["store"]["store_id"], other["lines"][0]["price"]) == ("b", 3400)


async def test_two_lines_of_one_sku_are_summed(app_client: Api) -> None:
    await app_client.put_store("three", *north(100))
    await app_client.put_store("four", *north(900))
    await app_client.put_stock("three", tea=3)
    await app_client.put_stock("four", tea=4)
    lines = [{"sku": "tea", "quantity": 3}, {"sku": "tea", "quantity": 1}]
    body = {"destination": {"lat": DOOR[0], "lon": DOOR[1]}, "lines": lines, "explain": True}
    answer = (await app_client.send("POST", "/v1/quotes", json=body, headers=app_client.seen)).json()
    assert answer["store"]["store_id"] == "four"
    assert answer["lines"] == [{"sku": "tea", "quantity": 4, "price": None, "currency": None}]
    [passed] = answer["passed_over"]
    assert passed["detail"] == {"sku": "tea", "wanted": 4, "available": 3}


async def test_what_is_kept_back_as_safety_stock_is_not_available(app_client: Api) -> None:
    await app_client.put_store("a", *north(100))
    items = [{"sku": "tea", "on_hand": 5, "safety_stock": 5}]
    await app_client.write("PUT", "/v1/stores/a/stock", {"items": items})
    answer = await app_client.quote(*DOOR, "tea")
    assert answer["outcome"] == "unfulfillable"
    assert answer["nearest_miss"]["detail"] == {"sku": "tea", "wanted": 1, "available": 0}


async def test_a_sku_that_no_store_has_ever_had_is_named_and_the_status_is_200(app_client: Api) -> None:
    await app_client.put_store("a", *north(100))
    await app_client.put_stock("a", tea=1)
    answer = await app_client.quote(*DOOR, "tea", "unheard-of", explain=True)
    assert (answer["outcome"], answer["reason"]) == ("unfulfillable", "unknown_sku")
    assert answer["detail"] == {"sku": "unheard-of"}
    assert answer["certificate"]["rest_lacks"] == "unheard-of"


async def test_a_sku_that_was_had_once_is_known_for_ever(app_client: Api) -> None:
    await app_client.put_store("a", *north(100))
    await app_client.put_stock("a", tea=1)
    await app_client.put_stock("a")
    answer = await app_client.quote(*DOOR, "tea")
    assert (answer["reason"], answer["detail"]["available"]) == ("insufficient_stock", 0)


async def test_a_count_that_is_refused_makes_no_sku_known(app_client: Api) -> None:
    await app_client.put_store("a", *north(100))
    await app_client.put_stock("a", tea=1)
    late = {"as_of": "2026-11-19T00:00:00Z", "items": [{"sku": "refused", "on_hand": 1}]}
    assert (await app_client.write("PUT", "/v1/stores/a/stock", late)).status_code == 409
    await app_client.write("DELETE", "/v1/stores/a", None)
    gone = {"items": [{"sku": "refused", "on_hand": 1}]}
    assert (await app_client.write("PUT", "/v1/stores/a/stock", gone)).status_code == 404
    async with app_client.app.state.service.database.connection() as connection:
        assert await connection.fetchval("SELECT array_agg(sku) FROM skus") == ["tea"]


async def test_explain_lists_every_nearer_store_with_the_first_test_that_it_fails(app_client: Api) -> None:
    """Each store fails two tests that stand next to each other in API.md's order; the first is the reason."""
    night: dict[str, Any] = {"opening_hours": "Mo-Su 20:00-23:00"}
    small: dict[str, Any] = {"delivery_radius_m": 50}
    refusing: list[tuple[str, dict[str, Any]]] = [
        ("inactive", {"active": False}),
        ("excluded", night),
        ("closed", {**night, **small}),
        ("outside_delivery_zone", {**small, "delivery_zone": None}),
        ("stale_stock", {"max_open_orders": 0}),
        ("insufficient_stock", {"max_open_orders": 0}),
        ("at_capacity", {"max_open_orders": 0, "opening_hours": "Mo-Su 06:00-10:01"}),
        ("closes_too_soon", {"opening_hours": "Mo-Su 06:00-10:01", "prepare_s": 7200}),
        ("promise_missed", {"prepare_s": 7200}),
    ]
    for i, (reason, fields) in enumerate(refusing):
        await app_client.put_store(reason, *north(100 + i), **fields)
        count: dict[str, object] = {"items": [{"sku": "tea", "on_hand": 0 if reason == "insufficient_stock" else 9}]}
        if reason == "stale_stock":
            count["as_of"] = "2026-11-10T00:00:00Z"
        await app_client.write("PUT", f"/v1/stores/{reason}/stock", count)
    await app_client.put_store("winner", *north(500))
    await app_client.put_stock("winner", tea=1)
    await app_client.put_store("beyond", *north(600))
    answer = await app_client.quote(*DOOR, "tea", explain=True, exclude_stores=["excluded"])
    assert answer["store"]["store_id"] == "winner"
    assert [entry["store_id"] for entry in answer["passed_over"]] == [reason for reason, _ in refusing]
    assert [entry["reason"] for entry in answer["passed_over"]] == [reason for reason, _ in refusing]
    assert answer["passed_over_total"] == len(refusing)
    assert answer["passed_over_reasons"] == {reason: 1 for reason, _ in refusing}
    by_id = {entry["store_id"]: entry for entry in answer["passed_over"]}
    assert set(by_id["closed"]) == {"store_id", "distance_m", "key_s", "reason", "detail"}
    assert by_id["closed"]["detail"] == {"opens_at": "2026-11-20T20:00:00+08:00"}
    assert by_id["outside_delivery_zone"]["detail"] == {"delivery_radius_m": 50.0}
    assert by_id["insufficient_stock"]["detail"] == {"sku": "tea", "wanted": 1, "available": 0}
    assert by_id["at_capacity"]["detail"] == {"open_orders": 0, "max_open_orders": 0}
    assert by_id["closes_too_soon"]["detail"]["closes_at"] == "2026-11-20T10:01:00+08:00"
    assert by_id["promise_missed"]["detail"]["promise_s"] == 3600
    stale = by_id["stale_stock"]["detail"]
    assert (stale["sku"], stale["stale_after_s"]) == ("tea", 129_600)
    assert stale["age_s"] == pytest.approx((START - datetime.fromisoformat("2026-11-10T00:00:00Z")).total_seconds())


async def test_a_store_that_is_nearer_but_slower_is_passed_over_as_slower(app_client: Api) -> None:
    await app_client.put_store("slow", *north(100), prepare_s=1800)
    await app_client.put_store("quick", *north(400), prepare_s=0)
    for store_id in ("slow", "quick"):
        await app_client.put_stock(store_id, tea=1)
    nearest = await app_client.quote(*DOOR, "tea", explain=True)
    assert (nearest["store"]["store_id"], nearest["passed_over_total"]) == ("slow", 0)
    fastest = await app_client.quote(*DOOR, "tea", strategy="fastest", explain=True)
    assert fastest["store"]["store_id"] == "quick"
    assert fastest["certificate"]["key"] == "total_s"
    assert fastest["certificate"]["key_s"] == fastest["eta"]["total_s"]
    assert [(entry["store_id"], entry["reason"]) for entry in fastest["passed_over"]] == [("slow", "slower")]


async def test_excluded_stores_are_out_and_only_stores_are_alone(app_client: Api) -> None:
    for i, store_id in enumerate(("a", "b", "c")):
        await app_client.put_store(store_id, *north(100 * (i + 1)))
        await app_client.put_stock(store_id, tea=1)
    assert (await app_client.quote(*DOOR, "tea", exclude_stores=["a", "unknown"]))["store"]["store_id"] == "b"
    assert (await app_client.quote(*DOOR, "tea", only_stores=["c", "unknown"]))["store"]["store_id"] == "c"
    only = await app_client.quote(*DOOR, "tea", only_stores=["c"], explain=True)
    assert [(entry["store_id"], entry["reason"]) for entry in only["passed_over"]] == [
        ("a", "excluded"),
        ("b", "excluded"),
    ]
    nobody = await app_client.quote(*DOOR, "tea", only_stores=["unknown"])
    assert (nobody["outcome"], nobody["reason"]) == ("unfulfillable", "excluded")


async def test_alternatives_are_the_next_best_in_order_and_no_more_than_asked(app_client: Api) -> None:
    for i in range(5):
        await app_client.put_store(f"s{i}", *north(100 * (i + 1)))
        await app_client.put_stock(f"s{i}", tea=1)
    answer = await app_client.quote(*DOOR, "tea", alternatives=3)
    assert answer["store"]["store_id"] == "s0"
    assert [other["store"]["store_id"] for other in answer["alternatives"]] == ["s1", "s2", "s3"]
    for offer in (answer, *answer["alternatives"]):
        eta = offer["eta"]
        parts = ("prepare_s", "queue_s", "courier_s", "travel_s", "handover_s")
        assert eta["total_s"] == sum(eta[part] for part in parts)


@pytest.mark.parametrize(("mode", "speed_kmh", "detour"), [("foot", 4.8, 1.25), ("ebike", 20, 1.3), ("car", 25, 1.4)])
async def test_the_mode_of_the_request_goes_before_the_stores(
    app_client: Api, mode: str, speed_kmh: float, detour: float
) -> None:
    await app_client.put_store("a", *north(500), mode="foot" if mode != "foot" else "car")
    await app_client.put_stock("a", tea=1)
    answer = await app_client.quote(*DOOR, "tea", mode=mode)
    assert answer["eta"]["travel_s"] == ceil(answer["store"]["distance_m"] * round(detour * 3.6 / speed_kmh, 9))


async def test_at_moves_hours_speeds_and_the_promise_but_not_the_age_of_stock(app_client: Api) -> None:
    await app_client.put_store("a", *north(1000), mode="car", opening_hours="Mo-Su 12:00-23:00")
    await app_client.put_stock("a", tea=1)
    assert (await app_client.quote(*DOOR, "tea"))["reason"] == "closed"
    in_three_days = "2026-11-23T17:30:00+08:00"  # rush hour; by then the count would be stale
    answer = await app_client.quote(*DOOR, "tea", at=in_three_days)
    assert answer["outcome"] == "fulfillable"
    assert answer["certificate"]["stock_age_s"] == 0
    eta = answer["eta"]
    assert eta["travel_s"] == ceil(answer["store"]["distance_m"] * round(1.4 * 1.4 * 3.6 / 25, 9))
    start = datetime.fromisoformat(in_three_days)
    assert datetime.fromisoformat(eta["deliver_by"]) == start + timedelta(seconds=eta["total_s"])
    ready_s = eta["prepare_s"] + eta["queue_s"] + eta["courier_s"]
    assert datetime.fromisoformat(eta["pickup_by"]) == start + timedelta(seconds=ready_s)


async def test_at_may_be_a_clocks_error_in_the_past_and_no_more(app_client: Api) -> None:
    await app_client.put_store("a", *north(100))
    await app_client.put_stock("a", tea=1)
    just = (START - timedelta(seconds=60)).isoformat()
    assert (await app_client.quote(*DOOR, "tea", at=just))["outcome"] == "fulfillable"
    body = {"destination": {"lat": 25, "lon": 121}, "lines": [{"sku": "tea", "quantity": 1}]}
    late = {**body, "at": (START - timedelta(seconds=61)).isoformat()}
    answer = await app_client.send("POST", "/v1/quotes", json=late)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/at")


async def test_stock_older_than_the_setting_is_stale(app_client: Api) -> None:
    await app_client.put_store("a", *north(100))
    await app_client.put_stock("a", tea=1)
    app_client.clock.advance(hours=36)
    assert (await app_client.quote(*DOOR, "tea"))["outcome"] == "fulfillable"
    app_client.clock.advance(seconds=5)  # the replica keeps ages in steps of 4 s, and never says younger
    answer = await app_client.quote(*DOOR, "tea")
    assert (answer["outcome"], answer["reason"]) == ("unfulfillable", "stale_stock")


async def test_the_nearest_miss_is_the_one_that_failed_latest_then_by_key(app_client: Api) -> None:
    await app_client.put_store("closed", *north(100), opening_hours="Mo-Su 20:00-23:00")
    await app_client.put_store("lacks", *north(200))
    await app_client.put_store("late", *north(800), prepare_s=7200)
    await app_client.put_store("later", *north(900), prepare_s=7200)
    for store_id in ("closed", "late", "later"):
        await app_client.put_stock(store_id, tea=1)
    answer = await app_client.quote(*DOOR, "tea")
    miss = answer["nearest_miss"]
    assert set(miss) == {"store_id", "distance_m", "reason", "detail", "eta"}
    assert (answer["reason"], miss["reason"], miss["store_id"]) == ("promise_missed", "promise_missed", "late")
    assert miss["detail"]["total_s"] == miss["eta"]["total_s"]


async def test_without_a_winner_explain_lists_the_stores_within_reach_of_the_promise(app_client: Api) -> None:
    await app_client.put_store("within", *north(1000))
    await app_client.put_store("without", *north(30_000))
    await app_client.put_stock("without", tea=1)
    answer = await app_client.quote(*DOOR, "tea", explain=True)
    assert [entry["store_id"] for entry in answer["passed_over"]] == ["within"]
    assert answer["passed_over_reasons"] == {"insufficient_stock": 1}


async def test_a_world_without_stores_is_unfulfillable_and_says_so(app_client: Api) -> None:
    answer = await app_client.quote(*DOOR, "tea")
    assert (answer["outcome"], answer["nearest_miss"]) == ("unfulfillable", None)
    assert answer["certificate"]["next_bound_s"] is None


async def test_the_promise_is_of_so_many_minutes_from_5_to_240(app_client: Api) -> None:
    await app_client.put_store("a", *north(300), prepare_s=600, prepare_line_s=0, courier_s=0, handover_s=0)
    await app_client.put_stock("a", tea=1)
    outcomes = {}
    for minutes in (5, 11, 12, 240):
        named: dict[str, Any] = {"channel": "app", "campaign": "spring"}
        answer = await app_client.quote(*DOOR, "tea", promise_minutes=minutes, **named)
        outcomes[minutes] = answer["outcome"], answer.get("reason")
    assert outcomes == {
        5: ("unfulfillable", "promise_missed"),
        11: ("unfulfillable", "promise_missed"),  # 600 s and 71 s on the way
        12: ("fulfillable", None),
        240: ("fulfillable", None),
    }
