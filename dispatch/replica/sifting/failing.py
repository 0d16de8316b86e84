"""The store that fails last in the order of reasons, and is then the nearest: what is told where none passes."""

from typing import Final

import numpy as np

from dispatch.replica.sifting import memory as of_memory
from dispatch.replica.sifting import near as of_near
from dispatch.replica.sifting import stores as of_stores
from dispatch.replica.sifting.memory import Memory, floats_at, ints_at, memory_at, told_of, xyz_of
from dispatch.replica.sifting.near import nearest_in_tree
from dispatch.replica.sifting.stores import (
    CHORD_SLACK_M,
    INSUFFICIENT_STOCK,
    PROMISE_MISSED,
    UNSURE,
    ceiling_of,
    reason_of,
    square_to,
    tell,
)
from geo.compiled import Compiler

compiled = Compiler(__file__, of_memory, of_near, of_stores)

_FIRST: Final = 8
_NO_ONE: Final = -1


@compiled()
def latest_failing(address: int, have: int) -> tuple[int, int]:
    """Tell of the store within reach that fails last in the order of reasons, and is then the nearest; none passes.

    The first ``have`` of ``having`` are all stores within reach that have every line; of the others, the nearest are
    looked at. With no store within reach it is the nearest of all, which misses the promise. Its reason, and until
    when it stays open or closed by its hours; or 0, and UNSURE, also if there is no such store, or as ``reason_of``
    what must be known first.
    """
    memory = memory_at(address)
    xyz, having, told = xyz_of(memory), ints_at(memory.having), told_of(memory)
    near_ids, near_squares = ints_at(memory.near_ids), floats_at(memory.near_squares)
    most = len(near_ids) - 1
    sure, unclear = (memory.reach_m - CHORD_SLACK_M) ** 2, (memory.reach_m + CHORD_SLACK_M) ** 2
    best, best_reason, best_square, best_until_s = _NO_ONE, 0, np.inf, 0
    # First those that have the stock; then the nearest few, and if that does not do many.
    for source in range(3):
        asked = min(_FIRST, most) if source == 1 else most
        if source == 0:
            count = have
        elif best_reason > INSUFFICIENT_STOCK:
            break
        else:
            count = nearest_in_tree(memory, asked, memory.reach_m, near_ids, near_squares)
        is_proven = source > 0 and count < asked
        for i in range(count):
            slot = having[i] if source == 0 else near_ids[i]
            square = square_to(memory, xyz, slot)
            if source > 0 and best_reason == INSUFFICIENT_STOCK and square > ceiling_of(best_square):
                is_proven = True
                break
            if slot == best or square > unclear:
                continue
            if ceiling_of(square) > sure:
                return 0, UNSURE
            reason, until_s, said = reason_of(memory, slot, square)
            if said != 0:
                return 0, said
            if reason < best_reason or (reason == best_reason and square > ceiling_of(best_square)):
                continue
            if reason == best_reason and best_square <= ceiling_of(square):
                return 0, UNSURE
            best, best_reason, best_square, best_until_s = slot, reason, square, until_s
        if is_proven:
            break
        if source == 2:
            return 0, UNSURE
    if best == _NO_ONE:
        return _beyond_reach(memory)
    told[0].slot = best
    tell(memory, 1)
    return best_reason, best_until_s


@compiled()
def _beyond_reach(memory: Memory) -> tuple[int, int]:
    """Tell of the nearest store this side of the horizon, where all lie beyond reach."""
    near_ids, near_squares = ints_at(memory.near_ids), floats_at(memory.near_squares)
    count = nearest_in_tree(memory, 2, memory.horizon_m, near_ids, near_squares)
    if count == 0 or ceiling_of(near_squares[0]) > (memory.horizon_m - CHORD_SLACK_M) ** 2:
        return 0, UNSURE
    if count == 2 and near_squares[1] <= ceiling_of(near_squares[0]):
        return 0, UNSURE
    told_of(memory)[0].slot = near_ids[0]
    tell(memory, 1)
    return PROMISE_MISSED, 0
