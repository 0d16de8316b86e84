"""Stores that take five orders at a time, and twenty clients at each: never are more than five open."""

import asyncio
import random
from collections import Counter
from typing import Final

from tests.faults.books import audited, most_open_ever
from tests.faults.city import City
from tests.faults.experiments import Ground, Outcome, experiment
from tests.faults.service import WORKERS, served
from tests.faults.wire import Answer, fault, wires

LIMIT: Final = 5
AT_ONCE: Final = 20
STORES: Final = 20
_STORES_AT_ONCE: Final = 4


class _Counter:
    """One store's counter, and who stands at it."""

    def __init__(self, city: City, store_id: str) -> None:
        self.city = city
        self.store_id = store_id
        self.open: list[str] = []
        self.sent = 0
        self.answers: list[Answer] = []

    async def place(self) -> None:
        self.sent += 1
        order_id = f"{self.store_id}-{self.sent}"
        wanted = self.city.wanted({"tea": 1}, only_stores=[self.store_id])
        answer = await self.city.wires.send("PUT", f"/v1/orders/{order_id}", wanted)
        self.answers.append(answer)
        if answer.status == 201:
            self.open.append(order_id)

    async def free(self) -> None:
        """One order leaves the counter: it is cancelled, or made ready."""
        order_id = self.open.pop(self.city.rng.randrange(len(self.open)))
        steps = self.city.rng.choice([("cancel",), ("confirm", "accept", "ready"), ("confirm", "cancel")])
        for action in steps:
            body = {} if action in ("cancel", "confirm") else {"attempt": 1}
            answer = await self.city.wires.send("POST", f"/v1/orders/{order_id}/{action}", body)
            assert answer.status == 200, answer

    async def three_rounds(self) -> list[str]:
        """Twenty at once; places freed and twenty at once; both at once. What was not as it should be."""
        wrong = []
        await asyncio.gather(*(self.place() for _ in range(AT_ONCE)))
        if len(self.open) != LIMIT:
            wrong.append(f"{self.store_id} took {len(self.open)} of {AT_ONCE} at once")
        freed = self.city.rng.randint(1, LIMIT)
        await asyncio.gather(*(self.free() for _ in range(min(freed, len(self.open)))))
        left = len(self.open)
        await asyncio.gather(*(self.place() for _ in range(AT_ONCE)))
        if len(self.open) != LIMIT:
            wrong.append(f"{self.store_id} had {left} open and took {len(self.open) - left} of {AT_ONCE} more")
        await asyncio.gather(*(self.free() for _ in range(3)), *(self.place() for _ in range(AT_ONCE)))
        return wrong


@experiment("capacity")
async def capacity(ground: Ground, *, workers: int = WORKERS, seeds: int = 10, stores: int = STORES) -> Outcome:
    """With so many seeds, so many stores each."""
    wrong: list[str] = []
    answers: list[Answer] = []
    async with (
        served(ground.directory, workers=workers) as service,
        wires(service.at, _STORES_AT_ONCE * AT_ONCE) as clients,
    ):
        for _ in range(seeds):
            seed = ground.chance.randrange(1_000_000)
            city = City(clients, random.Random(seed))
            counters = [_Counter(city, f"c{seed}-{i}") for i in range(stores)]
            for counter in counters:
                await city.open_store(counter.store_id, {"tea": 1_000}, max_open_orders=LIMIT)
            for i in range(0, stores, _STORES_AT_ONCE):
                few = counters[i : i + _STORES_AT_ONCE]
                for faults in await asyncio.gather(*(counter.three_rounds() for counter in few)):
                    wrong += faults
            answers += [answer for counter in counters for answer in counter.answers]
        connection = await service.database()
        books = await audited(connection)
        most = await most_open_ever(connection)
        await connection.close()
    wrong += books.wrong + [said for said in (fault(answers),) if said]
    said = ", ".join(f"{n:,} {name}" for name, n in Counter(a.code or "taken" for a in answers).most_common())
    at_most = max(most.values())
    if at_most != LIMIT or len(most) != seeds * stores:
        wrong.append(f"at most {at_most} were open, and {len(most)} stores had orders")
    return Outcome(
        f"{seeds} × {stores} stores that take {LIMIT}, {AT_ONCE} at once three times at each",
        f"at most {at_most} open after any commit; {said}; {books}",
        tuple(wrong),
    )
