"""dispatch imports: what was imported, by whom, when, and what came of it."""

from datetime import UTC, datetime
from typing import Final

from rich.table import Table

from dispatch.commands.importing import print_account, refusal
from dispatch.commands.session import database_server, opened, out, quiet_logs, ready_to_read
from dispatch.commands.stopping import StopRequest
from dispatch.services.import_undo import open_undo
from dispatch.services.import_undo import run_undo as undo
from dispatch.settings import Settings
from dispatch.storage.imports import ImportRecord, list_imports, read_import

_INTERRUPTED: Final = "interrupted"
_WIDEST: Final = 1_000
_SAMPLES: Final = 5


def run_list(settings: Settings, *, kind: str | None, partner: str | None, limit: int) -> int:
    """Print the newest imports, a line each."""
    quiet_logs(settings)
    with StopRequest() as stop, database_server(settings, stop, make=False) as url:
        records = stop.run(_listed(settings, url, kind=kind, partner=partner, limit=limit + 1))
    console = out()
    if not records:
        console.print("No imports yet; bring stores or stock in with: dispatch import stores FILE", soft_wrap=True)
        return 0
    table = Table("import", "begun", "partner", "kind", "file", "status", "rows", "bad rows")
    for column in table.columns:
        column.no_wrap = True
    for column in table.columns[-2:]:
        column.justify = "right"
    for record in records[:limit]:
        table.add_row(
            record.import_id,
            _local(record.created_at),
            record.partner,
            f"{record.kind}, {record.mode}{', dry run' * record.dry_run}",
            record.filename or "",
            record.status,
            f"{record.counts.rows:,}",
            f"{record.counts.failed:,}",
        )
    # As wide as it has to be, for a shortened id is of no use.
    console.width = console.measure(table, options=console.options.update(max_width=_WIDEST)).maximum
    console.print(table, crop=False)
    if len(records) > limit:
        console.print("There are more: raise --limit")
    return 0


async def _listed(
    settings: Settings, url: str, *, kind: str | None, partner: str | None, limit: int
) -> list[ImportRecord]:
    await ready_to_read(settings, url)
    async with opened(url) as database:
        return await list_imports(database, after=None, limit=limit, kind=kind, partner=partner)


def run_show(settings: Settings, import_id: str) -> int:
    """Print what became of one import, as its own command did. Raises ImportNotFound."""
    quiet_logs(settings)
    with StopRequest() as stop, database_server(settings, stop, make=False) as url:
        record = stop.run(_read(settings, url, import_id))
    console = out()
    dry = ", dry run: nothing was changed" if record.dry_run else ""
    title = f"{record.filename or record.import_id}: {record.kind}, {record.mode}{dry}"
    console.print(title, style="bold", soft_wrap=True)
    ended = "" if record.ended_at is None else f", ended {_local(record.ended_at)}"
    console.print(f"{record.status}; of {record.partner}, begun {_local(record.created_at)}{ended}", soft_wrap=True)
    if record.status == "failed":
        console.print(refusal(record.report), soft_wrap=True)
    if record.status != "failed" or record.report.get("code") == _INTERRUPTED:
        print_account(console, record.counts, record.report)
    if record.counts.failed:
        console.print(f"Bad rows: GET /v1/imports/{record.import_id}/errors.csv or errors.xlsx", soft_wrap=True)
    return 0


async def _read(settings: Settings, url: str, import_id: str) -> ImportRecord:
    await ready_to_read(settings, url)
    async with opened(url) as database:
        return await read_import(database, import_id)


def _local(moment: datetime) -> str:
    """In the time zone of this machine."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def run_undo(settings: Settings, import_id: str) -> int:
    """Undo an import, and print what was put back. Raises ImportNotFound, CannotBeUndone, ImportRunning."""
    quiet_logs(settings)
    with StopRequest() as stop, database_server(settings, stop, make=False) as url:
        record = stop.run(_undone(settings, url, import_id))
    told = record.report["undo"]
    console = out()
    console.print(
        f"{record.filename or import_id}: {told['restored']:,} put back, {told['kept']:,} changed since and left"
    )
    for entry in told["samples"][:_SAMPLES]:
        console.print(f"    {' '.join(filter(None, (entry['store_id'], entry['sku'])))}", soft_wrap=True)
    return 0


async def _undone(settings: Settings, url: str, import_id: str) -> ImportRecord:
    await ready_to_read(settings, url)
    async with opened(url) as database:
        record = await read_import(database, import_id)
        await open_undo(database, record, now=datetime.now(UTC))
        await undo(database, record)
        return await read_import(database, import_id)
