"""The ground plan of the demo city: a river with few bridges, and districts that meet without overlap."""

from itertools import combinations

import numpy as np
import pytest
from pyproj import Geod
from shapely import Point

from data.city import (
    BRIDGES,
    CENTRE_LAT,
    CENTRE_LON,
    CITY_RADIUS_M,
    RIVER_WIDTH_M,
    bridge_lines,
    district_of,
    districts,
    is_dry,
    river_line,
    same_bank,
    to_lon_lat,
    to_metres,
    water,
)


def test_the_frame_is_true_to_distance_from_the_centre_and_turns_back() -> None:
    metres = np.array([[0.0, 0.0], [12_000.0, -5_000.0], [-300.0, 19_000.0]])
    lon_lat = to_lon_lat(metres)
    _, _, far_m = Geod(ellps="WGS84").inv([CENTRE_LON] * 3, [CENTRE_LAT] * 3, lon_lat[:, 0], lon_lat[:, 1])
    assert far_m == pytest.approx(np.hypot(*metres.T), abs=1e-3)
    assert to_metres(lat=lon_lat[:, 1], lon=lon_lat[:, 0]) == pytest.approx(metres, abs=1e-6)


def test_the_river_runs_from_north_to_south_through_the_whole_city() -> None:
    course = np.array(river_line().coords)
    assert (np.diff(course[:, 1]) < 0.0).all()
    assert course[0, 1] > CITY_RADIUS_M
    assert course[-1, 1] < -CITY_RADIUS_M
    assert water().is_valid
    assert is_dry(course).tolist() == [False] * len(course)


def test_each_bridge_crosses_the_whole_river_once_and_ends_dry() -> None:
    assert 3 <= len(BRIDGES) <= 8
    for line in bridge_lines():
        ends = np.array(line.coords)
        assert is_dry(ends).all()
        assert line.crosses(river_line())
        assert RIVER_WIDTH_M <= line.intersection(water()).length < 1.5 * RIVER_WIDTH_M


def test_districts_meet_without_overlap_and_cover_the_dry_city() -> None:
    for (one, shape), (other, neighbour) in combinations(districts().items(), 2):
        assert shape.intersection(neighbour).area < 1e-3, (one, other)
    dry_m2 = np.pi * CITY_RADIUS_M**2 - water().intersection(Point(0.0, 0.0).buffer(CITY_RADIUS_M, 64)).area
    assert sum(shape.area for shape in districts().values()) == pytest.approx(dry_m2, rel=1e-3)


def test_a_place_is_in_the_district_that_holds_it() -> None:
    for name, shape in districts().items():
        inside = shape.representative_point()
        assert district_of(np.array([[inside.x, inside.y]])) == [name]


def test_a_zone_reaches_the_other_bank_only_over_a_bridge_within_it() -> None:
    far_from_bridges, at_a_bridge = Point(-2_600.0, 3_500.0), Point(-1_500.0, 1_700.0)
    kept = same_bank(far_from_bridges.buffer(900.0), east_m=-1_900.0, north_m=3_500.0)
    assert kept.geom_type == "Polygon"
    assert kept.contains(Point(-1_900.0, 3_500.0))
    assert kept.area < far_from_bridges.buffer(900.0).area / 3
    both = same_bank(at_a_bridge.buffer(1_500.0), east_m=-1_500.0, north_m=1_700.0)
    assert both.geom_type == "MultiPolygon"
    assert both.intersection(water()).area < 1e-3
