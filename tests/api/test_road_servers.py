"""Quotes and orders by road from real routing servers: while they run, while they are dead, and while they hang."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from dispatch.services import roads as roads_module
from geo.coordinates import LatLon
from geo.travel import Mode
from tests.api.client import Api, worker
from tests.api.shop import clock_of_now, order_of, placed
from tests.geo.road_servers import RoutingProcess, never_answering, osrm_routed, valhalla_service
from tests.geo.roads import valhalla_of

DOOR = (35.6580, 139.7016)
DOORS = [(35.6580 + 0.0001 * i, 139.7016) for i in range(12)]
OFF_THE_NETWORK = (35.70, 139.76)  # 6 km from the extract's edge
REST_S = 0.4


@pytest.fixture(scope="module")
def osrm_process() -> Iterator[RoutingProcess]:
    with osrm_routed("shibuya", "bicycle") as server:
        yield server


@pytest.fixture(scope="module")
def valhalla_process() -> Iterator[RoutingProcess]:
    with valhalla_service("shibuya") as server:
        yield server


@pytest.fixture(autouse=True)
def short_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roads_module, "_REST_S", REST_S)


@asynccontextmanager
async def shops_by_road(
    database_url: str, data_dir: Path, engine: str, url: str, *, patience_s: float = 5.0
) -> AsyncIterator[Api]:
    """Two shops in Shibuya, asked by a worker that travels by the server at ``url``."""
    settings = {"roads_url": url, "roads_engine": engine, "roads_patience_s": patience_s}
    async with worker(database_url, data_dir, clock=clock_of_now(), **settings) as api:
        for store_id, place in (("near", (35.6595, 139.7005)), ("far", (35.6610, 139.6980))):
            await api.put_store(store_id, *place)
            await api.put_stock(store_id, tea=50)
        yield api


async def source_of(api: Api, door: tuple[float, float] = DOOR) -> str:
    quote = await api.quote(*door, "tea")
    assert quote["outcome"] == "fulfillable", quote
    return str(quote["eta"]["travel_source"])


async def metric(api: Api, name: str) -> float:
    answer = await api.send("GET", "/metrics")
    assert answer.status_code == 200
    [line] = [line for line in answer.text.splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])


# ── while they run ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("engine", ["osrm", "valhalla"])
async def test_a_quote_travels_by_the_server_and_says_so(
    database_url: str, tmp_path: Path, engine: str, request: pytest.FixtureRequest
) -> None:
    server: RoutingProcess = request.getfixturevalue(f"{engine}_process")
    async with shops_by_road(database_url, tmp_path, engine, server.url) as api:
        quote = await api.quote(*DOOR, "tea", alternatives=1)
        assert quote["eta"]["travel_source"] == engine
        assert (await api.get("/readyz")).json()["parts"]["roads"] == f"by {engine}"
        assert await metric(api, "lifecircle_roads_engine_up") == 1
        assert await metric(api, "lifecircle_roads_ways_total") >= 2
        assert await metric(api, "lifecircle_roads_broken_bounds_total") == 0
    if engine == "valhalla":
        travel_s = {o["store"]["store_id"]: o["eta"]["travel_s"] for o in (quote, *quote["alternatives"])}
        door = LatLon(lat=DOOR[0], lon=DOOR[1])
        ways = valhalla_of("shibuya").ways(
            lats=np.array([35.6595, 35.6610]), lons=np.array([139.7005, 139.6980]), destination=door, mode=Mode.EBIKE
        )
        legs_s = (ways.place_leg_m + ways.door_leg_m) / (4.8 / 3.6)
        assert [travel_s["near"], travel_s["far"]] == np.ceil(ways.seconds + legs_s).astype(int).tolist()


@pytest.mark.parametrize("engine", ["osrm", "valhalla"])
async def test_a_door_off_the_network_is_unreachable_and_not_zero_seconds_away(
    database_url: str, tmp_path: Path, engine: str, request: pytest.FixtureRequest
) -> None:
    server: RoutingProcess = request.getfixturevalue(f"{engine}_process")
    async with shops_by_road(database_url, tmp_path, engine, server.url) as api:
        quote = await api.quote(*OFF_THE_NETWORK, "tea", explain=True)
        assert (quote["outcome"], quote["reason"]) == ("unfulfillable", "unreachable")
        assert quote["nearest_miss"]["reason"] == "unreachable"
        assert quote["nearest_miss"]["eta"] is None
        # So is a store off the network, to a door that is on it.
        await api.put_store("on the hill", 35.70, 139.7016)
        await api.put_stock("on the hill", milk=5)
        quote = await api.quote(*DOOR, "milk", explain=True)
        assert quote["outcome"] == "unfulfillable"
        [hill] = [entry for entry in quote["passed_over"] if entry["store_id"] == "on the hill"]
        assert (hill["reason"], hill["key_s"]) == ("unreachable", None)


# ── while they are dead, or hang ───────────────────────────────────────────────────────────────────────────────────


async def test_a_killed_server_is_done_without_until_it_is_there_again(database_url: str, tmp_path: Path) -> None:
    with osrm_routed("shibuya", "bicycle") as server:
        async with shops_by_road(database_url, tmp_path, "osrm", server.url) as api:
            assert await source_of(api, DOORS[0]) == "osrm"
            server.kill()
            assert await source_of(api, DOORS[1]) == "estimate"
            assert await metric(api, "lifecircle_roads_engine_up") == 0
            assert await metric(api, "lifecircle_roads_failures_total") == 1
            told = (await api.get("/readyz")).json()
            assert told["status"] == "ready"
            assert "cannot be reached" in told["parts"]["roads"]
            # Nothing is refused: orders go on, and so does a quote to where the network does not reach.
            order = await placed(api, "o-1", order_of(door=DOORS[2]))
            assert order["eta"]["travel_source"] == "estimate"
            far = await api.quote(*OFF_THE_NETWORK, "tea")
            assert far["outcome"] == "fulfillable"
            server.start()
            await asyncio.sleep(REST_S + 0.1)
            assert await source_of(api, DOORS[3]) == "osrm"
            order = await placed(api, "o-2", order_of(door=DOORS[4]))
            assert order["eta"]["travel_source"] == "osrm"
            assert await metric(api, "lifecircle_roads_engine_up") == 1
            assert await metric(api, "lifecircle_roads_estimated_total") >= 3


async def test_a_server_that_hangs_costs_no_more_than_the_patience(database_url: str, tmp_path: Path) -> None:
    with never_answering() as url:
        async with shops_by_road(database_url, tmp_path, "osrm", url, patience_s=0.5) as api:
            began = time.monotonic()
            assert await source_of(api, DOORS[0]) == "estimate"
            assert 0.4 < time.monotonic() - began < 1.5
            began = time.monotonic()
            assert await source_of(api, DOORS[1]) == "estimate"
            assert time.monotonic() - began < 0.3, "while it rests, nobody waits"
            await asyncio.sleep(REST_S + 0.1)
            began = time.monotonic()
            order = await placed(api, "o-1", order_of(door=DOORS[2]))
            assert order["eta"]["travel_source"] == "estimate"
            assert time.monotonic() - began < 2.0


async def test_one_question_alone_tries_a_server_that_was_dead(database_url: str, tmp_path: Path) -> None:
    with never_answering() as url:
        async with shops_by_road(database_url, tmp_path, "osrm", url, patience_s=0.8) as api:
            await source_of(api, DOORS[0])
            await asyncio.sleep(REST_S + 0.1)

            async def timed(door: tuple[float, float]) -> float:
                began = time.monotonic()
                assert await source_of(api, door) == "estimate"
                return time.monotonic() - began

            took_s = sorted(await asyncio.gather(*map(timed, DOORS[1:])))
            assert took_s[-1] > 0.7
            assert took_s[-2] < 0.6, took_s
            assert await metric(api, "lifecircle_roads_failures_total") == 2


async def test_a_server_that_comes_back_is_not_kept_waiting_by_questions_given_up(
    database_url: str, tmp_path: Path
) -> None:
    doors = [(35.6580 + 0.0001 * i, 139.7016) for i in range(40)]  # two ways each, by 8 threads: 10 times the patience
    with never_answering() as url:
        async with shops_by_road(database_url, tmp_path, "valhalla", url, patience_s=0.5) as api:
            quotes = await asyncio.gather(*(api.quote(*door, "tea") for door in doors))
            assert {quote["eta"]["travel_source"] for quote in quotes} == {"estimate"}
            executor = api.app.state.service.roads._executor
            async with asyncio.timeout(1.5):
                await asyncio.wrap_future(executor.submit(int))
