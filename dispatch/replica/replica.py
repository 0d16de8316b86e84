"""A worker's own copy of stores and stock, from which every quote and nearby search is answered."""

import asyncio
import ctypes
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import Final

import numpy as np

from dispatch.domain.hours import Schedules, Zones
from dispatch.domain.market import IntArray
from dispatch.domain.versions import Version, text_of
from dispatch.replica.catalogue import Catalogue, StoreDefaults
from dispatch.replica.columns import Columns
from dispatch.replica.filing import Filing
from dispatch.replica.loading import ShelfRows
from dispatch.replica.numbering import Numbering
from dispatch.replica.patches import neighbours_together
from dispatch.replica.pauses import Pauses
from dispatch.replica.sieve import Sieve
from dispatch.replica.sku_rows import SlotRanges
from dispatch.replica.stock import Stock
from dispatch.replica.unfiled import Arrival, UnfiledShelves
from dispatch.storage.feed import FeedReader, ShelfColumns, StoreRow
from geo.cells import home_cells_at
from geo.coordinates import LatLon
from geo.point_index import PointIndex
from geo.travel import TravelModel
from geo.zones import ZoneIndex

type Progress = Callable[[str, int], None]

# So many rows are arranged in a millisecond or two, hardly more than a thread takes to begin.
_FEW_ROWS: Final = 4_096
# Prices looked up between two pauses: some hundred microseconds.
_PRICES_A_STEP: Final = 1_000
_LOW_HALF: Final = (1 << 32) - 1


@dataclass(slots=True)
class Replica:
    """Stores and stock as of ``cursors`` (the number of the last change seen, by cell).

    Fulfils dispatch.domain.market.Market. Belongs to the event loop's thread.
    """

    catalogue: Catalogue
    stock: Stock
    travel: TravelModel
    cursors: dict[int, int]
    sku_numbering: Numbering = field(default_factory=Numbering)
    sku_nos: dict[int, int] = field(default_factory=dict)  # the other way round
    sieve: Sieve = field(init=False)
    store_id: Callable[[int], str] = field(init=False)

    def __post_init__(self) -> None:
        self.sieve = Sieve(self.catalogue, self.stock)
        self.store_id = self.catalogue.store_id  # the same in one call

    @property
    def moment(self) -> tuple[int, int]:
        """Another after every change of a store, or of stock."""
        return self.catalogue.changes, self.stock.changes

    @property
    def index(self) -> PointIndex:
        return self.catalogue.index

    @property
    def columns(self) -> Columns:
        return self.catalogue.columns

    @property
    def zones(self) -> ZoneIndex:
        return self.catalogue.zones

    @property
    def schedules(self) -> Schedules:
        return self.catalogue.schedules

    @property
    def timezones(self) -> Zones:
        return self.catalogue.timezones

    @property
    def modes(self) -> IntArray:
        return self.catalogue.modes

    @property
    def only_mode(self) -> int | None:
        return self.catalogue.only_mode

    def slot(self, store_id: str) -> int | None:
        return self.catalogue.slot(store_id)

    def slots_around(self, place: LatLon, radius_m: float) -> SlotRanges:
        return self.catalogue.slots_around(place, radius_m)

    def least_fixed_s(self, n_lines: int) -> int:
        return self.catalogue.least_fixed_s(n_lines)

    def departure_hours(self, start_s: int, n_lines: int) -> IntArray:
        return self.catalogue.departure_hours(start_s, n_lines)

    def opens_at_s(self, slot: int, at_s: int) -> int | None:
        """When a store that is closed opens next; None if it is open, or never opens within a year.

        Closed it is by its hours, or by its own word.
        """
        schedule, closed_until_s = int(self.columns.schedule[slot]), int(self.columns.closed_until_s[slot])
        if closed_until_s <= at_s:
            return self.schedules.opens_at_s(schedule, at_s)
        if self.schedules.spell(schedule, closed_until_s).is_open:
            return closed_until_s
        return self.schedules.opens_at_s(schedule, closed_until_s)

    def version_around(self, place: LatLon) -> Version:
        """How far this replica is in the cells at a place."""
        return Version(self._cursors_at(place))

    def version_text_around(self, place: LatLon) -> str:
        """``version_around`` as text."""
        return text_of(tuple(self._cursors_at(place)))

    def _cursors_at(self, place: LatLon) -> list[tuple[int, int]]:
        cursors = self.cursors
        return [(cell, cursors[cell]) for cell in home_cells_at(place) if cell in cursors]

    def lies_in(self, store_no: int, cell: int) -> bool:
        """Whether a store is in service, and in that cell."""
        return self.slot_in(store_no, cell) is not None

    def slot_in(self, store_no: int, cell: int) -> int | None:
        """The slot of a store that is in service, and in that cell; None of another."""
        slot = self.catalogue.slot_of_number(store_no)
        return slot if slot is not None and slot in self.index and int(self.columns.cell[slot]) == cell else None

    def put_store(self, row: StoreRow) -> int:
        """Take in a store that is new, changed or back; its slot."""
        return self.put_stores([row])[0]

    def put_stores(self, rows: Sequence[StoreRow]) -> list[int]:
        """As ``put_store`` with each of these rows of different stores."""
        slots = self.catalogue.put_all(rows)
        self.stock.reserve(max(slots, default=-1) + 1)
        return slots

    def know_skus(self, skus: dict[int, str]) -> None:
        """Take in skus by the database's number."""
        for sku_no, sku in skus.items():
            number = self.stock.add_sku(sku)
            self.sku_numbering.add(sku_no, number)
            self.sku_nos[number] = sku_no

    def checksum(self, cell: int) -> tuple[int, int]:
        """As FeedReader.checksum: equal, unless this replica holds something else than the database."""
        parts = list(self.checksum_parts(cell))
        return sum(rows for rows, _ in parts), sum(total for _, total in parts)

    def checksum_parts(self, cell: int) -> Iterator[tuple[int, int]]:
        """What ``checksum`` is the sum of, a sku at a time, so that whoever adds them up may pause in between."""
        there = np.zeros(self.columns.size, dtype=np.bool_)
        there[(self.columns.cell == cell) & ~np.isnan(self.index.lats[: self.columns.size])] = True
        stores = np.flatnonzero(there)
        yield 0, self._checked(stores, 0, self.columns.open_orders[stores].astype(np.int64))
        ranges = SlotRanges(self.catalogue.regions.stretches(cell))
        for number, sku_no in list(self.sku_nos.items()):
            slots = self.stock.holders(number, ranges)
            slots = slots[there[slots]]
            available = self.stock.gather(number, slots).available
            some = available > 0
            if some.any():
                yield int(some.sum()), self._checked(slots[some], sku_no, available[some])

    def _checked(self, slots: IntArray, sku_no: int, figures: IntArray) -> int:
        terms = (self.columns.store_no[slots] * 1_000_003 + sku_no) % 2_147_483_647 * (figures + 1)
        # In two halves, for the sum of many such numbers is more than 64 bits hold.
        return (int((terms >> 32).sum()) << 32) + int((terms & _LOW_HALF).sum())

    async def take_shelves(self, rows: ShelfColumns) -> None:
        """Take in whole shelves of stores in the catalogue, all at one moment; rows of other stores are left out."""
        slots = self.catalogue.slots_of_numbers(rows.store_no)
        numbers = self.sku_numbering.find_all(rows.sku_no)
        arrival = await _aside(len(rows), Arrival, slots, numbers, rows)
        if len(arrival) == 0:
            return
        price_ids = await self._price_ids(arrival.prices)
        arrived = self.stock.waiting.arrived
        run = await _aside(len(rows) + arrived.row_count, arrival.beside, arrived.run, price_ids)
        self.stock.waiting.take(run, arrival.slots, self.columns.stale_after_s[arrival.slots].astype(np.int64))
        self.stock.changes += 1

    async def file_shelves(self, shelves: UnfiledShelves) -> None:
        """File what ``stock.waiting`` has begun to. Who asks sees no difference but freshness, rounded down a little.

        Others may arrive meanwhile.
        """
        stores = shelves.slots()
        if len(stores):
            filing = await _aside(shelves.row_count, Filing, shelves, stores)
            filing.see_changes()
            scales = self.stock.freshness.scales_for(stores, filing.newest_s, shelves.stale_after_s(stores))
            # What is filed of these stores already is asked for by no one. From now on ``change_one`` asks the scales.
            self.stock.freshness.take_over(stores, scales)
            await _aside(shelves.row_count, filing.encode, scales)
            pauses = Pauses()
            for _ in filing.write(self.stock):
                if pauses.due:
                    await pauses.give_way()
        self.stock.waiting.end_filing()
        self.stock.changes += 1

    async def _price_ids(self, packed: list[int]) -> list[int]:
        ids: list[int] = []
        pauses = Pauses()
        for part in batched(packed, _PRICES_A_STEP):
            ids += self.stock.prices.ids_of_packed(part)
            if pauses.due:
                await pauses.give_way()
        return ids


async def _aside[*Args, T](rows: int, work: Callable[[*Args], T], *arguments: *Args) -> T:
    """Do the work in another thread if it is of many rows, else at once."""
    return await asyncio.to_thread(work, *arguments) if rows > _FEW_ROWS else work(*arguments)


async def load(
    reader: FeedReader,
    *,
    defaults: StoreDefaults,
    travel: TravelModel,
    only_skus: list[str] | None = None,
    progress: Progress | None = None,
) -> Replica:
    """A replica of one moment of the database; with ``only_skus`` it knows the stock of these alone."""
    say = progress or (lambda _what, _count: None)
    cursors = await reader.heads()
    catalogue = Catalogue([], defaults)
    async for rows in neighbours_together(reader.all_stores()):
        catalogue.fill(rows)
    catalogue.filled()
    say("stores", len(catalogue))
    stock = Stock()
    if only_skus is None:
        sku_nos, numbers = None, await reader.skus()
    else:
        found = await reader.sku_numbers(only_skus)
        sku_nos, numbers = list(found.values()), {number: sku for sku, number in found.items()}
    stock.reserve(catalogue.columns.size)
    replica = Replica(catalogue, stock, travel, cursors)
    replica.know_skus(numbers)
    if sku_nos is None or sku_nos:
        await _load_shelves(reader, replica, sku_nos, say)
        _give_back_memory()
    return replica


def _give_back_memory() -> None:
    """Return to the system what loading has freed; glibc alone would keep some 10 MB of it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


async def _load_shelves(reader: FeedReader, replica: Replica, sku_nos: list[int] | None, say: Progress) -> None:
    """Read every row in whatever order it comes, then file all of them."""
    rows = ShelfRows(replica.catalogue, replica.sku_numbering, replica.stock)
    async for chunk in reader.shelves(sku_nos=sku_nos):
        rows.add(chunk)
        say("shelf rows", len(rows))
    rows.scale_freshness()
    filed = 0
    pauses = Pauses()
    for numbers, *columns in rows.batches():
        for _ in replica.stock.put_many(numbers, *columns):
            if pauses.due:
                await pauses.give_way()
        filed += len(numbers)
        say("filed", filed)
