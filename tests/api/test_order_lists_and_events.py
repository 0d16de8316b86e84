"""GET /v1/orders, GET /v1/orders/{order_id}/events, GET /v1/events: all orders, and all that has happened to them."""

import asyncio
import base64
import json
import random
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.api.client import Api, Clock, assert_problem, worker
from tests.api.shop import (
    act,
    acted,
    clock_of_now,
    events_of,
    north,
    order_now,
    order_of,
    placed,
    put_order,
    with_shops,
)

SEED = 20261125


@pytest.fixture
def clock() -> Clock:
    return clock_of_now()


async def listed(api: Api, **query: Any) -> list[str]:
    """The ids on the only page."""
    answer = await api.get("/v1/orders", **query)
    assert answer.status_code == 200, answer.text
    assert answer.json()["next_cursor"] is None
    return [order["order_id"] for order in answer.json()["orders"]]


# ── lists ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_orders_are_listed_newest_first_as_they_are_now(app_client: Api) -> None:
    await with_shops(app_client, 9)
    for order_id in ("b", "a", "c"):
        await placed(app_client, order_id)
    await act(app_client, "b", "cancel")
    orders = (await app_client.get("/v1/orders")).json()["orders"]
    assert [order["order_id"] for order in orders] == ["c", "a", "b"]
    assert orders == [await order_now(app_client, order_id) for order_id in ("c", "a", "b")]


async def test_a_list_is_of_a_store_of_a_status_since_a_moment_or_all_of_these(app_client: Api) -> None:
    await with_shops(app_client, 9, 9)
    for i in range(6):
        await placed(app_client, f"o-{i}", order_of(only_stores=[("near", "middle")[i % 2]]))
    for i in (0, 1, 2):
        await acted(app_client, f"o-{i}", "confirm")
    assert await listed(app_client, store_id="near") == ["o-4", "o-2", "o-0"]
    assert await listed(app_client, status="confirmed") == ["o-2", "o-1", "o-0"]
    since = (await order_now(app_client, "o-2"))["created_at"]
    assert await listed(app_client, since=since) == ["o-5", "o-4", "o-3", "o-2"]
    just_after = (datetime.fromisoformat(since) + timedelta(microseconds=1)).isoformat()
    assert await listed(app_client, since=just_after) == ["o-5", "o-4", "o-3"]
    assert await listed(app_client, store_id="near", status="confirmed", since=since) == ["o-2"]
    assert await listed(app_client, status="delivered") == []
    assert_problem(await app_client.get("/v1/orders", store_id="unknown"), 404, "store_not_found")


async def test_an_order_is_listed_at_the_store_it_is_at_now(app_client: Api) -> None:
    await with_shops(app_client, 9, 9)
    await placed(app_client, "o-1", order_of(hold_s=0))
    await acted(app_client, "o-1", "decline", attempt=1, reason="other")
    assert await listed(app_client, store_id="near") == []
    assert await listed(app_client, store_id="middle") == ["o-1"]


async def test_a_hold_that_has_run_out_is_listed_as_expired_before_anybody_has_written_it_down(
    app_client: Api,
) -> None:
    await app_client.app.state.service.background.stop()
    await with_shops(app_client, 9)
    await placed(app_client, "brief", order_of(hold_s=1))
    await placed(app_client, "long")
    await asyncio.sleep(1.02)
    assert await listed(app_client, status="held") == ["long"]
    assert await listed(app_client, status="expired") == ["brief"]


async def test_each_order_comes_once_over_all_pages_though_others_are_placed_meanwhile(app_client: Api) -> None:
    await with_shops(app_client, 99, queue_per_order_s=0)
    for i in range(12):
        await placed(app_client, f"o-{i:02}")
    seen: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = (await app_client.get("/v1/orders", limit=5, **cursor)).json()
        seen += [order["order_id"] for order in page["orders"]]
        if page["next_cursor"] is None:
            break
        assert len(page["orders"]) == 5
        cursor = {"cursor": page["next_cursor"]}
        await placed(app_client, f"later-{len(seen)}")
    assert seen == [f"o-{i:02}" for i in reversed(range(12))]


async def test_a_cursor_is_bound_to_its_query(app_client: Api) -> None:
    await with_shops(app_client, 9)
    for i in range(3):
        await placed(app_client, f"o-{i}")
    cursor = (await app_client.get("/v1/orders", limit=1)).json()["next_cursor"]
    assert (await app_client.get("/v1/orders", limit=2, cursor=cursor)).status_code == 200
    others: list[dict[str, Any]] = [
        {"status": "held"}, {"store_id": "near"}, {"datum": "gcj02"}, {"since": "2026-01-01T00:00:00Z"},
    ]  # fmt: skip
    for more in others:
        assert_problem(await app_client.get("/v1/orders", cursor=cursor, **more), 400, "invalid_cursor")
    for damaged in ("x", cursor[:-4], cursor[:-5] + "AAAAA"):
        assert_problem(await app_client.get("/v1/orders", cursor=damaged), 400, "invalid_cursor")
    query, (us, client, order_id) = json.loads(base64.urlsafe_b64decode(cursor))
    for forged in ((-1, client, order_id), (10**30, client, order_id), (us, "\0", order_id), (us, client, 1)):
        packed = base64.urlsafe_b64encode(json.dumps([query, forged]).encode()).decode()
        assert_problem(await app_client.get("/v1/orders", cursor=packed), 400, "invalid_cursor")


# ── events ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_events_of_an_order_count_from_1_and_tell_what_happened_where(app_client: Api) -> None:
    await with_shops(app_client, 9, 9)
    await placed(app_client, "o-1")
    await acted(app_client, "o-1", "confirm")
    await acted(app_client, "o-1", "decline", attempt=1, reason="too_busy")
    order = await acted(app_client, "o-1", "accept", attempt=2)
    events = await events_of(app_client, "o-1")
    assert set(events[0]) == {"order_id", "seq", "at", "event", "status", "attempt", "store_id", "detail"}
    assert [(e["seq"], e["event"], e["status"], e["attempt"], e["store_id"]) for e in events] == [
        (1, "held", "held", 1, "near"),
        (2, "confirmed", "confirmed", 1, "near"),
        (3, "declined", "confirmed", 1, "near"),
        (4, "moved", "confirmed", 2, "middle"),
        (5, "accepted", "accepted", 2, "middle"),
    ]
    times = [datetime.fromisoformat(event["at"]) for event in events]
    assert times == sorted(times)
    assert (events[0]["at"], events[-1]["at"]) == (order["created_at"], order["updated_at"])
    assert_problem(await app_client.get("/v1/orders/none/events"), 404, "order_not_found")


async def all_events(api: Api, *, limit: int, after: str | None = None) -> tuple[list[dict[str, Any]], str]:
    """Page on until nothing new comes."""
    events: list[dict[str, Any]] = []
    while True:
        query: dict[str, Any] = {"limit": limit} if after is None else {"limit": limit, "after": after}
        answer = await api.get("/v1/events", **query)
        assert answer.status_code == 200, answer.text
        page, after = answer.json()["events"], answer.json()["after"]
        if not page:
            assert after is not None
            return events, after
        events += page


async def test_the_feed_has_every_event_once_whatever_the_size_of_its_pages(app_client: Api) -> None:
    """In two cells, among changes that are none of orders."""
    await with_shops(app_client, 50)
    kyoto = (35.01, 135.77)
    await app_client.put_store("kyoto", *north(100, kyoto))
    await app_client.put_stock("kyoto", tea=50)
    for i in range(10):
        body = order_of(door=kyoto) if i % 2 else order_of()
        await placed(app_client, f"o-{i}", body)
        await acted(app_client, f"o-{i}", "confirm")
        await app_client.put_stock("near", tea=50)
    of_orders = [event for i in range(10) for event in await events_of(app_client, f"o-{i}")]
    assert len(of_orders) == 20
    for limit in (1, 3, 7, 500):
        events, after = await all_events(app_client, limit=limit)
        assert sorted(events, key=lambda event: (event["order_id"], event["seq"])) == of_orders
        assert (await all_events(app_client, limit=limit, after=after)) == ([], after)
    await acted(app_client, "o-0", "cancel")
    new, _ = await all_events(app_client, limit=1, after=after)
    assert [(event["order_id"], event["event"]) for event in new] == [("o-0", "cancelled")]


async def test_what_is_no_position_is_refused(app_client: Api) -> None:
    assert (await app_client.get("/v1/events", after="v1.")).json() == {"events": [], "after": "v1."}
    for after in ("", "x", "v2.AAAA", "v1.AAAA"):
        assert_problem(await app_client.get("/v1/events", after=after), 400, "invalid_cursor")
    assert_problem(await app_client.get("/v1/events", limit=0), 422, "invalid_input", pointers=["/query/limit"])


async def test_reads_that_the_database_answers_refuse_a_version_that_is_none(app_client: Api) -> None:
    await with_shops(app_client, 9)
    await placed(app_client, "o-1")
    for url in ("/v1/events", "/v1/orders", "/v1/orders/o-1", "/v1/orders/o-1/events"):
        assert (await app_client.get(url)).status_code == 200
        refused = await app_client.send("GET", url, headers={"Dispatch-Min-Version": "x"})
        assert_problem(refused, 400, "malformed_version")


async def test_a_reader_of_the_feed_misses_nothing_and_reads_nothing_twice_while_workers_write(
    database_url: str, tmp_path: Path
) -> None:
    print(f"seed {SEED}")
    async with (
        worker(database_url, tmp_path / "a", clock=clock_of_now()) as one,
        worker(database_url, tmp_path / "b", clock=clock_of_now()) as other,
    ):
        await with_shops(one, 1000, 1000, queue_per_order_s=0)
        assert (await other.get("/v1/stores/near", headers=one.seen)).status_code == 200
        done = asyncio.Event()
        read: list[dict[str, Any]] = []

        async def shopper(number: int) -> None:
            rng = random.Random(SEED + number)
            for i in range(12):
                api, order_id = rng.choice((one, other)), f"{number}-{i}"
                assert (await put_order(api, order_id, order_of(hold_s=rng.choice((0, 900))))).status_code == 201
                for action in rng.choice((("confirm", "accept"), ("cancel",), ("confirm", "decline"))):
                    body: dict[str, Any] = {"attempt": 1} if action in ("accept", "decline") else {}
                    body |= {"reason": "other"} if action == "decline" else {}
                    assert (await act(rng.choice((one, other)), order_id, action, **body)).status_code == 200

        async def reader() -> None:
            after: dict[str, Any] = {}
            while True:
                last = done.is_set()
                answer = (await other.send("GET", "/v1/events", params={"limit": 7} | after)).json()
                read.extend(answer["events"])
                after = {"after": answer["after"]}
                if last and not answer["events"]:
                    return

        reading = asyncio.create_task(reader())
        await asyncio.gather(*(shopper(number) for number in range(8)))
        done.set()
        await reading
        told: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for event in read:
            told[event["order_id"]].append(event)
        assert len(told) == 96
        for order_id, events in told.items():
            assert events == await events_of(one, order_id)
