"""What placing an order and acting on one have in common: the replica that proposes, the database that decides."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from msgspec import structs

from dispatch.domain.errors import (
    Busy,
    NoStoreCanFulfil,
    OrderNotFound,
    PriceChanged,
    ReplicaBehind,
)
from dispatch.domain.ground import modes_of
from dispatch.domain.orders import Goods, Status
from dispatch.domain.question import Question
from dispatch.domain.selection import reach_m
from dispatch.domain.versions import Version
from dispatch.replica.follower import Follower
from dispatch.replica.replica import Replica
from dispatch.services.orders.options import Found, find_options, sku_nos_of
from dispatch.services.orders.wishes import wish_of, without
from dispatch.services.roads import Roads
from dispatch.storage.order_writes import NewEvent, OrderWrite
from dispatch.storage.orders import (
    OrderWriter,
    OrderWritten,
    StoredOrder,
    expired_holds_at,
    find_orders,
    meant,
    read_settled,
    version_of,
)
from dispatch.storage.pool import Database
from geo.cells import cells_within

# Of an order that has lost its first choice, so many stores are sent at once.
_OPTIONS_AFTER_LOSS: Final = 4
_MOST_FREED_AT_ONCE: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordering:
    """What orders are placed and changed with. ``clock`` tells the time with an offset, ``accept_s`` is a setting."""

    database: Database
    follower: Follower
    writer: OrderWriter
    roads: Roads
    clock: Callable[[], datetime]
    accept_s: int
    wait_s: float

    def now_s(self) -> int:
        return int(self.clock().timestamp())

    async def find(self, client: str, order_id: str, *, fingerprint: bytes | None = None) -> StoredOrder | None:
        """The order of that id, if there is one; of two, the one of this fingerprint. Raises OrderIdAmbiguous."""
        found = meant(await find_orders(self.database, client, order_id), fingerprint)
        return None if found is None else await self.settled(found)

    async def version_of(self, order: StoredOrder) -> Version:
        """What a read must have seen to see the order as it is, or later."""
        return await version_of(self.database, order)

    async def settled(self, order: StoredOrder) -> StoredOrder:
        """The order, read again if its hold had run out: somebody may be ending it who came in time."""
        return await read_settled(self.database, order) if order.lapsed else order

    async def get(self, client: str, order_id: str) -> StoredOrder:
        """The order of that id. Raises OrderNotFound, OrderIdAmbiguous."""
        order = await self.find(client, order_id)
        if order is None:
            raise OrderNotFound(f"there is no order {order_id}")
        return order

    async def know_goods_of(self, skus: Sequence[str], deadline: float) -> None:
        """Wait until this worker's replica knows these skus: another worker may have placed the order just now."""
        stock = self.follower.replica.stock
        if any(stock.number(sku) is None for sku in skus):
            left_s = max(0.0, deadline - time.monotonic())
            await self.follower.read_since(time.monotonic(), at_most_s=left_s)

    async def write(self, write: OrderWrite, deadline: float) -> OrderWritten:
        """Have it written with whatever else is. Raises Busy, DatabaseUnavailable, OutcomeUnknown."""
        key = (write.client, write.order_id)
        return await self.writer.submit(write.cell, key, write, wait_s=max(0.0, deadline - time.monotonic()))


class Hunt:
    """The search for a store for one order: again after each loss, and never refused by what a stale replica says."""

    def __init__(self, ordering: Ordering, most_prices: dict[str, int], deadline: float) -> None:
        self._ordering = ordering
        self._most_prices = most_prices
        self._deadline = deadline
        self._began = time.monotonic()
        self._fresh = False
        self._lost = False
        self._disproved: frozenset[str] = frozenset()
        self._proposed_at: dict[int, int] = {}

    async def options(self, ask: Callable[[Replica], Question | None]) -> Found | None:
        """The stores to propose next, best first; None if ``ask`` has nothing to ask any more.

        Options are empty only by what the database said after this hunt began. Raises Busy.
        """
        while True:
            replica = self._ordering.follower.replica
            question = ask(replica)
            if question is None:
                return None
            question = without(question, self._disproved)
            if self._lost:
                question = structs.replace(question, alternatives=_OPTIONS_AFTER_LOSS - 1)
            found = await find_options(replica, self._ordering.roads, question, self._most_prices, self._deadline)
            self._proposed_at = {
                option.store.cell: replica.cursors.get(option.store.cell, 0) for option in found.options
            }
            if found.options:
                return found
            if not await self._learn(replica, question, found):
                if self._disproved:
                    # By the replica they can, by the database they cannot: nobody may be refused for such a quarrel.
                    raise Busy("stores that seem able to take it are not; nothing is held, so try again")
                return found

    async def hear(self) -> bool:
        """Have the replica read the database since this hunt began; False if it has already. Raises Busy."""
        if self._fresh:
            return False
        left_s = max(0.0, self._deadline - time.monotonic())
        if not await self._ordering.follower.read_since(self._began, at_most_s=left_s):
            raise Busy("the database was not heard of in time, so nobody knows who could; nothing is held")
        self._fresh = True
        return True

    async def _learn(self, replica: Replica, question: Question, found: Found) -> bool:
        """Look whether the database knows better than the replica that was asked; False if it does not."""
        by_road_m = self._ordering.roads.reach_m(question.promise_s, modes=modes_of(replica, question))
        cells = cells_within(question.destination, max(by_road_m, reach_m(replica, question)))
        asked_at = [replica.cursors.get(cell) for cell in cells]
        if await self.hear():
            now = self._ordering.follower.replica
            # A look at prices takes pauses, in which the replica moves on.
            if found.too_dear or now is not replica or asked_at != [now.cursors.get(cell) for cell in cells]:
                return True
            # Nothing has changed around here, so to ask again would be answered the same.
        if not await self._free_expired(cells):
            return False
        if time.monotonic() > self._deadline:
            raise Busy("holds that have run out are still being freed; nothing is held, so try again")
        return True

    async def _free_expired(self, cells: list[int]) -> bool:
        """Free what holds that have run out still keep in these cells; whether there was anything."""
        expired = await expired_holds_at(self._ordering.database, cells, _MOST_FREED_AT_ONCE)
        if not expired:
            return False
        written = await asyncio.gather(*(expire(self._ordering, order, self._deadline) for order in expired))
        for version in written:
            await self._see(version)
        return True

    async def lost(self, written: OrderWritten, tried: Found) -> None:
        """Note that all options were lost; returns once the replica knows what the database knew then.

        Where it knew as much when it proposed them and is still of another mind, those stores are asked no more.
        """
        self._lost = True
        self._disproved |= {
            option.store.store_id
            for option in tried.options
            if self._proposed_at.get(option.store.cell, 0) >= written.version.get(option.store.cell, 0)
        }
        await self._see(written.version)

    async def _see(self, version: Version) -> None:
        try:
            await self._ordering.follower.wait_for(version, at_most_s=max(0.0, self._deadline - time.monotonic()))
        except ReplicaBehind:
            raise Busy("others took the goods, and who has some left was not known in time; nothing is held") from None


def refusal(found: Found, told: object, *, moving: bool = False) -> PriceChanged | NoStoreCanFulfil:
    """What is said when nobody can place an order, or take it over."""
    if found.too_dear:
        end = "it stays where it is" if moving else "the id stays free"
        return PriceChanged(f"every store that could fulfil this asks more for a line than its max_price; {end}")
    return NoStoreCanFulfil(told, moving=moving)


async def expire(ordering: Ordering, order: StoredOrder, deadline: float) -> Version:
    """Write down that a hold has run out; nothing where somebody else has done so. The version that shows it."""
    write = OrderWrite(
        cell=order.cell,
        client=order.client,
        order_id=order.order_id,
        revision=order.revision,
        status=Status.EXPIRED,
        attempt=order.attempt,
        events=(NewEvent("expired", Status.EXPIRED, order.attempt, order.store_id),),
        when_due=True,
        at=order.at,
        goods=Goods.RELEASE,
        closes_one=True,
        touched_sku_nos=touched(ordering.follower.replica, order),
    )
    return (await ordering.write(write, deadline)).version


def touched(replica: Replica, order: StoredOrder) -> tuple[int, ...]:
    """The numbers of the skus that an order has on its store's shelf."""
    return tuple(sku_nos_of(replica, skus_of(order)))


def skus_of(order: StoredOrder) -> Sequence[str]:
    """The skus of an order, each once."""
    return list(dict.fromkeys(line.sku for line in wish_of(order.request).lines))
