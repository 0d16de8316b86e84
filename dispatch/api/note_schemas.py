"""What may be asked of routes and delivery notes."""

from typing import Final

from pydantic import Field

from dispatch.api.schemas import Asked
from geo.datums import Datum
from geo.travel import Mode

MOST_KM: Final = 60


class RouteAsked(Asked):
    from_lat: float
    from_lon: float
    to_lat: float
    to_lon: float
    mode: Mode | None = Field(None, description="Default: the setting's")
    datum: Datum = Datum.WGS84


class NoteAsked(Asked):
    datum: Datum = Datum.WGS84
