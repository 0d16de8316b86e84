"""The curve goes from square to square, through all of them."""

import numpy as np

from geo.hilbert import along_curve

SEED = 20261128
SQUARE = 360.0 / (1 << 20)


def test_squares_side_by_side_are_numbered_one_after_the_other() -> None:
    rng = np.random.default_rng(SEED)
    for _ in range(20):
        # A block of 64 squares by 64 of the map's own subdivision is one stretch of the curve.
        x, y = int(rng.integers(1 << 14)), int(rng.integers(1 << 13))
        across, up = np.repeat(64.0 * x + np.arange(64), 64), np.tile(64.0 * y + np.arange(64), 64)
        along = along_curve((up + 0.5) * SQUARE - 90.0, (across + 0.5) * SQUARE - 180.0)
        order = np.argsort(along)
        assert (np.diff(along[order]) == 1).all(), f"seed {SEED}: a gap at square {x}, {y}"
        steps = np.abs(np.diff(across[order])) + np.abs(np.diff(up[order]))
        assert (steps == 1).all(), f"seed {SEED}: a jump at square {x}, {y}"


def test_the_edges_of_the_map_have_numbers() -> None:
    lats, lons = np.array([-90.0, 90.0, 0.0, 0.0]), np.array([-180.0, 180.0, 180.0, -180.0])
    along = along_curve(lats, lons)
    assert len(set(along.tolist())) == 4
    assert ((along >= 0) & (along < 1 << 40)).all()
    assert along_curve(np.empty(0), np.empty(0)).tolist() == []
