"""What may be sent: shapes, limits, and what each field means. Unknown fields are refused."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from dispatch.domain import stores as limits
from dispatch.domain.question import Strategy
from geo.datums import Datum
from geo.travel import Mode

MAX_LINES: Final = 200
MAX_ALTERNATIVES: Final = 20
MAX_STORES_NAMED: Final = 1_000
MAX_QUOTES: Final = 1_000
MAX_ITEMS: Final = 20_000
MAX_ZONE_CHARS: Final = 1_000_000


def _plain(text: str) -> str:
    """Text that a database can hold and a log can show."""
    for char in text:
        if char < " " or char == "\x7f":
            raise ValueError("holds a control character")
    return text


def _no_slash(text: str) -> str:
    if "/" in text or text != text.strip():
        raise ValueError("may not hold a slash, nor begin or end with white space")
    return text


def _trimmed(text: str) -> str:
    if text != text.strip():
        raise ValueError("may not begin or end with white space")
    return text


type PlainText = Annotated[str, AfterValidator(_plain)]
type Sku = Annotated[
    str, Field(min_length=1, max_length=limits.MAX_SKU_CHARS), AfterValidator(_plain), AfterValidator(_trimmed)
]
type StoreId = Annotated[
    str, Field(min_length=1, max_length=limits.MAX_STORE_ID_CHARS), AfterValidator(_plain), AfterValidator(_no_slash)
]
type Text = Annotated[str, Field(max_length=limits.MAX_TEXT_CHARS), AfterValidator(_plain)]
type Label = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_plain)]
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


class QuoteIn(Sent):
    """Who can bring this, from where, until when?"""

    destination: PlaceIn
    lines: list[LineIn] = Field(min_length=1, max_length=MAX_LINES)
    datum: Datum = Datum.WGS84
    promise_minutes: int = Field(60, ge=5, le=240)
    at: AwareDatetime | None = Field(None, description="The start of the work; default now")
    strategy: Strategy = Strategy.NEAREST
    mode: Mode | None = None
    alternatives: int = Field(0, ge=0, le=MAX_ALTERNATIVES)
    explain: bool = False
    exclude_stores: list[StoreId] = Field(default=[], max_length=MAX_STORES_NAMED)
    only_stores: list[StoreId] = Field(
        default=[], max_length=MAX_STORES_NAMED, description="If not empty, all other stores are excluded"
    )
    channel: Label | None = None
    campaign: Label | None = None


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
    partner: Label = limits.DEFAULT_PARTNER
    region: Text | None = None
    address: Text | None = None
    phone: Text | None = None
    timezone: Label | None = Field(None, description="IANA name; default: that of the place")
    opening_hours: Text | None = Field(None, description="OpenStreetMap syntax; none: taken as open")
    delivery_radius_m: float | None = Field(None, gt=0, le=limits.MAX_DELIVERY_RADIUS_M)
    delivery_zone: Annotated[str, Field(max_length=MAX_ZONE_CHARS)] | dict[str, Any] | None = Field(
        None, description="WKT or GeoJSON polygon or multipolygon, in the datum of the request"
    )
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
    as_of: AwareDatetime | None = Field(None, description="When it was counted; default now")


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
    fields: list[Label] = Field(default=[], max_length=50, description="Repeatable or comma-separated; default all")


class StoreAsked(Asked):
    datum: Datum = Datum.WGS84


class StockAsked(Asked):
    sku: list[Sku] = Field(default=[], max_length=1_000, description="Repeatable; none: all")


class ImportAsked(Asked):
    filename: Text | None = None
    dry_run: bool = False
    mode: Literal["merge", "replace", "snapshot", "partial"] | None = Field(
        None, description="stores: merge (default) or replace; stock: partial (default) or snapshot"
    )
    datum: Datum | None = None
    as_of: str | None = Field(None, max_length=64, description="RFC 3339, or now")
    partner: Label = limits.DEFAULT_PARTNER
    timezone: Label | None = None
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = None
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None
    encoding: Label | None = None
    id_from: list[Label] = Field(default=[], max_length=20, description="Repeatable or comma-separated")
    map: list[Text] = Field(default=[], max_length=100, description="Repeatable: column=field")


class ImportsAsked(Asked):
    limit: int = Field(20, ge=1, le=200)
    cursor: str | None = Field(None, max_length=512)
