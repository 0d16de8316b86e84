"""What has happened to orders: of one, and of all in an order that never skips a late commit."""

from dataclasses import dataclass
from datetime import datetime

from dispatch.domain.versions import Version
from dispatch.storage.feed import FeedReader
from dispatch.storage.orders import StoredOrder
from dispatch.storage.pool import Database
from dispatch.storage.sql import sql


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """``head_seq``: which change of its cell wrote it. ``detail`` is JSON."""

    cell: int
    client: str
    order_id: str
    seq: int
    head_seq: int
    at: datetime
    event: str
    status: str
    attempt: int
    store_id: str | None
    detail: str | None


async def events_of_order(database: Database, order: StoredOrder) -> list[OrderEvent]:
    """All that has happened to an order, in order."""
    async with database.connection() as connection:
        rows = await connection.fetch(sql("events_of_order"), order.cell, order.client, order.order_id)
    return [OrderEvent(*row) for row in rows]


async def events_after(database: Database, after: Version, limit: int) -> tuple[list[OrderEvent], Version]:
    """Events of all orders behind a position, and the position behind them.

    A cell after the other, in each in the order of its commits; what one commit wrote stays together, so there may be
    more than ``limit``. A cell's changes are numbered in the order of their commits, so whatever is committed later
    lies behind the position.
    """
    position = Version(after)
    events: list[OrderEvent] = []
    async with database.connection() as connection:
        heads = await FeedReader(connection).heads()
        for cell in sorted(heads):
            if heads[cell] <= position.get(cell, 0):
                continue
            if len(events) >= limit:
                break
            asked = limit - len(events)
            rows = await connection.fetch(sql("events_after"), cell, position.get(cell, 0), asked)
            events += [OrderEvent(*row) for row in rows]
            last = rows[-1]["head_seq"] if rows else 0
            position[cell] = last if len(rows) >= asked else max(heads[cell], last)
    return events, position
