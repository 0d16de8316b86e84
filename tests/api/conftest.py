"""An app on a database of its own, asked over HTTP in process."""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from dispatch.postgres import EmbeddedPostgres
from tests.api.client import Api, Clock, worker
from tests.storage.clones import clone


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, template_database: str) -> Iterator[str]:
    """A migrated database of the test's own, dropped after it."""
    yield from clone(postgres, template_database)


@pytest.fixture
def clock() -> Clock:
    """The time as the app sees it; it stands still until the test moves it."""
    return Clock()


@pytest.fixture
async def app_client(database_url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[Api]:
    """A worker on a fresh, empty database."""
    async with worker(database_url, tmp_path, clock=clock) as api:
        yield api


@pytest.fixture(autouse=True)
def quiet_logs() -> Iterator[None]:
    """Without this the default of structlog paints tracebacks for seconds, in which the replica goes stale."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()
