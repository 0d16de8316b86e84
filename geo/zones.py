"""Delivery zones: polygons in WGS84 degrees, read with a reason for every refusal, and which of many hold a place.

A zone is planar in longitude and latitude, as GeoJSON means it; its border belongs to it. One that crosses the
antimeridian is split there into a multipolygon (RFC 7946, 3.1.9).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from rtree.index import Index, Property
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from geo.coordinates import LatLon
from geo.datums import Datum, Turn, to_wgs84, turned
from geo.geodesy import IntArray

type BoolArray = NDArray[np.bool_]

_ZONE_TYPES: Final = ("Polygon", "MultiPolygon")
_WKT_WORD: Final = re.compile(r"\s*([A-Za-z]+)")
_WKT_TYPES: Final = {
    name.upper(): name
    for name in (
        *("Point", "MultiPoint", "LineString", "MultiLineString", "LinearRing"),
        *("Polygon", "MultiPolygon", "GeometryCollection"),
    )
}


class ZoneError(ValueError):
    """A delivery zone that cannot be one; the message says why, and the mend where it is certain."""


def parse_zone(value: str | Mapping[str, object]) -> BaseGeometry:
    """The polygon or multipolygon of a WKT text, a GeoJSON text or a GeoJSON object (a geometry, or a Feature of one).

    Heights are dropped. Rings may be left open in GeoJSON. The answer is valid, finite, within the range of
    longitudes and latitudes, and has an area.

    Raises ZoneError with the first reason found: unparsable, of another type, empty, not finite, out of range,
    without area, crossing itself.
    """
    if isinstance(value, str):
        zone = _from_geojson_text(value) if value.lstrip().startswith("{") else _from_wkt(value)
    else:
        zone = _from_geojson(value)
    if zone.is_empty:
        raise ZoneError("the zone is empty")
    zone = shapely.force_2d(zone)
    _check_range(zone)
    if not zone.area and not zone.convex_hull.area:
        raise ZoneError("the zone has no area")
    if not zone.is_valid:
        raise ZoneError(f"the zone crosses or touches itself: {shapely.is_valid_reason(zone)} (lon lat)")
    return zone


def zone_to_wgs84(zone: BaseGeometry, datum: Datum) -> BaseGeometry:
    """A zone given in ``datum``, corner by corner.

    Raises ZoneError if the turned zone is none any more, CoordinateError if a corner is none.
    """
    if datum is Datum.WGS84:
        return zone
    there = turned_zone(zone, to_wgs84, datum)
    if not there.is_valid:
        raise ZoneError(f"the zone crosses or touches itself once it is turned from {datum.value} to wgs84")
    return there


def turned_zone(zone: BaseGeometry, turn: Turn, datum: Datum) -> BaseGeometry:
    """A zone with each of its corners turned by ``to_wgs84`` or ``from_wgs84``."""
    return shapely.transform(zone, lambda xy: np.array([turned(x, y, turn, datum) for x, y in xy]).reshape(-1, 2))


def covers(zone: BaseGeometry, place: LatLon) -> bool:
    """Whether the place lies in the zone or on its border; longitudes 180 and -180 are the same place."""
    return any(bool(shapely.intersects_xy(zone, lon, place.lat)) for lon in _longitudes(place))


class ZoneIndex:
    """Zones by small ids: which of some hold a place, and which of all do.

    A search knows which zones it asks about, few of them however many hold the place, so it asks these prepared
    polygons at once: 48 corners cost 0.1 µs. The R-tree over the boxes is for asking about all. An R-tree
    belongs to one thread. Valid zones only, as ``parse_zone`` makes them.
    """

    def __init__(self) -> None:
        self._tree = Index(properties=Property(dimension=2))
        self._zones = np.full(1, None, dtype=object)  # by id; None: there is none
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def zone(self, id: int) -> BaseGeometry:
        """The zone of that id. Raises KeyError if there is none."""
        zone: BaseGeometry | None = self._zones[id] if 0 <= id < len(self._zones) else None
        if zone is None:
            raise KeyError(id)
        return zone

    def insert(self, id: int, zone: BaseGeometry) -> None:
        """Add a zone. Raises ValueError if the id is taken or below 0, or the zone is empty."""
        if id < 0:
            raise ValueError(f"id {id} is below 0")
        if id < len(self._zones) and self._zones[id] is not None:
            raise ValueError(f"id {id} is given twice")
        if zone.is_empty:
            raise ValueError("the zone is empty")
        if id >= len(self._zones):
            grown = np.full(max(id + 1, 2 * len(self._zones)), None, dtype=object)
            grown[: len(self._zones)] = self._zones
            self._zones = grown
        shapely.prepare(zone)
        self._zones[id] = zone
        self._count += 1
        self._tree.insert(id, zone.bounds)

    def delete(self, id: int) -> None:
        """Remove a zone. Raises KeyError if there is none of that id."""
        self._tree.delete(id, self.zone(id).bounds)
        self._zones[id] = None
        self._count -= 1

    def covering(self, ids: IntArray, place: LatLon) -> BoolArray:
        """Which of these zones cover the place, in the order asked, as ``covers`` does; where there is none, False."""
        found = np.zeros(len(ids), dtype=np.bool_)
        there = ids < len(self._zones)
        zones = self._zones[ids[there]]
        for lon in _longitudes(place):
            found[there] |= shapely.intersects_xy(zones, lon, place.lat)
        return found

    def containing(self, place: LatLon) -> IntArray:
        """Ascending ids of the zones that cover the place, as ``covers`` does; empty when there is none."""
        boxed = {id for lon in _longitudes(place) for id in self._tree.intersection((lon, place.lat, lon, place.lat))}
        ids = np.array(sorted(boxed), dtype=np.int64)
        return ids[self.covering(ids, place)]


def _longitudes(place: LatLon) -> tuple[float, ...]:
    return (180.0, -180.0) if abs(place.lon) == 180.0 else (place.lon,)


def _from_wkt(text: str) -> BaseGeometry:
    # Looked at first, so that nothing but polygons reaches the parser: it recurses into nested collections.
    word = _WKT_WORD.match(text)
    name = _WKT_TYPES.get(word[1].upper()) if word else None
    if name is None:
        raise ZoneError("the zone is neither WKT nor GeoJSON")
    _check_type(name)
    try:
        return shapely.from_wkt(text)
    except ShapelyError as error:
        raise ZoneError(f"the zone cannot be read as WKT: {error}") from error


def _from_geojson_text(text: str) -> BaseGeometry:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ZoneError(f"the zone cannot be read as JSON: {error}") from error
    return _from_geojson(value)


def _from_geojson(value: Mapping[str, object]) -> BaseGeometry:
    if value.get("type") == "Feature":
        geometry = value.get("geometry")
        if not isinstance(geometry, Mapping):
            raise ZoneError("the zone is a Feature without a geometry")
        value = geometry
    name = value.get("type")
    _check_type(name)
    try:
        # numpy warns of NaN, which is looked for afterwards.
        with np.errstate(invalid="ignore"):
            return shape({"type": name, "coordinates": value["coordinates"]})
    # What shapely raises for coordinates that are missing, of the wrong depth, or no numbers is its own affair.
    except (ShapelyError, LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise ZoneError("the zone cannot be read as GeoJSON: its coordinates are not rings of positions") from error


def _check_type(name: object) -> None:
    if name not in _ZONE_TYPES:
        raise ZoneError(f"the zone is of type {name!r}; give a Polygon or a MultiPolygon")


def _check_range(zone: BaseGeometry) -> None:
    corners = shapely.get_coordinates(zone)
    if not np.isfinite(corners).all():
        raise ZoneError("the zone has a coordinate that is not a finite number")
    lon, lat = np.abs(corners).max(axis=0).tolist()
    if lat > 90.0 and lat <= 180.0 and lon <= 90.0:
        raise ZoneError(
            "the zone has latitudes beyond 90 degrees; latitude and longitude look swapped, lon comes first"
        )
    if lat > 90.0:
        raise ZoneError("the zone has latitudes beyond 90 degrees")
    if lon > 180.0:
        raise ZoneError("the zone has longitudes beyond 180 degrees; split it at the antimeridian")
