"""The values of single rows, compiled: to ask numpy for one row of a sku takes as long as to look up ten of them here.

Nothing is checked: a number must be one of the table's, and its rows must be those that the table tells of.
"""

from typing import Final

import numpy as np

from dispatch.domain.market import IntArray
from dispatch.replica import sku_rows
from dispatch.replica.sifting import rows
from dispatch.replica.sifting.rows import LOW_MASK, first_from
from dispatch.replica.sku_rows import BLOCK_BITS
from geo.compiled import Compiler, array_at

compiled = Compiler(__file__, rows, sku_rows)

NO_ROW: Final = -1


@compiled()
def _row_at(places: IntArray, number: int, slot: int) -> int:
    """Where among the rows of a sku number that of a slot is, NO_ROW where there is none."""
    block, blocks = slot >> BLOCK_BITS, places[number, 3]
    if block >= blocks:
        return NO_ROW
    starts = array_at(places[number, 2], blocks + 1, np.int64)
    end, low_slot = starts[block + 1], slot & LOW_MASK
    low = array_at(places[number, 0], end, np.uint16)
    row = first_from(low, starts[block], end, low_slot)
    if row >= end or low[row] != low_slot:
        return NO_ROW
    return row


@compiled()
def value_at(places: IntArray, number: int, slot: int) -> int:
    """The value of the row of a sku number and a slot, NO_ROW where there is none.

    ``places`` is that of RowTable; of rows that are filed alone.
    """
    row = _row_at(places, number, slot)
    return NO_ROW if row == NO_ROW else int(array_at(places[number, 1], row + 1, np.uint32)[row])


@compiled()
def set_value_at(places: IntArray, number: int, slot: int, value: int) -> bool:
    """Give the row that ``value_at`` tells of another value; False, and nothing is done, where there is none."""
    row = _row_at(places, number, slot)
    if row == NO_ROW:
        return False
    array_at(places[number, 1], row + 1, np.uint32)[row] = value
    return True


@compiled()
def values_at(places: IntArray, numbers: IntArray, slots: IntArray) -> IntArray:
    """As ``value_at``, of each (sku number, slot), one for one."""
    values = np.empty(len(numbers), dtype=np.int64)
    for i in range(len(numbers)):
        values[i] = value_at(places, numbers[i], slots[i])
    return values
