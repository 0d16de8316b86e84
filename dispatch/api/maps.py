"""GET /v1/map, GET /v1/map/stores, GET /v1/roads/tiles/{z}/{x}/{y}: what a map of the stores is drawn from."""

import re
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from dispatch.api import map_answers
from dispatch.api.caching import cached_answer, tagged_answer
from dispatch.api.documents import CACHING, MVT, TILE_CACHING, answer, responses_of, tile_content
from dispatch.api.headers import header
from dispatch.api.map_schemas import MapAsked, MapStoresAsked, TileNumber, Zoom
from dispatch.api.places import box_to_wgs84, told
from dispatch.api.problems import Problem
from dispatch.api.reach_schemas import box_of
from dispatch.api.schemas import NothingAsked
from dispatch.api.state import Service, TheReplica, TheService
from dispatch.domain.errors import InvalidInput
from dispatch.replica.pauses import Pauses
from dispatch.services.store_map import Marks, marks_in, outline_of
from geo.coordinates import LatLon
from geo.datums import Datum

router = APIRouter(prefix="/v1")

_JSON: Final = "application/json"
_ROADS_KEPT: Final = "public, max-age=3600"
_ROADS_LATER_S: Final = 5
# Unless it says with a weight of 0 that it does not.
_TAKES_GZIP: Final = re.compile(r"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))", re.IGNORECASE)

_json = msgspec.json.Encoder().encode

type IfNoneMatch = Annotated[str | None, Header()]


@router.get(
    "/map",
    summary="What there is to draw a map of",
    responses=responses_of(
        {
            200: answer("Tiles, roads, and where the stores are", map_answers.MapAnswer, headers=CACHING),
            304: answer("As it was", headers=CACHING),
        },
        400,
        422,
    ),
)
async def get_map(
    service: TheService,
    asked: Annotated[MapAsked, Query()],
    replica: TheReplica,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The operator's tiles and the roads that travel goes by, as far as there are any; where to look at first."""
    outline = await outline_of(replica)
    bounds = None
    if outline.bounds is not None:
        west, south, east, north = outline.bounds
        corners = [told(LatLon(lat=lat, lon=lon), asked.datum) for lat, lon in ((south, west), (north, east))]
        bounds = [corner[axis] for corner in corners for axis in ("lon", "lat")]
    body = {
        "tiles": service.map_tiles,
        "roads": _roads_told(service),
        "stores": outline.stores,
        "bounds": bounds,
        "centre": None if outline.centre is None else _middle_told(outline.centre, asked.datum),
    }
    return cached_answer(
        _json(body), media_type=_JSON, steady_for_s=None, with_stock=False, if_none_match=if_none_match
    )


def _middle_told(place: LatLon, datum: Datum) -> dict[str, float]:
    """A place that is nobody's own, to a centimetre."""
    return {axis: round(degrees, 7) for axis, degrees in told(place, datum).items()}


def _roads_told(service: Service) -> dict[str, Any] | None:
    zooms = service.road_tiles.zooms
    if zooms is None:
        return None
    return {
        "url": "/v1/roads/tiles/{z}/{x}/{y}",
        "min_zoom": zooms[0],
        "max_zoom": zooms[1],
        "attribution": service.roads_attribution,
    }


@router.get(
    "/map/stores",
    summary="The stores of a box, or how many are where",
    responses=responses_of(
        {
            200: answer("The stores, or the cells", map_answers.MapStoresAnswer, headers=CACHING),
            304: answer("As it was", headers=CACHING),
        },
        400,
        422,
    ),
)
async def get_map_stores(
    service: TheService,
    asked: Annotated[MapStoresAsked, Query()],
    replica: TheReplica,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Each store of the box by store id; where there are more than `most`, H3 cells with how many stores each has.

    Inactive stores are among them, unless `active` says otherwise. How many of a cell are open is not told: that
    would be to ask the hours of every store.
    """
    marks = await marks_in(
        replica,
        box_to_wgs84(box_of(asked.bbox), asked.datum),
        most=asked.most,
        resolution=asked.resolution,
        active_only=asked.active,
        now_s=service.now_s(),
    )
    stores, cells = await _marks_told(marks, asked.datum)
    return cached_answer(
        _json({"total": marks.total, "stores": stores, "cells": cells}),
        media_type=_JSON,
        steady_for_s=marks.steady_for_s,
        with_stock=False,
        if_none_match=if_none_match,
    )


type _Told = list[dict[str, Any]] | None


async def _marks_told(marks: Marks, datum: Datum) -> tuple[_Told, _Told]:
    """The stores and the cells as JSON has them; to turn thousands of places takes longer than others like to wait."""
    pauses = Pauses()
    if marks.stores is not None:
        stores = []
        for store in marks.stores:
            place = told(store.place, datum)
            stores.append(
                {
                    "store_id": store.store_id,
                    "name": store.name,
                    "brand": store.brand,
                    "partner": store.partner,
                    "lat": place["lat"],
                    "lon": place["lon"],
                    "open_now": store.open_now,
                    "active": store.active,
                }
            )
            if pauses.due:
                await pauses.give_way()
        return stores, None
    cells = []
    for cell in marks.cells or ():
        cells.append({"cell": f"{cell.cell:x}", "stores": cell.stores, **_middle_told(cell.place, datum)})
        if pauses.due:
            await pauses.give_way()
    return None, cells


@router.get(
    "/roads/tiles/{z}/{x}/{y}",
    summary="The roads of a tile",
    response_class=Response,
    responses=responses_of(
        {
            200: answer("A Mapbox Vector Tile", headers=TILE_CACHING) | tile_content(),
            204: answer("No roads there, or none to be seen at that zoom", headers=TILE_CACHING),
            304: answer("As it was", headers=TILE_CACHING),
        },
        400,
        404,
        422,
    ),
)
async def get_road_tile(
    z: Zoom,
    x: TileNumber,
    y: TileNumber,
    _asked: Annotated[NothingAsked, Query()],
    request: Request,
    service: TheService,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The roads that travel goes by, WGS84 in the usual scheme (Web Mercator, y counted from the north).

    One layer, `edges`: lines, each with its `road_class` from 0, motorways, to 7, service roads. 503 while the engine
    that draws is down: that is not "no roads".
    """
    if service.road_tiles.zooms is None:
        raise Problem(404, "no_roads", "there are no roads here to be drawn: none are configured, or none by tiles")
    if outside := [name for name, number in (("x", x), ("y", y)) if number >= 1 << z]:
        detail = f"is not less than {1 << z}, the number of tiles across at zoom {z}"
        raise InvalidInput([(f"/path/{name}", detail) for name in outside])
    tile = await service.road_tiles.tile(zoom=z, x=x, y=y)
    if tile is None:
        detail = "the roads cannot be drawn just now: the engine is down, or too slow"
        raise Problem(503, "roads_unavailable", detail, headers={"Retry-After": str(_ROADS_LATER_S)})
    packed = _TAKES_GZIP.search(header(request.scope, b"accept-encoding") or "") is not None
    return tagged_answer(
        tile.packed if packed else tile.plain,
        media_type=MVT,
        cache_control=_ROADS_KEPT,
        vary="Accept-Encoding",
        if_none_match=if_none_match,
        # Of each form its own, for a strong tag is one of bytes.
        tag=f'"{tile.tag}{"-gzip" if packed else ""}"',
        headers={"Content-Encoding": "gzip"} if packed else None,
    )
