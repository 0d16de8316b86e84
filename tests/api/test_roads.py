"""Quotes and orders in a city whose roads are known."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.client import Api, worker
from tests.api.shop import acted, clock_of_now, order_of, placed
from tests.geo.roads import times_by
from tests.geo.shared import shared_file

# In Shibuya; the way from the store across the tracks is longer than it looks.
DOOR = (35.6580, 139.7016)
STORES = {"near": (35.6595, 139.7005), "far": (35.6620, 139.6990)}
OFF_THE_NETWORK = (35.70, 139.80)


@pytest.fixture
async def city(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    """A worker on Shibuya's roads, with two stores that have tea."""
    extract = shared_file("roads/shibuya.osm.pbf")
    async with worker(database_url, tmp_path, clock=clock_of_now(), roads=extract) as api:
        for store_id, place in STORES.items():
            await api.put_store(store_id, *place)
            await api.put_stock(store_id, tea=5)
        yield api


async def test_a_quote_says_that_its_way_is_by_road(city: Api) -> None:
    quote = await city.quote(*DOOR, "tea", explain=True)
    assert quote["store"]["store_id"] == "near"
    eta = quote["eta"]
    assert eta["travel_source"] == times_by()
    # Never faster than straight on at 25 km/h; here the streets are a good deal longer.
    assert eta["travel_s"] > quote["store"]["distance_m"] / (25 / 3.6)
    assert eta["total_s"] == sum(eta[f"{part}_s"] for part in ("prepare", "queue", "courier", "travel", "handover"))
    certificate = quote["certificate"]
    assert certificate["next_bound_s"] is None or certificate["next_bound_s"] >= certificate["key_s"]
    on_foot = await city.quote(*DOOR, "tea", mode="foot")
    assert on_foot["eta"]["travel_s"] > 2 * eta["travel_s"]


async def test_a_door_that_no_road_leads_to_is_unreachable(city: Api) -> None:
    quote = await city.quote(*OFF_THE_NETWORK, "tea", explain=True)
    assert (quote["outcome"], quote["reason"]) == ("unfulfillable", "unreachable")
    assert quote["nearest_miss"]["eta"] is None
    assert {entry["reason"] for entry in quote["passed_over"]} == {"unreachable"}
    assert all(entry["key_s"] is None for entry in quote["passed_over"])


async def test_an_order_is_promised_by_road_from_the_hold_to_the_door(city: Api) -> None:
    order = await placed(city, "o-1", order_of(door=DOOR))
    assert (order["store"]["store_id"], order["eta"]["travel_source"]) == ("near", times_by())
    confirmed = await acted(city, "o-1", "confirm")
    assert confirmed["eta"]["travel_s"] == order["eta"]["travel_s"]
    moved = await acted(city, "o-1", "decline", attempt=1, reason="other")
    assert (moved["store"]["store_id"], moved["eta"]["travel_source"]) == ("far", times_by())


async def test_many_quotes_at_once_are_each_answered_by_road(city: Api) -> None:
    quotes = [
        {"destination": {"lat": DOOR[0] + n * 1e-4, "lon": DOOR[1]}, "lines": [{"sku": "tea", "quantity": 1}]}
        for n in range(10)
    ]
    answer = await city.write("POST", "/v1/quotes/batch", {"quotes": quotes})
    entries = answer.json()["quotes"]
    assert [entry["status"] for entry in entries] == [200] * 10
    assert {entry["body"]["eta"]["travel_source"] for entry in entries} == {times_by()}
