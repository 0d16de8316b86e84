"""Every code that the imports can answer with is listed, and each listed one is seen to come."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import dispatch.ingest
from dispatch.ingest.formats.delimited import MAX_CELL_CHARS, MAX_COLUMNS, MAX_LINE_CHARS
from dispatch.ingest.problems import CODES, FILE_CODES, ROW_CODES, WARNING_CODES, FileProblem
from dispatch.ingest.stock import StockOptions
from dispatch.ingest.stores import StoreOptions, StoreRow, read_stores
from geo.coordinates import CoordinateError, LatLon
from tests.ingest.tables import NOW, StoresRead, opened, stock_batch

# What numbers in text cannot be, since nan is refused as a number; a JSON body could.
NOT_IN_FILES = {"coordinate_nan", "coordinate_invalid"}
# Too large for a test; the limit is read in test_a_file_larger_than_the_limit_is_refused.
TOO_LARGE = {"file_too_large"}

STORE = "store_id,lat,lon"
STOCK = "store_id,sku,on_hand"
SQUARE = "POLYGON((121 25,122 25,122 26,121 26,121 25))"


def rows_near(lat: float, lon: float, count: int, names: str = ",", *, first: int = 0) -> str:
    """Rows in a lattice of some 10 km around a place, with a region and a city; the header if they are the first."""
    header = "" if first else f"{STORE},region,city\n"
    return header + "".join(
        f"{first + i},{lat + (i % 5 - 2) * 0.02 + 0.01},{lon + (i // 5 - 2) * 0.02 + 0.01},{names}\n"
        for i in range(count)
    )


STORE_FILES: dict[str, str | bytes] = {
    "column_missing": "store_id,lat\n",
    "column_twice": "shop code,store number,lat,lon\n",
    "encoding_unknown": b"store_id,lat,lon\n\xff",
    "file_damaged": b"\x1f\x8b\x08",
    "file_empty": b"",
    "header_missing": "A1,25.0,121.5\n",
    "not_a_table": "<html></html>",
    "too_many_columns": ",".join(f"c{i}" for i in range(MAX_COLUMNS + 1)),
    "cell_too_long": f"{STORE},name\nA1,25,121,{'x' * (MAX_CELL_CHARS + 1)}\n",
    "coordinate_infinite": f"{STORE}\nA1,1e999,121\n",
    "coordinate_null_island": f"{STORE}\nA1,0,0.0\n",
    "coordinate_out_of_range": f"{STORE}\nA1,25,181\n",
    "coordinates_swapped": f"{STORE}\nA1,121.5,25.0\n",
    "datum_invalid": f"{STORE},datum\nA1,25,121.5,mars\n",
    "datum_required": f"{STORE}\nA1,37.87,112.55\n",
    "delivery_zone_invalid": f"{STORE},delivery_zone\nA1,25,121.5,POINT(1 1)\n",
    "duplicate_store": f"{STORE}\nA1,25,121.5\nA1,25,121.5\n",
    "flag_invalid": f"{STORE},active\nA1,25,121.5,perhaps\n",
    "lat_missing": f"{STORE}\nA1,,121.5\n",
    "line_too_long": f"{STORE}\n{'x' * MAX_LINE_CHARS}\n",
    "lon_missing": f"{STORE}\nA1,25,\n",
    "mode_invalid": f"{STORE},mode\nA1,25,121.5,donkey\n",
    "nul_in_row": f"{STORE}\nA\0,25,121.5\n",
    "number_invalid": f"{STORE}\nA1,0x19,121.5\n",
    "number_ambiguous": 'store_id;lat;lon;prepare_s\nA1;25;121;"1,234"\n',
    "number_out_of_range": f"{STORE},prepare_s\nA1,25,121,86401\n",
    "opening_hours_invalid": f"{STORE},opening_hours\nA1,25,121.5,Mo-Fr 25:99\n",
    "partner_invalid": f"{STORE},partner\nA1,25,121.5,a/b\n",
    "quote_misplaced": f'{STORE}\n"A"1,25,121.5\n',
    "quote_unclosed": f'{STORE}\n"A1,25,121.5\n',
    "row_too_long": f"{STORE}\nA1,25,121.5,9\n",
    "row_too_short": f"{STORE}\nA1,25\n",
    "store_id_invalid": f"{STORE}\na/b,25,121.5\n",
    "store_id_lost_in_excel": f"{STORE}\n1.1E+05,25,121.5\n",
    "store_id_missing": f"{STORE}\n ,25,121.5\n",
    "text_invalid": f"{STORE},name\nA1,25,121.5,a\x07b\n",
    "text_too_long": f"{STORE},name\nA1,25,121.5,{'x' * 501}\n",
    "timezone_invalid": f"{STORE},timezone\nA1,25,121.5,Mars/Olympus\n",
    "country_unknown": f"{STORE},country\nA1,25,121.5,Atlantis\n",
    "far_from_city": rows_near(40, -100, 10, "N,A") + rows_near(40, -102, 10, "N,B", first=10) + "X,40,-102,N,A\n",
    "far_from_others": rows_near(40.7, -74.0, 10) + "X,34.0,-118.2,,\n",
    "far_from_region": rows_near(40.7, -74.0, 10, "N,") + "X,34.0,-118.2,N,\n",
    "maybe_swapped": rows_near(21.0, 78.0, 8) + "X,78.0,21.0,,\n",
    "not_in_city": rows_near(40, -100, 10, "N,A") + rows_near(40, -104, 30, "M,B", first=10) + "X,39.5,-104,N,A\n",
    "not_in_region": rows_near(40, -100, 10, "N,") + rows_near(40, -104, 30, "M,", first=10) + "X,40,-104,N,\n",
    "outside_country": rows_near(25.0, 121.5, 8) + "X,35.68,139.69,,\n",
    "same_place": f"{STORE}\nA1,25,121.5\nA2,25,121.5\n",
    "outside_own_zone": f'{STORE},delivery_zone\nA1,24,121.5,"{SQUARE}"\n',
    "row_padded": f"{STORE},name\nA1,25,121.5\n",
}
STOCK_FILES = {
    "as_of_in_dst_gap": f"{STOCK},as_of\nNY,s,1,2026-03-08T02:30\n",
    "as_of_in_future": f"{STOCK},as_of\nA1,s,1,2026-11-22T04:02:01Z\n",
    "as_of_invalid": f"{STOCK},as_of\nA1,s,1,2026-11-21\n",
    "as_of_missing": f"{STOCK},as_of\nA1,s,1,\n",
    "as_of_required": f"{STOCK}\n",
    "currency_required": f"{STOCK},as_of,price\nA1,s,1,2026-11-21T10:00Z,5\n",
    "currency_unknown": f"{STOCK},as_of,price,currency\nA1,s,1,2026-11-21T10:00Z,5,XAU\n",
    "on_hand_missing": f"{STOCK},as_of\nA1,s,,2026-11-21T10:00Z\n",
    "price_too_precise": f"{STOCK},as_of,price,currency\nA1,s,1,2026-11-21T10:00Z,5.5,JPY\n",
    "sku_invalid": f"{STOCK},as_of\nA1,{'x' * 65},1,2026-11-21T10:00Z\n",
    "sku_lost_in_excel": f"{STOCK},as_of\nA1,4.71E+12,1,2026-11-21T10:00Z\n",
    "sku_missing": f"{STOCK},as_of\nA1,,1,2026-11-21T10:00Z\n",
    "store_of_other_partner": f"{STOCK},as_of\nB1,s,1,2026-11-21T10:00Z\n",
    "unknown_store": f"{STOCK},as_of\nZ9,s,1,2026-11-21T10:00Z\n",
    "as_of_ambiguous": f"{STOCK},as_of\nNY,s,1,2026-11-01T01:30\n",
    "fraction_rounded_down": f"{STOCK},as_of\nA1,s,1.5,2026-11-21T10:00Z\n",
    "negative_to_zero": f"{STOCK},as_of\nA1,s,-1,2026-11-21T10:00Z\n",
}


@pytest.mark.parametrize("code", STORE_FILES)
def test_a_file_of_stores_meets_each_code_and_no_other(tmp_path: Path, code: str) -> None:
    content = STORE_FILES[code]
    if code in FILE_CODES.keys() - ROW_CODES.keys() - WARNING_CODES.keys():
        with pytest.raises(FileProblem) as caught:
            StoresRead(opened(tmp_path, content))
        assert caught.value.code == code
        return
    read = StoresRead(opened(tmp_path, content))
    assert {one.code for one in read.problems} | {one.code for one in read.warnings} == {code}
    assert bool(read.warnings) == (code in WARNING_CODES)


@pytest.mark.parametrize(
    ("parameter", "options"),
    [("country", StoreOptions(country="Atlantis")), ("timezone", StoreOptions(timezone="Atlantis"))],
)
def test_a_wrong_parameter_is_a_problem_of_the_file_that_names_it(
    tmp_path: Path, parameter: str, options: StoreOptions
) -> None:
    with pytest.raises(FileProblem) as caught:
        read_stores(opened(tmp_path, f"{STORE}\n"), options=options)
    assert caught.value.code in FILE_CODES
    assert [place for place, _ in caught.value.errors] == [f"parameter {parameter}"]


def test_a_place_outside_the_declared_country_is_a_problem_of_its_row(tmp_path: Path) -> None:
    read = StoresRead(opened(tmp_path, f"{STORE}\nA1,25,121.5\n"), StoreOptions(country="Japan"))
    assert [one.code for one in read.problems] == ["outside_country"]


def test_a_file_whose_known_stores_have_all_moved_alike_is_a_problem(tmp_path: Path) -> None:
    known = {str(i): LatLon(lat=40.003 + (i % 5 - 2) * 0.02 + 0.01, lon=-100 + (i // 5 - 2) * 0.02) for i in range(10)}
    with pytest.raises(FileProblem) as caught:
        list(read_stores(opened(tmp_path, rows_near(40, -100, 10)), options=StoreOptions(), known=known))
    assert caught.value.code == "datum_changed"


def test_a_store_that_moved_by_kilometres_is_warned_of(tmp_path: Path) -> None:
    table = opened(tmp_path, f"{STORE}\nA1,25,121.5\n")
    (row,) = read_stores(table, options=StoreOptions(), known={"A1": LatLon(lat=25.02, lon=121.5)})
    assert isinstance(row, StoreRow)
    assert [(one.code, "2.2 km" in one.message) for one in row.warnings] == [("moved_far", True)]


@pytest.mark.parametrize("code", STOCK_FILES)
def test_a_file_of_stock_meets_each_code_and_no_other(tmp_path: Path, code: str) -> None:
    options = StockOptions(now=NOW, partner="default")
    table = opened(tmp_path, STOCK_FILES[code])
    if code == "as_of_required":
        with pytest.raises(FileProblem) as caught:
            stock_batch(table, options)
        assert caught.value.code == code
        return
    batch = stock_batch(table, options)
    assert [one.code for one in batch.problems] + [one.code for one in batch.warnings] == [code]
    assert len(batch) == (code in WARNING_CODES)


def test_the_examples_are_all_codes_there_are() -> None:
    elsewhere = {"field_unknown", "datum_changed", "moved_far"}
    assert STORE_FILES.keys() | STOCK_FILES.keys() | NOT_IN_FILES | TOO_LARGE | elsewhere == CODES.keys()


def test_a_field_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileProblem) as caught:
        StoresRead(opened(tmp_path, f"{STORE},foo\n"), StoreOptions(mapping={"foo": "colour"}))
    assert caught.value.code == "field_unknown"


def test_a_file_larger_than_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatch.ingest.formats.sources.MAX_TABLE_BYTES", 1000)
    opened(tmp_path, f"{STORE}\n" + "A1,25,121.5\n" * 80)
    with pytest.raises(FileProblem) as caught:
        opened(tmp_path, f"{STORE}\n" + "A1,25,121.5\n" * 90)
    assert caught.value.code == "file_too_large"


def test_faults_of_coordinates_are_listed() -> None:
    classes: list[type[CoordinateError]] = [CoordinateError, *CoordinateError.__subclasses__()]
    assert len(classes) > 4
    assert {one.code for one in classes} <= ROW_CODES.keys()


def test_codes_written_in_the_source_are_listed() -> None:
    folder = Path(dispatch.ingest.__file__).parent
    found = {code for path in folder.rglob("*.py") for code in _codes_in(path)}
    assert len(found) > 40
    assert found <= CODES.keys()


def _codes_in(path: Path) -> Iterator[str]:
    """Constants in the position of a code, in calls that make problems and in pairs of code and message."""
    position = {"BadValueError": 0, "FileProblem": 0, "RowProblem": 2, "RowWarning": 2, "fault": 1, "warn": 1}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in position:
            code: ast.expr | None = node.args[position[node.func.id]]
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            code = node.value.elts[0]
        else:
            continue
        if isinstance(code, ast.Constant) and isinstance(code.value, str) and re.fullmatch(r"[a-z_]+", code.value):
            yield code.value
