"""What is known of where stores are by patches of slots: never too little, and little where they lie in order."""

import asyncio
from collections.abc import AsyncIterator
from math import dist

import numpy as np
import pytest

from dispatch.domain.market import FloatArray, IntArray
from dispatch.domain.stores import Store
from dispatch.replica import patches as of_patches
from dispatch.replica.patches import PATCH_BITS, Patches, in_order_of_place, near_edges, neighbours_together
from dispatch.storage.feed import StoreRow
from geo.cells import cell_of
from geo.coordinates import LatLon
from geo.geodesy import earth_centred, earth_centred_place

SEED = 20261128
PATCH = 1 << PATCH_BITS

type Point = tuple[float, float, float]


def slots_in(edges: IntArray) -> list[int]:
    return [slot for first, end in edges.reshape(-1, 2).tolist() for slot in range(first, end)]


def ordered(edges: IntArray) -> bool:
    return bool((np.diff(edges)[::2] > 0).all() and (np.diff(edges)[1::2] >= 0).all())


def place_of(xyz: FloatArray, slot: int) -> Point:
    x, y, z = xyz[slot].tolist()
    return x, y, z


def some_world(rng: np.random.Generator) -> tuple[Patches, FloatArray, list[set[Point]]]:
    """Patches of stores that came, moved and left, where they are now, and by slot wherever they have been."""
    count, later = int(rng.integers(0, 900)), int(rng.integers(1, 200))
    lats, lons = rng.uniform(-90.0, 90.0, count + later), rng.uniform(-180.0, 180.0, count + later)
    # Most lie in a city across 180°, in an order that helps; others anywhere.
    in_city = rng.random(count + later) < 0.8
    lats[in_city], lons[in_city] = rng.uniform(-0.2, 0.2, in_city.sum()), 180.0 - rng.uniform(0, 0.4, in_city.sum())
    order = np.lexsort((lons[:count], np.floor(lats[:count] * 20)))
    lats[:count], lons[:count] = lats[order], lons[order]
    xyz = earth_centred(lats, lons)
    been: list[set[Point]] = [{place_of(xyz, slot)} for slot in range(count + later)]
    patches = Patches()
    patches.cover_all(xyz[:count])
    for slot in range(count, count + later):
        patches.cover(slot, place_of(xyz, slot))
    for slot in rng.integers(0, count + later, 30).tolist():
        xyz[slot] = earth_centred_place(LatLon(lat=float(rng.uniform(-1, 1)), lon=float(rng.uniform(-180, 180))))
        patches.cover(slot, place_of(xyz, slot))
        been[slot].add(place_of(xyz, slot))
    return patches, xyz, been


def test_whoever_is_within_a_distance_is_in_a_stretch_and_rings_hold_each_patch_once() -> None:
    for seed in range(60):
        rng = np.random.default_rng([SEED, seed])
        patches, xyz, been = some_world(rng)
        x, y, z = (xyz[int(rng.integers(len(xyz)))] + rng.normal(0.0, 2000.0, 3)).tolist()
        door = x, y, z
        cuts = np.unique(rng.integers(0, len(xyz) + 1, 6)).tolist()
        pairs = [[first, end] for first, end in zip(cuts[::2], cuts[1::2], strict=False)]
        edges = np.array(pairs, dtype=np.int64).ravel()
        for radius_m in (0.0, 500.0, 20_000.0, 2e7):
            away_m = [min(float(dist(place, door)) for place in places) for places in been]
            right = {slot for slot in slots_in(edges) if away_m[slot] <= radius_m}
            near = near_edges(patches.balls, edges, *door, -1.0, radius_m, 0)
            assert right <= set(slots_in(near)) <= set(slots_in(edges)), f"seed {SEED}, world {seed}, {radius_m} m"
            wider = near_edges(patches.balls, edges, *door, -1.0, radius_m, 3 * PATCH)
            assert set(slots_in(near)) <= set(slots_in(wider)) <= set(slots_in(edges))
            assert ordered(near), "ascending and apart"
            assert ordered(wider), "ascending and apart"
            inner = near_edges(patches.balls, edges, *door, -1.0, radius_m / 3, 0)
            ring = near_edges(patches.balls, edges, *door, radius_m / 3, radius_m, 0)
            assert sorted(slots_in(inner) + slots_in(ring)) == slots_in(near), "each patch is in one ring"


@pytest.mark.parametrize("count", [1, PATCH - 1, PATCH, PATCH + 1])
def test_a_patch_that_is_not_full_has_no_place_but_those_of_its_stores(count: int) -> None:
    patches = Patches()
    patches.cover_all(np.tile(earth_centred_place(LatLon(lat=10.0, lon=20.0)), (count, 1)))
    assert len(patches.balls) == -(-count // PATCH)
    assert (patches.balls[:, 3] < 4.0).all(), "they are all at one place"


def test_where_no_store_has_been_nothing_is_near() -> None:
    patches = Patches()
    patches.cover(5 * PATCH, earth_centred_place(LatLon(lat=1.0, lon=0.0)))
    door = earth_centred_place(LatLon(lat=1.1, lon=0.0))
    everything = np.array([0, 6 * PATCH])
    assert near_edges(patches.balls, everything, *door, -1.0, 20_000.0, 0).tolist() == [5 * PATCH, 6 * PATCH]
    assert near_edges(patches.balls, everything, *door, -1.0, 10_000.0, 0).tolist() == []
    assert near_edges(Patches().balls, np.array([0, PATCH]), *door, -1.0, 1e9, 0).tolist() == []
    assert near_edges(patches.balls, np.empty(0, dtype=np.int64), *door, -1.0, 1e9, 0).tolist() == []


def some_rows(rng: np.random.Generator, count: int) -> list[StoreRow]:
    """Of stores spread over some fifty kilometres."""
    lats, lons = rng.uniform(24.9, 25.4, count).tolist(), rng.uniform(121.0, 121.5, count).tolist()
    places = [LatLon(lat=lat, lon=lon) for lat, lon in zip(lats, lons, strict=True)]
    return [
        StoreRow(Store(store_id=f"s{i}", place=place, timezone="UTC"), i, cell_of(place), 0, None)
        for i, place in enumerate(places)
    ]


def test_in_order_of_place_cells_stay_together_and_patches_are_small() -> None:
    rows = some_rows(np.random.default_rng(SEED), 8000)
    arranged = in_order_of_place(rows)
    assert sorted(row.store_no for row in arranged) == list(range(8000))
    assert [row.cell for row in arranged] == sorted(row.cell for row in rows)
    radii_m = []
    for some in (rows, arranged):
        patches = Patches()
        patches.cover_all(np.array([earth_centred_place(row.store.place) for row in some]))
        radii_m.append(float(np.median(patches.balls[:, 3])))
    # Of 50 km by 55 each 64 of 8,000 have 4.7 km by 4.7, with corners 3.3 km away.
    assert radii_m[1] < 5_000.0 < 30_000.0 < radii_m[0]
    assert in_order_of_place([]) == []


@pytest.mark.parametrize("count", [0, 1, 40, 41, 100])
async def test_stores_that_come_in_pieces_go_on_in_order_of_place_a_few_at_a_time_and_others_get_their_turns(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_patches, "_STORES_TOGETHER", 40)
    monkeypatch.setattr(of_patches, "STORES_AT_ONCE", 16)
    rows = sorted(some_rows(np.random.default_rng([SEED, count]), count), key=lambda row: row.cell)
    turns = 0

    async def another() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def in_pieces() -> AsyncIterator[list[StoreRow]]:
        for first in range(0, count, 8):
            yield rows[first : first + 8]

    beside = asyncio.create_task(another())
    pieces, turns_before = [], []
    async for piece in neighbours_together(in_pieces()):
        pieces.append(piece)
        turns_before.append(turns)
    beside.cancel()
    assert [len(piece) for piece in pieces] == [16, 16, 8] * (count // 40) + [16, 4] * (count % 40 == 20) + [1] * (
        count % 40 == 1
    )
    assert len(set(turns_before)) == len(pieces), "nobody else had a turn between two of them"
    ordered = [row for first in range(0, count, 40) for row in in_order_of_place(rows[first : first + 40])]
    assert [row for piece in pieces for row in piece] == ordered
