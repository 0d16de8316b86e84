import random
from collections.abc import Iterator
from itertools import pairwise
from math import inf, nan

import numpy as np
import pytest
from pyproj import Geod

from geo.coordinates import LatLon
from geo.geodesy import FloatArray
from geo.point_index import Batch, PointIndex

GEOD = Geod(ellps="WGS84")
SEED = 20261121
TAIPEI = LatLon(lat=25.033, lon=121.5654)
POLE = LatLon(lat=90, lon=0)


class Crowd:
    """Points by id, and the brute-force answers the index is held against."""

    def __init__(self, lats: FloatArray, lons: FloatArray) -> None:
        self.places = dict(enumerate(zip(np.clip(lats, -90, 90).tolist(), wrapped(lons).tolist(), strict=True)))

    def index(self) -> PointIndex:
        ids = np.array(list(self.places), dtype=np.int64)
        lats = np.array([lat for lat, _ in self.places.values()])
        lons = np.array([lon for _, lon in self.places.values()])
        return PointIndex(ids, lats, lons)

    def expected(self, origin: LatLon, radius_m: float = inf) -> list[tuple[int, float]]:
        ids = list(self.places)
        lats = [lat for lat, _ in self.places.values()]
        lons = [lon for _, lon in self.places.values()]
        metres = GEOD.inv([origin.lon] * len(ids), [origin.lat] * len(ids), lons, lats)[2]
        by_distance = sorted((m, id) for id, m in zip(ids, metres, strict=True) if m <= radius_m)
        return [(id, m) for m, id in by_distance]


def wrapped(lons: FloatArray) -> FloatArray:
    return (lons + 180) % 360 - 180


def scattered(rng: np.random.Generator, count: int) -> Crowd:
    return Crowd(np.degrees(np.arcsin(rng.uniform(-1, 1, count))), rng.uniform(-180, 180, count))


def towns(rng: np.random.Generator, count: int) -> Crowd:
    centres = rng.integers(0, 8, count)
    lats, lons = rng.uniform(-60, 60, 8)[centres], rng.uniform(-180, 180, 8)[centres]
    return Crowd(lats + rng.normal(0, 0.05, count), lons + rng.normal(0, 0.05, count))


def taipei(rng: np.random.Generator, count: int) -> Crowd:
    return Crowd(TAIPEI.lat + rng.normal(0, 0.05, count), TAIPEI.lon + rng.normal(0, 0.05, count))


def antimeridian(rng: np.random.Generator, count: int) -> Crowd:
    return Crowd(-17 + rng.normal(0, 0.2, count), 180 + rng.normal(0, 0.2, count))


def north_pole(rng: np.random.Generator, count: int) -> Crowd:
    return Crowd(90 - np.abs(rng.normal(0, 0.2, count)), rng.uniform(-180, 180, count))


def south_pole(rng: np.random.Generator, count: int) -> Crowd:
    return Crowd(-90 + np.abs(rng.normal(0, 0.2, count)), rng.uniform(-180, 180, count))


def one_tower(rng: np.random.Generator, count: int) -> Crowd:
    """600 points at one place, the others around it."""
    crowd = taipei(rng, count)
    crowd.places |= dict.fromkeys(rng.choice(count, 600, replace=False).tolist(), (TAIPEI.lat, TAIPEI.lon))
    return crowd


def shared_places(rng: np.random.Generator, count: int) -> Crowd:
    lats, lons = TAIPEI.lat + rng.normal(0, 0.05, 40), TAIPEI.lon + rng.normal(0, 0.05, 40)
    which = rng.integers(0, 40, count)
    return Crowd(lats[which], lons[which])


CROWDS = [scattered, towns, taipei, antimeridian, north_pole, south_pole, one_tower, shared_places]
ORIGINS = [
    TAIPEI,
    LatLon(lat=25.1, lon=121.4),
    LatLon(lat=-17, lon=180),
    LatLon(lat=-17.1, lon=-179.9),
    POLE,
    LatLon(lat=89.9, lon=-120),
    LatLon(lat=-89.95, lon=60),
    LatLon(lat=-25, lon=-58.4),  # beside the antipode of Taipei
]


def drawn(batches: Iterator[Batch]) -> list[tuple[int, float]]:
    """All hits of the batches; each batch is checked for what a batch alone promises."""
    hits: list[tuple[int, float]] = []
    all_batches = list(batches)
    for batch, following in pairwise(all_batches):
        assert batch.next_m == following.distances_m[0], "the bound is not the next hit's distance"
        assert batch.next_m > batch.distances_m[-1], "a tie was torn apart"
    if all_batches:
        assert all_batches[-1].next_m == inf
    for batch in all_batches:
        assert len(batch.ids) == len(batch.distances_m) > 0
        hits += zip(batch.ids.tolist(), batch.distances_m.tolist(), strict=True)
    return hits


@pytest.mark.parametrize("crowd_of", CROWDS)
def test_batches_equal_brute_force_wherever_the_points_and_the_origin_lie(crowd_of) -> None:  # type: ignore[no-untyped-def]
    crowd = crowd_of(np.random.default_rng(SEED), 1500)
    index = crowd.index()
    for origin in ORIGINS:
        expected = crowd.expected(origin)
        assert drawn(index.batches(origin)) == expected
        assert drawn(index.batches(origin, first=1)) == expected
        for radius_m in (0.0, 1.0, 3000.0, 50_000.0, 2e6, expected[700][1]):
            within = crowd.expected(origin, radius_m)
            assert drawn(index.batches(origin, radius_m=radius_m)) == within
            ids, metres = index.within(origin, radius_m)
            assert list(zip(ids.tolist(), metres.tolist(), strict=True)) == within


def test_thousands_of_hits_equal_brute_force_past_the_change_from_neighbours_to_boxes() -> None:
    crowd = towns(np.random.default_rng(SEED), 14_000)
    index = crowd.index()
    for origin in (TAIPEI, LatLon(lat=crowd.places[0][0], lon=crowd.places[0][1])):
        expected = crowd.expected(origin)
        assert drawn(index.batches(origin)) == expected
        assert drawn(index.batches(origin, first=6000)) == expected
        assert drawn(index.batches(origin, first=6000, radius_m=20_000)) == crowd.expected(origin, 20_000)


def test_five_thousand_points_at_one_place_come_in_one_batch_by_id() -> None:
    crowd = taipei(np.random.default_rng(SEED), 20_000)
    crowd.places |= dict.fromkeys(range(0, 20_000, 4), (TAIPEI.lat, TAIPEI.lon))
    batch = next(crowd.index().batches(TAIPEI))
    expected = crowd.expected(TAIPEI)
    assert batch.ids.tolist()[:5000] == list(range(0, 20_000, 4))
    assert list(zip(batch.ids.tolist(), batch.distances_m.tolist(), strict=True)) == expected[: len(batch.ids)]
    assert batch.next_m == expected[len(batch.ids)][1] > 0


def test_the_first_batch_is_about_as_large_as_asked() -> None:
    index = taipei(np.random.default_rng(SEED), 5000).index()
    sizes = [len(batch.ids) for batch in index.batches(TAIPEI, first=8)]
    assert 4 <= sizes[0] <= 8
    assert sizes[1] > sizes[0]


@pytest.mark.parametrize("seed", range(4))
def test_points_that_come_go_and_come_back_are_found_where_they_are(seed: int) -> None:
    rng = random.Random(SEED + seed)
    crowd = taipei(np.random.default_rng(SEED + seed), 120)
    index = crowd.index()
    for step in range(500):
        if rng.random() < 0.5 and crowd.places:
            gone = rng.choice(list(crowd.places))
            del crowd.places[gone]
            index.delete(gone)
            assert gone not in index
        else:
            new = rng.randrange(300)
            lat, lon = rng.choice([(rng.gauss(25, 0.05), rng.gauss(121.5, 0.05)), (25.0, 121.5), (-17.0, 179.99)])
            if new in crowd.places:
                with pytest.raises(ValueError, match="twice"):
                    index.insert(new, LatLon(lat=lat, lon=lon))
            else:
                index.insert(new, LatLon(lat=lat, lon=lon))
                crowd.places[new] = (lat, lon)
        assert len(index) == len(crowd.places)
        if step % 25 == 0:
            for origin in (TAIPEI, LatLon(lat=-17, lon=-179.99)):
                assert drawn(index.batches(origin)) == crowd.expected(origin)
                assert drawn(index.batches(origin, radius_m=5000)) == crowd.expected(origin, 5000)
    for id, (lat, lon) in crowd.places.items():
        assert (index.lats[id], index.lons[id]) == (lat, lon)
    assert np.count_nonzero(~np.isnan(index.lats)) == len(crowd.places)


def test_an_index_can_be_emptied_and_filled_again() -> None:
    crowd = taipei(np.random.default_rng(SEED), 200)
    index = crowd.index()
    for id in crowd.places:
        index.delete(id)
    assert len(index) == 0
    assert list(index.batches(TAIPEI)) == []
    index.insert(150, TAIPEI)
    assert [tuple(hit) for hit in index.nearest(TAIPEI)] == [(150, 0.0)]


def test_an_empty_index_yields_nothing_and_takes_points() -> None:
    index = PointIndex(np.empty(0, np.int64), np.empty(0), np.empty(0))
    assert len(index) == 0
    assert 0 not in index
    assert list(index.batches(TAIPEI)) == []
    assert list(index.nearest(TAIPEI, radius_m=1e9)) == []
    assert [part.tolist() for part in index.within(TAIPEI, inf)] == [[], []]
    index.insert(7, POLE)
    assert [hit.id for hit in index.nearest(TAIPEI)] == [7]
    assert index.within(TAIPEI, inf)[0].tolist() == [7]


def test_nearest_yields_one_hit_at_a_time_up_to_and_including_the_radius() -> None:
    crowd = taipei(np.random.default_rng(SEED), 900)
    expected = crowd.expected(TAIPEI)
    index = crowd.index()
    assert [tuple(hit) for hit in index.nearest(TAIPEI)] == expected
    edge_m = expected[99][1]
    assert [tuple(hit) for hit in index.nearest(TAIPEI, radius_m=edge_m)] == expected[:100]
    assert [tuple(hit) for hit in index.nearest(TAIPEI, radius_m=np.nextafter(edge_m, 0))] == expected[:99]


@pytest.mark.parametrize("radius_m", [-1.0, -inf, nan])
def test_a_radius_that_is_none_is_refused_at_the_call(radius_m: float) -> None:
    index = taipei(np.random.default_rng(SEED), 10).index()
    for search in (index.batches, index.nearest):
        with pytest.raises(ValueError, match="radius_m is"):
            search(TAIPEI, radius_m=radius_m)
    with pytest.raises(ValueError, match="radius_m is"):
        index.within(TAIPEI, radius_m)
    with pytest.raises(ValueError, match="first is 0"):
        index.batches(TAIPEI, first=0)


@pytest.mark.parametrize(
    ("ids", "lats", "lons", "message"),
    [
        ([1, 1], [25.0, 26.0], [121.0, 121.0], "twice"),
        ([1, -1], [25.0, 26.0], [121.0, 121.0], "negative"),
        ([1, 2], [25.0, nan], [121.0, 121.0], "out of range or not a number"),
        ([1, 2], [25.0, 26.0], [121.0, 181.0], "out of range or not a number"),
        ([1], [25.0, 26.0], [121.0, 121.0], "one for one"),
    ],
)
def test_points_that_cannot_be_are_refused(ids: list[int], lats: list[float], lons: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PointIndex(np.array(ids), np.array(lats), np.array(lons))


def test_an_absent_id_cannot_be_deleted_nor_a_negative_one_inserted() -> None:
    index = taipei(np.random.default_rng(SEED), 10).index()
    for absent in (10, 1000, -1):
        with pytest.raises(KeyError):
            index.delete(absent)
    with pytest.raises(ValueError, match="negative"):
        index.insert(-1, TAIPEI)


def test_the_coordinates_by_id_cannot_be_written_from_outside() -> None:
    index = taipei(np.random.default_rng(SEED), 10).index()
    for view in (index.lats, index.lons):
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 1.0


def test_a_batch_drawn_after_a_change_is_an_error_and_not_a_wrong_answer() -> None:
    index = taipei(np.random.default_rng(SEED), 1000).index()
    batches = index.batches(TAIPEI)
    next(batches)
    index.insert(5000, TAIPEI)
    with pytest.raises(RuntimeError, match="has changed"):
        next(batches)
