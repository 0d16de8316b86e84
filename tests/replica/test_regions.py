"""Which slots are around a place: those of every cell that may reach into the circle, however stores came and moved."""

import numpy as np
import pytest

from dispatch.domain.market import IntArray
from dispatch.replica.regions import Regions, edges_around
from geo.cells import cell_of, circle_around
from geo.coordinates import LatLon
from geo.geodesy import distance_m, earth_centred_place

SEED = 20261128


def around(regions: Regions, place: LatLon, radius_m: float) -> IntArray:
    edges: IntArray = edges_around(*regions.parts, *earth_centred_place(place), radius_m)
    return edges


def slots_in(edges: IntArray) -> list[int]:
    return [slot for first, end in edges.reshape(-1, 2).tolist() for slot in range(first, end)]


@pytest.mark.parametrize("is_sorted", [True, False], ids=["by place", "in any order"])
def test_every_slot_whose_cell_reaches_into_the_circle_is_around_and_stretches_lie_apart(is_sorted: bool) -> None:
    for seed in range(20):
        rng = np.random.default_rng([SEED, seed])
        count = int(rng.integers(1, 400))
        # Half of the worlds lie across 180°.
        lons = rng.uniform(-3.0, 3.0, count) + (180.0 if seed % 2 else 20.0)
        lons = (lons + 180.0) % 360.0 - 180.0
        lats = rng.uniform(-4.0, 4.0, count) + 0.01
        places = [LatLon(lat=lat, lon=lon) for lat, lon in zip(lats.tolist(), lons.tolist(), strict=True)]
        if is_sorted:
            places.sort(key=cell_of)
        regions, cells = Regions(), dict[int, set[int]]()
        for slot, place in enumerate(places):
            regions.file(slot, cell_of(place))
            cells.setdefault(cell_of(place), set()).add(slot)
        # Some move, and some of those back; they stay where they were, too.
        for slot in rng.integers(0, count, 40).tolist():
            cell = cell_of(places[int(rng.integers(count))])
            regions.file(slot, cell)
            cells[cell].add(slot)
        for cell, slots in cells.items():
            held = [slot for first, end in regions.stretches(cell) for slot in range(first, end)]
            assert held == sorted(slots), f"seed {SEED}, world {seed}"
        for radius_m in (0.0, 15_000.0, 200_000.0):
            door = places[int(rng.integers(count))]
            edges = around(regions, door, radius_m)
            flat = edges.tolist()
            assert flat == sorted(set(flat)), "ascending, and no stretch touches the next"
            right = set()
            for cell, slots in cells.items():
                centre, reach_m = circle_around(cell)
                if distance_m(door, centre) <= radius_m + reach_m - 1.0:
                    right |= slots
            assert right <= set(slots_in(edges)), f"seed {SEED}, world {seed}, {radius_m} m"


def test_no_stores_have_no_stretches() -> None:
    regions = Regions()
    assert len(around(regions, LatLon(lat=1.0, lon=1.0), 1e6)) == 0
    assert regions.stretches(cell_of(LatLon(lat=1.0, lon=1.0))) == []


def test_the_far_are_left_out() -> None:
    regions, near, far = Regions(), LatLon(lat=25.0, lon=121.5), LatLon(lat=35.0, lon=139.0)
    for slot, place in enumerate((near, far, near, near)):
        regions.file(slot, cell_of(place))
    assert around(regions, near, 10_000.0).tolist() == [0, 1, 2, 4]
    assert around(regions, far, 10_000.0).tolist() == [1, 2]
    assert around(regions, near, 5e6).tolist() == [0, 4]


def test_who_has_moved_away_and_come_back_is_there_once() -> None:
    regions, here, elsewhere = Regions(), cell_of(LatLon(lat=25.0, lon=121.5)), cell_of(LatLon(lat=35.0, lon=139.0))
    for slot, cell in ((4, here), (5, here), (3, here), (4, elsewhere), (4, here)):
        regions.file(slot, cell)
    assert regions.stretches(here) == [(3, 6)]
    assert regions.stretches(elsewhere) == [(4, 5)]
