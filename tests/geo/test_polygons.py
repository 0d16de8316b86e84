"""Discs on the ellipsoid as polygons in degrees."""

import random

import pytest
import shapely
from pyproj import Geod

from geo.coordinates import LatLon
from geo.polygons import disc, polygons_of

GEOD = Geod(ellps="WGS84")
SEED = 20261125


@pytest.mark.parametrize(
    ("lat", "lon", "radius_m"),
    [
        (25, 121, 10_000), (60, 10, 10_000), (0.1, 180, 50_000), (-17, -179.95, 20_000), (70, 179, 300_000),
        (89.99, 30, 5_000), (85, 0, 500_000), (89.9, 20, 11_170), (89.9, 20, 11_100), (-90, 0, 1_000),
        (0.5, 0.5, 90_000),
    ],
)  # fmt: skip
def test_a_disc_has_every_place_within_its_radius_and_few_beyond(lat: float, lon: float, radius_m: float) -> None:
    drawn, rng = disc(LatLon(lat=lat, lon=lon), radius_m), random.Random(SEED)
    assert drawn.is_valid
    west, south, east, north = drawn.bounds
    assert west >= -180
    assert east <= 180
    assert south >= -90
    assert north <= 90
    beyond = 1.001 if abs(lat) <= 70 else 1.05
    for _ in range(2000):
        azimuth, share = rng.uniform(0, 360), rng.choice([1.0, rng.uniform(0, 1)])
        x, y, _ = GEOD.fwd(lon, lat, azimuth, radius_m * share)
        assert shapely.intersects_xy(drawn, x, y), f"seed {SEED}: {x} {y}"
        x, y, _ = GEOD.fwd(lon, lat, azimuth, radius_m * beyond)
        assert not shapely.intersects_xy(drawn, x, y), f"seed {SEED}: {x} {y}"


def test_what_is_no_disc() -> None:
    here = LatLon(lat=25, lon=121)
    assert disc(here, -1).is_empty
    assert disc(here, float("-inf")).is_empty
    for radius_m in (float("nan"), float("inf"), 6e6):
        with pytest.raises(ValueError, match="radius_m"):
            disc(here, radius_m)


def test_only_what_has_an_area_is_left_of_geometries() -> None:
    bow = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    made = polygons_of(bow, shapely.Point(9, 9), shapely.LineString([(5, 5), (6, 6)]))
    assert made.is_valid
    assert made.area == pytest.approx(2)
    assert polygons_of().is_empty
