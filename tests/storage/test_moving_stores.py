"""A store that moves to another cell: its shelf goes along, its old row stays behind, both cells say so once."""

import asyncio
from datetime import datetime
from typing import Any

import pytest

from dispatch.domain.errors import SnapshotTooOld, StoreNotFound
from dispatch.storage.pool import Connection, Database
from dispatch.storage.shelves import put_shelf, read_shelf
from dispatch.storage.stores import put_store, put_stores_of_cell, read_store, remove_store
from tests.storage.worlds import (
    CELLS,
    KYOTO,
    SYDNEY,
    TAIPEI,
    ago,
    assert_equal_to_database,
    counts,
    follower_of,
    heads,
    store,
)

OLD, NEW = CELLS[TAIPEI], CELLS[KYOTO]


async def _stocked(database: Database, store_id: str = "a", *, at: datetime | None = None) -> None:
    await put_store(database, store(store_id))
    figures = counts(store_id, {"tea": 5, "egg": 0}, at=ago(60), price_minor=3500, currency="TWD", safety_stock=1)
    await put_shelf(database, store_id, figures, whole_as_of=ago(60))


async def _rows(connection: Connection, table: str) -> dict[int, list[Any]]:
    """Rows by cell."""
    by_cell: dict[int, list[Any]] = {}
    for row in await connection.fetch(f"SELECT * FROM {table} ORDER BY cell, 2, 3"):
        by_cell.setdefault(row["cell"], []).append(row)
    return by_cell


async def test_the_shelf_goes_along_less_what_is_reserved_and_the_old_rows_stay(database: Database) -> None:
    await _stocked(database)
    before = await read_shelf(database, "a", None)
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE shelves SET reserved = 2, withheld = 1, withheld_until = $1 WHERE on_hand = 5", ago(-60)
        )
        await connection.execute("UPDATE stores SET open_orders = 1")
        seqs = await heads(connection)
    put = await put_store(database, store("a", KYOTO, name="moved"))
    assert (put.updated, put.created) == ({"a"}, set())
    async with database.connection() as connection:
        now = await heads(connection)
        stores, shelves = await _rows(connection, "stores"), await _rows(connection, "shelves")
        changes = await connection.fetch("SELECT cell, kind FROM changes ORDER BY cell, seq, n")
        directory = await connection.fetchrow("SELECT cell FROM store_directory")
    assert directory is not None
    assert directory["cell"] == NEW
    assert (now[OLD], now[NEW]) == (seqs[OLD] + 1, 1)
    assert dict(put.version) == {OLD: now[OLD], NEW: 1}
    assert [row["kind"] for row in changes if row["cell"] == NEW] == ["store", "shelves"]
    assert [row["kind"] for row in changes if row["cell"] == OLD][-1] == "store"
    [left], [arrived] = stores[OLD], stores[NEW]
    assert left["removed_at"] is not None
    assert (left["open_orders"], arrived["open_orders"]) == (1, 0)
    assert (arrived["removed_at"], arrived["name"]) == (None, "moved")
    assert (arrived["counted_at"], arrived["counted_whole_at"]) == (ago(60), ago(60))
    assert [(row["on_hand"], row["reserved"], row["withheld"]) for row in shelves[OLD]] == [(0, 0, 0), (5, 2, 1)]
    assert [(row["on_hand"], row["reserved"], row["withheld"]) for row in shelves[NEW]] == [(0, 0, 0), (3, 0, 1)]
    assert [row["withheld_until"] for row in shelves[NEW]] == [None, ago(-60)]
    after = await read_shelf(database, "a", None)
    assert [(row.sku, row.price_minor, row.currency, row.safety_stock, row.as_of) for row in after] == [
        (row.sku, row.price_minor, row.currency, row.safety_stock, row.as_of) for row in before
    ]
    told, _ = await read_store(database, "a")
    assert (told.place.lat, told.place.lon) == KYOTO


async def test_a_store_may_go_round_and_come_home(database: Database) -> None:
    follower = follower_of(database)
    await follower.step()
    await _stocked(database)
    for place, figure in ((KYOTO, 6), (SYDNEY, 7), (TAIPEI, 8), (KYOTO, 9)):
        await put_store(database, store("a", place))
        await put_shelf(database, "a", counts("a", {"tea": figure, f"new in {figure}": 1}), whole_as_of=None)
        await follower.step()
        assert await assert_equal_to_database(follower.replica, database) > 0
    assert {row.sku: row.on_hand for row in await read_shelf(database, "a", None)} == {
        "tea": 9, "egg": 0, "new in 6": 1, "new in 7": 1, "new in 8": 1, "new in 9": 1,
    }  # fmt: skip


async def test_a_follower_sees_a_move_whichever_cell_it_reads_first(database: Database) -> None:
    follower = follower_of(database)
    for i, (start, end) in enumerate(((TAIPEI, KYOTO), (KYOTO, TAIPEI), (SYDNEY, TAIPEI))):
        await put_store(database, store(f"s{i}", start))
        await put_shelf(database, f"s{i}", counts(f"s{i}", {"tea": i + 1}), whole_as_of=None)
        await follower.step()
        await put_store(database, store(f"s{i}", end))
        await follower.step()
        slot = follower.replica.slot(f"s{i}")
        assert slot is not None
        assert follower.replica.columns.cell[slot] == CELLS[end]
        await assert_equal_to_database(follower.replica, database)


async def test_what_was_counted_before_the_move_still_refuses_an_older_whole_count(database: Database) -> None:
    await _stocked(database)
    await put_store(database, store("a", KYOTO))
    with pytest.raises(SnapshotTooOld):
        await put_shelf(database, "a", counts("a", {"tea": 1}, at=ago(61)), whole_as_of=ago(61))


async def test_many_may_move_at_once_with_others_that_stay(database: Database) -> None:
    for i in range(6):
        await _stocked(database, f"s{i}")
    async with database.transaction() as connection:
        seqs = await heads(connection)
        put = await put_stores_of_cell(connection, NEW, [store(f"s{i}", KYOTO) for i in range(1, 9)])
    assert (len(put.updated), len(put.created)) == (5, 3)
    async with database.connection() as connection:
        assert await heads(connection) == {OLD: seqs[OLD] + 1, NEW: 1}
        in_service = await connection.fetch("SELECT cell, count(*) FROM stores WHERE removed_at IS NULL GROUP BY cell")
    assert {row["cell"]: row["count"] for row in in_service} == {OLD: 1, NEW: 8}


@pytest.mark.parametrize("write", ["count", "removal"])
async def test_a_write_that_waited_for_a_move_follows_the_store(database: Database, write: str) -> None:
    """A count looks in the directory and waits for the row that is left behind; a removal waits for the directory."""
    await _stocked(database)
    async with database.transaction() as moving:
        await put_stores_of_cell(moving, NEW, [store("a", KYOTO)])
        if write == "count":
            task: asyncio.Task[Any] = asyncio.create_task(
                put_shelf(database, "a", counts("a", {"tea": 77}), whole_as_of=None)
            )
        else:
            task = asyncio.create_task(remove_store(database, "a"))
        async with database.connection() as watching, asyncio.timeout(10):
            while not await watching.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.005)
    await task
    if write == "count":
        assert {row.sku: row.on_hand for row in await read_shelf(database, "a", None)} == {"tea": 77, "egg": 0}
    else:
        with pytest.raises(StoreNotFound):
            await read_store(database, "a")
