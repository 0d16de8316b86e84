"""Writers at the same time: no deadlock, no gap in the numbers of a cell, nothing lost."""

import asyncio
import random
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from dispatch.domain.errors import ImportRunning, SnapshotTooOld, StoreNotFound
from dispatch.services.imports import ImportRequest, open_import, run_import
from dispatch.storage.pool import Database
from dispatch.storage.shelves import put_shelf, read_shelf
from dispatch.storage.stores import put_store, remove_store
from tests.storage.worlds import (
    CELLS,
    KYOTO,
    NOW,
    SYDNEY,
    TAIPEI,
    ago,
    assert_equal_to_database,
    counts,
    follower_of,
    heads,
    store,
)

WRITERS = 8
PLACES = (TAIPEI, KYOTO, SYDNEY)
SKUS = [f"sku-{i}" for i in range(90)]


async def test_the_changes_of_a_cell_are_numbered_without_a_gap_by_writers_at_the_same_time(database: Database) -> None:
    for i in range(WRITERS):
        await put_store(database, store(f"s{i}", PLACES[i % 2]))
    async with database.connection() as connection:
        before = await heads(connection)
    told: list[tuple[int, int]] = []

    async def write(writer: int) -> None:
        rng = random.Random(writer)
        for _ in range(25):
            target = f"s{rng.randrange(WRITERS)}"
            figures = {sku: rng.randrange(100) for sku in rng.sample(SKUS, rng.choice([1, 3, 60]))}
            applied = await put_shelf(database, target, counts(target, figures), whole_as_of=None)
            told.extend(applied.version.items())

    async with asyncio.timeout(40):
        await asyncio.gather(*(write(i) for i in range(WRITERS)))
    async with database.connection() as connection:
        after = await heads(connection)
        rows = await connection.fetch("SELECT DISTINCT cell, seq FROM changes")
    assert sum(after.values()) == sum(before.values()) + WRITERS * 25
    for cell, seq in after.items():
        assert {row["seq"] for row in rows if row["cell"] == cell} == set(range(1, seq + 1))
        assert sorted(n for of, n in told if of == cell) == list(range(before[cell] + 1, seq + 1))


async def test_numbers_come_in_the_order_of_commits(database: Database) -> None:
    """Whoever holds the head makes the next one wait, so a follower never finds a lower number later."""
    await put_store(database, store("a"))
    async with database.transaction() as slow:
        await slow.execute("UPDATE cell_heads SET seq = seq + 1 WHERE cell = $1", CELLS[TAIPEI])
        other = asyncio.create_task(put_shelf(database, "a", counts("a", {"tea": 1}), whole_as_of=None))
        await asyncio.sleep(0.1)
        assert not other.done()
    assert (await other).version[CELLS[TAIPEI]] == 3


async def test_imports_counts_moves_and_removals_at_once_end_without_a_deadlock(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    rng = random.Random(11)
    partners = ["p0", "p1", "p2"]
    ids = {partner: [f"{partner}-{i}" for i in range(8)] for partner in partners}
    for partner in partners:
        for i, store_id in enumerate(ids[partner]):
            await put_store(database, store(store_id, PLACES[i % 3], partner=partner))
    deadlocks_before = await _deadlocks(database_url)

    def file_of(partner: str, kind: str, turn: int) -> Path:
        path = tmp_path / f"{partner}-{kind}-{turn}.csv"
        shuffled = rng.sample(ids[partner], len(ids[partner]))
        if kind == "stores":
            places = [rng.choice(PLACES) for _ in shuffled]
            rows = [f"{store_id},{lat},{lon}" for store_id, (lat, lon) in zip(shuffled, places, strict=True)]
            path.write_text("\n".join(["store_id,lat,lon", *rows]))
        else:
            rows = [f"{store_id},{sku},{rng.randrange(50)}" for store_id in shuffled for sku in rng.sample(SKUS, 30)]
            rng.shuffle(rows)
            path.write_text("\n".join(["store_id,sku,on_hand", *rows]))
        return path

    async def imports(partner: str) -> None:
        for turn in range(6):
            kind = "stock" if turn % 2 else "stores"
            mode = rng.choice(["snapshot", "partial"]) if kind == "stock" else "merge"
            path = file_of(partner, kind, turn)
            request = ImportRequest(kind=kind, path=path, now=NOW, as_of=NOW, partner=partner, mode=mode, force=True)
            outcome = await run_import(database, await open_import(database, request), request)
            assert outcome.status == "done"

    async def writes(number: int) -> None:
        mine = random.Random(number)
        for _ in range(40):
            partner = mine.choice(partners)
            target = mine.choice(ids[partner])
            figures = counts(target, {sku: mine.randrange(50) for sku in mine.sample(SKUS, mine.choice([1, 5, 70]))})
            try:
                match mine.randrange(8):
                    case 0:
                        await put_store(database, store(target, mine.choice(PLACES), partner=partner))
                    case 1 if number == 0:
                        await remove_store(database, target)
                    case _:
                        await put_shelf(database, target, figures, whole_as_of=mine.choice([None, NOW, ago(5)]))
            except (StoreNotFound, SnapshotTooOld):
                continue  # removed, or counted by another in between: answers, not faults

    async with asyncio.timeout(45):
        await asyncio.gather(*(imports(partner) for partner in partners), *(writes(i) for i in range(4)))
    assert await _deadlocks(database_url) == deadlocks_before
    follower = follower_of(database)
    await follower.step()
    assert await assert_equal_to_database(follower.replica, database) > 500


async def test_of_imports_begun_at_once_for_one_partner_one_runs(database: Database, tmp_path: Path) -> None:
    request = ImportRequest(kind="stores", path=tmp_path / "none.csv", now=NOW)
    results = await asyncio.gather(*(open_import(database, request) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(result, str) for result in results) == 1
    assert sum(isinstance(result, ImportRunning) for result in results) == 7


async def test_of_puts_of_one_new_store_at_once_all_succeed_and_one_creates(database: Database) -> None:
    puts = await asyncio.gather(*(put_store(database, store("a", name=f"n{i}")) for i in range(8)))
    assert sum(len(put.created) for put in puts) == 1
    assert len({tuple(put.version.items()) for put in puts}) == 8


async def test_of_counts_of_one_new_sku_at_once_all_stand(database: Database) -> None:
    for i in range(8):
        await put_store(database, store(f"s{i}"))
    await asyncio.gather(
        *(put_shelf(database, f"s{i}", counts(f"s{i}", {"new": i}), whole_as_of=NOW) for i in range(8))
    )
    for i in range(8):
        assert [(row.sku, row.on_hand) for row in await read_shelf(database, f"s{i}", None)] == [("new", i)]


@pytest.mark.parametrize("whole", [True, False])
async def test_of_counts_at_once_of_one_shelf_the_newest_stands_whatever_comes_last(
    database: Database, whole: bool
) -> None:
    await put_store(database, store("a"))

    async def count(i: int) -> Any:
        at = ago(100 - i)
        try:
            return await put_shelf(database, "a", counts("a", {"tea": i}, at=at), whole_as_of=at if whole else None)
        except SnapshotTooOld as error:
            return error

    order = random.Random(3).sample(range(30), 30)
    await asyncio.gather(*(count(i) for i in order))
    [row] = await read_shelf(database, "a", None)
    assert (row.on_hand, row.as_of) == (29, ago(71))


async def _deadlocks(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SELECT pg_stat_force_next_flush()")
        return int(
            await connection.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        )
    finally:
        await connection.close()
