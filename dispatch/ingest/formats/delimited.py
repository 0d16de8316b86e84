"""CSV and TSV of any usual delimiter and encoding, streamed: rows with the line number that people see."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from dispatch.ingest.formats.encodings import TextEncoding, find_encoding
from dispatch.ingest.formats.headers import MAX_TITLE_ROWS, Names, RowsOfNone, find_header, header_of, names_of
from dispatch.ingest.formats.lines import MAX_CELL_CHARS, MAX_LINE_CHARS, Lines
from dispatch.ingest.formats.sources import open_bytes
from dispatch.ingest.problems import FileProblem, PlaceProblem, RowProblem
from dispatch.ingest.report_columns import BAD_ROWS, unguarded
from dispatch.ingest.tables import RawRow, RowBlock, RowIgnored

DELIMITERS: Final = (",", ";", "\t", "|")

MAX_RECORD_LINES: Final = 100
_MAX_CHAR_BYTES: Final = 4

_SEPARATOR_LINE: Final = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_BLANK: Final = " \t\r\n\u3000\ufeff"
_UNCLOSED: Final = "unexpected end of data"


@dataclass(frozen=True, slots=True)
class CsvTable:
    """A Table over a delimited text file; each iteration reads it anew, in memory of a row.

    Blank lines, and lines of nothing but delimiters, are no rows. Values are as written: not trimmed, quotes
    undone, line ends inside quotes as ``\\n``. Values beyond the header's columns are dropped when empty.
    Sums and headers in the middle are rows that are ignored.
    """

    path: Path
    text: TextEncoding
    delimiter: str
    columns: tuple[str, ...]
    width: int
    header_row: int
    header_lines: int
    rows_of_none: RowsOfNone

    @property
    def own_columns(self) -> int:
        return len(self.columns)

    @property
    def encoding(self) -> str:
        return self.text.codec

    @property
    def decimal_comma(self) -> bool:
        return self.delimiter != ","

    @property
    def about(self) -> Mapping[str, Any]:
        about: dict[str, Any] = {
            "format": "tsv" if self.delimiter == "\t" else "csv",
            "encoding": self.encoding,
            "header_row": self.header_row,
        }
        if len(self.columns) < self.width:
            about[BAD_ROWS] = True
        if self.text.samples:
            about["encoding_samples"] = list(self.text.samples)
        return about

    def __iter__(self) -> Iterator[RawRow | RowProblem | RowIgnored]:
        for row in self.blocks():
            if isinstance(row, RowBlock):
                yield from row.rows()
            else:
                yield row

    def blocks(self) -> Iterator[RowBlock | RawRow | RowProblem | RowIgnored]:
        of_bad_rows = len(self.columns) < self.width
        for row in _records(self.path, self.encoding, self.delimiter, self.width, skip=self.header_lines):
            if isinstance(row, RowBlock):
                yield from map(self._judged, row.rows()) if of_bad_rows else self._parted(row)
            elif isinstance(row, RawRow):
                yield self._judged(row)
            elif of_bad_rows:
                yield replace(row, raw=tuple(map(unguarded, self._own_part(row.raw))))
            else:
                yield row

    def _judged(self, row: RawRow) -> RawRow | RowIgnored:
        cells = row.cells
        if len(self.columns) < self.width:
            cells[:] = map(unguarded, cells[: len(self.columns)])
        reason = self.rows_of_none.reason(cells)
        return row if reason is None else RowIgnored(row.row_no, reason, cells, spares=False)

    def _parted(self, block: RowBlock) -> Iterator[RowBlock | RowIgnored]:
        """The block in parts, between them the rows that are ignored; blank rows are left out."""
        first = block.columns[0]
        blank_texts = {text for text in set(first) if not text.strip(_BLANK)}
        blank_rows = {index for index, text in enumerate(first) if text in blank_texts} if blank_texts else set()
        start = 0
        for index in sorted(self.rows_of_none.suspect_rows(block.columns) | blank_rows):
            row = block.row(index)
            judged = self._judged(row) if any(cell.strip(_BLANK) for cell in row.cells) else None
            if judged is row:
                continue
            if start < index:
                yield block.part(start, index)
            if isinstance(judged, RowIgnored):
                yield judged
            start = index + 1
        if start < len(first):
            yield block.part(start, len(first)) if start else block

    def _own_part(self, raw: tuple[str, ...]) -> tuple[str, ...]:
        """The values without the report's own, which are the last of a row, however many are before them."""
        return raw[: len(self.columns) - self.width] if len(raw) > self.width else raw[: len(self.columns)]


def open_delimited(path: Path, *, encoding: str | None, names: Names) -> CsvTable:
    """Find encoding, delimiter and header of the file; the whole of it has been decoded once when this returns.

    The delimiter is the one that gives the header the most known names, then the most columns, then the first of
    DELIMITERS; a first line ``sep=;`` decides it. Raises FileProblem.
    """
    _refuse_endless_line(path)
    text = find_encoding(path, declared=encoding, is_known=names.is_known)
    line_no, told = _first_line(path, text.codec)
    candidates = [
        _Candidate(path, text.codec, delimiter, line_no - 1, names.is_known)
        for delimiter in ((told,) if told else DELIMITERS)
    ]
    chosen = max(candidates, key=lambda one: one.fit)
    first = chosen.header
    if first is None:
        raise FileProblem("file_empty", "the file has no header")
    place = f"line {first.row_no}"
    if isinstance(first, RowProblem):
        problem = PlaceProblem(place, "is not a header")
        raise FileProblem("not_a_table", f"the header cannot be read: {first.message}", (problem,))
    columns, width = header_of(first.cells, place=place, is_known=names.is_known)
    return CsvTable(
        path,
        text,
        chosen.delimiter,
        columns,
        width,
        first.row_no,
        first.row_no + sum(name.count("\n") for name in first.cells),
        RowsOfNone.of(columns, names.is_id),
    )


def _refuse_endless_line(path: Path) -> None:
    """Tell a file that is one line before gigabytes of it are decoded."""
    with open_bytes(path) as file:
        begin = file.read(MAX_LINE_CHARS * _MAX_CHAR_BYTES)
    if len(begin) == MAX_LINE_CHARS * _MAX_CHAR_BYTES and b"\n" not in begin and b"\r" not in begin:
        message = f"the first line is longer than {MAX_LINE_CHARS} characters"
        raise FileProblem("not_a_table", message, (PlaceProblem("line 1", message),))


def _first_line(path: Path, codec: str) -> tuple[int, str | None]:
    """The number of the first line that is not blank, and the delimiter if a line ``sep=`` before it tells one."""
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
                return line_no, told
    raise FileProblem("file_empty", "the file has no header in its first lines")


class _Candidate:
    """The first rows of a file as one delimiter takes them apart, and the header among them."""

    def __init__(self, path: Path, codec: str, delimiter: str, skip: int, is_known: Callable[[str], bool]) -> None:
        self.delimiter = delimiter
        first: list[RawRow | RowProblem] = []
        rows = (row for row in _records(path, codec, delimiter, None, skip=skip) if not isinstance(row, RowBlock))
        for row in islice(rows, MAX_TITLE_ROWS + 1):
            first.append(row)
            if isinstance(row, RowProblem) and row.code == "line_too_long":
                break
        index = find_header([row.cells if isinstance(row, RawRow) else [] for row in first], is_known)
        self.header = first[index] if first else None
        names = names_of(self.header.cells) if isinstance(self.header, RawRow) else ()
        self.fit = (sum(map(is_known, names)), len(names))


def _records(
    path: Path, codec: str, delimiter: str, width: int | None, *, skip: int
) -> Iterator[RowBlock | RawRow | RowProblem]:
    """Rows after ``skip`` lines, in blocks where the ``width`` is known: blank ones too in these, and only in these.

    A line without a quote is split as it stands; others go to the csv module. When a quoted value does not end as it
    should, only the line where it began is a bad row: the lines after it are read again, each on its own, so that a
    stray quote never eats good rows. A record that ends as it should, but may have eaten some, is a bad row as a whole.
    """
    blank = _BLANK + delimiter
    line_no = 0
    with open_bytes(path) as raw, io.TextIOWrapper(raw, encoding=codec, newline=None) as text:
        lines = Lines(text)
        while True:
            if width is not None and line_no >= skip:
                block = lines.block(delimiter, width, after=line_no)
                if block is not None:
                    line_no += len(block.row_nos)
                    yield block
                    continue
            line = lines.next()
            if not line:
                return
            line_no += 1
            row_no = line_no
            if row_no <= skip or not line.strip(blank):
                continue
            if len(line) >= MAX_LINE_CHARS and line[-1] != "\n":
                message = f"the line is longer than {MAX_LINE_CHARS} characters"
                yield RowProblem(row_no, None, "line_too_long", message, (line[:200] + "…",))
                # Afterwards, so that who only looks at the first rows need not wait for its end.
                while (rest := lines.next()) and rest[-1] != "\n":
                    pass
                continue
            if '"' not in line:
                cells = line.rstrip("\n").split(delimiter)
            else:
                record = [line]
                taken = _quoted(record, delimiter, width, lines.next)
                if isinstance(taken, tuple):
                    lines.give_back(record[1:])
                    yield RowProblem(row_no, None, *taken, tuple(line.rstrip("\n").split(delimiter)))
                    continue
                line_no += len(record) - 1
                line = "".join(record)
                if not any(map(str.strip, taken)):
                    continue
                cells = taken
            problem = _refused(line, cells, delimiter, width)
            if problem is None:
                yield RawRow(row_no, cells)
            else:
                yield RowProblem(row_no, None, *problem, tuple(cells))


def _refused(line: str, cells: list[str], delimiter: str, width: int | None) -> tuple[str, str] | None:
    """Code and message when a row taken apart cannot be used; drops empty values beyond the header's columns."""
    if "\0" in line:
        return "nul_in_row", "the row holds a NUL character"
    if len(line) > MAX_CELL_CHARS and any(len(cell) > MAX_CELL_CHARS for cell in cells):
        return "cell_too_long", f"a value is longer than {MAX_CELL_CHARS} characters"
    if "\n" in line[:-1] and _holds_rows(cells, delimiter, width):
        return "quote_doubtful", "a value over several lines holds what may be whole rows; nothing of it is taken"
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
            # Of another width than the header, a record over several lines is none: a stray quote has joined rows.
            return _unclosed(lines) if len(lines) > 1 and width not in (None, len(cells)) else cells
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


def _holds_rows(cells: list[str], delimiter: str, width: int | None) -> bool:
    """Whether a line inside a value over several lines may be a whole row, which a stray quote has swallowed."""
    if width is None or width < 3:
        return False
    return any(line.count(delimiter) >= width - 1 for cell in cells for line in cell.split("\n")[1:])
