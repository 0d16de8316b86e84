"""What every reader of files gives to the validation: columns, and rows with the number that people see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from dispatch.ingest.problems import RowProblem, RowWarning


class RawRow(NamedTuple):
    """A row as text: ``cells`` are at most as many as the columns, in their order; missing ones are at the end."""

    row_no: int
    cells: list[str]


class PaddedRow(RawRow):
    """A row that ended early, made whole by its profile: of its ``own`` values the file has the first ``found``."""

    found: int
    own: int

    @classmethod
    def of(cls, row: RawRow, *, found: int, own: int) -> PaddedRow:
        made = cls(row.row_no, row.cells)
        made.found, made.own = found, own
        return made


class RowIgnored(NamedTuple):
    """A row that by the rule of its format says nothing that counts here; neither good nor bad.

    ``reason`` is one of IGNORED_CODES. ``spares``: a snapshot leaves the shelf row that it names as it was.
    """

    row_no: int
    reason: str
    cells: list[str]
    spares: bool = True


class RowBlock(NamedTuple):
    """Rows that have a value in every column, at least one row: their numbers, and their values by column."""

    row_nos: Sequence[int]
    columns: Sequence[Sequence[str]]

    @classmethod
    def of(cls, rows: Sequence[RawRow]) -> RowBlock:
        """The rows, all of one width, in their order."""
        return cls([row_no for row_no, _ in rows], list(zip(*(cells for _, cells in rows), strict=True)))

    def row(self, index: int) -> RawRow:
        return RawRow(self.row_nos[index], [column[index] for column in self.columns])

    def rows(self) -> Iterator[RawRow]:
        """The rows one by one."""
        return map(RawRow, self.row_nos, map(list, zip(*self.columns, strict=True)))

    def part(self, start: int, end: int) -> RowBlock:
        """The rows from one index to before another."""
        return RowBlock(self.row_nos[start:end], [column[start:end] for column in self.columns])


class Table(Protocol):
    """A file with a header, read as often as wanted. Formats differ in how they make one, not in what it is."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The header as written, without the report's own four columns; then columns that a profile has made."""
        ...

    @property
    def own_columns(self) -> int:
        """How many of the columns, from the first, are the file's own: what an errors file gives back."""
        ...

    @property
    def decimal_comma(self) -> bool:
        """Whether 25,03 may be a number: true where the comma does not part the columns."""
        ...

    @property
    def delimiter(self) -> str:
        """What parts the columns of its errors file: the file's own, the comma of a file that has none."""
        ...

    @property
    def about(self) -> Mapping[str, Any]:
        """What the report says of the file, in JSON's types: ``format``, and ``encoding`` of a text.

        A file of bad rows has ``bad_rows_of_an_import`` true.
        """
        ...

    def __iter__(self) -> Iterator[RawRow | RowProblem | RowIgnored]:
        """Stream the rows in their order from the start of the file; rows that cannot be taken apart as problems."""
        ...


@runtime_checkable
class BlockTable(Table, Protocol):
    """A Table that has its rows in blocks with less work than one by one."""

    def blocks(self) -> Iterator[RowBlock | RawRow | RowProblem | RowIgnored]:
        """What ``__iter__`` gives, in the same order, with most of the rows in blocks."""
        ...


def short_row(row: RawRow, *, columns: tuple[str, ...], required: set[int]) -> RowProblem | RowWarning | None:
    """What to say of a row with fewer values than columns: a problem when a required column (by index) is missing.

    A row that lacks only optional columns at its end is taken with a warning; None for a row that is whole.
    """
    found, own = (row.found, row.own) if isinstance(row, PaddedRow) else (len(row.cells), len(columns))
    if found >= own:
        return None
    lost = [columns[i] for i in sorted(required) if found <= i < own]
    if lost:
        message = f"the row has {found} of {own} values; {', '.join(lost)} missing"
        return RowProblem(row.row_no, lost[0], "row_too_short", message, tuple(row.cells[:found]))
    message = f"the row has {found} of {own} values; the rest is taken as empty"
    return RowWarning(row.row_no, columns[found], "row_padded", message)
