"""WGS84, and the two shifted datums of maps in mainland China: GCJ-02 and BD-09.

GCJ-02 shifts places in mainland China by 300 to 700 m; implementations differ by up to 0.7 m. BD-09 adds a shift of
its own to GCJ-02, here wherever it is declared. The mainland is the area of the time zones Asia/Shanghai and
Asia/Urumqi (OpenStreetMap's border, territorial waters included): Taiwan with Kinmen and Matsu, Hong Kong and Macau
are outside.

Formulas: eviltransform and coordtransform; the inverses here iterate until they no longer move.
"""

from __future__ import annotations

from collections.abc import Callable
from math import atan2, cos, fabs, hypot, pi, sin, sqrt
from typing import Final

import tzfpy

from geo.coordinates import Datum, LatLon, NullIslandError

__all__ = ["Datum", "Turn", "from_wgs84", "in_mainland_china", "to_wgs84", "turned"]

type _Shift = Callable[[float, float], tuple[float, float]]
type Turn = Callable[[LatLon, Datum], LatLon]

_MAINLAND_ZONES: Final = frozenset(("Asia/Shanghai", "Asia/Urumqi"))
# Only to spare most of the world the polygons; wider than the border on every side.
_BOX_SOUTH, _BOX_NORTH, _BOX_WEST, _BOX_EAST = 3.0, 54.0, 73.0, 136.0

# Krasovsky 1940, which the published formula uses.
_KRASOVSKY_A_M: Final = 6378245.0
_KRASOVSKY_E2: Final = 0.00669342162296594323
_BD_PI: Final = pi * 3000.0 / 180.0

# Each step of the inverse shrinks the error at least thirtyfold, so 20 are more than doubles can tell apart;
# the limit is for the antimeridian, where the shift of BD-09 jumps and the steps may not settle.
_MAX_STEPS: Final = 20
_SETTLED_DEG: Final = 1e-13
_BESIDE_DEG: Final = 1e-5


def in_mainland_china(place: LatLon) -> bool:
    """Whether GCJ-02 shifts this WGS84 place: it lies in mainland China or its waters, by the exact polygons."""
    return _in_mainland(place.lat, place.lon)


def to_wgs84(place: LatLon, datum: Datum) -> LatLon:
    """The WGS84 place that ``datum`` shows at ``place``; the very same object where nothing is shifted.

    Undoes ``from_wgs84`` to well under a millimetre inside the border. Within 700 m outside the border two places
    may be shown at one: the answer is then the one inside, always. A place shown where no mainland place is shown is
    taken as unshifted. Within 1 km of the poles BD-09 cannot be undone.

    Raises NullIslandError if the answer would be (0, 0).
    """
    if datum == Datum.WGS84:
        return place
    lat, lon = place.lat, place.lon
    if datum == Datum.BD09:
        lat, lon = _undo(_bd09_shift, lat, lon)
    if _near_mainland(lat, lon):
        inside = _undo(_gcj02_shift, lat, lon)
        if _in_mainland(*inside):
            lat, lon = inside
    return _place(lat, lon, place)


def from_wgs84(place: LatLon, datum: Datum) -> LatLon:
    """Where ``datum`` shows the WGS84 ``place``; the very same object where nothing is shifted.

    The answer is always a place: BD-09 wraps at the antimeridian and stops at the poles.

    Raises NullIslandError if the answer would be (0, 0).
    """
    if datum == Datum.WGS84:
        return place
    lat, lon = place.lat, place.lon
    if _in_mainland(lat, lon):
        d_lat, d_lon = _gcj02_shift(lat, lon)
        lat, lon = lat + d_lat, lon + d_lon
    if datum == Datum.BD09:
        d_lat, d_lon = _bd09_shift(lat, lon)
        lat, lon = lat + d_lat, lon + d_lon
    return _place(lat, lon, place)


def _place(lat: float, lon: float, unshifted: LatLon) -> LatLon:
    if lat == unshifted.lat and lon == unshifted.lon:
        return unshifted
    return LatLon(lat=_stop_at_poles(lat), lon=_wrap(lon))


def _wrap(lon: float) -> float:
    if lon > 180.0:
        return lon - 360.0
    return lon + 360.0 if lon < -180.0 else lon


def _stop_at_poles(lat: float) -> float:
    return max(-90.0, min(90.0, lat))


def _near_mainland(lat: float, lon: float) -> bool:
    return _BOX_SOUTH < lat < _BOX_NORTH and _BOX_WEST < lon < _BOX_EAST


def _in_mainland(lat: float, lon: float) -> bool:
    # get_tz names one of several zones that overlap; get_tzs names all, from the exact polygons.
    return _near_mainland(lat, lon) and not _MAINLAND_ZONES.isdisjoint(tzfpy.get_tzs(lon, lat))


def _undo(shift: _Shift, lat: float, lon: float) -> tuple[float, float]:
    """The place that ``shift`` brings to (lat, lon), by fixed-point iteration."""
    from_lat, from_lon = lat, lon
    for _ in range(_MAX_STEPS):
        d_lat, d_lon = shift(from_lat, from_lon)
        next_lat, next_lon = _stop_at_poles(lat - d_lat), _wrap(lon - d_lon)
        settled = fabs(next_lat - from_lat) <= _SETTLED_DEG and fabs(next_lon - from_lon) <= _SETTLED_DEG
        from_lat, from_lon = next_lat, next_lon
        if settled:
            break
    return from_lat, from_lon


def _gcj02_shift(lat: float, lon: float) -> tuple[float, float]:
    """Degrees that GCJ-02 adds to latitude and longitude at a WGS84 place inside the border."""
    x, y = lon - 105.0, lat - 35.0
    root = sqrt(fabs(x))
    ripple = 20.0 * sin(6.0 * x * pi) + 20.0 * sin(2.0 * x * pi)
    north_m = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root
    north_m += (ripple + 20.0 * sin(y * pi) + 40.0 * sin(y / 3.0 * pi)) * 2.0 / 3.0
    north_m += (160.0 * sin(y / 12.0 * pi) + 320.0 * sin(y * pi / 30.0)) * 2.0 / 3.0
    east_m = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root
    east_m += (ripple + 20.0 * sin(x * pi) + 40.0 * sin(x / 3.0 * pi)) * 2.0 / 3.0
    east_m += (150.0 * sin(x / 12.0 * pi) + 300.0 * sin(x / 30.0 * pi)) * 2.0 / 3.0
    phi = lat / 180.0 * pi
    magic = 1 - _KRASOVSKY_E2 * sin(phi) ** 2
    meridian_m = _KRASOVSKY_A_M * (1 - _KRASOVSKY_E2) / (magic * sqrt(magic))
    parallel_m = _KRASOVSKY_A_M / sqrt(magic) * cos(phi)
    return north_m * 180.0 / (meridian_m * pi), east_m * 180.0 / (parallel_m * pi)


def _bd09_shift(lat: float, lon: float) -> tuple[float, float]:
    """Degrees that BD-09 adds to latitude and longitude at a GCJ-02 place."""
    radius = hypot(lon, lat) + 0.00002 * sin(lat * _BD_PI)
    angle = atan2(lat, lon) + 0.000003 * cos(lon * _BD_PI)
    return radius * sin(angle) + 0.006 - lat, radius * cos(angle) + 0.0065 - lon


def turned(lon: float, lat: float, turn: Turn, datum: Datum) -> tuple[float, float]:
    """lon, lat turned by ``to_wgs84`` or ``from_wgs84``, also at (0, 0).

    No store lies there, but the corner of a zone may, and what is shown of a store.
    """
    if datum is Datum.WGS84:
        return lon, lat
    try:
        return turn(LatLon(lat=lat, lon=lon), datum).lon_lat()
    except NullIslandError:
        # What is shifted a metre beside it is shifted as much there.
        beside = turn(LatLon(lat=lat + _BESIDE_DEG, lon=lon), datum)
        return beside.lon, beside.lat - _BESIDE_DEG
