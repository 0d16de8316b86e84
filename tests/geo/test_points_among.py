"""Nearest first among some of the points: as sorting them all by distance would be."""

import numpy as np
import pytest

from geo.coordinates import LatLon
from geo.geodesy import distances_m
from geo.point_index import PointIndex

SEED = 20261122


def index_of(count: int, rng: np.random.Generator, *, spread: float) -> PointIndex:
    lats = 25 + rng.normal(0, spread, count)
    lons = 121 + rng.normal(0, spread, count)
    lats[: count // 4], lons[: count // 4] = 25.03, 121.56  # many at one place
    return PointIndex(np.arange(count, dtype=np.int64), lats, lons)


@pytest.mark.parametrize("spread", [0.01, 5.0])
@pytest.mark.parametrize("chosen", [0, 1, 7, 32, 33, 700])
def test_the_batches_are_the_chosen_points_in_order_each_once_with_a_true_bound(spread: float, chosen: int) -> None:
    rng = np.random.default_rng([SEED, chosen])
    index = index_of(1000, rng, spread=spread)
    for first in (1, 8, 32):
        ids = rng.choice(1000, chosen, replace=False)
        origin = LatLon(lat=25.0 + float(rng.normal(0, spread)), lon=121.0 + float(rng.normal(0, spread)))
        metres = distances_m(origin, index.lats[ids], index.lons[ids])
        right = sorted(zip(metres.tolist(), ids.tolist(), strict=True))
        found: list[tuple[float, int]] = []
        for batch in index.batches_among(origin, ids, first=first):
            assert len(batch.ids) > 0
            found += zip(batch.distances_m.tolist(), batch.ids.tolist(), strict=True)
            rest = right[len(found) :]
            assert batch.next_m == (rest[0][0] if rest else float("inf"))
        assert found == right, f"seed {SEED}, first {first}"


def test_a_batch_of_none_is_refused() -> None:
    index = index_of(8, np.random.default_rng(SEED), spread=1.0)
    with pytest.raises(ValueError, match="at least one"):
        next(index.batches_among(LatLon(lat=25, lon=121), np.arange(3), first=0))
