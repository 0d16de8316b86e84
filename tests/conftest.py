"""What tests share: one embedded PostgreSQL a session, a database of its own for each test, and shared files."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from dispatch.postgres import EmbeddedPostgres, acquire

TEMPLATE = "template_migrated"
MEMORY = Path("/dev/shm")


@pytest.fixture(scope="session")
def short_tmp() -> Iterator[Path]:
    """A directory for the session whose path leaves room for a socket's name.

    In memory where there is enough of it: making databases is mostly waiting for the disk, three times as long.
    """
    roomy = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 2 * 2**30
    with tempfile.TemporaryDirectory(prefix="lc-", dir=MEMORY if roomy else None, ignore_cleanup_errors=True) as path:
        yield Path(path)


@pytest.fixture(scope="session")
def postgres(short_tmp: Path) -> Iterator[EmbeddedPostgres]:
    """One server for the session. Its commits do not wait for the disk, which no test is about."""
    with acquire(short_tmp / "session", extra_settings={"fsync": "off", "full_page_writes": "off"}) as server:
        yield server


def _execute(url: str, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    # A runner of its own: asyncio.run would take the loop of pytest-asyncio away from the tests after it.
    with asyncio.Runner() as runner:
        runner.run(run())


@pytest.fixture(scope="session")
def template_database(postgres: EmbeddedPostgres) -> str:
    """The name of a database migrated to the newest revision; nobody may be connected to it."""
    from dispatch.storage.migrate import migrate

    _execute(postgres.url_of("postgres"), f"CREATE DATABASE {TEMPLATE}")
    with asyncio.Runner() as runner:
        runner.run(migrate(postgres.url_of(TEMPLATE)))
    return TEMPLATE


@pytest.fixture
def empty_database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database with nothing in it, dropped after the test."""
    yield from _database(postgres, "template1")


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, template_database: str) -> Iterator[str]:
    """A migrated database of the test's own, dropped after it, whoever is still connected."""
    yield from _database(postgres, template_database)


def _database(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    name = f"test_{uuid4().hex[:12]}"
    admin = postgres.url_of("postgres")
    _execute(admin, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield postgres.url_of(name)
    _execute(admin, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def demo_extract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with the roads of the demo city."""
    from data.roads import write_roads

    path = tmp_path_factory.mktemp("demo-roads") / "demo-city.osm.pbf"
    write_roads(path)
    return path


@pytest.fixture(scope="session")
def shared_file() -> Callable[[str], Path]:
    """The path of a file of the reference data by its relative name; skips the test where it is not to be had."""
    root = Path(os.environ.get("LIFECIRCLE_SHARED") or Path(__file__).parents[2] / "shared")

    def find(name: str) -> Path:
        for path in (root / name, root / "data" / name):
            if path.is_file():
                return path
        pytest.skip(f"{name} is not in {root} (set LIFECIRCLE_SHARED to the folder of the reference data)")

    return find
