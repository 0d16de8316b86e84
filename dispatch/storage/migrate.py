"""Migrations: plain SQL, run by Alembic over asyncpg, each all or nothing.

A migration is versions/NNNN_name.py, whose `upgrade` calls :func:`run_script`, beside NNNN_name.sql, its statements.
"""

import logging
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from socket import gaierror
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
from alembic import command, op
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.util import await_only

_MIGRATIONS = Path(__file__).parent / "migrations"
_VERSIONS = _MIGRATIONS / "versions"

CONNECT_TIMEOUT_S = 10.0
# A migration that waits for a lock holds up every query that comes after it, so it gives up soon and is tried again.
LOCK_TIMEOUT_S = 10
# A statement that takes longer belongs into batches outside a migration.
STATEMENT_TIMEOUT_S = 900
# How long to wait for another process that is migrating.
TURN_TIMEOUT_S = 900
# The key of the lock that processes take to migrate one at a time; any number, but always this.
_TURN_KEY = 0x6C696665  # "life"


class MigrationError(RuntimeError):
    """The database cannot be brought to this version. The text is one line, without secrets."""


class DatabaseUnreachable(MigrationError):
    """No connection to the database."""


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
    async with _connected(url) as raw:
        await _take_turn(raw)
        script = _script(versions)
        before = await _current(raw)
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


async def current(url: str) -> str | None:
    """The revision the database is at; None before the first. Raises DatabaseUnreachable."""
    async with _connected(url) as raw:
        return await _current(raw)


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


def unreachable(url: str, error: BaseException) -> DatabaseUnreachable:
    """The one line for a failed connection: where, why, and the mend. Never the password, nor the URL itself."""
    if isinstance(error, asyncpg.PostgresError):
        why = str(error.args[0]) if error.args else type(error).__name__
    elif isinstance(error, TimeoutError):
        why = f"no answer within {CONNECT_TIMEOUT_S:.0f} s"
    elif isinstance(error, gaierror):
        why = "no host of that name"
    elif isinstance(error, OSError):
        # asyncpg tries each address of a host and makes one error of all, in which the number stands in the text.
        found = re.search(r"\[Errno (\d+)\]", str(error))
        number = error.errno or (int(found[1]) if found else 0)
        why = os.strerror(number).lower() if number else type(error).__name__
    else:
        why = "the address cannot be used"  # the text of these errors may quote a part of the password
    return DatabaseUnreachable(
        f"cannot reach the database {_place(url)}: {why}; start it or mend DISPATCH_DATABASE_URL"
        " (unset: the embedded PostgreSQL)"
    )


def _place(url: str) -> str:
    """Host, port and database of the URL, for a message."""
    try:
        parts = urlsplit(url)
        if "@" in parts.path:  # a slash in the password: what looks like the database is a part of it
            return "of DISPATCH_DATABASE_URL"
        query = parse_qs(parts.query)
        host = parts.hostname or query.get("host", ["localhost"])[0]
        port = str(parts.port or query.get("port", ["5432"])[0])
        return f"{parts.path.lstrip('/') or 'postgres'} on {host}" + ("" if host.startswith("/") else f":{port}")
    except ValueError:
        return "of DISPATCH_DATABASE_URL"


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    try:
        raw: asyncpg.Connection[Any] = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise unreachable(url, error) from None
    try:
        yield raw
    finally:
        await raw.close()  # gives up the turn too; does nothing where the engine has closed it


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


async def _current(raw: "asyncpg.Connection[Any]") -> str | None:
    if await raw.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    version: str | None = await raw.fetchval("SELECT version_num FROM alembic_version")
    return version


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
