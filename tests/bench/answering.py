"""Run as a process of its own: load a replica from PostgreSQL, then quote from it; figures as JSON."""

import asyncio
import gc
import json
import sys
import time
from pathlib import Path

from dispatch.replica.replica import Replica, load
from dispatch.replica.warming import warm_up
from dispatch.storage.feed import reading
from dispatch.storage.pool import Database
from geo.travel.estimate import EstimateTravel
from tests.bench.in_process import DEFAULTS
from tests.bench.quotes import MIXES, measure
from tests.bench.world import World


def resident_bytes(figure: str = "VmRSS") -> int:
    """What the process holds in memory now; ``VmHWM``: at most so far, itself (getrusage adds who has started it)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{figure}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this system does not tell how much memory a process holds")


async def _loaded(url: str) -> tuple[Replica, int]:
    """A replica, and what the process held when it had the stores alone."""
    with_stores: list[int] = []

    def progress(what: str, _count: int) -> None:
        if what == "stores":
            with_stores.append(resident_bytes())

    database = await Database.open(url)
    async with reading(database) as reader:
        replica = await load(reader, defaults=DEFAULTS, travel=EstimateTravel(), progress=progress)
    await database.close()
    return replica, with_stores[0]


def main() -> None:
    url, stores, skus, per_store, now_s = sys.argv[1], *map(int, sys.argv[2:6])
    world = World(stores, skus, per_store)
    warm_up()  # as a service does before it loads: what is compiled takes memory too, but not more with more stores
    before_bytes, began = resident_bytes(), time.perf_counter()
    replica, with_stores_bytes = asyncio.run(_loaded(url))
    load_s = time.perf_counter() - began
    gc.collect()
    gc.freeze()
    rows, stores_in = replica.stock.row_count, len(replica.catalogue)
    figures = {
        "stores": stores_in,
        "shelf_rows": rows,
        "load_s": load_s,
        "row_bytes": replica.stock.row_bytes / rows,
        "scale_bytes_a_store": replica.stock.freshness.nbytes / stores_in,
        "resident_bytes_a_store": (with_stores_bytes - before_bytes) / stores_in,
        "peak_mb": resident_bytes("VmHWM") / 2**20,
        "resident_bytes_a_row": (resident_bytes() - before_bytes) / rows,
        "quotes": [measure(replica, world, mix, now_s=now_s) for mix in MIXES],
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
