"""On the roads of the demo city: the river is in the way, and what is far by road is far in the answers."""

from pathlib import Path
from tempfile import gettempdir

import numpy as np
import pytest
from pyproj import Geod
from shapely import LineString

from data.city import BRIDGES, CITY_RADIUS_M, RIVER_WIDTH_M, is_dry, river_line, to_lon_lat
from geo.coordinates import LatLon
from geo.travel import Mode
from geo.travel.engine import Roadway
from geo.travel.roads import LONGEST_LEG_M
from geo.travel.tiles import road_tiles
from geo.travel.valhalla import Valhalla
from tests.api.client import worker
from tests.geo.roads import MODES, times_by

SEED = 20261125
GEOD = Geod(ellps="WGS84")
# In the middle between two bridges, 1.7 km from either.
NORTH_M = (BRIDGES[1].north_m + BRIDGES[2].north_m) / 2
BANK_M = RIVER_WIDTH_M / 2 + 5.0


def place(east_m: float, north_m: float) -> LatLon:
    [[lon, lat]] = to_lon_lat(np.array([[east_m, north_m]])).tolist()
    return LatLon(lat=lat, lon=lon)


def middle_m(north_m: float) -> float:
    """How far east the middle of the river is there."""
    level = LineString([(-CITY_RADIUS_M, north_m), (CITY_RADIUS_M, north_m)])
    return float(river_line().intersection(level).centroid.x)


DOOR = place(middle_m(NORTH_M) + BANK_M, NORTH_M)
ACROSS = place(middle_m(NORTH_M) - BANK_M, NORTH_M)
THIS_SIDE = place(middle_m(NORTH_M + 880.0) + BANK_M, NORTH_M + 880.0)


def distance_m(one: LatLon, other: LatLon) -> float:
    return float(GEOD.inv(one.lon, one.lat, other.lon, other.lat)[2])


@pytest.fixture(scope="module")
def engine(demo_extract: Path) -> Valhalla:
    return Valhalla(road_tiles(demo_extract, Path(gettempdir()) / "lifecircle-test-roads"), MODES)


def ways(engine: Valhalla, places: list[LatLon], door: LatLon, mode: Mode) -> Roadway:
    lats, lons = np.array([at.lat for at in places]), np.array([at.lon for at in places])
    return engine.ways(lats=lats, lons=lons, destination=door, mode=mode)


@pytest.mark.parametrize("mode", Mode)
def test_who_goes_across_the_river_goes_by_a_bridge(engine: Valhalla, mode: Mode) -> None:
    assert distance_m(DOOR, ACROSS) < 340 < 850 < distance_m(DOOR, THIS_SIDE) < 950
    across, along = ways(engine, [ACROSS, THIS_SIDE], DOOR, mode).seconds.tolist()
    assert along < across
    # To the nearer bridge and back; nothing is faster than its mode.
    at_bridges = [place(middle_m(bridge.north_m), bridge.north_m) for bridge in BRIDGES]
    least_m = min(distance_m(DOOR, bridge) + distance_m(bridge, ACROSS) for bridge in at_bridges)
    assert least_m > 3_000
    assert across > least_m / engine.top_speed_mps(mode) - 60, "what is walked to the road is not in it"


@pytest.mark.parametrize("mode", Mode)
def test_there_is_a_way_between_all_dry_places_of_the_city(engine: Valhalla, mode: Mode) -> None:
    rng = np.random.default_rng([SEED, list(Mode).index(mode)])
    far_m, bearing = CITY_RADIUS_M * np.sqrt(rng.random(30)), rng.uniform(0, 2 * np.pi, 30)
    metres = np.column_stack([far_m * np.sin(bearing), far_m * np.cos(bearing)])
    places = [place(*row) for row in metres[is_dry(metres)].tolist()]
    assert len(places) > 20
    found = ways(engine, places, DOOR, mode)
    assert np.isfinite(found.seconds).all(), f"seed {SEED}"
    assert (found.place_leg_m < LONGEST_LEG_M).all()
    assert (found.door_leg_m < 60).all()


async def test_a_store_across_the_river_loses_to_a_farther_one_on_this_side(
    database_url: str, demo_extract: Path, tmp_path: Path
) -> None:
    async with worker(database_url, tmp_path, roads=demo_extract) as api:
        for store_id, at in (("across", ACROSS), ("this-side", THIS_SIDE)):
            await api.put_store(store_id, at.lat, at.lon)
            await api.put_stock(store_id, tea=5)
        answer = await api.quote(DOOR.lat, DOOR.lon, "tea", explain=True)
        assert answer["store"]["store_id"] == "this-side"
        assert answer["eta"]["travel_source"] == times_by()
        [passed] = answer["passed_over"]
        assert (passed["store_id"], passed["reason"]) == ("across", "slower")
        assert passed["distance_m"] < 340 < 850 < answer["store"]["distance_m"]
        assert answer["eta"]["travel_s"] < 300 < passed["key_s"]
    async with worker(database_url, tmp_path) as api:
        answer = await api.quote(DOOR.lat, DOOR.lon, "tea")
        assert (answer["store"]["store_id"], answer["eta"]["travel_source"]) == ("across", "estimate")
