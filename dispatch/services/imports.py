"""Import a file of stores, stock or items: read, check, apply, and account for every row.

Reading and checking know no SQL (dispatch.ingest), applying knows no files (dispatch.storage); here they meet. The
file is read in a thread of its own, a batch at a time, so that requests are answered meanwhile.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import uuid4

import structlog

from dispatch.domain.errors import DatabaseUnavailable
from dispatch.ingest.opening import open_table
from dispatch.ingest.problems import FileProblem
from dispatch.services.import_account import Account, ImportOutcome, Pace, Progress, storable
from dispatch.services.import_errors import bad_rows_csv
from dispatch.services.import_items import import_items
from dispatch.services.import_requests import ImportRequest, asked_of, look_over, open_options
from dispatch.services.import_stock import import_stock
from dispatch.services.import_stores import import_stores
from dispatch.storage.import_images import what_is_seen
from dispatch.storage.imports import SIGN_OF_LIFE_EVERY, begin_import, end_import, note_alive
from dispatch.storage.pool import Database

__all__ = [
    "ImportOutcome",
    "ImportRequest",
    "Progress",
    "bad_rows_csv",
    "look_over",
    "open_import",
    "run_import",
]

_log = structlog.get_logger(__name__)

_STOPPED: Final = (
    "the import stopped before its end; every store was applied whole or not at all, so send the file again: rows that"
    " are right already count as unchanged"
)


async def open_import(database: Database, request: ImportRequest, *, applies: str | None = None) -> str:
    """Note that the import runs, and give it an id. ``applies``: the dry run whose file it is.

    Raises ImportRunning, InvalidInput.
    """
    import_id = uuid4().hex
    await begin_import(
        database,
        import_id,
        kind=request.kind,
        partner=request.partner,
        dry_run=request.dry_run,
        mode=request.effective_mode,
        filename=request.filename,
        asked=asked_of(request),
        applies=applies,
    )
    return import_id


async def run_import(
    database: Database,
    import_id: str,
    request: ImportRequest,
    progress: Progress | None = None,
    *,
    pace: Pace | None = None,
) -> ImportOutcome:
    """Run an import that was opened, to its end; it never raises for what the file holds.

    A file that is not what it says it is applies nothing. A failure of ours is noted as ``failed`` and raised.
    """
    account = Account(database, import_id, request, progress, pace)
    outcome = account.outcome
    try:
        async with signs_of_life(database, import_id):
            table = await asyncio.to_thread(open_table, request.path, open_options(request))
            account.report["file"] = dict(table.about)
            outcome.columns = tuple(map(storable, table.columns[: table.own_columns]))
            outcome.delimiter = table.delimiter
            if request.kind == "stock" and request.dry_run:
                # Told before anything is read: what comes meanwhile then counts as come since.
                outcome.saw = await what_is_seen(database, request.partner)
            if request.kind == "stores":
                await import_stores(account, table)
            elif request.kind == "items":
                await import_items(account, table)
            else:
                await import_stock(account, table)
        outcome.status = "done"
    except FileProblem as problem:
        account.refuse(problem)
    except BaseException as error:
        outcome.status = "failed"
        account.report.update(code="interrupted", message=_STOPPED)
        if isinstance(error, Exception):
            _log.exception("import_failed", import_id=import_id)
        await asyncio.shield(_close(database, outcome))
        raise
    await _close(database, outcome)
    return outcome


@asynccontextmanager
async def signs_of_life(database: Database, import_id: str) -> AsyncIterator[None]:
    """Say all along that the import is alive; some of its statements take minutes, and only the dead are silent."""

    async def signal() -> None:
        while True:
            await asyncio.sleep(SIGN_OF_LIFE_EVERY.total_seconds())
            with contextlib.suppress(DatabaseUnavailable):
                await note_alive(database, import_id)

    task = asyncio.create_task(signal(), name=f"signs of life of import {import_id}")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _close(database: Database, outcome: ImportOutcome) -> None:
    await end_import(
        database,
        outcome.import_id,
        status=outcome.status,
        counts=outcome.counts,
        columns=outcome.columns,
        delimiter=outcome.delimiter,
        report=outcome.report,
        version=outcome.version.encode() if outcome.version else None,
        saw=outcome.saw,
    )
