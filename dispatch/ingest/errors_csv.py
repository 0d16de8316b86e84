"""The bad rows of a file, whole, with what is wrong with them; mended, the file can be sent again."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple, TextIO

from dispatch.ingest.problems import RowProblem
from dispatch.ingest.report_columns import REPORT_COLUMNS, guarded, guarded_remark

ENCODING: Final = "utf-8-sig"
"""How to write the file: with its mark, without which spreadsheets take UTF-8 for something else."""

_BETWEEN: Final = "; "


class BadRow(NamedTuple):
    """One row of a file of bad rows: its values as they came, then what the report's own columns say of it."""

    cells: tuple[str, ...]
    report: tuple[str, str, str, str]


def bad_rows(problems: Iterable[RowProblem]) -> Iterator[BadRow]:
    """The rows that problems speak of. They come row by row; those of one row are joined by ``; `` in their order."""
    for row_no, group in groupby(problems, key=lambda problem: problem.row_no):
        of_row = list(group)
        columns = _BETWEEN.join(problem.column or "" for problem in of_row)
        codes = _BETWEEN.join(problem.code for problem in of_row)
        messages = _BETWEEN.join(problem.message for problem in of_row)
        yield BadRow(of_row[0].raw, (str(row_no), columns, codes, messages))


def write_errors(out: TextIO, *, columns: Sequence[str], delimiter: str, problems: Iterable[RowProblem]) -> int:
    """Write a header and one line for each bad row; how many rows were written is returned.

    The columns and the delimiter are the file's own (a decimal comma stays what it was), then ``row, column, code,
    message``, which the reader leaves out again. A row with fewer values than columns is filled up; one with more keeps
    them all, so its last four stand beyond the header's. What a spreadsheet would take for a formula is guarded by an
    apostrophe, which the reader takes off. ``out`` must be opened with newline="".
    """
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow((*map(guarded, columns), *REPORT_COLUMNS))
    rows = 0
    for cells, report in bad_rows(problems):
        filling = [""] * (len(columns) - len(cells))
        writer.writerow((*map(guarded, cells), *filling, *map(guarded_remark, report)))
        rows += 1
    return rows
