"""What every reader of files gives to the validation: columns, and rows with the number that people see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from dispatch.ingest.problems import RowProblem, RowWarning


class RawRow(NamedTuple):
    """A row as text: ``cells`` are at most as many as the columns, in their order; missing ones are at the end."""

    row_no: int
    cells: list[str]


class Table(Protocol):
    """A file with a header, read as often as wanted. Formats differ in how they make one, not in what it is."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The header, as written; the report's own four columns at the end of an errors file are left out."""
        ...

    @property
    def decimal_comma(self) -> bool:
        """Whether 25,03 may be a number: true where the comma does not part the columns."""
        ...

    def __iter__(self) -> Iterator[RawRow | RowProblem]:
        """Stream the rows in their order from the start of the file; rows that cannot be taken apart as problems."""
        ...


def short_row(row: RawRow, *, columns: tuple[str, ...], required: set[int]) -> RowProblem | RowWarning | None:
    """What to say of a row with fewer values than columns: a problem when a required column (by index) is missing.

    A row that lacks only optional columns at its end is taken with a warning; None for a row that is whole.
    """
    found = len(row.cells)
    if found >= len(columns):
        return None
    lost = [columns[i] for i in sorted(required) if i >= found]
    if lost:
        message = f"the row has {found} of {len(columns)} values; {', '.join(lost)} missing"
        return RowProblem(row.row_no, lost[0], "row_too_short", message, tuple(row.cells))
    message = f"the row has {found} of {len(columns)} values; the rest is taken as empty"
    return RowWarning(row.row_no, columns[found], "row_padded", message)
