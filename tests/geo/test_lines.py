"""The shapes of ways: they begin and end where the times are counted from, and take what the times say."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from pyproj import Geod

from data.city import CENTRE_LAT, CENTRE_LON
from geo.coordinates import LatLon
from geo.geodesy import FloatArray
from geo.travel import Mode
from geo.travel.engine import EngineUnavailable, RoadEngine
from geo.travel.osrm_inside import OsrmInside
from geo.travel.osrm_network import is_osrm_there, osrm_networks
from geo.travel.tiles import road_tiles
from geo.travel.valhalla import Valhalla
from tests.geo.road_servers import osrm_routed, valhalla_service
from tests.geo.roads import KEPT, MODES, places_along
from tests.geo.test_osrm_inside import ROAD, SPEEDS, ladder
from tests.geo.test_road_servers import NOWHERE, osrm_at, scripted, valhalla_at

SEED: Final = 20261205
GEOD: Final = Geod(ellps="WGS84")
AROUND_DEG: Final = 0.04

type Places = Callable[[np.random.Generator, int], tuple[FloatArray, FloatArray]]


def in_the_demo_city(rng: np.random.Generator, count: int) -> tuple[FloatArray, FloatArray]:
    lat, lon = CENTRE_LAT, CENTRE_LON
    return rng.uniform(lat - AROUND_DEG, lat + AROUND_DEG, count), rng.uniform(
        lon - AROUND_DEG, lon + AROUND_DEG, count
    )


def in_shibuya(rng: np.random.Generator, count: int) -> tuple[FloatArray, FloatArray]:
    return places_along("shibuya", rng, count)


@pytest.fixture(scope="module")
def osrm(demo_extract: Path) -> RoadEngine:
    if not is_osrm_there():
        pytest.skip("osrm-bindings is not to be had on this platform")
    return OsrmInside(osrm_networks(demo_extract, KEPT, SPEEDS))


@pytest.fixture(scope="module")
def valhalla(demo_extract: Path) -> RoadEngine:
    return Valhalla(road_tiles(demo_extract, KEPT), MODES)


@pytest.fixture(scope="module")
def osrm_server() -> Iterator[RoadEngine]:
    with osrm_routed("shibuya", "bicycle") as server:
        yield osrm_at(server.url)


@pytest.fixture(scope="module")
def valhalla_server() -> Iterator[RoadEngine]:
    with valhalla_service("shibuya") as server:
        yield valhalla_at(server.url)


def apart_m(a: Sequence[float] | FloatArray, b: Sequence[float] | FloatArray) -> float:
    """Of two places, lon, lat."""
    return float(GEOD.inv(a[0], a[1], b[0], b[1])[2])


def metres_between(points: FloatArray) -> FloatArray:
    lons, lats = points.T
    return np.asarray(GEOD.inv(lons[:-1], lats[:-1], lons[1:], lats[1:])[2])


@pytest.mark.parametrize(
    ("name", "places", "tries"),
    [
        ("osrm", in_the_demo_city, 60),
        ("valhalla", in_the_demo_city, 25),
        ("osrm_server", in_shibuya, 15),
        ("valhalla_server", in_shibuya, 15),
    ],
)
@pytest.mark.parametrize("mode", Mode)
def test_a_line_takes_what_its_way_takes_and_meets_both_ends_as_far_off_the_road(
    request: pytest.FixtureRequest, name: str, places: Places, tries: int, mode: Mode
) -> None:
    engine: RoadEngine = request.getfixturevalue(name)
    rng = np.random.default_rng([SEED, len(name), list(Mode).index(mode)])
    lats, lons = places(rng, 2 * tries)
    shown = 0
    for at in range(0, 2 * tries, 2):
        start = LatLon(lat=float(lats[at]), lon=float(lons[at]))
        door = LatLon(lat=float(lats[at + 1]), lon=float(lons[at + 1]))
        ways = engine.ways(lats=lats[at : at + 1], lons=lons[at : at + 1], destination=door, mode=mode)
        line = engine.line(start, door, mode)
        if np.isnan(ways.seconds[0]):
            assert line is None, f"seed {SEED}"
            continue
        assert line is not None, f"seed {SEED}: {start} to {door}"
        # OSRM's tables and routes each round their own sums, to tenths of a second.
        assert line.seconds == pytest.approx(ways.seconds[0], abs=0.11), f"seed {SEED}: {start} to {door}"
        first, last = line.points[0], line.points[-1]
        place_leg_m = apart_m(start.lon_lat(), first)
        door_leg_m = apart_m(last, door.lon_lat())
        # Shapes have six decimals, and Valhalla's are cut to decimetres.
        assert place_leg_m == pytest.approx(ways.place_leg_m[0], abs=0.5), f"seed {SEED}: {start} to {door}"
        assert door_leg_m == pytest.approx(ways.door_leg_m[0], abs=0.5), f"seed {SEED}: {start} to {door}"
        length_m = metres_between(line.points).sum()
        assert length_m / engine.top_speed_mps(mode) <= line.seconds + 1, f"seed {SEED}: {start} to {door}"
        straight_m = apart_m(first, last)
        assert length_m >= straight_m - 0.01
        shown += 1
    assert shown > tries // 2


@pytest.mark.parametrize("name", ["osrm", "valhalla", "osrm_server", "valhalla_server"])
def test_where_no_way_is_there_is_no_line(request: pytest.FixtureRequest, name: str) -> None:
    engine: RoadEngine = request.getfixturevalue(name)
    assert engine.has_lines
    places = in_shibuya if name.endswith("server") else in_the_demo_city
    lats, lons = places(np.random.default_rng(SEED), 1)
    here = LatLon(lat=float(lats[0]), lon=float(lons[0]))
    for start, door in ((here, NOWHERE), (NOWHERE, here), (NOWHERE, NOWHERE)):
        assert engine.line(start, door, Mode.EBIKE) is None


@pytest.mark.parametrize("name", ["osrm", "valhalla", "osrm_server", "valhalla_server"])
def test_the_way_to_where_one_is_has_no_length(request: pytest.FixtureRequest, name: str) -> None:
    engine: RoadEngine = request.getfixturevalue(name)
    places = in_shibuya if name.endswith("server") else in_the_demo_city
    lats, lons = places(np.random.default_rng(SEED + 1), 1)
    here = LatLon(lat=float(lats[0]), lon=float(lons[0]))
    line = engine.line(here, here, Mode.FOOT)
    assert line is not None
    assert line.seconds <= 1
    assert metres_between(line.points).sum() < 1


def test_a_line_is_on_the_network_that_the_time_is_of(tmp_path: Path) -> None:
    """Both ends lie at a lane that leads nowhere; a route asked for by itself would be along the lane."""
    if not is_osrm_there():
        pytest.skip("osrm-bindings is not to be had on this platform")
    side = 40
    places = {
        row * side + column + 1: LatLon(lat=60 + row * 2e-3, lon=20 + column * 4e-3)
        for row in range(side)
        for column in range(side)
    }
    ways = [([row * side + column + 1 for column in range(side)], ROAD) for row in range(side)]
    ways += [([row * side + column + 1 for row in range(side)], ROAD) for column in range(side)]
    places |= {5_001: LatLon(lat=60.0005, lon=20.0005), 5_002: LatLon(lat=60.0005, lon=20.0030)}
    extract = ladder(tmp_path / "two.osm.pbf", [*ways, ((5_001, 5_002), ROAD)], places)
    engine = OsrmInside(osrm_networks(extract, tmp_path / "kept", SPEEDS))
    store, door = places[5_001], places[5_002]
    ways_there = engine.ways(lats=np.array([store.lat]), lons=np.array([store.lon]), destination=door, mode=Mode.EBIKE)
    line = engine.line(store, door, Mode.EBIKE)
    assert line is not None
    assert line.seconds == ways_there.seconds[0]
    assert apart_m(store.lon_lat(), line.points[0]) == pytest.approx(ways_there.place_leg_m[0], abs=0.1)
    assert apart_m(line.points[-1], door.lon_lat()) == pytest.approx(ways_there.door_leg_m[0], abs=0.1)
    assert ways_there.place_leg_m[0] > 20, "it walks to the large network"


def test_a_mode_without_a_road_has_no_line(tmp_path: Path) -> None:
    if not is_osrm_there():
        pytest.skip("osrm-bindings is not to be had on this platform")
    places = {number + 1: LatLon(lat=60.0, lon=20 + number * 0.001) for number in range(5)}
    extract = ladder(tmp_path / "steps.osm.pbf", [([*places], {"highway": "steps"})], places)
    engine = OsrmInside(osrm_networks(extract, tmp_path / "kept", SPEEDS))
    assert engine.line(places[1], places[5], Mode.CAR) is None
    assert engine.line(places[1], places[5], Mode.FOOT) is not None


_OK: Final = {"code": "Ok", "routes": [{"duration": 7, "geometry": {"coordinates": [[1, 2]]}}]}


@pytest.mark.parametrize(
    "body",
    [
        {"code": "Ok"},
        _OK,
        _OK | {"waypoints": [{"location": [1, 2]}, {}]},
        _OK | {"waypoints": [{"location": [1, 2]}] * 2, "routes": [{"duration": 7, "geometry": {"coordinates": []}}]},
        _OK | {"waypoints": [{"location": [1, 2]}] * 2, "routes": []},
        {"code": "InvalidUrl"},
        {"trip": {"summary": {"time": 7}, "legs": []}},
        {"trip": {"summary": {"time": 7}, "legs": [{"shape": ""}]}},
        [],
    ],
)
def test_what_is_no_line_is_a_fault_of_the_server(body: object) -> None:
    here = LatLon(lat=2.0, lon=1.0)
    with scripted(200, json.dumps(body).encode()) as url:
        for engine in (osrm_at(url), valhalla_at(url)):
            with pytest.raises(EngineUnavailable):
                engine.line(here, here, Mode.EBIKE)


def test_a_route_that_jumps_is_not_shown(valhalla: RoadEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faster than the roads themselves allow: ``ways`` asks the other search then, which tells no shape."""
    lats, lons = in_the_demo_city(np.random.default_rng(SEED + 2), 2)
    start, door = (LatLon(lat=float(lat), lon=float(lon)) for lat, lon in zip(lats, lons, strict=True))
    assert valhalla.line(start, door, Mode.CAR) is not None
    monkeypatch.setattr(valhalla, "_least_s", lambda places, *_: np.full(len(places), 1e6))
    assert valhalla.line(start, door, Mode.CAR) is None
