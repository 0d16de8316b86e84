"""Places along a curve that fills the map: those that follow each other on it are near each other."""

from typing import Final

import numpy as np

from geo.geodesy import FloatArray, IntArray

_BITS: Final = 20  # some forty metres
_SIDE: Final = 1 << _BITS


def along_curve(lats: FloatArray, lons: FloatArray) -> IntArray:
    """Of each place, in degrees, a number from 0 to 2^40: where on Hilbert's curve its square is, 1/2913 of a degree.

    Neighbours may be far apart on it, and it ends at 180°; but whoever lies between two on it lies around them.
    """
    # One degree of latitude is as much as one of longitude, so that squares are about square where people live.
    x = np.minimum((lons + 180.0) * (_SIDE / 360.0), _SIDE - 1).astype(np.int64)
    y = ((lats + 90.0) * (_SIDE / 360.0)).astype(np.int64)
    along = np.zeros(len(x), dtype=np.int64)
    for bit in reversed(range(_BITS)):
        right, upper = (x >> bit) & 1, (y >> bit) & 1
        # The four quarters come in the order lower left, upper left, upper right, lower right.
        along = 4 * along + ((3 * right) ^ upper)
        x, y = x & ((1 << bit) - 1), y & ((1 << bit) - 1)
        # In the lower two the curve is turned: x and y change places, on the right mirrored as well.
        turned, mirrored = upper == 0, (upper == 0) & (right == 1)
        x, y = np.where(mirrored, (1 << bit) - 1 - x, x), np.where(mirrored, (1 << bit) - 1 - y, y)
        x, y = np.where(turned, y, x), np.where(turned, x, y)
    return along
