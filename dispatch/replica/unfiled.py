"""Whole shelves that have been read and wait to be filed by sku; meanwhile they are asked for here.

The stock is kept by sku, and shelves come by store: to file a few shelves touches every sku's rows, and so does to file
a thousand. So they are taken in here, all that have arrived together at once, and filed (dispatch/replica/filing.py)
when there are many of them, or nothing else to do.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Final, Self

import numpy as np

from dispatch.domain.market import BoolArray, IntArray
from dispatch.replica.numbering import MISSING
from dispatch.replica.prices import packed_prices
from dispatch.replica.sku_rows import SlotRanges, between
from dispatch.storage.feed import ShelfColumns

SLOT_BITS: Final = 32
SLOT_MASK: Final = (1 << SLOT_BITS) - 1
_NOT_HERE: Final = -1
_NO_SLOTS: Final = np.empty(0, dtype=np.int64)


def row_keys(numbers: IntArray, slots: IntArray) -> IntArray:
    """(sku number, slot) as one number."""
    return (numbers << SLOT_BITS) | slots


@dataclass(frozen=True, slots=True)
class UnfiledRows:
    """Rows of whole shelves: one entry a row in every array, distinct, in order of key."""

    keys: IntArray
    available: np.ndarray
    fresh_s: IntArray
    price_id: np.ndarray

    def __len__(self) -> int:
        return len(self.keys)

    def where(self, chosen: BoolArray) -> Self:
        return type(self)(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def merged(self, others: Self) -> Self:
        """These rows and others, none of which is among these."""
        at = self.keys.searchsorted(others.keys) + np.arange(len(others))
        is_own = np.ones(len(self) + len(others), dtype=np.bool_)
        is_own[at] = False
        columns = []
        for field in fields(self):
            own, other = getattr(self, field.name), getattr(others, field.name)
            column = np.empty(len(is_own), dtype=own.dtype)
            column[is_own], column[at] = own, other
            columns.append(column)
        return type(self)(*columns)


class Run:
    """Rows in order of sku, then slot, and what it takes to look one up. May be made in any thread."""

    __slots__ = ("edges", "rows", "slots")

    def __init__(self, rows: UnfiledRows) -> None:
        self.rows = rows
        self.slots: IntArray = rows.keys & SLOT_MASK
        most = int(rows.keys[-1] >> SLOT_BITS) if len(rows) else -1
        # Where the rows of each sku begin, and the last ends.
        self.edges: IntArray = rows.keys.searchsorted(np.arange(most + 2, dtype=np.int64) << SLOT_BITS)

    def of_sku(self, number: int) -> tuple[int, int]:
        """Where the rows of a sku begin and end."""
        if number + 1 >= len(self.edges):
            return 0, 0
        first, last = self.edges[number : number + 2].tolist()
        return first, last


class Arrival:
    """Rows of whole shelves as they come.

    Touches nothing but what it is given, so that it can be made in another thread: it is mostly sorting.
    """

    def __init__(self, slots: IntArray, numbers: IntArray, rows: ShelfColumns) -> None:
        """Take rows, in any order, each of another (slot, sku number); those whose slot is MISSING are left out."""
        known = np.flatnonzero(slots != MISSING)
        keys = row_keys(numbers[known], slots[known])
        order = np.argsort(keys)
        chosen = known[order]
        packed = packed_prices(rows.price_minor[chosen], rows.currency[chosen])
        prices, which = np.unique(packed, return_inverse=True)
        self.prices: list[int] = prices.tolist()  # packed; a row's price is one of them, until the ids are known
        self.rows = UnfiledRows(
            keys[order], rows.available[chosen].astype(np.int32), rows.fresh_s[chosen], which.astype(np.int32)
        )
        self.slots: IntArray = np.unique(slots[known])

    def __len__(self) -> int:
        return len(self.rows)

    def beside(self, waiting: Run, price_ids: list[int]) -> Run:
        """These rows and those waiting of other stores; ``price_ids`` are the ids of ``prices``. In any thread, too."""
        arrived = replace(self.rows, price_id=np.array(price_ids, dtype=np.int32)[self.rows.price_id])
        if not len(waiting.rows):
            return Run(arrived)
        here = np.zeros(max(int(self.slots[-1]), int(waiting.slots.max())) + 1, dtype=np.bool_)
        here[self.slots] = True
        is_other = ~here[waiting.slots]
        others = waiting.rows if is_other.all() else waiting.rows.where(is_other)
        return Run(others.merged(arrived))


class UnfiledShelves:
    """Whole shelves. Belongs to the event loop's thread. Slots asked for must be below the ``reserve``d size."""

    __slots__ = ("_stale_after_s", "changed", "parts", "row_count", "rows", "run")

    def __init__(self) -> None:
        self.run = Run(_no_rows())
        self.rows = self.run.rows
        self.row_count = 0  # how many wait: an attribute, for every look at the stock asks it first
        self.changed: set[int] = set()  # where rows are that ``set_one`` has written
        self._stale_after_s = np.empty(0, dtype=np.int32)  # by slot; _NOT_HERE of a store whose shelf is not here
        self._tell_parts()

    def _tell_parts(self) -> None:
        """For compiled code, the same tuple as long as they hold.

        By slot after what time rows are stale, −1 where no shelf is here; then by row the slots, by sku number where
        its rows begin, and by row again what is available and how fresh that is.
        """
        run, rows = self.run, self.rows
        self.parts = self._stale_after_s, run.slots, run.edges, rows.available, rows.fresh_s

    @property
    def size(self) -> int:
        """Of all slots there may be; see ``reserve``."""
        return len(self._stale_after_s)

    def reserve(self, size: int) -> None:
        """Make room for slots below ``size``."""
        more = size - len(self._stale_after_s)
        if more > 0:
            self._stale_after_s = np.concatenate([self._stale_after_s, np.full(more, _NOT_HERE, dtype=np.int32)])
            self._tell_parts()

    # ── asking ─────────────────────────────────────────────────────────────────────────────────────────────────

    def has(self, slot: int) -> bool:
        """Whether the shelf of this store is here."""
        return self.row_count > 0 and bool(self._stale_after_s[slot] != _NOT_HERE)

    def here(self, slots: IntArray) -> IntArray:
        """Where among these slots those are whose shelves are here."""
        return np.flatnonzero(self._stale_after_s.take(slots) != _NOT_HERE) if self.row_count else _NO_SLOTS

    def slots(self) -> IntArray:
        """The stores whose shelves are here, in order."""
        return np.flatnonzero(self._stale_after_s != _NOT_HERE)

    def stale_after_s(self, slots: IntArray) -> IntArray:
        """After what time the rows of these stores, which are here, are stale."""
        return self._stale_after_s.take(slots).astype(np.int64)

    def find(self, number: int, slots: IntArray) -> tuple[BoolArray, IntArray]:
        """Whether the shelf of each of these stores has a row of the sku, and where (anything, where not)."""
        first, last = self.run.of_sku(number)
        if first == last:
            return np.zeros(len(slots), dtype=np.bool_), np.zeros(len(slots), dtype=np.int64)
        its = self.run.slots[first:last]
        at = its.searchsorted(slots)
        np.minimum(at, last - first - 1, out=at)
        has_row = its.take(at) == slots
        at += first
        return has_row, at

    def at(self, number: int, slot: int) -> int:
        """Where the row of one store is; −1 if there is none."""
        first, last = self.run.of_sku(number)
        at = first + int(self.run.slots[first:last].searchsorted(slot))
        return at if at < last and bool(self.run.slots[at] == slot) else -1

    def has_enough(self, number: int, slot: int, wanted: int, now_s: int) -> bool:
        """Whether the shelf of one store, which is here, has so many, in a row that is not stale."""
        at = self.at(number, slot)
        if at < 0 or self.rows.available[at] < wanted:
            return False
        return int(self.rows.fresh_s[at]) >= now_s - int(self._stale_after_s[slot])

    def is_elsewhere(self, slots: IntArray) -> BoolArray:
        """Which of these stores have no shelf here."""
        elsewhere: BoolArray = self._stale_after_s.take(slots) == _NOT_HERE
        return elsewhere

    def holders(self, number: int, ranges: SlotRanges | None = None) -> IntArray:
        """The slots in these ranges, or all, that have a row for the sku here, in order."""
        return self.run.slots.take(self._rows_in(number, ranges))

    def holding(self, number: int, wanted: int, ranges: SlotRanges, now_s: int) -> tuple[IntArray, BoolArray]:
        """``holders``, and which of them have so many, in a row that is not stale."""
        at = self._rows_in(number, ranges)
        slots = self.run.slots.take(at)
        enough: BoolArray = self.rows.available.take(at) >= wanted
        enough &= self.rows.fresh_s.take(at) >= now_s - self.stale_after_s(slots)
        return slots, enough

    def _rows_in(self, number: int, ranges: SlotRanges | None) -> IntArray:
        first, last = self.run.of_sku(number)
        if ranges is None or first == last:
            return np.arange(first, last)
        edges = self.run.slots[first:last].searchsorted(ranges.edges)
        edges += first
        return between(edges[::2], edges[1::2])

    def holder_count(self, number: int, ranges: SlotRanges | None = None) -> int:
        """How many slots ``holders`` has."""
        first, last = self.run.of_sku(number)
        if ranges is None or first == last:
            return last - first
        edges = self.run.slots[first:last].searchsorted(ranges.edges)
        return int(edges[1::2].sum()) - int(edges[::2].sum())

    # ── writing ────────────────────────────────────────────────────────────────────────────────────────────────

    def take(self, run: Run, slots: IntArray, stale_after_s: IntArray) -> None:
        """Have these rows: those that are here, and whole shelves of ``slots`` with their times of staleness."""
        self.run, self.rows, self.row_count = run, run.rows, len(run.rows)
        self._stale_after_s[slots] = stale_after_s
        self._tell_parts()

    def set_one(self, number: int, slot: int, available: int, fresh_s: int, price_id: int) -> bool:
        """Change a row; False, and nothing is done, if the shelf has none of the sku."""
        at = self.at(number, slot)
        if at < 0:
            return False
        rows = self.rows
        rows.available[at], rows.fresh_s[at], rows.price_id[at] = available, fresh_s, price_id
        self.changed.add(at)
        return True


class Waiting:
    """The shelves that wait: those being filed, and those that have arrived since.

    What a store has is said by its shelf among the latter alone, or else by that among the former, if there is one.
    """

    __slots__ = ("arrived", "being_filed", "row_count")

    def __init__(self) -> None:
        self.arrived, self.being_filed = UnfiledShelves(), UnfiledShelves()
        self.row_count = 0  # of both: an attribute, for every look at the stock asks it first

    def __iter__(self) -> Iterator[UnfiledShelves]:
        """Those with rows; what the later say stands."""
        return (shelves for shelves in (self.being_filed, self.arrived) if shelves.row_count)

    def of(self, slot: int) -> UnfiledShelves | None:
        """Those that say what the store has; None if no shelf of it waits."""
        if not self.row_count:
            return None
        if self.arrived.has(slot):
            return self.arrived
        return self.being_filed if self.being_filed.has(slot) else None

    def reserve(self, size: int) -> None:
        """Make room for slots below ``size``."""
        self.arrived.reserve(size)
        self.being_filed.reserve(size)

    def take(self, run: Run, slots: IntArray, stale_after_s: IntArray) -> None:
        """As ``UnfiledShelves.take``, of those that have arrived."""
        self.arrived.take(run, slots, stale_after_s)
        self.row_count = self.arrived.row_count + self.being_filed.row_count

    def begin_filing(self) -> UnfiledShelves:
        """Have those that have arrived be filed. None may be being filed already."""
        assert not self.being_filed.row_count, "shelves are filed one lot after the other"
        self.being_filed, self.arrived = self.arrived, self.being_filed
        self.being_filed.changed.clear()
        return self.being_filed

    def end_filing(self) -> None:
        """What was being filed waits no more."""
        size = self.being_filed.size
        self.being_filed = UnfiledShelves()
        self.being_filed.reserve(size)
        self.row_count = self.arrived.row_count


def _no_rows() -> UnfiledRows:
    few = np.empty(0, dtype=np.int32)
    return UnfiledRows(_NO_SLOTS, few, _NO_SLOTS, few)
