"""A client that costs little: requests made beforehand, answers only looked at for their status."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

_END_OF_HEAD: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "

type _Next = Callable[[], bytes | None]
"""The next request, None when it is over."""


@dataclass(slots=True)
class Load:
    """How many answers of each status came in how many seconds, and the bytes of all of their bodies."""

    seconds: float = 0.0
    statuses: dict[bytes, int] = field(default_factory=dict)
    body_bytes: int = 0

    def per_s(self, status: bytes) -> float:
        """Answers of that status a second."""
        return self.statuses.get(status, 0) / self.seconds


class _Connection(asyncio.Protocol):
    """One request after the other on one connection."""

    def __init__(self, following: _Next, load: Load, done: asyncio.Future[None]) -> None:
        self._following = following
        self._load = load
        self._done = done
        self._pending = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._pending += data
        head_end = self._pending.find(_END_OF_HEAD)
        if head_end < 0:
            return
        at = self._pending.lower().find(_LENGTH, 0, head_end)
        length = int(self._pending[at + len(_LENGTH) : self._pending.find(b"\r", at)])
        if len(self._pending) < head_end + len(_END_OF_HEAD) + length:
            return
        status = self._pending[9:12]
        self._load.statuses[status] = self._load.statuses.get(status, 0) + 1
        self._load.body_bytes += length
        self._pending = self._pending[head_end + len(_END_OF_HEAD) + length :]
        self._ask()

    def _ask(self) -> None:
        assert self._transport is not None
        request = self._following()
        if request is None:
            self._transport.close()
        else:
            self._transport.write(request)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)


async def load(port: int, requests: Iterator[bytes], *, connections: int, seconds: float) -> Load:
    """Send requests on so many connections at once for so long; each connection waits for its answer."""
    until = time.perf_counter() + seconds
    return await _loaded(port, lambda: next(requests) if time.perf_counter() < until else None, connections)


async def load_all(port: int, requests: Iterable[bytes], *, connections: int) -> Load:
    """Send these requests, each once, on so many connections at once; each connection waits for its answer."""
    left = iter(requests)
    return await _loaded(port, lambda: next(left, None), connections)


async def _loaded(port: int, following: _Next, connections: int) -> Load:
    loop = asyncio.get_running_loop()
    result = Load()
    began = time.perf_counter()
    ends: list[asyncio.Future[None]] = []
    for _ in range(connections):
        done: asyncio.Future[None] = loop.create_future()
        ends.append(done)
        await loop.create_connection(
            lambda done=done: _Connection(following, result, done),  # type: ignore[misc]  # it has no type
            "127.0.0.1",
            port,
        )
    await asyncio.gather(*ends)
    result.seconds = time.perf_counter() - began
    return result
