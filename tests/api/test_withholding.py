"""What a store withholds, or has said of itself, is taken back by ops; partners' terms."""

import asyncpg
import pytest

from dispatch.storage.pool import Database
from dispatch.storage.withholding import release_withheld, withheld_due
from tests.api.client import Api, assert_problem


@pytest.fixture
async def shop(app_client: Api) -> Api:
    """An app with a store a that has tea and egg."""
    await app_client.put_store("a", 25.5, 121.5)
    await app_client.put_stock("a", tea=10, egg=4)
    return app_client


async def withhold(database_url: str, until: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(f"UPDATE shelves SET withheld = on_hand, withheld_until = now() + interval '{until}'")
    await connection.close()


async def withheld(api: Api) -> dict[str, int]:
    return {sku: row["withheld"] for sku, row in (await api.shelf("a")).items()}


@pytest.mark.parametrize(("skus", "left"), [(["tea", "unheard-of"], {"egg": 4, "tea": 0}), ([], {"egg": 0, "tea": 0})])
async def test_ops_release_some_or_all(shop: Api, database_url: str, skus: list[str], left: dict[str, int]) -> None:
    await withhold(database_url, "1 day")
    answer = await shop.write("POST", "/v1/stores/a/stock/release", {"skus": skus})
    assert answer.json() == {"store_id": "a", "released": sum(count == 0 for count in left.values())}
    assert await withheld(shop) == left
    assert (await shop.quote(25.5, 121.5, "tea"))["outcome"] == "fulfillable"
    again = await shop.write("POST", "/v1/stores/a/stock/release", {"skus": skus})
    assert again.json()["released"] == 0
    assert_problem(await shop.write("POST", "/v1/stores/none/stock/release", {}), 404, "store_not_found")


async def test_what_is_withheld_is_released_when_its_time_is_over(shop: Api, database_url: str) -> None:
    database = await Database.open(database_url, pool_max=2)
    await withhold(database_url, "1 day")
    assert await withheld_due(database) == []
    await withhold(database_url, "-1 s")
    [cell] = await withheld_due(database)
    assert [await release_withheld(database, cell, most=1) for _ in range(3)] == [1, 1, 0]
    assert await withheld_due(database) == []
    assert await withheld(shop) == {"egg": 0, "tea": 0}
    await database.close()


async def test_a_store_that_has_said_it_is_closed_takes_orders_again(shop: Api, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE stores SET closed_until = $1, busy_until = $1", shop.clock().replace(year=2030))
    await shop.put_store("a", 25.5, 121.5, name="new")  # so that the replica reads it anew
    assert (await shop.quote(25.5, 121.5, "tea"))["outcome"] == "unfulfillable"
    answer = await shop.write("POST", "/v1/stores/a/resume", {})
    assert answer.json() == {"store_id": "a"}
    assert (await shop.quote(25.5, 121.5, "tea"))["outcome"] == "fulfillable"
    assert (
        await connection.fetchval("SELECT count(*) FROM stores WHERE closed_until IS NULL AND busy_until IS NULL") == 1
    )
    await connection.close()
    again = await shop.write("POST", "/v1/stores/a/resume", {})
    assert again.headers["dispatch-version"] == answer.headers["dispatch-version"]
    assert_problem(await shop.write("POST", "/v1/stores/none/resume", {}), 404, "store_not_found")


TERMS = {"stock_stale_after_s": None, "goods_leave_at": "picked_up", "till_reports_orders": False, "stock_due_at": None}


async def test_a_partner_is_made_with_its_first_terms_and_each_put_says_all_of_them(app_client: Api) -> None:
    assert_problem(await app_client.get("/v1/partners/new"), 404, "partner_not_found")
    for body in ({}, {"goods_leave_at": "ready", "till_reports_orders": True}, {"stock_stale_after_s": 60}):
        put = await app_client.write("PUT", "/v1/partners/new", body)
        assert put.status_code == 200
        assert put.json() == (await app_client.get("/v1/partners/new")).json() == {"partner": "new", **TERMS, **body}
    for bad in ({"stock_stale_after_s": 0}, {"goods_leave_at": "never"}, {"till_reports_orders": None}):
        answer = await app_client.write("PUT", "/v1/partners/new", bad)
        assert_problem(answer, 422, "invalid_input", pointers=[f"/{name}" for name in bad])


async def test_when_stock_is_stale_reaches_the_replica(shop: Api) -> None:
    shop.clock.advance(hours=2)
    assert (await shop.quote(25.5, 121.5, "tea"))["outcome"] == "fulfillable"
    await shop.write("PUT", "/v1/partners/default", {"stock_stale_after_s": 3600})
    assert (await shop.quote(25.5, 121.5, "tea"))["reason"] == "stale_stock"
    await shop.write("PUT", "/v1/partners/default", {})
    assert (await shop.quote(25.5, 121.5, "tea"))["outcome"] == "fulfillable"
