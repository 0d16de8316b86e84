"""The packed shelf rows say what was written, as a plain dictionary would, but for what the module says they round."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.domain.question import Line
from dispatch.replica.freshness import ANCIENT_S
from dispatch.replica.sku_rows import SlotRanges
from dispatch.replica.stock import Stock

SEED = 20261125
BASE_S = 1_790_000_000
STALE_AFTER_S = 129_600
UNIT_S = 4  # for a staleness of 36 h
BLOCK = 65_536

type Row = tuple[int, int, tuple[int, str] | None]


def ints(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


@dataclass
class Shelves:
    """A stock and what it should say: (available, fresh_s, price) by slot, a dictionary a sku."""

    slots: int = 100
    base_s: int = BASE_S
    stale_after_s: int = STALE_AFTER_S
    stock: Stock = field(default_factory=Stock)
    right: dict[str, dict[int, Row]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stock.reserve(self.slots)
        every = np.arange(self.slots)
        self.stock.set_freshness_scale(every, np.full(self.slots, self.base_s), np.full(self.slots, self.stale_after_s))

    def put(self, sku: str, rows: dict[int, Row]) -> None:
        self.right.setdefault(sku, {}).update(rows)
        self.stock.put(
            self.stock.add_sku(sku),
            ints(*rows),
            ints(*(available for available, _, _ in rows.values())),
            ints(*(fresh_s for _, fresh_s, _ in rows.values())),
            ints(*(self.stock.price_id(price) for _, _, price in rows.values())),
        )

    def put_one(self, sku: str, slot: int, row: Row) -> None:
        self.right.setdefault(sku, {})[slot] = row
        available, fresh_s, price = row
        self.stock.put_one(self.stock.add_sku(sku), slot, available, fresh_s, self.stock.price_id(price))

    def check(self, sku: str, slots: list[int]) -> None:
        """All that can be asked of these slots."""
        number = self.stock.number(sku)
        assert number is not None
        rows = self.right.get(sku, {})
        assert self.stock.holders(number).tolist() == sorted(rows)
        assert self.stock.holder_count(number) == len(rows)
        found = self.stock.gather(number, ints(*slots))
        assert found.has_row.tolist() == [slot in rows for slot in slots]
        assert found.available.tolist() == [rows[slot][0] if slot in rows else 0 for slot in slots]
        for slot, fresh_s in zip(slots, found.fresh_s.tolist(), strict=True):
            assert self.stock.price(number, slot) == (rows[slot][2] if slot in rows else None)
            assert self.stock.fresh_s(number, slot) == (fresh_s if slot in rows else None)
        terms = [(self.stock.price(number, slot), self.stock.fresh_s(number, slot)) for slot in slots]
        assert self.stock.terms([number] * len(slots), slots) == terms
        for wanted in (1, 3, 1022, 1023, 1024, 5000):
            enough, stale = self.stock.probe(ints(*slots), self.base_s).lines([(number, wanted)])
            assert enough[0].tolist() == [slot in rows and rows[slot][0] >= wanted for slot in slots]
            assert stale[0].tolist() == [
                slot in rows and self.base_s - rows[slot][1] > self.stale_after_s for slot in slots
            ]


@pytest.mark.parametrize("available", [0, 1, 1021, 1022, 1023, 1024, 65_536, 1_000_000_000])
def test_any_figure_is_kept(available: int) -> None:
    shelves = Shelves()
    shelves.put("tea", {3: (available, BASE_S, None), 4: (2, BASE_S, None)})
    shelves.check("tea", [3, 4, 5])


def test_a_large_figure_may_become_small_and_large_again() -> None:
    shelves = Shelves()
    for available in (5000, 7, 1023, 0, 2000):
        shelves.put("tea", {3: (available, BASE_S, None), 9: (1, BASE_S, None)})
        shelves.check("tea", [9, 3])


def test_a_sku_may_have_more_prices_than_its_rows_have_room_for() -> None:
    shelves = Shelves(slots=400)
    shelves.put("tea", {slot: (1, BASE_S, (100 + slot, "TWD")) for slot in range(200)})
    shelves.check("tea", list(range(220)))
    shelves.put("tea", {150: (1, BASE_S, (100, "TWD")), 151: (1, BASE_S, None), 5: (1, BASE_S, (999, "TWD"))})
    shelves.put("tea", {slot: (1, BASE_S, (100 + slot % 3, "JPY")) for slot in range(180, 400)})
    shelves.check("tea", list(range(400)))


def test_prices_of_one_figure_in_two_currencies_are_two() -> None:
    shelves = Shelves()
    shelves.put("tea", {1: (1, BASE_S, (100, "TWD")), 2: (1, BASE_S, (100, "JPY")), 3: (1, BASE_S, (0, "TWD"))})
    shelves.check("tea", [1, 2, 3])


def test_skus_have_shelves_of_their_own_and_numbers_that_stay() -> None:
    shelves = Shelves()
    shelves.put("tea", {1: (5, BASE_S, None)})
    shelves.put("milk", {1: (6, BASE_S, None), 2: (7, BASE_S, None)})
    assert shelves.stock.number("soap") is None
    number = shelves.stock.add_sku("soap")
    assert shelves.stock.add_sku("soap") == number == shelves.stock.number("soap")
    for sku in ("tea", "milk", "soap"):
        shelves.check(sku, [1, 2])
        assert shelves.stock.sku(shelves.stock.add_sku(sku)) == sku


def test_beyond_65536_slots_rows_of_equal_low_halves_are_not_taken_for_one_another() -> None:
    """The low halves of slots 5 and 65,541 are the same."""
    shelves = Shelves(slots=3 * BLOCK)
    shelves.put("in the first block", {5: (1, BASE_S, None)})
    shelves.put("in the second", {BLOCK + 5: (2, BASE_S, None)})
    shelves.put("in the third", {2 * BLOCK + 5: (3, BASE_S, None)})
    shelves.put("in all", {5: (1, BASE_S, None), BLOCK + 5: (2, BASE_S, None), 2 * BLOCK + 5: (3, BASE_S, None)})
    for sku in shelves.right:
        for slots in ([5], [BLOCK + 5], [5, BLOCK + 5], [BLOCK + 5, 5], [2 * BLOCK + 5, 5, BLOCK + 5, BLOCK + 6]):
            shelves.check(sku, slots)


def test_beyond_65536_slots_writing_one_row_leaves_that_of_the_same_low_half() -> None:
    shelves = Shelves(slots=2 * BLOCK)
    shelves.put("tea", {5: (1, BASE_S, (100, "TWD"))})
    shelves.put("tea", {5: (2, BASE_S, None), BLOCK + 5: (4000, BASE_S, (200, "TWD"))})
    shelves.check("tea", [5, BLOCK + 5])


@pytest.mark.parametrize("slots", [300, 3 * BLOCK])
def test_rows_written_in_any_order_read_as_a_dictionary_would(slots: int) -> None:
    rng = np.random.default_rng([SEED, slots])
    print(f"seed {SEED}, {slots}")
    shelves = Shelves(slots=slots)
    # Around the edges of blocks, and few enough to be written again and again.
    near = [slot for edge in range(0, slots, BLOCK) for slot in range(edge, edge + 40)]
    near += [slot for edge in range(BLOCK, slots, BLOCK) for slot in range(edge - 40, edge)]
    for _ in range(150):
        sku = f"sku {rng.integers(5)}"
        written = rng.choice(near, int(rng.integers(1, 30)), replace=False).tolist()
        if rng.random() < 0.3:
            written = [slot for slot in written if slot < BLOCK] or [3]
        rows: dict[int, Row] = {}
        for slot in written:
            available = int(rng.choice([0, 1, 3, 1022, 1023, 5000]))
            fresh_s = BASE_S - UNIT_S * int(rng.choice([0, 1, 32_399, 32_400, 32_401]))
            price = None if rng.random() < 0.2 else (int(rng.integers(1, 90)), "TWD")
            rows[slot] = (available, fresh_s, price)
        shelves.put(sku, rows)
        asked = rng.choice(near, 25).tolist()
        shelves.check(sku, asked)
    assert all(len(rows) >= 35 for rows in shelves.right.values())


@pytest.mark.parametrize("prices", [5, 90])
def test_rows_written_one_at_a_time_read_as_a_dictionary_would(prices: int) -> None:
    """Of more prices than a sku has codes for, and of figures that have no room in a row and then have it again."""
    rng = np.random.default_rng([SEED, prices])
    print(f"seed {SEED}, {prices}")
    shelves = Shelves(slots=BLOCK + 100)
    near = [*range(60), *range(BLOCK, BLOCK + 60)]
    for _ in range(1_500):
        available = int(rng.choice([0, 3, 1022, 1023, 1024, 1_000_000_000]))
        price = None if rng.random() < 0.1 else (int(rng.integers(1, prices)), "TWD")
        shelves.put_one("tea", int(rng.choice(near)), (available, BASE_S - UNIT_S * int(rng.integers(9)), price))
        shelves.check("tea", rng.choice(near, 9).tolist())
    assert len(shelves.right["tea"]) == len(near)
    rows = shelves.stock.rows(0)
    assert rows is not None
    assert (rows.large or {}) == {slot: row[0] for slot, row in shelves.right["tea"].items() if row[0] >= 1023}


def test_writing_many_skus_at_once_is_as_writing_each() -> None:
    rng = np.random.default_rng(SEED)
    one_by_one, at_once = Shelves(), Shelves()
    written = {f"sku {n}": sorted(rng.choice(100, int(rng.integers(0, 60)), replace=False).tolist()) for n in range(20)}
    for sku, slots in written.items():
        one_by_one.put(sku, {slot: (slot, BASE_S, (slot, "TWD")) for slot in slots})
        at_once.right[sku] = one_by_one.right[sku]
    flat = [(at_once.stock.add_sku(sku), slot) for sku, slots in written.items() for slot in slots]
    rng.shuffle(flat)
    flat.sort(key=lambda row: row[0])
    numbers, at = ints(*(number for number, _ in flat)), ints(*(slot for _, slot in flat))
    prices = ints(*(at_once.stock.price_id((slot, "TWD")) for _, slot in flat))
    steps = list(at_once.stock.put_many(numbers, at, at, np.full(len(flat), BASE_S), prices))
    assert len(steps) == len(set(numbers.tolist())) > 10
    assert at_once.stock.row_count == len(flat)
    for sku in written:
        one_by_one.check(sku, list(range(100)))
        at_once.check(sku, list(range(100)))


def test_nothing_written_is_no_step() -> None:
    stock = Stock()
    nothing = ints()
    assert list(stock.put_many(nothing, nothing, nothing, nothing, nothing)) == []
    assert stock.row_count == 0


@settings(deadline=None)
@given(
    stale_after_s=st.integers(1, 400 * 86_400),
    age_s=st.integers(-3600, 2 * 400 * 86_400),
    later_s=st.integers(0, 400 * 86_400),
)
def test_a_row_is_never_taken_for_fresher_than_it_is_and_hardly_for_older(
    stale_after_s: int, age_s: int, later_s: int
) -> None:
    shelves = Shelves(slots=1, stale_after_s=stale_after_s)
    unit_s = max(UNIT_S, -(-stale_after_s // 32_000))  # as fine as 15 bits of it allow, or a little finer
    shelves.put("tea", {0: (1, BASE_S - age_s, None)})
    said_s = shelves.stock.fresh_s(0, 0)
    assert said_s is not None
    assert said_s <= BASE_S - age_s
    assert said_s > BASE_S - age_s - unit_s or said_s == ANCIENT_S
    now_s = BASE_S + later_s
    true_age_s = now_s - (BASE_S - age_s)
    _, stale = shelves.stock.probe(ints(0), now_s).lines([(0, 1)])
    if true_age_s > stale_after_s:
        assert stale[0, 0]
    if true_age_s + unit_s <= stale_after_s:
        assert not stale[0, 0]


@pytest.mark.parametrize("stale_after_s", [1, 3600, 129_600, 131_072, 40 * 86_400])
def test_the_newest_count_turns_stale_to_the_second(stale_after_s: int) -> None:
    shelves = Shelves(slots=1, stale_after_s=stale_after_s)
    shelves.put("tea", {0: (1, BASE_S, None)})
    assert shelves.stock.fresh_s(0, 0) == BASE_S
    for past_s, is_stale in ((-1, False), (0, False), (1, True)):
        _, stale = shelves.stock.probe(ints(0), BASE_S + stale_after_s + past_s).lines([(0, 1)])
        assert stale[0].tolist() == [is_stale]


@pytest.mark.parametrize("stale_after_s", [1, 3600, 129_600, 131_072, 40 * 86_400])
@pytest.mark.parametrize("fresh_s", [0, BASE_S - 10 * 365 * 86_400])
def test_a_row_older_than_can_be_said_is_always_stale(fresh_s: int, stale_after_s: int) -> None:
    shelves = Shelves(slots=1, stale_after_s=stale_after_s)
    shelves.put("tea", {0: (1, fresh_s, None)})
    # The clock may stand a little before the newest count: up to two minutes ahead are taken in.
    for now_s in (BASE_S - 120, BASE_S, BASE_S + 400 * 86_400):
        _, stale = shelves.stock.probe(ints(0), now_s).lines([(0, 1)])
        assert stale[0].tolist() == [True]


def test_stores_have_scales_of_their_own() -> None:
    stock = Stock()
    stock.reserve(2)
    stock.set_freshness_scale(ints(0, 1), ints(BASE_S, BASE_S - 50_000), ints(3600, 86_400))
    number = stock.add_sku("tea")
    stock.put(number, ints(1, 0), ints(1, 1), ints(BASE_S - 50_000, BASE_S), ints(0, 0))
    for now_s, right in (
        (BASE_S + 3600, [False, False]),
        (BASE_S + 3601, [True, False]),
        (BASE_S + 36_401, [True, True]),
    ):
        assert stock.probe(ints(0, 1), now_s).lines([(number, 1)])[1][0].tolist() == right


def test_a_moment_too_new_for_the_scale_is_said_to_be() -> None:
    shelves = Shelves()
    year_s = 365 * 86_400
    assert shelves.stock.freshness.can_say(ints(0, 0, 0), ints(0, BASE_S + 86_400, BASE_S + year_s)).tolist() == [
        True,
        True,
        False,
    ]


def test_room_made_later_leaves_what_is_there() -> None:
    shelves = Shelves(slots=2)
    shelves.put("tea", {1: (5, BASE_S - 40, (3, "TWD"))})
    shelves.stock.reserve(5000)
    shelves.check("tea", [0, 1])


def test_rows_are_cut_by_stretches_of_slots() -> None:
    rng = np.random.default_rng(SEED)
    shelves = Shelves(slots=3 * BLOCK)
    everywhere = sorted(rng.choice(3 * BLOCK, 3000, replace=False).tolist())
    shelves.put("everywhere", dict.fromkeys(everywhere, (1, BASE_S, None)))
    shelves.put("here", {slot: (1, BASE_S, None) for slot in everywhere if slot < 1000})
    shelves.stock.add_sku("nowhere")
    stretches: list[list[tuple[int, int]]] = [
        [],
        [(0, 3 * BLOCK)],
        [(0, 1)],
        [(BLOCK - 10, BLOCK + 10)],
        [(BLOCK, 2 * BLOCK)],
        [(7, 900), (1000, 70_000), (2 * BLOCK - 1, 2 * BLOCK), (2 * BLOCK + 5, 3 * BLOCK)],
        [(2 * BLOCK, 2 * BLOCK + 100)],
    ]
    for sku in ("everywhere", "here", "nowhere"):
        number = shelves.stock.add_sku(sku)
        for pairs in stretches:
            ranges = SlotRanges(pairs)
            rows = shelves.right.get(sku, {})
            right = [slot for slot in sorted(rows) if any(start <= slot < end for start, end in pairs)]
            assert ranges.size == sum(end - start for start, end in pairs)
            assert shelves.stock.holders(number, ranges).tolist() == right
            assert shelves.stock.holder_count(number, ranges) == len(right)


def test_the_number_of_a_sku_that_nobody_has_had_is_asked_for_in_vain() -> None:
    stock = Stock()
    stock.add_sku("tea")
    assert stock.numbers([Line("tea", 1)]) == [0]
    with pytest.raises(KeyError, match="milk"):
        stock.numbers([Line("tea", 1), Line("milk", 1)])
