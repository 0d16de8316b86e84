"""The bad rows of a file as a workbook in which every cell is text, so that a spreadsheet leaves all of it as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import BinaryIO, Final

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError

from dispatch.ingest.errors_csv import BadRow, bad_rows
from dispatch.ingest.problems import RowProblem
from dispatch.ingest.report_columns import REPORT_COLUMNS, guarded, guarded_remark

# What a sheet holds. Source: Excel specifications and limits.
MAX_LINES: Final = 1_048_576
MAX_COLUMNS: Final = 16_384
MAX_CELL_UNITS: Final = 32_767  # of UTF-16

# Source: Excel, Rename a worksheet; "History" is its own as well.
_SHEET_NAME: Final = re.compile(r"(?!')[^\[\]:*?/\\\x00-\x1f\ud800-\udfff\ufffe\uffff]+(?<!')")
_MAX_SHEET_NAME_UNITS: Final = 31  # of UTF-16

_TEXT: Final = {"num_format": 49}  # @


class ErrorsWorkbook:
    """A workbook of bad rows that grows row by row, in memory of a row; ``close`` makes it whole.

    One sheet, of the name that the file's own had where it may have it, so that it can be sent again with the same
    parameters: a header, bold and frozen, of the file's own columns and ``row, column, code, message``, then a line for
    each bad row, as in the CSV. Where there are more rows than lines, the last line says how many are in errors.csv
    alone; it has nothing in the file's own columns, so that it is no row when the workbook is sent again. A value that
    is too long for a cell is cut, and its message says so.
    """

    def __init__(
        self,
        out: BinaryIO,
        *,
        columns: Sequence[str],
        at: datetime,
        tmp_dir: Path,
        sheet: str | None = None,
        max_lines: int = MAX_LINES,
    ) -> None:
        """``at``: when it was made, as its properties tell. Unfinished parts of it lie in ``tmp_dir``.

        ``sheet``: the file's own; None if it has none.
        """
        options = {"constant_memory": True, "tmpdir": str(tmp_dir), "use_zip64": True}
        self._book = xlsxwriter.Workbook(out, options)
        self._book.set_properties({"created": at.astimezone(UTC).replace(tzinfo=None)})
        self._sheet = self._book.add_worksheet(_sheet_name(sheet))
        self._text = self._book.add_format(_TEXT)
        self._width = len(columns)
        self._columns = tuple(columns)
        self._max_lines = max_lines
        self._line = 0
        self._held: BadRow | None = None
        self._beyond = 0
        # What is typed into an empty cell is text, too.
        self._sheet.set_column(0, self._width + len(REPORT_COLUMNS) - 1, None, self._text)
        self._sheet.ignore_errors({"number_stored_as_text": f"A1:XFD{MAX_LINES}"})
        self._sheet.freeze_panes(1, 0)
        self._write(
            [*(_cut(guarded(name)) for name in columns), *REPORT_COLUMNS], self._book.add_format(_TEXT | {"bold": True})
        )

    def add(self, problems: Iterable[RowProblem]) -> None:
        """Write the rows that these speak of; all problems of a row must come in one call."""
        for row in bad_rows(problems):
            if self._line < self._max_lines - 1:
                self._write_row(row)
            elif self._held is None:
                self._held = row  # the last line is its own, or for saying that there are more
            else:
                self._beyond += 1

    def close(self) -> None:
        """Write all of it to where it belongs. Raises OSError."""
        if self._held is not None and not self._beyond:
            self._write_row(self._held)
        elif self._held is not None:
            rest = self._beyond + 1
            message = f"a sheet holds no more rows: {rest:,} bad rows more are in errors.csv, which has all of them"
            self._write([""] * (self._width + len(REPORT_COLUMNS) - 1) + [message], self._text)
        try:
            self._book.close()
        except FileCreateError as error:
            raise error.args[0] from None

    def _write_row(self, row: BadRow) -> None:
        cells = [guarded(cell) for cell in row.cells[: MAX_COLUMNS - len(REPORT_COLUMNS)]]
        cut = [i for i, cell in enumerate(cells) if _is_too_long(cell)]
        for i in cut:
            cells[i] = _cut(cells[i])
        remarks = [f"{self._name(i)} is cut here, errors.csv has it whole" for i in cut]
        if len(cells) < len(row.cells):
            remarks.append(f"{len(row.cells) - len(cells):,} values more are in errors.csv alone")
        row_no, column, code, message = row.report
        filling = [""] * (self._width - len(cells))
        report = (row_no, column, code, "; ".join((message, *remarks)))
        self._write([*cells, *filling, *(_cut(guarded_remark(text)) for text in report)], self._text)

    def _name(self, i: int) -> str:
        return self._columns[i] if i < self._width else f"value {i + 1}"

    def _write(self, texts: Sequence[str], text_format: object) -> None:
        for i, text in enumerate(texts):
            if text:
                self._sheet.write_string(self._line, i, _inline(text), text_format)
        self._line += 1


def _sheet_name(name: str | None) -> str:
    """The name if Excel lets a sheet have it, which other programs do not ask, else ``Data``."""
    if name is None or not _SHEET_NAME.fullmatch(name) or name.casefold() == "history":
        return "Data"
    return name if len(name.encode("utf-16-le")) <= 2 * _MAX_SHEET_NAME_UNITS else "Data"


def _is_too_long(text: str) -> bool:
    # A character is one unit or two.
    return len(text) > MAX_CELL_UNITS // 2 and len(_inline(text).encode("utf-16-le")) > 2 * MAX_CELL_UNITS


def _cut(text: str) -> str:
    """As much of a text as a cell holds, with an ellipsis for the rest."""
    if not _is_too_long(text):
        return text
    return text.encode("utf-16-le")[: 2 * MAX_CELL_UNITS - 2].decode("utf-16-le", "ignore") + "…"


def _inline(text: str) -> str:
    """The text as xlsxwriter has to be given it: in constant memory it takes ``<r>…</r>`` for markup of its own."""
    if text.startswith("<r>") and text.endswith("</r>"):
        return f'<r><t xml:space="preserve">{escape(text, quote=False)}</t></r>'
    return text
