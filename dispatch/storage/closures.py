"""Closures of stores: written under the store's row, which carries their union for orders and replicas to read."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from dispatch.domain.closures import MOST_CLOSURES, Closure
from dispatch.domain.errors import StoreNotFound, TooManyClosures
from dispatch.domain.versions import Version
from dispatch.storage.changes import bump_head, note_stores
from dispatch.storage.pool import Connection, Database
from dispatch.storage.retrying import in_transaction
from dispatch.storage.sql import sql
from dispatch.storage.stores import MOST_MOVES_FOLLOWED, StoreKey, find_store

# So long after its end a closure may still be listed by a worker whose clock is slow.
KEEP_CLOSURES: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ClosureWritten:
    """What became of one closure; ``changed``: it is new, or gone. ``timezone`` is the store's."""

    changed: bool
    timezone: str
    version: Version


async def put_closure(database: Database, store_id: str, closure: Closure, *, now: datetime) -> ClosureWritten:
    """Close a store; one that has the very same closure gets its reason. Those over at ``now`` are not counted.

    Raises StoreNotFound, TooManyClosures, Busy.
    """
    return await _follow(database, store_id, partial(_put, closure, now))


async def delete_closure(database: Database, store_id: str, closure: Closure) -> ClosureWritten:
    """Take a closure back, if it is there. Raises StoreNotFound, Busy."""
    return await _follow(database, store_id, partial(_delete, closure))


async def read_closures(database: Database, store_id: str, *, now: datetime) -> tuple[str, list[Closure]]:
    """A store's time zone, and its closures that are not over at ``now``, by beginning. Raises StoreNotFound."""
    async with database.connection() as connection:
        key = await find_store(connection, store_id)
        store = await connection.fetchrow(sql("read_store"), key.cell, key.store_no)
        rows = await connection.fetch(sql("read_closures"), key.cell, key.store_no, now)
    if store is None:
        raise StoreNotFound(f"there is no store {store_id}")
    return store["timezone"], [Closure(row["starts_at"], row["ends_at"], row["reason"]) for row in rows]


async def forget_closures(
    database: Database, cell: int, *, keep: timedelta = KEEP_CLOSURES, most_stores: int = 500
) -> int:
    """Drop closures of a cell that were over before ``keep`` ago; how many, those of at most so many stores.

    Replicas are not told: what is over changes no answer. Raises Busy.
    """
    async with database.connection() as connection:
        rows = await connection.fetch(sql("closures_over"), cell, keep, most_stores)
    if not rows:
        return 0
    return await in_transaction(database, partial(_forget, cell, [row["store_no"] for row in rows], keep))


async def _forget(cell: int, store_nos: list[int], keep: timedelta, connection: Connection) -> int:
    await connection.execute(sql("lock_store_rows"), cell, store_nos)
    done = await connection.execute(sql("forget_closures"), cell, store_nos, keep)
    await connection.execute(sql("gather_closures"), cell, store_nos)
    return int(done.split()[-1])


async def _follow(
    database: Database, store_id: str, work: Callable[[StoreKey, str, Connection], Awaitable[ClosureWritten]]
) -> ClosureWritten:
    """Do ``work`` under the lock of a store's row, wherever it moves meanwhile. Raises StoreNotFound, Busy."""

    async def locked(key: StoreKey, connection: Connection) -> ClosureWritten | None:
        timezone = await connection.fetchval(sql("lock_store_to_close"), key.cell, key.store_no)
        return None if timezone is None else await work(key, timezone, connection)

    for _ in range(MOST_MOVES_FOLLOWED):
        async with database.connection() as connection:
            key = await find_store(connection, store_id)
        written = await in_transaction(database, partial(locked, key))
        if written is not None:
            return written
    raise StoreNotFound(f"there is no store {store_id}")


async def _put(closure: Closure, now: datetime, key: StoreKey, timezone: str, connection: Connection) -> ClosureWritten:
    place = (key.cell, key.store_no, closure.starts_at, closure.ends_at)
    if await connection.fetchval(sql("count_closures"), *place, now) >= MOST_CLOSURES:
        raise TooManyClosures(
            f"the store {key.store_id} has {MOST_CLOSURES} closures to come already; take some back, or join them"
        )
    created = await connection.fetchval(sql("put_closure"), *place, closure.reason)
    version = await _tell(connection, key) if created else await _as_it_was(connection, key)
    return ClosureWritten(bool(created), timezone, version)


async def _delete(closure: Closure, key: StoreKey, timezone: str, connection: Connection) -> ClosureWritten:
    place = (key.cell, key.store_no, closure.starts_at, closure.ends_at)
    gone = await connection.fetchval(sql("delete_closure"), *place) is not None
    version = await _tell(connection, key) if gone else await _as_it_was(connection, key)
    return ClosureWritten(gone, timezone, version)


async def _tell(connection: Connection, key: StoreKey) -> Version:
    await connection.execute(sql("gather_closures"), key.cell, [key.store_no])
    seq = await bump_head(connection, key.cell)
    await note_stores(connection, key.cell, seq, [key.store_no], "store")
    return Version({key.cell: seq})


async def _as_it_was(connection: Connection, key: StoreKey) -> Version:
    """No replica tells a reason, so that another one is no change of the cell."""
    return Version({key.cell: await connection.fetchval(sql("head_of"), key.cell)})
