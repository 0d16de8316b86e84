"""The reader's side of the feed: a consistent copy of everything, then what changed.

Everything of one reading comes from one snapshot of the database, so that a replica never holds a mixture of two
moments.
"""

import asyncio
import math
import struct
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg
import numpy as np

from dispatch.domain.closures import Spans
from dispatch.domain.stores import Store
from dispatch.storage.pool import Connection, Database
from dispatch.storage.sql import sql
from dispatch.storage.stores import store_of

# PostgreSQL's binary COPY of six fields that are never null and of fixed width: a count of fields, then a length and
# a big-endian value each. Timestamps are microseconds since 2000-01-01 UTC.
_ROW = np.dtype(
    [
        ("fields", ">i2"),
        ("l1", ">i4"), ("store_no", ">i8"),
        ("l2", ">i4"), ("sku_no", ">i8"),
        ("l3", ">i4"), ("available", ">i4"),
        ("l4", ">i4"), ("price_minor", ">i8"),
        ("l5", ">i4"), ("currency", "S3"),
        ("l6", ">i4"), ("fresh_us", ">i8"),
    ]
)  # fmt: skip
_LENGTHS = {"fields": 6, "l1": 8, "l2": 8, "l3": 4, "l4": 8, "l5": 3, "l6": 8}
_HEADER_BYTES = 19
_HEAD = struct.Struct(">qq")
_TRAILER = b"\xff\xff"
_POSTGRES_EPOCH_S = 946_684_800
_CHUNK_BYTES = 16 * 1024 * 1024
# To decode less takes hardly longer than a thread takes to begin.
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

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

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
        """Every shelf row, or those of these skus, in chunks and no order."""
        if sku_nos is None:
            chunks = self._copied(sql("copy_shelves"))
        else:
            chunks = self._copied(sql("copy_some_skus"), list(sku_nos))
        async for chunk in chunks:
            yield chunk

    async def shelves_of(self, stores: Sequence[tuple[int, int]]) -> ShelfColumns:
        """Every shelf row of these stores, each a cell and a number."""
        cells, store_nos = [cell for cell, _ in stores], [store_no for _, store_no in stores]
        parts = [chunk async for chunk in self._copied(sql("copy_some_shelves"), cells, store_nos)]
        return concatenate(parts)

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

    async def _copied(self, query: str, *arguments: object) -> AsyncIterator[ShelfColumns]:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=4)
        pending = bytearray()

        async def collect(data: bytes) -> None:
            pending.extend(data)
            if len(pending) >= _CHUNK_BYTES:
                full = bytes(pending)
                pending.clear()
                await queue.put(full)

        async def copy() -> None:
            try:
                await self._connection.copy_from_query(
                    query, *arguments, output=collect, format="binary", timeout=_COPY_TIMEOUT_S
                )
                await queue.put(bytes(pending))
            finally:
                await queue.put(None)

        task = asyncio.create_task(copy())
        try:
            rest, first = b"", True
            while (block := await queue.get()) is not None:
                block = rest + block[_HEADER_BYTES if first else 0 :]
                first = False
                if len(block) > _LARGE_BYTES:
                    columns, rest = await asyncio.to_thread(_decoded, block)
                else:
                    columns, rest = _decoded(block)
                if len(columns):
                    yield columns
            await task
            if rest not in (b"", _TRAILER):
                raise ValueError("a shelf row of another width than expected: the copy and its reader disagree")
        finally:
            if not task.done():
                task.cancel()


def _decoded(block: bytes) -> tuple[ShelfColumns, bytes]:
    """The whole rows of a block, and what is left of it."""
    rows, rest = _whole_rows(block)
    return _columns(rows), rest


def _whole_rows(block: bytes) -> tuple[np.ndarray, bytes]:
    count = len(block) // _ROW.itemsize
    rows = np.frombuffer(block, dtype=_ROW, count=count)
    for name, length in _LENGTHS.items():
        if not (rows[name] == length).all():
            raise ValueError("a shelf row of another width than expected: the copy and its reader disagree")
    return rows, block[count * _ROW.itemsize :]


def _columns(rows: np.ndarray) -> ShelfColumns:
    return ShelfColumns(
        store_no=rows["store_no"].astype(np.int64),
        sku_no=rows["sku_no"].astype(np.int64),
        available=rows["available"].astype(np.int64),
        price_minor=rows["price_minor"].astype(np.int64),
        currency=np.ascontiguousarray(rows["currency"]),
        fresh_s=rows["fresh_us"].astype(np.int64) // 1_000_000 + _POSTGRES_EPOCH_S,
    )


def concatenate(parts: Sequence[ShelfColumns]) -> ShelfColumns:
    """One set of columns of several; empty of none."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return _columns(np.empty(0, dtype=_ROW))
    return ShelfColumns(
        **{
            column.name: np.concatenate([getattr(part, column.name) for part in parts])
            for column in fields(ShelfColumns)
        }
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
    async with (
        database.connection() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield FeedReader(connection)


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
