"""The record of imports: what was sent, how far it is, what became of every row."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg

from dispatch.domain.errors import ImportNotFound, ImportRunning
from dispatch.storage.pool import Connection, Database
from dispatch.storage.sql import sql

# After this long without a sign of life an import is over: its worker died, or lost the database for good.
SIGN_OF_LIFE_EVERY: Final = timedelta(seconds=5)
DEAD_AFTER: Final = timedelta(seconds=30)
_ERRORS_A_PAGE: Final = 5_000
_BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)

type ErrorRow = tuple[int, str | None, str, str, Sequence[str]]  # row_no, column, code, message, cells


@dataclass(slots=True)
class ImportCounts:
    """What became of a file's rows: ``rows = created + updated + unchanged + failed + ignored``."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: int = 0
    ignored: int = 0
    warnings: int = 0


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """An import as it stands."""

    import_id: str
    kind: str
    partner: str
    status: str
    dry_run: bool
    mode: str
    filename: str | None
    created_at: datetime
    ended_at: datetime | None
    progress: float
    counts: ImportCounts
    columns: tuple[str, ...]
    delimiter: str
    report: dict[str, Any] = field(default_factory=dict)
    version: str | None = None
    asked: dict[str, Any] = field(default_factory=dict)
    applies: str | None = None
    saw: dict[str, Any] = field(default_factory=dict)


async def begin_import(
    database: Database,
    import_id: str,
    *,
    kind: str,
    partner: str,
    dry_run: bool,
    mode: str,
    filename: str | None,
    asked: Mapping[str, Any],
    applies: str | None,
) -> None:
    """Open the record; a dry run makes no partner. Raises ImportRunning while another import of the partner runs."""
    async with database.connection() as connection:
        if not dry_run:
            await connection.execute(sql("add_partners"), [partner])
        await connection.execute(sql("fail_dead_imports"), DEAD_AFTER)
        try:
            await connection.execute(
                sql("begin_import"), import_id, kind, partner, dry_run, mode, filename, json.dumps(asked), applies
            )
        except asyncpg.UniqueViolationError:
            raise _running(partner) from None


def _running(partner: str) -> ImportRunning:
    return ImportRunning(f"an import of partner {partner} is running; wait for its end, then send yours")


async def begin_undo(database: Database, record: "ImportRecord") -> bool:
    """Open the record again, to be undone; False if it has left nothing, or is being undone. Raises ImportRunning."""
    async with database.connection() as connection:
        await connection.execute(sql("fail_dead_imports"), DEAD_AFTER)
        try:
            return bool(await connection.execute(sql("begin_undo"), record.import_id) == "UPDATE 1")
        except asyncpg.UniqueViolationError:
            raise _running(record.partner) from None


async def end_undo(
    database: Database, import_id: str, *, whole: bool, told: Mapping[str, Any], version: str | None
) -> None:
    """Close the record again: ``undone``, or as it was where the undo stopped before its end, not ``whole``."""
    async with database.connection() as connection:
        await connection.execute(sql("end_undo"), import_id, whole, json.dumps(told), version)


async def note_alive(database: Database, import_id: str) -> None:
    """Say that the import is alive."""
    async with database.connection() as connection:
        await connection.execute(sql("import_alive"), import_id)


async def note_progress(database: Database, import_id: str, share: float, counts: ImportCounts | None) -> None:
    """Say that the import is alive and how far it is; None: its counts are what they were."""
    figures = (None, None, None) if counts is None else (counts.rows, counts.failed, counts.warnings)
    async with database.connection() as connection:
        await connection.execute(sql("import_progress"), import_id, share, *figures)


async def end_import(
    database: Database,
    import_id: str,
    *,
    status: str,
    counts: ImportCounts,
    columns: Sequence[str] = (),
    delimiter: str = ",",
    report: dict[str, Any],
    version: str | None = None,
    saw: Mapping[str, Any],
) -> None:
    """Close the record, as ``done`` or ``failed``."""
    async with database.connection() as connection:
        await connection.execute(
            sql("end_import"),
            import_id,
            status,
            1.0 if status == "done" else 0.0,
            counts.rows,
            counts.created,
            counts.updated,
            counts.unchanged,
            counts.removed,
            counts.failed,
            counts.ignored,
            counts.warnings,
            list(columns),
            delimiter,
            json.dumps(report),
            version,
            json.dumps(saw),
        )


async def take_back_import(database: Database, import_id: str) -> None:
    """Forget an import that was opened and is not to begin."""
    async with database.connection() as connection:
        await connection.execute(sql("take_back_import"), import_id)


async def give_up_import(database: Database, import_id: str) -> None:
    """Close the record of an import that still runs although its process has ended."""
    async with database.connection() as connection:
        await connection.execute(sql("give_up_import"), import_id)
        await connection.execute(sql("fail_dead_imports"), DEAD_AFTER)


async def read_import(database: Database, import_id: str) -> ImportRecord:
    """One import; one whose worker has died has failed. Raises ImportNotFound."""
    async with database.connection() as connection:
        await connection.execute(sql("fail_dead_imports"), DEAD_AFTER)
        row = await connection.fetchrow(sql("read_import"), import_id)
    if row is None:
        raise ImportNotFound(f"there is no import {import_id}")
    return _record(row)


async def list_imports(
    database: Database,
    *,
    after: tuple[datetime, str] | None,
    limit: int,
    kind: str | None = None,
    partner: str | None = None,
    status: str | None = None,
    since: datetime | None = None,
) -> list[ImportRecord]:
    """Imports of these, newest first, after a position; those whose worker has died have failed."""
    created_at, import_id = after or (None, None)
    async with database.connection() as connection:
        await connection.execute(sql("fail_dead_imports"), DEAD_AFTER)
        rows = await connection.fetch(
            sql("list_imports"), created_at, import_id, limit, kind, partner, status, since or _BEGINNING
        )
    return [_record(row) for row in rows]


async def last_imports(connection: Connection) -> dict[tuple[str, str], ImportRecord]:
    """The newest import of each partner and kind that is no dry run; one whose worker has died has failed."""
    await connection.execute(sql("fail_dead_imports"), DEAD_AFTER)
    return {(row["partner"], row["kind"]): _record(row) for row in await connection.fetch(sql("last_imports"))}


async def add_errors(connection: Connection, import_id: str, first_n: int, errors: Sequence[ErrorRow]) -> None:
    """File bad rows; ``first_n`` numbers the first of them."""
    await connection.copy_records_to_table(
        "import_errors",
        records=[(import_id, first_n + i, *error) for i, error in enumerate(errors)],
        columns=("import_id", "n", "row_no", "column_name", "code", "message", "cells"),
    )


async def read_errors(database: Database, import_id: str) -> AsyncIterator[list[ErrorRow]]:
    """The bad rows of an import in order, a page at a time."""
    last = -1
    while True:
        async with database.connection() as connection:
            rows = await connection.fetch(sql("import_errors"), import_id, last, _ERRORS_A_PAGE)
        if not rows:
            return
        last = rows[-1]["n"]
        yield [(r["row_no"], r["column_name"], r["code"], r["message"], r["cells"]) for r in rows]


def _record(row: asyncpg.Record) -> ImportRecord:
    names = ("rows", "created", "updated", "unchanged", "removed", "failed", "ignored", "warnings")
    return ImportRecord(
        import_id=row["import_id"],
        kind=row["kind"],
        partner=row["partner"],
        status=row["status"],
        dry_run=row["dry_run"],
        mode=row["mode"],
        filename=row["filename"],
        created_at=row["created_at"],
        ended_at=row["ended_at"],
        progress=row["done_share"],
        counts=ImportCounts(**{name: row[name] for name in names}),
        columns=tuple(row["columns"]),
        delimiter=row["delimiter"],
        report=json.loads(row["report"]),
        version=row["version"],
        asked=json.loads(row["asked"]),
        applies=row["applies"],
        saw=json.loads(row["saw"]),
    )
