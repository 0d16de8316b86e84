"""Quotes by road in a city of 2,000 stores: how long they take, and whether they equal the full matrix.

By OSRM, which tells the times on an extract by default, and by Valhalla, which did before and does where there is no
OSRM. Both are asked the same questions, a round in turn.
"""

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import numpy as np
from msgspec import structs

from dispatch.domain.question import Question
from dispatch.domain.selection import Selecting
from dispatch.services.roads import Roads
from geo.coordinates import LatLon
from geo.travel import MODES, Mode
from geo.travel.engine import RoadEngine
from geo.travel.osrm_network import is_osrm_there
from tests.geo.roads import osrm_of, places_along, valhalla_of
from tests.selection.road_worlds import City, asked_of, city, question, right_answer, travel_s_of_all

SEED: Final = 20261126
STORES: Final = 2_000
QUOTES: Final = 60
ROUNDS: Final = 5
WARMING: Final = 3
RATIO_DOORS: Final = 60
RATIO_STORES: Final = 20
PATIENCE_S: Final = 20.0  # so that no answer is an estimate


def measure(*, compared: int, progress: Callable[[int], None]) -> dict[str, Any]:
    """The figures; ``compared`` questions are answered by the full matrix of the first engine, too."""
    rng = np.random.default_rng(SEED)
    engines = _engines()
    cities = [city("jinan", engines[0], rng, STORES)]
    cities += [replace(cities[0], engine=engine) for engine in engines[1:]]
    figures: dict[str, Any] = {"stores": STORES, "quotes": QUOTES, "seed": SEED, "by_mode": {}}
    for mode in MODES:
        rounds = [
            [structs.replace(question(cities[0], "jinan", rng), mode=mode, promise_s=3600) for _ in range(QUOTES)]
            for _ in range(WARMING + ROUNDS)
        ]
        figures["by_mode"][mode.value] = asyncio.run(_timed(cities, rounds))
    figures["ratios"] = {mode.value: _ratios(cities, mode, rng) for mode in MODES} if len(cities) > 1 else {}
    figures["compared"], figures["different"], figures["broken_bounds"] = _compared(cities[0], rng, compared, progress)
    return figures


def _engines() -> list[RoadEngine]:
    """The one that tells the times by default first."""
    valhalla = valhalla_of("jinan")
    return [osrm_of("jinan"), valhalla] if is_osrm_there() else [valhalla]


async def _timed(cities: list[City], rounds: list[list[Question]]) -> dict[str, Any]:
    """By engine, milliseconds of quotes as the service answers them, each to a door that it was not asked before.

    The first rounds are not counted: where stores meet the roads is then known of most, as in a service that has been
    asked so often; ``first_p50_ms`` is that of the very first round. ``cpu_p50_ms`` is of all threads.
    """
    answering = {here.engine.name: (here, Roads(here.engine, here.bounds, patience_s=PATIENCE_S)) for here in cities}
    took = {name: _Took() for name in answering}
    for number, asked in enumerate(rounds):
        for name, (here, roads) in answering.items():
            before, wall_ms, cpu_ms = roads.counts.ways, [], []
            for one in asked:
                began, began_cpu = time.perf_counter(), time.process_time()
                await roads.answer(one.destination, Selecting(here.replica, one), otherwise=here.replica.travel)
                wall_ms.append((time.perf_counter() - began) * 1e3)
                cpu_ms.append((time.process_time() - began_cpu) * 1e3)
            took[name].add(wall_ms, cpu_ms, roads.counts.ways - before, counts=number >= WARMING)
    for _, roads in answering.values():
        assert not roads.counts.estimated, roads.problem
        assert not roads.counts.broken_bounds
        roads.close()
    return {name: of_it.told() for name, of_it in took.items()}


@dataclass(slots=True)
class _Took:
    """What the quotes of one engine took, a round an entry."""

    first_p50_ms: float | None = None
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    cpu_p50_ms: list[float] = field(default_factory=list)
    ways: int = 0

    def add(self, wall_ms: list[float], cpu_ms: list[float], ways: int, *, counts: bool) -> None:
        if self.first_p50_ms is None:
            self.first_p50_ms = statistics.median(wall_ms)
        if counts:
            self.p50_ms.append(statistics.median(wall_ms))
            self.p99_ms.append(float(np.quantile(wall_ms, 0.99)))
            self.cpu_p50_ms.append(statistics.median(cpu_ms))
            self.ways += ways

    def told(self) -> dict[str, Any]:
        return asdict(self) | {"ways": self.ways / (QUOTES * ROUNDS)}


def _ratios(cities: list[City], mode: Mode, rng: np.random.Generator) -> dict[str, Any]:
    """The first engine's seconds of ways ÷ the second's, of those that take a minute at least."""
    ratios: list[float] = []
    unlike = 0
    for _ in range(RATIO_DOORS):
        lat, lon = places_along("jinan", rng, 1)
        lats, lons = places_along("jinan", rng, RATIO_STORES)
        door = LatLon(lat=float(lat[0]), lon=float(lon[0]))
        ours, theirs = (
            here.engine.ways(lats=lats, lons=lons, destination=door, mode=mode).seconds for here in cities[:2]
        )
        unlike += int((np.isnan(ours) != np.isnan(theirs)).sum())
        long = ~np.isnan(ours + theirs) & (theirs >= 60)
        ratios += (ours[long] / theirs[long]).tolist()
    p5, p50, p95 = np.quantile(ratios, [0.05, 0.5, 0.95]).tolist()
    return {"ways": len(ratios), "p5": p5, "p50": p50, "p95": p95, "way_by_one_alone": unlike}


def _compared(
    here: City, rng: np.random.Generator, count: int, progress: Callable[[int], None]
) -> tuple[int, int, int]:
    """How many questions were compared, how many were answered otherwise, and how many bounds were broken."""
    different = broken = 0
    for number in range(count):
        asked = question(here, "jinan", rng)
        found, known = asked_of(here, asked)
        best = [(one.key_s, one.store_id) for one in ([found.winner, *found.alternatives] if found.winner else [])]
        # Of every store that has the goods; no other can be the answer.
        having = np.flatnonzero(np.logical_and.reduce([here.has[line.sku] for line in asked.lines]))
        right = right_answer(here, asked, travel_s_of_all(here, asked, having.tolist()))
        different += best != [(key_s, store_id) for key_s, _, store_id in right[: 1 + asked.alternatives]]
        broken += known.broken_bounds
        progress(number + 1)
    return count, different, broken
