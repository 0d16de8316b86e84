"""Where the stores of a file lie against where they lie now, to find a file in another datum than it is read in."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from dispatch.ingest.problems import FileProblem, PlaceProblem
from geo.coordinates import CoordinateError, Datum, LatLon
from geo.datums import from_wgs84
from geo.geodesy import FloatArray, distances_between_m, earth_centred

MIN_KNOWN: Final = 10
"""Fewer known stores in a file tell nothing."""
MOVED_SHARE: Final = 0.6
"""The share of the known stores that must have moved alike."""
MIN_MOVE_M: Final = 50.0
MAX_MOVE_M: Final = 1_500.0
"""Who moves less has not moved; who moves farther has not by a datum."""
FITS_M: Final = 20.0
"""What a place may lie from where a datum would show it: datums differ by less, and coordinates are rounded."""
MAX_LOOKED_AT: Final = 2_000
"""How many of the known stores are looked at, evenly taken."""

_ALIKE_SHARE: Final = 0.2
_NEIGHBOURS: Final = 8
_DATUMS: Final = tuple(Datum)

type Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Sample:
    """Stores known and in the file, one for one: old and new places (degrees), and what each was read as."""

    old: list[LatLon]
    new: list[LatLon]
    read_as: list[Datum]

    def shown(self, places: list[LatLon], datums: list[Datum]) -> FloatArray:
        """Latitudes and longitudes at which the datums show the places; shape (2, n), not a number where nowhere."""
        return np.array([_shown(place, datum) for place, datum in zip(places, datums, strict=True)]).T


class Moves:
    """Collects the known stores of a file; 33 bytes each."""

    def __init__(self) -> None:
        self._old_lats, self._old_lons, self._new_lats, self._new_lons = (array("d") for _ in range(4))
        self._read_as = array("b")

    def add(self, old: LatLon, new: LatLon, read_as: Datum) -> None:
        """Note a store: its place now, that in the file, both WGS84, and the datum that the file was read in."""
        self._old_lats.append(old.lat)
        self._old_lons.append(old.lon)
        self._new_lats.append(new.lat)
        self._new_lons.append(new.lon)
        self._read_as.append(_DATUMS.index(read_as))

    def check(self) -> None:
        """Raise FileProblem ``datum_changed`` when most of the stores have moved as another datum would move them, or
        all by about the same way.
        """
        count = len(self._old_lats)
        if count < MIN_KNOWN:
            return
        sample = self._sample(np.unique(np.linspace(0, count - 1, min(count, MAX_LOOKED_AT)).astype(int)))
        old, new = _degrees(sample.old), _degrees(sample.new)
        moved_m = distances_between_m(old[0], old[1], new[0], new[1])
        moved = moved_m >= MIN_MOVE_M
        needed = MOVED_SHARE * len(moved)
        if moved.sum() < needed:
            return
        for alike, what, mend in (*_by_datum(sample), (_same_way(old, new, moved_m), _UNNAMED, _UNNAMED_MEND)):
            found = alike & moved
            if found.sum() >= needed:
                raise _datum_changed(int(found.sum()), len(moved), float(np.median(moved_m[found])), what, mend)

    def _sample(self, indices: NDArray[np.int_]) -> _Sample:
        chosen = indices.tolist()
        return _Sample(
            [LatLon(lat=self._old_lats[i], lon=self._old_lons[i]) for i in chosen],
            [LatLon(lat=self._new_lats[i], lon=self._new_lons[i]) for i in chosen],
            [_DATUMS[self._read_as[i]] for i in chosen],
        )


_UNNAMED: Final = "all by about the same way, as in another datum"
_UNNAMED_MEND: Final = "say the file's datum"


def _datum_changed(moved: int, of: int, by_m: float, what: str, mend: str) -> FileProblem:
    message = (
        f"{moved:,} of the {of:,} stores looked at that are known already have moved by about {by_m:,.0f} m, {what};"
        f" {mend}, or send it with force if they have moved indeed"
    )
    return FileProblem("datum_changed", message, (PlaceProblem("file", message),))


def _by_datum(sample: _Sample) -> Iterator[tuple[Bools, str, str]]:
    """What each mistake with a datum would have moved as it was moved, and its name and mend; likely ones first."""
    written = sample.shown(sample.new, sample.read_as)
    for datum in Datum:
        other = np.array([read_as is not datum for read_as in sample.read_as])
        fits = _fits(written, sample.shown(sample.old, [datum] * len(sample.old))) & other
        yield fits, f"as if the file were in {datum}", f"send it with datum={datum}"
    for datum, taken_as in permutations(Datum, 2):
        once = sample.shown(sample.old, [taken_as] * len(sample.old))
        fits = _fits(once, sample.shown(sample.new, [datum] * len(sample.new)))
        what = f"as if those now known had been in {datum} and read as {taken_as}"
        yield fits, what, "if they were, the file is right"


def _fits(a: FloatArray, b: FloatArray) -> Bools:
    there = np.isfinite(a).all(axis=0) & np.isfinite(b).all(axis=0)
    away_m = np.full(a.shape[1], np.inf)
    away_m[there] = distances_between_m(a[0, there], a[1, there], b[0, there], b[1, there])
    return away_m <= FITS_M


def _same_way(old: FloatArray, new: FloatArray, moved_m: FloatArray) -> Bools:
    """Who moved as the middle of its neighbours did, give or take a fifth: the way may vary slowly with the place."""
    before = earth_centred(old[0], old[1])
    way = earth_centred(new[0], new[1]) - before
    _, near = cKDTree(before).query(before, k=_NEIGHBOURS + 1)
    usual = np.median(way[near], axis=1)
    off_m = np.linalg.norm(way - usual, axis=1)
    usual_m = np.linalg.norm(usual, axis=1)
    enough = (usual_m >= MIN_MOVE_M) & (moved_m <= MAX_MOVE_M)
    return np.asarray(enough & (off_m <= np.maximum(FITS_M, _ALIKE_SHARE * usual_m)))


def _degrees(places: list[LatLon]) -> FloatArray:
    return np.array([[place.lat for place in places], [place.lon for place in places]])


def _shown(place: LatLon, datum: Datum) -> tuple[float, float]:
    try:
        there = from_wgs84(place, datum)
    except CoordinateError:
        return float("nan"), float("nan")
    return there.lat, there.lon
