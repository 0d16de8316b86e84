"""Exact nearest-first search over up to a million points that come and go.

The points lie in a k-d tree over earth-centred coordinates, where poles and the antimeridian need no special case. The
tree orders by straight chord, which is never longer than the geodesic: a hit is released only once its geodesic is
below what any point not yet seen can have.

An index belongs to one thread, except that the building of a merge may be done in another.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import dist, inf
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.chord_tree import ChordTree, Merge
from geo.coordinates import LatLon
from geo.geodesy import (
    CHORD_SLACK_M,
    FloatArray,
    IntArray,
    distances_m,
    earth_centred,
    earth_centred_place,
    geodesic_floor_m,
)

# Beyond this many neighbours a ball twice as large costs less than asking the tree for the neighbours in order.
_MOST_NEIGHBOURS: Final = 256
_BALL_GROWTH: Final = 1.5
_BEYOND_EARTH_M: Final = 3e7


class Batch(NamedTuple):
    """Hits nearest first by (distance, id); nothing that has not been released yet is nearer than ``next_m``."""

    ids: IntArray
    distances_m: FloatArray
    next_m: float


class Hit(NamedTuple):
    id: int
    distance_m: float


class PointIndex:
    """Points by small non-negative ids; memory is about 40 bytes a point and 48 for each id up to the largest.

    Raises ValueError for an id that is negative or given twice, and for coordinates out of range.
    """

    lats: FloatArray
    """Latitudes by id, NaN where there is no point; read-only, and a new array once an insertion makes it grow."""

    lons: FloatArray
    """Longitudes by id; as ``lats``."""

    xyz: FloatArray
    """Earth-centred coordinates in metres by id, a row each; as ``lats``."""

    def __init__(self, ids: IntArray, lats: FloatArray, lons: FloatArray) -> None:
        ids = np.asarray(ids, dtype=np.int64)
        if not len(ids) == len(lats) == len(lons):
            raise ValueError(f"{len(ids)} ids, {len(lats)} latitudes and {len(lons)} longitudes are not one for one")
        if len(ids) and int(ids.min()) < 0:
            raise ValueError(f"id {int(ids.min())} is negative")
        if not (np.all(np.abs(lats) <= 90.0) and np.all(np.abs(lons) <= 180.0)):
            raise ValueError("a coordinate is out of range or not a number")
        self._count = len(ids)
        self._changes = 0
        self._lats, self._lons, self._xyz = np.empty(0), np.empty(0), np.empty((0, 3))
        self._reserve(int(ids.max()) + 1 if len(ids) else 1)
        self._lats[ids], self._lons[ids] = lats, lons
        if np.count_nonzero(~np.isnan(self._lats)) != len(ids):
            raise ValueError("an id is given twice")
        xyz = earth_centred(lats, lons)
        self._xyz[ids] = xyz
        self.tree = ChordTree(ids, xyz)
        """Its ``parts`` are what compiled searches by chord are given (geo/kd_tree.py)."""

    def __len__(self) -> int:
        return self._count

    def __contains__(self, id: int) -> bool:
        # Not a number is not equal to itself; np.isnan takes several times as long for a single one.
        return 0 <= id < len(self._lats) and bool(self._lats[id] == self._lats[id])

    def insert(self, id: int, place: LatLon) -> None:
        """Add a point. Raises ValueError if the id is negative or taken."""
        if id < 0:
            raise ValueError(f"id {id} is negative")
        if id in self:
            raise ValueError(f"id {id} is given twice")
        if id >= len(self._lats):
            self._reserve(max(id + 1, 2 * len(self._lats)))
        self._lats[id], self._lons[id] = place.lat, place.lon
        xyz = earth_centred_place(place)
        self._xyz[id] = xyz
        self.tree.add(id, xyz)
        self._count += 1
        self._changes += 1

    def delete(self, id: int) -> None:
        """Remove a point; its id may be used again. Raises KeyError if there is none of that id."""
        if id not in self:
            raise KeyError(id)
        self.tree.remove(id)
        self._lats[id] = self._lons[id] = np.nan
        self._xyz[id] = np.nan
        self._count -= 1
        self._changes += 1

    @property
    def backlog(self) -> int:
        """How many points came or went since the last merge."""
        return self.tree.backlog

    @property
    def merge_is_due(self) -> bool:
        """Whether a merge would pay: so many points came or went that they make searches slow."""
        return self.tree.merge_is_due

    def begin_merge(self) -> Merge:
        """A merge of what came and went: ``build`` it in any thread, then ``finish`` it in that of the index.

        Meanwhile the index may change, and is as exact as ever.
        """
        return self.tree.begin_merge()

    def nearest(self, origin: LatLon, *, radius_m: float = inf) -> Iterator[Hit]:
        """Yield the points around the origin, nearest first by (geodesic metres, id), up to and including ``radius_m``.

        Nothing is yielded for an empty index. Exact; see ``batches``.

        Raises ValueError if the radius is negative or not a number; RuntimeError as ``batches``.
        """
        batches = self.batches(origin, radius_m=radius_m)
        return (
            Hit(id, metres)
            for batch in batches
            for id, metres in zip(batch.ids.tolist(), batch.distances_m.tolist(), strict=True)
        )

    def batches(self, origin: LatLon, *, first: int = 32, radius_m: float = inf) -> Iterator[Batch]:
        """Yield all points within ``radius_m`` in batches of about ``first``, then twice that, and so on.

        Over all batches each point comes once, nearest first by (geodesic metres, id), and points of exactly equal
        distance come in one batch. ``next_m`` is the distance of the first hit of the next batch, or inf when this
        batch is the last. No batch is empty, and there is none for an empty index. Far from every point, without a
        radius, batches grow large: the bound from chords is then weak.

        Raises ValueError if the radius is negative or not a number, or ``first`` is below 1; RuntimeError if a batch
        is drawn after the index has changed.
        """
        _check_radius(radius_m)
        if first < 1:
            raise ValueError(f"first is {first}; a batch holds at least one hit")
        return self._batches(origin, first, radius_m)

    def within(self, origin: LatLon, radius_m: float) -> tuple[IntArray, FloatArray]:
        """Ids and geodesic distances in metres of all points up to and including ``radius_m``, by (distance, id).

        Two empty arrays when there is none. Raises ValueError if the radius is negative or not a number.
        """
        _check_radius(radius_m)
        ids = self._in_ball(earth_centred_place(origin), min(radius_m, _BEYOND_EARTH_M) + CHORD_SLACK_M)
        return self._by_distance(origin, ids, radius_m)

    def nearest_by_chord(self, origin: LatLon, count: int) -> tuple[IntArray, FloatArray]:
        """The ``count`` nearest points by straight line through the earth, with their geodesics, by (distance, id).

        All of them if there are fewer.
        """
        if not self._count:
            return np.empty(0, dtype=np.int64), np.empty(0)
        ids = self.tree.nearest(earth_centred_place(origin), min(count, self._count))
        return self._by_distance(origin, ids, inf)

    def batches_among(self, origin: LatLon, ids: IntArray, *, first: int = 32) -> Iterator[Batch]:
        """Yield these points as ``batches`` yields all: nearest first, exact ties in one batch, doubling.

        Ids must be distinct and in the index. For a few among many; it looks at each chord once.
        """
        if first < 1:
            raise ValueError(f"first is {first}; a batch holds at least one hit")
        if len(ids) <= first:
            if len(ids):
                yield Batch(*self._by_distance(origin, ids, inf), inf)
            return
        away_m = self._xyz[ids] - np.array(earth_centred_place(origin))
        chords_m = np.sqrt(np.einsum("ij,ij->i", away_m, away_m))
        order = np.argsort(chords_m)
        ids, chords_m = ids[order], chords_m[order]
        start, size = 0, first
        waiting_ids, waiting_m = np.empty(0, dtype=np.int64), np.empty(0)
        while start < len(ids) or len(waiting_ids):
            taken = ids[start : start + size]
            metres = distances_m(origin, self._lats[taken], self._lons[taken])
            waiting_ids, waiting_m = np.concatenate((waiting_ids, taken)), np.concatenate((waiting_m, metres))
            order = np.lexsort((waiting_ids, waiting_m))
            waiting_ids, waiting_m = waiting_ids[order], waiting_m[order]
            start, size = start + size, size * 2
            if start >= len(ids):
                if len(waiting_ids):
                    yield Batch(waiting_ids, waiting_m, inf)
                return
            # As in _batches: the farthest proven hits wait, and are the bound of what goes before them.
            proven = int(waiting_m.searchsorted(geodesic_floor_m(float(chords_m[start]))))
            end = int(waiting_m.searchsorted(waiting_m[proven - 1])) if proven else 0
            if end:
                yield Batch(waiting_ids[:end], waiting_m[:end], float(waiting_m[end]))
                waiting_ids, waiting_m = waiting_ids[end:], waiting_m[end:]

    def _batches(self, origin: LatLon, first: int, radius_m: float) -> Iterator[Batch]:
        changes = self._changes
        centre = earth_centred_place(origin)
        released: NDArray[np.bool_] | None = None
        released_count, wanted, reach_m, in_balls = 0, first, 0.0, False
        while True:
            # Two more than wanted: one whose distance is the next bound, and one that proves it to be next.
            asked = released_count + wanted + 2
            if asked >= self._count:
                ids, reach_m = np.flatnonzero(self._lats == self._lats), inf
            elif in_balls:
                reach_m = min(max(_BALL_GROWTH * reach_m, 1.0), radius_m + 3 * CHORD_SLACK_M)
                ids = self._in_ball(centre, reach_m)
            else:
                ids = self.tree.nearest(centre, min(asked, _MOST_NEIGHBOURS))
                reach_m = dist(centre, self._xyz[ids[-1]].tolist())
                in_balls = asked >= _MOST_NEIGHBOURS
            if released is not None:
                ids = ids[~released[ids]]
            ids, metres = self._by_distance(origin, ids, radius_m)

            unseen_m = geodesic_floor_m(reach_m)
            last = reach_m >= _BEYOND_EARTH_M or unseen_m > radius_m
            end = len(ids)
            if not last:
                # The farthest proven hits, all at one distance, wait for the next batch: they are this one's bound.
                proven = int(metres.searchsorted(unseen_m))
                end = int(metres.searchsorted(metres[proven - 1])) if proven else 0
            if end:
                yield Batch(ids[:end], metres[:end], inf if last else float(metres[end]))
                if self._changes != changes:
                    raise RuntimeError("the index has changed since its first batch was drawn")
            if last:
                return
            if released is None:
                released = np.zeros(len(self._lats), dtype=np.bool_)
            released[ids[:end]] = True
            released_count += end
            # A ball that proved nothing new is followed by a larger ball, not by all points.
            if end or not in_balls:
                wanted *= 2

    def _by_distance(self, origin: LatLon, ids: IntArray, radius_m: float) -> tuple[IntArray, FloatArray]:
        """Those of the ids within the radius, with their geodesic distances, by (distance, id)."""
        metres = distances_m(origin, self._lats[ids], self._lons[ids])
        order = np.lexsort((ids, metres))
        metres = metres[order]
        if radius_m != inf:
            end = metres.searchsorted(radius_m, side="right")
            order, metres = order[:end], metres[:end]
        return ids[order], metres

    def _in_ball(self, centre: tuple[float, float, float], chord_m: float) -> IntArray:
        """The ids of all points whose chord is at most ``chord_m``, in no order; rounding is for the caller."""
        ids = self.tree.within(centre, chord_m)
        away_m = self._xyz[ids] - np.array(centre)
        near: NDArray[np.bool_] = np.einsum("ij,ij->i", away_m, away_m) <= chord_m * chord_m
        return ids[near]

    def _reserve(self, size: int) -> None:
        """Make room for ids below ``size``."""
        more = size - len(self._lats)
        self._lats = np.concatenate((self._lats, np.full(more, np.nan)))
        self._lons = np.concatenate((self._lons, np.full(more, np.nan)))
        self._xyz = np.concatenate((self._xyz, np.full((more, 3), np.nan)))
        self.lats, self.lons, self.xyz = self._lats.view(), self._lons.view(), self._xyz.view()
        self.lats.flags.writeable = self.lons.flags.writeable = self.xyz.flags.writeable = False
        self.parts = self.xyz, self.lats, self.lons
        """For compiled code, the same tuple as long as they hold."""


def _check_radius(radius_m: float) -> None:
    if not radius_m >= 0.0:
        raise ValueError(f"radius_m is {radius_m}; a radius is 0 or more metres")
