"""What spreadsheets do to codes: undone where every digit is still there, told where some are gone."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Final

DIGITS_KEPT: Final = 15
"""A spreadsheet keeps so many digits of a number; what it shows beyond them are zeros of its own."""

DIGITS_SHOWN: Final = 6
"""In a narrow cell a spreadsheet rounds what it shows to so many digits; so does C's ``%g``."""

_PROTECTED: Final = re.compile(r"""="([^"]*)"|'([0-9].*)""")
_FULL_WIDTH: Final = {ord("０") + digit: ord("0") + digit for digit in range(10)}
_WITH_FRACTION: Final = re.compile(r"([0-9]+)\.0+")
_SCIENTIFIC: Final = re.compile(r"([0-9])(?:[.,]([0-9]+))?[eE]\+?([0-9]{1,3})")


def as_typed(value: str) -> str | None:
    """A trimmed code as it was before a spreadsheet took it for a number; None where it has lost digits.

    ``="0123"`` and ``'0123`` are 0123; ０１２３ is 0123; 110035.0 is 110035. 4.710018000109E+12 has all of its digits
    and is 4710018000109; 4.71E+12 has lost them, and so may have what shows DIGITS_SHOWN of them or fewer. Whatever
    else there is comes back as it is. Leading zeros that a spreadsheet left out are not seen here.
    """
    if value.isascii() and (value.isdigit() or (value.isalnum() and value[:1].isalpha())):
        return value
    if protected := _PROTECTED.fullmatch(value):
        value = (protected[1] or protected[2] or "").strip()
    if not value.isascii():
        folded = value.translate(_FULL_WIDTH)
        return folded if folded.isascii() and folded.isdigit() else value
    if number := _WITH_FRACTION.fullmatch(value):
        return number[1] if len(number[1]) <= DIGITS_KEPT else None
    if number := _SCIENTIFIC.fullmatch(value):
        return _written_out(number[1], number[2] or "", int(number[3]))
    return value


def _written_out(first: str, fraction: str, exponent: int) -> str | None:
    """The whole number that ``first.fraction`` times 10 to the exponent is, if it shows each of its digits."""
    whole = first != "0" and len(fraction) >= exponent and not fraction[exponent:].strip("0")
    return first + fraction[:exponent] if whole and DIGITS_SHOWN <= exponent < DIGITS_KEPT else None


class LeadingZeros:
    """Known codes, found by codes that differ from them in leading zeros alone.

    No index is made of the known ones, of which there may be a million: it is seen once how long those are that begin
    with a zero, and a code is then tried with as many zeros as makes it so long.
    """

    def __init__(self, *known: frozenset[str]) -> None:
        self._known = known

    def found(self, code: str) -> list[str]:
        """The known codes of digits that equal this one once leading zeros are off both, in order; none for others."""
        if not (code.isascii() and code.isdigit()):
            return []
        bare = code.lstrip("0")
        tries = {bare.zfill(length) for length in self._lengths if length > len(bare)}
        tries.add(bare)
        return sorted(set().union(*(tries & known for known in self._known)))

    @cached_property
    def _lengths(self) -> frozenset[int]:
        return frozenset().union(*({len(code) for code in known if code[:1] == "0"} for known in self._known))
