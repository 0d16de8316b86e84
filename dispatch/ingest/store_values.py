"""Values of one column of a file of stores: text in, the field's own type out, or BadValueError."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from shapely.geometry.base import BaseGeometry

from dispatch.domain.hours import HoursError, check_opening_hours
from dispatch.domain.stores import MAX_STORE_ID_CHARS
from dispatch.ingest.values import NOTHING, BadValueError, identifier_of, shown, text_of, trimmed
from geo.coordinates import CoordinateError, Datum
from geo.travel import Mode
from geo.zones import ZoneError, parse_zone, zone_to_wgs84

_MAX_MESSAGE_CHARS: Final = 200


@lru_cache(maxsize=64)
def datum_of(text: str) -> Datum:
    """A datum by its name, however written. Raises BadValueError ``datum_invalid``."""
    folded = re.sub(r"[\s_-]", "", unicodedata.normalize("NFKC", text).casefold())
    try:
        return Datum(folded)
    except ValueError:
        raise BadValueError("datum_invalid", f"{shown(text)} is none of {', '.join(Datum)}") from None


def mode_of(text: str) -> Mode:
    """A travel mode. Raises BadValueError ``mode_invalid``."""
    try:
        return Mode(trimmed(text).casefold())
    except ValueError:
        raise BadValueError("mode_invalid", f"{shown(text)} is none of {', '.join(Mode)}") from None


def partner_of(text: str) -> str | None:
    """The id of a partner, None where the table says nothing. Raises BadValueError ``partner_invalid``."""
    if trimmed(text).casefold() in NOTHING:
        return None
    try:
        return identifier_of(text, field="partner", max_chars=MAX_STORE_ID_CHARS)
    except BadValueError as bad:
        raise BadValueError("partner_invalid", bad.message) from None


@lru_cache(maxsize=4096)
def _checked_hours(text: str) -> str | None:
    """None when the hours can be read, else why not, on one line."""
    try:
        check_opening_hours(text)
    except HoursError as error:
        return f"{shown(text)}: {error}"[:_MAX_MESSAGE_CHARS]
    return None


def hours_of(text: str) -> str | None:
    """Opening hours that can be read, None where there are none. Raises BadValueError ``opening_hours_invalid``."""
    hours = text_of(text)
    if hours is not None and (fault := _checked_hours(hours)) is not None:
        raise BadValueError("opening_hours_invalid", fault)
    return hours


def zone_of(text: str, datum: Datum | None) -> BaseGeometry | None:
    """A delivery zone in WGS84, None where there is none. Raises BadValueError ``delivery_zone_invalid``."""
    if trimmed(text).casefold() in NOTHING:
        return None
    try:
        return zone_to_wgs84(parse_zone(trimmed(text)), datum or Datum.WGS84)
    except (ZoneError, CoordinateError) as error:
        raise BadValueError("delivery_zone_invalid", str(error)[:_MAX_MESSAGE_CHARS]) from None
