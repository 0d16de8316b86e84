"""The nearest stores that pass, nearest first."""

from typing import Final

import numpy as np

from dispatch.domain.market import FloatArray, IntArray
from dispatch.replica.sifting import memory as of_memory
from dispatch.replica.sifting import rows as of_rows
from dispatch.replica.sifting import stores as of_stores
from dispatch.replica.sifting.memory import (
    Memory,
    floats_at,
    ints_at,
    lines_of,
    memory_at,
    places_of,
    told_of,
)
from dispatch.replica.sifting.rows import arrange_lines, fetch_lines, fetch_rows, first_lacking
from dispatch.replica.sifting.stores import (
    ALL_SEEN,
    CHORD_SLACK_M,
    NOT_ALL_SEEN,
    PASSES,
    UNSURE,
    ceiling_of,
    fetch_store,
    tell,
    tested,
)
from dispatch.replica.sku_rows import LARGE
from geo import geodesy, kd_tree
from geo.compiled import Compiler, array_at
from geo.geodesy import earth_centred_at
from geo.kd_tree import nearest_of

compiled = Compiler(__file__, geodesy, kd_tree, of_memory, of_rows, of_stores)
_earth_centred_at = Compiler(geodesy.__file__)()(earth_centred_at)

_FIRST: Final = 4
_GROWTH: Final = 4
# Of more, those that have the rarest line are as good as, and sooner looked at by distance.
_MOST: Final = 64
# Where so many stores should have a line, and none has, there is a reason: one time in a hundred it would be by chance.
_EXPECTED: Final = 4


@compiled()
def nearest_in_tree(memory: Memory, count: int, within_m: float, ids: IntArray, squares: FloatArray) -> int:
    """As ``geo.kd_tree.nearest_of``, of the stores around the door."""
    return nearest_of(
        array_at(memory.tree_points[0], (memory.tree_points[1], 4), np.float64),
        ints_at(memory.tree_axes), floats_at(memory.tree_split),
        array_at(memory.tail_points[0], (memory.tail_points[1], 4), np.float64), memory.tail,
        memory.x, memory.y, memory.z, count, (within_m + CHORD_SLACK_M) ** 2, ids, squares,
    )  # fmt: skip


@compiled()
def _hopeful(memory: Memory, most: int) -> tuple[int, int]:
    """How many stores to look at nearest first at first, and at most: ``most``, or a few where so many will hardly do.

    As if skus were spread independently, and who has one had as many as are wanted. Shelves that wait are not counted.
    """
    lines, places, stores = lines_of(memory), places_of(memory), memory.tree_points[1] + memory.tail
    to_expect = float(memory.wanted)
    for i in range(memory.n_lines):
        to_expect *= max(1.0, stores / max(1, places[lines[0, i], 4]))
    if to_expect > most and not memory.some_wait:
        return min(_FIRST, most), min(_FIRST, most)
    # Where much is wanted, a few stores tell whether somebody has it.
    is_soon = to_expect <= _FIRST or lines[1, 0] > 1
    return min(most, _FIRST if is_soon else _FIRST * _GROWTH), most


@compiled()
def _is_short(memory: Memory, looked_at: int) -> bool:
    """Whether of so many stores some should have had the line that a store most likely lacks, as none of them has.

    It is the quantity then. Whoever has that is found sooner among those that have a row of it.
    """
    stores = memory.tree_points[1] + memory.tail
    return bool(looked_at * places_of(memory)[lines_of(memory)[0, 0], 4] >= _EXPECTED * stores)


@compiled()
def _begin(memory: Memory) -> bool:
    """Make ready what all searches of a question need; False for a quantity that rows have no room for."""
    lines = lines_of(memory)
    for i in range(memory.n_lines):
        if lines[1, i] >= LARGE:
            return False
        lines[2, i] = i
    memory.x, memory.y, memory.z = _earth_centred_at(memory.lat, memory.lon)
    arrange_lines(memory)
    fetch_lines(memory)
    return True


@compiled()
def nearest_passing(address: int) -> tuple[int, int, int, float, int]:
    """Tell of the nearest stores that pass, as many as wanted, and of all that may be as near as the last.

    As near by their chords; see ``tell``. How many there are, how many stores were looked at, ALL_SEEN or what else
    (see there; UNSURE for a quantity that rows have no room for), the chord of the nearest of all others this side of
    the horizon, or inf, and how many of the stores looked at have every line, pass or not: they are written to
    ``having``, in which there is room for all.
    """
    memory = memory_at(address)
    if not _begin(memory):
        return 0, 0, UNSURE, np.inf, 0
    ids, near_squares, squares = ints_at(memory.near_ids), floats_at(memory.near_squares), floats_at(memory.squares)
    told, having, have, wanted = told_of(memory), ints_at(memory.having), 0, memory.wanted
    count, most = _hopeful(memory, min(_MOST, len(ids) - 1))
    found, had_first, tested_until, ceiling = 0, 0, 0, np.inf
    while True:
        near = nearest_in_tree(memory, count, memory.reach_m, ids, near_squares)
        if near > 0 and tested_until == 0:
            fetch_rows(memory, ids[0])
            fetch_store(memory, ids[0])
        for i in range(tested_until, near):
            if near_squares[i] > ceiling:
                tell(memory, found)
                return found, i, ALL_SEEN, np.sqrt(near_squares[i]), have
            if i + 1 < near:
                fetch_rows(memory, ids[i + 1])
                fetch_store(memory, ids[i + 1])
            lacking = first_lacking(memory, ids[i])
            had_first += lacking > 0
            if lacking < memory.n_lines:
                continue
            having[have] = ids[i]
            have += 1
            said = tested(memory, ids[i], near_squares[i])
            if said >= 0:
                return found, i, said, np.inf, have
            if said == PASSES:
                if found == len(told):
                    return found, i, NOT_ALL_SEEN, np.inf, have
                told[found].slot, squares[found] = ids[i], near_squares[i]
                found += 1
                if found == wanted:
                    ceiling = ceiling_of(near_squares[i])
        if near < count:
            tell(memory, found)
            beyond = nearest_in_tree(memory, near + 1, memory.horizon_m, ids, near_squares)
            return found, near, ALL_SEEN, np.sqrt(near_squares[near]) if beyond > near else np.inf, have
        if count == most or (had_first == 0 and _is_short(memory, near)):
            return found, near, NOT_ALL_SEEN, np.inf, have
        # Of those as far as the last one, others may have been left out: they are looked at anew.
        tested_until = near - 1
        while tested_until > 0 and near_squares[tested_until - 1] == near_squares[near - 1]:
            tested_until -= 1
        while found > 0 and squares[found - 1] == near_squares[near - 1]:
            found -= 1
        count = min(most, count * _GROWTH)
