"""An engine that is quick is asked where the question is; who tells the times on an extract, and who without OSRM."""

import asyncio
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from dispatch import app
from dispatch.app import engine_of, roads_of
from dispatch.commands import checking_roads, serving
from dispatch.commands.report import Report
from dispatch.commands.stopping import StopRequest
from dispatch.services.roads import Roads
from dispatch.settings import Settings, load_settings
from geo.coordinates import LatLon
from geo.geodesy import FloatArray, IntArray
from geo.travel import MODES, Mode, TravelModel
from geo.travel.engine import EngineUnavailable, RoadEngine, Roadway
from geo.travel.estimate import EstimateTravel
from geo.travel.osrm_network import is_osrm_there
from geo.travel.roads import RoadBounds
from tests.geo.roads import KEPT
from tests.geo.shared import shared_file

BOUNDS = RoadBounds(dict.fromkeys(Mode, 10.0), dict.fromkeys(Mode, (1.0,) * 24))
DOOR = LatLon(lat=25.0, lon=121.5)


class Quick(RoadEngine):
    """Notes in which thread it is asked; ``takes_s`` for each call, or fails."""

    name = "quick"
    ways_a_call = 2
    has_areas = False
    is_quick = True

    def __init__(self, *, takes_s: float = 0.0, fails: bool = False) -> None:
        self.takes_s, self.fails = takes_s, fails
        self.asked: list[tuple[int, threading.Thread]] = []

    def top_speed_mps(self, mode: Mode) -> float:
        return 10.0

    def ways(self, *, lats: FloatArray, lons: FloatArray, destination: LatLon, mode: Mode) -> Roadway:
        self.asked.append((len(lats), threading.current_thread()))
        time.sleep(self.takes_s)
        if self.fails:
            raise EngineUnavailable("it is broken")
        return Roadway(np.full(len(lats), 60.0), np.zeros(len(lats)), np.zeros(len(lats)))


async def source_of(roads: Roads, stores: int) -> str:
    lats, lons = np.linspace(25.0, 25.1, stores), np.full(stores, 121.5)

    def ask(travel: TravelModel) -> str:
        modes: IntArray = np.full(stores, MODES.index(Mode.EBIKE))
        travel.times_s(
            lats=lats, lons=lons, destination=DOOR, distances_m=np.zeros(stores), modes=modes, hours=modes * 0
        )  # fmt: skip
        return travel.source

    return await roads.answer(DOOR, ask, EstimateTravel())


async def test_a_quick_engine_is_asked_here_in_calls_as_large_as_it_likes() -> None:
    engine = Quick()
    roads = Roads(engine, BOUNDS)
    assert await source_of(roads, 5) == "quick"
    assert engine.asked == [(count, threading.main_thread()) for count in (2, 2, 1)]
    assert (roads.counts.calls, roads.counts.ways, roads.counts.failures) == (3, 5, 0)
    roads.close()


async def test_a_question_that_takes_it_too_long_is_estimated_and_the_engine_gets_no_rest() -> None:
    engine = Quick(takes_s=0.02)
    roads = Roads(engine, BOUNDS, patience_s=0.03)
    assert await source_of(roads, 20) == "estimate"
    assert 1 <= len(engine.asked) <= 3, "it is not asked for the rest"
    assert (roads.problem, roads.counts.estimated) == (None, 1)
    assert await source_of(roads, 1) == "quick"


async def test_while_a_question_asks_for_many_ways_others_have_their_turn() -> None:
    """Five calls of a question, each longer than one may hold up the others: in one round, and a round each."""
    for in_one_round in (True, False):
        engine, turns = Quick(takes_s=0.003), list[int]()
        roads = Roads(engine, BOUNDS)

        async def others(engine: Quick = engine, turns: list[int] = turns) -> None:
            while True:
                turns.append(len(engine.asked))
                await asyncio.sleep(0)

        beside = asyncio.create_task(others())
        await asyncio.sleep(0)
        if in_one_round:
            await source_of(roads, 10)
        else:
            await roads.answer(DOOR, one_after_the_other, EstimateTravel())
        beside.cancel()
        assert len(engine.asked) == 5
        assert {1, 2, 3, 4} <= set(turns), "in between somebody came to his turn"


def one_after_the_other(travel: TravelModel) -> None:
    """Ways to five places, the next one needed once the last is known."""
    for lat in np.linspace(25.0, 25.1, 5).tolist():
        one: IntArray = np.array([MODES.index(Mode.EBIKE)])
        travel.times_s(
            lats=np.array([lat]), lons=np.array([121.5]), destination=DOOR, distances_m=np.zeros(1), modes=one,
            hours=one * 0,
        )  # fmt: skip


async def test_a_quick_engine_that_fails_is_given_a_rest() -> None:
    engine = Quick(fails=True)
    roads = Roads(engine, BOUNDS)
    assert await source_of(roads, 5) == "estimate"
    assert await source_of(roads, 5) == "estimate"
    assert (roads.problem, roads.counts.failures, len(engine.asked)) == ("it is broken", 1, 1)


def settings_on(extract: str, tmp_path: Path, times: str | None = None) -> Settings:
    return load_settings(roads=shared_file(extract), data_dir=tmp_path, roads_times=times)


@pytest.fixture
def built_before(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (app, checking_roads, serving):
        monkeypatch.setattr(module, "roads_dir", lambda _settings: KEPT)


@pytest.mark.usefixtures("built_before")
def test_osrm_tells_the_times_unless_valhalla_is_to(tmp_path: Path) -> None:
    if not is_osrm_there():
        pytest.skip("osrm-bindings is not to be had on this platform")
    roads = roads_of(settings_on("roads/shibuya.osm.pbf", tmp_path))
    assert roads.engine is not None
    assert roads.of_areas.engine is not None
    assert (roads.engine.name, roads.of_areas.engine.name) == ("osrm", "valhalla")
    assert roads.of_areas.counts is roads.counts
    roads.close()
    roads = roads_of(settings_on("roads/shibuya.osm.pbf", tmp_path, "valhalla"))
    assert roads.engine is not None
    assert roads.engine.name == "valhalla"
    assert roads.of_areas is roads
    roads.close()


@pytest.mark.usefixtures("built_before")
def test_without_osrm_valhalla_tells_them_and_start_and_check_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(app, "is_osrm_there", lambda: False)
    settings = settings_on("roads/shibuya.osm.pbf", tmp_path)
    engine = engine_of(settings)
    assert engine is not None
    assert engine.name == "valhalla"
    with StopRequest() as stop:
        serving._prepare_roads(settings, stop)
    assert "by Valhalla, ready after" in (said := capsys.readouterr().out)
    assert "OSRM is not to be had on this platform" in said
    report = Report(Console())
    checking_roads.check_roads(settings, [], report)
    assert "OSRM is not to be had on this platform" in capsys.readouterr().out
    with StopRequest() as stop:
        serving._prepare_roads(settings_on("roads/shibuya.osm.pbf", tmp_path, "valhalla"), stop)
    assert "not to be had" not in capsys.readouterr().out, "nobody has asked for it"
