"""What a promise is made of: named whole seconds that add up. Instants are epoch seconds."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from geo.travel import Mode

type IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseDefaults:
    """What holds for a store that does not say; 0 s is allowed, less raises ValueError."""

    prepare_s: int
    prepare_line_s: int
    queue_per_order_s: int
    courier_s: int
    handover_s: int
    mode: Mode

    def __post_init__(self) -> None:
        for part in fields(self):
            value: Any = getattr(self, part.name)
            if part.name.endswith("_s") and value < 0:
                raise ValueError(f"{part.name} is {value}; it cannot be negative")


class Eta(Struct, gc=False):
    """One promise: its parts, and when the clock starts. All else follows from them."""

    prepare_s: int
    queue_s: int
    courier_s: int
    travel_s: int
    handover_s: int
    start_s: int
    travel_source: str

    @property
    def ready_s(self) -> int:
        """Seconds from the start until the goods leave the store."""
        return self.prepare_s + self.queue_s + self.courier_s

    @property
    def total_s(self) -> int:
        """Seconds from the start until the goods are handed over: the sum of the parts."""
        return self.prepare_s + self.queue_s + self.courier_s + self.travel_s + self.handover_s

    @property
    def pickup_by(self) -> int:
        return self.start_s + self.ready_s

    @property
    def deliver_by(self) -> int:
        return self.start_s + self.total_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of a promise that do not depend on the door's distance; one entry a store, in the order given."""

    prepare_s: IntArray
    queue_s: IntArray
    courier_s: IntArray
    handover_s: IntArray

    @property
    def ready_s(self) -> IntArray:
        """Seconds from the start until the goods leave the store."""
        return self.prepare_s + self.queue_s + self.courier_s

    def total_s(self, travel_s: IntArray) -> IntArray:
        """Seconds from the start until the goods are handed over, travelling ``travel_s``."""
        return self.ready_s + travel_s + self.handover_s

    def only(self, chosen: IntArray | NDArray[np.bool_] | slice) -> "Parts":
        """The parts of these stores alone, by position or by a mask."""
        return Parts(
            prepare_s=self.prepare_s[chosen],
            queue_s=self.queue_s[chosen],
            courier_s=self.courier_s[chosen],
            handover_s=self.handover_s[chosen],
        )

    def eta(self, index: int, *, start_s: int, travel_s: int, travel_source: str) -> Eta:
        """Return the promise of the store at ``index``, the clock running from ``start_s``."""
        return Eta(
            prepare_s=int(self.prepare_s[index]),
            queue_s=int(self.queue_s[index]),
            courier_s=int(self.courier_s[index]),
            travel_s=travel_s,
            handover_s=int(self.handover_s[index]),
            start_s=start_s,
            travel_source=travel_source,
        )


def parts(
    *,
    prepare_s: IntArray,
    prepare_line_s: IntArray,
    queue_per_order_s: IntArray,
    courier_s: IntArray,
    handover_s: IntArray,
    open_orders: IntArray,
    n_lines: int,
) -> Parts:
    """Return the parts for stores with these times (defaults filled in) and open orders, and an order of ``n_lines``.

    Empty for none. ``n_lines`` is the lines left when those of one sku are taken together.
    """
    return Parts(
        prepare_s=prepare_s + prepare_line_s * n_lines,
        queue_s=queue_per_order_s * open_orders,
        courier_s=courier_s,
        handover_s=handover_s,
    )
