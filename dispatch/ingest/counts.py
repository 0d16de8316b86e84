"""The values of a row of stock: quantities, prices in minor units, safety stock, the moment of the count.

Each function takes what the file and the import say and gives a parser of one value; the parsers raise BadValueError.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

from dispatch.domain.stores import KEEP, MAX_ON_HAND, MAX_PRICE_MINOR, Keep
from dispatch.ingest.moments import Moment, moment_of, resolved
from dispatch.ingest.values import (
    NOTHING,
    BadValueError,
    Unreadable,
    currency_of,
    decimal_of,
    floor_of,
    shown,
    trimmed,
    whole_of,
)

_CLEAR: Final = "null"


class Price(NamedTuple):
    """Minor units and their currency. KEEP: the file says nothing; None: it says there is no price any more."""

    minor: int | Keep | None
    currency: str | None


def on_hand_reading(*, decimal_comma: bool, units: int = 1) -> Callable[[str], tuple[int, str | None]]:
    """Parser of a quantity of ``units`` each: the pieces, and the code of the warning if they are no whole number."""

    def parse(text: str) -> tuple[int, str | None]:
        if isinstance(text, Unreadable):
            raise text.refusal()
        if trimmed(text).casefold() in ("", _CLEAR):
            raise BadValueError("on_hand_missing", "no quantity on hand")
        quantity = decimal_of(text, decimal_comma=decimal_comma) * units
        if quantity > MAX_ON_HAND:
            raise BadValueError("number_out_of_range", f"{_times(text, units)} is more than {MAX_ON_HAND}")
        if quantity < 0:
            return 0, "negative_to_zero"
        whole = floor_of(quantity)
        return whole, None if whole == quantity else "fraction_rounded_down"

    return parse


def price_reading(currency: str, default: str | None, *, decimal_comma: bool) -> Callable[[str], Price]:
    """Parser of a price in major units of the row's currency, else of the default.

    Empty keeps what was, ``null`` clears it; neither asks for a currency.
    """

    def parse(text: str) -> Price:
        value = trimmed(text)
        if not value:
            return PRICE_KEPT
        if value.casefold() == _CLEAR:
            return _CLEARED
        wanted = default if trimmed(currency).casefold() in NOTHING else trimmed(currency)
        if not wanted:
            raise BadValueError("currency_required", "a price needs a currency: a column, or given with the import")
        code, decimals = currency_of(wanted)
        major = decimal_of(value, decimal_comma=decimal_comma)
        minor = major.scaleb(decimals)
        if minor != minor.to_integral_value():
            raise BadValueError("price_too_precise", f"{shown(text)} has more than the {decimals} decimals of {code}")
        if not 0 <= minor <= MAX_PRICE_MINOR:
            raise BadValueError("number_out_of_range", f"{shown(text)} is not from 0 to {MAX_PRICE_MINOR} minor units")
        return Price(int(minor), code)

    return parse


def safety_reading(*, decimal_comma: bool, units: int = 1) -> Callable[[str], int | Keep | None]:
    """Parser of a safety stock of ``units`` each, in pieces: empty keeps what was, ``null`` clears it."""

    def parse(text: str) -> int | Keep | None:
        value = trimmed(text)
        if not value:
            return KEEP
        if value.casefold() == _CLEAR:
            return None
        return units * whole_of(value, low=0, high=MAX_ON_HAND // units, decimal_comma=decimal_comma)

    return parse


def as_of_reading(timezone: str, *, default: datetime | None, now: datetime) -> Callable[[str], Moment]:
    """Parser of the moment of a count; empty means the default."""

    def parse(text: str) -> Moment:
        if trimmed(text).casefold() not in NOTHING:
            return moment_of(text, timezone=timezone, now=now)
        if default is None:
            raise BadValueError("as_of_missing", "no moment of the count, and none was given with the import")
        return resolved(default, timezone=timezone, now=now)

    return parse


def _times(text: str, units: int) -> str:
    return shown(text) if units == 1 else f"{shown(text)} × {units}"


PRICE_KEPT: Final = Price(KEEP, None)
_CLEARED: Final = Price(None, None)
