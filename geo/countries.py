"""Which country a name means, and whether a place lies within a country as its chains would say."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import cache
from importlib.resources import files
from math import cos, pi, radians, sin
from typing import Final

import tzfpy

from geo.coordinates import LatLon, country_of, country_of_zone

_DEGREE_M: Final = 111_195.0
_DIRECTIONS: Final = 16


@cache
def _tables() -> tuple[dict[str, str], dict[str, frozenset[str]]]:
    listed = tomllib.loads(files("geo").joinpath("countries.toml").read_text(encoding="utf-8"))
    code_by_name: dict[str, str] = {}
    for code, names in listed["names"].items():
        for name in (code, *names):
            if code_by_name.setdefault(_folded(name), code) != code:
                raise ValueError(f"countries.toml: {name!r} is listed under {code_by_name[_folded(name)]} and {code}")
    lands = {code: frozenset((code, *listed["lands"].get(code, ()))) for code in listed["names"]}
    return code_by_name, lands


def country_named(text: str) -> str | None:
    """The ISO 3166 alpha-2 code that the text is, or whose alpha-3 code or usual name it is; None for any other.

    ``GE`` and ``GEO`` are Georgia, whose name alone could be the state of the USA.
    """
    return _tables()[0].get(_folded(text))


def lands_of(country: str) -> frozenset[str]:
    """The country and all others whose places count as within it: territories, and what several countries claim.

    China has Hong Kong and Macau, not Taiwan. An unknown code has itself alone.
    """
    return _tables()[1].get(country, frozenset((country,)))


def countries_at(place: LatLon) -> frozenset[str]:
    """Every country whose time zone polygons hold the place: several where they overlap, none at sea.

    Polygons are OpenStreetMap's with the territorial waters, their lines within 111 m of it.
    """
    return _countries_at(place.lat, place.lon)


def lies_within(place: LatLon, country: str, *, tolerance_m: float = 0.0) -> bool:
    """Whether the place lies in the lands of the country, or no farther than about the tolerance from them.

    The tolerance is tried in 16 directions, whole and half.
    """
    lands = lands_of(country)
    there = country_of(place)
    # One zone is cheap to find; where it is not of the country, all are asked for.
    if (there in lands and there != "TH") or not lands.isdisjoint(countries_at(place)):
        return True
    return tolerance_m > 0.0 and any(
        not lands.isdisjoint(_countries_at(lat, lon)) for lat, lon in _ring(place, tolerance_m)
    )


def _countries_at(lat: float, lon: float) -> frozenset[str]:
    zones = tzfpy.get_tzs(lon, lat)
    found = {country for zone in zones if (country := country_of_zone(zone)) is not None}
    if "Asia/Bangkok" in zones and _in_the_north_of_vietnam(lat, lon):
        found = found - {"TH"} | {"VN"}
    return frozenset(found)


def _folded(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).casefold()
    return re.sub(r"[\W_]+|\b(the)\b", "", "".join(c for c in plain if not unicodedata.combining(c)))


def _in_the_north_of_vietnam(lat: float, lon: float) -> bool:
    # Its clocks are Bangkok's, so one zone holds both; Laos lies between, and these lines run through it.
    return (lat > 18.6 and lon > 102.0) or (lat > 16.6 and lon > 105.0)


def _ring(place: LatLon, radius_m: float) -> list[tuple[float, float]]:
    """Latitude and longitude of what lies about the radius, and half of it, away."""
    around = []
    for step in range(2 * _DIRECTIONS):
        angle, part = step * pi / _DIRECTIONS, 1.0 if step % 2 else 0.5
        north_deg = radius_m * part * cos(angle) / _DEGREE_M
        east_deg = radius_m * part * sin(angle) / (_DEGREE_M * max(0.01, cos(radians(place.lat))))
        lat = max(-90.0, min(90.0, place.lat + north_deg))
        around.append((lat, (place.lon + east_deg + 540.0) % 360.0 - 180.0))
    return around
