"""Movements of stock in the database: batches of them, and forgetting old ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from dispatch.domain.movements import (
    Movement,
    MovementResult,
    OrderAtStore,
    OrderPieces,
    Recorded,
    ShelfFigures,
    StoreBook,
)
from dispatch.domain.versions import Version
from dispatch.storage.changes import ShelfKey, bump_head, note_shelves
from dispatch.storage.group_commit import GroupCommit
from dispatch.storage.pool import Connection, Database
from dispatch.storage.shelves import Shortage, mark_short
from dispatch.storage.sql import sql
from dispatch.storage.stores import KEEP_MOVEMENTS


@dataclass(frozen=True, slots=True)
class StoreMovements:
    """Movements of one store, in the order in which they were sent, with the numbers of their skus."""

    store_no: int
    movements: Sequence[Movement]
    numbers: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class MovementsWritten:
    """A result for each movement, and where the store's cell is now."""

    results: list[MovementResult]
    version: Version = field(default_factory=Version)


type MovementWriter = GroupCommit[StoreMovements, MovementsWritten | None]
"""None: the store is not in that cell any more."""

type _Books = dict[int, StoreBook]
type _Reservation = tuple[int, str, str, int, int]  # store_no, client, order_id, order_cell, sku_no


async def write_movements(
    connection: Connection, cell: int, items: Sequence[StoreMovements]
) -> list[MovementsWritten | Exception | None]:
    """Write movements of stores of a cell, each on its own, in the order of the items; for a GroupCommit."""
    async with connection.transaction():
        locked = await connection.fetch(sql("lock_stores"), cell, sorted({item.store_no for item in items}))
        books = {row["store_no"]: StoreBook(row["counted_whole_at"]) for row in locked}
        here = [item for item in items if item.store_no in books]
        await _load(connection, cell, books, here)
        before = {(no, sku_no): replace(row) for no, book in books.items() for sku_no, row in book.shelf.items()}
        held = _reserved_in(books)
        results = {id(item): [_enter(books[item.store_no], item, m) for m in item.movements] for item in here}
        await _write(connection, cell, books, held)
        version = await _finish(connection, cell, books, before)
    return [MovementsWritten(results[id(item)], version) if id(item) in results else None for item in items]


def _enter(book: StoreBook, item: StoreMovements, movement: Movement) -> MovementResult:
    return book.enter(movement, item.numbers[movement.sku])


async def _load(connection: Connection, cell: int, books: _Books, items: Sequence[StoreMovements]) -> None:
    """Read into the books what these movements touch; the shelf rows are locked."""
    rows = sorted({(item.store_no, item.numbers[m.sku]) for item in items for m in item.movements})
    for row in await connection.fetch(sql("lock_rows_to_move"), cell, *_columns(rows, 2)):
        store_no, sku_no, *figures = row
        books[store_no].shelf[sku_no] = ShelfFigures(*figures)
    ids = sorted({(item.store_no, m.movement_id) for item in items for m in item.movements})
    for row in await connection.fetch(sql("movements_by_id"), cell, *_columns(ids, 2)):
        store_no, movement_id, *rest = row
        books[store_no].recorded[movement_id] = Recorded(movement_id, *rest)
    named = sorted({(item.store_no, m.order_id) for item in items for m in item.movements if m.order_id is not None})
    if not named:
        return
    for row in await connection.fetch(sql("reservations_of_orders"), cell, *_columns(named, 2)):
        order = _order_in(books[row["store_no"]], row["order_id"], row["client"])
        order.reserved[row["order_cell"], row["sku_no"]] = row["quantity"]
    for row in await connection.fetch(sql("movements_of_orders"), cell, *_columns(named, 2)):
        order = _order_in(books[row["store_no"]], row["order_id"], row["client"])
        order.pieces[row["sku_no"]] = OrderPieces(row["gone"], row["back"], row["sold"], row["returned"])


def _order_in(book: StoreBook, order_id: str, client: str) -> OrderAtStore:
    return book.orders.setdefault(order_id, {}).setdefault(client, OrderAtStore())


def _reserved_in(books: _Books) -> dict[_Reservation, int]:
    return {
        (store_no, client, order_id, order_cell, sku_no): quantity
        for store_no, book in books.items()
        for order_id, by_client in book.orders.items()
        for client, order in by_client.items()
        for (order_cell, sku_no), quantity in order.reserved.items()
    }


async def _write(connection: Connection, cell: int, books: _Books, held: Mapping[_Reservation, int]) -> None:
    """Write the movements and what is left of the reservations."""
    new = [
        (no, m.movement_id, m.sku_no, m.delta, m.reported, m.at, m.reason, m.client, m.order_id)
        for no, book in books.items()
        for m in book.new
    ]
    if new:
        await connection.execute(sql("add_movements"), cell, *_columns(new, 9))
    left = {key: quantity for key, quantity in _reserved_in(books).items() if quantity != held[key]}
    if ended := [key for key, quantity in left.items() if quantity == 0]:
        await connection.execute(sql("end_reservations"), cell, *_columns(ended, 5))
    if shrunk := [(*key, quantity) for key, quantity in left.items() if quantity > 0]:
        await connection.execute(sql("shrink_reservations"), cell, *_columns(shrunk, 6))


async def _finish(connection: Connection, cell: int, books: _Books, before: Mapping[ShelfKey, ShelfFigures]) -> Version:
    """Write the shelf rows that are another now, and tell of them; where the cell is then."""
    changed = {
        (store_no, sku_no): row
        for store_no, book in books.items()
        for sku_no, row in book.shelf.items()
        if before.get((store_no, sku_no)) != row
    }
    if not changed:
        seq = await connection.fetchval(sql("head_of"), cell)
        return Version() if seq is None else Version({cell: seq})
    rows = [
        (*key, r.on_hand, r.reserved, r.as_of, r.moved_at, r.withheld, r.withheld_until) for key, r in changed.items()
    ]
    await connection.execute(sql("put_moved_rows"), cell, *_columns(rows, 8))
    # A new row has nothing reserved.
    known = [(key, row, before[key]) for key, row in changed.items() if key in before]
    shortages = [
        Shortage(*key, row.on_hand, row.short > was.short)
        for key, row, was in known
        # An order that was told of a shortage may have taken the goods of one that was not.
        if row.short != was.short or (row.short and row.reserved != was.reserved)
    ]
    if shortages:
        await mark_short(connection, cell, shortages)
    seq = await bump_head(connection, cell)
    await note_shelves(connection, cell, seq, changed)
    return Version({cell: seq})


def _columns(rows: Sequence[Sequence[object]], width: int) -> list[list[object]]:
    """The arrays of a statement that takes one a column."""
    return [[row[n] for row in rows] for n in range(width)]


async def forget_movements(
    database: Database, cell: int, *, keep: timedelta = KEEP_MOVEMENTS, most: int = 5_000
) -> int:
    """Drop the oldest movements of a cell that are older than ``keep``; how many, at most ``most``."""
    async with database.connection() as connection:
        done = await connection.execute(sql("forget_movements"), cell, keep, most)
    return int(done.split()[-1])
