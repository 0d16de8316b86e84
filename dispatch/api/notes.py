"""GET /v1/route, the way between two places; GET /v1/orders/{order_id}/delivery-note, in JSON and for print."""

import asyncio
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response

from dispatch.api import note_answers
from dispatch.api.caching import GEOJSON, GeoJsonResponse
from dispatch.api.documents import answer, responses_of
from dispatch.api.gate import caller_of, check_order
from dispatch.api.headers import header
from dispatch.api.note_schemas import MOST_KM, NoteAsked, RouteAsked
from dispatch.api.places import place_of, told, with_datum
from dispatch.api.schemas import OrderId
from dispatch.api.state import Service, TheMinVersion, TheReplica, TheService
from dispatch.api.tokens import courier_link
from dispatch.domain.callers import CARRIED, Role
from dispatch.domain.errors import InvalidInput
from dispatch.domain.moments import local_hour
from dispatch.services.notes import DeliveryNote, delivery_note
from dispatch.services.routes import Route, Trip, route
from dispatch.storage.orders import DEFAULT_CLIENT
from dispatch.web.note_pages import HEADERS, note_page
from dispatch.web.note_words import note_words_of
from dispatch.web.qr_codes import data_url_of
from geo.coordinates import timezone_of
from geo.datums import Datum, from_wgs84, turned
from geo.geodesy import distance_m

router = APIRouter(prefix="/v1")

_json = msgspec.json.Encoder().encode
_HTML: Final = "text/html"
# A centimetre.
_DECIMALS: Final = 7
# Whom it is for is nobody else's business.
_PRIVATE: Final = {"Cache-Control": "no-store", "Vary": "Accept, Authorization"}
_ABOUT_CUSTOMERS: Final = ("name", "phone", "address", "note")


@router.get(
    "/route",
    summary="The way between two places",
    response_class=GeoJsonResponse,
    responses=responses_of({200: answer("The way", {GEOJSON: note_answers.RouteAnswer})}, 400, 404, 422),
)
async def get_route(asked: Annotated[RouteAsked, Query()], service: TheService, replica: TheReplica) -> Response:
    """A line from the one place by the road to the other, and what it takes who sets out now.

    By the engine that tells the times of quotes. Without one, and while it is down or slow, a straight line by the
    estimate, which `travel_source` says. 404 where roads are known and none leads there.
    """
    start = place_of(lat=asked.from_lat, lon=asked.from_lon, datum=asked.datum, pointer="/query/from_lat")
    destination = place_of(lat=asked.to_lat, lon=asked.to_lon, datum=asked.datum, pointer="/query/to_lat")
    apart_km = distance_m(start, destination) / 1000
    if apart_km > MOST_KM:
        detail = f"is {apart_km:,.0f} km from there; routes are told up to {MOST_KM} km"
        raise InvalidInput([("/query/to_lat", detail)])
    hour = local_hour(service.now_s(), timezone_of(start))
    mode = asked.mode or replica.catalogue.default_mode
    way = await route(service.roads, replica, Trip(start=start, destination=destination, mode=mode, hour=hour))
    return Response(_json(await route_told(way, asked.datum)), media_type=GEOJSON)


async def route_told(way: Route, datum: Datum) -> dict[str, Any]:
    """A way as GeoJSON."""
    pairs = way.points.tolist()
    if datum is not Datum.WGS84:
        # A long one has thousands of points, each of which is held against the border.
        pairs = await asyncio.to_thread(lambda: [turned(lon, lat, from_wgs84, datum) for lon, lat in pairs])
    feature = {
        "type": "Feature",
        "geometry": {
            "type": "LineString",
            "coordinates": [[round(lon, _DECIMALS), round(lat, _DECIMALS)] for lon, lat in pairs],
        },
        "properties": {
            "travel_s": way.travel_s,
            "length_m": round(way.length_m, 1),
            "mode": way.mode.value,
            "travel_source": way.source,
        },
    }
    return with_datum(feature, datum)


@router.get(
    "/orders/{order_id}/delivery-note",
    summary="An order's delivery note",
    responses=responses_of(
        {
            200: answer(
                "The note, as JSON or as a page for print",
                {"application/json": note_answers.NoteAnswer, _HTML: note_answers.NotePage},
            )
        },
        400,
        404,
        409,
        422,
    ),
)
async def get_delivery_note(
    request: Request,
    order_id: Annotated[OrderId, Path(description="The caller's own id, unique among the client's")],
    asked: Annotated[NoteAsked, Query()],
    service: TheService,
    _min_version: TheMinVersion,
    accept_language: Annotated[str, Header()] = "",
) -> Response:
    """Store, customer, lines, the way between them and until when; with `Accept: text/html` a page to be printed.

    In any status, as long as a store has the order. The page speaks English or Chinese, by `Accept-Language`.
    """
    note = await delivery_note(service.ordering, DEFAULT_CLIENT, order_id)
    check_order(request, note.order)
    body = await _note_told(note, asked.datum)
    if _HTML in (header(request.scope, b"accept") or "").lower():
        page = note_page(body, note_words_of(accept_language), qr_data_uri=await _qr_of(request, service, note))
        return Response(page, media_type=_HTML, headers=HEADERS)
    return Response(_json(body), media_type="application/json", headers=_PRIVATE)


async def _qr_of(request: Request, service: Service, note: DeliveryNote) -> str | None:
    """The code by which a courier opens the order; None once nobody carries it any more.

    None for couriers themselves: a link that makes the next one would never end.
    """
    if note.order.status not in CARRIED or caller_of(request).role is not Role.ADMIN:
        return None
    link = courier_link(request, service, note.order)
    return await asyncio.to_thread(data_url_of, link.url)


async def _note_told(note: DeliveryNote, datum: Datum) -> dict[str, Any]:
    order, customer = note.order, note.customer
    return {
        "order_id": order.order_id,
        "status": order.status.value,
        "attempt": order.attempt,
        "accept_by": None if note.accept_by is None else note.accept_by.isoformat(),
        "pickup_by": note.eta["pickup_by"],
        "deliver_by": note.eta["deliver_by"],
        "promised_by": None if order.promised_by is None else order.promised_by.isoformat(),
        "created_at": order.created_at.isoformat(),
        "mode": note.route.mode.value,
        "store": {
            "store_id": note.store["store_id"],
            "name": note.store["name"],
            "address": note.store["address"],
            "phone": note.at_store.phone,
            "timezone": note.at_store.timezone,
            **told(note.place, datum),
        },
        "destination": told(note.destination, datum),
        "customer": None if customer is None else {name: customer.get(name) for name in _ABOUT_CUSTOMERS},
        "lines": [
            {
                "sku": line["sku"],
                "name": note.names.get(line["sku"]),
                "quantity": line["quantity"],
                "price": line["price"],
                "currency": line["currency"],
            }
            for line in note.lines
        ],
        "route": await route_told(note.route, datum),
        "navigation": {"store": note.to_store, "door": note.to_door},
    }
