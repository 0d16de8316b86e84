import random
from math import inf, nan

import h3 as h3_text
import numpy as np
import pytest
from pyproj import Geod

from geo.cells import (
    AT_M,
    HOME_RESOLUTION,
    cell_from_text,
    cell_of,
    cell_to_text,
    cells_of,
    cells_within,
    home_cells_at,
    parents_of,
    ring,
)
from geo.coordinates import LatLon

GEOD = Geod(ellps="WGS84")
SEED = 20261121
PENTAGONS = [h3_text.cell_to_latlng(cell) for cell in sorted(h3_text.get_pentagons(HOME_RESOLUTION))]
ORIGINS = [
    (25.033, 121.5654),
    (37.87, 112.55),
    (90.0, 0.0),
    (-90.0, 0.0),
    (89.5, 100.0),
    (-17.0, 180.0),
    (-17.0, -179.99),
    *PENTAGONS,
]


def around(rng: random.Random, origin: LatLon, radius_m: float) -> LatLon:
    """A random place within the radius, half of them right at its edge."""
    away_m = radius_m * rng.choice([1.0, rng.random() ** 0.5])
    lon, lat, _ = GEOD.fwd(origin.lon, origin.lat, rng.uniform(0, 360), away_m)
    return LatLon(lat=lat, lon=lon)


@pytest.mark.parametrize(("lat", "lon"), ORIGINS)
@pytest.mark.parametrize(
    ("resolution", "radius_m"), [(3, 0.0), (3, 900.0), (3, 50_000.0), (3, 400_000.0), (0, 3e6), (5, 60_000.0), (8, 4e3)]
)
def test_every_place_within_the_radius_lies_in_one_of_the_cells(
    lat: float, lon: float, resolution: int, radius_m: float
) -> None:
    rng = random.Random(SEED)
    origins = [LatLon(lat=lat, lon=lon), around(rng, LatLon(lat=lat, lon=lon), 100_000)]
    for origin in origins:
        cells = cells_within(origin, radius_m, resolution)
        assert cells == sorted(set(cells))
        assert cell_of(origin, resolution) in cells
        for _ in range(150):
            place = around(rng, origin, radius_m)
            cell = h3_text.str_to_int(h3_text.latlng_to_cell(place.lat, place.lon, resolution))
            assert cell in set(cells), f"{place} around {origin}, seed {SEED}"


@pytest.mark.parametrize(("lat", "lon"), ORIGINS)
def test_home_cells_at_a_place_are_those_within_a_metre(lat: float, lon: float) -> None:
    rng = random.Random(SEED)
    several = 0
    for _ in range(20):
        origin = around(rng, LatLon(lat=lat, lon=lon), 100_000)
        places = [origin, *on_the_circle_of(rng, rng.choice(cells_within(origin, 50_000)))]
        for place in places:
            found = home_cells_at(place)
            assert found == cells_within(place, AT_M), f"{place}, seed {SEED}"
            several += len(found) > 1
    assert several, "no place lay near the edge of a circle"


def on_the_circle_of(rng: random.Random, cell: int) -> list[LatLon]:
    """Places as far from the centre of a cell as a place may be that is near it, and a little nearer and farther."""
    centre = h3_text.cell_to_latlng(cell_to_text(cell))
    corners = h3_text.cell_to_boundary(cell_to_text(cell))
    circumradius_m = 1.01 * max(GEOD.inv(centre[1], centre[0], lon, lat)[2] for lat, lon in corners)
    places = []
    for more_m in (-3.0, -1.0, -0.2, -1e-6, 1e-6, 0.2, 1.0):
        lon, lat, _ = GEOD.fwd(centre[1], centre[0], rng.uniform(0, 360), AT_M + circumradius_m + more_m)
        places.append(LatLon(lat=lat, lon=lon))
    return places


def test_the_cells_are_not_many_more_than_needed() -> None:
    # 50 km around any place touch at most 7 or so cells of 69 km edges; the circles round the cells add a few.
    rng = random.Random(SEED)
    for _ in range(200):
        origin = LatLon(lat=rng.uniform(-80, 80), lon=rng.uniform(-180, 180))
        assert len(cells_within(origin, 50_000)) <= 10
    assert len(cells_within(LatLon(lat=25.033, lon=121.5654), inf, 1)) == 842


@pytest.mark.parametrize("radius_m", [-1.0, nan])
def test_a_radius_that_is_none_is_refused(radius_m: float) -> None:
    with pytest.raises(ValueError, match="radius_m is"):
        cells_within(LatLon(lat=25, lon=121), radius_m)


def test_cells_fit_64_signed_bits_and_travel_as_text() -> None:
    rng = random.Random(SEED)
    for resolution in range(16):
        place = LatLon(lat=rng.uniform(-90, 90), lon=rng.uniform(-180, 180))
        cell = cell_of(place, resolution)
        assert 0 < cell < 2**63
        assert cell_to_text(cell) == h3_text.latlng_to_cell(place.lat, place.lon, resolution)
        assert cell_from_text(cell_to_text(cell)) == cell
    assert h3_text.get_resolution(cell_to_text(cell_of(LatLon(lat=25, lon=121)))) == HOME_RESOLUTION == 3


@pytest.mark.parametrize("text", ["", "zz", "123", "-8831aa5555fffff", "8831aa5555fffffff", "f" * 16, "f" * 40])
def test_text_that_spells_no_cell_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no H3 cell"):
        cell_from_text(text)


def test_rings_are_disjoint_and_make_up_the_disk_also_around_a_pentagon() -> None:
    for lat, lon in [(25.033, 121.5654), *PENTAGONS[:3]]:
        cell = cell_of(LatLon(lat=lat, lon=lon))
        rings = [ring(cell, k) for k in range(4)]
        assert rings[0] == [cell]
        disk = {h3_text.str_to_int(text) for text in h3_text.grid_disk(cell_to_text(cell), 3)}
        assert sum(map(len, rings)) == len(disk)
        assert set().union(*rings) == disk
    assert len(ring(cell_of(LatLon(lat=PENTAGONS[0][0], lon=PENTAGONS[0][1])), 1)) == 5


# ── many at once ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_parents_are_those_of_h3_also_of_pentagons_and_around_them() -> None:
    rng = random.Random(SEED)
    for fine in (15, 12, 4, 0):
        places = [(rng.uniform(-90, 90), rng.uniform(-180, 180)) for _ in range(300)]
        pentagons = [h3_text.cell_to_latlng(cell) for cell in h3_text.get_pentagons(fine)]
        beside = [(lat + rng.uniform(-5, 5) * 0.9**fine, lon) for lat, lon in pentagons for _ in range(20)]
        places += pentagons + [(max(-90.0, min(90.0, lat)), lon) for lat, lon in beside]
        lats, lons = np.array(places).T
        cells = cells_of(lats, lons, fine)
        texts = [h3_text.latlng_to_cell(lat, lon, fine) for lat, lon in places]
        assert [f"{cell:x}" for cell in cells.tolist()] == texts
        assert sum(map(h3_text.is_pentagon, texts)) >= 12
        for coarse in range(fine + 1):
            expected = [h3_text.cell_to_parent(text, coarse) for text in texts]
            assert [f"{cell:x}" for cell in parents_of(cells, coarse).tolist()] == expected


def test_of_no_places_there_are_no_cells() -> None:
    assert cells_of(np.empty(0), np.empty(0), 9).tolist() == []
    assert parents_of(np.empty(0, dtype=np.int64), 3).tolist() == []
