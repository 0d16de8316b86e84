"""POST /v1/stock/movements: each taken or refused on its own, in the words of the interface."""

from datetime import timedelta
from typing import Any

import pytest

from tests.api.client import START, Api, assert_problem


@pytest.fixture
async def shop(app_client: Api) -> Api:
    """An app with a store a, 10 of tea counted now."""
    await app_client.put_store("a", 25.5, 121.5)
    await app_client.put_stock("a", tea=10)
    app_client.clock.advance(minutes=10)
    return app_client


def sale(movement_id: str, delta: int = -1, **fields: Any) -> dict[str, Any]:
    return {"movement_id": movement_id, "store_id": "a", "sku": "tea", "delta": delta, **fields}


async def send(api: Api, *movements: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await api.write("POST", "/v1/stock/movements", {"movements": list(movements)})
    assert answer.status_code == 200, answer.text
    assert answer.headers["dispatch-version"]
    return list(answer.json()["movements"])


async def test_each_movement_has_its_answer_in_order(shop: Api) -> None:
    await shop.put_store("b", 51.5, -0.1)
    assert await send(
        shop,
        sale("1", -2),
        sale("1", -2, store_id="b"),
        sale("1", -2),
        sale("1", -3),
        sale("2", -1, at=START.isoformat()),
        sale("3", store_id="none"),
        sale("4", at=(START + timedelta(hours=1)).isoformat()),
    ) == [
        {"movement_id": "1", "status": "applied", "on_hand": 8},
        {"movement_id": "1", "status": "applied", "on_hand": 0},
        {"movement_id": "1", "status": "repeated", "on_hand": 8},
        {
            "movement_id": "1", "status": "refused", "on_hand": None, "code": "movement_id_reused",
            "detail": "another movement of this store has this id; nothing of this one was taken over",
        },
        {
            "movement_id": "2", "status": "counted_already", "on_hand": 8,
            "detail": f"the count of {START.isoformat()} has it in it",
        },
        {
            "movement_id": "3", "status": "refused", "on_hand": None, "code": "store_not_found",
            "detail": "there is no such store, or it is out of service",
        },
        {
            "movement_id": "4", "status": "refused", "on_hand": None, "code": "at_in_future",
            "detail": "is 3000 s ahead; at most 120 s is a clock's error",
        },
    ]  # fmt: skip


async def test_more_sold_than_counted_reads_as_0_and_is_made_up_for_by_what_comes(shop: Api) -> None:
    [result] = await send(shop, sale("1", -12))
    assert result["on_hand"] == 0
    row = (await shop.shelf("a"))["tea"]
    assert (row["on_hand"], row["available"], row["short"]) == (0, 0, 0)
    [result] = await send(shop, sale("2", 5))
    assert result["on_hand"] == 3


async def test_a_quote_that_asks_for_it_sees_the_sale(shop: Api) -> None:
    await shop.put_stock("a", tea=1)
    assert (await shop.quote(25.5, 121.5, "tea"))["outcome"] == "fulfillable"
    shop.clock.advance(seconds=1)
    await send(shop, sale("1", -1))
    assert (await shop.quote(25.5, 121.5, "tea"))["reason"] == "insufficient_stock"
    await send(shop, sale("1", -1))
    assert (await shop.quote(25.5, 121.5, "tea"))["reason"] == "insufficient_stock"


async def test_a_thousand_movements_are_taken_at_once_in_their_order(shop: Api) -> None:
    results = await send(shop, *(sale(str(n), (-1) ** (n % 3 > 0)) for n in range(1_000)))
    assert {result["status"] for result in results} == {"applied"}
    assert [result["on_hand"] for result in results[:6]] == [11, 10, 9, 10, 9, 8]
    # 334 came and 666 went; two of three went from the beginning on.
    assert (await shop.shelf("a"))["tea"]["on_hand"] == 0
    [result] = await send(shop, sale("back", 325))
    assert result["on_hand"] == 3
    answer = await shop.write("POST", "/v1/stock/movements", {"movements": [sale(str(n)) for n in range(1_001)]})
    assert_problem(answer, 422, "invalid_input", pointers=["/movements"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("movement_id", ""), ("movement_id", "x" * 129), ("movement_id", "a\n"), ("movement_id", 5), ("store_id", ""),
        ("sku", " tea"), ("delta", 0), ("delta", 1.5), ("delta", "1"), ("delta", 1_000_000_001), ("delta", None),
        ("at", "2026-11-20"), ("at", 5), ("reason", ""), ("reason", "x" * 65), ("order_id", "-x"), ("colour", "red"),
    ],
)  # fmt: skip
async def test_what_does_not_fit_is_refused_as_a_whole(shop: Api, field: str, value: object) -> None:
    body = {"movements": [sale("1"), sale("2") | {field: value}]}
    answer = await shop.write("POST", "/v1/stock/movements", body)
    assert_problem(answer, 422, "invalid_input", pointers=[f"/movements/1/{field}"])
    assert (await shop.shelf("a"))["tea"]["on_hand"] == 10


async def test_nothing_sent_is_nothing_done(shop: Api) -> None:
    assert await send(shop) == []
