"""Every code that the imports can answer with is listed, and each listed one is seen to come."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import dispatch.ingest
from dispatch.domain.items import Item
from dispatch.ingest.formats.headers import MAX_COLUMNS
from dispatch.ingest.formats.lines import MAX_CELL_CHARS, MAX_LINE_CHARS
from dispatch.ingest.items import ItemOptions, read_items
from dispatch.ingest.problems import CODES, FILE_CODES, IGNORED_CODES, ROW_CODES, WARNING_CODES, FileProblem
from dispatch.ingest.shaping import shape
from dispatch.ingest.stock import StockOptions
from dispatch.ingest.stores import RowProblems, StoreOptions, StoreRow, read_stores
from dispatch.ingest.tables import RowIgnored
from geo.coordinates import CoordinateError, LatLon
from tests.ingest.tables import NOW, StoresRead, archive, open_any, opened, stock_batch, written

# What numbers in text cannot be, since nan is refused as a number; a JSON body could.
NOT_IN_FILES = {"coordinate_nan", "coordinate_invalid"}
# Told by what is there already: tests/api/test_undoing_imports.py, tests/storage/test_counts_and_movements.py.
OF_WHAT_IS_THERE = {"would_empty", "mostly_emptied", "older", "datum_changed", "moved_far"}
# Too large for a test; the limit is read in test_a_file_larger_than_the_limit_is_refused.
TOO_LARGE = {"file_too_large"}
# Read in tests of their own: of encodings, of workbooks, of a whole import of stock.
ELSEWHERE = {"encoding_ambiguous", "sheet_unknown", "row_of_bad_sum"}

STORE = "store_id,lat,lon"
STOCK = "store_id,sku,on_hand"
ITEM = "partner_code,sku"
SQUARE = "POLYGON((121 25,122 25,122 26,121 26,121 25))"


def rows_near(lat: float, lon: float, count: int, names: str = ",", *, first: int = 0) -> str:
    """Rows in a lattice of some 10 km around a place, with a region and a city; the header if they are the first."""
    header = "" if first else f"{STORE},region,city\n"
    return header + "".join(
        f"{first + i},{lat + (i % 5 - 2) * 0.02 + 0.01},{lon + (i // 5 - 2) * 0.02 + 0.01},{names}\n"
        for i in range(count)
    )


STORE_FILES: dict[str, str | bytes] = {
    "json_invalid": '{"stores": [{"store_id": "A1"}',
    "records_missing": "<stores/>",
    "workbook_invalid": archive({"xl/workbook.xml": "<workbook/>"}),
    "xml_invalid": "<stores><store>",
    "xml_unsafe": '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    "geometry_not_a_point": '{"type":"Feature","id":"A1","properties":{},"geometry":null}',
    "key_twice": '{"store_id":"A1","lat":25,"lat":26,"lon":121}',
    "record_invalid": '{"store_id":"A1","lat":25,"lon":121}\n{"store_id":"A2","lat"',
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
    "quote_doubtful": f'{STORE},name\na,25,121,"x\nb,26,121,y"\n',
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
    "sku_ambiguous": f"{STOCK},as_of\nA1,77,1,2026-11-21T10:00Z\n",
    "store_id_ambiguous": f"{STOCK},as_of\n42,s,1,2026-11-21T10:00Z\n",
    "store_of_other_partner": f"{STOCK},as_of\nB1,s,1,2026-11-21T10:00Z\n",
    "unknown_store": f"{STOCK},as_of\nZ9,s,1,2026-11-21T10:00Z\n",
    "unmapped_item": f"{STOCK},as_of\nA1,t,1,2026-11-21T10:00Z\n",
    "as_of_ambiguous": f"{STOCK},as_of\nNY,s,1,2026-11-01T01:30\n",
    "fraction_rounded_down": f"{STOCK},as_of\nA1,s,1.5,2026-11-21T10:00Z\n",
    "negative_to_zero": f"{STOCK},as_of\nA1,s,-1,2026-11-21T10:00Z\n",
    "price_of_case": f"{STOCK},as_of,price,currency\nA1,case,1,2026-11-21T10:00Z,420,TWD\n",
    "sku_padded": f"{STOCK},as_of\nA1,99,1,2026-11-21T10:00Z\n",
    "store_id_padded": f"{STOCK},as_of\n7,s,1,2026-11-21T10:00Z\n",
}
# Files whose profile refuses them, with the profile that was asked for.
SHAPED_FILES: dict[str, tuple[str, str | None]] = {
    "datum_twice": ("id,lat (wgs84),lon (gcj02)\n", None),
    "layout_refused": ("Handle,Title,Option1 Name,SKU,Main St\n", "shopify_inventory"),
    "profile_ambiguous": ("@id,name,osm_type,osm_id\n", None),
    "profile_does_not_fit": ("id,lat,lon\n", "alltheplaces"),
    "profile_invalid": ("id,lat,lon\n", "nmae = 'x'\n"),
    "profile_unknown": ("id,lat,lon\n", "none_such"),
}
KEPT = "name = 'x'\nkind = 'stock'\ntitle = 'x'\n[[keep]]\ncolumn = 'on sale'\nvalues = ['yes']\n"
IGNORING_FILES: dict[str, tuple[str, str | None]] = {
    "left_blank": ("SKU,Location,On hand (current),On hand (new)\ns,A1,1,\nt,A1,1,2\n", None),
    "left_out_by_profile": ("store_id,sku,on_hand,on sale\nA1,s,1,no\nA1,t,1,yes\n", KEPT),
    "not_a_store": ("type,id,lat,lon,tags.shop\nnode,1,25,121,\nnode,2,25,121,books\n", None),
    "not_on_hand_now": ("itemId,shipNode,type,quantity,eta\ns,A1,PO,1,\nt,A1,ONHAND,1,\n", None),
    "not_stocked": ("SKU,Location,On hand (current),On hand (new)\ns,A1,not stocked,\nt,A1,2,\n", None),
    "stock_type_not_for_sale": (
        "Material,Plant,InventoryStockType,InventorySpecialStockType,MatlWrhsStkQtyInMatlBaseUnit\n"
        "s,A1,07,,1\nt,A1,01,,1\n",
        None,
    ),
}


@pytest.mark.parametrize("code", SHAPED_FILES)
def test_a_file_that_its_profile_refuses_meets_each_code(tmp_path: Path, code: str) -> None:
    content, profile = SHAPED_FILES[code]
    kind = "stock" if code == "layout_refused" else "stores"
    with pytest.raises(FileProblem) as caught:
        shape(opened(tmp_path, content), kind=kind, profile=profile)
    assert caught.value.code == code
    assert caught.value.errors


@pytest.mark.parametrize("code", IGNORING_FILES)
def test_a_row_that_says_nothing_here_is_ignored_with_its_code_and_the_next_one_counts(
    tmp_path: Path, code: str
) -> None:
    content, profile = IGNORING_FILES[code]
    if code == "not_a_store":
        read = StoresRead(shape(opened(tmp_path, content), kind="stores", profile=profile))
        assert [row.reason for row in read.results if isinstance(row, RowIgnored)] == [code]
        assert [store.store_id for store in read.stores] == ["node-2"]
        return
    batch = stock_batch(shape(opened(tmp_path, content), kind="stock", profile=profile, now=NOW))
    assert batch.ignored == {code: 1}
    assert batch.skus == ["t"]


ITEM_FILES = {
    "duplicate_item": f"{ITEM}\nA,s\nA,t\n",
    "partner_code_invalid": f"{ITEM}\n{'x' * 65},s\n",
    "partner_code_lost_in_excel": f"{ITEM}\n1E+05,s\n",
    "partner_code_missing": f"{ITEM}\n,s\n",
}
# Codes that need a partner with items; where there is none, a code is the sku.
OF_ITEMS = {"unmapped_item", "price_of_case"}
ITEMS = {"case": Item(partner_code="case", sku="s", units_per_case=12)}
KNOWN_SKUS = frozenset({"0077", "077", "099"})
IGNORED = {
    "header_again": f"{STOCK},as_of\n{STOCK},as_of\n",
    "total_row": f"{STOCK},as_of\nTotal,,5\n",
}


@pytest.mark.parametrize("code", IGNORED)
def test_a_file_of_stock_meets_each_reason_to_ignore_a_row(tmp_path: Path, code: str) -> None:
    batch = stock_batch(opened(tmp_path, IGNORED[code]), StockOptions(now=NOW))
    assert (batch.ignored, batch.bad_rows) == ({code: 1}, 0)


@pytest.mark.parametrize("code", STORE_FILES)
def test_a_file_of_stores_meets_each_code_and_no_other(tmp_path: Path, code: str) -> None:
    content = STORE_FILES[code]
    if code in FILE_CODES.keys() - ROW_CODES.keys() - WARNING_CODES.keys():
        with pytest.raises(FileProblem) as caught:
            StoresRead(open_any(written(tmp_path / "file", content)))
        assert caught.value.code == code
        return
    read = StoresRead(open_any(written(tmp_path / "file", content)))
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
    batch = stock_batch(table, options, items=ITEMS if code in OF_ITEMS else {}, known_skus=KNOWN_SKUS)
    assert [one.code for one in batch.problems] + [one.code for one in batch.warnings] == [code]
    assert len(batch) == (code in WARNING_CODES)


@pytest.mark.parametrize("code", ITEM_FILES)
def test_a_file_of_items_meets_each_code_and_no_other(tmp_path: Path, code: str) -> None:
    rows = list(read_items(opened(tmp_path, ITEM_FILES[code]), options=ItemOptions()))
    bad = [row for row in rows if isinstance(row, RowProblems)]
    assert [problem.code for row in bad for problem in row.problems] == [code]
    assert len(bad) == 1


def test_the_examples_are_all_codes_there_are() -> None:
    mapped = {"field_unknown"}
    shaped = SHAPED_FILES.keys() | IGNORING_FILES.keys() | IGNORED.keys()
    of_rows = STORE_FILES.keys() | STOCK_FILES.keys() | ITEM_FILES.keys()
    elsewhere = NOT_IN_FILES | OF_WHAT_IS_THERE | TOO_LARGE | ELSEWHERE
    assert of_rows | shaped | elsewhere | mapped == CODES.keys()
    assert IGNORING_FILES.keys() | IGNORED.keys() | {"older"} == IGNORED_CODES.keys()


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
