"""What becomes of the pool's other connections when one is lost."""

import asyncio

import asyncpg
import pytest

from dispatch.domain.errors import DatabaseUnavailable
from dispatch.storage.pool import Database

CONNECTIONS = 3


async def _backends(database: Database) -> set[int]:
    """The processes behind so many connections of the pool, used at once."""
    everyone = asyncio.Barrier(CONNECTIONS)

    async def one() -> int:
        async with database.connection() as connection:
            await everyone.wait()
            pid: int = await connection.fetchval("SELECT pg_backend_pid()")
            return pid

    return set(await asyncio.gather(*(one() for _ in range(CONNECTIONS))))


async def test_after_a_lost_connection_no_other_is_believed(database: Database) -> None:
    before = await _backends(database)
    assert await _backends(database) & before, "connections are used again"
    before = await _backends(database)
    with pytest.raises(DatabaseUnavailable):
        async with database.connection() as connection:
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert not await _backends(database) & before


async def test_a_statement_that_took_too_long_costs_no_connection(database: Database) -> None:
    before = await _backends(database)
    with pytest.raises((DatabaseUnavailable, asyncpg.QueryCanceledError)):
        async with database.connection() as connection:
            await connection.execute("SET LOCAL statement_timeout = 20; SELECT pg_sleep(5)")
    assert await _backends(database) & before
