"""GET /v1/life-circle, GET /v1/stores/{store_id}/life-circle, GET /v1/coverage."""

import asyncio
from functools import partial
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response

from dispatch.api import reach_answers
from dispatch.api.areas import area_told, cell_told
from dispatch.api.caching import GEOJSON, GeoJsonResponse, cached_answer, wants_geojson
from dispatch.api.documents import CACHING, answer, responses_of
from dispatch.api.places import box_to_wgs84, lon_lat, place_of, with_datum
from dispatch.api.reach_schemas import MOST_CELLS, CoverageAsked, LifeCircleAsked, StoreCircleAsked, box_of
from dispatch.api.schemas import StoreId
from dispatch.api.starts import start_of
from dispatch.api.state import TheReplica, TheService
from dispatch.domain.errors import InvalidInput, StoreNotFound
from dispatch.domain.question import Line, Question
from dispatch.domain.reach import Circle, Reaching
from dispatch.replica.replica import Replica
from dispatch.services.nearby import opening_steady_for_s, state_of
from dispatch.services.reach import Covered, coverage, life_circle, store_life_circle
from geo.cells import cell_to_text
from geo.coordinates import LatLon
from geo.coverage import Box, TooManyCells, cell_polygon, cells_over
from geo.datums import Datum
from geo.travel import Mode

router = APIRouter(prefix="/v1")

_json = msgspec.json.Encoder().encode

type IfNoneMatch = Annotated[str | None, Header()]


@router.get(
    "/life-circle",
    summary="From where a place is reached in time",
    response_class=GeoJsonResponse,
    responses=responses_of(
        {
            200: answer("The area and its stores", {GEOJSON: reach_answers.LifeCircleAnswer}, headers=CACHING),
            304: answer("As it was", headers=CACHING),
        },
        400,
        422,
    ),
)
async def get_life_circle(
    service: TheService,
    asked: Annotated[LifeCircleAsked, Query()],
    replica: TheReplica,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The shopper's life circle: the area from which the way here is short enough, and the nearest stores that can.

    A store is there if it is open, delivers here, takes orders, and can hand one line over in time, whatever its
    stock. None lies outside the area.
    """
    place = place_of(lat=asked.lat, lon=asked.lon, datum=asked.datum, pointer="/query/lat")
    now_s = service.now_s()
    circle, area = await life_circle(
        service.roads.of_areas, replica, _question(place, asked.minutes, asked.mode, now_s)
    )
    slots = [store.slot for store in circle.stores]
    steady_for_s = opening_steady_for_s(replica, now_s, slots)
    features = [_store_feature(replica, store, asked.datum, now_s) for store in circle.stores]
    places = [replica.catalogue.place(slot) for slot in slots]
    # Thousands of corners may have to be turned into the datum, which takes longer than others like to wait.
    geometry = await asyncio.to_thread(partial(area_told, area, asked.datum, stores=places))
    properties = {"role": "area", "minutes": asked.minutes, "modes": [mode.value for mode in circle.modes]}
    whole = {"type": "Feature", "geometry": geometry, "properties": properties | _budget(circle)}
    body = with_datum({"type": "FeatureCollection", "features": [whole, *features]}, asked.datum)
    return cached_answer(
        _json(body), media_type=GEOJSON, steady_for_s=steady_for_s, with_stock=False, if_none_match=if_none_match
    )


@router.get(
    "/stores/{store_id}/life-circle",
    summary="Where a store can deliver in time",
    response_class=GeoJsonResponse,
    responses=responses_of(
        {
            200: answer("The area", {GEOJSON: reach_answers.StoreCircleAnswer}, headers=CACHING),
            304: answer("As it was", headers=CACHING),
        },
        400,
        404,
        422,
    ),
)
async def get_store_life_circle(
    store_id: Annotated[StoreId, Path(description="The store's id, unique everywhere")],
    service: TheService,
    asked: Annotated[StoreCircleAsked, Query()],
    replica: TheReplica,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The area the store can serve within the minutes: one line prepared, its queue before it, travelled, handed over.

    Cut with its delivery radius and zone; whether it is open is told beside it.
    """
    slot = replica.slot(store_id)
    if slot is None:
        raise StoreNotFound(f"there is no store {store_id}")
    now_s = service.now_s()
    question = _question(replica.catalogue.place(slot), asked.minutes, asked.mode, now_s)
    circle, area = await store_life_circle(service.roads.of_areas, replica, slot, question)
    state = state_of(replica, slot, now_s)
    body = {
        "type": "Feature",
        "id": store_id,
        "geometry": await asyncio.to_thread(area_told, area, asked.datum),
        "properties": {
            "store_id": store_id,
            "name": state.card.name,
            "minutes": asked.minutes,
            "mode": circle.modes[0].value,
            **_budget(circle),
            "active": bool(replica.columns.active[slot]),
            "open_now": state.open_now,
        },
    }
    return cached_answer(
        _json(with_datum(body, asked.datum)),
        media_type=GEOJSON,
        steady_for_s=opening_steady_for_s(replica, now_s, [slot]),
        with_stock=False,
        if_none_match=if_none_match,
    )


@router.get(
    "/coverage",
    summary="Which cells of a box are served",
    responses=responses_of(
        {
            200: answer(
                "The cells",
                {"application/json": reach_answers.CoverageAnswer, GEOJSON: reach_answers.CoverageGeoJson},
                headers=CACHING,
            ),
            304: answer("As it was", headers=CACHING),
        },
        400,
        422,
    ),
)
async def get_coverage(
    request: Request,
    service: TheService,
    asked: Annotated[CoverageAsked, Query()],
    replica: TheReplica,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The H3 cells that overlap the box, ascending, each judged by a quote at its centre.

    Without sku it is one of a single line that every store has. With roads known, `served` is null where none is
    within 300 m of the centre.
    """
    now = service.clock()
    start_s = int(start_of(asked.at, now=now, pointer="/query/at").timestamp())
    area = box_to_wgs84(box_of(asked.bbox), asked.datum)
    cells = await asyncio.to_thread(_cells, area, asked.resolution)
    question = Question(
        destination=LatLon(lat=90.0, lon=0.0),  # each cell's centre in its place
        lines=tuple(Line(sku, 1) for sku in dict.fromkeys(asked.sku)),
        promise_s=asked.minutes * 60,
        now_s=int(now.timestamp()),
        start_s=start_s,
        mode=asked.mode,
    )
    judged = [_told(covered) async for covered in coverage(service.roads, replica, question, cells)]
    geojson = wants_geojson(request)
    if geojson:
        shapes = await asyncio.to_thread(lambda: [cell_told(cell_polygon(cell), asked.datum) for cell in cells])
        features = [
            {"type": "Feature", "id": told["cell"], "geometry": shape, "properties": told}
            for told, shape in zip(judged, shapes, strict=True)
        ]
        body = with_datum({"type": "FeatureCollection", "features": features}, asked.datum)
    else:
        body = {"cells": judged}
    return cached_answer(
        _json(body),
        media_type=GEOJSON if geojson else "application/json",
        steady_for_s=None,
        with_stock=bool(asked.sku),
        if_none_match=if_none_match,
    )


def _question(place: LatLon, minutes: int, mode: Mode | None, now_s: int) -> Question:
    return Question(destination=place, lines=(), promise_s=minutes * 60, now_s=now_s, start_s=now_s, mode=mode)


def _budget(circle: Circle) -> dict[str, Any]:
    return {"travel_budget_s": max(0, circle.budget_s), "travel_source": circle.source}


def _store_feature(replica: Replica, store: Reaching, datum: Datum, now_s: int) -> dict[str, Any]:
    state = state_of(replica, store.slot, now_s)
    return {
        "type": "Feature",
        "id": store.store_id,
        "geometry": {"type": "Point", "coordinates": lon_lat(state.place, datum)},
        "properties": {
            "role": "store",
            "store_id": store.store_id,
            "name": state.card.name,
            "brand": state.card.brand,
            "address": state.card.address,
            "distance_m": store.distance_m,
            "eta_s": store.eta_s,
            "travel_s": store.travel_s,
            "open_now": state.open_now,
        },
    }


def _told(covered: Covered) -> dict[str, Any]:
    return {
        "cell": cell_to_text(covered.cell),
        "served": covered.served,
        "store_id": covered.store_id,
        "eta_s": covered.eta_s,
        "travel_source": covered.travel_source,
    }


def _cells(area: Box, resolution: int) -> list[int]:
    """The cells over the box. Raises InvalidInput with the resolution that fits if they are too many."""
    try:
        return cells_over(area, resolution, at_most=MOST_CELLS)
    except TooManyCells:
        pass
    for coarser in range(resolution - 1, -1, -1):
        try:
            cells_over(area, coarser, at_most=MOST_CELLS)
        except TooManyCells:
            continue
        raise InvalidInput(
            [("/query/resolution", f"makes more than {MOST_CELLS} cells of this box; resolution {coarser} fits")]
        )
    raise AssertionError("the whole earth has 122 cells of resolution 0")
