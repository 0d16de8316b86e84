"""Areas on the earth as polygons in WGS84 degrees, lon lat: discs, pieces, and the cut at the antimeridian."""

from __future__ import annotations

from math import cos, pi, radians
from typing import Final

import numpy as np
import shapely
from pyproj import Geod
from shapely import clip_by_rect
from shapely.affinity import scale, translate
from shapely.geometry import MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry

from geo.coordinates import LatLon
from geo.geodesy import FloatArray, distances_m

__all__ = ["LARGEST_DISC_M", "disc", "polygons_of", "ring_on_earth", "unwrapped", "widened"]

_WGS84: Final = Geod(ellps="WGS84")
_CORNERS: Final = 128
LARGEST_DISC_M: Final = 5_000_000.0
_TRIES: Final = 40
_NEARER: Final = 1e-9
_DEGREE_M: Final = 111_000.0
_LEAST_NARROWING: Final = 0.01


def polygons_of(*geometries: BaseGeometry) -> MultiPolygon:
    """What the geometries cover together, made valid; lines and points are left out. Empty for none."""
    parts = shapely.get_parts(shapely.union_all(shapely.make_valid(np.array(geometries, dtype=object))))
    return MultiPolygon([part for part in parts if isinstance(part, Polygon) and not part.is_empty])


def disc(centre: LatLon, radius_m: float) -> MultiPolygon:
    """A polygon around the geodesic disc: it has every place within ``radius_m``, and few beyond.

    At most 0.1 % of the radius beyond, up to 60 degrees of latitude; more near the poles, where a straight edge in
    degrees is a bent one on the earth. Cut at the antimeridian (RFC 7946, 3.1.9); right at the poles. Empty
    for a negative radius.

    Raises ValueError if the radius is not a number, or beyond 5,000 km.
    """
    if not radius_m <= LARGEST_DISC_M:
        raise ValueError(f"radius_m is {radius_m}; a disc is of at most {LARGEST_DISC_M:.0f} m")
    if radius_m < 0:
        return MultiPolygon()
    wanted_m = max(radius_m, 1.0)
    around_m = wanted_m / cos(pi / _CORNERS)
    for _ in range(_TRIES):
        lons, lats = _circle(centre, around_m)
        nearest_m = _nearest_edge_m(centre, lats, lons)
        if nearest_m >= wanted_m:
            break
        around_m *= (1 + _NEARER) * wanted_m / nearest_m
    return ring_on_earth(lats, lons, inside=centre)


def _circle(centre: LatLon, radius_m: float) -> tuple[FloatArray, FloatArray]:
    azimuths = np.arange(_CORNERS) * (360.0 / _CORNERS)
    lons, lats, _ = _WGS84.fwd(
        np.full(_CORNERS, centre.lon), np.full(_CORNERS, centre.lat), azimuths, np.full(_CORNERS, radius_m)
    )
    return np.asarray(lons, dtype=np.float64), np.asarray(lats, dtype=np.float64)


def _nearest_edge_m(centre: LatLon, lats: FloatArray, lons: FloatArray) -> float:
    """How near the straight edges (in degrees) come to the centre, by points on them."""
    lons, next_lats = unwrapped(np.append(lons, lons[0])), np.append(lats[1:], lats[0])
    steps = np.array([0.0, 0.25, 0.5, 0.75])
    on_lats = (lats[:, None] + (next_lats - lats)[:, None] * steps).ravel()
    on_lons = (lons[:-1, None] + np.diff(lons)[:, None] * steps).ravel()
    return float(distances_m(centre, on_lats, on_lons).min())


def unwrapped(lons: FloatArray) -> FloatArray:
    """Longitudes of a line without its jumps at the antimeridian; they may then go beyond 180 degrees."""
    return np.unwrap(lons, period=360.0)


def ring_on_earth(lats: FloatArray, lons: FloatArray, *, inside: LatLon) -> MultiPolygon:
    """The polygon of a ring of corners (not closed) around a place: within -180 to 180 degrees, poles filled.

    ``inside`` says which side of the ring is meant where it goes around a pole.
    """
    around = unwrapped(np.append(lons, lons[0]))
    if abs(around[-1] - around[0]) > 180.0:
        return _around_pole(lats, around, north=inside.lat > 0)
    ring = np.column_stack((around, np.append(lats, lats[0])))
    return _within_range(shapely.make_valid(Polygon(ring)))


def _around_pole(lats: FloatArray, around: FloatArray, *, north: bool) -> MultiPolygon:
    pole = 90.0 if north else -90.0
    ring = np.column_stack((around, np.append(lats, lats[0])))
    corners = [*ring.tolist(), [float(around[-1]), pole], [float(around[0]), pole]]
    return _within_range(shapely.make_valid(Polygon(corners)))


def _within_range(area: BaseGeometry) -> MultiPolygon:
    """The area with what lies beyond 180 degrees put where it is."""
    west, _, east, _ = area.bounds
    if west >= -180.0 and east <= 180.0:
        return polygons_of(area)
    pieces = []
    for turns in range(-2, 3):
        piece = shapely.intersection(area, box(360.0 * turns - 180.0, -90.0, 360.0 * turns + 180.0, 90.0))
        if not piece.is_empty:
            pieces.append(translate(piece, xoff=-360.0 * turns))
    return polygons_of(*pieces)


def widened(area: MultiPolygon, around_m: float, near: LatLon) -> BaseGeometry:
    """The area and what lies within some metres around it, for areas near a place: metres are those of its latitude."""
    if not around_m or area.is_empty:
        return area
    narrowing = max(cos(radians(near.lat)), _LEAST_NARROWING)
    # In as few corners as may be: a road's surroundings are not round.
    wide = scale(area, narrowing, 1.0, origin=(0, 0)).buffer(around_m / _DEGREE_M, quad_segs=2)
    return clip_by_rect(scale(wide, 1 / narrowing, 1.0, origin=(0, 0)), -180.0, -90.0, 180.0, 90.0)
