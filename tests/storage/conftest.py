"""A pool on a database of the test's own."""

from collections.abc import AsyncIterator, Iterator

import pytest

from dispatch.postgres import EmbeddedPostgres
from dispatch.storage.pool import Database
from tests.storage.clones import clone


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, template_database: str) -> Iterator[str]:
    """A migrated database of the test's own, dropped after it."""
    yield from clone(postgres, template_database)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool on a fresh, empty database."""
    database = await Database.open(database_url, pool_max=12)
    yield database
    await database.close()
