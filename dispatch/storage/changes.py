"""The writer's side of the feed: number a change of a cell, and say what changed.

Call these last in a transaction: whoever is slow is slow before the head, never after it.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from dispatch.storage.pool import Connection
from dispatch.storage.sql import sql

# Above this many rows a follower reads the whole shelf instead.
MAX_ROWS_NOTED_ONE_BY_ONE = 50

type ShelfKey = tuple[int, int]
"""The numbers of store and sku."""


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


async def note_shelf_rows(
    connection: Connection, cell: int, seq: int, rows: Sequence[ShelfKey], *, first_n: int = 1
) -> None:
    """Say what these shelf rows now hold."""
    store_nos, sku_nos = [row[0] for row in rows], [row[1] for row in rows]
    await connection.execute(sql("note_shelf_rows"), cell, seq, store_nos, sku_nos, first_n)


async def note_shelves(
    connection: Connection, cell: int, seq: int, rows: Iterable[ShelfKey], *, whole: Iterable[int] = ()
) -> None:
    """Say what these rows hold, row by row, or of a shelf with many of them, and of those in ``whole``, all at once."""
    by_store: dict[int, list[ShelfKey]] = {}
    for row in rows:
        by_store.setdefault(row[0], []).append(row)
    read_anew = set(whole) | {no for no, its in by_store.items() if len(its) > MAX_ROWS_NOTED_ONE_BY_ONE}
    single = [row for store_no, its in by_store.items() if store_no not in read_anew for row in its]
    if read_anew:
        await note_stores(connection, cell, seq, sorted(read_anew), "shelves")
    if single:
        await note_shelf_rows(connection, cell, seq, single, first_n=1 + len(read_anew))
