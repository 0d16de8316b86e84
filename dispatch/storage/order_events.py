"""What has happened to orders: of one, and of all in an order that never skips a late commit."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

from dispatch.domain.callers import Hearing
from dispatch.domain.orders import Status
from dispatch.domain.versions import Version, VersionAhead
from dispatch.storage.feed import FeedReader
from dispatch.storage.orders import DEFAULT_CLIENT, StoredOrder
from dispatch.storage.pool import Connection, Database
from dispatch.storage.sql import sql

BEYOND: Final = "this position lies beyond all that there is; begin with after=latest, and read the orders anew"
# Of so many the database looks through a hundredth of a second.
MOST_PASSED_OVER: Final = 10_000


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


@dataclass(frozen=True, slots=True)
class EventScope:
    """Whose events: a store's, an order's, or all. At most one is named.

    A store's are those that happened to orders that were at it then, and that an order was taken away from it.
    """

    store_id: str | None = None
    order_id: str | None = None


EVERYTHING: Final = EventScope()


class EventsPage(NamedTuple):
    """``more``: there may be others behind ``position`` already."""

    events: list[OrderEvent]
    position: Version
    more: bool


def scopes_of(event: OrderEvent) -> set[EventScope]:
    """All scopes that an event belongs to."""
    scopes = {EVERYTHING}
    if event.client == DEFAULT_CLIENT:
        scopes.add(EventScope(order_id=event.order_id))
    if event.store_id is not None:
        scopes.add(EventScope(store_id=event.store_id))
    if event.event == "reassigned" and event.detail is not None:
        scopes.add(EventScope(store_id=json.loads(event.detail)["from_store_id"]))
    return scopes


def heard(events: Sequence[OrderEvent], hearing: Hearing) -> tuple[Sequence[OrderEvent], bool]:
    """What may be heard of an order's events, and whether nothing that comes behind them may.

    The last that is heard is the one with which the order leaves; where it has gone is not told.
    """
    for i, event in enumerate(events):
        if hearing.is_left_by(Status(event.status), event.attempt):
            return [*events[:i], replace(event, store_id=None, detail=None)], True
    return events, False


async def events_of_order(database: Database, order: StoredOrder) -> list[OrderEvent]:
    """All that has happened to an order, in order."""
    async with database.connection() as connection:
        rows = await connection.fetch(sql("events_of_order"), order.cell, order.client, order.order_id)
    return [OrderEvent(*row) for row in rows]


async def events_after(database: Database, after: Version, limit: int, scope: EventScope = EVERYTHING) -> EventsPage:
    """Events behind a position, and the position behind them, and behind all that was passed over for ``scope``.

    A cell after the other, in each in the order of its commits; what one commit wrote stays together, so there may be
    more than ``limit``. A cell's changes are numbered in the order of their commits, so whatever is committed later
    lies behind the position. Raises VersionAhead for a position that is beyond all that there is.
    """
    async with database.connection() as connection:
        heads = await FeedReader(connection).heads()
        if not after.reached_by(heads):
            raise VersionAhead(BEYOND)
        behind = sorted(cell for cell, seq in heads.items() if seq > after.get(cell, 0))
        if scope.order_id is not None:
            return await _of_order(connection, after, heads, scope.order_id)
        if scope.store_id is not None:
            return await _of_store(connection, after, heads, behind, scope.store_id, limit)
        position = Version(after)
        events: list[OrderEvent] = []
        for cell in behind:
            if len(events) >= limit:
                return EventsPage(events, position, more=True)
            asked = limit - len(events)
            rows = await connection.fetch(sql("events_after"), cell, after.get(cell, 0), asked)
            events += [OrderEvent(*row) for row in rows]
            last = rows[-1]["head_seq"] if rows else 0
            position[cell] = last if len(rows) >= asked else max(heads[cell], last)
        return EventsPage(events, position, more=len(events) >= limit)


async def _of_order(connection: Connection, after: Version, heads: dict[int, int], order_id: str) -> EventsPage:
    """All at once: an order has a dozen events. Those of a change that the heads do not know yet are left for later."""
    rows = await connection.fetch(sql("events_of_id"), DEFAULT_CLIENT, order_id)
    found = [OrderEvent(*row) for row in rows]
    events = [event for event in found if after.get(event.cell, 0) < event.head_seq <= heads.get(event.cell, 0)]
    return EventsPage(events, Version(heads), more=False)


async def _of_store(
    connection: Connection, after: Version, heads: dict[int, int], behind: list[int], store_id: str, limit: int
) -> EventsPage:
    """No index finds a store's events, so that a page ends, too, where very many of others have been passed over."""
    position = Version(after)
    events: list[OrderEvent] = []
    for cell in behind:
        if len(events) >= limit:
            return EventsPage(events, position, more=True)
        asked = limit - len(events)
        end = await connection.fetchval(sql("events_after_end"), cell, after.get(cell, 0), max(asked, MOST_PASSED_OVER))
        upto = heads[cell] if end is None else min(end, heads[cell])
        rows = await connection.fetch(sql("events_after_of_store"), cell, after.get(cell, 0), upto, store_id, asked)
        events += [OrderEvent(*row) for row in rows]
        position[cell] = rows[-1]["head_seq"] if len(rows) >= asked else upto
        if position[cell] < heads[cell]:
            return EventsPage(events, position, more=True)
    return EventsPage(events, position, more=False)
