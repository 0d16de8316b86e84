"""Writes that arrive while a commit is under way go together in the next one.

A commit waits for the disk, and the commits of a cell wait for each other at its head, so that many small ones are many
times slower than a few large ones. Each write of a batch succeeds or fails alone.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from dispatch.domain.errors import Busy, DatabaseUnavailable, OutcomeUnknown
from dispatch.storage.pool import Connection, Database
from dispatch.storage.retrying import LOST_TURN

MOST_AT_ONCE: Final = 64
_PAUSE_S: Final = 0.02

_log = structlog.get_logger(__name__)

type Write[Item, Result] = Callable[[Connection, int, Sequence[Item]], Awaitable[Sequence[Result | Exception]]]


@dataclass(slots=True, eq=False)
class _Waiting[Item, Result]:
    key: Hashable
    item: Item
    done: asyncio.Future[Result]
    # Whether the database may have it: then only it can tell what became of it.
    sent: bool = False
    # Whether a connection was lost with it: it may yet come to stand, whatever becomes of a later try.
    in_doubt: bool = False
    failure: Exception | None = None


@dataclass(slots=True)
class _Lane[Item, Result]:
    """What waits for one cell, first come first served.

    ``aside``: what has lost its turn to somebody who holds on to a row goes on one at a time, so that its neighbours,
    which need other rows, do not wait with it again and again.
    """

    waiting: list[_Waiting[Item, Result]] = field(default_factory=list)
    task: asyncio.Task[None] | None = None
    aside: list[_Waiting[Item, Result]] = field(default_factory=list)
    aside_task: asyncio.Task[None] | None = None


class GroupCommit[Item, Result]:
    """Gathers writes by cell; one batch of a cell is under way at a time, while those of other cells go on.

    A batch that loses its turn is written item by item, beside the next batch.

    ``write(connection, cell, items)`` writes a batch in a transaction of its own and returns a result, or an error, for
    each item in their order. It may be called again with the same items after a lost connection, when nobody knows
    whether they were written, so writing twice must do no more than writing once.
    """

    def __init__(
        self,
        database: Database,
        write: Write[Item, Result],
        *,
        wait_s: float,
        most: int = MOST_AT_ONCE,
        observe: Callable[[int], None] | None = None,
    ) -> None:
        self._database = database
        self._write = write
        self._wait_s = wait_s
        self._most = most
        self._observe = observe or (lambda _size: None)
        self._lanes: dict[int, _Lane[Item, Result]] = {}

    async def submit(self, cell: int, key: Hashable, item: Item, *, wait_s: float | None = None) -> Result:
        """Write one item, and return what ``write`` returned for it. Items of one key are never in one batch.

        Raises the error that ``write`` returned; after ``wait_s`` Busy or DatabaseUnavailable if the database has not
        been given it, and OutcomeUnknown if it has.
        """
        loop = asyncio.get_running_loop()
        entry = _Waiting(key, item, loop.create_future())
        lane = self._lanes.setdefault(cell, _Lane())
        lane.waiting.append(entry)
        self._wake(cell, lane)
        # A timer of its own: asyncio's time-outs cost several times as much.
        timer = loop.call_later(self._wait_s if wait_s is None else wait_s, _give_up, entry)
        try:
            result: Result = await entry.done
            return result
        finally:
            timer.cancel()

    def _wake(self, cell: int, lane: _Lane[Item, Result]) -> None:
        if lane.waiting and lane.task is None:
            lane.task = asyncio.create_task(self._run(cell, lane), name=f"group commit of cell {cell:x}")
        if lane.aside and lane.aside_task is None:
            lane.aside_task = asyncio.create_task(self._run_aside(cell, lane), name=f"aside of cell {cell:x}")

    async def _run(self, cell: int, lane: _Lane[Item, Result]) -> None:
        try:
            while batch := _next_batch(lane.waiting, self._most):
                await self._attempt(cell, lane, batch)
        finally:
            lane.task = None
            self._forget_if_idle(cell, lane)

    async def _run_aside(self, cell: int, lane: _Lane[Item, Result]) -> None:
        try:
            while alone := _next_batch(lane.aside, 1):
                await self._attempt(cell, lane, alone)
        finally:
            lane.aside_task = None
            self._forget_if_idle(cell, lane)

    def _forget_if_idle(self, cell: int, lane: _Lane[Item, Result]) -> None:
        if lane.task is None and lane.aside_task is None and not lane.waiting and not lane.aside:
            self._lanes.pop(cell, None)

    async def _attempt(self, cell: int, lane: _Lane[Item, Result], batch: list[_Waiting[Item, Result]]) -> None:
        try:
            async with self._database.connection(wait_s=self._wait_s) as connection:
                batch = [entry for entry in batch if not entry.done.done()]
                if batch:
                    for entry in batch:
                        entry.sent = True
                    await self._send(connection, cell, batch)
        except LOST_TURN as error:
            # Nothing of this try stands.
            for entry in batch:
                entry.sent, entry.failure = entry.in_doubt, error
            _log.info("group_commit_lost_its_turn", cell=cell, items=len(batch), reason=type(error).__name__)
            await _pause()
            lane.aside += [entry for entry in batch if not entry.done.done()]
            self._wake(cell, lane)
        except DatabaseUnavailable as error:
            # If it was sent it may stand, or come to stand: only the same write again, which waits for it, can tell.
            for entry in batch:
                entry.in_doubt, entry.failure = entry.sent, error
            await _pause()
            lane.waiting[:0] = [entry for entry in batch if not entry.done.done()]
            self._wake(cell, lane)
        except Exception as error:
            if len(batch) == 1:
                _settle(batch[0], error)
                return
            # One bad item must not spoil its neighbours.
            _log.warning("group_commit_splits", cell=cell, items=len(batch), exc_info=error)
            for entry in batch:
                entry.sent = entry.in_doubt
                await self._attempt(cell, lane, [entry])

    async def _send(self, connection: Connection, cell: int, batch: list[_Waiting[Item, Result]]) -> None:
        self._observe(len(batch))
        results = await self._write(connection, cell, [entry.item for entry in batch])
        for entry, result in zip(batch, results, strict=True):
            _settle(entry, result)

    async def stop(self) -> None:
        """Wait for what is under way."""
        while tasks := [t for lane in self._lanes.values() for t in (lane.task, lane.aside_task) if t is not None]:
            await asyncio.gather(*tasks, return_exceptions=True)


async def _pause() -> None:
    await asyncio.sleep(random.uniform(_PAUSE_S / 4, _PAUSE_S))


def _give_up(entry: _Waiting[Any, Any]) -> None:
    """Its time is over: say what is known of it."""
    if entry.done.done():
        return
    if entry.sent:
        error: Exception = OutcomeUnknown("the database has not said what became of it; send the same again")
    elif isinstance(entry.failure, DatabaseUnavailable):
        error = entry.failure
    else:
        error = Busy("too much is waiting to be written; nothing of this was, so try again")
    entry.done.set_exception(error)


def _next_batch[Item, Result](waiting: list[_Waiting[Item, Result]], most: int) -> list[_Waiting[Item, Result]]:
    """The first ``most`` that still wait for an answer, of different keys, taken out of ``waiting``."""
    batch: list[_Waiting[Item, Result]] = []
    rest: list[_Waiting[Item, Result]] = []
    keys: set[Hashable] = set()
    for entry in waiting:
        if entry.done.done():
            continue
        if len(batch) < most and entry.key not in keys:
            batch.append(entry)
        else:
            rest.append(entry)
        keys.add(entry.key)
    waiting[:] = rest
    return batch


def _settle[Item, Result](entry: _Waiting[Item, Result], result: Result | Exception) -> None:
    if entry.done.done():
        return
    if isinstance(result, Exception):
        entry.done.set_exception(result)
    else:
        entry.done.set_result(result)
