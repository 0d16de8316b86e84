"""GET /v1/events/stream: what happens to orders, as it happens, from a position on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from dispatch.api import event_stream
from dispatch.domain.versions import Version
from dispatch.services import live
from dispatch.storage.feed import packed_heads
from dispatch.storage.order_events import events_after
from tests.api.client import Api, Clock, assert_problem
from tests.api.shop import acted, becomes, clock_of_now, events_of, north, order_of, placed, with_shops
from tests.api.streams import Served, Stream, served
from tests.api.test_metrics import samples

KYOTO = (35.01, 135.77)


@pytest.fixture
def clock() -> Clock:
    return clock_of_now()


@pytest.fixture
async def shop(app_client: Api) -> AsyncIterator[Served]:
    await with_shops(app_client, 50, 50)
    async with served(app_client) as opened:
        yield opened


async def feed(api: Api, **query: Any) -> list[dict[str, Any]]:
    answer = await api.get("/v1/events", limit=5000, **query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["events"])


async def silent(stream: Stream, *, for_s: float = 0.5) -> None:
    with pytest.raises(TimeoutError):
        await stream.next(within_s=for_s)


async def test_a_stream_tells_what_happens_from_now_on_as_the_feed_does(shop: Served) -> None:
    await placed(shop.api, "before")
    async with shop.stream() as stream:
        start = await stream.ready()
        assert stream.retry_ms == 2000
        assert stream.answer.headers["content-type"].startswith("text/event-stream")
        assert stream.answer.headers["cache-control"] == "no-store"
        assert stream.answer.headers["x-accel-buffering"] == "no"
        assert stream.answer.headers["x-request-id"]
        assert "content-length" not in stream.answer.headers
        await placed(shop.api, "o-1", order_of(hold_s=0))
        [first] = await stream.events(1)
        assert first["event"] == "confirmed"
        await acted(shop.api, "o-1", "accept", attempt=1)
        message = await stream.next()
    assert message is not None
    assert [first, *message.data["events"]] == await events_of(shop.api, "o-1")
    assert await feed(shop.api, after=start) == await events_of(shop.api, "o-1")
    assert await feed(shop.api, after=message.id) == []


async def test_a_stream_from_a_position_on_tells_what_came_before_it_was_opened(shop: Served) -> None:
    for i in range(4):
        await placed(shop.api, f"o-{i}")
    middle = (await shop.api.get("/v1/events", limit=2)).json()["after"]
    async with shop.stream(after="v1.") as whole, shop.stream(after=middle) as rest:
        assert (await whole.ready(), await rest.ready()) == ("v1.", middle)
        assert await whole.events(4) == await feed(shop.api)
        assert await rest.events(2) == await feed(shop.api, after=middle)
        await placed(shop.api, "o-4")
        assert [event["order_id"] for event in await whole.events(1) + await rest.events(1)] == ["o-4", "o-4"]


async def test_history_comes_in_pages(shop: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_EVENTS_A_READING", 3)
    for i in range(10):
        await placed(shop.api, f"o-{i}")
    async with shop.stream(after="v1.") as stream, shop.stream(after="v1.", order_id="o-4") as of_order:
        await stream.ready()
        assert await stream.events(10) == await feed(shop.api)
        await of_order.ready()
        assert await of_order.events(1) == await events_of(shop.api, "o-4")
        await acted(shop.api, "o-4", "cancel")
        assert await of_order.events(1) == await stream.events(1)


async def test_of_more_at_once_than_the_hub_reads_at_once_nothing_is_left_behind(
    shop: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_EVENTS_A_READING", 2)
    async with shop.stream() as stream:
        start = await stream.ready()
        await placed(shop.api, "first")
        await stream.events(1)
        monkeypatch.setattr(shop.api.app.state.service.live, "_every_s", 1.0)
        await asyncio.sleep(0.2)
        for i in range(9):
            await placed(shop.api, f"o-{i}")
        assert await stream.events(9) == (await feed(shop.api, after=start))[1:]


async def test_the_last_event_id_comes_before_after_and_latest_is_now(shop: Served) -> None:
    await placed(shop.api, "o-1")
    async with shop.stream(after="v1.") as stream:
        await stream.ready()
        message = await stream.next()
    assert message is not None
    await placed(shop.api, "o-2")
    async with shop.stream(after="v1.", headers={"Last-Event-ID": message.id}) as again:
        assert await again.ready() == message.id
        assert [event["order_id"] for event in await again.events(1)] == ["o-2"]
    async with shop.stream(after="latest") as latest, shop.stream(headers={"Last-Event-ID": ""}) as without:
        for stream in (latest, without):
            await stream.ready()
            await silent(stream)
    now = (await shop.api.get("/v1/events", after="latest")).json()
    assert now["events"] == []
    assert await feed(shop.api, after=now["after"]) == []


async def test_what_is_no_position_is_refused_and_so_is_one_of_another_database(shop: Served) -> None:
    future = Version({cell: seq + 1 for cell, seq in Version.decode(shop.api.version or "").items()}).encode()
    stranger = Version({77: 1}).encode()
    for wrong in ("x", "v1.AAAA", future, stranger):
        for answer in (
            await shop.refused(after=wrong),
            await shop.refused(headers={"Last-Event-ID": wrong}),
            await shop.api.get("/v1/events", after=wrong),
        ):
            problem = assert_problem(answer, 400, "invalid_cursor")
    assert "after=latest" in problem["detail"]
    assert_problem(await shop.refused(colour="red"), 422, "invalid_input", pointers=["/query/colour"])
    assert_problem(await shop.refused(order_id="-"), 422, "invalid_input", pointers=["/query/order_id"])


# ── whose ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_stream_or_feed_of_a_store_tells_what_happened_there_and_what_was_taken_away(shop: Served) -> None:
    async with shop.stream(store_id="near") as near, shop.stream(store_id="middle") as middle:
        await near.ready()
        await middle.ready()
        await placed(shop.api, "o-1", order_of(hold_s=0))
        await acted(shop.api, "o-1", "decline", attempt=1, reason="other")
        await acted(shop.api, "o-1", "reassign", attempt=2, store_id="near")
        await acted(shop.api, "o-1", "accept", attempt=3)
        at_near = ["confirmed", "declined", "reassigned", "accepted"]
        at_middle = ["moved", "reassigned"]
        assert [event["event"] for event in await near.events(4)] == at_near
        assert [event["event"] for event in await middle.events(2)] == at_middle
    for store_id, expected in (("near", at_near), ("middle", at_middle)):
        assert [event["event"] for event in await feed(shop.api, store_id=store_id)] == expected
        async with shop.stream(store_id=store_id, after="v1.") as stream:
            await stream.ready()
            assert [event["event"] for event in await stream.events(len(expected))] == expected


async def test_a_stream_of_an_order_may_begin_before_the_order_does(shop: Served) -> None:
    async with shop.stream(order_id="o-1") as stream:
        await stream.ready()
        await placed(shop.api, "o-2")
        await placed(shop.api, "o-1")
        assert await stream.events(1) == await events_of(shop.api, "o-1")
        await silent(stream)
    assert await feed(shop.api, order_id="o-1") == await events_of(shop.api, "o-1")
    assert await feed(shop.api, order_id="o-3") == []


async def test_one_asks_for_a_store_or_an_order_and_the_store_must_be_one(shop: Served) -> None:
    for answer in (
        await shop.refused(store_id="near", order_id="o"),
        await shop.api.get("/v1/events", store_id="near", order_id="o"),
    ):
        assert_problem(answer, 422, "invalid_input", pointers=["/query/order_id"])
    for answer in (await shop.refused(store_id="none"), await shop.api.get("/v1/events", store_id="none")):
        assert_problem(answer, 404, "store_not_found")


@pytest.mark.parametrize("passed_over", [1, 3, 10_000])
async def test_pages_of_a_store_or_an_order_are_the_feed_without_the_others(
    shop: Served, monkeypatch: pytest.MonkeyPatch, passed_over: int
) -> None:
    monkeypatch.setattr("dispatch.storage.order_events.MOST_PASSED_OVER", passed_over)
    for i, store_id in enumerate(("kyoto", "uji")):
        await shop.api.put_store(store_id, *north(100 + 100 * i, KYOTO))
        await shop.api.put_stock(store_id, tea=50)
    for i in range(9):
        await placed(shop.api, f"o-{i}", order_of(door=KYOTO) if i % 3 == 0 else order_of())
        if i % 2:
            await acted(shop.api, f"o-{i}", "reassign", attempt=1, store_id="uji" if i % 3 == 0 else "middle")
    everything = await feed(shop.api)
    assert len(everything) > 12
    for name, value in (("store_id", "near"), ("store_id", "kyoto"), ("store_id", "middle"), ("order_id", "o-3")):
        scope: dict[str, Any] = {name: value}
        expected = [
            event
            for event in everything
            if event[name] == value or (name == "store_id" and value in (event["detail"] or {}).values())
        ]
        assert expected
        for limit in (1, 2, 500):
            found: list[dict[str, Any]] = []
            after = "v1."
            while True:
                page = (await shop.api.get("/v1/events", limit=limit, after=after, **scope)).json()
                if not page["events"] and page["after"] == after:
                    break
                found, after = found + page["events"], page["after"]
            assert found == expected, (scope, limit)
            assert await feed(shop.api, after=after) == []


# ── how long ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_silent_stream_lives_and_is_told_how_far_everything_is(
    shop: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.05)
    monkeypatch.setattr(event_stream, "POSITION_EVERY_S", 0.3)
    async with shop.stream(order_id="mine") as stream:
        start = await stream.ready()
        await silent(stream)
        assert stream.beats > 3
        await placed(shop.api, "another")
        message = await stream.next()
        assert message is not None
        assert message.event == "position"
        assert message.data == {"after": message.id}
        assert message.id != start
        assert [event["order_id"] for event in await feed(shop.api, after=start)] == ["another"]
        assert await feed(shop.api, after=message.id) == []
        await silent(stream)
        await placed(shop.api, "mine")
        [event] = await stream.events(1)
        assert event["order_id"] == "mine"


async def test_a_client_that_goes_away_is_forgotten_and_counted_no_more(shop: Served) -> None:
    async with shop.stream() as stream, shop.stream(store_id="near") as other:
        await stream.ready()
        await other.ready()
        assert (await samples(shop.api))["lifecircle_event_streams"] == 2
    await becomes(lambda: _open(shop), 0, within_s=2)
    assert (await samples(shop.api))["lifecircle_event_streams"] == 0


async def _open(shop: Served) -> int:
    return shop.open_streams


async def test_who_is_too_slow_is_ended_and_resumes_without_a_loss(
    shop: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its socket takes little, and it reads nothing while much happens."""
    monkeypatch.setattr(live, "MOST_WAITING", 3)
    monkeypatch.setattr(event_stream, "_HEARTBEAT", b": " + b"x" * 4_000_000 + b"\n\n")
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.2)
    async with shop.stream() as stream:
        start = await stream.ready()
        await asyncio.sleep(0.5)  # so that more has been sent than sockets hold
        for i in range(8):
            await placed(shop.api, f"o-{i}")
            await asyncio.sleep(0.15)
        last = start
        told: list[dict[str, Any]] = []
        while (message := await stream.next()) is not None:
            last, told = message.id, [*told, *message.data["events"]]
    assert len(told) < 8
    monkeypatch.setattr(event_stream, "_HEARTBEAT", b": \n\n")
    async with shop.stream(headers={"Last-Event-ID": last}) as again:
        await again.ready()
        told += await again.events(8 - len(told))
    assert told == await feed(shop.api, after=start)


async def test_a_stream_ends_whole_when_the_service_stops(shop: Served) -> None:
    async with shop.stream() as stream:
        await stream.ready()
        shop.api.app.state.service.live.end()
        assert await stream.next(within_s=2) is None
    async with shop.stream() as late:
        await late.ready()
        assert await late.next(within_s=2) is None


# ── of tokens ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def courier_of(api: Api, order_id: str) -> dict[str, str]:
    """The headers of whoever carries it in its first attempt."""
    link = await api.send("POST", f"/v1/orders/{order_id}/courier-link", json={"attempt": 1, "ttl_s": 3600})
    assert link.status_code == 200, link.text
    return {"Authorization": f"Bearer {link.json()['token']}"}


LEAVING: list[tuple[str, dict[str, Any], list[str]]] = [
    ("decline", {"attempt": 1, "reason": "other"}, ["declined", "moved"]),
    ("reassign", {"attempt": 1, "store_id": "middle"}, ["reassigned"]),
    ("cancel", {}, ["cancelled"]),
]


@pytest.mark.parametrize("by_ticket", [False, True])
@pytest.mark.parametrize(("action", "body", "told"), LEAVING)
async def test_a_couriers_stream_ends_with_the_event_by_which_the_order_leaves(
    shop: Served, action: str, body: dict[str, Any], told: list[str], by_ticket: bool
) -> None:
    await placed(shop.api, "mine", order_of(hold_s=0))
    headers: dict[str, str] | None = await courier_of(shop.api, "mine")
    query = {"order_id": "mine"}
    if by_ticket:
        answer = await shop.api.send("POST", "/v1/events/tickets", json=query, headers=headers)
        headers, query = None, {"ticket": answer.json()["ticket"]}
    async with shop.stream(headers=headers, **query) as stream, shop.stream(order_id="mine") as whole:
        start = await stream.ready()
        await whole.ready()
        await acted(shop.api, "mine", action, **body)
        events = await stream.events(len(told))
        assert [event["event"] for event in events] == told
        assert (events[-1]["store_id"], events[-1]["detail"]) == (None, None)
        assert "middle" not in str(events)
        assert await stream.next(within_s=5) is None
        # Whoever has no such token hears all of it, of the same order at the same time.
        assert await whole.events(len(told)) == await feed(shop.api, after=start)
        if action != "cancel":
            await acted(shop.api, "mine", "accept", attempt=2)
            assert [event["event"] for event in await whole.events(1)] == ["accepted"]
    await becomes(lambda: _open(shop), 0, within_s=2)


async def test_nothing_behind_the_leaving_is_told_of_what_is_read_at_once(
    shop: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    await placed(shop.api, "mine", order_of(hold_s=0))
    async with shop.stream(headers=await courier_of(shop.api, "mine"), order_id="mine") as stream:
        start = await stream.ready()
        await placed(shop.api, "another")
        await asyncio.sleep(0.3)
        monkeypatch.setattr(shop.api.app.state.service.live, "_every_s", 1.0)
        await asyncio.sleep(0.3)
        await acted(shop.api, "mine", "decline", attempt=1, reason="other")
        await acted(shop.api, "mine", "accept", attempt=2)
        await acted(shop.api, "mine", "ready", attempt=2)
        message = await stream.next()
        assert message is not None
        assert [event["event"] for event in message.data["events"]] == ["declined", "moved"]
        assert await stream.next(within_s=5) is None
    assert len(await feed(shop.api, after=start, order_id="mine")) == 4


async def test_an_order_that_leaves_while_its_courier_asks_is_not_told(
    shop: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the gate's look and the route's own."""
    from dispatch.api import gate

    look = gate._check_link

    async def slow(*arguments: Any) -> None:
        await look(*arguments)
        await acted(shop.api, "mine", "decline", attempt=1, reason="other")
        await acted(shop.api, "mine", "accept", attempt=2)

    async def passed(*_arguments: Any) -> None:
        pass

    await placed(shop.api, "mine", order_of(hold_s=0))
    headers = await courier_of(shop.api, "mine")
    monkeypatch.setattr(gate, "_check_link", slow)
    for path in ("/v1/events?order_id=mine", "/v1/orders/mine/events"):
        answer = await shop.api.send("GET", path, headers=headers)
        assert [event["event"] for event in answer.json()["events"]] == ["confirmed", "declined", "moved"]
        assert "middle" not in answer.text
        monkeypatch.setattr(gate, "_check_link", passed)
    monkeypatch.setattr(gate, "_check_link", look)
    await placed(shop.api, "mine2", order_of(hold_s=0))
    headers = await courier_of(shop.api, "mine2")

    async def slow_again(*arguments: Any) -> None:
        await look(*arguments)
        await acted(shop.api, "mine2", "decline", attempt=1, reason="other")

    monkeypatch.setattr(gate, "_check_link", slow_again)
    assert_problem(await shop.refused(headers=headers, order_id="mine2", after="v1."), 403, "link_left")


async def test_a_stream_ends_with_its_token_and_no_other_does(shop: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.05)
    shopper = (await shop.api.send("POST", "/v1/shopper-tokens", json={"ttl_s": 60})).json()
    order_id = f"{shopper['order_id_prefix']}1"
    await placed(shop.api, order_id, order_of(hold_s=0))
    of_shopper, of_courier = {"Authorization": f"Bearer {shopper['token']}"}, await courier_of(shop.api, order_id)
    async with (
        shop.stream(headers=of_shopper, order_id=order_id) as first,
        shop.stream(headers=of_courier, order_id=order_id) as second,
        shop.stream(order_id=order_id) as whole,
    ):
        for stream in (first, second, whole):
            await stream.ready()
        shop.api.clock.advance(seconds=59)
        await silent(first)
        shop.api.clock.advance(seconds=1)
        assert await first.next(within_s=5) is None
        await silent(second)
        shop.api.clock.advance(seconds=3540)
        assert await second.next(within_s=5) is None
        await acted(shop.api, order_id, "accept", attempt=1)
        assert [event["event"] for event in await whole.events(1)] == ["accepted"]


async def test_a_stream_waits_for_no_beat_to_end_nor_tells_what_comes_at_its_end(
    shop: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    await placed(shop.api, "mine", order_of(hold_s=0))
    tokens, clock = shop.api.app.state.service.tokens, shop.api.clock
    token, _ = tokens.courier(client="default", order_id="mine", attempt=1, ttl_s=60, now=clock.now)
    clock.advance(seconds=58)
    headers = {"Authorization": f"Bearer {token}"}
    async with shop.stream(headers=headers, order_id="mine") as late, shop.stream(order_id="mine") as whole:
        await late.ready()
        await whole.ready()
        clock.advance(seconds=2)
        await acted(shop.api, "mine", "accept", attempt=1)
        await whole.events(1)
        assert await late.next(within_s=5) is None
    clock.advance(seconds=-1)
    async with shop.stream(headers=headers, order_id="mine") as soon:
        await soon.ready()
        clock.advance(seconds=1)
        assert await soon.next(within_s=5) is None  # long before a beat


# ── the database ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_nothing_is_asked_while_nobody_listens_and_once_for_all_who_do(
    shop: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, readings = 0, 0
    heads, after = packed_heads, events_after

    async def counted_heads(*arguments: Any) -> bytes:
        nonlocal looks
        looks += 1
        return await heads(*arguments)

    async def counted_after(*arguments: Any) -> Any:
        nonlocal readings
        readings += 1
        return await after(*arguments)

    monkeypatch.setattr(live, "packed_heads", counted_heads)
    monkeypatch.setattr(live, "events_after", counted_after)
    await placed(shop.api, "o-0")
    await asyncio.sleep(0.5)
    assert looks == 0
    async with (
        shop.stream() as a, shop.stream() as b, shop.stream(store_id="near") as c, shop.stream(order_id="x") as d
    ):  # fmt: skip
        for stream in (a, b, c, d):
            await stream.ready()
        await asyncio.sleep(0.5)
        before = readings
        for i in range(1, 4):
            await placed(shop.api, f"o-{i}")
            for stream in (a, b, c):
                assert [event["order_id"] for event in await stream.events(1)] == [f"o-{i}"]
        assert 1 <= readings - before <= 6
    await becomes(lambda: _open(shop), 0, within_s=2)
    await asyncio.sleep(0.3)
    looks = 0
    await asyncio.sleep(0.5)
    assert looks == 0


async def test_a_stream_outlives_the_loss_of_the_database(shop: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.1)
    service = shop.api.app.state.service
    async with shop.stream() as stream, shop.stream(store_id="near") as of_store:
        await stream.ready()
        await of_store.ready()
        await placed(shop.api, "o-1")
        assert await stream.events(1) == await of_store.events(1)
        for _ in range(3):
            async with service.writers.orders._database.connection() as connection:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            await asyncio.sleep(0.3)
        assert stream.beats
        await placed(shop.api, "o-2")
        assert [event["order_id"] for event in await stream.events(1)] == ["o-2"]
        assert [event["order_id"] for event in await of_store.events(1)] == ["o-2"]


async def test_streams_of_a_database_that_is_put_back_end_so_that_nobody_waits_in_vain(shop: Served) -> None:
    async with shop.stream() as stream:
        await stream.ready()
        await placed(shop.api, "o-1")
        await stream.events(1)
        async with shop.api.app.state.service.database.connection() as connection:
            await connection.execute("UPDATE cell_heads SET seq = seq - 1")
        assert await stream.next(within_s=5) is None
