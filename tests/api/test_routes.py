"""GET /v1/route: the way as the engine tells it whose times quotes tell; else a straight line, which says so."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyproj import Geod

from data.city import CENTRE_LAT, CENTRE_LON
from geo.coordinates import LatLon
from geo.datums import Datum, from_wgs84
from geo.travel import Mode
from geo.travel.engine import EngineUnavailable
from tests.api.client import Api, assert_problem, worker

SEED = 20261207
GEOD = Geod(ellps="WGS84")
WALKING_MPS = 4.8 / 3.6
HERE = (CENTRE_LAT, CENTRE_LON)

type Place = tuple[float, float]


@pytest.fixture(params=["osrm", "valhalla"])
async def city(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path, demo_extract: Path
) -> AsyncIterator[Api]:
    """A worker on the demo city's roads; patient, for it shares its processors."""
    settings = {"roads": demo_extract, "roads_times": request.param, "roads_patience_s": 30.0}
    async with worker(database_url, tmp_path, **settings) as api:
        yield api


def around(rng: np.random.Generator, count: int) -> list[Place]:
    pairs = rng.uniform(-0.03, 0.03, (count, 2)) + np.array(HERE)
    return [(float(lat), float(lon)) for lat, lon in pairs]


async def asked(api: Api, start: Place, door: Place, **query: Any) -> dict[str, Any]:
    answer = await api.get("/v1/route", from_lat=start[0], from_lon=start[1], to_lat=door[0], to_lon=door[1], **query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/geo+json"
    return dict(answer.json())


def length_m(route: dict[str, Any]) -> float:
    lons, lats = np.array(route["geometry"]["coordinates"]).T
    return float(np.sum(GEOD.inv(lons[:-1], lats[:-1], lons[1:], lats[1:])[2]))


async def test_the_seconds_are_those_of_a_quote_and_the_line_leads_from_door_to_door(city: Api) -> None:
    rng = np.random.default_rng(SEED)
    engine = city.app.state.service.roads.engine
    starts, doors = around(rng, 6), around(rng, 8)
    for number, start in enumerate(starts):
        await city.put_store(f"s{number}", *start)
        await city.put_stock(f"s{number}", tea=9)
    compared = bent = 0
    for number, start in enumerate(starts):
        for door in doors:
            where = f"seed {SEED}: {start} to {door}"
            mode = list(Mode)[compared % 3]
            quote = await city.quote(*door, "tea", mode=mode, only_stores=[f"s{number}"], promise_minutes=240)
            if quote["outcome"] != "fulfillable":
                continue
            route = await asked(city, start, door, mode=mode.value)
            told, line = route["properties"], route["geometry"]["coordinates"]
            assert (told["mode"], told["travel_source"]) == (mode.value, engine.name), where
            assert told["travel_s"] == quote["eta"]["travel_s"], where
            ways = engine.ways(
                lats=np.array([start[0]]), lons=np.array([start[1]]), destination=LatLon(lat=door[0], lon=door[1]),
                mode=mode,
            )  # fmt: skip
            off_road_m = float(ways.place_leg_m[0] + ways.door_leg_m[0])
            assert told["travel_s"] == ceil(ways.seconds[0] + off_road_m / WALKING_MPS - 1e-9), where
            assert line[0] == pytest.approx([start[1], start[0]], abs=1e-7)
            assert line[-1] == pytest.approx([door[1], door[0]], abs=1e-7)
            assert told["length_m"] == pytest.approx(length_m(route), abs=0.1), where
            assert told["length_m"] >= quote["store"]["distance_m"] - 0.1, where
            compared += 1
            bent += len(line) > 3
    assert compared > 30, f"seed {SEED}"
    assert bent > 30


async def test_a_route_in_another_datum_is_the_same_route_shifted(city: Api) -> None:
    start, door = around(np.random.default_rng(SEED + 1), 2)
    plain = await asked(city, start, door)
    assert "datum" not in plain
    for datum in (Datum.GCJ02, Datum.BD09):
        shown = [from_wgs84(LatLon(lat=lat, lon=lon), datum) for lat, lon in (start, door)]
        route = await asked(city, *((place.lat, place.lon) for place in shown), datum=datum.value)
        assert route["datum"] == datum.value
        assert abs(route["properties"]["travel_s"] - plain["properties"]["travel_s"]) <= 1
        pairs = zip(route["geometry"]["coordinates"], plain["geometry"]["coordinates"], strict=True)
        for (lon, lat), (plain_lon, plain_lat) in pairs:
            wanted = from_wgs84(LatLon(lat=plain_lat, lon=plain_lon), datum)
            assert (lat, lon) == (pytest.approx(wanted.lat, abs=2e-7), pytest.approx(wanted.lon, abs=2e-7))


async def test_where_no_road_leads_there_is_no_route_and_it_says_so(city: Api) -> None:
    off_road = (CENTRE_LAT + 0.5, CENTRE_LON)
    for start, door in ((off_road, HERE), (HERE, off_road)):
        answer = await city.get(
            "/v1/route", from_lat=start[0], from_lon=start[1], to_lat=door[0], to_lon=door[1], mode="car"
        )
        problem = assert_problem(answer, 404, "no_route")
        assert "by car" in problem["detail"]


async def test_while_the_engine_is_down_the_line_is_straight_and_says_estimate(
    city: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, door = around(np.random.default_rng(SEED + 2), 2)
    assert (await asked(city, start, door))["properties"]["travel_source"] != "estimate"

    def fail(*_: Any, **__: Any) -> None:
        raise EngineUnavailable("it is down")

    roads = city.app.state.service.roads
    monkeypatch.setattr(type(roads.engine), "line", fail)
    route = await asked(city, start, door)
    straight_m = GEOD.inv(start[1], start[0], door[1], door[0])[2]
    assert len(route["geometry"]["coordinates"]) == 2
    assert route["properties"] == {
        "travel_s": ceil(straight_m * 0.234),
        "length_m": pytest.approx(straight_m, abs=0.1),
        "mode": "ebike",
        "travel_source": "estimate",
    }
    assert roads.problem == "it is down"


async def test_without_roads_it_is_straight(app_client: Api) -> None:
    route = await asked(app_client, (25.0330, 121.5654), (25.0312, 121.5571), mode="foot")
    straight_m = GEOD.inv(121.5654, 25.0330, 121.5571, 25.0312)[2]
    assert route["geometry"] == {"type": "LineString", "coordinates": [[121.5654, 25.033], [121.5571, 25.0312]]}
    assert route["properties"]["travel_s"] == ceil(straight_m * 1.25 / (4.8 / 3.6))
    assert route["properties"]["travel_source"] == "estimate"
    here = await asked(app_client, (25.0330, 121.5654), (25.0330, 121.5654))
    assert here["geometry"]["coordinates"] == [[121.5654, 25.033], [121.5654, 25.033]]
    assert (here["properties"]["travel_s"], here["properties"]["length_m"]) == (0, 0.0)


async def test_the_hour_is_the_one_where_it_begins(app_client: Api) -> None:
    """By car it takes 1.4 times as long at eight; it is eight in Taipei while it is nine in Tokyo."""
    app_client.clock.now = datetime(2026, 11, 20, 0, 0, tzinfo=UTC)
    seconds = {}
    for name, (lat, lon) in {"taipei": (25.03, 121.56), "tokyo": (35.68, 139.76)}.items():
        route = await asked(app_client, (lat, lon), (lat + 0.02, lon), mode="car")
        seconds[name] = route["properties"]["travel_s"] / route["properties"]["length_m"]
    assert seconds["taipei"] == pytest.approx(1.4 * seconds["tokyo"], rel=0.01)


@pytest.mark.parametrize(
    ("query", "pointers"),
    [
        ({"from_lat": 121.5, "from_lon": 25.0}, ["/query/from_lat"]),
        ({"to_lat": 95}, ["/query/to_lat"]),
        ({"to_lat": 0, "to_lon": 0}, ["/query/to_lat"]),
        ({"from_lat": "nan"}, ["/query/from_lat"]),
        ({"to_lat": 28.0}, ["/query/to_lat"]),
        ({"mode": "swim"}, ["/query/mode"]),
        ({"datum": "x"}, ["/query/datum"]),
        ({"colour": "red"}, ["/query/colour"]),
        ({"from_lat": None}, ["/query/from_lat"]),
    ],
)
async def test_what_is_no_question_is_refused_with_its_place(
    app_client: Api, query: dict[str, Any], pointers: list[str]
) -> None:
    good = {"from_lat": 25.0, "from_lon": 121.5, "to_lat": 25.01, "to_lon": 121.5}
    sent = {name: value for name, value in (good | query).items() if value is not None}
    assert_problem(await app_client.get("/v1/route", **sent), 422, pointers=pointers)


async def test_a_route_of_more_than_200_km_is_refused_with_its_length(app_client: Api) -> None:
    answer = await app_client.get("/v1/route", from_lat=25.0, from_lon=121.5, to_lat=27.0, to_lon=121.5)
    assert "222 km" in assert_problem(answer, 422)["detail"]
