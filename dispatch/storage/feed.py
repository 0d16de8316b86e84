"""The reader's side of the feed: a consistent copy of everything, then what changed.

Everything of one reading comes from one snapshot of the database, so that a replica never holds a mixture of two
moments.
"""

import asyncio
import math
import struct
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import asyncpg
import numpy as np

from dispatch.domain.closures import Spans
from dispatch.domain.stores import Store
from dispatch.storage.pool import Connection, Database
from dispatch.storage.sql import sql
from dispatch.storage.stores import store_of

# What a copy of shelves has of each row, by column: big-endian, as PostgreSQL sends it. Timestamps are microseconds
# since 2000-01-01 UTC.
_KINDS: dict[str, np.dtype[Any]] = {
    "store_no": np.dtype(">i8"),
    "sku_no": np.dtype(">i8"),
    "available": np.dtype(">i4"),
    "price_minor": np.dtype(">i8"),
    "currency": np.dtype("S3"),
    "fresh_us": np.dtype(">i8"),
}
# PostgreSQL's binary COPY of one row: a header, the count of fields, then a length and a value each, then a trailer.
_HEADER_BYTES = 19
_COUNT = struct.Struct(">h")
_LENGTH = struct.Struct(">i")
_TRAILER = b"\xff\xff"
_HEAD = struct.Struct(">qq")
_POSTGRES_EPOCH_S = 946_684_800
# 8 MB of the table, some 90,000 rows at most: a hundredth of a second for whoever takes them in.
_BLOCKS_A_COPY = 1_024
_BLOCKS_MOST = 2**32 - 1
# To decode less takes hardly longer than a thread takes to begin.
_OTHER_COLUMNS = "shelf rows of other columns than expected: the copy and its reader disagree"
_LARGE_BYTES = 256 * 1024
_COPY_TIMEOUT_S = 600.0
_STORES_A_FETCH = 1_000
_MOST_CHANGES = 20_000
_CHANGES_FORGOTTEN_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class ShelfColumns:
    """Shelf rows as arrays of one length. ``price_minor`` −1: no price. ``fresh_s``: epoch seconds, rounded down."""

    store_no: np.ndarray
    sku_no: np.ndarray
    available: np.ndarray
    price_minor: np.ndarray
    currency: np.ndarray
    fresh_s: np.ndarray

    def __len__(self) -> int:
        return len(self.store_no)

    def where(self, chosen: np.ndarray) -> "ShelfColumns":
        """The rows for which ``chosen`` is true."""
        return ShelfColumns(**{column.name: getattr(self, column.name)[chosen] for column in fields(self)})


@dataclass(frozen=True, slots=True)
class StoreRow:
    """A store with what only the database knows of it."""

    store: Store
    store_no: int
    cell: int
    open_orders: int
    stale_after_s: int | None
    # Until when it has said that it is closed, or too busy (epoch seconds); 0: it has not.
    closed_until_s: int = 0
    busy_until_s: int = 0
    closures: Spans = ()


class Change(NamedTuple):
    """A row of the feed; a tuple, since they come by the thousand."""

    seq: int
    kind: str
    store_no: int
    sku_no: int | None
    available: int | None
    price_minor: int | None
    currency: str | None
    fresh_at: datetime | None
    open_orders: int | None


class FeedReader:
    """One consistent moment of the database."""

    def __init__(self, connection: Connection, database: Database | None = None) -> None:
        """``database``: where there are more connections."""
        self._connection = connection
        self._database = database

    async def heads(self) -> dict[int, int]:
        """Where every cell is."""
        return unpacked(await self.packed_heads())

    async def packed_heads(self) -> bytes:
        """As ``heads``, in one piece: equal as long as nothing has moved, else for ``unpacked``."""
        packed: bytes | None = await self._connection.fetchval(sql("heads"))
        return packed or b""

    async def skus(self, sku_nos: Sequence[int] | None = None) -> dict[int, str]:
        """Sku by number: of these, or all."""
        if sku_nos is None:
            rows = await self._connection.fetch(sql("all_skus"))
        else:
            rows = await self._connection.fetch(sql("skus_by_number"), list(sku_nos))
        return {row["sku_no"]: row["sku"] for row in rows}

    async def sku_numbers(self, skus: Sequence[str]) -> dict[str, int]:
        """Number by sku; what is missing is not known."""
        rows = await self._connection.fetch(sql("sku_numbers"), list(skus))
        return {row["sku"]: row["sku_no"] for row in rows}

    async def all_stores(self) -> AsyncIterator[list[StoreRow]]:
        """Every store in service, in order of cell and number; some at a time, never all of them in memory."""
        cursor = await self._connection.cursor(sql("read_all_stores"))
        while rows := await cursor.fetch(_STORES_A_FETCH):
            yield [_store_row(row) for row in rows]

    async def store_numbers(self, cell: int) -> set[int]:
        """The numbers of the stores of a cell that are in service."""
        return {row["store_no"] for row in await self._connection.fetch(sql("store_numbers"), cell)}

    async def stores(self, cell: int, store_nos: Sequence[int]) -> Iterator[StoreRow]:
        """Those of these stores that are in service, each made when it is asked for, which takes its time."""
        return map(_store_row, await self._connection.fetch(sql("read_some_stores"), cell, list(store_nos)))

    async def shelves(self, *, sku_nos: Sequence[int] | None = None) -> AsyncIterator[ShelfColumns]:
        """Every shelf row, or those of these skus, in chunks, in about the order in which they lie on the disk.

        Two connections copy at once, a piece of the table each in turn.
        """
        blocks = await self._connection.fetchval(sql("shelf_blocks"))
        left = await self._connection.fetch(sql("left_shelves"))
        cells, store_nos = [row["cell"] for row in left], [row["store_no"] for row in left]
        firsts = iter(range(0, max(1, blocks), _BLOCKS_A_COPY))
        copies: deque[tuple[FeedReader, asyncio.Task[bytearray]]] = deque()

        def begin(reader: FeedReader) -> None:
            if (first := next(firsts, None)) is not None:
                # The last piece has no end: it holds what lies beyond the blocks, should they be counted wrongly.
                end = first + _BLOCKS_A_COPY if first + _BLOCKS_A_COPY < blocks else _BLOCKS_MOST
                chosen = None if sku_nos is None else list(sku_nos)
                copy = reader._copied(sql("copy_shelves"), first, end, chosen, cells, store_nos)
                copies.append((reader, asyncio.create_task(copy)))

        async with self._beside() as other:
            try:
                begin(self)
                begin(other)
                while copies:
                    reader, copy = copies[0]
                    copied = await copy
                    copies.popleft()
                    begin(reader)
                    rows = _decoded(copied)
                    if len(rows):
                        yield rows
            finally:
                for _, copy in copies:
                    copy.cancel()
                await asyncio.gather(*(copy for _, copy in copies), return_exceptions=True)

    @asynccontextmanager
    async def _beside(self) -> AsyncIterator["FeedReader"]:
        """Another reader of the same moment, on a connection of its own."""
        assert self._database is not None, "only a reader that reading() has made copies everything"
        snapshot = await self._connection.fetchval(sql("export_snapshot"))
        async with _snapshot(self._database) as connection:
            # A utility statement takes no parameters; the name is the server's own, of digits, letters and dashes.
            await connection.execute(sql("take_snapshot").replace("$1", f"'{snapshot}'"))
            yield FeedReader(connection)

    async def shelves_of(self, stores: Sequence[tuple[int, int]]) -> ShelfColumns:
        """Every shelf row of these stores, each a cell and a number."""
        cells, store_nos = [cell for cell, _ in stores], [store_no for _, store_no in stores]
        copied = await self._copied(sql("copy_some_shelves"), cells, store_nos)
        return await asyncio.to_thread(_decoded, copied) if len(copied) > _LARGE_BYTES else _decoded(copied)

    async def checksum(self, cell: int) -> tuple[int, int]:
        """How many shelf rows a cell's stores have, and a number for what they have available and open orders."""
        row = await self._connection.fetchrow(sql("cell_checksum"), cell, timeout=_COPY_TIMEOUT_S)
        assert row is not None, "an aggregate has a row"
        return row["rows"], int(row["total"])

    async def changes(self, cell: int, *, after: int, upto: int) -> list[Change] | None:
        """The changes of a cell with ``after < seq ≤ upto``, in order.

        None if some of them are no longer kept, or they are so many that the cell is sooner read anew.
        """
        if upto - after > _MOST_CHANGES:
            return None
        rows = await self._connection.fetch(sql("changes_between"), cell, after, upto, _MOST_CHANGES + 1)
        if len(rows) > _MOST_CHANGES:
            return None
        changes = [Change._make(row) for row in rows]
        return changes if len({change.seq for change in changes}) == upto - after else None

    async def _copied(self, query: str, *arguments: object) -> bytearray:
        copied = bytearray()

        async def collect(data: bytes) -> None:
            copied.extend(data)

        await self._connection.copy_from_query(
            query, *arguments, output=collect, format="binary", timeout=_COPY_TIMEOUT_S
        )
        return copied


def _decoded(copied: bytearray) -> ShelfColumns:
    """The columns of a copy of one row, whose fields are columns: the values of all rows, one after the other."""
    columns, at = {}, _HEADER_BYTES + _COUNT.size
    if len(copied) < at or _COUNT.unpack_from(copied, _HEADER_BYTES) != (len(_KINDS),):
        raise ValueError(_OTHER_COLUMNS)
    for name, kind in _KINDS.items():
        length = max(0, *_LENGTH.unpack_from(copied, at))  # −1 of no row
        at += _LENGTH.size
        count, odd = divmod(length, kind.itemsize)
        if odd or at + length > len(copied):
            raise ValueError(_OTHER_COLUMNS)
        columns[name] = np.frombuffer(copied, dtype=kind, count=count, offset=at)
        at += length
    if copied[at:] != _TRAILER or len({len(column) for column in columns.values()}) != 1:
        raise ValueError(_OTHER_COLUMNS)
    return ShelfColumns(
        store_no=columns["store_no"].astype(np.int64),
        sku_no=columns["sku_no"].astype(np.int64),
        available=columns["available"].astype(np.int64),
        price_minor=columns["price_minor"].astype(np.int64),
        currency=columns["currency"],
        fresh_s=columns["fresh_us"].astype(np.int64) // 1_000_000 + _POSTGRES_EPOCH_S,
    )


def _store_row(row: asyncpg.Record) -> StoreRow:
    return StoreRow(
        store_of(row),
        row["store_no"],
        row["cell"],
        row["open_orders"],
        row["stock_stale_after_s"],
        _epoch_s(row["closed_until"]),
        _epoch_s(row["busy_until"]),
        _spans(row["closed_during"]),
    )


def _spans(ranges: Sequence[asyncpg.Range[datetime]] | None) -> Spans:
    """The union of a store's closures as PostgreSQL keeps it: ascending and apart, in whole seconds."""
    spans = []
    for span in ranges or ():
        assert span.lower is not None
        assert span.upper is not None
        spans.append((int(span.lower.timestamp()), int(span.upper.timestamp())))
    return tuple(spans)


def _epoch_s(moment: datetime | None) -> int:
    """Rounded up, so that a pause is never told as over too soon."""
    return 0 if moment is None else math.ceil(moment.timestamp())


@asynccontextmanager
async def reading(database: Database) -> AsyncIterator[FeedReader]:
    """A reader of one moment of the database."""
    async with _snapshot(database) as connection:
        yield FeedReader(connection, database)


@asynccontextmanager
async def _snapshot(database: Database) -> AsyncIterator[Connection]:
    async with (
        database.connection() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield connection


async def forget_changes(database: Database, cell: int, *, keep: timedelta) -> int:
    """Drop some of a cell's changes that are older than ``keep``; how many, 0 when there are none left."""
    async with database.connection() as connection:
        done = await connection.execute(sql("forget_changes"), cell, keep, _CHANGES_FORGOTTEN_AT_ONCE)
    return int(done.rpartition(" ")[2])


async def current_heads(database: Database) -> dict[int, int]:
    """Where every cell is now, without a snapshot."""
    return unpacked(await packed_heads(database))


async def packed_heads(database: Database) -> bytes:
    """``current_heads`` in one piece, to be compared with what it was: what a follower polls."""
    async with database.connection() as connection:
        return await FeedReader(connection).packed_heads()


def unpacked(heads: bytes) -> dict[int, int]:
    """The number of the last change by cell, of heads in one piece."""
    return dict(_HEAD.iter_unpack(heads))
