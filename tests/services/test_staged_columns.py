"""Good rows of a batch as columns of numbers, whatever the batch says of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from dispatch.domain.stores import KEEP, Keep
from dispatch.ingest.stock import StockBatch
from dispatch.services.import_staging import staged_columns

KEYS: Any = {"A": SimpleNamespace(store_no=7), "B": SimpleNamespace(store_no=1 << 40)}
BEGIN = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amounts", "numbers", "spoken_of"),
    [
        ([5, 6, 6], ([5, 6, 6], [5, 6, 6]), [1, 1, 1]),
        ([KEEP, KEEP, KEEP], ([-1, -1, -1], [0, 0, 0]), [0, 0, 0]),
        ([None, None, None], ([-1, -1, -1], [0, 0, 0]), [1, 1, 1]),
        ([5, KEEP, None], ([5, -1, -1], [5, 0, 0]), [1, 0, 1]),
    ],
)
def test_each_row_stays_in_its_place(
    amounts: Sequence[int | Keep | None], numbers: tuple[list[int], list[int]], spoken_of: list[int]
) -> None:
    batch = StockBatch(
        row_nos=[2, 3, 4],
        store_ids=["B", "A", "B"],
        skus=["x", "y", "x"],
        on_hands=[0, 1_000_000_000, 3],
        price_minors=list(amounts),
        currencies=["TWD", None, "EUR"],
        safety_stocks=list(amounts),
        as_ofs=[BEGIN, BEGIN + timedelta(days=1, microseconds=1), BEGIN],
    )
    staged = staged_columns(batch, KEYS)
    assert staged.store_no.tolist() == [1 << 40, 7, 1 << 40]
    assert (staged.sku, staged.on_hand.tolist()) == (["x", "y", "x"], [0, 1_000_000_000, 3])
    assert (staged.price_minor.tolist(), staged.safety_stock.tolist()) == numbers
    assert (staged.price_set.tolist(), staged.safety_set.tolist()) == (spoken_of, spoken_of)
    assert staged.currency.tolist() == [b"TWD", b"---", b"EUR"]
    assert staged.as_of_us.tolist() == [0, 86_400_000_001, 0]


def test_of_no_rows_there_are_no_numbers() -> None:
    staged = staged_columns(StockBatch(), KEYS)
    assert {len(staged.store_no), len(staged.price_minor), len(staged.price_set), len(staged.as_of_us)} == {0}
