"""POST /v1/imports/{id}/undo and …/apply: what was is put back, and a dry run is held to what it saw."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from httpx import Response

from dispatch.services import import_undo
from dispatch.services.import_undo import Place, changed_since
from dispatch.storage import import_images
from dispatch.storage.imports import ImportRecord, read_import
from dispatch.storage.pool import Database
from tests.api.client import Api, assert_problem

PLACES = {"a": (25.03, 121.56), "b": (25.04, 121.57), "far": (22.63, 120.30)}
HEADER = "store_id,sku,on_hand,price,safety_stock\n"
COUNTED: dict[str, Any] = {"as_of": "2026-11-20T09:00:00+08:00", "currency": "TWD"}


@pytest.fixture
async def shops(app_client: Api) -> Api:
    for store_id, (lat, lon) in PLACES.items():
        await app_client.put_store(store_id, lat, lon, name=store_id)
    return app_client


async def _tables(api: Api) -> dict[str, Any]:
    """Stores in service and shelves as anybody sees them, from the database, and the checksums of the replica."""
    stores = [(await api.get(f"/v1/stores/{store_id}")).json() for store_id in (*PLACES, "new")]
    shelves = {one["store_id"]: await api.shelf(one["store_id"]) for one in stores if "store_id" in one}
    told = (await api.get("/v1/replica")).json()["cells"]
    sums = {cell["cell"]: (cell["rows"], cell["checksum"]) for cell in told}
    return {"stores": stores, "shelves": shelves, "sums": sums}


async def _undone(api: Api, import_id: str) -> dict[str, Any]:
    begun = await api.send("POST", f"/v1/imports/{import_id}/undo")
    assert begun.status_code == 202, begun.text
    assert begun.headers["location"] == f"/v1/imports/{import_id}"
    return await api.finished(begun.headers["location"])


@pytest.mark.parametrize("mode", ["partial", "snapshot"])
async def test_an_undone_count_leaves_every_figure_as_it_was(shops: Api, mode: str) -> None:
    chance = random.Random(3)
    old = "".join(f"{s},{k},{chance.randrange(9)},{chance.randrange(99)},1\n" for s in "ab" for k in range(12))
    await shops.import_file("stock", HEADER + old, **COUNTED)
    before = await _tables(shops)
    new = "".join(f"{s},{k},{chance.randrange(9)},,\n" for s in ("a", "far") for k in range(4, 20))
    done = await shops.import_file("stock", HEADER + new, as_of="now", mode=mode, force=True)
    assert done["created"] > 16
    assert await _tables(shops) != before
    undone = await _undone(shops, done["import_id"])
    assert (undone["status"], undone["report"]["undo"]["kept"]) == ("undone", 0)
    assert undone["report"]["undo"]["restored"] >= 32
    assert await _tables(shops) == before
    assert_problem(await shops.send("POST", f"/v1/imports/{done['import_id']}/undo"), 409, "cannot_be_undone")
    again = await shops.import_file("stock", HEADER + new, as_of="now", mode=mode, force=True)
    assert {name: again[name] for name in ("created", "updated", "unchanged", "removed")} == {
        name: done[name] for name in ("created", "updated", "unchanged", "removed")
    }


async def test_what_was_counted_since_stays_and_what_was_sold_stays_sold(shops: Api) -> None:
    await shops.import_file("stock", HEADER + "a,tea,10,35,\na,egg,10,35,\n", **COUNTED)
    done = await shops.import_file(
        "stock", HEADER + "a,tea,50,39,\na,egg,50,39,\na,new,50,39,\n", as_of="now", currency="TWD"
    )
    shops.clock.advance(minutes=1)
    sale: dict[str, Any] = {"store_id": "a", "at": shops.clock.now.isoformat(), "reason": "sale"}
    moves = [sale | {"movement_id": sku, "sku": sku, "delta": -3} for sku in ("tea", "new")]
    assert (await shops.write("POST", "/v1/stock/movements", {"movements": moves})).status_code == 200
    shops.clock.advance(minutes=1)
    body = {"items": [{"sku": "egg", "on_hand": 7}]}
    assert (await shops.write("PATCH", "/v1/stores/a/stock", body)).status_code == 200
    undone = await _undone(shops, done["import_id"])
    told = undone["report"]["undo"]
    assert (told["restored"], told["kept"]) == (2, 1)
    assert told["samples"] == [{"store_id": "a", "sku": "egg"}]
    shelf = await shops.shelf("a")
    assert {sku: row["on_hand"] for sku, row in shelf.items()} == {"tea": 7, "egg": 7, "new": 0}
    assert shelf["new"]["available"] == 0


async def test_open_reservations_survive_an_undo(shops: Api) -> None:
    await shops.import_file("stock", HEADER + "a,tea,10,35,\n", **COUNTED)
    done = await shops.import_file("stock", HEADER + "a,tea,50,35,\n", as_of="now")
    async with shops.app.state.service.database.connection() as connection:
        await connection.execute("UPDATE shelves SET reserved = 4")
    await _undone(shops, done["import_id"])
    row = (await shops.shelf("a"))["tea"]
    assert (row["on_hand"], row["reserved"], row["available"]) == (10, 4, 6)


async def test_undone_stores_are_as_they_were(shops: Api) -> None:
    before = await _tables(shops)
    text = "store_id,lat,lon,name\na,25.03,121.56,renamed\nb,22.64,120.31,moved\nnew,25.0,121.5,new\n"
    done = await shops.import_file("stores", text, mode="replace")
    assert {name: done[name] for name in ("created", "updated", "removed")} == {
        "created": 1, "updated": 2, "removed": 1,
    }  # fmt: skip
    undone = await _undone(shops, done["import_id"])
    told = undone["report"]["undo"]
    assert (undone["status"], told["restored"], told["kept"]) == ("undone", 4, 0)
    after = await _tables(shops)
    assert after["stores"] == before["stores"]


async def test_a_store_changed_since_stays_and_is_named(shops: Api) -> None:
    done = await shops.import_file("stores", "store_id,lat,lon,name\na,25.03,121.56,x\nb,25.04,121.57,y\n")
    await shops.put_store("b", *PLACES["b"], name="by hand")
    undone = await _undone(shops, done["import_id"])
    assert undone["report"]["undo"]["samples"] == [{"store_id": "b", "sku": None}]
    names = [(await shops.get(f"/v1/stores/{one}")).json()["name"] for one in "ab"]
    assert names == ["a", "by hand"]


async def test_the_share_of_stores_that_is_put_back_is_told(shops: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    done = await shops.import_file("stores", "store_id,lat,lon\n" + "".join(f"s{n},25.0{n},121\n" for n in range(4)))
    shares: list[float] = []

    async def note(_database: Any, _import_id: str, share: float, _counts: None) -> None:
        shares.append(share)

    monkeypatch.setattr(import_undo, "note_progress", note)
    monkeypatch.setattr(import_images, "_ROWS_A_PAGE", 1)
    database = shops.app.state.service.database
    record = await read_import(database, done["import_id"])
    await import_undo.open_undo(database, record, now=datetime.now(UTC))
    await import_undo.run_undo(database, record)
    assert shares == [0.25, 0.5, 0.75, 1.0]


async def test_a_store_that_somebody_else_took_out_meanwhile_stays_out_after_an_undo(
    shops: Api, database_url: str
) -> None:
    connection = await asyncpg.connect(database_url)
    async with connection.transaction():
        await connection.execute("SELECT FROM store_directory WHERE store_id = 'b' FOR NO KEY UPDATE")
        await connection.execute("UPDATE stores SET removed_at = now() WHERE store_id = 'b'")
        text = "store_id,lat,lon,name\na,25.03,121.56,renamed\nfar,22.63,120.30,far\n"
        begun = await shops.send("POST", "/v1/imports/stores", params={"mode": "replace"}, content=text)
        async with asyncio.timeout(20):
            while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.02)
    await connection.close()
    done = await shops.finished(begun.headers["location"])
    assert (done["updated"], done["removed"]) == (1, 0)
    assert (await _undone(shops, done["import_id"]))["report"]["undo"]["restored"] == 1
    async with shops.app.state.service.database.connection() as connection:
        assert await connection.fetchval("SELECT removed_at IS NOT NULL FROM stores WHERE store_id = 'b'")


async def test_only_what_has_changed_something_can_be_undone(shops: Api) -> None:
    dry = await shops.import_file("stock", HEADER + "a,tea,1,,\n", as_of="now", dry_run=True)
    failed = await shops.import_file("stock", "nothing\n1\n", as_of="now")
    for import_id in (dry["import_id"], failed["import_id"]):
        assert_problem(await shops.send("POST", f"/v1/imports/{import_id}/undo"), 409, "cannot_be_undone")
    assert_problem(await shops.send("POST", "/v1/imports/none/undo"), 404, "import_not_found")
    done = await shops.import_file("stock", HEADER + "a,tea,1,,\n", as_of="now")
    shops.clock.advance(days=30)
    assert_problem(await shops.send("POST", f"/v1/imports/{done['import_id']}/undo"), 409, "cannot_be_undone")


async def _applied(api: Api, import_id: str) -> dict[str, Any]:
    begun = await api.send("POST", f"/v1/imports/{import_id}/apply")
    assert begun.status_code == 202, begun.text
    assert begun.json()["applies"] == import_id
    return await api.finished(begun.headers["location"])


COUNTS = ("rows", "created", "updated", "unchanged", "removed", "failed", "ignored", "warnings")


@pytest.mark.parametrize(
    ("kind", "text", "asked"),
    [
        ("stock", HEADER + "a,tea,5,35,\na,egg,-1,9,\nb,ink,x,9,\nzz,ink,1,9,\n", {**COUNTED, "mode": "partial"}),
        ("stock", HEADER + "a,tea,5,35,\na,new,2,9,\nb,tea,1.5,9,\n", {**COUNTED, "mode": "snapshot"}),
        ("stores", "store_id,lat,lon\na,25.03,121.56\nb,95,121.57\nnew,25,121.5\n", {}),
        ("stores", "store_id,lat,lon\na,25.03,121.56\nb,25.04,121.57\n", {"mode": "replace"}),
    ],
)
async def test_the_file_of_a_dry_run_is_applied_and_comes_to_what_it_said(
    shops: Api, kind: str, text: str, asked: dict[str, Any]
) -> None:
    await shops.import_file("stock", HEADER + "a,tea,9,35,\na,egg,9,35,\nb,tea,4,35,\n", as_of="2026-11-19T00:00:00Z",
                            currency="TWD")  # fmt: skip
    before = await _tables(shops)
    dry = await shops.import_file(kind, text, dry_run=True, **asked)
    assert await _tables(shops) == before
    done = await _applied(shops, dry["import_id"])
    assert {name: done[name] for name in COUNTS} == {name: dry[name] for name in COUNTS}
    assert {**done["report"], "undo": None} == {**dry["report"], "undo": None}
    errors = [(await shops.send("GET", f"/v1/imports/{one['import_id']}/errors.csv")).content for one in (dry, done)]
    assert errors[0] == errors[1]
    assert await _tables(shops) != before
    assert_problem(await shops.send("POST", f"/v1/imports/{dry['import_id']}/apply"), 409, "changed_since_dry_run")


async def test_a_dry_run_is_not_applied_to_counts_that_have_changed(shops: Api) -> None:
    await shops.import_file("stock", HEADER + "a,tea,9,35,\nb,tea,9,35,\n", **COUNTED)
    dry = await shops.import_file("stock", HEADER + "a,tea,5,35,\na,new,5,35,\n", as_of="now", currency="TWD",
                                  dry_run=True)  # fmt: skip
    apply = f"/v1/imports/{dry['import_id']}/apply"
    async with shops.app.state.service.database.connection() as connection:
        await connection.execute("UPDATE shelves SET reserved = 1")
    await shops.write("PATCH", "/v1/stores/b/stock", {"items": [{"sku": "tea", "on_hand": 1}]})
    for changed, sku in (("new", "new"), ("tea", "tea")):
        body = {"items": [{"sku": changed, "on_hand": 3}]}
        assert (await shops.write("PATCH", "/v1/stores/a/stock", body)).status_code == 200
        problem = assert_problem(await shops.send("POST", apply), 409, "changed_since_dry_run")
        assert {"pointer": "", "detail": f"store a, sku {sku}"} in problem["errors"]
    dry = await shops.import_file("stock", HEADER + "a,tea,5,35,\n", as_of="now", currency="TWD", dry_run=True)
    async with shops.app.state.service.database.connection() as connection:
        await connection.execute("UPDATE shelves SET reserved = 2")
    await shops.write("PATCH", "/v1/stores/b/stock", {"items": [{"sku": "tea", "on_hand": 2}]})
    assert (await _applied(shops, dry["import_id"]))["status"] == "done", "neither is named by it"


async def test_a_dry_run_is_not_applied_to_stores_that_have_changed(shops: Api) -> None:
    text = "store_id,lat,lon,name\na,25.03,121.56,a\nnew,25.0,121.5,new\n"
    for store_id in ("a", "new"):
        dry = await shops.import_file("stores", text, dry_run=True)
        await shops.put_store(store_id, 25.0, 121.4)
        problem = assert_problem(
            await shops.send("POST", f"/v1/imports/{dry['import_id']}/apply"), 409, "changed_since_dry_run"
        )
        assert {"pointer": "", "detail": f"store {store_id}"} in problem["errors"]
        last = (await shops.get("/v1/imports")).json()["imports"][0]
        assert last["import_id"] == dry["import_id"], "nothing was begun"


async def test_what_is_applied_is_compared_when_it_is_its_turn(shops: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    dry = await shops.import_file("stores", "store_id,lat,lon,name\na,25.03,121.56,a\n", dry_run=True)
    seen: list[Response] = []

    async def compare(database: Database, record: ImportRecord) -> list[Place]:
        text = b"store_id,lat,lon,name\na,25.03,121.56,other\n"
        seen.append(await shops.send("POST", "/v1/imports/stores", content=text))
        return await changed_since(database, record)

    monkeypatch.setattr("dispatch.api.imports.changed_since", compare)
    done = await _applied(shops, dry["import_id"])
    assert done["status"] == "done"
    [refused] = seen
    assert_problem(refused, 409, "import_running")


async def _dry(api: Api, kind: str, text: str, **asked: Any) -> dict[str, Any]:
    dry = await api.import_file(kind, text, dry_run=True, **asked)
    assert dry["status"] == "done", dry
    return dry


async def _not_applied(api: Api, dry: dict[str, Any]) -> list[str]:
    """What has changed since the dry run, as the refusal to apply it names that."""
    answer = await api.send("POST", f"/v1/imports/{dry['import_id']}/apply")
    return [error["detail"] for error in assert_problem(answer, 409, "changed_since_dry_run")["errors"]]


async def test_a_whole_set_of_stores_does_not_remove_those_that_came_after_its_dry_run(shops: Api) -> None:
    text = "store_id,lat,lon\na,25.03,121.56\nb,25.04,121.57\n"
    dry = await _dry(shops, "stores", text, mode="replace")
    merging = await _dry(shops, "stores", text)
    await shops.put_store("late", 25.0, 121.4)
    assert await _not_applied(shops, dry) == ["store late"]
    assert (await _applied(shops, merging["import_id"]))["removed"] == 0, "which removes none"
    unsure = await _dry(shops, "stores", text + "bad,95,121\n", mode="replace")
    assert (await _applied(shops, unsure["import_id"]))["removed"] == 0, "nor one with bad rows"


async def test_a_dry_run_of_stock_is_not_applied_once_an_unknown_store_is_known(shops: Api) -> None:
    text = HEADER + "a,tea,5,,\nlate,tea,5,,\n007,tea,1,,\n"
    dry = await _dry(shops, "stock", text, as_of="now")
    assert dry["report"]["errors_by_code"] == {"unknown_store": 2}
    await shops.put_store("other", 25.0, 121.4)
    for store_id, named in (("late", ["store late"]), ("7", ["store 7", "store late"])):
        await shops.put_store(store_id, 25.0, 121.4)
        assert await _not_applied(shops, dry) == named
    await shops.send("DELETE", "/v1/stores/late")
    await shops.send("DELETE", "/v1/stores/7")
    assert (await _applied(shops, dry["import_id"]))["failed"] == 2


async def test_a_store_whose_id_a_dry_run_has_padded_may_not_be_made_before_it_is_applied(shops: Api) -> None:
    await shops.put_store("007", 25.0, 121.4)
    dry = await _dry(shops, "stock", HEADER + "7,tea,5,,\n", as_of="now")
    assert dry["report"]["warnings_by_code"] == {"store_id_padded": 1}
    await shops.put_store("7", 25.0, 121.4)
    assert await _not_applied(shops, dry) == ["store 7"]


async def test_a_dry_run_of_stock_is_not_applied_once_the_partners_items_are_others(shops: Api) -> None:
    items = "partner_code,sku,units_per_case\n1001,tea,1\n"
    await shops.import_file("items", items)
    dry = await _dry(shops, "stock", HEADER + "a,1001,5,,\n", as_of="now")
    await shops.import_file("items", items.replace("tea", "other"), partner="acme")
    await shops.import_file("items", items)
    assert (await _applied(shops, dry["import_id"]))["created"] == 1, "they are the same"
    dry = await _dry(shops, "stock", HEADER + "b,1001,5,,\n", as_of="now")
    await shops.import_file("items", items.replace("tea,1", "tea,12"))
    assert await _not_applied(shops, dry) == ["some of the partner's items"]


async def test_a_dry_run_of_stock_is_not_applied_once_an_unmapped_code_is_known(shops: Api) -> None:
    await shops.import_file("items", "partner_code,sku\n1001,tea\n")
    dry = await _dry(shops, "stock", HEADER + "a,1001,5,,\na,ink,5,,\n", as_of="now")
    assert dry["report"]["errors_by_code"] == {"unmapped_item": 1}
    await shops.put_stock("b", other=1)
    await shops.put_stock("b", ink=1)
    assert await _not_applied(shops, dry) == ["item ink"]


async def test_a_dry_run_of_items_is_not_applied_to_items_that_have_changed(shops: Api) -> None:
    header = "partner_code,sku\n"
    await shops.import_file("items", header + "1,tea\n2,egg\n3,ink\n")
    merging = await _dry(shops, "items", header + "1,tea\n2,egg\n")
    whole = await _dry(shops, "items", header + "1,tea\n2,egg\n", mode="replace")
    await shops.import_file("items", header + "late,pen\n")
    assert await _not_applied(shops, whole) == ["item late"]
    whole = await _dry(shops, "items", header + "1,tea\n2,egg\n", mode="replace")
    await shops.import_file("items", header + "3,pen\n")
    assert await _not_applied(shops, whole) == ["item 3"], "which it would drop"
    assert (await _applied(shops, merging["import_id"]))["unchanged"] == 2, "it names neither"
    merging = await _dry(shops, "items", header + "1,tea\n2,egg\n")
    await shops.import_file("items", header + "2,pen\n")
    assert await _not_applied(shops, merging) == ["item 2"]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("stores", "store_id,lat,lon\nnew,25.0,121.5\n"),
        ("stock", HEADER + "a,tea,1,,\n"),
        ("items", "partner_code,sku\n1,tea\n"),
    ],
)
async def test_a_dry_run_of_a_new_partner_does_not_make_it(shops: Api, kind: str, text: str) -> None:
    asked = {"as_of": "now"} if kind == "stock" else {}
    dry = await _dry(shops, kind, text, partner="novel", **asked)
    told = (await shops.get("/v1/uploads")).json()["uploads"]
    assert [one["partner"] for one in told] == ["default"]
    listed = (await shops.get("/v1/imports", partner="novel")).json()["imports"]
    assert [one["import_id"] for one in listed] == [dry["import_id"]]
    assert (await shops.get("/v1/partners/novel")).status_code == 404
    done = await _applied(shops, dry["import_id"])
    assert (done["status"], done["created"]) == ("done", dry["created"])
    told = (await shops.get("/v1/uploads")).json()["uploads"]
    assert [one["partner"] for one in told] == ["default", "novel"]


async def test_only_a_dry_run_whose_file_is_there_can_be_applied(shops: Api) -> None:
    done = await shops.import_file("stock", HEADER + "a,tea,1,,\n", as_of="now")
    assert_problem(await shops.send("POST", f"/v1/imports/{done['import_id']}/apply"), 409, "cannot_be_applied")
    dry = await shops.import_file("stock", HEADER + "a,tea,2,,\n", as_of="now", dry_run=True)
    for path in shops.app.state.service.uploads.iterdir():
        path.unlink()
    assert_problem(await shops.send("POST", f"/v1/imports/{dry['import_id']}/apply"), 409, "cannot_be_applied")


# ── guards ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _stocked(api: Api) -> None:
    rows = "".join(f"{store_id},{sku},5,,\n" for store_id in ("a", "b") for sku in range(10))
    await api.import_file("stock", HEADER + rows, **COUNTED)


async def test_whole_shelves_that_would_empty_most_of_a_chain_are_refused_unless_forced(shops: Api) -> None:
    await _stocked(shops)
    text = HEADER + "".join(f"{store_id},{sku},5,,\n" for store_id in ("a", "b") for sku in range(4))
    before = await _tables(shops)
    for dry_run in (True, False):
        refused = await shops.import_file("stock", text, as_of="now", mode="snapshot", dry_run=dry_run)
        assert (refused["status"], refused["report"]["code"]) == ("failed", "would_empty")
        assert "12 of the 20" in refused["report"]["message"]
    assert await _tables(shops) == before
    forced = await shops.import_file("stock", text, as_of="now", mode="snapshot", force=True)
    assert (forced["status"], forced["removed"]) == ("done", 12)
    assert forced["report"]["warnings_by_code"] == {"would_empty": 1}


async def test_one_store_of_many_may_be_emptied(shops: Api) -> None:
    await _stocked(shops)
    done = await shops.import_file("stock", HEADER + "a,0,0,,\n", as_of="now", mode="snapshot")
    assert (done["status"], done["removed"]) == ("done", 9), "b has as much as a had"


async def test_counts_of_0_for_most_of_a_chain_are_warned_of(shops: Api) -> None:
    await _stocked(shops)
    few = HEADER + "".join(f"{store_id},{sku},0,,\n" for store_id in ("a", "b") for sku in range(5))
    done = await shops.import_file("stock", few, as_of="now", dry_run=True)
    assert done["warnings"] == 0, "half is not most"
    done = await shops.import_file("stock", few + "a,7,0,,\n", as_of="now")
    assert (done["updated"], done["report"]["warnings_by_code"]) == (11, {"mostly_emptied": 1})


async def test_a_set_of_stores_without_most_of_them_is_refused_unless_forced(shops: Api) -> None:
    rows = [f"s{n},25.0{n},121.5\n" for n in range(10)]
    await shops.import_file("stores", "store_id,lat,lon\n" + "".join(rows), partner="acme")
    few = "store_id,lat,lon\n" + "".join(rows[:4])
    refused = await shops.import_file("stores", few, mode="replace", partner="acme")
    assert (refused["status"], refused["report"]["code"]) == ("failed", "would_empty")
    assert (await shops.import_file("stores", few, mode="replace", partner="acme", force=True))["removed"] == 6


async def test_whole_shelves_of_other_goods_empty_a_chain_all_the_same(shops: Api) -> None:
    await _stocked(shops)
    others = HEADER + "".join(f"{store_id},other{sku},5,,\n" for store_id in ("a", "b") for sku in range(10))
    refused = await shops.import_file("stock", others, as_of="now", mode="snapshot")
    assert (refused["status"], refused["report"]["code"]) == ("failed", "would_empty")


async def test_what_bad_rows_speak_of_is_not_taken_for_empty(shops: Api) -> None:
    await _stocked(shops)
    rows = "".join(f"{store_id},{sku},{'x' if sku > 2 else 5},,\n" for store_id in ("a", "b") for sku in range(10))
    done = await shops.import_file("stock", HEADER + rows, as_of="now", mode="snapshot")
    assert (done["status"], done["failed"], done["removed"]) == ("done", 14, 0)


# ── what undo must know of time ────────────────────────────────────────────────────────────────────────────────────


async def _sold(api: Api, movement_id: str, delta: int, *, minutes_ago: float) -> None:
    at = api.clock.now - timedelta(minutes=minutes_ago)
    move = {"movement_id": movement_id, "store_id": "a", "sku": "tea", "delta": delta, "at": at.isoformat(),
            "reason": "sale"}  # fmt: skip
    assert (await api.write("POST", "/v1/stock/movements", {"movements": [move]})).status_code == 200


def _at(api: Api, minutes_ago: float) -> str:
    return (api.clock.now - timedelta(minutes=minutes_ago)).isoformat()


async def test_a_count_of_the_same_moment_is_another_count(shops: Api) -> None:
    await shops.import_file("stock", HEADER + "a,tea,4,,\n", as_of=_at(shops, 90))
    moment = _at(shops, 30)
    first = await shops.import_file("stock", HEADER + "a,tea,10,,\n", as_of=moment)
    await _sold(shops, "1", -1, minutes_ago=10)
    await shops.import_file("stock", HEADER + "a,tea,20,,\n", as_of=moment)
    undone = await _undone(shops, first["import_id"])
    assert (undone["report"]["undo"]["restored"], undone["report"]["undo"]["kept"]) == (0, 1)
    assert (await shops.shelf("a"))["tea"]["on_hand"] == 19


async def test_a_sale_that_is_told_late_is_no_count(shops: Api) -> None:
    await shops.import_file("stock", HEADER + "a,tea,10,,\n", as_of=_at(shops, 90))
    await _sold(shops, "1", -1, minutes_ago=10)
    done = await shops.import_file("stock", HEADER + "a,tea,20,,\n", as_of=_at(shops, 30))
    await _sold(shops, "2", -1, minutes_ago=20)
    undone = await _undone(shops, done["import_id"])
    assert (undone["report"]["undo"]["restored"], undone["report"]["undo"]["kept"]) == (1, 0)
    assert (await shops.shelf("a"))["tea"]["on_hand"] == 8


async def test_a_sale_that_the_undone_count_had_in_it_is_subtracted_from_the_one_before(shops: Api) -> None:
    await shops.import_file("stock", HEADER + "a,tea,10,,\n", as_of=_at(shops, 90))
    done = await shops.import_file("stock", HEADER + "a,tea,6,,\n", as_of=_at(shops, 30))
    await _sold(shops, "1", -4, minutes_ago=40)
    assert (await shops.shelf("a"))["tea"]["on_hand"] == 6
    await _undone(shops, done["import_id"])
    assert (await shops.shelf("a"))["tea"]["on_hand"] == 6


async def test_prices_of_two_currencies_are_not_mixed(shops: Api) -> None:
    text = "store_id,sku,on_hand,price,currency\na,tea,1,35,TWD\na,tea,1,2.5,USD\na,egg,1,35,TWD\na,egg,1,36,TWD\n"
    await shops.import_file("stock", text, as_of="now")
    async with shops.app.state.service.database.connection() as connection:
        rows = await connection.fetch("SELECT sku, price_minor, currency FROM shelves JOIN skus USING (sku_no)")
    assert {row["sku"]: (row["price_minor"], row["currency"]) for row in rows} == {
        "tea": (None, None), "egg": (3600, "TWD"),
    }  # fmt: skip


async def test_a_mended_row_of_a_whole_shelf_is_not_older_than_the_shelf_it_was_missing_in(shops: Api) -> None:
    await shops.import_file("stock", HEADER + "a,tea,3,,\n", as_of=_at(shops, 600))
    text = "store_id,sku,on_hand,as_of\na,tea,{},2026-11-20T08:00:00+08:00\na,egg,2,2026-11-20T09:00:00+08:00\n"
    done = await shops.import_file("stock", text.format("x"), mode="snapshot")
    assert (done["failed"], done["created"]) == (1, 1)
    mended = await shops.import_file("stock", text.format(7))
    assert (mended["updated"], mended["ignored"]) == (1, 0)
    assert (await shops.shelf("a"))["tea"]["on_hand"] == 7
