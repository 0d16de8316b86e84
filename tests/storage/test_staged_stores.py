"""A file's stores on disk come back by cell, as they were."""

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from dispatch.storage.staged_stores import StagedStore, StagedStores

_CELLS = st.integers(0, 3).map(lambda n: (1 << 62) + n)


@given(batches=st.lists(st.lists(st.tuples(_CELLS, st.binary(max_size=9)), max_size=8)), most=st.integers(1, 5))
def test_stores_come_back_by_cell_in_the_order_of_the_file(batches: list[list[tuple[int, bytes]]], most: int) -> None:
    sent: list[StagedStore] = []
    with StagedStores() as staged:
        for batch in batches:
            rows = [StagedStore(len(sent) + n, cell, store) for n, (cell, store) in enumerate(batch)]
            staged.add(rows)
            sent += rows
        assert len(staged) == len(sent)
        back = list(staged.by_cell(most))
    assert [store for some in back for store in some] == sorted(sent, key=lambda store: (store.cell, store.row_no))
    assert all(len({store.cell for store in some}) == 1 for some in back)
    for _, of_cell in groupby(back, key=lambda some: some[0].cell):
        *full, last = map(len, of_cell)
        assert all(size == most for size in full)
        assert 0 < last <= most
