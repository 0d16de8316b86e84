"""What may be asked of the maps."""

from typing import Annotated, Final

from fastapi import Path
from pydantic import Field

from dispatch.api.reach_schemas import BoxText
from dispatch.api.schemas import Asked
from geo.datums import Datum
from geo.travel.engine import FINEST_ROADS_ZOOM

MOST_STORES: Final = 5_000

type Zoom = Annotated[int, Path(ge=0, le=FINEST_ROADS_ZOOM, description="0 is the whole earth in one tile")]
type TileNumber = Annotated[int, Path(ge=0, lt=1 << FINEST_ROADS_ZOOM, description="Less than 2 to the power of z")]


class MapAsked(Asked):
    datum: Datum = Datum.WGS84


class MapStoresAsked(Asked):
    bbox: BoxText
    datum: Datum = Datum.WGS84
    resolution: int = Field(7, ge=0, le=12, description="Of the H3 cells, where there are too many stores")
    most: int = Field(1500, ge=0, le=MOST_STORES, description="So many stores are told one by one")
    active: bool = Field(False, description="true: only active stores")
