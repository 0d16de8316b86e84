"""Life circles and coverage on real roads, and while the engine is down."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import h3
import numpy as np
import pytest
import shapely
from shapely.geometry import shape

from geo.coordinates import LatLon
from geo.datums import Datum, from_wgs84
from geo.travel import Mode
from geo.travel.engine import EngineUnavailable
from geo.travel.roads import LONGEST_LEG_M, WALKING_MPS
from tests.api.client import Api, worker
from tests.geo.roads import places_along, times_by, valhalla_of
from tests.geo.shared import shared_file

SEED = 20261126
FIXED_S = 300 + 30 + 60 + 120


@pytest.fixture
async def jinan(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    """A worker on the roads of Jinan, which it is patient with."""
    async with worker(database_url, tmp_path, roads=shared_file("roads/jinan.osm.pbf"), roads_patience_s=30.0) as api:
        yield api


async def with_stores(api: Api, count: int) -> LatLon:
    """Stores along the roads, and a door at one."""
    lats, lons = places_along("jinan", np.random.default_rng(SEED), count + 1)
    rows = [f"s{i},{lat!r},{lon!r}" for i, (lat, lon) in enumerate(zip(lats.tolist(), lons.tolist(), strict=True))]
    await api.import_file("stores", "store_id,lat,lon\n" + "\n".join(rows[:-1]) + "\n", datum="wgs84")
    return LatLon(lat=float(lats[-1]), lon=float(lons[-1]))


async def circle(api: Api, door: LatLon, **query: Any) -> list[dict[str, Any]]:
    answer = await api.get("/v1/life-circle", lat=door.lat, lon=door.lon, **query)
    assert answer.status_code == 200, answer.text
    features: list[dict[str, Any]] = answer.json()["features"]
    area = shape(features[0]["geometry"])
    assert area.is_valid
    outside = [store["id"] for store in features[1:] if not area.contains(shape(store["geometry"]))]
    assert not outside
    return features


@pytest.mark.parametrize("datum", Datum)
async def test_the_stores_listed_are_those_that_can_by_the_engines_own_times(jinan: Api, datum: Datum) -> None:
    door = await with_stores(jinan, 150)
    shown = from_wgs84(door, datum)
    area, *stores = await circle(jinan, shown, minutes=30, datum=datum.value)
    assert area["properties"]["travel_source"] == "valhalla"
    assert area["properties"]["travel_budget_s"] == 1800 - FIXED_S
    lats, lons = places_along("jinan", np.random.default_rng(SEED), 151)
    ways = valhalla_of("jinan").ways(lats=lats[:-1], lons=lons[:-1], destination=door, mode=Mode.EBIKE)
    travel_s = np.ceil(ways.seconds + (ways.place_leg_m + ways.door_leg_m) / WALKING_MPS)
    can = (travel_s <= 1800 - FIXED_S) & (ways.place_leg_m <= LONGEST_LEG_M)
    expected = {f"s{i}": int(travel_s[i]) + FIXED_S for i in np.flatnonzero(can).tolist()}
    told = {store["id"]: store["properties"]["eta_s"] for store in stores}
    # Turned there and back the door is the same to less than a millimetre, which may be a second.
    assert told.keys() == expected.keys()
    assert all(abs(told[store_id] - eta_s) <= 1 for store_id, eta_s in expected.items())
    assert 5 < len(told) < 145


async def test_while_the_engine_is_down_area_and_stores_are_estimated_alike(
    jinan: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = await with_stores(jinan, 30)

    def fail(*_: Any, **__: Any) -> None:
        raise EngineUnavailable("it is down")

    engine = jinan.app.state.service.roads.of_areas.engine
    monkeypatch.setattr(engine, "area", fail)
    area, *stores = await circle(jinan, door)
    assert area["properties"]["travel_source"] == "estimate"
    for store in stores:
        assert store["properties"]["travel_s"] == np.ceil(store["properties"]["distance_m"] * 0.234)
    answer = (await jinan.get("/v1/stores/s1/life-circle")).json()
    assert answer["properties"]["travel_source"] == "estimate"
    assert jinan.app.state.service.roads.counts.failures >= 1


async def test_a_store_serves_by_road_what_its_radius_leaves(jinan: Api) -> None:
    door = await with_stores(jinan, 1)
    terms = {"lat": door.lat, "lon": door.lon}
    await jinan.put_store("whole", **terms)
    await jinan.put_store("cut", **terms, delivery_radius_m=3000)
    whole, cut = [(await jinan.get(f"/v1/stores/{name}/life-circle", minutes=30)).json() for name in ("whole", "cut")]
    assert whole["properties"]["travel_source"] == "valhalla"
    a, b = shape(whole["geometry"]), shape(cut["geometry"])
    assert b.difference(a).area < 1e-7
    assert 0 < b.area < a.area
    assert shapely.hausdorff_distance(b, shapely.Point(door.lon, door.lat)) < 3010 / 88_000


async def test_cells_without_a_road_are_neither_served_nor_unserved(jinan: Api) -> None:
    door = await with_stores(jinan, 20)
    bbox = f"{door.lon - 0.04},{door.lat - 0.04},{door.lon + 0.04},{door.lat + 0.04}"
    cells = (await jinan.get("/v1/coverage", bbox=bbox, minutes=60)).json()["cells"]
    engine, seen = valhalla_of("jinan"), set()
    for cell in cells:
        lat, lon = h3.cell_to_latlng(cell["cell"])
        centre = LatLon(lat=lat, lon=lon)
        ways = engine.ways(lats=np.array([lat]), lons=np.array([lon]), destination=centre, mode=Mode.EBIKE)
        far = not ways.door_leg_m[0] <= LONGEST_LEG_M
        assert (cell["served"] is None) == far
        seen.add(cell["served"])
    assert {None, True} <= seen


async def test_an_area_that_comes_late_is_estimated_and_quotes_go_on_by_road(
    jinan: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = await with_stores(jinan, 30)
    roads = jinan.app.state.service.roads.of_areas
    await circle(jinan, door)
    monkeypatch.setattr(roads.engine, "area", lambda *_, **__: time.sleep(0.5))
    monkeypatch.setattr(roads, "patience_s", 0.2)
    area, *_ = await circle(jinan, door)
    assert area["properties"]["travel_source"] == "estimate"
    await asyncio.sleep(0.4)
    monkeypatch.setattr(roads, "patience_s", 30.0)
    await jinan.put_stock("s1", tea=1)
    assert (await jinan.quote(door.lat, door.lon, "tea", promise_minutes=240))["eta"]["travel_source"] == times_by()
