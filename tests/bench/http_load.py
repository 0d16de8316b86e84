"""A client that costs little: requests made beforehand, answers only looked at for their status."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_END_OF_HEAD: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "


@dataclass(slots=True)
class Load:
    """How many answers of each status came in how many seconds."""

    seconds: float = 0.0
    statuses: dict[bytes, int] = field(default_factory=dict)

    def per_s(self, status: bytes) -> float:
        """Answers of that status a second."""
        return self.statuses.get(status, 0) / self.seconds


class _Connection(asyncio.Protocol):
    """One request after the other on one connection."""

    def __init__(self, requests: Iterator[bytes], until: float, load: Load, done: asyncio.Future[None]) -> None:
        self._requests = requests
        self._until = until
        self._load = load
        self._done = done
        self._pending = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        self._pending += data
        head_end = self._pending.find(_END_OF_HEAD)
        if head_end < 0:
            return
        at = self._pending.lower().find(_LENGTH, 0, head_end)
        length = int(self._pending[at + len(_LENGTH) : self._pending.find(b"\r\n", at)])
        if len(self._pending) < head_end + len(_END_OF_HEAD) + length:
            return
        status = self._pending[9:12]
        self._load.statuses[status] = self._load.statuses.get(status, 0) + 1
        self._pending = self._pending[head_end + len(_END_OF_HEAD) + length :]
        assert self._transport is not None
        if time.perf_counter() < self._until:
            self._transport.write(next(self._requests))
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)


async def load(port: int, requests: Iterator[bytes], *, connections: int, seconds: float) -> Load:
    """Send requests on so many connections at once for so long; each connection waits for its answer."""
    loop = asyncio.get_running_loop()
    result = Load()
    began = time.perf_counter()
    ends: list[asyncio.Future[None]] = []
    for _ in range(connections):
        done: asyncio.Future[None] = loop.create_future()
        ends.append(done)
        until = began + seconds
        await loop.create_connection(
            lambda done=done, until=until: _Connection(requests, until, result, done),  # type: ignore[misc]  # it has no type
            "127.0.0.1",
            port,
        )
    await asyncio.gather(*ends)
    result.seconds = time.perf_counter() - began
    return result
