"""Requests at a steady rate, whatever the answers take: ``python -m tests.bench.http_steady``, told on standard input.

A request's time counts from the moment it was due, so that a service that stands still is not asked less. Who asks
shares the cores with the service, its database and its imports, and finds their caches full of other things each time
it is woken: so it is a bare loop over sockets. With asyncio it took a fifth to a third of a core.
"""

import itertools
import json
import select
import signal
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, Final

_CONNECTIONS: Final = 64
_LENGTH: Final = b"content-length: "
_END_OF_HEAD: Final = b"\r\n\r\n"
_MOST_BYTES: Final = 1 << 20


class _SteadyLoad:
    """Requests that fall due one after the other, and how long each took from then to its answer."""

    def __init__(self, port: int, requests: Sequence[bytes], rate: float) -> None:
        self._requests = itertools.cycle(requests)
        self._every_s = 1 / rate
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        for _ in range(_CONNECTIONS):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets[connection.fileno()] = connection
            self._poll.register(connection.fileno(), select.EPOLLIN)
        self._idle = deque(self._sockets)
        self._late: deque[float] = deque()  # due, and every connection is waiting
        self._due: dict[int, float] = {}  # of those that are waited for
        self._heard: dict[int, bytes] = {}
        self.stop = False
        self.latencies: list[float] = []
        self.statuses: Counter[bytes] = Counter()

    def run(self) -> None:
        """Ask until told to stop, and wait for what is owed then."""
        due = time.perf_counter()
        while not self.stop:
            while (now := time.perf_counter()) >= due:
                if self._idle:
                    self._ask(self._idle.popleft(), due)
                else:
                    self._late.append(due)
                due += self._every_s
            self._hear(due - now)
        while self._due:
            self._hear(1.0)

    def _ask(self, fd: int, due: float) -> None:
        self._due[fd] = due
        self._sockets[fd].sendall(next(self._requests))

    def _hear(self, at_most_s: float) -> None:
        for fd, _ in self._poll.poll(at_most_s):
            heard = self._heard.pop(fd, b"") + self._sockets[fd].recv(_MOST_BYTES)
            if not heard:
                raise SystemExit("the service closed a connection")
            if not _is_whole(heard):
                self._heard[fd] = heard
                continue
            self.latencies.append(time.perf_counter() - self._due.pop(fd))
            self.statuses[heard[9:12]] += 1
            if self._late:
                self._ask(fd, self._late.popleft())
            else:
                self._idle.append(fd)


def _is_whole(answer: bytes) -> bool:
    head = answer.find(_END_OF_HEAD)
    if head < 0:
        return False
    at = answer.find(_LENGTH, 0, head)
    if at < 0:
        raise SystemExit(f"an answer without a length: {answer[:head]!r}")
    return len(answer) >= head + len(_END_OF_HEAD) + int(answer[at + len(_LENGTH) : answer.find(b"\r", at)])


_HEAD: Final = b"POST /v1/quotes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
_SHARES: Final = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99, "max_ms": 1.0}


def main() -> None:
    """Ask for as long as it takes until SIGINT; percentiles in milliseconds, and how many answers of a status."""
    asked: dict[str, Any] = json.loads(sys.stdin.readline())
    requests = []
    for body in asked["bodies"]:
        content = json.dumps(body).encode()
        requests.append(_HEAD + f"Content-Length: {len(content)}\r\n\r\n".encode() + content)
    load = _SteadyLoad(asked["port"], requests, asked["rate"])

    def end(_number: int, _frame: object) -> None:
        load.stop = True

    signal.signal(signal.SIGINT, end)
    load.run()
    latencies = sorted(load.latencies)
    at = {name: round(latencies[int(share * (len(latencies) - 1))] * 1e3, 2) for name, share in _SHARES.items()}
    statuses = {status.decode(): count for status, count in load.statuses.items()}
    print(json.dumps({"asked": len(latencies), "statuses": statuses, **at}))


if __name__ == "__main__":
    main()
