"""The checksums of a running replica, by which it can be compared with the database."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dispatch.replica.follower import Follower
from dispatch.replica.pauses import Pauses

_MOST_TRIES: Final = 5
_BETWEEN_TRIES_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class CellChecksum:
    """A cell of a replica as of its change ``seq``; ``total`` as Replica.checksum, None: it would not keep still."""

    cell: int
    seq: int
    rows: int
    total: int | None


async def cell_checksums(follower: Follower, cells: Sequence[int]) -> list[CellChecksum]:
    """The checksums of these cells, ascending; cells that the replica does not hold are left out.

    Takes a second for some ten million rows, and pauses every few ms. Raises ReplicaNotReady.
    """
    return [await _checksum(follower, cell) for cell in sorted(cells) if cell in follower.replica.cursors]


async def _checksum(follower: Follower, cell: int) -> CellChecksum:
    for _ in range(_MOST_TRIES):
        seq = follower.replica.cursors[cell]
        if follower.is_whole:
            rows, total = await _summed(follower, cell)
            # The replica may have been changed, or loaded anew, in a pause.
            if follower.is_whole and follower.replica.cursors.get(cell) == seq:
                return CellChecksum(cell, seq, rows, total)
        await asyncio.sleep(_BETWEEN_TRIES_S)
    return CellChecksum(cell, follower.replica.cursors.get(cell, 0), 0, None)


async def _summed(follower: Follower, cell: int) -> tuple[int, int]:
    rows, total = 0, 0
    pauses = Pauses()
    for more_rows, more in follower.replica.checksum_parts(cell):
        rows, total = rows + more_rows, total + more
        if pauses.due:
            await pauses.give_way()
    return rows, total
