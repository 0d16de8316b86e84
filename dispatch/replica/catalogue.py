"""The stores of a replica: arrays by slot for finding, compact cards for answering.

A *slot* is a store's position in the arrays. A store keeps its slot for the life of the replica, also while it is
removed, for its shelf rows are filed under it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, NamedTuple

import msgspec
import numpy as np

from dispatch.domain.hours import HoursError, Schedules, Zones
from dispatch.domain.market import NO_LIMIT, IntArray
from dispatch.domain.promise import PromiseDefaults
from dispatch.domain.stores import Store
from dispatch.replica.columns import TIMES, Columns
from dispatch.replica.numbering import MISSING, Numbering
from dispatch.replica.patches import Patches
from dispatch.replica.place_map import PlaceMap
from dispatch.replica.regions import Regions, edges_around
from dispatch.replica.sku_rows import SlotRanges
from dispatch.storage.feed import StoreRow
from geo.coordinates import LatLon, country_of
from geo.geodesy import earth_centred_place
from geo.point_index import PointIndex
from geo.travel import MODE_CODES, Mode
from geo.zones import ZoneIndex

_QUARTER_HOUR_S: Final = 900
_DAY_S: Final = 86_400
_MOST_HOUR_SETS: Final = 1024
_CHORD_SLACK_M: Final = 1e-6


class Card(NamedTuple):
    """What answers tell of a store and finding does not need."""

    name: str | None
    brand: str | None
    address: str | None
    phone: str | None
    opening_hours: str | None
    timezone: str
    partner: str
    region: str | None


_pack_card = msgspec.msgpack.Encoder().encode
_unpack_card = msgspec.msgpack.Decoder(Card).decode


_times_of: Final = attrgetter(*TIMES)


@dataclass(frozen=True, slots=True)
class StoreDefaults:
    """What holds for a store that does not say."""

    promise: PromiseDefaults
    stock_stale_after_s: int


class Catalogue:
    """The stores in service. Belongs to one thread, as its index does."""

    def __init__(self, rows: Iterable[StoreRow], defaults: StoreDefaults) -> None:
        """Take stores in, as ``fill`` does."""
        self._defaults = defaults
        self.changes = 0  # more with each
        self.schedules = Schedules()
        self.timezones = Zones()
        self.zones = ZoneIndex()
        self.columns = Columns(1)
        self._store_ids: list[str] = []
        self._cards: list[bytes] = []
        self._slots: dict[str, int] = {}
        self._slots_by_number = Numbering()
        self._brands: dict[str | None, int] = {}
        self._modes: set[int] = {MODE_CODES[defaults.promise.mode]}
        self.only_mode: int | None = MODE_CODES[defaults.promise.mode]
        self._mode_codes: IntArray = np.empty(0, dtype=np.int64)
        self._timezone_ids: set[int] = set()
        self._hour_sets: dict[tuple[int, int], IntArray] = {}
        self._extreme_times: tuple[list[int], list[int], int] | None = None
        self.regions = Regions()
        self.patches = Patches()
        self.map = PlaceMap()
        self._waiting: list[tuple[float, float]] = []
        self.index = _no_points()
        self.fill(rows)
        self.filled()

    def fill(self, rows: Iterable[StoreRow]) -> None:
        """Take new stores in, before any is asked for; neighbours get neighbouring slots, so order them by place."""
        rows = list(rows)
        self._describe([self._take_slot(row) for row in rows], rows)
        self._waiting += [(row.store.place.lat, row.store.place.lon) for row in rows]

    def filled(self) -> None:
        """Index the stores taken in, all at once: one by one costs many times as much."""
        self.changes += 1
        self.map = PlaceMap()
        slots = np.arange(len(self._waiting), dtype=np.int64)
        places = np.array(self._waiting, dtype=np.float64).reshape(-1, 2)
        self.index = PointIndex(slots, places[:, 0].copy(), places[:, 1].copy())
        self.patches.cover_all(self.index.xyz[: len(slots)])
        self._waiting = []
        self.columns.cut(max(1, len(slots)))

    def __len__(self) -> int:
        """How many stores are in service."""
        return len(self.index)

    # ── who is who ─────────────────────────────────────────────────────────────────────────────────────────────

    def slot(self, store_id: str) -> int | None:
        """The slot of a store in service."""
        slot = self._slots.get(store_id)
        return slot if slot is not None and slot in self.index else None

    def store_id(self, slot: int) -> str:
        return self._store_ids[slot]

    def slot_of_number(self, store_no: int) -> int | None:
        """The slot of a store, in service or not."""
        slot = self._slots_by_number.find(store_no)
        return None if slot == MISSING else slot

    def slots_of_numbers(self, store_nos: IntArray) -> IntArray:
        """The slot of each store number, MISSING for one that was never in service."""
        return self._slots_by_number.find_all(store_nos)

    def card(self, slot: int) -> Card:
        return _unpack_card(self._cards[slot])

    def place(self, slot: int) -> LatLon:
        return LatLon(lat=float(self.index.lats[slot]), lon=float(self.index.lons[slot]))

    def lat_lon(self, slot: int) -> tuple[float, float]:
        """As ``place``, without the cost of one that is checked."""
        return self.index.lats.item(slot), self.index.lons.item(slot)

    def brand_number(self, brand: str) -> int:
        """The number under which ``columns.brand`` files a brand; −1 if no store has it."""
        return self._brands.get(brand, -1)

    # ── what all have in common ────────────────────────────────────────────────────────────────────────────────

    @property
    def default_mode(self) -> Mode:
        """How a store that does not say it travels."""
        return self._defaults.promise.mode

    @property
    def modes(self) -> IntArray:
        """The codes of the modes that stores use."""
        if len(self._mode_codes) != len(self._modes):
            self._mode_codes = np.array(sorted(self._modes), dtype=np.int64)
        return self._mode_codes

    def least_fixed_s(self, n_lines: int) -> int:
        """A lower bound of preparing, courier and handover at any store."""
        least, _, _ = self._extremes()
        prepare_s, line_s, _, courier_s, handover_s = least
        return prepare_s + line_s * n_lines + courier_s + handover_s

    def departure_hours(self, start_s: int, n_lines: int) -> IntArray:
        """The local hours at which goods can leave a store, any store, when work begins at ``start_s``."""
        _, most, most_queue_s = self._extremes()
        prepare_s, line_s, _, courier_s, _ = most
        latest_s = start_s + prepare_s + line_s * n_lines + most_queue_s + courier_s
        key = (start_s // _QUARTER_HOUR_S, -(-latest_s // _QUARTER_HOUR_S))
        hours = self._hour_sets.get(key)
        if hours is None:
            zone_ids = np.array(sorted(self._timezone_ids) or [self.timezones.intern("UTC")], dtype=np.int64)
            # A day and a quarter of an hour have every hour in them.
            last = min(key[1], key[0] + _DAY_S // _QUARTER_HOUR_S)
            moments = np.arange(key[0], last + 1) * _QUARTER_HOUR_S
            hours = np.unique(
                self.timezones.local_hours(np.repeat(zone_ids, len(moments)), np.tile(moments, len(zone_ids)))
            )
            if len(self._hour_sets) >= _MOST_HOUR_SETS:
                self._hour_sets.clear()
            self._hour_sets[key] = hours
        return hours

    def _extremes(self) -> tuple[list[int], list[int], int]:
        """The least and the most of each of TIMES over all stores, and the longest queue in seconds."""
        if self._extreme_times is None:
            there = np.flatnonzero(~np.isnan(self.index.lats[: len(self._store_ids)]))
            times_s = self.columns.times_s[there]
            if len(there) == 0:
                times_s = np.zeros((1, len(TIMES)), dtype=np.int64)
            queues_s = self.columns.times_s[there, TIMES.index("queue_per_order_s")] * self.columns.open_orders[there]
            least, most = times_s.min(axis=0).tolist(), times_s.max(axis=0).tolist()
            self._extreme_times = (least, most, int(queues_s.max(initial=0)))
        return self._extreme_times

    def slots_around(self, place: LatLon, radius_m: float) -> SlotRanges:
        """Stretches of slots that hold every store within the radius, and others of the same cells."""
        edges = edges_around(*self.regions.parts, *earth_centred_place(place), radius_m + _CHORD_SLACK_M).tolist()
        return SlotRanges(list(zip(edges[::2], edges[1::2], strict=True)))

    # ── changes ────────────────────────────────────────────────────────────────────────────────────────────────

    def put(self, row: StoreRow) -> int:
        """Take in a store that is new, changed or back; its slot."""
        return self.put_all([row])[0]

    def put_all(self, rows: Sequence[StoreRow]) -> list[int]:
        """As ``put`` with each of these rows of different stores, in less time than one by one; their slots."""
        self.changes += 1
        self.map.changed()
        slots = []
        for row in rows:
            known = self.slot_of_number(row.store_no)
            slots.append(self._take_slot(row) if known is None else known)
        self._describe(slots, rows)
        for slot, row in zip(slots, rows, strict=True):
            self._place(slot, row.store.place)
        return slots

    def _place(self, slot: int, place: LatLon) -> None:
        if slot in self.index:
            if (self.index.lats[slot], self.index.lons[slot]) == (place.lat, place.lon):
                return
            self.index.delete(slot)
        self.index.insert(slot, place)
        self.map.moved(slot)
        self.patches.cover(slot, self.index.xyz[slot].tolist())

    def set_open_orders(self, slot: int, open_orders: int) -> None:
        """Only how many orders a store has open."""
        self.changes += 1
        self.columns.open_orders[slot] = open_orders
        if self._extreme_times is not None:
            least, most, most_queue_s = self._extreme_times
            queue_s = open_orders * int(self.columns.times_s[slot, TIMES.index("queue_per_order_s")])
            # A bound from above does; to lower it would be to look at every store.
            if queue_s > most_queue_s:
                self._extreme_times = (least, most, queue_s)

    def remove(self, store_no: int, *, from_cell: int) -> None:
        """Take a store out of service, unless it has moved to another cell meanwhile, or is not known."""
        slot = self.slot_of_number(store_no)
        if slot is None or slot not in self.index or self.columns.cell[slot] != from_cell:
            return
        self.changes += 1
        self.map.changed()
        self.index.delete(slot)
        if self.columns.has_zone[slot]:
            self.zones.delete(slot)
            self.columns.has_zone[slot] = False

    def _take_slot(self, row: StoreRow) -> int:
        slot = len(self._store_ids)
        if slot >= self.columns.size:
            self.columns.grow(slot + 1)
        self._store_ids.append(row.store.store_id)
        self._cards.append(b"")
        self._slots[row.store.store_id] = slot
        self._slots_by_number.add(row.store_no, slot)
        return slot

    def _describe(self, slots: Sequence[int], rows: Sequence[StoreRow]) -> None:
        """Write everything but the places of these rows, each of another slot."""
        if not rows:
            return
        for slot, row in zip(slots, rows, strict=True):
            self._describe_hours(slot, row)
            if self.columns.cell[slot] != row.cell:
                self.regions.file(slot, row.cell)
            self._describe_zone(slot, row.store)
            self._cards[slot] = _packed_card(row.store)
        self._describe_numbers(np.array(slots, dtype=np.int64), rows)
        self._hour_sets.clear()
        self._extreme_times = None

    def _describe_numbers(self, slots: IntArray, rows: Sequence[StoreRow]) -> None:
        """Write what takes no thought, a column at a time: numpy takes as long for one value as for twenty."""
        columns, promise = self.columns, self._defaults.promise
        stores = [row.store for row in rows]
        modes = [MODE_CODES[store.mode or promise.mode] for store in stores]
        self._modes.update(modes)
        if len(self._modes) > 1:
            self.only_mode = None
        columns.mode[slots] = modes
        columns.active[slots] = [store.active for store in stores]
        columns.times_s[slots] = [
            [_or(value, default) for value, default in zip(times, _times_of(promise), strict=True)]
            for times in map(_times_of, stores)
        ]
        columns.max_open_orders[slots] = [_or(store.max_open_orders, NO_LIMIT) for store in stores]
        columns.open_orders[slots] = [row.open_orders for row in rows]
        columns.closed_until_s[slots] = [row.closed_until_s for row in rows]
        columns.busy_until_s[slots] = [row.busy_until_s for row in rows]
        columns.delivery_radius_m[slots] = [
            np.inf if store.delivery_radius_m is None else store.delivery_radius_m for store in stores
        ]
        columns.stale_after_s[slots] = [_or(row.stale_after_s, self._defaults.stock_stale_after_s) for row in rows]
        columns.cell[slots] = [row.cell for row in rows]
        columns.store_no[slots] = [row.store_no for row in rows]
        columns.brand[slots] = [self._brands.setdefault(store.brand, len(self._brands)) for store in stores]

    def _describe_hours(self, slot: int, row: StoreRow) -> None:
        store = row.store
        try:
            timezone = self.timezones.intern(store.timezone)
        except HoursError:
            # Written by a process that knows more zones. Its schedule is never open; one store must not stop them all.
            timezone = self.timezones.intern("UTC")
        self.columns.timezone[slot] = timezone
        self._timezone_ids.add(timezone)
        if self._cards[slot]:
            self.schedules.release(int(self.columns.schedule[slot]))
        self.columns.schedule[slot] = self.schedules.intern(
            store.opening_hours, store.timezone, _holiday_country(store), row.closures
        )

    def _describe_zone(self, slot: int, store: Store) -> None:
        if self.columns.has_zone[slot]:
            self.zones.delete(slot)
        self.columns.has_zone[slot] = store.delivery_zone is not None
        if store.delivery_zone is not None:
            self.zones.insert(slot, store.delivery_zone)


def _packed_card(store: Store) -> bytes:
    return _pack_card(
        Card(
            store.name,
            store.brand,
            store.address,
            store.phone,
            store.opening_hours,
            store.timezone,
            store.partner,
            store.region,
        )
    )


def _no_points() -> PointIndex:
    return PointIndex(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _holiday_country(store: Store) -> str | None:
    """The country whose holidays the hours speak of; None where they do not, so that schedules can be shared."""
    hours = store.opening_hours
    if hours is None or ("PH" not in hours and "SH" not in hours):
        return None
    return country_of(store.place)
