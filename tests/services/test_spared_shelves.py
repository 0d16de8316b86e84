"""What bad rows speak of, kept small: a snapshot must not take it for absent."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.services.import_staging import SparedShelves
from dispatch.storage.stores import StoreKey

KEYS = {name: StoreKey(name, number, 1, "default") for number, name in enumerate("ab", start=1)}
PAIRS = st.tuples(st.sampled_from(["a", "b", "gone"]), st.sampled_from([None, *"stuvwxyz"]))


def _spared(*batches: Sequence[tuple[str | None, str | None]]) -> SparedShelves:
    spared = SparedShelves(KEYS)
    for batch in batches:
        spared.add(batch)
    return spared


@given(st.lists(st.lists(PAIRS, max_size=30)))
def test_it_is_the_set_of_what_was_said_by_store(batches: list[list[tuple[str, str | None]]]) -> None:
    expected: dict[int, frozenset[str] | None] = {}
    for name, key in KEYS.items():
        said = {sku for batch in batches for store_id, sku in batch if store_id == name}
        if said:
            expected[key.store_no] = None if None in said else frozenset(sku for sku in said if sku)
    spared = _spared(*batches)
    assert dict(spared) == expected
    assert not spared.anywhere
    assert spared.get(3, frozenset()) == frozenset()


def test_a_row_that_tells_no_store_may_be_of_any() -> None:
    assert _spared([("a", "s"), (None, None)]).anywhere
    assert _spared([(None, "s"), ("a", "s")]).anywhere


@pytest.mark.parametrize(("skus", "is_each"), [(5, True), (6, False), (100, False)])
def test_more_skus_than_a_shelf_has_are_its_whole_shelf(
    monkeypatch: pytest.MonkeyPatch, skus: int, is_each: bool
) -> None:
    monkeypatch.setattr("dispatch.services.import_staging.MOST_SPARED", 5)
    said = [("a", f"{i}") for i in range(skus)]
    spared = _spared(said, said, [("b", "s")] * 100)
    assert dict(spared) == {1: frozenset(sku for _, sku in said) if is_each else None, 2: frozenset("s")}
