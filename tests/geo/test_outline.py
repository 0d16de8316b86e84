"""Where many places are as a whole: held against a look at every gap, and at every square by hand."""

import itertools
import random

import numpy as np
import pytest

from geo.outline import bounds_of, densest_place

SEED = 20261127


def bounds(places: list[tuple[float, float]]) -> tuple[float, float, float, float] | None:
    lats, lons = np.array(places).reshape(-1, 2).T
    return bounds_of(lats, lons)


def width(west: float, east: float) -> float:
    return east - west if west <= east else east - west + 360.0


def test_nobody_is_nowhere_and_one_place_is_its_own_box() -> None:
    assert bounds([]) is None
    assert densest_place(np.empty(0), np.empty(0)) is None
    assert bounds([(25.0, 121.5)]) == (121.5, 25.0, 121.5, 25.0)


def test_the_box_goes_over_the_antimeridian_only_where_that_is_narrower() -> None:
    assert bounds([(10.0, 100.0), (-5.0, 120.0), (3.0, 110.0)]) == (100.0, -5.0, 120.0, 10.0)
    assert bounds([(-17.0, 179.0), (-18.0, -179.5)]) == (179.0, -18.0, -179.5, -17.0)
    assert bounds([(0.5, -90.0), (0.5, 90.0)]) == (-90.0, 0.5, 90.0, 0.5)  # as wide either way


def test_no_box_between_two_of_the_longitudes_that_holds_all_is_narrower() -> None:
    rng = random.Random(SEED)
    over = 0
    for _ in range(300):
        middle, spread = rng.uniform(-180, 180), rng.choice([1.0, 40.0, 179.0])
        lons = [(middle + rng.uniform(-spread, spread) + 180.0) % 360.0 - 180.0 for _ in range(rng.randint(2, 8))]
        found = bounds([(rng.uniform(-90, 90), lon) for lon in lons])
        assert found is not None
        west, south, east, north = found
        over += west > east
        assert all(width(west, lon) <= width(west, east) for lon in lons)
        holding = [
            width(w, e) for w, e in itertools.product(lons, lons) if all(width(w, lon) <= width(w, e) for lon in lons)
        ]
        assert width(west, east) == pytest.approx(min(holding), abs=1e-9)
        assert -90 <= south <= north <= 90
    assert 50 < over < 250


def test_the_centre_is_in_the_midst_of_the_densest_part_and_not_of_all() -> None:
    rng = random.Random(SEED)
    # On the border of two squares, which are counted by 0.05 degrees.
    town = [(37.85 + rng.uniform(-0.01, 0.01), 112.524 + rng.uniform(-0.01, 0.01)) for _ in range(50)]
    country = [(rng.uniform(20, 50), rng.uniform(75, 130)) for _ in range(3_000)]
    lats, lons = np.array(country + town).T
    centre = densest_place(lats, lons)
    assert centre is not None
    assert (centre.lat, centre.lon) == pytest.approx(np.mean(town, axis=0), abs=1e-4)


@pytest.mark.parametrize("lat", [-89.999, -60.0, 0.0, 89.999])
def test_places_at_the_antimeridian_and_the_poles_have_a_middle(lat: float) -> None:
    lats, lons = np.array([(lat, 179.999), (lat, 179.998), (0.5, 3.0)]).T
    centre = densest_place(lats, lons)
    assert centre is not None
    assert (centre.lat, centre.lon) == pytest.approx((lat, 179.9985), abs=1e-6)
