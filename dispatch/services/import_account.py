"""The account of one import: what became of every row, how far it is, and the samples that its report shows."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from dispatch.domain.versions import Version
from dispatch.ingest.problems import FileProblem, RowProblem, RowWarning
from dispatch.ingest.report_columns import BAD_ROWS
from dispatch.ingest.tables import Table
from dispatch.services.import_requests import ImportRequest
from dispatch.storage.imports import ErrorRow, ImportCounts, add_errors, note_progress
from dispatch.storage.pool import Database

_SAMPLES: Final = 20
_PROGRESS_EVERY_S: Final = 1.0
_READING_SHARE: Final = 0.5
_WHOLE_MODES: Final = ("replace", "snapshot")

type Progress = Callable[[float], None]
type Pace = Callable[[], Awaitable[None]]
"""Waited for after each piece of work, so that it may be held up."""


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
    saw: dict[str, Any] = field(default_factory=dict)


class Account:
    """One import at work, and its outcome so far."""

    def __init__(
        self,
        database: Database,
        import_id: str,
        request: ImportRequest,
        progress: Progress | None,
        pace: Pace | None = None,
    ) -> None:
        self.database = database
        self.request = request
        self.outcome = ImportOutcome(import_id)
        self._progress = progress
        self._pace = pace
        self._errors = 0
        self._noted_at = 0.0

    @property
    def counts(self) -> ImportCounts:
        return self.outcome.counts

    @property
    def report(self) -> dict[str, Any]:
        return self.outcome.report

    def is_whole(self, table: Table) -> bool:
        """Whether the file is to be taken for the whole set, or the whole shelves: the mode says it, and it can be.

        A file of bad rows is a part of the one it came from, whatever the mode; then the report says so.
        """
        if self.request.effective_mode not in _WHOLE_MODES:
            return False
        if not table.about.get(BAD_ROWS):
            return True
        self.report["read_as_part"] = (
            "what the file does not name was left as it is, whatever the mode, since it is a file of bad rows (row,"
            " column, code and message are its last columns)"
        )
        return False

    async def file_errors(self, problems: Sequence[RowProblem]) -> None:
        """Write bad rows down, each whole; the counting of rows is the caller's."""
        if not problems:
            return
        rows: list[ErrorRow] = [
            (p.row_no, _storable_or_none(p.column), p.code, storable(p.message), list(map(storable, p.raw)))
            for p in problems
        ]
        first, self._errors = self._errors, self._errors + len(rows)
        async with self.database.connection() as connection:
            await add_errors(connection, self.outcome.import_id, first, rows)
        self._sample("errors", problems)

    def note_warnings(self, warnings: Sequence[RowWarning]) -> None:
        """Count warnings of rows that are applied."""
        self.counts.warnings += len(warnings)
        self._sample("warnings", warnings)

    def warn_of_file(self, code: str, message: str) -> None:
        """Count a warning of the file as a whole."""
        self.counts.warnings += 1
        self.report.setdefault("warnings_by_code", {})[code] = 1
        entry = {"row": None, "column": None, "code": code, "message": message}
        self.report.setdefault("warnings", []).insert(0, entry)

    def note_ignored(self, by_reason: Mapping[str, int]) -> None:
        """Count rows that say nothing here, or are older than what is known."""
        told = self.report.setdefault("ignored_by_code", {})
        for reason, rows in by_reason.items():
            if rows:
                self.counts.ignored += rows
                told[reason] = told.get(reason, 0) + rows

    def refuse(self, problem: FileProblem) -> None:
        """Nothing of the file is applied."""
        self.outcome.status = "failed"
        self.outcome.counts = ImportCounts()
        self.report.update(
            code=problem.code,
            message=storable(problem.message),
            errors=[{"place": storable(place), "detail": storable(detail)} for place, detail in problem.errors],
        )

    async def note(self, applied_share: float) -> None:
        """Say how far it is: the reading is the first half, the applying the second."""
        at = time.monotonic()
        share = _READING_SHARE * (1 + applied_share) if applied_share else 0.0
        if self._progress is not None:
            self._progress(share)
        if at - self._noted_at >= _PROGRESS_EVERY_S:
            self._noted_at = at
            await note_progress(self.database, self.outcome.import_id, share, self.counts)
        if self._pace is not None and applied_share:
            await self._pace()

    def _sample(self, name: str, notes: Sequence[RowProblem | RowWarning]) -> None:
        by_code = self.report.setdefault(f"{name}_by_code", {})
        for note in notes:
            by_code[note.code] = by_code.get(note.code, 0) + 1
        samples = self.report.setdefault(name, [])
        for note in notes[: max(0, _SAMPLES - len(samples))]:
            column, message = _storable_or_none(note.column), storable(note.message)
            samples.append({"row": note.row_no, "column": column, "code": note.code, "message": message})


def storable(text: str) -> str:
    """Text as the database can hold it: it knows no NUL, which is shown by its picture."""
    return text.replace("\0", "\u2400")


def _storable_or_none(text: str | None) -> str | None:
    return None if text is None else storable(text)
