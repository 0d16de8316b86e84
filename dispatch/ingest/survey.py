"""A first pass over a file of stores: where most of them lie, so that the odd ones can be told."""

from __future__ import annotations

from collections import Counter
from itertools import product
from math import cos, floor, radians, sin
from typing import Final

from geo.coordinates import LatLon, country_of

COUNTRY_SHARE: Final = 0.8
"""The share of a file's rows that must lie in one country before it is taken for the country of the file."""

ALONE_M: Final = 200_000.0
"""A store with no other store of its region within this is odd."""

_MIN_REGION_ROWS: Final = 10
_RADIUS_M: Final = 6_371_008.8
_NEIGHBOURS: Final = tuple(product((-1, 0, 1), repeat=3))

type _Box = tuple[int, int, int]


class Survey:
    """Counts places by country, and by region in boxes ALONE_M wide in earth-centred coordinates.

    Memory grows with the boxes that hold a store, not with the stores.
    """

    def __init__(self) -> None:
        self._places = 0
        self._countries: Counter[str] = Counter()
        self._boxes: dict[str, Counter[_Box]] = {}

    def add(self, place: LatLon, region: str | None) -> None:
        """Count a place."""
        self._places += 1
        country = country_of(place)
        if country is not None:
            self._countries[country] += 1
        if region is not None:
            self._boxes.setdefault(region, Counter())[_box_of(place)] += 1

    def country(self) -> str | None:
        """The country in which at least COUNTRY_SHARE of the places lie; None when there is none such."""
        if not self._countries:
            return None
        country, rows = self._countries.most_common(1)[0]
        return country if rows >= COUNTRY_SHARE * self._places else None

    def alone_in_region(self, place: LatLon, region: str) -> bool:
        """Whether a place that was counted is odd: no other place of its region lies within ALONE_M.

        Certain when true. False up to three and a half times that distance is possible, and always for a region
        with fewer than ten places.
        """
        boxes = self._boxes.get(region)
        if boxes is None or boxes.total() < _MIN_REGION_ROWS:
            return False
        x, y, z = _box_of(place)
        return sum(boxes[x + dx, y + dy, z + dz] for dx, dy, dz in _NEIGHBOURS) <= 1


def _box_of(place: LatLon) -> _Box:
    # On a sphere: a third of a percent is nothing here. The chord is shorter than the way over the ground, so what
    # is not in the boxes around is farther than ALONE_M.
    lat, lon = radians(place.lat), radians(place.lon)
    scale = _RADIUS_M / ALONE_M
    return floor(cos(lat) * cos(lon) * scale), floor(cos(lat) * sin(lon) * scale), floor(sin(lat) * scale)
