"""The small writes that come by the thousand: each goes together with others of its cell."""

import asyncio
from dataclasses import dataclass

from dispatch.storage.group_commit import GroupCommit
from dispatch.storage.movements import MovementWriter, write_movements
from dispatch.storage.orders import OrderWriter, write_orders
from dispatch.storage.pool import Database
from dispatch.storage.shelves import CountWriter, write_counts


@dataclass(frozen=True, slots=True)
class Writers:
    """The group commits of one worker."""

    orders: OrderWriter
    movements: MovementWriter
    counts: CountWriter

    async def stop(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(self.orders.stop(), self.movements.stop(), self.counts.stop())


def writers_on(database: Database, *, wait_s: float) -> Writers:
    """On a pool of their own; a write waits up to ``wait_s`` for its turn."""
    return Writers(
        orders=GroupCommit(database, write_orders, wait_s=wait_s),
        movements=GroupCommit(database, write_movements, wait_s=wait_s),
        counts=GroupCommit(database, write_counts, wait_s=wait_s),
    )
