"""What a map of all stores asks for beyond their places, worked out once somebody looks at one."""

import asyncio
from typing import Final, NamedTuple

import numpy as np

from dispatch.domain.market import BoolArray, FloatArray, IntArray
from dispatch.replica.pauses import Pauses
from geo.cells import cells_of
from geo.coordinates import LatLon
from geo.outline import bounds_of, densest_place
from geo.point_index import PointIndex

FINE_RESOLUTION: Final = 12
"""Of the cells that are kept; those of coarser resolutions follow from them."""

_UNKNOWN: Final = 0
# Some 300 microseconds.
_CELLS_A_STEP: Final = 512


class Outline(NamedTuple):
    """The active stores as a whole: how many, west, south, east, north of them, and the midst of the densest part.

    WGS84; None without any. Over the antimeridian west > east.
    """

    stores: int
    bounds: tuple[float, float, float, float] | None
    centre: LatLon | None


class PlaceMap:
    """The H3 cell of each slot, 8 bytes a slot once asked for, and the outline of all, until the stores change.

    Belongs to the event loop; long work is done in short stretches, or in a thread on arrays that may change meanwhile.
    """

    def __init__(self) -> None:
        self._cells: IntArray = np.empty(0, dtype=np.int64)
        self._outline: Outline | None = None
        self._changes = 0
        self._turn = asyncio.Lock()

    def changed(self) -> None:
        """Stores have come or gone, or are others now."""
        self._changes += 1
        self._outline = None

    def moved(self, slot: int) -> None:
        """The slot has another place, or one at last."""
        if slot < len(self._cells):
            self._cells[slot] = _UNKNOWN

    @property
    def nbytes(self) -> int:
        return self._cells.nbytes

    async def cells(self, index: PointIndex, slots: IntArray) -> IntArray:
        """The cells of FINE_RESOLUTION by slot, an array of all: known at these slots, 0 where a store is just moving.

        One by one the first time, which takes 0.6 s for a million; whoever comes meanwhile waits for the rest.
        """
        async with self._turn:  # else two that come together would each work out all of them
            if (more := len(index.lats) - len(self._cells)) > 0:
                self._cells = np.concatenate([self._cells, np.full(more, _UNKNOWN)])
            unknown = slots[self._cells[slots] == _UNKNOWN]
            pauses = Pauses()
            for start in range(0, len(unknown), _CELLS_A_STEP):
                some = unknown[start : start + _CELLS_A_STEP]
                lats, lons = index.lats[some], index.lons[some]
                there = ~np.isnan(lats)  # a store may go at any pause
                self._cells[some[there]] = cells_of(lats[there], lons[there], FINE_RESOLUTION)
                if pauses.due:
                    await pauses.give_way()
            return self._cells

    async def outline(self, index: PointIndex, active: BoolArray) -> Outline:
        """The outline of the stores that are active; ``active`` is by slot."""
        if self._outline is not None:
            return self._outline
        changes = self._changes
        found = await asyncio.to_thread(_outline, index.lats, index.lons, active)
        if changes == self._changes:
            self._outline = found
        return found


def _outline(lats: FloatArray, lons: FloatArray, active: BoolArray) -> Outline:
    size = min(len(lats), len(active))
    lats, lons = lats[:size].copy(), lons[:size].copy()
    there = active[:size] & ~np.isnan(lats) & ~np.isnan(lons)
    lats, lons = lats[there], lons[there]
    return Outline(len(lats), bounds_of(lats, lons), densest_place(lats, lons))
