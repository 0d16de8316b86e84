"""Places as they come and go: validated, and turned from and into the datum of the question."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from dispatch.domain.errors import InvalidInput
from geo.coordinates import CoordinateError, LatLon, NullIslandError
from geo.coverage import Box
from geo.datums import Datum, from_wgs84, to_wgs84
from geo.zones import ZoneError

type _Turn = Callable[[LatLon, Datum], LatLon]

_BESIDE_DEG: Final = 1e-5


def place_of(*, lat: float, lon: float, datum: Datum, pointer: str) -> LatLon:
    """A place sent, in WGS84. Raises InvalidInput with ``pointer`` and the name of what is wrong with it."""
    try:
        return to_wgs84(LatLon(lat=lat, lon=lon), datum)
    except CoordinateError as error:
        raise InvalidInput([(pointer, str(error))], code=error.code) from error


def told(place: LatLon, datum: Datum) -> dict[str, float]:
    """``lat`` and ``lon`` of a stored place, in the datum of the question."""
    lon, lat = _turned(place.lon, place.lat, from_wgs84, datum)
    return {"lat": lat, "lon": lon}


def lon_lat(place: LatLon, datum: Datum) -> list[float]:
    """The coordinates of a GeoJSON point."""
    shown = told(place, datum)
    return [shown["lon"], shown["lat"]]


def zone_to_wgs84(zone: BaseGeometry, datum: Datum) -> BaseGeometry:
    """A zone sent in ``datum``, corner by corner. Raises ZoneError if the turned zone is none any more."""
    if datum is Datum.WGS84:
        return zone
    turned = turned_zone(zone, to_wgs84, datum)
    if not turned.is_valid:
        raise ZoneError(f"the zone crosses or touches itself once it is turned from {datum.value} to wgs84")
    return turned


def box_to_wgs84(area: Box, datum: Datum) -> Box:
    """The box between the turned corners; a shifted box is none, but by metres, and what overlaps it is told whole."""
    if datum is Datum.WGS84:
        return area
    west, south = _turned(area.west, area.south, to_wgs84, datum)
    east, north = _turned(area.east, area.north, to_wgs84, datum)
    try:
        return Box(west=west, south=south, east=east, north=north)
    except ValueError as error:
        raise InvalidInput([("/query/bbox", f"{error}, once it is turned from {datum.value} to wgs84")]) from error


def zone_told(zone: BaseGeometry, datum: Datum) -> dict[str, Any]:
    """A stored zone as a GeoJSON geometry in the datum of the question."""
    if datum is not Datum.WGS84:
        zone = turned_zone(zone, from_wgs84, datum)
    return dict(shapely.geometry.mapping(zone))


def turned_zone(zone: BaseGeometry, turn: _Turn, datum: Datum) -> BaseGeometry:
    """The zone with each corner turned; it may be none that is valid any more."""
    return shapely.transform(zone, lambda xy: np.array([_turned(x, y, turn, datum) for x, y in xy]).reshape(-1, 2))


def _turned(lon: float, lat: float, turn: _Turn, datum: Datum) -> tuple[float, float]:
    """lon, lat in the other datum. No store lies at (0, 0), but the corner of a zone may, and a store's picture."""
    if datum is Datum.WGS84:
        return lon, lat
    try:
        return turn(LatLon(lat=lat, lon=lon), datum).lon_lat()
    except NullIslandError:
        # What is shifted a metre beside it is shifted as much there.
        beside = turn(LatLon(lat=lat + _BESIDE_DEG, lon=lon), datum)
        return beside.lon, beside.lat - _BESIDE_DEG


def split_commas(values: Iterable[str]) -> tuple[str, ...]:
    """Values of a parameter that may be repeated, or hold several between commas."""
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())
