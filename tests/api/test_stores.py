"""GET, PUT and DELETE of one store."""

import csv
import io
import json
from typing import Any

import pytest
import shapely

from tests.api.client import Api, assert_problem

TERMS: dict[str, Any] = {
    "name": "全家 信義", "brand": "FamilyMart", "partner": "acme", "region": "Taipei", "address": "信義路 7",
    "phone": "02-1234", "timezone": "Asia/Tokyo", "opening_hours": "Mo-Su 08:00-22:00", "delivery_radius_m": 1500.5,
    "mode": "foot", "prepare_s": 0, "prepare_line_s": 1, "queue_per_order_s": 2, "courier_s": 3, "handover_s": 4,
    "max_open_orders": 5, "active": False,
}  # fmt: skip
SQUARE = {
    "type": "Polygon",
    "coordinates": [[[121.0, 25.0], [122.0, 25.0], [122.0, 26.0], [121.0, 26.0], [121.0, 25.0]]],
}


async def test_a_store_is_told_as_it_was_put_and_put_again_is_200(app_client: Api) -> None:
    body = {"lat": 25.5, "lon": 121.5, **TERMS, "delivery_zone": SQUARE}
    first = await app_client.write("PUT", "/v1/stores/a", body)
    assert first.status_code == 201
    second = await app_client.write("PUT", "/v1/stores/a", body)
    assert second.status_code == 200
    read = await app_client.get("/v1/stores/a")
    assert read.json() == first.json() == second.json()
    told = read.json()
    zone = told.pop("delivery_zone")
    assert zone["type"] == "Polygon"
    assert [list(corner) for corner in zone["coordinates"][0]] == SQUARE["coordinates"][0]
    assert told == TERMS | {
        "store_id": "a", "lat": 25.5, "lon": 121.5, "open_now": True, "hours_known": True, "opens_at": None,
        "closes_at": "2026-11-20T22:00:00+09:00", "open_orders": 0, "warnings": [],
    }  # fmt: skip
    assert first.headers["dispatch-version"]


async def test_put_is_the_whole_store_so_what_is_absent_is_gone(app_client: Api) -> None:
    await app_client.put_store("a", 25.5, 121.5, **TERMS, delivery_zone=SQUARE)
    told = await app_client.put_store("a", 24.9, 121.5, partner="acme")
    assert told == {
        "store_id": "a", "name": None, "brand": None, "address": None, "lat": 24.9, "lon": 121.5, "open_now": True,
        "hours_known": False, "opens_at": None, "closes_at": None, "opening_hours": None, "timezone": "Asia/Taipei",
        "phone": None, "partner": "acme", "region": None, "active": True, "mode": "ebike", "prepare_s": 300,
        "prepare_line_s": 30, "queue_per_order_s": 120, "courier_s": 60, "handover_s": 120, "max_open_orders": None,
        "open_orders": 0, "delivery_radius_m": None, "delivery_zone": None, "warnings": [],
    }  # fmt: skip


async def test_a_zone_may_be_wkt_or_geojson(app_client: Api) -> None:
    for zone in ("POLYGON ((121 25, 122 25, 122 26, 121 25))", SQUARE, {"type": "Feature", "geometry": SQUARE}):
        told = await app_client.put_store("a", 25.5, 121.9, delivery_zone=zone)
        assert told["delivery_zone"]["type"] == "Polygon"


async def test_a_store_outside_its_own_zone_is_put_and_warned_of(app_client: Api) -> None:
    for lon, codes in ((121.5, []), (122.0, []), (122.5, ["outside_own_zone"])):
        told = await app_client.put_store("a", 25.5, lon, delivery_zone=SQUARE)
        assert [warning["code"] for warning in told["warnings"]] == codes
        assert [warning["pointer"] for warning in told["warnings"]] == ["/delivery_zone"] * len(codes)
        assert (await app_client.get("/v1/stores/a")).json()["warnings"] == told["warnings"]
    assert (await app_client.put_store("a", 25.5, 122.5, delivery_radius_m=1))["warnings"] == []


BOW_TIE = [[121, 25], [122, 26], [122, 25], [121, 26], [121, 25]]
OUTSIDE = [[120, 25], [120.5, 25], [120.5, 25.5], [120, 25]]
SPIKE = [[121, 25], [122, 25], [122, 26], [122, 25], [121, 26], [121, 25]]
CROSSED: dict[str, dict[str, Any]] = {
    "a bow tie": {"type": "Polygon", "coordinates": [BOW_TIE]},
    "a hole outside": {"type": "Polygon", "coordinates": [SQUARE["coordinates"][0], OUTSIDE]},
    "a spike": {"type": "Polygon", "coordinates": [SPIKE]},
    "two that overlap": {"type": "MultiPolygon", "coordinates": [SQUARE["coordinates"], SQUARE["coordinates"]]},
}


@pytest.mark.parametrize("shape", CROSSED)
async def test_a_zone_that_crosses_itself_is_refused_with_the_reason_wherever_it_comes_in(
    app_client: Api, shape: str
) -> None:
    geometry = CROSSED[shape]
    wkt = shapely.to_wkt(shapely.geometry.shape(geometry))
    ways = {
        "GeoJSON": geometry, "GeoJSON text": json.dumps(geometry), "WKT": wkt,
        "a Feature": {"type": "Feature", "properties": {}, "geometry": geometry},
    }  # fmt: skip
    for way, zone in ways.items():
        answer = await app_client.send("PUT", "/v1/stores/a", json={"lat": 25.5, "lon": 121.5, "delivery_zone": zone})
        problem = assert_problem(answer, 422, pointers=["/delivery_zone"])
        assert "crosses or touches itself" in problem["errors"][0]["detail"], way
    rows: list[list[Any]] = [
        ["store_id", "lat", "lon", "delivery_zone"],
        ["a", 25.5, 121.5, wkt],
        ["b", 25.5, 121.5, json.dumps(geometry)],
    ]
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    imported = await app_client.import_file("stores", file.getvalue())
    assert (imported["created"], imported["failed"]) == (0, 2)
    for error in imported["report"]["errors"]:
        assert (error["column"], error["code"]) == ("delivery_zone", "delivery_zone_invalid")
        assert "crosses or touches itself" in error["message"]


async def test_imports_warn_of_a_store_outside_its_own_zone(app_client: Api) -> None:
    zone = "POLYGON ((121 25, 122 25, 122 26, 121 26, 121 25))"
    imported = await app_client.import_file(
        "stores", f'store_id,lat,lon,delivery_zone\nin,25.5,121.5,"{zone}"\nout,25.5,122.5,"{zone}"\n'
    )
    assert (imported["created"], imported["failed"], imported["warnings"]) == (2, 0, 1)
    [warning] = imported["report"]["warnings"]
    assert (warning["row"], warning["column"], warning["code"]) == (3, "delivery_zone", "outside_own_zone")


async def test_a_store_of_another_partner_is_409_and_stays_as_it_was(app_client: Api) -> None:
    before = await app_client.put_store("a", 25.5, 121.5, partner="acme")
    taken = await app_client.write("PUT", "/v1/stores/a", {"lat": 26.0, "lon": 121.5, "partner": "other"})
    assert_problem(taken, 409, "store_of_other_partner")
    assert (await app_client.get("/v1/stores/a")).json() == before


async def test_a_deleted_store_is_found_no_more_and_can_come_back_with_its_shelf(app_client: Api) -> None:
    await app_client.put_store("a", 25.5, 121.5)
    await app_client.put_stock("a", tea=4)
    deleted = await app_client.write("DELETE", "/v1/stores/a", None)
    assert (deleted.status_code, deleted.json()) == (200, {"store_id": "a", "open_orders": []})
    assert_problem(await app_client.get("/v1/stores/a"), 404, "store_not_found")
    assert_problem(await app_client.get("/v1/stores/a/stock"), 404, "store_not_found")
    assert (await app_client.get("/v1/stores/nearby", lat=25.5, lon=121.5)).json()["stores"] == []
    assert (await app_client.quote(25.5, 121.5, "tea"))["outcome"] == "unfulfillable"
    for method in ("PUT", "PATCH"):
        counted = await app_client.send(method, "/v1/stores/a/stock", json={"items": []})
        assert_problem(counted, 404, "store_not_found")
    again = await app_client.write("PUT", "/v1/stores/a", {"lat": 25.5, "lon": 121.5})
    assert again.status_code in (200, 201)
    assert (await app_client.quote(25.5, 121.5, "tea"))["store"]["store_id"] == "a"


async def test_delete_may_be_told_to_reassign_and_nothing_else(app_client: Api) -> None:
    await app_client.put_store("a", 25.5, 121.5)
    assert_problem(await app_client.send("DELETE", "/v1/stores/a?force=true"), 422, pointers=["/query/force"])
    assert (await app_client.send("DELETE", "/v1/stores/a?reassign=true")).status_code == 200


async def test_a_store_that_moves_to_another_cell_keeps_its_shelf(app_client: Api) -> None:
    await app_client.put_store("a", 25.5, 121.5)
    items = [
        {"sku": "tea", "on_hand": 4, "price": 3500, "currency": "TWD", "safety_stock": 1},
        {"sku": "rice", "on_hand": 2},
    ]
    await app_client.write("PUT", "/v1/stores/a/stock", {"items": items})
    before = await app_client.shelf("a")
    moved = await app_client.write("PUT", "/v1/stores/a", {"lat": 31.2, "lon": 121.5})
    assert moved.status_code == 200
    assert await app_client.shelf("a") == before
    assert (await app_client.quote(31.2, 121.5, "tea", "rice"))["lines"][0]["price"] == 3500
    assert (await app_client.quote(25.5, 121.5, "tea"))["nearest_miss"]["reason"] == "promise_missed"
    late = {"as_of": "2026-11-20T01:59:59Z", "items": []}
    assert_problem(await app_client.send("PUT", "/v1/stores/a/stock", json=late), 409, "snapshot_too_old")
    await app_client.put_store("a", 25.5, 121.5)
    assert await app_client.shelf("a") == before


async def test_an_id_may_be_any_printable_text_without_a_slash(app_client: Api) -> None:
    for store_id in ("7-11 信義", "a.b:c", "0", "ÅÄÖ", "100%", "a+b&c=d?e#f", "x" * 64):
        url = "/v1/stores/" + "".join(f"%{byte:02X}" for byte in store_id.encode())
        assert (await app_client.write("PUT", url, {"lat": 25.5, "lon": 121.5})).json()["store_id"] == store_id
        assert (await app_client.get(url)).json()["store_id"] == store_id
        assert (await app_client.write("DELETE", url, None)).json()["store_id"] == store_id


async def test_everything_that_is_wrong_with_a_store_is_told_at_once(app_client: Api) -> None:
    body = {"lat": 25.5, "lon": 121.5, "timezone": "Moon", "opening_hours": "sometimes", "delivery_zone": "POINT (1 1)"}
    answer = await app_client.send("PUT", "/v1/stores/a", json=body)
    assert_problem(answer, 422, pointers=["/timezone", "/opening_hours", "/delivery_zone"])
    shapes = await app_client.send("PUT", "/v1/stores/a", json={"lat": "x", "prepare_s": -1, "colour": "red"})
    assert_problem(shapes, 422, pointers=["/lat", "/lon", "/prepare_s", "/colour"])
