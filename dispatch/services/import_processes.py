"""Imports in processes of their own, of low priority.

Reading a large file takes a processor for a minute, and a hostile one may take memory or crash its reader: neither must
touch a process that answers requests. The processes are forked from a server that has the modules loaded (Python's
forkserver), which takes milliseconds.
"""

import asyncio
import contextlib
import gc
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from typing import Any, Final

import structlog
import uvloop

from dispatch.cores import Cores
from dispatch.domain.errors import InvalidInput
from dispatch.services.import_requests import ImportRequest, look_over
from dispatch.services.import_undo import run_undo
from dispatch.services.imports import run_import, signs_of_life
from dispatch.storage.imports import ImportRecord, give_up_import
from dispatch.storage.pool import Database

_log = structlog.get_logger(__name__)

_NICE: Final = 10
_CONNECTIONS: Final = 6
# The longest statement of an import is the sum of a large file.
_SETTINGS: Final = {"statement_timeout": "900s", "lock_timeout": "10s"}
_AT_ONCE: Final = 2
_LONGEST_END_S: Final = 10.0
# A replica this far behind has enough to do; one much farther is not so for the sake of an import. With twice as much,
# imports were a little faster, and answers were refused now and then because the replica was too old.
_BEHIND_S: Final = 1.0
_LOST_S: Final = 30.0
_PACED_EVERY_S: Final = 0.05
# The rows of a batch are thousands of objects that no cycle holds, and each look at all of them is in vain.
_ALLOCATIONS_BETWEEN_COLLECTIONS: Final = 50_000

type Prepare = Callable[[], None]
type Refusal = tuple[tuple[tuple[str, str], ...], str | None]


class ImportProcesses:
    """The imports of one worker, a few at once; those that come then wait for their turn.

    ``prepare`` is called first in each process, such as to set up its logs; it must be picklable. ``lag_s`` tells how
    old the replica is: an import waits while it falls behind, so that few answers are refused for its sake. The
    processes keep to the background's ``cores``, except for stores: to read them takes a core, and so does to write.
    """

    def __init__(self, url: str, *, prepare: Prepare, lag_s: Callable[[], float], cores: Cores) -> None:
        self._url = url
        self._cores = cores
        self._prepare = prepare
        self._lag_s = lag_s
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__])
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._looks = asyncio.Semaphore(_AT_ONCE)

    async def get_ready(self) -> None:
        """Have the server of processes start, if it has not: it takes a second or two, in which a file can be sent."""
        await asyncio.to_thread(forkserver.ensure_running)

    async def look(self, request: ImportRequest) -> None:
        """Tell at once what is wrong with a request. Raises InvalidInput."""
        async with self._looks:
            refusal: Refusal | None = await self._answer_of(_look, request)
        if refusal is not None:
            errors, code = refusal
            raise InvalidInput(errors, code=code)

    async def run(self, database: Database, import_id: str, request: ImportRequest) -> None:
        """Run an import that was opened to its end; its record tells what came of it."""
        everywhere = self._cores if request.kind == "stores" else None
        await self._run(database, import_id, _import, self._url, import_id, request, everywhere)

    async def undo(self, database: Database, record: ImportRecord) -> None:
        """Undo an import whose undo was opened; its record tells what came of it."""
        await self._run(database, record.import_id, _undo, self._url, record)

    async def _run(self, database: Database, import_id: str, work: Callable[..., Any], *arguments: Any) -> None:
        go_on = self._context.Event()
        go_on.set()
        try:
            async with signs_of_life(database, import_id), self._turns, self._paced(go_on):
                await self._answer_of(work, *arguments, go_on)
        except BaseException:
            # Nothing to do if it has closed its record, as it does unless its process was killed.
            await asyncio.shield(give_up_import(database, import_id))
            raise

    @asynccontextmanager
    async def _paced(self, go_on: Event) -> AsyncIterator[None]:
        """Hold the work up while the replica is behind; but not for one that is so for other reasons."""

        async def pace() -> None:
            while True:
                if _BEHIND_S < self._lag_s() < _LOST_S:
                    go_on.clear()
                else:
                    go_on.set()
                await asyncio.sleep(_PACED_EVERY_S)

        task = asyncio.create_task(pace(), name="pace of an import")
        try:
            yield
        finally:
            task.cancel()

    async def _answer_of(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """What ``work`` returns in a process of its own. Raises RuntimeError if that ended without an answer."""
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=_child, args=(theirs, self._prepare, self._cores, work, arguments), daemon=True, name=work.__name__
        )
        # A thread cannot be called off: one who is cancelled waits for its end, to end the process that it starts.
        starting = asyncio.create_task(asyncio.to_thread(process.start), name=f"start of {work.__name__}")
        answered = False
        try:
            await asyncio.shield(starting)
            theirs.close()
            answer = await _received(ours)
            answered = True
            return answer
        except EOFError:
            raise RuntimeError("the process of an import ended before its work") from None
        finally:
            await asyncio.shield(_ended(starting, process, (ours, theirs), stop=not answered))


async def _received(connection: Connection) -> Any:
    """What the process sends, waited for without a thread. Raises EOFError if it ends without a word."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(connection.fileno(), readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(connection.fileno())
    return connection.recv()


async def _ended(
    starting: "asyncio.Task[None]", process: Any, pipe: tuple[Connection, Connection], *, stop: bool
) -> None:
    await asyncio.wait([starting])
    try:
        await asyncio.to_thread(_end, process, stop=stop)
    finally:
        for end in pipe:
            end.close()


def _end(process: Any, *, stop: bool) -> None:
    """Wait for the process, which is told to ``stop``, or is at its end; it closes its record first."""
    if process.pid is not None:
        if stop:
            process.terminate()
        process.join(_LONGEST_END_S)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()


# ── in the process ─────────────────────────────────────────────────────────────────────────────────────────────────


def _child(
    answer: Connection, prepare: Prepare, cores: Cores, work: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    os.nice(_NICE)
    cores.keep_to_background()
    prepare()
    gc.freeze()  # what was loaded before the fork
    gc.set_threshold(_ALLOCATIONS_BETWEEN_COLLECTIONS)
    # Ctrl-C reaches every process of a terminal; this one is stopped by its worker, once that stops.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answer.send(work(*arguments))
    answer.close()


def _look(request: ImportRequest) -> Refusal | None:
    try:
        look_over(request)
    except InvalidInput as refused:
        return refused.errors, refused.specific_code
    return None


def _import(url: str, import_id: str, request: ImportRequest, everywhere: Cores | None, go_on: Event) -> None:
    async def work(database: Database) -> None:
        await run_import(database, import_id, request, pace=partial(_until_set, go_on))

    if everywhere is None:
        _until_stopped(url, work)
    else:
        everywhere.use_every()
        # Only behind a socket of this machine is a backend's pid one of this machine.
        _until_stopped(url, work, meet=everywhere.use_every if "?host=/" in url else None)


def _undo(url: str, record: ImportRecord, go_on: Event) -> None:
    async def work(database: Database) -> None:
        await run_undo(database, record, pace=partial(_until_set, go_on))

    _until_stopped(url, work)


async def _until_set(go_on: Event) -> None:
    while not go_on.is_set():
        await asyncio.sleep(_PACED_EVERY_S)


def _until_stopped(
    url: str, work: Callable[[Database], Coroutine[Any, Any, None]], *, meet: Callable[[int], None] | None = None
) -> None:
    """Do the work; SIGTERM, or the death of the worker, cancels it, and it closes its record.

    ``meet`` is called with the pid of each of its connections' backends.
    """

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
        worker = multiprocessing.parent_process()
        if worker is not None:
            loop.add_reader(worker.sentinel, _stop, loop, worker.sentinel, task)
        database = await Database.open(url, pool_min=1, pool_max=_CONNECTIONS, server_settings=_SETTINGS, meet=meet)
        try:
            await work(database)
        finally:
            await database.close()

    with contextlib.suppress(asyncio.CancelledError):
        uvloop.run(main())


def _stop(loop: asyncio.AbstractEventLoop, sentinel: int, task: "asyncio.Task[Any]") -> None:
    loop.remove_reader(sentinel)
    task.cancel()
