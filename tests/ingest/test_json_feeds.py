"""JSON, JSON Lines and GeoJSON as tables; the json module is the oracle of what a feed says."""

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.ingest.formats import json_feed, json_lines, records
from dispatch.ingest.formats.headers import MAX_COLUMNS
from dispatch.ingest.formats.lines import MAX_CELL_CHARS
from dispatch.ingest.problems import FileProblem, RowProblem
from dispatch.ingest.tables import Table
from tests.ingest.tables import NOW, StoresRead, cells_of, dicts_of, open_any, problems_of, stock_batch, written

ROWS = [{"store_id": "A1", "sku": "s", "on_hand": 3}, {"store_id": "007", "sku": "t", "on_hand": 4, "price": None}]


def opened(folder: Path, content: str | bytes, *, encoding: str | None = None) -> Table:
    return open_any(written(folder / "feed.csv", content), encoding=encoding)


def refused(folder: Path, content: str | bytes) -> FileProblem:
    with pytest.raises(FileProblem) as caught:
        opened(folder, content)
    return caught.value


@pytest.mark.parametrize(
    ("feed", "at"),
    [
        (ROWS, "the file"),
        ({"value": ROWS}, "value"),
        ({"d": {"results": ROWS, "__count": "2"}}, "d.results"),
        ({"links": [{"rel": "self"}], "data": {"page": {"rows": ROWS}}}, "data.page.rows"),
        ({"a": {"b": [{"x1": 1}]}, "anything": [{"y1": 1}, *ROWS]}, "anything"),
        ([[ROWS[0]], [ROWS[1]]], "item"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("indent", [None, 2])
def test_the_list_of_records_is_found_wherever_it_is(
    tmp_path: Path, feed: Any, at: str, packed: bool, indent: int | None
) -> None:
    content = json.dumps(feed, indent=indent).encode()
    table = opened(tmp_path, gzip.compress(content) if packed else content)
    assert table.about == {"format": "json", "records": at}
    assert [row for row in dicts_of(table) if row["store_id"]] == [
        {**dict.fromkeys(table.columns, ""), "store_id": "A1", "sku": "s", "on_hand": "3", "price": ""},
        {**dict.fromkeys(table.columns, ""), "store_id": "007", "sku": "t", "on_hand": "4", "price": "null"},
    ]
    assert (table.own_columns, table.decimal_comma, table.delimiter) == (len(table.columns), False, ",")


def test_the_shallowest_list_is_taken_where_no_names_tell(tmp_path: Path) -> None:
    feed = {"a": {"deep": [{"x1": 1}, {"x1": 2}]}, "b": [{"y1": [{"z1": 1}]}], "c": [{"w1": 1}]}
    assert opened(tmp_path, json.dumps(feed)).about["records"] == "b"


def test_values_become_the_text_that_a_csv_would_have(tmp_path: Path) -> None:
    record = (
        '{"id": 4710018000109, "float": 4710018000109.0, "price": 29.90, "small": 1e-7, "big": 1.5E+3,'
        ' "lost": 4.71E+15, "huge": 1e999999, "yes": true, "no": false, "null": null, "text": "店 \\u5e97",'
        ' "list": ["a", 1, null], "none": [], "objects": [{"x": 1}], "lists": [[1]],'
        ' "nested": {"a": {"b": 1}, "c": ""}}'
    )
    expected = {
        "id": "4710018000109",
        "float": "4710018000109",
        "price": "29.90",
        "small": "0.0000001",
        "big": "1500",
        "lost": "4.71E+15",
        "huge": "1E+999999",
        "yes": "true",
        "no": "false",
        "null": "null",
        "text": "店 店",
        "list": "a;1;null",
        "none": "",
        "nested.a.b": "1",
        "nested.c": "",
    }
    assert dicts_of(opened(tmp_path, f"[{record}]")) == [expected]
    assert dicts_of(opened(tmp_path, f"{record}\n{record}\n")) == [expected] * 2


def test_rows_are_numbered_by_their_place_in_the_list_and_columns_gathered_from_all(tmp_path: Path) -> None:
    table = opened(tmp_path, '[{"b": 1}, 7, {"a": 2, "b": 3}, [1], {}]')
    assert table.columns == ("b", "a")
    assert cells_of(table) == [(1, ["1", ""]), (3, ["3", "2"]), (5, ["", ""])]
    assert problems_of(table) == [(2, "record_invalid"), (4, "record_invalid")]


@pytest.mark.parametrize("lines", [False, True])
def test_a_key_that_comes_twice_and_a_value_that_is_none_are_bad_rows(tmp_path: Path, lines: bool) -> None:
    rows = [
        '{"a": 1, "b": {"c": 1, "c": 2}}',
        '{"a": 1, "a": 2}',
        r'{"a": "x\u0000"}',
        '{"a": "' + "x" * (MAX_CELL_CHARS + 1) + '"}',
        r'{"a": "\": 3"}',
    ]
    table = opened(tmp_path, "\n".join(rows) if lines else f"[{','.join(rows)}]")
    assert problems_of(table) == [(1, "key_twice"), (2, "key_twice"), (3, "nul_in_row"), (4, "cell_too_long")]
    assert cells_of(table) == [(5, ['": 3', ""])]
    assert [row.column for row in table if isinstance(row, RowProblem)] == ["b.c", "a", "a", "a"]


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b'{"value": [{"a": 1}, {"a": 2}', "byte 29"),
        (b'[{"a": 1}', "byte 9"),
        (b'[{"a": "cut off', "byte 15"),
        (b'[{"a": 1}] and more', "byte 11"),
        (b'[{"a": NaN}]', "byte 7"),
        (b'[{"a": Infinity}]', "byte 7"),
        (b'[{"a": 1,}]', "byte 9"),
        (b'[{"a": "\xff"}]', "byte 8"),
        ('[{"a": "店"}]'.encode("gb18030"), "byte 8"),
        (b"[{'a': 1}]", None),
        (b'[{"a": ' + b"9" * 5000 + b"}]", None),
        (b'[{"a": 1e99999999999999999999}]', None),
        (b'[{"a": 1}]' + b" " * 100_000 + b"x", "byte 100010"),
        (b"\xef\xbb\xbf" + b'[{"a": 1}] x', "byte 14"),
        ('[{"a": 1}]'.encode("utf-16"), None),
        (b"[" * 5000, None),
        (b'{"a":' * 5000, None),
        (b'[{"a":' + b"[" * 200 + b"]" * 200 + b"}]", "the file"),
    ],
)
def test_json_that_is_none_is_refused_as_a_whole_with_the_byte(
    tmp_path: Path, content: bytes, place: str | None
) -> None:
    problem = refused(tmp_path, content)
    assert problem.code == "json_invalid"
    if place is not None:
        assert problem.errors[0].place == place


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    assert cells_of(opened(tmp_path, b"\xef\xbb\xbf" + b'[{"a": 1}]')) == [(1, ["1"])]
    assert cells_of(opened(tmp_path, b"\xef\xbb\xbf" + b'{"a": 1}\n{"a": 2}')) == [(1, ["1"]), (2, ["2"])]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("[]", "file_empty"),
        ('{"value": []}', "file_empty"),
        ("[1, 2]", "records_missing"),
        ('{\n"a": {"b": 1}\n}', "records_missing"),
        (json.dumps([{f"k{i}": 1 for i in range(MAX_COLUMNS + 1)}]), "too_many_columns"),
        (json.dumps([{"k" * 2000: 1}]), "too_many_columns"),
        ('{"type": "FeatureCollection", "features": []}', "file_empty"),
    ],
)
def test_a_feed_without_rows_or_with_too_many_columns_is_refused(tmp_path: Path, content: str, code: str) -> None:
    assert refused(tmp_path, content).code == code


@pytest.mark.parametrize(
    ("limit", "most", "feed"),
    [
        ("MAX_RECORD_VALUES", 10, [{"a": [{"b": 1}] * 40_000}]),
        ("MAX_RECORD_BYTES", 100_000, [{"a": ["x" * 1000] * 300}]),
        ("MAX_TOKEN_BYTES", 100_000, [{"a": "x" * 300_000}]),
    ],
)
def test_a_record_or_a_value_has_a_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int, feed: Any
) -> None:
    content = json.dumps(feed)
    opened(tmp_path, content)
    monkeypatch.setattr(json_feed, limit, most)
    assert refused(tmp_path, content).code == "json_invalid"


def test_what_lies_deeper_than_columns_are_named_is_left_out(tmp_path: Path) -> None:
    nested: Any = {"x": 1}
    for _ in range(records.MAX_COLUMN_DEPTH + 2):
        nested = {"n": nested, "y": 2}
    table = opened(tmp_path, json.dumps([nested]))
    assert max(name.count(".") for name in table.columns) == records.MAX_COLUMN_DEPTH - 1


# ── a line an object ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_bad_line_is_one_bad_row(tmp_path: Path) -> None:
    lines = ['{"a": 1}', "", '{"a": 2', "7", '{"a": NaN}', '{"a": 1} x', '{"a":' * 3000, '{"a": 5}', '{"b": 6}']
    table = opened(tmp_path, "\r\n".join(lines))
    assert table.about == {"format": "json_lines"}
    assert cells_of(table) == [(1, ["1", ""]), (8, ["5", ""]), (9, ["", "6"])]
    assert problems_of(table) == [(row_no, "record_invalid") for row_no in (3, 4, 5, 6, 7)]
    assert [row.raw for row in table if isinstance(row, RowProblem)][:2] == [('{"a": 2',), ("7",)]


def test_a_line_that_is_too_long_is_one_bad_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "MAX_LINE_CHARS", 100)
    table = opened(tmp_path, '{"a": 1}\n{"a": "' + "x" * 5000 + '"}\n{"a": 3}')
    assert (cells_of(table), problems_of(table)) == ([(1, ["1"]), (3, ["3"])], [(2, "line_too_long")])


def test_one_line_is_a_record_of_its_own(tmp_path: Path) -> None:
    assert dicts_of(opened(tmp_path, '{"store_id": "A1", "tags": ["x"]}\n')) == [{"store_id": "A1", "tags": "x"}]


def test_a_file_of_nothing_but_bad_lines_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, '{"a"}\n{"b"}\n').code == "records_missing"


# ── GeoJSON ────────────────────────────────────────────────────────────────────────────────────────────────────────


def feature(properties: Any = None, geometry: Any = None, **members: Any) -> dict[str, Any]:
    geometry = {"type": "Point", "coordinates": [121.5654, 25.033, 12]} if geometry is None else geometry
    return {"type": "Feature", "geometry": geometry, "properties": properties, **members}


def test_features_have_their_id_their_properties_and_their_place(tmp_path: Path) -> None:
    features = [
        feature({"name": "一勝", "addr": {"city": "臺中"}}, id="A1"),
        feature({"brand": "7-11", "Lat": 1, "LON": 2, "id": 9, "datum": None}, id=7),
        feature(),
    ]
    table = opened(tmp_path, json.dumps({"type": "FeatureCollection", "features": features}))
    assert table.columns == ("id", "name", "addr.city", "brand", "lon", "lat", "datum")
    assert cells_of(table) == [
        (1, ["A1", "一勝", "臺中", "", "121.5654", "25.033", "wgs84"]),
        (2, ["7", "", "", "7-11", "121.5654", "25.033", "wgs84"]),
        (3, ["", "", "", "", "121.5654", "25.033", "wgs84"]),
    ]
    assert table.about == {"format": "geojson", "datum": "wgs84", "records": "features"}


@pytest.mark.parametrize("last", [False, True])
def test_the_datum_of_the_collection_is_that_of_its_places_and_a_row_may_say_another(
    tmp_path: Path, last: bool
) -> None:
    features = [feature({"datum": datum}, id=str(i)) for i, datum in enumerate([None, "", "bd09"])]
    collection: dict[str, Any] = {"type": "FeatureCollection", "features": features}
    collection = {**collection, "datum": "gcj02"} if last else {"datum": "gcj02", **collection}
    assert [row["datum"] for row in dicts_of(opened(tmp_path, json.dumps(collection)))] == ["gcj02", "gcj02", "bd09"]


SQUARE = [[[121, 25], [122, 25], [122, 26], [121, 25]]]


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Polygon", "coordinates": SQUARE},
        {"type": "MultiPolygon", "coordinates": [SQUARE]},
        {"type": "Point", "coordinates": []},
        {"type": "Point", "coordinates": ["121", "25"]},
        {"type": "Point", "coordinates": [True, 25]},
        {"type": "Point"},
        [],
        {},
    ],
)
def test_a_feature_that_is_no_point_is_a_bad_row_and_keeps_its_properties(tmp_path: Path, geometry: Any) -> None:
    features = [feature({"lat": 25, "name": "a"}, geometry, id="A1"), feature({}, id="A2")]
    table = opened(tmp_path, json.dumps({"type": "FeatureCollection", "features": features}))
    assert problems_of(table) == [(1, "geometry_not_a_point")]
    (bad,) = [row for row in table if isinstance(row, RowProblem)]
    assert bad.raw == ("A1", "a", "", "", "wgs84")


@pytest.mark.parametrize("separator", ["", "\x1e"])
@pytest.mark.parametrize("indent", [None, 1])
def test_features_come_line_by_line_or_as_a_sequence(tmp_path: Path, separator: str, indent: int | None) -> None:
    if not separator and indent:
        indent = None
    texts = [json.dumps(feature({"n": i}, id=f"A{i}"), indent=indent) for i in range(3)]
    table = opened(tmp_path, "".join(f"{separator}{text}\n" for text in texts))
    assert table.about == {"format": "geojson_lines"}
    lines = texts[0].count("\n") + 1
    assert [(row_no, cells[:2]) for row_no, cells in cells_of(table)] == [
        (1 + i * lines, [f"A{i}", str(i)]) for i in range(3)
    ]


def test_stores_come_from_geojson_with_places_that_mean_wgs84(tmp_path: Path) -> None:
    taiyuan = {"type": "Point", "coordinates": [112.55, 37.87]}
    read = StoresRead(
        opened(
            tmp_path, json.dumps({"type": "FeatureCollection", "features": [feature({"name": "a"}, taiyuan, id="A1")]})
        )
    )
    assert [(store.store_id, store.place.lat, store.place.lon) for store in read.stores] == [("A1", 37.87, 112.55)]


def test_overpass_needs_nothing_of_its_own(tmp_path: Path) -> None:
    elements = [
        {"type": "node", "id": 5, "lat": 35.6, "lon": 139.7, "tags": {"name": "a", "shop": "convenience"}},
        {"type": "way", "id": 6, "center": {"lat": 35.7, "lon": 139.8}, "nodes": [1, 2], "tags": {"name": "b"}},
    ]
    feed = {"version": 0.6, "osm3s": {"copyright": "x"}, "elements": elements}
    table = opened(tmp_path, json.dumps(feed, indent=2))
    assert table.columns[:6] == ("type", "id", "lat", "lon", "tags.name", "tags.shop")
    assert dicts_of(table)[1]["center.lat"] == "35.7"


def test_stock_comes_from_a_feed_and_null_clears_a_price(tmp_path: Path) -> None:
    batch = stock_batch(opened(tmp_path, json.dumps({"stock": ROWS})))
    assert (batch.store_ids, batch.on_hands, batch.price_minors[1]) == (["A1", "007"], [3, 4], None)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**18), 10**18), st.text(st.characters(exclude_categories=["Cs", "Cc"]))
)


@settings(max_examples=100, deadline=None)
@given(
    feed=st.lists(
        st.dictionaries(st.sampled_from(["a", "b", "c.d", "e"]), SCALARS, min_size=1), min_size=1, max_size=5
    ),
    ascii_only=st.booleans(),
    lines=st.booleans(),
)
def test_records_say_what_the_json_module_reads(feed: list[dict[str, Any]], ascii_only: bool, lines: bool) -> None:
    texts = [json.dumps(record, ensure_ascii=ascii_only) for record in feed]
    said = {None: "null", True: "true", False: "false"}
    with tempfile.TemporaryDirectory() as folder:
        table = opened(Path(folder), "\n".join(texts) if lines else f"[{', '.join(texts)}]")
        assert dicts_of(table) == [
            {
                name: ""
                if name not in record
                else said[record[name]]
                if record[name] is None or isinstance(record[name], bool)
                else str(record[name])
                for name in table.columns
            }
            for record in feed
        ]


def test_a_null_is_no_value_but_of_a_price_or_safety_stock_it_clears(tmp_path: Path) -> None:
    row = '{"store_id": "A1", "barcode": null, "sku": "s", "on_hand": 2, "price": null, "as_of": null}'
    empty = '{"store_id": "A1", "barcode": null, "sku": "t", "on_hand": null, "price": 1.5, "currency": "TWD"}'
    batch = stock_batch(open_any(written(tmp_path / "feed", f"[{row}, {empty}]")))
    assert (batch.skus, batch.on_hands, batch.price_minors, batch.as_ofs) == (["s"], [2], [None], [NOW])
    assert [problem.code for problem in batch.problems] == ["on_hand_missing"]
