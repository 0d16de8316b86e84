"""Baskets of five lines in any order, while stock is counted and imported and orders go their ways: books balance."""

import asyncio
import random
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.faults.books import audited
from tests.faults.city import City
from tests.faults.experiments import Ground, Outcome, experiment
from tests.faults.service import WORKERS, served
from tests.faults.wire import Answer, Wires, fault, wires

CLIENTS: Final = 32
SECONDS: Final = 60
LINES: Final = 5
STORES: Final = 12
SKUS: Final = [f"sku-{n:02}" for n in range(20)]
_COUNTERS: Final = 2
_SHELF: Final = 60
# Where an order goes once it is confirmed, and how often.
_WAYS: Final = (
    (4, ("accept", "ready", "pick-up", "deliver")),
    (2, ("accept", "ready", "pick-up", "fail", "return")),
    (2, ("accept", "cancel")),
    (2, ("accept", "ready", "cancel")),
    (2, ("cancel",)),
    (3, ("decline",)),
    (1, ("accept", "reassign")),
)


class Load:
    """Everybody who writes, and what they were told."""

    def __init__(self, clients: Wires, rng: random.Random, seconds: float) -> None:
        self.city = City(clients, rng)
        self.rng = rng
        self.until = time.monotonic() + seconds
        self.answers: Counter[str] = Counter()
        self.bad: list[Answer] = []
        self.counted: dict[tuple[str, str], dict[datetime, int]] = defaultdict(dict)
        self.moved: dict[str, int] = {}

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self.until

    async def send(self, name: str, method: str, path: str, body: object = None, **more: Any) -> Answer:
        answer = await self.city.wires.send(method, path, body, **more)
        self.answers[f"{name} {answer.code or answer.status}"] += 1
        if answer.status >= 500:
            self.bad.append(answer)
        return answer

    # ── shoppers and stores ────────────────────────────────────────────────────────────────────────────────────

    async def shopper(self, number: int) -> None:
        n = 0
        while self.goes_on:
            n += 1
            await self._order(f"b{number}-{n}")

    async def _order(self, order_id: str) -> None:
        rng = self.rng
        lines = {sku: rng.randint(1, 3) for sku in rng.sample(SKUS, LINES)}
        hold_s = rng.choice((0, 1, 3600))
        placed = await self.send("place", "PUT", f"/v1/orders/{order_id}", self.city.wanted(lines, hold_s=hold_s))
        if placed.status != 201 or rng.random() < 0.1:
            return
        if hold_s:
            confirmed = await self.send("confirm", "POST", f"/v1/orders/{order_id}/confirm", {})
            if confirmed.status != 200:
                return
        way = rng.choices([way for _, way in _WAYS], [often for often, _ in _WAYS])[0]
        attempt = 1
        for action in way:
            body: dict[str, Any] = {} if action == "cancel" else {"attempt": attempt}
            if action == "decline":
                body["reason"] = rng.choices(("other", "out_of_stock"), (4, 1))[0]
                body["skus"] = rng.sample(list(lines), 1) if body["reason"] == "out_of_stock" else []
            told = await self.send(action, "POST", f"/v1/orders/{order_id}/{action}", body)
            if told.status != 200:
                return
            attempt = told.json["attempt"]

    # ── counts ─────────────────────────────────────────────────────────────────────────────────────────────────

    def moment(self) -> datetime:
        """Of a count, some seconds ago: no other count has the same."""
        at = datetime.now(UTC) - timedelta(seconds=self.rng.uniform(0, 3))
        while any(at in counts for counts in self.counted.values()):
            at += timedelta(microseconds=1)
        return at

    async def counter(self) -> None:
        """Counts some skus of a store, again and again."""
        while self.goes_on:
            store_id = f"b-{self.rng.randrange(STORES)}"
            skus = self.rng.sample(SKUS, self.rng.randint(1, 5))
            await self.count("PATCH", store_id, {sku: self.rng.randint(0, _SHELF) for sku in skus}, self.moment())
            await asyncio.sleep(self.rng.uniform(0, 0.1))

    async def count(self, method: str, store_id: str, figures: dict[str, int], at: datetime) -> None:
        items = [{"sku": sku, "on_hand": on_hand} for sku, on_hand in figures.items()]
        self._note(store_id, figures, at)
        body = {"as_of": at.isoformat(), "items": items}
        await self.send("count", method, f"/v1/stores/{store_id}/stock", body)

    def _note(self, store_id: str, figures: dict[str, int], at: datetime) -> None:
        for sku, on_hand in figures.items():
            self.counted[store_id, sku][at] = on_hand

    async def importer(self) -> None:
        """Files of whole shelves, and of parts of them, one after the other."""
        while self.goes_on:
            mode, at = self.rng.choice(("snapshot", "partial")), self.moment()
            rows = ["store_id,sku,on_hand"]
            for i in self.rng.sample(range(STORES), STORES // 2):
                named = self.rng.sample(SKUS, self.rng.randint(10, len(SKUS)))
                figures = {sku: self.rng.randint(0, _SHELF) for sku in named}
                rows += [f"b-{i},{sku},{on_hand}" for sku, on_hand in figures.items()]
                absent = dict.fromkeys(SKUS, 0) if mode == "snapshot" else {}
                self._note(f"b-{i}", absent | figures, at)
            moment = at.isoformat().replace("+", "%2B")
            path = f"/v1/imports/stock?mode={mode}&force=true&as_of={moment}&filename=stock.csv"
            begun = await self.send("import", "POST", path, "\n".join(rows).encode(), kind="text/csv")
            assert begun.status == 202, begun
            while (told := (await self.city.wires.send("GET", begun.headers["location"])).json)["status"] == "running":
                await asyncio.sleep(0.02)
            assert told["status"] == "done", told
            assert told["failed"] == 0, told
            self.answers["import done"] += 1

    async def till(self) -> None:
        """Sells and receives past any order; says some of it twice, and some of it late."""
        said: list[dict[str, Any]] = []
        while self.goes_on:
            new = [self._movement(len(self.moved) + i) for i in range(self.rng.randint(1, 5))]
            told = await self.send("move", "POST", "/v1/stock/movements", {"movements": [*new, *said]})
            assert told.status == 200, told
            for movement, result in zip([*new, *said], told.json["movements"], strict=True):
                self.answers[f"movement {result['status']}"] += 1
                if result["status"] != "refused":
                    self.moved[movement["movement_id"]] = movement["delta"]
            said = self.rng.sample(new, 1)
            await asyncio.sleep(self.rng.uniform(0, 0.2))

    def _movement(self, number: int) -> dict[str, Any]:
        at = datetime.now(UTC) - timedelta(seconds=self.rng.uniform(0, 3))
        return {
            "movement_id": f"m-{number}",
            "store_id": f"b-{self.rng.randrange(STORES)}",
            "sku": self.rng.choice(SKUS),
            "delta": self.rng.choice((-2, -1, 1, 2, 3)),
            "at": at.isoformat(),
        }


@experiment("baskets")
async def baskets(ground: Ground, *, workers: int = WORKERS, seconds: int = SECONDS) -> Outcome:
    """See the module."""
    async with served(ground.directory, workers=workers, accept_s=2) as service:
        async with wires(service.at, CLIENTS + _COUNTERS + 2) as clients:
            load = Load(clients, ground.chance, seconds)
            for i in range(STORES):
                await load.city.open_store(f"b-{i}", {})
                await load.count("PUT", f"b-{i}", dict.fromkeys(SKUS, _SHELF), datetime.now(UTC))
            load.until = time.monotonic() + seconds
            shoppers = (load.shopper(number) for number in range(CLIENTS))
            await asyncio.gather(*shoppers, *(load.counter() for _ in range(_COUNTERS)), load.importer(), load.till())
        await asyncio.sleep(3)  # what falls due meanwhile is swept up
        connection = await service.database()
        books = await audited(connection, load.counted)
        deadlocks = await connection.fetchval(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
        short = await connection.fetchval("SELECT count(*) FROM order_events WHERE event = 'stock_short'")
        moved = await connection.fetchval("SELECT count(*) FROM order_events WHERE event = 'moved'")
        movements = await connection.fetch("SELECT movement_id, delta FROM movements WHERE reported IS NOT NULL")
        moved_here = {row["movement_id"]: row["delta"] for row in movements}
        await connection.close()
        said = service.said
    wrong = books.wrong[:]
    if moved_here != load.moved:
        wrong.append(f"the till's movements are not those that are there: {moved_here.items() ^ load.moved.items()}")
    if trouble := fault(load.bad):
        wrong.append(trouble)
    if "deadlock" in said.lower():
        wrong.append("a log line tells of a deadlock")
    if deadlocks and load.bad:
        wrong.append(f"{deadlocks} deadlocks, one of which may have reached a client: {load.bad[0]}")
    busy = sum(answer.code in ("busy", "outcome_unknown") for answer in load.bad)
    told = ", ".join(f"{count} {name}" for name, count in sorted(load.answers.items()))
    if not (load.answers["import done"] and load.answers["place 201"] > seconds and books.movements):
        wrong.append("too little happened to prove anything")
    return Outcome(
        f"{CLIENTS} clients, {seconds} s, {LINES} lines in any order, with counts, imports, sales",
        f"{told}; {busy} busy; deadlocks {deadlocks}; {moved} orders moved, {short} told short; {books},"
        f" {books.movements:,} movements",
        tuple(wrong),
    )
