"""POST /v1/quotes/batch: each question on its own, in order."""

from typing import Any

from tests.api.client import Api, assert_problem


def _question(sku: str = "tea", **fields: object) -> dict[str, Any]:
    return {"destination": {"lat": 25.0, "lon": 121.5}, "lines": [{"sku": sku, "quantity": 1}], **fields}


async def test_each_is_answered_or_refused_on_its_own_in_the_order_sent(app_client: Api) -> None:
    await app_client.put_store("a", 25.001, 121.5)
    await app_client.put_stock("a", tea=1)
    questions: list[object] = [
        _question(),
        _question(strategy="slowest"),
        _question("unheard-of"),
        17,
        _question(at="2020-01-01T00:00:00Z"),
        _question(lines=[]),
        _question(),
    ]
    answer = await app_client.send("POST", "/v1/quotes/batch", json={"quotes": questions}, headers=app_client.seen)
    assert answer.status_code == 200
    quotes = answer.json()["quotes"]
    assert [quote["status"] for quote in quotes] == [200, 422, 200, 422, 422, 422, 200]
    alone = await app_client.quote(25.0, 121.5, "tea")
    for i in (0, 6):
        assert quotes[i]["body"]["store"] == alone["store"]
        assert quotes[i]["body"]["eta"] == alone["eta"]
    assert quotes[2]["body"]["reason"] == "unknown_sku"
    for i, pointer in ((1, "/strategy"), (3, ""), (4, "/at"), (5, "/lines")):
        problem = quotes[i]["body"]
        assert (problem["status"], problem["errors"][0]["pointer"]) == (422, pointer)


async def test_none_is_a_good_number_of_quotes_and_a_thousand_is_the_most(app_client: Api) -> None:
    async def send(count: int) -> Any:
        return await app_client.send("POST", "/v1/quotes/batch", json={"quotes": [_question()] * count})

    assert (await send(0)).json() == {"quotes": []}
    assert len((await send(1000)).json()["quotes"]) == 1000
    assert_problem(await send(1001), 422, pointers=["/quotes"])


NO_LISTS: tuple[tuple[str, int, list[str] | None], ...] = (
    ("[]", 422, [""]),
    ("{}", 422, ["/quotes"]),
    ('{"quotes": {}}', 422, ["/quotes"]),
    ('{"quotes": [], "mode": 1}', 422, ["/mode"]),
    ('{"quotes": [}', 400, None),
    ("", 400, None),
)


async def test_what_is_no_list_of_quotes_is_refused_as_a_whole(app_client: Api) -> None:
    for body, status, pointers in NO_LISTS:
        headers = {"Content-Type": "application/json"}
        answer = await app_client.send("POST", "/v1/quotes/batch", content=body, headers=headers)
        assert_problem(answer, status, pointers=pointers)


async def test_one_that_is_not_utf8_does_not_spoil_the_others(app_client: Api) -> None:
    body = b'{"quotes": ["\xff", {}]}'
    answer = await app_client.send("POST", "/v1/quotes/batch", content=body)
    assert [quote["status"] for quote in answer.json()["quotes"]] == [400, 422]
