"""The bad rows of an import, to be mended and sent again."""

import io
from collections.abc import AsyncIterator, Sequence

from dispatch.ingest.errors_csv import ENCODING, write_errors
from dispatch.ingest.problems import RowProblem
from dispatch.storage.imports import ErrorRow, ImportRecord, read_errors
from dispatch.storage.pool import Database


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
