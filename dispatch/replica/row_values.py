"""The values of single rows, compiled: to ask numpy for one row of a sku takes as long as to look up ten of them here.

Nothing is checked: a number must be one of the table's, and its rows must be those that the table tells of.
"""

from typing import Final

import numpy as np

from dispatch.domain.market import IntArray
from dispatch.replica import sku_rows
from dispatch.replica.sku_rows import BLOCK_BITS
from geo.compiled import Compiler, array_at

compiled = Compiler(__file__, sku_rows)

NO_ROW: Final = -1
_LOW_MASK: Final = (1 << BLOCK_BITS) - 1


@compiled()
def values_at(places: IntArray, numbers: IntArray, slots: IntArray) -> IntArray:
    """The value of the row of each (sku number, slot), one for one, NO_ROW where there is none.

    ``places`` is that of RowTable; of rows that are filed alone.
    """
    values = np.empty(len(numbers), dtype=np.int64)
    for i in range(len(numbers)):
        number, slot = numbers[i], slots[i]
        values[i] = NO_ROW
        block, blocks = slot >> BLOCK_BITS, places[number, 3]
        if block >= blocks:
            continue
        starts = array_at(places[number, 2], blocks + 1, np.int64)
        first, end = starts[block], starts[block + 1]
        low, wanted, last = array_at(places[number, 0], end, np.uint16), slot & _LOW_MASK, end
        while first < last:
            middle = (first + last) >> 1
            if low[middle] < wanted:
                first = middle + 1
            else:
                last = middle
        if first < end and low[first] == wanted:
            values[i] = array_at(places[number, 1], end, np.uint32)[first]
    return values
