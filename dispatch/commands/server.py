"""A uvicorn server that tells when it may be asked: when its replica is loaded, not merely when it listens."""

import asyncio
import contextlib
import gc
import logging
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import uvicorn
from fastapi import FastAPI

from dispatch.commands.one_packet import OnePacketProtocol
from dispatch.commands.session import CommandError
from dispatch.domain.errors import ReplicaNotReady

GRACE_S: Final = 10
_POLL_S: Final = 0.05
_ALLOCATIONS_BETWEEN_COLLECTIONS: Final = 20_000
# An answer lets go of the interpreter wherever a library computes without it, and each time another thread may keep it
# for so long. With Python's own 5 ms, answers beside an import were seen to wait for it for 20 to 30 ms.
_THREADS_TURN_S: Final = 0.0005

type WhenReady = Callable[[], Awaitable[None]]


def config_of(app: FastAPI, log_level: str) -> uvicorn.Config:
    """How the service is served. uvicorn's own remarks on its starting and stopping are for who debugs."""
    if log_level != "debug":
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=OnePacketProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )


def settle_memory() -> None:
    """Leave what is there now, the code and the replica, out of every collection, and collect less often.

    A request makes hundreds of objects that need no collector, and each look at all the others costs milliseconds: a
    tenth of the time of an order. To be called before anybody is answered: with 100,000 stores it takes a quarter of a
    second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS_BETWEEN_COLLECTIONS)


class ReadyServer(uvicorn.Server):
    """Calls ``when_ready`` once, as soon as its app's replica is loaded."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, when_ready: WhenReady) -> None:
        super().__init__(config)
        self._app = app
        self._when_ready = when_ready
        self._telling: asyncio.Task[None] | None = None
        self._failure: Exception | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to whoever runs the server; they set ``should_exit``."""
        yield

    def serve_until_told(self, listener: socket.socket) -> None:
        """Serve until ``should_exit``. Raises CommandError if the app does not start."""
        sys.setswitchinterval(_THREADS_TURN_S)
        try:
            self.run([listener])
        except SystemExit as error:  # uvicorn's way to say so, after it has said why
            raise CommandError("the service did not start; what it said stands above") from error
        if self._failure is not None:
            raise self._failure

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._telling = asyncio.create_task(self._tell(), name="tell when ready")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
        # uvicorn waits for open answers before it has the app end, and streams end only if they are told to.
        if (service := getattr(self._app.state, "service", None)) is not None:
            service.live.end()
        await super().shutdown(sockets)

    async def _tell(self) -> None:
        try:
            while not self._is_loaded():
                await asyncio.sleep(_POLL_S)
            await self._when_ready()
        except Exception as error:
            self._failure = error
            self.should_exit = True

    def _is_loaded(self) -> bool:
        try:
            self._app.state.service.follower.replica  # noqa: B018 - it raises
        except ReplicaNotReady:
            return False
        return True
