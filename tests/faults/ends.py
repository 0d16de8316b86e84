"""10,000 holds under racing confirm, cancel, decline and expiry: each ends once, as everybody was told."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

import asyncpg

from tests.faults.books import audited
from tests.faults.city import City
from tests.faults.experiments import Ground, Outcome, experiment
from tests.faults.service import WORKERS, Service, served
from tests.faults.wire import Answer, fault, wires

HOLDS: Final = 10_000
STORES: Final = 20
_CONNECTIONS: Final = 48
_AT_ONCE: Final = 160
# Goods of a hold that has run out are free within 2 s.
_FREE_WITHIN_S: Final = 2.0
_OVER_S: Final = 60.0
_DECLINED: Final = {"attempt": 1, "reason": "other"}


@dataclass(slots=True)
class _Hold:
    """What was asked of a hold, and answered."""

    order_id: str
    placed: Answer
    said: list[tuple[str, Answer]] = field(default_factory=list)
    again: int = 0

    def told(self, action: str) -> list[Answer]:
        return [answer for name, answer in self.said if name == action]


@experiment("ends")
async def ends(ground: Ground, *, workers: int = WORKERS, holds: int = HOLDS) -> Outcome:
    """See the module."""
    async with served(ground.directory, workers=workers, accept_s=3600) as service:
        async with wires(service.at, _CONNECTIONS) as clients:
            city = City(clients, ground.chance)
            for i in range(STORES):
                await city.open_store(f"e-{i}", {f"sku-{k}": 2 * holds for k in range(5)})
            left = iter(range(holds))
            done: list[_Hold] = []

            async def shopper() -> None:
                for n in left:
                    done.append(await _hold(city, f"e{n}"))

            await asyncio.gather(*(shopper() for _ in range(_AT_ONCE)))
        latest_s = await _all_over(service)
        connection = await service.database()
        books = await audited(connection)
        events = await _events(connection)
        await connection.close()
    wrong = books.wrong[:]
    how: Counter[str] = Counter()
    again = sum(hold.again for hold in done)
    for hold in done:
        end, faults = _judged(hold, events[hold.order_id])
        how[end] += 1
        wrong += faults
    if trouble := fault([answer for hold in done for answer in (hold.placed, *(a for _, a in hold.said))]):
        wrong.append(trouble)
    if latest_s > _FREE_WITHIN_S:
        wrong.append(f"a hold was written down as expired {latest_s:.2f} s after it ran out")
    said = Counter(
        f"{name} {'done' if a.status == 200 and 'idempotent-replay' not in a.headers else a.code or 'so already'}"
        for hold in done
        for name, a in hold.said
    )
    wrong += [f"no hold was {end}" for end in ("confirmed", "cancelled", "expired") if not how[end]]
    return Outcome(
        f"{len(done):,} holds under racing confirm, cancel, decline, expiry",
        f"one end each: {_counted(how)}; told: {_counted(said)}; expiry written down after {latest_s:.2f} s at most;"
        f" {again} placed at a second try; {books}",
        tuple(wrong),
    )


def _counted(what: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(what.items()))


async def _hold(city: City, order_id: str) -> _Hold:
    """Place a hold, and let several at once decide on its end: at once, about when it runs out, or not at all."""
    rng = city.rng
    kind = rng.choices(("at once", "about its end", "never"), (4, 4, 2))[0]
    lines = {sku: rng.randint(1, 2) for sku in rng.sample([f"sku-{k}" for k in range(5)], 2)}
    wanted = city.wanted(lines, hold_s=3600 if kind == "at once" else 1)
    hold = _Hold(order_id, await city.wires.send("PUT", f"/v1/orders/{order_id}", wanted))
    while hold.placed.status == 503:  # busy, or nobody knows: the same again tells
        hold.again += 1
        await asyncio.sleep(0.1)
        hold.placed = await city.wires.send("PUT", f"/v1/orders/{order_id}", wanted)
    assert hold.placed.status in (200, 201), hold.placed
    asked = ["confirm", "cancel", *rng.choices(("confirm", "cancel", "decline"), k=rng.randint(0, 2))]
    if rng.random() < 0.3:
        asked = asked[:1] * 2  # nobody cancels it
    if kind == "never":
        return hold

    async def act(action: str) -> None:
        await asyncio.sleep(rng.uniform(0.85, 1.05) if kind == "about its end" else rng.uniform(0, 0.1))
        body = _DECLINED if action == "decline" else {}
        hold.said.append((action, await city.wires.send("POST", f"/v1/orders/{order_id}/{action}", body)))

    await asyncio.gather(*(act(action) for action in asked))
    return hold


async def _all_over(service: Service) -> float:
    """Wait until no hold is left that has run out or soon will; how late the latest was written down."""
    connection = await service.database()
    # The last of those that nobody ends may just have been placed, for a second.
    soon = "SELECT EXISTS (SELECT FROM orders WHERE due_at <= clock_timestamp() + interval '10 s')"
    async with asyncio.timeout(_OVER_S):
        while await connection.fetchval(soon):
            await asyncio.sleep(0.1)
    late_s = await connection.fetchval(
        "SELECT max(extract(epoch FROM e.at - o.hold_expires_at))::float8 FROM order_events e"
        " JOIN orders o USING (cell, client, order_id) WHERE e.event = 'expired'"
    )
    await connection.close()
    return float(late_s or 0)


async def _events(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    rows = await connection.fetch("SELECT order_id, event, status, at FROM order_events ORDER BY order_id, seq")
    for row in rows:
        found[row["order_id"]].append(row)
    return found


def _judged(hold: _Hold, events: Sequence[Any]) -> tuple[str, list[str]]:
    """How the hold ended, and what of it is not as it was told."""
    statuses = [event["status"] for event in events]
    ends = [
        (event["status"], event["at"])
        for before, event in pairwise(events)
        if before["status"] == "held" != event["status"]
    ]
    if len(ends) != 1 or statuses[0] != "held":
        return "otherwise", [f"{hold.order_id} ended {len(ends)} times: {statuses}"]
    [(end, at)] = ends
    names = [event["event"] for event in events]
    wrong = []
    expires_at = datetime.fromisoformat(hold.placed.json["hold_expires_at"])
    if (at >= expires_at) != (end == "expired"):
        wrong.append(f"is {end} at {at}, but its hold expires at {expires_at}")
    for action, event in (("confirm", "confirmed"), ("cancel", "cancelled"), ("decline", "declined")):
        told = hold.told(action)
        if names.count(event) > 1:
            wrong.append(f"is {event} {names.count(event)} times")
        if any(answer.status == 200 for answer in told) and event not in names:
            wrong.append(f"was told that it is {event}, but {names}")
        unknown = sum(answer.code == "outcome_unknown" for answer in told)
        done = sum(answer.status == 200 and "idempotent-replay" not in answer.headers for answer in told)
        if not done <= names.count(event) <= done + unknown:
            wrong.append(f"is {event} {names.count(event)} times, which was told otherwise: {told}")
        for answer in told:
            if answer.status == 409 and answer.json["order_status"] not in statuses:
                wrong.append(f"was told to be {answer.json['order_status']}, but {statuses}")
            if answer.status not in (200, 409, 503):
                wrong.append(f"was answered {answer.status} {answer.code}")
    if end == "expired" and any(answer.status == 200 for _, answer in hold.said):
        wrong.append("is expired, but somebody was told that it is not")
    return end, [f"{hold.order_id} {text}" for text in wrong]
