"""Features of GeoJSON as records: the id, the properties, then the place of a point and its datum."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from dispatch.ingest.formats.records import Fault, Flat, KeyTwice, flat_of, scalar_text

# RFC 7946, section 4. With another datum a collection carries a member of this name.
DEFAULT_DATUM: Final = "wgs84"
_PLACE: Final = ("lon", "lat", "datum")


def is_feature(record: object) -> bool:
    """Whether the object is a Feature."""
    return isinstance(record, dict) and record.get("type") == "Feature"


def feature_of(record: object, *, datum: str | None) -> Flat:
    """The feature as text by column: ``id`` if it has one, its properties, ``lon``, ``lat``, ``datum``.

    Properties called ``lon``, ``lat`` or (beside a feature's own) ``id`` are left out, whatever their case. The datum
    is that of the properties, else the feature's or the collection's (``datum``), else WGS84.
    Has a fault ``geometry_not_a_point`` when it is anything else, ``record_invalid`` when it is no feature.
    """
    if not isinstance(record, dict) or not is_feature(record):
        return Flat({}, Fault(None, "record_invalid", "the record is not a Feature of GeoJSON"))
    flat = flat_of(record.get("properties") or {})
    properties = {_folded(name): value for name, value in flat.values.items()}
    own_id = record.get("id")
    left_out = {"lon", "lat", "datum"} | ({"id"} if own_id is not None else set())
    values = {} if own_id is None else {"id": scalar_text(own_id)}
    values |= {name: value for name, value in flat.values.items() if _folded(name) not in left_out}
    coordinates = _point(record.get("geometry"))
    declared = properties.get("datum", "null")
    named = record.get("datum") or datum or DEFAULT_DATUM
    place = ("", "") if coordinates is None else tuple(map(scalar_text, coordinates))
    values |= zip(_PLACE, (*place, scalar_text(named) if declared in ("", "null") else declared), strict=True)
    fault = flat.fault
    if coordinates is None:
        fault = Fault("lon", "geometry_not_a_point", f"the geometry is {_kind(record.get('geometry'))}, not a Point")
    if isinstance(record, KeyTwice) and record.twice is not None:
        fault = Fault(None, "key_twice", f"the key {record.twice!r} comes twice in one feature")
    return Flat(values, fault)


def in_order(columns: tuple[str, ...]) -> tuple[str, ...]:
    """The columns of features with the id first and the place last, whichever feature named them first."""
    between = tuple(name for name in columns if name not in (*_PLACE, "id"))
    first = ("id",) if "id" in columns else ()
    return (*first, *between, *(name for name in _PLACE if name in columns))


def _point(geometry: object) -> Sequence[object] | None:
    """Longitude and latitude; a height after them is left out."""
    if not isinstance(geometry, dict) or geometry.get("type") != "Point":
        return None
    coordinates = geometry.get("coordinates")
    if not isinstance(coordinates, list) or len(coordinates) < 2 or not all(map(_is_number, coordinates[:2])):
        return None
    return coordinates[:2]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)


def _kind(geometry: object) -> str:
    if not isinstance(geometry, dict):
        return "missing"
    kind = str(geometry.get("type"))[:40]
    return "a Point without two numbers" if kind == "Point" else kind


def _folded(name: str) -> str:
    return re.sub(r"[\s_\-]", "", name.casefold())
