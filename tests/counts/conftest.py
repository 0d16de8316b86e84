"""A made-up world of two sizes in replicas, and an app on a database whose statements are noted."""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from dispatch.postgres import EmbeddedPostgres
from dispatch.replica.replica import Replica
from dispatch.storage import pool
from tests.api.client import Api, worker
from tests.api.shop import clock_of_now
from tests.bench.in_process import build
from tests.bench.world import World
from tests.counts.statements import CountedConnection
from tests.storage.clones import clone

# Fewer skus than the bench has, so that shelves are as full at a quarter of the rows.
SMALL = World(stores=2_000, skus=2_000, per_store=100)
LARGE = World(stores=20_000, skus=2_000, per_store=100)


@pytest.fixture(scope="module")
def small() -> Replica:
    """2,000 stores."""
    return build(SMALL)


@pytest.fixture(scope="module")
def large() -> Replica:
    """20,000 stores, with shelves alike; one for each module, since a catalogue keeps what was asked around first."""
    return build(LARGE)


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, template_database: str) -> Iterator[str]:
    """A migrated database of the test's own, dropped after it."""
    yield from clone(postgres, template_database)


@pytest.fixture
async def api(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """A worker on a fresh, empty database; what it sends there is noted where it is counted."""
    monkeypatch.setattr(pool, "_Connection", CountedConnection)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    async with worker(database_url, tmp_path, clock=clock_of_now()) as client:
        yield client
    structlog.reset_defaults()
