"""Forking workers from a nursery (commands.nursery), and hearing of them."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import structlog

from dispatch.commands.server import GRACE_S
from dispatch.commands.session import CommandError
from dispatch.processes import is_alive

_POLL_S: Final = 0.05
_AFTER_DEATH_S: Final = 0.1

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Worker:
    """A worker, as far as it has been heard of."""

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


class Nurseries:
    """There is always a nursery while this is entered: another one when one dies. The workers live on then."""

    def __init__(self, listener: socket.socket, environment: Mapping[str, str]) -> None:
        self._listener = listener
        self._environment = environment
        self._lifeline, self._held = -1, -1
        self._all: list[_Nursery] = []
        self._there = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._lifeline, self._held = os.pipe()
        self._keeping = asyncio.create_task(self._keep(), name="nurseries")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self._keeping is not None, "it was entered"
        self._keeping.cancel()
        await asyncio.gather(self._keeping, return_exceptions=True)
        for nursery in self._all:
            await nursery.end()
        os.close(self._lifeline)
        os.close(self._held)

    async def fork(self) -> Worker:
        """A new worker. Raises CommandError if there never was one."""
        while True:
            await self._there.wait()
            nursery = self._all[-1]
            try:
                return await nursery.fork()
            except _NurseryDied:
                if not any(nursery.has_forked for nursery in self._all):
                    raise CommandError("the workers cannot be started; what they said stands above") from None
                await asyncio.sleep(_AFTER_DEATH_S)

    async def _keep(self) -> None:
        while True:
            nursery = _Nursery(await self._begin())
            self._all.append(nursery)
            self._there.set()
            await nursery.died.wait()
            self._there.clear()
            _log.warning("nursery_died", pid=nursery.process.pid, code=nursery.process.returncode)
            self._all = [one for one in self._all if one is nursery or not one.is_forgotten]
            await asyncio.sleep(0 if nursery.has_forked else _AFTER_DEATH_S)

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


class _Nursery:
    """One such process, and what it and its workers tell."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.has_forked = False
        self.died = asyncio.Event()
        self._workers: dict[int, Worker] = {}
        self._wanted: deque[asyncio.Future[Worker]] = deque()
        self._listening = asyncio.create_task(self._listen(), name="nursery")
        self._minding = asyncio.create_task(self._mind(), name="nursery's life")

    @property
    def is_forgotten(self) -> bool:
        """It has died, and so has every worker that came of it."""
        return self.died.is_set() and not self._workers

    async def fork(self) -> Worker:
        """Raises _NurseryDied."""
        if self.died.is_set():
            raise _NurseryDied
        assert self.process.stdin is not None, "it was asked for"
        wanted: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        self._wanted.append(wanted)
        self.process.stdin.write(b"start\n")
        return await wanted

    async def end(self) -> None:
        """End it, once its workers have ended."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        await self.died.wait()
        for task in (self._listening, self._minding):
            task.cancel()
        await asyncio.gather(self._listening, self._minding, return_exceptions=True)

    async def _listen(self) -> None:
        """Take what is told, until nobody is left to tell: the workers write to the same pipe."""
        assert self.process.stdout is not None, "it was asked for"
        async for line in self.process.stdout:
            self._take(line.decode().split())

    async def _mind(self) -> None:
        """Notice its death, and from then on that of its workers, of which it would have told."""
        # The process's own wait() would wait for the end of its standard output, too, which the workers hold open.
        while self.process.returncode is None:
            await asyncio.sleep(_POLL_S)
        self.died.set()
        for wanted in self._wanted:
            if not wanted.done():
                wanted.set_exception(_NurseryDied())
        self._wanted.clear()
        while True:
            for worker in list(self._workers.values()):
                if not is_alive(worker.pid):
                    self._take(["ended", str(worker.pid)])
            await asyncio.sleep(_POLL_S)

    def _take(self, told: Sequence[str]) -> None:
        match told:
            case ["started", pid]:
                self.has_forked = True
                worker = self._workers[int(pid)] = Worker(int(pid))
                wanted = self._wanted.popleft() if self._wanted else None
                if wanted is None or wanted.done():
                    worker.signal(signal.SIGKILL)  # whoever wanted it has been cancelled, or has turned to another
                else:
                    wanted.set_result(worker)
            case ["ready", pid] if int(pid) in self._workers:
                self._workers[int(pid)].ready.set()
            case ["ended", pid, *code] if int(pid) in self._workers:
                worker = self._workers.pop(int(pid))
                worker.code = int(code[0]) if code else None
                worker.ended.set()


class _NurseryDied(Exception):
    """No worker comes of it any more."""
