"""What marks a file of bad rows, whatever its format, and how its values are kept from being run as formulas.

Who writes such a file and who reads it again both ask here, so that what is read is what was in the first file.
"""

from __future__ import annotations

import re
from typing import Final

REPORT_COLUMNS: Final = ("row", "column", "code", "message")
"""What a file of bad rows has at its end; a table that ends with exactly these is one, and they are not read."""

BAD_ROWS: Final = "bad_rows_of_an_import"
"""What a table tells of itself, as true, if it is such a file: a part of what was sent first."""

# What a spreadsheet takes for the start of a formula, also in full width, or leaves out before one. A plain number
# such as -5 is none. Source: OWASP, CSV Injection.
_FORMULA: Final = frozenset("=+-@\t\r\n＝＋－＠")
_NUMBER: Final = re.compile(r"[+-][0-9]+([.,][0-9]+)?", re.ASCII)
_GUARD: Final = "'"
_GUARDED: Final = _FORMULA | {_GUARD}


def own_names(names: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
    """The columns of a header without the report's own, as they were named; and whether it is a file of bad rows.

    Where it is one, its values are to be read with ``unguarded``.
    """
    if len(names) <= len(REPORT_COLUMNS) or names[-len(REPORT_COLUMNS) :] != REPORT_COLUMNS:
        return names, False
    return tuple(map(unguarded, names[: -len(REPORT_COLUMNS)])), True


def guarded(value: str) -> str:
    """The value as a file of bad rows has it: with an apostrophe before what a spreadsheet would take for a formula.

    Also before an apostrophe, so that ``unguarded`` gives back every value.
    """
    return _GUARD + value if value[:1] in _GUARDED and value and not _NUMBER.fullmatch(value) else value


def guarded_remark(text: str) -> str:
    """A remark of the report, which nobody reads back: an apostrophe at its start is left alone."""
    return _GUARD + text if text[:1] in _FORMULA and text else text


def unguarded(value: str) -> str:
    """What ``guarded`` was given; a value that nobody guarded, such as one typed in since, as it is."""
    return value[1:] if value[:1] == _GUARD and value[1:2] in _GUARDED and len(value) > 1 else value
