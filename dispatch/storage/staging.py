"""A file's counts on their way to the shelves: kept on disk, then summed and applied, whole shelves at a time.

Kept, the file's order and size are a matter of the disk, not of anyone's memory, and a file is read to its end before
anything of it is applied.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import batched, groupby
from typing import Final

import numpy as np

from dispatch.storage.import_images import keep_new_skus, keep_shelves
from dispatch.storage.pool import Connection, Database
from dispatch.storage.retrying import in_transaction
from dispatch.storage.shelves import (
    CountsApplied,
    WholeShelves,
    apply_waiting_counts,
    sku_numbers,
    weigh_waiting_counts,
)
from dispatch.storage.sql import sql
from dispatch.storage.staged_rows import ROW, StagedRows
from dispatch.storage.stores import StoreKey

POSTGRES_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)

_FIELDS: Final = tuple(name for name in ROW.names or () if name not in ("sku_n", "n_rows"))

# PostgreSQL's binary COPY of fields that are never null and of fixed width: a count of fields, then a length and a
# big-endian value each. Timestamps are microseconds since 2000-01-01 UTC.
_COPIED: Final = np.dtype(
    [
        ("fields", ">i2"),
        ("l1", ">i4"), ("cell", ">i8"),
        ("l2", ">i4"), ("store_no", ">i8"),
        ("l3", ">i4"), ("sku_no", ">i8"),
        ("l4", ">i4"), ("on_hand", ">i4"),
        ("l5", ">i4"), ("price_minor", ">i8"),
        ("l6", ">i4"), ("currency", "S3"),
        ("l7", ">i4"), ("price_set", "u1"),
        ("l8", ">i4"), ("safety_stock", ">i4"),
        ("l9", ">i4"), ("safety_set", "u1"),
        ("l10", ">i4"), ("as_of_us", ">i8"),
        ("l11", ">i4"), ("n_rows", ">i4"),
    ]
)  # fmt: skip
_COPIED_FIELDS: Final = (_COPIED.names or ())[2::2]
_COPIED_COLUMNS: Final = tuple("as_of" if name == "as_of_us" else name for name in _COPIED_FIELDS)
_COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_COPY_TRAILER: Final = b"\xff\xff"

_HIGHEST_ON_HAND: Final = 1_000_000_000
# One transaction holds the locks of at most about so many rows, so that orders wait for a fraction of a second.
_ROWS_A_TRANSACTION: Final = 20_000
# A shelf is locked as a whole where the file names more than one of so many of its rows: that takes a sixth of the time
# a row of looking each up.
_LOCKED_WHOLE: Final = 6
_SKUS_AT_ONCE: Final = 20_000
_STORES_AT_ONCE: Final = 100
_SKU_BITS: Final = 32
_SKU_MASK: Final = (1 << _SKU_BITS) - 1
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
    file_rows: int
    as_of: datetime


@dataclass(frozen=True, slots=True)
class _ShelfSize:
    rows: int
    stocked: int


_NO_SHELF: Final = _ShelfSize(0, 0)


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


class StagedCounts:
    """The counts of one file. A sku that no shelf has ever held goes by a number below 0 until the file is applied."""

    def __init__(self, connection: Connection, rows: StagedRows) -> None:
        self._connection = connection
        self._rows = rows
        self._skus: dict[str, int] = {}
        self._texts: list[str] = []
        self._sku_nos = np.empty(0, dtype=np.int64)
        self._stores: list[_FileStore] = []
        self._sizes: dict[int, _ShelfSize] = {}
        self._empty_rows = 0
        # Rows that are left out: how many, by store, and their store and sku as one number each.
        self._out_rows: Counter[int] = Counter()
        self._out = np.empty(0, dtype=np.int64)

    def add(self, columns: StagedColumns) -> None:
        """Take in some rows."""
        numbers = self._skus
        rows = np.empty(len(columns.sku), dtype=ROW)
        rows["sku_n"] = [numbers.setdefault(sku, len(numbers)) for sku in columns.sku]
        rows["n_rows"] = 1
        for name in _FIELDS:
            rows[name] = getattr(columns, name)
        self._empty_rows += int((rows["on_hand"] == 0).sum())
        self._rows.add(rows)

    def leave_out(self, shelves: Mapping[int, frozenset[str] | None]) -> set[tuple[int, str]]:
        """Leave out the rows of these shelf rows, by store number and sku (None: all of the store).

        Tells which of them have any. To be called once all rows are in, and before it is closed.
        """
        texts = list(self._skus)
        out: list[np.ndarray] = []
        for store_nos in batched(shelves, _STORES_AT_ONCE):
            rows = self._rows.of(np.array(store_nos, dtype=np.int64))
            chosen = np.zeros(len(rows), dtype=np.bool_)
            for store_no in store_nos:
                skus = shelves[store_no]
                is_of_store = rows["store_no"] == store_no
                if skus is not None:
                    numbers = [self._skus[sku] for sku in skus if sku in self._skus]
                    is_of_store &= np.isin(rows["sku_n"], numbers)
                chosen |= is_of_store
            for store_no in rows["store_no"][chosen].tolist():
                self._out_rows[store_no] += 1
            out.append(np.unique(_keys(rows[chosen])))
        self._out = np.concatenate([self._out, *out])
        return {(key >> _SKU_BITS, texts[key & _SKU_MASK]) for key in self._out.tolist()}

    async def close(self) -> int:
        """Once all rows are in: how many stores they are of."""
        self._texts = list(self._skus)
        self._sku_nos = -1 - np.arange(len(self._texts), dtype=np.int64)
        await self._number_skus(make=False)
        found = self._rows.stores()
        rows = await self._connection.fetch(sql("cells_of_stores"), found.store_no.tolist(), timeout=_LONG_TIMEOUT_S)
        cells = {row["store_no"]: row["cell"] for row in rows}
        columns = (column.tolist() for column in (found.store_no, found.rows, found.oldest_us))
        self._stores = [
            _FileStore(
                cells[store_no],
                store_no,
                rows - self._out_rows[store_no],
                POSTGRES_EPOCH + timedelta(microseconds=oldest_us),
            )
            for store_no, rows, oldest_us in zip(*columns, strict=True)
        ]
        await self._stores_are_known()
        return len(self._stores)

    async def _number_skus(self, *, make: bool) -> None:
        for some in batched(np.flatnonzero(self._sku_nos < 0).tolist(), _SKUS_AT_ONCE):
            numbers = await sku_numbers(self._connection, [self._texts[n] for n in some], make=make)
            for sku, sku_no in numbers.items():
                self._sku_nos[self._skus[sku]] = sku_no

    async def name_stores(self, named: Mapping[StoreKey, datetime]) -> int:
        """Once it is closed: these stores are of the file too, counted at that moment; how many have no rows in it."""
        known = set(self.stores())
        more = [_FileStore(k.cell, k.store_no, 0, as_of) for k, as_of in named.items() if k.store_no not in known]
        self._stores += more
        if more:
            await self._stores_are_known()
        return len(more)

    async def _stores_are_known(self) -> None:
        self._stores.sort(key=lambda store: (store.cell, store.store_no))
        places = [[store.cell for store in self._stores], [store.store_no for store in self._stores]]
        rows = await self._connection.fetch(sql("shelf_sizes"), *places, timeout=_LONG_TIMEOUT_S)
        self._sizes = {row["store_no"]: _ShelfSize(row["rows"], row["stocked"]) for row in rows}

    def stores(self) -> list[int]:
        """The numbers of the file's stores, once it is closed."""
        return [store.store_no for store in self._stores]

    async def emptying(self, how: HowToApply) -> Emptying:
        """What the file would do to the rows of its stores that have stock."""
        stocked = sum(size.stocked for size in self._sizes.values())
        emptied = 0
        if stocked and (how.whole or self._empty_rows):
            for cell, batch in self._batches(how):
                emptied += await self._emptied(cell, batch, how)
        return Emptying(stocked, emptied)

    async def _emptied(self, cell: int, batch: Sequence[_FileStore], how: HowToApply) -> int:
        rows = self._summed(batch)
        rows = rows[(rows["on_hand"] > 0) == how.whole]
        pairs = rows["store_no"].tolist(), self._sku_nos[rows["sku_n"]].tolist()
        found = await self._connection.fetch(sql("stocked_of_these"), cell, *pairs, timeout=_LONG_TIMEOUT_S)
        stocked = {row["store_no"]: row["stocked"] for row in found}
        if not how.whole:
            return sum(stocked.values())
        emptied = 0
        for store in batch:
            spared = how.spared.get(store.store_no, frozenset())
            if spared is not None:
                # What a bad row speaks of stays; at most so many rows of it have stock.
                left = stocked.get(store.store_no, 0) + len(spared)
                emptied += max(0, self._sizes.get(store.store_no, _NO_SHELF).stocked - left)
        return emptied

    async def apply(self, how: HowToApply, tell: Callable[[int, CountsApplied], Awaitable[None]]) -> None:
        """Apply the shelves, a few stores of a cell in a transaction; ``tell`` how many stores, and what came of them.

        Raises Busy.
        """
        if not how.dry_run:
            await self._number_skus(make=True)
        spared = sorted({sku for skus in how.spared.values() for sku in skus or ()})
        numbers = await sku_numbers(self._connection, spared, make=False)
        for cell, batch in self._batches(how):
            work = partial(self._apply_batch, cell, batch, self._summed(batch), how, numbers)
            await tell(len(batch), await in_transaction(self._connection, work))

    async def _apply_batch(
        self,
        cell: int,
        batch: Sequence[_FileStore],
        rows: np.ndarray,
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
        if len(applying) < len(batch):
            rows = rows[np.isin(rows["store_no"], [store.store_no for store in applying])]
        counted_whole_at = {store.store_no: last_whole_at[store.store_no] for store in applying}
        await _copy(connection, cell, rows, self._sku_nos[rows["sku_n"]])
        whole = _whole_shelves(applying, how, numbers)
        # A shelf some of whose rows were bad was not counted whole: these rows, mended, are to count later.
        marked = {store_no: shelf for store_no, shelf in whole.items() if store_no not in how.spared}
        if how.dry_run:
            applied = await weigh_waiting_counts(connection, cell, counted_whole_at, whole=whole)
        else:
            shelf_rows = sum(self._sizes.get(store.store_no, _NO_SHELF).rows for store in applying)
            applied = await apply_waiting_counts(
                connection,
                cell,
                counted_whole_at,
                whole=whole,
                marked=marked,
                lock_whole=len(rows) * _LOCKED_WHOLE > shelf_rows,
            )
        whole_at = {store_no: as_of for store_no, (as_of, _) in marked.items()}
        await keep_shelves(connection, how.import_id, cell, counted_whole_at, whole_at=whole_at, all_rows=how.dry_run)
        if how.dry_run:
            new = rows[self._sku_nos[rows["sku_n"]] < 0]
            skus = [self._texts[n] for n in new["sku_n"].tolist()]
            await keep_new_skus(connection, how.import_id, cell, new["store_no"].tolist(), skus)
        for of_store in applied.values():
            result.add(of_store)
        return result

    def _batches(self, how: HowToApply) -> Iterable[tuple[int, Sequence[_FileStore]]]:
        """The stores in turn: a cell, and of it stores with about _ROWS_A_TRANSACTION rows to be written together."""
        for cell, of_cell in groupby(self._stores, key=lambda store: store.cell):
            batch: list[_FileStore] = []
            rows = 0
            for store in of_cell:
                its = store.file_rows
                if how.whole:
                    its = max(its, self._sizes.get(store.store_no, _NO_SHELF).rows)
                if batch and rows + its > _ROWS_A_TRANSACTION:
                    yield cell, batch
                    batch, rows = [], 0
                batch.append(store)
                rows += its
            yield cell, batch

    def _summed(self, batch: Sequence[_FileStore]) -> np.ndarray:
        """The rows of these stores by store and sku, in order of their numbers."""
        rows = self._rows.of(np.array([store.store_no for store in batch], dtype=np.int64))
        if len(self._out):
            rows = rows[~np.isin(_keys(rows), self._out)]
        rows = rows[np.lexsort((self._sku_nos[rows["sku_n"]], rows["store_no"]))]
        return sum_rows(rows)


async def _copy(connection: Connection, cell: int, rows: np.ndarray, sku_nos: np.ndarray) -> None:
    """Let counts of a cell wait to be applied: rows of ROW of distinct (store, sku), and each sku's number."""
    out = np.empty(len(rows), dtype=_COPIED)
    out["fields"] = len(_COPIED_FIELDS)
    for n, name in enumerate(_COPIED_FIELDS, 1):
        out[f"l{n}"] = out.dtype[name].itemsize
        out[name] = cell if name == "cell" else sku_nos if name == "sku_no" else rows[name]

    async def content() -> AsyncIterator[bytes]:
        yield _COPY_HEADER + out.tobytes() + _COPY_TRAILER

    await connection.copy_to_table("counts_to_apply", source=content(), columns=_COPIED_COLUMNS, format="binary")


def _keys(rows: np.ndarray) -> np.ndarray:
    """Store and sku of each row as one number."""
    keys: np.ndarray = (rows["store_no"] << _SKU_BITS) | rows["sku_n"]
    return keys


def sum_rows(rows: np.ndarray) -> np.ndarray:
    """Rows of ROW, of which those of one (store, sku) lie together, with each such group in one.

    Counts add up; the newest moment, the highest price and the most safety stock stand. Of prices in two currencies
    nobody knows which is meant, so the row speaks of none.
    """
    if len(rows) == 0:
        return rows
    is_first = np.ones(len(rows), dtype=np.bool_)
    is_first[1:] = (np.diff(rows["store_no"]) != 0) | (np.diff(rows["sku_n"]) != 0)
    starts = np.flatnonzero(is_first)
    if len(starts) == len(rows):
        return rows
    summed = rows[starts]
    summed["on_hand"] = np.minimum(np.add.reduceat(rows["on_hand"].astype(np.int64), starts), _HIGHEST_ON_HAND)
    for name in ("price_minor", "price_set", "safety_stock", "safety_set", "as_of_us"):
        summed[name] = np.maximum.reduceat(rows[name], starts)
    summed["n_rows"] = np.add.reduceat(rows["n_rows"], starts)
    currencies, codes = np.unique(rows["currency"], return_inverse=True)
    has_price = rows["price_minor"] >= 0
    lowest = np.minimum.reduceat(np.where(has_price, codes, len(currencies)), starts)
    highest = np.maximum.reduceat(np.where(has_price, codes, -1), starts)
    priced, differ = highest >= 0, lowest < highest
    summed["currency"] = np.where(priced & ~differ, currencies[highest], b"---")
    summed["price_minor"][differ] = -1
    summed["price_set"][differ] = 0
    return summed


def _whole_shelves(stores: Sequence[_FileStore], how: HowToApply, numbers: Mapping[str, int]) -> WholeShelves:
    shelves: dict[int, tuple[datetime, frozenset[int]]] = {}
    for store in stores if how.whole else ():
        skus = how.spared.get(store.store_no, frozenset())
        if skus is not None:
            left_alone = frozenset(numbers[sku] for sku in skus if sku in numbers)
            shelves[store.store_no] = (store.as_of, left_alone)
    return shelves


@asynccontextmanager
async def staged_counts(database: Database) -> AsyncIterator[StagedCounts]:
    """A place for one file's counts, gone at the end."""
    with StagedRows() as rows:
        async with database.connection() as connection:
            yield StagedCounts(connection, rows)
