"""A first pass over a file of stores: where all of them lie, so that the odd ones can be told in the second."""

from __future__ import annotations

import unicodedata
from array import array
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dispatch.ingest.neighbours import Groups, Odd, Places, Spots, Verdicts, odd_places
from dispatch.ingest.values import NOTHING
from geo.coordinates import LatLon

COUNTRY_SHARE: Final = 0.8
"""The share of a file's rows that must lie in one country before it is taken for the country of the file."""

_MAX_NAMES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Oddity:
    """What is odd about a row's place, how far it lies from where it would belong, and a row to compare it with.

    ``region`` is the other row's, None when it has none.
    """

    kind: Odd
    away_m: float
    row_no: int
    region: str | None


class Seen(NamedTuple):
    """The place of a row, WGS84, and what is odd about it."""

    place: LatLon
    oddities: tuple[Oddity, ...]


class Survey:
    """Collects the rows that have a place, then judges them; 45 bytes a row, and some 90 more while it judges.

    Names are kept as hashes: two names with one hash would be taken as one, which among a million does not happen.
    """

    def __init__(self) -> None:
        self._row_nos = array("i")
        self._lats, self._lons = array("d"), array("d")
        self._ids, self._regions = array("q"), array("q")
        self._cities, self._chains = array("i"), array("i")
        self._countries: Counter[str] = Counter()
        self._names: dict[int, str] = {}
        self._doubled: frozenset[int] = frozenset()
        self._twins: NDArray[np.int32] | None = None
        self._groups: Groups | None = None
        self._verdicts: Verdicts | None = None
        self._is_odd = b""  # of each row, 0 or 1: hardly any is, and arrays are slow to be asked for one value
        self._next = 0

    def add(
        self,
        row_no: int,
        place: LatLon,
        *,
        there: str | None,
        store_id: str,
        country: str | None,
        region: str,
        city: str,
        chain: tuple[str, str],
    ) -> None:
        """Note a row. ``there`` is the country in which it lies, ``country`` the one in which it is said to lie.

        A region is one of its country, that in which the row lies where none is said; a city one of its region. The
        names of both are as the file has them, empty where there is none.
        """
        self._row_nos.append(row_no)
        self._lats.append(place.lat)
        self._lons.append(place.lon)
        self._ids.append(hash(store_id))
        self._chains.append(_hashed((_folded(chain[0]), _folded(chain[1]))))
        folded = _folded(city)
        self._cities.append(_hashed(folded) if folded else 0)
        folded = _folded(region)
        code = hash((country or there, folded)) if folded else 0
        self._regions.append(code)
        if folded and len(self._names) < _MAX_NAMES:
            self._names.setdefault(code, region)
        if there is not None:
            self._countries[there] += 1

    def country(self) -> str | None:
        """The country in which at least COUNTRY_SHARE of the places lie; None when there is none such."""
        if not self._countries:
            return None
        country, rows = self._countries.most_common(1)[0]
        return country if rows >= COUNTRY_SHARE * len(self._row_nos) else None

    def judge(self) -> None:
        """Judge all rows that were added; none can be added after that."""
        # What is no longer needed is let go at once: at a million rows this is where memory is highest.
        ids, self._ids = np.frombuffer(self._ids, dtype=np.int64), array("q")
        spots = Spots(np.frombuffer(self._lats, dtype=np.float64), np.frombuffer(self._lons, dtype=np.float64))
        self._twins = spots.twins(ids)
        hashes, counts = np.unique(ids, return_counts=True)
        self._doubled = frozenset(hashes[counts > 1].tolist())
        del ids, hashes, counts
        self._groups, self._regions = Groups(np.frombuffer(self._regions, dtype=np.int64)), array("q")
        chains, self._chains = Groups(np.frombuffer(self._chains, dtype=np.int32)), array("i")
        cities, self._cities = np.frombuffer(self._cities, dtype=np.int32), array("i")
        self._verdicts = odd_places(Places(spots=spots, regions=self._groups, chains=chains, cities=cities))
        self._is_odd = ((self._verdicts.kinds != Odd.NOTHING) | (self._twins >= 0)).tobytes()

    def may_be_doubled(self, store_id: str) -> bool:
        """Whether the id may stand in several rows; certain when false, so that few ids have to be remembered."""
        return hash(store_id) in self._doubled

    def seen(self, row_no: int) -> Seen | None:
        """What was seen of the row; rows are asked for in the order in which they were added, each once.

        None for a row that was not added.
        """
        index = self._next
        if index >= len(self._is_odd) or self._row_nos[index] != row_no:
            return None
        self._next += 1
        place = LatLon(lat=self._lats[index], lon=self._lons[index])
        return Seen(place, self._oddities(index) if self._is_odd[index] else ())

    def _oddities(self, index: int) -> tuple[Oddity, ...]:
        verdicts, twins = self._verdicts, self._twins
        assert verdicts is not None
        assert twins is not None
        found = []
        if (kind := Odd(int(verdicts.kinds[index]))) is not Odd.NOTHING:
            found.append(self._oddity(kind, float(verdicts.away_m[index]), int(verdicts.others[index])))
        if (twin := int(twins[index])) >= 0:
            found.append(self._oddity(Odd.SAME_PLACE, 0.0, twin))
        return tuple(found)

    def _oddity(self, kind: Odd, away_m: float, other: int) -> Oddity:
        groups = self._groups
        code = -1 if groups is None else int(groups.codes[other])
        region = None if groups is None or code < 0 else self._names.get(int(groups.names[code]))
        return Oddity(kind, away_m, self._row_nos[other], region)


def _hashed(name: Hashable) -> int:
    """A number of 31 bits and not 0, enough for names of which a file has few or that only matter beside others."""
    return hash(name) & 0x7FFF_FFFE | 1


@lru_cache(maxsize=16_384)
def _folded(name: str) -> str:
    """The name without what people vary in it; empty where the table says nothing."""
    plain = unicodedata.normalize("NFKC", name).casefold().replace("臺", "台").strip()
    return "" if plain in NOTHING else "".join(char for char in plain if char.isalnum())
