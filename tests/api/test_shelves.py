"""GET, PUT and PATCH of a store's stock."""

from datetime import timedelta
from typing import Any

import pytest

from tests.api.client import START, Api, assert_problem

ROW = {
    "sku", "on_hand", "reserved", "safety_stock", "withheld", "available", "short", "price", "currency", "as_of",
    "fresh_at",
}  # fmt: skip


@pytest.fixture
async def shop(app_client: Api) -> Api:
    """An app with one store, a."""
    await app_client.put_store("a", 25.5, 121.5)
    return app_client


async def put(api: Api, *items: dict[str, Any], as_of: str | None = None) -> dict[str, Any]:
    return await _count(api, "PUT", items, as_of)


async def patch(api: Api, *items: dict[str, Any], as_of: str | None = None) -> dict[str, Any]:
    return await _count(api, "PATCH", items, as_of)


async def _count(api: Api, method: str, items: tuple[dict[str, Any], ...], as_of: str | None) -> dict[str, Any]:
    body = {"items": list(items)} | ({} if as_of is None else {"as_of": as_of})
    answer = await api.write(method, "/v1/stores/a/stock", body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["dispatch-version"]
    return dict(answer.json())


def ago(seconds: float) -> str:
    return (START - timedelta(seconds=seconds)).isoformat()


async def test_a_shelf_has_a_row_for_each_sku_ever_stocked_in_order_of_sku(shop: Api) -> None:
    await put(
        shop,
        {"sku": "tea", "on_hand": 5, "price": 3500, "currency": "TWD", "safety_stock": 2},
        {"sku": "egg", "on_hand": 0},
    )
    answer = (await shop.get("/v1/stores/a/stock")).json()
    assert [row["sku"] for row in answer["stock"]] == ["egg", "tea"]
    egg, tea = answer["stock"]
    assert set(tea) == ROW
    figures = {name: tea[name] for name in ROW - {"as_of", "fresh_at"}}
    assert figures == {
        "sku": "tea", "on_hand": 5, "reserved": 0, "safety_stock": 2, "withheld": 0, "available": 3, "short": 0,
        "price": 3500, "currency": "TWD",
    }  # fmt: skip
    assert tea["as_of"] == tea["fresh_at"] == START.isoformat()
    assert (egg["available"], egg["price"], egg["currency"]) == (0, None, None)


async def test_a_shelf_is_told_for_the_skus_asked(shop: Api) -> None:
    await shop.put_stock("a", tea=1, egg=2, rice=3)
    rows = (await shop.get("/v1/stores/a/stock", sku=["tea", "rice", "unheard-of"])).json()["stock"]
    assert [row["sku"] for row in rows] == ["rice", "tea"]
    assert_problem(await shop.get("/v1/stores/none/stock"), 404, "store_not_found")


async def test_a_whole_count_makes_0_of_what_it_does_not_name_and_a_partial_one_leaves_it(shop: Api) -> None:
    counted = await put(shop, {"sku": "tea", "on_hand": 5}, {"sku": "egg", "on_hand": 6})
    assert counted == {
        "store_id": "a", "as_of": START.isoformat(), "created": 2, "updated": 0, "unchanged": 0, "newer_kept": 0,
        "removed": 0,
    }  # fmt: skip
    partial = await patch(shop, {"sku": "tea", "on_hand": 4}, {"sku": "rice", "on_hand": 1})
    assert (partial["created"], partial["updated"], partial["removed"]) == (1, 1, 0)
    assert {sku: row["on_hand"] for sku, row in (await shop.shelf("a")).items()} == {"tea": 4, "egg": 6, "rice": 1}
    whole = await put(shop, {"sku": "rice", "on_hand": 1})
    assert (whole["unchanged"], whole["removed"]) == (1, 2)
    assert {sku: row["on_hand"] for sku, row in (await shop.shelf("a")).items()} == {"tea": 0, "egg": 0, "rice": 1}


@pytest.mark.parametrize("named", [True, False])
async def test_a_row_that_was_counted_later_stays_whether_a_whole_count_names_it_or_not(shop: Api, named: bool) -> None:
    await patch(shop, {"sku": "tea", "on_hand": 5})
    items = [{"sku": "tea", "on_hand": 9}] if named else []
    counted = await put(shop, *items, {"sku": "egg", "on_hand": 1}, as_of=ago(60))
    assert (counted["newer_kept"], counted["removed"], counted["created"]) == (1, 0, 1)
    shelf = await shop.shelf("a")
    assert (shelf["tea"]["on_hand"], shelf["tea"]["as_of"]) == (5, START.isoformat())
    assert (await patch(shop, {"sku": "tea", "on_hand": 9}, as_of=ago(1)))["newer_kept"] == 1


async def test_a_whole_count_older_than_the_last_whole_count_is_409_and_changes_nothing(shop: Api) -> None:
    await put(shop, {"sku": "tea", "on_hand": 5}, as_of=ago(60))
    body = {"as_of": ago(61), "items": [{"sku": "egg", "on_hand": 1}]}
    assert_problem(await shop.send("PUT", "/v1/stores/a/stock", json=body), 409, "snapshot_too_old")
    assert set(await shop.shelf("a")) == {"tea"}
    same = await put(shop, {"sku": "tea", "on_hand": 6}, as_of=ago(60))
    assert same["updated"] == 1
    # The whole count said that there is no egg.
    partial = await patch(shop, {"sku": "egg", "on_hand": 1}, as_of=ago(61))
    assert (partial["created"], partial["newer_kept"]) == (0, 1)
    assert set(await shop.shelf("a")) == {"tea"}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_an_absent_price_or_safety_stock_keeps_what_was_and_null_clears_it(shop: Api, method: str) -> None:
    full = {"sku": "tea", "on_hand": 5, "price": 3500, "currency": "TWD", "safety_stock": 2}
    await put(shop, full)

    async def after(item: dict[str, Any]) -> tuple[Any, ...]:
        await _count(shop, method, ({"sku": "tea", "on_hand": 7, **item},), None)
        row = (await shop.shelf("a"))["tea"]
        return row["price"], row["currency"], row["safety_stock"]

    assert await after({}) == (3500, "TWD", 2)
    assert await after({"price": None}) == (None, None, 2)
    assert await after({"price": 0, "currency": "JPY"}) == (0, "JPY", 2)
    assert await after({"safety_stock": None}) == (0, "JPY", 0)
    assert await after({"safety_stock": 3, "price": None, "currency": None}) == (None, None, 3)


async def test_as_of_may_be_120_s_ahead_and_no_more_and_needs_its_offset(shop: Api) -> None:
    await patch(shop, {"sku": "tea", "on_hand": 1}, as_of="2026-11-20T10:02:00+08:00")
    assert (await shop.shelf("a"))["tea"]["as_of"] == (START + timedelta(seconds=120)).isoformat()
    bad = [
        "2026-11-20T10:02:01+08:00", "2026-11-20T10:00:00", "2026-11-20", "1999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1763600000", 1763600000, "soon", "", True,
    ]  # fmt: skip
    for method in ("PUT", "PATCH"):
        for as_of in bad:
            answer = await shop.send(method, "/v1/stores/a/stock", json={"as_of": as_of, "items": []})
            assert_problem(answer, 422, pointers=["/as_of"])


async def test_a_price_needs_a_currency_of_iso_4217(shop: Api) -> None:
    for currency in (None, "ZZZ", "twd", "TW"):
        item = {"sku": "tea", "on_hand": 1, "price": 1} | ({} if currency is None else {"currency": currency})
        answer = await shop.send("PATCH", "/v1/stores/a/stock", json={"items": [item]})
        assert_problem(answer, 422, pointers=["/items/0/currency"])


async def test_a_sku_stands_once_in_a_count(shop: Api) -> None:
    items = [{"sku": "tea", "on_hand": 1}, {"sku": "egg", "on_hand": 1}, {"sku": "tea", "on_hand": 2}]
    answer = await shop.send("PUT", "/v1/stores/a/stock", json={"items": items})
    assert_problem(answer, 422, pointers=["/items/2/sku"])


async def test_a_count_of_nothing_writes_nothing(shop: Api) -> None:
    await patch(shop, {"sku": "tea", "on_hand": 1})
    async with shop.app.state.service.database.connection() as connection:
        before = await connection.fetchval("SELECT sum(seq) FROM cell_heads")
        assert (await patch(shop))["updated"] == 0
        assert await connection.fetchval("SELECT sum(seq) FROM cell_heads") == before


@pytest.mark.parametrize("count", [49, 50, 51, 3000])
async def test_a_count_of_few_or_many_rows_is_seen_by_the_next_quote(shop: Api, count: int) -> None:
    """Up to 50 rows travel to the replica one by one, more as a whole shelf."""
    items = [{"sku": f"sku-{i}", "on_hand": i + 1, "price": i, "currency": "TWD"} for i in range(count)]
    await patch(shop, *items)
    last = f"sku-{count - 1}"
    answer = await shop.quote(25.5, 121.5, "sku-0", last)
    assert [line["price"] for line in answer["lines"]] == [0, count - 1]
    await patch(shop, {"sku": last, "on_hand": 0})
    assert (await shop.quote(25.5, 121.5, last))["outcome"] == "unfulfillable"
