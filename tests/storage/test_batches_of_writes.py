"""One batch of counts or movements: each succeeds or fails alone, and the feed is told of rows or of whole shelves."""

from datetime import timedelta

import pytest

from dispatch.services.housekeeping import clear_away
from dispatch.storage.movements import StoreMovements, forget_movements, write_movements
from dispatch.storage.partners import Partner, put_partner
from dispatch.storage.pool import Connection, Database
from dispatch.storage.shelves import StoreCounts, put_shelf, read_shelf, sku_numbers, write_counts
from dispatch.storage.stores import find_store, put_store
from dispatch.storage.withholding import release_shelf, release_withheld, resume_store
from tests.storage.tills import moved, till_of
from tests.storage.worlds import CELLS, KYOTO, TAIPEI, ago, assert_equal_to_database, counts, follower_of, heads, store

CELL = CELLS[TAIPEI]
MANY = {f"sku-{n:02}": n for n in range(51)}


async def _told(connection: Connection) -> list[tuple[str, int]]:
    """Kind and number of the store of each change of the newest seq, in order."""
    rows = await connection.fetch(
        "SELECT kind, store_no FROM changes"
        " WHERE cell = $1 AND seq = (SELECT h.seq FROM cell_heads h WHERE h.cell = $1) ORDER BY n",
        CELL,
    )
    return [(row["kind"], row["store_no"]) for row in rows]


async def _stores(database: Database, *store_ids: str) -> None:
    for store_id in store_ids:
        await put_store(database, store(store_id))
        await put_shelf(database, store_id, counts(store_id, {"tea": 5, "egg": 2}, at=ago(60)), whole_as_of=ago(60))


async def test_a_batch_of_counts_refuses_what_is_older_than_the_last_whole_one(database: Database) -> None:
    await _stores(database, "a", "b", "c")
    async with database.connection() as connection:
        numbers = await sku_numbers(connection, ["tea"])
        items = [
            StoreCounts(
                await find_store(connection, name), counts(name, {"tea": 1}, at=ago(age_s)), numbers, ago(age_s)
            )
            for name, age_s in (("a", 61), ("b", 59))
        ]
        items.append(StoreCounts(await find_store(connection, "c"), (), numbers, None))
        await put_store(database, store("c", KYOTO))
        results = await write_counts(connection, CELL, items)
        assert [type(result).__name__ for result in results] == ["SnapshotTooOld", "CountsApplied", "NoneType"]
        assert await _told(connection) == [("shelves", 2)]
    shelves = [{row.sku: row.on_hand for row in await read_shelf(database, name, None)} for name in "ab"]
    assert shelves == [{"tea": 5, "egg": 2}, {"tea": 1, "egg": 0}]


async def test_a_batch_of_movements_tells_of_few_rows_one_by_one_and_of_many_at_once(database: Database) -> None:
    await _stores(database, "a", "b")
    follower = follower_of(database)
    await follower.step()
    async with database.connection() as connection:
        numbers = await sku_numbers(connection, [*MANY, "tea", "egg"])
        few = StoreMovements(1, [moved("tea", -1), moved("egg", 3)], numbers)
        many = StoreMovements(2, [moved(sku, 1) for sku in MANY], numbers)
        await write_movements(connection, CELL, [few, many])
        assert await _told(connection) == [("shelves", 2), ("shelf", 1), ("shelf", 1)]
        elsewhere = StoreMovements(99, [moved("tea", -1)], numbers)
        assert await write_movements(connection, CELL, [elsewhere]) == [None]
    await follower.step()
    assert await assert_equal_to_database(follower.replica, database) == 4 + len(MANY)


async def test_one_batch_takes_the_movements_of_a_store_in_the_order_of_its_items(database: Database) -> None:
    await _stores(database, "a")
    sale = moved("tea", -2)
    async with database.connection() as connection:
        numbers = await sku_numbers(connection, ["tea"])
        items = [StoreMovements(1, [sale], numbers), StoreMovements(1, [moved("tea", 4), sale], numbers)]
        written = await write_movements(connection, CELL, items)
    told = [
        [(r.status.value, r.on_hand) for r in one.results] for one in written if not isinstance(one, Exception) and one
    ]
    assert told == [[("applied", 3)], [("applied", 7), ("repeated", 7)]]


async def test_a_late_movement_does_not_make_a_row_look_older(database: Database) -> None:
    await _stores(database, "a")
    async with till_of(database) as till:
        await till.send(moved("tea", -1, at=ago(10)), moved("tea", -1, at=ago(20)))
        assert (await till.shelf())["tea"].moved_at == ago(10)


async def test_the_feed_is_told_what_is_released_and_resumed_and_which_terms_hold(database: Database) -> None:
    await _stores(database, "a")
    async with database.connection() as connection:
        await connection.execute("UPDATE shelves SET withheld = on_hand, withheld_until = now() - interval '1 s'")
        assert await release_withheld(database, CELL, most=1) == 1
        assert await _told(connection) == [("shelf", 1)]
        released, version = await release_shelf(database, "a", None)
        assert (released, dict(version)) == (1, await heads(connection))
        assert await _told(connection) == [("shelf", 1)]
        await connection.execute("UPDATE stores SET busy_until = now() + interval '1 hour'")
        assert dict(await resume_store(database, "a")) == await heads(connection)
        assert await _told(connection) == [("store", 1)]
        before = await heads(connection)
        assert dict(await put_partner(database, Partner(partner="default"))) == {CELL: before[CELL] + 1}
        assert await _told(connection) == [("store", 1)]


@pytest.mark.parametrize("most", [1, 100])
async def test_movements_are_forgotten_after_35_days_and_not_before(database: Database, most: int) -> None:
    await _stores(database, "a")
    async with till_of(database) as till, database.connection() as connection:
        await till.send(*(moved("tea", -1, movement_id=f"m{n}") for n in range(5)))
        await connection.execute(
            "UPDATE movements SET at = now() - interval '35 days' + CASE WHEN movement_id < 'm3' THEN interval '-1 s'"
            " ELSE interval '1 min' END"
        )
        assert await forget_movements(database, CELL, most=most) == 0, (
            "told today, though of long ago: it may come again"
        )
        await connection.execute("UPDATE movements SET written_at = at")
        forgotten = [await forget_movements(database, CELL, most=most) for _ in range(4)]
        assert forgotten == ([1, 1, 1, 0] if most == 1 else [3, 0, 0, 0])
        left = "SELECT array_agg(movement_id ORDER BY movement_id) FROM movements"
        assert await connection.fetchval(left) == ["m3", "m4"]
        await connection.execute(
            "UPDATE movements SET at = now() - interval '36 days', written_at = now() - interval '36 days'"
        )
        assert await clear_away(database, keep_changes=timedelta(hours=1)) == 2
        assert await connection.fetchval(left) is None
