"""A pool on a database of the test's own."""

from collections.abc import AsyncIterator

import pytest

from dispatch.storage.pool import Database


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool on a fresh, empty database."""
    database = await Database.open(database_url, pool_max=12)
    yield database
    await database.close()
