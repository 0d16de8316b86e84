"""What is answered, field by field; for the OpenAPI document alone: no answer is ever built or checked with these."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field, RootModel
from typing_extensions import TypedDict

from dispatch.domain.question import Reason
from geo.datums import Datum
from geo.travel import Mode

CLOSED = ConfigDict(extra="forbid")

type Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"}, description="RFC 3339 with offset")]
type Metres = Annotated[float, Field(ge=0)]
type Seconds = Annotated[int, Field(ge=0)]
type Count = Annotated[int, Field(ge=0)]
type Minor = Annotated[int, Field(ge=0, description="Minor units of the currency")]
type ReasonText = Annotated[
    str, Field(json_schema_extra={"enum": [reason.text for reason in Reason if reason is not Reason.NONE]})
]
type UnfulfillableReason = Annotated[
    str,
    Field(
        json_schema_extra={
            "enum": [*(r.text for r in Reason if r not in (Reason.NONE, Reason.SLOWER)), "unknown_sku"],
        }
    ),
]


class Told(BaseModel):
    model_config = CLOSED


class ErrorPlace(TypedDict):
    pointer: Annotated[str, Field(description="JSON pointer; /query/…, /path/… and /header/… outside of bodies")]
    detail: str


class Problem(TypedDict):
    """RFC 9457."""

    __pydantic_config__ = CLOSED  # type: ignore[misc]  # pydantic's documented way to configure a TypedDict

    type: str
    title: str
    status: int
    detail: str
    code: Annotated[str, Field(description="snake case, stable")]
    errors: NotRequired[Annotated[list[ErrorPlace], Field(max_length=100, description="The first 100 bad places")]]


class ProblemAnswer(RootModel[Problem]):
    """RFC 9457."""


# ── Finding ────────────────────────────────────────────────────────────────────────────────────────────────────────


class ChosenStore(Told):
    store_id: str
    name: str | None
    lat: float
    lon: float
    distance_m: Metres


class Eta(Told):
    """The parts of a promise; ``total_s`` is their sum, ``pickup_by`` the start plus the first three."""

    prepare_s: Seconds
    queue_s: Seconds
    courier_s: Seconds
    travel_s: Seconds
    handover_s: Seconds
    total_s: Seconds
    pickup_by: Instant
    deliver_by: Instant
    travel_source: str


class PricedLine(Told):
    sku: str
    quantity: int
    price: Minor | None
    currency: str | None


class Offer(Told):
    store: ChosenStore
    eta: Eta
    lines: list[PricedLine]


class Certificate(Told):
    """Why no other store is better.

    It holds when ``next_bound_s`` ≥ ``key_s`` (null: nothing is left), or all that was not examined lacks
    ``rest_lacks``.
    """

    plan: Literal["space_first", "stock_first"]
    key: Literal["travel_s", "total_s"]
    key_s: Seconds | None
    examined: Count
    next_bound_s: Seconds | None
    rest_lacks: str | None
    stock_age_s: Seconds | None
    replica_lag_s: float
    version: str


class PassedOver(Told):
    store_id: str
    distance_m: Metres
    key_s: Annotated[Seconds | None, Field(description="null where no road leads there")]
    reason: ReasonText
    detail: Annotated[dict[str, Any], Field(description="The figures behind the reason")]


class NearestMiss(Told):
    store_id: str
    distance_m: Metres
    reason: ReasonText
    detail: dict[str, Any]
    eta: Annotated[Eta | None, Field(description="null where no road leads there")]


class _Explained(TypedDict):
    __pydantic_config__ = CLOSED  # type: ignore[misc]  # as above

    certificate: Certificate
    passed_over: NotRequired[Annotated[list[PassedOver], Field(max_length=200, description="With explain")]]
    passed_over_total: NotRequired[Count]
    passed_over_reasons: NotRequired[dict[ReasonText, Count]]


class Fulfillable(_Explained):
    outcome: Literal["fulfillable"]
    store: ChosenStore
    eta: Eta
    lines: list[PricedLine]
    alternatives: Annotated[list[Offer], Field(max_length=20)]


class Unfulfillable(_Explained):
    outcome: Literal["unfulfillable"]
    reason: UnfulfillableReason
    detail: dict[str, Any]
    nearest_miss: NearestMiss | None


class QuoteAnswer(RootModel[Fulfillable | Unfulfillable]):
    """The first store that can, or why none can."""


class OneQuote(Told):
    status: int
    body: Fulfillable | Unfulfillable | Problem


class QuotesAnswer(Told):
    quotes: list[OneQuote]


class NearbyStore(TypedDict, total=False):
    """With ``fields`` only those chosen are there."""

    __pydantic_config__ = CLOSED  # type: ignore[misc]  # as above

    store_id: str
    name: str | None
    brand: str | None
    address: str | None
    lat: float
    lon: float
    distance_m: Metres
    open_now: bool
    hours_known: bool
    opens_at: Instant | None
    closes_at: Instant | None
    opening_hours: str | None
    timezone: str
    phone: str | None
    delivers_here: bool
    stock: Annotated[
        dict[str, Annotated[int, Field(ge=0, le=99)] | None], Field(description="Of the skus asked; null: stale")
    ]


class NearbyAnswer(Told):
    stores: Annotated[list[NearbyStore], Field(max_length=200)]
    next_cursor: str | None


class Point(Told):
    type: Literal["Point"]
    coordinates: Annotated[list[float], Field(min_length=2, max_length=2, description="lon, lat")]


class TurnedPlaceAnswer(Told):
    lat: float
    lon: float
    datum: Annotated[Datum, Field(description="What the place is told in")]


class StoreFeature(Told):
    type: Literal["Feature"]
    id: str
    geometry: Point
    properties: Annotated[NearbyStore, Field(description="As in JSON, but lat and lon")]


class NearbyFeatures(TypedDict):
    """RFC 7946; with another datum than WGS84 it says so."""

    __pydantic_config__ = CLOSED  # type: ignore[misc]  # as above

    type: Literal["FeatureCollection"]
    features: Annotated[list[StoreFeature], Field(max_length=200)]
    next_cursor: str | None
    datum: NotRequired[Datum]


class NearbyGeoJson(RootModel[NearbyFeatures]):
    """A FeatureCollection of points."""


# ── Stores and stock ───────────────────────────────────────────────────────────────────────────────────────────────


class StoreWarning(Told):
    """What is odd in a store that was taken all the same."""

    pointer: Annotated[str, Field(description="JSON pointer into the body of PUT")]
    code: Annotated[Literal["outside_own_zone"], Field(description="As imports warn of it")]
    detail: str


class StoreAnswer(Told):
    """A store with its terms; the setting's default where it does not say."""

    store_id: str
    name: str | None
    brand: str | None
    address: str | None
    lat: float
    lon: float
    open_now: bool
    hours_known: bool
    opens_at: Instant | None
    closes_at: Instant | None
    opening_hours: str | None
    timezone: str
    phone: str | None
    partner: str
    region: str | None
    active: bool
    mode: Mode
    prepare_s: Seconds
    prepare_line_s: Seconds
    queue_per_order_s: Seconds
    courier_s: Seconds
    handover_s: Seconds
    max_open_orders: Count | None
    open_orders: Count
    delivery_radius_m: Metres | None
    delivery_zone: Annotated[dict[str, Any] | None, Field(description="GeoJSON Polygon or MultiPolygon")]
    warnings: list[StoreWarning]


class DeletedAnswer(Told):
    store_id: str
    open_orders: Annotated[list[str], Field(description="Ids of the orders that are still open there")]


class StockRow(Told):
    """``available``: on hand less reserved, safety stock and withheld, at least 0. ``short``: reserved less on hand."""

    sku: str
    on_hand: Count
    reserved: Count
    safety_stock: Count
    withheld: Count
    available: Count
    short: Count
    price: Minor | None
    currency: str | None
    as_of: Instant
    fresh_at: Annotated[str, Field(json_schema_extra={"format": "date-time"}, description="From when its age counts")]


class StockAnswer(Told):
    stock: list[StockRow]


class CountAnswer(Told):
    """What became of a count, in shelf rows."""

    store_id: str
    as_of: Instant
    created: Count
    updated: Count
    unchanged: Count
    newer_kept: Annotated[int, Field(ge=0, description="Rows that stay, for they were counted later")]
    removed: Annotated[int, Field(ge=0, description="Rows with stock that a whole count does not name")]


# ── Operating ──────────────────────────────────────────────────────────────────────────────────────────────────────


class HealthAnswer(Told):
    status: Literal["ok"]


class ReadyParts(Told):
    database: str
    replica: str
    roads: str


class ReadyAnswer(Told):
    status: Literal["ready", "not_ready"]
    parts: ReadyParts
    stores: Count


class CellTold(Told):
    cell: Annotated[str, Field(description="The H3 cell, hexadecimal")]
    seq: Annotated[int, Field(ge=0, description="The number of the last change of the cell that this worker has seen")]
    rows: Annotated[int, Field(ge=0, description="Shelf rows of stores in service")]
    checksum: Annotated[str | None, Field(description="null: the cell was changing too fast")]


class ReplicaAnswer(Told):
    worker: Annotated[int, Field(description="Its process id")]
    replica_lag_s: Annotated[float, Field(ge=0)]
    cells: list[CellTold]
