import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from geo.coordinates import LatLon
from geo.geodesy import (
    CHORD_SLACK_M,
    distance_m,
    distances_m,
    earth_centred,
    earth_centred_place,
    geodesic_floor_m,
    place_towards,
)

from .shared import shared_file

LATS = st.floats(-90, 90)
LONS = st.floats(-180, 180)
SEED = 20261121


def test_geodesics_agree_with_the_reference_set_to_a_micrometre() -> None:
    rows = np.loadtxt(shared_file("reference/GeodTest-100.dat"))
    assert len(rows) == 100
    for lat1, lon1, _, lat2, lon2, _, expected_m in rows[:, :7].tolist():
        a, b = LatLon(lat=lat1, lon=lon1), LatLon(lat=lat2, lon=lon2)
        assert distance_m(a, b) == pytest.approx(expected_m, rel=0, abs=1e-6)
        assert distances_m(a, np.array([lat2]), np.array([lon2]))[0] == pytest.approx(expected_m, rel=0, abs=1e-6)


@pytest.mark.parametrize(
    ("a", "b", "expected_m"),
    [
        ((90, 0), (-90, 0), 20003931.458625),  # half a meridian: GeographicLib
        ((0, 0.5), (0, -179.5), 20003931.458625),  # antipodal on the equator: over a pole, not along
        ((0, -90), (0, 0.5), 90.5 / 180 * np.pi * 6378137.0),  # a quarter, along the equator
        ((10, 180), (10, -180), 0.0),
        ((90, 10), (90, -170), 0.0),
    ],
)
def test_antipodes_poles_and_the_antimeridian(
    a: tuple[float, float], b: tuple[float, float], expected_m: float
) -> None:
    from_a, to_b = LatLon(lat=a[0], lon=a[1]), LatLon(lat=b[0], lon=b[1])
    assert distance_m(from_a, to_b) == pytest.approx(expected_m, rel=0, abs=1e-5)


def test_many_distances_are_to_the_bit_what_one_is() -> None:
    rng = np.random.default_rng(SEED)
    lats, lons = rng.uniform(-90, 90, 500), rng.uniform(-180, 180, 500)
    origin = LatLon(lat=25.033, lon=121.5654)
    expected = [distance_m(origin, LatLon(lat=a, lon=b)) for a, b in zip(lats.tolist(), lons.tolist(), strict=True)]
    assert distances_m(origin, lats, lons).tolist() == expected
    assert distances_m(origin, lats[::2], lons[::2]).tolist() == expected[::2]
    assert distances_m(origin, lats[:1], lons[:1]).tolist() == expected[:1]


def test_no_places_have_no_distances() -> None:
    assert distances_m(LatLon(lat=1, lon=1), np.empty(0), np.empty(0)).shape == (0,)
    assert earth_centred(np.empty(0), np.empty(0)).shape == (0, 3)


def test_earth_centred_coordinates_agree_with_proj() -> None:
    from pyproj import Transformer

    rng = np.random.default_rng(SEED)
    lats, lons = rng.uniform(-90, 90, 300), rng.uniform(-180, 180, 300)
    proj = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
    expected = np.column_stack(proj.transform(lons, lats, np.zeros(300)))
    np.testing.assert_allclose(earth_centred(lats, lons), expected, rtol=0, atol=1e-8)
    one_by_one = [earth_centred_place(LatLon(lat=a, lon=b)) for a, b in zip(lats.tolist(), lons.tolist(), strict=True)]
    np.testing.assert_allclose(one_by_one, expected, rtol=0, atol=1e-8)


@given(lat1=LATS, lon1=LONS, lat2=LATS, lon2=LONS, near=st.floats(0, 1), power=st.integers(0, 12))
@example(lat1=90, lon1=0, lat2=-90, lon2=0, near=1, power=0)
@example(lat1=0, lon1=0.5, lat2=0, lon2=-179.5, near=1, power=0)
def test_no_chord_is_longer_than_its_geodesic_by_more_than_5_nm_and_the_floor_never_lies(
    lat1: float, lon1: float, lat2: float, lon2: float, near: float, power: int
) -> None:
    scale = near * 10.0**-power
    lats = np.array([lat1, lat1 + (lat2 - lat1) * scale])
    lons = np.array([lon1, lon1 + (lon2 - lon1) * scale])
    if np.any(np.abs(lats) + np.abs(lons) < 1e-5):
        return
    xyz = earth_centred(lats, lons)
    chord_m = float(np.linalg.norm(xyz[1] - xyz[0]))
    a, b = (LatLon(lat=lat, lon=lon) for lat, lon in zip(lats.tolist(), lons.tolist(), strict=True))
    geodesic_m = distance_m(a, b)
    assert chord_m <= geodesic_m + 5e-9
    assert geodesic_floor_m(chord_m) <= geodesic_m
    assert geodesic_floor_m(chord_m) >= chord_m - CHORD_SLACK_M


def test_the_floor_of_a_long_chord_is_within_one_percent_of_its_geodesic() -> None:
    origin = LatLon(lat=0, lon=1)
    for lon in range(30, 150, 10):
        far = LatLon(lat=0, lon=1 + lon)
        xyz = earth_centred(np.array([0.0, 0.0]), np.array([origin.lon, far.lon]))
        assert geodesic_floor_m(float(np.linalg.norm(xyz[1] - xyz[0]))) > 0.99 * distance_m(origin, far)


@given(LATS, LONS)
def test_towards_a_place_from_the_centre_is_that_place(lat: float, lon: float) -> None:
    if abs(lat) < 1e-6 and abs(lon) < 1e-6:
        return  # no place
    at = LatLon(lat=lat, lon=lon)
    x, y, z = earth_centred_place(at)
    found = place_towards(3 * x, 3 * y, 3 * z)
    assert distance_m(at, found) < 1e-6


@pytest.mark.parametrize("nowhere", [(0.0, 0.0, 0.0), (np.nan, 1.0, 1.0), (np.inf, 0.0, 0.0)])
def test_no_direction_is_refused(nowhere: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="no direction"):
        place_towards(*nowhere)
