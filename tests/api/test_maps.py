"""GET /v1/map and GET /v1/map/stores: where to look, and the stores of a box or how many are where."""

import random
from pathlib import Path
from typing import Any

import h3
import numpy as np
import pytest

from geo.coordinates import LatLon
from geo.datums import Datum, from_wgs84
from tests.api.client import Api, assert_problem, worker

TAIYUAN = (37.87, 112.55)
BOX = "112,37,113,38"


async def marks(api: Api, bbox: str = BOX, **query: Any) -> dict[str, Any]:
    answer = await api.get("/v1/map/stores", bbox=bbox, **query)
    assert answer.status_code == 200, answer.text
    body = dict(answer.json())
    assert set(body) == {"total", "stores", "cells"}
    assert (body["stores"] is None) != (body["cells"] is None)
    return body


async def ids(api: Api, bbox: str, **query: Any) -> list[str]:
    return [store["store_id"] for store in (await marks(api, bbox, **query))["stores"]]


async def with_city(api: Api, count: int, *, seed: int = 11) -> dict[str, tuple[float, float]]:
    """Stores at random places around Taiyuan, by id."""
    rng = random.Random(seed)
    places = {f"s{n:04}": (TAIYUAN[0] + rng.gauss(0, 0.05), TAIYUAN[1] + rng.gauss(0, 0.05)) for n in range(count)}
    rows = "".join(f"{store_id},{lat!r},{lon!r}\n" for store_id, (lat, lon) in places.items())
    done = await api.import_file("stores", f"store_id,lat,lon\n{rows}", datum="wgs84")
    assert done["created"] == count, done
    return places


# ── the map ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_without_anything_there_is_nothing_to_draw_and_that_is_said(app_client: Api) -> None:
    answer = await app_client.get("/v1/map")
    assert answer.json() == {"tiles": None, "roads": None, "stores": 0, "bounds": None, "centre": None}
    assert (await marks(app_client, "-180,-90,180,90")) == {"total": 0, "stores": [], "cells": None}


async def test_the_map_is_of_the_active_stores_in_the_datum_asked_for(app_client: Api) -> None:
    await app_client.put_store("a", *TAIYUAN)
    await app_client.put_store("b", 37.871, 112.551)
    await app_client.put_store("far", 31.2, 121.4)
    await app_client.put_store("asleep", 60.0, 10.0, active=False)
    told = (await app_client.get("/v1/map")).json()
    assert told["stores"] == 3
    assert told["bounds"] == [112.55, 31.2, 121.4, 37.871]
    assert (told["centre"]["lat"], told["centre"]["lon"]) == pytest.approx((37.8705, 112.5505), abs=1e-6)
    shown = (await app_client.get("/v1/map", datum="gcj02")).json()
    centre = from_wgs84(LatLon(**told["centre"]), Datum.GCJ02)
    assert (shown["centre"]["lat"], shown["centre"]["lon"]) == pytest.approx((centre.lat, centre.lon), abs=2e-7)
    assert shown["bounds"] != told["bounds"]
    await app_client.put_store("far", 31.2, 121.4, active=False)
    assert (await app_client.get("/v1/map")).json()["bounds"] == [112.55, 37.87, 112.551, 37.871]


async def test_the_tiles_are_those_of_the_settings(database_url: str, tmp_path: Path) -> None:
    tiles = {"url": "https://tiles.example.org/{z}/{x}/{y}.png", "attribution": "© A <b>", "datum": "gcj02"}
    settings: dict[str, Any] = {f"tiles_{name}": value for name, value in tiles.items()}
    async with worker(database_url, tmp_path, **settings, tiles_max_zoom=18) as api:
        assert (await api.get("/v1/map")).json()["tiles"] == tiles | {"max_zoom": 18}


# ── few stores ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_each_store_of_the_box_is_told_by_its_id_with_what_a_map_shows(app_client: Api) -> None:
    await app_client.put_store("b", *TAIYUAN, name="店 <i>", brand="B", opening_hours="Mo-Su 20:00-22:00")
    await app_client.put_store("a", *TAIYUAN, partner="p", active=False)
    await app_client.put_store("outside", 36.9, 112.5)
    body = await marks(app_client)
    assert (body["total"], body["cells"]) == (2, None)
    place = {"lat": 37.87, "lon": 112.55}
    assert body["stores"] == [
        {"store_id": "a", "name": None, "brand": None, "partner": "p", "open_now": True, "active": False, **place},
        {"store_id": "b", "name": "店 <i>", "brand": "B", "partner": "default", "open_now": False, "active": True,
         **place},
    ]  # fmt: skip
    assert await ids(app_client, BOX, active="true") == ["b"]
    await app_client.write("DELETE", "/v1/stores/b", None)
    assert await ids(app_client, BOX) == ["a"]


async def test_borders_belong_to_the_box_and_it_may_go_over_the_antimeridian(app_client: Api) -> None:
    await app_client.put_store("west", -17.0, 179.9)
    await app_client.put_store("east", -17.0, -179.9)
    await app_client.put_store("home", -17.0, 100.0)
    assert await ids(app_client, "179,-18,-179,-16") == ["east", "west"]
    assert await ids(app_client, "-179.9,-17,179.9,-16") == ["east", "home", "west"]
    assert await ids(app_client, "179.95,-18,-179.95,-16") == []
    assert await ids(app_client, "-180,-90,180,90") == ["east", "home", "west"]


async def test_places_go_and_come_in_the_datum_asked_for(app_client: Api) -> None:
    await app_client.put_store("a", *TAIYUAN)
    shown = from_wgs84(LatLon(lat=TAIYUAN[0], lon=TAIYUAN[1]), Datum.BD09)
    around = f"{shown.lon - 0.001},{shown.lat - 0.001},{shown.lon + 0.001},{shown.lat + 0.001}"
    [store] = (await marks(app_client, around, datum="bd09"))["stores"]
    assert (store["lat"], store["lon"]) == (shown.lat, shown.lon)
    assert (await marks(app_client, around))["total"] == 0
    [cell] = (await marks(app_client, around, datum="bd09", most=0))["cells"]
    assert (cell["lat"], cell["lon"]) == pytest.approx((shown.lat, shown.lon), abs=1e-7)


async def test_the_answer_may_be_kept_until_a_store_opens_or_closes_and_no_longer_than_30_s(app_client: Api) -> None:
    await app_client.put_store("a", 25.03, 121.56, opening_hours="Mo-Su 08:00-22:00")
    app_client.clock.now = app_client.clock.now.replace(hour=13, minute=59, second=50)  # 21:59:50 in Taipei
    answer = await app_client.get("/v1/map/stores", bbox="121,25,122,26")
    assert answer.headers["cache-control"] == "private, max-age=10"
    again = await app_client.get(
        "/v1/map/stores", bbox="121,25,122,26", headers={"If-None-Match": answer.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    counted = await app_client.get("/v1/map/stores", bbox="121,25,122,26", most=0)
    assert counted.headers["cache-control"] == "private, max-age=30"


# ── many stores ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("resolution", [0, 2, 3, 4, 7, 9, 12])
async def test_more_stores_than_most_are_counted_by_the_cells_that_h3_says(app_client: Api, resolution: int) -> None:
    places = await with_city(app_client, 300)
    box = "112.5,37.8,112.6,37.95"
    inside = [(lat, lon) for lat, lon in places.values() if 112.5 <= lon <= 112.6 and 37.8 <= lat <= 37.95]
    assert 50 < len(inside) < 290
    assert (await marks(app_client, box, most=len(inside)))["cells"] is None
    body = await marks(app_client, box, most=len(inside) - 1, resolution=resolution)
    expected: dict[str, list[tuple[float, float]]] = {}
    for lat, lon in inside:
        # As the hierarchy has it, which resolves to 12 and goes up from there; to 3 and less it is the home cell's.
        fine = h3.latlng_to_cell(lat, lon, 12 if resolution > 3 else 3)
        expected.setdefault(h3.cell_to_parent(fine, resolution), []).append((lat, lon))
    assert body["total"] == len(inside)
    assert [cell["cell"] for cell in body["cells"]] == sorted(expected)
    for cell in body["cells"]:
        assert cell["stores"] == len(expected[cell["cell"]])
        # On a plane: of places within some km of each other, to a metre or so.
        middle = np.mean(expected[cell["cell"]], axis=0)
        assert (cell["lat"], cell["lon"]) == pytest.approx(middle, abs=2e-5)


async def test_a_cell_follows_its_stores_as_they_move_go_and_fall_asleep(app_client: Api) -> None:
    for n in range(4):
        await app_client.put_store(f"s{n}", TAIYUAN[0] + n * 1e-7, TAIYUAN[1])
    home = h3.latlng_to_cell(*TAIYUAN, 9)
    query: dict[str, Any] = {"most": 0, "resolution": 9}
    assert [(c["cell"], c["stores"]) for c in (await marks(app_client, **query))["cells"]] == [(home, 4)]
    await app_client.put_store("s0", 37.5, 112.5)
    moved = h3.latlng_to_cell(37.5, 112.5, 9)
    await app_client.write("DELETE", "/v1/stores/s1", None)
    await app_client.put_store("s2", TAIYUAN[0], TAIYUAN[1], active=False)
    cells = {c["cell"]: c["stores"] for c in (await marks(app_client, **query))["cells"]}
    assert cells == {home: 2, moved: 1}
    awake = {c["cell"]: c["stores"] for c in (await marks(app_client, **query, active="true"))["cells"]}
    assert awake == {home: 1, moved: 1}


async def test_a_cell_at_the_antimeridian_has_its_middle_there(app_client: Api) -> None:
    await app_client.put_store("west", -17.0, 179.9)
    await app_client.put_store("east", -17.0, -179.9)
    cells = (await marks(app_client, "-180,-90,180,90", most=1, resolution=0))["cells"]
    assert [cell["stores"] for cell in cells] == [2]
    assert abs(cells[0]["lon"]) == pytest.approx(180.0, abs=1e-6)


async def test_too_many_cells_are_refused_with_the_resolution_that_fits(
    app_client: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatch.services.store_map.MOST_MAP_CELLS", 5)
    places = await with_city(app_client, 60)
    query: dict[str, Any] = {"bbox": BOX, "most": 10, "resolution": 11}
    problem = assert_problem(
        await app_client.get("/v1/map/stores", **query), 422, "invalid_input", pointers=["/query/resolution"]
    )
    fits = int(problem["errors"][0]["detail"].split("resolution ")[1].split()[0])
    assert len((await marks(app_client, most=10, resolution=fits))["cells"]) <= 5
    finer = await app_client.get("/v1/map/stores", **(query | {"resolution": fits + 1}))
    assert finer.status_code == 422
    assert len(places) == 60


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({}, "bbox"),
        ({"bbox": "1,2,3"}, "bbox"),
        ({"bbox": "a,b,c,d"}, "bbox"),
        ({"bbox": "112,38,113,37"}, "bbox"),
        ({"bbox": "112,37,112,38"}, "bbox"),
        ({"bbox": "112,37,190,38"}, "bbox"),
        ({"bbox": BOX, "resolution": 13}, "resolution"),
        ({"bbox": BOX, "resolution": -1}, "resolution"),
        ({"bbox": BOX, "most": 5001}, "most"),
        ({"bbox": BOX, "datum": "mars"}, "datum"),
        ({"bbox": BOX, "zoom": 3}, "zoom"),
    ],
)
async def test_what_cannot_be_is_told_with_its_place(app_client: Api, query: dict[str, Any], pointer: str) -> None:
    answer = await app_client.get("/v1/map/stores", **query)
    assert_problem(answer, 422, "invalid_input", pointers=[f"/query/{pointer}"])
