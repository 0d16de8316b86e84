"""``make bench``: the figures of docs/performance.md, on this machine."""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
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
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from dispatch.postgres import acquire
from dispatch.storage.migrate import migrate
from tests.bench import imports, order_http, order_writes, roads, zones
from tests.bench.database import fill
from tests.bench.world import World

READY_TIMEOUT_S: Final = 600
PARTS: Final = ("quotes", "zones", "orders", "imports", "roads")
console = Console()


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    asked.add_argument("--stores", type=int, default=100_000)
    asked.add_argument("--skus", type=int, default=10_000)
    asked.add_argument("--per-store", type=int, default=400)
    asked.add_argument("--data-dir", type=Path, help="keep the database here, and use it again; default: thrown away")
    asked.add_argument("--only", choices=PARTS, action="append", help="a part of it; repeatable; default: all")
    asked.add_argument("--compared", type=int, default=300, help="questions by road answered by the full matrix, too")
    asked.add_argument("--imported", type=int, default=5_000_000, help="rows of the stock file that is imported")
    asked.add_argument("--json", type=Path, help="write the figures here, too")
    options = asked.parse_args()
    figures: dict[str, Any] = {"machine": machine()}
    parts = options.only or PARTS
    if "quotes" in parts:
        world = World(options.stores, options.skus, options.per_store)
        with _folder(options.data_dir) as folder:
            figures |= run(world, folder)
        show(figures)
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
    about = figures["machine"]
    console.print(f"{about['cores']} cores, {about['processor']}, Python {about['python']}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


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


def show(figures: dict[str, Any]) -> None:
    quotes = Table(title=f"Quotes in process, {figures['stores']:,} stores, {figures['shelf_rows']:,} shelf rows")
    for name in ("basket", "p50 µs (spread)", "p99 µs (spread)", "plans", "outcomes"):
        quotes.add_column(name)
    for entry in figures["quotes"]:
        quotes.add_row(
            entry["mix"],
            f"{entry['p50_us']:.0f} ({entry['p50_spread_us'][0]:.0f}…{entry['p50_spread_us'][1]:.0f})",
            f"{entry['p99_us']:.0f} ({entry['p99_spread_us'][0]:.0f}…{entry['p99_spread_us'][1]:.0f})",
            ", ".join(f"{name} {count}" for name, count in sorted(entry["plans"].items())),
            ", ".join(f"{name} {count}" for name, count in sorted(entry["outcomes"].items())),
        )
    console.print(quotes)
    size = Table(title="The replica")
    size.add_column("figure")
    size.add_column("measured", justify="right")
    size.add_row("bytes a shelf row, stock alone", f"{figures['row_bytes']:.2f}")
    size.add_row("bytes a shelf row, the process's growth by all of it", f"{figures['resident_bytes_a_row']:.2f}")
    size.add_row("bytes a store, the process's growth by the stores alone", f"{figures['resident_bytes_a_store']:.0f}")
    size.add_row("bytes a store, its scale of freshness", f"{figures['scale_bytes_a_store']:.0f}")
    size.add_row("most memory the process held while loading", f"{figures['peak_mb']:,.0f} MB")
    size.add_row("loaded from PostgreSQL in", f"{figures['load_s']:.1f} s")
    size.add_row("dispatch serve ready after", f"{figures['ready_s']:.1f} s")
    console.print(size)


def show_zones(figures: dict[str, Any]) -> None:
    table = Table(title=f"What {zones.ZONES:,} zones add to a quote, one for each store of a city")
    for name in ("zones", "that hold the door", "p50 without, µs", "added, µs (spread)"):
        table.add_column(name)
    for kind, entry in figures.items():
        low, high = entry["added_spread_us"]
        table.add_row(
            kind,
            f"{entry['zones_that_hold_the_door']:,.0f}",
            f"{entry['without_p50_us']:.0f}",
            f"{entry['added_us']:.0f} ({low:.0f}…{high:.0f})",
        )
    console.print(table)


def show_orders(figures: dict[str, Any]) -> None:
    storage, http = figures["storage"], figures["http"]
    orders = Table(title=f"Orders of {order_writes.LINES} lines, durable")
    for name in ("how", "a second (spread)"):
        orders.add_column(name)
    for how, figure, spread in (
        (f"storage, one by one, {order_writes.CONNECTIONS} connections", "one_by_one_per_s", storage),
        (f"storage, group commit, {order_writes.CLIENTS} clients", "group_commit_per_s", storage),
        (f"HTTP, {order_http.WORKERS} workers, {order_http.CONNECTIONS} connections", "orders_per_s", http),
        ("HTTP, a route of the same shape that does nothing", "nothing_per_s", http),
    ):
        low, high = spread[figure.replace("_per_s", "_spread_per_s")]
        orders.add_row(how, f"{spread[figure]:,.0f} ({low:,.0f}…{high:,.0f})")
    console.print(orders)
    console.print(
        f"group commit ÷ one by one: {storage['ratio']:.1f}; orders ÷ nothing, over HTTP: {http['share']:.2f}"
    )


def show_imports(figures: dict[str, Any]) -> None:
    table = Table(title=f"Imports over HTTP, with {imports.QUOTES_A_S} quotes a second meanwhile")
    for name in ("what", "seconds", "of COPY", "more MB", "quotes p50 ms", "p99 ms", "statuses"):
        table.add_column(name)
    table.add_row(f"{figures['stores']:,} stores, no quotes", f"{figures['stores_s']:.1f}", "", "", "", "", "")
    table.add_row(f"COPY of {figures['stock_rows']:,} rows", f"{figures['copy_s']:.1f}", "1", "", "", "", "")
    for name, entry in (("quotes alone", None), ("all rows new", figures["new"]), ("all there", figures["again"])):
        quotes = figures["quiet"] if entry is None else entry["quotes"]
        told = ("", "", "") if entry is None else (
            f"{entry['seconds']:.1f}", f"{entry['ratio']:.2f}", f"{entry['more_mb']:.0f}"
        )  # fmt: skip
        statuses = ", ".join(f"{status} {count}" for status, count in sorted(quotes["statuses"].items()))
        table.add_row(name, *told, f"{quotes['p50_ms']:.1f}", f"{quotes['p99_ms']:.1f}", statuses)
    console.print(table)


def show_roads(figures: dict[str, Any]) -> None:
    table = Table(title=f"Quotes by road, {figures['stores']:,} stores, each to a door of its own")
    for name in ("mode", "first p50 ms", "p50 ms (spread)", "p99 ms (spread)", "ways a quote"):
        table.add_column(name)
    for mode, of_it in figures["by_mode"].items():
        p50, p99 = of_it["p50_ms"], of_it["p99_ms"]
        table.add_row(
            mode,
            f"{of_it['first_p50_ms']:.1f}",
            f"{statistics.median(p50):.1f} ({min(p50):.1f}…{max(p50):.1f})",
            f"{statistics.median(p99):.1f} ({min(p99):.1f}…{max(p99):.1f})",
            f"{of_it['ways']:.1f}",
        )
    console.print(table)
    console.print(
        f"{figures['compared'] - figures['different']} of {figures['compared']} answers equal the full matrix;"
        f" {figures['broken_bounds']} bounds broken"
    )


if __name__ == "__main__":
    main()
