"""A file's counts on their way to the shelves: staged, summed, then applied, whole shelves of a few stores at a time.

Staging makes the file's order and size a matter of the database's disk, not of anyone's memory, and lets a file be
read to its end before anything of it is applied. A store's rows all go one of a few ways, each with a connection of its
own, so that the database works on as many stores at once.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Any, Final

import numpy as np

from dispatch.storage.import_images import keep_new_skus, keep_shelves
from dispatch.storage.pool import Connection, Database
from dispatch.storage.retrying import in_transaction
from dispatch.storage.shelves import CountsApplied, WholeShelves, apply_waiting_counts, weigh_waiting_counts
from dispatch.storage.sql import sql
from dispatch.storage.stores import StoreKey

WAYS: Final = 2
"""Connections that an import of stock stages and applies on."""

# PostgreSQL's binary COPY of fields that are never null and of fixed width: a count of fields, then a length and a
# big-endian value each. Timestamps are microseconds since 2000-01-01 UTC.
_ROW: Final = np.dtype(
    [
        ("fields", ">i2"),
        ("l1", ">i4"), ("store_no", ">i8"),
        ("l2", ">i4"), ("sku_n", ">i4"),
        ("l3", ">i4"), ("on_hand", ">i4"),
        ("l4", ">i4"), ("price_minor", ">i8"),
        ("l5", ">i4"), ("currency", "S3"),
        ("l6", ">i4"), ("price_set", "u1"),
        ("l7", ">i4"), ("safety_stock", ">i4"),
        ("l8", ">i4"), ("safety_set", "u1"),
        ("l9", ">i4"), ("as_of_us", ">i8"),
    ]
)  # fmt: skip
_LENGTHS: Final = {"fields": 9, "l1": 8, "l2": 4, "l3": 4, "l4": 8, "l5": 3, "l6": 1, "l7": 4, "l8": 1, "l9": 8}
_FIELDS: Final = tuple(name for name in _ROW.names or () if name not in _LENGTHS and name != "sku_n")
_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER: Final = b"\xff\xff"
POSTGRES_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)

# One transaction holds the locks of at most about so many rows, so that orders wait for a fraction of a second.
_ROWS_A_TRANSACTION: Final = 20_000
# Of the shelf of a store that the file has no rows of, for the same purpose.
_ROWS_SUPPOSED: Final = 2_000
_LONG_TIMEOUT_S: Final = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedColumns:
    """Counts in columns of one length. ``price_minor`` −1: none, currency ``---``; ``*_set``: the file speaks of it.

    ``as_of_us``: microseconds since POSTGRES_EPOCH.
    """

    store_no: np.ndarray
    sku: list[str]
    on_hand: np.ndarray
    price_minor: np.ndarray
    currency: np.ndarray
    price_set: np.ndarray
    safety_stock: np.ndarray
    safety_set: np.ndarray
    as_of_us: np.ndarray


@dataclass(frozen=True, slots=True)
class _FileStore:
    cell: int
    store_no: int
    shelf_rows: int
    file_rows: int
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HowToApply:
    """``whole``: what a store's counts do not name is 0 there, but for skus that ``spared`` names by store number
    (None: for all of its skus). What was there is kept under ``import_id``; a dry run keeps that alone."""

    import_id: str
    whole: bool
    spared: Mapping[int, frozenset[str] | None]
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Emptying:
    """How many shelf rows of the file's stores have stock, and how many of them the file would leave without."""

    stocked: int
    emptied: int

    def __add__(self, other: "Emptying") -> "Emptying":
        return Emptying(self.stocked + other.stocked, self.emptied + other.emptied)


@dataclass(slots=True)
class _Way:
    """The counts of some of a file's stores, on a connection of its own."""

    connection: Connection
    stores: list[_FileStore] = field(default_factory=list)

    async def add(self, rows: np.ndarray) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield _HEADER + rows.tobytes() + _TRAILER

        if len(rows):
            await self.connection.copy_to_table("staged_counts", source=pieces(), format="binary")

    async def close(self, skus: Mapping[str, int], *, dry_run: bool) -> None:
        await self.connection.copy_records_to_table(
            "staged_skus", records=((n, sku) for sku, n in skus.items()), columns=("sku_n", "sku")
        )
        if not dry_run:
            await self.connection.execute(sql("add_staged_skus"), timeout=_LONG_TIMEOUT_S)
        await self.connection.execute(sql("sum_staged_counts"), timeout=_LONG_TIMEOUT_S)
        await self.connection.execute(sql("index_summed_counts"), timeout=_LONG_TIMEOUT_S)
        await self.connection.execute(sql("analyze_summed_counts"), timeout=_LONG_TIMEOUT_S)
        rows = await self.connection.fetch(sql("summed_stores"), timeout=_LONG_TIMEOUT_S)
        self.stores = [_FileStore(*row) for row in rows]

    async def emptying(self, how: HowToApply) -> Emptying:
        sizes = await self._sizes()
        stocked = sum(of_store for _, of_store in sizes.values())
        if not how.whole:
            return Emptying(stocked, await self.connection.fetchval(sql("emptied_rows"), timeout=_LONG_TIMEOUT_S))
        kept = {
            row["store_no"]: row["stocked"]
            for row in await self.connection.fetch(sql("still_stocked"), timeout=_LONG_TIMEOUT_S)
        }
        emptied = 0
        for store_no, (_, of_store) in sizes.items():
            spared = how.spared.get(store_no, frozenset())
            # What a bad row speaks of stays; at most so many rows of it have stock.
            emptied += 0 if spared is None else max(0, of_store - kept.get(store_no, 0) - len(spared))
        return Emptying(stocked, emptied)

    async def _sizes(self) -> dict[int, tuple[int, int]]:
        """Shelf rows of each of the stores, and how many of these have stock; none of a store without a shelf."""
        places = [[store.cell for store in self.stores], [store.store_no for store in self.stores]]
        rows = await self.connection.fetch(sql("shelf_sizes"), *places, timeout=_LONG_TIMEOUT_S)
        return {row["store_no"]: (row["rows"], row["stocked"]) for row in rows}

    async def apply(self, how: HowToApply) -> AsyncIterator[tuple[int, CountsApplied]]:
        numbers = await self._numbers({sku for skus in how.spared.values() for sku in skus or ()})
        sizes = await self._sizes() if how.whole else {}
        for cell, of_cell in groupby(self.stores, key=lambda store: store.cell):
            for batch in _batches(list(of_cell), sizes):
                work = partial(self._apply_batch, cell, batch, how, numbers)
                yield len(batch), await in_transaction(self.connection, work)

    async def _apply_batch(
        self,
        cell: int,
        batch: list[_FileStore],
        how: HowToApply,
        numbers: Mapping[str, int],
        connection: Connection,
    ) -> CountsApplied:
        locked = await connection.fetch(sql("lock_stores"), cell, [store.store_no for store in batch])
        last_whole_at: dict[int, datetime | None] = {row["store_no"]: row["counted_whole_at"] for row in locked}
        result = CountsApplied()
        applying: list[_FileStore] = []
        for store in batch:
            last = last_whole_at.get(store.store_no)
            if store.store_no not in last_whole_at or (how.whole and last is not None and store.as_of < last):
                result.older += store.file_rows
            else:
                applying.append(store)
        if not applying:
            return result
        counted_whole_at = {store.store_no: last_whole_at[store.store_no] for store in applying}
        await connection.execute(sql("take_counts"), cell, list(counted_whole_at))
        whole = _whole_shelves(applying, how, numbers)
        # A shelf some of whose rows were bad was not counted whole: these rows, mended, are to count later.
        marked = {store_no: shelf for store_no, shelf in whole.items() if store_no not in how.spared}
        if how.dry_run:
            applied = await weigh_waiting_counts(connection, cell, counted_whole_at, whole=whole)
        else:
            applied = await apply_waiting_counts(connection, cell, counted_whole_at, whole=whole, marked=marked)
        whole_at = {store_no: as_of for store_no, (as_of, _) in marked.items()}
        await keep_shelves(connection, how.import_id, cell, counted_whole_at, whole_at=whole_at, all_rows=how.dry_run)
        if how.dry_run:
            await keep_new_skus(connection, how.import_id, cell, list(counted_whole_at))
        for of_store in applied.values():
            result.add(of_store)
        return result

    async def _numbers(self, skus: set[str]) -> dict[str, int]:
        rows = await self.connection.fetch(sql("sku_numbers"), sorted(skus))
        return {row["sku"]: row["sku_no"] for row in rows}


def _whole_shelves(stores: Sequence[_FileStore], how: HowToApply, numbers: Mapping[str, int]) -> WholeShelves:
    shelves: dict[int, tuple[datetime, frozenset[int]]] = {}
    for store in stores if how.whole else ():
        skus = how.spared.get(store.store_no, frozenset())
        if skus is not None:
            left_alone = frozenset(numbers[sku] for sku in skus if sku in numbers)
            shelves[store.store_no] = (store.as_of, left_alone)
    return shelves


class StagedCounts:
    """The counts of one file."""

    def __init__(self, connections: Sequence[Connection]) -> None:
        self._ways = [_Way(connection) for connection in connections]
        self._skus: dict[str, int] = {}

    async def add(self, columns: StagedColumns) -> None:
        numbers = self._skus
        rows = np.empty(len(columns.sku), dtype=_ROW)
        for name, length in _LENGTHS.items():
            rows[name] = length
        rows["sku_n"] = [numbers.setdefault(sku, len(numbers)) for sku in columns.sku]
        for name in _FIELDS:
            rows[name] = getattr(columns, name)
        way = columns.store_no % len(self._ways)
        await _together(one.add(rows[way == n]) for n, one in enumerate(self._ways))

    async def close(self, *, dry_run: bool) -> int:
        """Sum what was staged; how many stores there are. A dry run makes no new skus."""
        await _together(way.close(self._skus, dry_run=dry_run) for way in self._ways)
        return sum(len(way.stores) for way in self._ways)

    def name_stores(self, named: Mapping[StoreKey, datetime]) -> int:
        """Once it is closed: these stores are of the file too, counted at that moment; how many have no rows in it."""
        known = set(self.stores())
        added = 0
        for key, as_of in named.items():
            if key.store_no not in known:
                store = _FileStore(key.cell, key.store_no, _ROWS_SUPPOSED, 0, as_of)
                self._ways[key.store_no % len(self._ways)].stores.append(store)
                added += 1
        for way in self._ways:
            way.stores.sort(key=lambda store: (store.cell, store.store_no))
        return added

    async def emptying(self, how: HowToApply) -> Emptying:
        """What the file would do to the rows of its stores that have stock."""
        total = Emptying(0, 0)
        for way in self._ways:
            total += await way.emptying(how)
        return total

    def stores(self) -> list[int]:
        """The numbers of the stores that were staged, once it is closed."""
        return [store.store_no for way in self._ways for store in way.stores]

    async def apply(self, how: HowToApply, tell: Callable[[int, CountsApplied], Awaitable[None]]) -> None:
        """Apply the shelves, a few stores of a cell in a transaction; ``tell`` how many stores, and what came of them.

        Raises Busy.
        """

        async def run(way: _Way) -> None:
            async for stores, applied in way.apply(how):
                await tell(stores, applied)

        await _together(run(way) for way in self._ways)


async def _together(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All of them at once; if one fails the others are ended, and its error is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


def _batches(stores: list[_FileStore], sizes: Mapping[int, tuple[int, int]]) -> Iterable[list[_FileStore]]:
    """The stores in turn, with about _ROWS_A_TRANSACTION rows of the file, or of their whole shelves, together."""
    batch: list[_FileStore] = []
    rows = 0
    for store in stores:
        its = max(store.shelf_rows, sizes.get(store.store_no, (0, 0))[0])
        if batch and rows + its > _ROWS_A_TRANSACTION:
            yield batch
            batch, rows = [], 0
        batch.append(store)
        rows += its
    if batch:
        yield batch


@asynccontextmanager
async def staged_counts(database: Database) -> AsyncIterator[StagedCounts]:
    """Tables for one file's counts, gone at the end."""
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(database.connection()) for _ in range(WAYS)]
        for connection in connections:
            await connection.execute(sql("drop_staged"))
            await connection.execute(sql("make_staged_counts"))
        try:
            yield StagedCounts(connections)
        finally:
            for connection in connections:
                if not connection.is_closed():
                    await connection.execute(sql("drop_staged"))
