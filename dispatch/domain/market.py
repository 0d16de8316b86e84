"""What finding a store needs to know of stores and stock, whoever holds it.

Stores are *slots*: small numbers, positions in arrays. All arrays of ``StoreColumns`` are indexed by slot.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from dispatch.domain.hours import Schedules, Zones
from dispatch.domain.question import Question, Reason, Wanted
from geo.coordinates import LatLon
from geo.point_index import PointIndex
from geo.travel import TravelModel
from geo.zones import ZoneIndex

type IntArray = NDArray[np.int64]
type BoolArray = NDArray[np.bool_]
type BoolTable = NDArray[np.bool_]
type FloatArray = NDArray[np.float64]


class StoreColumns(Protocol):
    """What is known of each store, defaults filled in; one array a column."""

    active: BoolArray
    mode: NDArray[np.int8]
    times_s: IntArray  # a row a store: prepare, prepare a line, queue per order, courier, handover
    max_open_orders: NDArray[np.int32]  # NO_LIMIT: none
    open_orders: NDArray[np.int32]
    delivery_radius_m: FloatArray  # inf: none
    has_zone: BoolArray
    schedule: NDArray[np.int32]  # id in Market.schedules
    timezone: NDArray[np.int32]  # id in Market.timezones
    stale_after_s: NDArray[np.int32]
    closed_until_s: IntArray  # the store has said so; 0: it has not
    busy_until_s: IntArray  # as above; no new orders until then


NO_LIMIT = 2**31 - 1


class SlotRanges(Protocol):
    """Stretches of slots, as the stock can cut a sku's rows by them."""

    @property
    def size(self) -> int:
        """How many slots there are in all."""
        ...


class Probe(Protocol):
    """The stock of some slots."""

    def lines(self, wanted: Sequence[tuple[int, int]]) -> tuple[BoolTable, BoolTable]:
        """For each (sku number, quantity), a row: which slots have so many, where that is stale. No row: neither."""
        ...


class RowsFound(Protocol):
    """What one sku's rows say of some slots, in their order; no row: 0 available."""

    @property
    def has_row(self) -> BoolArray: ...
    @property
    def available(self) -> IntArray: ...
    @property
    def fresh_s(self) -> IntArray: ...


class StockView(Protocol):
    """What is available, by (slot, sku); skus are numbers of the holder's own."""

    def number(self, sku: str, /) -> int | None:
        """The number of a sku; None if no store has ever had it."""
        ...

    def numbers(self, lines: Iterable[Wanted]) -> list[int]:
        """The numbers of the lines' skus, in order. Raises KeyError for a sku that no store has ever had."""
        ...

    def probe(self, slots: IntArray, now_s: int) -> Probe: ...

    def available(self, number: int, slot: int) -> int:
        """How many are available at one slot; 0 without a row."""
        ...

    def has(self, number: int, slot: int, wanted: int, now_s: int) -> bool:
        """Whether so many are available at one slot, in a row that is not stale."""
        ...

    def gather(self, number: int, slots: IntArray) -> RowsFound: ...

    def holding(self, number: int, wanted: int, ranges: Any, now_s: int) -> tuple[IntArray, BoolArray]:
        """The slots in these ranges that have a row for the sku, in order, of stores that are gone, too.

        And which of them have so many, in a row that is not stale.
        """
        ...

    def holder_count(self, number: int, ranges: Any = None) -> int:
        """How many slots, in these ranges or in all, have a row for the sku, or a few more than have."""
        ...

    def fresh_s(self, number: int, slot: int) -> int | None:
        """How fresh one row is (epoch seconds); None if there is no row."""
        ...


type Passing = tuple[int, int, int, int, int, int, float, float, float]
"""A store that was asked, how long the parts of a promise take there, and where it is (degrees).

Its slot, ``prepare_s``, ``queue_s``, ``courier_s``, ``handover_s``, whether it has a zone (1 or 0), ``lat``, ``lon``,
and ``delivery_radius_m``. A plain tuple, for it is taken apart at once.
"""


class Failing(Struct, gc=False):
    """A store that fails a test, which one that is, and until when it stays open or closed by its hours."""

    store: Passing
    reason: Reason
    open_until_s: int


class Sifted(Struct, gc=False):
    """``passing``, nearest first by their chords: all stores that pass, but those farther than as many as are wanted.

    Some more may be among them. ``examined`` stores were looked at: those that have a row of the line ``rest_lacks``
    around, or if that is None the nearest; then ``next_m`` is the chord of the next this side of the horizon, or inf.
    ``failing``: if none passes and it was asked for, of the stores within reach the one that fails last, and is then
    the nearest; with none within reach, the nearest of all.
    """

    passing: list[Passing]
    examined: int
    next_m: float
    rest_lacks: int | None
    failing: Failing | None


class Barred(Struct, gc=False):
    """The slots of stores that are passed over: as the shopper wants, for they have declined, or as unfit."""

    excluded: list[int]
    declined: list[int]
    unfit: list[int]


class Sieve(Protocol):
    """The market's own search, where the order of distance is that of the key."""

    def sift(
        self,
        question: Question,
        numbers: Sequence[int],
        pace_s_m: float,
        reach_m: float,
        horizon_m: float,
        barred: Barred | None,
        tell_miss: bool,
    ) -> Sifted | None:
        """The nearest stores that pass every test, but that of their zones and to the bit of their distances.

        ``numbers`` are the sku numbers of the lines, at least one. A way takes ``pace_s_m`` a metre, and none beyond
        ``reach_m`` is gone. Beyond ``horizon_m`` nobody is looked for. None if this cannot tell.
        """
        ...


class Market(Protocol):
    """Every store that might be asked, and its stock, at one moment."""

    @property
    def moment(self) -> object:
        """Another after every change; equal as long as there was none."""
        ...

    @property
    def index(self) -> PointIndex: ...
    @property
    def columns(self) -> StoreColumns: ...
    @property
    def stock(self) -> StockView: ...
    @property
    def zones(self) -> ZoneIndex: ...
    @property
    def schedules(self) -> Schedules: ...
    @property
    def timezones(self) -> Zones: ...
    @property
    def travel(self) -> TravelModel: ...
    @property
    def sieve(self) -> Sieve: ...
    @property
    def modes(self) -> IntArray:
        """The codes of the modes that stores use; never empty."""
        ...

    @property
    def only_mode(self) -> int | None:
        """The code of the mode that all stores use, if it is one."""
        ...

    def slots_around(self, place: LatLon, radius_m: float) -> SlotRanges:
        """Stretches of slots that hold every store within the radius, and perhaps others."""
        ...

    def store_id(self, slot: int) -> str: ...

    def opens_at_s(self, slot: int, at_s: int) -> int | None:
        """When a store that is closed, by its hours or its own word, opens next; None if it does not."""
        ...

    def slot(self, store_id: str) -> int | None: ...

    def least_fixed_s(self, n_lines: int) -> int:
        """What preparing, the courier and the handover take at least, at any store."""
        ...

    def departure_hours(self, start_s: int, n_lines: int) -> IntArray:
        """The local hours at which goods can leave a store, any store, when work begins at ``start_s``."""
        ...
