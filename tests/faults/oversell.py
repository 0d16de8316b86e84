"""10,000 orders for 100 pieces, by 64 clients over HTTP: exactly 100 are sold."""

import asyncio
import random
import re
import statistics
import time
from collections import Counter
from dataclasses import dataclass
from typing import Final

import asyncpg

from tests.faults.books import audited
from tests.faults.city import City, shares
from tests.faults.experiments import Ground, Outcome, experiment
from tests.faults.service import WORKERS, Service, served
from tests.faults.wire import Answer, fault, wires

CLIENTS: Final = 64
ORDERS: Final = 10_000
PIECES: Final = 100
STORES: Final = 10


@dataclass(frozen=True, slots=True)
class Sale:
    """One seed's run: what clients were told, and what the database says."""

    seed: int
    told: int
    kept: int
    answers: Counter[str]
    took_s: float
    wrong: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return self.told == self.kept == PIECES and not self.wrong

    def __str__(self) -> str:
        said = ", ".join(f"{count} {name}" for name, count in self.answers.most_common())
        wrong = "".join(f"; {each}" for each in self.wrong)
        return f"seed {self.seed}: {self.told} told, {self.kept} kept of {PIECES} ({said}; {self.took_s:.0f} s){wrong}"


@experiment("oversell")
async def oversell(ground: Ground, *, workers: int = WORKERS, seeds: int = 20, orders: int = ORDERS) -> Outcome:
    """So many times, one after the other, each with a seed of its own."""
    sales = []
    async with served(ground.directory, workers=workers) as service:
        for _ in range(seeds):
            sales.append(await _sell(service, ground.chance.randrange(1_000_000), orders))
            ground.say(str(sales[-1]))
    answers = sum((sale.answers for sale in sales), Counter[str]())
    said = ", ".join(f"{count:,} {name}" for name, count in answers.most_common())
    exact = sum(sale.ok for sale in sales)
    return Outcome(
        f"{seeds} × {orders:,} orders for {PIECES} pieces, {CLIENTS} clients",
        f"exactly {PIECES} sold {exact} times ({said}; {orders / statistics.median(s.took_s for s in sales):.0f}/s)",
        tuple(str(sale) for sale in sales if not sale.ok),
    )


@experiment("oversell-without-guard")
async def oversell_without_guard(ground: Ground, *, workers: int = WORKERS, orders: int = 2_000) -> Outcome:
    """The same with the database's guard taken away: it has to be noticed."""
    async with served(ground.directory, workers=workers) as service:
        connection = await service.database()
        await _take_guard_away(connection)
        await connection.close()
        sale = await _sell(service, ground.chance.randrange(1_000_000), orders)
    oversold = sale.kept > PIECES
    return Outcome(
        f"{orders:,} orders for {PIECES} pieces, the guard taken away",
        f"more are sold than there are, which is {'not ' if sale.ok else ''}noticed: {sale}",
        () if oversold and not sale.ok else ("without the guard all is as well as with it",),
    )


async def _take_guard_away(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Have every option found to suffice."""
    definition = await connection.fetchval("SELECT pg_get_functiondef('choose_options'::regproc)")
    without, guards = re.subn(r"v_suffices := p_available[^;]*;", "v_suffices := true;", definition)
    assert guards == 1, f"the guard is not where it was: {definition}"
    await connection.execute(without)


async def _sell(service: Service, seed: int, orders: int) -> Sale:
    rng = random.Random(seed)
    sku = f"rare-{seed}"
    left = iter(range(orders))
    answers: dict[str, Answer] = {}
    async with wires(service.at, CLIENTS) as clients:
        city = City(clients, rng)
        for i, pieces in enumerate(shares(PIECES, STORES, rng)):
            await city.open_store(f"s{seed}-{i}", {sku: pieces})
        began = time.perf_counter()

        async def client(number: int) -> None:
            for n in left:
                wanted = city.wanted({sku: 1})
                answers[f"o{seed}-{n}"] = await clients.all[number].send("PUT", f"/v1/orders/o{seed}-{n}", wanted)

        await asyncio.gather(*(client(number) for number in range(CLIENTS)))
        took_s = time.perf_counter() - began
    told = {order_id for order_id, answer in answers.items() if answer.status == 201}
    said = Counter("sold" if answer.status == 201 else answer.code for answer in answers.values())
    wrong = [text for text in (fault(list(answers.values())),) if text]
    connection = await service.database()
    kept = await _kept(connection, sku)
    books = await audited(connection)
    await connection.close()
    if told != kept:
        wrong.append(f"the orders that are there are not those that were told: {sorted(told ^ kept)[:5]}")
    return Sale(seed, len(told), len(kept), said, took_s, (*wrong, *books.wrong[:1]))


async def _kept(connection: "asyncpg.Connection[asyncpg.Record]", sku: str) -> set[str]:
    """The orders that have a piece of it."""
    rows = await connection.fetch(
        "SELECT order_id, quantity FROM reservations JOIN skus USING (sku_no) WHERE sku = $1", sku
    )
    assert all(row["quantity"] == 1 for row in rows)
    return {row["order_id"] for row in rows}
