"""Blocks of rows, read a column at a time, against the same rows one by one: nothing may differ, nor its order."""

import tempfile
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.domain.items import Item
from dispatch.ingest.formats.lines import Lines
from dispatch.ingest.problems import FileProblem, RowProblem
from dispatch.ingest.stock import StockOptions, read_stock
from dispatch.ingest.tables import RawRow, RowBlock, RowIgnored, Table
from tests.ingest.tables import NOW, STORES, ListTable, opened

ITEMS = {
    item.partner_code: item
    for item in (
        Item(partner_code="1001", sku="4710018000109"),
        Item(partner_code="1001C", sku="4710018000109", units_per_case=12),
        Item(partner_code="0007", sku="0000471000002"),
    )
}
KNOWN = frozenset({"known"})
GOOD = {
    "store_id": ["A1", "NY", "007"],
    "sku": ["1001", "known", "0000471000002"],
    "on_hand": ["0", "5", "17"],
    "barcode": ["", "4710018000109", "new"],
    "price": ["", "35", "1.5", "null"],
    "currency": ["", "TWD", "USD"],
    "safety_stock": ["", "2", "null"],
    "as_of": ["", "2026-11-21T10:00:00Z", "2026-11-21 09:30"],
    "note": ["", "a", "x y"],
}
ODD = {
    "store_id": ["", "7", "42", "B1", "ghost", "合计", "S1", "Total", " total", "\u00a0Total", "store_id", " store_id"],
    "sku": ["", "1001C", "7", "none", "4.7E+12", "小计", "subtotal:", "sku", '"a\nb"', "\u3000合计"],
    "on_hand": ["", "-1", "2.5", "x", "1,5", '"1,234"', "on_hand"],
    "barcode": ["null", " ", "471000002", "4.71E+12", "total"],
    "price": ["x", "-1", "35.005", "price"],
    "currency": ["ABC", "null"],
    "safety_stock": ["x", "1.5"],
    "as_of": ["now", "2026-11-01T01:30", "2026-03-08T02:30", "2036-01-01T00:00:00Z"],
    "note": ["合计", '"', "\0", "\x0b", "\u2028", "\ufeff"],
}
LINES = ["", " ", ",,,", ",,", "\ufeff", "合计,,5", "store_id,sku,on_hand", '"open', "A1", "a,b,c,d,e,f,g,h,i,j,k"]


@dataclass(frozen=True)
class OneByOne:
    """The rows of a table that offers no blocks."""

    table: Table

    def __getattr__(self, name: str) -> Any:
        if name == "blocks":
            raise AttributeError(name)
        return getattr(self.table, name)

    def __iter__(self) -> Iterator[RawRow | RowProblem | RowIgnored]:
        return iter(self.table)


@st.composite
def files(draw: st.DrawFn) -> str:
    """A file of stock, most of its values good, or most of them odd."""
    more = draw(
        st.lists(st.sampled_from([name for name in GOOD if name not in ("store_id", "sku", "on_hand")]), unique=True)
    )
    columns = draw(st.permutations(["store_id", "sku", "on_hand", *more]))
    random = Random(draw(st.integers(0, 1 << 32)))
    odd = draw(st.sampled_from([0.01, 0.03, 0.0, 0.3]))
    kept = {name: random.sample(GOOD[name], random.randint(1, len(GOOD[name]))) for name in columns}
    lines = [",".join(columns)]
    for _ in range(draw(st.sampled_from([100, 30, 300, 3, 0]))):
        cells = [random.choice(ODD[name] if random.random() < odd else kept[name]) for name in columns]
        if random.random() < odd:
            cells = [*cells[: random.randint(1, len(cells))], *random.choice([[], [], ["", ""]])]
        lines.append(random.choice(LINES) if random.random() < odd else ",".join(cells))
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines) + draw(st.sampled_from(["", "\n"]))


@settings(max_examples=150, deadline=None)
@given(
    text=files(),
    piece_chars=st.sampled_from([1 << 14, 700, 40, 1]),
    block_rows=st.sampled_from([8, 250]),
    batch_rows=st.sampled_from([7, 40, 5000]),
    as_of=st.sampled_from([NOW, NOW, datetime(2026, 11, 1, 1, 30), None]),
    currency=st.sampled_from(["TWD", "TWD", None]),
    partner=st.sampled_from([None, "default"]),
    timezone=st.sampled_from([None, "Asia/Tokyo"]),
    whole=st.booleans(),
    items=st.sampled_from([{}, ITEMS]),
)
def test_blocks_tell_what_rows_one_by_one_tell(
    text: str, piece_chars: int, block_rows: int, batch_rows: int, items: dict[str, Item], **said: Any
) -> None:
    options = StockOptions(now=NOW, **said)

    def batches(table: Table) -> list[Any]:
        try:
            read = read_stock(
                table, options=options, stores=STORES, items=items, known_skus=KNOWN, batch_rows=batch_rows
            )
            # A dict equals one of another order.
            return [(*astuple(batch), list(batch.named)) for batch in read]
        except FileProblem as problem:
            return [problem.code]

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        table = opened(Path(folder), text)
        patch.setattr("dispatch.ingest.formats.lines._PIECE_CHARS", piece_chars)
        patch.setattr("dispatch.ingest.stock.BLOCK_ROWS", block_rows)
        fast = list(table), batches(table), batches(OneByOne(table))
        patch.setattr(Lines, "block", lambda *_, **__: None)
        patch.setattr("dispatch.ingest.stock.BLOCK_ROWS", 1)
        slow = list(table), batches(table)
    assert fast[0] == slow[0]
    assert fast[1] == slow[1]
    assert fast[2] == slow[1]


def test_rows_are_in_blocks_but_those_that_are_odd(tmp_path: Path) -> None:
    rows = [f"A1,s{i},{i}" for i in range(2, 4000)]
    rows[100], rows[200], rows[300] = "合计,,5", "A1", 'A1,"s,1",5'
    table = opened(tmp_path, "\n".join(["store_id,sku,on_hand", *rows]) + "\n")
    in_blocks = [row_no for block in table.blocks() if isinstance(block, RowBlock) for row_no in block.row_nos]
    assert {102, 202, 302}.isdisjoint(in_blocks)
    # What was read together with a short row is read line by line.
    assert len(in_blocks) > 2000
    assert in_blocks == sorted(in_blocks)
    assert [row.row_no for row in table] == list(range(2, 4000))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_row_of_a_block_has_the_number_of_its_line(tmp_path: Path, end: str) -> None:
    table = opened(tmp_path, end.join(["title", "store_id,sku,on_hand", *(f"A1,{no},1" for no in range(3, 3000))]))
    assert [(row.row_no, row.cells[1]) for row in table if isinstance(row, RawRow)] == [
        (no, str(no)) for no in range(3, 3000)
    ]


def test_of_a_table_that_breaks_off_full_batches_are_given() -> None:
    @dataclass(frozen=True)
    class Broken(ListTable):
        def __iter__(self) -> Iterator[RawRow | RowProblem | RowIgnored]:
            yield from super().__iter__()
            raise FileProblem("file_damaged", "it breaks off")

    table = Broken(("store_id", "sku", "on_hand"), [["A1", f"s{i}", "1"] for i in range(25)])
    batches = read_stock(table, options=StockOptions(now=NOW, as_of=NOW), stores=STORES, batch_rows=10)
    assert [len(next(batches)) for _ in range(2)] == [10, 10]
    with pytest.raises(FileProblem):
        next(batches)


def test_a_sum_in_a_block_may_stand_below_a_column_that_is_no_id(tmp_path: Path) -> None:
    rows = [*["A,b,A1,s,1"] * 20, ",合计,,,5", *["A,b,A1,s,1"] * 20]
    table = opened(tmp_path, "\n".join(["x,note,store_id,sku,on_hand", *rows]) + "\n")
    assert [(row.row_no, row.reason) for row in table if isinstance(row, RowIgnored)] == [(22, "total_row")]
    assert len(list(table.blocks())) == 3
