"""A connection to the database outside the service's pool: whether it is there, and which migration it is at.

Apart from dispatch.storage.migrate, for Alembic takes half a second to import, and a worker that starts needs no more
than this.
"""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import gaierror
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg

CONNECT_TIMEOUT_S = 10.0


class MigrationError(RuntimeError):
    """The database cannot be brought to this version. The text is one line, without secrets."""


class DatabaseUnreachable(MigrationError):
    """No connection to the database."""


async def current(url: str) -> str | None:
    """The revision the database is at; None before the first. Raises DatabaseUnreachable."""
    async with connected(url) as raw:
        return await current_of(raw)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A connection of its own. Raises DatabaseUnreachable."""
    try:
        raw: asyncpg.Connection[Any] = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise unreachable(url, error) from None
    try:
        yield raw
    finally:
        await raw.close()  # gives up the turn too; does nothing where the engine has closed it


async def current_of(raw: "asyncpg.Connection[Any]") -> str | None:
    """The revision that the database of a connection is at; None before the first."""
    if await raw.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    version: str | None = await raw.fetchval("SELECT version_num FROM alembic_version")
    return version


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
