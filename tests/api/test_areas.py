"""Areas as answers draw them."""

import pytest
import shapely
from pyproj import Geod
from shapely.geometry import MultiPolygon, Point, Polygon, shape

from dispatch.api.areas import area_told
from dispatch.api.places import lon_lat
from geo.coordinates import LatLon
from geo.datums import Datum
from geo.polygons import disc

GEOD = Geod(ellps="WGS84")
HERE = LatLon(lat=36.65, lon=117.12)


def east(metres: float) -> LatLon:
    lon, lat, _ = GEOD.fwd(HERE.lon, HERE.lat, 90.0, metres)
    return LatLon(lat=lat, lon=lon)


@pytest.mark.parametrize("datum", Datum)
def test_a_store_outside_or_at_the_border_gets_a_disc_and_no_other_does(datum: Datum) -> None:
    area = disc(HERE, 1000)
    stores = [east(10), east(1000), east(1500)]
    drawn = shape(area_told(area, datum, stores=stores))
    assert drawn.is_valid
    assert len(shapely.get_parts(drawn)) == 2
    for store in stores:
        assert drawn.contains(Point(lon_lat(store, datum)))
    assert not drawn.contains(Point(lon_lat(east(1540), datum)))
    assert not drawn.contains(Point(lon_lat(east(1040), datum)))
    assert shape(area_told(area, datum)).equals(shape(area_told(area, datum, stores=[east(10)])))


def test_the_geometry_is_the_simplest_and_its_outer_ring_runs_counter_clockwise() -> None:
    drawn = shape(area_told(disc(HERE, 1000), Datum.WGS84))
    assert isinstance(drawn, Polygon)
    assert drawn.exterior.is_ccw
    assert area_told(MultiPolygon(), Datum.GCJ02) == {"type": "MultiPolygon", "coordinates": []}
