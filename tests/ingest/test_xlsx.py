"""Sheets of workbooks as tables, and workbooks that were made to do harm."""

import csv
import gzip
import io
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.ingest.formats import workbook_parts, xlsx
from dispatch.ingest.problems import FileProblem
from tests.ingest.tables import (
    StoresRead,
    cells_of,
    dicts_of,
    ignored_of,
    open_any,
    problems_of,
    stock_batch,
    written,
)

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
WORKBOOK = (
    f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}">'
    '<sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>'
)
SHEET_RELATION = (
    f'<Relationships xmlns="{PACKAGE}">'
    f'<Relationship Id="r1" Type="{RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>'
)
HEADER = (
    '<row r="1"><c r="A1" t="str"><v>store_id</v></c><c r="B1" t="str"><v>sku</v></c>'
    '<c r="C1" t="str"><v>on_hand</v></c></row>'
)
A_ROW = '<row r="2"><c r="A2" t="str"><v>A1</v></c><c r="B2"><v>4710018000109</v></c><c r="C2"><v>3</v></c></row>'


def workbook(path: Path, rows: Sequence[Any], *, make: Callable[[Any, Any], None] | None = None) -> Path:
    """A workbook with these rows on its first sheet; ``make`` does the rest with the book and the sheet."""
    book = xlsxwriter.Workbook(str(path))
    sheet = book.add_worksheet("Stock")
    for index, row in enumerate(rows):
        sheet.write_row(index, 0, row)
    if make is not None:
        make(book, sheet)
    book.close()
    return path


def by_hand(
    path: Path, cells: str, *, merge: str = "", codec: str = "utf-8", extra: dict[str, str] | None = None
) -> Path:
    """A package with a sheet of exactly this text."""
    merges = f'<mergeCells><mergeCell ref="{merge}"/></mergeCells>' if merge else ""
    sheet = f'<worksheet xmlns="{MAIN}"><sheetData>{cells}</sheetData>{merges}</worksheet>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("xl/workbook.xml", WORKBOOK)
        package.writestr("xl/_rels/workbook.xml.rels", SHEET_RELATION)
        package.writestr("xl/worksheets/sheet1.xml", sheet.encode(codec))
        for name, text in (extra or {}).items():
            package.writestr(name, text)
    return path


def refused(path: Path, *, sheet: str | None = None) -> FileProblem:
    with pytest.raises(FileProblem) as caught:
        list(open_any(path, sheet=sheet))
    return caught.value


@pytest.mark.parametrize("packed", [False, True])
def test_values_become_the_text_that_a_csv_would_have(tmp_path: Path, packed: bool) -> None:
    def make(book: Any, sheet: Any) -> None:
        moment, day, clock, duration = (
            book.add_format({"num_format": form}) for form in ("yyyy-mm-dd hh:mm", "yyyy-mm-dd", "hh:mm", "[h]:mm:ss")
        )
        sheet.write_datetime(1, 4, datetime(2026, 11, 21, 22, 0), moment)
        sheet.write_datetime(1, 5, date(2026, 11, 21), day)
        sheet.write_datetime(1, 6, time(22, 10), clock)
        sheet.write_datetime(1, 7, timedelta(hours=36), duration)
        sheet.write_formula(1, 8, "=NA()", value="#N/A")
        sheet.write_formula(1, 9, "=1+1", value=2)

    names = ["store_id", "sku", "on_hand", "ok", "as_of", "day", "clock", "span", "error", "sum", "small", "huge"]
    rows = [names, ["007", 4710018000109, 1.5, True, *[""] * 6, 1e-7, 12345678901234567890]]
    path = workbook(tmp_path / "stock.xlsx", rows, make=make)
    if packed:
        path = written(tmp_path / "stock.csv", gzip.compress(path.read_bytes()))
    table = open_any(path)
    assert cells_of(table) == [
        (
            2,
            [
                *("007", "4710018000109", "1.5", "true", "2026-11-21T22:00:00", "2026-11-21", "22:10:00", "36:00:00"),
                *("#N/A", "2", "0.0000001", "1.234567890123457E+19"),
            ],
        )
    ]
    assert table.columns == tuple(names)
    assert (table.own_columns, table.decimal_comma, table.delimiter) == (12, False, ",")
    assert table.about == {"format": "xlsx", "sheet": "Stock", "header_row": 1}


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (114.99999999999999, "115"),  # 1.15 * 100, as a workbook has it
        (434.99999999999994, "435"),
        (35.00000000000001, "35"),
        (0.1 + 0.2, "0.3"),
        (121.5654321, "121.5654321"),
        (-0.5, "-0.5"),
        (999_999_999_999_999.0, "999999999999999"),
    ],
)
def test_numbers_are_read_as_a_spreadsheet_shows_them(number: float, shown: str) -> None:
    assert xlsx.text_of(number) == shown


def test_a_code_that_a_spreadsheet_has_spoilt_is_seen_and_one_that_is_whole_is_taken(tmp_path: Path) -> None:
    rows = [["store_id", "sku", "on_hand"], ["A1", 4710018000109, 3], ["A1", 47100180001091234, 3]]
    batch = stock_batch(open_any(workbook(tmp_path / "a", rows)))
    assert (batch.skus, [one.code for one in batch.problems]) == (["4710018000109"], ["sku_lost_in_excel"])


def test_rows_have_the_numbers_that_spreadsheets_show_and_blank_ones_are_none(tmp_path: Path) -> None:
    rows = [[], ["store_id", "sku", "on_hand"], [], ["A1", "s", 1], ["", " ", ""], ["A1", "t", 2, "", "x"]]
    table = open_any(workbook(tmp_path / "a", rows))
    assert cells_of(table) == [(4, ["A1", "s", "1"])]
    assert problems_of(table) == [(6, "row_too_long")]


def test_the_first_sheet_that_is_shown_is_read_unless_another_is_asked_for(tmp_path: Path) -> None:
    def make(book: Any, sheet: Any) -> None:
        for name, hidden in (("Lists", True), ("门店", False)):
            other = book.add_worksheet(name)
            other.write_row(0, 0, ["store_id", "lat", "lon"])
            other.write_row(1, 0, [name, 25, 121.5])
            if hidden:
                other.hide()
        book.worksheets()[2].activate()
        sheet.hide()

    path = workbook(tmp_path / "a", [["store_id", "sku", "on_hand"]], make=make)
    assert open_any(path).about == {
        "format": "xlsx",
        "sheet": "门店",
        "hidden_sheets": ["Stock", "Lists"],
        "header_row": 1,
    }
    asked = open_any(path, sheet=" lists")
    assert (asked.about["sheet"], asked.about["other_sheets"]) == ("Lists", ["门店"])
    assert cells_of(asked) == [(2, ["Lists", "25", "121.5"])]
    problem = refused(path, sheet="Nope")
    assert (problem.code, problem.errors[0].place) == ("sheet_unknown", "parameter sheet")
    assert "'门店'" in problem.message
    assert "Lists" not in problem.message


def test_a_merged_value_stands_in_every_row_below_it_that_says_something(tmp_path: Path) -> None:
    def make(book: Any, sheet: Any) -> None:
        sheet.merge_range("A1:A2", "store_id")
        sheet.merge_range("B1:C1", "stock of today")
        sheet.merge_range("A3:A6", "A1")

    rows = [[], ["", "sku", "on_hand"], ["", "s", 1], ["", "t", 2], [], ["", "u", 3], ["007", "s", 4], ["", "v", 5]]
    table = open_any(workbook(tmp_path / "a", rows, make=make))
    assert table.about["header_row"] == 2
    assert cells_of(table) == [
        (3, ["A1", "s", "1"]),
        (4, ["A1", "t", "2"]),
        (6, ["A1", "u", "3"]),
        (7, ["007", "s", "4"]),
        (8, ["", "v", "5"]),
    ]


def test_a_merge_that_begins_in_the_header_gives_no_row_the_name_of_a_column(tmp_path: Path) -> None:
    rows = [["", "sku", "on_hand"], ["", "s", 1]]
    path = workbook(tmp_path / "a", rows, make=lambda book, sheet: sheet.merge_range("A1:A2", "store_id"))
    assert cells_of(open_any(path)) == [(2, ["", "s", "1"])]


def test_a_value_of_its_own_below_a_merge_stands(tmp_path: Path) -> None:
    second = A_ROW.replace('2"', '3"').replace("A1<", "007<")
    path = by_hand(tmp_path / "a", HEADER + A_ROW + second, merge="A2:A3")
    assert [cells[0] for _, cells in cells_of(open_any(path))] == ["A1", "007"]


def test_titles_sums_and_headers_between_pages_are_told_from_rows(tmp_path: Path) -> None:
    header = ["门店编码", "商品编码", "库存"]
    rows = [
        ["门店库存表"],
        ["导出时间:", "2026-11-21"],
        header,
        ["A1", "s", 1],
        header,
        ["A1", "t", 2],
        ["合计", "", 3],
    ]
    table = open_any(workbook(tmp_path / "a", rows))
    assert (table.columns, table.about["header_row"]) == (tuple(header), 3)
    assert [row_no for row_no, _ in cells_of(table)] == [4, 6]
    assert ignored_of(table) == [(5, "header_again"), (7, "total_row")]


def test_the_report_of_an_errors_file_saved_as_a_workbook_is_left_out(tmp_path: Path) -> None:
    rows = [["store_id", "sku", "on_hand", "row", "column", "code", "message"], ["A1", "s", 1, 7, "sku", "x", "y"]]
    table = open_any(workbook(tmp_path / "a", rows))
    assert (table.columns, cells_of(table)) == (("store_id", "sku", "on_hand"), [(2, ["A1", "s", "1"])])


def test_cells_that_do_not_say_where_they_are_follow_each_other(tmp_path: Path) -> None:
    row = "<row><c t='str'><v>{}</v></c><c t='str'><v>{}</v></c><c t='str'><v>{}</v></c></row>"
    cells = row.format("store_id", "sku", "on_hand") + row.format("A1", "s", "3")
    assert cells_of(open_any(by_hand(tmp_path / "a", cells))) == [(2, ["A1", "s", "3"])]


def test_the_sample_of_a_business_profile_reads_as_its_csv_does(shared_file: Callable[[str], Path]) -> None:
    table = open_any(shared_file("formats/prisjakt_local_shop_gbp_min.xlsx"))
    text = shared_file("formats/prisjakt_local_shop_gbp_min.csv").read_text(encoding="utf-8-sig")
    expected = list(csv.DictReader(io.StringIO(text)))
    assert len(expected) > 3
    assert dicts_of(table) == expected


# ── made to do harm ────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_cell_in_the_farthest_corner_is_refused_not_allocated(tmp_path: Path) -> None:
    far = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    problem = refused(by_hand(tmp_path / "a", HEADER + A_ROW + far))
    assert problem.code == "file_too_large"
    assert "row 1048576 and column 16384" in problem.message


def test_formatted_cells_without_a_value_cost_nothing(tmp_path: Path) -> None:
    far = '<row r="1048576"><c r="XFD1048576" s="1"/></row>'
    assert cells_of(open_any(by_hand(tmp_path / "a", HEADER + A_ROW + far))) == [(2, ["A1", "4710018000109", "3"])]


@pytest.mark.parametrize(
    "cell",
    [
        '<c r="A1" r="XFD1048576"><v>1</v></c>',
        "<c r='A1' r='XFD1048576'><v>1</v></c>",
        "<c r='XFD1048576' r='A1'><v>1</v></c>",
        '<c r="xfd1048576"><v>1</v></c>',
        '<c r="&#88;FD1048576"><v>1</v></c>',
        """<c s='> r="A1"' r="XFD1048576"><v>1</v></c>""",
        '<x:c xmlns:x="y" r="XFD1048576"><v>1</v></x:c>',
        '<c\nr = "XFD1048576"\n><v>1</v></c>',
    ],
)
def test_a_place_that_is_written_oddly_is_no_way_past_the_count(tmp_path: Path, cell: str) -> None:
    problem = refused(by_hand(tmp_path / "a", f'{HEADER}<row r="2">{cell}</row>'))
    assert problem.code in ("workbook_invalid", "file_too_large")


@pytest.mark.parametrize(
    ("limit", "most"),
    [
        ("MAX_CELLS", 5),
        ("MAX_TAGS", 7),
        ("MAX_AREA", 5),
        ("MAX_SHEET_BYTES", 300),
        ("MAX_SMALL_PART_BYTES", 100),
        ("MAX_STRINGS_BYTES", 20),
        ("MAX_STRINGS", 2),
        ("MAX_PARTS", 3),
        ("MAX_MARKUP_BYTES", 10),
        ("MAX_MERGES", 0),
    ],
)
def test_each_limit_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int) -> None:
    strings = f'<sst xmlns="{MAIN}">{"<si><t>x</t></si>" * 3}</sst>'
    path = by_hand(tmp_path / "a", HEADER + A_ROW + '<mergeCell ref="A1:A2"/>', extra={"xl/sharedStrings.xml": strings})
    assert len(cells_of(open_any(path))) == 1
    monkeypatch.setattr(workbook_parts, limit, most)
    assert refused(path).code == "file_too_large"


def test_the_sizes_that_the_archive_tells_of_itself_are_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = by_hand(tmp_path / "a", HEADER + A_ROW + " " * 3_000_000)
    monkeypatch.setattr(workbook_parts, "MAX_SHEET_BYTES", 2_000_000)
    assert refused(path).code == "file_too_large"
    content = bytearray(path.read_bytes())
    at = content.rindex(b"xl/worksheets/sheet1.xml") - 46
    content[at + 24 : at + 28] = (100).to_bytes(4, "little")
    assert refused(written(tmp_path / "b", bytes(content))).code in ("file_damaged", "file_too_large")


@pytest.mark.parametrize(
    "part", ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "docProps/app.xml", "xl/workbook.xml"]
)
def test_entities_are_refused_in_any_part(tmp_path: Path, part: str) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;&b;">]>'
    path = tmp_path / "a"
    with zipfile.ZipFile(path, "w") as package:
        for name, text in (
            ("xl/workbook.xml", WORKBOOK),
            ("xl/_rels/workbook.xml.rels", SHEET_RELATION),
            ("xl/worksheets/sheet1.xml", f'<worksheet xmlns="{MAIN}"><sheetData>{HEADER}</sheetData></worksheet>'),
            ("xl/sharedStrings.xml", f'<sst xmlns="{MAIN}"/>'),
            ("docProps/app.xml", "<Properties/>"),
        ):
            package.writestr(name, bomb + text if name == part else text)
    problem = refused(path)
    assert (problem.code, problem.errors[0].place) == ("xml_unsafe", part)


@pytest.mark.parametrize(
    ("names", "word"),
    [
        (["stores.csv"], "stores.csv"),
        (["mimetype", "content.xml"], "OpenDocument"),
        (["[Content_Types].xml", "word/document.xml"], "Word"),
        (["xl/workbook.bin"], "XLSB"),
        (["ppt/presentation.xml"], "presentation"),
    ],
)
def test_an_archive_of_something_else_is_refused_by_what_it_holds(tmp_path: Path, names: list[str], word: str) -> None:
    with zipfile.ZipFile(tmp_path / "stores.csv", "w") as archive:
        for name in names:
            archive.writestr(name, "store_id,lat,lon\n")
    problem = refused(tmp_path / "stores.csv")
    assert problem.code == "not_a_table"
    assert word in problem.message


def test_an_archive_cut_short_or_broken_inside_is_damaged(tmp_path: Path) -> None:
    content = by_hand(tmp_path / "a", HEADER + A_ROW).read_bytes()
    for size in (10, len(content) // 2, len(content) - 5):
        assert refused(written(tmp_path / "cut", content[:size])).code == "file_damaged"
    at = content.index(b"xl/worksheets/sheet1.xml") + 60
    assert refused(written(tmp_path / "b", content[:at] + b"\xff\xff\xff" + content[at + 3 :])).code in (
        "file_damaged",
        "workbook_invalid",
    )


@pytest.mark.parametrize(
    "cells", ["<row r='1'><c r='A1'", "</sheetData>", '<row r="1"><c r="A1" t="s"><v>7</v></c></row>']
)
def test_a_sheet_that_is_no_xml_or_points_nowhere_is_refused_or_empty(tmp_path: Path, cells: str) -> None:
    assert refused(by_hand(tmp_path / "a", cells)).code in ("workbook_invalid", "file_empty")


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packing_that_has_no_bound_is_refused(tmp_path: Path, packing: int) -> None:
    with zipfile.ZipFile(tmp_path / "a", "w", packing) as package:
        package.writestr("xl/workbook.xml", WORKBOOK)
    assert refused(tmp_path / "a").code == "workbook_invalid"


@settings(max_examples=60, deadline=None)
@given(at=st.floats(0, 0.999), size=st.integers(1, 4), to=st.binary(max_size=4))
def test_no_bytes_of_a_workbook_raise_anything_but_a_file_problem(at: float, size: int, to: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        content = by_hand(Path(folder) / "a", HEADER + A_ROW + '<mergeCell ref="A1:A2"/>').read_bytes()
        start = int(at * len(content))
        path = written(Path(folder) / "b", content[:start] + to + content[start + size :])
        with suppress(FileProblem):
            assert len(list(open_any(path))) <= 1


def test_a_sheet_whose_bytes_would_hide_its_tags_is_refused(tmp_path: Path) -> None:
    problem = refused(by_hand(tmp_path / "a", HEADER + A_ROW, codec="utf-16"))
    assert (problem.code, "is not UTF-8" in problem.message) == ("workbook_invalid", True)


def test_a_part_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    content = by_hand(tmp_path / "a", HEADER + A_ROW).read_bytes()
    assert refused(written(tmp_path / "b", content.replace(b"xl/worksheets", b"xl/w\xffrksheets", 1))).code in (
        "file_damaged",
        "workbook_invalid",
    )


def test_stores_come_from_a_workbook_whole(tmp_path: Path) -> None:
    rows = [["id", "name", "lat", "lon", "active"], [110035, "一勝", 24.123258, 120.565249, True]]
    read = StoresRead(open_any(workbook(tmp_path / "a", rows)))
    assert read.problems == []
    assert [(store.store_id, store.name, store.place.lat) for store in read.stores] == [("110035", "一勝", 24.123258)]
