"""Import a file of stores or stock: read, check, apply, and account for every row.

Reading and checking know no SQL (dispatch.ingest), applying knows no files (dispatch.storage); here they meet. The
file is read in a thread of its own, a batch at a time, so that requests are answered meanwhile.
"""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import structlog

from dispatch.domain.errors import InvalidInput
from dispatch.domain.stores import DEFAULT_PARTNER, Keep
from dispatch.domain.versions import Version
from dispatch.ingest.errors_csv import ENCODING, write_errors
from dispatch.ingest.problems import FileProblem, RowProblem, RowWarning
from dispatch.ingest.reader import CsvTable, open_table
from dispatch.ingest.stock import StockBatch, StockOptions, StoreRef, read_stock
from dispatch.ingest.stores import RowProblems, StoreOptions, StoreRow, read_stores
from dispatch.storage.imports import (
    ErrorRow,
    ImportCounts,
    ImportRecord,
    add_errors,
    begin_import,
    end_import,
    note_progress,
    read_errors,
)
from dispatch.storage.pool import Database
from dispatch.storage.staging import StagedCounts, StagedRow, staged_counts
from dispatch.storage.stores import (
    StoreKey,
    all_stores,
    put_stores_of_cell,
    remove_stores_of_cell,
    stores_of_partner,
)
from geo.cells import cell_of
from geo.datums import Datum

_log = structlog.get_logger(__name__)

_STORES_A_BATCH: Final = 1_000
_SAMPLES: Final = 20
_PROGRESS_EVERY_S: Final = 1.0
_LONGEST_READING_SHARE: Final = 0.5

type Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """What is asked of an import. ``as_of`` ``now`` is resolved by the caller. ``mode`` None: the kind's default."""

    kind: str
    path: Path
    now: datetime
    filename: str | None = None
    partner: str = DEFAULT_PARTNER
    mode: str | None = None
    dry_run: bool = False
    datum: Datum | None = None
    as_of: datetime | None = None
    timezone: str | None = None
    country: str | None = None
    currency: str | None = None
    encoding: str | None = None
    id_from: tuple[str, ...] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)

    def named(self, filename: str | None) -> "ImportRequest":
        """The same request, of a file with this name."""
        return replace(self, filename=filename)

    @property
    def effective_mode(self) -> str:
        """The mode, or the harmless one of the kind. Raises InvalidInput for one that the kind does not have."""
        modes = {"stores": ("merge", "replace"), "stock": ("partial", "snapshot")}[self.kind]
        if self.mode is not None and self.mode not in modes:
            raise InvalidInput([("/query/mode", f"an import of {self.kind} has the modes {' and '.join(modes)}")])
        return self.mode or modes[0]


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
    database: Database, import_id: str, request: ImportRequest, progress: Progress | None = None
) -> ImportOutcome:
    """Run an import that was opened, to its end; it never raises for what the file holds.

    A file that is not what it says it is applies nothing. A failure of ours is noted as ``failed`` and raised.
    """
    running = _Running(database, import_id, request, progress)
    outcome = running.outcome
    try:
        table = await asyncio.to_thread(open_table, request.path, encoding=request.encoding)
        outcome.columns, outcome.delimiter = table.columns, table.delimiter
        if request.kind == "stores":
            await running.stores(table)
        else:
            await running.stock(table)
        outcome.status = "done"
    except FileProblem as problem:
        outcome.status = "failed"
        outcome.counts = ImportCounts()
        outcome.report |= {
            "code": problem.code,
            "message": problem.message,
            "errors": [{"place": place, "detail": detail} for place, detail in problem.errors],
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

    async def stores(self, table: CsvTable) -> None:
        request, counts = self._request, self.outcome.counts
        options = StoreOptions(
            partner=request.partner,
            datum=request.datum,
            timezone=request.timezone,
            country=request.country,
            id_from=request.id_from,
            mapping=request.mapping,
        )
        good: list[StoreRow] = []
        rows = await asyncio.to_thread(read_stores, table, options=options)
        async for batch in _in_thread(rows, _STORES_A_BATCH):
            bad = [row for row in batch if isinstance(row, RowProblems)]
            good += [row for row in batch if isinstance(row, StoreRow)]
            counts.rows += len(batch)
            counts.failed += len(bad)
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
                await self._put_stores(cell, batch_rows)
                done += len(batch_rows)
                await self._note(done / max(1, len(good)))
        if self._whole:
            await self._remove_others(set(by_id))

    async def _put_stores(self, cell: int, rows: Sequence[StoreRow]) -> None:
        counts = self.outcome.counts
        async with self._database.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                put = await put_stores_of_cell(connection, cell, [row.store for row in rows])
            except BaseException:
                await transaction.rollback()
                raise
            if self._request.dry_run:
                await transaction.rollback()
            else:
                await transaction.commit()
                self.outcome.version.merge(put.version)
        counts.created += len(put.created)
        counts.updated += len(put.updated)
        counts.unchanged += len(put.unchanged)
        counts.failed += len(put.of_other_partner)
        await self._file_errors(
            [
                RowProblem(
                    row.row_no,
                    "store_id",
                    "store_of_other_partner",
                    f"the store {row.store.store_id} belongs to partner {put.of_other_partner[row.store.store_id]}",
                    row.raw,
                )
                for row in rows
                if row.store.store_id in put.of_other_partner
            ]
        )

    async def _remove_others(self, named: set[str]) -> None:
        """With ``replace``, stores of the partner that the file does not name are out of service.

        With bad rows in the file nobody knows whom they meant, so nothing is removed, and the report says so.
        """
        if self.outcome.counts.failed:
            self.outcome.report["not_removed"] = (
                "stores that the file does not name were left in service, since some of its rows are bad:"
                " mend them and send the file again"
            )
            return
        async with self._database.connection() as connection:
            gone = [s for s in await stores_of_partner(connection, self._request.partner) if s.store_id not in named]
        for cell, of_cell in groupby(sorted(gone, key=lambda s: (s.cell, s.store_no)), key=lambda s: s.cell):
            store_nos = [store.store_no for store in of_cell]
            if self._request.dry_run:
                self.outcome.counts.removed += len(store_nos)
                continue
            async with self._database.transaction() as connection:
                removed, version = await remove_stores_of_cell(connection, cell, store_nos)
            self.outcome.counts.removed += removed
            self.outcome.version.merge(version)

    # ── stock ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def stock(self, table: CsvTable) -> None:
        request, counts = self._request, self.outcome.counts
        keys = {key.store_id: key for key in await all_stores(self._database)}
        options = StockOptions(
            now=request.now,
            as_of=request.as_of,
            currency=request.currency,
            partner=request.partner,
            timezone=request.timezone,
            mapping=request.mapping,
        )
        refs = {key.store_id: StoreRef(key.timezone, key.partner) for key in keys.values()}
        batches = await asyncio.to_thread(read_stock, table, options=options, stores=refs)
        spared: list[tuple[str | None, str | None]] = []
        async with staged_counts(self._database) as staged:
            async for [batch] in _in_thread(batches, 1):
                counts.rows += len(batch) + batch.bad_rows
                counts.failed += batch.bad_rows
                spared += batch.spared
                await staged.add(_staged_rows(batch, keys))
                await self._file_errors(batch.problems)
                self._note_warnings(batch.warnings)
                await self._note(0.0)
            stores = await staged.close(dry_run=request.dry_run)
            await self._apply_stock(staged, stores, _spared_by_number(spared, keys))

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

    async def _file_errors(self, problems: Sequence[RowProblem]) -> None:
        if not problems:
            return
        rows: list[ErrorRow] = [(p.row_no, p.column, p.code, p.message, list(p.raw)) for p in problems]
        async with self._database.connection() as connection:
            await add_errors(connection, self.outcome.import_id, self._errors, rows)
        self._errors += len(rows)
        self._sample("errors", problems)

    def _note_warnings(self, warnings: Sequence[RowWarning]) -> None:
        self.outcome.counts.warnings += len(warnings)
        self._sample("warnings", warnings)

    def _sample(self, name: str, notes: Sequence[RowProblem | RowWarning]) -> None:
        by_code = self.outcome.report.setdefault(f"{name}_by_code", {})
        for note in notes:
            by_code[note.code] = by_code.get(note.code, 0) + 1
        samples = self.outcome.report.setdefault(name, [])
        for note in notes[: max(0, _SAMPLES - len(samples))]:
            samples.append({"row": note.row_no, "column": note.column, "code": note.code, "message": note.message})

    async def _note(self, applied_share: float) -> None:
        """Say how far it is: the reading is the first half, the applying the second."""
        at = time.monotonic()
        share = _LONGEST_READING_SHARE * (1 + applied_share) if applied_share else 0.0
        if self._progress is not None:
            self._progress(share)
        if at - self._noted_at >= _PROGRESS_EVERY_S:
            self._noted_at = at
            await note_progress(self._database, self.outcome.import_id, share, self.outcome.counts)


def _staged_rows(batch: StockBatch, keys: Mapping[str, StoreKey]) -> Iterator[StagedRow]:
    for row_no, store_id, sku, on_hand, price, currency, safety, as_of in zip(
        batch.row_nos,
        batch.store_ids,
        batch.skus,
        batch.on_hands,
        batch.price_minors,
        batch.currencies,
        batch.safety_stocks,
        batch.as_ofs,
        strict=True,
    ):
        key = keys[store_id]
        price_set, safety_set = not isinstance(price, Keep), not isinstance(safety, Keep)
        yield (
            row_no,
            key.cell,
            key.store_no,
            sku,
            on_hand,
            price if not isinstance(price, Keep) else None,
            currency,
            price_set,
            (safety or 0) if not isinstance(safety, Keep) else 0,
            safety_set,
            as_of,
        )


def _spared_by_number(
    spared: Sequence[tuple[str | None, str | None]], keys: Mapping[str, StoreKey]
) -> dict[int, frozenset[str] | None] | None:
    """What bad rows speak of, by store number; None when some speak of no store that could be told."""
    by_number: dict[int, set[str] | None] = {}
    for store_id, sku in spared:
        if store_id is None:
            return None
        key = keys.get(store_id)
        if key is None:
            continue
        skus = by_number.setdefault(key.store_no, set())
        if sku is None:
            by_number[key.store_no] = None
        elif skus is not None:
            skus.add(sku)
    return {number: None if skus is None else frozenset(skus) for number, skus in by_number.items()}


async def _in_thread[T](items: Iterator[T], size: int) -> AsyncIterator[list[T]]:
    """The items in lists of ``size``, each list made in a thread."""
    while batch := await asyncio.to_thread(lambda: list(islice(items, size))):
        yield batch


async def bad_rows_csv(database: Database, record: ImportRecord) -> AsyncIterator[bytes]:
    """The bad rows of an import as CSV in the file's own columns, a page at a time; a header alone if all are good."""
    first = True
    carried: list[ErrorRow] = []
    async for page in read_errors(database, record.import_id):
        # The problems of one row share a line, so the last row of a page waits for the next page.
        rows = carried + page
        last = rows[-1][0]
        carried = [row for row in rows if row[0] == last]
        yield _csv_of(record, [row for row in rows if row[0] != last], header=first)
        first = False
    yield _csv_of(record, carried, header=first)


def _csv_of(record: ImportRecord, rows: Sequence[ErrorRow], *, header: bool) -> bytes:
    out = io.StringIO(newline="")
    problems = (RowProblem(row_no, column, code, message, tuple(raw)) for row_no, column, code, message, raw in rows)
    write_errors(out, columns=record.columns, delimiter=record.delimiter, problems=problems)
    text = out.getvalue()
    if not header:
        text = text[text.index("\r\n") + 2 :]
    return text.encode(ENCODING if header else "utf-8")
