"""GET /v1/imports/{import_id}/changes: what an import has done to which stores, and what a dry run would do."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyproj import Geod

from geo.coordinates import LatLon
from geo.datums import Datum, from_wgs84
from tests.api.client import Api, assert_problem, worker
from tests.api.shop import clock_of_now

GEOD = Geod(ellps="WGS84")
BEFORE = """store_id,name,lat,lon
gone,Gone,25.01,121.51
moves,Moves,25.02,121.52
named,Old name,25.03,121.53
abides,S,25.04,121.54
"""
AFTER = """store_id,name,lat,lon
moves,Moves,25.021,121.52
named,<b>New</b>,25.03,121.53
new,New,25.05,121.55
abides,S,25.04,121.54
"""
NO_CHANGES = {"created": 0, "updated": 0, "removed": 0, "counted": 0}


async def changes(api: Api, import_id: str, **query: Any) -> dict[str, Any]:
    answer = await api.get(f"/v1/imports/{import_id}/changes", **query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/geo+json"
    body = dict(answer.json())
    assert body["type"] == "FeatureCollection"
    assert sum(body["by_change"].values()) == body["total"]
    return body


def by_id(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    assert all(feature["id"] == feature["properties"]["store_id"] for feature in body["features"])
    ids = [feature["id"] for feature in body["features"]]
    assert ids == sorted(set(ids))
    return {feature["id"]: feature for feature in body["features"]}


@pytest.fixture
async def stocked(database_url: str, tmp_path: Path) -> Any:
    async with worker(database_url, tmp_path, clock=clock_of_now()) as api:
        yield api


@pytest.mark.parametrize("dry_run", [True, False])
async def test_stores_that_come_change_move_and_go_are_told_and_those_that_stay_are_not(
    stocked: Api, dry_run: bool
) -> None:
    first = await stocked.import_file("stores", BEFORE)
    assert (await changes(stocked, first["import_id"]))["by_change"] == NO_CHANGES | {"created": 4}
    done = await stocked.import_file("stores", AFTER, mode="replace", dry_run=dry_run)
    assert (done["created"], done["updated"], done["removed"], done["unchanged"]) == (1, 2, 1, 1)
    body = await changes(stocked, done["import_id"])
    assert body["by_change"] == NO_CHANGES | {"created": 1, "updated": 2, "removed": 1}
    told = by_id(body)
    none: dict[str, Any] = {"fields": [], "from": None, "moved_m": None, "rows": None}
    moved_m = told["moves"]["properties"].pop("moved_m")
    assert moved_m == pytest.approx(GEOD.inv(121.52, 25.02, 121.52, 25.021)[2], abs=1e-6)
    assert {store_id: feature["geometry"]["coordinates"] for store_id, feature in told.items()} == {
        "gone": [121.51, 25.01], "moves": [121.52, 25.021], "named": [121.53, 25.03], "new": [121.55, 25.05],
    }  # fmt: skip
    assert [feature["properties"] for feature in told.values()] == [
        {"store_id": "gone", "name": "Gone", "change": "removed", **none},
        {"store_id": "moves", "name": "Moves", "change": "updated", "fields": ["lat"], "from": [121.52, 25.02],
         "rows": None},
        {"store_id": "named", "name": "<b>New</b>", "change": "updated", **none, "fields": ["name"]},
        {"store_id": "new", "name": "New", "change": "created", **none},
    ]  # fmt: skip


async def test_places_are_told_in_the_datum_asked_for(stocked: Api) -> None:
    await stocked.import_file("stores", "store_id,lat,lon\na,37.87,112.55\n", datum="wgs84")
    done = await stocked.import_file("stores", "store_id,lat,lon\na,37.88,112.55\n", datum="wgs84", dry_run=True)
    body = await changes(stocked, done["import_id"], datum="gcj02")
    assert body["datum"] == "gcj02"
    [feature] = body["features"]
    here, there = (from_wgs84(LatLon(lat=lat, lon=112.55), Datum.GCJ02) for lat in (37.88, 37.87))
    assert feature["geometry"]["coordinates"] == [here.lon, here.lat]
    assert feature["properties"]["from"] == [there.lon, there.lat]
    assert "datum" not in await changes(stocked, done["import_id"])


@pytest.mark.parametrize("dry_run", [True, False])
async def test_of_stock_the_stores_are_told_whose_shelves_are_counted(stocked: Api, dry_run: bool) -> None:
    await stocked.put_store("a", 25.01, 121.51, name="A")
    await stocked.put_store("b", 25.02, 121.52)
    await stocked.put_store("c", 25.03, 121.53)
    await stocked.put_stock("a", tea=1, gone=3)
    rows = "store_id,sku,on_hand\nb,tea,3\na,tea,2\na,new,1\n"
    done = await stocked.import_file("stock", rows, mode="snapshot", as_of="now", force=True, dry_run=dry_run)
    assert done["status"] == "done", done
    body = await changes(stocked, done["import_id"])
    assert body["by_change"] == NO_CHANGES | {"counted": 2}
    told = by_id(body)
    # What the file leaves out of a whole shelf is counted, too: as none.
    assert {store_id: feature["properties"]["rows"] for store_id, feature in told.items()} == {"a": 3, "b": 1}
    assert told["a"]["geometry"]["coordinates"] == [121.51, 25.01]
    assert (told["a"]["properties"]["name"], told["a"]["properties"]["change"]) == ("A", "counted")


async def test_of_many_the_first_are_told_and_all_are_counted(stocked: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatch.services.import_changes.MOST_CHANGES", 3)
    rows = "".join(f"s{n},25.0{n},121.5\n" for n in range(9, 0, -1))
    done = await stocked.import_file("stores", f"store_id,lat,lon\n{rows}")
    body = await changes(stocked, done["import_id"])
    assert (body["total"], list(by_id(body))) == (9, ["s1", "s2", "s3"])


async def test_what_changes_nothing_and_items_have_no_stores_to_tell(stocked: Api) -> None:
    await stocked.import_file("stores", BEFORE)
    for kind, text, status in (
        ("stores", BEFORE, "done"),
        ("items", "partner_code,sku\n1,tea\n", "done"),
        ("stores", "store_id,lat\nx,25\n", "failed"),
    ):
        done = await stocked.import_file(kind, text, dry_run=True)
        assert done["status"] == status, done
        body = await changes(stocked, done["import_id"])
        assert (body["features"], body["total"], body["by_change"]) == ([], 0, NO_CHANGES)


async def test_what_is_not_known_yet_or_any_more_is_said_and_is_not_nothing(stocked: Api) -> None:
    done = await stocked.import_file("stores", BEFORE)
    url = f"/v1/imports/{done['import_id']}/changes"
    assert_problem(await stocked.get("/v1/imports/none/changes"), 404, "import_not_found")
    assert_problem(await stocked.get(url, datum="mars"), 422, pointers=["/query/datum"])
    stocked.clock.now += timedelta(days=6)
    assert (await stocked.get(url)).status_code == 200
    stocked.clock.now += timedelta(days=1, minutes=1)
    assert_problem(await stocked.get(url), 409, "changes_not_kept")
    stocked.clock.now -= timedelta(days=7)
    async with stocked.app.state.service.database.connection() as connection:
        await connection.execute("UPDATE imports SET status = 'running', ended_at = NULL")
        assert_problem(await stocked.get(url), 409, "still_running")
        await connection.execute("UPDATE imports SET status = 'done', ended_at = now(), alive_at = now()")
    undo = await stocked.send("POST", f"/v1/imports/{done['import_id']}/undo")
    assert (await stocked.finished(undo.headers["Location"]))["status"] == "undone"
    assert_problem(await stocked.get(url), 409, "changes_not_kept")
