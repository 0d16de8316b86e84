"""Quotes as nearly all are asked, read by msgspec in a fifth of the time that pydantic takes.

Whatever msgspec will not have, wrong or merely unusual, pydantic reads: it knows all fields, and says what is wrong.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, ClassVar, Final

import msgspec
from msgspec import Meta

from dispatch.api.bodies import parsed
from dispatch.api.schemas import MAX_ALTERNATIVES, MAX_LINES, QuoteIn
from dispatch.domain.question import Strategy
from dispatch.domain.stores import MAX_QUANTITY, MAX_SKU_CHARS
from geo.datums import Datum
from geo.travel import Mode


class PlainPlace(msgspec.Struct, forbid_unknown_fields=True):
    lat: float
    lon: float


class PlainLine(msgspec.Struct, forbid_unknown_fields=True):
    sku: Annotated[str, Meta(min_length=1, max_length=MAX_SKU_CHARS)]
    quantity: Annotated[int, Meta(ge=1, le=MAX_QUANTITY)]


class PlainQuote(msgspec.Struct, forbid_unknown_fields=True):
    """A quote that names no stores, no time and no channel; the same limits as QuoteIn's."""

    exclude_stores: ClassVar[tuple[str, ...]] = ()
    only_stores: ClassVar[tuple[str, ...]] = ()
    at: ClassVar[datetime | None] = None

    destination: PlainPlace
    lines: Annotated[list[PlainLine], Meta(min_length=1, max_length=MAX_LINES)]
    datum: Datum = Datum.WGS84
    promise_minutes: Annotated[int, Meta(ge=5, le=240)] = 60
    strategy: Strategy = Strategy.NEAREST
    mode: Mode | None = None
    alternatives: Annotated[int, Meta(ge=0, le=MAX_ALTERNATIVES)] = 0
    explain: bool = False


_decode: Final = msgspec.json.Decoder(PlainQuote).decode


def read_quote(body: bytes | msgspec.Raw) -> PlainQuote | QuoteIn:
    """The quote. Raises Problem 400 for what is not JSON, 422 for what does not fit."""
    try:
        plain = _decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return parsed(QuoteIn, bytes(body))
    return plain if are_printable(plain.lines) else parsed(QuoteIn, bytes(body))


def are_printable(lines: Iterable[PlainLine]) -> bool:
    """Whether the skus are such as can be seen, from end to end."""
    for line in lines:
        sku = line.sku
        if not sku.isprintable() or sku != sku.strip():
            return False
    return True
