"""The same questions to all systems in turns, in one process and one run, and their answers compared."""

import contextlib
import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import uvloop

from dispatch.replica.replica import Replica
from tests.bench.in_process import NOW_S, build
from tests.bench.peers import installing
from tests.bench.peers.asking import Asked, Ours, System, all_open, prepared
from tests.bench.peers.comparing import Answers, Judge
from tests.bench.peers.geo_redis import Redis
from tests.bench.peers.naive import Naive
from tests.bench.peers.postgis import Postgis
from tests.bench.percentiles import Percentiles, median_and_spread
from tests.bench.quotes import MIXES, questions
from tests.bench.world import World

ROUNDS: Final = 5
# Fewer would tell little of the slowest hundredth, and more of how the one asked before has left the caches.
QUESTIONS_A_ROUND: Final = 1_000
_WARMING: Final = 12  # so many of a mix that do not count
_PROMISE_S: Final = 3_600
_ROUND_TRIPS: Final = 500
# The plain scan takes the same time for whatever is asked, and a long one: it is asked the first of each round.
NAIVE_A_ROUND: Final = 40


@dataclass
class _Measured:
    """One system's part in one mix."""

    rounds_us: list[list[float]] = field(default_factory=list)
    answers: Answers = field(default_factory=Answers)


def measure(
    world: World,
    parent: Path,
    said: Callable[[str], None],
    *,
    rounds: int = ROUNDS,
    count: int = QUESTIONS_A_ROUND,
) -> dict[str, Any]:
    """The figures of all systems; ``parent`` is a folder for the servers.

    Raises installing.CannotInstall where a peer's programs are not there.
    """
    postgres, redis = installing.postgres_programs(), installing.redis_program()
    if postgres is None or redis is None:
        raise installing.CannotInstall(f"{', '.join(installing.missing())} not found")
    return uvloop.run(_measured(world, parent, said, postgres, redis, rounds, count))


async def _measured(
    world: World, parent: Path, said: Callable[[str], None], postgres: Path, redis: Path, rounds: int, count: int
) -> dict[str, Any]:
    async with contextlib.AsyncExitStack() as stack:
        with_postgis = await stack.enter_async_context(Postgis.loaded(world, postgres, parent, said))
        with_redis = await stack.enter_async_context(Redis.loaded(world, redis, parent, said))
        said("ours and the plain scan: loading")
        replica, naive = build(world), Naive(world)
        assert all_open(replica, NOW_S, _PROMISE_S), "the peers know nothing of hours"
        gc.collect()
        gc.freeze()
        systems = (Ours(replica, world), with_postgis, with_redis, naive)
        judge = Judge(world, naive)
        mixes = []
        for mix in MIXES:
            said(f"asking: {mix}")
            mixes.append(await _mix(mix, systems, replica, world, judge, rounds, count))
        return {
            "stores": world.stores,
            "shelf_rows": naive.shelf_rows,
            "questions": rounds * count,
            "versions": [await with_postgis.version(), await with_redis.version()],
            "redis_mb": with_redis.used_mb(),
            "empty_us": {one.name: await _round_trip_us(one) for one in (with_postgis, with_redis)},
            "mixes": mixes,
            "unexplained": sum(told["answers"]["unexplained"] for of in mixes for told in of["peers"].values()),
        }


async def _mix(
    mix: str, systems: Sequence[System], replica: Replica, world: World, judge: Judge, rounds: int, count: int
) -> dict[str, Any]:
    measured = {system.name: _Measured() for system in systems}
    none = 0
    warming = prepared(replica, world, questions(world, mix, _WARMING, now_s=NOW_S, seed=rounds))
    for asked in warming:
        for system in systems:
            await system.answer(asked)
    planning = [await system.suit(warming) for system in systems if isinstance(system, Postgis)]
    for round_no in range(rounds):
        for of_it in measured.values():
            of_it.rounds_us.append([])
        asked_all = prepared(replica, world, questions(world, mix, count, now_s=NOW_S, seed=round_no))
        # Another one begins each time, so that none always follows the same. Each answers all of a round at once, for
        # the first few after another had the processor's caches take a multiple of the others.
        first = round_no % len(systems)
        answers = {
            system.name: await _answers(system, asked_all, measured[system.name].rounds_us[-1])
            for system in (*systems[first:], *systems[:first])
        }
        ours = answers.pop(Ours.name)
        none += ours.count(None)
        for name, theirs in answers.items():
            for asked, our_one, their_one in zip(asked_all, ours, theirs, strict=False):
                measured[name].answers.add(*judge.judged(asked, our_one, their_one))
    return {"mix": mix, "none": none / (rounds * count), "postgis_plans_by": planning[0], **_figures(measured)}


async def _answers(system: System, round_: Sequence[Asked], spent_us: list[float]) -> list[int | None]:
    """What it answers to a round, or to the first of it where it is slow; the microseconds go to ``spent_us``."""
    answers = []
    for asked in round_[:NAIVE_A_ROUND] if system.name == Naive.name else round_:
        began = time.perf_counter()
        answer = await system.answer(asked)
        spent_us.append((time.perf_counter() - began) * 1e6)
        answers.append(answer)
    return answers


def _figures(measured: dict[str, _Measured]) -> dict[str, Any]:
    """Ours, and of each peer the same, its ratios to ours (of each round; median and spread) and its answers."""
    ours = measured[Ours.name]
    our_rounds = [Percentiles.of([one]) for one in ours.rounds_us]
    peers = {}
    for name, of_it in measured.items():
        if name == Ours.name:
            continue
        their_rounds = [Percentiles.of([one]) for one in of_it.rounds_us]
        ratios = [theirs.p50_us / our.p50_us for theirs, our in zip(their_rounds, our_rounds, strict=True)]
        ratio, spread = median_and_spread(ratios)
        figures = {**Percentiles.of(of_it.rounds_us).as_json(), "ratio": ratio, "ratio_spread": spread}
        peers[name] = {**figures, "answers": of_it.answers.as_json()}
    return {"ours": Percentiles.of(ours.rounds_us).as_json(), "peers": peers}


async def _round_trip_us(system: Postgis | Redis) -> float:
    """The median of asking for nothing."""
    spent: list[float] = []
    for _ in range(_ROUND_TRIPS):
        began = time.perf_counter()
        await system.nothing()
        spent.append((time.perf_counter() - began) * 1e6)
    return Percentiles.of([spent]).p50_us
