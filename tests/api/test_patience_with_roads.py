"""A question that asks for more ways than it has time for is estimated; the engine is not given up for it."""

import asyncio
import time

import numpy as np

from dispatch.services.roads import Roads
from geo.coordinates import LatLon
from geo.geodesy import FloatArray
from geo.travel import Mode, TravelModel
from geo.travel.engine import EngineUnavailable, RoadEngine, Roadway
from geo.travel.estimate import EstimateTravel
from geo.travel.roads import RoadBounds

DOOR = LatLon(lat=25.0, lon=121.5)
BOUNDS = RoadBounds(dict.fromkeys(Mode, 10.0), dict.fromkeys(Mode, (1.0,) * 24))
ESTIMATE = EstimateTravel()


class Slow(RoadEngine):
    """Takes ``takes_s`` for each way; while ``gone`` it cannot be reached."""

    name = "slow"
    ways_a_call = 1
    has_areas = False

    def __init__(self, takes_s: float) -> None:
        self.takes_s = takes_s
        self.gone = False

    def top_speed_mps(self, mode: Mode) -> float:
        return 10.0

    def ways(self, *, lats: FloatArray, lons: FloatArray, destination: LatLon, mode: Mode) -> Roadway:
        if self.gone:
            raise EngineUnavailable("it is gone")
        time.sleep(self.takes_s)
        return Roadway(np.full(len(lats), 60.0), np.zeros(len(lats)), np.zeros(len(lats)))


async def source_of(roads: Roads, places: int) -> str:
    """Where the times of so many places come from."""

    def ask(travel: TravelModel) -> str:
        steps = np.arange(places, dtype=np.float64)
        travel.times_s(
            lats=25.0 + steps * 1e-3, lons=np.full(places, 121.5), destination=DOOR, distances_m=steps * 110.0,
            modes=np.ones(places, dtype=np.int64), hours=np.zeros(places, dtype=np.int64),
        )  # fmt: skip
        return travel.source

    return await roads.answer(DOOR, ask, ESTIMATE)


async def test_too_many_ways_are_estimated_and_the_next_question_is_asked_all_the_same() -> None:
    roads = Roads(Slow(0.05), BOUNDS, threads=2, patience_s=0.3)
    assert await source_of(roads, 100) == "estimate"
    assert (roads.counts.failures, roads.counts.estimated, roads.problem) == (0, 1, None)
    assert await source_of(roads, 2) == "slow"
    roads.close()


async def test_an_engine_that_does_not_answer_at_all_is_left_alone_for_a_while() -> None:
    roads = Roads(Slow(0.5), BOUNDS, threads=2, patience_s=0.1)
    assert await source_of(roads, 2) == "estimate"
    assert (roads.counts.failures, roads.counts.calls) == (1, 2)
    assert await source_of(roads, 1) == "estimate"
    assert (roads.counts.estimated, roads.counts.calls) == (2, 2), "it was not asked again"
    await asyncio.sleep(0.5)
    roads.close()


async def test_one_that_is_gone_costs_a_question_nothing_but_the_estimate() -> None:
    engine = Slow(0.0)
    engine.gone = True
    roads = Roads(engine, BOUNDS)
    assert await source_of(roads, 3) == "estimate"
    assert roads.problem == "it is gone"
    roads.close()
