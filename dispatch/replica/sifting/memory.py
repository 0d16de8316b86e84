"""Where all that the search reads and writes lies in memory: one record, so that a call hands over one thing.

To hand over some thirty arrays took longer than most searches. The record is written by ``dispatch.replica.sieve``,
which keeps alive what it tells the addresses of.
"""

from typing import Any, Final

import numpy as np

from dispatch.domain.market import FloatArray, IntArray
from dispatch.replica import columns, sku_rows
from dispatch.replica.columns import STORE
from dispatch.replica.sku_rows import PLACE_FIELDS
from geo.compiled import Compiler, array_at

compiled = Compiler(__file__, columns, sku_rows)

# The question first, in the order in which sieve.py packs it.
ASKED: Final = (
    ("now_s", np.int64), ("start_s", np.int64), ("hold_s", np.int64), ("promise_s", np.int64),
    ("n_lines", np.int64), ("wanted", np.int64), ("some_wait", np.int64),
    ("pace_s_m", np.float64), ("lat", np.float64), ("lon", np.float64),
    ("reach_m", np.float64), ("horizon_m", np.float64),
)  # fmt: skip

# Of each its address and its length. By slot: ``xyz`` (NaN of a store that is gone), ``lats``, ``lons``, ``stores``,
# ``zero_s``, ``unit_s``, ``new`` and ``old`` (after what time rows of shelves that wait are stale). By schedule: those
# of a Frame. Then those of a ChordTree, Regions, Patches, a RowTable and two UnfiledShelves; and room for what is told.
ARRAYS: Final = (
    "tree_points", "tree_axes", "tree_split", "tail_points",
    "balls", "ball_regions", "firsts", "stretches", "patches",
    "xyz", "lats", "lons", "stores", "is_open", "since_s", "recheck_s", "until_s", "places", "zero_s", "unit_s",
    "new", "new_slots", "new_edges", "new_available", "new_fresh_s",
    "old", "old_slots", "old_edges", "old_available", "old_fresh_s",
    "barred", "told", "having", "near_ids", "near_squares", "squares",
)  # fmt: skip

MOST_LINES: Final = 256
_LINES: Final = 8 * len(ASKED)
"""Where the lines begin, in bytes: right behind what else is asked, so that all of it can be packed at once."""

MEMORY: Final = np.dtype([
    *ASKED, ("lines", np.int64, 3 * MOST_LINES),  # the first two of the three rows are asked (``lines_of``)
    ("x", np.float64), ("y", np.float64), ("z", np.float64),  # of the door, earth-centred
    ("own_address", np.int64), ("tail", np.int64), ("regions", np.int64), ("widest_m", np.int64),
    ("n_barred", np.int64), ("n_excluded", np.int64),
    *((name, np.int64, 2) for name in ARRAYS),
])  # fmt: skip

type Memory = Any
"""A record of MEMORY, as compiled code sees it."""

TOLD: Final = np.dtype([
    ("slot", np.int64), ("prepare_s", np.int64), ("queue_s", np.int64), ("courier_s", np.int64),
    ("handover_s", np.int64), ("has_zone", np.int64),
    ("lat", np.float64), ("lon", np.float64), ("delivery_radius_m", np.float64),
])  # fmt: skip
"""What is told of a store, in the order of ``dispatch.domain.market.Passing``, which is read from it."""


@compiled(inline="always")
def memory_at(address: int) -> Memory:
    return array_at(address, 1, MEMORY)[0]


# ── arrays by their names ──────────────────────────────────────────────────────────────────────────────────────────


@compiled(inline="always")
def xyz_of(memory: Memory) -> FloatArray:
    return array_at(memory.xyz[0], (memory.xyz[1], 3), np.float64)


@compiled(inline="always")
def stores_of(memory: Memory) -> np.ndarray:
    return array_at(memory.stores[0], memory.stores[1], STORE)


@compiled(inline="always")
def places_of(memory: Memory) -> IntArray:
    return array_at(memory.places[0], (memory.places[1], PLACE_FIELDS), np.int64)


@compiled(inline="always")
def patches_of(memory: Memory) -> np.ndarray:
    return array_at(memory.patches[0], (memory.patches[1], 4), np.float32)


@compiled(inline="always")
def lines_of(memory: Memory) -> IntArray:
    """Three rows: of each line the sku number, the quantity, and which line of the question it is."""
    return array_at(memory.own_address + _LINES, (3, memory.n_lines), np.int64)


@compiled(inline="always")
def barred_of(memory: Memory) -> IntArray:
    return array_at(memory.barred[0], memory.n_barred, np.int64)


@compiled(inline="always")
def told_of(memory: Memory) -> np.ndarray:
    return array_at(memory.told[0], memory.told[1], TOLD)


@compiled(inline="always")
def ints_at(address_and_length: IntArray) -> IntArray:
    return array_at(address_and_length[0], address_and_length[1], np.int64)


@compiled(inline="always")
def floats_at(address_and_length: IntArray) -> FloatArray:
    return array_at(address_and_length[0], address_and_length[1], np.float64)


@compiled(inline="always")
def int32s_at(address_and_length: IntArray) -> np.ndarray:
    return array_at(address_and_length[0], address_and_length[1], np.int32)
