"""GET /v1/roads/tiles/{z}/{x}/{y}: the roads that travel goes by, where there are any, and what it is when not."""

import asyncio
import gzip
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from math import asinh, degrees, pi, radians, sinh, tan
from math import atan as arctan
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import osmium
import pytest

from dispatch.services.road_tiles import RoadTile, RoadTiles
from dispatch.services.roads import Roads
from geo.coordinates import LatLon
from geo.geodesy import FloatArray
from geo.travel import Mode
from geo.travel.engine import EngineUnavailable, RoadEngine, Roadway
from geo.travel.roads import RoadBounds
from tests.api.client import Api, assert_problem, worker
from tests.api.shop import becomes
from tests.api.test_document import Checker
from tests.geo.shared import shared_file
from tests.geo.vector_tiles import layers_of

# In Shibuya.
PLACE = (35.6590, 139.7005)
MVT = "application/vnd.mapbox-vector-tile"


def tile_at(lat: float, lon: float, zoom: int) -> tuple[int, int]:
    across = 2**zoom
    return int((lon + 180) / 360 * across), int((1 - asinh(tan(radians(lat))) / pi) / 2 * across)


def place_in(x: float, y: float, zoom: int) -> tuple[float, float]:
    """Latitude and longitude of a point in tiles, by the usual formula of Web Mercator."""
    return degrees(arctan(sinh(pi * (1 - 2 * y / 2**zoom)))), x / 2**zoom * 360 - 180


@pytest.fixture
async def city(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with worker(database_url, tmp_path, roads=shared_file("roads/shibuya.osm.pbf")) as api:
        yield api


async def tile(api: Api, zoom: int, x: int, y: int, **headers: str) -> httpx.Response:
    return await api.send("GET", f"/v1/roads/tiles/{zoom}/{x}/{y}", headers=headers)


async def test_the_roads_of_a_tile_lie_where_the_extract_has_them(city: Api) -> None:
    assert (await city.get("/v1/map")).json()["roads"] == {
        "url": "/v1/roads/tiles/{z}/{x}/{y}",
        "min_zoom": 7,
        "attribution": "© OpenStreetMap contributors",
        "max_zoom": 14,
    }
    x, y = tile_at(*PLACE, 14)
    answer = await tile(city, 14, x, y)
    assert (answer.status_code, answer.headers["content-type"]) == (200, MVT)
    [layer] = layers_of(answer.content)
    assert layer.name == "edges"
    assert len(layer.roads) > 200
    assert {road.attributes["road_class"] for road in layer.roads} >= {2, 6, 7}
    reader = osmium.FileProcessor(str(shared_file("roads/shibuya.osm.pbf")), osmium.osm.NODE)
    nodes = {(round(node.lat, 4), round(node.lon, 4)) for node in reader if isinstance(node, osmium.osm.Node)}
    corners = [
        place_in(x + corner_x / layer.extent, y + corner_y / layer.extent, 14)
        for road in layer.roads
        for line in road.lines
        for corner_x, corner_y in line
        if 0 < corner_x < layer.extent and 0 < corner_y < layer.extent
    ]
    # A unit of the tile is half a metre, the grid of the nodes 10 m: look at the four around.
    near = [
        any((round(lat + d, 4), round(lon + e, 4)) in nodes for d in (-5e-5, 0, 5e-5) for e in (-5e-5, 0, 5e-5))
        for lat, lon in corners
    ]
    assert len(corners) > 500
    assert sum(near) / len(near) > 0.98


async def test_a_tile_is_small_and_smaller_when_it_is_packed(city: Api) -> None:
    for zoom, most in ((10, 40_000), (12, 60_000), (14, 60_000)):
        x, y = tile_at(*PLACE, zoom)
        plain = await tile(city, zoom, x, y, **{"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        packed = await tile(city, zoom, x, y, **{"Accept-Encoding": "br, gzip;q=0.5"})
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.content == plain.content  # as the client has unpacked it
        assert len(gzip.compress(plain.content)) < most
        assert plain.headers["etag"] != packed.headers["etag"]
        assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"
    refused = await tile(city, zoom, x, y, **{"Accept-Encoding": "gzip;q=0, identity"})
    assert "content-encoding" not in refused.headers


async def test_a_tile_may_be_kept_by_anybody_and_is_304_to_whoever_has_it(city: Api) -> None:
    checker = Checker((await city.send("GET", "/openapi.json")).json())
    x, y = tile_at(*PLACE, 13)
    first = await tile(city, 13, x, y)
    again = await tile(city, 13, x, y, **{"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["cache-control"] == again.headers["cache-control"] == "public, max-age=3600"
    nothing = await tile(city, 13, 0, 0)
    assert (nothing.status_code, nothing.content) == (204, b"")
    assert nothing.headers["etag"]
    above = await tile(city, 3, *tile_at(*PLACE, 3))
    assert above.status_code == 204
    for answer in (first, again, nothing, above, await tile(city, 15, 0, 0), await tile(city, 2, 4, 0)):
        checker.check(answer)


@pytest.mark.parametrize(
    ("path", "pointers"),
    [
        ("15/0/0", ["/path/z"]),
        ("-1/0/0", ["/path/z"]),
        ("2/4/1", ["/path/x"]),
        ("2/4/9", ["/path/x", "/path/y"]),
        ("14/0/16384", ["/path/y"]),
        ("a/0/0", ["/path/z"]),
        ("2/1/1?datum=gcj02", ["/query/datum"]),
    ],
)
async def test_a_tile_that_cannot_be_is_told_with_its_place(city: Api, path: str, pointers: list[str]) -> None:
    answer = await city.send("GET", f"/v1/roads/tiles/{path}")
    assert_problem(answer, 422, "invalid_input", pointers=pointers)


async def test_without_roads_there_are_no_tiles_of_them(app_client: Api) -> None:
    assert (await app_client.get("/v1/map")).json()["roads"] is None
    assert_problem(await app_client.send("GET", "/v1/roads/tiles/2/1/1"), 404, "no_roads")


async def test_a_server_draws_no_roads_whether_it_runs_or_not(database_url: str, tmp_path: Path) -> None:
    async with worker(database_url, tmp_path, roads_url="http://127.0.0.1:9") as api:
        assert (await api.get("/v1/map")).json()["roads"] is None
        assert_problem(await api.send("GET", "/v1/roads/tiles/2/1/1"), 404, "no_roads")


async def test_an_engine_that_is_down_is_not_a_place_without_roads(city: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = tile_at(*PLACE, 14)
    kept = await tile(city, 14, x, y)

    def down(*_arguments: Any, **_named: Any) -> bytes:
        raise EngineUnavailable("down")

    monkeypatch.setattr("geo.travel.valhalla.Valhalla.drawn", down)
    answer = await tile(city, 13, *tile_at(*PLACE, 13))
    problem = assert_problem(answer, 503, "roads_unavailable")
    assert answer.headers["retry-after"]
    assert "down" in problem["detail"]
    assert (await tile(city, 14, x, y)).content == kept.content
    assert (await city.get("/v1/map")).json()["roads"] is not None
    # Quotes and areas go on by road: they are asked for in another way.
    service = city.app.state.service
    for roads in (service.roads, service.roads.of_areas):
        assert (roads.problem, roads.counts.failures, roads.counts.estimated) == (None, 0, 0)


# ── what is kept ───────────────────────────────────────────────────────────────────────────────────────────────────


class _Drawing(RoadEngine):
    """Draws a kilobyte that cannot be packed, and counts."""

    name, ways_a_call, has_areas, drawn_from = "drawing", 1, True, 0

    def __init__(self) -> None:
        self.asked: list[tuple[int, int, int]] = []
        self.may_draw = threading.Event()
        self.may_draw.set()
        self.error: Exception | None = None

    def top_speed_mps(self, mode: Mode) -> float:
        return 20.0

    def ways(self, *, lats: FloatArray, lons: FloatArray, destination: LatLon, mode: Mode) -> Roadway:
        raise EngineUnavailable("it draws")

    def drawn(self, *, zoom: int, x: int, y: int) -> bytes:
        self.asked.append((zoom, x, y))
        assert self.may_draw.wait(20)
        if self.error is not None:
            raise self.error
        return bytes((x * i * i + y + i // 7) % 251 for i in range(1, 1_000))


def roads_drawn_by(engine: RoadEngine, *, patience_s: float = 2.0) -> Roads:
    bounds = RoadBounds(dict.fromkeys(Mode, 20.0), dict.fromkeys(Mode, (1.0,) * 24))
    return Roads(engine, bounds, patience_s=patience_s)


class _Opened(NamedTuple):
    engine: _Drawing
    roads: Roads
    tiles: RoadTiles

    @property
    def drawn(self) -> list[int]:
        return [x for _, x, _ in self.engine.asked]

    async def tile(self, x: int) -> RoadTile | None:
        return await self.tiles.tile(zoom=14, x=x, y=0)


@contextmanager
def opened(*, patience_s: float = 20.0, most_waiting: int = 64) -> Iterator[_Opened]:
    engine = _Drawing()
    roads = roads_drawn_by(engine, patience_s=patience_s)
    tiles = RoadTiles(roads, most_waiting=most_waiting)
    try:
        yield _Opened(engine, roads, tiles)
    finally:
        engine.may_draw.set()
        tiles.close()
        roads.close()


async def test_the_last_tiles_are_kept_up_to_their_bytes() -> None:
    engine = _Drawing()
    roads = roads_drawn_by(engine)
    tiles = RoadTiles(roads, most_bytes=5_000)
    try:
        for x in (1, 2, 1, 3, 1, 4, 5, 1):
            told = await tiles.tile(zoom=14, x=x, y=0)
            assert told is not None
            assert told.plain == bytes((x * i * i + i // 7) % 251 for i in range(1, 1_000))
        asked = [x for _, x, _ in engine.asked]
        assert asked == [1, 2, 3, 4, 5]  # what was asked for again and again is never drawn again
        await tiles.tile(zoom=14, x=2, y=0)
        assert [x for _, x, _ in engine.asked][5:] == [2]
    finally:
        tiles.close()
        roads.close()


# ── whoever waits ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_tile_that_comes_too_late_is_there_for_whoever_asks_again() -> None:
    with opened(patience_s=0.1) as here:
        here.engine.may_draw.clear()
        for _ in range(3):
            assert await here.tile(1) is None
        here.engine.may_draw.set()
        await becomes(lambda: _is_there(here, 2), True, within_s=5)  # whose turn is behind it
        assert await here.tile(1) is not None
        assert here.drawn == [1, 2]
        counts = here.roads.counts
        assert (here.roads.problem, counts.failures, counts.estimated) == (None, 0, 0)


async def _is_there(here: _Opened, x: int) -> bool:
    return await here.tile(x) is not None


async def test_those_who_ask_for_one_tile_at_once_have_it_drawn_once() -> None:
    with opened() as here:
        told = await asyncio.gather(*(here.tile(x) for x in (1, 2, 1, 1, 2)))
        assert None not in told
        assert told[0] is told[2] is told[3]
        assert here.drawn == [1, 2]


async def test_one_who_goes_away_takes_no_tile_from_the_others() -> None:
    with opened() as here:
        here.engine.may_draw.clear()
        first, second = asyncio.create_task(here.tile(1)), asyncio.create_task(here.tile(1))
        await asyncio.sleep(0.05)
        first.cancel()
        await asyncio.sleep(0.05)
        here.engine.may_draw.set()
        assert await second is not None
        assert here.drawn == [1]


async def test_areas_do_not_wait_for_tiles() -> None:
    with opened() as here:
        here.engine.may_draw.clear()
        waiting = [asyncio.create_task(here.tile(x)) for x in range(5)]
        await asyncio.sleep(0.05)
        async with asyncio.timeout(5):
            assert await here.roads.ask(None, lambda _engine, _bounds: "an area") == "an area"
        here.engine.may_draw.set()
        assert None not in await asyncio.gather(*waiting)


async def test_an_engine_that_cannot_draw_a_tile_is_given_no_rest() -> None:
    with opened() as here:
        here.engine.error = EngineUnavailable("no such tile")
        assert list(await asyncio.gather(here.tile(1), here.tile(1))) == [None, None]
        assert here.roads.problem is None
        assert await here.roads.ask(None, lambda _engine, _bounds: "an area") == "an area"
        here.engine.error = None
        assert await here.tile(1) is not None
        assert here.drawn == [1, 1]
        here.engine.error = RuntimeError("a fault of ours")
        with pytest.raises(RuntimeError, match="ours"):
            await here.tile(2)


async def test_behind_many_who_wait_nobody_waits_in_vain() -> None:
    with opened(most_waiting=3) as here:
        here.engine.may_draw.clear()
        waiting = [asyncio.create_task(here.tile(x)) for x in range(3)]
        await asyncio.sleep(0.05)
        async with asyncio.timeout(2):  # much less than the patience
            assert await here.tile(3) is None
        same = asyncio.create_task(here.tile(2))
        await asyncio.sleep(0.05)
        here.engine.may_draw.set()
        assert None not in await asyncio.gather(*waiting, same)
        assert await here.tile(3) is not None
        assert here.drawn == [0, 1, 2, 3]


async def test_at_the_end_what_is_drawn_is_waited_for_and_the_others_are_told_no() -> None:
    with opened() as here:
        here.engine.may_draw.clear()
        waiting = [asyncio.create_task(here.tile(x)) for x in range(3)]
        await asyncio.sleep(0.05)
        threading.Timer(0.2, here.engine.may_draw.set).start()
        here.tiles.close()
        told = await asyncio.gather(*waiting)
        assert [tile is None for tile in told] == [False, True, True]
        assert here.drawn == [0]
        assert await here.tile(9) is None
        assert await here.tile(0) is told[0]
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("road-tiles")]
