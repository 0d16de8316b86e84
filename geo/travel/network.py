"""The road network by itself, out of Valhalla's tiles: what no way on it beats, before any way is asked for.

Crossings are numbered by small cells, row by row, so that those around a door are a few slices of files that all
workers share. Of every crossing the roads that lead to it are kept, for ways are followed back from the door.
``geo/travel/network_build.py`` writes it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, cos, radians
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from geo.coordinates import LatLon
from geo.geodesy import FloatArray, IntArray

__all__ = [
    "ACCESS",
    "FAR_BITS",
    "LEFT_OUT",
    "NAMES",
    "TILE_BITS",
    "TILE_MASK",
    "Ends",
    "Network",
    "WaysBack",
    "cells_of",
]

ACCESS: Final = {"auto": 1, "pedestrian": 2, "bicycle": 4}
"""By costing: the bit of a road's access."""

FAR_BITS: Final = 3
"""So much higher is, by costing, the bit of a road that is of the network."""

LEFT_OUT: Final = 0xFFFF_FFFF
"""The road of an edge that none was made of."""

TILE_BITS: Final = 25
TILE_MASK: Final = (1 << TILE_BITS) - 1
"""An id of Valhalla is that of a tile in the lower bits, and a position in it in the others."""

NAMES: Final = (
    "cells",  # those that have crossings, ascending
    "cell_nodes",  # the first crossing of each, and one more
    "node_roads",  # the first road that leads to each crossing, and one more
    "road_from",  # the crossing where each road begins
    "road_m",
    "road_kph",
    "road_access",
    "tiles",  # Valhalla's, ascending
    "tile_edges",  # the first edge of each, and one more
    "edge_roads",  # the road that was made of each edge
)
"""The files of a network, an array each."""

_CELL_DEG: Final = 0.01
_ROWS: Final = 18_000
_COLUMNS: Final = 36_000
_OF_ROADS: Final = ("road_from", "road_m", "road_kph", "road_access")
# Nowhere has a degree of latitude fewer metres.
_METRES_A_DEGREE: Final = 110_500.0
# Nothing shorter counts as nothing: a weight of 0 is no road to some of scipy.
_LEAST_S: Final = 1e-4
# Of the squares that are remembered together: some 12 bytes each.
_MOST_ROADS: Final = 2_000_000


def cells_of(*, lats: FloatArray, lons: FloatArray) -> IntArray:
    """The number of the cell that holds each place, in degrees."""
    rows = np.floor((lats + 90) / _CELL_DEG).astype(np.int64)
    columns = np.floor((lons + 180) / _CELL_DEG).astype(np.int64) % _COLUMNS
    return rows * _COLUMNS + columns


def _cell_of(place: LatLon) -> int:
    return int(cells_of(lats=np.array([place.lat]), lons=np.array([place.lon]))[0])


type Ends = FloatArray
"""Where a place is on its roads, a column a road, of which there is at least one. By row: the road, the crossing to
which it leads, the seconds of it that are left, the crossing from which it comes, the seconds of it that are behind."""


class Network:
    """The roads of all tiles, opened from a directory; its arrays are read where they are needed."""

    def __init__(self, directory: Path) -> None:
        """Raises OSError or ValueError if they are not there, or not whole."""
        # As plain arrays: slices of a memmap cost ten times as much.
        self._of: dict[str, NDArray[Any]] = {
            name: np.load(directory / f"{name}.npy", mmap_mode="r").view(np.ndarray) for name in NAMES
        }
        self._squares: dict[tuple[int, str, float, float], _Square] = {}
        self._lock = threading.Lock()

    def ends(self, edges: IntArray, along: FloatArray, costing: str, top_kmh: float) -> Ends | None:
        """A place by Valhalla's edges, and how far along each it is, from 0 to 1; None if one of them is not known."""
        tiles, of_tile = self._of["tiles"], edges & TILE_MASK
        at = np.minimum(np.searchsorted(tiles, of_tile), len(tiles) - 1)
        if not len(edges) or (tiles[at] != of_tile).any():
            return None
        roads = self._of["edge_roads"][self._of["tile_edges"][at] + (edges >> TILE_BITS)].astype(np.int64)
        if (roads == LEFT_OUT).any():
            return None
        seconds = self._of["road_m"][roads] * _seconds_a_metre(costing, top_kmh)[self._of["road_kph"][roads]]
        to = np.searchsorted(self._of["node_roads"], roads, side="right") - 1
        return np.stack([roads, to, seconds * (1 - along), self._of["road_from"][roads], seconds * along])

    def lead_far(self, ends: Ends, costing: str) -> bool:
        """Whether all roads of a place are of the network: far more lead there, and to far more they lead."""
        return bool((self._of["road_access"][ends[0].astype(np.int64)] & ACCESS[costing] << FAR_BITS).all())

    def crossings(self, door: LatLon, half_m: float) -> int:
        """How many crossings the square around a door has whose half a side is so long."""
        return self._around(_cell_of(door), half_m).count

    def ways_back(self, door: LatLon, ends: Ends, costing: str, *, top_kmh: float, half_m: float) -> WaysBack:
        """From a door, back along all roads around it, as far as half a side of a square and no farther."""
        square = self._square(door, costing, top_kmh, half_m)
        _, _, _, door_from, door_s = ends
        door_from, count = square.numbers.local(door_from.astype(np.int64)), square.numbers.count
        if (door_from < 0).any():
            return WaysBack(square.numbers, np.zeros(count + 1, dtype=np.float32), ends, cut_s=0.0)
        # The door is one more crossing, to which the roads that it is on lead.
        weights = np.concatenate([square.weights_s, np.maximum(door_s, _LEAST_S)])
        columns = np.concatenate([square.columns, door_from.astype(np.int32)])
        pointers = np.append(square.pointers, square.pointers[-1] + np.int32(len(door_from)))
        graph = csr_matrix((weights, columns, pointers), shape=(count + 1, count + 1))
        limit_s = 2 * half_m / (top_kmh / 3.6)
        found_s = dijkstra(graph, indices=count, limit=limit_s)[:count]
        # A way that leaves the square may come back shorter: nothing is said of what takes longer than to its border.
        cut_s = min(limit_s, float(found_s[square.border].min(initial=np.inf)))
        return WaysBack(square.numbers, np.append(np.minimum(found_s, cut_s), cut_s).astype(np.float32), ends, cut_s)

    def _square(self, door: LatLon, costing: str, top_kmh: float, half_m: float) -> _Square:
        """The roads in all cells as near as that to the cell of the door; those read last are remembered."""
        cell = _cell_of(door)
        key = cell, costing, top_kmh, half_m
        square = self._squares.get(key)
        if square is None:
            square = self._read(cell, costing, top_kmh, half_m)
            with self._lock:
                self._squares[key] = square
                while len(self._squares) > 1 and sum(map(len, self._squares.values())) > _MOST_ROADS:
                    del self._squares[next(iter(self._squares))]
        return square

    def _read(self, cell: int, costing: str, top_kmh: float, half_m: float) -> _Square:
        numbers = self._around(cell, half_m)
        firsts = [
            self._of["node_roads"][first : end + 1]
            for first, end in zip(numbers.first.tolist(), numbers.end.tolist(), strict=True)
        ]
        none = np.empty(0, dtype=np.int64)
        road_from, road_m, road_kph, road_access = (
            np.concatenate([none, *(self._of[name][of_it[0] : of_it[-1]] for of_it in firsts)]) for name in _OF_ROADS
        )
        counts = np.concatenate([none, *(np.diff(of_it) for of_it in firsts)])
        leads_to = np.repeat(np.arange(numbers.count), counts)
        usable = (road_access & ACCESS[costing]) > 0
        comes_from = numbers.local(road_from)
        kept, leaves = np.flatnonzero(usable & (comes_from >= 0)), np.flatnonzero(usable & (comes_from < 0))
        seconds = road_m[kept] * _seconds_a_metre(costing, top_kmh)[road_kph[kept]]
        rows = np.cumsum(np.bincount(leads_to[kept], minlength=numbers.count))
        return _Square(
            numbers,
            np.maximum(seconds, _LEAST_S),
            comes_from[kept].astype(np.int32),
            np.concatenate([[0], rows]).astype(np.int32),
            np.unique(leads_to[leaves]),
        )

    def _around(self, cell: int, half_m: float) -> _Numbers:
        """The crossings in all cells as near as that to one."""
        row, column = divmod(cell, _COLUMNS)
        high = ceil(half_m / _METRES_A_DEGREE / _CELL_DEG)
        farthest = max(abs(row - high), abs(row + high + 1), key=lambda at: abs(at * _CELL_DEG - 90)) * _CELL_DEG - 90
        wide = ceil(half_m / _METRES_A_DEGREE / max(cos(radians(farthest)), 1e-3) / _CELL_DEG)
        west, east = column - wide, column + wide
        if 2 * wide + 1 >= _COLUMNS:
            parts = [(0, _COLUMNS)]
        elif west < 0 or east >= _COLUMNS:
            parts = [(0, east % _COLUMNS + 1), (west % _COLUMNS, _COLUMNS)]
        else:
            parts = [(west, east + 1)]
        rows = np.arange(max(row - high, 0), min(row + high, _ROWS) + 1)[:, None] * _COLUMNS
        at = self._of["cells"].searchsorted((rows + np.array(parts).ravel()).ravel())
        first, end = self._of["cell_nodes"][at].reshape(-1, 2).T
        some = first < end
        return _Numbers(first[some], end[some])


@dataclass(frozen=True, slots=True)
class _Square:
    """The roads of some cells for one costing, as a sparse matrix from the crossing that each leads to."""

    numbers: _Numbers
    weights_s: FloatArray
    columns: NDArray[np.int32]
    pointers: NDArray[np.int32]
    border: IntArray
    """Crossings to which roads lead from outside."""

    def __len__(self) -> int:
        return len(self.columns)


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Stretches of numbers, each from a first one to before an end, which together are counted from 0."""

    first: IntArray
    end: IntArray

    @property
    def count(self) -> int:
        """How many they are."""
        return int((self.end - self.first).sum())

    def local(self, numbers: IntArray) -> IntArray:
        """Each number's place among them; -1 for those outside."""
        if not len(self.first):
            return np.full(len(numbers), -1)
        before = np.concatenate([[0], np.cumsum(self.end - self.first)[:-1]])
        at = np.maximum(np.searchsorted(self.first, numbers, side="right") - 1, 0)
        inside = (numbers >= self.first[at]) & (numbers < self.end[at])
        return np.where(inside, numbers - self.first[at] + before[at], -1)


@dataclass(frozen=True, slots=True)
class WaysBack:
    """What ways to one door take at least; nothing is said beyond ``cut_s`` seconds."""

    numbers: _Numbers
    nodes_s: NDArray[np.float32]  # of every crossing of the square, and last of all others
    door: Ends
    cut_s: float

    def least_s(self, places: Sequence[Ends]) -> FloatArray:
        """Seconds on the road that no way from each of these places beats; at most ``cut_s``."""
        if not places:
            return np.empty(0)
        roads, to, rest_s, _, behind_s = np.concatenate(places, axis=1)
        least_s = self.nodes_s[self.numbers.local(to.astype(np.int64))] + rest_s
        door_roads, _, _, _, door_behind_s = self.door
        for road, door_s in zip(door_roads.tolist(), door_behind_s.tolist(), strict=True):
            # Who is on the road of the door, and before it, need not go to its end.
            before = (roads == road) & (behind_s <= door_s)
            least_s[before] = np.minimum(least_s[before], door_s - behind_s[before])
        starts = np.cumsum([0, *(place.shape[1] for place in places[:-1])])
        least: FloatArray = np.minimum(np.minimum.reduceat(least_s, starts), self.cut_s)
        return least


def _seconds_a_metre(costing: str, top_kmh: float) -> FloatArray:
    """By the speed of a road, as tiles have it: cars keep to it, others go as fast as they go."""
    kph = np.arange(256, dtype=np.float64)
    if costing != "auto":
        kph[:] = top_kmh
    kph[(kph == 0) | (kph > top_kmh)] = top_kmh
    return 3.6 / kph
