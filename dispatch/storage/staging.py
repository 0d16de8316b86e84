"""A file's counts on their way to the shelves: staged, summed, then applied, whole shelves of a few stores at a time.

Staging makes the file's order and size a matter of the database's disk, not of anyone's memory, and lets a file be
read to its end before anything of it is applied.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Final

from dispatch.storage.pool import Connection, Database
from dispatch.storage.retrying import in_transaction
from dispatch.storage.shelves import CountsApplied, WholeShelves, apply_waiting_counts
from dispatch.storage.sql import sql

_STAGED_COLUMNS: Final = (
    "row_no", "cell", "store_no", "sku", "on_hand", "price_minor", "currency", "price_set", "safety_stock",
    "safety_set", "as_of",
)  # fmt: skip
# One transaction holds the locks of at most about so many rows, so that orders wait for a fraction of a second.
_ROWS_A_TRANSACTION: Final = 20_000
_LONG_TIMEOUT_S: Final = 1800.0

type StagedRow = tuple[int, int, int, str, int, int | None, str | None, bool, int, bool, datetime]


@dataclass(frozen=True, slots=True)
class _FileStore:
    cell: int
    store_no: int
    shelf_rows: int
    file_rows: int
    as_of: datetime


@dataclass(slots=True)
class StagedCounts:
    """The counts of one file, on a connection of its own."""

    connection: Connection
    _stores: list[_FileStore] = field(default_factory=list)

    async def add(self, rows: Iterable[StagedRow]) -> None:
        await self.connection.copy_records_to_table("staged_counts", records=rows, columns=_STAGED_COLUMNS)

    async def close(self, *, dry_run: bool) -> int:
        """Sum what was staged; how many stores there are. A dry run makes no new skus."""
        if not dry_run:
            await self.connection.execute(sql("add_staged_skus"), timeout=_LONG_TIMEOUT_S)
        await self.connection.execute(sql("sum_staged_counts"), timeout=_LONG_TIMEOUT_S)
        await self.connection.execute(sql("index_summed_counts"), timeout=_LONG_TIMEOUT_S)
        await self.connection.execute(sql("analyze_summed_counts"), timeout=_LONG_TIMEOUT_S)
        rows = await self.connection.fetch(sql("summed_stores"), timeout=_LONG_TIMEOUT_S)
        self._stores = [_FileStore(*row) for row in rows]
        return len(self._stores)

    async def apply(
        self, *, whole: bool, spared: Mapping[int, frozenset[str] | None], dry_run: bool
    ) -> AsyncIterator[tuple[int, CountsApplied]]:
        """Apply the shelves, a few stores of a cell in a transaction; yields how many stores, and what came of them.

        ``whole``: what a store's counts do not name is 0 there, but for skus that ``spared`` names by store number
        (None: for all of its skus). Raises Busy.
        """
        numbers = await self._numbers({sku for skus in spared.values() for sku in skus or ()})
        for cell, of_cell in groupby(self._stores, key=lambda store: store.cell):
            for batch in _batches(list(of_cell)):
                work = partial(self._apply_batch, cell, batch, whole, spared, numbers, dry_run)
                applied = await in_transaction(self.connection, work, undo=dry_run)
                yield len(batch), applied

    async def _apply_batch(
        self,
        cell: int,
        batch: list[_FileStore],
        whole: bool,
        spared: Mapping[int, frozenset[str] | None],
        numbers: Mapping[str, int],
        dry_run: bool,
        connection: Connection,
    ) -> CountsApplied:
        locked = await connection.fetch(sql("lock_stores"), cell, [store.store_no for store in batch])
        counted_whole_at = {row["store_no"]: row["counted_whole_at"] for row in locked}
        result = CountsApplied()
        applying: list[_FileStore] = []
        for store in batch:
            last = counted_whole_at.get(store.store_no)
            if store.store_no not in counted_whole_at or (whole and last is not None and store.as_of < last):
                result.older += store.file_rows
            else:
                applying.append(store)
        if not applying:
            return result
        store_nos = [store.store_no for store in applying]
        await connection.execute(sql("take_counts"), cell, store_nos)
        shelves: dict[int, tuple[datetime, frozenset[int]]] = {}
        for store in applying if whole else ():
            skus = spared.get(store.store_no, frozenset())
            if skus is not None:
                left_alone = frozenset(numbers[sku] for sku in skus if sku in numbers)
                shelves[store.store_no] = (store.as_of, left_alone)
        whole_shelves: WholeShelves = shelves
        applied = await apply_waiting_counts(connection, cell, store_nos, whole=whole_shelves, dry_run=dry_run)
        for of_store in applied.values():
            result.add(of_store)
        return result

    async def _numbers(self, skus: set[str]) -> dict[str, int]:
        rows = await self.connection.fetch(sql("sku_numbers"), sorted(skus))
        return {row["sku"]: row["sku_no"] for row in rows}


def _batches(stores: list[_FileStore]) -> Iterable[list[_FileStore]]:
    batch: list[_FileStore] = []
    rows = 0
    for store in stores:
        if batch and rows + store.shelf_rows > _ROWS_A_TRANSACTION:
            yield batch
            batch, rows = [], 0
        batch.append(store)
        rows += store.shelf_rows
    if batch:
        yield batch


@asynccontextmanager
async def staged_counts(database: Database) -> AsyncIterator[StagedCounts]:
    """Tables for one file's counts, gone at the end."""
    async with database.connection() as connection:
        await connection.execute(sql("drop_staged"))
        await connection.execute(sql("make_staged_counts"))
        try:
            yield StagedCounts(connection)
        finally:
            if not connection.is_closed():
                await connection.execute(sql("drop_staged"))
