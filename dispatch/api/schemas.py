"""What may be sent: shapes, limits, and what each field means. Unknown fields are refused."""

import re
import unicodedata
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)

from dispatch.domain import stores as limits
from dispatch.domain.orders import DeclineReason, Status
from dispatch.domain.question import Strategy
from geo.datums import Datum
from geo.travel import Mode

MAX_LINES: Final = 200
MAX_ALTERNATIVES: Final = 20
MAX_STORES_NAMED: Final = 1_000
MAX_QUOTES: Final = 1_000
MAX_ORDERS: Final = 500
MAX_ITEMS: Final = 20_000
MAX_ZONE_CHARS: Final = 1_000_000
MAX_LABEL_CHARS: Final = 64
HOLD_S: Final = 900
MAX_HOLD_S: Final = 3600
ORDER_ID: Final = r"^[A-Za-z0-9][A-Za-z0-9._:\-]{0,63}$"
# Beside a factory: a list that is the default itself is copied for each request, the slow way.
_DEFAULT_NONE: Final[dict[str, Any]] = {"default": []}
_STEPS_OF_ADDRESSES: Final = (".", "..", "nearby")
_RFC_3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def plain(text: str) -> str:
    """Text that a database can hold and a log can show."""
    if not text.isprintable() and any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        raise ValueError("holds a control character")
    return text


def _printable(text: str) -> str:
    """As ids in files are: nothing that cannot be seen."""
    if not text.isprintable():
        raise ValueError("holds a character that cannot be printed")
    if text != text.strip():
        raise ValueError("may not begin or end with white space")
    return text


def _one_step(text: str) -> str:
    """An id that stands between two slashes of an address, and there is not taken for something else."""
    if "/" in text:
        raise ValueError("may not hold a slash")
    if text in _STEPS_OF_ADDRESSES:
        raise ValueError(f"may not be one of {', '.join(_STEPS_OF_ADDRESSES)}")
    return text


def _rfc3339(value: object) -> object:
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise ValueError("is not a time with date and offset such as 2026-11-21T22:00:00+08:00")
    return value


def _zone_shaped(value: object) -> object:
    if isinstance(value, str) and len(value) > MAX_ZONE_CHARS:
        raise ValueError(f"is longer than {MAX_ZONE_CHARS} characters")
    if value is not None and not isinstance(value, str | dict):
        raise ValueError("is neither WKT nor GeoJSON")
    return value


type Sku = Annotated[str, Field(min_length=1, max_length=limits.MAX_SKU_CHARS), AfterValidator(_printable)]
type StoreId = Annotated[
    str,
    Field(min_length=1, max_length=limits.MAX_STORE_ID_CHARS),
    AfterValidator(_printable),
    AfterValidator(_one_step),
]
type OrderId = Annotated[str, Field(pattern=ORDER_ID)]
type Partner = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_printable), AfterValidator(_one_step)]
type Moment = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_rfc3339)]
type Zone = Annotated[
    Any,
    AfterValidator(_zone_shaped),
    WithJsonSchema({"anyOf": [{"type": "string", "maxLength": MAX_ZONE_CHARS}, {"type": "object"}, {"type": "null"}]}),
]
type Text = Annotated[str, Field(max_length=limits.MAX_TEXT_CHARS), AfterValidator(plain)]
type Label = Annotated[str, Field(min_length=1, max_length=MAX_LABEL_CHARS), AfterValidator(plain)]
type Seconds = Annotated[int, Field(ge=0, le=limits.MAX_DURATION_S)]


class Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class PlaceIn(Sent):
    """Degrees, in the datum of the request."""

    lat: float
    lon: float


class LineIn(Sent):
    """So many of a sku; lines of one sku are summed."""

    sku: Sku
    quantity: int = Field(ge=1, le=limits.MAX_QUANTITY)


class _Wanted(Sent):
    """What quotes and orders have in common."""

    destination: PlaceIn
    datum: Datum = Datum.WGS84
    promise_minutes: int = Field(60, ge=5, le=240)
    strategy: Strategy = Strategy.NEAREST
    mode: Mode | None = None
    alternatives: int = Field(0, ge=0, le=MAX_ALTERNATIVES)
    explain: bool = False
    exclude_stores: list[StoreId] = Field(
        default_factory=list, max_length=MAX_STORES_NAMED, json_schema_extra=_DEFAULT_NONE
    )
    only_stores: list[StoreId] = Field(
        default_factory=list,
        max_length=MAX_STORES_NAMED,
        description="If not empty, all other stores are excluded",
        json_schema_extra=_DEFAULT_NONE,
    )
    channel: Label | None = None
    campaign: Label | None = None


class QuoteIn(_Wanted):
    """Who can bring this, from where, until when?"""

    lines: list[LineIn] = Field(min_length=1, max_length=MAX_LINES)
    at: Moment | None = Field(None, description="The start of the work; default now")


class OrderLineIn(LineIn):
    """A line, and what one piece of it may cost, in minor units of the store's currency."""

    max_price: int | None = Field(None, ge=0, le=limits.MAX_PRICE_MINOR)


class CustomerIn(Sent):
    """Whom it is brought to; told to the store and the courier alone."""

    name: Text | None = None
    phone: Text | None = None
    address: Text | None = None
    note: Text | None = None


class OrderIn(_Wanted):
    """Bring this, from wherever it can be brought in time, and hold it for me."""

    lines: list[OrderLineIn] = Field(min_length=1, max_length=MAX_LINES)
    customer: CustomerIn | None = None
    hold_s: int = Field(
        HOLD_S, ge=0, le=MAX_HOLD_S, description="How long it is held unconfirmed; 0: confirmed at once"
    )


class OrderOfBatchIn(OrderIn):
    """An order with its id."""

    order_id: OrderId


class OrdersIn(Sent):
    """Up to 500 orders, each placed or refused on its own, first come first served."""

    orders: list[OrderOfBatchIn] = Field(max_length=MAX_ORDERS)
    assignment: Literal["greedy", "joint"] = Field("greedy", description="joint: not built yet")


class ActionIn(Sent):
    """What every action takes."""

    datum: Datum = Field(Datum.WGS84, description="What the places of the answer refer to")


class NothingIn(ActionIn):
    """Nothing that must be said: an empty object, or no body at all, will do."""


class TicketIn(Sent):
    """Whose events the ticket is for: a store's, an order's, or all."""

    store_id: StoreId | None = None
    order_id: OrderId | None = None


class AttemptIn(ActionIn):
    """Which attempt is meant: with each store that an order goes to, it is one more."""

    attempt: int = Field(ge=1, le=1_000_000)


class DeclineIn(AttemptIn):
    """Why the store does not take it; of ``out_of_stock``, which skus it has not (none named: all lines)."""

    reason: DeclineReason
    skus: list[Sku] = Field(default=[], max_length=MAX_LINES)


class ReassignIn(AttemptIn):
    """To that store, or to the next best other one."""

    store_id: StoreId | None = None


class QuotesIn(Sent):
    """Up to 1,000 quotes, each answered on its own."""

    quotes: list[QuoteIn] = Field(max_length=MAX_QUOTES)


class StoreIn(Sent):
    """The whole store; what is absent is not said, and takes the setting's default."""

    lat: float
    lon: float
    datum: Datum = Datum.WGS84
    name: Text | None = None
    brand: Text | None = None
    partner: Partner = limits.DEFAULT_PARTNER
    region: Text | None = None
    address: Text | None = None
    phone: Text | None = None
    timezone: Label | None = Field(None, description="IANA name; default: that of the place")
    opening_hours: Text | None = Field(None, description="OpenStreetMap syntax; none: taken as open")
    delivery_radius_m: float | None = Field(None, gt=0, le=limits.MAX_DELIVERY_RADIUS_M)
    delivery_zone: Zone = Field(None, description="WKT or GeoJSON polygon or multipolygon, in the datum of the request")
    mode: Mode | None = None
    prepare_s: Seconds | None = None
    prepare_line_s: Seconds | None = None
    queue_per_order_s: Seconds | None = None
    courier_s: Seconds | None = None
    handover_s: Seconds | None = None
    max_open_orders: int | None = Field(None, ge=0, le=limits.MAX_OPEN_ORDERS)
    active: bool = True


class ShelfItemIn(Sent):
    """A count of one sku. Absent ``price`` or ``safety_stock`` keeps what was, null clears it."""

    sku: Sku
    on_hand: int = Field(ge=0, le=limits.MAX_ON_HAND)
    price: int | None = Field(None, ge=0, le=limits.MAX_PRICE_MINOR, description="Minor units of currency")
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None
    safety_stock: int | None = Field(None, ge=0, le=limits.MAX_ON_HAND)


class ShelfIn(Sent):
    """Counts of one store's shelf."""

    items: list[ShelfItemIn] = Field(max_length=MAX_ITEMS)
    as_of: Moment | None = Field(None, description="When it was counted; default now")


class Asked(BaseModel):
    """Query parameters; texts of the URL, so numbers are read from text."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NearbyIn(Asked):
    lat: float
    lon: float
    datum: Datum = Datum.WGS84
    radius_m: float = Field(3000.0, gt=0, le=50_000)
    limit: int = Field(20, ge=1, le=200)
    cursor: str | None = Field(None, max_length=512)
    open_now: bool = Field(False, description="true: only open stores")
    delivers_here: bool = Field(False, description="true: only stores that deliver to this place")
    brand: Text | None = None
    sku: list[Sku] = Field(default=[], max_length=50, description="Repeatable; only stores that have all")
    fields: list[Text] = Field(default=[], max_length=50, description="Repeatable or comma-separated; default all")


class StoreAsked(Asked):
    datum: Datum = Datum.WGS84


class DeleteAsked(Asked):
    reassign: bool = Field(False, description="true: orders that are not yet ready move to other stores")


class NothingAsked(Asked):
    """No parameter at all."""


class StockAsked(Asked):
    sku: list[Sku] = Field(default=[], max_length=1_000, description="Repeatable; none: all")


class ReplicaAsked(Asked):
    cell: str | None = Field(
        None, pattern="^[0-9a-f]{1,15}$", description="Of this cell alone, hexadecimal; none: of all that are held"
    )


class OrderAsked(Asked):
    datum: Datum = Datum.WGS84


class OrdersAsked(Asked):
    store_id: StoreId | None = None
    status: Status | None = None
    since: Annotated[AwareDatetime, BeforeValidator(_rfc3339)] | None = None
    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, max_length=512)
    datum: Datum = Datum.WGS84


class EventsAsked(Asked):
    after: str | None = Field(
        None, max_length=65_536, description="What the last answer said; latest: none but what comes; none: all"
    )
    limit: int = Field(500, ge=1, le=5_000, description="About so many: what one commit wrote stays together")
    store_id: StoreId | None = Field(None, description="Only what concerns this store")
    order_id: OrderId | None = Field(None, description="Only of this order")


class StreamAsked(Asked):
    after: str | None = Field(
        None, max_length=65_536, description="Where to go on, unless Last-Event-ID says so; none or latest: from now on"
    )
    ticket: str | None = Field(None, max_length=64, description="Of POST /v1/events/tickets, instead of a key")
    store_id: StoreId | None = Field(None, description="Only what concerns this store")
    order_id: OrderId | None = Field(None, description="Only of this order")


class ImportAsked(Asked):
    filename: Text | None = None
    dry_run: bool = False
    mode: Literal["merge", "replace", "snapshot", "partial"] | None = Field(
        None, description="stores, items: merge (default) or replace; stock: partial (default) or snapshot"
    )
    datum: Datum | None = None
    as_of: str | None = Field(None, max_length=64, description="RFC 3339, or now")
    partner: Partner = limits.DEFAULT_PARTNER
    timezone: Label | None = None
    country: Label | None = None
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None
    encoding: Label | None = None
    sheet: Text | None = Field(None, description="Of a workbook: the name of the sheet; none: the first that is shown")
    profile: Label | None = Field(None, description="The format by name; none: recognised")
    force: bool = Field(False, description="Apply although a guard would refuse it")
    id_from: list[Text] = Field(default=[], max_length=20, description="Repeatable or comma-separated")
    map: list[Text] = Field(default=[], max_length=100, description="Repeatable: column=field")


class ImportsAsked(Asked):
    kind: Literal["stores", "stock", "items"] | None = None
    partner: Partner | None = Field(None, description="Who sent it")
    status: Literal["running", "done", "failed", "undone"] | None = None
    since: Annotated[AwareDatetime, BeforeValidator(_rfc3339)] | None = Field(None, description="Begun then or later")
    limit: int = Field(20, ge=1, le=200)
    cursor: str | None = Field(None, max_length=512)


class ImportChangesAsked(Asked):
    datum: Datum = Datum.WGS84


class UploadsAsked(Asked):
    limit: int = Field(100, ge=1, le=500)
    cursor: str | None = Field(None, max_length=512)


class LateStoresAsked(Asked):
    limit: int = Field(100, ge=1, le=1_000)
    cursor: str | None = Field(None, max_length=512)
