"""Where stores are, by patches of neighbouring slots: of a stretch of slots, what may be near is told without them.

Where slots are given out in order of place (``in_order_of_place``), most patches are small. A ball only ever grows: a
store that has moved or is gone makes it larger than it need be, never too small.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from itertools import batched
from math import dist
from typing import Final

import numpy as np

from dispatch.domain.market import FloatArray, IntArray
from dispatch.replica import balls as of_balls
from dispatch.replica.balls import SLACK_M, Balls, reaches
from dispatch.replica.pauses import Pauses
from dispatch.storage.feed import StoreRow
from geo.compiled import Compiler
from geo.hilbert import along_curve

compiled = Compiler(__file__, of_balls)

PATCH_BITS: Final = 6
_PATCH: Final = 1 << PATCH_BITS
# Of so many stores neighbours are found among each other while they are read: hardly a cell has more, and they take
# some tens of MB for a while.
_STORES_TOGETHER: Final = 1 << 14
STORES_AT_ONCE: Final = 250
"""So many take about as long to be taken in as long work may go on."""


def in_order_of_place(rows: Sequence[StoreRow]) -> list[StoreRow]:
    """Stores by their home cell, those of one so that whoever follows each other is near."""
    places = np.array([(row.store.place.lat, row.store.place.lon) for row in rows]).reshape(-1, 2)
    along = along_curve(places[:, 0], places[:, 1])
    cells = np.array([row.cell for row in rows], dtype=np.int64)
    return [rows[i] for i in np.lexsort((along, cells)).tolist()]


async def neighbours_together(pieces: AsyncIterable[list[StoreRow]]) -> AsyncIterator[list[StoreRow]]:
    """All stores that come in pieces, ordered by cell, so that whoever follows each other is mostly near.

    A few at a time: a service that answers may be loading again, and between any two whatever else is ready goes first.
    """
    held: list[StoreRow] = []
    async for piece in pieces:
        held += piece
        if len(held) >= _STORES_TOGETHER:
            async for few in _ordered(held):
                yield few
            held = []
    async for few in _ordered(held):
        yield few


async def _ordered(rows: list[StoreRow]) -> AsyncIterator[list[StoreRow]]:
    pauses = Pauses()
    for few in batched(await asyncio.to_thread(in_order_of_place, rows), STORES_AT_ONCE):
        yield list(few)
        await pauses.give_way()


class Patches:
    """A ball around the stores of each 64 slots."""

    def __init__(self) -> None:
        # A quarter of a byte a store: they are looked through by hundreds, and should stay in a processor's cache.
        self.balls = np.full((1, 4), np.nan, dtype=np.float32)
        """By patch; the centre is not a number where no store has been."""

    def cover_all(self, xyz: FloatArray) -> None:
        """Note where the stores of the first slots are, each somewhere, and forget what was noted before."""
        count = -(-len(xyz) // _PATCH)
        self.balls = np.full((max(1, count), 4), np.nan, dtype=np.float32)
        if count == 0:
            return
        # The last patch is filled up with its last store.
        places = xyz[np.minimum(np.arange(count * _PATCH), len(xyz) - 1)].reshape(count, _PATCH, 3)
        self.balls[:, :3] = places.mean(axis=1)
        away_m = np.sqrt(np.square(places - self.balls[:, np.newaxis, :3]).sum(axis=2))
        self.balls[:, 3] = away_m.max(axis=1) + SLACK_M

    def cover(self, slot: int, place: tuple[float, float, float]) -> None:
        """Note where a store is now; it may have been elsewhere before."""
        patch = slot >> PATCH_BITS
        if patch >= len(self.balls):
            more = max(patch + 1, 2 * len(self.balls)) - len(self.balls)
            self.balls = np.concatenate((self.balls, np.full((more, 4), np.nan, dtype=np.float32)))
        x, y, z, radius_m = self.balls[patch].tolist()
        if x != x:
            self.balls[patch] = *place, SLACK_M
        else:
            self.balls[patch, 3] = max(radius_m, dist((x, y, z), place) + SLACK_M)


@compiled()
def near_edges(
    balls: Balls, edges: IntArray, x: float, y: float, z: float, beyond_m: float, within_m: float, gap: int
) -> IntArray:
    """Of stretches of slots what lies in patches that may reach within a distance, but not within ``beyond_m``.

    Flat as they are, ascending and apart. What lies between two that are no farther apart than ``gap`` slots and of one
    stretch, they hold as well. A ``beyond_m`` below 0 is none.
    """
    found, near = 0, np.empty(16, dtype=np.int64)
    for i in range(0, len(edges), 2):
        first, end = edges[i], edges[i + 1]
        own = found
        for patch in range(first >> PATCH_BITS, ((end - 1) >> PATCH_BITS) + 1):
            if not reaches(balls, patch, x, y, z, within_m):
                continue
            if beyond_m >= 0.0 and reaches(balls, patch, x, y, z, beyond_m):
                continue
            starts, ends = max(first, patch << PATCH_BITS), min(end, (patch + 1) << PATCH_BITS)
            if found > own and starts - near[2 * found - 1] <= gap:
                near[2 * found - 1] = ends
                continue
            if 2 * found == len(near):
                near = np.concatenate((near, np.empty(len(near), dtype=np.int64)))
            near[2 * found], near[2 * found + 1] = starts, ends
            found += 1
    return near[: 2 * found]
