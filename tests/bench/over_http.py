"""What a quote, a page of stores around and a batch of quotes cost over HTTP, in processor time of a worker.

Beside them, in turns, routes of the same shape that do nothing (``tests/bench/http_noop.py``). Time is that of the
process that answers, in the kernel too, less what it takes when nobody asks; so neither the client, nor PostgreSQL, nor
whoever else is on the machine counts, but by the caches that they fill.
"""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.progress import Progress

from dispatch.domain.question import Question
from dispatch.postgres import acquire
from dispatch.storage.migrate import migrate
from tests.bench.database import fill
from tests.bench.http_load import load_all
from tests.bench.http_noop import KINDS
from tests.bench.percentiles import median_and_spread
from tests.bench.quotes import questions
from tests.bench.serving import served
from tests.bench.world import World

MIXES: Final = ("5 common", "dense city", "one rare")
NEARBY_FROM: Final = "dense city"  # where a page is full
ROUNDS: Final = 7
QUOTES: Final = 3_000  # a round, of each mix
PAGES: Final = 2_000
BATCH: Final = 100  # quotes a call
CONNECTIONS: Final = 16
_SAMPLES: Final = 200
_IDLE_S: Final = 5.0

# What usual clients send besides.
_OTHERS: Final = b"Accept: */*\r\nAccept-Encoding: gzip, deflate\r\nUser-Agent: a-usual-client/1.0\r\n"


def measure(world: World, folder: Path, *, rounds: int = ROUNDS) -> dict[str, Any]:
    """The figures; ``folder`` must be empty."""
    with acquire(folder) as server:
        asyncio.run(migrate(server.url))
        with Progress() as progress:
            rows = asyncio.run(fill(server.url, world, now_s=int(time.time()), progress=progress))
    with served(folder) as port:
        quote, page, outcomes = _samples(port, world)
        with contextlib.ExitStack() as stack:
            nothings = {kind: stack.enter_context(_doing_nothing(kind, quote, page)) for kind in KINDS}
            service = _Answering(port, _worker_of(port))
            figures = _measured(world, service, nothings, rounds)
    return {
        "stores": world.stores,
        "shelf_rows": rows,
        "outcomes": outcomes,
        "quote_bytes": len(quote),
        "page_bytes": len(page),
        "page_stores": len(json.loads(page)["stores"]),
        "idle_share": service.idle_share,
        **figures,
    }


class _Answering:
    """A process that answers on a port. To be made when nobody asks it: it is watched for some seconds."""

    def __init__(self, port: int, pid: int) -> None:
        self._port, self._pid = port, pid
        began_s, before_s = time.perf_counter(), _cpu_s(pid)
        time.sleep(_IDLE_S)
        self.idle_share = _spent_s(before_s, _cpu_s(pid)) / (time.perf_counter() - began_s)

    def cpu_us(self, requests: Sequence[bytes]) -> float:
        """Microseconds of processor time that each of these requests takes; all must be answered 200."""
        before_s = _cpu_s(self._pid)
        done = asyncio.run(load_all(self._port, requests, connections=CONNECTIONS))
        spent_s = _spent_s(before_s, _cpu_s(self._pid)) - self.idle_share * done.seconds
        assert done.statuses == {b"200": len(requests)}, done.statuses
        return spent_s / len(requests) * 1e6


def _cpu_s(pid: int) -> dict[str, float]:
    """Seconds of processor time that each thread of a process has had, in the kernel too, to the nanosecond."""
    spent_s = {}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it has just ended
            spent_s[thread.name] = int((thread / "schedstat").read_text().split()[0]) / 1e9
    return spent_s


def _spent_s(before_s: Mapping[str, float], after_s: Mapping[str, float]) -> float:
    return sum(spent_s - before_s.get(thread, 0.0) for thread, spent_s in after_s.items())


def _measured(world: World, service: _Answering, nothings: Mapping[str, _Answering], rounds: int) -> dict[str, Any]:
    """Rounds of everything in turns, after one that does not count; no question comes twice."""
    spent_us: dict[str, list[float]] = {}
    for round_no in range(-1, rounds):
        bodies = {mix: _bodies(world, mix, QUOTES, seed=100 + round_no) for mix in MIXES}
        singles = {mix: [_post("/v1/quotes", body) for body in of_mix] for mix, of_mix in bodies.items()}
        pages = _pages(world, PAGES, seed=100 + round_no)
        turn = {f"quote, {mix}": service.cpu_us(requests) for mix, requests in singles.items()}
        turn["nearby"] = service.cpu_us(pages)
        for kind, nothing in nothings.items():
            turn[f"nothing of a quote, {kind}"] = nothing.cpu_us(singles[MIXES[0]])
            turn[f"nothing of nearby, {kind}"] = nothing.cpu_us(pages)
        for mix in MIXES:
            # Other doors than the single ones': what those have left in caches would help.
            calls = _batches(_bodies(world, mix, QUOTES, seed=500 + round_no))
            turn[f"batch, {mix}"] = service.cpu_us(calls) / BATCH
        if round_no >= 0:
            for what, us in turn.items():
                spent_us.setdefault(what, []).append(us)
    return {
        "rounds": rounds,
        "cpu_us": {what: _summed(us) for what, us in spent_us.items()},
        "quote_ratios": {
            mix: {kind: _ratio(spent_us[f"quote, {mix}"], spent_us[f"nothing of a quote, {kind}"]) for kind in KINDS}
            for mix in MIXES
        },
        "nearby_ratios": {kind: _ratio(spent_us["nearby"], spent_us[f"nothing of nearby, {kind}"]) for kind in KINDS},
        "batch_gains": {mix: _ratio(spent_us[f"quote, {mix}"], spent_us[f"batch, {mix}"]) for mix in MIXES},
    }


def _summed(values: Sequence[float]) -> dict[str, Any]:
    middle, spread = median_and_spread(values)
    return {"median": middle, "spread": spread}


def _ratio(of: Sequence[float], to: Sequence[float]) -> dict[str, Any]:
    return _summed([one / other for one, other in zip(of, to, strict=True)])


# ── what is asked ──────────────────────────────────────────────────────────────────────────────────────────────────


def _bodies(world: World, mix: str, count: int, *, seed: int) -> list[bytes]:
    return [_body(question) for question in questions(world, mix, count, now_s=0, seed=seed)]


def _body(question: Question) -> bytes:
    place = {"lat": question.destination.lat, "lon": question.destination.lon}
    lines = [{"sku": line.sku, "quantity": line.quantity} for line in question.lines]
    return json.dumps({"destination": place, "lines": lines}).encode()


def _batches(bodies: Sequence[bytes]) -> list[bytes]:
    calls = [bodies[start : start + BATCH] for start in range(0, len(bodies), BATCH)]
    return [_post("/v1/quotes/batch", b'{"quotes": [' + b", ".join(call) + b"]}") for call in calls]


def _post(path: str, body: bytes) -> bytes:
    return (
        b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\n%bContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (path.encode(), _OTHERS, len(body), body)
    )


def _addresses(world: World, count: int, *, seed: int) -> list[str]:
    return [
        f"/v1/stores/nearby?lat={asked.destination.lat}&lon={asked.destination.lon}"
        for asked in questions(world, NEARBY_FROM, count, now_s=0, seed=seed)
    ]


def _pages(world: World, count: int, *, seed: int) -> list[bytes]:
    return [
        b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\n%b\r\n" % (address.encode(), _OTHERS)
        for address in _addresses(world, count, seed=seed)
    ]


# ── whom ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _samples(port: int, world: World) -> tuple[bytes, bytes, dict[str, dict[str, int]]]:
    """The quote that can be and the page of stores that are of middle length; how often quotes of a mix can be."""
    outcomes, fulfillable = {}, []
    for mix in MIXES:
        told = [_asked(port, "/v1/quotes", body) for body in _bodies(world, mix, _SAMPLES, seed=99)]
        outcomes[mix] = dict(Counter(json.loads(answer)["outcome"] for answer in told))
        if mix == MIXES[0]:
            fulfillable = [answer for answer in told if json.loads(answer)["outcome"] == "fulfillable"]
    pages = [_asked(port, address) for address in _addresses(world, _SAMPLES, seed=99)]
    return _of_middle_length(fulfillable), _of_middle_length(pages), outcomes


def _of_middle_length(told: Sequence[bytes]) -> bytes:
    return sorted(told, key=len)[len(told) // 2]


def _asked(port: int, address: str, body: bytes | None = None) -> bytes:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{address}", data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        told: bytes = answer.read()
        return told


def _worker_of(port: int) -> int:
    """The process that answers there; a cell that does not exist saves it the checksums."""
    return int(json.loads(_asked(port, "/v1/replica?cell=1"))["worker"])


@contextlib.contextmanager
def _doing_nothing(kind: str, quote: bytes, page: bytes) -> Iterator[_Answering]:
    """A process with routes that do nothing but answer these."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(2048)
        fd, port = listener.fileno(), int(listener.getsockname()[1])
        command = [sys.executable, "-m", "tests.bench.http_noop", str(fd), kind]
        worker = subprocess.Popen(command, pass_fds=(fd,), stdin=subprocess.PIPE)
        try:
            assert worker.stdin is not None
            with worker.stdin as pipe:
                pipe.write(quote + b"\n" + page + b"\n")
            # It is asked before it is watched, so that its start does not count.
            assert len(_asked(port, "/v1/stores/nearby?lat=30&lon=110")) > len(page) // 2
            yield _Answering(port, worker.pid)
        finally:
            worker.terminate()
            worker.wait(30)
