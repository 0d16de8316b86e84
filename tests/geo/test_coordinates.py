from contextlib import suppress
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.coordinates import (
    CoordinateError,
    CoordinateOutOfRangeError,
    InfiniteCoordinateError,
    LatLon,
    NanCoordinateError,
    NullIslandError,
    SwappedCoordinatesError,
    country_of,
    timezone_of,
)

TAIPEI = LatLon(lat=25.033, lon=121.5654)


@pytest.mark.parametrize(
    ("lat", "lon", "error", "code"),
    [
        (nan, 121.0, NanCoordinateError, "coordinate_nan"),
        (25.0, nan, NanCoordinateError, "coordinate_nan"),
        (nan, inf, NanCoordinateError, "coordinate_nan"),
        (inf, 121.0, InfiniteCoordinateError, "coordinate_infinite"),
        (25.0, -inf, InfiniteCoordinateError, "coordinate_infinite"),
        (121.5, 25.0, SwappedCoordinatesError, "coordinates_swapped"),
        (-180.0, 90.0, SwappedCoordinatesError, "coordinates_swapped"),
        (121.5, 95.0, CoordinateOutOfRangeError, "coordinate_out_of_range"),
        (180.5, 25.0, CoordinateOutOfRangeError, "coordinate_out_of_range"),
        (25.0, 180.00001, CoordinateOutOfRangeError, "coordinate_out_of_range"),
        (0.0, 0.0, NullIslandError, "coordinate_null_island"),
        (-1e-6, 1e-6, NullIslandError, "coordinate_null_island"),
    ],
)
def test_each_fault_of_a_pair_has_its_own_name_and_a_message_with_the_pair(
    lat: float, lon: float, error: type[CoordinateError], code: str
) -> None:
    with pytest.raises(error, match=f"lat {lat}") as caught:
        LatLon(lat=lat, lon=lon)
    assert type(caught.value) is error
    assert caught.value.code == code


def test_a_swapped_pair_is_told_how_it_should_have_been() -> None:
    with pytest.raises(SwappedCoordinatesError, match=r"give lat 25\.0, lon 121\.5"):
        LatLon(lat=121.5, lon=25.0)


@pytest.mark.parametrize(
    ("lat", "lon"), [(90.0, 180.0), (-90.0, -180.0), (0.0, 1.1e-6), (1.1e-6, 0.0), (0.0, 180.0), (90.0, 0.0)]
)
def test_the_ends_of_the_range_and_places_beside_the_null_island_are_places(lat: float, lon: float) -> None:
    assert LatLon(lat=lat, lon=lon).lon_lat() == (lon, lat)


@given(lat=st.floats(), lon=st.floats())
def test_any_two_floats_are_a_place_in_range_or_a_coordinate_error(lat: float, lon: float) -> None:
    with suppress(CoordinateError):
        place = LatLon(lat=lat, lon=lon)
        assert abs(place.lat) <= 90
        assert abs(place.lon) <= 180


@pytest.mark.parametrize(
    ("lat", "lon", "country", "timezone"),
    [
        (25.033, 121.5654, "TW", "Asia/Taipei"),
        (24.4367, 118.3186, "TW", "Asia/Taipei"),  # Kinmen
        (26.1605, 119.9497, "TW", "Asia/Taipei"),  # Matsu
        (22.2816, 114.1585, "HK", "Asia/Hong_Kong"),
        (22.1987, 113.5439, "MO", "Asia/Macau"),
        (37.87, 112.55, "CN", "Asia/Shanghai"),
        (35.6812, 139.7671, "JP", "Asia/Tokyo"),
        (47.6970, 8.6890, "DE", "Europe/Busingen"),
        (59.3293, 18.0686, "SE", "Europe/Stockholm"),
        (0.5, -30.2, None, "Etc/GMT+2"),
        (10.0, 180.0, None, "Etc/GMT-12"),
        (10.0, -180.0, None, "Etc/GMT+12"),
        (90.0, 0.0, None, "Etc/GMT"),
    ],
)
def test_a_place_has_the_country_of_its_time_zone_and_none_at_sea(
    lat: float, lon: float, country: str | None, timezone: str
) -> None:
    place = LatLon(lat=lat, lon=lon)
    assert timezone_of(place) == timezone
    assert country_of(place) == country
