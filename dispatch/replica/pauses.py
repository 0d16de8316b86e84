"""Long work on the event loop that answers requests: done in short stretches, and whatever else is ready goes first."""

import asyncio
import time
from typing import Final

STRETCH_S: Final = 0.002
"""So long work goes on at a time; whoever asks meanwhile waits for it."""

# A turn of the loop that takes no longer had nothing else to do.
_IDLE_TURN_S: Final = 0.0001
# Long work is not to stand still where requests never end: it has about a tenth of the time.
_MOST_S: Final = 0.020


class Pauses:
    """Tells long work when a pause is ``due``; ``give_way`` is that pause."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until = time.perf_counter() + STRETCH_S

    @property
    def due(self) -> bool:
        """Whether the work has gone on for long enough."""
        return time.perf_counter() > self._until

    async def give_way(self) -> None:
        """Return once nothing else is ready, or after a while.

        An answer takes several turns of the loop. With one turn a pause, each would wait for a stretch of its own.
        """
        began = turn = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            if now - turn < _IDLE_TURN_S or now - began > _MOST_S:
                break
            turn = now
        self._until = now + STRETCH_S
