"""The lines of a text one by one, or as many at once as can be taken apart together."""

from __future__ import annotations

from typing import Final, TextIO

from dispatch.ingest.tables import RowBlock

# Below the csv module's own limit of 131,072, which is global to the process and therefore left alone.
MAX_CELL_CHARS: Final = 100_000
MAX_LINE_CHARS: Final = 1_000_000
_PIECE_CHARS: Final = 1 << 14


class Lines:
    """The lines of a text, each with its end, from where it stands. Nothing but this may read the text."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._ahead = ""
        self._at = 0
        self._singly_until = 0
        self._again: list[str] = []

    def next(self) -> str:
        """The next line, as readline(MAX_LINE_CHARS) gives it; empty at the end of the text."""
        if self._again:
            return self._again.pop()
        if (end := self._end_of_line()) < 0:
            self._read_on()
            end = self._end_of_line()
        start, self._at = self._at, self._at + MAX_LINE_CHARS if end < 0 else end + 1
        return self._ahead[start : self._at]

    def give_back(self, lines: list[str]) -> None:
        """Lines to come again, in their order, before the others."""
        self._again.extend(reversed(lines))

    def block(self, delimiter: str, width: int, *, after: int) -> RowBlock | None:
        """Take some of the next lines, as rows of ``width`` values each, numbered from ``after`` + 1.

        None where the next line is not so wide, or has a quote or NUL; where one of the lines that were read with it is
        not so wide, too. Lines of nothing but delimiters are rows here.
        """
        if self._again or self._at < self._singly_until:
            return None
        if self._end_of_line() < 0:
            self._read_on()
        text, start = self._ahead, self._at
        stop = _found(text, '"', start, len(text))
        end = text.rfind("\n", start, _found(text, "\0", start, stop)) + 1
        # What is no longer than a value may be has none that is.
        columns = _columns(text[start:end], delimiter, width) if start < end <= start + MAX_CELL_CHARS else None
        if columns is None:
            self._singly_until = end
            return None
        self._at = end
        return RowBlock(range(after + 1, after + 1 + len(columns[0])), columns)

    def _end_of_line(self) -> int:
        return self._ahead.find("\n", self._at, self._at + MAX_LINE_CHARS)

    def _read_on(self) -> None:
        """Have a whole line ahead, or as much of one as may be, or the end of the text."""
        ahead = self._ahead[self._at :]
        while len(ahead) < MAX_LINE_CHARS and (piece := self._text.read(_PIECE_CHARS)):
            ahead += piece
            if "\n" in piece:
                break
        self._ahead, self._at, self._singly_until = ahead, 0, 0


def _found(text: str, char: str, start: int, end: int) -> int:
    """Where the character is; the end where it is not."""
    at = text.find(char, start, end)
    return end if at < 0 else at


def _columns(lines: str, delimiter: str, width: int) -> list[list[str]] | None:
    """The columns of whole lines; None unless each line has so many values."""
    # Each end of a line becomes a value of its own: where all lines are as wide, it is every so many values.
    cells = lines.replace("\n", f"{delimiter}\n{delimiter}").split(delimiter)
    cells.pop()
    count = lines.count("\n")
    if cells[width :: width + 1] != ["\n"] * count:
        return None
    return [cells[index :: width + 1] for index in range(width)]
