"""A tree of any size finds what looking at every point finds; a block of its nodes is a line of a cache."""

import numpy as np
import pytest

from geo.geodesy import FloatArray, IntArray
from geo.kd_tree import Tree, build, nearest_of, within_of

SEED = 20261128
# Around the sizes at which there is a floor of nodes more: the fourth begins other blocks, the seventh others below.
SIZES = (0, 1, 12, 13, 24, 25, 48, 49, 96, 97, 192, 193, 768, 769, 1536, 1537, 10_000)


def some_points(rng: np.random.Generator, count: int) -> FloatArray:
    """Many along one axis, many at one place."""
    points = rng.normal(0.0, 1000.0, (count, 3)) * rng.choice([0.0, 1.0, 50.0], 3)
    points[rng.random(count) < 0.2] = 7.0
    return points


def asked(
    tree: Tree, tail: FloatArray, x: float, y: float, z: float, count: int, within_m: float
) -> tuple[IntArray, IntArray]:
    ids, squares = np.empty(count, dtype=np.int64), np.empty(count)
    found = nearest_of(*tree, tail, len(tail), x, y, z, count, within_m**2, ids, squares)
    assert (np.diff(squares[:found]) >= 0).all()
    around = np.empty(len(tree.points) + len(tail), dtype=np.int64)
    inside = within_of(*tree, tail, len(tail), x, y, z, within_m**2, around)
    return ids[:found], around[:inside]


@pytest.mark.parametrize("size", SIZES)
def test_the_nearest_and_those_around_are_those_of_all_points(size: int) -> None:
    rng = np.random.default_rng([SEED, size])
    for _ in range(4):
        points = some_points(rng, size)
        ids = rng.permutation(3 * size)[:size]
        tree = build(ids, points)
        order = np.argsort(ids)
        assert (tree.points[np.argsort(tree.points[:, 3])] == np.column_stack([points, ids])[order]).all()
        # Some are gone from the tree, and some more are beside it.
        tail = np.column_stack([some_points(rng, size // 10 + 3), 3 * size + np.arange(size // 10 + 3)])
        everybody = np.concatenate([tree.points, tail])
        gone = rng.random(size) < 0.1
        tree.points[gone, 0] = np.nan
        for _ in range(10):
            door = rng.normal(0.0, 1500.0, 3) if size == 0 or rng.random() < 0.5 else points[int(rng.integers(size))]
            x, y, z = door.tolist()
            away = np.sqrt(np.square(everybody[:, :3] - door).sum(axis=1))
            away[:size][gone] = np.inf
            count, within_m = int(rng.integers(1, 40)), float(rng.choice([0.0, 300.0, 1e9]))
            # A hair wider, so that none lies at the edge.
            near, around = asked(tree, tail, x, y, z, count, within_m + 1e-6)
            right = np.sort(away[away <= within_m + 1e-6])
            at = {int(id): i for i, id in enumerate(everybody[:, 3].tolist())}
            assert np.allclose([away[at[id]] for id in near.tolist()], right[:count]), f"seed {SEED}"
            assert len(set(near.tolist())) == len(near)
            assert sorted(around.tolist()) == sorted(everybody[away <= within_m + 1e-6, 3].tolist()), f"seed {SEED}"


def test_a_block_of_nodes_is_a_line_of_a_cache() -> None:
    for size in SIZES:
        tree = build(np.arange(size), some_points(np.random.default_rng(SEED), size))
        assert len(tree.split) == 0 or tree.split.__array_interface__["data"][0] % 64 == 0
        assert len(tree.split) % 8 == 0
        assert np.shares_memory(tree.split, tree.axes) or len(tree.split) == 0
