"""Single values of a file: text in, the field's own type out, or BadValueError with the code of what is wrong."""

from __future__ import annotations

import re
import unicodedata
import zoneinfo
from decimal import ROUND_FLOOR, Decimal
from functools import cache
from typing import Final, final

from iso4217 import Currency

from dispatch.domain.stores import MAX_TEXT_CHARS
from dispatch.ingest.spreadsheets import as_typed

NOTHING: Final = frozenset({"", "nan", "null", "n/a", "#n/a"})
"""What tables write (casefolded) where there is no value."""

_PADDING: Final = " \t\r\n\v\f\u00a0\u3000\u200b\ufeff"
_MAX_NUMBER_CHARS: Final = 40
_PLAIN: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)")
_FLOAT: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_THOUSANDS: Final = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?")
_DECIMAL_COMMA: Final = re.compile(r"[+-]?[0-9]+,[0-9]+")
_FLAGS: Final = {
    **dict.fromkeys(("true", "t", "1", "yes", "y", "on", "是", "启用", "啟用"), True),
    **dict.fromkeys(("false", "f", "0", "no", "n", "off", "否", "停用"), False),
}


@final
class BadValueError(Exception):
    """A value that the field cannot be; ``code`` is one of ROW_CODES, the message is for the file's owner.

    ``column`` is the one to blame where the value was computed from several; ``candidates`` are all that an ambiguous
    value can mean.
    """

    def __init__(self, code: str, message: str, column: str | None = None, *, candidates: tuple[str, ...] = ()) -> None:
        super().__init__(code, message, column)
        self.code = code
        self.message = message
        self.column = column
        self.candidates = candidates


class Unreadable(str):
    """What stands in a computed column where the profile could make no value: the text, and why it is refused.

    It equals nothing else: where what was made of a text is remembered, a good one that reads the same is another.
    """

    _why: tuple[str, str, str | None]

    def __new__(cls, text: str, why: BadValueError) -> Unreadable:
        made = super().__new__(cls, text)
        made._why = (why.code, why.message, why.column)
        return made

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def refusal(self) -> BadValueError:
        return BadValueError(*self._why)


def trimmed(text: str) -> str:
    """The text without white space at its ends, ideographic and zero-width spaces and stray marks included."""
    return text.strip(_PADDING)


def shown(text: str) -> str:
    """The value as a message quotes it: short, and safe to print."""
    return repr(text if len(text) <= 40 else text[:39] + "…")


def text_of(text: str) -> str | None:
    """One line of text, runs of white space made one space; None where the table says nothing.

    Raises BadValueError ``text_invalid``, ``text_too_long``.
    """
    line = " ".join(trimmed(text).split())
    if line.casefold() in NOTHING:
        return None
    if not line.isprintable() and _has_control(line):
        raise BadValueError("text_invalid", f"{shown(line)} holds control characters")
    if len(line) > MAX_TEXT_CHARS:
        raise BadValueError("text_too_long", f"{len(line)} characters, more than {MAX_TEXT_CHARS}")
    return line


def identifier_of(text: str, *, field: str, max_chars: int, slash: bool = False) -> str:
    """An id as it was typed, leading zeros kept, what a spreadsheet made of it undone where it can be.

    Raises BadValueError ``{field}_missing``, ``{field}_invalid``, ``{field}_lost_in_excel``.
    Printable characters of any script, spaces inside allowed; no slash where the id stands in a path.
    """
    value = as_typed(trimmed(text))
    if value is None:
        message = f"{shown(text)} has lost its digits in a spreadsheet; format the column as text and export again"
        raise BadValueError(f"{field}_lost_in_excel", message)
    if not value:
        raise BadValueError(f"{field}_missing", f"no {field}")
    if len(value) > max_chars:
        raise BadValueError(f"{field}_invalid", f"{len(value)} characters, more than {max_chars}")
    if value.casefold() in NOTHING or not value.isprintable() or ("/" in value and not slash):
        wanted = "printable text" if slash else "printable text without a slash"
        raise BadValueError(f"{field}_invalid", f"{shown(value)} is not {wanted}")
    return value


def decimal_of(text: str, *, decimal_comma: bool) -> Decimal:
    """A plain decimal number; full-width digits count, and thousands separators where they cannot be mistaken.

    Who parts columns with the comma writes decimals with a point, so there 1,200 is 1200. Elsewhere one comma before
    three digits may be either. Raises BadValueError ``number_invalid``, ``number_ambiguous``.
    """
    value = _number_text(text)
    if _PLAIN.fullmatch(value):
        return Decimal(value)
    if "," in value:
        if _THOUSANDS.fullmatch(value) and (not decimal_comma or value.count(",") > 1 or "." in value):
            return Decimal(value.replace(",", ""))
        if decimal_comma and _DECIMAL_COMMA.fullmatch(value) and not _THOUSANDS.fullmatch(value):
            return Decimal(value.replace(",", "."))
        if _THOUSANDS.fullmatch(value):
            raise BadValueError("number_ambiguous", f"{shown(text)} may be thousands or decimals; leave the comma out")
    raise BadValueError("number_invalid", f"{shown(text)} is not a plain decimal number")


def degrees_of(text: str, *, decimal_comma: bool) -> float:
    """A coordinate in degrees. Raises BadValueError ``number_invalid``.

    Thousands cannot be meant here, so 25,033 is a decimal wherever the comma does not part the columns.
    """
    value = _number_text(text)
    if decimal_comma and _DECIMAL_COMMA.fullmatch(value):
        value = value.replace(",", ".")
    if not _FLOAT.fullmatch(value):
        raise BadValueError("number_invalid", f"{shown(text)} is not a number of degrees")
    return float(value)


def whole_of(text: str, *, low: int, high: int, decimal_comma: bool) -> int:
    """A whole number from low to high; 5.0 is one. Raises BadValueError ``number_invalid``, ``number_out_of_range``."""
    value = decimal_of(text, decimal_comma=decimal_comma)
    if value != value.to_integral_value():
        raise BadValueError("number_invalid", f"{shown(text)} is not a whole number")
    if not low <= value <= high:
        raise BadValueError("number_out_of_range", f"{shown(text)} is not from {low} to {high}")
    return int(value)


def floor_of(value: Decimal) -> int:
    """The largest whole number that is not above the value."""
    return int(value.to_integral_value(rounding=ROUND_FLOOR))


def flag_of(text: str) -> bool:
    """Yes or no. Raises BadValueError ``flag_invalid``."""
    flag = _FLAGS.get(unicodedata.normalize("NFKC", trimmed(text)).casefold())
    if flag is None:
        raise BadValueError("flag_invalid", f"{shown(text)} is not one of true, false, yes, no, y, n, 1, 0")
    return flag


def timezone_name(text: str) -> str:
    """An IANA time zone, spelt as IANA does. Raises BadValueError ``timezone_invalid``."""
    name = trimmed(text)
    if name not in _timezones():
        raise BadValueError("timezone_invalid", f"{shown(name)} is no IANA time zone such as Asia/Taipei")
    return name


def currency_of(text: str) -> tuple[str, int]:
    """The currency's code and how many decimals it has. Source: ISO 4217. Raises BadValueError ``currency_unknown``."""
    code = unicodedata.normalize("NFKC", trimmed(text)).upper()
    decimals = _decimals_by_currency().get(code)
    if decimals is None:
        raise BadValueError("currency_unknown", f"{shown(text)} is no currency of ISO 4217 with minor units")
    return code, decimals


@cache
def _timezones() -> frozenset[str]:
    # Both are files in the time zone directory and no zones: one is whatever the server is set to.
    return frozenset(zoneinfo.available_timezones() - {"localtime", "Factory"})


@cache
def _decimals_by_currency() -> dict[str, int]:
    return {currency.code: currency.exponent for currency in Currency if currency.exponent is not None}


def _number_text(text: str) -> str:
    if len(text) > _MAX_NUMBER_CHARS:
        raise BadValueError("number_invalid", f"{shown(text)} is too long for a number")
    if text.isascii():
        return text.strip()
    return unicodedata.normalize("NFKC", trimmed(text)).strip().replace("\u2212", "-")


def _has_control(text: str) -> bool:
    return any(unicodedata.category(char) in ("Cc", "Cs") for char in text)
