"""Which row of a table is its header, and the rows below it that are none: totals, and the header again."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from dispatch.ingest.problems import FileProblem, PlaceProblem
from dispatch.ingest.report_columns import own_names

MAX_COLUMNS: Final = 500
MAX_TITLE_ROWS: Final = 20
"""How many rows that are not blank may stand above the header."""

_TOTALS: Final = frozenset(
    {"合计", "总计", "小计", "合計", "總計", "小計", "total", "totals", "grand total", "subtotal", "sub-total"}
)
_BEGINNINGS: Final = frozenset(total[:length] for total in _TOTALS for length in range(1, len(total) + 1))
_BEGINNINGS_KEPT: Final = 4096
_NUMBER: Final = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?")


class Names(NamedTuple):
    """What a file is told of names of columns: whether one means something here, and whether it names an id."""

    is_known: Callable[[str], bool]
    is_id: Callable[[str], bool]


class Header(NamedTuple):
    """``columns`` as written, their white space made single; ``width`` counts the report's own columns too.

    Where it has those it is a file of bad rows, whose values are to be read with ``unguarded``.
    """

    columns: tuple[str, ...]
    width: int


def names_of(cells: Sequence[str]) -> tuple[str, ...]:
    """The names in a row, white space made single, without empty ones at the end; at least one."""
    names = tuple(" ".join(cell.split()) for cell in cells)
    while len(names) > 1 and not names[-1]:
        names = names[:-1]
    return names


def find_header(rows: Sequence[Sequence[str]], is_known: Callable[[str], bool]) -> int:
    """The index of the header among the first rows of a file, which are not blank and at most MAX_TITLE_ROWS + 1.

    The row with the most known names, of several the first; it has at least two, or none that is not known. The
    first row else, which also stands unless a row below it has more known names than it has.
    """
    best, most = 0, -1
    for index, cells in enumerate(rows):
        names = [name for name in names_of(cells) if name]
        known = sum(map(is_known, names))
        if known > most and (index == 0 or known >= 2 or known == len(names) == 1):
            best, most = index, known
    return best


def header_of(cells: Sequence[str], *, place: str, is_known: Callable[[str], bool]) -> Header:
    """The row as a header. Raises FileProblem ``too_many_columns``, ``header_missing``."""
    names = names_of(cells)
    if len(names) > MAX_COLUMNS:
        raise FileProblem("too_many_columns", f"the header has {len(names)} columns, more than {MAX_COLUMNS}")
    if not any(map(is_known, names)) and any(map(_NUMBER.fullmatch, names)):
        shown = ", ".join(names[:10])[:200]
        problem = PlaceProblem(place, "is not a header")
        raise FileProblem("header_missing", f"the first row is not a header: {shown}", (problem,))
    columns, _ = own_names(names)
    return Header(columns, len(names))


@dataclass(frozen=True, slots=True)
class RowsOfNone:
    """Tells the rows below a header that are no rows of the table, by their cells; most are told by one character."""

    columns: tuple[str, ...]
    ids: tuple[int, ...]
    looked_at: tuple[int, ...]
    suspects: frozenset[str] = field(repr=False)
    first_word: str

    @classmethod
    def of(cls, columns: tuple[str, ...], is_id: Callable[[str], bool]) -> RowsOfNone:
        """For a table with these columns."""
        ids = tuple(index for index, name in enumerate(columns) if is_id(name))
        firsts = {name[0] for total in _TOTALS for name in (total, total.upper())} | {columns[0][:1]}
        # What is padded is looked at too, and a row whose first cell is empty.
        suspects = frozenset(firsts | {"", " ", "\t", "\u3000"})
        first_word = (columns[0].split() or [""])[0]
        return cls(columns, ids, tuple(dict.fromkeys((0, *ids))), suspects, first_word)

    def reason(self, cells: list[str]) -> str | None:
        """``total_row``, ``header_again``, or None for a row of the table."""
        suspects = self.suspects
        count = len(cells)
        for index in self.looked_at:
            if index < count and cells[index][:1] in suspects:
                break
        else:
            return None
        # All ids of a file may begin with such a character: most of these rows are told by two.
        first = cells[0]
        if first and not first.startswith(self.first_word):
            for index in self.looked_at:
                if index < count and _may_be_total_word(cells[index][:2]):
                    break
            else:
                return None
        if names_of(cells) == self.columns:
            return "header_again"
        return "total_row" if self._is_total(cells) else None

    def suspect_rows(self, columns: Sequence[Sequence[str]]) -> set[int]:
        """The indexes of the rows, given by column, that may have a reason; no other row has one."""
        found: set[int] = set()
        for index in self.looked_at:
            column = columns[index]
            texts = {text for text in set(column) if _may_be_total_word(text[:2])}
            if index == 0:
                texts |= {text for text in set(column) if not text or text.startswith(self.first_word)}
            if texts:
                found |= {at for at, text in enumerate(column) if text in texts}
        return found

    def _is_total(self, cells: list[str]) -> bool:
        """Whether the first cell with text, or an id, is a word for a sum, and no id stands after it.

        Where no column is known to be an id, all the other cells must be numbers.
        """
        filled = [index for index, cell in enumerate(cells) if cell.strip()]
        for index in filled:
            if (index == filled[0] or index in self.ids) and _is_total_word(cells[index]):
                others = [at for at in filled if at != index]
                if not self.ids:
                    return all(_NUMBER.fullmatch(cells[at].strip()) for at in others)
                return not any(at in self.ids and at > index for at in others)
        return False


@lru_cache(_BEGINNINGS_KEPT)
def _may_be_total_word(beginning: str) -> bool:
    """Whether a cell that begins so may be a word for a sum; what is padded may."""
    return beginning[:1].isspace() or beginning.casefold() in _BEGINNINGS


def _is_total_word(cell: str) -> bool:
    return " ".join(cell.split()).rstrip(":：").rstrip().casefold() in _TOTALS
