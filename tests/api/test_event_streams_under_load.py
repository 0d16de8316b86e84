"""Whatever becomes of writers, workers, the database and its own connection, a client hears each event exactly once."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatch.domain.errors import DatabaseUnavailable
from dispatch.services import live
from tests.api.client import Api, worker
from tests.api.shop import act, clock_of_now, order_of, put_order, with_shops
from tests.api.streams import Served, served

SEED = 20261128
WRITERS, ORDERS_EACH, CLIENTS = 6, 15, 18


class Client:
    """Follows a scope through interruptions, and keeps what it was told."""

    def __init__(self, number: int, workers: list[Served], done: asyncio.Event) -> None:
        self.rng = random.Random(SEED + number)
        self.scope = self.rng.choice(
            [{}, {"store_id": "near"}, {"store_id": "middle"}, {"order_id": "1-3"}, {"order_id": "2-2"}]
        )
        self.start = ""
        self.told: list[dict[str, Any]] = []
        self.connections = 0
        self._workers = workers
        self._done = done

    async def run(self) -> None:
        await asyncio.sleep(self.rng.uniform(0, 1.5))
        position = self.rng.choice(["v1.", "latest", await self._some_position()])
        while True:
            self.connections += 1
            # As EventSource does it, which keeps its first address.
            query: dict[str, Any] = self.scope | {"after": position if self.connections == 1 else "latest"}
            headers = None if self.connections == 1 else {"Last-Event-ID": position}
            async with self.rng.choice(self._workers).stream(headers=headers, **query) as stream:
                ready = await stream.ready()
                assert ready == position or position == "latest"
                position, self.start = ready, self.start or ready
                for _ in range(self.rng.choice([0, 1, 3, 10])):
                    try:
                        message = await stream.next(within_s=1.5)
                    except TimeoutError:
                        if self._done.is_set():
                            return
                        continue
                    if message is None:
                        break
                    position = message.id
                    self.told += message.data["events"]
                    await asyncio.sleep(self.rng.choice([0, 0, 0.05]))

    async def _some_position(self) -> str:
        answer = await self._workers[0].http.get("/v1/events", params={"limit": self.rng.randint(1, 60)})
        return str(answer.json()["after"])


async def write(number: int, apis: list[Api]) -> None:
    """Orders and what stores and ops do with them."""
    rng = random.Random(SEED * 2 + number)
    for i in range(ORDERS_EACH):
        order_id = f"{number}-{i}"
        assert (await put_order(rng.choice(apis), order_id, order_of(hold_s=0))).status_code == 201
        for action, body in rng.choice(
            (
                (("accept", {"attempt": 1}), ("ready", {"attempt": 1})),
                (("cancel", {}),),
                (("decline", {"attempt": 1, "reason": "other"}), ("accept", {"attempt": 2})),
                (("reassign", {"attempt": 1, "store_id": "middle"}), ("accept", {"attempt": 2})),
            )
        ):
            assert (await act(rng.choice(apis), order_id, action, **body)).status_code == 200
        await asyncio.sleep(rng.uniform(0, 0.15))


async def disturb(workers: list[Served], done: asyncio.Event) -> None:
    """End a listener now and then, as the hub does with who is too slow."""
    rng = random.Random(SEED * 3)
    while not done.is_set():
        await asyncio.sleep(0.05)
        listeners = [one for each in workers for one in each.api.app.state.service.live._open]
        if listeners:
            rng.choice(listeners).end()


async def test_each_event_comes_exactly_once_and_in_its_order(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    failures = 0

    def unreliably(real: Callable[..., Any]) -> Callable[..., Any]:
        def ask(*arguments: Any) -> Any:
            nonlocal failures
            if rng.random() < 0.05:
                failures += 1
                raise DatabaseUnavailable("for the test")
            return real(*arguments)

        return ask

    for name in ("packed_heads", "events_after"):
        monkeypatch.setattr(live, name, unreliably(getattr(live, name)))
    monkeypatch.setattr(live, "_EVENTS_A_READING", 3)
    monkeypatch.setattr(live, "_RETRY_S", 0.05)
    monkeypatch.setattr("dispatch.storage.order_events.MOST_PASSED_OVER", 5)
    async with (
        worker(database_url, tmp_path / "a", clock=clock_of_now(), follow_every_s=0.01) as one,
        worker(database_url, tmp_path / "b", clock=clock_of_now(), follow_every_s=0.01) as other,
        served(one) as first,
        served(other) as second,
    ):
        await with_shops(one, 1000, 1000, 1000, queue_per_order_s=0, prepare_s=0)
        assert (await other.get("/v1/stores/far", headers=one.seen)).status_code == 200
        done, workers = asyncio.Event(), [first, second]
        clients = [Client(number, workers, done) for number in range(CLIENTS)]
        disturbing = asyncio.create_task(disturb(workers, done))
        following = [asyncio.create_task(client.run()) for client in clients]
        await asyncio.gather(*(write(number, [one, other]) for number in range(WRITERS)))
        done.set()
        await asyncio.gather(disturbing, *following)
        assert failures
        assert sum(client.connections for client in clients) > 3 * CLIENTS
        for client in clients:
            answer = await one.get("/v1/events", after=client.start, limit=5000)
            expected = [event for event in answer.json()["events"] if concerns(client.scope, event)]
            assert by_order(client.told) == by_order(expected), client.scope
        assert sum(len(client.told) for client in clients) > 500
        assert len({str(client.scope) for client in clients if client.told}) == 5


def concerns(scope: dict[str, str], event: dict[str, Any]) -> bool:
    if "store_id" in scope:
        taken_from = event["detail"]["from_store_id"] if event["event"] == "reassigned" else None
        return scope["store_id"] in (event["store_id"], taken_from)
    return "order_id" not in scope or scope["order_id"] == event["order_id"]


def by_order(events: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Each order's events as they came."""
    told: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        told[event["order_id"]].append(event)
    return told
