"""POST /v1/shopper-tokens, GET /v1/caller, POST …/courier-link, GET /v1/stores/{store_id}/qr.svg."""

import asyncio
import re
from datetime import datetime
from typing import Annotated, Final, NamedTuple
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from dispatch.api.bodies import body_of, parsed, read_json
from dispatch.api.documents import SVG, answer, json_request, responses_of, svg_content
from dispatch.api.gate import caller_of
from dispatch.api.headers import header
from dispatch.api.problems import Problem
from dispatch.api.schemas import NothingAsked, OrderId, StoreId
from dispatch.api.state import Service, TheReplica, TheService
from dispatch.api.token_answers import CallerAnswer, CourierLinkAnswer, ShopperTokenAnswer
from dispatch.api.token_schemas import COURIER_TTL_S, CourierLinkIn, ShopperTokenIn, StoreQrAsked
from dispatch.domain.callers import check_can_be_carried
from dispatch.domain.errors import StoreNotFound
from dispatch.services.tokens import new_order_id_prefix
from dispatch.storage.orders import DEFAULT_CLIENT, StoredOrder
from dispatch.web.qr_codes import data_url_of, svg_of

router = APIRouter(prefix="/v1")

_json = msgspec.json.Encoder().encode
# A token is the same as a key, and nobody keeps a key in a cache.
_NOT_KEPT: Final = {"Cache-Control": "no-store"}
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._\-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


class SvgResponse(Response):
    media_type = SVG


def public_url(request: Request, service: Service) -> str:
    """The address of this service in links, without a slash at its end: the setting's, else that of the request.

    Raises Problem 400 for a request that was sent to no address that could be one.
    """
    if service.public_url is not None:
        return service.public_url
    host = header(request.scope, b"host") or ""
    if not _HOST.fullmatch(host):
        raise Problem(400, "malformed", "the Host header is not the address of a server; set DISPATCH_PUBLIC_URL")
    return f"{request.scope['scheme']}://{host}{quote(request.scope.get('root_path', ''))}"


# ── shoppers ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def _token_asked(request: Request) -> ShopperTokenIn:
    return parsed(ShopperTokenIn, await read_json(request) or b"{}")


@router.post(
    "/shopper-tokens",
    summary="A token to shop with",
    status_code=201,
    openapi_extra=json_request(ShopperTokenIn, required=False),
    responses=responses_of({201: answer("The token", ShopperTokenAnswer)}, 400, 413, 415, 422),
)
async def post_shopper_token(
    asked: Annotated[ShopperTokenIn, Depends(_token_asked)], request: Request, service: TheService
) -> Response:
    """For a browser or app that orders for one shopper. Asked with such a token that still holds, it is renewed.

    A renewed token has the same ``order_id_prefix``, and so the same orders; the old one holds until its own end.
    """
    before = caller_of(request)
    token, caller = service.tokens.shopper(
        client=before.client or DEFAULT_CLIENT,
        order_id_prefix=before.order_id_prefix or new_order_id_prefix(),
        ttl_s=asked.ttl_s,
        now=service.clock(),
    )
    body = {
        "token": token,
        "role": caller.role,
        "order_id_prefix": caller.order_id_prefix,
        "expires_at": _moment(caller.expires_at),
    }
    return Response(_json(body), status_code=201, media_type="application/json", headers=_NOT_KEPT)


@router.get("/caller", summary="Who am I?", responses=responses_of({200: answer("The caller", CallerAnswer)}, 422))
async def get_caller(request: Request, _asked: Annotated[NothingAsked, Query()]) -> Response:
    """What the token says; without one, the admin."""
    caller = caller_of(request)
    body = {
        "role": caller.role,
        "order_id_prefix": caller.order_id_prefix,
        "order_id": caller.order_id,
        "attempt": caller.attempt,
        "expires_at": _moment(caller.expires_at),
    }
    return Response(_json(body), media_type="application/json", headers=_NOT_KEPT)


def _moment(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()


# ── couriers ───────────────────────────────────────────────────────────────────────────────────────────────────────


class CourierLink(NamedTuple):
    url: str
    token: str
    expires_at: datetime | None


def courier_link(request: Request, service: Service, order: StoredOrder, *, ttl_s: int = COURIER_TTL_S) -> CourierLink:
    """The page of an order, for whoever carries it in its attempt. Whether it can be carried is not looked at."""
    token, caller = service.tokens.courier(
        client=order.client, order_id=order.order_id, attempt=order.attempt, ttl_s=ttl_s, now=service.clock()
    )
    return CourierLink(f"{public_url(request, service)}/c/{token}", token, caller.expires_at)


@router.post(
    "/orders/{order_id}/courier-link",
    summary="A link for the courier",
    openapi_extra=json_request(CourierLinkIn),
    responses=responses_of({200: answer("The link, and its QR code", CourierLinkAnswer)}, 400, 404, 409, 413, 415, 422),
)
async def post_courier_link(
    order_id: Annotated[OrderId, Path(description="The caller's own id, unique among the client's")],
    sent: Annotated[CourierLinkIn, Depends(body_of(CourierLinkIn))],
    request: Request,
    service: TheService,
) -> Response:
    """Whoever opens it sees where to go, and says picked up, delivered or failed, while the order is at this attempt.

    Each time it is another one. An order can be given to a courier from its confirmation until it is delivered.
    """
    order = await service.ordering.get(DEFAULT_CLIENT, order_id)
    check_can_be_carried(order.status, order.attempt, sent.attempt)
    link = courier_link(request, service, order, ttl_s=sent.ttl_s)
    body = {
        "url": link.url,
        "token": link.token,
        "expires_at": _moment(link.expires_at),
        "qr": await asyncio.to_thread(data_url_of, link.url),
    }
    return Response(_json(body), media_type="application/json", headers=_NOT_KEPT)


# ── posters ────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get(
    "/stores/{store_id}/qr.svg",
    summary="The QR code of a store's page",
    response_class=SvgResponse,
    responses=responses_of({200: answer("The image") | svg_content()}, 400, 404, 422),
)
async def get_store_qr(
    store_id: Annotated[StoreId, Path(description="The store's id, unique everywhere")],
    asked: Annotated[StoreQrAsked, Query()],
    request: Request,
    service: TheService,
    replica: TheReplica,
) -> Response:
    """For a poster: it opens the shop at this store, and `campaign` says in each order which poster it was."""
    if replica.slot(store_id) is None:
        raise StoreNotFound(f"there is no store {store_id}")
    url = f"{public_url(request, service)}/s/{quote(store_id, safe='')}"
    if asked.campaign is not None:
        url += f"?campaign={quote(asked.campaign, safe='')}"
    return SvgResponse(await asyncio.to_thread(svg_of, url))
