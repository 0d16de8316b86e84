"""What is answered of routes and delivery notes; for the OpenAPI document alone."""

from typing import Annotated, Literal, NotRequired

from pydantic import ConfigDict, Field, RootModel
from typing_extensions import TypedDict

from dispatch.api.answers import Instant, Metres, Minor, Seconds, Told
from dispatch.domain.orders import Status
from geo.datums import Datum
from geo.travel import Mode

_CLOSED = ConfigDict(extra="forbid")

type _Position = Annotated[list[float], Field(min_length=2, max_length=2, description="lon, lat")]


class LineTold(Told):
    type: Literal["LineString"]
    coordinates: Annotated[list[_Position], Field(min_length=2)]


class RouteProperties(Told):
    travel_s: Annotated[Seconds, Field(description="As quotes tell it of these two places and this hour")]
    length_m: Annotated[Metres, Field(description="Of the line")]
    mode: Mode
    travel_source: Annotated[str, Field(description="estimate: then the line is straight")]


class _Route(TypedDict):
    """RFC 7946; with another datum than WGS84 it says so."""

    __pydantic_config__ = _CLOSED  # type: ignore[misc]  # pydantic's documented way to configure a TypedDict

    type: Literal["Feature"]
    geometry: LineTold
    properties: RouteProperties
    datum: NotRequired[Datum]


class RouteAnswer(RootModel[_Route]):
    """The way between two places, the ways to the road and from it included."""


class NoteStore(Told):
    """As the order keeps it, but for ``phone`` and ``timezone``, which are those of now."""

    store_id: str
    name: str | None
    address: str | None
    phone: str | None
    timezone: str
    lat: float
    lon: float


class NotePlace(Told):
    lat: float
    lon: float


class NoteCustomer(Told):
    name: str | None
    phone: str | None
    address: str | None
    note: str | None


class NoteLine(Told):
    sku: str
    name: Annotated[str | None, Field(description="What the store's partner calls it")]
    quantity: int
    price: Minor | None
    currency: str | None


class MapLinks(Told):
    """By map, the address that shows the way there, with the place in that map's own datum."""

    amap: str
    tencent: str
    baidu: str
    apple: str
    google: str


class Navigation(Told):
    store: MapLinks
    door: MapLinks


class NoteAnswer(Told):
    """What whoever packs, carries and hands over an order has to know."""

    order_id: str
    status: Status
    attempt: Annotated[int, Field(ge=1)]
    accept_by: Annotated[Instant | None, Field(description="Until when the store has to accept it; null: it need not")]
    pickup_by: Instant
    deliver_by: Instant
    promised_by: Instant | None
    created_at: Instant
    mode: Mode
    store: NoteStore
    destination: NotePlace
    customer: NoteCustomer | None
    lines: list[NoteLine]
    route: RouteAnswer
    navigation: Navigation


class NotePage(RootModel[str]):
    """The same as a page to be printed; it loads nothing and runs nothing."""
