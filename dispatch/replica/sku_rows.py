"""The rows of one sku, in order of store slot: found by binary search, cut by stretches of slots.

A row is two bytes of slot (its low half; rows of slots with the same high half lie together in a *block*) and four
bytes of value, whose meaning is the stock's (dispatch/replica/stock.py).
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from dispatch.domain.market import BoolArray, IntArray

_BLOCK_BITS: Final = 16
_LOW_MASK: Final = (1 << _BLOCK_BITS) - 1
# The code of a price for which a sku has no code of its own left.
ODD_PRICE: Final = 63


def block_of(slots: IntArray) -> tuple[int | None, np.ndarray]:
    """The block that all slots lie in, if it is one, and their low halves."""
    blocks = slots >> _BLOCK_BITS
    first = int(blocks[0]) if len(slots) else 0
    return (first if (blocks == first).all() else None), slots.astype(np.uint16)


class SlotRanges:
    """Some stretches of slots, ascending and apart, in the form in which a sku's rows are cut by them."""

    __slots__ = ("edges_by_block", "pairs", "size")

    def __init__(self, pairs: Sequence[tuple[int, int]]) -> None:
        """``pairs`` of first slot and the slot after the last."""
        self.pairs = tuple(pairs)
        self.size = sum(end - start for start, end in pairs)
        by_block: dict[int, list[int]] = {}
        for start, end in pairs:
            # A stretch over the edge of a block is two.
            while start < end:
                block = start >> _BLOCK_BITS
                stop = min(end, (block + 1) << _BLOCK_BITS)
                by_block.setdefault(block, []).extend((start, stop))
                start = stop
        # The slot after the last of a block is not of the block any more: it is found as the block's end.
        self.edges_by_block = [
            (block, np.array([slot - (block << _BLOCK_BITS) for slot in slots], dtype=np.int32))
            for block, slots in sorted(by_block.items())
        ]


class SkuRows:
    """The rows of one sku: blocks of slots with the same high half, each in order."""

    __slots__ = ("large", "low", "odd_prices", "prices", "starts", "value")

    def __init__(self) -> None:
        self.low = np.empty(0, dtype=np.uint16)
        self.value = np.empty(0, dtype=np.uint32)
        self.starts: list[int] = [0]  # starts[b] … starts[b + 1]: the rows of block b
        self.prices: list[int] = []  # ids of prices; the code is the place in here, from 1
        self.large: dict[int, int] | None = None  # slot → available
        self.odd_prices: dict[int, int] | None = None  # slot → id of price

    def find(self, slots: IntArray) -> tuple[BoolArray, IntArray]:
        """Whether each slot has a row, and where (anything, where not)."""
        block, lows = block_of(slots)
        if block is not None:
            return self.find_in_block(block, lows)
        blocks = slots >> _BLOCK_BITS
        has_row = np.zeros(len(slots), dtype=np.bool_)
        at = np.zeros(len(slots), dtype=np.int64)
        for block in np.unique(blocks):
            chosen = np.flatnonzero(blocks == block)
            has_row[chosen], at[chosen] = self.find_in_block(int(block), lows[chosen])
        return has_row, at

    def find_in_block(self, block: int, lows: np.ndarray) -> tuple[BoolArray, IntArray]:
        if block + 1 >= len(self.starts):
            return np.zeros(len(lows), dtype=np.bool_), np.zeros(len(lows), dtype=np.int64)
        start, end = self.starts[block], self.starts[block + 1]
        if start == end:
            return np.zeros(len(lows), dtype=np.bool_), np.zeros(len(lows), dtype=np.int64)
        at = self.low[start:end].searchsorted(lows)
        if start:
            at += start
        np.minimum(at, end - 1, out=at)
        return self.low.take(at) == lows, at

    def at(self, slot: int) -> int:
        """Where the row of one slot is; −1 if there is none."""
        block = slot >> _BLOCK_BITS
        if block + 1 >= len(self.starts):
            return -1
        start, end = self.starts[block], self.starts[block + 1]
        low = np.uint16(slot & _LOW_MASK)
        at = start + int(self.low[start:end].searchsorted(low))
        return at if at < end and self.low[at] == low else -1

    def slots(self) -> IntArray:
        """Every slot with a row, in order."""
        slots = self.low.astype(np.int64)
        for block in range(1, len(self.starts) - 1):
            slots[self.starts[block] : self.starts[block + 1]] += block << _BLOCK_BITS
        return slots

    def edges(self, ranges: SlotRanges) -> IntArray:
        """Where the rows of each range begin and end, one pair after the other."""
        parts = []
        for block, lows in ranges.edges_by_block:
            if block + 1 < len(self.starts):
                start, end = self.starts[block], self.starts[block + 1]
                parts.append(self.low[start:end].searchsorted(lows) + start)
            else:
                parts.append(np.full(len(lows), len(self.low), dtype=np.int64))
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)

    def slots_in(self, ranges: SlotRanges) -> IntArray:
        """The slots with a row in these stretches, in order."""
        edges = self.edges(ranges).tolist()
        blocks = [block for block, lows in ranges.edges_by_block for _ in range(len(lows) // 2)]
        pieces = [
            self.low[start:end].astype(np.int64) + (block << _BLOCK_BITS)
            for block, start, end in zip(blocks, edges[::2], edges[1::2], strict=True)
            if start < end
        ]
        return np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int64)

    def count_in(self, ranges: SlotRanges) -> int:
        """How many rows lie in these stretches."""
        edges = self.edges(ranges)
        return int(edges[1::2].sum() - edges[::2].sum())

    def replace_all(self, slots: IntArray, values: np.ndarray) -> None:
        """Take these rows, in order of slot, for the whole of the sku's."""
        self.low = slots.astype(np.uint16)
        self.value = np.array(values, dtype=np.uint32)
        blocks = (int(slots[-1]) >> _BLOCK_BITS) + 1 if len(slots) else 0
        edges = np.arange(1, blocks + 1, dtype=np.int64) << _BLOCK_BITS
        self.starts = [0, *np.searchsorted(slots, edges).tolist()]

    def insert(self, slots: IntArray, values: np.ndarray) -> None:
        """Add rows of new slots."""
        order = np.argsort(slots)
        slots, values = slots[order], values[order]
        blocks = (int(slots[-1]) >> _BLOCK_BITS) + 1
        self.starts += [len(self.low)] * (blocks + 1 - len(self.starts))
        edges = np.searchsorted(slots, np.arange(len(self.starts), dtype=np.int64) << _BLOCK_BITS)
        places = np.empty(len(slots), dtype=np.int64)
        for block in np.flatnonzero(np.diff(edges)).tolist():
            part = slice(edges[block], edges[block + 1])
            start, end = self.starts[block], self.starts[block + 1]
            places[part] = self.low[start:end].searchsorted(slots[part].astype(np.uint16)) + start
        self.low = np.insert(self.low, places, slots.astype(np.uint16))
        self.value = np.insert(self.value, places, values)
        self.starts = (np.array(self.starts) + edges).tolist()

    def insert_one(self, slot: int, value: int) -> None:
        """As ``insert``, of one row, in a tenth of its time."""
        block, rows = slot >> _BLOCK_BITS, len(self.low)
        if block + 1 >= len(self.starts):
            self.starts += [rows] * (block + 2 - len(self.starts))
        start = self.starts[block]
        place = start + int(self.low[start : self.starts[block + 1]].searchsorted(np.uint16(slot & _LOW_MASK)))
        low, values = np.empty(rows + 1, dtype=np.uint16), np.empty(rows + 1, dtype=np.uint32)
        low[:place], low[place], low[place + 1 :] = self.low[:place], slot & _LOW_MASK, self.low[place:]
        values[:place], values[place], values[place + 1 :] = self.value[:place], value, self.value[place:]
        self.low, self.value = low, values
        for later in range(block + 1, len(self.starts)):
            self.starts[later] += 1

    def price_codes(self, price_ids: IntArray, *, in_use: Callable[[], set[int]]) -> IntArray:
        """The sku's own code of each price, 0 of none; a new price gets one, or ODD_PRICE when there is none left.

        ``in_use`` tells which codes rows still have: those of prices long gone are given out again.
        """
        distinct, which = np.unique(price_ids, return_inverse=True)
        codes = np.empty(len(distinct), dtype=np.int64)
        free: list[int] | None = None
        for i, price_id in enumerate(distinct.tolist()):
            if price_id == 0:
                codes[i] = 0
            elif price_id in self.prices:
                codes[i] = self.prices.index(price_id) + 1
            elif len(self.prices) < ODD_PRICE - 1:
                self.prices.append(price_id)
                codes[i] = len(self.prices)
            else:
                if free is None:
                    wanted = {self.prices.index(p) + 1 for p in distinct.tolist() if p in self.prices}
                    free = sorted(set(range(1, ODD_PRICE)) - in_use() - wanted, reverse=True)
                codes[i] = free.pop() if free else ODD_PRICE
                if codes[i] != ODD_PRICE:
                    self.prices[int(codes[i]) - 1] = price_id
        result: IntArray = codes[which]
        return result
