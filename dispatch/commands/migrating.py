"""dispatch migrate: the database brought to this version."""

from dispatch.commands.session import database_server, out, quiet_logs
from dispatch.commands.stopping import StopRequest
from dispatch.settings import Settings
from dispatch.storage.migrate import migrate


def run(settings: Settings) -> int:
    """Migrate, and say what was applied."""
    quiet_logs(settings)
    with StopRequest() as stop, database_server(settings, stop, make=True) as url:
        applied = stop.run(migrate(url))
    console = out()
    for revision in applied:
        console.print(f"applied {revision}")
    if not applied:
        console.print("nothing to do: the database is up to date")
    return 0
