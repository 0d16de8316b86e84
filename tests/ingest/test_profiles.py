"""Formats that are known by name: what is made of a small sample of each."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dispatch.domain.hours import Schedules
from dispatch.ingest.problems import FileProblem
from dispatch.ingest.shaping import shape
from dispatch.ingest.stores import StoreOptions
from dispatch.ingest.tables import RowIgnored
from geo.datums import Datum
from tests.ingest.shaped import CHINA, LOCAL, shopify, stock_of, supply, table_of, told
from tests.ingest.tables import NOW, ListTable, StoresRead, open_table


def is_open(hours: str | None, at: str) -> bool:
    schedules = Schedules()
    moment_s = int(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp())
    return schedules.state(schedules.intern(hours, "UTC", None), moment_s)[0]


# ── Google ─────────────────────────────────────────────────────────────────────────────────────────────────────────


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


@pytest.mark.parametrize("order", [1, -1])
def test_a_word_that_is_no_quantity_is_none_though_a_quantity_reads_the_same(order: int) -> None:
    rows = [LOCAL | {"quantity": "", "availability": "5"}, LOCAL | {"quantity": "5", "availability": "in stock"}]
    good, batch = stock_of(table_of(rows[::order], "stock"))
    assert [row[3] for row in good] == [5]
    assert [problem.code for problem in batch.problems] == ["on_hand_missing"]


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
