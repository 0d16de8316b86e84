"""Rows to a partner's items: codes, cases, and codes that come twice."""

from pathlib import Path

import pytest

from dispatch.domain.items import Item
from dispatch.ingest.items import ItemOptions, ItemRow, read_items
from dispatch.ingest.problems import FileProblem, RowProblem
from dispatch.ingest.stores import RowProblems
from tests.ingest.tables import opened


def _read(folder: Path, text: str, **mapping: str) -> tuple[list[ItemRow], list[RowProblem]]:
    rows = list(read_items(opened(folder, text), options=ItemOptions(mapping=mapping)))
    bad = [problem for row in rows if isinstance(row, RowProblems) for problem in row.problems]
    return [row for row in rows if isinstance(row, ItemRow)], bad


@pytest.mark.parametrize(
    "header",
    [
        "partner_code,sku,name,units_per_case",
        "Item Code,Barcode,Item name,Units per case",
        "商品编码,条码,品名,箱规",
        "货号,商品条码,商品名称,件装数",
        "品號,國際條碼,品名,箱規",
        "商品コード,JANコード,商品名,入数",
    ],
)
def test_usual_names_of_columns_are_known(tmp_path: Path, header: str) -> None:
    good, bad = _read(tmp_path, f"{header}\n1001,0471001, 茶\u3000 大 ,１２\n")
    assert bad == []
    assert [row.item for row in good] == [Item(partner_code="1001", sku="0471001", name="茶 大", units_per_case=12)]


def test_a_code_is_of_one_piece_unless_it_is_said(tmp_path: Path) -> None:
    good, bad = _read(tmp_path, 'partner_code,sku,units_per_case\nA/1,s,\nB,s,n/a\nC,s,6.0\nD,s,"1,200"\nE,s\n')
    assert bad == []
    assert [(row.row_no, row.item.partner_code, row.item.units_per_case) for row in good] == [
        *((2, "A/1", 1), (3, "B", 1), (4, "C", 6), (5, "D", 1200), (6, "E", 1)),
    ]
    assert [[warning.code for warning in row.warnings] for row in good] == [[], [], [], [], ["row_padded"]]
    good, _ = _read(tmp_path, "code;sku\nA;s\n")
    assert good[0].item == Item(partner_code="A", sku="s")


@pytest.mark.parametrize(
    ("values", "column", "code"),
    [
        *((",s,", "Code", "partner_code_missing"), (f"{'x' * 65},s,", "Code", "partner_code_invalid")),
        *(("1.1E+05,s,", "Code", "partner_code_lost_in_excel"), ("A,,", "sku", "sku_missing")),
        *(("A,4.71E+12,", "sku", "sku_lost_in_excel"), ("A,nan,", "sku", "sku_invalid")),
        *(("A,s,0", "箱规", "number_out_of_range"), ("A,s,10001", "箱规", "number_out_of_range")),
        *(("A,s,1.5", "箱规", "number_invalid"), ("A,s,dozen", "箱规", "number_invalid")),
    ],
)
def test_what_is_wrong_with_a_row_is_told_by_the_files_own_columns(
    tmp_path: Path, values: str, column: str, code: str
) -> None:
    good, bad = _read(tmp_path, f"Code,sku,箱规\n{values}\n")
    assert good == []
    assert [(one.row_no, one.column, one.code, one.raw) for one in bad] == [(2, column, code, tuple(values.split(",")))]


def test_all_that_is_wrong_with_a_row_is_told_at_once(tmp_path: Path) -> None:
    _, bad = _read(tmp_path, 'partner_code,sku,name,units_per_case\n,,a\x07b,x\nA,"s\nB,s,,1,9\nC\n')
    assert [(one.row_no, one.code) for one in bad] == [
        *((2, "partner_code_missing"), (2, "sku_missing"), (2, "text_invalid"), (2, "number_invalid")),
        *((3, "quote_unclosed"), (4, "row_too_long"), (5, "row_too_short")),
    ]


def test_a_code_that_comes_again_must_mean_the_same(tmp_path: Path) -> None:
    text = "partner_code,sku,name,units_per_case\nA,s,tea,\n A ,s,other tea,1\nA,t,,\nA,s,,6\nA.0,s,,\nA,s,,x\nB,t,,\n"
    good, bad = _read(tmp_path, text)
    assert [(row.row_no, row.item.partner_code, row.item.name) for row in good] == [
        *((2, "A", "tea"), (3, "A", "tea"), (6, "A.0", None), (8, "B", None)),
    ]
    assert [(one.row_no, one.code) for one in bad] == [
        *((4, "duplicate_item"), (5, "duplicate_item"), (7, "number_invalid")),
    ]
    assert bad[0].message == "row 2 says that 'A' is 's', this one 't'"
    assert bad[1].message == "row 2 says that 'A' is 's', this one 6 of 's'"


def test_the_required_columns_must_be_there_by_name_or_by_hand(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match="no column for partner_code; the header has: Kode, ean"):
        _read(tmp_path, "Kode,ean\n")
    good, _ = _read(tmp_path, "Kode,ean\n7,s\n", Kode="partner_code")
    assert good[0].item == Item(partner_code="7", sku="s")


def test_more_items_than_a_file_may_have_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatch.ingest.items.MAX_ITEMS", 2)
    rows = "partner_code,sku\n1,a\n2,b\n1,a\n"
    assert len(list(read_items(opened(tmp_path, rows), options=ItemOptions()))) == 3
    with pytest.raises(FileProblem) as caught:
        list(read_items(opened(tmp_path, rows + "3,c\n"), options=ItemOptions()))
    assert caught.value.code == "file_too_large"
