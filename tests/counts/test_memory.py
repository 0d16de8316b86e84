"""How many bytes the replica keeps, by what it has allocated."""

import gc
import tracemalloc

from dispatch.replica.replica import Replica
from tests.bench.in_process import build
from tests.bench.world import World
from tests.counts.limits import hold


def test_bytes_of_a_shelf_row(small: Replica) -> None:
    hold("bytes.row", {"of stock": small.stock.row_bytes / small.stock.row_count})


def test_bytes_of_a_store() -> None:
    """Two worlds without shelves; what their number does not change, such as tables of time zones, is not in it."""
    few, many = (allocated_bytes(stores) for stores in (1_000, 3_000))
    hold("bytes.store", {"without shelves": (many - few) / 2_000})


def allocated_bytes(stores: int) -> int:
    world = World(stores, skus=1, per_store=1)
    build(world)  # what is made once
    gc.collect()
    tracemalloc.start()
    try:
        replica = build(world)
        gc.collect()
        size, _ = tracemalloc.get_traced_memory()
        assert len(replica.catalogue) == stores
        return size
    finally:
        tracemalloc.stop()
