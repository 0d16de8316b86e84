"""The nearest of many points by straight line, while points come and go.

A k-d tree cannot be changed. What came after it was built lies in a *tail* that every search looks through from end to
end, what left is marked, and now and then a tree is built of all that is there: in a thread if need be, for building is
a pure function of what it is given, and lets other threads run meanwhile.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from geo.geodesy import FloatArray, IntArray
from geo.kd_tree import build, nearest_of, within_of

# A search through a tail of a thousand points takes about as long as one in the tree; a tree is built in a quarter of a
# microsecond a point. So a tail may be longer, the larger the tree that it spares to build.
_LEAST_BACKLOG: Final = 512
_BACKLOG_SHARE: Final = 32
_MOST_BACKLOG: Final = 8_192
# Where nobody merges, an addition does it in place, however long it takes.
_NO_LONGER: Final = 16_384
_FIRST_ROOM: Final = 1_024
# Sums of squares are rounded; whoever needs an exact bound looks again.
_SLACK: Final = 1.0 + 1e-9

_NOWHERE: Final = -1
_FIRST_OF_TAIL: Final = -2  # then downwards

type Point = tuple[float, float, float]
type Parts = tuple[FloatArray, IntArray, FloatArray, FloatArray, int]
"""A tree, and the points of its tail, in the same form, of which so many count."""


class ChordTree:
    """Points by small non-negative ids. Its changes belong to one thread, as do its searches."""

    _at: IntArray  # by id: where it is in the tree, or in the tail, or _NOWHERE

    parts: Parts
    """What the searches of ``geo.kd_tree`` are given: the same tuple as long as they hold."""

    def __init__(self, ids: IntArray, xyz: FloatArray) -> None:
        """Distinct ``ids``, and ``xyz`` of shape (n, 3)."""
        self._tail_points, self._tail = np.empty((0, 4)), 0
        self._take(_Built(np.asarray(ids, dtype=np.int64), np.asarray(xyz, dtype=np.float64)))
        self._changed: set[int] | None = None  # since a merge began

    def __len__(self) -> int:
        return len(self._tree.points) - self._left + self._tail

    @property
    def backlog(self) -> int:
        """How many points came or left since the tree was built."""
        return self._tail + self._left

    @property
    def merge_is_due(self) -> bool:
        """Whether searches are slow enough for a merge to pay."""
        return self.backlog > min(max(_LEAST_BACKLOG, len(self._tree.points) // _BACKLOG_SHARE), _MOST_BACKLOG)

    def add(self, id: int, xyz: Point) -> None:
        """Add a point whose id is not there."""
        if self.backlog >= _NO_LONGER:
            self.merge()
        if self._tail == len(self._tail_points):
            self._tail_points = np.resize(self._tail_points, (max(_LEAST_BACKLOG, 2 * self._tail), 4))
        if id >= len(self._at):
            more = max(id + 1, 2 * len(self._at)) - len(self._at)
            self._at = np.concatenate((self._at, np.full(more, _NOWHERE, dtype=np.int64)))
        self._tail_points[self._tail] = *xyz, id
        self._at[id] = _FIRST_OF_TAIL - self._tail
        self._tail += 1
        self._tell_parts()
        if self._changed is not None:
            self._changed.add(id)

    def remove(self, id: int) -> None:
        """Remove a point that is there."""
        at = int(self._at[id])
        if at >= 0:
            self._tree.points[at, 0] = np.nan
            self._left += 1
        else:
            # The last of the tail takes its place.
            self._tail -= 1
            place, last = _FIRST_OF_TAIL - at, self._tail_points[self._tail]
            self._tail_points[place] = last
            self._at[int(last[3])] = at
            self._tell_parts()
        self._at[id] = _NOWHERE
        if self._changed is not None:
            self._changed.add(id)

    def nearest(self, centre: Point, count: int) -> IntArray:
        """The ids of the ``count`` nearest points, in that order, or of all; of equally far ones at the end, any.

        It takes longer by the square of the count, so that for thousands ``within`` is quicker.
        """
        ids, squares = np.empty(count, dtype=np.int64), np.empty(count)
        return ids[: nearest_of(*self.parts, *centre, count, np.inf, ids, squares)]

    def within(self, centre: Point, metres: float) -> IntArray:
        """The ids of the points no farther than that, and perhaps of some a billionth farther, in no order."""
        square = (metres * _SLACK) ** 2
        ids = np.empty(_FIRST_ROOM, dtype=np.int64)
        count = within_of(*self.parts, *centre, square, ids)
        if count > len(ids):
            ids = np.empty(count, dtype=np.int64)
            within_of(*self.parts, *centre, square, ids)
        return ids[:count]

    def _tell_parts(self) -> None:
        """Make another tuple of them, for they are others, or more or fewer count."""
        self.parts = *self._tree, self._tail_points, self._tail

    def merge(self) -> None:
        """Build the tree anew in place."""
        merge = self.begin_merge()
        merge.build()
        merge.finish()

    def begin_merge(self) -> Merge:
        """A merge of what is there now. A second one that is begun before its end takes the first one's place."""
        self._changed = set()
        tail = self._tail_points[: self._tail].copy()
        return Merge(self, self._changed, self._tree.points, tail, room=len(self._at))

    def _finish(self, built: _Built, changed: set[int]) -> None:
        tail, at = self._tail_points[: self._tail].tolist(), self._at
        self._tail, self._changed = 0, None
        self._take(built)
        if len(at) > len(self._at):
            self._at = np.concatenate((self._at, np.full(len(at) - len(self._at), _NOWHERE, dtype=np.int64)))
        for id in changed:
            if self._at[id] >= 0:
                self.remove(id)
        # Whatever came since then is still in the tail, and nothing else that is to stay there.
        for x, y, z, id in tail:
            if id in changed:
                self.add(int(id), (x, y, z))

    def _take(self, built: _Built) -> None:
        self._tree = built.tree
        self._at = built.at
        self._left = 0
        self._tell_parts()


class Merge:
    """A tree in the making: ``build`` in any thread, then ``finish`` in the one that the points belong to."""

    def __init__(self, of: ChordTree, changed: set[int], points: FloatArray, tail: FloatArray, *, room: int) -> None:
        self._of = of
        self._changed = changed
        self._points = points
        self._tail = tail
        self._room = room
        self._built: _Built | None = None

    def build(self) -> None:
        """Do the work; nothing of it is seen yet."""
        # A copy first: points may go meanwhile. Whether one that does is in it or not, ``finish`` knows that it went.
        points = np.concatenate((self._points, self._tail))
        points = points[~np.isnan(points[:, 0])]
        # In one piece, or ``geo.kd_tree`` would be compiled for it anew.
        self._built = _Built(points[:, 3].astype(np.int64), np.ascontiguousarray(points[:, :3]), room=self._room)

    def finish(self) -> None:
        """Let searches use the tree, with what has changed since; nothing if another merge took its place."""
        if self._built is not None and self._changed is self._of._changed:
            self._of._finish(self._built, self._changed)


class _Built:
    """A tree, and of each id where it is in it; of the latter, ``room`` at least."""

    def __init__(self, ids: IntArray, xyz: FloatArray, *, room: int = 1) -> None:
        self.tree = build(ids, xyz)
        self.at = np.full(max(room, int(ids.max(initial=-1)) + 1), _NOWHERE, dtype=np.int64)
        self.at[self.tree.points[:, 3].astype(np.int64)] = np.arange(len(ids))
