"""The bad rows of a file, whole, with what is wrong with them; mended, the file can be sent again."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final, TextIO

from dispatch.ingest.formats.headers import REPORT_COLUMNS
from dispatch.ingest.problems import RowProblem

ENCODING: Final = "utf-8-sig"
"""How to write the file: with its mark, without which spreadsheets take UTF-8 for something else."""

_BETWEEN: Final = "; "


def write_errors(out: TextIO, *, columns: Sequence[str], delimiter: str, problems: Iterable[RowProblem]) -> int:
    """Write a header and one line for each bad row; how many rows were written is returned.

    ``problems`` come row by row; those of one row share its line, joined by ``; `` in their order. The columns and
    the delimiter are the file's own (a decimal comma stays what it was), then ``row, column, code, message``, which
    the reader leaves out again. A row with fewer values than columns is filled up; one with more keeps them all, so
    its last four stand beyond the header's. Values are written as they came, also ones that a spreadsheet would take
    for a formula: otherwise they could not be sent again. ``out`` must be opened with newline="".
    """
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow((*columns, *REPORT_COLUMNS))
    rows = 0
    for row_no, group in groupby(problems, key=lambda problem: problem.row_no):
        of_row = list(group)
        raw = of_row[0].raw
        named = _BETWEEN.join(problem.column or "" for problem in of_row)
        codes = _BETWEEN.join(problem.code for problem in of_row)
        messages = _BETWEEN.join(problem.message for problem in of_row)
        writer.writerow((*raw, *[""] * (len(columns) - len(raw)), row_no, named, codes, messages))
        rows += 1
    return rows
