"""Locks are taken in one order, a lost turn is taken again, and what moves or is counted keeps its figures."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from dispatch.api.problems import problem_of
from dispatch.domain.errors import Busy
from dispatch.services import import_stores
from dispatch.services.imports import ImportRequest, open_import, run_import
from dispatch.storage.pool import Connection, Database
from dispatch.storage.retrying import MOST_RETRIES, in_transaction
from dispatch.storage.shelves import put_shelf, read_shelf
from dispatch.storage.sql import sql
from dispatch.storage.stores import StoresPut, all_stores, put_store, put_stores_of_cell, remove_store
from tests.storage.worlds import CELLS, NOW, ago, counts, heads, store

LOW, MIDDLE, HIGH = sorted(CELLS, key=lambda place: CELLS[place])


async def _stocked(database: Database, store_id: str, place: tuple[float, float]) -> None:
    await put_store(database, store(store_id, place))
    await put_shelf(database, store_id, counts(store_id, {"tea": 5, "egg": 2}), whole_as_of=None)


async def _wait_for_a_waiter(database: Database) -> None:
    async with database.connection() as watching, asyncio.timeout(10):
        while not await watching.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.005)


async def _lock(connection: Connection, table: str, store_id: str, place: tuple[float, float]) -> None:
    await connection.execute(
        f"SELECT FROM {table} WHERE cell = $1 AND store_no = (SELECT d.store_no FROM store_directory d"
        " WHERE d.store_id = $2) FOR NO KEY UPDATE",
        CELLS[place],
        store_id,
    )


@pytest.mark.parametrize(
    ("table", "start", "end"),
    [
        ("stores", {"s1": LOW, "s2": HIGH}, HIGH),
        ("stores", {"s1": MIDDLE, "s2": LOW}, HIGH),
        ("shelves", {"s1": MIDDLE, "s2": LOW}, HIGH),
        ("stores", {"s1": HIGH, "s2": LOW}, LOW),
    ],
    ids=["beside one that stays", "numbers against cells", "shelves", "to a lower cell"],
)
async def test_stores_that_move_are_locked_in_order_of_cell_then_number(
    database: Database, table: str, start: dict[str, tuple[float, float]], end: tuple[float, float]
) -> None:
    for store_id, place in start.items():
        await _stocked(database, store_id, place)
    [first, second] = sorted(start, key=lambda store_id: CELLS[start[store_id]])
    async with database.connection() as moving, database.connection() as other:
        async with other.transaction():
            await _lock(other, table, first, start[first])
            task = asyncio.create_task(_put(moving, end, [store(i, end, name="new") for i in start]))
            await _wait_for_a_waiter(database)
            await _lock(other, table, second, start[second])
        assert (await task).updated == set(start)


async def test_a_store_that_comes_home_locks_the_shelf_it_left_there_in_turn(database: Database) -> None:
    await _stocked(database, "a", LOW)
    await put_store(database, store("a", HIGH))
    async with database.connection() as moving, database.connection() as other:
        async with other.transaction():
            await _lock(other, "shelves", "a", LOW)
            task = asyncio.create_task(_put(moving, LOW, [store("a", LOW)]))
            await _wait_for_a_waiter(database)
            await _lock(other, "shelves", "a", HIGH)
        assert (await task).updated == {"a"}


async def _put(connection: Connection, place: tuple[float, float], stores: list[Any]) -> StoresPut:
    async with connection.transaction():
        return await put_stores_of_cell(connection, CELLS[place], stores)


async def test_partners_are_made_in_order_of_name(database: Database) -> None:
    names = [f"p{i:02}" for i in range(40)]
    insert = "INSERT INTO partners (partner) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING"
    async with database.connection() as adding, database.connection() as other:
        async with other.transaction():
            await other.execute(insert, names[:1])
            task = asyncio.create_task(adding.execute(sql("add_partners"), names[::-1]))
            await _wait_for_a_waiter(database)
            await other.execute(insert, names[1:])
        await task


async def test_a_shelf_is_opened_in_order_of_sku(database: Database) -> None:
    await put_store(database, store("a", LOW))
    await put_shelf(database, "a", counts("a", {f"sku-{i:02}": i for i in range(60)}), whole_as_of=None)
    async with database.connection() as connection:
        for sku_no in await _sku_nos(connection, LOW, "sku_no DESC"):
            await connection.execute("UPDATE shelves SET on_hand = on_hand + 1 WHERE sku_no = $1", sku_no)
        written = await _sku_nos(connection, LOW, "ctid")
        assert written != sorted(written)
        async with connection.transaction():
            # So that it is the statement, not an index, that puts them in order.
            await connection.execute("SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off")
            await put_stores_of_cell(connection, CELLS[HIGH], [store("a", HIGH)])
        opened = await _sku_nos(connection, HIGH, "ctid")
    assert opened == sorted(written)


async def _sku_nos(connection: Connection, place: tuple[float, float], order: str) -> list[int]:
    rows = await connection.fetch(f"SELECT sku_no FROM shelves WHERE cell = $1 ORDER BY {order}", CELLS[place])
    return [row["sku_no"] for row in rows]


async def test_what_is_reserved_at_home_is_not_taken_off_twice_when_a_store_comes_back(database: Database) -> None:
    await _stocked(database, "a", LOW)
    async with database.connection() as connection:
        await connection.execute("UPDATE shelves SET reserved = 2 WHERE on_hand = 5")
        await connection.execute("UPDATE shelves SET reserved = 3 WHERE on_hand = 2")
    await put_store(database, store("a", HIGH))
    assert {row.sku: row.available for row in await read_shelf(database, "a", None)} == {"tea": 3, "egg": 0}
    await put_shelf(database, "a", counts("a", {"milk": 7}), whole_as_of=None)
    await put_store(database, store("a", LOW))
    shelf = {row.sku: (row.on_hand, row.reserved, row.available) for row in await read_shelf(database, "a", None)}
    assert shelf == {"tea": (5, 2, 3), "egg": (2, 3, 0), "milk": (7, 0, 7)}


async def test_replace_leaves_in_service_what_came_while_it_ran(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for store_id in ("named", "unnamed"):
        await put_store(database, store(store_id, LOW))

    async def put_beside(connection: Connection, cell: int, stores: Any) -> StoresPut:
        await put_store(database, store("came", HIGH))
        return await put_stores_of_cell(connection, cell, stores)

    monkeypatch.setattr(import_stores, "put_stores_of_cell", put_beside)
    request = _stores_file(tmp_path, mode="replace")
    outcome = await run_import(database, await open_import(database, request), request)
    assert (outcome.status, outcome.counts.removed) == ("done", 1)
    assert {key.store_id for key in await all_stores(database)} == {"named", "came"}


def _stores_file(folder: Path, *, mode: str, dry_run: bool = False) -> ImportRequest:
    path = folder / "stores.csv"
    path.write_text(f"store_id,lat,lon,name\nnamed,{LOW[0]},{LOW[1]},new name\n")
    return ImportRequest(kind="stores", path=path, now=NOW, mode=mode, dry_run=dry_run, partner=store("x").partner)


async def _lose_turns(database: Database, sqlstate: str, times: int) -> None:
    """The next ``times`` transactions that come to a cell's head are told by the database to start again."""
    async with database.connection() as connection:
        await connection.execute(
            f"""
            CREATE SEQUENCE turns;
            CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF nextval('turns') <= {times} THEN RAISE EXCEPTION 'lost' USING ERRCODE = '{sqlstate}'; END IF;
                RETURN NULL;
            END $$;
            CREATE TRIGGER lose BEFORE INSERT OR UPDATE ON cell_heads FOR EACH STATEMENT EXECUTE FUNCTION lose()
            """
        )


async def _write(database: Database, folder: Path, write: str) -> None:
    if write == "store":
        await put_store(database, store("named", LOW, name="new name"))
    elif write == "shelf":
        await put_shelf(database, "named", counts("named", {"tea": 9}), whole_as_of=None)
    elif write == "removal":
        await remove_store(database, "named")
    else:
        request = _stores_file(folder, mode="merge", dry_run=write == "dry run")
        if write == "stock file":
            path = folder / "stock.csv"
            path.write_text("store_id,sku,on_hand\nnamed,tea,9\n")
            request = ImportRequest(kind="stock", path=path, now=NOW, as_of=NOW, partner=store("x").partner)
        outcome = await run_import(database, await open_import(database, request), request)
        assert (outcome.counts.updated, outcome.counts.failed) == (1, 0)


WRITES = ["store", "removal", "shelf", "stores file", "stock file", "dry run"]


@pytest.mark.parametrize("sqlstate", ["40P01", "40001", "55P03"])
@pytest.mark.parametrize("write", WRITES)
async def test_a_write_that_lost_its_turn_takes_it_again(
    database: Database, tmp_path: Path, write: str, sqlstate: str
) -> None:
    await _stocked(database, "named", LOW)
    async with database.connection() as connection:
        before = await heads(connection)
    await _lose_turns(database, sqlstate, MOST_RETRIES)
    await _write(database, tmp_path, write)
    async with database.connection() as connection:
        assert await heads(connection) == {cell: seq + (write != "dry run") for cell, seq in before.items()}


@pytest.mark.parametrize("write", WRITES)
async def test_a_write_that_never_gets_its_turn_says_that_it_is_busy(
    database: Database, tmp_path: Path, write: str
) -> None:
    await _stocked(database, "named", LOW)
    async with database.connection() as connection:
        before = await heads(connection)
    await _lose_turns(database, "40P01", 1_000)
    with pytest.raises(Busy):
        await _write(database, tmp_path, write)
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT last_value FROM turns") == 1 + MOST_RETRIES
        assert await heads(connection) == before


async def test_an_error_of_another_kind_is_not_tried_again(database: Database) -> None:
    tries = 0

    async def work(connection: Connection) -> None:
        nonlocal tries
        tries += 1
        await connection.execute("SELECT 1 / 0")

    with pytest.raises(asyncpg.DivisionByZeroError):
        await in_transaction(database, work)
    assert tries == 1


def test_busy_is_answered_503_with_when_to_come_again() -> None:
    problem = problem_of(Busy("others hold what this would change"))
    assert (problem.status, problem.code, problem.headers) == (503, "busy", {"Retry-After": "1"})


@pytest.mark.parametrize("later", [timedelta(minutes=59), timedelta(minutes=61)], ids=["soon", "later"])
async def test_a_whole_count_rewrites_what_is_gone_and_what_was_long_at_nothing(
    database: Database, later: timedelta
) -> None:
    await put_store(database, store("a"))
    at = ago(7200)
    await put_shelf(database, "a", counts("a", {"tea": 5, "none": 0, "kept": 1}, at=at), whole_as_of=at)
    versions = "SELECT k.sku, s.xmin::text FROM shelves s JOIN skus k USING (sku_no)"
    async with database.connection() as connection:
        before = {row["sku"]: row["xmin"] for row in await connection.fetch(versions)}
        await put_shelf(database, "a", counts("a", {"kept": 2}, at=at + later), whole_as_of=at + later)
        after = {row["sku"]: row["xmin"] for row in await connection.fetch(versions)}
    shelf = {row.sku: (row.on_hand, row.as_of - at) for row in await read_shelf(database, "a", None)}
    soon = later < timedelta(hours=1)
    assert shelf == {"tea": (0, later), "kept": (2, later), "none": (0, timedelta() if soon else later)}
    assert {sku for sku in before if before[sku] == after[sku]} == ({"none"} if soon else set())
