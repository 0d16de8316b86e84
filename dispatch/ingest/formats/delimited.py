"""CSV and TSV of any usual delimiter and encoding, streamed: rows with the line number that people see."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from dispatch.ingest.formats.sources import find_encoding, open_bytes
from dispatch.ingest.problems import FileProblem, PlaceProblem, RowProblem
from dispatch.ingest.report_columns import own_names, unguarded
from dispatch.ingest.tables import RawRow

DELIMITERS: Final = (",", ";", "\t", "|")
MAX_COLUMNS: Final = 500
# Below the csv module's own limit of 131,072, which is global to the process and therefore left alone.
MAX_CELL_CHARS: Final = 100_000
MAX_LINE_CHARS: Final = 1_000_000
MAX_RECORD_LINES: Final = 100

_SEPARATOR_LINE: Final = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_BLANK: Final = " \t\r\n\u3000\ufeff"
_UNCLOSED: Final = "unexpected end of data"


@dataclass(frozen=True, slots=True)
class CsvTable:
    """A Table over a delimited text file; each iteration reads it anew, in memory of a row.

    Blank lines, and lines of nothing but delimiters, are no rows. Values are as written: not trimmed, quotes
    undone, line ends inside quotes as ``\\n``. Values beyond the header's columns are dropped when empty.
    """

    path: Path
    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    width: int
    header_lines: int

    @property
    def own_columns(self) -> int:
        return len(self.columns)

    @property
    def decimal_comma(self) -> bool:
        return self.delimiter != ","

    @property
    def about(self) -> Mapping[str, Any]:
        return {"format": "tsv" if self.delimiter == "\t" else "csv", "encoding": self.encoding}

    def __iter__(self) -> Iterator[RawRow | RowProblem]:
        for row in _records(self.path, self.encoding, self.delimiter, self.width, skip=self.header_lines):
            if not self._of_bad_rows:
                yield row
            elif isinstance(row, RawRow):
                yield RawRow(row.row_no, list(map(unguarded, row.cells[: len(self.columns)])))
            else:
                yield replace(row, raw=tuple(map(unguarded, self._own_part(row.raw))))

    @property
    def _of_bad_rows(self) -> bool:
        return len(self.columns) < self.width

    def _own_part(self, raw: tuple[str, ...]) -> tuple[str, ...]:
        """The values without the report's own, which are the last of a row, however many are before them."""
        return raw[: len(self.columns) - self.width] if len(raw) > self.width else raw[: len(self.columns)]


def open_delimited(path: Path, *, encoding: str | None, is_known: Callable[[str], bool]) -> CsvTable:
    """Find encoding, delimiter and header of the file; the whole of it has been decoded once when this returns.

    The delimiter is the one that gives the header the most names that ``is_known`` knows, then the most columns,
    then the first of DELIMITERS; a first line ``sep=;`` decides it. Raises FileProblem.
    """
    codec = find_encoding(path, declared=encoding, is_known=is_known)
    header, line_no, told = _header_line(path, codec)
    delimiter = told or max(DELIMITERS, key=lambda one: _fit(header, one, is_known))
    first = next(_records(path, codec, delimiter, None, skip=line_no - 1), None)
    if isinstance(first, RowProblem):
        raise FileProblem("not_a_table", f"the header cannot be read: {first.message}", (_line(first.row_no),))
    if first is None:
        raise FileProblem("file_empty", "the file has no header")
    names = tuple(" ".join(name.split()) for name in first.cells)
    while len(names) > 1 and not names[-1]:
        names = names[:-1]
    if len(names) > MAX_COLUMNS:
        raise FileProblem("too_many_columns", f"the header has {len(names)} columns, more than {MAX_COLUMNS}")
    if not any(map(is_known, names)) and any(re.fullmatch(r"[+-]?[0-9]+([.,][0-9]+)?", name) for name in names):
        shown = ", ".join(names[:10])[:200]
        raise FileProblem("header_missing", f"the first row is not a header: {shown}", (_line(first.row_no),))
    columns, _ = own_names(names)
    return CsvTable(path, codec, delimiter, columns, len(names), _lines_of(first, line_no))


def _lines_of(header: RawRow, line_no: int) -> int:
    return line_no + sum(name.count("\n") for name in header.cells)


def _line(row_no: int) -> PlaceProblem:
    return PlaceProblem(f"line {row_no}", "is not a header")


def _header_line(path: Path, codec: str) -> tuple[str, int, str | None]:
    """The first line that is not blank, its number, and the delimiter if a line ``sep=`` before it tells one."""
    told: str | None = None
    with open_bytes(path) as raw, io.TextIOWrapper(raw, encoding=codec, newline=None) as text:
        for line_no in range(1, MAX_RECORD_LINES + 1):
            line = text.readline(MAX_LINE_CHARS)
            if not line:
                break
            separator = _SEPARATOR_LINE.fullmatch(line) if told is None else None
            if separator and separator[1] in DELIMITERS:
                told = separator[1]
            elif line.strip(_BLANK + ",;|"):
                return line, line_no, told
    raise FileProblem("file_empty", "the file has no header in its first lines")


def _fit(header: str, delimiter: str, is_known: Callable[[str], bool]) -> tuple[int, int]:
    try:
        names = next(csv.reader([header[:MAX_CELL_CHARS]], delimiter=delimiter), [])
    except csv.Error:
        return (0, 0)
    return (sum(map(is_known, names)), len(names))


def _records(path: Path, codec: str, delimiter: str, width: int | None, *, skip: int) -> Iterator[RawRow | RowProblem]:
    """Rows after ``skip`` lines. A line without a quote is split as it stands; others go to the csv module.

    When a quoted value does not end as it should, only the line where it began is a bad row: the lines after it
    are read again, each on its own, so that a stray quote never eats good rows.
    """
    blank = _BLANK + delimiter
    again: list[str] = []
    line_no = 0
    with open_bytes(path) as raw, io.TextIOWrapper(raw, encoding=codec, newline=None) as text:
        readline = text.readline
        while True:
            line = again.pop() if again else readline(MAX_LINE_CHARS)
            if not line:
                return
            line_no += 1
            row_no = line_no
            if row_no <= skip or not line.strip(blank):
                continue
            if len(line) >= MAX_LINE_CHARS and line[-1] != "\n":
                while (rest := readline(MAX_LINE_CHARS)) and rest[-1] != "\n":
                    pass
                message = f"the line is longer than {MAX_LINE_CHARS} characters"
                yield RowProblem(row_no, None, "line_too_long", message, (line[:200] + "…",))
                continue
            if '"' not in line:
                cells = line.rstrip("\n").split(delimiter)
            else:
                lines = [line]
                taken = _quoted(lines, delimiter, width, lambda: again.pop() if again else readline(MAX_LINE_CHARS))
                if isinstance(taken, tuple):
                    again.extend(reversed(lines[1:]))
                    yield RowProblem(row_no, None, *taken, tuple(line.rstrip("\n").split(delimiter)))
                    continue
                line_no += len(lines) - 1
                line = "".join(lines)
                if not any(map(str.strip, taken)):
                    continue
                cells = taken
            problem = _refused(line, cells, width)
            if problem is None:
                yield RawRow(row_no, cells)
            else:
                yield RowProblem(row_no, None, *problem, tuple(cells))


def _refused(line: str, cells: list[str], width: int | None) -> tuple[str, str] | None:
    """Code and message when a row taken apart cannot be used; drops empty values beyond the header's columns."""
    if "\0" in line:
        return "nul_in_row", "the row holds a NUL character"
    if len(line) > MAX_CELL_CHARS and any(len(cell) > MAX_CELL_CHARS for cell in cells):
        return "cell_too_long", f"a value is longer than {MAX_CELL_CHARS} characters"
    if width is not None and len(cells) > width:
        if any(cell.strip() for cell in cells[width:]):
            return "row_too_long", f"the row has {len(cells)} values, the header {width} columns"
        del cells[width:]
    return None


def _quoted(
    lines: list[str], delimiter: str, width: int | None, next_line: Callable[[], str]
) -> list[str] | tuple[str, str]:
    """The values of the row that starts with ``lines[0]``, or code and message; ``lines`` gets the lines it needs."""
    while True:
        try:
            cells = next(csv.reader(lines, delimiter=delimiter, strict=True))
        except csv.Error as error:
            if str(error) != _UNCLOSED:
                if len(lines) > 1:
                    return _unclosed(lines)
                if "field larger" in str(error):
                    return "cell_too_long", f"a value is longer than {MAX_CELL_CHARS} characters"
                return (
                    "quote_misplaced",
                    'a closing quote is followed by more text; inside quotes a quote is written ""',
                )
        else:
            return _unclosed(lines) if len(lines) > 1 and _looks_like_rows(cells, delimiter, width) else cells
        # Only a line with a quote can end the value, so the others need no new try.
        while True:
            room = len(lines) < MAX_RECORD_LINES and sum(map(len, lines)) < MAX_LINE_CHARS
            line = next_line() if room else ""
            if not line:
                return _unclosed(lines)
            lines.append(line)
            if '"' in line:
                break


def _unclosed(lines: list[str]) -> tuple[str, str]:
    return "quote_unclosed", f"a quote is opened and not closed as it should be ({len(lines)} lines looked at)"


def _looks_like_rows(cells: list[str], delimiter: str, width: int | None) -> bool:
    """Whether a value over several lines has swallowed rows: the count of values is wrong, or a line is a whole row.

    Delimiters in quoted values that begin on its last line, such as the message in a file of bad rows, do not count.
    """
    if width is None:
        return False
    if len(cells) != width:
        return True
    over_lines = [k for k, cell in enumerate(cells) if "\n" in cell]
    for k, following in zip(over_lines, [*over_lines[1:], width - 1], strict=False):
        *inner, last = (part.count(delimiter) for part in cells[k].split("\n")[1:])
        if width >= 3 and max([*inner, last + following - k]) >= width - 1:
            return True
    return False
