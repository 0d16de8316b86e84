"""Several processes that answer on one socket, and the one that looks after them.

They are forked by another process, the nursery (commands.nursery), in which everything is imported already. It and they
have pipes of this process for their standard input: when this one dies, however it dies, the pipes end, and so do they.
When the nursery dies, the workers live on, and there is another one for the next.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import structlog

from dispatch.commands.server import GRACE_S, WhenReady
from dispatch.commands.session import CommandError
from dispatch.processes import is_alive
from dispatch.settings import ENV_PREFIX, Settings

# The embedded server takes 200 connections; what workers leave is for the command line beside them.
_MOST_CONNECTIONS: Final = 160
# Between a worker that dies before it is ready and the next. One that was ready is followed at once.
_RESTART_FIRST_S: Final = 0.1
_RESTART_MOST_S: Final = 2.0
_POLL_S: Final = 0.05

_log = structlog.get_logger(__name__)


def worker_environment(settings: Settings, url: str) -> dict[str, str]:
    """The environment of a worker: this one's, with what the command line said and the database there is."""
    said = {name: getattr(settings, name) for name in ("host", "port", "workers", "insecure", "data_dir")}
    said["database_url"] = url
    if settings.database_url is None:
        said["pool_max"] = max(1, min(settings.pool_max, _MOST_CONNECTIONS // settings.workers))
        said["pool_min"] = min(settings.pool_min, said["pool_max"])
    return dict(os.environ) | {f"{ENV_PREFIX}{name.upper()}": str(value) for name, value in said.items()}


@dataclass(slots=True)
class _Worker:
    """A worker as its nursery tells of it."""

    pid: int
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    code: int | None = None

    async def ready_or_ended(self) -> None:
        waiting = [asyncio.create_task(event.wait()) for event in (self.ready, self.ended)]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    async def watch(self) -> None:
        """Notice its end without being told."""
        while is_alive(self.pid):
            await asyncio.sleep(_POLL_S)
        self.ended.set()

    def signal(self, number: signal.Signals) -> None:
        if not self.ended.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def end(self) -> None:
        """Ask the worker to end, and make it if it does not; whatever happens to the one who asks."""
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(GRACE_S + 5):
                await self.ended.wait()
        except TimeoutError:
            _log.warning("worker_killed", pid=self.pid)
            self.signal(signal.SIGKILL)
            await self.ended.wait()


class Workers:
    """Starts so many workers, calls ``when_ready`` once all of them are, and starts those anew that die."""

    def __init__(
        self, count: int, listener: socket.socket, environment: Mapping[str, str], when_ready: WhenReady
    ) -> None:
        self._count = count
        self._nursery = _Nursery(listener, environment)
        self._when_ready = when_ready
        self._waiting = count
        self._all_ready = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled; the workers have ended then. Raises CommandError if one ends before it was ever ready."""
        try:
            async with self._nursery, asyncio.TaskGroup() as group:
                for number in range(1, self._count + 1):
                    group.create_task(self._keep(number), name=f"worker {number}")
                await self._all_ready.wait()
                await self._when_ready()
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _keep(self, number: int) -> None:
        """One worker, and the next when it ends."""
        ever_ready, pause_s = False, _RESTART_FIRST_S
        while True:
            began = time.monotonic()
            worker = await self._nursery.start()
            try:
                await worker.ready_or_ended()
                if worker.ready.is_set():
                    if ever_ready:
                        _log.info("worker_ready", worker=number, took_s=round(time.monotonic() - began, 2))
                    else:
                        self._first_ready()
                    ever_ready, pause_s = True, _RESTART_FIRST_S
                await worker.ended.wait()
            finally:
                await worker.end()
            if not ever_ready:
                raise CommandError(
                    f"worker {number} ended with code {worker.code} before it was ready; it said why above"
                )
            _log.warning("worker_ended", worker=number, pid=worker.pid, code=worker.code)
            if not worker.ready.is_set():
                await asyncio.sleep(pause_s)
                pause_s = min(_RESTART_MOST_S, 2 * pause_s)

    def _first_ready(self) -> None:
        self._waiting -= 1
        if not self._waiting:
            self._all_ready.set()


class _Nursery:
    """The process that forks the workers; another one if it dies. Entered while there are workers."""

    def __init__(self, listener: socket.socket, environment: Mapping[str, str]) -> None:
        self._listener = listener
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None
        self._workers: dict[int, _Worker] = {}
        self._orphans: set[asyncio.Task[None]] = set()
        self._wanted: deque[asyncio.Future[_Worker]] = deque()
        self._beginning = asyncio.Lock()
        self._has_forked = False
        self._is_over = False
        self._lifeline, self._held = -1, -1

    async def __aenter__(self) -> Self:
        self._lifeline, self._held = os.pipe()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._is_over = True
        listening = None
        while self._listening is not listening:  # one that has just died may have begun the next
            listening = self._listening
            if self._process is not None and self._process.stdin is not None:
                self._process.stdin.close()
            if listening is not None:
                await listening
        os.close(self._lifeline)
        os.close(self._held)

    async def start(self) -> _Worker:
        """A worker that has just been forked. Raises CommandError if none ever can be."""
        while True:
            process = await self._begun()
            assert process.stdin is not None, "it was asked for"
            wanted: asyncio.Future[_Worker] = asyncio.get_running_loop().create_future()
            self._wanted.append(wanted)
            process.stdin.write(b"start\n")
            try:
                return await wanted
            except _NurseryDied:
                if not self._has_forked:
                    raise CommandError("the workers cannot be started; what they said stands above") from None
                await asyncio.sleep(_RESTART_FIRST_S)

    async def _begun(self) -> asyncio.subprocess.Process:
        async with self._beginning:
            if self._process is None:
                self._process = await self._begin()
                self._listening = asyncio.create_task(self._listen(self._process), name="nursery")
            return self._process

    async def _begin(self) -> asyncio.subprocess.Process:
        # A session of its own keeps Ctrl-C from it and from the workers: they end when this process tells them to.
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "dispatch.commands.nursery",
            str(self._listener.fileno()),
            str(self._lifeline),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=(self._listener.fileno(), self._lifeline),
            env=dict(self._environment),
            start_new_session=True,
        )

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Take what it tells until it ends."""
        assert process.stdout is not None, "it was asked for"
        ended = asyncio.create_task(_exited(process))
        while True:
            line = asyncio.create_task(process.stdout.readline())
            await asyncio.wait((line, ended), return_when=asyncio.FIRST_COMPLETED)
            if not line.done() or not line.result():
                line.cancel()
                break
            self._take(line.result().decode().split())
        await ended
        self._process = None
        for worker in self._workers.values():
            self._adopt(worker)
        self._workers.clear()
        while self._wanted:
            if not (wanted := self._wanted.popleft()).done():
                wanted.set_exception(_NurseryDied())
        if not self._is_over and self._has_forked:
            _log.warning("nursery_died", pid=process.pid, code=process.returncode)
            await self._begun()  # now, so that it is there when the next worker is wanted

    def _adopt(self, worker: _Worker) -> None:
        """Watch a worker whose nursery has died. One that is not ready yet is ended: nobody would hear it say so."""
        if not worker.ready.is_set():
            worker.signal(signal.SIGKILL)
        task = asyncio.create_task(worker.watch(), name=f"orphan {worker.pid}")
        self._orphans.add(task)
        task.add_done_callback(self._orphans.discard)

    def _take(self, told: Sequence[str]) -> None:
        match told:
            case ["started", pid]:
                worker = self._workers[int(pid)] = _Worker(int(pid))
                wanted = self._wanted.popleft()
                if not wanted.done():  # else who wanted it has been cancelled; it ends with this process
                    wanted.set_result(worker)
                self._has_forked = True
            case ["ready", pid] if int(pid) in self._workers:
                self._workers[int(pid)].ready.set()
            case ["ended", pid, code] if int(pid) in self._workers:
                worker = self._workers.pop(int(pid))
                worker.code = int(code)
                worker.ended.set()


async def _exited(process: asyncio.subprocess.Process) -> None:
    # Its own wait() would wait for the end of its standard output, too, which the workers hold open.
    while process.returncode is None:
        await asyncio.sleep(_POLL_S)


class _NurseryDied(Exception):
    """No worker comes of it any more."""
