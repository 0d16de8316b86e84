"""Whole shelves on their way into the stock: arranged aside, then room made a sku at a time, then written by store.

The stock is kept by sku, and shelves come by store. All that can be worked out for a sku at once, for the rows of many
stores together, is: which rows there are, where, and which code their price has. What is left to be done for a store
between two quotes is to set one number a row.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from dispatch.domain.market import BoolArray, IntArray
from dispatch.replica.freshness import Scales
from dispatch.replica.numbering import MISSING
from dispatch.replica.prices import packed_prices
from dispatch.replica.room import take_in_together
from dispatch.replica.sku_rows import LARGE, ODD_PRICE, SkuRows
from dispatch.replica.stock import SLOT_BITS, SLOT_MASK, Stock, row_keys
from dispatch.storage.feed import ShelfColumns

# Prices looked up between two pauses: some hundred microseconds.
_PRICES_A_STEP = 1_000
# A millisecond, or a little more.
_SKUS_A_STEP = 64
# Where skus have no more rows than this, it is quicker to go through all of them than to look into each sku's.
_FEW_ROWS = 200


class WholeShelves:
    """Rows of whole shelves, to be written to one stock, which nobody else writes to meanwhile.

    What is asked of them, but their length, is asked of at least one row.
    """

    def __init__(self, slots: IntArray, numbers: IntArray, rows: ShelfColumns) -> None:
        """Take rows, in any order, each of another (slot, sku number); those whose slot is MISSING are left out.

        Touches nothing but what it is given, so that it can be done in another thread: it is mostly sorting.
        """
        chosen: slice | IntArray = slice(None)
        if (slots == MISSING).any() or (slots[1:] < slots[:-1]).any():
            chosen = np.flatnonzero(slots != MISSING)
            chosen = chosen[np.argsort(slots[chosen], kind="stable")]
        # In order of slot:
        slots, numbers = slots[chosen], numbers[chosen]
        self._available, self._fresh_s = rows.available[chosen], rows.fresh_s[chosen]
        self._figures = np.minimum(self._available, LARGE) << 22
        packed = packed_prices(rows.price_minor[chosen], rows.currency[chosen])
        self._prices, which_price = np.unique(packed, return_inverse=True)
        firsts = _firsts(slots)
        self.stores = slots[firsts]
        self._ends = [*firsts[1:].tolist(), len(slots)]
        self._lengths = np.diff(firsts, append=len(slots))
        self.newest_s: IntArray = np.maximum.reduceat(self._fresh_s, firsts) if len(slots) else self._fresh_s
        # In order of sku, then slot; the last three are worked out later: where the row is among its sku's, the sku's
        # code of its price, and the id of that.
        keys = row_keys(numbers, slots)
        order = np.argsort(keys)
        keys, self._which_price = keys[order], which_price[order]
        self._slots, skus = keys & SLOT_MASK, keys >> SLOT_BITS
        firsts = _firsts(skus)
        self._numbers, self._edges = skus[firsts].tolist(), [*firsts.tolist(), len(skus)]
        self._skus: list[SkuRows] = []
        self._is_odd = (self._available >= LARGE)[order]
        self._at = np.empty(len(slots), dtype=np.int64)
        self._codes = bytearray()
        self._price_ids = np.empty(0, dtype=np.int64)
        # From the second order to the first.
        self._by_slot = np.empty(len(order), dtype=np.int64)
        self._by_slot[order] = np.arange(len(order))
        self._which_sku = np.repeat(np.arange(len(firsts)), np.diff(firsts, append=len(skus)))[self._by_slot]

    def __len__(self) -> int:
        return len(self._at)

    def prepare(self, stock: Stock) -> Iterator[None]:
        """Give each row that is not there one with nothing available, and look up the rest, a few skus at a step.

        Nobody who asks sees a difference.
        """
        ids: list[int] = []
        packed = self._prices.tolist()
        for start in range(0, len(packed), _PRICES_A_STEP):
            ids += stock.prices.ids_of_packed(packed[start : start + _PRICES_A_STEP])
            yield
        self._price_ids = np.array(ids, dtype=np.int64)[self._which_price]
        for first in range(0, len(self._numbers), _SKUS_A_STEP):
            skus = [stock.rows_to_write(number) for number in self._numbers[first : first + _SKUS_A_STEP]]
            self._skus += skus
            self._take_in(stock, skus, self._edges[first : first + _SKUS_A_STEP + 1])
            yield

    def _take_in(self, stock: Stock, skus: list[SkuRows], edges: list[int]) -> None:
        """Find or make the rows of some skus, which are those between two edges each, and the codes of their prices."""
        its = slice(edges[0], edges[-1])
        before = sum(len(rows.low) for rows in skus)
        if before < len(skus) * _FEW_ROWS:
            which = np.repeat(np.arange(len(skus)), np.diff(edges))
            self._at[its] = take_in_together(skus, which, self._slots[its])
        else:
            for rows, (start, end) in zip(skus, pairwise(edges), strict=True):
                self._at[start:end] = rows.take_in(self._slots[start:end])
        if sum(len(rows.low) for rows in skus) != before:
            stock.changes += 1
        price_ids = self._price_ids[its].tolist()
        for rows, (start, end) in zip(skus, pairwise(edges), strict=True):
            self._codes += bytes(rows.codes_of(price_ids[start - its.start : end - its.start]))
            if rows.large or rows.odd_prices:
                self._is_odd[start:end] = True

    def write(self, stock: Stock, scales: Scales) -> Iterator[None]:
        """Write the rows, a whole shelf at a step; ``scales`` of the freshness are those of ``stores``."""
        codes = np.frombuffer(self._codes, dtype=np.uint8)[self._by_slot].astype(np.int64)
        is_odd = self._is_odd[self._by_slot] | (codes == ODD_PRICE)
        at, price_ids = self._at[self._by_slot], self._price_ids[self._by_slot]
        yield
        values = self._figures | (codes << 16) | scales.codes(self._fresh_s, self._lengths)
        yield
        values_of, start = [rows.value for rows in self._skus], 0
        for i, (slot, end) in enumerate(zip(self.stores.tolist(), self._ends, strict=True)):
            its = slice(start, end)
            if scales.is_new[i]:
                stock.freshness.take_over(slot, scales, i)
            columns = self._which_sku[its].tolist(), at[its].tolist(), values[its].tolist()
            for sku, place, value in zip(*columns, strict=True):
                values_of[sku][place] = value
            if is_odd[its].any():
                for j in (np.flatnonzero(is_odd[its]) + start).tolist():
                    one = slice(j, j + 1)
                    rows = self._skus[int(self._which_sku[j])]
                    rows.note_large(np.array([slot]), self._available[one])
                    rows.note_odd_prices(np.array([slot]), codes[one], price_ids[one])
            stock.changes += 1
            start = end
            yield


def _firsts(ordered: IntArray) -> IntArray:
    """Where each stretch of equal numbers begins."""
    is_first: BoolArray = np.ones(len(ordered), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    return np.flatnonzero(is_first)
