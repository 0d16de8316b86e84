"""Formats that are known by name: what is made of a small sample of each, and which header is whose."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from dispatch.domain.hours import Schedules
from dispatch.domain.stores import KEEP
from dispatch.ingest.problems import FileProblem
from dispatch.ingest.profiles import fold_name, format_profiles, names_of
from dispatch.ingest.shaping import ShapedTable, shape
from dispatch.ingest.stock import StockBatch, StockOptions, StoreRef
from dispatch.ingest.stores import StoreOptions
from dispatch.ingest.tables import RowIgnored, Table
from geo.datums import Datum
from tests.ingest.tables import NOW, ListTable, StoresRead, open_table, stock_batch

REFS = {name: StoreRef("UTC", "default") for name in ("234", "235", "1010", "DC1", "Main St", "09az", "StoreAngelholm")}


def table_of(rows: Sequence[Mapping[str, str]], kind: str, profile: str | None = None) -> Table:
    """The rows as a reader of JSON would give them: every key a column, in the order they come; shaped."""
    columns = tuple(dict.fromkeys(key for row in rows for key in row))
    table = ListTable(columns, [[row.get(column, "") for column in columns] for row in rows])
    return shape(table, kind=kind, profile=profile, now=NOW)


def stock_of(table: Table) -> tuple[list[tuple[Any, ...]], StockBatch]:
    """Row, store, sku, quantity, price and currency of the good rows; and the whole batch."""
    batch = stock_batch(table, stores=REFS)
    prices = [None if price is KEEP else price for price in batch.price_minors]
    good = zip(batch.row_nos, batch.store_ids, batch.skus, batch.on_hands, prices, batch.currencies, strict=True)
    return list(good), batch


def told(batch: StockBatch) -> list[tuple[int, str | None, str]]:
    return [(one.row_no, one.column, one.code) for one in batch.problems]


def is_open(hours: str | None, at: str) -> bool:
    schedules = Schedules()
    moment_s = int(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp())
    return schedules.state(schedules.intern(hours, "UTC", None), moment_s)[0]


# ── Google ─────────────────────────────────────────────────────────────────────────────────────────────────────────

LOCAL = {"id": "101", "store code": "234", "quantity": "7", "price": "29.99 USD", "sale price": "9.99 USD"}


def test_a_local_inventory_feed_has_its_prices_taken_apart_and_its_quantities_counted() -> None:
    rows = [
        LOCAL | {"availability": "in stock"},
        {"id": "102", "store_code": "235", "price": "USD 1.50", "availability": "out_of_stock"},
        {"id": "103", "store_code": "235", "price": "", "availability": "On Display to Order"},
    ]
    good, batch = stock_of(table_of([rows[0]], "stock"))
    assert good == [(2, "234", "101", 7, 2999, "USD")]
    good, batch = stock_of(table_of(rows[1:], "stock"))
    assert good == [(2, "235", "102", 0, 150, "USD"), (3, "235", "103", 0, None, None)]
    assert batch.problems == []


def test_in_stock_alone_is_no_quantity_and_the_shelf_it_names_is_spared() -> None:
    rows = [LOCAL | {"availability": "in stock", "quantity": quantity} for quantity in ("", "null", "3")]
    good, batch = stock_of(table_of([*rows, rows[0] | {"availability": ""}], "stock"))
    assert [row[:4] for row in good] == [(4, "234", "101", 3)]
    assert told(batch) == [(2, "availability", "on_hand_missing"), (3, "availability", "on_hand_missing"),
                           (5, "quantity", "on_hand_missing")]  # fmt: skip
    mend = "fill in quantity, or say in a profile what it counts as"
    assert batch.problems[0].message == f"'in stock' is no quantity: {mend}"
    assert batch.problems[0].raw == tuple(rows[0].values())
    assert batch.spared[0] == ("234", "101")


def test_a_price_that_cannot_be_taken_apart_is_refused_by_its_own_column() -> None:
    prices = ["29,99 USD", "cheap", "$5", "USD 5 EUR", "5", "5 XXL"]
    rows = [LOCAL | {"availability": "in stock", "price": price} for price in prices]
    _, batch = stock_of(table_of(rows, "stock"))
    assert told(batch) == [
        (2, "price", "number_invalid"),
        (3, "price", "currency_required"),
        (4, "price", "currency_required"),
        (5, "price", "currency_required"),
        (6, "price", "currency_required"),
        (7, "price", "currency_unknown"),
    ]


def test_googles_own_example_of_a_local_inventory_feed_is_known(shared_file: Callable[[str], Path]) -> None:
    text = shared_file("formats/google_local_inventory_help_example.xml").read_text(encoding="utf-8")
    items = text.split("<item>")[1:]
    rows = [{name: item.split(f"<g:{name}>")[1].split("<")[0] for name in ("id", "store_code", "availability", "price")}
            for item in items]  # fmt: skip
    table = table_of(rows, "stock")
    assert table.about["profile"] == "google_local_inventory"
    good, batch = stock_of(table)
    assert good == []
    assert [one.code for one in batch.problems] == ["on_hand_missing"] * 2


@pytest.mark.parametrize(
    ("name", "good", "code"),
    [("full", [(2, "09az", "aBCd1123", 100, 320000000, "SEK")], None), ("min", [], "on_hand_missing")],
)
def test_samples_of_a_local_offer_feed_are_known(
    shared_file: Callable[[str], Path], name: str, good: list[tuple[Any, ...]], code: str | None
) -> None:
    source = open_table(shared_file(f"formats/prisjakt_local_offer_{name}.csv"))
    read, batch = stock_of(shape(source, kind="stock", profile=None))
    assert read == good
    assert [one.code for one in batch.problems] == ([code] if code else [])


BUSINESS = {
    "Store code": "G1", "Business name": "Corner", "Address line 1": "1 High St", "Address line 2": "",
    "Locality": "Gosford", "Administrative area": "NSW", "Country / Region": "AU", "Postal code": "2250",
    "Latitude": "-33.42", "Longitude": "151.34", "Primary phone": "02 1234",
    "Sunday hours": "", "Monday hours": "9:00AM-5:00PM", "Saturday hours": "23:00-02:00",
    "Special hours": "2026-12-25: x",
}  # fmt: skip


def test_a_business_profile_has_its_address_joined_and_its_hours_read() -> None:
    read = StoresRead(table_of([BUSINESS], "stores"))
    [store] = read.stores
    assert (store.store_id, store.name, store.region, store.phone) == ("G1", "Corner", "NSW", "02 1234")
    assert store.address == "1 High St, Gosford, NSW, AU, 2250"
    assert store.opening_hours == "Mo 09:00-17:00, Sa 23:00-02:00; 2026 Dec 25 off"
    assert is_open(store.opening_hours, "2026-11-29T01:30")
    assert not is_open(store.opening_hours, "2026-11-29T02:30")


def test_hours_that_cannot_be_read_are_a_fault_of_their_day_beside_the_rows_other_faults() -> None:
    table = table_of([BUSINESS | {"Saturday hours": "nine to five", "Latitude": "north"}], "stores")
    problems = StoresRead(table).problems
    assert {(one.column, one.code) for one in problems} == {
        ("Latitude", "number_invalid"),
        ("Saturday hours", "opening_hours_invalid"),
    }
    assert all(len(one.raw) == table.own_columns for one in problems)


def test_a_business_profile_without_coordinates_is_refused_with_what_to_add(shared_file: Callable[[str], Path]) -> None:
    source = open_table(shared_file("formats/prisjakt_local_shop_gbp_min.csv"))
    table = shape(source, kind="stores", profile=None)
    with pytest.raises(FileProblem) as caught:
        StoresRead(table)
    assert caught.value.code == "column_missing"
    assert "add columns lat and lon" in caught.value.message
    assert "id_from" not in caught.value.message
    assert "Special hours;" in caught.value.message, "no computed column is told as one of the header"


def test_the_sample_of_a_business_profile_with_coordinates_added_is_read(shared_file: Callable[[str], Path]) -> None:
    source = open_table(shared_file("formats/prisjakt_local_shop_gbp_min.csv"))
    rows = [row.cells for row in source if not hasattr(row, "code")]
    assert len(rows) == 6
    placed = ListTable((*source.columns, "Latitude", "Longitude"), [[*row, "-34.6", "-58.4"] for row in rows])
    read = StoresRead(shape(placed, kind="stores", profile=None))
    assert read.problems == []
    hours = read.stores[0].opening_hours
    assert hours == "Mo-Fr 09:00-17:00, Sa 23:00-02:00; 2025 Dec 31 05:00-23:00; 2026 Jan 01 off"
    opens = ["2025-12-30T09:00", "2025-12-31T22:00", "2026-01-03T23:30", "2026-01-04T01:30"]
    assert [is_open(hours, at) for at in opens] == [True] * 4
    closed = ["2025-12-30T22:00", "2026-01-01T12:00", "2026-01-03T12:00", "2026-01-04T02:30"]
    assert [is_open(hours, at) for at in closed] == [False] * 4
    assert read.stores[0].address == "Fernando Fader 166, Villa Carlos Paz, AR, 3165"


# ── SAP, IBM, Shopify ──────────────────────────────────────────────────────────────────────────────────────────────


def sap(quantity: str, kind: str = "01", special: str = "", place: str = "0001") -> dict[str, str]:
    return {
        "Material": "000000000000004711", "Plant": "1010", "StorageLocation": place, "Batch": "",
        "InventoryStockType": kind, "InventorySpecialStockType": special, "MaterialBaseUnit": "EA",
        "MatlWrhsStkQtyInMatlBaseUnit": quantity,
    }  # fmt: skip


def test_of_material_stock_only_what_is_for_sale_counts() -> None:
    rows = [sap("12.000"), sap("3", special="K"), sap("1", special="null", kind="1"), sap("5", kind="02"),
            sap("6", kind="07"), sap("7", special="E"), sap("-1", place="0002")]  # fmt: skip
    good, batch = stock_of(table_of(rows, "stock"))
    assert [row[:4] for row in good] == [(row, "1010", "000000000000004711", count)
                                         for row, count in ((2, 12), (3, 3), (4, 1), (8, 0))]  # fmt: skip
    assert batch.ignored == {"stock_type_not_for_sale": 3}
    assert batch.spared == []


def test_material_stock_without_its_stock_types_is_not_taken_for_it() -> None:
    columns = ("Material", "Plant", "MatlWrhsStkQtyInMatlBaseUnit")
    table = ListTable(columns, [])
    assert shape(table, kind="stock", profile=None) is table
    with pytest.raises(FileProblem) as caught:
        shape(table, kind="stock", profile="sap_material_stock")
    assert caught.value.code == "profile_does_not_fit"
    assert [one.place for one in caught.value.errors] == [
        "column InventoryStockType",
        "column InventorySpecialStockType",
    ]


def test_the_columns_of_material_stock_are_those_that_sap_documents(shared_file: Callable[[str], Path]) -> None:
    document = shared_file("formats/SAP_API_MATERIAL_STOCK_SRV_openapi.json").read_text(encoding="utf-8")
    for column in sap("1"):
        assert f'"{column}"' in document


def supply(kind: str, eta: str, quantity: str = "4") -> dict[str, str]:
    return {"itemId": "SKU1", "shipNode": "DC1", "type": kind, "quantity": quantity, "eta": eta,
            "sourceTs": "2026-11-22T03:00:00.000Z", "unitOfMeasure": "EACH", "productClass": "NEW"}  # fmt: skip


def test_of_supplies_only_what_is_on_hand_now_counts() -> None:
    rows = [
        supply("ONHAND", "1900-01-01T00:00:00.000Z"),
        supply("ONHAND", NOW.isoformat()),
        supply("ONHAND", ""),
        supply("ONHAND", "2026-11-22T04:00:01Z"),
        supply("PLANNED_PO", "1900-01-01T00:00:00.000Z"),
        supply("ONHAND", "soon"),
        supply("ONHAND", "2026-11-22T04:00:01"),
    ]
    table = table_of(rows, "stock")
    good, batch = stock_of(table)
    assert [row[0] for row in good] == [2, 3, 4]
    assert batch.as_ofs[0] == datetime(2026, 11, 22, 3, tzinfo=UTC)
    assert batch.ignored == {"not_on_hand_now": 2}
    assert told(batch) == [(7, "eta", "as_of_invalid"), (8, "eta", "as_of_invalid")]
    assert all(len(one.raw) == table.own_columns for one in batch.problems)


def test_supplies_cannot_be_read_without_saying_what_time_it_is() -> None:
    with pytest.raises(ValueError, match="what time it is"):
        shape(ListTable(tuple(supply("", "")), []), kind="stock", profile=None)


def shopify(sku: str, current: str, new: str = "") -> dict[str, str]:
    return {"Handle": "tea", "Title": "Tea", "Option1 Name": "Size", "SKU": sku, "Location": "Main St",
            "Available (not editable)": "99", "On hand (current)": current, "On hand (new)": new}  # fmt: skip


def test_in_a_plain_export_the_current_counts_count() -> None:
    good, batch = stock_of(table_of([shopify("a", "4"), shopify("b", "not stocked"), shopify("c", "0")], "stock"))
    assert [row[:4] for row in good] == [(2, "Main St", "a", 4), (4, "Main St", "c", 0)]
    assert batch.ignored == {"not_stocked": 1}
    assert batch.spared == [("Main St", "b")]


def test_in_an_edited_export_the_new_counts_count_and_blanks_leave_the_shelf() -> None:
    rows = [
        shopify("a", "4"),
        shopify("b", "not stocked", "9"),
        shopify("c", "7", "Not stocked"),
        shopify("d", "1", "x"),
    ]
    good, batch = stock_of(table_of(rows, "stock"))
    assert [row[:4] for row in good] == [(3, "Main St", "b", 9)]
    assert batch.ignored == {"left_blank": 1, "not_stocked": 1}
    assert batch.spared == [("Main St", "a"), ("Main St", "c"), ("Main St", "d")]
    assert told(batch) == [(5, "On hand (new)", "number_invalid")]


def test_an_older_layout_of_shopify_is_refused_with_the_mend() -> None:
    table = ListTable(("Handle", "Title", "Option1 Name", "SKU", "HS Code", "COO", "Main St", "High St"), [])
    for profile in (None, "shopify_inventory"):
        with pytest.raises(FileProblem) as caught:
            shape(table, kind="stock", profile=profile)
        assert caught.value.code == "layout_refused"
        assert "a row for each location" in caught.value.message


# ── OpenStreetMap, All The Places ──────────────────────────────────────────────────────────────────────────────────


def test_elements_of_the_overpass_api_are_stores() -> None:
    rows = [
        {"type": "node", "id": "123", "lat": "35.68", "lon": "139.69", "tags.shop": "convenience",
         "tags.name": "角の店", "tags.brand": "Corner", "tags.opening_hours": "24/7",
         "tags.contact:phone": "+81 3", "tags.ref": "77",
         "tags.addr:city": "新宿区", "tags.addr:street": "Meiji-dori"},
        {"type": "way", "id": "123", "center.lat": "35.69", "center.lon": "139.70", "tags.shop": "convenience",
         "tags.addr:full": "1-2-3 Shinjuku", "tags.addr:city": "Shinjuku"},
    ]  # fmt: skip
    read = StoresRead(table_of(rows, "stores"))
    node, way = read.stores
    assert (node.store_id, node.name, node.brand, node.phone) == ("node-123", "角の店", "Corner", "+81 3")
    assert (node.opening_hours, node.address) == ("24/7", "Meiji-dori, 新宿区")
    assert (way.store_id, way.place.lat, way.place.lon, way.address) == ("way-123", 35.69, 139.70, "1-2-3 Shinjuku")


CHINA = {"lat": "37.87", "lon": "112.55"}


@pytest.mark.parametrize(
    ("row", "profile", "store_id"),
    [
        ({"type": "node", "id": "5", "tags.shop": "convenience"}, "overpass", "node-5"),
        ({"osm_type": "way", "osm_id": "5", "ref": "1", "brand:wikidata": "Q1"}, "osm_pbf", "way-5"),
        ({"id": "node/5", "@id": "node/5", "shop": "convenience", "ref": "1", "brand:wikidata": "Q1"}, "overpass_turbo",
         "node-5"),
        ({"id": "hash", "@spider": "corner", "ref": "5"}, "alltheplaces", "5"),
        ({"id": "hash", "@spider": "corner", "ref": ""}, "alltheplaces", "hash"),
        ({"ref": "5", "nsi_id": "corner-1"}, "alltheplaces", "5"),
    ],
)  # fmt: skip
def test_open_places_need_no_datum_and_have_ids_of_their_own(row: dict[str, str], profile: str, store_id: str) -> None:
    table = table_of([row | CHINA], "stores")
    assert table.about["profile"] == profile
    [store] = StoresRead(table).stores
    assert (store.store_id, store.place.lat) == (store_id, 37.87)


def test_all_the_places_as_a_table_without_ids_takes_them_from_other_columns() -> None:
    row = {"@spider": "corner", "brand": "Corner", "addr:street_address": "1 High St", "addr:city": "Bath",
           "addr:state": "Avon", "addr:country": "GB", "lat": "51.38", "lon": "-2.36"}  # fmt: skip
    options = StoreOptions(id_from=("brand", "addr:city", "addr:street_address"))
    [store] = StoresRead(table_of([row], "stores"), options).stores
    assert store.store_id.startswith("corner-bath-1-high-st-")
    assert (store.address, store.region) == ("1 High St, Bath, GB", "Avon")
    with pytest.raises(FileProblem, match="no column for store_id"):
        StoresRead(table_of([row], "stores"))


def test_a_datum_that_is_said_with_the_import_goes_before_that_of_the_format_and_that_of_the_row_before_both() -> None:
    row = {"@spider": "corner", "ref": "5"} | CHINA
    lats = {}
    for datum in (None, Datum.WGS84, Datum.GCJ02, Datum.BD09):
        for own in ("", "gcj02"):
            table = table_of([row | {"datum": own}], "stores")
            [store] = StoresRead(table, StoreOptions(datum=datum)).stores
            lats[datum, own] = store.place.lat
    assert lats[None, ""] == lats[Datum.WGS84, ""] == 37.87
    assert len({lats[datum, ""] for datum in Datum}) == 3
    assert {lats[datum, "gcj02"] for datum in (None, *Datum)} == {lats[Datum.GCJ02, ""]}


def test_a_column_with_the_fields_own_name_goes_before_what_the_profile_makes_of_others() -> None:
    row = {"@spider": "corner", "ref": "5", "store_id": "S5", "address": "here", "addr:city": "Bath"} | CHINA
    read = StoresRead(table_of([row, row | {"store_id": "", "address": ""}], "stores"))
    assert [(store.store_id, store.address) for store in read.stores] == [("S5", "here"), ("5", "Bath")]


def test_nodes_without_tags_are_no_stores() -> None:
    rows = [{"type": "node", "id": "1", "tags.shop": "convenience"} | CHINA, {"type": "node", "id": "2"} | CHINA]
    read = StoresRead(table_of(rows, "stores"))
    assert [store.store_id for store in read.stores] == ["node-1"]
    [ignored] = [row for row in read.results if isinstance(row, RowIgnored)]
    assert (ignored.row_no, ignored.reason) == (3, "not_a_store")


def test_a_datum_in_the_row_goes_before_that_of_the_format() -> None:
    row = {"@spider": "corner", "ref": "5", "datum": "gcj02"} | CHINA
    [shifted] = StoresRead(table_of([row], "stores")).stores
    [as_it_is] = StoresRead(table_of([row | {"datum": ""}], "stores")).stores
    assert as_it_is.place.lat == 37.87
    assert shifted.place.lat != 37.87


# ── All of them ────────────────────────────────────────────────────────────────────────────────────────────────────


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
