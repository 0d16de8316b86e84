"""Migrations: plain SQL, run by Alembic over asyncpg, each all or nothing.

A migration is versions/NNNN_name.py, whose `upgrade` calls :func:`run_script`, beside NNNN_name.sql, its statements.
"""

import logging
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command, op
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.util import await_only

from dispatch.storage.reaching import MigrationError, connected, current, current_of

_MIGRATIONS = Path(__file__).parent / "migrations"
_VERSIONS = _MIGRATIONS / "versions"

# A migration that waits for a lock holds up every query that comes after it, so it gives up soon and is tried again.
LOCK_TIMEOUT_S = 10
# A statement that takes longer belongs into batches outside a migration.
STATEMENT_TIMEOUT_S = 900
# How long to wait for another process that is migrating.
TURN_TIMEOUT_S = 900
# The key of the lock that processes take to migrate one at a time; any number, but always this.
_TURN_KEY = 0x6C696665  # "life"


class DatabaseNewer(MigrationError):
    """The database has migrations that this version of the program does not know."""


class MigrationFailed(MigrationError):
    """A migration failed and was rolled back; those before it stand."""


async def migrate(url: str, *, versions: Path = _VERSIONS) -> list[str]:
    """Bring the database to the newest revision; the revisions applied now, oldest first.

    Processes that migrate at the same time take turns. Raises DatabaseUnreachable, DatabaseNewer, MigrationFailed.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    applied: list[str] = []
    async with connected(url) as raw:
        await _take_turn(raw)
        script = _script(versions)
        before = await current_of(raw)
        _check_known(script, before)
        engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: _same(raw), poolclass=NullPool)
        try:
            async with engine.connect() as connection:
                await connection.run_sync(_upgrade, versions, applied)
        except (DBAPIError, asyncpg.PostgresError) as error:
            raise _failed(script, applied[-1] if applied else before, error) from error
        finally:
            await engine.dispose()
    return applied


async def pending(url: str, *, versions: Path = _VERSIONS) -> list[str]:
    """The revisions that `migrate` would apply, oldest first. Raises DatabaseUnreachable, DatabaseNewer."""
    script = _script(versions)
    at = await current(url)
    _check_known(script, at)
    return _newer(script, at)


def run_script(file: str) -> None:
    """Run the SQL file beside the migration ``file``, in the migration's transaction.

    It may hold any number of statements, but none that ends the transaction: RuntimeError if one did.
    """
    bind = op.get_bind()
    # The driver begins the transaction with the first statement that SQLAlchemy sends; the script goes past
    # SQLAlchemy, which would prepare it, and only single statements can be prepared.
    bind.exec_driver_sql("SELECT 1")
    raw: asyncpg.Connection[Any] = bind.connection.driver_connection  # type: ignore[assignment]  # typed as any driver's
    path = Path(file).with_suffix(".sql")
    await_only(raw.execute(path.read_text(encoding="utf-8")))
    if not raw.is_in_transaction():
        raise RuntimeError(f"{path.name} ends its transaction; a migration is all or nothing")


async def _same(raw: "asyncpg.Connection[Any]") -> "asyncpg.Connection[Any]":
    return raw


async def _take_turn(raw: "asyncpg.Connection[Any]") -> None:
    await raw.execute(f"SET statement_timeout = 0; SET lock_timeout = '{TURN_TIMEOUT_S}s'")
    try:
        await raw.execute("SELECT pg_advisory_lock($1)", _TURN_KEY)
    except asyncpg.LockNotAvailableError:
        raise MigrationFailed(
            f"another process has been migrating for {TURN_TIMEOUT_S} s; end it and try again"
        ) from None
    await raw.execute(
        f"SET statement_timeout = '{STATEMENT_TIMEOUT_S}s'; SET lock_timeout = '{LOCK_TIMEOUT_S}s';"
        " SET client_min_messages = warning"
    )


def _config(versions: Path) -> Config:
    config = Config()
    # A percent sign in the path would begin an interpolation.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("version_locations", str(versions).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")  # a blank in the path does not divide it
    return config


def _script(versions: Path) -> ScriptDirectory:
    return ScriptDirectory.from_config(_config(versions))


def _newer(script: ScriptDirectory, at: str | None) -> list[str]:
    return [found.revision for found in script.iterate_revisions("heads", at or "base")][::-1]


def _check_known(script: ScriptDirectory, at: str | None) -> None:
    known = [found.revision for found in script.walk_revisions()]
    if at is not None and at not in known:
        newest = known[0] if known else "none"
        raise DatabaseNewer(
            f"the database is at migration {at}, which this version does not know (its newest: {newest}); "
            "install the version that made it"
        )


def _upgrade(connection: Connection, versions: Path, applied: list[str]) -> None:
    def note(*, step: Any, **_: Any) -> None:
        applied.append(step.up_revision_id)

    config = _config(versions)
    config.attributes.update(connection=connection, on_version_apply=note)
    command.upgrade(config, "head")


def _failed(script: ScriptDirectory, at: str | None, error: BaseException) -> MigrationFailed:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, asyncpg.PostgresError):
        cause = cause.__cause__  # SQLAlchemy's error comes from its adapter's, and that from asyncpg's
    if isinstance(cause, asyncpg.LockNotAvailableError):
        why = f"another session has locked its tables for more than {LOCK_TIMEOUT_S} s; end it and try again"
    else:
        why = str(cause or error).splitlines()[0]
    return MigrationFailed(f"migration {_newer(script, at)[0]} failed and was rolled back: {why}")
