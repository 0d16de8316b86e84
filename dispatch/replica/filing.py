"""Filing whole shelves in the stock: what can be worked out for all rows at once, then a sku at a time."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from dispatch.domain.market import BoolArray, IntArray
from dispatch.replica.freshness import Scales
from dispatch.replica.sku_rows import LARGE, ODD_PRICE
from dispatch.replica.stock import Stock
from dispatch.replica.unfiled import SLOT_BITS, SLOT_MASK, UnfiledRows


class Filing:
    """The shelves that wait, on their way; they go on waiting, and being asked for there, until all are filed.

    To be made, and ``encode``d, in any thread, while nobody changes a row.
    """

    def __init__(self, rows: UnfiledRows, stores: IntArray) -> None:
        """Take at least one row; ``stores`` are the slots of those that have a shelf here, in order."""
        self._rows = rows
        self._slots = rows.keys & SLOT_MASK
        skus = rows.keys >> SLOT_BITS
        firsts = _firsts(skus)
        self._numbers, self._edges = skus[firsts].tolist(), [*firsts.tolist(), len(skus)]
        self._which_store = stores.searchsorted(self._slots)
        self.newest_s: IntArray = np.zeros(len(stores), dtype=np.int64)
        np.maximum.at(self.newest_s, self._which_store, rows.fresh_s)
        self._is_large = rows.available >= LARGE
        self._values: IntArray = np.empty(0, dtype=np.int64)

    def encode(self, scales: Scales) -> None:
        """Work out all of the rows' values but the price; ``scales`` of freshness are those of the stores."""
        fresh = scales.codes(self._rows.fresh_s, self._which_store)
        self._values = (np.minimum(self._rows.available, LARGE).astype(np.int64) << 22) | fresh

    def write(self, stock: Stock) -> Iterator[None]:
        """File the rows, a sku at a step."""
        price_ids = self._rows.price_id
        for number, (start, end) in zip(self._numbers, pairwise(self._edges), strict=True):
            rows, slots = stock.rows_to_write(number), self._slots[start:end]
            codes = np.array(rows.codes_of(price_ids[start:end].tolist()), dtype=np.int64)
            if rows.large or self._is_large[start:end].any():
                rows.note_large(slots, self._rows.available[start:end])
            if rows.odd_prices or (codes == ODD_PRICE).any():
                rows.note_odd_prices(slots, codes, price_ids[start:end])
            values = self._values[start:end] | (codes << 16)
            at = rows.take_in(slots)  # makes room in another array
            rows.value[at] = values
            yield


def _firsts(ordered: IntArray) -> IntArray:
    """Where each stretch of equal numbers begins."""
    is_first: BoolArray = np.ones(len(ordered), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    return np.flatnonzero(is_first)
