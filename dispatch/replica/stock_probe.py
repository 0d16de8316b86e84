"""The stock of some stores, asked for several lines at once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dispatch.domain.market import BoolTable, IntArray
from dispatch.replica.freshness import FRESH_MAX
from dispatch.replica.sku_rows import LARGE, block_of
from dispatch.replica.unfiled import UnfiledShelves

if TYPE_CHECKING:
    from dispatch.replica.stock import Stock


class StockProbe:
    """The stock of some slots; what all lines share is worked out once."""

    __slots__ = ("_age_from_zero_s", "_block", "_lows", "_now_s", "_slots", "_stock", "_unit_s")

    def __init__(self, stock: "Stock", slots: IntArray, now_s: int) -> None:
        self._stock = stock
        self._slots = slots
        self._now_s = now_s
        freshness = stock.freshness
        # A row is stale when its code of freshness, in seconds, is below this.
        self._age_from_zero_s = now_s - freshness.zero_s.take(slots)
        self._unit_s = freshness.unit_s.take(slots)
        self._block, self._lows = block_of(slots)

    def lines(self, wanted: Sequence[tuple[int, int]]) -> tuple[BoolTable, BoolTable]:
        """For each (sku number, quantity), a row: which slots have so many, and at which the sku's row is stale.

        A slot without a row for the sku has neither.
        """
        shape = (len(wanted), len(self._slots))
        value, has_row = np.zeros(shape, dtype=np.uint32), np.zeros(shape, dtype=np.bool_)
        for i, (number, _) in enumerate(wanted):
            rows = self._stock.rows(number)
            if rows is None:
                continue
            if self._block is None:
                has_row[i], at = rows.find(self._slots)
            else:
                has_row[i], at = rows.find_in_block(self._block, self._lows)
            rows.value.take(at, out=value[i], mode="clip")
        least = np.array([[min(quantity, LARGE) << 22] for _, quantity in wanted], dtype=np.uint32)
        enough: BoolTable = value >= least
        enough &= has_row
        value &= FRESH_MAX
        stale: BoolTable = value * self._unit_s < self._age_from_zero_s
        stale &= has_row
        for i, (number, quantity) in enumerate(wanted):
            if quantity >= LARGE:
                enough[i] = self._stock.gather(number, self._slots).available >= quantity
        if self._stock.waiting.row_count:
            for unfiled in self._stock.waiting:
                self._look_into(unfiled, wanted, enough, stale)
        return enough, stale

    def _look_into(
        self, unfiled: UnfiledShelves, wanted: Sequence[tuple[int, int]], enough: BoolTable, stale: BoolTable
    ) -> None:
        """Say instead what those shelves say that wait to be filed."""
        here = unfiled.here(self._slots)
        if len(here) == 0:
            return
        slots = self._slots[here]
        fresh_since_s = self._now_s - unfiled.stale_after_s(slots)
        for i, (number, quantity) in enumerate(wanted):
            has_row, at = unfiled.find(number, slots)
            enough[i, here] = has_row & (unfiled.rows.available.take(at) >= quantity)
            stale[i, here] = has_row & (unfiled.rows.fresh_s.take(at) < fresh_since_s)
