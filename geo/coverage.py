"""H3 cells over a box of longitudes and latitudes, and cells as polygons."""

from __future__ import annotations

from dataclasses import dataclass
from math import radians, sin
from typing import Final

import numpy as np
import shapely
from h3.api import basic_int as h3
from shapely.geometry import MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry

from geo.coordinates import LatLon
from geo.geodesy import FloatArray
from geo.polygons import ring_on_earth

__all__ = ["Box", "TooManyCells", "cell_centre", "cell_polygon", "cells_over"]

_EARTH_KM2: Final = 510_065_622.0
# The largest cell of a resolution by the average one; 1.17 to 1.21 were measured.
_LARGEST_CELL: Final = 1.25
_POLES: Final = ((90.0, 0.0), (-90.0, 0.0))
# Edges of cells are arcs of great circles: so fine that a straight piece of one in degrees is off by metres at most.
_PIECES_BY_RESOLUTION: Final = {0: 32, 1: 32, 2: 16, 3: 8, 4: 4, 5: 2}


class TooManyCells(Exception):
    """More cells overlap the box than may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """From west to east and south to north, in degrees, borders included; over the antimeridian where west > east.

    Raises ValueError for what is no box: out of range, not a number, south of its south, or without an area.
    """

    west: float
    south: float
    east: float
    north: float

    def __post_init__(self) -> None:
        if not all(-180.0 <= lon <= 180.0 for lon in (self.west, self.east)):
            raise ValueError("a longitude is not within 180 degrees of 0; give west,south,east,north in degrees")
        if not all(-90.0 <= lat <= 90.0 for lat in (self.south, self.north)):
            raise ValueError("a latitude is not within 90 degrees of 0; give west,south,east,north in degrees")
        if not self.south < self.north:
            raise ValueError(f"south is {self.south} and north {self.north}; south comes first, and is the smaller one")
        if self.west == self.east:
            raise ValueError(f"west and east are both {self.west}; a box has a width")

    @property
    def parts(self) -> tuple[BaseGeometry, ...]:
        """One polygon, or one each side of the antimeridian."""
        if self.west < self.east:
            return (box(self.west, self.south, self.east, self.north),)
        sides = ((self.west, 180.0), (-180.0, self.east))
        return tuple(box(west, self.south, east, self.north) for west, east in sides if west < east)

    @property
    def area_km2(self) -> float:
        """On the sphere, which is near enough to count cells by."""
        width = (self.east - self.west) % 360.0 or 360.0
        return _EARTH_KM2 * (sin(radians(self.north)) - sin(radians(self.south))) / 2 * width / 360.0


def cells_over(area: Box, resolution: int, *, at_most: int) -> list[int]:
    """The cells that overlap the box, ascending: at least one, and every place in the box lies in one of them.

    Found from neighbour to neighbour, so that poles, the antimeridian and pentagons need no special case: cells that
    overlap a box hang together. Raises TooManyCells if there are more than ``at_most``.
    """
    if area.area_km2 / (_LARGEST_CELL * h3.average_hexagon_area(resolution, unit="km^2")) > at_most:
        raise TooManyCells
    parts = np.array(area.parts, dtype=object)
    shapely.prepare(parts)
    start = h3.latlng_to_cell((area.south + area.north) / 2, _middle_lon(area), resolution)
    seen, found, frontier = {start}, [start], [start]
    while frontier:
        beside = sorted({cell for near in frontier for cell in h3.grid_disk(near, 1)} - seen)
        seen.update(beside)
        shapes = np.array([cell_polygon(cell) for cell in beside], dtype=object)
        over = np.zeros(len(beside), dtype=np.bool_)
        for part in parts:
            over |= shapely.intersects(part, shapes)
        frontier = [cell for cell, is_over in zip(beside, over.tolist(), strict=True) if is_over]
        found += frontier
        if len(found) > at_most:
            raise TooManyCells
    return sorted(found)


def cell_polygon(cell: int) -> BaseGeometry:
    """The cell in WGS84 degrees, lon lat: a polygon, or several where the antimeridian cuts it. Poles are filled."""
    corners = np.array(h3.cell_to_boundary(cell))
    lats, lons = corners[:, 0], corners[:, 1]
    pieces = _PIECES_BY_RESOLUTION.get(h3.get_resolution(cell), 1)
    plain = float(lons.max() - lons.min()) < 180.0 and not _holds_pole(cell)
    if plain and pieces == 1:
        return Polygon(np.column_stack((lons, lats)))
    if pieces > 1:
        lats, lons = _along_arcs(lats, lons, pieces)
    found = ring_on_earth(lats, lons, inside=cell_centre(cell))
    return found.geoms[0] if len(found.geoms) == 1 else MultiPolygon(found)


def cell_centre(cell: int) -> LatLon:
    """The centre of the cell."""
    lat, lon = h3.cell_to_latlng(cell)
    return LatLon(lat=lat, lon=lon)


def _holds_pole(cell: int) -> bool:
    resolution = h3.get_resolution(cell)
    return any(h3.latlng_to_cell(lat, lon, resolution) == cell for lat, lon in _POLES)


def _middle_lon(area: Box) -> float:
    middle = area.west + ((area.east - area.west) % 360.0 or 360.0) / 2
    return middle - 360.0 if middle > 180.0 else middle


def _along_arcs(lats: FloatArray, lons: FloatArray, pieces: int) -> tuple[FloatArray, FloatArray]:
    """The ring with points on the great circles between its corners."""
    phi, lam = np.radians(lats), np.radians(lons)
    xyz = np.column_stack((np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)))
    steps = np.arange(pieces) / pieces
    points = (xyz[:, None] * (1 - steps)[:, None] + np.roll(xyz, -1, axis=0)[:, None] * steps[:, None]).reshape(-1, 3)
    on_lats = np.degrees(np.arctan2(points[:, 2], np.hypot(points[:, 0], points[:, 1])))
    return on_lats, np.degrees(np.arctan2(points[:, 1], points[:, 0]))
