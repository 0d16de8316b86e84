"""Records of feeds made flat: objects in objects become columns with dots in their names, values become text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from dispatch.ingest.formats.headers import MAX_COLUMNS
from dispatch.ingest.formats.lines import MAX_CELL_CHARS
from dispatch.ingest.problems import FileProblem, RowProblem
from dispatch.ingest.tables import RawRow

MAX_COLUMN_DEPTH: Final = 6
"""How many names a column's name is made of at most; what lies deeper is left out."""

MAX_DEPTH: Final = 100
"""How deep a feed may be nested before it is refused."""

MAX_NAME_CHARS: Final = 1000
BETWEEN_VALUES: Final = ";"

# Excel and doubles keep fifteen digits: of a larger number with an exponent the last digits are made up.
_KEPT_DIGITS: Final = 15
_MIN_EXPONENT: Final = -40


class KeyTwice(dict[str, object]):
    """An object of JSON that remembers that one of its keys came twice; the later value stands."""

    twice: str | None = None

    def __setitem__(self, key: str, value: object) -> None:
        if key in self:
            self.twice = key
        super().__setitem__(key, value)


class Fault(NamedTuple):
    """What is wrong with a record, before its columns are known."""

    column: str | None
    code: str
    message: str


class Flat(NamedTuple):
    """A record as text by column, in its order; with a fault it is no row."""

    values: Mapping[str, str]
    fault: Fault | None = None


type Flattening = Callable[[object], Flat]


def flat_of(record: object) -> Flat:
    """The record of JSON as text.

    null is the text ``null``, lists of plain values are joined by ``;``; lists of objects and what lies too deep are
    left out. What is no object, or has a key twice, has a fault.
    """
    if not isinstance(record, dict):
        shown = scalar_text(record)[:40] if _is_scalar(record) else "a list"
        return Flat({}, Fault(None, "record_invalid", f"the record is {shown!r}, not an object"))
    values: dict[str, str] = {}
    twice = _flatten(record, values, "", 1)
    if twice is None:
        return Flat(values)
    return Flat(values, Fault(twice, "key_twice", f"the key {twice!r} comes twice in one object"))


def _flatten(record: Mapping[str, object], values: dict[str, str], prefix: str, depth: int) -> str | None:
    """Add the values of the object; a name that came twice is returned."""
    twice = prefix + record.twice if isinstance(record, KeyTwice) and record.twice is not None else None
    for key, value in record.items():
        name = prefix + _cleaned(key)
        if isinstance(value, dict):
            if depth < MAX_COLUMN_DEPTH:
                twice = _flatten(value, values, f"{name}.", depth + 1) or twice
            continue
        if isinstance(value, list):
            if not all(map(_is_scalar, value)):
                continue
            text = BETWEEN_VALUES.join(map(scalar_text, value))
        else:
            text = scalar_text(value)
        if name in values:
            twice = name
        values[name] = text
    return twice


@lru_cache(maxsize=4096)
def _cleaned(key: str) -> str:
    """The key with its white space made single, as names of a header are."""
    return " ".join(key.split())


def _is_scalar(value: object) -> bool:
    return not isinstance(value, (dict, list))


def scalar_text(value: object) -> str:
    """A plain value of JSON as a file of text would have it: numbers without an exponent, whole ones without point."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return decimal_text(value) if isinstance(value, Decimal) else str(value)


def decimal_text(value: Decimal) -> str:
    """The number without an exponent; ids that have lost their digits to one keep it, so that they are seen."""
    digits = str(value)
    if "E" in digits and not _MIN_EXPONENT < value.adjusted() < _KEPT_DIGITS:
        return digits
    whole = value.to_integral_value()
    return f"{whole:f}" if whole == value else f"{value:f}"


class Columns:
    """The names of a feed's columns in order of appearance."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def add(self, names: Iterable[str]) -> None:
        """Take the names of a record. Raises FileProblem ``too_many_columns``."""
        for name in names:
            if name not in self._names:
                self._names[name] = None
                if len(name) > MAX_NAME_CHARS:
                    message = f"the key {name[:40]!r}… is longer than {MAX_NAME_CHARS} characters"
                    raise FileProblem("too_many_columns", message)
        if len(self._names) > MAX_COLUMNS:
            raise FileProblem("too_many_columns", f"the records have more than {MAX_COLUMNS} different keys")

    def names(self) -> tuple[str, ...]:
        return tuple(self._names)


def row_of(row_no: int, flat: Flat, columns: tuple[str, ...]) -> RawRow | RowProblem:
    """The record as a row of these columns, or what is wrong with it."""
    get = flat.values.get
    return checked(row_no, [get(name, "") for name in columns], columns, flat.fault)


def checked(row_no: int, cells: list[str], columns: tuple[str, ...], fault: Fault | None = None) -> RawRow | RowProblem:
    """The values as a row, unless a value is none: too long, or with a NUL in it."""
    for index, cell in enumerate(cells):
        if len(cell) > MAX_CELL_CHARS:
            message = f"a value is longer than {MAX_CELL_CHARS} characters"
            fault, cells[index] = Fault(columns[index], "cell_too_long", message), f"{cell[:200]}…"
        elif "\0" in cell:
            fault = Fault(columns[index], "nul_in_row", "the row holds a NUL character")
    return RawRow(row_no, cells) if fault is None else RowProblem(row_no, *fault, tuple(cells))
