"""POST /v1/imports/stores, and what its GET tells of every row."""

from typing import Any

import pytest

from tests.api.client import Api, assert_problem

COUNTS = ("rows", "created", "updated", "unchanged", "removed", "failed", "ignored", "warnings")
TWO = "store_id,lat,lon,name\na,25.03,121.56,one\nb,25.04,121.56,two\n"


def counts(done: dict[str, Any]) -> dict[str, int]:
    """What became of the rows, without zeros; the rows must add up."""
    parts = ("created", "updated", "unchanged", "failed", "ignored")
    assert done["rows"] == sum(done[part] for part in parts), done
    return {name: done[name] for name in COUNTS if done[name]}


async def _world(api: Api) -> dict[str, str]:
    stores = (await api.get("/v1/stores/nearby", lat=25.03, lon=121.56, radius_m=50_000)).json()["stores"]
    return {store["store_id"]: store["name"] for store in stores}


async def test_202_names_the_import_and_its_get_tells_what_became_of_every_row(app_client: Api) -> None:
    text = TWO + "c,25.05,121.56,three\nb,25.9,121.56,again\nd,95,121.56,four\n,25.0,121.5,five\n"
    answer = await app_client.send("POST", "/v1/imports/stores?filename=shops.csv", content=text.encode())
    assert answer.status_code == 202
    location = answer.headers["location"]
    begun = answer.json()
    assert location == f"/v1/imports/{begun['import_id']}"
    done = await app_client.finished(location)
    assert set(done) == {
        "import_id", "kind", "partner", "status", "dry_run", "mode", "filename", "applies", "created_at", "ended_at",
        "rows", "created", "updated", "unchanged", "removed", "failed", "ignored", "warnings", "progress", "report",
    }  # fmt: skip
    assert (done["kind"], done["status"], done["dry_run"], done["mode"]) == ("stores", "done", False, "merge")
    assert (done["partner"], done["filename"], done["progress"]) == ("default", "shops.csv", 1.0)
    assert counts(done) == {"rows": 6, "created": 3, "failed": 3}
    assert [(e["row"], e["column"], e["code"]) for e in done["report"]["errors"]] == [
        (5, "store_id", "duplicate_store"),
        (6, "lat", "coordinate_out_of_range"),
        (7, "store_id", "store_id_missing"),
    ]
    assert all(error["message"] for error in done["report"]["errors"])
    assert (await app_client.http.get(location)).headers["dispatch-version"]
    assert await _world(app_client) == {"a": "one", "b": "two", "c": "three"}


async def test_the_same_file_again_changes_nothing_and_a_changed_row_is_updated(app_client: Api) -> None:
    assert counts(await app_client.import_file("stores", TWO)) == {"rows": 2, "created": 2}
    assert counts(await app_client.import_file("stores", TWO)) == {"rows": 2, "unchanged": 2}
    renamed = TWO.replace("two", "deux")
    assert counts(await app_client.import_file("stores", renamed)) == {"rows": 2, "updated": 1, "unchanged": 1}
    assert await _world(app_client) == {"a": "one", "b": "deux"}


async def test_a_dry_run_tells_what_the_run_would_do_and_does_nothing(app_client: Api) -> None:
    await app_client.import_file("stores", TWO)
    text = "store_id,lat,lon,name\na,25.03,121.56,one\nc,25.05,121.56,three\nd,31.2,2000,x\nb,35.0,139.7,moved\n"
    for mode in ("merge", "replace"):
        before = await _tables(app_client)
        dry = await app_client.import_file("stores", text, dry_run="true", mode=mode)
        assert dry["dry_run"] is True
        assert await _tables(app_client) == before
    real = await app_client.import_file("stores", text, mode="replace")
    told = {"rows": 4, "created": 1, "updated": 1, "unchanged": 1, "failed": 1, "warnings": 1}
    assert counts(dry) == counts(real) == told
    assert dry["report"]["warnings_by_code"] == {"moved_far": 1}
    assert dry["report"] == real["report"]
    good = text.replace("d,31.2,2000,x\n", "").replace("a,25.03,121.56,one\n", "")
    dry = await app_client.import_file("stores", good, dry_run="true", mode="replace")
    assert counts(dry) == counts(await app_client.import_file("stores", good, mode="replace"))
    assert counts(dry) == {"rows": 2, "unchanged": 2, "removed": 1}


async def test_replace_takes_out_of_service_what_the_file_does_not_name_of_its_partner(app_client: Api) -> None:
    await app_client.import_file("stores", TWO)
    await app_client.put_store("z", 25.05, 121.56, partner="other", name="of other")
    done = await app_client.import_file("stores", "store_id,lat,lon,name\nb,25.04,121.56,two\n", mode="replace")
    assert counts(done) == {"rows": 1, "unchanged": 1, "removed": 1}
    assert await _world(app_client) == {"b": "two", "z": "of other"}


async def test_replace_removes_nothing_while_some_rows_are_bad_and_says_so(app_client: Api) -> None:
    await app_client.import_file("stores", TWO)
    text = "store_id,lat,lon,name\nb,25.04,121.56,two\n?,x,121.56,unreadable\n"
    done = await app_client.import_file("stores", text, mode="replace")
    assert counts(done) == {"rows": 2, "unchanged": 1, "failed": 1}
    assert "not_removed" in done["report"]
    assert set(await _world(app_client)) == {"a", "b"}


async def test_replace_removes_nothing_while_a_row_names_a_store_of_another_partner(app_client: Api) -> None:
    await app_client.import_file("stores", TWO)
    await app_client.put_store("z", 25.05, 121.56, partner="other", name="of other")
    text = "store_id,lat,lon,name\na,25.03,121.56,one\nz,25.04,121.56,meant b\n"
    dry = await app_client.import_file("stores", text, mode="replace", dry_run=True)
    done = await app_client.import_file("stores", text, mode="replace")
    assert counts(dry) == counts(done) == {"rows": 2, "unchanged": 1, "failed": 1}
    assert "not_removed" in done["report"]
    assert dry["report"] == done["report"]
    assert set(await _world(app_client)) == {"a", "b", "z"}


async def test_a_store_keeps_what_the_file_has_no_column_for(app_client: Api) -> None:
    header = (
        "store_id,lat,lon,timezone,name,brand,region,address,phone,opening_hours,delivery_radius_m,mode,prepare_s,"
        "prepare_line_s,queue_per_order_s,courier_s,handover_s,max_open_orders,active,delivery_zone\n"
    )
    zone = '"{""type"":""Polygon"",""coordinates"":[[[121,25],[122,25],[122,26],[121,26],[121,25]]]}"'
    row = f"Asia/Tokyo,one,B,R,1 Road,+886 1,08:00-20:00,900,car,77,7,6,5,4,3,no,{zone}\n"
    await app_client.import_file("stores", f"{header}a,25.03,121.56,{row}")
    before = (await app_client.get("/v1/stores/a")).json()
    text = "store_id,lat,lon,phone\na,25.04,121.56,\nb,25.05,121.56,+886 2\n"
    dry = await app_client.import_file("stores", text, dry_run=True)
    done = await app_client.import_file("stores", text)
    assert counts(dry) == counts(done) == {"rows": 2, "created": 1, "updated": 1, "warnings": 1}
    assert (await app_client.get("/v1/stores/a")).json() == before | {"lat": 25.04, "phone": None}
    assert counts(await app_client.import_file("stores", text)) == {"rows": 2, "unchanged": 2}
    undone = await app_client.send("POST", f"/v1/imports/{done['import_id']}/undo")
    await app_client.finished(undone.headers["location"])
    assert (await app_client.get("/v1/stores/a")).json() == before
    # A file of all stores says all of each.
    await app_client.import_file("stores", "store_id,lat,lon\na,25.03,121.56\n", mode="replace")
    told = (await app_client.get("/v1/stores/a")).json()
    assert (told["name"], told["timezone"], told["active"]) == (None, "Asia/Taipei", True)


async def test_a_time_zone_that_was_not_said_goes_with_the_place(app_client: Api) -> None:
    await app_client.import_file("stores", "store_id,lat,lon,name\na,25.03,121.56,one\n")
    await app_client.import_file("stores", "store_id,lat,lon\na,35.68,139.76\n")
    told = (await app_client.get("/v1/stores/a")).json()
    assert (told["timezone"], told["name"]) == ("Asia/Tokyo", "one")


async def test_a_store_of_another_partner_is_a_bad_row_in_the_files_own_column(app_client: Api) -> None:
    await app_client.put_store("a", 25.03, 121.56, partner="acme", name="theirs")
    text = "门店编码,lat,lon,name\na,25.03,121.56,mine now\nb,25.04,121.56,two\n"
    done = await app_client.import_file("stores", text)
    assert counts(done) == {"rows": 2, "created": 1, "failed": 1}
    [error] = done["report"]["errors"]
    assert (error["row"], error["column"], error["code"]) == (2, "门店编码", "store_of_other_partner")
    assert (await _world(app_client))["a"] == "theirs"
    assert counts(await app_client.import_file("stores", text, partner="acme"))["updated"] == 1


async def test_places_in_mainland_china_need_a_declared_datum(app_client: Api) -> None:
    text = "store_id,lat,lon\na,39.91334545536069,116.38404722455657\n"
    done = await app_client.import_file("stores", text)
    assert done["report"]["errors_by_code"] == {"datum_required": 1}
    assert counts(await app_client.import_file("stores", text, datum="gcj02")) == {"rows": 1, "created": 1}
    told = (await app_client.get("/v1/stores/a")).json()
    assert (told["lat"], told["lon"]) == (pytest.approx(39.911954, abs=1e-5), pytest.approx(116.377817, abs=1e-5))


async def test_columns_can_be_mapped_and_ids_made(app_client: Api) -> None:
    text = "brand,town,up,across\nA,Taipei,25.03,121.56\n"
    parameters = {"map": ["up=lat", "across=lon"], "id_from": "brand,town"}
    assert counts(await app_client.import_file("stores", text, **parameters)) == {"rows": 1, "created": 1}
    assert counts(await app_client.import_file("stores", text, **parameters)) == {"rows": 1, "unchanged": 1}


async def test_the_bad_rows_mended_and_sent_again_are_good(app_client: Api) -> None:
    text = 'store_id;lat;lon;name\na;25.03;121.56;"one; and only"\nb;95;121.56;two\nc;25,05;;three\n'
    done = await app_client.import_file("stores", text)
    assert counts(done) == {"rows": 3, "created": 1, "failed": 2}
    answer = await app_client.send("GET", f"/v1/imports/{done['import_id']}/errors.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "errors-" in answer.headers["content-disposition"]
    lines = answer.content.decode("utf-8-sig").splitlines()
    assert lines[0] == "store_id;lat;lon;name;row;column;code;message"
    assert lines[1].startswith("b;95;121.56;two;3;lat;coordinate_out_of_range;")
    assert lines[2].startswith("c;25,05;;three;4;lon;lon_missing;")
    mended = answer.content.replace(b";95;", b";25.04;").replace(b"25,05;;", b"25,05;121.56;")
    assert counts(await app_client.import_file("stores", mended)) == {"rows": 2, "created": 2}
    assert await _world(app_client) == {"a": "one; and only", "b": "two", "c": "three"}


async def test_an_import_without_bad_rows_has_a_header_for_errors(app_client: Api) -> None:
    done = await app_client.import_file("stores", TWO)
    answer = await app_client.send("GET", f"/v1/imports/{done['import_id']}/errors.csv")
    assert answer.content.decode("utf-8-sig") == "store_id,lat,lon,name,row,column,code,message\r\n"


async def test_imports_are_listed_newest_first_over_pages(app_client: Api) -> None:
    made = [(await app_client.import_file("stores", TWO, filename=f"{i}.csv"))["import_id"] for i in range(5)]
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await app_client.send("GET", "/v1/imports", params={"limit": 2, **cursor})).json()
        found += [entry["import_id"] for entry in page["imports"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == made[::-1]
    far = "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiwgImEiXQ=="  # the year 1, an hour before UTC has it
    for damaged in ("x", "bnVsbA==", cursor["cursor"] + "!", far):
        assert_problem(await app_client.send("GET", "/v1/imports", params={"cursor": damaged}), 400, "invalid_cursor")


async def test_an_import_that_does_not_exist_is_404(app_client: Api) -> None:
    for import_id in ("00", "no-such-import", "x" * 64):
        for suffix in ("", "/errors.csv"):
            answer = await app_client.send("GET", f"/v1/imports/{import_id}{suffix}")
            assert_problem(answer, 404, "import_not_found")


async def _tables(api: Api) -> list[Any]:
    """Everything that an import of stores may change."""
    async with api.app.state.service.database.connection() as connection:
        return [
            [tuple(row) for row in await connection.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")]
            for table in ("stores", "store_directory", "shelves", "cell_heads", "changes", "skus")
        ]


async def test_a_file_of_bad_rows_is_no_whole_set_whatever_the_mode(app_client: Api) -> None:
    await app_client.import_file("stores", TWO)
    done = await app_client.import_file("stores", "store_id,lat,lon,name\nc,x,121.56,three\n", mode="replace")
    answer = await app_client.send("GET", f"/v1/imports/{done['import_id']}/errors.csv")
    mended = answer.content.replace(b"c,x", b"c,25.05")
    done = await app_client.import_file("stores", mended, mode="replace")
    assert counts(done) == {"rows": 1, "created": 1}
    assert "read_as_part" in done["report"]
    assert set(await _world(app_client)) == {"a", "b", "c"}


async def test_a_partners_import_makes_no_stores_of_another(app_client: Api) -> None:
    text = "store_id,lat,lon,name,partner\na,25.03,121.56,one,other\nb,25.04,121.56,two,\n"
    done = await app_client.import_file("stores", text, partner="acme")
    assert counts(done) == {"rows": 2, "created": 1, "failed": 1}
    assert done["report"]["errors_by_code"] == {"store_of_other_partner": 1}
    assert counts(await app_client.import_file("stores", text.splitlines()[0] + "\na,25.03,121.56,one,other\n")) == {
        "rows": 1,
        "created": 1,
    }
