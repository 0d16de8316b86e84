"""What is answered of maps; for the OpenAPI document alone."""

from typing import Annotated, Literal

from pydantic import Field

from dispatch.api.answers import Count, Told
from dispatch.api.map_schemas import MOST_STORES
from dispatch.services.store_map import MOST_MAP_CELLS
from geo.datums import Datum
from geo.travel.engine import FINEST_ROADS_ZOOM


class TilesTold(Told):
    """As the operator has set them; the attribution is text, and shown with them."""

    url: Annotated[str, Field(description="With {z}, {x} and {y} in it")]
    attribution: str
    datum: Annotated[Datum, Field(description="What places must be turned into to be shown on these tiles")]
    max_zoom: Count


class RoadsTold(Told):
    """Mapbox Vector Tiles, WGS84."""

    url: Literal["/v1/roads/tiles/{z}/{x}/{y}"]
    min_zoom: Annotated[int, Field(ge=0, description="With less there are no roads to be seen")]
    max_zoom: Annotated[int, Field(ge=0, le=FINEST_ROADS_ZOOM)]
    attribution: Annotated[str, Field(description="Whose roads they are, to be shown beside them")]


class MapCentre(Told):
    lat: float
    lon: float


class MapAnswer(Told):
    tiles: TilesTold | None
    roads: RoadsTold | None
    stores: Annotated[Count, Field(description="Active ones, whose are the bounds and the centre")]
    bounds: Annotated[
        list[float] | None,
        Field(min_length=4, max_length=4, description="West, south, east, north; west > east over the antimeridian"),
    ]
    centre: Annotated[MapCentre | None, Field(description="In the midst of the densest part")]


class StoreMarkTold(Told):
    store_id: str
    name: str | None
    brand: str | None
    partner: str
    lat: float
    lon: float
    open_now: bool
    active: bool


class CellMarkTold(Told):
    cell: Annotated[str, Field(description="H3, hexadecimal")]
    stores: Annotated[int, Field(ge=1)]
    lat: Annotated[float, Field(description="The mean place of its stores")]
    lon: float


class MapStoresAnswer(Told):
    """Either ``stores`` or ``cells``; the other is null."""

    total: Count
    stores: Annotated[list[StoreMarkTold] | None, Field(max_length=MOST_STORES, description="By store id")]
    cells: Annotated[list[CellMarkTold] | None, Field(max_length=MOST_MAP_CELLS, description="Ascending by cell")]
