"""Whole shelves say the same while they wait, while they are being filed, and once they are filed."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dispatch.domain.hours import Schedules
from dispatch.domain.question import Line, Question
from dispatch.replica.columns import Columns
from dispatch.replica.filing import Filing
from dispatch.replica.numbering import MISSING
from dispatch.replica.patches import Patches
from dispatch.replica.sieve import Sieve
from dispatch.replica.sifting.holding import nearest_holding
from dispatch.replica.sifting.stores import ALL_SEEN
from dispatch.replica.sku_rows import LARGE, SlotRanges
from dispatch.replica.stock import Stock
from dispatch.replica.unfiled import Arrival
from dispatch.storage.feed import ShelfColumns
from geo.chord_tree import ChordTree
from geo.coordinates import LatLon
from geo.geodesy import earth_centred, earth_centred_place

SEED = 20261127
NOW_S = 1_790_000_000
STALE_AFTER_S = 129_600
SKUS = 25
BLOCK = 65_536
STORES = [*range(90), *range(BLOCK - 3, BLOCK + 5), 2 * BLOCK + 1]
RANGES = [SlotRanges([(3, 40), (60, BLOCK + 2)]), SlotRanges([(BLOCK, 3 * BLOCK)]), SlotRanges([])]
# A scale tells freshness in steps of 4 s.
STEP_S = 4

type Row = tuple[int, tuple[int, str] | None, int]
type Shelf = dict[int, Row]  # by sku number: available, price, fresh_s


def an_empty_stock() -> Stock:
    stock = Stock()
    stock.reserve(3 * BLOCK)
    for number in range(SKUS):
        stock.add_sku(f"sku {number}")
    return stock


def columns(shelves: dict[int, Shelf]) -> tuple[np.ndarray, np.ndarray, ShelfColumns]:
    """Slots, sku numbers and rows, as they come: store by store, in no order of slot."""
    flat = [(slot, number, *row) for slot, shelf in shelves.items() for number, row in shelf.items()]
    slots, numbers, available, prices, fresh_s = zip(*flat, strict=True)
    rows = ShelfColumns(
        store_no=np.array(slots),
        sku_no=np.array(numbers),
        available=np.array(available),
        price_minor=np.array([-1 if price is None else price[0] for price in prices]),
        currency=np.array([b"---" if price is None else price[1].encode() for price in prices], dtype="S3"),
        fresh_s=np.array(fresh_s),
    )
    return np.array(slots), np.array(numbers), rows


def take(stock: Stock, shelves: dict[int, Shelf], *, stale_after_s: int = STALE_AFTER_S) -> None:
    arrival = Arrival(*columns(shelves))
    run = arrival.beside(stock.waiting.arrived.run, stock.prices.ids_of_packed(arrival.prices))
    stock.waiting.take(run, arrival.slots, np.full(len(arrival.slots), stale_after_s))


def file_away(stock: Stock, *, after_each: Callable[[], None] = lambda: None) -> None:
    shelves = stock.waiting.begin_filing()
    after_each()
    stores = shelves.slots()
    filing = Filing(shelves, stores)
    after_each()
    filing.see_changes()
    scales = stock.freshness.scales_for(stores, filing.newest_s, shelves.stale_after_s(stores))
    stock.freshness.take_over(stores, scales)
    after_each()
    filing.encode(scales)
    for _ in filing.write(stock):
        after_each()
    stock.waiting.end_filing()


def some_shelves(rng: np.random.Generator, *, figures: list[int], prices: int, moment_s: int) -> dict[int, Shelf]:
    shelves: dict[int, Shelf] = {}
    for slot in rng.choice(STORES, int(rng.integers(1, len(STORES))), replace=False).tolist():
        shelves[slot] = {
            number: a_row(rng, figures=figures, prices=prices, moment_s=moment_s)
            for number in rng.choice(SKUS, int(rng.integers(1, SKUS)), replace=False).tolist()
        }
    return shelves


def a_row(rng: np.random.Generator, *, figures: list[int], prices: int, moment_s: int) -> Row:
    price = None if rng.random() < 0.1 else (int(rng.integers(prices)), str(rng.choice(["TWD", "JPY"])))
    return int(rng.choice(figures)), price, moment_s - int(rng.choice([0, 3, 400, 90_000, 500_000]))


ANYWHERE = LatLon(lat=1.0, lon=1.0)


class Stores:
    """A catalogue of stores at one place, none of which passes: who has the goods is told of those, too."""

    def __init__(self, count: int) -> None:
        self.columns = Columns(count)
        self.schedules = Schedules()
        nobody = ChordTree(np.empty(0, dtype=np.int64), np.empty((0, 3)))
        places = np.ones(count)
        xyz = earth_centred(places, places)
        self.index = SimpleNamespace(tree=nobody, xyz=xyz, parts=(xyz, places, places))
        self.patches = Patches()
        self.patches.cover_all(self.index.xyz)

    def within(self, ranges: SlotRanges) -> Any:
        """These stores, of which those alone are around whose slots lie in the ranges."""
        stretches = [[first, end, i + 1] for i, (first, end) in enumerate(ranges.pairs)] or [[0, 0, 0]]
        stretches[-1][2] = -1
        balls, first = np.array([[*earth_centred_place(ANYWHERE), 3.0]], dtype=np.float32), np.zeros(1, dtype=np.int64)
        parts = balls, first, first, np.array(stretches), 1, 3
        return SimpleNamespace(**vars(self), regions=SimpleNamespace(parts=parts))


SOME_STORES = Stores(3 * BLOCK)


def slots_sifted(stock: Stock, number: int, wanted: int, ranges: SlotRanges, now_s: int) -> list[int]:
    """Which stores of these ranges have so many, as compiled code sees it."""
    sieve = Sieve(SOME_STORES.within(ranges), stock)
    lines = (Line("sku", wanted),)
    asked = Question(destination=ANYWHERE, lines=lines, promise_s=3600, now_s=now_s, start_s=now_s)
    everybody = sieve.sift(asked, [number], 0.2, 1000.0, 1000.0, None, False)
    assert everybody is not None, "its memory holds the question now"
    found, _, said, have, rarest = nearest_holding(sieve._address)
    assert (found, said, rarest) == (0, ALL_SEEN, 0)
    return sorted(sieve._kept["having"][:have].tolist())


class Told:
    """Asks a stock for everything, and compares it with what it should hold."""

    def __init__(self, stock: Stock, right: dict[int, Shelf]) -> None:
        self.stock, self.right = stock, right

    def is_right(self, *, now_s: int) -> None:
        everywhere = np.array(STORES)
        for number in range(SKUS):
            shelves = [self.right.get(slot, {}).get(number) for slot in STORES]
            found = self.stock.gather(number, everywhere)
            assert found.has_row.tolist() == [row is not None for row in shelves]
            assert found.available.tolist() == [0 if row is None else row[0] for row in shelves]
            terms = self.stock.terms([number] * len(STORES), STORES)
            for i, (slot, row) in enumerate(zip(STORES, shelves, strict=True)):
                assert terms[i] == (self.stock.price(number, slot), self.stock.fresh_s(number, slot))
                assert self.stock.has_row(number, slot) == (row is not None)
                assert self.stock.available(number, slot) == (0 if row is None else row[0])
                assert self.stock.price(number, slot) == (None if row is None else row[1])
                fresh_s = self.stock.fresh_s(number, slot)
                if row is None:
                    assert fresh_s is None
                else:
                    self._is_as_fresh(row, fresh_s, now_s)
                    self._is_as_fresh(row, int(found.fresh_s[i]), now_s)
            holders = [slot for slot, row in zip(STORES, shelves, strict=True) if row is not None]
            assert self.stock.holders(number).tolist() == holders
            for ranges in RANGES:
                inside = [s for s in holders if any(start <= s < end for start, end in ranges.pairs)]
                assert self.stock.holders(number, ranges).tolist() == inside
                assert self.stock.holder_count(number, ranges) >= len(inside)
                self._has_enough(number, inside, ranges, now_s)

    @staticmethod
    def _is_as_fresh(row: Row, fresh_s: int | None, now_s: int) -> None:
        assert fresh_s is not None
        too_old = row[2] < now_s - STALE_AFTER_S
        assert fresh_s <= row[2] if too_old else row[2] - STEP_S < fresh_s <= row[2]

    def _has_enough(self, number: int, slots: list[int], ranges: SlotRanges, now_s: int) -> None:
        """By the rows' own moments none is near the edge of being stale, so that rounding does not matter."""
        for wanted in (1, 2, 1023, 2000):
            right = []
            for slot in slots:
                available, _, fresh_s = self.right[slot][number]
                right.append(available >= wanted and fresh_s >= now_s - STALE_AFTER_S)
                assert self.stock.has(number, slot, wanted, now_s) == right[-1]
            if wanted < LARGE:
                sifted = slots_sifted(self.stock, number, wanted, ranges, now_s)
                assert sifted == [slot for slot, has in zip(slots, right, strict=True) if has]
            holders, enough = self.stock.holding(number, wanted, ranges, now_s)
            assert (holders.tolist(), enough.tolist()) == (slots, right)
            if slots:
                lines = self.stock.probe(np.array(slots), now_s).lines([(number, wanted), (0, 1)])
                assert (lines[0][0] & ~lines[1][0]).tolist() == right


@pytest.mark.parametrize(("figures", "prices"), [([0, 1, 1022, 1023, 5000], 3), ([0, 1, 7], 200)])
def test_shelves_and_changes_are_told_alike_wherever_they_are(figures: list[int], prices: int) -> None:
    rng = np.random.default_rng([SEED, prices])
    stock, right = an_empty_stock(), dict[int, Shelf]()
    told = Told(stock, right)
    filed = 0
    for turn in range(10):
        now_s = NOW_S + 60 * turn
        shelves = some_shelves(rng, figures=figures, prices=prices, moment_s=now_s)
        for slot, shelf in shelves.items():
            # Whole shelves name all that a store has had.
            for number in set(right.get(slot, {})) - set(shelf):
                shelf[number] = 0, None, now_s
        take(stock, shelves)
        right |= shelves
        for slot in rng.choice(list(right), 5).tolist():
            number, row = int(rng.integers(SKUS)), a_row(rng, figures=figures, prices=prices, moment_s=now_s)
            if stock.change_one(number, slot, row[0], row[2], stock.price_id(row[1])):
                right[slot][number] = row
            else:
                assert stock.waiting.of(slot) is not None
                assert number not in right[slot]
        told.is_right(now_s=now_s)
        if turn % 3 == 2:
            filed = stock.row_count
            file_away(stock)
            told.is_right(now_s=now_s)
            assert stock.row_count == sum(map(len, right.values())) > filed
    assert filed > 1500
    all_rows = [rows for number in range(SKUS) if (rows := stock.rows(number)) is not None]
    assert any(rows.odd_prices for rows in all_rows) == (prices > 100)


@pytest.mark.parametrize("rows_a_step", [7, 2_000])
def test_nobody_sees_that_shelves_are_being_filed_and_changed_and_that_others_arrive(
    rows_a_step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatch.replica.filing._ROWS_A_STEP", rows_a_step)
    rng = np.random.default_rng(SEED)
    stock, right = an_empty_stock(), dict[int, Shelf]()
    told, steps, again = Told(stock, right), 0, list[int]()

    def arrive(figures: list[int]) -> None:
        shelves = some_shelves(rng, figures=figures, prices=80, moment_s=NOW_S)
        for slot in set(right) & set(shelves):
            shelves[slot] = {number: a_row(rng, figures=figures, prices=80, moment_s=NOW_S) for number in right[slot]}
        take(stock, shelves)
        right.update(shelves)

    def look() -> None:
        nonlocal steps
        steps += 1
        if steps > 40:
            return
        for slot in rng.choice(list(right), 3).tolist():
            number = int(rng.choice(list(right[slot])))
            row = a_row(rng, figures=[4, 1023], prices=80, moment_s=NOW_S)
            if stock.change_one(number, slot, row[0], row[2], stock.price_id(row[1])):
                right[slot][number] = row
            else:  # too new for the scale that its shelf is filed by: then the whole shelf is read
                right[slot][number] = row
                take(stock, {slot: right[slot]})
                again.append(slot)
        if steps % 12 == 5:
            arrive([6, 2000])
        if steps % 4 == 0:
            told.is_right(now_s=NOW_S)

    for figures in ([1, 5000], [0, 3]):
        arrive(figures)
        steps = 0
        file_away(stock, after_each=look)
        told.is_right(now_s=NOW_S)
        assert steps > SKUS + 1, "what had changed was filed again"
        assert stock.waiting.arrived.row_count > 0
    assert again
    file_away(stock)
    told.is_right(now_s=NOW_S)
    assert stock.waiting.row_count == 0
    assert stock.row_count == sum(map(len, right.values()))


def test_what_has_no_room_in_a_row_is_kept_for_as_long_as_the_row_says_so() -> None:
    stock = an_empty_stock()

    def beside(shelves: dict[int, Shelf]) -> tuple[dict[int, int], set[int]]:
        take(stock, shelves)
        file_away(stock)
        rows = stock.rows(0)
        assert rows is not None
        return rows.large or {}, set(rows.odd_prices or ())

    crowd: dict[int, Shelf] = {slot: {0: (3, (slot, "TWD"), NOW_S)} for slot in range(70)}
    assert beside(crowd | {70: {0: (2000, None, NOW_S)}}) == ({70: 2000}, set(range(62, 70)))
    assert beside({slot: {0: (3, None, NOW_S)} for slot in range(62, 71)}) == ({}, set())


def test_a_shelf_too_new_for_its_scale_gets_another() -> None:
    stock = an_empty_stock()
    year_s = 365 * 86_400
    for moment_s in (NOW_S, NOW_S + year_s):
        take(stock, {3: {0: (1, None, moment_s), 1: (2, None, moment_s - 50)}})
        file_away(stock)
        assert stock.fresh_s(0, 3) == moment_s
        assert stock.fresh_s(1, 3) == moment_s - 52
    assert not stock.change_one(0, 3, 1, NOW_S + 2 * year_s, 0)


def test_a_row_that_changes_before_its_scale_is_chosen_has_room_on_it() -> None:
    stock = an_empty_stock()
    take(stock, {3: {0: (1, None, NOW_S)}})
    file_away(stock)
    # A shelf of last week, to be kept to another staleness, gets a scale around its own newest row.
    take(stock, {3: {0: (1, None, NOW_S - 7 * 86_400)}}, stale_after_s=2 * STALE_AFTER_S)
    times = iter([False, True])  # once its rows have been looked at

    def change() -> None:
        if next(times, False):
            assert stock.change_one(0, 3, 5, NOW_S, 0)

    file_away(stock, after_each=change)
    assert stock.waiting.row_count == 0
    assert stock.fresh_s(0, 3) == NOW_S


def test_a_change_is_seen_by_whoever_goes_on_with_a_question() -> None:
    stock = an_empty_stock()
    take(stock, {3: {0: (1, None, NOW_S)}})
    before = stock.changes
    assert not stock.change_one(1, 3, 5, NOW_S, 0)
    assert stock.changes == before
    assert stock.change_one(0, 3, 5, NOW_S, 0)
    assert stock.changes > before


def test_rows_of_stores_that_are_not_known_are_left_out() -> None:
    slots, numbers, rows = columns({7: {0: (1, None, NOW_S)}, 5: {1: (2, None, NOW_S), 2: (3, None, NOW_S)}})
    slots[0] = MISSING
    arrival = Arrival(slots, numbers, rows)
    assert len(arrival) == 2
    assert arrival.slots.tolist() == [5]
    assert len(Arrival(np.full(3, MISSING), numbers, rows)) == 0
    nothing = rows.where(np.zeros(3, dtype=np.bool_))
    assert len(Arrival(nothing.store_no, nothing.sku_no, nothing)) == 0
