"""Orders over HTTP, with two workers and the embedded PostgreSQL beside them, against a route that does nothing."""

import asyncio
import contextlib
import itertools
import json
import random
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from dispatch.domain.stores import ShelfCount, Store
from dispatch.postgres import acquire
from dispatch.storage.migrate import migrate
from dispatch.storage.pool import Database
from dispatch.storage.shelves import put_shelf
from dispatch.storage.stores import put_stores_of_cell
from geo.cells import cell_of
from geo.coordinates import LatLon
from tests.bench.http_load import load

WORKERS: Final = 2
CONNECTIONS: Final = 256
ROUNDS: Final = 5
ROUND_S: Final = 4.0
STORES: Final = 1_000
SKUS: Final = 50
LINES: Final = 3
_READY_TIMEOUT_S: Final = 60.0
_CENTRE: Final = LatLon(lat=37.87, lon=112.55)


async def _filled(url: str, *, seed: int) -> None:
    """A city with more stock than can be sold, and stores that are never too busy."""
    rng = random.Random(seed)
    database = await Database.open(url)
    stores = [
        Store(
            store_id=f"S-{i:04}",
            name=f"Store {i}",
            place=LatLon(lat=_CENTRE.lat + rng.gauss(0, 0.04), lon=_CENTRE.lon + rng.gauss(0, 0.04)),
            timezone="Asia/Shanghai",
            queue_per_order_s=0,
        )
        for i in range(STORES)
    ]
    cells: dict[int, list[Store]] = {}
    for store in stores:
        cells.setdefault(cell_of(store.place), []).append(store)
    now = datetime.now(UTC)
    try:
        for cell, of_cell in sorted(cells.items()):
            async with database.transaction() as connection:
                await put_stores_of_cell(connection, cell, of_cell)
        for store in stores:
            counts = [
                ShelfCount(
                    store_id=store.store_id, sku=f"sku-{n:03}", on_hand=1_000_000, as_of=now, price_minor=650 + n,
                    currency="CNY",
                )
                for n in range(SKUS)
            ]  # fmt: skip
            await put_shelf(database, store.store_id, counts, whole_as_of=now)
    finally:
        await database.close()


def orders(*, seed: int) -> Iterator[bytes]:
    """PUT after PUT, each a new id: three lines to somewhere in the city."""
    rng = random.Random(seed)
    bodies = []
    for _ in range(2_000):
        lines = [{"sku": f"sku-{n:03}", "quantity": 1} for n in rng.sample(range(SKUS), LINES)]
        place = {"lat": _CENTRE.lat + rng.gauss(0, 0.03), "lon": _CENTRE.lon + rng.gauss(0, 0.03)}
        bodies.append(json.dumps({"destination": place, "lines": lines, "channel": "app"}).encode())
    for n in itertools.count():
        body = bodies[n % len(bodies)]
        yield (
            b"PUT /v1/orders/o-%d-%d HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (seed, n, len(body), body)
        )


@contextlib.contextmanager
def _serving(folder: Path) -> Iterator[int]:
    """``dispatch serve`` with so many workers; its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    program = Path(sys.executable).with_name("dispatch")
    command = [str(program), "serve", "--data-dir", str(folder), "--port", str(port), "--workers", str(WORKERS)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        began = time.perf_counter()
        while True:
            with (
                contextlib.suppress(urllib.error.URLError, OSError),
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5),
            ):
                break
            if server.poll() is not None or time.perf_counter() - began > _READY_TIMEOUT_S:
                raise SystemExit("dispatch serve did not become ready")
            time.sleep(0.2)
        yield port
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)


@contextlib.contextmanager
def _doing_nothing() -> Iterator[int]:
    """As many processes that do nothing; their port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(2048)
        fd = listener.fileno()
        command = [sys.executable, "-m", "tests.bench.noop_worker", str(fd)]
        workers = [subprocess.Popen(command, pass_fds=(fd,)) for _ in range(WORKERS)]
        try:
            yield int(listener.getsockname()[1])
        finally:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.wait(30)


def measure(folder: Path, *, seed: int = 7, rounds: int = ROUNDS) -> dict[str, Any]:
    """Both in turns; ``folder`` must be empty."""
    with acquire(folder) as server:
        asyncio.run(migrate(server.url))
        asyncio.run(_filled(server.url, seed=seed))
    placed, nothing = [], []
    with _serving(folder) as port, _doing_nothing() as noop_port:
        requests = orders(seed=seed)
        asyncio.run(load(noop_port, requests, connections=CONNECTIONS, seconds=2))
        asyncio.run(load(port, requests, connections=CONNECTIONS, seconds=2))
        for _ in range(rounds):
            done = asyncio.run(load(noop_port, requests, connections=CONNECTIONS, seconds=ROUND_S))
            nothing.append(done.per_s(b"201"))
            done = asyncio.run(load(port, requests, connections=CONNECTIONS, seconds=ROUND_S))
            assert done.statuses.keys() == {b"201"}, done.statuses
            placed.append(done.per_s(b"201"))
    return {
        "orders_per_s": statistics.median(placed),
        "orders_spread_per_s": [min(placed), max(placed)],
        "nothing_per_s": statistics.median(nothing),
        "nothing_spread_per_s": [min(nothing), max(nothing)],
        "share": statistics.median(p / n for p, n in zip(placed, nothing, strict=True)),
    }
