"""A sheet of an XLSX workbook as a table, once all that is in it has been counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Final

from python_calamine import CalamineError, CalamineWorkbook

from dispatch.ingest.formats.headers import MAX_TITLE_ROWS, Names, RowsOfNone, find_header, header_of
from dispatch.ingest.formats.records import checked, decimal_text
from dispatch.ingest.formats.sources import PlainFile, ScratchFile
from dispatch.ingest.formats.workbook_parts import SheetName, Workbook
from dispatch.ingest.problems import FileProblem, PlaceProblem, RowProblem
from dispatch.ingest.report_columns import BAD_ROWS, unguarded
from dispatch.ingest.tables import RawRow, RowIgnored

# A double holds every whole number of fifteen digits, and spreadsheets keep no more of any.
_EXACT_BELOW: Final = 1e15
_MAX_NAMED_SHEETS: Final = 20


class SheetFile:
    """A workbook of one sheet that has been looked through, in a file that lives as long as this does."""

    def __init__(self, workbook: Workbook, sheet: SheetName) -> None:
        self._file = ScratchFile(".xlsx")
        with self._file.path.open("wb") as target:
            self.merges = sorted(workbook.extract(sheet, target))

    def rows(self, *, merged_after: int) -> Iterator[tuple[int, list[str]]]:
        """Index and texts of the rows that are not blank, as wide as the sheet.

        The value of a merge that begins below row ``merged_after`` (-1: all) is in every row of it that has values.
        Raises FileProblem ``workbook_invalid``.
        """
        merges = iter([merge for merge in self.merges if merge.first_row > merged_after])
        coming = next(merges, None)
        lasting: dict[int, tuple[int, str]] = {}
        try:
            workbook = CalamineWorkbook.from_path(self._file.path)
            for index, row in enumerate(workbook.get_sheet_by_index(0).iter_rows()):
                cells = [value if type(value) is str else text_of(value) for value in row]
                blank = not any(map(str.strip, cells))
                while coming is not None and coming.first_row <= index:
                    if coming.first_row == index and coming.column < len(cells):
                        lasting[coming.column] = (coming.last_row, cells[coming.column])
                    coming = next(merges, None)
                if blank:
                    continue
                if lasting:
                    _fill(cells, lasting, index)
                yield index, cells
        except (CalamineError, OSError, ValueError) as error:
            message = "the workbook cannot be read; save it anew, or send it as CSV"
            raise FileProblem("workbook_invalid", message) from error


def _fill(cells: list[str], lasting: dict[int, tuple[int, str]], index: int) -> None:
    """Give the cells of a row the values of merges from above, and forget the merges that have ended."""
    for column, (last_row, value) in list(lasting.items()):
        if last_row < index:
            del lasting[column]
        elif not cells[column]:
            cells[column] = value


@dataclass(frozen=True, slots=True)
class XlsxTable:
    """A Table over a sheet; a row's number is the one that spreadsheets show. Each iteration reads it anew."""

    file: SheetFile = field(repr=False)
    columns: tuple[str, ...]
    width: int
    header_index: int
    rows_of_none: RowsOfNone = field(repr=False)
    about: Mapping[str, Any]
    decimal_comma: bool = False
    delimiter: str = ","

    @property
    def own_columns(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[RawRow | RowProblem | RowIgnored]:
        own = len(self.columns)
        for index, cells in self.file.rows(merged_after=self.header_index):
            if index <= self.header_index:
                continue
            beyond = cells[self.width :]
            del cells[own:]
            if own < self.width:
                cells[:] = map(unguarded, cells)
            reason = self.rows_of_none.reason(cells)
            if reason is not None:
                yield RowIgnored(index + 1, reason, cells, spares=False)
            elif any(map(str.strip, beyond)):
                message = f"the row has values beyond the {self.width} columns of the header"
                yield RowProblem(index + 1, None, "row_too_long", message, (*cells, *beyond))
            elif any(map(str.strip, cells)):
                yield checked(index + 1, cells, self.columns)


def open_xlsx(path: Path, *, sheet: str | None, names: Names) -> XlsxTable:
    """Look through the workbook, choose its sheet and find the header.

    The sheet is the one asked for, else the first that is shown. Raises FileProblem: ``sheet_unknown``,
    ``file_too_large``, ``workbook_invalid``, ``xml_unsafe``, ``not_a_table``, ``file_empty``, and those of headers.
    """
    plain = PlainFile(path)
    with Workbook(plain.path) as workbook:
        chosen = _chosen(workbook.sheets, sheet)
        file = SheetFile(workbook, chosen)
    about: dict[str, Any] = {"format": "xlsx", "sheet": chosen.name}
    for key, visible in (("other_sheets", True), ("hidden_sheets", False)):
        others = [one.name for one in workbook.sheets if one is not chosen and one.visible is visible]
        if others:
            about[key] = others[:_MAX_NAMED_SHEETS]
    first = list(islice(file.rows(merged_after=-1), MAX_TITLE_ROWS + 1))
    if not first:
        raise FileProblem("file_empty", f"the sheet {chosen.name!r} is empty; others: {_named(workbook.sheets)}")
    index, cells = first[find_header([cells for _, cells in first], names.is_known)]
    header = header_of(cells, place=f"row {index + 1}", is_known=names.is_known)
    about["header_row"] = index + 1
    if len(header.columns) < header.width:
        about[BAD_ROWS] = True
    rows_of_none = RowsOfNone.of(header.columns, names.is_id)
    return XlsxTable(file, header.columns, header.width, index, rows_of_none, about)


def _chosen(sheets: list[SheetName], wanted: str | None) -> SheetName:
    if wanted is None:
        return next((sheet for sheet in sheets if sheet.visible), sheets[0])
    for fold in (str, lambda name: name.strip().casefold()):
        for sheet in sheets:
            if fold(sheet.name) == fold(wanted):
                return sheet
    message = f"there is no sheet {wanted[:40]!r}; the workbook has {_named(sheets)}"
    raise FileProblem("sheet_unknown", message, (PlaceProblem("parameter sheet", message),))


def _named(sheets: list[SheetName]) -> str:
    return ", ".join(repr(sheet.name) for sheet in sheets if sheet.visible)[:500]


def text_of(value: object) -> str:
    """The value of a cell as a file of text would have it; "" for an empty one.

    Whole numbers have no point; from fifteen digits on they are in scientific notation, since their last digits may
    be lost. Dates and times are in ISO 8601, durations as hours, minutes and seconds.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if -_EXACT_BELOW < value < _EXACT_BELOW:
            # As it is shown: =1.15*100 is 115 there, and 114.99999999999999 in the file.
            shown = float(f"{value:.15g}")
            return str(int(shown)) if shown.is_integer() else decimal_text(Decimal(repr(shown)))
        return f"{Decimal(repr(value)):E}"
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        minutes, seconds = divmod(int(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    return "" if value is None else str(value)
