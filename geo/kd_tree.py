"""A k-d tree over points in space, compiled: searches that other compiled code can call.

The points lie in the order of the leaves, and the tree is implicit: a node is split in the middle of its stretch of
points, unless they are few, and the only thing to be learnt of it is along which axis, and where.

A node and what is below it lie together, three floors of them in a *block* of 64 bytes, one line of a processor's
cache: at a million points most floors are in no cache. Of block ``b`` the seven nodes are ``8 b`` to ``8 b + 6``, as in
a heap, and the eight blocks below it ``8 b + 1`` to ``8 b + 8``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from geo.compiled import Compiler, fetch
from geo.geodesy import FloatArray, IntArray

compiled = Compiler(__file__)

_LEAF: Final = 12
_FLOORS: Final = 3  # of a block
_BLOCK: Final = 1 << _FLOORS
_LINE_BYTES: Final = 64
_FETCHED: Final = 4 * _LEAF
_POINT_BYTES: Final = 32
_MOST_NODES_WAITING: Final = 64  # deeper than any tree that memory holds


class Tree(NamedTuple):
    """Points in the order of the leaves, and by node where it is split.

    ``points`` are x, y, z and the id, which a double holds exactly: what is asked of a point lies together. One that is
    gone has no x (NaN). ``axes`` are the memory of ``split`` as whole numbers: in the eighth of a block are the axes of
    its nodes, two bits each.
    """

    points: FloatArray
    axes: IntArray
    split: FloatArray


def build(ids: IntArray, xyz: FloatArray) -> Tree:
    """A tree of distinct ``ids`` at ``xyz`` of shape (n, 3), or of none. Lets other threads run meanwhile."""
    order = np.arange(len(ids), dtype=np.int64)
    depth = 0
    while -(-len(ids) >> depth) > _LEAF:
        depth += 1
    blocks = (_BLOCK ** -(-depth // _FLOORS) - 1) // (_BLOCK - 1)
    split = _aligned(_BLOCK * blocks)
    axes = split.view(np.int64)
    _arrange(xyz, order, axes, split)
    points = _aligned(4 * len(ids)).reshape(-1, 4)
    points[:, :3], points[:, 3] = xyz[order], ids[order]
    return Tree(points, axes, split)


def _aligned(size: int) -> FloatArray:
    """So many zeros, the first at the beginning of a line of a cache."""
    room = np.zeros(size + _BLOCK)
    skipped = -room.__array_interface__["data"][0] % _LINE_BYTES // room.itemsize
    return room[skipped : skipped + size]


@compiled(inline="always")
def _below(node: int, side: int) -> int:
    """The node of a half, 0 or 1."""
    place = node & _BLOCK - 1
    below = 2 * place + 1 + side
    if below < _BLOCK - 1:
        return node - place + below
    return _BLOCK * (node - place + 1 + below - (_BLOCK - 1))


@compiled(inline="always")
def _axis(axes: IntArray, node: int) -> int:
    return int(axes[node | _BLOCK - 1]) >> 2 * (node & _BLOCK - 1) & 3


@compiled(nogil=True)
def _arrange(xyz: FloatArray, order: IntArray, axes: IntArray, split: FloatArray) -> None:
    """Bring ``order`` into that of the leaves, and note how each node is split."""
    stack = np.empty((_MOST_NODES_WAITING, 3), dtype=np.int64)
    stack[0] = 0, 0, len(order)
    waiting = 1
    while waiting:
        waiting -= 1
        node, first, end = stack[waiting]
        if end - first <= _LEAF:
            continue
        widest, width = 0, -1.0
        for along in range(3):
            least = most = xyz[order[first], along]
            for i in range(first + 1, end):
                value = xyz[order[i], along]
                least, most = min(least, value), max(most, value)
            if most - least > width:
                widest, width = along, most - least
        middle = (first + end) // 2
        _halve(xyz, order, widest, first, end - 1, middle)
        split[node] = xyz[order[middle], widest]
        axes[node | _BLOCK - 1] |= widest << 2 * (node & _BLOCK - 1)
        stack[waiting] = _below(node, 0), first, middle
        stack[waiting + 1] = _below(node, 1), middle, end
        waiting += 2


@compiled(nogil=True)
def _halve(xyz: FloatArray, order: IntArray, along: int, first: int, last: int, middle: int) -> None:
    """Have what is less than ``order[middle]`` along an axis come before it, what is more behind: Hoare's selection."""
    while first < last:
        pivot = xyz[order[(first + last) // 2], along]
        low, high = first, last
        while low <= high:
            while xyz[order[low], along] < pivot:
                low += 1
            while xyz[order[high], along] > pivot:
                high -= 1
            if low <= high:
                order[low], order[high] = order[high], order[low]
                low += 1
                high -= 1
        if middle <= high:
            last = high
        elif middle >= low:
            first = low
        else:
            return


@compiled()
def nearest_of(
    points: FloatArray, axes: IntArray, split: FloatArray, tail_points: FloatArray, tail: int,
    x: float, y: float, z: float, count: int, within: float, found_ids: IntArray, squares: FloatArray,
) -> int:  # fmt: skip
    """Write the ids of the ``count`` nearest points and the squares of their chords, nearest first; how many there are.

    Points come from a tree, and from the first ``tail`` of a list beside it. None is farther than the square root of
    ``within``. Of equally far ones at the end it may be any. Made for hundreds at most.
    """
    found, worst = 0, within
    for i in range(tail):
        dx, dy, dz = tail_points[i, 0] - x, tail_points[i, 1] - y, tail_points[i, 2] - z
        found, worst = _put(tail_points[i, 3], dx * dx + dy * dy + dz * dz, found, worst, count, found_ids, squares)
    if len(points) == 0:
        return found
    nodes = np.empty((_MOST_NODES_WAITING, 3), dtype=np.int64)
    beyond = np.empty((_MOST_NODES_WAITING, 4))  # how far off a node's box lies along each axis, and the square of it
    nodes[0], beyond[0] = (0, 0, len(points)), 0.0
    waiting = 1
    while waiting:
        waiting -= 1
        square = beyond[waiting, 3]
        if square > worst:
            continue
        node, first, end = nodes[waiting]
        fetched = False
        off = beyond[waiting, 0], beyond[waiting, 1], beyond[waiting, 2]
        while end - first > _LEAF:
            middle, along = (first + end) // 2, _axis(axes, node)
            away = (x if along == 0 else y if along == 1 else z) - split[node]
            farther = square - off[along] * off[along] + away * away
            if away < 0.0:
                far = _below(node, 1), middle, end
                node, end = _below(node, 0), middle
            else:
                far = _below(node, 0), first, middle
                node, first = _below(node, 1), middle
            if end - first <= _FETCHED and not fetched:
                fetched = True
                fetch(points.ctypes.data + _POINT_BYTES * first, _POINT_BYTES * (end - first))
            if farther <= worst:
                nodes[waiting] = far
                beyond[waiting] = off[0], off[1], off[2], farther
                beyond[waiting, along] = away
                waiting += 1
        for i in range(first, end):
            dx, dy, dz = points[i, 0] - x, points[i, 1] - y, points[i, 2] - z
            away = dx * dx + dy * dy + dz * dz
            if away <= worst:  # NaN, of one that is gone, is not
                found, worst = _put(points[i, 3], away, found, worst, count, found_ids, squares)
    return found


@compiled(inline="always")
def _put(
    id: float, square: float, found: int, worst: float, count: int, ids: IntArray, squares: FloatArray
) -> tuple[int, float]:
    """Put a point in its place among those found, if it has one; how many they are, and what none may exceed now."""
    if square > worst or (found == count and square == worst):
        return found, worst
    place = found if found < count else count - 1
    found = min(found + 1, count)
    while place > 0 and squares[place - 1] > square:
        ids[place], squares[place] = ids[place - 1], squares[place - 1]
        place -= 1
    ids[place], squares[place] = int(id), square
    return found, squares[count - 1] if found == count else worst


@compiled()
def within_of(
    points: FloatArray, axes: IntArray, split: FloatArray, tail_points: FloatArray, tail: int,
    x: float, y: float, z: float, within: float, found_ids: IntArray,
) -> int:  # fmt: skip
    """Write the ids of all points whose chord is at most the root of ``within``, in no order; how many there are.

    If there are more than ``found_ids`` has room for, only so many are written.
    """
    found, room = 0, len(found_ids)
    for i in range(tail):
        dx, dy, dz = tail_points[i, 0] - x, tail_points[i, 1] - y, tail_points[i, 2] - z
        if dx * dx + dy * dy + dz * dz <= within:
            if found < room:
                found_ids[found] = int(tail_points[i, 3])
            found += 1
    if len(points) == 0:
        return found
    reach = np.sqrt(within)
    nodes = np.empty((_MOST_NODES_WAITING, 3), dtype=np.int64)
    nodes[0] = 0, 0, len(points)
    waiting = 1
    while waiting:
        waiting -= 1
        node, first, end = nodes[waiting]
        if end - first > _LEAF:
            middle, along = (first + end) // 2, _axis(axes, node)
            away = (x if along == 0 else y if along == 1 else z) - split[node]
            if away <= reach:
                nodes[waiting] = _below(node, 0), first, middle
                waiting += 1
            if away >= -reach:
                nodes[waiting] = _below(node, 1), middle, end
                waiting += 1
            continue
        for i in range(first, end):
            dx, dy, dz = points[i, 0] - x, points[i, 1] - y, points[i, 2] - z
            if dx * dx + dy * dy + dz * dz <= within:
                if found < room:
                    found_ids[found] = int(points[i, 3])
                found += 1
    return found
