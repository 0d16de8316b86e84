"""POST /v1/imports/stock: counts of many shelves, each applied whole."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from dispatch.services.import_processes import ImportProcesses
from tests.api.client import START, Api, assert_problem
from tests.api.test_importing_stores_over_http import counts

NOW = {"as_of": "now"}


@pytest.fixture
async def shops(app_client: Api) -> Api:
    """An app with the stores a and b in one cell, c in another, each with tea and egg."""
    for store_id, lat in (("a", 25.03), ("b", 25.04), ("c", 35.6)):
        await app_client.put_store(store_id, lat, 121.56)
        body = {
            "as_of": (START - timedelta(hours=1)).isoformat(),
            "items": [{"sku": "tea", "on_hand": 5, "price": 3500, "currency": "TWD"}, {"sku": "egg", "on_hand": 6}],
        }
        await app_client.write("PUT", f"/v1/stores/{store_id}/stock", body)
    return app_client


async def on_hand(api: Api, store_id: str) -> dict[str, int]:
    return {sku: row["on_hand"] for sku, row in (await api.shelf(store_id)).items()}


async def test_a_partial_import_touches_the_rows_it_names(shops: Api) -> None:
    text = "store_id,sku,on_hand,price,safety_stock\na,tea,9,36,2\nb,rice,1,,\nc,egg,6,,\n"
    done = await shops.import_file("stock", text, **NOW, currency="TWD")
    assert (done["kind"], done["mode"]) == ("stock", "partial")
    assert counts(done) == {"rows": 3, "created": 1, "updated": 1, "unchanged": 1}
    assert await on_hand(shops, "a") == {"tea": 9, "egg": 6}
    assert await on_hand(shops, "b") == {"tea": 5, "egg": 6, "rice": 1}
    tea = (await shops.shelf("a"))["tea"]
    assert (tea["price"], tea["currency"], tea["safety_stock"]) == (3600, "TWD", 2)
    assert tea["as_of"] == (await shops.shelf("c"))["egg"]["as_of"] == START.isoformat()
    assert (await shops.quote(25.04, 121.56, "rice"))["store"]["store_id"] == "b"


async def test_a_snapshot_is_the_whole_shelf_of_each_store_that_it_names(shops: Api) -> None:
    done = await shops.import_file("stock", "store_id,sku,on_hand\na,tea,9\nc,rice,1\n", **NOW, mode="snapshot")
    assert counts(done) == {"rows": 2, "created": 1, "updated": 1, "removed": 3}
    assert await on_hand(shops, "a") == {"tea": 9, "egg": 0}
    assert await on_hand(shops, "b") == {"tea": 5, "egg": 6}
    assert await on_hand(shops, "c") == {"tea": 0, "egg": 0, "rice": 1}


async def test_a_bad_row_of_a_snapshot_leaves_its_shelf_row_as_it_was(shops: Api) -> None:
    text = "store_id,sku,on_hand\na,tea,many\na,rice,1\nb,,4\nb,rice,1\nc,rice,1\n"
    done = await shops.import_file("stock", text, **NOW, mode="snapshot")
    assert counts(done) == {"rows": 5, "created": 3, "failed": 2, "removed": 3}
    assert await on_hand(shops, "a") == {"tea": 5, "egg": 0, "rice": 1}  # the bad row spoke of tea
    assert await on_hand(shops, "b") == {"tea": 5, "egg": 6, "rice": 1}  # the bad row spoke of nobody knows what
    assert await on_hand(shops, "c") == {"tea": 0, "egg": 0, "rice": 1}


async def test_a_bad_row_that_names_no_store_makes_nothing_0_anywhere(shops: Api) -> None:
    text = "store_id,sku,on_hand\n,tea,3\na,rice,1\n"
    done = await shops.import_file("stock", text, **NOW, mode="snapshot")
    assert counts(done) == {"rows": 2, "created": 1, "failed": 1}
    assert "not_zeroed" in done["report"]
    assert await on_hand(shops, "a") == {"tea": 5, "egg": 6, "rice": 1}


async def test_a_row_for_a_store_that_is_not_there_is_bad_and_the_others_apply(shops: Api) -> None:
    await shops.put_store("z", 25.05, 121.56, partner="other")
    text = "store_id,sku,on_hand\nghost,tea,3\nz,tea,3\na,tea,1\n"
    done = await shops.import_file("stock", text, **NOW, mode="snapshot")
    assert counts(done) == {"rows": 3, "updated": 1, "failed": 2, "removed": 1}
    assert done["report"]["errors_by_code"] == {"unknown_store": 1, "store_of_other_partner": 1}


async def test_older_counts_are_kept_out_and_told_as_ignored(shops: Api) -> None:
    older = {"as_of": (START - timedelta(hours=2)).isoformat()}
    done = await shops.import_file("stock", "store_id,sku,on_hand\na,tea,1\na,rice,1\n", **older)
    # Rice was not on the shelf when that was counted whole, which was later.
    assert counts(done) == {"rows": 2, "ignored": 2}
    done = await shops.import_file("stock", "store_id,sku,on_hand\na,tea,1\na,new,1\n", **older, mode="snapshot")
    assert counts(done) == {"rows": 2, "ignored": 2}
    assert await on_hand(shops, "a") == {"tea": 5, "egg": 6}


async def test_rows_of_one_shelf_row_are_summed_and_share_its_fate(shops: Api) -> None:
    done = await shops.import_file("stock", "store_id,sku,on_hand\na,tea,1\na,egg,6\na,tea,2\na,tea,4\n", **NOW)
    assert counts(done) == {"rows": 4, "updated": 3, "unchanged": 1}
    assert (await on_hand(shops, "a"))["tea"] == 7


@pytest.mark.parametrize("mode", ["partial", "snapshot"])
async def test_rows_summed_with_a_bad_one_wait_for_it(shops: Api, mode: str) -> None:
    text = "store_id,sku,on_hand\na,tea,1\na,egg,4\na,tea,many\nb,tea,2\na,tea,4\n"
    tried = await shops.import_file("stock", text, **NOW, mode=mode, dry_run="true")
    done = await shops.import_file("stock", text, **NOW, mode=mode)
    assert counts(tried) == counts(done)
    assert done["report"]["errors_by_code"] == {"number_invalid": 1, "row_of_bad_sum": 2}
    assert (done["rows"], done["failed"]) == (5, 3)
    # The shelf row is as it was, also where a whole shelf does not name it any more.
    assert await on_hand(shops, "a") == {"tea": 5, "egg": 4}
    assert (await on_hand(shops, "b"))["tea"] == 2
    errors = await shops.send("GET", f"/v1/imports/{done['import_id']}/errors.csv")
    rows = [line.split(",")[:4] for line in errors.text.splitlines()[1:]]
    assert sorted(rows, key=lambda row: int(row[3])) == [
        ["a", "tea", "1", "2"], ["a", "tea", "many", "4"], ["a", "tea", "4", "6"]
    ]  # fmt: skip
    mended = await shops.import_file("stock", errors.text.replace("many", "2"), **NOW, mode=mode)
    assert counts(mended) == {"rows": 3, "updated": 3}
    assert (await on_hand(shops, "a"))["tea"] == 7


async def test_negative_is_0_and_a_fraction_is_rounded_down_with_a_warning_each(shops: Api) -> None:
    done = await shops.import_file("stock", "store_id,sku,on_hand\na,tea,-3\na,egg,2.9\n", **NOW)
    assert counts(done) == {"rows": 2, "updated": 2, "warnings": 2}
    assert done["report"]["warnings_by_code"] == {"negative_to_zero": 1, "fraction_rounded_down": 1}
    assert await on_hand(shops, "a") == {"tea": 0, "egg": 2}


async def test_a_column_tells_each_rows_own_moment_in_the_stores_own_time(shops: Api) -> None:
    rows = ["a,tea,1,2026-11-20T09:30:00", "a,egg,1,2026-11-20T01:45:00Z", "a,rice,1,2026-11-20T11:00:00"]
    done = await shops.import_file("stock", "\n".join(["store_id,sku,on_hand,as_of", *rows]))
    assert counts(done) == {"rows": 3, "updated": 2, "failed": 1}
    assert done["report"]["errors_by_code"] == {"as_of_in_future": 1}
    shelf = await shops.shelf("a")
    assert (shelf["tea"]["as_of"], shelf["egg"]["as_of"]) == ("2026-11-20T01:30:00+00:00", "2026-11-20T01:45:00+00:00")


@pytest.mark.parametrize("mode", ["partial", "snapshot"])
async def test_a_dry_run_tells_what_the_run_would_do_and_does_nothing(shops: Api, mode: str) -> None:
    text = "store_id,sku,on_hand\na,tea,1\na,new,1\na,new,2\na,other,2\nb,tea,5\nc,egg,x\nghost,tea,1\n"
    before = await _tables(shops)
    dry = await shops.import_file("stock", text, **NOW, mode=mode, dry_run="true")
    assert await _tables(shops) == before
    assert (await shops.quote(25.03, 121.56, "new"))["reason"] == "unknown_sku"
    real = await shops.import_file("stock", text, **NOW, mode=mode)
    assert counts(dry) == counts(real)
    assert dry["report"] == real["report"]
    assert await _tables(shops) != before


async def test_the_bad_rows_mended_and_sent_again_are_good(shops: Api) -> None:
    done = await shops.import_file("stock", 'store_id,sku,on_hand\na,tea,many\n\na,"0012",3\nghost,egg,1\n', **NOW)
    answer = await shops.send("GET", f"/v1/imports/{done['import_id']}/errors.csv")
    lines = answer.content.decode("utf-8-sig").splitlines()
    assert lines[0] == "store_id,sku,on_hand,row,column,code,message"
    assert [line.split(",")[:6] for line in lines[1:]] == [
        ["a", "tea", "many", "2", "on_hand", "number_invalid"],
        ["ghost", "egg", "1", "5", "store_id", "unknown_store"],
    ]
    mended = answer.content.replace(b"many", b"8").replace(b"ghost", b"b")
    assert counts(await shops.import_file("stock", mended, **NOW)) == {"rows": 2, "updated": 2}
    assert await on_hand(shops, "a") == {"tea": 8, "egg": 6, "0012": 3}


async def test_a_row_with_nul_is_a_bad_row_like_any_other(shops: Api) -> None:
    done = await shops.import_file("stock", b"store_id,sku,on_hand\na,te\0a,1\nb,tea,2\n", **NOW)
    assert done["status"] == "done"
    assert counts(done) == {"rows": 2, "updated": 1, "failed": 1}
    answer = await shops.send("GET", f"/v1/imports/{done['import_id']}/errors.csv")
    assert "a,te␀a,1,2,,nul_in_row" in answer.content.decode("utf-8-sig")


async def test_when_it_was_counted_must_be_said(shops: Api) -> None:
    answer = await shops.send("POST", "/v1/imports/stock", content=b"store_id,sku,on_hand\na,tea,1\n")
    assert_problem(answer, 422, "as_of_required", pointers=["/query/as_of"])
    assert (await shops.send("GET", "/v1/imports")).json()["imports"] == []


WRONG_PARAMETERS = (
    ("as_of", "2026-11-20T10:02:01+08:00", "as_of_in_future"),
    ("as_of", "yesterday", "invalid_input"),
    ("as_of", "2026-11-20", "invalid_input"),
    ("as_of", "1999-12-31T00:00:00Z", "invalid_input"),
    ("as_of", "0001-01-01T00:00:00+14:00", "invalid_input"),
    ("timezone", "Moon", "timezone_invalid"),
    ("currency", "ZZZ", "currency_unknown"),
    ("encoding", "klingon", "encoding_unknown"),
    ("mode", "merge", "invalid_input"),
    ("partner", "a/b", "invalid_input"),
    ("map", "nothing", "invalid_input"),
    ("profile", "none_such", "profile_unknown"),
    ("profile", "name = 'till'\n", "invalid_input"),
)


async def test_a_wrong_parameter_is_told_at_once_and_nothing_is_begun(shops: Api) -> None:
    content = b"store_id,sku,on_hand\na,tea,1\n"
    for parameter, value, code in WRONG_PARAMETERS:
        answer = await shops.send("POST", "/v1/imports/stock", params={**NOW, parameter: value}, content=content)
        assert_problem(answer, 422, code, pointers=[f"/query/{parameter}"])
    assert (await shops.send("GET", "/v1/imports")).json()["imports"] == []


async def test_the_profile_that_a_file_was_read_by_is_told(shops: Api) -> None:
    text = b"store code,id,availability,price\na,tea,out of stock,3 TWD\na,egg,in stock,\n"
    done = await shops.import_file("stock", text, **NOW)
    assert done["report"]["file"]["profile"] == "google_local_inventory"
    assert counts(done) == {"rows": 2, "updated": 1, "failed": 1}
    answer = await shops.send("GET", f"/v1/imports/{done['import_id']}/errors.csv")
    header = answer.content.decode("utf-8-sig").splitlines()[0]
    assert header == "store code,id,availability,price,row,column,code,message"


async def test_one_import_a_partner_runs_at_a_time(shops: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = asyncio.Event()
    run = ImportProcesses.run

    async def run_later(*arguments: Any) -> None:
        await go_on.wait()
        await run(*arguments)

    monkeypatch.setattr(ImportProcesses, "run", run_later)
    text = b"store_id,sku,on_hand\na,tea,1\n"
    first = await shops.send("POST", "/v1/imports/stock?as_of=now", content=text)
    assert first.status_code == 202
    for kind in ("stock", "stores"):
        second = await shops.send("POST", f"/v1/imports/{kind}?as_of=now", content=text)
        assert_problem(second, 409, "import_running")
    other = await shops.send("POST", "/v1/imports/stock?as_of=now&partner=other", content=text)
    assert other.status_code == 202
    assert (await shops.send("GET", first.headers["location"])).json()["status"] == "running"
    go_on.set()
    for begun in (first, other):
        assert (await shops.finished(begun.headers["location"]))["status"] == "done"
    assert (await shops.import_file("stock", text, **NOW))["status"] == "done"


async def _tables(api: Api) -> list[Any]:
    """Everything that an import of stock may change."""
    async with api.app.state.service.database.connection() as connection:
        return [
            [tuple(row) for row in await connection.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")]
            for table in ("stores", "shelves", "cell_heads", "changes", "skus")
        ]


async def test_a_file_of_bad_rows_is_no_whole_shelf_whatever_the_mode(shops: Api) -> None:
    done = await shops.import_file("stock", "store_id,sku,on_hand\na,tea,many\na,egg,6\n", **NOW, mode="snapshot")
    answer = await shops.send("GET", f"/v1/imports/{done['import_id']}/errors.csv")
    mended = answer.content.replace(b"many", b"8")
    dry = await shops.import_file("stock", mended, **NOW, mode="snapshot", dry_run="true")
    applied = await shops.send("POST", f"/v1/imports/{dry['import_id']}/apply")
    real = await shops.finished(applied.headers["Location"])
    assert counts(dry) == counts(real) == {"rows": 1, "updated": 1}
    assert dry["report"] == real["report"]
    assert real["report"]["read_as_part"].startswith("what the file does not name was left as it is")
    assert real["report"]["file"]["bad_rows_of_an_import"] is True
    assert await on_hand(shops, "a") == {"tea": 8, "egg": 6}
    partial = await shops.import_file("stock", mended, **NOW)
    assert "read_as_part" not in partial["report"]


SAP = "Plant,Material,InventoryStockType,InventorySpecialStockType,MatlWrhsStkQtyInMatlBaseUnit\n"


async def test_a_snapshot_empties_a_store_that_it_names_in_rows_not_for_sale_alone(shops: Api) -> None:
    text = SAP + "a,tea,07,,5\na,egg,07,,6\nb,tea,01,,5\nb,egg,07,,6\n"
    dry = await shops.import_file("stock", text, **NOW, mode="snapshot", dry_run="true")
    real = await shops.import_file("stock", text, **NOW, mode="snapshot")
    assert counts(dry) == counts(real) == {"rows": 4, "unchanged": 1, "removed": 3, "ignored": 3}
    assert await on_hand(shops, "a") == {"tea": 0, "egg": 0}
    assert await on_hand(shops, "b") == {"tea": 5, "egg": 0}
    assert await on_hand(shops, "c") == {"tea": 5, "egg": 6}
    undone = await shops.send("POST", f"/v1/imports/{real['import_id']}/undo")
    assert (await shops.finished(undone.headers["Location"]))["status"] == "undone"
    assert await on_hand(shops, "a") == {"tea": 5, "egg": 6}


async def test_a_store_named_in_rows_not_for_sale_is_left_alone_where_it_must_be(shops: Api) -> None:
    older = {"as_of": (START - timedelta(hours=2)).isoformat()}
    row = SAP + "a,tea,07,,5\n"
    assert counts(await shops.import_file("stock", row, **NOW)) == {"rows": 1, "ignored": 1}
    assert counts(await shops.import_file("stock", row, **older, mode="snapshot")) == {"rows": 1, "ignored": 1}
    done = await shops.import_file("stock", row + "a,egg,01,,many\n", **NOW, mode="snapshot")
    assert counts(done) == {"rows": 2, "failed": 1, "removed": 1, "ignored": 1}
    assert await on_hand(shops, "a") == {"tea": 0, "egg": 6}
    done = await shops.import_file("stock", SAP + "b,tea,07,,5\n,egg,01,,5\n", **NOW, mode="snapshot")
    assert "not_zeroed" in done["report"]
    assert await on_hand(shops, "b") == {"tea": 5, "egg": 6}


async def test_a_store_with_rows_of_its_own_is_as_of_these_whatever_was_left_out(shops: Api) -> None:
    header = SAP.replace("\n", ",as_of\n")
    between, older = ((START - timedelta(minutes=minutes)).isoformat() for minutes in (10, 30))
    await shops.import_file("stock", "store_id,sku,on_hand\nb,egg,7\nc,egg,7\n", as_of=between)
    text = f"{header}b,tea,01,,5,{START.isoformat()}\nb,egg,07,,6,{older}\nc,tea,07,,5,{older}\n"
    done = await shops.import_file("stock", text, mode="snapshot")
    assert counts(done) == {"rows": 3, "unchanged": 1, "removed": 2, "ignored": 2}
    assert await on_hand(shops, "b") == {"tea": 5, "egg": 0}
    assert await on_hand(shops, "c") == {"tea": 0, "egg": 7}, "the egg was counted later than the row was"
