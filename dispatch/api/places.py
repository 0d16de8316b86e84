"""Places as they come and go: validated, and turned from and into the datum of the question."""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from dispatch.domain.errors import InvalidInput
from geo.coordinates import CoordinateError, LatLon
from geo.datums import Datum, from_wgs84, to_wgs84


def place_of(*, lat: float, lon: float, datum: Datum, pointer: str) -> LatLon:
    """A place sent, in WGS84. Raises InvalidInput with ``pointer`` and the name of what is wrong with it."""
    try:
        return to_wgs84(LatLon(lat=lat, lon=lon), datum)
    except CoordinateError as error:
        raise InvalidInput([(pointer, str(error))], code=error.code) from error


def told(place: LatLon, datum: Datum) -> dict[str, float]:
    """``lat`` and ``lon`` of a stored place, in the datum of the question."""
    shown = place if datum is Datum.WGS84 else from_wgs84(place, datum)
    return {"lat": shown.lat, "lon": shown.lon}


def lon_lat(place: LatLon, datum: Datum) -> list[float]:
    """The coordinates of a GeoJSON point."""
    shown = told(place, datum)
    return [shown["lon"], shown["lat"]]


def zone_to_wgs84(zone: BaseGeometry, datum: Datum) -> BaseGeometry:
    """A zone sent in ``datum``, corner by corner."""
    if datum is Datum.WGS84:
        return zone
    return shapely.transform(zone, lambda xy: np.array([_corner(x, y, datum) for x, y in xy]).reshape(-1, 2))


def zone_told(zone: BaseGeometry, datum: Datum) -> dict[str, Any]:
    """A stored zone as a GeoJSON geometry in the datum of the question."""
    if datum is not Datum.WGS84:
        zone = shapely.transform(
            zone, lambda xy: np.array([lon_lat(LatLon(lat=y, lon=x), datum) for x, y in xy]).reshape(-1, 2)
        )
    return dict(shapely.geometry.mapping(zone))


def _corner(lon: float, lat: float, datum: Datum) -> tuple[float, float]:
    return to_wgs84(LatLon(lat=lat, lon=lon), datum).lon_lat()


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def moment(epoch_s: int | None, timezone: str) -> str | None:
    """RFC 3339 in a store's own time zone."""
    return None if epoch_s is None else datetime.fromtimestamp(epoch_s, _zone(timezone)).isoformat()


def split_commas(values: Iterable[str]) -> tuple[str, ...]:
    """Values of a parameter that may be repeated, or hold several between commas."""
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())
