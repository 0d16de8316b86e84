"""The bad rows come back whole, and mended they can be sent again."""

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.ingest.errors_csv import ENCODING, write_errors
from dispatch.ingest.problems import RowProblem
from dispatch.ingest.report_columns import guarded, unguarded
from dispatch.ingest.tables import Table
from tests.ingest.tables import StoresRead, cells_of, open_any, open_table, opened, stock_batch, written


def _errors_file(folder: Path, table: Table, problems: list[RowProblem]) -> Path:
    out = io.StringIO(newline="")
    write_errors(out, columns=table.columns, delimiter=table.delimiter, problems=problems)
    return written(folder / "errors.csv", out.getvalue(), encoding=ENCODING)


def test_a_bad_row_is_one_line_with_all_that_is_wrong(tmp_path: Path) -> None:
    table = opened(tmp_path, 'id;name;lat;lon\nA1;"one; ""two""";x;\nA2;good;25;121,5\nA3;b;91;1\n')
    path = _errors_file(tmp_path, table, StoresRead(table).problems)
    rows = list(csv.reader(path.read_text(encoding=ENCODING).splitlines(), delimiter=";"))
    assert rows[0] == ["id", "name", "lat", "lon", "row", "column", "code", "message"]
    assert [row[:7] for row in rows[1:]] == [
        ["A1", 'one; "two"', "x", "", "2", "lon; lat", "lon_missing; number_invalid"],
        ["A3", "b", "91", "1", "4", "lat", "coordinates_swapped"],
    ]


def test_mended_by_hand_the_file_is_good(tmp_path: Path) -> None:
    table = opened(tmp_path, 'store_id,sku,on_hand\nA1,"s,1\n007,0047,many\nA1,t,1,9\nA1\n')
    batch = stock_batch(table)
    assert batch.bad_rows == 4
    path = _errors_file(tmp_path, table, batch.problems)
    text = path.read_text(encoding=ENCODING)
    for wrong, right in (('"""s",1', "s,1"), ("many", "3"), ("t,1,9", "t,1"), ("A1,,,5", "A1,u,4,5")):
        assert wrong in text
        text = text.replace(wrong, right)
    again = stock_batch(open_table(written(path, text, encoding=ENCODING)))
    assert again.problems == []
    assert list(zip(again.store_ids, again.skus, again.on_hands, strict=True)) == [
        ("A1", "s", 1),
        ("007", "0047", 3),
        ("A1", "t", 1),
        ("A1", "u", 4),
    ]


def test_sent_again_unmended_the_same_rows_come_back_with_no_columns_added(tmp_path: Path) -> None:
    table = opened(tmp_path, "store_id,sku,on_hand\nA1,s,many\nA1,t,1,9\nA1,u,1,8,7\n")
    first = stock_batch(table).problems
    again = stock_batch(open_table(_errors_file(tmp_path, table, first))).problems
    assert [(one.code, one.column, one.raw) for one in again] == [(one.code, one.column, one.raw) for one in first]


@pytest.mark.parametrize(
    "feed",
    [
        '{"stock": [{"store": {"id": "A1"}, "store_id": "A1", "sku": "s", "on_hand": "many"}, {"store_id": "A1"}]}',
        '{"store_id": "A1", "sku": "s", "on_hand": "many"}\n{"store_id": "A1", "note": "a;b"}\n',
        "<a><b><store_id>A1</store_id><sku>s</sku><on_hand>many</on_hand></b>\n<b><store_id>A1</store_id></b></a>",
    ],
)
def test_bad_records_of_a_feed_come_back_as_a_table_of_the_same_columns(tmp_path: Path, feed: str) -> None:
    table = open_any(written(tmp_path / "feed", feed))
    first = stock_batch(table).problems
    again = open_table(_errors_file(tmp_path, table, first))
    assert again.columns == table.columns
    assert [(one.code, one.column, one.raw) for one in stock_batch(again).problems] == [
        (one.code, one.column, one.raw) for one in first
    ]
    assert len(first) > 1


CELL = st.text(st.sampled_from("aé店7 ,;|\t\"'=+@-＝.0"), max_size=6)
# Not of the first column, and without a delimiter in them: else they are taken for rows that a stray quote swallowed.
OVER_LINES = st.text(st.sampled_from("aé\n\"'=-"), max_size=6)
ROWS = st.lists(st.tuples(CELL, CELL | OVER_LINES, CELL | OVER_LINES).map(list), min_size=1, max_size=6)


@settings(max_examples=200, deadline=None)
@given(rows=ROWS, names=st.lists(CELL, min_size=2, max_size=2), delimiter=st.sampled_from(",;\t|"))
def test_values_survive_the_round_trip(rows: list[list[str]], names: list[str], delimiter: str) -> None:
    columns = ("store_id", *(" ".join(name.split()) or "empty" for name in names))
    problems = [
        RowProblem(i, "sku", "sku_invalid", 'a "message"; with, all|of\tit', tuple(row)) for i, row in enumerate(rows)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "errors.csv"
        with path.open("w", encoding=ENCODING, newline="") as out:
            assert write_errors(out, columns=columns, delimiter=delimiter, problems=problems) == len(rows)
        again = open_table(path)
        assert again.columns == columns
        assert again.delimiter == delimiter
        assert [cells for _, cells in cells_of(again)] == rows


FORMULAS = ("=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\n=1", "＝1", "=", "-", "-5e3", "'=1")


@pytest.mark.parametrize("value", FORMULAS)
def test_what_a_spreadsheet_would_run_is_guarded_and_read_back(tmp_path: Path, value: str) -> None:
    problem = RowProblem(2, value, "sku_invalid", value, ("A1", value))
    out = io.StringIO(newline="")
    write_errors(out, columns=("store_id", value.strip()), delimiter=",", problems=[problem])
    header, row = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert row[1] == f"'{value}"
    for cell in (*header, *row):
        assert cell[:1] not in tuple("=+-@\t\r\n＝"), "none begins as a formula does"
    again = open_table(written(tmp_path / "errors.csv", out.getvalue(), encoding=ENCODING))
    assert again.columns == ("store_id", value.strip())
    assert cells_of(again)[0][1] == ["A1", value]


@pytest.mark.parametrize("value", ["-5", "+3.2", "-5,50", "007", "a=b", "'s Gravenhage", "it's"])
def test_a_plain_number_and_other_text_stand_as_they_are(tmp_path: Path, value: str) -> None:
    assert unguarded(guarded(value)) == value
    assert guarded(value) == (f"'{value}" if value.startswith("'") else value)
    typed_in = written(tmp_path / "e.csv", f'store_id,sku,row,column,code,message\nA1,"{value}",1,,,\n')
    assert cells_of(open_table(typed_in))[0][1] == ["A1", value]


def test_a_file_that_is_none_of_bad_rows_keeps_its_apostrophes(tmp_path: Path) -> None:
    assert cells_of(opened(tmp_path, "store_id,sku\nA1,'=1\n")) == [(2, ["A1", "'=1"])]


def test_a_row_that_is_too_long_is_guarded_and_given_back_whole(tmp_path: Path) -> None:
    table = opened(tmp_path, "store_id,sku,on_hand\nA1,=t,1,=9,'\n")
    first = stock_batch(table).problems
    again = stock_batch(open_table(_errors_file(tmp_path, table, first))).problems
    assert [one.raw for one in again] == [("A1", "=t", "1", "=9", "'")]


def test_the_file_tells_of_itself_that_it_is_one(tmp_path: Path) -> None:
    first = opened(tmp_path, "store_id,lat,lon\nA1,x,121.5\n")
    again = open_table(_errors_file(tmp_path, first, StoresRead(first).problems))
    assert "bad_rows_of_an_import" not in first.about
    assert again.about["bad_rows_of_an_import"] is True
