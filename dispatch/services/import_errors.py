"""The bad rows of an import, to be mended and sent again."""

import asyncio
import io
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from dispatch.ingest.errors_csv import ENCODING, write_errors
from dispatch.ingest.errors_xlsx import ErrorsWorkbook
from dispatch.ingest.problems import RowProblem
from dispatch.storage.imports import ErrorRow, ImportRecord, read_errors
from dispatch.storage.pool import Database


async def bad_rows_csv(database: Database, record: ImportRecord) -> AsyncIterator[bytes]:
    """The bad rows of an import as CSV in the file's own columns, a page at a time; a header alone if all are good."""
    first = True
    async for rows in _whole_rows(database, record):
        yield _csv_of(record, rows, header=first)
        first = False


async def bad_rows_workbook(database: Database, record: ImportRecord, out: BinaryIO, *, tmp_dir: Path) -> None:
    """The same rows as a workbook, written to ``out``; made in threads, its unfinished parts in ``tmp_dir``."""
    with tempfile.TemporaryDirectory(dir=tmp_dir, ignore_cleanup_errors=True) as parts:
        sheet = record.report.get("file", {}).get("sheet")
        book = ErrorsWorkbook(out, columns=record.columns, at=record.created_at, tmp_dir=Path(parts), sheet=sheet)
        async for rows in _whole_rows(database, record):
            await asyncio.to_thread(book.add, _problems(rows))
        await asyncio.to_thread(book.close)


async def _whole_rows(database: Database, record: ImportRecord) -> AsyncIterator[list[ErrorRow]]:
    """The problems of an import, a page at a time, those of a row on one page; an empty page if there are none."""
    carried: list[ErrorRow] = []
    async for page in read_errors(database, record.import_id):
        # The problems of one row share a line, so the last row of a page waits for the next page.
        rows = carried + page
        last = rows[-1][0]
        carried = [row for row in rows if row[0] == last]
        yield [row for row in rows if row[0] != last]
    yield carried


def _problems(rows: Sequence[ErrorRow]) -> Iterator[RowProblem]:
    return (RowProblem(row_no, column, code, message, tuple(raw)) for row_no, column, code, message, raw in rows)


def _csv_of(record: ImportRecord, rows: Sequence[ErrorRow], *, header: bool) -> bytes:
    out = io.StringIO(newline="")
    write_errors(out, columns=record.columns, delimiter=record.delimiter, problems=_problems(rows))
    text = out.getvalue()
    if not header:
        text = text[text.index("\r\n") + 2 :]
    return text.encode(ENCODING if header else "utf-8")
