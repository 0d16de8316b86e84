"""What is known of ways beforehand: asked for once a door, deeper where it matters, and known better with time."""

import asyncio
import threading

import numpy as np

from dispatch.services.roads import Roads
from geo.coordinates import LatLon
from geo.geodesy import FloatArray, IntArray
from geo.travel import MODES, Mode, TravelModel
from geo.travel.engine import Approach, EngineUnavailable, RoadEngine, Roadway
from geo.travel.estimate import EstimateTravel
from geo.travel.roads import RoadBounds

BOUNDS = RoadBounds(dict.fromkeys(Mode, 10.0), dict.fromkeys(Mode, (1.0,) * 24))
ESTIMATE = EstimateTravel()
STEPS = np.arange(3, dtype=np.float64)
LATS, LONS = 25.0 + STEPS * 1e-3, np.full(3, 121.5)


class Known(Approach):
    def __init__(self, *, is_cut: bool, strangers: int = 0) -> None:
        self._is_cut, self._left = is_cut, strangers

    def is_cut_short(self, lats: FloatArray, lons: FloatArray) -> bool:
        return self._is_cut

    def strangers(self, count: int) -> tuple[FloatArray, FloatArray]:
        some, self._left = min(count, self._left), self._left - min(count, self._left)
        return np.full(some, 25.0), np.full(some, 121.5)


class Engine(RoadEngine):
    """Counts what it is asked; the first approach to a door is cut short. ``fails`` makes approaches fail."""

    name = "counting"
    ways_a_call = 4
    has_areas = False
    has_approaches = True

    def __init__(self, *, strangers: int = 0) -> None:
        self.approached: list[tuple[LatLon, bool]] = []
        self.strangers, self.met, self.may_meet, self.fails = strangers, 0, threading.Event(), False

    def top_speed_mps(self, mode: Mode) -> float:
        return 10.0

    def approach(self, destination: LatLon, mode: Mode, after: Approach | None = None) -> Approach:
        if self.fails:
            raise EngineUnavailable("no approach")
        self.approached.append((destination, after is not None))
        return Known(is_cut=after is None, strangers=self.strangers)

    def ways(self, *, lats: FloatArray, lons: FloatArray, destination: LatLon, mode: Mode) -> Roadway:
        return Roadway(np.full(len(lats), 60.0), np.zeros(len(lats)), np.zeros(len(lats)))

    def meet(self, lats: FloatArray, lons: FloatArray, mode: Mode) -> None:
        assert self.may_meet.wait(5)
        self.met += len(lats)
        raise EngineUnavailable("whoever asks next finds out")


async def source_of(roads: Roads, door: LatLon) -> str:
    def ask(travel: TravelModel) -> str:
        modes: IntArray = np.full(3, MODES.index(Mode.EBIKE))
        travel.prepare(modes)
        travel.times_s(
            lats=LATS, lons=LONS, destination=door, distances_m=STEPS * 110.0, modes=modes,
            hours=np.zeros(3, dtype=np.int64),
        )  # fmt: skip
        return travel.source

    return await roads.answer(door, ask, ESTIMATE)


async def test_a_door_is_approached_once_and_deeper_where_it_is_cut_short() -> None:
    engine = Engine()
    roads, door = Roads(engine, BOUNDS), LatLon(lat=25.0, lon=121.5)
    for _ in range(3):
        assert await source_of(roads, door) == "counting"
    assert engine.approached == [(door, False), (door, True)]
    assert roads.counts.ways == 3
    roads.close()


async def test_only_the_approaches_of_the_doors_asked_last_are_kept_and_the_ways_of_all() -> None:
    engine = Engine()
    roads = Roads(engine, BOUNDS)
    doors = [LatLon(lat=25.0, lon=121.5 + number * 1e-3) for number in range(70)]
    for door in doors:
        await source_of(roads, door)
    before, ways = len(engine.approached), roads.counts.ways
    await source_of(roads, doors[-1])
    assert len(engine.approached) == before, "the last is known"
    await source_of(roads, doors[0])
    assert len(engine.approached) == before + 1, "the first is approached again, not deeper, for its ways are known"
    assert roads.counts.ways == ways
    roads.close()


async def test_a_door_that_cannot_be_approached_is_estimated() -> None:
    engine = Engine()
    engine.fails = True
    roads = Roads(engine, BOUNDS)
    assert await source_of(roads, LatLon(lat=25.0, lon=121.5)) == "estimate"
    assert (roads.problem, roads.counts.failures, roads.counts.estimated) == ("no approach", 1, 1)
    roads.close()


async def test_places_are_met_in_the_background_a_few_at_a_time_and_its_failure_is_nobodys() -> None:
    engine = Engine(strangers=20)
    roads = Roads(engine, BOUNDS)
    doors = [LatLon(lat=25.0, lon=121.5 + number * 1e-3) for number in range(3)]
    for door in doors:
        assert await asyncio.wait_for(source_of(roads, door), 2) == "counting"
    assert engine.met == 0, "nobody waits for it"
    engine.may_meet.set()
    for _ in range(200):
        if engine.met:
            break
        await asyncio.sleep(0.01)
    assert engine.met == 16, "while one was at it, no other was begun"
    assert roads.problem is None
    assert await source_of(roads, doors[0]) == "counting"
    roads.close()
