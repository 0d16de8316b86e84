"""GET /v1/items: goods by the words of a name or how a sku begins, and the names of skus."""

from typing import Any

import pytest

from tests.api.client import Api, assert_problem

ITEMS = """partner_code,sku,name,units_per_case
1,4710018000109,Oolong Tea 500 ml · 乌龙茶 500 ml,
2,4710018000208,Green Tea · 绿茶,
3,4710018000307,Sugar 100% _pure_,
4,tea-bag,Bag for TEA,
5,9999,,
"""


async def found(api: Api, **query: Any) -> list[str]:
    answer = await api.get("/v1/items", **query)
    assert answer.status_code == 200, answer.text
    return [item["sku"] for item in answer.json()["items"]]


@pytest.fixture
async def shop(app_client: Api) -> Api:
    done = await app_client.import_file("items", ITEMS)
    assert (done["status"], done["created"]) == ("done", 5)
    await app_client.put_store("a", 25.03, 121.56)
    await app_client.put_stock("a", **{"4710018000109": 3, "47100-unnamed": 1, "salt": 1})
    return app_client


async def test_all_words_in_any_case_and_any_place_of_the_name(shop: Api) -> None:
    assert await found(shop, q="tea") == ["4710018000109", "4710018000208", "tea-bag"]
    assert await found(shop, q="TEA oolong") == ["4710018000109"]
    assert await found(shop, q=" tea  乌龙 ") == ["4710018000109"]
    assert await found(shop, q="茶") == ["4710018000109", "4710018000208"]
    assert await found(shop, q="tea coffee") == []


async def test_a_sku_is_found_by_how_it_begins_named_or_not(shop: Api) -> None:
    assert await found(shop, q="47100") == ["47100-unnamed", "4710018000109", "4710018000208", "4710018000307"]
    assert await found(shop, q="SALT") == ["salt"]
    assert await found(shop, q="018000109") == []
    assert await found(shop, q="4710018000", limit=2) == ["4710018000109", "4710018000208"]
    told = (await shop.get("/v1/items", q="47100-")).json()
    assert told == {"items": [{"sku": "47100-unnamed", "name": None}]}


async def test_names_that_begin_with_the_question_come_first_then_by_sku(shop: Api) -> None:
    assert await found(shop, q="bag") == ["tea-bag"]
    assert await found(shop, q="green tea") == ["4710018000208"]
    await shop.import_file("items", "partner_code,sku,name\nx,zz-last,Tea of mine\n", partner="p")
    assert await found(shop, q="tea") == ["zz-last", "4710018000109", "4710018000208", "tea-bag"]
    assert await found(shop, q="tea", limit=2) == ["zz-last", "4710018000109"]


@pytest.mark.parametrize(
    ("q", "skus"), [("%", ["4710018000307"]), ("_", ["4710018000307"]), ("100% _pure", ["4710018000307"]), ("\\", [])]
)
async def test_signs_that_mean_something_to_the_database_are_text(shop: Api, q: str, skus: list[str]) -> None:
    assert await found(shop, q=q) == skus


async def test_a_sku_comes_once_by_the_name_of_a_single_piece(shop: Api) -> None:
    rows = "a,4710018000109,Case of Oolong,12\nb,4710018000109,Oolong by B,1\n"
    await shop.import_file("items", f"partner_code,sku,name,units_per_case\n{rows}", partner="a-partner")
    queries: list[dict[str, Any]] = [{"q": "oolong"}, {"sku": "4710018000109"}]
    for query in queries:
        told = (await shop.get("/v1/items", **query)).json()
        assert told == {"items": [{"sku": "4710018000109", "name": "Oolong by B"}]}
    assert (await shop.get("/v1/items", q="case")).json()["items"] == [
        {"sku": "4710018000109", "name": "Case of Oolong"}
    ]


async def test_skus_are_named_in_the_order_asked_without_those_unknown(shop: Api) -> None:
    skus = ["salt", "nobody", "4710018000208", "9999", "salt", "4710018000109"]
    told = (await shop.get("/v1/items", sku=skus)).json()
    assert [(item["sku"], item["name"]) for item in told["items"]] == [
        ("salt", None),
        ("4710018000208", "Green Tea · 绿茶"),
        ("9999", None),
        ("4710018000109", "Oolong Tea 500 ml · 乌龙茶 500 ml"),
    ]
    assert (await shop.get("/v1/items", sku=[f"s{n}" for n in range(200)])).json() == {"items": []}


async def test_names_may_be_kept_for_a_minute(shop: Api) -> None:
    first = await shop.get("/v1/items", q="tea")
    assert first.headers["cache-control"] == "private, max-age=60"
    again = await shop.get("/v1/items", q="tea", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({}, "/query/q"),
        ({"q": ""}, "/query/q"),
        ({"q": "　 "}, "/query/q"),
        ({"q": "a" * 65}, "/query/q"),
        ({"q": "a\x00"}, "/query/q"),
        ({"q": "tea", "sku": "tea"}, "/query/q"),
        ({"q": "tea", "limit": 0}, "/query/limit"),
        ({"q": "tea", "limit": 51}, "/query/limit"),
        ({"sku": [str(n) for n in range(201)]}, "/query/sku"),
        ({"sku": ""}, "/query/sku/0"),
        ({"q": "tea", "page": 2}, "/query/page"),
    ],
)
async def test_what_cannot_be_asked_is_told_with_its_place(app_client: Api, query: Any, pointer: str) -> None:
    assert_problem(await app_client.get("/v1/items", **query), 422, "invalid_input", pointers=[pointer])
