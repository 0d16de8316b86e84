"""Whoever is told to stop while the database works for them stops, and does not take it for a lost database."""

import asyncio
from typing import Any

import pytest

from dispatch.storage.pool import Database

LONG = "SELECT repeat('x', 1000) FROM generate_series(1, 100000)"


async def _copy(database: Database, began: asyncio.Event) -> None:
    async def slowly(_: bytes) -> None:
        began.set()
        await asyncio.sleep(0.001)

    async with database.connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        task = asyncio.create_task(connection.copy_from_query(LONG, output=slowly))
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()


async def _sleep(database: Database, began: asyncio.Event) -> None:
    async with database.transaction() as connection:
        began.set()
        await connection.execute("SELECT pg_sleep(20)")


@pytest.mark.parametrize("work", [_copy, _sleep])
async def test_a_task_that_is_cancelled_in_a_statement_is_cancelled(database: Database, work: Any) -> None:
    """A COPY cut short leaves its connection busy; the rollback's complaint of that must not hide the cancellation."""
    for _ in range(3):
        began = asyncio.Event()
        task = asyncio.create_task(work(database, began))
        await began.wait()
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task], timeout=10)
        assert task.cancelled(), task
    await database.ping()
