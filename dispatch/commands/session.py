"""What every command begins with: settings, the database they name, and a way to say things."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import Any

from rich.console import Console

from dispatch.commands.database_watch import DatabaseWatch
from dispatch.commands.stopping import StopRequest
from dispatch.logs import configure_logs
from dispatch.postgres import acquire
from dispatch.serve_lock import served_on
from dispatch.settings import Settings, load_settings, unknown_variables
from dispatch.storage.pool import Database


class CommandError(Exception):
    """What was asked cannot be done. The text is one line: what, where, and the mend."""


def out() -> Console:
    """Where answers go. Made anew each time, for a test may have put another standard output in place."""
    return Console(highlight=False, markup=False, emoji=False)


def aside() -> Console:
    """Where progress and remarks go, so that answers can be piped."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


def settings_of(**overrides: Any) -> Settings:
    """The settings of a command, overrides first; remarks on variables that look like settings and are none.

    Raises SettingsError.
    """
    settings = load_settings(**overrides)
    for name, nearest in unknown_variables().items():
        meant = f"; did you mean {nearest}?" if nearest else "; dispatch settings lists them"
        print(f"dispatch: warning: there is no setting {name}{meant}", file=sys.stderr)
    return settings


def as_served(settings: Settings) -> Settings:
    """The settings of a command that answers as the service does that is running on the same data directory.

    Where none are set, its roads are those of that service: of the demo city, say.
    """
    served = served_on(settings.data_dir)
    if settings.roads is not None or settings.roads_url is not None or served is None:
        return settings
    of_the_demo = settings.data_dir / "demo" in served.parents
    return settings.model_copy(update={"roads": served, "roads_estimate_outside": of_the_demo})


def quiet_logs(settings: Settings) -> None:
    """Leave the speaking to the command, unless somebody is looking for a fault."""
    configure_logs("debug" if settings.log_level == "debug" else "critical")


@contextmanager
def database_server(settings: Settings, stop: StopRequest, *, make: bool, watch: bool = False) -> Iterator[str]:
    """The address of the database: that of the settings, or the embedded one, shared or started, left at the end.

    Without ``make``, a data directory that has no database yet raises CommandError rather than getting one. With
    ``watch`` the embedded one is started again if it dies meanwhile. Raises PostgresError.
    """
    if settings.database_url is not None:
        yield settings.database_url
        return
    if not make and not (settings.data_dir / "postgres").is_dir():
        raise CommandError(
            f"there is no database in {settings.data_dir} yet; begin with: dispatch serve --demo,"
            " or dispatch import stores FILE (or name another --data-dir)"
        )
    server = acquire(settings.data_dir)
    try:
        stop.check()
        with DatabaseWatch(server) if watch else nullcontext():
            yield server.url
    finally:
        server.release()


async def ready_to_read(settings: Settings, url: str) -> None:
    """Bring the embedded database to this version; one that is somebody else's is not changed to answer a question.

    Raises CommandError where it would have to be, and MigrationError.
    """
    # Here, since workers too begin with this file, and Alembic takes half a second to import.
    from dispatch.storage.migrate import migrate, pending

    if settings.database_url is None:
        await migrate(url)
    elif waiting := await pending(url):
        raise CommandError(f"the database lacks migration {waiting[0]}; bring it up to date with: dispatch migrate")


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """A few connections. Raises DatabaseUnavailable."""
    database = await Database.open(url, pool_min=1, pool_max=4)
    try:
        yield database
    finally:
        await database.close()
