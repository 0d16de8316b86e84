"""Import a file of a partner's items: what each of its codes stands for, all of it applied in one transaction."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from dispatch.ingest.items import ItemRow, read_items
from dispatch.ingest.problems import RowProblem, RowWarning
from dispatch.ingest.stores import RowProblems
from dispatch.ingest.tables import RowIgnored, Table
from dispatch.services.import_requests import ImportRequest, item_options
from dispatch.storage.imports import ImportCounts
from dispatch.storage.items import put_items
from dispatch.storage.pool import Database
from dispatch.storage.retrying import in_transaction

_ROWS_A_BATCH: Final = 5_000

NOT_REMOVED: Final = (
    "codes that the file does not name were left as they are, since some of its rows are bad: mend them and send the"
    " file again"
)


@dataclass(frozen=True, slots=True)
class Accounts:
    """Where an import tells what became of its rows; ``ignored`` also counts them, ``failed`` does not."""

    counts: ImportCounts
    report: dict[str, Any]
    failed: Callable[[Sequence[RowProblem]], Awaitable[None]]
    warned: Callable[[Sequence[RowWarning]], None]
    ignored: Callable[[Mapping[str, int]], None]
    progress: Callable[[float], Awaitable[None]]


async def import_items(database: Database, request: ImportRequest, table: Table, accounts: Accounts) -> None:
    """Read the file to its end, then write its good rows; ``replace`` also drops the codes that it does not name.

    With bad rows in the file nobody knows which codes they meant, so none is dropped, and the report says so.
    """
    good = await _read(request, table, accounts)
    counts = accounts.counts
    whole = request.effective_mode == "replace"
    if whole and counts.failed:
        accounts.report["not_removed"] = NOT_REMOVED
    items = list({row.item.partner_code: row.item for row in good}.values())
    put = await in_transaction(
        database,
        lambda connection: put_items(connection, request.partner, items, replace=whole and not counts.failed),
        undo=request.dry_run,
    )
    for row in good:
        if row.item.partner_code in put.created:
            counts.created += 1
        elif row.item.partner_code in put.updated:
            counts.updated += 1
        else:
            counts.unchanged += 1
    counts.removed += put.removed
    await accounts.progress(1.0)


async def _read(request: ImportRequest, table: Table, accounts: Accounts) -> list[ItemRow]:
    rows = await asyncio.to_thread(read_items, table, options=item_options(request))
    good: list[ItemRow] = []
    while batch := await asyncio.to_thread(lambda: list(islice(rows, _ROWS_A_BATCH))):
        bad = [row for row in batch if isinstance(row, RowProblems)]
        taken = [row for row in batch if isinstance(row, ItemRow)]
        good += taken
        accounts.counts.rows += len(batch)
        accounts.counts.failed += len(bad)
        accounts.ignored(Counter(row.reason for row in batch if isinstance(row, RowIgnored)))
        await accounts.failed([problem for row in bad for problem in row.problems])
        accounts.warned([warning for row in taken for warning in row.warnings])
        await accounts.progress(0.0)
    return good
