"""Migrations: all or nothing, one process at a time, and one clear line when the database is not to be had."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from dispatch.postgres import EmbeddedPostgres
from dispatch.storage import migrate as module
from dispatch.storage.migrate import DatabaseNewer, MigrationFailed, migrate, pending
from dispatch.storage.reaching import DatabaseUnreachable, MigrationError, current

HEAD = """
from dispatch.storage.migrate import run_script

revision = "{revision}"
down_revision = {down!r}


def upgrade() -> None:
    run_script(__file__)
"""


def _write(versions: Path, *scripts: str) -> Path:
    """A folder with a migration 0001, 0002, … for each script."""
    versions.mkdir(exist_ok=True)
    for number, script in enumerate(scripts, start=1):
        down = f"{number - 1:04}" if number > 1 else None
        (versions / f"{number:04}_step.py").write_text(HEAD.format(revision=f"{number:04}", down=down))
        (versions / f"{number:04}_step.sql").write_text(script)
    return versions


async def _tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    finally:
        await connection.close()
    return {row["tablename"] for row in rows} - {"alembic_version"}


async def test_each_migration_runs_once_and_in_order(empty_database_url: str, tmp_path: Path) -> None:
    versions = _write(
        tmp_path / "a 100% versions", "CREATE TABLE a (x int); INSERT INTO a VALUES (1);", "ALTER TABLE a ADD y int;"
    )
    assert await current(empty_database_url) is None
    assert await pending(empty_database_url, versions=versions) == ["0001", "0002"]
    assert await migrate(empty_database_url, versions=versions) == ["0001", "0002"]
    assert await current(empty_database_url) == "0002"
    assert await pending(empty_database_url, versions=versions) == []
    assert await migrate(empty_database_url, versions=versions) == []
    assert await _tables(empty_database_url) == {"a"}


async def test_a_migration_that_fails_leaves_nothing_and_those_before_it_stand(
    empty_database_url: str, tmp_path: Path
) -> None:
    broken = "CREATE TABLE b (x int); INSERT INTO b VALUES (1); SELECT 1 / 0; CREATE TABLE c (x int);"
    versions = _write(tmp_path / "v", "CREATE TABLE a (x int);", broken)
    with pytest.raises(MigrationFailed, match="migration 0002 failed and was rolled back: division by zero"):
        await migrate(empty_database_url, versions=versions)
    assert await current(empty_database_url) == "0001"
    assert await _tables(empty_database_url) == {"a"}
    _write(versions, "", "CREATE TABLE b (x int);")
    assert await migrate(empty_database_url, versions=versions) == ["0002"]


async def test_a_script_that_ends_its_transaction_is_refused(empty_database_url: str, tmp_path: Path) -> None:
    versions = _write(tmp_path / "v", "CREATE TABLE a (x int); COMMIT;")
    with pytest.raises(RuntimeError, match="ends its transaction"):
        await migrate(empty_database_url, versions=versions)
    assert await current(empty_database_url) is None


async def test_two_that_migrate_at_once_take_turns(empty_database_url: str, tmp_path: Path) -> None:
    versions = _write(tmp_path / "v", "CREATE TABLE a (x int); SELECT pg_sleep(0.2);", "CREATE TABLE b (x int);")
    results = await asyncio.gather(*(migrate(empty_database_url, versions=versions) for _ in range(3)))
    assert sorted(results) == [[], [], ["0001", "0002"]]


async def test_a_lock_that_another_session_holds_is_named(
    monkeypatch: pytest.MonkeyPatch, empty_database_url: str, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "LOCK_TIMEOUT_S", 1)
    versions = _write(tmp_path / "v", "CREATE TABLE a (x int);")
    await migrate(empty_database_url, versions=versions)
    _write(versions, "", "ALTER TABLE a ADD y int;")
    other = await asyncpg.connect(empty_database_url)
    try:
        async with other.transaction():
            await other.execute("SELECT count(*) FROM a")
            with pytest.raises(MigrationFailed, match="another session has locked its tables"):
                await migrate(empty_database_url, versions=versions)
    finally:
        await other.close()


async def test_a_database_newer_than_the_program_is_left_alone(empty_database_url: str, tmp_path: Path) -> None:
    newer = _write(tmp_path / "newer", "CREATE TABLE a (x int);", "CREATE TABLE b (x int);")
    older = _write(tmp_path / "older", "CREATE TABLE a (x int);")
    await migrate(empty_database_url, versions=newer)
    for call in (migrate, pending):
        with pytest.raises(DatabaseNewer, match=r"at migration 0002, .*its newest: 0001"):
            await call(empty_database_url, versions=older)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://me:hunter2@127.0.0.1:1/shop", r"shop on 127\.0\.0\.1:1: connection refused"),
        ("postgresql://me:hunter2@localhost:1/shop", r"shop on localhost:1: connection refused"),
        ("postgresql://me:hunter2@no-such-host.invalid/shop", r"shop on no-such-host\.invalid:5432: no host"),
        ("postgresql://me:hunter2@/shop?host=/nowhere", r"shop on /nowhere: no such file"),
        ("postgresql://me:hunter2@host:x/shop", "the address cannot be used"),
        ("postgresql://me:hun/ter2@host/shop", "cannot reach the database of DISPATCH_DATABASE_URL"),
        ("postgresql://me:12/ter2@host/shop", "cannot reach the database of DISPATCH_DATABASE_URL"),
        ("mysql://me:hunter2@host/shop", "the address cannot be used"),
    ],
)
async def test_a_database_that_cannot_be_reached_gets_one_line_without_the_password(url: str, said: str) -> None:
    for call in (migrate, current, pending):
        with pytest.raises(DatabaseUnreachable, match=said) as caught:
            await call(url)
        text = str(caught.value)
        assert "\n" not in text
        assert "DISPATCH_DATABASE_URL" in text
        assert "me:" not in text
        assert "ter2" not in text


async def test_a_database_that_does_not_exist_is_named(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(DatabaseUnreachable, match='database "nobody" does not exist'):
        await migrate(postgres.url_of("nobody"))


async def test_the_migrations_of_this_version_are_applied_to_the_template(database_url: str) -> None:
    assert await pending(database_url) == []
    assert await current(database_url) is not None


def test_each_error_is_a_migration_error() -> None:
    assert all(issubclass(kind, MigrationError) for kind in (DatabaseNewer, DatabaseUnreachable, MigrationFailed))
