"""Sixteen writers, some of them slow, one transaction open throughout: followers miss nothing and are never far behind.

And the same writers with a follower that keeps one cursor on a global id: it has to lose rows, or nothing was proved.
"""

import asyncio
import json
import math
import random
import sys
import time
from bisect import bisect_left
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg

from dispatch.postgres import acquire
from dispatch.storage.changes import bump_head, note_shelves
from dispatch.storage.feed import reading
from dispatch.storage.migrate import migrate
from dispatch.storage.pool import Database
from dispatch.storage.shelves import put_shelf
from dispatch.storage.stores import put_store
from tests.faults.experiments import Ground, Outcome, experiment
from tests.storage.worlds import CELLS, KYOTO, SYDNEY, TAIPEI, counts, store

WRITERS: Final = 16
SECONDS: Final = 120
FOLLOWERS: Final = 3
SLOW_S: Final = 2.0
SLOW_SHARE: Final = 0.05
MOST_STALENESS_S: Final = 0.25
_PAUSES: Final = 3
# Most write in one metropolis.
_PLACES: Final = (*[TAIPEI] * 12, KYOTO, KYOTO, SYDNEY, SYDNEY)
_SKUS: Final = [f"sku-{n:02}" for n in range(20)]
_THINKS_S: Final = 0.05
_GLOBAL: Final = (
    "CREATE TABLE global_changes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, cell bigint NOT NULL)"
)


@dataclass(slots=True)
class _Writers:
    """Everybody who writes; ``committed`` is when the commit of a change of a cell began, by (cell, seq)."""

    database: Database
    rng: random.Random
    go: asyncio.Event = field(default_factory=asyncio.Event)
    until: float = 0.0
    committed: dict[tuple[int, int], float] = field(default_factory=dict)
    slow: int = 0
    under_way: int = 0

    async def write(self, number: int) -> None:
        """Change one row after the other until the end, or for as long as the others may."""
        place = _PLACES[number]
        rows = await self._rows(f"f-{number}")
        while True:
            await self.go.wait()
            if time.monotonic() >= self.until:
                return  # whatever came now would be compared with nothing any more
            self.under_way += 1
            await self._change(CELLS[place], self.rng.choice(rows), slow=self.rng.random() < SLOW_SHARE)
            self.under_way -= 1
            await asyncio.sleep(self.rng.uniform(0, _THINKS_S))

    async def _rows(self, store_id: str) -> list[tuple[int, int]]:
        async with self.database.connection() as connection:
            found = await connection.fetch(
                "SELECT store_no, sku_no FROM shelves JOIN stores USING (cell, store_no) WHERE store_id = $1", store_id
            )
        return [(row["store_no"], row["sku_no"]) for row in found]

    async def _change(self, cell: int, row: tuple[int, int], *, slow: bool) -> None:
        self.slow += slow
        async with self.database.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(
                "UPDATE shelves SET on_hand = $4 WHERE cell = $1 AND store_no = $2 AND sku_no = $3",
                cell,
                *row,
                self.rng.randrange(1_000),
            )
            await connection.execute("INSERT INTO global_changes (cell) VALUES ($1)", cell)
            if slow:
                await asyncio.sleep(SLOW_S)
            seq = await bump_head(connection, cell)
            await note_shelves(connection, cell, seq, [row])
            self.committed[cell, seq] = time.monotonic()
            await transaction.commit()

    async def pause(self) -> None:
        """Return once nothing is under way."""
        self.go.clear()
        while self.under_way:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def _world(ground: Ground) -> AsyncIterator[tuple[str, _Writers]]:
    """A database with a store for each writer."""
    server = await asyncio.to_thread(acquire, ground.directory / "data")
    try:
        await migrate(server.url)
        database = await Database.open(server.url, pool_min=WRITERS, pool_max=WRITERS + 4)
        for number, place in enumerate(_PLACES):
            await put_store(database, store(f"f-{number}", place))
            figures = dict.fromkeys(_SKUS, 1)
            counted = counts(f"f-{number}", figures, at=datetime.now(UTC))
            await put_shelf(database, f"f-{number}", counted, whole_as_of=None)
        async with database.connection() as connection:
            await connection.execute(_GLOBAL)
        yield server.url, _Writers(database, ground.chance)
        await database.close()
    finally:
        await asyncio.to_thread(server.release)


@asynccontextmanager
async def _open_throughout(url: str) -> AsyncIterator[None]:
    """A transaction of somebody else, with a number of its own, that ends last."""
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE unrelated (n integer)")
    await connection.execute("BEGIN")
    await connection.execute("INSERT INTO unrelated VALUES (1)")
    yield
    await connection.execute("COMMIT")
    await connection.close()


class _Follower:
    """A follower in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def started(cls, url: str) -> "_Follower":
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.faults.following",
            url,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**26,
        )
        follower = cls(process)
        assert await follower._line() == "ready"
        return follower

    async def asked(self, question: str, about: object = None) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps([question, about])}\n".encode())
        return await self._line()

    async def _line(self) -> Any:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "a follower has ended"
        return json.loads(line)

    async def end(self) -> None:
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.wait()


@experiment("feed")
async def feed(ground: Ground, *, seconds: int = SECONDS, followers: int = FOLLOWERS) -> Outcome:
    """Followers as the workers have them; compared with the database at pauses and at the end."""
    compared, differing = 0, 0
    async with _world(ground) as (url, writers), _open_throughout(url):
        following = [await _Follower.started(url) for _ in range(followers)]
        try:
            writers.until = time.monotonic() + seconds
            async with asyncio.TaskGroup() as group:
                for number in range(WRITERS):
                    group.create_task(writers.write(number))
                for turn in range(1, _PAUSES + 1):
                    writers.go.set()
                    await asyncio.sleep(max(0.0, writers.until - time.monotonic()) / (_PAUSES + 1 - turn) * 0.98)
                    await writers.pause()
                    expected = await _checksums(writers.database)
                    for follower in following:
                        compared += 1
                        differing += await follower.asked("checksums", [c[:2] for c in expected]) != expected
                writers.until = 0.0
                writers.go.set()
            applied = [await follower.asked("applied") for follower in following]
        finally:
            for follower in following:
                await follower.end()
        lost = await _missing_numbers(writers.database)
    staleness_s = sorted(
        _applied_at(log[str(cell)], seq) - at for log in applied for (cell, seq), at in writers.committed.items()
    )
    p50_s, p99_s = (staleness_s[math.ceil(share * len(staleness_s)) - 1] for share in (0.5, 0.99))
    problems = []
    if differing or compared != _PAUSES * followers:
        problems.append(f"{differing} of {compared} comparisons with the database differ")
    if lost:
        problems.append(f"{lost} numbers of changes are missing")
    if p99_s > MOST_STALENESS_S:
        problems.append(f"one change of a hundred is applied later than after {p99_s:.2f} s")
    if not writers.slow:
        problems.append("nobody was slow")
    return Outcome(
        f"{WRITERS} writers, {seconds} s, {len(writers.committed):,} changes, {writers.slow} slow, one left open",
        f"{followers} followers equal the database {compared - differing} of {compared} times; staleness p50"
        f" {p50_s * 1e3:.0f} ms, p99 {p99_s * 1e3:.0f} ms, max {staleness_s[-1] * 1e3:.0f} ms",
        tuple(problems),
    )


def _applied_at(log: list[tuple[int, float]], seq: int) -> float:
    """When a follower first had a change, by its log of (seq, moment); never: infinity."""
    at = bisect_left(log, seq, key=lambda entry: entry[0])
    return log[at][1] if at < len(log) else math.inf


async def _checksums(database: Database) -> list[list[Any]]:
    """[cell, head, rows, total] of each cell: as following.py answers."""
    async with reading(database) as reader:
        return [[cell, seq, *await reader.checksum(cell)] for cell, seq in sorted((await reader.heads()).items())]


async def _missing_numbers(database: Database) -> int:
    async with database.connection() as connection:
        return int(
            await connection.fetchval(
                "SELECT sum(h.seq - (SELECT count(DISTINCT seq) FROM changes WHERE cell = h.cell)) FROM cell_heads h"
            )
        )


@experiment("feed-with-global-cursor")
async def feed_with_global_cursor(ground: Ground, *, seconds: int = 30) -> Outcome:
    """A follower whose cursor is the highest id seen: it has to be found to lose rows."""
    async with _world(ground) as (url, writers), _open_throughout(url):
        seen: set[int] = set()
        over = asyncio.Event()
        writers.until = time.monotonic() + seconds
        writers.go.set()
        async with asyncio.TaskGroup() as group:
            following = group.create_task(_follow_ids(url, seen, over))
            await asyncio.gather(*(writers.write(number) for number in range(WRITERS)))
            await asyncio.sleep(0.5)
            over.set()
            await following
        async with writers.database.connection() as connection:
            there = {row["id"] for row in await connection.fetch("SELECT id FROM global_changes")}
    lost = there - seen
    return Outcome(
        f"{WRITERS} writers, {seconds} s, {writers.slow} slow, a cursor on a global id",
        f"it is found to lose {len(lost)} of {len(there):,} changes",
        () if lost and seen <= there else ("a cursor on a global id loses nothing: this experiment proves nothing",),
    )


async def _follow_ids(url: str, seen: set[int], over: asyncio.Event) -> None:
    connection = await asyncpg.connect(url)
    cursor = 0
    while True:
        last_look = over.is_set()
        rows = await connection.fetch("SELECT id FROM global_changes WHERE id > $1 ORDER BY id", cursor)
        seen.update(row["id"] for row in rows)
        cursor = rows[-1]["id"] if rows else cursor
        if last_look:
            break
        await asyncio.sleep(0.03)
    await connection.close()
