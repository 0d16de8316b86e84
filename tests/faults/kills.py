"""SIGKILL of workers and of the database, again and again under load: what was acknowledged is kept, and it goes on."""

import asyncio
import os
import signal
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.faults.experiments import Ground, Outcome, experiment
from tests.faults.load import Clients, Load
from tests.faults.order_load import OrderLoad
from tests.faults.stock_load import StockLoad
from tests.serving import (
    CITY,
    Server,
    check,
    end_database,
    nursery_of,
    postmaster_of,
    processes_of,
    serving,
    workers_of,
)

KILLS: Final = 30
CLIENTS: Final = 6
WORKERS: Final = 2
BACK_WITHIN_S: Final = 5.0
_GIVEN_UP_S: Final = 60.0
_PAUSE_S: Final = (0.1, 1.5)
_POLL_S: Final = 0.02


@experiment("kills")
async def kills(ground: Ground) -> Outcome:
    """With clients that place orders, and ask again by the same id until they are answered."""
    return await _killed_under(OrderLoad(CLIENTS), ground)


@experiment("kills-of-counts")
async def kills_of_counts(ground: Ground) -> Outcome:
    """With clients that count shelves."""
    return await _killed_under(StockLoad(CLIENTS), ground)


async def _killed_under(load: Load, ground: Ground) -> Outcome:
    data_dir = ground.directory / "data"
    with serving(data_dir, "--demo", "--workers", str(WORKERS), city=CITY) as server:
        await asyncio.to_thread(server.until, "Ctrl-C stops it.")
        clients = Clients(load, server.address, CLIENTS)
        async with clients.running():
            back_s = await _kill_again_and_again(ground, data_dir, clients)
        problems = await clients.problems()
        problems += await asyncio.to_thread(_all_is_well, server)
    end_database(data_dir)
    problems += [
        f"{kind}: back after {s:.1f} s" for kind, times_s in back_s.items() for s in times_s if s > BACK_WITHIN_S
    ]
    return Outcome(
        f"{KILLS} times SIGKILL: {', '.join(f'{len(times_s)} of {kind}' for kind, times_s in back_s.items())}",
        f"{_told(back_s)}; {clients.written:,} writes acknowledged, {clients.failed:,} failed{load.remark()}",
        tuple(problems),
    )


async def _kill_again_and_again(ground: Ground, data_dir: Path, clients: Clients) -> dict[str, list[float]]:
    """By kind of victim, the seconds until writes were acknowledged again; infinite if they never were."""
    order = [*_KINDS] * (KILLS // len(_KINDS) + 1)
    ground.chance.shuffle(order)
    back_s: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    for number, kind in enumerate(order[:KILLS], 1):
        await asyncio.sleep(ground.chance.uniform(*_PAUSE_S))
        while not (victims := _KINDS[kind](ground, data_dir)):  # they are just being started
            await asyncio.sleep(_POLL_S)
        killed_at = time.monotonic()
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        after_s = await clients.back_after(killed_at, at_most_s=_GIVEN_UP_S)
        told = "never back" if after_s is None else f"back after {after_s:.2f} s"
        ground.say(f"{number:>2} {kind} {victims}: {told}")
        back_s[kind].append(float("inf") if after_s is None else after_s)
        if after_s is None:
            break
    return back_s


def _told(back_s: dict[str, list[float]]) -> str:
    every = [s for times_s in back_s.values() for s in times_s]
    by_kind = ", ".join(f"{kind} {max(times_s):.2f} s" for kind, times_s in back_s.items() if times_s)
    return f"serves again after p50 {statistics.median(every):.2f} s, at most {max(every):.2f} s ({by_kind})"


def _all_is_well(server: Server) -> list[str]:
    problems = check(server.data_dir)
    code = server.end()
    if code != 0:
        problems.append(f"it ended with code {code}")
    problems += [f"left behind: {process}" for process in processes_of(server.data_dir)]
    return problems


# ── victims ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _worker(ground: Ground, data_dir: Path) -> list[int]:
    workers = workers_of(data_dir)
    return [ground.chance.choice(sorted(workers))] if workers else []


def _workers(_ground: Ground, data_dir: Path) -> list[int]:
    return workers_of(data_dir)


def _nursery(_ground: Ground, data_dir: Path) -> list[int]:
    return nursery_of(data_dir)


def _backend(ground: Ground, data_dir: Path) -> list[int]:
    """A process of the database that works for a client."""
    backends = [int(line.split()[0]) for line in processes_of(data_dir) if "postgres: postgres dispatch" in line]
    return [ground.chance.choice(sorted(backends))] if backends else []


def _postmaster(_ground: Ground, data_dir: Path) -> list[int]:
    pid = postmaster_of(data_dir)
    return [] if pid is None else [pid]


def _postmaster_and_workers(ground: Ground, data_dir: Path) -> list[int]:
    return [*_postmaster(ground, data_dir), *workers_of(data_dir)]


_KINDS: Final[dict[str, Callable[[Ground, Path], list[int]]]] = {
    "a worker": _worker,
    "all workers": _workers,
    "their nursery": _nursery,
    "a backend": _backend,
    "the database": _postmaster,
    "database and workers": _postmaster_and_workers,
}
