"""A file of stock into the database: read to its end, staged, guarded, then applied, whole shelves at a time."""

import asyncio
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from dispatch.ingest.problems import FileProblem, PlaceProblem
from dispatch.ingest.stock import StoreRef, match_stock_columns, read_stock
from dispatch.ingest.stock_sums import rows_of_bad_sums
from dispatch.ingest.tables import Table
from dispatch.services.import_account import Account
from dispatch.services.import_requests import stock_options
from dispatch.services.import_staging import SparedShelves, staged_columns
from dispatch.services.threads import in_batches
from dispatch.storage.items import items_of_partner, known_skus
from dispatch.storage.shelves import CountsApplied
from dispatch.storage.staging import HowToApply, StagedCounts, staged_counts
from dispatch.storage.stores import StoreKey, all_stores, stocked_elsewhere

# Of a chain with fewer rows that have stock, a file that empties most of them is no sign of a mistake.
_LEAST_ROWS_GUARDED: Final = 10
_PROBLEMS_A_BATCH: Final = 1_000


async def import_stock(account: Account, table: Table) -> None:
    """Import a file of stock. Raises FileProblem before anything is applied."""
    request, counts = account.request, account.counts
    whole = account.is_whole(table)
    options = replace(stock_options(request), whole=whole)
    keys = {key.store_id: key for key in await all_stores(account.database)}
    refs = {key.store_id: StoreRef(key.timezone, key.partner) for key in keys.values()}
    items, known = await items_of_partner(account.database, request.partner), await known_skus(account.database)
    read = partial(read_stock, table, options=options, stores=refs, items=items, known_skus=known)
    batches = await asyncio.to_thread(read)
    spared, broken = SparedShelves(keys), SparedShelves(keys)
    named: dict[StoreKey, datetime] = {}
    async with staged_counts(account.database) as staged:
        async for [batch] in in_batches(batches, 1):
            counts.rows += len(batch) + batch.bad_rows + batch.ignored.total()
            counts.failed += batch.bad_rows
            spared.add(batch.spared)
            broken.add(batch.broken)
            for store_id, at in batch.named.items():
                named[keys[store_id]] = min(at, named.get(keys[store_id], at))
            staged.add(staged_columns(batch, keys))
            account.note_ignored(batch.ignored)
            await account.file_errors(batch.problems)
            account.note_warnings(batch.warnings)
            await account.note(0.0)
        if waiting := staged.leave_out(broken):
            ids = {key.store_no: store_id for store_id, key in keys.items()}
            shelves = {(ids[store_no], sku) for store_no, sku in waiting}
            matched = match_stock_columns(table, options=options)
            async for problems in in_batches(rows_of_bad_sums(table, matched, read(), shelves), _PROBLEMS_A_BATCH):
                counts.failed += len(problems)
                await account.file_errors(problems)
        stores = await staged.close()
        if whole and spared.anywhere:
            whole = False
            account.report["not_zeroed"] = (
                "rows that the file does not name were left as they are, since some bad rows name no store: mend"
                " them and send the file again"
            )
        if whole:
            stores += await staged.name_stores(named)
        how = HowToApply(
            import_id=account.outcome.import_id, whole=whole, spared=spared if whole else {}, dry_run=request.dry_run
        )
        await _guard(account, staged, how)
        await _apply(account, staged, how, max(1, stores))


async def _guard(account: Account, staged: StagedCounts, how: HowToApply) -> None:
    """Refuse whole shelves that would empty more than half of the chain's rows with stock; warn of counts that do.

    Raises FileProblem.
    """
    emptying = await staged.emptying(how)
    gone = emptying.emptied
    if 2 * gone <= emptying.stocked:
        return
    # The file's own stores lose most of theirs. What the chain has in other stores counts as much of it as matters.
    elsewhere = await stocked_elsewhere(account.database, account.request.partner, staged.stores(), at_most=gone)
    before = emptying.stocked + elsewhere
    if before < _LEAST_ROWS_GUARDED or 2 * gone <= before:
        return
    told = f"{gone:,} of the {before:,} shelf rows of {account.request.partner} that have stock would have none"
    if not how.whole:
        account.warn_of_file("mostly_emptied", f"{told.replace('would have none', 'are counted as empty')}")
    elif account.request.force:
        account.warn_of_file("would_empty", f"{told}; forced")
    else:
        message = f"{told}; if that is meant, say force"
        raise FileProblem("would_empty", message, (PlaceProblem("parameter force", message),))


async def _apply(account: Account, staged: StagedCounts, how: HowToApply, stores: int) -> None:
    counts = account.counts
    done = 0

    async def tell(applied_stores: int, applied: CountsApplied) -> None:
        nonlocal done
        counts.created += applied.created
        counts.updated += applied.updated
        counts.unchanged += applied.unchanged
        counts.removed += applied.removed
        account.note_ignored({"older": applied.older})
        account.outcome.version.merge(applied.version)
        done += applied_stores
        await account.note(done / stores)

    await staged.apply(how, tell)
