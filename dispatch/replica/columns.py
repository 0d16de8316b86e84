"""What is known of each store, a record by slot."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dispatch.domain.market import NO_LIMIT, BoolArray, FloatArray, IntArray

TIMES: Final = ("prepare_s", "prepare_line_s", "queue_per_order_s", "courier_s", "handover_s")


STORE: Final = np.dtype(
    [
        ("closed_until_s", np.int64),
        ("busy_until_s", np.int64),
        ("times_s", np.int64, len(TIMES)),
        ("delivery_radius_m", np.float64),
        ("open_orders", np.int32),
        ("max_open_orders", np.int32),
        ("schedule", np.int32),
        ("timezone", np.int32),
        ("stale_after_s", np.int32),
        ("active", np.bool_),
        ("has_zone", np.bool_),
        ("mode", np.int8),
        ("store_no", np.int64),
        ("cell", np.int64),
        ("brand", np.int32),
    ],
    align=True,
)
"""What finding asks of a store comes first, so that it lies within two lines of a processor's cache."""


class Columns:
    """A record a store, by slot, and a view of each of its fields (dispatch.domain.market.StoreColumns).

    Of a view ask ``[slots]``: its ``take`` would copy all of it first.
    """

    active: BoolArray
    mode: NDArray[np.int8]
    times_s: IntArray
    max_open_orders: NDArray[np.int32]
    open_orders: NDArray[np.int32]
    delivery_radius_m: FloatArray
    has_zone: BoolArray
    schedule: NDArray[np.int32]
    timezone: NDArray[np.int32]
    stale_after_s: NDArray[np.int32]
    closed_until_s: IntArray
    busy_until_s: IntArray
    cell: IntArray
    brand: NDArray[np.int32]
    store_no: IntArray

    def __init__(self, size: int) -> None:
        self._take(_no_stores(size))

    @property
    def size(self) -> int:
        return len(self.records)

    @property
    def nbytes(self) -> int:
        return self.records.nbytes

    def cut(self, size: int) -> None:
        """Give back the room beyond ``size``."""
        self._take(self.records[:size].copy())

    def grow(self, size: int) -> None:
        """Make room for at least ``size`` slots; it at least doubles."""
        more = max(size, 2 * self.size) - self.size
        self._take(np.concatenate([self.records, _no_stores(more)]))

    def _take(self, records: np.ndarray) -> None:
        self.records = records
        for name in STORE.names or ():
            setattr(self, name, records[name])


def _no_stores(count: int) -> np.ndarray:
    records = np.zeros(count, dtype=STORE)
    records["max_open_orders"], records["delivery_radius_m"], records["stale_after_s"] = NO_LIMIT, np.inf, 1
    return records
