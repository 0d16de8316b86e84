"""Which column is which field, by name and by hand."""

import pytest

from dispatch.ingest.problems import FileProblem
from dispatch.ingest.profiles import Profile, is_id_name, is_known_name, load_profile, match_columns

STORES = load_profile("stores")
STOCK = load_profile("stock")
ITEMS = load_profile("items")


def _match(profile: Profile, columns: str, **mapping: str) -> dict[str, str]:
    matched = match_columns(profile, columns.split(","), mapping=mapping)
    return {field: matched.columns[index] for field, index in matched.index_by_field.items()}


@pytest.mark.parametrize(
    ("columns", "fields"),
    [
        ("id,latitude,lng", "store_id,lat,lon"),
        ("Store Code,LAT,Long", "store_id,lat,lon"),
        ("STORE_NUMBER,y,x", "store_id,lat,lon"),
        ("shop-id,Latitude,Longitude", "store_id,lat,lon"),
        ("门店编码,门店名称,纬度,经度,营业时间", "store_id,name,lat,lon,opening_hours"),
        ("門市編號,門市名稱,緯度,經度,電話", "store_id,name,lat,lon,phone"),
        ("ｌａｔ,ＬＯＮ,Shop code,Primary phone,Business name", "lat,lon,store_id,phone,name"),
    ],
)
def test_usual_names_of_store_columns_are_known(columns: str, fields: str) -> None:
    assert _match(STORES, columns) == dict(zip(fields.split(","), columns.split(","), strict=True))


def test_usual_names_of_stock_columns_are_known() -> None:
    assert _match(STOCK, "门店编码,商品编码,条码,库存,售价") == {
        "store_id": "门店编码",
        "sku": "商品编码",
        "barcode": "条码",
        "on_hand": "库存",
        "price": "售价",
    }
    assert _match(STOCK, "id,store_code,quantity") == {"sku": "id", "store_id": "store_code", "on_hand": "quantity"}


def test_the_fields_own_name_wins_over_other_names_and_the_other_column_is_told() -> None:
    matched = match_columns(STORES, ["id", "store_id", "lat", "lon", "colour"], mapping={})
    assert matched.name_of("store_id") == "store_id"
    assert sorted(matched.ignored) == ["colour", "id"]


def test_a_mapped_column_wins_over_every_name() -> None:
    assert _match(STORES, "store_id,Filiale,lat,lon", Filiale="store_id")["store_id"] == "Filiale"
    assert _match(STORES, "shop code,store number,lat,lon", **{"shop code": "-"})["store_id"] == "store number"


@pytest.mark.parametrize("columns", ["shop code,store number,lat,lon", "lat,Lat,lon,id"])
def test_two_columns_for_one_field_are_refused_by_name(columns: str) -> None:
    with pytest.raises(FileProblem) as caught:
        _match(STORES, columns)
    assert caught.value.code == "column_twice"
    assert [error.place for error in caught.value.errors] == [f"column {name}" for name in columns.split(",")[:2]]


def test_a_mapped_column_must_be_there() -> None:
    with pytest.raises(FileProblem) as caught:
        _match(STORES, "id,lat,lon", Filiale="store_id")
    assert caught.value.code == "column_missing"
    assert "Filiale" in caught.value.message
    assert "id, lat, lon" in caught.value.message


@pytest.mark.parametrize("profile", [STORES, STOCK, ITEMS])
def test_every_field_is_known_by_its_own_name(profile: Profile) -> None:
    assert all(profile.field_by_name[field.replace("_", "")] == field for field in profile.fields)
    assert all(map(is_known_name, profile.fields))
    assert not is_known_name("colour")


def test_names_of_formats_are_known_and_those_of_ids_are_told() -> None:
    assert all(map(is_known_name, ("MatlWrhsStkQtyInMatlBaseUnit", "shipNode", "On hand (current)", "库存数量（件）")))
    assert all(map(is_id_name, ("店號", "Plant", "GTIN", "shipNode", "Location", "Store Code (GBP)")))
    assert not any(map(is_id_name, ("lat", "quantity", "colour", "eta", "售价(元)")))
