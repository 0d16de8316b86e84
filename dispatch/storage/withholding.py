"""What stores have said that they do not have, or cannot do, and when that ends."""

from collections.abc import Sequence
from functools import partial

from dispatch.domain.errors import StoreNotFound
from dispatch.domain.versions import Version
from dispatch.storage.changes import ShelfKey, bump_head, note_shelves, note_stores
from dispatch.storage.pool import Connection, Database
from dispatch.storage.retrying import in_transaction
from dispatch.storage.sql import sql
from dispatch.storage.stores import MOST_MOVES_FOLLOWED, StoreKey, find_store


async def withheld_due(database: Database) -> list[int]:
    """The cells in which something has been withheld for long enough, by the database's clock."""
    async with database.connection() as connection:
        return [row["cell"] for row in await connection.fetch(sql("withheld_due"))]


async def release_withheld(database: Database, cell: int, *, most: int = 200) -> int:
    """Release what has been withheld in a cell for long enough, at most so many rows; how many they were.

    Call it again until it says 0. Raises Busy.
    """
    async with database.connection() as connection:
        rows = await connection.fetch(sql("withheld_rows_due"), cell, most)
    if not rows:
        return 0
    keys = [(row["store_no"], row["sku_no"]) for row in rows]
    released, _ = await in_transaction(database, partial(_release, cell, keys, True))
    return released


async def release_shelf(database: Database, store_id: str, skus: Sequence[str] | None) -> tuple[int, Version]:
    """Release what a store withholds, of these skus or of all; how many rows. Raises StoreNotFound, Busy."""
    for _ in range(MOST_MOVES_FOLLOWED):
        async with database.connection() as connection:
            key = await find_store(connection, store_id)
            named = None if skus is None else list(skus)
            rows = await connection.fetch(sql("withheld_rows_of_store"), key.cell, key.store_no, named)
            in_service = await connection.fetchrow(sql("read_store"), key.cell, key.store_no) is not None
        keys = [(row["store_no"], row["sku_no"]) for row in rows]
        if in_service:
            return await in_transaction(database, partial(_release, key.cell, keys, False))
    raise StoreNotFound(f"there is no store {store_id}")


async def _release(cell: int, rows: Sequence[ShelfKey], only_due: bool, connection: Connection) -> tuple[int, Version]:
    store_nos, sku_nos = [row[0] for row in rows], [row[1] for row in rows]
    await connection.execute(sql("lock_store_rows"), cell, sorted(set(store_nos)))
    await connection.execute(sql("lock_rows_to_move"), cell, store_nos, sku_nos)
    released = await connection.fetch(sql("release_rows"), cell, store_nos, sku_nos, only_due)
    if not released:
        seq = await connection.fetchval(sql("head_of"), cell)
        return 0, Version() if seq is None else Version({cell: seq})
    seq = await bump_head(connection, cell)
    await note_shelves(connection, cell, seq, [(row["store_no"], row["sku_no"]) for row in released])
    return len(released), Version({cell: seq})


async def resume_store(database: Database, store_id: str) -> Version:
    """Have a store take orders again that has said it is closed or too busy. Raises StoreNotFound, Busy."""
    for _ in range(MOST_MOVES_FOLLOWED):
        async with database.connection() as connection:
            key = await find_store(connection, store_id)
        version = await in_transaction(database, partial(_resume, key))
        if version is not None:
            return version
    raise StoreNotFound(f"there is no store {store_id}")


async def _resume(key: StoreKey, connection: Connection) -> Version | None:
    if not await connection.fetch(sql("lock_stores"), key.cell, [key.store_no]):
        return None
    if not await connection.fetch(sql("resume_store"), key.cell, key.store_no):
        return Version({key.cell: await connection.fetchval(sql("head_of"), key.cell)})
    seq = await bump_head(connection, key.cell)
    await note_stores(connection, key.cell, seq, [key.store_no], "store")
    return Version({key.cell: seq})
