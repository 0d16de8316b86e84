"""The rows of one sku, in order of store slot: found by binary search, cut by stretches of slots.

A row is two bytes of slot (its low half; rows of slots with the same high half lie together in a *block*) and four
bytes of value, whose meaning is the stock's (dispatch/replica/stock.py).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from dispatch.domain.market import BoolArray, IntArray

BLOCK_BITS: Final = 16
_LOW_MASK: Final = (1 << BLOCK_BITS) - 1
# The code of a price for which a sku has no code of its own left.
ODD_PRICE: Final = 63
# The figure of a row whose own has no room in it.
LARGE: Final = 1023
PLACE_FIELDS: Final = 8
"""How many numbers tell where a sku's rows are (RowTable)."""
# At the least so many rows lie between two marks, if rows are alike everywhere, and so many marks in a block.
_ROWS_A_MARK: Final = 1024
_FEWEST_MARKS: Final = 4
# Where rows were when so many came or went since is no good guess any more: a part of all.
_MUCH_NEWER: Final = 64
# Up to so many new rows are put between slices of those there; of more, one pass over all of them is quicker.
_FEW: Final = 4
_NO_VALUE = np.zeros(1, dtype=np.uint32)
_NO_SLOTS = np.empty(0, dtype=np.int64)


def block_of(slots: IntArray) -> tuple[int | None, np.ndarray]:
    """The block that all slots lie in, if it is one, and their low halves."""
    blocks = slots >> BLOCK_BITS
    first = int(blocks[0]) if len(slots) else 0
    return (first if (blocks == first).all() else None), slots.astype(np.uint16)


def between(starts: IntArray, ends: IntArray) -> IntArray:
    """The numbers of all these stretches: of each from its start up to its end."""
    counts = ends - starts
    upto = counts.cumsum()
    # Where a stretch's end is, less where it comes among all: with that, a number's place tells the number.
    numbers: IntArray = (ends - upto).repeat(counts)
    numbers += np.arange(len(numbers))
    return numbers


class SlotRanges:
    """Some stretches of slots, ascending and apart, in the form in which a sku's rows are cut by them."""

    __slots__ = ("bases", "by_block", "edges", "pairs", "size")

    def __init__(self, pairs: Sequence[tuple[int, int]]) -> None:
        """``pairs`` of first slot and the slot after the last."""
        self.pairs = tuple(pairs)
        self.edges = np.array(pairs, dtype=np.int64).ravel()
        self.size = sum(end - start for start, end in pairs)
        by_block: dict[int, list[tuple[int, int]]] = {}
        for start, end in pairs:
            # A stretch over the edge of a block is two.
            while start < end:
                block = start >> BLOCK_BITS
                stop = min(end, (block + 1) << BLOCK_BITS)
                by_block.setdefault(block, []).append((start & _LOW_MASK, (stop - 1) & _LOW_MASK))
                start = stop
        # Of each block the first slots and the last ones, of the type of the rows': of another, all rows of a sku
        # would be turned into that before they are searched.
        self.by_block = [
            (block, *np.array(lows, dtype=np.uint16).reshape(-1, 2).T.copy())
            for block, lows in sorted(by_block.items())
        ]
        # The first slot of the block of each stretch.
        bases = [np.full(len(firsts), block << BLOCK_BITS) for block, firsts, _ in self.by_block]
        self.bases = np.concatenate(bases or [_NO_SLOTS])


class RowTable:
    """Where in memory the rows of each sku are, for compiled code.

    ``places`` has a line a sku number: the addresses of ``low``, ``value`` and ``starts`` (see SkuRows), how many
    blocks there are, 0 for a sku without rows, and how many rows; then the address of ``marks`` and how many bits of a
    slot lie between two, and a number that is not used, so that a line has 64 bytes.
    """

    def __init__(self) -> None:
        self.places = np.zeros((1, PLACE_FIELDS), dtype=np.int64)

    def reserve(self, size: int) -> None:
        """Make room for sku numbers below ``size``; it at least doubles."""
        if size > len(self.places):
            more = max(size, 2 * len(self.places)) - len(self.places)
            self.places = np.concatenate([self.places, np.zeros((more, PLACE_FIELDS), dtype=np.int64)])


class SkuRows:
    """The rows of one sku: blocks of slots with the same high half, each in order."""

    __slots__ = (
        "_mark_bits", "_marked_rows", "_number", "_table", "large", "low", "marks", "odd_prices", "prices", "starts",
        "value",
    )  # fmt: skip

    def __init__(self, table: RowTable, number: int) -> None:
        """Rows whose place ``table`` tells, under that number, for which it has room."""
        self._table, self._number = table, number
        self.low = np.empty(0, dtype=np.uint16)
        self.value = np.empty(0, dtype=np.uint32)
        self.starts = np.zeros(1, dtype=np.int64)  # starts[b] … starts[b + 1]: the rows of block b
        # Where about the rows of each so many slots begin, for a guess: skus are not spread evenly, for chains are not.
        self.marks, self._mark_bits, self._marked_rows = self.starts, BLOCK_BITS, 0
        self.prices: list[int] = [0]  # ids of prices, by code; no price is code 0
        self.large: dict[int, int] | None = None  # slot → available
        self.odd_prices: dict[int, int] | None = None  # slot → id of price

    def find(self, slots: IntArray) -> tuple[BoolArray, IntArray]:
        """Whether each slot has a row, and where (anything, where not)."""
        block, lows = block_of(slots)
        if block is not None:
            return self.find_in_block(block, lows)
        blocks = slots >> BLOCK_BITS
        has_row = np.zeros(len(slots), dtype=np.bool_)
        at = np.zeros(len(slots), dtype=np.int64)
        for block in np.unique(blocks):
            chosen = np.flatnonzero(blocks == block)
            has_row[chosen], at[chosen] = self.find_in_block(int(block), lows[chosen])
        return has_row, at

    def find_in_block(self, block: int, lows: np.ndarray) -> tuple[BoolArray, IntArray]:
        if block + 1 >= len(self.starts):
            return np.zeros(len(lows), dtype=np.bool_), np.zeros(len(lows), dtype=np.int64)
        start, end = self._stretch(block)
        if start == end:
            return np.zeros(len(lows), dtype=np.bool_), np.zeros(len(lows), dtype=np.int64)
        at = self.low[start:end].searchsorted(lows)
        if start:
            at += start
        np.minimum(at, end - 1, out=at)
        return self.low.take(at) == lows, at

    def slots(self) -> IntArray:
        """Every slot with a row, in order."""
        slots = self.low.astype(np.int64)
        for block in range(1, len(self.starts) - 1):
            start, end = self._stretch(block)
            slots[start:end] += block << BLOCK_BITS
        return slots

    def bounds(self, ranges: SlotRanges) -> tuple[IntArray, IntArray]:
        """Where the rows of each stretch, cut at the edges of blocks, begin, and where they end."""
        starts, ends = [_NO_SLOTS], [_NO_SLOTS]
        for block, firsts, lasts in ranges.by_block:
            if block + 1 < len(self.starts):
                start, end = self._stretch(block)
                lows = self.low[start:end]
                starts.append(lows.searchsorted(firsts) + start)
                ends.append(lows.searchsorted(lasts, side="right") + start)
            else:
                starts.append(np.zeros(len(firsts), dtype=np.int64))
                ends.append(starts[-1])
        return (starts[1], ends[1]) if len(starts) == 2 else (np.concatenate(starts), np.concatenate(ends))

    def rows_in(self, ranges: SlotRanges) -> tuple[IntArray, IntArray]:
        """The slots with a row in these stretches, in order, and where their rows are."""
        starts, ends = self.bounds(ranges)
        at = between(starts, ends)
        slots: IntArray = ranges.bases.repeat(ends - starts)
        slots += self.low.take(at)
        return slots, at

    def count_in(self, ranges: SlotRanges) -> int:
        """How many rows lie in these stretches."""
        starts, ends = self.bounds(ranges)
        return int(ends.sum()) - int(starts.sum())

    def replace_all(self, slots: IntArray, values: np.ndarray) -> None:
        """Take these rows, in order of slot, for the whole of the sku's."""
        blocks = (int(slots[-1]) >> BLOCK_BITS) + 1 if len(slots) else 0
        self.starts = slots.searchsorted(np.arange(blocks + 1, dtype=np.int64) << BLOCK_BITS)
        self._take(slots.astype(np.uint16), np.array(values, dtype=np.uint32))

    def take_in(self, slots: IntArray) -> IntArray:
        """Where the rows of these slots are, at least one, distinct and in order; those missing are made, with value 0.

        Each row's place holds for as long as none is made after it.
        """
        if len(slots) == 1:
            return np.array([self.take_in_one(int(slots[0]))])
        first, last = int(slots[0]) >> BLOCK_BITS, int(slots[-1]) >> BLOCK_BITS
        lows = slots.astype(np.uint16)
        if first == last:
            return self._take_in_block(first, lows)
        edges = slots.searchsorted(np.arange(first, last + 2) << BLOCK_BITS).tolist()
        parts = [
            self._take_in_block(first + i, lows[start:end])
            for i, (start, end) in enumerate(pairwise(edges))
            if start < end
        ]
        return np.concatenate(parts)

    def take_in_one(self, slot: int) -> int:
        """As ``take_in``, of one slot, in half its time."""
        block, low = slot >> BLOCK_BITS, np.uint16(slot & _LOW_MASK)
        self._reach(block)
        start, end = self._stretch(block)
        place = start + int(self.low[start:end].searchsorted(low))
        if place < end and self.low[place] == low:
            return place
        rows, old_low, old_value = len(self.low) + 1, self.low, self.value
        new_low, new_value = np.empty(rows, dtype=np.uint16), np.empty(rows, dtype=np.uint32)
        new_low[:place], new_low[place], new_low[place + 1 :] = old_low[:place], low, old_low[place:]
        new_value[:place], new_value[place], new_value[place + 1 :] = old_value[:place], 0, old_value[place:]
        self.starts[block + 1 :] += 1
        self._take(new_low, new_value)
        return place

    def _take_in_block(self, block: int, lows: np.ndarray) -> IntArray:
        """As ``take_in``, of slots of one block, by their low halves."""
        self._reach(block)
        start, end = self._stretch(block)
        there = self.low[start:end]
        at: IntArray = there.searchsorted(lows)
        if start:
            at += start
        if start == end:
            new, places = lows, at + np.arange(len(lows))
            at = places
        else:
            is_new = (there.take(at - start, mode="clip") if start else there.take(at, mode="clip")) != lows
            more = np.count_nonzero(is_new)
            if not more:
                return at
            if more == len(lows):
                at += np.arange(more)
                new, places = lows, at
            else:
                at += is_new.cumsum()
                at -= is_new
                new, places = lows[is_new], at[is_new]
        self.starts[block + 1 :] += len(new)
        self._spread(new, places)
        return at

    def _spread(self, lows: np.ndarray, places: IntArray) -> None:
        """Put new rows of value 0 where they will be, ascending. Many times faster than np.insert of two arrays."""
        more = len(lows)
        if more <= _FEW:
            low_parts: list[np.ndarray] = []
            value_parts: list[np.ndarray] = []
            since = 0
            for i, place in enumerate(places.tolist()):
                low_parts += (self.low[since : place - i], lows[i : i + 1])
                value_parts += (self.value[since : place - i], _NO_VALUE)
                since = place - i
            low_parts.append(self.low[since:])
            value_parts.append(self.value[since:])
            self._take(np.concatenate(low_parts), np.concatenate(value_parts))
            return
        rows = len(self.low) + more
        is_old = np.ones(rows, dtype=np.bool_)
        is_old[places] = False
        low, value = np.empty(rows, dtype=np.uint16), np.zeros(rows, dtype=np.uint32)
        low[is_old], low[places], value[is_old] = self.low, lows, self.value
        self._take(low, value)

    def _stretch(self, block: int) -> tuple[int, int]:
        """Where the rows of a block begin and end."""
        start, end = self.starts[block : block + 2].tolist()
        return start, end

    def _reach(self, block: int) -> None:
        """Have starts up to those of this block."""
        missing = block + 2 - len(self.starts)
        if missing > 0:
            self.starts = np.concatenate([self.starts, np.full(missing, len(self.low), dtype=np.int64)])
            self._take(self.low, self.value)

    def _take(self, low: np.ndarray, value: np.ndarray) -> None:
        """Have these arrays, with the ``starts`` that are there, and tell where they are."""
        self.low, self.value = low, value
        self._mark()
        low_at, value_at, starts_at, marks_at = (
            array.__array_interface__["data"][0] for array in (low, value, self.starts, self.marks)
        )
        places = low_at, value_at, starts_at, len(self.starts) - 1, len(low), marks_at, self._mark_bits, 0
        self._table.places[self._number] = places

    def _mark(self) -> None:
        """Note where rows are in each part of a block, unless that is known well enough."""
        rows, blocks = len(self.low), len(self.starts) - 1
        marks = rows // (max(1, blocks) * _ROWS_A_MARK)
        if marks < _FEWEST_MARKS:
            self.marks, self._mark_bits = self.starts, BLOCK_BITS
            return
        bits = BLOCK_BITS - (marks.bit_length() - 1)
        is_for_all = len(self.marks) == (blocks << BLOCK_BITS - bits) + 1
        if is_for_all and bits == self._mark_bits and abs(rows - self._marked_rows) * _MUCH_NEWER <= rows:
            return
        firsts = np.arange(0, 1 << BLOCK_BITS, 1 << bits).astype(np.uint16)
        of_blocks = [self.low[start:end].searchsorted(firsts) + start for start, end in pairwise(self.starts.tolist())]
        self.marks = np.concatenate([*of_blocks, self.starts[-1:]])
        self._mark_bits, self._marked_rows = bits, rows

    def codes_of(self, price_ids: list[int]) -> list[int]:
        """As ``price_codes``; many times faster while the sku has had few prices."""
        code = self.prices.index
        try:
            return [code(price_id) for price_id in price_ids]
        except ValueError:
            new = set(price_ids).difference(self.prices)
            if len(self.prices) + len(new) > ODD_PRICE:
                codes: list[int] = self.price_codes(np.array(price_ids, dtype=np.int64)).tolist()
                return codes
            self.prices += sorted(new)
            return [code(price_id) for price_id in price_ids]

    def price_codes(self, price_ids: IntArray) -> IntArray:
        """The sku's own code of each price, 0 of none; a new price gets one, or ODD_PRICE when there is none left.

        The codes that no row has any more, of prices long gone, are given out again.
        """
        distinct, which = np.unique(price_ids, return_inverse=True)
        codes = np.empty(len(distinct), dtype=np.int64)
        free: list[int] | None = None
        for i, price_id in enumerate(distinct.tolist()):
            if price_id in self.prices:
                codes[i] = self.prices.index(price_id)
            elif len(self.prices) < ODD_PRICE:
                codes[i] = len(self.prices)
                self.prices.append(price_id)
            else:
                if free is None:
                    in_use = set(((self.value >> 16) & ODD_PRICE).tolist())
                    wanted = {self.prices.index(p) for p in distinct.tolist() if p in self.prices}
                    free = sorted(set(range(1, ODD_PRICE)) - in_use - wanted, reverse=True)
                codes[i] = free.pop() if free else ODD_PRICE
                if codes[i] != ODD_PRICE:
                    self.prices[int(codes[i])] = price_id
        result: IntArray = codes[which]
        return result

    def note_large(self, slots: IntArray, available: IntArray) -> None:
        """Keep the figures that a row has no room for, and no others of these slots."""
        for slot, figure in zip(slots.tolist(), available.tolist(), strict=True):
            self.note_large_one(slot, figure)

    def note_large_one(self, slot: int, available: int) -> None:
        """As ``note_large``, of one slot."""
        large = self.large or {}
        if available >= LARGE:
            large[slot] = available
        else:
            large.pop(slot, None)
        self.large = large or None

    def note_odd_prices(self, slots: IntArray, price_codes: IntArray, price_ids: IntArray) -> None:
        """Keep the prices that have no code, and no others of these slots."""
        odd = {} if self.odd_prices is None else self.odd_prices
        for slot, code, price_id in zip(slots.tolist(), price_codes.tolist(), price_ids.tolist(), strict=True):
            if code == ODD_PRICE:
                odd[slot] = price_id
            else:
                odd.pop(slot, None)
        self.odd_prices = odd or None
