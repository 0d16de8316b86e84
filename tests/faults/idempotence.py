"""The same request twenty times at once, for a thousand ids: one effect each, and the same bytes for everybody."""

import asyncio
import json
from collections import Counter
from typing import Any, Final

import asyncpg

from tests.faults.books import audited
from tests.faults.city import City
from tests.faults.experiments import Ground, Outcome, experiment
from tests.faults.service import WORKERS, served
from tests.faults.wire import Answer, fault, wires

IDS: Final = 1_000
TIMES: Final = 20
_IDS_AT_ONCE: Final = 4
# Every tenth order wants the last piece of something: what the first of the twenty takes, the others must not miss.
_LAST_PIECE_EVERY: Final = 10


@experiment("idempotence")
async def idempotence(ground: Ground, *, workers: int = WORKERS, ids: int = IDS) -> Outcome:
    """See the module."""
    answers: dict[str, list[Answer]] = {}
    async with served(ground.directory, workers=workers) as service, wires(service.at, _IDS_AT_ONCE * TIMES) as clients:
        city = City(clients, ground.chance)
        rare = {f"last-{n}": 1 for n in range(0, ids, _LAST_PIECE_EVERY)}
        for i in range(10):
            mine = dict(list(rare.items())[i::10])
            await city.open_store(f"i-{i}", mine | {"tea": 10 * ids, "rice": 10 * ids})

        async def many(n: int) -> None:
            wanted = city.wanted({f"last-{n}": 1, "tea": 2} if f"last-{n}" in rare else {"tea": 1, "rice": 2})
            body = json.dumps(wanted).encode()
            sent = (clients.send("PUT", f"/v1/orders/i{n}", body) for _ in range(TIMES))
            answers[f"i{n}"] = list(await asyncio.gather(*sent))

        for first in range(0, ids, _IDS_AT_ONCE):
            await asyncio.gather(*(many(n) for n in range(first, min(ids, first + _IDS_AT_ONCE))))
        connection = await service.database()
        books = await audited(connection)
        events = await _events(connection)
        await connection.close()
    wrong = [text for order_id, its in answers.items() for text in _wrong(order_id, its, events)] + books.wrong
    every = [answer for its in answers.values() for answer in its]
    said = Counter(answer.code or str(answer.status) for answer in every)
    told = ", ".join(f"{count:,} × {name}" for name, count in sorted(said.items()))
    if trouble := fault(every):
        wrong.append(trouble)
    return Outcome(f"{ids:,} ids × {TIMES} requests at once", f"{told}; {len(events):,} orders; {books}", tuple(wrong))


async def _events(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    rows: list[Any] = await connection.fetch("SELECT order_id, event FROM order_events")
    for row in rows:
        found.setdefault(row["order_id"], []).append(row["event"])
    return found


def _wrong(order_id: str, answers: list[Answer], events: dict[str, list[str]]) -> list[str]:
    wrong = []
    told = Counter(answer.status for answer in answers)
    bodies = {answer.body for answer in answers if answer.status in (200, 201)}
    if told[201] != 1 or told[201] + told[200] != len(answers):
        wrong.append(f"{order_id} was answered {dict(told)}, {Counter(a.code for a in answers)}")
    if len(bodies) != 1:
        wrong.append(f"{order_id} was told in {len(bodies)} ways")
    if any((answer.status == 200) != ("idempotent-replay" in answer.headers) for answer in answers):
        wrong.append(f"{order_id}: Idempotent-Replay is not where it should be")
    if events.get(order_id) != ["held"]:
        wrong.append(f"{order_id} has the events {events.get(order_id)}")
    return wrong
