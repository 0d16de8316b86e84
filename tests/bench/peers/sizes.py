"""What a quote of ours costs as stores grow: replicas in processes of their own, asked in turns.

Run as a program it is one of these: it makes a replica, says how it is, and answers a line "round mix" on its standard
input with the microseconds of that round's quotes, as JSON.
"""

import contextlib
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from dispatch.domain.selection import select
from tests.bench.in_process import NOW_S, build
from tests.bench.percentiles import Percentiles, median_and_spread
from tests.bench.quotes import MIXES, questions
from tests.bench.world import World

SKUS: Final = 10_000
# Stores, and about how many skus each has. All but the first differ in the number of stores alone.
SIZES: Final = ((10_000, 400), (10_000, 100), (100_000, 100), (1_000_000, 100))
# The last over the first, and over the one with shelves like its own.
RATIOS: Final = ((3, 0), (3, 1))
ROUNDS: Final = 5
QUESTIONS_A_ROUND: Final = 1_000


def measure(said: Callable[[str], None]) -> dict[str, Any]:
    """Of each mix and size ours, and the ratios of p50; one replica is made after the other."""
    with contextlib.ExitStack() as stack:
        programs = []
        for stores, per_store in SIZES:
            said(f"a replica of {stores:,} stores with {per_store} skus each")
            programs.append(stack.enter_context(_program(stores, per_store)))
        sizes = [_heard(program) for program in programs]
        mixes = []
        for number, mix in enumerate(MIXES):
            said(f"asking: {mix}")
            rounds: list[list[list[float]]] = [[] for _ in programs]
            for round_no in range(ROUNDS):
                for program, spent in zip(programs, rounds, strict=True):
                    spent.append(_asked(program, round_no, number))
            mixes.append({"mix": mix, "by_size": [Percentiles.of(one).as_json() for one in rounds], **_ratios(rounds)})
    return {"sizes": sizes, "mixes": mixes}


def _ratios(rounds: list[list[list[float]]]) -> dict[str, Any]:
    """Of each round's p50; the median of the rounds and the spread."""
    p50s = [[Percentiles.of([spent]).p50_us for spent in one] for one in rounds]
    told = [
        median_and_spread([large / small for large, small in zip(p50s[of], p50s[to], strict=True)]) for of, to in RATIOS
    ]
    return {"ratios": [ratio for ratio, _ in told], "ratio_spreads": [spread for _, spread in told]}


@contextlib.contextmanager
def _program(stores: int, per_store: int) -> Iterator[subprocess.Popen[str]]:
    """One that has its replica."""
    command = [sys.executable, "-m", "tests.bench.peers.sizes", str(stores), str(per_store)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        try:
            if _pipe(program.stdout).readline() != "ready\n":
                raise RuntimeError(f"no replica of {stores:,} stores: the process ended with {program.wait()}")
            yield program
        finally:
            _pipe(program.stdin).close()


def _heard(program: subprocess.Popen[str]) -> Any:
    return json.loads(_pipe(program.stdout).readline())


def _asked(program: subprocess.Popen[str], round_no: int, mix: int) -> list[float]:
    print(round_no, mix, file=program.stdin, flush=True)
    spent: list[float] = _heard(program)
    return spent


def _pipe[T](pipe: T | None) -> T:
    assert pipe is not None, "it was asked for"
    return pipe


def main() -> None:
    stores, per_store = map(int, sys.argv[1:3])
    world = World(stores, SKUS, per_store)
    began = time.perf_counter()
    replica = build(world)
    made_s = time.perf_counter() - began
    gc.collect()
    gc.freeze()
    told = {"stores": stores, "per_store": per_store, "shelf_rows": replica.stock.row_count, "made_s": made_s}
    print(f"ready\n{json.dumps(told)}", flush=True)
    for line in sys.stdin:
        round_no, mix = map(int, line.split())
        spent = []
        for question in questions(world, MIXES[mix], QUESTIONS_A_ROUND, now_s=NOW_S, seed=round_no):
            began = time.perf_counter()
            select(replica, question)
            spent.append((time.perf_counter() - began) * 1e6)
        print(json.dumps(spent), flush=True)


if __name__ == "__main__":
    main()
