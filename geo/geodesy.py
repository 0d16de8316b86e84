"""Distances on the WGS84 ellipsoid, and earth-centred coordinates whose straight chords bound them from below."""

from __future__ import annotations

from math import asin, atan2, cos, degrees, hypot, inf, radians, sin, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pyproj import Geod

from geo.coordinates import LatLon

type FloatArray = NDArray[np.float64]
type IntArray = NDArray[np.int64]

CHORD_SLACK_M: Final = 1e-7
"""What a bound made from chords gives away for rounding; chords in doubles were seen up to 5 nm above the geodesic."""

_WGS84: Final = Geod(ellps="WGS84")
_inverse: Final = _WGS84.inv
_A_M: Final = 6378137.0
_F: Final = 1 / 298.257223563
_B_M: Final = _A_M * (1 - _F)
_E2: Final = _F * (2 - _F)


def distance_m(a: LatLon, b: LatLon) -> float:
    """Geodesic distance in metres; right for antipodal places too.

    Source: Karney, Algorithms for geodesics, J. Geodesy 87 (2013) 43-55, as PROJ has it.
    """
    return float(_WGS84.inv(a.lon, a.lat, b.lon, b.lat)[2])


def distance_to_m(origin: LatLon, *, lat: float, lon: float) -> float:
    """As ``distance_m``, to a place (degrees) that is no LatLon yet; to make one takes longer than to measure."""
    metres: float = _inverse(origin.lon, origin.lat, lon, lat)[2]
    return metres


def distances_m(origin: LatLon, lats: FloatArray, lons: FloatArray) -> FloatArray:
    """Geodesic metres from the origin to each place (degrees), one for one, to the bit as ``distance_m`` gives them."""
    count = len(lats)
    # The azimuths cannot be turned off; not asking for back azimuths saves a pass.
    _, _, metres = _WGS84.inv(
        np.full(count, origin.lon), np.full(count, origin.lat), lons, lats, return_back_azimuth=False
    )
    return np.asarray(metres, dtype=np.float64)


def distances_between_m(lats: FloatArray, lons: FloatArray, to_lats: FloatArray, to_lons: FloatArray) -> FloatArray:
    """Geodesic metres from each place to its counterpart (degrees), one for one."""
    _, _, metres = _WGS84.inv(lons, lats, to_lons, to_lats, return_back_azimuth=False)
    return np.asarray(metres, dtype=np.float64)


def earth_centred(lats: FloatArray, lons: FloatArray) -> FloatArray:
    """Earth-centred, earth-fixed x, y, z in metres at height 0; shape (n, 3)."""
    phi, lam = np.radians(lats), np.radians(lons)
    sin_phi, cos_phi = np.sin(phi), np.cos(phi)
    normal_m = _A_M / np.sqrt(1 - _E2 * sin_phi * sin_phi)
    across_m = normal_m * cos_phi
    return np.column_stack((across_m * np.cos(lam), across_m * np.sin(lam), normal_m * (1 - _E2) * sin_phi))


def earth_centred_place(place: LatLon) -> tuple[float, float, float]:
    """Like ``earth_centred`` for one place, without the cost of arrays; may differ from it in the last bit."""
    return earth_centred_at(place.lat, place.lon)


def earth_centred_at(lat: float, lon: float) -> tuple[float, float, float]:
    """As ``earth_centred_place``, of degrees; also for compiled code to take in."""
    phi, lam = radians(lat), radians(lon)
    sin_phi = sin(phi)
    normal_m = _A_M / sqrt(1 - _E2 * sin_phi * sin_phi)
    across_m = normal_m * cos(phi)
    return (across_m * cos(lam), across_m * sin(lam), normal_m * (1 - _E2) * sin_phi)


def place_towards(x: float, y: float, z: float) -> LatLon:
    """The place on the ellipsoid in this direction from the earth's centre.

    Of the sum of places it is their middle, at the poles and the antimeridian, too. Raises ValueError for no direction
    at all, which is not finite or, as near as doubles tell, the centre itself.
    """
    across_m = hypot(x, y)
    if not 1.0 < hypot(across_m, z) < inf:
        raise ValueError(f"({x}, {y}, {z}) is no direction from the earth's centre")
    return LatLon(lat=degrees(atan2(z, across_m * (1 - _E2))), lon=degrees(atan2(y, x)))


def geodesic_floor_m(chord_m: float) -> float:
    """A length that no geodesic over a chord of at least ``chord_m`` falls below; rounding is already given away.

    The chord itself, or beyond about 1,800 km the longer arc that follows from squeezing the ellipsoid into the
    unit sphere: that shortens no arc by more than the factor b, and no chord by more than a. Negative for a
    chord of nearly 0.
    """
    arc_m = 2 * _B_M * asin(min(1.0, chord_m / (2 * _A_M)))
    return max(chord_m, arc_m) - CHORD_SLACK_M
