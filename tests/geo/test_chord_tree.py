"""The tree of chords against looking at every point, while points come, go, and are merged."""

import threading
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from geo.chord_tree import ChordTree, Merge
from geo.kd_tree import _arrange, _halve

# Few places, so that many points share one and many chords are equal.
_PLACES = st.tuples(*[st.integers(-2, 2).map(float)] * 3)
_CENTRES = [(0.0, 0.0, 0.0), (1.0, 2.0, -1.0), (0.3, 0.1, 5.0)]

type Place = tuple[float, float, float]


def _far(centre: Place, place: Place) -> float:
    return float(np.linalg.norm(np.array(place) - centre))


def _assert_agree(tree: ChordTree, points: dict[int, Place]) -> None:
    assert len(tree) == len(points)
    for centre in _CENTRES:
        chords = sorted(_far(centre, place) for place in points.values())
        for count in (1, 2, len(points) // 2 + 1, len(points)):
            if 0 < count <= len(points):
                ids = tree.nearest(centre, count).tolist()
                assert len(set(ids)) == count
                np.testing.assert_allclose([_far(centre, points[id]) for id in ids], chords[:count], atol=1e-12)
        for metres in (0.0, 1.5, 3.0, 100.0):
            near = {id for id, place in points.items() if _far(centre, place) <= metres}
            found = tree.within(centre, metres).tolist()
            assert len(found) == len(set(found))
            assert near == {id for id in found if _far(centre, points[id]) <= metres}


class ComingAndGoing(RuleBasedStateMachine):
    """Merges begin and end at any time, and points change in between."""

    def __init__(self) -> None:
        super().__init__()
        self.points: dict[int, Place] = {0: (0.0, 0.0, 0.0), 3: (1.0, 0.0, 0.0)}
        self.tree = ChordTree(np.array(list(self.points)), np.array(list(self.points.values())))
        self.merges: list[Merge] = []

    @rule(id=st.integers(0, 40), place=_PLACES)
    def put(self, id: int, place: Place) -> None:
        if id in self.points:
            self.tree.remove(id)
        self.tree.add(id, place)
        self.points[id] = place

    @precondition(lambda self: self.points)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(sorted(self.points)))
        self.tree.remove(id)
        del self.points[id]

    @rule()
    def begin(self) -> None:
        self.merges.append(self.tree.begin_merge())

    @precondition(lambda self: self.merges)
    @rule(newest=st.booleans())
    def end(self, newest: bool) -> None:
        merge = self.merges.pop(-1 if newest else 0)
        merge.build()
        merge.finish()

    @rule()
    def merge(self) -> None:
        self.tree.merge()
        assert self.tree.backlog == 0

    @invariant()
    def equals_looking_at_every_point(self) -> None:
        _assert_agree(self.tree, self.points)


TestComingAndGoing = ComingAndGoing.TestCase
TestComingAndGoing.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(places=st.lists(_PLACES, max_size=30))
def test_a_tree_of_any_points(places: list[Place]) -> None:
    tree = ChordTree(np.arange(len(places)), np.array(places).reshape(-1, 3))
    _assert_agree(tree, dict(enumerate(places)))


def test_a_merge_is_built_in_a_thread_while_points_come_and_go() -> None:
    rng = np.random.default_rng(7)
    xyz = rng.normal(size=(3_000, 3))
    points: dict[int, Place] = {id: tuple(point) for id, point in enumerate(xyz.tolist())}
    tree = ChordTree(np.arange(1_000), xyz[:1_000])
    for id in range(1_000, 2_000):
        tree.add(id, points[id])
    assert tree.merge_is_due
    merge = tree.begin_merge()
    building = threading.Thread(target=merge.build)
    building.start()
    for id in range(2_000, 3_000):
        tree.add(id, points[id])
    for id in range(0, 2_500, 5):
        tree.remove(id)
        del points[id]
    building.join()
    _assert_agree(tree, points)
    merge.finish()
    assert tree.backlog == 400 + 1_000 - 100  # of what was merged 400 have left, and what came since has not
    _assert_agree(tree, points)


def test_the_backlog_stays_bounded_where_nobody_merges() -> None:
    tree = ChordTree(np.empty(0, dtype=np.int64), np.empty((0, 3)))
    for id in range(40_000):
        tree.add(id, (float(id), 0.0, 0.0))
    assert tree.backlog <= 16_384
    assert tree.nearest((39_999.0, 0.0, 0.0), 2).tolist() == [39_999, 39_998]
    assert tree.nearest((0.0, 0.0, 0.0), 2).tolist() == [0, 1]


def test_a_merge_needs_nothing_compiled_that_a_new_tree_does_not() -> None:
    rng = np.random.default_rng(20261128)
    tree = ChordTree(np.arange(100), rng.normal(0.0, 1000.0, (100, 3)))
    compiled: list[Any] = [_arrange, _halve]
    before = [list(function.signatures) for function in compiled]
    tree.remove(7)
    tree.add(100, (1.0, 2.0, 3.0))
    tree.merge()
    assert [list(function.signatures) for function in compiled] == before
    assert len(tree) == 100
