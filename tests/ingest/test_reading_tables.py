"""Bytes to rows: delimiters, line numbers, quotes, and files that are no tables. The csv module is the oracle."""

import csv
import gzip
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.ingest.formats.delimited import DELIMITERS
from dispatch.ingest.formats.headers import MAX_COLUMNS
from dispatch.ingest.formats.lines import MAX_CELL_CHARS, MAX_LINE_CHARS
from dispatch.ingest.problems import CODES, FileProblem, RowProblem
from dispatch.ingest.tables import RawRow, RowIgnored
from tests.ingest.tables import (
    StoresRead,
    cells_of,
    ignored_of,
    open_any,
    open_table,
    opened,
    problems_of,
    stock_batch,
    written,
)

HEADER = "store_id,name,lat,lon"


def _refused(path: Path, encoding: str | None = None) -> FileProblem:
    with pytest.raises(FileProblem) as caught:
        open_table(path, encoding=encoding)
    return caught.value


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_the_header_tells_the_delimiter_even_when_names_hold_others(tmp_path: Path, delimiter: str) -> None:
    header = delimiter.join(("store_id", '"name, of; the|shop"', "lat", "lon"))
    table = opened(tmp_path, f"{header}\n{delimiter.join(('1', 'a', '2', '3'))}\n")
    assert table.delimiter == delimiter
    assert table.columns == ("store_id", "name, of; the|shop", "lat", "lon")
    assert cells_of(table) == [(2, ["1", "a", "2", "3"])]


def test_known_names_outweigh_more_columns(tmp_path: Path) -> None:
    table = opened(tmp_path, "store_id;name, sign, and, banner, above;lat;lon\n1;a;2;3\n")
    assert (table.delimiter, len(table.columns)) == (";", 4)


def test_a_line_sep_before_the_header_decides(tmp_path: Path) -> None:
    table = opened(tmp_path, "sep=;\nstore_id;lat,lat,lat;lon\n1;2;3\n")
    assert (table.delimiter, table.columns) == (";", ("store_id", "lat,lat,lat", "lon"))
    assert cells_of(table) == [(3, ["1", "2", "3"])]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_rows_have_the_line_number_that_an_editor_shows(tmp_path: Path, end: str) -> None:
    lines = ["", HEADER, "", "1,a,2,3", " ", ",,,", '2,"two', 'lines",2,3', '"","","",""', "3,c,2,3"]
    table = opened(tmp_path, end.join(lines))
    assert cells_of(table) == [
        (4, ["1", "a", "2", "3"]),
        (7, ["2", "two\nlines", "2", "3"]),
        (10, ["3", "c", "2", "3"]),
    ]


def test_a_header_over_two_lines_is_one_header(tmp_path: Path) -> None:
    table = opened(tmp_path, '"store\nid",lat,lon\n1,2,3\n')
    assert table.columns == ("store id", "lat", "lon")
    assert cells_of(table) == [(3, ["1", "2", "3"])]


def test_a_value_may_run_over_lines_with_any_delimiters_in_it(tmp_path: Path) -> None:
    address = "Unit\n5, A, B"
    table = opened(tmp_path, f'{HEADER}\n1,"{address}",2,3\n2,"x\n,\ny,",2,3\n')
    assert cells_of(table) == [(2, ["1", address, "2", "3"]), (4, ["2", "x\n,\ny,", "2", "3"])]
    assert problems_of(table) == []


@pytest.mark.parametrize(
    ("rows", "good", "bad"),
    [
        ('1,"open,2,3\n2,b,2,3\n3,c,2,3\n', [3, 4], [(2, "quote_unclosed")]),
        ('1,"open,2,3\n2,"b",2,3\n3,c,2,3\n', [3, 4], [(2, "quote_unclosed")]),
        ('1,2,3,"open\n2,b,2,3"\n3,c,2,3\n', [4], [(2, "quote_doubtful")]),
        ('1,"open\n2,shut"\n3,c,2,3\n', [3, 4], [(2, "quote_unclosed")]),
        ('1,a,2,3\n2,"b,2,3', [2], [(3, "quote_unclosed")]),
        ('1,"a"b,2,3\n2,b,2,3\n', [3], [(2, "quote_misplaced")]),
        ('1,a 5" pipe,2,3\n2,"say ""b""",2,3\n', [2, 3], []),
        ("1,a,2,3,4\n2,b,2,3,\n", [3], [(2, "row_too_long")]),
        ("1,a\0,2,3\n2,b,2,3\n", [3], [(2, "nul_in_row")]),
    ],
)
def test_a_stray_quote_or_a_long_row_is_one_bad_row_and_no_row_after_it_is_lost(
    tmp_path: Path, rows: str, good: list[int], bad: list[tuple[int, str]]
) -> None:
    table = opened(tmp_path, f"{HEADER}\n{rows}")
    assert [row_no for row_no, _ in cells_of(table)] == good
    assert problems_of(table) == bad


def test_an_unclosed_quote_costs_one_row_among_thousands(tmp_path: Path) -> None:
    rows = [f"{i},name {i},2,3" for i in range(2, 3000)]
    rows[100] = '102,"name,2,3'
    table = opened(tmp_path, "\n".join([HEADER, *rows]))
    assert problems_of(table) == [(102, "quote_unclosed")]
    assert len(cells_of(table)) == len(rows) - 1
    (bad,) = [row for row in table if isinstance(row, RowProblem)]
    assert bad.raw == ("102", '"name', "2", "3")


def test_lines_and_values_have_limits(tmp_path: Path) -> None:
    long_cell = "x" * (MAX_CELL_CHARS + 1)
    names = [long_cell, f'"{long_cell}"', "y" * MAX_LINE_CHARS, f'"{"z" * 200_000}"', "e"]
    table = opened(tmp_path, "\n".join([HEADER, *(f"{i},{name},2,3" for i, name in enumerate(names))]))
    assert problems_of(table) == [
        (2, "cell_too_long"),
        (3, "cell_too_long"),
        (4, "line_too_long"),
        (5, "cell_too_long"),
    ]
    assert [row_no for row_no, _ in cells_of(table)] == [6]


def test_the_report_columns_of_an_errors_file_are_not_read(tmp_path: Path) -> None:
    table = opened(tmp_path, f"{HEADER},row,column,code,message\n1,a,2,3,7,lat,lat_missing,no lat\n2,b,2,3\n")
    assert table.columns == ("store_id", "name", "lat", "lon")
    assert cells_of(table) == [(2, ["1", "a", "2", "3"]), (3, ["2", "b", "2", "3"])]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "XLS"),
        (b"%PDF-1.7", "PDF"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"<?xml version='1.0'?>\n<!-- page --><HTML lang='en'>", "HTML"),
        (b"\xef\xbb\xbf<table><tr><td>store_id</td></tr></table>", "HTML"),
        (b'<?xml version="1.0"?><osm version="0.6"/>', "PBF"),
        (b"\x00\x00\x00\x0d\x0a\x09OSMData", "binary"),
        ("store_id,lat,lon\n1,2,3".encode("utf-16-le"), "UTF-16"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_what_is_no_table_is_refused_by_what_it_looks_like(
    tmp_path: Path, content: bytes, word: str, packed: bool
) -> None:
    problem = _refused(written(tmp_path / "a.csv", gzip.compress(content) if packed else content))
    assert problem.code == "not_a_table"
    assert word in problem.message


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "file_empty"),
        (b"\n \n", "file_empty"),
        (b"\xef\xbb\xbf", "file_empty"),
        (b"\xff\xfe", "file_empty"),
        (b",,,\n1,2,3\n", "header_missing"),
        (b"1,Shop,25.03,121.5\n2,Other,25.1,121.6\n", "header_missing"),
        (b'"store_id,lat\n', "not_a_table"),
        (",".join(f"c{i}" for i in range(MAX_COLUMNS + 1)).encode(), "too_many_columns"),
        (gzip.compress(HEADER.encode() * 1000)[:-9], "file_damaged"),
        (gzip.compress(HEADER.encode())[:-3] + b"abc", "file_damaged"),
        (b"PK\x03\x04rest", "file_damaged"),
        (b"\x00\x00\x00\x0d\x0a\x09OSMHeader", "file_damaged"),
        (b'  {"stores": []}', "file_empty"),
        (b"<rss/>", "records_missing"),
        (b"x" * (4 * MAX_LINE_CHARS), "not_a_table"),
    ],
)
def test_a_file_without_a_header_or_without_its_end_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    assert _refused(written(tmp_path / "a.csv", content)).code == code


@pytest.mark.parametrize(
    "content",
    [
        f"{HEADER}\n".encode() + b"A1,a,25,121\n" * 2000,
        b"[" + b'{"a":1},' * 3000 + b"{}]",
        b'{"a":1}\n' * 3000,
        b"<a>" + b"<b><c>1</c></b>" * 2000 + b"</a>",
        b"PK\x03\x04" + bytes(20_000),
        b"\x00\x00\x00\x0d\x0a\x09OSMHeader" + bytes(20_000),
        bytes(20_000),
    ],
)
def test_what_is_small_only_while_packed_is_refused_whatever_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr("dispatch.ingest.formats.sources.MAX_TABLE_BYTES", 16_000)
    packed = gzip.compress(content)
    assert len(packed) < 1000
    for sent in (packed, packed + packed, content):
        with pytest.raises(FileProblem) as caught:
            open_any(written(tmp_path / "a", sent))
        assert caught.value.code == "file_too_large"


def test_every_format_that_is_cut_short_while_packed_is_damaged(tmp_path: Path) -> None:
    for content in (f"{HEADER}\n1,a,2,3\n".encode(), b'[{"a": 1}]', b'{"a": 1}\n' * 9, b"<a><b><c>1</c></b></a>"):
        open_any(written(tmp_path / "a", gzip.compress(content)))
        assert _refused(written(tmp_path / "a", gzip.compress(content)[:-6])).code == "file_damaged"


CELL = st.text(st.sampled_from("aé店7 ,;|\t\"'.-"), max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.lists(CELL, min_size=4, max_size=4), max_size=8),
    delimiter=st.sampled_from(DELIMITERS),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_rows_are_what_the_csv_module_reads(rows: list[list[str]], delimiter: str, quoting: int) -> None:
    out = io.StringIO()
    # mypy knows the constants of quoting only as literals.
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(HEADER.split(","))
    writer.writerows(rows)
    text = out.getvalue()
    blanks = " \t;|,"
    expected = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if "".join(row).strip(blanks)][1:]
    with tempfile.TemporaryDirectory() as folder:
        table = opened(Path(folder), text)
        read = [row for row in table if any(cell.strip(blanks) for cell in _cells(row))]
    assert [_cells(row) for row in read] == expected


def _cells(row: RawRow | RowProblem | RowIgnored) -> list[str]:
    assert isinstance(row, RawRow), row
    return row.cells


PIECES = st.sampled_from(
    [
        *(HEADER.encode(), b"store_id,sku,on_hand,price,as_of\n", b"lat,lon,store_id\n"),
        *(
            b"{",
            b"}",
            b"[",
            b"]",
            b'"a":',
            b'{"a":1}',
            b"<a>",
            b"</a>",
            b"<a b='1'/>",
            b"<!DOCTYPE a>",
            b"\x1e",
            b"PK\x03\x04",
        ),
        *("合计".encode(), "合计:".encode("gb18030"), b"Total,", b"1e5", b"null", b"&amp;", b"&x;"),
        *(b"\n", b"\r", b",", b'"', b";", b"\t", b"\0", b"A1", b"25.03", b"121.5", b"2026-11-21T10:00"),
        *("门店编码,纬度,经度".encode("gb18030"), "店號".encode("big5"), b"\xff\xfe", b"\xef\xbb\xbf"),
        *(b"nan", b"-1", b"1e999", b"4.71E+12", b"\x1f\x8b", b"POLYGON((0 0,1 0,1 1,0 0))", b"24/7"),
    ]
)


def _codes_of_refusal(path: Path) -> set[str]:
    """The codes of the rows and of the file, whatever kind of file it is taken for."""
    codes = set()
    try:
        table = open_any(path)
        codes = {row.code for row in table if isinstance(row, RowProblem)}
    except FileProblem as problem:
        return {problem.code}
    codes |= {row.reason for row in table if isinstance(row, RowIgnored)}
    for kind in ("stores", "stock"):
        try:
            if kind == "stores":
                codes |= {one.code for one in StoresRead(table).problems}
            else:
                codes |= {one.code for one in stock_batch(table).problems}
        except FileProblem as problem:
            codes.add(problem.code)
    return codes


@settings(max_examples=300, deadline=None)
@given(
    content=st.one_of(
        st.binary(max_size=200), st.lists(st.one_of(PIECES, st.binary(max_size=3)), max_size=25).map(b"".join)
    )
)
def test_no_bytes_raise_anything_but_a_file_problem(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for packed in (content, gzip.compress(content)):
            assert _codes_of_refusal(written(Path(folder) / "any.csv", packed)) <= CODES.keys()


# ── headers below titles, sums, headers again ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("above", "row_no"),
    [
        ("", 1),
        ("门店库存表\n导出时间: 2026-11-21\n\n", 4),
        ("库存\n", 2),
        ("report of stock; shops, all\n", 2),
        ('"a stray quote\n', 2),
        ("store: all,\nsku: all,\n", 3),
        ("x\n" * 20, 21),
    ],
)
def test_the_header_is_found_below_titles(tmp_path: Path, above: str, row_no: int) -> None:
    table = opened(tmp_path, f"{above}store_id,sku,on_hand\nA1,s,1\n")
    assert (table.columns, table.about["header_row"]) == (("store_id", "sku", "on_hand"), row_no)
    assert cells_of(table) == [(row_no + 1, ["A1", "s", "1"])]


def test_the_header_is_not_looked_for_farther_down_than_twenty_titles(tmp_path: Path) -> None:
    table = opened(tmp_path, "x\n" * 21 + "store_id,sku,on_hand\nA1,s,1\n")
    assert (table.columns, table.about["header_row"]) == (("x",), 1)


def test_the_first_row_stays_the_header_unless_a_later_one_has_more_known_names(tmp_path: Path) -> None:
    assert opened(tmp_path, "foo,bar,baz\nA1,zone,7\n").columns == ("foo", "bar", "baz")
    assert opened(tmp_path, "store,foo,bar\nA1,zone,7\n").columns == ("store", "foo", "bar")
    assert opened(tmp_path, "sku,foo,bar\nname,brand,7\n").columns == ("name", "brand", "7")
    assert opened(tmp_path, "sku,name,bar\nname,brand,7\n").columns == ("sku", "name", "bar")


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_the_delimiter_is_that_of_the_header_below_titles(tmp_path: Path, delimiter: str) -> None:
    header = delimiter.join(("store_id", "sku", "on_hand"))
    table = opened(tmp_path, f"stock, of; all|shops\tnow\n{header}\n{delimiter.join('abc')}\n")
    assert (table.delimiter, table.about["header_row"]) == (delimiter, 2)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("合计,,100", "total_row"),
        ("總計：,,100", "total_row"),
        (" Grand  TOTAL: ,,100", "total_row"),
        (",Subtotal,100", "total_row"),
        ("A1,小计,100", "total_row"),
        ("store_id,sku,on_hand", "header_again"),
        ('"store_id", sku,on_hand,', "header_again"),
        ("Total,4710018000109,3", None),
        ("合计店,s,1", None),
        ("A1,s,合计", None),
        ("total", "total_row"),
    ],
)
def test_sums_and_headers_again_are_ignored_and_rows_that_only_look_like_them_are_not(
    tmp_path: Path, row: str, reason: str | None
) -> None:
    table = opened(tmp_path, f"store_id,sku,on_hand\nA1,s,1\n{row}\nA1,t,2\n")
    assert ignored_of(table) == ([(3, reason)] if reason else [])
    assert [row_no for row_no, _ in cells_of(table)] == ([2, 4] if reason else [2, 3, 4])


def test_a_sum_spares_no_shelf_of_a_snapshot(tmp_path: Path) -> None:
    batch = stock_batch(opened(tmp_path, "store_id,sku,on_hand\nA1,s,1\n合计,,1\nA1,小计,1\n"))
    assert (len(batch), batch.ignored, batch.spared) == (1, {"total_row": 2}, [])


def test_where_no_column_is_an_id_a_sum_has_nothing_but_numbers(tmp_path: Path) -> None:
    table = opened(tmp_path, "what,brand,on_hand\ntotal,,5\ntotal,Esso,5\n")
    assert (ignored_of(table), [row_no for row_no, _ in cells_of(table)]) == ([(2, "total_row")], [3])
