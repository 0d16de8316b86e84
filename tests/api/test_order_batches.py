"""POST /v1/orders/batch: many orders at once, each placed or refused on its own."""

import asyncio
import logging
from typing import Any

import httpx
import pytest
import structlog

from dispatch.api import orders
from dispatch.services.orders.ordering import Ordering
from dispatch.services.orders.placing import OrderRequest, Placed, place_order
from tests.api.client import Api, Clock, assert_problem
from tests.api.shop import DOOR, clock_of_now, order_now, order_of, placed, put_order, reserved, with_shops


@pytest.fixture
def clock() -> Clock:
    return clock_of_now()


def one(order_id: str, quantity: int = 1, **fields: Any) -> dict[str, Any]:
    return {"order_id": order_id, **order_of(quantity=quantity, **fields)}


async def send(api: Api, *orders: object, **fields: object) -> httpx.Response:
    return await api.write("POST", "/v1/orders/batch", {"orders": list(orders), **fields})


async def answers(api: Api, *orders: object) -> list[tuple[int, dict[str, Any]]]:
    """Status and body of each."""
    answer = await send(api, *orders)
    assert answer.status_code == 200, answer.text
    return [(entry["status"], entry["body"]) for entry in answer.json()["orders"]]


async def test_answers_come_in_the_order_of_the_orders_and_are_those_of_single_ones(app_client: Api) -> None:
    await with_shops(app_client, 50)
    ids = [f"o-{i * 7 % 20}" for i in range(20)]
    told = await answers(app_client, *(one(order_id) for order_id in ids))
    assert [(status, body["order_id"]) for status, body in told] == [(201, order_id) for order_id in ids]
    for _, body in told[:3]:
        assert body == await order_now(app_client, body["order_id"])
    assert await reserved(app_client, "near") == 20


async def test_the_first_of_the_list_are_the_first_to_be_served(app_client: Api) -> None:
    await with_shops(app_client, 2, 3, queue_per_order_s=0)
    told = await answers(app_client, *(one(f"o-{i}") for i in range(8)))
    assert [status for status, _ in told] == [201] * 5 + [409] * 3
    assert [body["store"]["store_id"] for status, body in told if status == 201] == ["near"] * 2 + ["middle"] * 3


async def test_what_is_wrong_with_one_leaves_the_others_alone(app_client: Api) -> None:
    await with_shops(app_client, 9)
    await placed(app_client, "taken")
    orders = [
        one("a"),
        one("nowhere") | {"destination": {"lat": 0, "lon": 0}},
        one("too-much", 100, explain=True),
        one("taken", 2),
        one("unheard-of", sku="salt"),
        one("b"),
    ]
    told = await answers(app_client, *orders)
    assert [(status, body.get("code", body.get("status"))) for status, body in told] == [
        (201, "held"),
        (422, "coordinate_null_island"),
        (409, "no_store_can_fulfil"),
        (409, "order_id_reused"),
        (409, "no_store_can_fulfil"),
        (201, "held"),
    ]
    assert told[1][1]["errors"][0]["pointer"] == "/destination"
    assert [row["store_id"] for row in told[2][1]["passed_over"]] == ["near"]
    assert told[4][1]["reason"] == "unknown_sku"
    assert await reserved(app_client, "near") == 3


@pytest.mark.parametrize("faults", [1, 99], ids=["one fault", "faults without end"])
async def test_a_fault_of_ours_with_one_leaves_the_others_alone_and_tells_nothing(
    app_client: Api, monkeypatch: pytest.MonkeyPatch, faults: int
) -> None:
    await with_shops(app_client, 9)
    left = faults

    async def broken(ordering: Ordering, request: OrderRequest) -> Placed:
        nonlocal left
        if request.order_id == "broken" and left:
            left -= 1
            raise RuntimeError("password=hunter2")
        return await place_order(ordering, request)

    monkeypatch.setattr(orders, "place_order", broken)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        answer = await app_client.send(
            "POST",
            "/v1/orders/batch",
            json={"orders": [one("a"), one("broken"), one("broken"), one("b")]},
            headers={"X-Request-Id": "mine"},
        )
    assert answer.status_code == 200
    told = answer.json()["orders"]
    # Who waits for one of the same id is answered of its own try.
    assert [entry["status"] for entry in told] == [201, 500, 201 if faults == 1 else 500, 201]
    assert told[1]["body"] == {
        "type": "about:blank", "title": "Internal Server Error", "status": 500, "code": "internal_error",
        "detail": "something went wrong here; it has been noted",
    }  # fmt: skip
    assert "hunter2" not in answer.text
    assert "RuntimeError" not in answer.text
    assert "dispatch-version" in answer.headers
    assert await reserved(app_client, "near") == (3 if faults == 1 else 2)
    assert len(logs) == (1 if faults == 1 else 2)
    for log in logs:
        assert (log["event"], log["log_level"], log["request_id"]) == ("request_failed", "error", "mine")
        assert log["path"] == "/v1/orders/batch"
        assert str(log["exc_info"]) == "password=hunter2"


async def test_an_id_that_stands_twice_is_placed_once(app_client: Api) -> None:
    await with_shops(app_client, 9)
    told = await answers(app_client, one("a"), one("a"), one("b"), one("b", 2), one("a"))
    assert [status for status, _ in told] == [201, 200, 201, 409, 200]
    assert told[0][1] == told[1][1] == told[4][1]
    assert told[3][1]["code"] == "order_id_reused"
    assert await reserved(app_client, "near") == 2


async def test_the_same_batch_again_changes_nothing(app_client: Api) -> None:
    await with_shops(app_client, 9)
    orders = [one(f"o-{i}") for i in range(5)]
    first = await answers(app_client, *orders)
    again = await send(app_client, *orders)
    assert [entry["status"] for entry in again.json()["orders"]] == [200] * 5
    assert [entry["body"] for entry in again.json()["orders"]] == [body for _, body in first]
    assert again.headers["dispatch-version"] == app_client.version
    # An order is the same whether it comes alone or with others.
    assert (await put_order(app_client, "o-3", order_of())).status_code == 200


async def test_a_batch_tells_the_version_of_all_it_wrote(app_client: Api) -> None:
    await with_shops(app_client, 9, queue_per_order_s=10)
    for i in range(4):
        await answers(app_client, one(f"a-{i}"), one(f"b-{i}"))
        assert (await app_client.quote(*DOOR, "tea"))["eta"]["queue_s"] == 20 * (i + 1)


async def test_500_orders_are_taken_and_501_are_not(app_client: Api) -> None:
    await with_shops(app_client, 1000, queue_per_order_s=0)
    told = await answers(app_client, *(one(f"o-{i}") for i in range(500)))
    assert {status for status, _ in told} == {201}
    assert await reserved(app_client, "near") == 500
    assert_problem(await send(app_client, *(one(f"p-{i}") for i in range(501))), 422, pointers=["/orders"])
    assert await answers(app_client) == []


async def test_joint_assignment_is_refused_until_it_is_built(app_client: Api) -> None:
    await with_shops(app_client, 9)
    assert_problem(await send(app_client, one("a"), assignment="joint"), 422, pointers=["/assignment"])
    assert (await send(app_client, one("a"), assignment="greedy")).json()["orders"][0]["status"] == 201


async def test_a_body_that_is_not_valid_is_refused_as_a_whole(app_client: Api) -> None:
    await with_shops(app_client, 9)
    without_id = order_of()
    assert_problem(await send(app_client, one("a"), without_id), 422, pointers=["/orders/1/order_id"])
    assert_problem(await send(app_client, one("a"), one("b", 0)), 422, pointers=["/orders/1/lines/0/quantity"])
    assert_problem(await app_client.get("/v1/orders/a"), 404, "order_not_found")


async def test_batches_at_the_same_time_hold_every_piece_once(app_client: Api) -> None:
    await with_shops(app_client, 20, 20, queue_per_order_s=0)
    several = await asyncio.gather(
        *(answers(app_client, *(one(f"{batch}-{i}") for i in range(15))) for batch in range(4))
    )
    statuses = sorted(status for told in several for status, _ in told)
    assert statuses == [201] * 40 + [409] * 20
    assert (await reserved(app_client, "near"), await reserved(app_client, "middle")) == (20, 20)
