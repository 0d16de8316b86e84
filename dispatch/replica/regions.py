"""Which stretches of slots the stores of each cell have, and which of them are near a place."""

from math import ceil
from typing import Final

import numpy as np

from dispatch.domain.market import IntArray
from dispatch.replica import balls as of_balls
from dispatch.replica.balls import SLACK_M, Balls, reaches
from geo.cells import circle_around
from geo.compiled import Compiler
from geo.geodesy import earth_centred_place

compiled = Compiler(__file__, of_balls)

_NONE: Final = -1
_GAPS: Final = (701, 301, 132, 57, 23, 10, 4, 1)  # Ciura's, for Shell's sort

type Parts = tuple[Balls, IntArray, IntArray, IntArray, int, int]
"""Balls around all regions, ascending by the third of their coordinates, and which region each is around.

Of each region the first stretch; of each stretch the first slot, the one after the last, and the region's next stretch,
or −1. How many regions there are, and a radius in metres that no ball's exceeds.
"""


@compiled()
def edges_around(
    balls: Balls, regions: IntArray, firsts: IntArray, stretches: IntArray, count: int, widest_m: int,
    x: float, y: float, z: float, radius_m: float,
) -> IntArray:  # fmt: skip
    """Of the stretches of all regions that may reach within the radius the first slot, and the one after its last.

    Flat, ascending and apart: those that touch or overlap are one.
    """
    found, edges = 0, np.empty(16, dtype=np.int64)
    for i in range(_first_from(balls, count, z - radius_m - widest_m), count):
        if balls[i, 2] > z + radius_m + widest_m:
            break
        if not reaches(balls, i, x, y, z, radius_m):
            continue
        at = firsts[regions[i]]
        while at != _NONE:
            if 2 * found == len(edges):
                edges = np.concatenate((edges, np.empty(len(edges), dtype=np.int64)))
            edges[2 * found], edges[2 * found + 1] = stretches[at, 0], stretches[at, 1]
            found += 1
            at = stretches[at, 2]
    _sort(edges, found)
    joined = 0
    for i in range(found):
        first, end = edges[2 * i], edges[2 * i + 1]
        if joined and first <= edges[2 * joined - 1]:
            edges[2 * joined - 1] = max(end, edges[2 * joined - 1])
        else:
            edges[2 * joined], edges[2 * joined + 1] = first, end
            joined += 1
    return edges[: 2 * joined]


@compiled()
def _first_from(balls: Balls, count: int, z: float) -> int:
    """The first ball whose third coordinate is not less."""
    first, end = 0, count
    while first < end:
        middle = (first + end) >> 1
        if balls[middle, 2] < z:
            first = middle + 1
        else:
            end = middle
    return first


@compiled()
def _sort(edges: IntArray, count: int) -> None:
    """Bring pairs into the order of their firsts. Mostly they are few, and in order or nearly so."""
    for gap in _GAPS:
        for i in range(gap, count):
            first, end, at = edges[2 * i], edges[2 * i + 1], i
            while at >= gap and edges[2 * (at - gap)] > first:
                edges[2 * at], edges[2 * at + 1] = edges[2 * (at - gap)], edges[2 * (at - gap) + 1]
                at -= gap
            edges[2 * at], edges[2 * at + 1] = first, end


class Regions:
    """A region a cell in which a store is, or has been."""

    def __init__(self) -> None:
        self._regions: dict[int, int] = {}  # by cell
        self._lasts: list[int] = []  # by region: its last stretch
        self._ends: list[int] = []  # by region: the slot after its highest
        self._stretches = 0
        # In single precision: dozens are looked at, and lie in half as many lines of a processor's cache.
        self._balls, self._of = np.empty((0, 4), dtype=np.float32), np.empty(0, dtype=np.int64)
        self._firsts, self._widest_m = np.empty(1, dtype=np.int64), 0
        self._edges = np.empty((1, 3), dtype=np.int64)
        self._tell_parts()

    def _tell_parts(self) -> None:
        self.parts: Parts = (
            self._balls, self._of, self._firsts, self._edges, len(self._lasts), self._widest_m,
        )  # fmt: skip
        """For compiled code: the same tuple as long as they hold."""

    def file(self, slot: int, cell: int) -> None:
        """Note that a slot lies in a cell. One that has moved there stays filed under its old cell as well."""
        region = self._regions.get(cell)
        last = _NONE if region is None else self._lasts[region]
        if region is not None:
            # A new slot is above all others; only of an old one must it be asked whether it is filed here already.
            if slot < self._ends[region] and any(first <= slot < end for first, end in self._stretches_of(region)):
                return
            self._ends[region] = max(self._ends[region], slot + 1)
            if slot == self._edges[last, 1]:
                self._edges[last, 1] = slot + 1
                return
        new = self._stretches
        if new == len(self._edges):
            self._edges = np.resize(self._edges, (2 * new, 3))
        self._edges[new] = slot, slot + 1, _NONE
        self._stretches += 1
        if region is None:
            self._add_region(cell, new)
            self._ends.append(slot + 1)
        else:
            self._edges[last, 2] = self._lasts[region] = new
        self._tell_parts()

    def _add_region(self, cell: int, first: int) -> None:
        region = self._regions[cell] = len(self._lasts)
        if region == len(self._firsts):
            self._firsts = np.resize(self._firsts, 2 * region)
        self._firsts[region] = first
        self._lasts.append(first)
        centre, radius_m = circle_around(cell)
        ball = np.array([*earth_centred_place(centre), radius_m + SLACK_M], dtype=np.float32)
        at = int(self._balls[:, 2].searchsorted(ball[2]))
        self._balls, self._of = np.insert(self._balls, at, ball, axis=0), np.insert(self._of, at, region)
        self._widest_m = max(self._widest_m, ceil(ball[3]))

    def stretches(self, cell: int) -> list[tuple[int, int]]:
        """Stretches of slots, ascending and apart, that hold every store of a cell; perhaps some that moved, too."""
        region = self._regions.get(cell)
        if region is None:
            return []
        joined: list[tuple[int, int]] = []
        # One that has moved away and come back may lie in two of them.
        for first, end in sorted(self._stretches_of(region)):
            if joined and first <= joined[-1][1]:
                joined[-1] = joined[-1][0], max(end, joined[-1][1])
            else:
                joined.append((first, end))
        return joined

    def _stretches_of(self, region: int) -> list[tuple[int, int]]:
        pairs, at = [], int(self._firsts[region])
        while at != _NONE:
            first, end, at = self._edges[at].tolist()
            pairs.append((first, end))
        return pairs
