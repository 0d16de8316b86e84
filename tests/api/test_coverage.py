"""GET /v1/coverage: the cells over a box, each judged by a quote at its centre."""

from typing import Any

import h3
import pytest
from shapely.geometry import Point, box, shape

from geo.coordinates import LatLon
from geo.datums import Datum, from_wgs84
from tests.api.client import Api, assert_problem

BBOX = (121.50, 25.00, 121.60, 25.08)
HERE = (25.04, 121.55)


def text_of(bbox: tuple[float, float, float, float]) -> str:
    return ",".join(map(repr, bbox))


async def cells_of(api: Api, bbox: tuple[float, float, float, float] = BBOX, **query: Any) -> list[dict[str, Any]]:
    answer = await api.get("/v1/coverage", bbox=text_of(bbox), **query)
    assert answer.status_code == 200, answer.text
    cells: list[dict[str, Any]] = answer.json()["cells"]
    assert [cell["cell"] for cell in cells] == sorted({cell["cell"] for cell in cells})
    return cells


async def test_each_cell_says_what_a_quote_at_its_centre_says(app_client: Api) -> None:
    await app_client.put_store("near", *HERE, prepare_s=600, delivery_radius_m=3000)
    await app_client.put_store("south", 24.99, 121.53, mode="foot")
    await app_client.put_store("shut", 25.06, 121.58, opening_hours="off")
    for store_id in ("near", "south", "shut"):
        await app_client.put_stock(store_id, tea=3)
    cells = await cells_of(app_client, minutes=30, sku="tea")
    told = {cell["served"] for cell in cells}
    assert told == {True, False}
    for cell in cells[::7]:
        lat, lon = h3.cell_to_latlng(cell["cell"])
        quote = await app_client.quote(lat, lon, "tea", promise_minutes=30)
        assert cell["served"] == (quote["outcome"] == "fulfillable")
        if cell["served"]:
            assert cell["store_id"] == quote["store"]["store_id"]
            assert (cell["eta_s"], cell["travel_source"]) == (quote["eta"]["total_s"], "estimate")
        else:
            assert (cell["store_id"], cell["eta_s"], cell["travel_source"]) == (None, None, None)
    without = await cells_of(app_client, minutes=30)
    assert without == cells, "a store that has every sku asked is judged as one of which none is"
    assert not any(cell["served"] for cell in await cells_of(app_client, sku=["tea", "unheard-of"]))
    walked = await cells_of(app_client, minutes=30, mode="foot")
    assert sum(cell["served"] for cell in walked) < sum(cell["served"] for cell in cells)


async def test_many_stores_that_cannot_do_not_hide_one_that_can(app_client: Api) -> None:
    """Without a sku there is no stock to go by: the search goes on past whoever is shut."""
    rows = [f"s{i},25.04,{121.54 + i / 10_000!r},off" for i in range(300)]
    rows.append("open,25.06,121.55,24/7")
    await app_client.import_file("stores", "store_id,lat,lon,opening_hours\n" + "\n".join(rows) + "\n")
    cells = await cells_of(app_client, resolution=7)
    assert {cell["store_id"] for cell in cells} == {"open"}


async def test_the_start_moves_the_hours(app_client: Api) -> None:
    await app_client.put_store("a", *HERE, opening_hours="Mo-Su 20:00-22:00")
    assert {cell["served"] for cell in await cells_of(app_client)} == {False}
    assert {cell["served"] for cell in await cells_of(app_client, at="2026-11-20T20:30:00+08:00")} == {True}


async def test_the_cells_are_those_that_overlap_the_box(app_client: Api) -> None:
    found = {cell["cell"] for cell in await cells_of(app_client)}
    area = box(*BBOX)
    west, south, east, north = BBOX
    expected = {
        cell
        for i in range(41)
        for j in range(41)
        for near in [h3.latlng_to_cell(south + (north - south) * i / 40, west + (east - west) * j / 40, 8)]
        for cell in h3.grid_disk(near, 1)
        if shape({"type": "Polygon", "coordinates": [[(x, y) for y, x in h3.cell_to_boundary(cell)]]}).intersects(area)
    }
    assert found == expected
    assert len(found) > 100


async def test_geojson_has_the_cells_as_polygons_in_the_datum_of_the_question(app_client: Api) -> None:
    await app_client.put_store("a", *HERE)
    headers = {"Accept": "application/geo+json"}
    plain = await cells_of(app_client)
    answer = await app_client.get("/v1/coverage", bbox=text_of(BBOX), headers=headers)
    assert answer.headers["content-type"] == "application/geo+json"
    collection = answer.json()
    assert (collection["type"], "datum" in collection) == ("FeatureCollection", False)
    assert [feature["properties"] for feature in collection["features"]] == plain
    for feature in collection["features"]:
        lat, lon = h3.cell_to_latlng(feature["id"])
        assert shape(feature["geometry"]).centroid.distance(Point(lon, lat)) < 1e-4
    moved = await app_client.get("/v1/coverage", bbox=text_of(BBOX), datum="bd09", headers=headers)
    assert moved.json()["datum"] == "bd09"
    for feature in moved.json()["features"]:
        lat, lon = h3.cell_to_latlng(feature["id"])
        shown = from_wgs84(LatLon(lat=lat, lon=lon), Datum.BD09)
        assert shape(feature["geometry"]).centroid.distance(Point(shown.lon, shown.lat)) < 1e-4


@pytest.mark.parametrize(
    ("bbox", "resolution"),
    [((179.9, -17.1, -179.9, -16.9), 7), ((-180.0, 89.0, 180.0, 90.0), 4), ((-180.0, -90.0, 180.0, 90.0), 0)],
)
async def test_boxes_over_the_antimeridian_and_the_poles_are_covered_whole(
    app_client: Api, bbox: tuple[float, float, float, float], resolution: int
) -> None:
    west, south, east, north = bbox
    width = (east - west) % 360 or 360
    found = {cell["cell"] for cell in await cells_of(app_client, bbox, resolution=resolution)}
    for i in range(60):
        for j in range(60):
            lat, lon = south + (north - south) * i / 59, (west + width * j / 59 + 180) % 360 - 180
            assert h3.latlng_to_cell(lat, lon, resolution) in found
    headers = {"Accept": "application/geo+json"}
    answer = await app_client.get("/v1/coverage", bbox=text_of(bbox), resolution=resolution, headers=headers)
    for feature in answer.json()["features"]:
        drawn = shape(feature["geometry"])
        assert drawn.is_valid
        assert drawn.bounds[0] >= -180
        assert drawn.bounds[2] <= 180
        assert drawn.bounds[2] - drawn.bounds[0] < 180 or len(getattr(drawn, "geoms", [])) > 1 or resolution in (0, 4)


async def test_too_many_cells_are_refused_with_the_resolution_that_fits(app_client: Api) -> None:
    for bbox, resolution in ((BBOX, 11), ((-180.0, -90.0, 180.0, 90.0), 8), ((170.0, -20.0, -170.0, 20.0), 15)):
        problem = assert_problem(
            await app_client.get("/v1/coverage", bbox=text_of(bbox), resolution=resolution),
            422,
            pointers=["/query/resolution"],
        )
        fitting = int(problem["detail"].rpartition("resolution ")[2].split()[0])
        assert fitting < resolution
        if bbox == BBOX:
            assert len(await cells_of(app_client, bbox, resolution=fitting)) <= 20_000
        finer = await app_client.get("/v1/coverage", bbox=text_of(bbox), resolution=fitting + 1)
        assert finer.status_code == 422


async def test_coverage_is_tagged_and_not_kept_with_stock(app_client: Api) -> None:
    await app_client.put_store("a", *HERE)
    answer = await app_client.get("/v1/coverage", bbox=text_of(BBOX))
    assert answer.headers["cache-control"] == "private, max-age=30"
    again = await app_client.get("/v1/coverage", bbox=text_of(BBOX), headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert (await app_client.get("/v1/coverage", bbox=text_of(BBOX), sku="x")).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({}, "/query/bbox"),
        ({"bbox": "1,2,3"}, "/query/bbox"),
        ({"bbox": "a,b,c,d"}, "/query/bbox"),
        ({"bbox": "1,nan,3,4"}, "/query/bbox"),
        ({"bbox": "1,5,3,4"}, "/query/bbox"),
        ({"bbox": "1,2,1,4"}, "/query/bbox"),
        ({"bbox": "1,2,181,4"}, "/query/bbox"),
        ({"bbox": "1,2,3,91"}, "/query/bbox"),
        ({"bbox": "1,2,3,4", "resolution": 16}, "/query/resolution"),
        ({"bbox": "1,2,3,4", "minutes": 4}, "/query/minutes"),
        ({"bbox": "1,2,3,4", "at": "2020-01-01T00:00:00Z"}, "/query/at"),
        ({"bbox": "1,2,3,4", "at": "noon"}, "/query/at"),
        ({"bbox": "1,2,3,4", "sku": ""}, "/query/sku/0"),
        ({"bbox": "1,2,3,4", "colour": "red"}, "/query/colour"),
    ],
)
async def test_a_bad_box_is_refused_with_its_place(app_client: Api, query: dict[str, Any], pointer: str) -> None:
    assert_problem(await app_client.get("/v1/coverage", **query), 422, pointers=[pointer])
