"""The bad rows as a workbook: every cell is text, and nothing of it is lost without a word."""

import io
import re
import tempfile
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from dispatch.ingest.errors_xlsx import MAX_CELL_UNITS, MAX_COLUMNS, ErrorsWorkbook
from dispatch.ingest.problems import RowProblem
from dispatch.ingest.report_columns import REPORT_COLUMNS, own_names, unguarded
from tests.ingest.tables import open_any

AT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


def _made(columns: tuple[str, ...], problems: Iterable[RowProblem], **options: Any) -> bytes:
    out = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        book = ErrorsWorkbook(out, columns=columns, at=AT, tmp_dir=Path(folder), **options)
        book.add(problems)
        book.close()
        assert list(Path(folder).iterdir()) == []
    return out.getvalue()


def _rows(book: bytes) -> list[list[Any]]:
    [sheet] = CalamineWorkbook.from_filelike(io.BytesIO(book)).sheet_names
    return CalamineWorkbook.from_filelike(io.BytesIO(book)).get_sheet_by_name(sheet).to_python(skip_empty_area=False)


def _bad(row_no: int, *cells: str) -> RowProblem:
    return RowProblem(row_no, "sku", "sku_invalid", "no sku", cells)


def test_every_cell_is_text_under_a_frozen_bold_header() -> None:
    book = _made(("id", "sku"), [_bad(2, "007", "=1+1"), _bad(2, "007", "=1+1"), _bad(9, "http://x.test", "-5")])
    assert _rows(book) == [
        ["id", "sku", *REPORT_COLUMNS],
        ["007", "'=1+1", "2", "sku; sku", "sku_invalid; sku_invalid", "no sku; no sku"],
        ["http://x.test", "-5", "9", "sku", "sku_invalid", "no sku"],
    ]
    with zipfile.ZipFile(io.BytesIO(book)) as parts:
        sheet = parts.read("xl/worksheets/sheet1.xml").decode()
        styles = parts.read("xl/styles.xml").decode()
        told = parts.read("docProps/core.xml").decode()
    assert set(re.findall(r'<c [^>]*t="(\w+)"', sheet)) == {"inlineStr"}
    assert "<f>" not in sheet
    assert "hyperlink" not in sheet
    assert 'state="frozen"' in sheet
    assert len(re.findall(r'<xf numFmtId="49"', styles)) == 2, "text, and bold text"
    assert re.search(r'<col min="1" max="6" [^>]*style="\d"', sheet), "what is typed into an empty cell is text as well"
    assert "2026-11-20T02:00:00Z" in told


CELL = st.text(st.sampled_from("aé店7 ,\t\"'=+@-0<>&/r\N{GRINNING FACE}_x"), max_size=8)


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=6))
def test_values_survive_the_round_trip(rows: list[list[str]]) -> None:
    columns = ("store_id", "=sku", "on_hand")
    header, *found = _rows(_made(columns, [_bad(i, *row) for i, row in enumerate(rows)]))
    assert own_names(tuple(map(str, header))) == (columns, True)
    assert [[unguarded(str(cell)) for cell in row[:3]] for row in found] == rows


def test_what_looks_like_markup_is_text() -> None:
    value = "<r><t>a</t></r>&<c t='n'><v>1</v></c></r>"
    assert _rows(_made(("id",), [_bad(1, value)]))[1][0] == value


def test_more_rows_than_lines_are_told_of_in_the_last_which_is_no_row() -> None:
    def rows(n: int) -> list[list[Any]]:
        return _rows(_made(("id",), [_bad(i, f"s{i}") for i in range(n)], max_lines=4))

    assert [row[0] for row in rows(3)] == ["id", "s0", "s1", "s2"]
    told = rows(1_234)
    assert [row[0] for row in told] == ["id", "s0", "s1", ""]
    assert told[-1][:4] == [""] * 4
    assert told[-1][4] == "a sheet holds no more rows: 1,232 bad rows more are in errors.csv, which has all of them"


def test_a_value_or_row_that_is_too_long_is_cut_and_says_so() -> None:
    whole, long = "x" * MAX_CELL_UNITS, "\N{GRINNING FACE}" * 20_000
    rows = _rows(_made(("id", "zone"), [_bad(1, "a", whole), _bad(2, "b", long), _bad(3, *["v"] * (MAX_COLUMNS + 6))]))
    assert rows[1][1] == whole
    assert rows[1][5] == "no sku"
    cut = str(rows[2][1])
    assert cut.endswith("…")
    assert long.startswith(cut[:-1])
    assert len(cut.encode("utf-16-le")) <= 2 * MAX_CELL_UNITS
    assert rows[2][5] == "no sku; zone is cut here, errors.csv has it whole"
    assert rows[3][:3] == ["v"] * 3
    assert rows[3][-4:] == ["3", "sku", "sku_invalid", "no sku; 10 values more are in errors.csv alone"]


def test_the_sheet_has_the_name_of_the_files_own_so_that_it_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "errors.xlsx"
    path.write_bytes(_made(("store_id", "sku", "on_hand"), [_bad(2, "A1", "", "1")], sheet="門市 库存"))
    table = open_any(path, sheet="門市 库存")
    assert (table.about["sheet"], table.about["bad_rows_of_an_import"]) == ("門市 库存", True)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        *((None, "Data"), ("", "Data"), ("x" * 31, "x" * 31), ("x" * 32, "Data")),
        *(("🍵" * 15, "🍵" * 15), ("🍵" * 16, "Data")),
        *(("a/b", "Data"), ("[a]", "Data"), ("a\\b", "Data"), ("'a", "Data"), ("a'", "Data"), ("a'b", "a'b")),
        *(("History", "Data"), ("a\x01", "Data"), ("<&\">", "<&\">")),
    ],
)  # fmt: skip
def test_a_name_that_no_sheet_may_have_is_data(name: str | None, given: str) -> None:
    book = _made(("sku",), [], sheet=name)
    assert CalamineWorkbook.from_filelike(io.BytesIO(book)).sheet_names == [given]
