"""Whole shelves written many at once hold what the same rows do when each is written for itself."""

import numpy as np
import pytest

from dispatch.replica import whole_shelves
from dispatch.replica.numbering import MISSING
from dispatch.replica.stock import Stock
from dispatch.replica.whole_shelves import WholeShelves
from dispatch.storage.feed import ShelfColumns, concatenate

SEED = 20261127
NOW_S = 1_790_000_000
STALE_AFTER_S = 129_600
SKUS = 25
BLOCK = 65_536
STORES = [*range(90), *range(BLOCK - 3, BLOCK + 5), 2 * BLOCK + 1]

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


def write_together(stock: Stock, shelves: dict[int, Shelf]) -> list[int]:
    """Returns how many changes there had been after each step of writing."""
    whole = WholeShelves(*columns(shelves))
    for _ in whole.prepare(stock):
        pass
    stale_after_s = np.full(len(whole.stores), STALE_AFTER_S)
    scales = stock.freshness.scales_for(whole.stores, whole.newest_s, stale_after_s)
    return [stock.changes for _ in whole.write(stock, scales)]


def write_one_by_one(stock: Stock, shelves: dict[int, Shelf], seen: set[int]) -> None:
    for slot, shelf in shelves.items():
        at = np.array([slot])
        newest_s = max(fresh_s for _, _, fresh_s in shelf.values())
        if slot not in seen or not stock.freshness.can_say_one(slot, newest_s):
            stock.set_freshness_scale(at, np.array([newest_s]), np.array([STALE_AFTER_S]))
        for number, (available, price, fresh_s) in shelf.items():
            stock.put_one(number, slot, available, fresh_s, stock.price_id(price))


def held(stock: Stock, slot: int, number: int) -> tuple[int, tuple[int, str] | None, int | None]:
    return stock.available(number, slot), stock.price(number, slot), stock.fresh_s(number, slot)


def some_shelves(rng: np.random.Generator, *, figures: list[int], prices: int, moment_s: int) -> dict[int, Shelf]:
    shelves: dict[int, Shelf] = {}
    for slot in rng.choice(STORES, int(rng.integers(1, len(STORES))), replace=False).tolist():
        shelf = shelves[slot] = {}
        for number in rng.choice(SKUS, int(rng.integers(1, SKUS)), replace=False).tolist():
            available = int(rng.choice(figures))
            minor, currency = int(rng.integers(prices)), str(rng.choice(["TWD", "JPY"]))
            price = None if rng.random() < 0.1 else (minor, currency)
            shelf[number] = available, price, moment_s - int(rng.choice([0, 3, 400, 90_000, 500_000]))
    return shelves


@pytest.mark.parametrize("few_rows", [0, 10**6], ids=["a sku at a time", "skus together"])
@pytest.mark.parametrize(("figures", "prices"), [([0, 1, 1022, 1023, 5000], 3), ([0, 1, 7], 200)])
def test_rows_written_together_are_as_each_written_for_itself(
    few_rows: int, figures: list[int], prices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole_shelves, "_FEW_ROWS", few_rows)
    rng = np.random.default_rng([SEED, prices])
    together, one_by_one = an_empty_stock(), an_empty_stock()
    right: dict[tuple[int, int], Row] = {}
    seen: set[int] = set()
    for turn in range(12):
        shelves = some_shelves(rng, figures=figures, prices=prices, moment_s=NOW_S + 60 * turn)
        # Whole shelves name all that a store has had.
        for slot, number in right:
            if slot in shelves and number not in shelves[slot]:
                shelves[slot][number] = 0, None, NOW_S + 60 * turn
        write_together(together, shelves)
        write_one_by_one(one_by_one, shelves, seen)
        seen |= set(shelves)
        for slot, shelf in shelves.items():
            right |= {(slot, number): row for number, row in shelf.items()}
        for (slot, number), (available, price, _) in right.items():
            its = held(together, slot, number)
            assert its[:2] == (available, price)
            assert its == held(one_by_one, slot, number)
        assert together.row_count == one_by_one.row_count == len(right)
    assert len(right) > 2400
    all_rows = [rows for number in range(SKUS) if (rows := together.rows(number)) is not None]
    assert any(rows.odd_prices for rows in all_rows) == (prices > 100)
    for number, rows in enumerate(all_rows):
        large = {slot: row[0] for (slot, its), row in right.items() if its == number and row[0] >= 1023}
        assert (rows.large or {}) == large


def test_what_has_no_room_in_a_row_is_kept_for_as_long_as_the_row_says_so() -> None:
    stock = an_empty_stock()
    crowd: dict[int, Shelf] = {slot: {0: (3, (slot, "TWD"), NOW_S)} for slot in range(70)}
    write_together(stock, crowd | {70: {0: (2000, None, NOW_S)}})

    def beside() -> tuple[dict[int, int], set[int]]:
        rows = stock.rows(0)
        assert rows is not None
        return rows.large or {}, set(rows.odd_prices or ())

    assert beside() == ({70: 2000}, set(range(62, 70)))
    write_together(stock, {slot: {0: (3, None, NOW_S)} for slot in range(62, 71)})
    assert beside() == ({}, set())


def test_a_shelf_too_new_for_its_scale_gets_another() -> None:
    stock = an_empty_stock()
    year_s = 365 * 86_400
    write_together(stock, {3: {0: (1, None, NOW_S), 1: (2, None, NOW_S - 50)}})
    write_together(stock, {3: {0: (1, None, NOW_S + year_s), 1: (2, None, NOW_S + year_s - 50)}})
    assert held(stock, 3, 0) == (1, None, NOW_S + year_s)
    assert held(stock, 3, 1) == (2, None, NOW_S + year_s - 52)


def test_room_for_rows_says_nothing_of_them_and_a_shelf_is_written_in_one_step() -> None:
    stock = an_empty_stock()
    old = {slot: {0: (5, (1, "TWD"), NOW_S), 1: (2000, None, NOW_S)} for slot in (4, 9)}
    new = {slot: {0: (1500, (2, "TWD"), NOW_S + 8), 1: (7, (3, "TWD"), NOW_S + 8), 2: (1, None, NOW_S)} for slot in old}
    write_together(stock, old)
    whole = WholeShelves(*columns(new))
    for _ in whole.prepare(stock):
        for slot in old:
            assert [held(stock, slot, number) for number in (0, 1)] == list(old[slot].values())
            assert stock.available(2, slot) == 0
    scales = stock.freshness.scales_for(whole.stores, whole.newest_s, np.full(2, STALE_AFTER_S))
    states = []
    for _ in whole.write(stock, scales):
        states.append([[held(stock, slot, number)[0] for number in range(3)] for slot in old])
    assert [state for i, state in enumerate(states) if state not in states[:i]] == [
        [[5, 2000, 0], [5, 2000, 0]],
        [[1500, 7, 1], [5, 2000, 0]],
        [[1500, 7, 1], [1500, 7, 1]],
    ]


def test_each_shelf_written_is_a_change_and_rows_found_are_none() -> None:
    stock = an_empty_stock()
    shelves: dict[int, Shelf] = {slot: {0: (slot, None, NOW_S), 1: (slot, None, NOW_S)} for slot in (4, 9, 12)}
    write_together(stock, shelves)
    before = stock.changes
    assert write_together(stock, shelves) == [before, before, before + 1, before + 2, before + 3]


def test_rows_of_stores_that_are_not_known_are_left_out() -> None:
    slots, numbers, rows = columns({7: {0: (1, None, NOW_S)}, 5: {1: (2, None, NOW_S), 2: (3, None, NOW_S)}})
    slots[0] = MISSING
    whole = WholeShelves(slots, numbers, rows)
    assert len(whole) == 2
    assert whole.stores.tolist() == [5]
    assert len(WholeShelves(np.full(3, MISSING), numbers, rows)) == 0
    nothing = concatenate([])
    assert len(WholeShelves(nothing.store_no, nothing.sku_no, nothing)) == 0
