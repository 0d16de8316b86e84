"""The writer's side of the feed: number a change of a cell, and say what changed.

Call these last in a transaction: whoever is slow is slow before the head, never after it.
"""

from collections.abc import Sequence
from typing import Literal

from dispatch.storage.pool import Connection
from dispatch.storage.sql import sql

# Above this many rows a follower reads the whole shelf instead.
MAX_ROWS_NOTED_ONE_BY_ONE = 50


async def bump_head(connection: Connection, cell: int) -> int:
    """Take the cell's head, the last lock, and return the number of this change."""
    return int(await connection.fetchval(sql("bump_head"), cell))


async def note_stores(
    connection: Connection,
    cell: int,
    seq: int,
    store_nos: Sequence[int],
    kind: Literal["store", "shelves"],
    *,
    first_n: int = 1,
) -> None:
    """Say that these stores' rows, or whole shelves, are to be read again."""
    await connection.execute(sql("note_stores"), cell, seq, list(store_nos), kind, first_n)


async def note_shelf_rows(connection: Connection, cell: int, seq: int, store_no: int, sku_nos: Sequence[int]) -> None:
    """Say what these rows of one shelf now hold."""
    await connection.execute(sql("note_shelf_rows"), cell, seq, store_no, list(sku_nos))
