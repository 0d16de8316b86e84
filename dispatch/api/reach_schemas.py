"""What may be asked of life circles and coverage."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field

from dispatch.api.schemas import Asked, Moment, Sku
from geo.coverage import Box
from geo.datums import Datum
from geo.travel import Mode

MOST_CELLS: Final = 20_000
_SIDES: Final = 4


def box_of(text: str) -> Box:
    """The box of four numbers between commas. Raises ValueError."""
    parts = text.split(",")
    if len(parts) != _SIDES:
        raise ValueError(f"has {len(parts)} parts; give west,south,east,north in degrees")
    try:
        west, south, east, north = map(float, parts)
    except ValueError:
        raise ValueError("is not four numbers; give west,south,east,north in degrees") from None
    return Box(west=west, south=south, east=east, north=north)


def _a_box(text: str) -> str:
    box_of(text)
    return text


type Minutes = Annotated[int, Field(ge=5, le=240, description="From the start to the handover")]
type BoxText = Annotated[
    str,
    Field(max_length=200, description="west,south,east,north in degrees; west > east crosses the antimeridian"),
    AfterValidator(_a_box),
]


class LifeCircleAsked(Asked):
    lat: float
    lon: float
    datum: Datum = Datum.WGS84
    minutes: Minutes = 60
    mode: Mode | None = Field(None, description="Default: those of the stores around")


class StoreCircleAsked(Asked):
    datum: Datum = Datum.WGS84
    minutes: Minutes = 60
    mode: Mode | None = Field(None, description="Default: the store's")


class CoverageAsked(Asked):
    bbox: BoxText
    datum: Datum = Datum.WGS84
    resolution: int = Field(8, ge=0, le=15, description="Of the H3 cells")
    minutes: Minutes = 60
    mode: Mode | None = Field(None, description="Default: each store's")
    at: Moment | None = Field(None, description="The start of the work; default now")
    sku: list[Sku] = Field(default=[], max_length=50, description="Repeatable: one piece of each; none: whatever it is")
