"""H3 cells as ints that fit 64 signed bits: which holds a place, which may cover a circle, rings, text."""

from __future__ import annotations

from functools import lru_cache
from math import inf, isnan, sqrt
from typing import Final, NamedTuple

import numpy as np
from h3.api import basic_int as h3

from geo.coordinates import LatLon
from geo.geodesy import CHORD_SLACK_M, FloatArray, IntArray, distance_m, earth_centred_place

HOME_RESOLUTION: Final = 3
"""The resolution of the cell that everything about a place carries; such a cell is about as large as a metropolis."""

AT_M: Final = 1.0
"""What lies within it of a place is taken to be at the place."""

FINEST_RESOLUTION: Final = 15

# Where a cell's number holds its resolution, and three bits for each step from its base cell down; all ones where it
# takes no such step. Source: https://h3geo.org/docs/core-library/h3Indexing/
_RESOLUTION_AT: Final = 52
_RESOLUTION_MASK: Final = 0xF << _RESOLUTION_AT
_STEP_BITS: Final = 3

# A home cell is less than 100 km across its circle's radius; over so long a chord the geodesic is longer by c³ / 24 r².
_ARC_OVER_CHORD_M: Final = 2.0

# A cell's edges are arcs of great circles on the sphere of its latitudes, so no point of it is farther from its centre
# than the farthest corner. Measured on the ellipsoid, north and east differ in scale by 0.7 %.
_ROUNDNESS: Final = 1.01


def cell_of(place: LatLon, resolution: int = HOME_RESOLUTION) -> int:
    """The cell that holds the place."""
    return int(h3.latlng_to_cell(place.lat, place.lon, resolution))


def cells_of(lats: FloatArray, lons: FloatArray, resolution: int) -> IntArray:
    """The cell of each place (degrees), one for one; some half a microsecond each, for they are found one by one."""
    found = [h3.latlng_to_cell(lat, lon, resolution) for lat, lon in zip(lats.tolist(), lons.tolist(), strict=True)]
    return np.array(found, dtype=np.int64)


def parents_of(cells: IntArray, resolution: int) -> IntArray:
    """The cell of this resolution, no finer than theirs, that each cell is part of; pentagons as well.

    By H3's own hierarchy: a place near the edge of a cell may lie in another one than that cell's parent.
    """
    unused = (1 << _STEP_BITS * (FINEST_RESOLUTION - resolution)) - 1
    return (cells & ~_RESOLUTION_MASK) | (resolution << _RESOLUTION_AT) | unused


def cells_within(origin: LatLon, radius_m: float, resolution: int = HOME_RESOLUTION) -> list[int]:
    """Every cell that holds a place within ``radius_m`` geodesic metres of the origin, and perhaps some just beyond.

    Ascending; never empty. Right at the poles, the antimeridian and the twelve pentagons: a cell is left out only
    when its whole circumscribed circle is too far, and since the cells that touch a circle hang together, they are
    found from neighbour to neighbour.

    Raises ValueError if the radius is negative or not a number.
    """
    if isnan(radius_m) or radius_m < 0.0:
        raise ValueError(f"radius_m is {radius_m}; a radius is 0 or more metres")
    start = cell_of(origin, resolution)
    looked_at, found, frontier = {start}, [start], [start]
    while frontier:
        beside = {cell for near in frontier for cell in h3.grid_disk(near, 1)} - looked_at
        looked_at |= beside
        frontier = []
        for cell in beside:
            centre, circumradius_m = circle_around(cell)
            if distance_m(origin, centre) <= radius_m + circumradius_m:
                frontier.append(cell)
        found += frontier
    return sorted(found)


def home_cells_at(place: LatLon) -> list[int]:
    """``cells_within`` at the home resolution for the radius of AT_M, in a tenth of its time and without a memory.

    With so small a radius only the place's own cell and those beside it can be near enough, and but for a few
    decimetres the straight chord tells whether they are.
    """
    x, y, z = earth_centred_place(place)
    home = cell_of(place)
    beside = _beside(home)
    at_x, at_y, at_z = beside.centre
    dx, dy, dz = x - at_x, y - at_y, z - at_z
    if dx * dx + dy * dy + dz * dz < beside.alone:
        return [home]
    found = []
    for cell, at_x, at_y, at_z, square, within_m, centre in beside.cells:
        # As products: to raise to a power takes twice as long, and there are seven of them.
        dx, dy, dz = x - at_x, y - at_y, z - at_z
        away = dx * dx + dy * dy + dz * dz
        if away <= square and (sqrt(away) <= within_m - _ARC_OVER_CHORD_M or distance_m(place, centre) <= within_m):
            found.append(cell)
    return found


class _Beside(NamedTuple):
    """A home cell's centre, earth-centred, and the square of a chord from there within which no other cell is near.

    And the cell with those beside it, ascending: each with its centre, earth-centred, and how far from there is near,
    that as a square, too, and the centre as a place.
    """

    centre: tuple[float, float, float]
    alone: float
    cells: list[tuple[int, float, float, float, float, float, LatLon]]


# Half a KB each.
@lru_cache(maxsize=1 << 12)
def _beside(home: int) -> _Beside:
    around = []
    middle, _ = circle_around(home)
    alone_m = inf
    for cell in sorted(h3.grid_disk(home, 1)):
        centre, circumradius_m = circle_around(cell)
        within_m = AT_M + circumradius_m
        # A chord may seem longer than the geodesic by some nanometres.
        around.append((cell, *earth_centred_place(centre), (within_m + CHORD_SLACK_M) ** 2, within_m, centre))
        if cell != home:
            alone_m = min(alone_m, distance_m(middle, centre) - within_m)
    alone_m = max(0.0, alone_m - _ARC_OVER_CHORD_M)
    return _Beside(earth_centred_place(middle), alone_m**2, around)


def ring(cell: int, k: int) -> list[int]:
    """The cells at exactly ``k`` steps from the cell, ascending; fewer than 6k around a pentagon."""
    return sorted(h3.grid_ring(cell, k))


def cell_to_text(cell: int) -> str:
    """The usual hexadecimal spelling, fifteen or sixteen lower-case digits."""
    return str(h3.int_to_str(cell))


def cell_from_text(text: str) -> int:
    """The cell of a hexadecimal spelling. Raises ValueError if it spells none."""
    try:
        cell = int(text, 16)
        if 0 < cell < 1 << 63 and h3.is_valid_cell(cell):
            return cell
    except ValueError:
        pass
    raise ValueError(f"{text!r} is no H3 cell; give its 15 hexadecimal digits")


def _circle_measured(cell: int) -> tuple[LatLon, float]:
    """The centre of the cell, and a distance in metres that no place in it exceeds."""
    lat, lon = h3.cell_to_latlng(cell)
    centre = LatLon(lat=lat, lon=lon)
    corners = (LatLon(lat=lat, lon=lon) for lat, lon in h3.cell_to_boundary(cell))
    return centre, _ROUNDNESS * max(distance_m(centre, corner) for corner in corners)


@lru_cache(maxsize=1 << 16)  # room for all 41,162 cells of the home resolution
def circle_around(cell: int) -> tuple[LatLon, float]:
    """The centre of a cell, and a distance in metres that no place in it exceeds: mostly remembered."""
    return _circle_measured(cell)
