"""Quotes by road in a city of 2,000 stores: how long they take, and whether they equal the full matrix."""

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np

from dispatch.domain.question import Question
from dispatch.domain.selection import Selecting
from dispatch.services.roads import Roads
from geo.travel import MODES
from tests.geo.roads import valhalla_of
from tests.selection.road_worlds import City, asked_of, city, question, right_answer, travel_s_of_all

SEED: Final = 20261126
STORES: Final = 2_000
QUOTES: Final = 60
ROUNDS: Final = 5
WARMING: Final = 3
PATIENCE_S: Final = 20.0  # so that no answer is an estimate


def measure(*, compared: int, progress: Callable[[int], None]) -> dict[str, Any]:
    """The figures; ``compared`` questions are answered by the full matrix, too."""
    rng = np.random.default_rng(SEED)
    here = city("jinan", valhalla_of("jinan"), rng, STORES)
    figures: dict[str, Any] = {"stores": STORES, "quotes": QUOTES, "seed": SEED, "by_mode": {}}
    for mode in MODES:
        rounds = [
            [replace(question(here, "jinan", rng), mode=mode, promise_s=3600) for _ in range(QUOTES)]
            for _ in range(WARMING + ROUNDS)
        ]
        figures["by_mode"][mode.value] = asyncio.run(_timed(here, rounds))
    figures["compared"], figures["different"], figures["broken_bounds"] = _compared(here, rng, compared, progress)
    return figures


async def _timed(here: City, rounds: list[list[Question]]) -> dict[str, Any]:
    """Milliseconds of quotes as the service answers them, each to a door that was not asked for before.

    The first rounds are not counted: where stores meet the roads is then known of most, as in a service that has been
    asked so often; ``first_p50_ms`` is that of the very first round.
    """
    medians, p99s = [], []
    roads = Roads(here.engine, here.bounds, patience_s=PATIENCE_S)
    ways = 0
    for number, asked in enumerate(rounds):
        if number == WARMING:
            ways = roads.counts.ways
        took_ms = []
        for one in asked:
            began = time.perf_counter()
            await roads.answer(one.destination, Selecting(here.replica, one), otherwise=here.replica.travel)
            took_ms.append((time.perf_counter() - began) * 1e3)
        medians.append(statistics.median(took_ms))
        p99s.append(float(np.quantile(took_ms, 0.99)))
    assert not roads.counts.estimated, roads.problem
    counted = sum(map(len, rounds[WARMING:]))
    ways = roads.counts.ways - ways
    roads.close()
    return {
        "first_p50_ms": medians[0],
        "p50_ms": medians[WARMING:],
        "p99_ms": p99s[WARMING:],
        "ways": ways / counted,
    }


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
