"""Import a file of stores, stock or items: read, check, apply, and account for every row.

Reading and checking know no SQL (dispatch.ingest), applying knows no files (dispatch.storage); here they meet. The
file is read in a thread of its own, a batch at a time, so that requests are answered meanwhile.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, islice
from typing import Any, Final
from uuid import uuid4

import structlog

from dispatch.domain.errors import DatabaseUnavailable
from dispatch.domain.versions import Version
from dispatch.ingest.opening import open_table
from dispatch.ingest.problems import FileProblem, RowProblem, RowWarning
from dispatch.ingest.stock import StoreRef, read_stock
from dispatch.ingest.stores import RowProblems, StoreRow, match_store_columns, read_stores
from dispatch.ingest.tables import RowIgnored, Table
from dispatch.services.import_errors import bad_rows_csv
from dispatch.services.import_items import Accounts, import_items
from dispatch.services.import_requests import (
    ImportRequest,
    Opened,
    look_over,
    open_options,
    stock_options,
    store_options,
)
from dispatch.services.import_staging import spared_by_number, staged_rows
from dispatch.storage.imports import (
    SIGN_OF_LIFE_EVERY,
    ErrorRow,
    ImportCounts,
    add_errors,
    begin_import,
    end_import,
    note_alive,
    note_progress,
)
from dispatch.storage.items import items_of_partner, known_skus
from dispatch.storage.pool import Database
from dispatch.storage.retrying import in_transaction
from dispatch.storage.staging import StagedCounts, staged_counts
from dispatch.storage.stores import (
    StoreKey,
    all_stores,
    put_stores_of_cell,
    remove_stores_of_cell,
    stores_of_partner,
)
from geo.cells import cell_of

__all__ = [
    "ImportOutcome",
    "ImportRequest",
    "Opened",
    "Progress",
    "bad_rows_csv",
    "look_over",
    "open_import",
    "run_import",
]

_log = structlog.get_logger(__name__)

_STORES_A_BATCH: Final = 1_000
_SAMPLES: Final = 20
_PROGRESS_EVERY_S: Final = 1.0
_LONGEST_READING_SHARE: Final = 0.5

type Progress = Callable[[float], None]


@dataclass(slots=True)
class ImportOutcome:
    """What came of an import."""

    import_id: str
    status: str = "running"
    counts: ImportCounts = field(default_factory=ImportCounts)
    version: Version = field(default_factory=Version)
    report: dict[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    delimiter: str = ","


async def open_import(database: Database, request: ImportRequest) -> str:
    """Note that the import runs, and give it an id. Raises ImportRunning, InvalidInput."""
    import_id = uuid4().hex
    await begin_import(
        database,
        import_id,
        kind=request.kind,
        partner=request.partner,
        dry_run=request.dry_run,
        mode=request.effective_mode,
        filename=request.filename,
    )
    return import_id


async def run_import(
    database: Database,
    import_id: str,
    request: ImportRequest,
    progress: Progress | None = None,
    *,
    opened: Opened | None = None,
    turn: asyncio.Semaphore | None = None,
) -> ImportOutcome:
    """Run an import that was opened, to its end; it never raises for what the file holds.

    ``opened`` is what ``look_over`` found, so that the file is not looked into twice. ``turn`` is waited for.

    A file that is not what it says it is applies nothing. A failure of ours is noted as ``failed`` and raised.
    """
    running = _Running(database, import_id, request, progress)
    outcome = running.outcome
    try:
        async with _signs_of_life(database, import_id), turn or contextlib.nullcontext():
            table = opened
            if table is None:
                table = await asyncio.to_thread(open_table, request.path, open_options(request))
            if isinstance(table, FileProblem):
                raise table
            outcome.report["file"] = dict(table.about)
            outcome.columns, outcome.delimiter = (
                tuple(map(_storable, table.columns[: table.own_columns])),
                table.delimiter,
            )
            if request.kind == "stores":
                await running.stores(table)
            elif request.kind == "items":
                await import_items(database, request, table, running.accounts)
            else:
                await running.stock(table)
        outcome.status = "done"
    except FileProblem as problem:
        outcome.status = "failed"
        outcome.counts = ImportCounts()
        outcome.report |= {
            "code": problem.code,
            "message": _storable(problem.message),
            "errors": [{"place": _storable(place), "detail": _storable(detail)} for place, detail in problem.errors],
        }
    except BaseException as error:
        outcome.status = "failed"
        outcome.report |= {
            "code": "interrupted",
            "message": "the import stopped before its end; every store was applied whole or not at all, so send the"
            " file again: rows that are right already count as unchanged",
        }
        if isinstance(error, Exception):
            _log.exception("import_failed", import_id=import_id)
        await asyncio.shield(_close(database, outcome))
        raise
    await _close(database, outcome)
    return outcome


@asynccontextmanager
async def _signs_of_life(database: Database, import_id: str) -> AsyncIterator[None]:
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
    )


class _Running:
    """One import at work."""

    def __init__(self, database: Database, import_id: str, request: ImportRequest, progress: Progress | None) -> None:
        self._database = database
        self._request = request
        self._progress = progress
        self._whole = request.effective_mode in ("replace", "snapshot")
        self._errors = 0
        self._noted_at = 0.0
        self.outcome = ImportOutcome(import_id)

    # ── stores ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def stores(self, table: Table) -> None:
        counts = self.outcome.counts
        options = store_options(self._request)
        id_column = match_store_columns(table, options=options).name_of("store_id")
        good: list[StoreRow] = []
        before = await self._stores_in_service() if self._whole else []
        rows = await asyncio.to_thread(read_stores, table, options=options)
        async for batch in _in_thread(rows, _STORES_A_BATCH):
            bad = [row for row in batch if isinstance(row, RowProblems)]
            good += [row for row in batch if isinstance(row, StoreRow)]
            counts.rows += len(batch)
            counts.failed += len(bad)
            self._note_ignored(Counter(row.reason for row in batch if isinstance(row, RowIgnored)))
            await self._file_errors([problem for row in bad for problem in row.problems])
            self._note_warnings([w for row in batch if isinstance(row, StoreRow) for w in row.warnings])
            await self._note(0.0)
        by_id = {row.store.store_id: row for row in good}
        cells: dict[int, list[StoreRow]] = {}
        for row in good:
            cells.setdefault(cell_of(row.store.place), []).append(row)
        done = 0
        for cell in sorted(cells):
            for start in range(0, len(cells[cell]), _STORES_A_BATCH):
                batch_rows = cells[cell][start : start + _STORES_A_BATCH]
                await self._put_stores(cell, batch_rows, id_column)
                done += len(batch_rows)
                await self._note(done / max(1, len(good)))
        if self._whole:
            await self._remove_others(before, set(by_id))

    async def _put_stores(self, cell: int, rows: Sequence[StoreRow], id_column: str | None) -> None:
        counts = self.outcome.counts
        stores = [row.store for row in rows]
        put = await in_transaction(
            self._database,
            lambda connection: put_stores_of_cell(connection, cell, stores),
            undo=self._request.dry_run,
        )
        if not self._request.dry_run:
            self.outcome.version.merge(put.version)
        counts.created += len(put.created)
        counts.updated += len(put.updated)
        counts.unchanged += len(put.unchanged)
        counts.failed += len(put.of_other_partner)
        await self._file_errors(
            [
                RowProblem(
                    row.row_no,
                    id_column,
                    "store_of_other_partner",
                    f"the store {row.store.store_id} belongs to partner {put.of_other_partner[row.store.store_id]}",
                    row.raw,
                )
                for row in rows
                if row.store.store_id in put.of_other_partner
            ]
        )

    async def _stores_in_service(self) -> list[StoreKey]:
        async with self._database.connection() as connection:
            return await stores_of_partner(connection, self._request.partner)

    async def _remove_others(self, before: Sequence[StoreKey], named: set[str]) -> None:
        """With ``replace``, stores of the partner that the file does not name are out of service.

        Only those of ``before``, when the import began: what came since is newer than the file.

        With bad rows in the file nobody knows whom they meant, so nothing is removed, and the report says so.
        """
        if self.outcome.counts.failed:
            self.outcome.report["not_removed"] = (
                "stores that the file does not name were left in service, since some of its rows are bad:"
                " mend them and send the file again"
            )
            return
        gone = [store for store in before if store.store_id not in named]
        for cell, of_cell in groupby(sorted(gone, key=lambda s: (s.cell, s.store_no)), key=lambda s: s.cell):
            store_nos = [store.store_no for store in of_cell]
            if self._request.dry_run:
                self.outcome.counts.removed += len(store_nos)
                continue
            work = partial(remove_stores_of_cell, cell=cell, store_nos=store_nos)
            removed, version = await in_transaction(self._database, work)
            self.outcome.counts.removed += removed
            self.outcome.version.merge(version)

    # ── stock ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def stock(self, table: Table) -> None:
        request, counts = self._request, self.outcome.counts
        keys = {key.store_id: key for key in await all_stores(self._database)}
        options = stock_options(request)
        refs = {key.store_id: StoreRef(key.timezone, key.partner) for key in keys.values()}
        items, known = await items_of_partner(self._database, request.partner), await known_skus(self._database)
        batches = await asyncio.to_thread(
            read_stock, table, options=options, stores=refs, items=items, known_skus=known
        )
        spared: list[tuple[str | None, str | None]] = []
        async with staged_counts(self._database) as staged:
            async for [batch] in _in_thread(batches, 1):
                counts.rows += len(batch) + batch.bad_rows + batch.ignored.total()
                counts.failed += batch.bad_rows
                spared += batch.spared
                await staged.add(staged_rows(batch, keys))
                self._note_ignored(batch.ignored)
                await self._file_errors(batch.problems)
                self._note_warnings(batch.warnings)
                await self._note(0.0)
            stores = await staged.close(dry_run=request.dry_run)
            await self._apply_stock(staged, stores, spared_by_number(spared, keys))

    async def _apply_stock(
        self, staged: StagedCounts, stores: int, spared: Mapping[int, frozenset[str] | None] | None
    ) -> None:
        counts, done = self.outcome.counts, 0
        whole = self._whole and spared is not None
        if self._whole and not whole:
            self.outcome.report["not_zeroed"] = (
                "rows that the file does not name were left as they are, since some bad rows name no store: mend"
                " them and send the file again"
            )
        async for applied_stores, applied in staged.apply(
            whole=whole, spared=spared or {}, dry_run=self._request.dry_run
        ):
            counts.created += applied.created
            counts.updated += applied.updated
            counts.unchanged += applied.unchanged
            counts.ignored += applied.older
            counts.removed += applied.removed
            self.outcome.version.merge(applied.version)
            done += applied_stores
            await self._note(done / max(1, stores))

    # ── accounts ───────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def accounts(self) -> Accounts:
        """Where kinds of import in modules of their own tell what became of the rows."""
        outcome = self.outcome
        return Accounts(
            outcome.counts, outcome.report, self._file_errors, self._note_warnings, self._note_ignored, self._note
        )

    async def _file_errors(self, problems: Sequence[RowProblem]) -> None:
        if not problems:
            return
        rows: list[ErrorRow] = [
            (p.row_no, _storable_or_none(p.column), p.code, _storable(p.message), list(map(_storable, p.raw)))
            for p in problems
        ]
        async with self._database.connection() as connection:
            await add_errors(connection, self.outcome.import_id, self._errors, rows)
        self._errors += len(rows)
        self._sample("errors", problems)

    def _note_ignored(self, by_reason: Mapping[str, int]) -> None:
        told = self.outcome.report.setdefault("ignored_by_code", {})
        for reason, rows in by_reason.items():
            self.outcome.counts.ignored += rows
            told[reason] = told.get(reason, 0) + rows

    def _note_warnings(self, warnings: Sequence[RowWarning]) -> None:
        self.outcome.counts.warnings += len(warnings)
        self._sample("warnings", warnings)

    def _sample(self, name: str, notes: Sequence[RowProblem | RowWarning]) -> None:
        by_code = self.outcome.report.setdefault(f"{name}_by_code", {})
        for note in notes:
            by_code[note.code] = by_code.get(note.code, 0) + 1
        samples = self.outcome.report.setdefault(name, [])
        for note in notes[: max(0, _SAMPLES - len(samples))]:
            column, message = _storable_or_none(note.column), _storable(note.message)
            samples.append({"row": note.row_no, "column": column, "code": note.code, "message": message})

    async def _note(self, applied_share: float) -> None:
        """Say how far it is: the reading is the first half, the applying the second."""
        at = time.monotonic()
        share = _LONGEST_READING_SHARE * (1 + applied_share) if applied_share else 0.0
        if self._progress is not None:
            self._progress(share)
        if at - self._noted_at >= _PROGRESS_EVERY_S:
            self._noted_at = at
            await note_progress(self._database, self.outcome.import_id, share, self.outcome.counts)


def _storable(text: str) -> str:
    """Text as the database can hold it: it knows no NUL, which is shown by its picture."""
    return text.replace("\0", "\u2400")


def _storable_or_none(text: str | None) -> str | None:
    return None if text is None else _storable(text)


async def _in_thread[T](items: Iterator[T], size: int) -> AsyncIterator[list[T]]:
    """The items in lists of ``size``, each list made in a thread."""
    while batch := await asyncio.to_thread(lambda: list(islice(items, size))):
        yield batch
