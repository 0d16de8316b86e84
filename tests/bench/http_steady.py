"""Requests at a steady rate, whatever the answers take: ``python -m tests.bench.http_steady``, told on standard input.

A request's time counts from the moment it was due, so that a service that stands still is not asked less. Whoever asks
shares the service's cores here, so asking must cost little: each answer wakes the asker, and while it takes note of
one, the next waits. With asyncio's streams a fifth of a core went into asking, mostly the core that answers, and a tail
of that was measured; see docs/performance.md.
"""

import asyncio
import itertools
import json
import math
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, Final

import uvloop

from tests.bench.http_load import Asking

_CONNECTIONS: Final = 64


class _Asker(Asking):
    """A connection that is asked again as soon as a request is due and it has none."""

    def __init__(self, load: "_SteadyLoad") -> None:
        super().__init__()
        self._load = load
        self.due = 0.0

    def answered(self, status: bytes) -> None:
        self._load.note(self, status)

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.lost(exc)


class _SteadyLoad:
    """Requests that fall due one after the other, and how long each took from then to its answer."""

    def __init__(self, requests: Sequence[bytes], rate: float) -> None:
        self._requests = itertools.cycle(requests)
        self._every_s = 1 / rate
        self._idle: deque[_Asker] = deque()
        self._late: deque[float] = deque()
        self._open = 0
        self._stopping = False
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.latencies: list[float] = []
        self.statuses: Counter[bytes] = Counter()

    async def run(self, port: int, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(_CONNECTIONS):
            _, asker = await loop.create_connection(lambda: _Asker(self), "127.0.0.1", port)
            self._idle.append(asker)
        self._tick(time.perf_counter())
        await stop.wait()
        self._stopping = True
        self._end_if_answered()
        await self._ended

    def _tick(self, due: float) -> None:
        """Ask what is due by now, and come again when the next is."""
        if self._stopping:
            return
        while (now := time.perf_counter()) >= due:
            self._open += 1
            if self._idle:
                self._ask(self._idle.popleft(), due)
            else:
                self._late.append(due)
            due += self._every_s
        # uvloop rounds to whole milliseconds: by less than half a one it would come again at once, until it is due.
        asyncio.get_running_loop().call_later(math.ceil((due - now) * 1e3) / 1e3, self._tick, due)

    def _ask(self, asker: _Asker, due: float) -> None:
        asker.due = due
        asker.ask(next(self._requests))

    def note(self, asker: _Asker, status: bytes) -> None:
        self.latencies.append(time.perf_counter() - asker.due)
        self.statuses[status] += 1
        self._open -= 1
        if self._late:
            self._ask(asker, self._late.popleft())
        else:
            self._idle.append(asker)
        self._end_if_answered()

    def lost(self, exc: Exception | None) -> None:
        """A service that hangs up is not measured any more: what it owes would never come."""
        if not self._ended.done():
            self._ended.set_exception(exc or ConnectionResetError("the service closed a connection"))

    def _end_if_answered(self) -> None:
        if self._stopping and not self._open and not self._ended.done():
            self._ended.set_result(None)


async def steady_load(port: int, requests: Sequence[bytes], *, rate: float, stop: asyncio.Event) -> dict[str, Any]:
    """Send ``rate`` requests a second until ``stop``; percentiles in milliseconds, and how many answers of a status."""
    load = _SteadyLoad(requests, rate)
    await load.run(port, stop)
    latencies = sorted(load.latencies)
    at = {name: round(latencies[int(share * (len(latencies) - 1))] * 1e3, 2) for name, share in _SHARES.items()}
    statuses = {status.decode(): count for status, count in load.statuses.items()}
    return {"asked": len(latencies), "statuses": statuses, **at}


_HEAD: Final = b"POST /v1/quotes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
_SHARES: Final = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99, "max_ms": 1.0}


async def main() -> None:
    asked = json.loads(sys.stdin.readline())
    requests = []
    for body in asked["bodies"]:
        content = json.dumps(body).encode()
        requests.append(_HEAD + f"Content-Length: {len(content)}\r\n\r\n".encode() + content)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    print(json.dumps(await steady_load(asked["port"], requests, rate=asked["rate"], stop=stop)))


if __name__ == "__main__":
    uvloop.run(main())
