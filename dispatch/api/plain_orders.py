"""Orders as nearly all are sent, read by msgspec as plain quotes are (dispatch/api/plain_quotes.py).

An order that was sent before is known by what it says, so both ways of reading it must lead to the same ``content_of``.
"""

from typing import Annotated, ClassVar, Final

import msgspec
from msgspec import Meta

from dispatch.api.bodies import parsed
from dispatch.api.plain_quotes import PlainLine, PlainPlace, are_printable
from dispatch.api.schemas import HOLD_S, MAX_HOLD_S, MAX_LABEL_CHARS, MAX_LINES, OrderIn
from dispatch.domain.question import Strategy
from dispatch.domain.stores import MAX_PRICE_MINOR, MAX_TEXT_CHARS
from geo.datums import Datum
from geo.travel import Mode

type _Text = Annotated[str, Meta(max_length=MAX_TEXT_CHARS)] | None
type _Label = Annotated[str, Meta(min_length=1, max_length=MAX_LABEL_CHARS)] | None


class _Line(PlainLine, omit_defaults=True):
    max_price: Annotated[int, Meta(ge=0, le=MAX_PRICE_MINOR)] | None = None


class _Customer(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    name: _Text = None
    phone: _Text = None
    address: _Text = None
    note: _Text = None


class PlainOrder(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """An order that names no stores and asks for no explanation; the same limits as OrderIn's, in the same order."""

    exclude_stores: ClassVar[tuple[str, ...]] = ()
    only_stores: ClassVar[tuple[str, ...]] = ()
    explain: ClassVar[bool] = False

    destination: PlainPlace
    datum: Datum = Datum.WGS84
    promise_minutes: Annotated[int, Meta(ge=5, le=240)] = 60
    strategy: Strategy = Strategy.NEAREST
    mode: Mode | None = None
    channel: _Label = None
    campaign: _Label = None
    lines: Annotated[list[_Line], Meta(min_length=1, max_length=MAX_LINES)]
    customer: _Customer | None = None
    hold_s: Annotated[int, Meta(ge=0, le=MAX_HOLD_S)] = HOLD_S

    def __post_init__(self) -> None:
        # What is left out of the JSON is the default itself, and an equal number of this size is another object.
        if self.hold_s == HOLD_S:
            self.hold_s = HOLD_S


_decode: Final = msgspec.json.Decoder(PlainOrder).decode
_json: Final = msgspec.json.Encoder().encode


def read_order(body: bytes) -> PlainOrder | OrderIn:
    """The order. Raises Problem 400 for what is not JSON, 422 for what does not fit."""
    try:
        plain = _decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return parsed(OrderIn, body)
    return plain if _is_printable(plain) else parsed(OrderIn, body)


def _is_printable(order: PlainOrder) -> bool:
    customer = order.customer
    texts = [order.channel, order.campaign]
    if customer is not None:
        texts += [customer.name, customer.phone, customer.address, customer.note]
    return are_printable(order.lines) and all(text is None or text.isprintable() for text in texts)


def content_of(order: PlainOrder | OrderIn) -> bytes:
    """What the order says but for what it leaves to the defaults: by this a request that is sent again is known."""
    if isinstance(order, PlainOrder):
        return _json(order)
    excluded = {"explain", "alternatives", "order_id"}
    return _json(order.model_dump(mode="json", exclude_defaults=True, exclude=excluded))


def customer_of(order: PlainOrder | OrderIn) -> str | None:
    """Whom it is for, as JSON."""
    if order.customer is None:
        return None
    if isinstance(order, PlainOrder):
        return _json(order.customer).decode()
    return _json(order.customer.model_dump(exclude_none=True)).decode()
