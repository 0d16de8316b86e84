"""POST /v1/imports/items: what a partner's codes stand for, and stock that is read by them."""

from typing import Any

import pytest

from tests.api.client import Api, assert_problem
from tests.api.test_importing_stores_over_http import counts

HEADER = "partner_code,sku,name,units_per_case\n"
TWO = HEADER + "1001,4710018000109,tea,\n1001C,4710018000109,a case of tea,12\n"
NOW = {"as_of": "now"}


async def _items(api: Api, partner: str = "default") -> dict[str, tuple[str, str | None, int]]:
    async with api.app.state.service.database.connection() as connection:
        rows = await connection.fetch("SELECT * FROM partner_items WHERE partner = $1", partner)
    return {row["partner_code"]: (row["sku"], row["name"], row["units_per_case"]) for row in rows}


async def _everything(api: Api) -> list[Any]:
    async with api.app.state.service.database.connection() as connection:
        return [
            [tuple(row) for row in await connection.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")]
            for table in ("partner_items", "skus", "shelves", "cell_heads")
        ]


async def _on_hand(api: Api, store_id: str) -> dict[str, int]:
    return {sku: row["on_hand"] for sku, row in (await api.shelf(store_id)).items()}


async def test_items_are_created_updated_and_left_as_they_are(app_client: Api) -> None:
    done = await app_client.import_file("items", TWO, filename="codes.csv")
    assert (done["kind"], done["mode"], done["filename"], done["partner"]) == ("items", "merge", "codes.csv", "default")
    assert counts(done) == {"rows": 2, "created": 2}
    assert await _items(app_client) == {
        "1001": ("4710018000109", "tea", 1),
        "1001C": ("4710018000109", "a case of tea", 12),
    }
    changed = (
        HEADER + "1001C,4710018000109,a case of tea,24\n1001,4710018000109,tea,1\n2002,0002,,\n1001,4710018000109,,\n"
    )
    assert counts(await app_client.import_file("items", changed)) == {
        "rows": 4, "created": 1, "updated": 1, "unchanged": 2,
    }  # fmt: skip
    assert await _items(app_client) == {
        "1001": ("4710018000109", "tea", 1),
        "1001C": ("4710018000109", "a case of tea", 24),
        "2002": ("0002", None, 1),
    }
    listed = (await app_client.send("GET", "/v1/imports")).json()["imports"]
    assert [one["kind"] for one in listed] == ["items", "items"]


async def test_each_partner_has_codes_of_its_own(app_client: Api) -> None:
    await app_client.import_file("items", TWO, partner="acme")
    await app_client.import_file("items", HEADER + "1001,other,,\n", partner="bcme", mode="replace")
    assert set(await _items(app_client, "acme")) == {"1001", "1001C"}
    assert await _items(app_client, "bcme") == {"1001": ("other", None, 1)}


async def test_replace_drops_the_codes_that_are_not_named(app_client: Api) -> None:
    await app_client.import_file("items", TWO)
    done = await app_client.import_file("items", HEADER + "1001,4710018000109,tea,1\n3,new,,\n", mode="replace")
    assert counts(done) == {"rows": 2, "created": 1, "unchanged": 1, "removed": 1}
    assert set(await _items(app_client)) == {"1001", "3"}
    assert counts(await app_client.import_file("items", HEADER, mode="replace")) == {"removed": 2}
    assert await _items(app_client) == {}


async def test_replace_with_bad_rows_drops_nothing_and_says_so(app_client: Api) -> None:
    await app_client.import_file("items", TWO)
    text = HEADER + "9,new,,\n1001,,,\n9,other,,\n"
    done = await app_client.import_file("items", text, mode="replace")
    assert counts(done) == {"rows": 3, "created": 1, "failed": 2}
    assert done["report"]["not_removed"].startswith("codes that the file does not name were left as they are")
    assert done["report"]["errors_by_code"] == {"sku_missing": 1, "duplicate_item": 1}
    assert set(await _items(app_client)) == {"1001", "1001C", "9"}
    answer = await app_client.send("GET", f"/v1/imports/{done['import_id']}/errors.csv")
    lines = answer.content.decode("utf-8-sig").splitlines()
    assert lines[0] == "partner_code,sku,name,units_per_case,row,column,code,message"
    assert [line.split(",")[:7] for line in lines[1:]] == [
        ["1001", "", "", "", "3", "sku", "sku_missing"],
        ["9", "other", "", "", "4", "partner_code", "duplicate_item"],
    ]
    mended = answer.content.replace(b"1001,,", b"1001,4710018000109,").replace(b"9,other", b"10,other")
    assert counts(await app_client.import_file("items", mended)) == {"rows": 2, "created": 1, "updated": 1}


@pytest.mark.parametrize("mode", ["merge", "replace"])
@pytest.mark.parametrize("bad", ["", "x,,,\n"])
async def test_a_dry_run_tells_what_the_run_would_do_and_does_nothing(app_client: Api, mode: str, bad: str) -> None:
    await app_client.import_file("items", TWO)
    text = f"{HEADER}1001,other,,\n2002,0002,,\n{bad}"
    before = await _everything(app_client)
    dry = await app_client.import_file("items", text, mode=mode, dry_run="true")
    assert await _everything(app_client) == before
    real = await app_client.import_file("items", text, mode=mode)
    assert counts(dry) == counts(real)
    assert dry["report"] == real["report"]
    assert counts(real)["updated"] == counts(real)["created"] == 1
    assert await _everything(app_client) != before


async def test_a_file_without_its_columns_applies_nothing_and_a_wrong_mode_is_told_at_once(app_client: Api) -> None:
    done = await app_client.import_file("items", "partner_code,name\n1,tea\n")
    assert (done["status"], done["report"]["code"]) == ("failed", "column_missing")
    answer = await app_client.send("POST", "/v1/imports/items?mode=snapshot", content=TWO.encode())
    assert_problem(answer, 422, "invalid_input", pointers=["/query/mode"])


async def test_stock_is_read_by_the_partners_items(app_client: Api) -> None:
    await app_client.put_store("0042", 25.03, 121.56)
    await app_client.import_file("items", TWO)
    text = "store_id,货号,on_hand,price\n42,1001C,2,420\n0042,1001,3,35\n0042,4710018000109,1,\n0042,lost,1,\n"
    done = await app_client.import_file("stock", text, **NOW, currency="TWD")
    assert counts(done) == {"rows": 4, "created": 3, "failed": 1, "warnings": 2}
    assert done["report"]["errors_by_code"] == {"unmapped_item": 1}
    assert done["report"]["warnings_by_code"] == {"store_id_padded": 1, "price_of_case": 1}
    tea = (await app_client.shelf("0042"))["4710018000109"]
    assert (tea["on_hand"], tea["price"]) == (28, 3500)


async def test_a_row_that_is_not_mapped_leaves_the_whole_shelf_of_its_store_as_it_was(app_client: Api) -> None:
    for store_id, lat in (("a", 25.03), ("b", 25.04)):
        await app_client.put_store(store_id, lat, 121.56)
        await app_client.put_stock(store_id, tea=5, egg=6)
    await app_client.import_file("items", HEADER + "T,tea,,\n")
    app_client.clock.advance(hours=1)
    text = "store_id,sku,on_hand\na,T,1\na,nobody,1\nb,T,1\n"
    done = await app_client.import_file("stock", text, **NOW, mode="snapshot")
    assert counts(done) == {"rows": 3, "updated": 2, "failed": 1, "removed": 1}
    assert await _on_hand(app_client, "a") == {"tea": 1, "egg": 6}
    assert await _on_hand(app_client, "b") == {"tea": 1, "egg": 0}


async def test_a_row_that_may_be_one_of_several_skus_leaves_each_of_them(app_client: Api) -> None:
    await app_client.put_store("a", 25.03, 121.56)
    await app_client.put_stock("a", **{"007": 5, "07": 6, "egg": 7, "0008": 8})
    app_client.clock.advance(hours=1)
    text = "store_id,sku,on_hand\na,7,1\na,8,9\n"
    done = await app_client.import_file("stock", text, **NOW, mode="snapshot")
    assert counts(done) == {"rows": 2, "updated": 1, "failed": 1, "removed": 1, "warnings": 1}
    assert done["report"]["errors_by_code"] == {"sku_ambiguous": 1}
    assert done["report"]["warnings_by_code"] == {"sku_padded": 1}
    assert await _on_hand(app_client, "a") == {"007": 5, "07": 6, "egg": 0, "0008": 9}


async def test_codes_of_one_partner_mean_nothing_to_another(app_client: Api) -> None:
    await app_client.put_store("a", 25.03, 121.56, partner="acme")
    await app_client.import_file("items", HEADER + "T,tea,,12\n", partner="other")
    done = await app_client.import_file("stock", "store_id,sku,on_hand\na,T,1\n", **NOW, partner="acme")
    assert counts(done) == {"rows": 1, "created": 1}
    assert await _on_hand(app_client, "a") == {"T": 1}


async def test_a_dry_run_is_applied_and_undone_to_what_was(app_client: Api) -> None:
    await app_client.import_file("items", HEADER + "1001,tea,Tea,\nold,egg,Egg,\nsame,ink,Ink,\n")
    before = await _items(app_client)
    text = TWO + "same,ink,Ink,\n"
    dry = await app_client.import_file("items", text, dry_run="true", mode="replace")
    assert await _items(app_client) == before
    answer = await app_client.send("POST", f"/v1/imports/{dry['import_id']}/apply")
    assert answer.status_code == 202, answer.text
    done = await app_client.finished(answer.headers["Location"])
    assert counts(done) == counts(dry)
    assert done["removed"] == 1
    assert set(await _items(app_client)) == {"1001", "1001C", "same"}
    again = await app_client.send("POST", f"/v1/imports/{dry['import_id']}/apply")
    assert_problem(again, 409, "changed_since_dry_run")
    await app_client.send("POST", f"/v1/imports/{done['import_id']}/undo")
    undone = await app_client.finished(f"/v1/imports/{done['import_id']}")
    assert (undone["status"], undone["report"]["undo"]["kept"]) == ("undone", 0)
    assert await _items(app_client) == before


async def test_a_code_that_was_changed_since_stays_and_is_named(app_client: Api) -> None:
    done = await app_client.import_file("items", TWO)
    await app_client.import_file("items", HEADER + "1001C,other,,\n")
    await app_client.send("POST", f"/v1/imports/{done['import_id']}/undo")
    undone = await app_client.finished(f"/v1/imports/{done['import_id']}")
    assert undone["report"]["undo"]["samples"] == [{"store_id": None, "sku": "1001C"}]
    assert set(await _items(app_client)) == {"1001C"}


async def test_a_file_of_bad_rows_is_no_whole_set_whatever_the_mode(app_client: Api) -> None:
    await app_client.import_file("items", TWO)
    done = await app_client.import_file("items", HEADER + "9,,,\n", mode="replace")
    answer = await app_client.send("GET", f"/v1/imports/{done['import_id']}/errors.csv")
    done = await app_client.import_file("items", answer.content.replace(b"9,,", b"9,new,"), mode="replace")
    assert counts(done) == {"rows": 1, "created": 1}
    assert "read_as_part" in done["report"]
    assert set(await _items(app_client)) == {"1001", "1001C", "9"}


async def test_a_code_that_comes_again_shares_the_fate_of_its_first_row(app_client: Api) -> None:
    await app_client.import_file("items", TWO)
    text = HEADER + "7,s,,\n1001,4710018000109,tea,1\n7,s,,\n1001,4710018000109,tea,1\n7,s,,\n"
    assert counts(await app_client.import_file("items", text)) == {"rows": 5, "created": 3, "unchanged": 2}
