"""XML feeds as tables: which element is the row, what its leaves are called, and documents that are refused."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatch.ingest.formats import xml_feed
from dispatch.ingest.formats.headers import MAX_COLUMNS
from dispatch.ingest.formats.lines import MAX_CELL_CHARS
from dispatch.ingest.problems import FileProblem
from dispatch.ingest.tables import Table
from tests.ingest.tables import cells_of, dicts_of, open_any, problems_of, written

STORE = "<store><store_id>{0}</store_id><lat>25</lat><lon>121.5</lon></store>"


def opened(folder: Path, content: str | bytes, *, encoding: str | None = None) -> Table:
    return open_any(written(folder / "feed.csv", content), encoding=encoding)


def refused(folder: Path, content: str | bytes, *, encoding: str | None = None) -> FileProblem:
    with pytest.raises(FileProblem) as caught:
        opened(folder, content, encoding=encoding)
    return caught.value


def test_a_feed_of_google_reads_with_its_names_without_their_namespace(shared_file: Callable[[str], Path]) -> None:
    table = open_any(shared_file("formats/google_local_inventory_help_example.xml"))
    assert table.columns == ("id", "store_code", "availability", "price")
    assert cells_of(table) == [
        (7, ["101", "234", "in stock", "29.99 USD"]),
        (8, ["101", "235", "in stock", "27.99 USD"]),
    ]
    assert table.about == {"format": "xml", "encoding": "utf-8", "records": "rss/channel/item"}


@pytest.mark.parametrize(
    ("text", "records"),
    [
        ("<stores>" + STORE.format(1) + STORE.format(2) + "</stores>", "stores/store"),
        ("<stores>" + STORE.format(1) + "</stores>", "stores/store"),
        ("<a><head><x1>1</x1></head><b><c/><stores>" + STORE.format(1) * 2 + "</stores></b></a>", "a/b/stores/store"),
        ('<feed xmlns="http://www.w3.org/2005/Atom"><title>t</title><entry><x1>1</x1></entry></feed>', "feed/entry"),
        ("<a><i><x1>1</x1></i><b><j><y1/></j><j><y1/></j></b><i><x1>2</x1></i></a>", "a/i"),
        ("<a><order><x1>1</x1><items><item><y1>1</y1></item></items></order></a>", "a/order/items/item"),
        ('<rows><row store_id="1" lat="25"/><row store_id="2" lat="26"/></rows>', "rows/row"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_the_element_that_is_the_row_is_found(tmp_path: Path, text: str, records: str, packed: bool) -> None:
    content = text.encode()
    table = opened(tmp_path, gzip.compress(content) if packed else content)
    assert table.about["records"] == records
    assert len(cells_of(table)) == text.count(f"<{records.rpartition('/')[2]}>") + text.count("<row ")


def test_leaves_become_columns_nested_ones_with_dots_and_repeated_ones_joined(tmp_path: Path) -> None:
    text = """<stores xmlns:g="urn:g">
    <store id="7"><g:name> 一勝
      店 </g:name><tag>a</tag><tag>b</tag><at kind="exact">noise<g:lat>25</g:lat></at><price/>
      <price c="TWD">5</price></store>

    <store><name><![CDATA[<b> & c]]></name><only>&#x5e97;&amp;</only></store></stores>"""
    table = opened(tmp_path, text)
    assert cells_of(table)[0][0] == 2
    assert cells_of(table)[1][0] == 6
    empty = dict.fromkeys(table.columns, "")
    assert dicts_of(table) == [
        {**empty, "id": "7", "name": "一勝\n      店", "tag": "a;b", "at.kind": "exact", "at.lat": "25", "price": ";5"}
        | {"price.c": "TWD"},
        {**empty, "name": "<b> & c", "only": "店&"},
    ]


@pytest.mark.parametrize(
    ("codec", "said"),
    [
        ("utf-8", ""),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16"),
        ("gb18030", "GB2312"),
        ("big5", "Big5"),
        ("cp932", "Shift_JIS"),
    ],
)
def test_the_encoding_is_the_one_that_the_document_says(tmp_path: Path, codec: str, said: str) -> None:
    declaration = f'<?xml version="1.0" encoding="{said}"?>\n' if said else ""
    table = opened(tmp_path, f"{declaration}<a><b><name>中山</name></b></a>".encode(codec))
    assert dicts_of(table) == [{"name": "中山"}]


def test_an_encoding_may_be_declared_with_the_import(tmp_path: Path) -> None:
    content = "<a><b><name>中山</name></b></a>".encode("gb18030")
    assert dicts_of(opened(tmp_path, content, encoding="gbk")) == [{"name": "中山"}]
    problem = refused(tmp_path, content)
    assert (problem.code, problem.errors[0].place) == ("encoding_unknown", "byte 12")
    assert refused(tmp_path, '<?xml version="1.0" encoding="klingon"?><a/>').code == "encoding_unknown"


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;&b;&b;">]><a><i><x>&d;</x></i></a>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a><i><x>1</x></i></a>',
        '<?xml version="1.0"?><!DOCTYPE a PUBLIC "x" "http://127.0.0.1/x.dtd"><a/>',
    ],
)
def test_document_types_and_entities_are_refused(tmp_path: Path, text: str) -> None:
    assert refused(tmp_path, text).code == "xml_unsafe"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("<a>\n<b><c>1</c></b>", "line 2, column 16"),
        ("<a>\n<b><c>1</b></a>", "line 2, column 10"),
        ("<a><b><c>&nbsp;</c></b></a>", "line 1, column 10"),
        ("<a><b><c>1</c></b></a> more", "line 1, column 24"),
        ("<a>" * 5000, None),
        ("<a>" + "".join(f"<b{i}/>" for i in range(xml_feed.MAX_PLACES)) + "</a>", None),
        ("<a><b x='" + "y" * 3_000_000 + "'/></a>", None),
    ],
)
def test_xml_that_is_broken_or_built_to_harm_is_refused_as_a_whole(
    tmp_path: Path, text: str, place: str | None
) -> None:
    problem = refused(tmp_path, text)
    assert problem.code == "xml_invalid"
    if place is not None:
        assert problem.errors[0].place == place


@pytest.mark.parametrize(("limit", "most"), [("MAX_RECORD_LEAVES", 2), ("MAX_RECORD_CHARS", 5)])
def test_a_record_has_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int) -> None:
    text = "<a>" + STORE.format("1") * 2 + "</a>"
    opened(tmp_path, text)
    monkeypatch.setattr(xml_feed, limit, most)
    assert refused(tmp_path, text).code == "xml_invalid"


def test_a_value_that_is_too_long_is_one_bad_row(tmp_path: Path) -> None:
    text = f"<a><b><x1>{'y' * 3 * MAX_CELL_CHARS}</x1></b>\n<b><x1>1</x1></b></a>"
    table = opened(tmp_path, text)
    assert problems_of(table) == [(1, "cell_too_long")]
    assert cells_of(table) == [(2, ["1"])]


def test_too_many_columns_are_refused(tmp_path: Path) -> None:
    text = "<a>" + "".join(f"<b><x{i}>1</x{i}></b>" for i in range(MAX_COLUMNS + 1)) + "</a>"
    assert refused(tmp_path, text).code == "too_many_columns"


@pytest.mark.parametrize("text", ["<a/>", "<a>text</a>", "<a><b/><b/></a>"])
def test_a_document_without_rows_is_refused(tmp_path: Path, text: str) -> None:
    assert refused(tmp_path, text).code == "records_missing"
