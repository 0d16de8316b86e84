"""The nearest stores that pass, among those that have the rarest line."""

from typing import Final

import numpy as np

from dispatch.domain.market import IntArray
from dispatch.replica import balls as of_balls
from dispatch.replica import freshness, patches, regions, sku_rows
from dispatch.replica.balls import reaches
from dispatch.replica.freshness import FRESH_MAX
from dispatch.replica.patches import PATCH_BITS, near_edges
from dispatch.replica.regions import edges_around
from dispatch.replica.sifting import memory as of_memory
from dispatch.replica.sifting import rows as of_rows
from dispatch.replica.sifting import stores as of_stores
from dispatch.replica.sifting.memory import (
    Memory,
    floats_at,
    int32s_at,
    ints_at,
    lines_of,
    memory_at,
    patches_of,
    places_of,
    told_of,
    xyz_of,
)
from dispatch.replica.sifting.rows import (
    FIGURE_SHIFT,
    NO_BLOCK,
    NOT_HERE,
    filed_after,
    filed_from,
    has,
    has_all,
    likely_row,
    waiting_from,
    waits,
)
from dispatch.replica.sifting.stores import (
    ALL_SEEN,
    CHORD_SLACK_M,
    FAILS,
    NOT_ALL_SEEN,
    ceiling_of,
    square_to,
    tell,
    tested,
)
from dispatch.replica.sku_rows import BLOCK_BITS, LARGE
from geo.compiled import Compiler, array_at, prefetch

compiled = Compiler(__file__, of_balls, freshness, patches, regions, sku_rows, of_memory, of_rows, of_stores)

_GOES_ON: Final = ALL_SEEN
_LACKS: Final = -1
_ANYWHERE: Final = -1.0
# Stretches of slots near the door that so few others part are counted as one: each takes two looks at each line.
_WIDE_GAP: Final = 256
_NARROW_GAP: Final = 128
# Where so many stores for each that is wanted may be expected to have every line, they are looked at by distance, in
# rings of such parts of the reach; else in the order of their slots.
_MANY: Final = 2.0
_RINGS: Final = (12.0, 4.0, 1.0)
# Of so many lines rows are brought nearer before they are asked, from so many before the likeliest on.
_FETCHED_LINES: Final = 2
_FETCHED_BEFORE: Final = 16
_MOST_FETCHED: Final = 512
_A_CACHE_LINE: Final = 64

type State = tuple[int, int, int, float]
"""What has come of it so far: how many stores are told, how many have every line, what there is to say, and the square

of the chord beyond which none is looked for.
"""


@compiled()
def _rows_that_may_do(memory: Memory, number: int, wanted: int, edges: IntArray) -> int:
    """How many rows a sku has in these stretches of slots that may have so many.

    One counts twice while its shelf waits to be filed again.
    """
    place, count, least = places_of(memory)[number], 0, np.uint32(min(wanted, LARGE))
    for i in range(0, len(edges), 2):
        first = filed_from(memory, number, edges[i], 0)
        end = filed_from(memory, number, edges[i + 1], first)
        if wanted > 1:
            values = array_at(place[1], end, np.uint32)
            for row in range(first, end):
                count += values[row] >> np.uint32(FIGURE_SHIFT) >= least
        else:
            count += end - first
        if memory.some_wait:
            for slots, edges_at in ((memory.new_slots, memory.new_edges), (memory.old_slots, memory.old_edges)):
                count += waiting_from(slots, edges_at, number, edges[i + 1])
                count -= waiting_from(slots, edges_at, number, edges[i])
    return count


@compiled()
def _to_expect(memory: Memory, rarest: int, rows: int) -> float:
    """How many of the stores that have so many rows of one line may have every other, as if skus were spread evenly."""
    lines, places, stores, count = lines_of(memory), places_of(memory), memory.tree_points[1] + memory.tail, float(rows)
    for i in range(memory.n_lines):
        if i != rarest:
            count *= min(1.0, places[lines[0, i], 4] / max(1, stores))
    return count


@compiled()
def _rows_in(memory: Memory, number: int, edges: IntArray) -> int:
    """How many filed rows a sku has in these stretches of slots."""
    count = 0
    for i in range(0, len(edges), 2):
        first = filed_from(memory, number, edges[i], 0)
        count += filed_from(memory, number, edges[i + 1], first) - first
    return count


@compiled()
def _rarest(memory: Memory, edges: IntArray) -> tuple[int, int]:
    """Of which line few rows in these stretches of slots may do, and how many those are.

    Lines come in the order of how many may do everywhere. As soon as no more are counted than the next should have
    here, that is the line: to count costs as much as to look at several stores.
    """
    lines, places, rarest, fewest, slots = lines_of(memory), places_of(memory), 0, 1 << 62, 0
    for i in range(0, len(edges), 2):
        slots += edges[i + 1] - edges[i]
        _fetch_stretch(memory, edges[i], edges[i + 1])
    share = slots / max(1, memory.tree_points[1] + memory.tail)
    for i in range(memory.n_lines):
        if fewest <= share * places[lines[0, i], 4] / max(1, lines[1, i]):
            break
        rows = _rows_that_may_do(memory, lines[0, i], lines[1, i], edges)
        if rows < fewest:
            rarest, fewest = i, rows
    return rarest, fewest


@compiled()
def _fetch_stretch(memory: Memory, first_slot: int, end_slot: int) -> None:
    """Have the likeliest rows of a stretch of slots brought nearer, of the lines that a store most likely lacks."""
    lines, places = lines_of(memory), places_of(memory)
    for i in range(min(_FETCHED_LINES, memory.n_lines)):
        place = places[lines[0, i]]
        first, end = likely_row(place, first_slot) - _FETCHED_BEFORE, likely_row(place, end_slot) + _FETCHED_BEFORE
        end = min(end, first + _MOST_FETCHED)
        for row in range(first, end, _A_CACHE_LINE // 2):
            prefetch(place[0] + 2 * row)
        if i == 0:
            for row in range(first, end, _A_CACHE_LINE // 4):
                prefetch(place[1] + 4 * row)


@compiled()
def _taken(memory: Memory, state: State, slot: int, square: float) -> State:
    """Look at a store that has every line."""
    found, have, _, ceiling = state
    if have < memory.having[1]:
        ints_at(memory.having)[have] = slot
    have += 1
    said = tested(memory, slot, square)
    if said == FAILS:
        return found, have, _GOES_ON, ceiling
    if said >= 0:
        return found, have, said, ceiling
    told, squares = told_of(memory), floats_at(memory.squares)
    if found == len(told):
        return found, have, NOT_ALL_SEEN, ceiling
    into = found
    found += 1
    while into > 0 and squares[into - 1] > square:
        told[into].slot, squares[into] = told[into - 1].slot, squares[into - 1]
        into -= 1
    told[into].slot, squares[into] = slot, square
    if found >= memory.wanted:
        ceiling = min((memory.reach_m + CHORD_SLACK_M) ** 2, ceiling_of(squares[memory.wanted - 1]))
        while squares[found - 1] > ceiling:
            found -= 1
    return found, have, _GOES_ON, ceiling


@compiled()
def _stalest_line(memory: Memory, but: int, slot: int, at: IntArray) -> int:
    """The least code of freshness of all lines but one, at a store whose shelf does not wait; −1 if it lacks a line.

    ``at`` is what ``filed_after`` has told of each line of lesser slots, and is brought forward.
    """
    lines, stalest = lines_of(memory), FRESH_MAX
    for i in range(memory.n_lines):
        if i == but:
            continue
        row, is_there = filed_after(memory, lines[0, i], slot, at[i])
        at[i] = row
        if not is_there:
            return _LACKS
        value = int(array_at(places_of(memory)[lines[0, i], 1], row + 1, np.uint32)[row])
        if value >> FIGURE_SHIFT < min(lines[1, i], LARGE):
            return _LACKS
        stalest = min(stalest, value & FRESH_MAX)
    return stalest


@compiled()
def _filed(
    memory: Memory, state: State, rarest: int, first_slot: int, end_slot: int, beyond_m: float, within_m: float,
    at: IntArray,
) -> tuple[State, int]:  # fmt: skip
    """Look at the stores of one block of slots that have filed rows of the rarest line; how many rows there are.

    Of those in patches that may be within a distance, but not within ``beyond_m``. What is asked of a row comes before
    what is asked of its store: the rows of neighbours lie together in memory. ``at`` is that of ``_stalest_line``.
    """
    lines, xyz, block, looked_at = lines_of(memory), xyz_of(memory), first_slot >> BLOCK_BITS, 0
    number, wanted, zero_s, unit_s = lines[0, rarest], lines[1, rarest], ints_at(memory.zero_s), ints_at(memory.unit_s)
    first = filed_from(memory, number, first_slot, 0)
    end = filed_from(memory, number, end_slot, first)
    place, least, some_wait = places_of(memory)[number], min(wanted, LARGE), memory.some_wait
    low, values = array_at(place[0], end, np.uint16), array_at(place[1], end, np.uint32)
    patches, patch, is_near = patches_of(memory), -1, False
    for i in range(memory.n_lines):
        at[i] = NO_BLOCK
    for row in range(first, end):
        slot, value = (block << BLOCK_BITS) | int(low[row]), int(values[row])
        if slot >> PATCH_BITS != patch:
            patch = slot >> PATCH_BITS
            is_near = reaches(patches, patch, memory.x, memory.y, memory.z, min(within_m, np.sqrt(state[3])))
            if is_near and beyond_m >= 0.0:
                is_near = not reaches(patches, patch, memory.x, memory.y, memory.z, beyond_m)
        if not is_near or (some_wait and waits(memory, slot)):
            continue
        looked_at += 1
        if value >> FIGURE_SHIFT < least:
            continue
        # Once as many as wanted are told, hardly anyone is as near. (Not a number, of who is gone, is not less either.)
        if state[0] >= memory.wanted and not square_to(memory, xyz, slot) <= state[3]:
            continue
        stalest = _stalest_line(memory, rarest, slot, at)
        if stalest == _LACKS:
            continue
        square = square_to(memory, xyz, slot)
        if not square <= state[3]:
            continue
        if min(stalest, value & FRESH_MAX) * unit_s[slot] < memory.now_s - zero_s[slot]:
            continue
        state = _taken(memory, state, slot, square)
        if state[2] != _GOES_ON:
            break
    return state, looked_at


@compiled()
def _ring(
    memory: Memory, state: State, rarest: int, around: IntArray, beyond_m: float, within_m: float, at: IntArray
) -> tuple[State, int]:
    """As ``_filed``, of these stretches of slots."""
    looked_at = 0
    for i in range(0, len(around), 2):
        first, end = around[i], around[i + 1]
        while first < end and state[2] == _GOES_ON:
            end_of_block = min(end, ((first >> BLOCK_BITS) + 1) << BLOCK_BITS)
            state, rows = _filed(memory, state, rarest, first, end_of_block, beyond_m, within_m, at)
            looked_at += rows
            first = end_of_block
    return state, looked_at


@compiled()
def _waiting(
    memory: Memory, state: State, rarest: int, slots_at: IntArray, edges_at: IntArray, first_slot: int, end_slot: int,
    is_new: bool,
) -> tuple[State, int]:  # fmt: skip
    """Look at the stores that have rows of the rarest line in shelves that wait, these or those that came later."""
    lines, xyz, slots, looked_at = lines_of(memory), xyz_of(memory), ints_at(slots_at), 0
    number, wanted = lines[0, rarest], lines[1, rarest]
    for row in range(
        waiting_from(slots_at, edges_at, number, first_slot), waiting_from(slots_at, edges_at, number, end_slot)
    ):
        slot = slots[row]
        if not is_new and int32s_at(memory.new)[slot] != NOT_HERE:
            continue
        looked_at += 1
        square = square_to(memory, xyz, slot)
        if not square <= state[3] or not has(memory, number, slot, wanted, memory.now_s):
            continue
        if has_all(memory, slot, rarest):
            state = _taken(memory, state, slot, square)
            if state[2] != _GOES_ON:
                break
    return state, looked_at


@compiled()
def nearest_holding(address: int) -> tuple[int, int, int, int, int]:
    """As ``nearest_passing``, out of the stores of all cells around that have rows of the rarest line.

    Which line of the question that is comes last of what is told, and before it how many of these stores have every
    line, pass or not; they are written to ``having``, as far as there is room.
    """
    memory = memory_at(address)
    reach_m = memory.reach_m + CHORD_SLACK_M
    cells = edges_around(
        array_at(memory.balls[0], (memory.balls[1], 4), np.float32), ints_at(memory.ball_regions),
        ints_at(memory.firsts), array_at(memory.stretches[0], (memory.stretches[1], 3), np.int64),
        memory.regions, memory.widest_m,
        memory.x, memory.y, memory.z, reach_m,
    )  # fmt: skip
    around = _near(memory, cells, _ANYWHERE, reach_m, _WIDE_GAP)
    rarest, rows = _rarest(memory, around)
    state, looked_at = (0, 0, _GOES_ON, reach_m**2), 0
    at, beyond_m = np.zeros(memory.n_lines, dtype=np.int64), _ANYWHERE
    if rows == 0:
        looked_at = _rows_in(memory, lines_of(memory)[0, rarest], around)
    elif _to_expect(memory, rarest, rows) < _MANY * memory.wanted:
        state, looked_at = _ring(memory, state, rarest, around, beyond_m, reach_m, at)
    else:
        for part in _RINGS:
            within_m = min(reach_m / part, np.sqrt(state[3]))
            if state[2] != _GOES_ON or within_m <= beyond_m:
                break
            ring = _near(memory, around, beyond_m, within_m, _NARROW_GAP)
            state, rows = _ring(memory, state, rarest, ring, beyond_m, within_m, at)
            looked_at += rows
            beyond_m = within_m
    for i in range(0, len(around) if memory.some_wait else 0, 2):
        first, end = around[i], around[i + 1]
        if state[2] == _GOES_ON:
            state, rows = _waiting(memory, state, rarest, memory.new_slots, memory.new_edges, first, end, True)
            looked_at += rows
        if state[2] == _GOES_ON:
            state, rows = _waiting(memory, state, rarest, memory.old_slots, memory.old_edges, first, end, False)
            looked_at += rows
    found, have, said, _ = state
    if said == ALL_SEEN:
        tell(memory, found)
    return found, looked_at, said, have, lines_of(memory)[2, rarest]


@compiled()
def _near(memory: Memory, edges: IntArray, beyond_m: float, within_m: float, gap: int) -> IntArray:
    return near_edges(patches_of(memory), edges, memory.x, memory.y, memory.z, beyond_m, within_m, gap)
