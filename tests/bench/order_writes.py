"""Placing orders at the storage layer: group commits against the same function called with one order each."""

import asyncio
import contextlib
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

from dispatch.domain.orders import Status
from dispatch.domain.stores import ShelfCount, Store
from dispatch.storage.group_commit import GroupCommit
from dispatch.storage.order_writes import NewEvent, NewOrder, Option, OrderWrite, StoreAt
from dispatch.storage.orders import OrderWritten, write_orders
from dispatch.storage.pool import Database
from dispatch.storage.shelves import put_shelf
from dispatch.storage.stores import put_stores_of_cell
from geo.cells import cell_of
from geo.coordinates import LatLon

STORES: Final = 200
SKUS: Final = 50
LINES: Final = 3
PLENTY: Final = 1_000_000_000
CLIENTS: Final = (1, 16, 64)
ROUNDS: Final = 5
ROUND_S: Final = 3.0
_PLACE: Final = LatLon(lat=37.87, lon=112.55)
_TOLD: Final = (
    '{"store_id":"S-000","name":"somewhere in the city","address":"1 Some Road","lat":37.87,"lon":112.55,'
    '"distance_m":412.7}'
)
_ETA: Final = (
    '{"prepare_s":390,"queue_s":0,"courier_s":60,"travel_s":240,"handover_s":120,"total_s":810,'
    '"pickup_by":"2026-11-20T10:07:30+08:00","deliver_by":"2026-11-20T10:13:30+08:00","travel_source":"estimate"}'
)
_LINES_TOLD: Final = (
    "[" + ",".join('{"sku":"4710018000109","quantity":1,"price":3500,"currency":"TWD"}' for _ in range(LINES)) + "]"
)


class HotCell:
    """Stores of one cell with more stock than can be sold, and orders for them."""

    def __init__(self, stores: list[StoreAt], sku_nos: list[int], *, seed: int) -> None:
        self._stores = stores
        self._sku_nos = sku_nos
        self._rng = random.Random(seed)
        self._placed = 0

    @classmethod
    async def made(cls, database: Database, *, seed: int) -> "HotCell":
        """Fill an empty database."""
        rng = random.Random(seed)
        cell = cell_of(_PLACE)
        stores = [
            Store(
                store_id=f"S-{i:03}",
                place=LatLon(lat=_PLACE.lat + rng.uniform(-0.05, 0.05), lon=_PLACE.lon + rng.uniform(-0.05, 0.05)),
                timezone="Asia/Shanghai",
            )
            for i in range(STORES)
        ]
        assert {cell_of(store.place) for store in stores} == {cell}
        async with database.transaction() as connection:
            await put_stores_of_cell(connection, cell, stores)
        as_of = datetime(2026, 11, 20, tzinfo=UTC)
        for store in stores:
            counts = [
                ShelfCount(store_id=store.store_id, sku=f"sku-{n}", on_hand=PLENTY, as_of=as_of) for n in range(SKUS)
            ]
            await put_shelf(database, store.store_id, counts, whole_as_of=as_of)
        async with database.connection() as connection:
            rows = await connection.fetch("SELECT cell, store_no, store_id FROM stores ORDER BY store_no")
            sku_nos = [row["sku_no"] for row in await connection.fetch("SELECT sku_no FROM skus ORDER BY sku_no")]
        return cls([StoreAt(*row) for row in rows], sku_nos, seed=seed)

    @property
    def cell(self) -> int:
        return self._stores[0].cell

    def order(self) -> OrderWrite:
        """The next order, of three lines at a random store."""
        self._placed += 1
        store = self._rng.choice(self._stores)
        lines = tuple((sku_no, 1) for sku_no in self._rng.sample(self._sku_nos, LINES))
        option = Option(store, lines, _TOLD, _ETA, _LINES_TOLD, datetime(2026, 11, 20, 3, tzinfo=UTC))
        return OrderWrite(
            cell=self.cell,
            client="bench",
            order_id=f"order-{self._placed}",
            revision=0,
            status=Status.HELD,
            attempt=1,
            events=(NewEvent("held", Status.HELD, 1),),
            options=(option,),
            takes=True,
            due_s=900,
            new=NewOrder(b"fingerprint-16by", "app", None, '{"lat":37.87,"lon":112.55,"promise_s":3600}', None),
        )


async def one_by_one(database: Database, world: HotCell, clients: int, seconds: float) -> float:
    """Orders a second by so many clients, each order a transaction of its own; the pool has a connection for each."""

    async def place() -> OrderWritten | Exception:
        async with database.connection() as connection:
            [written] = await write_orders(connection, world.cell, [world.order()])
        return written

    return await _rate(clients, seconds, place)


async def in_groups(database: Database, world: HotCell, clients: int, seconds: float) -> float:
    """Orders a second by so many clients that all wait for the same group commit."""
    commits = GroupCommit[OrderWrite, OrderWritten](database, write_orders, wait_s=10.0)

    async def place() -> OrderWritten:
        order = world.order()
        return await commits.submit(world.cell, (order.client, order.order_id), order)

    return await _rate(clients, seconds, place)


async def _rate(clients: int, seconds: float, place: Callable[[], Awaitable[OrderWritten | Exception]]) -> float:
    began = time.perf_counter()
    placed = 0

    async def client() -> None:
        nonlocal placed
        while time.perf_counter() - began < seconds:
            written = await place()
            assert isinstance(written, OrderWritten), written
            assert written.outcome == "written", written
            placed += 1

    await asyncio.gather(*(client() for _ in range(clients)))
    return placed / (time.perf_counter() - began)


async def measure(url: str, *, seed: int = 7, rounds: int = ROUNDS, round_s: float = ROUND_S) -> list[dict[str, Any]]:
    """Both for each number of clients, all in turns, on an empty, migrated database; which of the two is first, too.

    Both have the same pool, of as many connections as clients; a group commit keeps one of them busy.
    """
    singles: dict[int, list[float]] = {clients: [] for clients in CLIENTS}
    groups: dict[int, list[float]] = {clients: [] for clients in CLIENTS}
    ways = ((one_by_one, singles), (in_groups, groups))
    async with contextlib.AsyncExitStack() as stack:
        pools = {clients: await _opened(stack, url, clients) for clients in CLIENTS}
        world = await HotCell.made(pools[max(CLIENTS)], seed=seed)
        for clients, database in pools.items():
            for way, _ in ways:
                await way(database, world, clients, round_s / 3)
        for round_no in range(rounds):
            for clients, database in pools.items():
                for way, told in ways if round_no % 2 == 0 else reversed(ways):
                    told[clients].append(await way(database, world, clients, round_s))
    return [_told(clients, singles[clients], groups[clients]) for clients in CLIENTS]


async def _opened(stack: contextlib.AsyncExitStack, url: str, connections: int) -> Database:
    """A pool with all of its connections open; closed with the stack."""
    database = await Database.open(url, pool_min=connections, pool_max=connections)
    stack.push_async_callback(database.close)
    return database


def _told(clients: int, singles: list[float], groups: list[float]) -> dict[str, Any]:
    ratios = [group / single for group, single in zip(groups, singles, strict=True)]
    return {
        "clients": clients,
        "one_by_one_per_s": statistics.median(singles),
        "one_by_one_spread_per_s": [min(singles), max(singles)],
        "group_commit_per_s": statistics.median(groups),
        "group_commit_spread_per_s": [min(groups), max(groups)],
        "ratio": statistics.median(ratios),
        "ratio_spread": [min(ratios), max(ratios)],
    }
