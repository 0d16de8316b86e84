"""Places as they come and go: validated, and turned from and into the datum of the question."""

from collections.abc import Iterable
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from dispatch.domain.errors import InvalidInput
from geo.coordinates import CoordinateError, LatLon
from geo.coverage import Box
from geo.datums import Datum, from_wgs84, to_wgs84, turned
from geo.zones import turned_zone


def place_of(*, lat: float, lon: float, datum: Datum, pointer: str) -> LatLon:
    """A place sent, in WGS84. Raises InvalidInput with ``pointer`` and the name of what is wrong with it."""
    try:
        return to_wgs84(LatLon(lat=lat, lon=lon), datum)
    except CoordinateError as error:
        raise InvalidInput([(pointer, str(error))], code=error.code) from error


def told(place: LatLon, datum: Datum) -> dict[str, float]:
    """``lat`` and ``lon`` of a stored place, in the datum of the question."""
    lon, lat = turned(place.lon, place.lat, from_wgs84, datum)
    return {"lat": lat, "lon": lon}


def lon_lat(place: LatLon, datum: Datum) -> list[float]:
    """The coordinates of a GeoJSON point."""
    shown = told(place, datum)
    return [shown["lon"], shown["lat"]]


def box_to_wgs84(area: Box, datum: Datum) -> Box:
    """The box between the turned corners; a shifted box is none, but by metres, and what overlaps it is told whole."""
    if datum is Datum.WGS84:
        return area
    west, south = turned(area.west, area.south, to_wgs84, datum)
    east, north = turned(area.east, area.north, to_wgs84, datum)
    try:
        return Box(west=west, south=south, east=east, north=north)
    except ValueError as error:
        raise InvalidInput([("/query/bbox", f"{error}, once it is turned from {datum.value} to wgs84")]) from error


def with_datum(body: dict[str, Any], datum: Datum) -> dict[str, Any]:
    """GeoJSON that says what its places refer to, where that is not WGS84."""
    return body if datum is Datum.WGS84 else body | {"datum": datum.value}


def zone_told(zone: BaseGeometry, datum: Datum) -> dict[str, Any]:
    """A stored zone as a GeoJSON geometry in the datum of the question."""
    if datum is not Datum.WGS84:
        zone = turned_zone(zone, from_wgs84, datum)
    return dict(shapely.geometry.mapping(zone))


def split_commas(values: Iterable[str]) -> tuple[str, ...]:
    """Values of a parameter that may be repeated, or hold several between commas."""
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())
