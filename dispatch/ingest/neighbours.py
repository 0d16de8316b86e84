"""Which places of a file lie oddly, by the other places of the file alone.

A file knows where its regions are: the stores of one lie together. A store far from all others of its region is an
error only where there is a second witness against its place, since islands and exclaves are real:

* it lies amid another region, whose stores are on every side of it; or
* its own city is elsewhere, where the other stores of that city lie together.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from geo.geodesy import FloatArray, earth_centred

FAR_M: Final = 200_000.0
"""A store with no other of its region, or of its chain, within this is odd."""
FAR_FROM_CITY_M: Final = 100_000.0
"""A store farther than this from the middle of its city is odd."""
NOT_IN_CITY_M: Final = 250_000.0
"""A store farther than this from it, among stores of other regions, is an error; few cities with all that belongs to
them are half as wide.
"""
AMID_M: Final = 50_000.0
"""A store amid another region is an error when no other of its own region lies within this."""
MIN_ROWS: Final = 10
"""Regions and chains of fewer places tell nothing."""
MIN_CITY_ROWS: Final = 5
"""Cities of fewer other places tell nothing."""
AROUND: Final = 12
"""How many of the nearest places are looked at."""
MIN_DEPTH: Final = 2
"""How many of them must lie on each side of whatever line through the place, for it to be amid them."""
AT_HOME_SHARE: Final = 0.8
"""The share of a region's places that must have their like around them, for the region to be one on the map."""
MAX_ERRORS_SHARE: Final = 0.1
"""Where more of a region's places would be errors, it is the region that is meant otherwise, and none is one."""

_CITY_RADIUS_M: Final = 50_000.0
_CITY_SHARE: Final = 0.8
_COMPANIONS_SHARE: Final = 0.02
_SPARSE: Final = 10.0
_SLICE: Final = 10_000

type Ints = NDArray[np.integer[Any]]
type Bools = NDArray[np.bool_]


class Odd(IntEnum):
    """What is odd about a place."""

    NOTHING = 0
    NOT_IN_REGION = 1
    NOT_IN_CITY = 2
    FAR_FROM_REGION = 3
    FAR_FROM_CITY = 4
    FAR_FROM_OTHERS = 5
    SAME_PLACE = 6


NOT_ERRORS: Final = frozenset(Odd) - {Odd.NOT_IN_REGION, Odd.NOT_IN_CITY}
"""What is only warned of."""


class Groups:
    """Rows by what they share: of each row ``codes`` (-1: nothing), of each code its number in ``names`` and how many
    rows have it.
    """

    def __init__(self, names: Ints) -> None:
        """``names`` of the rows; 0 is none."""
        self.names, inverse, counts = np.unique(names, return_inverse=True, return_counts=True)
        none = np.flatnonzero(self.names == 0)
        self.codes: Ints = inverse.astype(np.int32)
        if len(none):
            self.codes[inverse == none[0]] = -1
        self.counts: Ints = counts
        self._order: Ints | None = None
        self._starts: Ints = np.zeros(0, dtype=np.int64)

    def rows_of(self, code: int) -> Ints:
        """The rows of a code, in their order."""
        if self._order is None:
            self._order = np.argsort(self.codes, kind="stable").astype(np.int32)
            self._starts = np.searchsorted(self.codes[self._order], np.arange(len(self.counts) + 1))
        return self._order[self._starts[code] : self._starts[code + 1]]


class Spots:
    """Places that one or several rows share: equal to five decimals of a degree, which is about a metre."""

    def __init__(self, lats: FloatArray, lons: FloatArray) -> None:
        key = np.round(lats * 1e5).astype(np.int64) * (1 << 32) + np.round(lons * 1e5).astype(np.int64)
        _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
        self.of_row: Ints = inverse.astype(np.int32)
        """The spot of each row."""
        self.first_row: Ints = first.astype(np.int32)
        """The first row at each spot."""
        self.xyz = np.empty((len(first), 3))
        """Where each spot is, earth-centred."""
        for start in range(0, len(first), _SLICE):
            rows = first[start : start + _SLICE]
            self.xyz[start : start + _SLICE] = earth_centred(lats[rows], lons[rows])

    def twins(self, ids: Ints) -> NDArray[np.int32]:
        """For each row the first row at its spot, where that is another and has another id; else -1."""
        earliest = self.first_row[self.of_row]
        other = (earliest != np.arange(len(earliest))) & (ids[earliest] != ids)
        return np.where(other, earliest, -1).astype(np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The rows of a file by what they are judged by; a city of 0 is none."""

    spots: Spots
    regions: Groups
    chains: Groups
    cities: Ints


@dataclass(frozen=True, slots=True)
class Verdicts:
    """For each row: an Odd, the metres to where it would belong, and the row it is compared with."""

    kinds: NDArray[np.int8]
    away_m: NDArray[np.float32]
    others: NDArray[np.int32]


def odd_places(places: Places) -> Verdicts:
    """Judge every row. Distances are chords through the earth, at most the way over the ground."""
    count = len(places.cities)
    verdicts = Verdicts(np.zeros(count, np.int8), np.zeros(count, np.float32), np.zeros(count, np.int32))
    if count > 0:
        _Judgement(places, verdicts).judge()
    return verdicts


class _Judgement:
    """One file being judged. Trees hold each spot once, since many equal points make them slow."""

    def __init__(self, places: Places, verdicts: Verdicts) -> None:
        self._spot, self._first, self._xyz = places.spots.of_row, places.spots.first_row, places.spots.xyz
        self._tree = _tree(self._xyz)
        self._regions, self._chains, self._cities = places.regions, places.chains, places.cities
        self._out = verdicts

    def judge(self) -> None:
        """Errors first, then warnings: a row has the first that is found."""
        home, strange, own_m, chain_m = self._look_around()
        regions = self._regions
        known = (regions.codes >= 0) & (regions.counts[regions.codes] >= MIN_ROWS)
        on_the_map = self._on_the_map(home)
        known &= on_the_map[regions.codes]
        strange &= known
        apart = np.flatnonzero(strange | (known & (own_m > FAR_M)))
        own_m[apart], most_m, nearest = self._to_group(regions, apart)
        strange[apart] &= most_m > AMID_M
        far, amid = own_m[apart] > FAR_M, strange[apart]
        lonely, nearest = apart[far], nearest[far]
        self._find_not_in_region(apart[amid], most_m[amid], on_the_map)
        self._judge_cities(known, strange)
        self._spare_regions_of_many_errors()
        self._note(Odd.FAR_FROM_REGION, lonely, own_m[lonely], nearest)
        self._note_far_from_chain(chain_m)

    def _look_around(self) -> tuple[Bools, Bools, NDArray[np.float32], NDArray[np.float32]]:
        """For each row: whether two of the four nearest spots are of its region; whether at most one of all around is;
        and the metres to the nearest of its region and of its chain among them, infinite where there is none.
        """
        count = len(self._spot)
        home, strange = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
        own_m, chain_m = (np.full(count, np.inf, dtype=np.float32) for _ in range(2))
        for start in range(0, count, _SLICE):
            rows = slice(start, start + _SLICE)
            near_m, near = self._around(self._spot[rows])
            same = self._same(self._regions, rows, near)
            home[rows] = same[:, :4].sum(axis=1) >= 2
            strange[rows] = same.sum(axis=1) <= 1
            own_m[rows] = _first(same, near_m)
            chain_m[rows] = _first(self._same(self._chains, rows, near), near_m)
        shared = self._shares_spot(self._regions)
        own_m[shared] = 0.0
        chain_m[self._shares_spot(self._chains)] = 0.0
        return home | shared, strange & ~shared, own_m, chain_m

    def _on_the_map(self, home: Bools) -> Bools:
        """For each region, whether it has MIN_ROWS and nearly all of them are at home."""
        regions = self._regions
        of_some = regions.codes >= 0
        at_home = np.bincount(regions.codes[of_some], weights=home[of_some], minlength=len(regions.counts))
        return (regions.counts >= MIN_ROWS) & (at_home >= AT_HOME_SHARE * regions.counts)

    def _around(self, spots: Ints) -> tuple[FloatArray, Ints]:
        """Metres and numbers of the AROUND nearest other spots of each, nearest first; -1 where there are no more."""
        near_m, near = self._tree.query(self._xyz[spots], k=AROUND + 1)
        # The first is the spot itself, at 0 m: no two spots have equal coordinates.
        return near_m[:, 1:], np.where(near[:, 1:] < len(self._xyz), near[:, 1:], -1)

    def _codes_of(self, groups: Groups, spots: Ints) -> Ints:
        return np.where(spots >= 0, groups.codes[self._first[spots]], -1)

    def _same(self, groups: Groups, rows: slice, near: Ints) -> Bools:
        codes = groups.codes[rows, np.newaxis]
        same: Bools = (self._codes_of(groups, near) == codes) & (codes >= 0)
        return same

    def _shares_spot(self, groups: Groups) -> Bools:
        """Whether another row of its group lies at the very spot of each row."""
        shared = np.bincount(self._spot)[self._spot] > 1
        rows = np.flatnonzero(shared & (groups.codes >= 0))
        key = self._spot[rows].astype(np.int64) * (len(groups.counts) + 1) + groups.codes[rows]
        _, inverse, counts = np.unique(key, return_inverse=True, return_counts=True)
        shared[:] = False
        shared[rows] = counts[inverse] > 1
        return shared

    def _to_group(self, groups: Groups, rows: Ints) -> tuple[FloatArray, FloatArray, Ints]:
        """The metres to the nearest other spot of its group, those to the nearest but one in fifty of them, and a row
        at the nearest.

        Wrong places may share their fault and lie together: what most of the group says is then the second distance.
        """
        nearest_m, most_m = np.full(len(rows), np.inf), np.full(len(rows), np.inf)
        nearest = np.zeros(len(rows), dtype=np.int64)
        for code in np.unique(groups.codes[rows]).tolist():
            asked = np.flatnonzero(groups.codes[rows] == code)
            members = groups.rows_of(code)
            spots, at = np.unique(self._spot[members], return_index=True)
            if len(spots) > 1:
                # The first is the spot itself.
                ranks = [2, 2 + int(_COMPANIONS_SHARE * len(spots))]
                near_m, near = _tree(self._xyz[spots]).query(self._xyz[self._spot[rows[asked]]], k=ranks)
                nearest_m[asked], most_m[asked], nearest[asked] = near_m[:, 0], near_m[:, 1], members[at[near[:, 0]]]
        return nearest_m, most_m, nearest

    def _find_not_in_region(self, rows: Ints, most_m: FloatArray, on_the_map: Bools) -> None:
        """Rows amid another region, all of those around nearer than half the way to their own."""
        near_m, near = self._around(self._spot[rows])
        codes = self._codes_of(self._regions, near)
        own = codes == self._regions.codes[rows, np.newaxis]
        there = np.where(own[:, 0], codes[:, 1], codes[:, 0])
        sure = (near[:, -1] >= 0) & (there >= 0) & on_the_map[there]
        sure &= (own | (codes == there[:, np.newaxis])).all(axis=1) & (near_m[:, -1] < most_m / 2)
        for i in np.flatnonzero(sure).tolist():
            row, around = int(rows[i]), near[i][~own[i]]
            if _depth(self._xyz[self._spot[row]], self._xyz[around]) < MIN_DEPTH:
                continue
            if not self._city_is_there(row, int(there[i])):
                self._note(Odd.NOT_IN_REGION, rows[i : i + 1], most_m[i : i + 1], self._first[around[:1]])

    def _city_is_there(self, row: int, region: int) -> bool:
        """Whether the row's city is known in that region within 50 km: then it is the region that is misspelt."""
        city = self._cities[row]
        members = self._regions.rows_of(region)
        namesakes = members[self._cities[members] == city]
        away_m = np.linalg.norm(self._xyz[self._spot[namesakes]] - self._xyz[self._spot[row]], axis=1)
        return bool(city != 0 and (away_m < _CITY_RADIUS_M).any())

    def _judge_cities(self, known: Bools, strange: Bools) -> None:
        """Rows far from where the others of their city, in the same region, lie together.

        An error where a row is ``strange``, among others than its region, or far from nearly all of its region.
        """
        regions = np.unique(self._regions.codes[known]).tolist()
        for members in chain.from_iterable(map(self._wide_cities, regions)):
            xyz = self._xyz[self._spot[members]]
            away_m = np.linalg.norm(xyz - np.median(xyz, axis=0), axis=1)
            together = away_m <= _CITY_RADIUS_M
            if together.sum() < max(MIN_CITY_ROWS, _CITY_SHARE * len(members)):
                continue
            middle = members[[int(away_m.argmin())]]
            odd = np.flatnonzero(away_m > FAR_FROM_CITY_M)
            wrong = odd[(away_m[odd] > NOT_IN_CITY_M) & strange[members[odd]]]
            self._note(Odd.NOT_IN_CITY, members[wrong], away_m[wrong], middle)
            self._note(Odd.FAR_FROM_CITY, members[odd], away_m[odd], middle)

    def _wide_cities(self, region: int) -> list[Ints]:
        """The rows of each city of the region that has more than MIN_CITY_ROWS of them and is too wide for one."""
        rows = self._regions.rows_of(region)
        rows = rows[self._cities[rows] != 0]
        if len(rows) == 0:
            return []
        rows = rows[np.argsort(self._cities[rows], kind="stable")]
        starts = np.flatnonzero(np.diff(self._cities[rows], prepend=0))
        counts = np.diff(starts, append=len(rows))
        xyz = self._xyz[self._spot[rows]]
        width_m = np.linalg.norm(np.maximum.reduceat(xyz, starts) - np.minimum.reduceat(xyz, starts), axis=1)
        wide = (width_m > FAR_FROM_CITY_M) & (counts > MIN_CITY_ROWS)
        return [rows[start : start + count] for start, count in zip(starts[wide], counts[wide], strict=True)]

    def _spare_regions_of_many_errors(self) -> None:
        """Make no error of a region's places where too many of them would be."""
        kinds, codes = self._out.kinds, self._regions.codes
        for kind, milder in ((Odd.NOT_IN_REGION, Odd.NOTHING), (Odd.NOT_IN_CITY, Odd.FAR_FROM_CITY)):
            wrong = np.flatnonzero(kinds == kind)
            errors = np.bincount(codes[wrong], minlength=len(self._regions.counts))
            many = errors > np.maximum(1, MAX_ERRORS_SHARE * self._regions.counts)
            kinds[wrong[many[codes[wrong]]]] = milder

    def _note_far_from_chain(self, chain_m: NDArray[np.float32]) -> None:
        """Rows far from all of their chain, and ten times as far as half of the chain is from its nearest."""
        chains = self._chains
        apart = np.flatnonzero((chains.counts[chains.codes] >= MIN_ROWS) & (chain_m > FAR_M))
        chain_m[apart], _, nearest = self._to_group(chains, apart)
        for code in np.unique(chains.codes[apart]).tolist():
            usual_m = float(np.median(chain_m[chains.rows_of(code)]))
            far = (chains.codes[apart] == code) & (chain_m[apart] > max(FAR_M, _SPARSE * usual_m))
            self._note(Odd.FAR_FROM_OTHERS, apart[far], chain_m[apart[far]], nearest[far])

    def _note(self, kind: Odd, rows: Ints, away_m: FloatArray | NDArray[np.float32], other: Ints) -> None:
        new = self._out.kinds[rows] == Odd.NOTHING
        self._out.kinds[rows[new]] = kind
        self._out.away_m[rows[new]] = away_m[new]
        self._out.others[rows[new]] = np.broadcast_to(other, len(rows))[new]


def _first(same: Bools, near_m: FloatArray) -> FloatArray:
    """For each row the metres to the first that is the same, infinite where there is none."""
    return np.where(same.any(axis=1), near_m[np.arange(len(same)), same.argmax(axis=1)], np.inf)


def _depth(xyz: FloatArray, around: FloatArray) -> int:
    """The fewest places on one side of any line through a place: half of them in the midst, 0 at the edge."""
    up = xyz / np.linalg.norm(xyz)
    east = np.array([-up[1], up[0], 0.0]) if abs(up[2]) < 1.0 else np.array([0.0, 1.0, 0.0])
    east /= np.linalg.norm(east)
    way = around - xyz
    angles = np.arctan2(way @ np.cross(up, east), way @ east)
    # A line through one of the places: those to its left, those to its right, and that one on neither side.
    left = ((angles - angles[:, np.newaxis]) % (2 * np.pi) < np.pi).sum(axis=1) - 1
    return int(np.minimum(left, len(around) - 1 - left).min())


def _tree(xyz: FloatArray) -> cKDTree:
    return cKDTree(xyz, leafsize=32, balanced_tree=False, compact_nodes=False)
