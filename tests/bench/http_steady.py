"""Requests at a steady rate, whatever the answers take: ``python -m tests.bench.http_steady``, told on standard input.

A request's time counts from the moment it was due, so that a service that stands still is not asked less.
"""

import asyncio
import contextlib
import itertools
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

_CONNECTIONS: Final = 64


async def steady_load(port: int, requests: Sequence[bytes], *, rate: float, stop: asyncio.Event) -> dict[str, Any]:
    """Send ``rate`` requests a second until ``stop``; percentiles in milliseconds, and how many answers of a status."""
    latencies: list[float] = []
    statuses: Counter[str] = Counter()
    idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(_CONNECTIONS):
        idle.put_nowait(await asyncio.open_connection("127.0.0.1", port))

    async def ask(request: bytes, due: float) -> None:
        reader, writer = await idle.get()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
        )
        await reader.readexactly(length)
        latencies.append(time.perf_counter() - due)
        statuses[head[9:12].decode()] += 1
        idle.put_nowait((reader, writer))

    asking: set[asyncio.Task[None]] = set()
    began = time.perf_counter()
    for n, request in enumerate(itertools.cycle(requests)):
        due = began + n / rate
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), max(0.0, due - time.perf_counter()))
        if stop.is_set():
            break
        task = asyncio.create_task(ask(request, due))
        asking.add(task)
        task.add_done_callback(asking.discard)
    await asyncio.gather(*asking)
    latencies.sort()
    at = {name: round(latencies[int(share * (len(latencies) - 1))] * 1e3, 2) for name, share in _SHARES.items()}
    return {"asked": len(latencies), "statuses": dict(statuses), **at}


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
    asyncio.run(main())
