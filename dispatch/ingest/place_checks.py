"""What to say of a store's place: outside of its country, far from where it belongs, moved."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from dispatch.ingest.neighbours import NOT_ERRORS, Odd
from dispatch.ingest.survey import Oddity
from dispatch.ingest.values import NOTHING, shown, trimmed
from geo.coordinates import CoordinateError, LatLon
from geo.countries import countries_at, country_named, lies_within
from geo.geodesy import distance_m

BORDER_TOLERANCE_M: Final = 5_000.0
"""A place this near to its country is not outside: a store may be placed at the middle of its postcode, and of the
towns of GeoNames those on the wrong side of a border were at most 3 km beyond it.
"""

MOVED_FAR_M: Final = 1_000.0
"""A store that moves farther than this since the last import is odd."""

_NOT_FARTHER_DEG: Final = 0.004

type Finding = tuple[str, str]
"""A code and a message."""


@lru_cache(maxsize=4096)
def country_of_text(text: str) -> str | None:
    """As ``country_named``, remembered: a column says the same again and again. ``#N/A`` is not Namibia."""
    return None if trimmed(text).casefold() in NOTHING else country_named(text)


def outside(place: LatLon, country: str, *, declared: bool) -> Finding | None:
    """What to say of a place that lies outside of the country, None where it lies inside.

    Of a country that was declared it is a problem, of one that most rows lie in a warning.
    """
    if lies_within(place, country, tolerance_m=BORDER_TOLERANCE_M):
        return None
    if _lies_at(place.lon, place.lat, country):
        if declared:
            message = (
                f"lat {place.lat:.6g}, lon {place.lon:.6g} lies outside {country}, but inside with the two swapped"
            )
            return "coordinates_swapped", message
        return "maybe_swapped", f"the place is outside {country}, but inside with lat and lon swapped"
    there = " or ".join(sorted(countries_at(place))) or "no country"
    return "outside_country", f"the place is in {there}, not in {country}{_mend_by_sign(place, country)}"


def said_of(oddity: Oddity, *, region: str | None, city: str | None) -> tuple[Finding, bool]:
    """What to say of a place that is odd among those of its file, and whether it is a problem.

    ``region`` and ``city`` are the row's own.
    """
    row = f"row {oddity.row_no}"
    away = f"{oddity.away_m / 1000.0:,.0f} km"
    of_city = f"{shown(city or '')} in {shown(region or '')}"
    messages = {
        Odd.NOT_IN_REGION: f"the place is {away} from the other stores of {shown(region or '')}, amid those of"
        f" {shown(oddity.region or '')} (such as {row}); mend the place or the region",
        Odd.NOT_IN_CITY: f"the place is {away} from the other stores of {of_city} (such as {row}), among stores of"
        " other regions; mend the place or the city",
        Odd.FAR_FROM_REGION: f"no other store of {shown(region or '')} in this file lies within 200 km; {row}, the"
        f" nearest, is {away} away",
        Odd.FAR_FROM_CITY: f"the place is {away} from the other stores of {of_city}, such as {row}",
        Odd.FAR_FROM_OTHERS: f"the nearest other store of its chain in this file, {row}, is {away} away",
        Odd.SAME_PLACE: f"{row} has the same place",
    }
    return (oddity.kind.name.lower(), messages[oddity.kind]), oddity.kind not in NOT_ERRORS


def moved(place: LatLon, known: LatLon) -> Finding | None:
    """What to say of a store that moved since the last import, None when it did not move far."""
    if abs(place.lat - known.lat) < _NOT_FARTHER_DEG and abs(place.lon - known.lon) < _NOT_FARTHER_DEG:
        # At most 630 m: most stores do not move, and a geodesic takes its time.
        return None
    moved_m = distance_m(place, known)
    if moved_m <= MOVED_FAR_M:
        return None
    return "moved_far", f"the store has moved by {moved_m / 1000.0:,.1f} km since the last import"


def _mend_by_sign(place: LatLon, country: str) -> str:
    for lat, lon in ((place.lat, -place.lon), (-place.lat, place.lon), (-place.lat, -place.lon)):
        if _lies_at(lat, lon, country):
            return f"; lat {lat:.6g}, lon {lon:.6g} would be"
    return ""


def _lies_at(lat: float, lon: float, country: str) -> bool:
    try:
        return lies_within(LatLon(lat=lat, lon=lon), country)
    except CoordinateError:
        return False
