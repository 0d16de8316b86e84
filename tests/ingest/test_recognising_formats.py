"""Which header is of which format, and names of columns with remarks in brackets."""

from itertools import combinations

import pytest

from dispatch.domain.stores import KEEP
from dispatch.ingest.problems import FileProblem
from dispatch.ingest.profiles import fold_name, format_profiles, names_of
from dispatch.ingest.shaping import ShapedTable, shape
from dispatch.ingest.stock import StockOptions
from dispatch.ingest.stores import StoreOptions
from geo.datums import Datum
from tests.ingest.shaped import CHINA, LOCAL, REFS, shopify, stock_of, supply, table_of, told
from tests.ingest.tables import NOW, ListTable, StoresRead, stock_batch


def test_every_profile_says_whose_format_it_is_and_how_it_is_known() -> None:
    assert len(format_profiles()) == 9
    for profile in format_profiles():
        assert profile.title
        assert (profile.source or "").startswith("https://")
        assert profile.detect
        for header in profile.detect:
            assert {*profile.needed()} <= {*header.all}, "or rows that do not count would be taken"
        assert names_of(profile).kind == profile.kind


def test_no_header_of_a_format_is_of_another_too() -> None:
    headers = [(profile, [*header.all, *header.any[:1]]) for profile in format_profiles() for header in profile.detect]
    for profile, columns in headers:
        table = ListTable(tuple(dict.fromkeys(columns)), [])
        shaped = shape(table, kind=profile.kind, profile=None, now=NOW)
        assert shaped.about["profile"] == profile.name
    for (one, mine), (other, theirs) in combinations(headers, 2):
        if one.name != other.name and one.kind == other.kind:
            assert {*map(fold_name, mine)} != {*map(fold_name, theirs)}


def test_a_header_of_two_formats_is_refused_until_one_is_named() -> None:
    table = ListTable(("store code", "id", "quantity", "price", "sku", "location", "x", *supply("", "")), [])
    assert shape(table, kind="stock", profile=None, now=NOW).about["profile"] == "ibm_sterling_supplies"
    tied = ListTable(("@id", "shop", "osm_type", "osm_id", "lat", "lon"), [])
    with pytest.raises(FileProblem) as caught:
        shape(tied, kind="stores", profile=None)
    assert caught.value.code == "profile_ambiguous"
    assert shape(tied, kind="stores", profile="osm_pbf").about["profile"] == "osm_pbf"


@pytest.mark.parametrize("profile", ["overpass", "none_such", ""])
def test_a_name_that_no_profile_of_the_kind_has_is_refused_with_those_there_are(profile: str) -> None:
    with pytest.raises(FileProblem) as caught:
        shape(ListTable(("store_id", "sku", "on_hand"), []), kind="stock", profile=profile)
    assert caught.value.code == "profile_unknown"
    assert "sap_material_stock" in caught.value.message
    assert "alltheplaces" not in caught.value.message
    assert caught.value.errors[0].place == "parameter profile"


def test_a_table_of_no_format_passes_through_untouched() -> None:
    for kind in ("stores", "stock"):
        table = ListTable(("store_id", "sku", "on_hand", "lat", "lon", "price"), [])
        assert shape(table, kind=kind, profile=None) is table


def test_a_row_that_ends_early_is_told_as_in_any_table() -> None:
    columns = ("store code", "id", "price", "quantity", "availability")
    rows = [["234", "a", "5 USD", "1"], ["234", "a", "5 USD"], ["234"]]
    table = shape(ListTable(columns, rows), kind="stock", profile=None)
    good, batch = stock_of(table)
    assert [row[0] for row in good] == [2]
    assert [(one.row_no, one.column, one.code) for one in batch.warnings] == [
        (2, "availability", "row_padded"),
        (3, "quantity", "row_padded"),
    ]
    assert told(batch) == [(3, "quantity", "on_hand_missing"), (4, "id", "row_too_short")]
    assert [one.raw for one in batch.problems] == [("234", "a", "5 USD", "", ""), ("234",)]


def test_a_mapped_column_goes_before_a_computed_one_and_a_computed_one_can_be_left_out() -> None:
    rows = [LOCAL | {"availability": "in stock", "count": "2"}]
    table = table_of(rows, "stock")
    mapping = {"count": "on_hand", "price": "-"}
    batch = stock_batch(table, StockOptions(now=NOW, as_of=NOW, mapping=mapping), stores=REFS)
    assert (batch.on_hands, batch.price_minors) == ([2], [KEEP])


def test_shaped_tables_can_be_read_again() -> None:
    table = table_of([shopify("a", "4", "5"), shopify("b", "4")], "stock")
    assert isinstance(table, ShapedTable)
    assert list(table) == list(table)
    assert [row.cells[-1] for row in table if hasattr(row, "cells")] == ["5", ""]


# ── Names with remarks ─────────────────────────────────────────────────────────────────────────────────────────────


def test_headers_of_chinese_tills_are_known_with_their_units_and_their_datum() -> None:
    columns = ("门店编码", "门店名称", "省", "市", "区", "详细地址", "营业时间", "纬度 (GCJ02)", "经度（火星坐标）")
    row = ["1", "店", "山西", "太原", "小店", "路1号", "", "37.87", "112.55"]
    table = shape(ListTable(columns, [row]), kind="stores", profile=None)
    assert table.about["profile"] is None
    [store] = StoresRead(table).stores
    assert (store.region, store.address) == ("山西", "路1号")
    [declared] = StoresRead(table, StoreOptions(datum=Datum.WGS84)).stores
    assert declared.place == store.place
    assert 0.0001 < abs(store.place.lat - 37.87) < 0.01


@pytest.mark.parametrize(
    ("lat", "lon", "datum"),
    [
        ("纬度(WGS84)", "经度", "wgs84"),
        ("緯度（GCJ-02坐标系）", "經度", "gcj02"),
        ("latitude [bd09]", "lng", "bd09"),
        ("纬度(百度)", "经度(百度地图)", "bd09"),
        ("lat (GPS)", "lon (degrees)", "wgs84"),
    ],
)
def test_a_datum_in_brackets_is_a_declared_one(lat: str, lon: str, datum: str) -> None:
    table = shape(ListTable(("id", lat, lon), [["1", "37.87", "112.55"]]), kind="stores", profile=None)
    [row] = list(table)
    assert row.cells[-1] == datum  # type: ignore[union-attr]
    assert len(StoresRead(table).stores) == 1


def test_two_datums_in_the_header_are_refused() -> None:
    with pytest.raises(FileProblem) as caught:
        shape(ListTable(("id", "lat (wgs84)", "lon (gcj02)"), []), kind="stores", profile=None)
    assert caught.value.code == "datum_twice"


def test_what_is_available_counts_only_where_nothing_says_what_is_there() -> None:
    columns = ("门店编码", "商品条码", "可用库存", "库存数量（件）", "售价(元)", "会员价")
    good, _ = stock_of(ListTable(columns, [["234", "69", "1", "5", "", "9"]]))
    assert good == [(2, "234", "69", 5, None, None)]
    good, _ = stock_of(ListTable(("门店编码", "商品条码", "可用库存"), [["234", "69", "1"]]))
    assert good[0][3] == 1
    with pytest.raises(FileProblem) as caught:
        stock_of(ListTable(("门店编码", "商品条码", "可用库存", "可售库存"), []))
    assert caught.value.code == "column_twice"


def test_a_store_may_be_named_beside_its_code() -> None:
    good, _ = stock_of(ListTable(("门店", "门店编码", "条码", "库存"), [["某店", "234", "69", "1"]]))
    assert good[0][1] == "234"


@pytest.mark.parametrize("options", [StoreOptions(mapping={"no": "name"}), StoreOptions(id_from=("no",))])
def test_columns_that_lack_are_told_with_the_files_own(options: StoreOptions) -> None:
    with pytest.raises(FileProblem) as caught:
        StoresRead(table_of([{"@spider": "corner", "ref": "5"} | CHINA], "stores"), options)
    assert caught.value.message.endswith("the header has: @spider, ref, lat, lon")
