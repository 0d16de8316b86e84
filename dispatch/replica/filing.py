"""Filing whole shelves in the stock: what can be worked out for all rows at once, then some rows of a sku at a time."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np

from dispatch.domain.market import IntArray
from dispatch.replica.freshness import Scales
from dispatch.replica.sku_rows import LARGE, ODD_PRICE
from dispatch.replica.stock import Stock
from dispatch.replica.unfiled import SLOT_BITS, SLOT_MASK, UnfiledShelves

# Some hundred microseconds.
_ROWS_A_STEP: Final = 2_000


class Filing:
    """Shelves on their way; they go on waiting, and being asked for there, until all are filed.

    To be made, and ``encode``d, in any thread. A whole shelf names all skus that its store has ever had, so that no
    row of it that is filed already is left as it was.
    """

    def __init__(self, shelves: UnfiledShelves, stores: IntArray) -> None:
        """``stores`` are the slots of those whose shelves are here, at least one, in order."""
        self._shelves = shelves
        rows = self._rows = shelves.rows
        # Rows may change meanwhile; what is filed of one must be of one moment.
        self._available, self._price_ids = rows.available.copy(), rows.price_id.copy()
        self._slots, edges = shelves.run.slots, shelves.run.edges
        self._numbers = np.flatnonzero(np.diff(edges)).tolist()
        self._edges = [*edges[self._numbers].tolist(), len(rows)]
        self._which_store = stores.searchsorted(self._slots)
        self.newest_s: IntArray = np.zeros(len(stores), dtype=np.int64)
        np.maximum.at(self.newest_s, self._which_store, rows.fresh_s)
        self._is_large = self._available >= LARGE
        self._values: IntArray = np.empty(0, dtype=np.int64)

    def see_changes(self) -> None:
        """Let ``newest_s`` be that of the rows as they are now."""
        for at in self._shelves.changed:
            store = int(self._which_store[at])
            self.newest_s[store] = max(int(self.newest_s[store]), int(self._rows.fresh_s[at]))

    def encode(self, scales: Scales) -> None:
        """Work out all of the rows' values but the price; ``scales`` of freshness are those of the stores."""
        fresh = scales.codes(self._rows.fresh_s, self._which_store)
        self._values = (np.minimum(self._available, LARGE).astype(np.int64) << 22) | fresh

    def write(self, stock: Stock) -> Iterator[None]:
        """File the rows, a step at a time, and in the end those again that have changed meanwhile."""
        for number, (first, last) in zip(self._numbers, pairwise(self._edges), strict=True):
            for start in range(first, last, _ROWS_A_STEP):
                self._file(stock, number, slice(start, min(last, start + _ROWS_A_STEP)))
                yield
        rows, changed = self._rows, self._shelves.changed
        while changed:
            at = changed.pop()
            number, slot = int(rows.keys[at]) >> SLOT_BITS, int(rows.keys[at]) & SLOT_MASK
            stock.put_one(number, slot, int(rows.available[at]), int(rows.fresh_s[at]), int(rows.price_id[at]))
            yield

    def _file(self, stock: Stock, number: int, its: slice) -> None:
        rows, slots, price_ids = stock.rows_to_write(number), self._slots[its], self._price_ids[its]
        codes = np.array(rows.codes_of(price_ids.tolist()), dtype=np.int64)
        if rows.large or self._is_large[its].any():
            rows.note_large(slots, self._available[its])
        if rows.odd_prices or (codes == ODD_PRICE).any():
            rows.note_odd_prices(slots, codes, price_ids)
        values = self._values[its] | (codes << 16)
        at = rows.take_in(slots)  # makes room in another array
        rows.value[at] = values
