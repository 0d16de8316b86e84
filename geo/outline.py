"""Where many places are as a whole: the narrowest box around them, and the midst of the densest part."""

from __future__ import annotations

from typing import Final

import numpy as np

from geo.coordinates import LatLon
from geo.geodesy import FloatArray, IntArray, earth_centred, place_towards

__all__ = ["bounds_of", "densest_place"]

# Squares of some 6 km, as much as a district: larger ones would put the midst of a city between two, smaller ones
# in a single shopping centre.
_SQUARE_DEG: Final = 0.05
_AROUND_M: Final = 3_000.0
_AROUND_DEG: Final = 0.03  # no less than that anywhere
_ROUND_DEG: Final = 360.0
# More than there are squares around the equator.
_MOST_IN_A_BAND: Final = 1 << 13


def bounds_of(lats: FloatArray, lons: FloatArray) -> tuple[float, float, float, float] | None:
    """West, south, east, north of the narrowest box that holds all places (degrees); None without any.

    It goes over the antimeridian (west > east) only where that makes it narrower. The box of one place has no area.
    """
    if not len(lats):
        return None
    around = np.unique(lons)
    gaps = np.diff(around)
    west, east = around[0], around[-1]
    # What is not between two neighbours is across the antimeridian.
    if len(gaps) and gaps.max() > _ROUND_DEG - (east - west):
        widest = int(gaps.argmax())
        west, east = around[widest + 1], around[widest]
    return float(west), float(lats.min()), float(east), float(lats.max())


def densest_place(lats: FloatArray, lons: FloatArray) -> LatLon | None:
    """The mean of the places around the square that holds the most; None without any.

    Squares are 0.05 degrees high and about as wide; of several with as many the southernmost counts, of these the
    westernmost. Around it is within 3 km of the mean of its own: a border through the densest part does no harm.
    """
    if not len(lats):
        return None
    _, inverse, counts = np.unique(_squares(lats, lons), return_inverse=True, return_counts=True)
    of_square = earth_centred(*(axis[inverse == counts.argmax()] for axis in (lats, lons)))
    middle = of_square.mean(axis=0)
    level = np.abs(lats - place_towards(*middle.tolist()).lat) < _AROUND_DEG
    xyz = earth_centred(lats[level], lons[level])
    near = xyz[((xyz - middle) ** 2).sum(axis=1) < _AROUND_M**2]
    return place_towards(*(near if len(near) else of_square).sum(axis=0).tolist())


def _squares(lats: FloatArray, lons: FloatArray) -> IntArray:
    """A number for each place, the same for those in one square; ascending from south to north, then to the east."""
    bands = np.floor((lats + 90.0) / _SQUARE_DEG)
    shrunk = np.cos(np.radians((bands + 0.5) * _SQUARE_DEG - 90.0))
    columns = np.floor((lons + 180.0) * np.maximum(shrunk, 0.0) / _SQUARE_DEG)
    return (bands * _MOST_IN_A_BAND + columns).astype(np.int64)
