"""What is asked, and the reasons that a store can fail it."""

from collections.abc import Sequence
from enum import IntEnum, StrEnum
from itertools import starmap
from typing import Final, Protocol

from msgspec import Struct

from geo.coordinates import LatLon
from geo.travel import Mode


class Strategy(StrEnum):
    """What "first" means: the shortest way to the door, or the earliest handover."""

    NEAREST = "nearest"
    FASTEST = "fastest"


class Reason(IntEnum):
    """Why a store is passed over: the first test that it fails, in this order. 0 is none: it passes."""

    NONE = 0
    INACTIVE = 1
    EXCLUDED = 2
    DECLINED_BEFORE = 3
    CLOSED = 4
    OUTSIDE_DELIVERY_ZONE = 5
    STALE_STOCK = 6
    INSUFFICIENT_STOCK = 7
    AT_CAPACITY = 8
    UNREACHABLE = 9
    CLOSES_TOO_SOON = 10
    PROMISE_MISSED = 11
    SLOWER = 12

    @property
    def text(self) -> str:
        """The reason as answers spell it."""
        return _TEXTS[self]


REASONS: Final = tuple(Reason)
"""By their numbers; to call Reason takes several times as long."""

_TEXTS: Final = tuple([reason.name.lower() for reason in REASONS])


UNKNOWN_SKU: Final = "unknown_sku"


class Line(Struct, frozen=True, gc=False):
    """So many of a sku."""

    sku: str
    quantity: int


class Wanted(Protocol):
    """So many of a sku, as whoever asks says it."""

    @property
    def sku(self) -> str: ...
    @property
    def quantity(self) -> int: ...


def summed(lines: Sequence[Wanted]) -> tuple[Line, ...]:
    """Lines with those of one sku taken together, in order of first appearance."""
    quantities: dict[str, int] = {}
    for line in lines:
        quantities[line.sku] = quantities.get(line.sku, 0) + line.quantity
    return tuple(starmap(Line, quantities.items()))


class Question(Struct, kw_only=True, gc=False):
    """Who can bring these lines to this place, within the promise?

    ``lines`` have distinct skus. ``now_s`` judges stock and capacity; ``start_s`` (epoch seconds too, now or later)
    judges hours, speeds and the promise. ``hold_s`` is how long a hold may last before the work begins. Stores are
    named by id; ids that do not exist are as if they were not named.
    """

    destination: LatLon
    lines: tuple[Line, ...]
    promise_s: int
    now_s: int
    start_s: int
    strategy: Strategy = Strategy.NEAREST
    mode: Mode | None = None
    alternatives: int = 0
    explain: bool = False
    hold_s: int = 0
    exclude_stores: frozenset[str] = frozenset()
    declined_by: frozenset[str] = frozenset()
    only_stores: frozenset[str] | None = None
