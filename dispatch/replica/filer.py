"""When the shelves that wait are filed: beside following, in a task of its own."""

import asyncio
import contextlib
from collections.abc import Callable

from dispatch.replica.replica import Replica

# To file a few shelves takes about as long as to file many: so when none has come for a while, when they have waited
# for long, or when so many rows wait that to take in more takes long, for that goes through all of them. They are 32
# bytes each, and twice that while they are filed.
_AFTER_S = 3.0
_AT_LATEST_S = 30.0
_ROWS_A_SKU = 50
_ROWS_LEAST = 250_000
_ROWS_MOST = 2_000_000


class Filer:
    """Files the shelves of one replica. ``monotonic`` tells seconds."""

    def __init__(self, replica: Replica, monotonic: Callable[[], float]) -> None:
        self._replica = replica
        self._monotonic = monotonic
        self._first_came_at: float | None = None  # of those that are not being filed
        self._last_came_at = 0.0
        self._task: asyncio.Task[None] | None = None

    def shelves_came(self) -> None:
        """To be called whenever some have been taken in."""
        self._last_came_at = self._monotonic()
        if self._first_came_at is None:
            self._first_came_at = self._last_came_at

    def begin_if_due(self) -> None:
        """Begin to file, if it is time. Raises what went wrong the last time, after which the replica is not whole."""
        if self._task is not None:
            if not self._task.done():
                return
            self._task.result()
            self._task = None
        if self._is_due():
            self._first_came_at = None
            # At once, not when the task first runs: none of them is taken for one that has arrived since.
            shelves = self._replica.stock.waiting.begin_filing()
            self._task = asyncio.create_task(self._replica.file_shelves(shelves), name="filing of shelves")

    async def ended(self) -> None:
        """Wait until nothing is being filed."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def stop(self) -> None:
        """Leave what is being filed as it is; the replica is of no use any more."""
        if self._task is not None:
            self._task.cancel()
            # Whatever went wrong with it, what it wrote is thrown away.
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._task

    def _is_due(self) -> bool:
        if self._first_came_at is None:
            return False
        now, stock = self._monotonic(), self._replica.stock
        return (
            now - self._last_came_at > _AFTER_S
            or now - self._first_came_at > _AT_LATEST_S
            or stock.waiting.arrived.row_count > min(max(_ROWS_LEAST, _ROWS_A_SKU * stock.sku_count), _ROWS_MOST)
        )
