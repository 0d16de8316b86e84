"""H3 cells as ints that fit 64 signed bits: which holds a place, which may cover a circle, rings, text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import isnan
from typing import Final

from h3.api import basic_int as h3

from geo.coordinates import LatLon
from geo.geodesy import distance_m

HOME_RESOLUTION: Final = 3
"""The resolution of the cell that everything about a place carries; such a cell is about as large as a metropolis."""

# Cells 2 km wide: so few that those of a country's towns are all remembered, and so small that 1 in 10 lies across the
# edge of a circle round a home cell.
_FINE_RESOLUTION: Final = 7

# A cell's edges are arcs of great circles on the sphere of its latitudes, so no point of it is farther from its centre
# than the farthest corner. Measured on the ellipsoid, north and east differ in scale by 0.7 %.
_ROUNDNESS: Final = 1.01


def cell_of(place: LatLon, resolution: int = HOME_RESOLUTION) -> int:
    """The cell that holds the place."""
    return int(h3.latlng_to_cell(place.lat, place.lon, resolution))


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


def home_cells_within(origin: LatLon, radius_m: float) -> Sequence[int]:
    """``cells_within`` at the home resolution, for radii that are asked again and again: mostly remembered.

    The same cells, for they are remembered only where all places of a fine cell have the same ones.
    """
    known = _home_cells_throughout(cell_of(origin, _FINE_RESOLUTION), radius_m)
    return cells_within(origin, radius_m) if known is None else known


# Half a KB each.
@lru_cache(maxsize=1 << 14)
def _home_cells_throughout(fine: int, radius_m: float) -> tuple[int, ...] | None:
    """The home cells within ``radius_m`` of a place in a fine cell; None if they depend on the place."""
    centre, spread_m = _circle_measured(fine)
    # By the triangle inequality: what no place of the fine cell is near is not found, and each place finds the others.
    found = cells_within(centre, radius_m + spread_m)
    for cell in found:
        of_cell, circumradius_m = circle_around(cell)
        if distance_m(centre, of_cell) + spread_m > radius_m + circumradius_m:
            return None
    return tuple(found)


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
