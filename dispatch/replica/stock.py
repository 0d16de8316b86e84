"""The stock of every store, six bytes a shelf row.

Rows are kept by sku, in order of store slot, so that one structure serves both plans: ``gather`` looks up a few
stores among a sku's rows by binary search, ``holders`` lists the stores that a sku has rows for. Whole shelves that
have just been read wait beside them for a while (dispatch/replica/unfiled.py): what is said of a row is said there, if
its store's shelf is there.

A row is two bytes of slot (dispatch/replica/sku_rows.py) and four bytes of value:

    bits 22–31  what is available, 0 … 1022; 1023: in the table of large figures
    bits 16–21  which of the sku's prices, 0: none; 63: in the table of odd prices
    bits  0–15  freshness, in units of the store's own, around the store's own base; 0: older than that can say
                (dispatch/replica/freshness.py)

The unit is chosen so that the oldest freshness which can be said is still older than the store's time of staleness:
"older than that" is always stale. Freshness is rounded down to the unit (4 s for a staleness of 36 h), except for
rows at the base itself, which is the newest count at loading: a row is never taken for fresher than it is.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from dispatch.domain.market import BoolArray, IntArray
from dispatch.domain.question import Wanted
from dispatch.replica.freshness import FRESH_MAX, Freshness
from dispatch.replica.prices import Price, Prices
from dispatch.replica.row_values import NO_ROW, set_value_at, value_at, values_at
from dispatch.replica.sku_rows import LARGE, ODD_PRICE, RowTable, SkuRows, SlotRanges
from dispatch.replica.stock_probe import StockProbe
from dispatch.replica.unfiled import Waiting

type Terms = tuple[Price | None, int | None]
"""Of a row its price and how fresh it is (epoch seconds); neither where there is no row."""


@dataclass(frozen=True, slots=True)
class RowsFound:
    """What one sku's rows say of the slots asked, in their order; of a slot without a row: 0 available."""

    has_row: BoolArray
    available: IntArray
    fresh_s: IntArray


def _price_codes(rows: SkuRows, price_ids: IntArray) -> IntArray:
    """The sku's own code of each price, of one row at least."""
    # They are few: to sort and search them takes a quarter of the time of np.unique with its inverse.
    ordered = np.sort(price_ids)
    if ordered[0] == ordered[-1]:
        return rows.price_codes(ordered[:1]).repeat(len(ordered))
    is_first = np.ones(len(ordered), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    distinct = ordered[is_first]
    codes: IntArray = rows.price_codes(distinct)[distinct.searchsorted(price_ids)]
    return codes


class Stock:
    """What is available, at what price and how fresh, by (slot, sku). Skus are small numbers of this replica's own."""

    def __init__(self) -> None:
        self.changes = 0  # more with each
        self._rows: list[SkuRows | None] = []
        self.table = RowTable()
        self._numbers: dict[str, int] = {}
        self.number: Final = self._numbers.get
        """The replica's number of a sku; None if no store has ever had it."""
        self._skus: list[str] = []
        self.prices = Prices()
        self.freshness = Freshness()
        self.waiting = Waiting()

    # ── skus ───────────────────────────────────────────────────────────────────────────────────────────────────

    def numbers(self, lines: Iterable[Wanted]) -> list[int]:
        """The numbers of the lines' skus, in order. Raises KeyError for a sku that no store has ever had."""
        numbers = self._numbers
        return [numbers[line.sku] for line in lines]

    def add_sku(self, sku: str) -> int:
        """The number of a sku, new or known."""
        number = self._numbers.get(sku)
        if number is None:
            self.changes += 1
            number = self._numbers[sku] = len(self._skus)
            self._skus.append(sku)
            self._rows.append(None)
            self.table.reserve(number + 1)
        return number

    def sku(self, number: int) -> str:
        return self._skus[number]

    @property
    def sku_count(self) -> int:
        return len(self._skus)

    def price_id(self, price: Price | None) -> int:
        """The replica's number of a price, for writing rows; 0 for none."""
        return self.prices.id(price)

    # ── stores ─────────────────────────────────────────────────────────────────────────────────────────────────

    def reserve(self, size: int) -> None:
        """Make room for slots below ``size``; to be called before such a slot is asked for or written."""
        self.freshness.reserve(size)
        self.waiting.reserve(len(self.freshness.base_s))

    def set_freshness_scale(self, slots: IntArray, base_s: IntArray, stale_after_s: IntArray) -> None:
        """Say around which moment and how finely the freshness of these stores' rows is kept, and when they turn stale.

        To be called before the rows of a slot are written; existing rows of the slot must be written anew after it.
        """
        self.changes += 1
        self.freshness.set(slots, base_s, stale_after_s)

    def rows(self, number: int) -> SkuRows | None:
        """The rows of a sku that are filed, if there are any."""
        rows = self._rows[number]
        return rows if rows is not None and len(rows.low) else None

    def probe(self, slots: IntArray, now_s: int) -> StockProbe:
        """Ask several lines of the same slots at ``now_s``."""
        return StockProbe(self, slots, now_s)

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────────────

    def gather(self, number: int, slots: IntArray) -> RowsFound:
        """What the sku's rows say of these slots (at least one), in their order."""
        found = self._filed(number, slots)
        for unfiled in self.waiting:
            here = unfiled.here(slots)
            has_row, at = unfiled.find(number, slots[here])
            found.has_row[here] = has_row
            found.available[here] = np.where(has_row, unfiled.rows.available.take(at), 0)
            found.fresh_s[here] = np.where(has_row, unfiled.rows.fresh_s.take(at), 0)
        return found

    def _filed(self, number: int, slots: IntArray) -> RowsFound:
        rows = self.rows(number)
        if rows is None:
            return RowsFound(
                np.zeros(len(slots), dtype=np.bool_),
                np.zeros(len(slots), dtype=np.int64),
                np.zeros(len(slots), dtype=np.int64),
            )
        has_row, at = rows.find(slots)
        value = rows.value[at]
        available = (value >> 22).astype(np.int64)
        if rows.large:
            for i in np.flatnonzero((available == LARGE) & has_row):
                available[i] = rows.large[int(slots[i])]
        available[~has_row] = 0
        return RowsFound(has_row, available, self.freshness.moments_s(slots, (value & FRESH_MAX).astype(np.int64)))

    def holders(self, number: int, ranges: SlotRanges | None = None) -> IntArray:
        """The slots that have a row for the sku, stocked or not, in order; slots of stores that are gone among them."""
        rows = self._rows[number]
        if rows is None:
            filed = np.empty(0, dtype=np.int64)
        else:
            filed = rows.slots() if ranges is None else rows.rows_in(ranges)[0]
        for unfiled in self.waiting:
            more = unfiled.holders(number, ranges)
            filed = np.union1d(filed, more) if len(more) else filed
        return filed

    def holder_count(self, number: int, ranges: SlotRanges | None = None) -> int:
        """How many slots ``holders`` has, or more: a row counts twice while its shelf waits to be filed again."""
        rows = self._rows[number]
        count = 0 if rows is None else len(rows.low) if ranges is None else rows.count_in(ranges)
        if self.waiting.row_count:
            for unfiled in self.waiting:
                count += unfiled.holder_count(number, ranges)
        return count

    def holding(self, number: int, wanted: int, ranges: SlotRanges, now_s: int) -> tuple[IntArray, BoolArray]:
        """``holders``, and which of them have so many, in a row that is not stale."""
        slots, enough = self._filed_holding(number, wanted, ranges, now_s)
        if not self.waiting.row_count:
            return slots, enough
        for unfiled in self.waiting:
            stays = unfiled.is_elsewhere(slots)
            more, more_enough = unfiled.holding(number, wanted, ranges, now_s)
            slots, enough = np.concatenate((slots[stays], more)), np.concatenate((enough[stays], more_enough))
        order = slots.argsort()
        return slots[order], enough[order]

    def _filed_holding(self, number: int, wanted: int, ranges: SlotRanges, now_s: int) -> tuple[IntArray, BoolArray]:
        rows = self.rows(number)
        if rows is None:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.bool_)
        slots, at = rows.rows_in(ranges)
        value = rows.value.take(at)
        if wanted < LARGE:
            enough = value >= wanted << 22
        elif len(slots):
            enough = self._filed(number, slots).available >= wanted
        else:
            enough = np.empty(0, dtype=np.bool_)
        value &= FRESH_MAX
        enough &= value * self.freshness.unit_s.take(slots) >= now_s - self.freshness.zero_s.take(slots)
        return slots, enough

    def available(self, number: int, slot: int) -> int:
        """How many of the sku are available at one slot; 0 without a row."""
        if (unfiled := self.waiting.of(slot)) is not None:
            at = unfiled.at(number, slot)
            return 0 if at < 0 else int(unfiled.rows.available[at])
        value = value_at(self.table.places, number, slot)
        return 0 if value == NO_ROW else self._figure(number, slot, value)

    def _figure(self, number: int, slot: int, value: int) -> int:
        """What is available by a row of this value."""
        figure = value >> 22
        rows = self._rows[number]
        return rows.large[slot] if figure == LARGE and rows is not None and rows.large is not None else figure

    def has_row(self, number: int, slot: int) -> bool:
        """Whether the sku has a row at the slot, stocked or not."""
        if (unfiled := self.waiting.of(slot)) is not None:
            return unfiled.at(number, slot) >= 0
        return value_at(self.table.places, number, slot) != NO_ROW

    def has(self, number: int, slot: int, wanted: int, now_s: int) -> bool:
        """Whether so many of the sku are available at one slot, in a row that is not stale."""
        if (unfiled := self.waiting.of(slot)) is not None:
            return unfiled.has_enough(number, slot, wanted, now_s)
        value = value_at(self.table.places, number, slot)
        if value == NO_ROW or self._figure(number, slot, value) < wanted:
            return False
        fresh_in_scale_s = (value & FRESH_MAX) * int(self.freshness.unit_s[slot])
        return fresh_in_scale_s >= now_s - int(self.freshness.zero_s[slot])

    def fresh_s(self, number: int, slot: int) -> int | None:
        """How fresh one row is (epoch seconds); ANCIENT_S for older than can be said, None if there is no row."""
        if (unfiled := self.waiting.of(slot)) is not None:
            at = unfiled.at(number, slot)
            return None if at < 0 else int(unfiled.rows.fresh_s[at])
        value = value_at(self.table.places, number, slot)
        return None if value == NO_ROW else self.freshness.moment_s(slot, value & FRESH_MAX)

    def price(self, number: int, slot: int) -> Price | None:
        """The price of the sku at a slot: minor units and currency."""
        if (unfiled := self.waiting.of(slot)) is not None:
            at = unfiled.at(number, slot)
            return None if at < 0 else self.prices[int(unfiled.rows.price_id[at])]
        rows, value = self._rows[number], value_at(self.table.places, number, slot)
        if rows is None or value == NO_ROW:
            return None
        code = (value >> 16) & 63
        return self.prices[(rows.odd_prices or {})[slot] if code == ODD_PRICE else rows.prices[code]]

    def terms(self, numbers: Sequence[int], slots: Sequence[int]) -> list[Terms]:
        """The price and the freshness of each (sku number, slot), one for one, as ``price`` and ``fresh_s`` say."""
        at, of = np.array(numbers, dtype=np.int64), np.array(slots, dtype=np.int64)
        values = values_at(self.table.places, at, of)
        codes, fresh = ((values >> 16) & 63).tolist(), self.freshness.moments_s(of, values & FRESH_MAX).tolist()
        rows, prices = self._rows, self.prices.by_id
        told: list[Terms] = []
        for number, slot, value, code, fresh_s in zip(numbers, slots, values.tolist(), codes, fresh, strict=True):
            of_sku = rows[number]
            if value == NO_ROW or of_sku is None:
                told.append((None, None))
            elif code == ODD_PRICE:
                told.append((prices[(of_sku.odd_prices or {})[slot]], fresh_s))
            else:
                told.append((prices[of_sku.prices[code]], fresh_s))
        if self.waiting.row_count:
            for i, (number, slot) in enumerate(zip(numbers, slots, strict=True)):
                if self.waiting.of(slot) is not None:
                    told[i] = self.price(number, slot), self.fresh_s(number, slot)
        return told

    # ── writing ────────────────────────────────────────────────────────────────────────────────────────────────

    def put(self, number: int, slots: IntArray, available: IntArray, fresh_s: IntArray, price_ids: IntArray) -> None:
        """File rows of one sku, of distinct slots in any order; rows of other slots stay."""
        if len(slots):
            large = bool((available >= LARGE).any())
            self._put(number, slots, self._unpriced(slots, available, fresh_s), price_ids, available if large else None)

    def _put(
        self, number: int, slots: IntArray, unpriced: IntArray, price_ids: IntArray, available: IntArray | None
    ) -> None:
        """File rows with these values, the price still missing; ``available``: None if none of it is large."""
        self.changes += 1
        rows = self.rows_to_write(number)
        codes = _price_codes(rows, price_ids)
        if rows.large or available is not None:
            rows.note_large(slots, unpriced >> 22 if available is None else available)
        if rows.odd_prices or bool((codes == ODD_PRICE).any()):
            rows.note_odd_prices(slots, codes, price_ids)
        values = unpriced | (codes << 16)
        if (slots[1:] < slots[:-1]).any():
            order = np.argsort(slots)
            slots, values = slots[order], values[order]
        if len(rows.low) == 0:
            rows.replace_all(slots, values)
            return
        at = rows.take_in(slots)  # makes room in another array
        rows.value[at] = values

    def _unpriced(self, slots: IntArray, available: IntArray, fresh_s: IntArray) -> IntArray:
        """The values of rows but for the code of the price."""
        values: IntArray = np.minimum(available, LARGE).astype(np.int64)
        values <<= 22
        values |= self.freshness.codes(slots, fresh_s)
        return values

    def rows_to_write(self, number: int) -> SkuRows:
        """The rows of a sku, also if it has none so far."""
        rows = self._rows[number]
        if rows is None:
            rows = self._rows[number] = SkuRows(self.table, number)
        return rows

    def change_one(self, number: int, slot: int, available: int, fresh_s: int, price_id: int) -> bool:
        """Write one row, wherever it is; False, and nothing is done, if its store's whole shelf is needed for that."""
        unfiled = self.waiting.of(slot)
        if unfiled is not self.waiting.arrived and not self.freshness.can_say_one(slot, fresh_s):
            return False  # filed, or soon to be
        if unfiled is not None:
            done = unfiled.set_one(number, slot, available, fresh_s, price_id)
            self.changes += done
            return done
        self.put_one(number, slot, available, fresh_s, price_id)
        return True

    def put_one(self, number: int, slot: int, available: int, fresh_s: int, price_id: int) -> None:
        """File one row, as ``put`` does; in a tenth of the time unless its price is odd."""
        self.changes += 1
        rows = self.rows_to_write(number)
        code = self._plain_code(rows, price_id)
        if code is None:
            one = np.array([slot], dtype=np.int64)
            figures = (np.array([figure], dtype=np.int64) for figure in (available, fresh_s, price_id))
            self.put(number, one, *figures)
            return
        if available >= LARGE or rows.large:
            rows.note_large_one(slot, available)
        value = (min(available, LARGE) << 22) | (code << 16) | self.freshness.code(slot, fresh_s)
        if not set_value_at(self.table.places, number, slot, value):
            at = rows.take_in_one(slot)  # makes room in another array
            rows.value[at] = value

    @staticmethod
    def _plain_code(rows: SkuRows, price_id: int) -> int | None:
        """The sku's code of a price where it has one, or one that was never given out; else None."""
        if rows.odd_prices:
            return None
        if price_id not in rows.prices:
            if len(rows.prices) >= ODD_PRICE:
                return None
            rows.prices.append(price_id)
        return rows.prices.index(price_id)

    def put_many(
        self, numbers: IntArray, slots: IntArray, available: IntArray, fresh_s: IntArray, price_ids: IntArray
    ) -> Iterator[None]:
        """As ``put`` with rows of many skus, in order of sku number: a sku at a step, so that a caller can pause."""
        unpriced, is_large = self._unpriced(slots, available, fresh_s), available >= LARGE
        edges = np.flatnonzero(np.diff(numbers, prepend=-1, append=-1))
        for start, end in pairwise(edges.tolist()):
            its = slice(start, end)
            large = available[its] if is_large[its].any() else None
            self._put(int(numbers[start]), slots[its], unpriced[its], price_ids[its], large)
            yield

    # ── size ───────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def row_count(self) -> int:
        """How many rows are filed."""
        return sum(len(rows.low) for rows in self._rows if rows is not None)

    @property
    def row_bytes(self) -> int:
        """Bytes of the rows themselves. The stores' scales of freshness are the stores' (``freshness.nbytes``)."""
        return sum(rows.low.nbytes + rows.value.nbytes for rows in self._rows if rows is not None)
