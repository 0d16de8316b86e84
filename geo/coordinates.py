"""Places on the earth, checked when they are made, and which country and time zone they lie in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from importlib.resources import files
from math import isinf, isnan
from typing import ClassVar

import tzfpy

_NULL_ISLAND_DEG = 1e-6


class CoordinateError(ValueError):
    """A pair of numbers that is no place; ``code`` names the fault, the message also says the mend."""

    code: ClassVar[str] = "coordinate_invalid"


class NanCoordinateError(CoordinateError):
    code = "coordinate_nan"


class InfiniteCoordinateError(CoordinateError):
    code = "coordinate_infinite"


class CoordinateOutOfRangeError(CoordinateError):
    code = "coordinate_out_of_range"


class NullIslandError(CoordinateError):
    code = "coordinate_null_island"


class SwappedCoordinatesError(CoordinateError):
    code = "coordinates_swapped"


class Datum(StrEnum):
    """What a pair of coordinates refers to; maps in mainland China show GCJ-02 or BD-09."""

    WGS84 = "wgs84"
    GCJ02 = "gcj02"
    BD09 = "bd09"


@dataclass(frozen=True, slots=True, kw_only=True)
class LatLon:
    """A place in degrees: latitude -90 to 90, longitude -180 to 180, both ends included.

    Raises the CoordinateError named by the first fault found, looked for in this order: not a number,
    infinite, swapped (certain only when the latitude is beyond 90 and the swapped pair is a place),
    out of range, within a millionth of a degree of (0, 0), which is what missing coordinates become.
    """

    lat: float
    lon: float

    def __post_init__(self) -> None:
        lat, lon = self.lat, self.lon
        # One comparison chain passes every good place; NaN fails it like any other bad value.
        if -90.0 <= lat <= 90.0 and -180.0 <= lon <= 180.0:
            if abs(lat) <= _NULL_ISLAND_DEG and abs(lon) <= _NULL_ISLAND_DEG:
                raise NullIslandError(
                    f"lat {lat}, lon {lon} is what missing coordinates become, not a place; give the real coordinates"
                )
            return
        _refuse(lat, lon)

    def lon_lat(self) -> tuple[float, float]:
        """The place in the order of GeoJSON, shapely and rtree: x, y."""
        return (self.lon, self.lat)


def _refuse(lat: float, lon: float) -> None:
    at = f"lat {lat}, lon {lon}"
    if isnan(lat) or isnan(lon):
        raise NanCoordinateError(f"{at} is not a number; give both coordinates as decimal degrees")
    if isinf(lat) or isinf(lon):
        raise InfiniteCoordinateError(f"{at} is infinite; give both coordinates as decimal degrees")
    if 90.0 < abs(lat) <= 180.0 and abs(lon) <= 90.0:
        raise SwappedCoordinatesError(f"{at} has latitude and longitude swapped; give lat {lon}, lon {lat}")
    raise CoordinateOutOfRangeError(f"{at} is out of range; latitude lies within 90 degrees of 0, longitude within 180")


@cache
def _countries_by_zone() -> dict[str, str]:
    """Country (ISO 3166 alpha-2) by IANA time zone. Source: zone.tab of the tzdata package."""
    table = (files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in table.splitlines() if line and not line.startswith("#"))
    return {row[2]: row[0] for row in rows}


def timezone_of(place: LatLon) -> str:
    """The IANA time zone of the place; at sea the nautical one, ``Etc/GMT+n``."""
    return _timezone_at(place.lat, place.lon)


# Who has asked for the zone of a place mostly asks for its country next.
@lru_cache(maxsize=64)
def _timezone_at(lat: float, lon: float) -> str:
    return tzfpy.get_tz(lon, lat)


def country_of(place: LatLon) -> str | None:
    """The country (ISO 3166 alpha-2) whose time zone polygon holds the place; None at sea."""
    return country_of_zone(timezone_of(place))


def country_of_zone(zone: str) -> str | None:
    """The country (ISO 3166 alpha-2) of an IANA time zone; None for one of no country, such as those at sea."""
    return _countries_by_zone().get(zone)
