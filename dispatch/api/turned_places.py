"""GET /v1/places/turned: a place of one datum in another, for maps that are not drawn in what a device tells."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import Field

from dispatch.api.answers import TurnedPlaceAnswer
from dispatch.api.documents import answer, responses_of
from dispatch.api.places import place_of, told
from dispatch.api.schemas import Asked
from geo.datums import Datum

router = APIRouter(prefix="/v1")

# A tenth of a metre.
_DECIMALS: Final = 6


class TurnedAsked(Asked):
    lat: float
    lon: float
    from_: Datum = Field(Datum.WGS84, alias="from", description="What the place is in")
    to: Datum = Field(Datum.WGS84, description="What it is to be told in")


@router.get(
    "/places/turned",
    summary="A place in another datum",
    responses=responses_of({200: answer("The place", TurnedPlaceAnswer)}, 400, 422),
)
async def get_turned_place(asked: Annotated[TurnedAsked, Query()]) -> dict[str, float | str]:
    """Browsers and phones tell WGS84; maps of mainland China are drawn in GCJ-02 or BD-09.

    To the metre: implementations of GCJ-02 differ by up to 0.7 m.
    """
    place = place_of(lat=asked.lat, lon=asked.lon, datum=asked.from_, pointer="/query/lat")
    shown = told(place, asked.to)
    return {"lat": round(shown["lat"], _DECIMALS), "lon": round(shown["lon"], _DECIMALS), "datum": asked.to.value}
