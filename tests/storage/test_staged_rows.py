"""A file's counts on disk come back by store, and those of one row are summed."""

from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dispatch.storage.staged_rows import ROW, StagedRows
from dispatch.storage.staging import sum_rows

type Row = tuple[int, int, int, int, bytes, int, int, int, int, int]

_CURRENCIES = st.sampled_from([(-1, b"---"), (0, b"CNY"), (250, b"CNY"), (990, b"CNY"), (5, b"EUR"), (7, b"AED")])


@st.composite
def _rows(draw: st.DrawFn) -> list[Row]:
    def row() -> Row:
        price_minor, currency = draw(_CURRENCIES)
        numbers = draw(st.tuples(st.integers(1, 9), st.integers(0, 3), st.integers(0, 1_000_000_000)))
        price_set = 1 if price_minor >= 0 else draw(st.integers(0, 1))
        safety = draw(st.tuples(st.integers(0, 5), st.integers(0, 1)))
        return (*numbers, price_minor, currency, price_set, *safety, draw(st.integers(-3, 3)), 1)

    return [row() for _ in range(draw(st.integers(0, 40)))]


@given(rows=_rows(), rows_a_run=st.integers(1, 12), wanted=st.sets(st.integers(0, 12)))
def test_rows_come_back_by_store(rows: list[Row], rows_a_run: int, wanted: set[int]) -> None:
    with StagedRows(rows_a_run=rows_a_run) as staged:
        for row in rows:
            staged.add(np.array([row], dtype=ROW))
        found = staged.stores()
        back = staged.of(np.array(list(wanted), dtype=np.int64))
    assert sorted(back.tolist()) == sorted(row for row in rows if row[0] in wanted)
    stores = sorted({row[0] for row in rows})
    assert found.store_no.tolist() == stores
    assert found.rows.tolist() == [sum(row[0] == store for row in rows) for store in stores]
    assert found.oldest_us.tolist() == [min(row[8] for row in rows if row[0] == store) for store in stores]


@given(rows=_rows())
def test_rows_of_one_shelf_row_are_summed(rows: list[Row]) -> None:
    of_row: dict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in rows:
        of_row[row[:2]].append(row)
    summed = sum_rows(np.sort(np.array(rows, dtype=ROW), order=["store_no", "sku_n"]))
    assert [tuple(row)[:2] for row in summed.tolist()] == sorted(of_row)
    for row in summed.tolist():
        parts = of_row[row[:2]]
        prices = {part[4]: part[3] for part in sorted(parts, key=lambda part: part[3]) if part[3] >= 0}
        told = (max(prices.values()), *prices) if len(prices) == 1 else (-1, b"---")
        price_set = len(prices) < 2 and any(part[5] for part in parts)
        assert row[2] == min(1_000_000_000, sum(part[2] for part in parts))
        assert (row[3], row[4], bool(row[5])) == (*told, price_set)
        assert row[6:9] == tuple(max(part[i] for part in parts) for i in (6, 7, 8))
        assert row[9] == len(parts)


def test_a_run_that_is_cut_is_no_end() -> None:
    """Many rows of one store, over many runs, with others between them."""
    rng = np.random.default_rng(3)
    rows = np.zeros(10_000, dtype=ROW)
    rows["store_no"], rows["sku_n"] = rng.integers(1, 50, len(rows)), np.arange(len(rows))
    with StagedRows(rows_a_run=700) as staged:
        for part in np.array_split(rows, 37):
            staged.add(part)
        for store_no in (1, 25, 49):
            back = staged.of(np.array([store_no]))
            assert sorted(back["sku_n"].tolist()) == np.flatnonzero(rows["store_no"] == store_no).tolist()
