"""Transactions that are begun anew when the database ends them for the sake of others."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
import structlog

from dispatch.domain.errors import Busy
from dispatch.storage.pool import Connection, Database

MOST_RETRIES: Final = 3
# Before the nth retry at most n times this, at random, so that two who met do not meet again.
_LONGEST_PAUSE_S: Final = 0.05

# Nothing of the transaction stands, and nothing is wrong with it: another one only came first.
LOST_TURN: Final = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)

_log = structlog.get_logger(__name__)


async def in_transaction[T](
    source: Database | Connection, work: Callable[[Connection], Awaitable[T]], *, undo: bool = False
) -> T:
    """Do ``work`` in a transaction, whole, up to ``MOST_RETRIES`` times again if it loses its turn to others.

    ``work`` must therefore leave nothing behind but what it returns. ``source`` is a pool, or a connection that is in
    no transaction yet. ``undo`` rolls back what was done, for a dry run. Raises Busy when every try lost.
    """
    for retry in range(1 + MOST_RETRIES):
        if retry:
            await asyncio.sleep(random.uniform(0, _LONGEST_PAUSE_S * retry))
        try:
            if not isinstance(source, Database):
                return await _once(source, work, undo)
            async with source.connection() as connection:
                return await _once(connection, work, undo)
        except LOST_TURN as error:
            _log.info("transaction_lost_its_turn", tries=retry + 1, reason=type(error).__name__)
            lost = error
    raise Busy("others keep hold of what this would change; try again") from lost


async def _once[T](connection: Connection, work: Callable[[Connection], Awaitable[T]], undo: bool) -> T:
    if connection.is_in_transaction():
        raise ValueError("a part of a transaction cannot be tried again by itself")
    transaction = connection.transaction()
    await transaction.start()
    try:
        result = await work(connection)
    except BaseException:
        await transaction.rollback()
        raise
    if undo:
        await transaction.rollback()
    else:
        await transaction.commit()
    return result
