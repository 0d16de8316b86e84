"""POST /v1/events/tickets: one stream each, for who cannot send a header."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dispatch.storage.event_tickets import forget_tickets
from tests.api.client import Api, Clock, assert_problem, worker
from tests.api.shop import acted, clock_of_now, order_of, placed, with_shops
from tests.api.streams import Served, served


@pytest.fixture
def clock() -> Clock:
    return clock_of_now()


@pytest.fixture
async def shop(app_client: Api) -> AsyncIterator[Served]:
    await with_shops(app_client, 50, 50)
    async with served(app_client) as opened:
        yield opened


async def ticket_for(api: Api, **scope: str) -> str:
    answer = await api.send("POST", "/v1/events/tickets", json=scope)
    assert answer.status_code == 201, answer.text
    assert set(answer.json()) == {"ticket", "expires_at"}
    assert answer.headers["cache-control"] == "no-store"
    return str(answer.json()["ticket"])


async def rows(api: Api) -> list[dict[str, Any]]:
    async with api.app.state.service.database.connection() as connection:
        return [dict(row) for row in await connection.fetch("SELECT * FROM event_tickets ORDER BY expires_at")]


async def shift(api: Api, by: timedelta) -> None:
    """As if that had passed."""
    async with api.app.state.service.database.connection() as connection:
        await connection.execute("UPDATE event_tickets SET expires_at = expires_at - $1::interval", by)


@pytest.mark.parametrize("scope", [{}, {"store_id": "near"}, {"order_id": "mine"}])
async def test_a_ticket_opens_one_stream_of_what_it_names(shop: Served, scope: dict[str, str]) -> None:
    ticket = await ticket_for(shop.api, **scope)
    async with shop.stream(ticket=ticket, after="v1.") as stream:
        await stream.ready()
        await placed(shop.api, "elsewhere", order_of(only_stores=["middle"]))
        await placed(shop.api, "another")
        await placed(shop.api, "mine")
        expected = {"store_id": ["another", "mine"], "order_id": ["mine"], "": ["elsewhere", "another", "mine"]}
        orders = expected["".join(scope)]
        assert [event["order_id"] for event in await stream.events(len(orders))] == orders
        assert_problem(await shop.refused(ticket=ticket), 401, "ticket_used")
    assert_problem(await shop.refused(ticket=ticket), 401, "ticket_used")


async def test_a_ticket_holds_for_a_minute_and_is_kept_as_a_hash(shop: Served) -> None:
    before = datetime.now(UTC)
    answer = (await shop.api.send("POST", "/v1/events/tickets", json={})).json()
    ticket = answer["ticket"]
    assert len(ticket) >= 32
    expires_at = datetime.fromisoformat(answer["expires_at"])
    assert timedelta(seconds=59) < expires_at - before < timedelta(seconds=65)
    [row] = await rows(shop.api)
    assert row["ticket_hash"] == hashlib.sha256(ticket.encode()).digest()
    assert ticket not in str(row)
    await shift(shop.api, timedelta(seconds=61))
    assert_problem(await shop.refused(ticket=ticket), 401, "unknown_ticket")
    for unknown in ("", "x", ticket[:-1], "é"):
        assert_problem(await shop.refused(ticket=unknown), 401, "unknown_ticket")
    assert_problem(await shop.refused(ticket="x" * 65), 422, "invalid_input", pointers=["/query/ticket"])


async def test_of_many_who_come_with_one_ticket_at_once_one_gets_in(
    shop: Served, database_url: str, tmp_path: Path
) -> None:
    async with worker(database_url, tmp_path / "b", clock=clock_of_now()) as api, served(api) as other:
        for _ in range(3):
            ticket = await ticket_for(shop.api)
            statuses: list[int] = []

            async def come(to: Served, ticket: str = ticket, statuses: list[int] = statuses) -> None:
                async with to.http.stream("GET", f"/v1/events/stream?ticket={ticket}") as answer:
                    statuses.append(answer.status_code)

            await asyncio.gather(*(come(to) for to in (shop, other) * 4))
            assert sorted(statuses) == [200] + [401] * 7


async def test_a_ticket_is_not_used_up_by_another_mistake(shop: Served) -> None:
    ticket = await ticket_for(shop.api, store_id="near")
    assert_problem(await shop.refused(ticket=ticket, after="x"), 400, "invalid_cursor")
    problem = await shop.refused(ticket=ticket, store_id="near")
    assert_problem(problem, 422, "invalid_input", pointers=["/query/store_id"])
    assert_problem(await shop.refused(ticket=ticket, colour="red"), 422, "invalid_input", pointers=["/query/colour"])
    async with shop.stream(ticket=ticket) as stream:
        await stream.ready()


async def test_what_a_ticket_cannot_be_for_is_refused(shop: Served) -> None:
    async def asked(body: object) -> Any:
        return await shop.api.send("POST", "/v1/events/tickets", json=body)

    both = {"store_id": "near", "order_id": "o"}
    assert_problem(await asked(both), 422, "invalid_input", pointers=["/order_id"])
    assert_problem(await asked({"store_id": "none"}), 404, "store_not_found")
    assert_problem(await asked({"order_id": "-"}), 422, "invalid_input", pointers=["/order_id"])
    assert_problem(await asked({"colour": 1}), 422, "invalid_input", pointers=["/colour"])
    assert await rows(shop.api) == []


async def test_tickets_that_ran_out_are_forgotten_and_others_kept(shop: Served) -> None:
    service = shop.api.app.state.service
    await ticket_for(shop.api)
    await shift(shop.api, timedelta(minutes=12))
    await ticket_for(shop.api)
    await shift(shop.api, timedelta(minutes=2))
    await ticket_for(shop.api)
    assert await forget_tickets(service.database) == 1
    assert len(await rows(shop.api)) == 2
    assert await forget_tickets(service.database) == 0


# ── of tokens ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def carried(api: Api, order_id: str = "mine", *, attempt: int = 1) -> dict[str, str]:
    """The headers of whoever carries an order that is confirmed."""
    link = await api.send("POST", f"/v1/orders/{order_id}/courier-link", json={"attempt": attempt})
    assert link.status_code == 200, link.text
    return {"Authorization": f"Bearer {link.json()['token']}"}


async def ticket_by(api: Api, headers: dict[str, str], order_id: str = "mine") -> str:
    answer = await api.send("POST", "/v1/events/tickets", json={"order_id": order_id}, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["ticket"])


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("decline", {"attempt": 1, "reason": "other"}),
        ("reassign", {"attempt": 1, "store_id": "middle"}),
        ("cancel", {}),
    ],
)
async def test_a_couriers_ticket_of_before_the_order_left_tells_nothing_after_it(
    shop: Served, action: str, body: dict[str, Any]
) -> None:
    await placed(shop.api, "mine", order_of(hold_s=0))
    ticket = await ticket_by(shop.api, await carried(shop.api))
    await acted(shop.api, "mine", action, **body)
    answer = await shop.refused(ticket=ticket, after="v1.")
    assert_problem(answer, 403, "link_left")
    assert "middle" not in answer.text
    assert_problem(await shop.refused(ticket=ticket, after="v1."), 401, "ticket_used")


async def test_a_couriers_ticket_tells_what_was_before_and_of_the_orders_end(shop: Served) -> None:
    await placed(shop.api, "mine")
    await acted(shop.api, "mine", "confirm")
    await acted(shop.api, "mine", "decline", attempt=1, reason="other")
    headers = await carried(shop.api, attempt=2)
    async with shop.stream(ticket=await ticket_by(shop.api, headers), after="v1.") as stream:
        await stream.ready()
        told = [(event["event"], event["store_id"]) for event in await stream.events(4)]
        assert told == [("held", "near"), ("confirmed", "near"), ("declined", "near"), ("moved", "middle")]
        for action in ("accept", "ready", "pick-up", "deliver"):
            await acted(shop.api, "mine", action, attempt=2)
        assert [event["event"] for event in await stream.events(4)][-1] == "delivered"
    ticket = await ticket_by(shop.api, headers)
    async with shop.stream(ticket=ticket, after="v1.") as again:
        await again.ready()
        assert len(await again.events(8)) == 8


async def test_a_ticket_ends_with_the_token_that_it_was_asked_for_with(shop: Served) -> None:
    shopper = (await shop.api.send("POST", "/v1/shopper-tokens", json={"ttl_s": 60})).json()
    order_id = f"{shopper['order_id_prefix']}1"
    await placed(shop.api, order_id, order_of(hold_s=0))
    link = await shop.api.send("POST", f"/v1/orders/{order_id}/courier-link", json={"attempt": 1, "ttl_s": 60})
    for token in (shopper["token"], link.json()["token"]):
        headers = {"Authorization": f"Bearer {token}"}
        tickets = [await ticket_by(shop.api, headers, order_id) for _ in range(2)]
        shop.api.clock.advance(seconds=59)
        async with shop.stream(ticket=tickets[0]) as stream:
            await stream.ready()
        shop.api.clock.advance(seconds=1)
        answer = await shop.refused(ticket=tickets[1])
        assert_problem(answer, 401, "token_expired")
        assert answer.headers["WWW-Authenticate"]
        shop.api.clock.advance(seconds=-60)
    unlimited = await ticket_for(shop.api, order_id=order_id)
    shop.api.clock.advance(days=9)
    async with shop.stream(ticket=unlimited) as stream:
        await stream.ready()
