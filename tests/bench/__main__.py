"""``make bench``: the figures of docs/performance.md, on this machine."""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dispatch.postgres import acquire
from dispatch.storage.migrate import migrate
from tests.bench import imports, order_http, order_writes, over_http, pages, plots, roads, zones
from tests.bench.database import fill
from tests.bench.peers import installing, sizes
from tests.bench.peers import measuring as peers
from tests.bench.tables import (
    console,
    show_http,
    show_imports,
    show_orders,
    show_pages,
    show_peers,
    show_quotes,
    show_roads,
    show_sizes,
    show_zones,
)
from tests.bench.world import World

READY_TIMEOUT_S: Final = 600
PARTS: Final = ("quotes", "peers", "http", "zones", "orders", "imports", "roads", "pages")


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    asked.add_argument("--stores", type=int, default=100_000)
    asked.add_argument("--skus", type=int, default=10_000)
    asked.add_argument("--per-store", type=int, default=400)
    asked.add_argument("--served", type=int, default=10_000, help="stores of the service that is asked over HTTP")
    asked.add_argument("--data-dir", type=Path, help="keep the database here, and use it again; default: thrown away")
    asked.add_argument("--only", choices=PARTS, action="append", help="a part of it; repeatable; default: all")
    asked.add_argument("--compared", type=int, default=300, help="questions by road answered by the full matrix, too")
    asked.add_argument("--imported", type=int, default=5_000_000, help="rows of the stock file that is imported")
    asked.add_argument("--json", type=Path, help="write the figures here, too")
    asked.add_argument("--plots", type=Path, help="draw the figures of the part peers into this folder, as SVG")
    options = asked.parse_args()
    # Told to end it ends in order, and with it every server that it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    figures: dict[str, Any] = {"machine": machine()}
    parts = options.only or PARTS
    if "quotes" in parts:
        world = World(options.stores, options.skus, options.per_store)
        with _folder(options.data_dir) as folder:
            figures |= run(world, folder)
        show_quotes(figures)
    if "peers" in parts:
        figures["peers"] = run_peers(World(options.stores, options.skus, options.per_store))
        show_peers(figures["peers"])
        figures["sizes"] = sizes.measure(console.print)
        show_sizes(figures["sizes"])
    if "http" in parts:
        console.print("quotes, stores around and batches over HTTP, beside routes that do nothing …")
        with _folder(None) as folder:
            figures["http"] = over_http.measure(World(options.served, options.skus, options.per_store), folder)
        show_http(figures["http"])
    if "zones" in parts:
        console.print("quoting in one city, with and without a zone for each store …")
        figures["zones"] = zones.measure()
        show_zones(figures["zones"])
    if "orders" in parts:
        figures["orders"] = run_orders()
        show_orders(figures["orders"])
    if "imports" in parts:
        with _folder(None) as folder:
            figures["imports"] = imports.measure(folder, stores=options.stores, rows=options.imported)
        show_imports(figures["imports"])
    if "roads" in parts and (by_road := run_roads(options.compared)) is not None:
        figures["roads"] = by_road
        show_roads(by_road)
    if "pages" in parts:
        console.print("opening the pages in a browser …")
        with _folder(None) as folder:
            figures["pages"] = pages.measure(folder, stores=options.served)
        show_pages(figures["pages"])
    about = figures["machine"]
    console.print(f"{about['cores']} cores, {about['processor']}, Python {about['python']}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    if options.plots:
        for path in plots.draw(figures, options.plots):
            console.print(f"drawn: {path}")
    if unexplained := figures.get("peers", {}).get("unexplained"):
        raise SystemExit(f"{unexplained} answers differ from ours and the shape of the earth does not explain it")


@contextlib.contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    """A data directory: the one to be kept, or one that is thrown away."""
    folder = kept or Path(tempfile.mkdtemp(prefix="lifecircle-bench-"))
    try:
        yield folder
    finally:
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)


def run_orders() -> dict[str, Any]:
    """Orders at the storage layer, and over HTTP; commits wait for the disk."""
    console.print("placing orders, one by one and in group commits …")
    with _folder(None) as folder, acquire(folder) as server:
        asyncio.run(migrate(server.url))
        storage = asyncio.run(order_writes.measure(server.url))
    console.print("placing orders over HTTP …")
    with _folder(None) as folder:
        return {"storage": storage, "http": order_http.measure(folder)}


def run(world: World, folder: Path) -> dict[str, Any]:
    """All measurements, one after the other."""
    now_s = int(time.time())
    folder.mkdir(parents=True, exist_ok=True)
    noted = folder / "world.json"
    shape = {"stores": world.stores, "skus": world.skus, "per_store": world.per_store}
    with acquire(folder) as server:
        if not noted.exists():
            asyncio.run(migrate(server.url))
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            with Progress(*columns, console=console) as progress:
                asyncio.run(fill(server.url, world, now_s=now_s, progress=progress))
            noted.write_text(json.dumps({**shape, "now_s": now_s}))
        kept = json.loads(noted.read_text())
        if {name: kept[name] for name in shape} != shape:
            raise SystemExit(f"{folder} holds another world: {kept}")
        arguments = [str(value) for value in (*shape.values(), kept["now_s"])]
        console.print("loading a replica, then quoting from it …")
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.answering", server.url, *arguments],
            check=True,
            capture_output=True,
            text=True,
        )
    figures: dict[str, Any] = json.loads(done.stdout)
    console.print("starting the service on it …")
    figures["ready_s"] = seconds_until_ready(folder)
    return figures


def seconds_until_ready(folder: Path) -> float:
    """From the start of ``dispatch serve`` on a stopped database until /readyz says yes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("dispatch")
    command = [str(program), "serve", "--data-dir", str(folder), "--port", str(port)]
    began = time.perf_counter()
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.perf_counter() - began < READY_TIMEOUT_S:
            if server.poll() is not None:
                raise SystemExit(f"dispatch serve ended with {server.returncode}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                    return time.perf_counter() - began
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise SystemExit(f"not ready within {READY_TIMEOUT_S} s")
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)


def run_peers(world: World) -> dict[str, Any]:
    """Ours and its peers; ``missing`` tells why they could not be had, and then it does not count."""
    try:
        installing.install()
    except installing.CannotInstall as why:
        return {"counts": False, "missing": str(why)}
    with _folder(None) as folder:
        return {"counts": True} | peers.measure(world, folder, console.print)


def run_roads(compared: int) -> dict[str, Any] | None:
    """Quotes by road; None where the road data is missing, which is said."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console) as shown:
            task = shown.add_task("quotes by road, compared with the full matrix", total=compared)
            return roads.measure(compared=compared, progress=lambda done: shown.update(task, completed=done))
    except pytest.skip.Exception as missing:
        console.print(f"roads: {missing}")
        return None


def machine() -> dict[str, Any]:
    """Enough to compare: the cores and the processor."""
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return {"cores": os.cpu_count(), "processor": names[0] if names else "unknown", "python": sys.version.split()[0]}


if __name__ == "__main__":
    main()
