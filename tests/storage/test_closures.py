"""Closures in the database: merged into the store's row, told to replicas, and obeyed under the store's lock."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from dispatch.domain.closures import MOST_CLOSURES, Closure
from dispatch.domain.errors import StoreNotFound, TooManyClosures
from dispatch.services.housekeeping import clear_away
from dispatch.storage.closures import delete_closure, forget_closures, put_closure, read_closures
from dispatch.storage.pool import Database
from dispatch.storage.stores import put_store, remove_store
from tests.storage.books import assert_books_balance
from tests.storage.test_writing_orders import Shops
from tests.storage.worlds import CELLS, KYOTO, NOW, TAIPEI, assert_equal_to_database, follower_of, heads, store

CELL = CELLS[TAIPEI]


def hours(begin: float, end: float, reason: str | None = None, *, now: datetime = NOW) -> Closure:
    return Closure(now + timedelta(hours=begin), now + timedelta(hours=end), reason)


async def _union(database: Database, store_id: str = "a") -> list[tuple[float, float]]:
    """What the store's row in service says, in hours from NOW."""
    query = "SELECT closed_during FROM stores WHERE store_id = $1 AND removed_at IS NULL"
    async with database.connection() as connection:
        await assert_books_balance(connection)
        spans: list[asyncpg.Range[datetime]] = await connection.fetchval(query, store_id) or []
    hour = timedelta(hours=1)
    return [((s.lower - NOW) / hour, (s.upper - NOW) / hour) for s in spans if s.lower and s.upper]


async def test_closures_that_overlap_or_touch_merge_and_each_can_be_taken_back(database: Database) -> None:
    await put_store(database, store("a"))
    for closure in (hours(1, 3), hours(2, 5), hours(5, 6), hours(8, 9)):
        assert (await put_closure(database, "a", closure, now=NOW)).changed
    assert await _union(database) == [(1, 6), (8, 9)]
    assert (await read_closures(database, "a", now=NOW + timedelta(hours=3)))[1] == [
        hours(2, 5),
        hours(5, 6),
        hours(8, 9),
    ]
    assert (await delete_closure(database, "a", hours(2, 5))).changed
    assert await _union(database) == [(1, 3), (5, 6), (8, 9)]
    for closure in (hours(1, 3), hours(5, 6), hours(8, 9)):
        await delete_closure(database, "a", closure)
    assert await _union(database) == []


async def test_each_change_has_a_version_and_the_same_again_has_that_of_before(database: Database) -> None:
    await put_store(database, store("a", timezone="Asia/Tokyo"))
    async with database.connection() as connection:
        before = await heads(connection)
        put = await put_closure(database, "a", hours(1, 2, "stocktaking"), now=NOW)
        assert (put.changed, put.timezone, dict(put.version)) == (True, "Asia/Tokyo", {CELL: before[CELL] + 1})
        assert dict(put.version) == await heads(connection)
        kinds = "SELECT kind FROM changes WHERE seq = $1"
        assert [row["kind"] for row in await connection.fetch(kinds, before[CELL] + 1)] == ["store"]
    again = await put_closure(database, "a", hours(1, 2, "stocktaking"), now=NOW)
    assert (again.changed, again.version) == (False, put.version)
    renamed = await put_closure(database, "a", hours(1, 2, "holiday"), now=NOW)
    assert (renamed.changed, renamed.version) == (False, put.version)
    assert (await read_closures(database, "a", now=NOW))[1] == [hours(1, 2, "holiday")]
    gone = await delete_closure(database, "a", hours(1, 2))
    assert (gone.changed, dict(gone.version)) == (True, {CELL: before[CELL] + 2})
    never = await delete_closure(database, "a", hours(1, 3))
    assert (never.changed, never.version) == (False, gone.version)


async def test_a_store_that_is_not_in_service_has_none(database: Database) -> None:
    await put_store(database, store("a"))
    await put_closure(database, "a", hours(1, 2), now=NOW)
    await remove_store(database, "a")
    for store_id in ("a", "never"):
        with pytest.raises(StoreNotFound):
            await put_closure(database, store_id, hours(3, 4), now=NOW)
        with pytest.raises(StoreNotFound):
            await delete_closure(database, store_id, hours(1, 2))
        with pytest.raises(StoreNotFound):
            await read_closures(database, store_id, now=NOW)
    await put_store(database, store("a"))
    assert await _union(database) == [(1, 2)]


async def test_a_follower_sees_closures_come_and_go(database: Database) -> None:
    await put_store(database, store("a", opening_hours="08:00-22:00"))
    await put_store(database, store("b", opening_hours="08:00-22:00"))
    follower = follower_of(database)
    await follower.step()
    for closure in (hours(-1, 1), hours(3, 4)):
        await put_closure(database, "a", closure, now=NOW)
        await follower.step()
        await assert_equal_to_database(follower.replica, database)
    slot, now_s = follower.replica.slot("a"), int(NOW.timestamp())
    assert slot is not None
    assert follower.replica.opens_at_s(slot, now_s) == now_s + 3_600
    assert follower.replica.opens_at_s(slot, now_s + 3_600) is None
    for closure in (hours(-1, 1), hours(3, 4)):
        await delete_closure(database, "a", closure)
        await follower.step()
        await assert_equal_to_database(follower.replica, database)
    assert follower.replica.opens_at_s(slot, now_s) is None
    assert follower.replica.columns.schedule[slot] == follower.replica.columns.schedule[1 - slot]


async def test_closures_go_along_when_a_store_moves_and_come_back_with_it(database: Database) -> None:
    await put_store(database, store("a"))
    await put_closure(database, "a", hours(1, 2, "holiday"), now=NOW)
    follower = follower_of(database)
    await follower.step()
    for place in (KYOTO, TAIPEI):
        await put_store(database, store("a", place))
        assert await _union(database) == [(1, 2)]
        async with database.connection() as connection:
            assert await connection.fetchval("SELECT count(*) FROM closures") == 1
        assert (await read_closures(database, "a", now=NOW))[1] == [hours(1, 2, "holiday")]
        await follower.step()
        await assert_equal_to_database(follower.replica, database)


@pytest.mark.parametrize("most_stores", [1, 500])
async def test_closures_are_forgotten_a_day_after_their_end_and_not_before(
    database: Database, most_stores: int
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    for store_id in ("a", "b"):
        await put_store(database, store(store_id))
        for closure in (hours(-30, -24.1, now=now), hours(-30, -23, now=now), hours(-1, 1, now=now)):
            await put_closure(database, store_id, closure, now=now)
    forgotten = [await forget_closures(database, CELL, most_stores=most_stores) for _ in range(3)]
    assert forgotten == ([1, 1, 0] if most_stores == 1 else [2, 0, 0])
    assert [round((end - begin) * 60) for begin, end in await _union(database)] == [7 * 60, 2 * 60]
    assert await forget_closures(database, CELL, keep=timedelta(hours=2)) == 2
    assert [round((end - begin) * 60) for begin, end in await _union(database, "b")] == [2 * 60]
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE closures SET starts_at = now() - interval '3 d', ends_at = now() - interval '2 d'"
        )
    assert await clear_away(database) == 2
    assert await _union(database) == []


async def test_a_store_has_400_closures_to_come_and_no_more(database: Database) -> None:
    await put_store(database, store("a"))
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO closures SELECT cell, store_no, $1::timestamptz + n * interval '1 h',"
            " $1::timestamptz + n * interval '1 h 1 min' FROM stores, generate_series(1, $2::integer) AS n",
            NOW,
            MOST_CLOSURES,
        )
    late = hours(5_000, 5_001)
    with pytest.raises(TooManyClosures, match="400 closures"):
        await put_closure(database, "a", late, now=NOW)
    assert not (await put_closure(database, "a", Closure(*_nth(1)), now=NOW)).changed
    assert (await put_closure(database, "a", late, now=NOW + timedelta(hours=2))).changed


def _nth(n: int) -> tuple[datetime, datetime]:
    return NOW + timedelta(hours=n), NOW + timedelta(hours=n, minutes=1)


async def test_an_order_goes_past_a_closed_store_and_to_one_that_is_only_closed_later(database: Database) -> None:
    shops = await Shops.made(database, a={"tea": 5}, b={"tea": 5})
    now = datetime.now(UTC).replace(microsecond=0)
    await put_closure(database, "a", hours(-1, 1, now=now), now=now)
    await put_closure(database, "b", hours(1, 2, now=now), now=now)
    order = await shops.placed("o", shops.option("a", tea=1), shops.option("b", tea=1))
    assert order.store_id == "b"
    assert await shops.outcomes(shops.new("p", shops.option("a", tea=1))) == ["lost"]
    await delete_closure(database, "a", hours(-1, 1, now=now))
    assert (await shops.placed("p", shops.option("a", tea=1))).store_id == "a"


async def test_an_order_that_waited_for_the_stores_row_sees_the_closure_written_meanwhile(database: Database) -> None:
    """What it reads of other tables is as old as its statement; the row is read anew once it is locked."""
    shops = await Shops.made(database, a={"tea": 5})
    now = datetime.now(UTC).replace(microsecond=0)
    closing = "UPDATE stores SET closed_during = tstzmultirange(tstzrange($1, $2))"
    placing = None
    async with database.transaction() as transaction:
        await transaction.execute(closing, now - timedelta(hours=1), now + timedelta(hours=1))
        placing = asyncio.create_task(shops.outcomes(shops.new("o", shops.option("a", tea=1))))
        async with database.connection() as watching, asyncio.timeout(10):
            while not await watching.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.005)
    assert await placing == ["lost"]
