"""Orders that are placed, and the till that tells of the same goods: counted once, whichever comes first."""

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.api.client import Api, worker
from tests.api.shop import acted, becomes, clock_of_now, events_of, order_of, placed, with_shops

_IDS = count(1)
# The sweeper looks every second or so.
SOON_S = 10.0


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    """A worker with one shop, near, that has 10 of tea and 5 of gum; an order o of 2 of tea is ready there."""
    async with worker(database_url, tmp_path, clock=clock_of_now()) as api:
        await with_shops(api, 10)
        await api.put_stock("near", tea=10, gum=5)
        api.clock.advance(seconds=1)
        await placed(api, "o", order_of(quantity=2, hold_s=0))
        for action in ("accept", "ready"):
            await acted(api, "o", action, attempt=1)
        yield api


async def ring_up(api: Api, delta: int, *, sku: str = "tea") -> str:
    """What became of it."""
    movement = {
        "movement_id": f"till-{next(_IDS)}", "store_id": "near", "sku": sku, "delta": delta, "order_id": "o",
    }  # fmt: skip
    answer = await api.write("POST", "/v1/stock/movements", {"movements": [movement]})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["movements"][0]["status"])


async def figures(api: Api, sku: str = "tea") -> tuple[int, int]:
    """On hand and reserved."""
    row = (await api.shelf("near"))[sku]
    return row["on_hand"], row["reserved"]


@pytest.mark.parametrize("first", ["till", "pick-up"])
async def test_a_pick_up_and_its_return_are_counted_once(shop: Api, first: str) -> None:
    async def tell(action: str, delta: int) -> str:
        if first == "till":
            status = await ring_up(shop, delta)
        await acted(shop, "o", action, attempt=1)
        return status if first == "till" else await ring_up(shop, delta)

    assert await figures(shop) == (10, 2)
    expected = "applied" if first == "till" else "counted_already"
    assert await tell("pick-up", -2) == expected
    assert await figures(shop) == (8, 0)
    await acted(shop, "o", "fail", attempt=1)
    assert await tell("return", 2) == expected
    assert await figures(shop) == (10, 0)
    assert await ring_up(shop, 2) == "counted_already"
    assert await figures(shop) == (10, 0)


async def test_what_the_till_has_sold_a_part_of_leaves_the_rest_to_the_pick_up(shop: Api) -> None:
    await ring_up(shop, -1)
    assert await figures(shop) == (9, 1)
    await acted(shop, "o", "pick-up", attempt=1)
    assert await figures(shop) == (8, 0)


async def test_an_order_beside_which_something_was_rung_up_can_still_be_returned(shop: Api) -> None:
    assert await ring_up(shop, -1, sku="gum") == "applied"
    await acted(shop, "o", "pick-up", attempt=1)
    await acted(shop, "o", "fail", attempt=1)
    await acted(shop, "o", "return", attempt=1)
    assert (await figures(shop), await figures(shop, "gum")) == ((10, 0), (4, 0))


async def test_an_order_that_is_cancelled_after_the_till_has_sold_it_comes_back_once(shop: Api) -> None:
    await ring_up(shop, -2)
    assert await figures(shop) == (8, 0)
    await acted(shop, "o", "cancel")
    assert await figures(shop) == (10, 0)
    assert await ring_up(shop, 2) == "counted_already"
    assert await figures(shop) == (10, 0)


@pytest.mark.parametrize("by", ["count", "sale"])
async def test_an_order_for_which_too_little_is_left_is_told(shop: Api, by: str) -> None:
    if by == "count":
        await shop.write("PATCH", "/v1/stores/near/stock", {"items": [{"sku": "tea", "on_hand": 1}]})
    else:
        sale = {"movement_id": "sale", "store_id": "near", "sku": "tea", "delta": -9}
        await shop.write("POST", "/v1/stock/movements", {"movements": [sale]})
    row = (await shop.shelf("near"))["tea"]
    assert (row["on_hand"], row["reserved"], row["short"], row["available"]) == (1, 2, 1, 0)

    async def short_events() -> list[Any]:
        return [event["detail"] for event in await events_of(shop, "o") if event["event"] == "stock_short"]

    await becomes(short_events, [{"lines": [{"sku": "tea", "quantity": 2}]}], within_s=SOON_S)
