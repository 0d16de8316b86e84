"""A file of stores into the database: read to its end, staged, then written some of a cell at a time."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from itertools import batched, groupby
from typing import Any, Final

import msgspec
import shapely
from shapely.geometry.base import BaseGeometry

from dispatch.domain.stores import Store
from dispatch.domain.versions import Version
from dispatch.ingest.problems import FileProblem, PlaceProblem, RowProblem
from dispatch.ingest.profiles import MatchedColumns
from dispatch.ingest.stores import RowProblems, StoreRow, match_store_columns, read_stores
from dispatch.ingest.tables import RowIgnored, Table
from dispatch.services.import_account import Account
from dispatch.services.import_requests import ImportRequest, store_options
from dispatch.services.threads import in_batches
from dispatch.storage.import_images import keep_rows, keep_stores, texts_of_stores
from dispatch.storage.pool import Connection
from dispatch.storage.retrying import in_transaction
from dispatch.storage.staged_stores import StagedStore, StagedStores
from dispatch.storage.stores import (
    StoreKey,
    StoresPut,
    lock_directory,
    places_of_partner,
    put_stores_of_cell,
    remove_stores_of_cell,
    store_of_told,
    stores_of_partner,
)
from geo.cells import cell_of
from geo.coordinates import timezone_of

_STORES_A_BATCH: Final = 1_000
_BATCHES_AT_ONCE: Final = 3
# Of a chain with fewer stores, a file that leaves out most of them is no sign of a mistake.
_LEAST_STORES_GUARDED: Final = 10
_NOT_REMOVED: Final = (
    "stores that the file does not name were left in service, since some of its rows are bad: mend them and send the"
    " file again"
)
# All of a store but its id, its place and its owner, of which every row speaks.
_KEPT_UNLESS_SAID: Final = tuple(
    field.name for field in fields(Store) if field.name not in ("store_id", "place", "partner")
)


def _packed(value: Any) -> bytes:
    assert isinstance(value, BaseGeometry)
    return shapely.to_wkb(value)


def _unpacked(kind: type, value: Any) -> Any:
    assert kind is BaseGeometry
    return shapely.from_wkb(value)


# A store and the row that it came from, as they wait.
_PACK: Final = msgspec.msgpack.Encoder(enc_hook=_packed).encode
_UNPACK: Final = msgspec.msgpack.Decoder(tuple[Store, tuple[str, ...]], dec_hook=_unpacked).decode


async def import_stores(account: Account, table: Table) -> None:
    """Import a file of stores. Raises FileProblem before anything is applied."""
    request, counts = account.request, account.counts
    options = store_options(request)
    columns = match_store_columns(table, options=options)
    keeps = _fields_kept(request, columns)
    whole = account.is_whole(table)
    before = await _stores_in_service(account) if whole else []
    named: set[str] = set()
    with StagedStores() as staged:
        known = await places_of_partner(account.database, request.partner)
        rows = await asyncio.to_thread(read_stores, table, options=options, known=known)
        async for batch in in_batches(rows, _STORES_A_BATCH):
            bad = [row for row in batch if isinstance(row, RowProblems)]
            good = [row for row in batch if isinstance(row, StoreRow)]
            counts.rows += len(batch)
            counts.failed += len(bad)
            account.note_ignored(Counter(row.reason for row in batch if isinstance(row, RowIgnored)))
            await account.file_errors([problem for row in bad for problem in row.problems])
            account.note_warnings([warning for row in good for warning in row.warnings])
            staged.add([_staged(row) for row in good])
            if whole:
                named |= {row.store.store_id for row in good}
            await account.note(0.0)
        # With bad rows in the file nobody knows whom they meant, so nothing is removed.
        gone = _gone(account, before, named) if whole and not counts.failed else []
        await _put(account, staged, columns.name_of("store_id"), keeps)
    if whole and counts.failed:
        account.report["not_removed"] = _NOT_REMOVED
    else:
        await _remove(account, gone)


def _fields_kept(request: ImportRequest, columns: MatchedColumns) -> tuple[str, ...]:
    """What a file of some of the stores does not speak of, and what they keep if they are known."""
    if request.effective_mode != "merge":
        return ()
    said = {"timezone"} if request.timezone is not None else set()
    return tuple(name for name in _KEPT_UNLESS_SAID if name not in said | columns.index_by_field.keys())


def _staged(row: StoreRow) -> StagedStore:
    return StagedStore(row.row_no, cell_of(row.store.place), _PACK((row.store, row.raw)))


async def _stores_in_service(account: Account) -> list[StoreKey]:
    async with account.database.connection() as connection:
        return await stores_of_partner(connection, account.request.partner)


def _gone(account: Account, before: Sequence[StoreKey], named: set[str]) -> list[StoreKey]:
    """With ``replace``, stores of the partner that the file does not name are out of service.

    Only those of ``before``, when the import began: what came since is newer than the file. Raises FileProblem when
    most of them would go.
    """
    gone = [store for store in before if store.store_id not in named]
    most = len(before) >= _LEAST_STORES_GUARDED and 2 * len(gone) > len(before)
    if (most or (gone and not named)) and not account.request.force:
        message = (
            f"the file would take {len(gone):,} of the {len(before):,} stores of {account.request.partner} out of"
            " service; if that is meant, say force"
        )
        raise FileProblem("would_empty", message, (PlaceProblem("parameter force", message),))
    return gone


async def _put(account: Account, staged: StagedStores, id_column: str, keeps: Sequence[str]) -> None:
    """Write the stores, a few batches at once, so that some are made ready while the database writes others."""
    done = 0
    total = len(staged)
    turns = asyncio.Semaphore(_BATCHES_AT_ONCE)

    async def put(rows: Sequence[StagedStore], earlier: asyncio.Task[None] | None) -> None:
        nonlocal done
        try:
            problems = await _put_some(account, rows, id_column, keeps)
            # Their errors in one order, however long each takes.
            if earlier is not None:
                await asyncio.wait([earlier])
            await account.file_errors(problems)
            done += len(rows)
            await account.note(done / total)
        finally:
            turns.release()

    try:
        last: asyncio.Task[None] | None = None
        async with asyncio.TaskGroup() as group:
            for rows in staged.by_cell(_STORES_A_BATCH):
                await turns.acquire()
                last = group.create_task(put(rows, last))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def _put_some(
    account: Account, rows: Sequence[StagedStore], id_column: str, keeps: Sequence[str]
) -> list[RowProblem]:
    """Write some stores of one cell; the rows that name a store of another partner."""
    dry_run, import_id = account.request.dry_run, account.outcome.import_id
    cell = rows[0].cell
    unpacked = [_UNPACK(row.store) for row in rows]
    stores = [store for store, _ in unpacked]
    ids = [store.store_id for store in stores]

    async def work(connection: Connection) -> tuple[StoresPut, dict[str, str], dict[str, str]]:
        known = [key.store_id for key in await lock_directory(connection, ids)]
        before = await texts_of_stores(connection, known) if known else {}
        put = await put_stores_of_cell(connection, cell, [_with_kept(store, before, keeps) for store in stores])
        written = put.created | put.updated
        if not dry_run:
            await keep_stores(connection, import_id, sorted(written), before)
            return put, {}, {}
        after = {store_id: text for store_id, text in before.items() if store_id not in written}
        after |= await texts_of_stores(connection, sorted(written))
        return put, before, after

    put, before, after = await in_transaction(account.database, work, undo=dry_run)
    if dry_run:
        async with account.database.connection() as connection:
            await keep_rows(connection, import_id, before, after, same=True)
    else:
        account.outcome.version.merge(put.version)
    counts = account.counts
    counts.created += len(put.created)
    counts.updated += len(put.updated)
    counts.unchanged += len(put.unchanged)
    counts.failed += len(put.of_other_partner)
    return [
        RowProblem(
            row.row_no,
            id_column,
            "store_of_other_partner",
            f"the store {store.store_id} belongs to partner {put.of_other_partner[store.store_id]}",
            raw,
        )
        for row, (store, raw) in zip(rows, unpacked, strict=True)
        if store.store_id in put.of_other_partner
    ]


def _with_kept(store: Store, before: Mapping[str, str], keeps: Sequence[str]) -> Store:
    """The store with these fields as they were ``before``, if it was there.

    A time zone that is that of the old place goes with the place.
    """
    told = before.get(store.store_id) if keeps else None
    if told is None:
        return store
    old = store_of_told(json.loads(told))
    kept: dict[str, Any] = {name: getattr(old, name) for name in keeps}
    if "timezone" in kept and old.timezone == timezone_of(old.place):
        del kept["timezone"]
    return replace(store, **kept)


async def _remove(account: Account, gone: Sequence[StoreKey]) -> None:
    for cell, of_cell in groupby(sorted(gone, key=lambda s: (s.cell, s.store_no)), key=lambda s: s.cell):
        for some in batched(of_cell, _STORES_A_BATCH):
            work = partial(_remove_some, account.outcome.import_id, cell, some, account.request.dry_run)
            removed, version = await in_transaction(account.database, work)
            account.counts.removed += removed
            account.outcome.version.merge(version)


async def _remove_some(
    import_id: str, cell: int, stores: Sequence[StoreKey], dry_run: bool, connection: Connection
) -> tuple[int, Version]:
    locked = await lock_directory(connection, [store.store_id for store in stores])
    # What has moved to another cell meanwhile was changed since the file was read, and stays.
    here = {key.store_id: key.store_no for key in locked if key.cell == cell}
    before = await texts_of_stores(connection, list(here))
    version = Version()
    if not dry_run:
        _, version = await remove_stores_of_cell(connection, cell, [here[store_id] for store_id in before])
    await keep_rows(connection, import_id, before, {}, same=False)
    return len(before), version
