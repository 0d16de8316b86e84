"""Whether a store has a line: by its shelf row, filed (dispatch/replica/sku_rows.py) or waiting (unfiled.py)."""

from typing import Final

import numpy as np

from dispatch.replica import freshness, sku_rows
from dispatch.replica.freshness import FRESH_MAX
from dispatch.replica.sifting import memory as of_memory
from dispatch.replica.sifting.memory import Memory, int32s_at, ints_at, lines_of, places_of
from dispatch.replica.sku_rows import BLOCK_BITS, LARGE
from geo.compiled import Compiler, array_at, fetch, prefetch

compiled = Compiler(__file__, freshness, sku_rows, of_memory)

LOW_MASK: Final = (1 << BLOCK_BITS) - 1
FIGURE_SHIFT: Final = 22
NOT_HERE: Final = -1
NO_BLOCK: Final = -1
# So many values are compared at once, and so often, before a place is taken to be far away.
_WINDOW: Final = 8
_WINDOWS: Final = 2


@compiled()
def first_from(values: np.ndarray, first: int, end: int, wanted: int) -> int:
    """Where in ``values[first:end]``, ascending, the first is that is not less; ``end`` if there is none."""
    while first < end:
        middle = (first + end) >> 1
        if values[middle] < wanted:
            first = middle + 1
        else:
            end = middle
    return first


@compiled()
def first_near(values: np.ndarray, first: int, end: int, guess: int, wanted: int) -> int:
    """As ``first_from``, sooner the nearer the place is to ``guess``: a memory far away is read a few times less."""
    guess = max(first, min(guess, end - 1))
    step = 16
    if first < end and values[guess] < wanted:
        low = guess + 1
        while guess + step < end and values[guess + step] < wanted:
            low = guess + step + 1
            step <<= 2
        return first_from(values, low, min(guess + step, end), wanted)
    high = guess
    while guess - step >= first and values[guess - step] >= wanted:
        high = guess - step
        step <<= 2
    return first_from(values, max(first, guess - step), high, wanted)


@compiled()
def first_after(values: np.ndarray, first: int, end: int, wanted: int) -> int:
    """As ``first_from`` of low halves of slots, sooner the nearer the place is to ``first``."""
    for _ in range(_WINDOWS):
        if first + _WINDOW > end:
            break
        less = _less_of(values, first, wanted)
        first += less
        if less < _WINDOW:
            return first
    step = 1
    while first < end and values[first] < wanted:
        if first + step >= end or values[first + step] >= wanted:
            return first_from(values, first + 1, min(first + step, end), wanted)
        first, step = first + step + 1, step << 1
    return first


@compiled()
def _less_of(values: np.ndarray, first: int, wanted: int) -> int:
    """How many of a window of values are less.

    All are compared, without a branch: a processor cannot foresee where an ascent crosses a value, and to have guessed
    wrong costs as much as twenty comparisons.
    """
    least, start, less = np.uint16(wanted), np.uint64(first), 0
    for i in range(_WINDOW):
        less += values[start + np.uint64(i)] < least
    return less


@compiled()
def waits(memory: Memory, slot: int) -> bool:
    """Whether the shelf of a store waits to be filed; to be asked only while some do."""
    return bool(int32s_at(memory.new)[slot] != NOT_HERE or int32s_at(memory.old)[slot] != NOT_HERE)


@compiled()
def _has_waiting(memory: Memory, number: int, slot: int, wanted: int, now_s: int) -> bool:
    """As ``has``, of a store whose shelf waits."""
    new = int32s_at(memory.new)
    if new[slot] != NOT_HERE:
        stale_after_s, slots, edges = new[slot], ints_at(memory.new_slots), ints_at(memory.new_edges)
        available, fresh_s = int32s_at(memory.new_available), ints_at(memory.new_fresh_s)
    else:
        stale_after_s, slots, edges = int32s_at(memory.old)[slot], ints_at(memory.old_slots), ints_at(memory.old_edges)
        available, fresh_s = int32s_at(memory.old_available), ints_at(memory.old_fresh_s)
    if number + 1 >= len(edges):
        return False
    end = edges[number + 1]
    row = first_from(slots, edges[number], end, slot)
    if row >= end or slots[row] != slot or available[row] < wanted:
        return False
    return bool(fresh_s[row] >= now_s - stale_after_s)


@compiled()
def is_enough(memory: Memory, value: int, slot: int, wanted: int, now_s: int) -> bool:
    """Whether a filed row says so many, and is not stale; of a figure that has no room in it, that it does."""
    return bool(
        value >> FIGURE_SHIFT >= min(wanted, LARGE)
        and (value & FRESH_MAX) * ints_at(memory.unit_s)[slot] >= now_s - ints_at(memory.zero_s)[slot]
    )


@compiled()
def likely_row(place: np.ndarray, slot: int) -> int:
    """Where the first row may be whose slot is this or a later one, of a sku at that place of a RowTable."""
    if slot >> BLOCK_BITS >= place[3]:
        return int(place[4])
    bits = place[6]
    mark = slot >> bits
    marks = array_at(place[5], mark + 2, np.int64)
    return int(marks[mark] + (((marks[mark + 1] - marks[mark]) * (slot & (1 << bits) - 1)) >> bits))


@compiled()
def filed_at(memory: Memory, number: int, slot: int) -> tuple[int, bool]:
    """Where the filed row of a sku and a slot is, or would be, and whether it is there.

    NO_BLOCK of a slot beyond all blocks of the sku.
    """
    place, block, low_slot = places_of(memory)[number], slot >> BLOCK_BITS, slot & LOW_MASK
    if block >= place[3]:
        return NO_BLOCK, False
    starts = array_at(place[2], block + 2, np.int64)
    first, end = starts[block], starts[block + 1]
    low = array_at(place[0], end, np.uint16)
    row = first_near(low, first, end, likely_row(place, slot), low_slot)
    return row, bool(row < end and low[row] == low_slot)


@compiled()
def filed_after(memory: Memory, number: int, slot: int, before: int) -> tuple[int, bool]:
    """As ``filed_at``; ``before`` is what either has told of a lesser slot of the same block, or NO_BLOCK."""
    if before == NO_BLOCK:
        return filed_at(memory, number, slot)
    place, block, low_slot = places_of(memory)[number], slot >> BLOCK_BITS, slot & LOW_MASK
    end = array_at(place[2], block + 2, np.int64)[block + 1]
    low = array_at(place[0], end, np.uint16)
    row = first_after(low, before, end, low_slot)
    return row, bool(row < end and low[row] == low_slot)


@compiled()
def has(memory: Memory, number: int, slot: int, wanted: int, now_s: int) -> bool:
    """Whether a store has so many, in a row that is not stale; of a figure that has no room in its row, that it has."""
    if memory.some_wait and waits(memory, slot):
        return _has_waiting(memory, number, slot, wanted, now_s)
    row, is_there = filed_at(memory, number, slot)
    if not is_there:
        return False
    value = int(array_at(places_of(memory)[number, 1], row + 1, np.uint32)[row])
    return is_enough(memory, value, slot, wanted, now_s)


@compiled()
def first_lacking(memory: Memory, slot: int) -> int:
    """Which line is the first that a store lacks; as many as there are, where it has all."""
    lines = lines_of(memory)
    for i in range(memory.n_lines):
        if not has(memory, lines[0, i], slot, lines[1, i], memory.now_s):
            return i
    return int(memory.n_lines)


@compiled()
def has_all(memory: Memory, slot: int, but: int) -> bool:
    """Whether a store has every line but one, whose stock is known to suffice."""
    lines = lines_of(memory)
    for i in range(memory.n_lines):
        if i != but and not has(memory, lines[0, i], slot, lines[1, i], memory.now_s):
            return False
    return True


@compiled()
def arrange_lines(memory: Memory) -> None:
    """Bring those lines first that a store most likely lacks: most stores are then done with by the first.

    Those are the ones of which there are few rows for what is wanted. Which line of the question each is goes with it.
    """
    lines, places = lines_of(memory), places_of(memory)
    for i in range(memory.n_lines):
        number, quantity, which, into = lines[0, i], lines[1, i], lines[2, i], i
        while into > 0 and places[lines[0, into - 1], 4] * quantity > places[number, 4] * lines[1, into - 1]:
            for column in range(3):
                lines[column, into] = lines[column, into - 1]
            into -= 1
        lines[0, into], lines[1, into], lines[2, into] = number, quantity, which


@compiled()
def fetch_lines(memory: Memory) -> None:
    """Have it brought nearer where the rows of each line begin, to be asked soon."""
    lines, places = lines_of(memory), places_of(memory)
    for i in range(memory.n_lines):
        fetch(places[lines[0, i], 2], 8 * (places[lines[0, i], 3] + 1))


@compiled()
def fetch_rows(memory: Memory, slot: int) -> None:
    """Have the likeliest rows of a store brought nearer, of all lines at once: one by one takes many times as long."""
    lines, places = lines_of(memory), places_of(memory)
    for i in range(memory.n_lines):
        place = places[lines[0, i]]
        likely = likely_row(place, slot)
        prefetch(place[0] + 2 * likely)
        prefetch(place[1] + 4 * likely)


@compiled()
def filed_from(memory: Memory, number: int, slot: int, guess: int) -> int:
    """Where the first filed row is whose slot is this or a later one; 0 of a sku without rows. A guess of 0 is none."""
    place, block = places_of(memory)[number], slot >> BLOCK_BITS
    if place[3] == 0:
        return 0
    starts = array_at(place[2], place[3] + 1, np.int64)
    if block >= place[3]:
        return int(starts[place[3]])
    first, end, low_slot = starts[block], starts[block + 1], slot & LOW_MASK
    low = array_at(place[0], end, np.uint16)
    return int(first_near(low, first, end, guess if guess else likely_row(place, slot), low_slot))


@compiled()
def waiting_from(slots_at: np.ndarray, edges_at: np.ndarray, number: int, slot: int) -> int:
    """Where the first row that waits is whose slot is this or a later one; 0 of a sku without rows."""
    edges = ints_at(edges_at)
    if number + 1 >= len(edges):
        return 0
    return int(first_from(ints_at(slots_at), edges[number], edges[number + 1], slot))
