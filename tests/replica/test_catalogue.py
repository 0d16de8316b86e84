"""Stores come, change, move, go and come back; what the catalogue says is what a new one of the same rows would."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import shapely
from h3.api import basic_int as h3
from pyproj import Geod

from dispatch.domain.market import NO_LIMIT
from dispatch.domain.promise import PromiseDefaults
from dispatch.domain.stores import Store
from dispatch.replica.catalogue import Catalogue, StoreDefaults
from dispatch.replica.numbering import MISSING
from dispatch.storage.feed import StoreRow
from geo.cells import cell_of
from geo.coordinates import LatLon
from geo.travel import MODE_CODES, Mode

SEED = 20261126
DEFAULTS = StoreDefaults(
    PromiseDefaults(
        prepare_s=300, prepare_line_s=30, queue_per_order_s=120, courier_s=60, handover_s=120, mode=Mode.EBIKE
    ),
    stock_stale_after_s=129_600,
)
TAIPEI = LatLon(lat=25.033, lon=121.5654)
TAINAN = LatLon(lat=22.99, lon=120.21)
AROUND_TAIPEI = shapely.box(121.5, 25.0, 121.6, 25.1)
SUMMED = ("prepare_s", "prepare_line_s", "courier_s", "handover_s")


def a_row(store_id: str = "a", number: int = 1, place: LatLon = TAIPEI, **said: object) -> StoreRow:
    store = Store(store_id=store_id, place=place, timezone="Asia/Taipei", **said)  # type: ignore[arg-type]
    return StoreRow(store=store, store_no=number, cell=cell_of(place), open_orders=2, stale_after_s=None)


def zones_at(catalogue: Catalogue, place: LatLon) -> list[str]:
    return [catalogue.store_id(slot) for slot in catalogue.zones.containing(place).tolist()]


def around(catalogue: Catalogue, place: LatLon, radius_m: float = 1000) -> set[int]:
    """The slots that a search around a place considers."""
    return {slot for start, end in catalogue.slots_around(place, radius_m).pairs for slot in range(start, end)}


def test_what_a_store_does_not_say_is_the_default() -> None:
    columns = Catalogue([a_row()], DEFAULTS).columns
    assert columns.times_s[0].tolist() == [300, 30, 120, 60, 120]
    assert columns.mode[0] == MODE_CODES[Mode.EBIKE]
    assert columns.max_open_orders[0] == NO_LIMIT
    assert columns.delivery_radius_m[0] == np.inf
    assert columns.stale_after_s[0] == 129_600
    assert (bool(columns.active[0]), bool(columns.has_zone[0]), int(columns.open_orders[0])) == (True, False, 2)


def test_a_store_may_say_nought() -> None:
    said = a_row(prepare_s=0, prepare_line_s=0, queue_per_order_s=0, courier_s=0, handover_s=0, max_open_orders=0)
    catalogue = Catalogue([said], DEFAULTS)
    assert catalogue.columns.times_s[0].tolist() == [0, 0, 0, 0, 0]
    assert catalogue.columns.max_open_orders[0] == 0
    assert catalogue.least_fixed_s(9) == 0


def test_a_store_that_is_gone_is_not_found_and_keeps_its_slot_for_when_it_is_back() -> None:
    catalogue = Catalogue([a_row("a", 1), a_row("b", 2, TAINAN)], DEFAULTS)
    slot = catalogue.slot("b")
    assert slot == 1
    catalogue.remove(2, from_cell=cell_of(TAINAN))
    assert (catalogue.slot("b"), len(catalogue), slot in catalogue.index) == (None, 1, False)
    assert catalogue.slot_of_number(2) == slot
    assert catalogue.put(a_row("c", 3, TAINAN)) == 2
    assert catalogue.put(a_row("b", 2, TAIPEI, name="back")) == slot
    assert (catalogue.slot("b"), len(catalogue), catalogue.card(slot).name) == (slot, 3, "back")
    assert catalogue.slots_of_numbers(np.array([3, 2, 9, 1])).tolist() == [2, 1, MISSING, 0]


def test_removing_twice_or_the_unknown_changes_nothing() -> None:
    catalogue = Catalogue([a_row("a", 1, delivery_zone=AROUND_TAIPEI), a_row("b", 2)], DEFAULTS)
    for _ in range(2):
        catalogue.remove(1, from_cell=cell_of(TAIPEI))
        catalogue.remove(99, from_cell=cell_of(TAIPEI))
    assert (len(catalogue), catalogue.slot("b")) == (1, 1)


def test_a_store_that_has_moved_is_not_removed_by_the_cell_it_has_left() -> None:
    catalogue = Catalogue([a_row()], DEFAULTS)
    catalogue.put(a_row(place=TAINAN))
    catalogue.remove(1, from_cell=cell_of(TAIPEI))
    assert catalogue.slot("a") == 0
    assert (catalogue.index.lats[0], catalogue.index.lons[0]) == (TAINAN.lat, TAINAN.lon)
    assert around(catalogue, TAINAN) == {0}
    catalogue.remove(1, from_cell=cell_of(TAINAN))
    assert catalogue.slot("a") is None


def test_a_zone_follows_its_store() -> None:
    catalogue = Catalogue([a_row(delivery_zone=AROUND_TAIPEI)], DEFAULTS)
    assert zones_at(catalogue, TAIPEI) == ["a"]
    catalogue.put(a_row(delivery_zone=shapely.box(120.2, 22.9, 120.3, 23.0)))
    assert (zones_at(catalogue, TAIPEI), zones_at(catalogue, TAINAN)) == ([], ["a"])
    catalogue.put(a_row())
    assert (zones_at(catalogue, TAINAN), bool(catalogue.columns.has_zone[0])) == ([], False)
    catalogue.put(a_row(delivery_zone=AROUND_TAIPEI))
    catalogue.remove(1, from_cell=cell_of(TAIPEI))
    assert zones_at(catalogue, TAIPEI) == []
    catalogue.put(a_row(delivery_zone=AROUND_TAIPEI))
    assert (zones_at(catalogue, TAIPEI), len(catalogue.zones)) == (["a"], 1)


def test_no_store_at_all_has_a_catalogue_too() -> None:
    catalogue = Catalogue([], DEFAULTS)
    assert (len(catalogue), catalogue.slot("a"), catalogue.least_fixed_s(3)) == (0, None, 0)
    assert len(catalogue.modes) == 1
    assert len(catalogue.departure_hours(1_790_000_000, 1)) > 0
    assert around(catalogue, TAIPEI) == set()
    assert catalogue.put(a_row()) == 0
    assert around(catalogue, TAIPEI) == {0}


def test_stores_taken_in_together_are_what_they_would_be_one_by_one() -> None:
    rows = [
        a_row("new", 5, TAINAN, prepare_s=7, opening_hours="24/7", brand="one", delivery_zone=AROUND_TAIPEI),
        a_row("a", 1, TAINAN, mode=Mode.CAR, brand="two", delivery_radius_m=900.0, max_open_orders=3),
        a_row("back", 2, TAIPEI, active=False, brand="one", handover_s=0, mode=Mode.FOOT),
    ]
    together, single = (Catalogue([a_row("a", 1), a_row("back", 2, TAINAN)], DEFAULTS) for _ in range(2))
    for catalogue in (together, single):
        catalogue.remove(2, from_cell=cell_of(TAINAN))
    slots = together.put_all(rows)
    assert slots == [single.put(row) for row in rows] == [2, 0, 1]
    for name, column in vars(together.columns).items():
        np.testing.assert_array_equal(column[:3], getattr(single.columns, name)[:3], err_msg=name)
    assert [together.card(slot) for slot in slots] == [single.card(slot) for slot in slots]
    assert (together.index.lats[:3].tolist(), len(together)) == (single.index.lats[:3].tolist(), 3)
    assert zones_at(together, TAIPEI) == zones_at(single, TAIPEI) == ["new"]
    compare(together, {row.store_no: row for row in rows}, dict(zip([5, 1, 2], slots, strict=True)))


@pytest.mark.parametrize("seed", range(4))
def test_after_any_changes_it_says_what_a_new_one_of_the_same_rows_would(seed: int) -> None:
    rng = np.random.default_rng([SEED, seed])
    print(f"seed {SEED}, {seed}")
    rows: dict[int, StoreRow] = {}

    def made(number: int) -> StoreRow:
        place = LatLon(lat=25 + float(rng.integers(-3, 4)), lon=121.5 + float(rng.integers(-3, 4)))
        said = {name: int(rng.integers(0, 100)) for name in SUMMED if rng.random() < 0.5}
        zone = shapely.box(place.lon - 1, place.lat - 1, place.lon + 1, place.lat + 1) if rng.random() < 0.5 else None
        return a_row(f"s{number}", number, place, delivery_zone=zone, mode=list(Mode)[rng.integers(3)], **said)

    catalogue = Catalogue([], DEFAULTS)
    slots: dict[int, int] = {}
    for step in range(400):
        number = int(rng.integers(1, 40))
        if rng.random() < 0.35 and number in rows:
            catalogue.remove(number, from_cell=rows.pop(number).cell)
        else:
            row = replace(rows[number], open_orders=step) if number in rows and rng.random() < 0.3 else made(number)
            rows[number] = row
            slot = catalogue.put(row)
            assert slots.setdefault(number, slot) == slot
        if step % 20 == 19:
            compare(catalogue, rows, slots)


def compare(catalogue: Catalogue, rows: dict[int, StoreRow], slots: dict[int, int]) -> None:
    new = Catalogue(list(rows.values()), DEFAULTS)
    assert len(catalogue) == len(rows) == len(new)
    for n, (number, row) in enumerate(rows.items()):
        slot = slots[number]
        assert (catalogue.slot(row.store.store_id), catalogue.store_id(slot)) == (slot, row.store.store_id)
        assert catalogue.card(slot) == new.card(n)
        assert catalogue.columns.times_s[slot].tolist() == new.columns.times_s[n].tolist()
        for name in ("active", "mode", "open_orders", "has_zone", "cell", "store_no", "stale_after_s"):
            assert getattr(catalogue.columns, name)[slot] == getattr(new.columns, name)[n], name
        assert slot in around(catalogue, row.store.place)
    for lat in range(22, 29):
        at = LatLon(lat=float(lat), lon=121.5)
        assert sorted(zones_at(catalogue, at)) == sorted(zones_at(new, at))
        found = {catalogue.store_id(hit.id) for hit in catalogue.index.nearest(at, radius_m=200_000)}
        assert found == {new.store_id(hit.id) for hit in new.index.nearest(at, radius_m=200_000)}
        reachable = {i for i in slots.values() if catalogue.store_id(i) in found and i in catalogue.index}
        assert reachable <= around(catalogue, at, 200_000)
    # Bounds may be looser than they need be after a removal, never tighter.
    assert catalogue.least_fixed_s(2) <= new.least_fixed_s(2)
    assert set(catalogue.modes.tolist()) >= set(new.modes.tolist())


@pytest.mark.parametrize("radius_m", [0.0, 500.0, 20_000.0, 90_000.0])
def test_a_search_considers_every_store_within_its_radius_also_at_the_corners_of_a_cell(radius_m: float) -> None:
    geod = Geod(ellps="WGS84")
    for home in (cell_of(TAIPEI), cell_of(LatLon(lat=37.87, lon=112.55)), cell_of(LatLon(lat=-16.8, lon=179.99))):
        centre_lat, centre_lon = h3.cell_to_latlng(home)
        for lat, lon in h3.cell_to_boundary(home):
            outward_deg, _, _ = geod.inv(lon, lat, centre_lon, centre_lat)
            outward_deg += 180

            def beyond(
                metres: float, *, corner: tuple[float, float] = (lon, lat), at_deg: float = outward_deg
            ) -> LatLon:
                lon, lat, _ = geod.fwd(*corner, at_deg, metres)
                return LatLon(lat=lat, lon=lon)

            store = beyond(-5.0)
            assert cell_of(store) == home
            catalogue = Catalogue([a_row(place=store)], DEFAULTS)
            asked = beyond(radius_m - 6.0) if radius_m else store
            assert around(catalogue, asked, radius_m) == {0}


def test_departure_hours_hold_the_hour_at_which_each_store_is_ready() -> None:
    """Also of stores that are ready only after any promise: their ways are told too."""
    rng = np.random.default_rng(SEED)
    zones = ("Asia/Taipei", "Asia/Kolkata", "America/New_York")
    for _ in range(60):
        rows = []
        for number in range(1, 5):
            row = a_row(f"s{number}", number, prepare_s=int(rng.choice([0, 600, 9000, 80_000])), queue_per_order_s=700)
            store = replace(row.store, timezone=zones[rng.integers(3)])
            rows.append(replace(row, store=store, open_orders=int(rng.integers(0, 9))))
        catalogue = Catalogue(rows, DEFAULTS)
        start_s, n_lines = 1_790_000_000 + int(rng.integers(0, 86_400)), int(rng.integers(1, 9))
        hours = set(catalogue.departure_hours(start_s, n_lines).tolist())
        for row in rows:
            ready_s = (row.store.prepare_s or 0) + 30 * n_lines + 700 * row.open_orders + 60
            leaves = datetime.fromtimestamp(start_s + ready_s, ZoneInfo(row.store.timezone))
            assert leaves.hour in hours
