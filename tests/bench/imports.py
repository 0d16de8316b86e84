"""Imports into a running service that is asked for quotes meanwhile, against COPY of the same rows."""

import asyncio
import contextlib
import json
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import asyncpg
import numpy as np
from rich.console import Console

from dispatch.postgres import acquire
from dispatch.storage.migrate import migrate
from tests.bench.database import COPIED_COLUMNS, binary_rows
from tests.bench.memory import ServiceProcesses, watched
from tests.bench.serving import served
from tests.bench.world import World

SKUS: Final = 10_000
ROWS_A_STORE: Final = 400
QUOTES_A_S: Final = 200
_QUIET_S: Final = 10.0
_LONG_S: Final = 3_600

console = Console()


def measure(folder: Path, *, stores: int, rows: int) -> dict[str, Any]:
    """``stores`` stores, then about ``rows`` rows of stock twice: all new, and all there already."""
    world = World(stores, SKUS, ROWS_A_STORE)
    counted = rows // ROWS_A_STORE
    store, sku, on_hand, price = _shelves(world, counted)
    _write_stores(world, folder / "stores.csv")
    _write_stock(world, folder / "stock.csv", store, sku, on_hand, price)
    figures: dict[str, Any] = {"stores": stores, "stock_rows": len(store)}
    console.print(f"importing {stores:,} stores …")
    with served(folder) as port:
        figures["stores_s"] = _import(port, "stores", folder / "stores.csv")["seconds"]
    console.print(f"{figures['stores_s']:.1f} s")
    with acquire(folder) as server:
        console.print("COPY of the same rows into the same table …")
        figures["copy_s"] = asyncio.run(_copy(server.url, world, store, sku, on_hand, price))
    console.print(f"{figures['copy_s']:.1f} s; quotes with nothing else going on …")
    with served(folder) as port, _quoted(port, world, counted) as quiet:
        time.sleep(_QUIET_S)
    figures["quiet"] = quiet()
    console.print(f"{quiet()}; importing {len(store):,} rows of stock, twice …")
    with served(folder) as port:
        for name in ("new", "again"):
            with watched(ServiceProcesses(port)) as most, _quoted(port, world, counted) as told:
                done = _import(port, "stock", folder / "stock.csv", "?as_of=now&currency=CNY")
            figures[name] = done | {"more_mb": most(), "quotes": told(), "ratio": done["seconds"] / figures["copy_s"]}
            console.print(f"{name}: {figures[name]}")
    return figures


def _shelves(world: World, counted: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng([world.seed, 7])
    store = np.repeat(np.arange(counted), ROWS_A_STORE)
    sku = np.concatenate([rng.choice(SKUS, ROWS_A_STORE, replace=False) for _ in range(counted)])
    # A chain's stores sell at one price.
    price = 100 + sku * 37 % 9_000 + 10 * world.chains[store]
    return store, sku, rng.integers(0, 40, len(store)), price


def _write_stores(world: World, path: Path) -> None:
    with path.open("w") as out:
        out.write("store_id,name,brand,address,lat,lon,opening_hours,datum\n")
        for number in range(world.stores):
            one = world.store(number)
            out.write(
                f"{one.store_id},{one.name},{one.brand},{one.address},{one.place.lat:.6f},{one.place.lon:.6f},"
                f"{one.opening_hours},wgs84\n"
            )


def _write_stock(
    world: World, path: Path, store: np.ndarray, sku: np.ndarray, on_hand: np.ndarray, price: np.ndarray
) -> None:
    with path.open("w") as out:
        out.write("store_id,sku,on_hand,price\n")
        columns = (column.tolist() for column in (store, sku, on_hand, price))
        for one, item, count, minor in zip(*columns, strict=True):
            out.write(f"{world.store_id(one)},{world.sku(item)},{count},{minor / 100:.2f}\n")


async def _copy(
    url: str, world: World, store: np.ndarray, sku: np.ndarray, on_hand: np.ndarray, price: np.ndarray
) -> float:
    """Seconds to COPY the rows, binary and in order of their key, as the file's importer writes them; undone again."""
    await migrate(url)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "INSERT INTO skus (sku) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING",
            [world.sku(number) for number in range(SKUS)],
        )
        found = {row["sku"]: row["sku_no"] for row in await connection.fetch("SELECT sku, sku_no FROM skus")}
        sku_nos = np.array([found[world.sku(number)] for number in range(SKUS)], dtype=np.int64)
        directory = await connection.fetch("SELECT store_id, cell, store_no FROM store_directory")
        of_store = {row["store_id"]: (row["cell"], row["store_no"]) for row in directory}
        numbers = np.array([of_store[world.store_id(number)] for number in range(int(store.max()) + 1)], dtype=np.int64)
        order = np.lexsort((sku_nos[sku], numbers[store, 1], numbers[store, 0]))
        rows = np.empty(len(store), dtype=[("place", "i4"), ("sku_no", "i4"), ("on_hand", "i4"), ("price", "i4")])
        rows["place"], rows["sku_no"] = store[order], sku_nos[sku[order]]
        rows["on_hand"], rows["price"] = on_hand[order], price[order]
        began = time.perf_counter()
        source = binary_rows(rows, numbers, int(time.time()) - 3_600, lambda _: None)
        await connection.copy_to_table(
            "shelves", source=source, columns=COPIED_COLUMNS, format="binary", timeout=_LONG_S
        )
        seconds = time.perf_counter() - began
        await connection.execute("TRUNCATE shelves")
        await connection.execute("CHECKPOINT", timeout=_LONG_S)
    finally:
        await connection.close()
    return seconds


def _import(port: int, kind: str, path: Path, query: str = "") -> dict[str, Any]:
    """Send a file and wait for its end: seconds from the first byte sent, and the counts."""
    began = time.perf_counter()
    command = ["curl", "-sS", "--data-binary", f"@{path}", "-H", "Content-Type: text/csv",
               f"http://127.0.0.1:{port}/v1/imports/{kind}{query}"]  # fmt: skip
    begun = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    sent = time.perf_counter() - began
    while True:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/imports/{begun['import_id']}", timeout=60) as answer:
            told = json.load(answer)
        if told["status"] != "running":
            break
        time.sleep(0.2)
    assert told["status"] == "done", told
    names = ("rows", "created", "updated", "unchanged", "failed", "ignored", "warnings")
    return {"seconds": time.perf_counter() - began, "sent_s": sent, **{name: told[name] for name in names}}


@contextlib.contextmanager
def _quoted(port: int, world: World, counted: int) -> Iterator[Any]:
    """Quotes at a steady rate from a process of its own; what is yielded tells their latencies at the end."""
    rng = random.Random(5)
    bodies = []
    for _ in range(2_000):
        near = rng.randrange(counted)
        bodies.append(
            {
                "destination": {"lat": float(world.lats[near]), "lon": float(world.lons[near])},
                "lines": [{"sku": world.sku(int(rng.random() ** 3 * SKUS)), "quantity": 1} for _ in range(2)],
            }
        )
    asked = json.dumps({"port": port, "rate": QUOTES_A_S, "bodies": bodies})
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.http_steady"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    process.stdin.write(asked + "\n")
    process.stdin.flush()
    told: dict[str, Any] = {}
    try:
        yield lambda: told
    finally:
        process.send_signal(signal.SIGINT)
        told |= json.loads(process.communicate(timeout=60)[0])
