"""A file of a partner's items into the database: read to its end, then all of it written in one transaction."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from dispatch.domain.items import Item
from dispatch.ingest.items import ItemRow, read_items
from dispatch.ingest.stores import RowProblems
from dispatch.ingest.tables import RowIgnored, Table
from dispatch.services.import_account import Account
from dispatch.services.import_requests import item_options
from dispatch.services.threads import in_batches
from dispatch.storage.import_images import Told, keep_rows
from dispatch.storage.items import ItemsPut, add_partner, put_items, told_items
from dispatch.storage.pool import Connection
from dispatch.storage.retrying import in_transaction

_ROWS_A_BATCH: Final = 5_000


async def import_items(account: Account, table: Table) -> None:
    """Import a file of items; with ``replace`` the codes that it does not name are dropped.

    With bad rows in the file nobody knows which codes they meant, so none is dropped, and the report says so.
    Raises FileProblem before anything is applied.
    """
    request, counts = account.request, account.counts
    items, repeats = await _read(account, table)
    whole = account.is_whole(table)
    if whole and counts.failed:
        whole = False
        account.report["not_removed"] = (
            "codes that the file does not name were left as they are, since some of its rows are bad: mend them and"
            " send the file again"
        )
    put, before, after = await in_transaction(
        account.database, partial(_put, account, list(items.values()), whole), undo=request.dry_run
    )
    if request.dry_run:
        async with account.database.connection() as connection:
            await keep_rows(connection, account.outcome.import_id, _texts(before), _texts(after), same=True)
    for code in items:
        rows = 1 + repeats[code]
        if code in put.created:
            counts.created += rows
        elif code in put.updated:
            counts.updated += rows
        else:
            counts.unchanged += rows
    counts.removed += put.removed
    await account.note(1.0)


async def _put(
    account: Account, items: Sequence[Item], whole: bool, connection: Connection
) -> tuple[ItemsPut, dict[str, Told], dict[str, Told]]:
    """What came of the items, and before and after those that are named or dropped; kept, unless it is a dry run."""
    partner, dry_run = account.request.partner, account.request.dry_run
    before = await told_items(connection, partner)
    await add_partner(connection, partner)
    put = await put_items(connection, partner, items, replace=whole)
    after = await told_items(connection, partner)
    named = {item.partner_code for item in items}
    kept = {code: told for code, told in before.items() if code in named or code not in after}
    left = {code: after[code] for code in named}
    if not dry_run:
        await keep_rows(connection, account.outcome.import_id, _texts(kept), _texts(left), same=False)
    return put, kept, left


def _texts(told: Mapping[str, Told]) -> dict[str, str]:
    return {code: json.dumps(item) for code, item in told.items()}


async def _read(account: Account, table: Table) -> tuple[dict[str, Item], Counter[str]]:
    """The items of the good rows by code, and how often each came again, once all other rows are accounted for."""
    rows = await asyncio.to_thread(read_items, table, options=item_options(account.request))
    items: dict[str, Item] = {}
    repeats: Counter[str] = Counter()
    async for batch in in_batches(rows, _ROWS_A_BATCH):
        bad = [row for row in batch if isinstance(row, RowProblems)]
        taken = [row for row in batch if isinstance(row, ItemRow)]
        for row in taken:
            if row.item.partner_code in items:
                repeats[row.item.partner_code] += 1
            else:
                items[row.item.partner_code] = row.item
        account.counts.rows += len(batch)
        account.counts.failed += len(bad)
        account.note_ignored(Counter(row.reason for row in batch if isinstance(row, RowIgnored)))
        await account.file_errors([problem for row in bad for problem in row.problems])
        account.note_warnings([warning for row in taken for warning in row.warnings])
        await account.note(0.0)
    return items, repeats
