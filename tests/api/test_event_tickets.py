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
from tests.api.shop import clock_of_now, order_of, placed, with_shops
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
