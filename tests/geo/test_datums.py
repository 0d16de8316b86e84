import csv
import json
import random

import numpy as np
import pytest
import shapely
import tzfpy
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod
from shapely.geometry.base import BaseGeometry

from geo.coordinates import Datum, LatLon
from geo.datums import from_wgs84, in_mainland_china, to_wgs84

from .shared import shared_file

GEOD = Geod(ellps="WGS84")
SEED = 20261121


def metres(a: LatLon, b: LatLon) -> float:
    return float(GEOD.inv(a.lon, a.lat, b.lon, b.lat)[2])


def place(pair: list[float]) -> LatLon:
    return LatLon(lat=pair[0], lon=pair[1])


@pytest.fixture(scope="module")
def mainland() -> BaseGeometry:
    """The mainland as one shapely geometry, an oracle for the polygons as the library asks them."""
    parts: list[BaseGeometry] = []
    for zone in ("Asia/Shanghai", "Asia/Urumqi"):
        for part in shapely.get_parts(shapely.from_geojson(tzfpy.get_tz_polygon_geojson(zone))):
            parts += shapely.get_parts(shapely.make_valid(part)).tolist()
    union = shapely.union_all([part for part in parts if part.geom_type.endswith("Polygon")])
    shapely.prepare(union)
    return union


def mainland_places(count: int, *, margin_m: float) -> list[LatLon]:
    """Random places that lie in the mainland with everything around them to ``margin_m`` (24 directions)."""
    rng = random.Random(SEED)
    found: list[LatLon] = []
    while len(found) < count:
        candidate = LatLon(lat=rng.uniform(8, 54), lon=rng.uniform(73, 135))
        if not in_mainland_china(candidate):
            continue
        around = [GEOD.fwd(candidate.lon, candidate.lat, azimuth, margin_m) for azimuth in range(0, 360, 15)]
        if all(in_mainland_china(LatLon(lat=lat, lon=lon)) for lon, lat, _ in around):
            found.append(candidate)
    return found


def test_the_published_pairs_agree_to_a_metre_both_ways() -> None:
    vectors = json.loads(shared_file("reference/datum_vectors.json").read_text(encoding="utf-8"))
    assert vectors["wgs84_to_gcj02"]
    assert vectors["gcj02_bd09"]
    for pair in vectors["wgs84_to_gcj02"]:
        wgs84, gcj02 = place(pair["wgs84"]), place(pair["gcj02"])
        assert metres(from_wgs84(wgs84, Datum.GCJ02), gcj02) < 1
        assert metres(to_wgs84(gcj02, Datum.GCJ02), wgs84) < 1
    for pair in vectors["gcj02_bd09"]:
        gcj02, bd09 = place(pair["gcj02"]), place(pair["bd09"])
        wgs84 = to_wgs84(gcj02, Datum.GCJ02)
        assert metres(from_wgs84(wgs84, Datum.BD09), bd09) < 1
        assert metres(to_wgs84(bd09, Datum.BD09), wgs84) < 1


def test_no_store_of_taiwan_is_shifted() -> None:
    with shared_file("stores/tw_convenience_2020.csv").open(encoding="utf-8", newline="") as file:
        places = [LatLon(lat=float(row["lat"]), lon=float(row["lon"])) for row in csv.DictReader(file)]
    assert len(places) > 10_000
    assert any(store.lon < 118.5 for store in places), "Kinmen is not in the sample"
    for store in places:
        assert from_wgs84(store, Datum.GCJ02) == store
        assert to_wgs84(store, Datum.GCJ02) == store


@pytest.mark.parametrize(
    ("lat", "lon", "inside"),
    [
        (22.2816, 114.1585, False),  # Hong Kong
        (22.1987, 113.5439, False),  # Macau
        (24.4367, 118.3186, False),  # Kinmen, 10 km from Xiamen
        (26.1605, 119.9497, False),  # Matsu
        (24.4798, 118.0894, True),  # Xiamen
        (22.5431, 114.0579, True),  # Shenzhen
        (43.8256, 87.6168, True),  # Urumqi, where two time zones overlap
        (29.65, 91.1, True),  # Lhasa
        (18.2528, 109.5119, True),  # Sanya
        (31.0, 122.1, True),  # the sea before Shanghai, territorial waters
        (27.7172, 85.324, False),  # Kathmandu
        (21.0278, 105.8342, False),  # Hanoi
        (37.5665, 126.978, False),  # Seoul
    ],
)
def test_the_mainland_is_a_polygon_with_its_waters_and_not_a_rectangle(lat: float, lon: float, inside: bool) -> None:
    there = LatLon(lat=lat, lon=lon)
    assert in_mainland_china(there) is inside
    shift_m = metres(there, from_wgs84(there, Datum.GCJ02))
    assert 100 < shift_m < 1000 if inside else shift_m == 0


def test_the_border_is_the_exact_polygon(mainland: BaseGeometry) -> None:
    rng = np.random.default_rng(SEED)
    corners = shapely.get_coordinates(mainland.boundary)
    near = corners[rng.integers(0, len(corners), 4000)] + rng.normal(0, 0.01, (4000, 2))
    expected = shapely.contains_xy(mainland, near[:, 0], near[:, 1])
    got = np.array([in_mainland_china(LatLon(lat=lat, lon=lon)) for lon, lat in near.tolist()])
    assert 1000 < np.count_nonzero(expected) < 3000
    # Corners are stored in 32 bits; a place within a metre of the border may fall to either side.
    doubtful = shapely.distance(shapely.points(near[got != expected]), mainland.boundary)
    assert np.all(doubtful < 1e-5)
    assert len(doubtful) < 10


@pytest.mark.parametrize("datum", [Datum.GCJ02, Datum.BD09])
def test_the_inverse_returns_to_a_millimetre_two_kilometres_inside_the_border(datum: Datum) -> None:
    for there in mainland_places(1500, margin_m=2000):
        shown = from_wgs84(there, datum)
        assert 50 < metres(there, shown) < 3000
        assert metres(to_wgs84(shown, datum), there) < 1e-3


def test_the_inverse_returns_beside_the_meridian_where_the_formula_has_a_cusp() -> None:
    for step in range(-50, 51):
        there = LatLon(lat=30.0, lon=105.0 + step * 1e-10)
        assert metres(to_wgs84(from_wgs84(there, Datum.GCJ02), Datum.GCJ02), there) < 1e-3


@given(lat=st.floats(-90, 90), lon=st.floats(-180, 180))
def test_outside_the_mainland_gcj02_is_wgs84_to_the_bit(lat: float, lon: float) -> None:
    if abs(lat) + abs(lon) < 1e-5:
        return
    there = LatLon(lat=lat, lon=lon)
    if not in_mainland_china(there):
        assert from_wgs84(there, Datum.GCJ02) is there
    assert from_wgs84(there, Datum.WGS84) is there
    assert to_wgs84(there, Datum.WGS84) is there


def test_a_place_shown_outside_that_no_mainland_place_is_shown_at_is_unshifted(mainland: BaseGeometry) -> None:
    rng = np.random.default_rng(SEED)
    corners = shapely.get_coordinates(mainland.boundary)
    outside = shifted = 0
    for lon, lat in (corners[rng.integers(0, len(corners), 3000)] + rng.normal(0, 0.02, (3000, 2))).tolist():
        shown = LatLon(lat=lat, lon=lon)
        found = to_wgs84(shown, Datum.GCJ02)
        assert found == to_wgs84(shown, Datum.GCJ02)
        if found == shown:
            outside += 1
        else:
            shifted += 1
            assert in_mainland_china(found)
            assert metres(from_wgs84(found, Datum.GCJ02), shown) < 1e-3
    assert outside > 300
    assert shifted > 300


@given(lat=st.floats(-90, 90), lon=st.floats(-180, 180))
def test_bd09_shifts_the_whole_world_and_returns_except_at_the_poles_and_the_antimeridian(
    lat: float, lon: float
) -> None:
    if abs(lat) + abs(lon) < 0.1 or in_mainland_china(LatLon(lat=lat, lon=lon)):
        return
    there = LatLon(lat=lat, lon=lon)
    shown = from_wgs84(there, Datum.BD09)
    back = to_wgs84(shown, Datum.BD09)
    if abs(lat) < 89.9:
        assert shown != there
        if abs(lon) < 179.9 and not in_mainland_china(back):
            assert metres(back, there) < 1e-3


@pytest.mark.parametrize("lat", [-90.0, -89.999, 0.0, 45.0, 89.999, 90.0])
@pytest.mark.parametrize("lon", [-180.0, -179.9999, -179.995, 179.995, 179.9999, 180.0])
def test_bd09_gives_places_at_the_poles_and_across_the_antimeridian(lat: float, lon: float) -> None:
    there = LatLon(lat=lat, lon=lon)
    for moved in (from_wgs84(there, Datum.BD09), to_wgs84(there, Datum.BD09)):
        assert metres(moved, there) < 2500


def test_bd09_returns_from_beyond_the_antimeridian() -> None:
    there = LatLon(lat=-16.5, lon=179.998)
    shown = from_wgs84(there, Datum.BD09)
    assert shown.lon < -179.9
    assert metres(to_wgs84(shown, Datum.BD09), there) < 1e-3
