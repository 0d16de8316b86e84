"""Several processes that answer on one socket, and the one that looks after them.

They are forked by another process, the nursery (commands.nursery), in which everything is imported already. It and they
have pipes of this process for their standard input: when this one dies, however it dies, the pipes end, and so do they.
When the nursery dies, the workers live on, and there is another one for the next.
"""

import asyncio
import os
import shutil
import socket
import time
from collections.abc import Mapping
from typing import Final

import structlog
from prometheus_client.multiprocess import mark_process_dead

from dispatch.commands.forking import Nurseries
from dispatch.commands.server import WhenReady
from dispatch.commands.session import CommandError
from dispatch.services.metrics import SHARED_IN
from dispatch.settings import ENV_PREFIX, Settings

# The embedded server takes 200 connections; what workers leave is for the command line beside them.
_MOST_CONNECTIONS: Final = 160
# Between a worker that dies before it is ready and the next. One that was ready is followed at once.
_RESTART_FIRST_S: Final = 0.1
_RESTART_MOST_S: Final = 2.0

_log = structlog.get_logger(__name__)


def worker_environment(settings: Settings, url: str) -> dict[str, str]:
    """The environment of a worker: this one's, with what the command line said and the database there is.

    Makes the directory, empty, in which workers share their metrics.
    """
    said = {name: getattr(settings, name) for name in ("host", "port", "workers", "insecure", "data_dir")}
    said["database_url"] = url
    metrics_in = settings.data_dir / "metrics"
    shutil.rmtree(metrics_in, ignore_errors=True)  # what an earlier service has counted is not ours
    metrics_in.mkdir(parents=True)
    if settings.roads is not None:
        said |= {name: getattr(settings, name) for name in ("roads", "roads_estimate_outside", "roads_attribution")}
    if settings.database_url is None:
        said["pool_max"] = max(1, min(settings.pool_max, _MOST_CONNECTIONS // settings.workers))
        said["pool_min"] = min(settings.pool_min, said["pool_max"])
    told = {f"{ENV_PREFIX}{name.upper()}": str(value) for name, value in said.items()}
    return dict(os.environ) | told | {SHARED_IN: str(metrics_in)}


class Workers:
    """Starts so many workers, calls ``when_ready`` once all of them are, and starts those anew that die."""

    def __init__(
        self, count: int, listener: socket.socket, environment: Mapping[str, str], when_ready: WhenReady
    ) -> None:
        self._count = count
        self._nurseries = Nurseries(listener, environment)
        self._metrics_in = environment[SHARED_IN]
        self._when_ready = when_ready
        self._waiting = count
        self._all_ready = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled; the workers have ended then. Raises CommandError if one ends before it was ever ready."""
        try:
            async with self._nurseries, asyncio.TaskGroup() as group:
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
            worker = await self._nurseries.fork()
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
            mark_process_dead(worker.pid, self._metrics_in)  # type: ignore[no-untyped-call]  # it has no types
            _log.warning("worker_ended", worker=number, pid=worker.pid, code=worker.code)
            if not worker.ready.is_set():
                await asyncio.sleep(pause_s)
                pause_s = min(_RESTART_MOST_S, 2 * pause_s)

    def _first_ready(self) -> None:
        self._waiting -= 1
        if not self._waiting:
            self._all_ready.set()
