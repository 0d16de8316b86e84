"""Where a row is guessed to be, before it is looked for: the guess is near, and no mark is read that is not there."""

import numpy as np

from dispatch.domain.market import IntArray
from dispatch.replica.sifting.rows import likely_row
from dispatch.replica.sku_rows import BLOCK_BITS, RowTable, SkuRows

SEED = 20261128
BLOCK = 1 << BLOCK_BITS


def rows_of(slots: IntArray) -> tuple[SkuRows, RowTable]:
    table = RowTable()
    rows = SkuRows(table, 0)
    rows.replace_all(slots, np.zeros(len(slots), dtype=np.uint32))
    return rows, table


def uneven(rng: np.random.Generator, size: int, stretch: int) -> IntArray:
    """Slots of a sku that chains of one region or another do not have."""
    shares = rng.choice([0.0, 0.02, 0.5, 0.9], -(-size // stretch)).repeat(stretch)[:size]
    return np.flatnonzero(rng.random(size) < shares)


def farthest_off(table: RowTable, slots: IntArray, size: int) -> int:
    """How many rows the worst guess is off, of slots up to ``size``, those without a row as well."""
    asked = np.arange(0, size, 37)
    guesses = [likely_row(table.places[0], slot) for slot in asked.tolist()]
    return int(np.abs(np.array(guesses) - slots.searchsorted(asked)).max())


def test_however_unevenly_a_sku_is_spread_a_guess_is_near() -> None:
    rng = np.random.default_rng(SEED)
    for size in (BLOCK, 3 * BLOCK + 10_000):
        slots = uneven(rng, size, stretch=8_192)
        _, table = rows_of(slots)
        evenly = np.abs(np.interp(np.arange(size), [0, size], [0, len(slots)]) - slots.searchsorted(np.arange(size)))
        assert evenly.max() > 2_000, "the skus of this test are spread evenly"
        assert farthest_off(table, slots, size) < 200, f"seed {SEED}, {size} slots"


def test_few_rows_have_no_marks_and_what_marks_take_is_little() -> None:
    slots = np.arange(4_000)
    rows, table = rows_of(slots)
    assert rows.marks is rows.starts
    assert table.places[0, 5:7].tolist() == [table.places[0, 2], BLOCK_BITS], "the starts of blocks serve as marks"
    many, _ = rows_of(np.arange(2 * BLOCK))
    assert 8 * len(many.marks) <= 2 * BLOCK * 8 / 1_024 + 8


def test_as_rows_come_guesses_stay_near_and_within_the_rows() -> None:
    rng = np.random.default_rng(SEED)
    size = 2 * BLOCK
    slots = uneven(rng, size, stretch=8_192)
    rows, table = rows_of(slots)
    for more in (1, 3, 500, 1, 20_000, 40_000, 1):
        # The last few are of blocks that nobody had a row in.
        added = np.unique(np.concatenate([rng.integers(0, size, more), size + rng.integers(0, 10, 1)]))
        size += BLOCK // 2
        rows.take_in(added)
        slots = np.union1d(slots, added)
        assert (rows.slots() == slots).all()
        # As far as the marks may be behind, and what lies between two of them.
        assert farthest_off(table, slots, size) < len(slots) / 64 + 700, f"seed {SEED}, {more} more"
        last = likely_row(table.places[0], (int(slots[-1]) >> BLOCK_BITS) * BLOCK + BLOCK - 1)
        assert 0 <= last <= len(slots)


def test_as_many_marks_of_more_blocks_are_others() -> None:
    rows, table = rows_of(np.arange(0, 2 * BLOCK, 8))
    before = len(rows.marks)
    beyond = 3 * BLOCK + 5
    rows.take_in(np.array([beyond]))
    assert len(rows.marks) == before, "the test wants twice the blocks, with half the marks each"
    assert farthest_off(table, rows.slots(), 4 * BLOCK) < 20


def test_of_fewer_rows_than_there_were_a_guess_is_still_within_them() -> None:
    rng = np.random.default_rng(SEED)
    rows, table = rows_of(uneven(rng, 2 * BLOCK, stretch=8_192))
    for slots in (np.arange(0, BLOCK, 5), np.arange(3), np.empty(0, dtype=np.int64), np.arange(BLOCK)):
        rows.replace_all(slots, np.zeros(len(slots), dtype=np.uint32))
        guesses = [likely_row(table.places[0], slot) for slot in range(0, 2 * BLOCK, 501)]
        assert 0 <= min(guesses) <= max(guesses) <= len(slots)
