"""Areas as they go out: GeoJSON in the datum of the question, with every store shown in them truly inside."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import shapely
from shapely.affinity import translate
from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry

from dispatch.api.places import lon_lat
from geo.coordinates import LatLon
from geo.datums import Datum, from_wgs84
from geo.polygons import disc, polygons_of
from geo.zones import turned_zone

# A centimetre; what lies nearer to the border than a metre is not taken as inside.
_DECIMALS: Final = 7
_INSIDE_DEG: Final = 1e-5
_AROUND_STORE_M: Final = 30.0


def area_told(area: BaseGeometry, datum: Datum, *, stores: Sequence[LatLon] = ()) -> dict[str, Any]:
    """A GeoJSON geometry: Polygon or MultiPolygon, outer rings counter-clockwise; without coordinates if empty.

    A store that can be reached in time and yet lies outside the area, or within a metre of its border, gets a disc of
    30 m: areas are drawn from a grid of the roads, or shifted corner by corner, where a store's own way is exact.
    """
    if datum is not Datum.WGS84:
        area = turned_zone(area, from_wgs84, datum)
    area = polygons_of(shapely.set_precision(polygons_of(area), 10**-_DECIMALS))
    area = shapely.transform(area, lambda xy: np.round(xy, _DECIMALS))
    area = polygons_of(area, *_discs_outside(area, datum, stores))
    return dict(shapely.geometry.mapping(_simplest(shapely.orient_polygons(area))))


def cell_told(cell: BaseGeometry, datum: Datum) -> dict[str, Any]:
    """The polygon of a cell."""
    if datum is not Datum.WGS84:
        cell = turned_zone(cell, from_wgs84, datum)
    cell = shapely.transform(cell, lambda xy: np.round(xy, _DECIMALS))
    if not cell.is_valid:  # one around a pole, whose pieces share a border
        cell = polygons_of(shapely.set_precision(polygons_of(cell), 10**-_DECIMALS))
    return dict(shapely.geometry.mapping(_simplest(shapely.orient_polygons(cell))))


def _discs_outside(area: MultiPolygon, datum: Datum, stores: Sequence[LatLon]) -> list[BaseGeometry]:
    if not stores:
        return []
    shown = np.array([lon_lat(place, datum) for place in stores])
    points, border = shapely.points(shown), shapely.boundary(area)
    shapely.prepare(area)
    inside = np.logical_and(shapely.contains(area, points), ~shapely.dwithin(border, points, _INSIDE_DEG))
    return [
        translate(disc(place, _AROUND_STORE_M), lon - place.lon, lat - place.lat)
        for place, (lon, lat), within in zip(stores, shown.tolist(), inside.tolist(), strict=True)
        if not within
    ]


def _simplest(area: BaseGeometry) -> BaseGeometry:
    parts = shapely.get_parts(area)
    return parts[0] if len(parts) == 1 else area
