"""Rows made among those of a sku, or of many at once, against a dictionary a sku."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.replica.room import take_in_together
from dispatch.replica.sku_rows import SkuRows

BLOCK = 65_536
# Around the edges of blocks, where halves of slots are alike.
NEAR = [block * BLOCK + low for block in range(3) for low in (*range(6), *range(BLOCK - 3, BLOCK))]

type Wanted = list[set[int]]
type TakeIn = Callable[[list[SkuRows], Wanted], list[np.ndarray]]


def each(skus: list[SkuRows], wanted: Wanted) -> list[np.ndarray]:
    return [rows.take_in(np.array(sorted(slots))) for rows, slots in zip(skus, wanted, strict=True) if slots]


def one_by_one(skus: list[SkuRows], wanted: Wanted) -> list[np.ndarray]:
    for rows, slots in zip(skus, wanted, strict=True):
        for slot in slots:
            rows.take_in_one(slot)
    return each(skus, wanted)


def together(skus: list[SkuRows], wanted: Wanted) -> list[np.ndarray]:
    which = np.repeat(np.arange(len(skus)), [len(slots) for slots in wanted])
    slots = np.array([slot for slots in wanted for slot in sorted(slots)], dtype=np.int64)
    places = take_in_together(skus, which, slots)
    return [places[which == i] for i, slots in enumerate(wanted) if slots]


@pytest.mark.parametrize("take_in", [each, one_by_one, together])
@settings(deadline=None, max_examples=150)
@given(rounds=st.lists(st.lists(st.sets(st.sampled_from(NEAR)), min_size=3, max_size=3), min_size=1, max_size=5))
def test_rows_are_found_or_made_and_the_others_stay(take_in: TakeIn, rounds: list[Wanted]) -> None:
    skus, right = [SkuRows() for _ in range(3)], [dict[int, int]() for _ in range(3)]
    value = 0
    for wanted in rounds:
        places = iter(take_in(skus, wanted))
        for rows, its, slots in zip(skus, right, wanted, strict=True):
            at = next(places) if slots else np.empty(0, dtype=np.int64)
            assert rows.slots()[at].tolist() == sorted(slots)
            assert rows.value[at].tolist() == [its.get(slot, 0) for slot in sorted(slots)]
            its |= {slot: its.get(slot, 0) for slot in slots}
            assert dict(zip(rows.slots().tolist(), rows.value.tolist(), strict=True)) == its
            assert [rows.at(slot) for slot in sorted(its)] == list(range(len(its)))
            for slot, place in zip(sorted(slots), at.tolist(), strict=True):
                value += 1
                rows.value[place] = its[slot] = value


def test_rows_of_one_sku_do_not_keep_those_of_others_alive() -> None:
    skus = [SkuRows() for _ in range(50)]
    together(skus, [{1, 2, 3}] * 50)
    assert all(rows.low.base is None and rows.value.base is None for rows in skus)


@pytest.mark.parametrize("more", [1, 4, 5, 300])
def test_few_and_many_rows_are_put_where_they_belong(more: int) -> None:
    rng = np.random.default_rng(more)
    slots = rng.choice(3 * BLOCK, 1000 + more, replace=False)
    there, new = np.sort(slots[:1000]), np.sort(slots[1000:])
    rows = SkuRows()
    rows.replace_all(there, there.astype(np.uint32))
    at = rows.take_in(new)
    rows.value[at] = new
    assert rows.slots().tolist() == sorted(slots.tolist()) == rows.value.tolist()
