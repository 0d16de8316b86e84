"""What is answered of life circles and coverage; for the OpenAPI document alone."""

from typing import Annotated, Literal, NotRequired

from pydantic import ConfigDict, Field, RootModel
from typing_extensions import TypedDict

from dispatch.api.answers import Metres, Point, Seconds, Told
from geo.datums import Datum
from geo.travel import Mode

_CLOSED = ConfigDict(extra="forbid")

type Position = Annotated[list[float], Field(min_length=2, max_length=2, description="lon, lat")]
type Rings = list[list[Position]]


class PolygonTold(Told):
    type: Literal["Polygon"]
    coordinates: Rings


class MultiPolygonTold(Told):
    """Without coordinates: no place at all."""

    type: Literal["MultiPolygon"]
    coordinates: list[Rings]


class AreaProperties(Told):
    role: Literal["area"]
    minutes: int
    modes: list[Mode]
    travel_budget_s: Annotated[Seconds, Field(description="What the way may take; 0: the minutes do not suffice")]
    travel_source: str


class AreaFeature(Told):
    type: Literal["Feature"]
    geometry: PolygonTold | MultiPolygonTold
    properties: AreaProperties


class ReachingProperties(Told):
    role: Literal["store"]
    store_id: str
    name: str | None
    brand: str | None
    address: str | None
    distance_m: Metres
    eta_s: Annotated[Seconds, Field(description="From now to the handover here, of one line")]
    travel_s: Seconds
    open_now: bool


class ReachingFeature(Told):
    type: Literal["Feature"]
    id: str
    geometry: Point
    properties: ReachingProperties


class LifeCircleFeatures(TypedDict):
    """RFC 7946; with another datum than WGS84 it says so."""

    __pydantic_config__ = _CLOSED  # type: ignore[misc]  # pydantic's documented way to configure a TypedDict

    type: Literal["FeatureCollection"]
    features: Annotated[
        list[AreaFeature | ReachingFeature],
        Field(max_length=201, description="The area, then the stores, nearest first"),
    ]
    datum: NotRequired[Datum]


class LifeCircleAnswer(RootModel[LifeCircleFeatures]):
    """A shopper's life circle."""


class StoreCircleProperties(Told):
    store_id: str
    name: str | None
    minutes: int
    mode: Mode
    travel_budget_s: Seconds
    travel_source: str
    active: bool
    open_now: bool


class StoreCircleFeature(TypedDict):
    """RFC 7946; with another datum than WGS84 it says so."""

    __pydantic_config__ = _CLOSED  # type: ignore[misc]  # as above

    type: Literal["Feature"]
    id: str
    geometry: PolygonTold | MultiPolygonTold
    properties: StoreCircleProperties
    datum: NotRequired[Datum]


class StoreCircleAnswer(RootModel[StoreCircleFeature]):
    """The area that a store can serve."""


class CoveredCell(Told):
    cell: Annotated[str, Field(description="H3, hexadecimal")]
    served: Annotated[bool | None, Field(description="null: no road is within 300 m of its centre")]
    store_id: str | None
    eta_s: Annotated[Seconds | None, Field(description="From the start to the handover at its centre")]
    travel_source: str | None


class CoverageAnswer(Told):
    cells: Annotated[list[CoveredCell], Field(max_length=20_000)]


class CellFeature(Told):
    type: Literal["Feature"]
    id: str
    geometry: PolygonTold | MultiPolygonTold
    properties: CoveredCell


class CoverageFeatures(TypedDict):
    """RFC 7946; with another datum than WGS84 it says so."""

    __pydantic_config__ = _CLOSED  # type: ignore[misc]  # as above

    type: Literal["FeatureCollection"]
    features: Annotated[list[CellFeature], Field(max_length=20_000)]
    datum: NotRequired[Datum]


class CoverageGeoJson(RootModel[CoverageFeatures]):
    """The cells as polygons."""
