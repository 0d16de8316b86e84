"""Tickets to streams of events: each is good once, for a minute, with any worker. Only their hashes are kept."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final

from dispatch.domain.callers import Hearing
from dispatch.storage.order_events import EventScope
from dispatch.storage.pool import Database
from dispatch.storage.sql import sql

TICKET_HOLDS: Final = timedelta(seconds=60)
# So long one is still told that a ticket was used, rather than that it is unknown.
KEEP_TICKETS: Final = timedelta(minutes=10)
# 192 bits, more than anybody guesses.
_TICKET_BYTES: Final = 24


class UnknownTicket(Exception):
    """The ticket was never given out, or has run out."""


class TicketUsed(Exception):
    """The ticket was used before."""


async def make_ticket(database: Database, scope: EventScope, hearing: Hearing) -> tuple[str, datetime]:
    """A ticket to the events of ``scope``, of letters that need no escape in an address, and when it runs out.

    ``hearing``: how far whoever asks for it may hear of them.
    """
    ticket = secrets.token_urlsafe(_TICKET_BYTES)
    async with database.connection() as connection:
        expires_at: datetime = await connection.fetchval(
            sql("add_event_ticket"),
            _hash(ticket),
            scope.store_id,
            scope.order_id,
            hearing.attempt,
            hearing.until,
            TICKET_HOLDS,
        )
    return ticket, expires_at


async def use_ticket(database: Database, ticket: str) -> tuple[EventScope, Hearing]:
    """Use a ticket up; what it is for, and how far that may be heard. Raises TicketUsed, UnknownTicket."""
    async with database.connection() as connection:
        row = await connection.fetchrow(sql("use_event_ticket"), _hash(ticket))
        if row is not None:
            scope = EventScope(store_id=row["store_id"], order_id=row["order_id"])
            return scope, Hearing(attempt=row["attempt"], until=row["until"])
        was_used = await connection.fetchval(sql("is_event_ticket_used"), _hash(ticket))
    raise TicketUsed if was_used else UnknownTicket


async def forget_tickets(database: Database, *, keep: timedelta = KEEP_TICKETS) -> int:
    """Drop tickets that ran out longer than ``keep`` ago; how many."""
    async with database.connection() as connection:
        done = await connection.execute(sql("forget_event_tickets"), keep)
    return int(done.rpartition(" ")[2])


def _hash(ticket: str) -> bytes:
    return hashlib.sha256(ticket.encode()).digest()
