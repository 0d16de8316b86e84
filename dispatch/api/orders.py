"""PUT and GET /v1/orders/{order_id}, its actions and events; GET /v1/orders; POST /v1/orders/batch."""

import asyncio
import hashlib
import re
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
import structlog
from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response
from starlette.types import Scope

from dispatch.api import order_answers
from dispatch.api.bodies import body_of, parsed, read_json
from dispatch.api.cursors import (
    FIRST_MOMENT,
    LAST_MOMENT,
    Cursors,
    between_moments,
    damaged_cursor,
    moment_of_us,
    us_of,
)
from dispatch.api.documents import REPLAY, VERSION, action_request, answer, json_request, responses_of
from dispatch.api.gate import caller_of, check_attempt, check_order
from dispatch.api.orders_told import event_told, order_told, refusal_told
from dispatch.api.places import place_of
from dispatch.api.plain_orders import PlainOrder, content_of, customer_of, read_order
from dispatch.api.problems import Problem, fault, problem_of
from dispatch.api.schemas import (
    ORDER_ID,
    ActionIn,
    AttemptIn,
    DeclineIn,
    NothingAsked,
    NothingIn,
    OrderAsked,
    OrderId,
    OrderIn,
    OrderOfBatchIn,
    OrdersAsked,
    OrdersIn,
    ReassignIn,
)
from dispatch.api.state import VERSION_HEADER, Service, TheMinVersion, TheService
from dispatch.domain.callers import hearing_of
from dispatch.domain.errors import DispatchError, InvalidInput, NoStoreCanFulfil
from dispatch.domain.orders import ASKED, Action
from dispatch.domain.versions import Version
from dispatch.services.orders.acting import Asked, act
from dispatch.services.orders.ordering import Ordering
from dispatch.services.orders.placing import OrderRequest, Refusal, place_order
from dispatch.services.orders.wishes import Wish, WishedLine
from dispatch.storage.order_events import events_of_order, heard
from dispatch.storage.orders import DEFAULT_CLIENT, StoredOrder, list_orders
from dispatch.storage.stores import find_store
from geo.datums import Datum

router = APIRouter(prefix="/v1")

_log = structlog.get_logger(__name__)

_json = msgspec.json.Encoder().encode
REPLAY_HEADER: Final = "Idempotent-Replay"
# Sorts behind every id of an order or client.
_LAST: Final = "\U0010ffff"
_BODIES: Final[dict[Action, type[ActionIn]]] = {
    Action.CONFIRM: NothingIn,
    Action.CANCEL: NothingIn,
    Action.DECLINE: DeclineIn,
    Action.REASSIGN: ReassignIn,
}

_is_order_id = re.compile(ORDER_ID).fullmatch

type InPath = Annotated[OrderId, Path(description="The caller's own id, unique among the client's")]


async def _order_sent(request: Request) -> PlainOrder | OrderIn:
    return read_order(await read_json(request))


# ── one ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.put(
    "/orders/{order_id}",
    summary="Place an order",
    openapi_extra=json_request(OrderIn),
    responses=responses_of(
        {
            200: answer(
                "The order was placed before, and is told as it is now", order_answers.OrderAnswer, headers=REPLAY
            ),
            201: answer("The order", order_answers.OrderAnswer, headers=VERSION),
            409: answer("None can, or the id is taken", {"application/problem+json": order_answers.RefusalAnswer}),
        },
        400,
        404,
        413,
        415,
        422,
    ),
)
async def put_order(
    order_id: InPath, sent: Annotated[PlainOrder | OrderIn, Depends(_order_sent)], request: Request
) -> Response:
    """Chooses the store, makes the promise and holds the goods, all or nothing. The same again changes nothing."""
    # Not as a dependency, which would look for doubled parameters: the body's reading has refused any.
    ordering: Ordering = request.app.state.service.ordering
    try:
        placed = await place_order(ordering, _request_of(order_id, sent))
    except NoStoreCanFulfil as error:
        raise _refused(error, sent.datum) from error
    status = 201 if placed.created else 200
    return _answer(placed.order, placed.version, sent.datum, changed=placed.created, status=status)


def read_order_id(scope: Scope) -> str | None:
    """The id in the path of PUT /v1/orders/{order_id}, if it is a good one."""
    order_id = scope["path"].rpartition("/")[2]
    return order_id if _is_order_id(order_id) else None


async def order_put(request: Request, order_id: str) -> Response:
    """The answer to PUT /v1/orders/{order_id}, without the framework's way to it."""
    return await put_order(order_id, await _order_sent(request), request)


def _request_of(order_id: str, sent: PlainOrder | OrderIn) -> OrderRequest:
    """The service's request. Raises InvalidInput for a place that cannot be."""
    place = place_of(lat=sent.destination.lat, lon=sent.destination.lon, datum=sent.datum, pointer="/destination")
    wish = Wish(
        lat=place.lat,
        lon=place.lon,
        lines=tuple(WishedLine(line.sku, line.quantity, line.max_price) for line in sent.lines),
        promise_s=sent.promise_minutes * 60,
        hold_s=sent.hold_s,
        strategy=sent.strategy,
        mode=sent.mode,
        exclude_stores=tuple(sent.exclude_stores),
        only_stores=tuple(sent.only_stores),
    )
    return OrderRequest(
        client=DEFAULT_CLIENT,
        order_id=order_id,
        fingerprint=hashlib.blake2b(content_of(sent), digest_size=16).digest(),
        wish=wish,
        channel=sent.channel,
        campaign=sent.campaign,
        customer=customer_of(sent),
        explain=sent.explain,
    )


def _refused(error: NoStoreCanFulfil, datum: Datum) -> Problem:
    problem = problem_of(error)
    if isinstance(error.refusal, Refusal):
        problem.members = refusal_told(error.refusal, datum)
    return problem


def _answer(order: StoredOrder, version: Version, datum: Datum, *, changed: bool, status: int = 200) -> Response:
    headers = {VERSION_HEADER: version.encode()}
    if not changed:
        headers[REPLAY_HEADER] = "true"
    return Response(_json(order_told(order, datum)), status_code=status, media_type="application/json", headers=headers)


@router.get(
    "/orders/{order_id}",
    summary="An order",
    responses=responses_of({200: answer("The order as it is now", order_answers.OrderAnswer)}, 400, 404, 409, 422),
)
async def get_order(
    request: Request,
    order_id: InPath,
    asked: Annotated[OrderAsked, Query()],
    service: TheService,
    _min_version: TheMinVersion,
) -> Response:
    """Answered by the database. A hold that has run out is expired at once."""
    order = await service.ordering.get(DEFAULT_CLIENT, order_id)
    check_order(request, order)
    return Response(_json(order_told(order, asked.datum)), media_type="application/json")


@router.get(
    "/orders/{order_id}/events",
    summary="What has happened to an order",
    responses=responses_of({200: answer("All of it, in order", order_answers.OrderEventsAnswer)}, 400, 404, 409, 422),
)
async def get_events_of_order(
    order_id: InPath,
    _asked: Annotated[NothingAsked, Query()],
    request: Request,
    service: TheService,
    _min_version: TheMinVersion,
) -> Response:
    """Append-only; ``seq`` counts from 1 without gaps."""
    order = await service.ordering.get(DEFAULT_CLIENT, order_id)
    events, _ = heard(await events_of_order(service.database, order), hearing_of(caller_of(request)))
    return Response(_json({"events": [event_told(event) for event in events]}), media_type="application/json")


@router.post(
    "/orders/{order_id}/{action}",
    summary="Act on an order",
    openapi_extra=action_request(),
    responses=responses_of(
        {
            200: answer("The order as it is now", order_answers.OrderAnswer, headers=VERSION | REPLAY),
            409: answer("Not in this state, or none can", {"application/problem+json": order_answers.RefusalAnswer}),
        },
        400,
        404,
        413,
        415,
        422,
    ),
)
async def post_action(
    order_id: InPath,
    action: Annotated[str, Path(description=", ".join(ASKED), json_schema_extra={"enum": list(ASKED)})],
    request: Request,
    service: TheService,
) -> Response:
    """What already is so, and an attempt that has been left, change nothing: 200 with the order as it is."""
    if action not in ASKED:
        raise Problem(404, "not_found", f"there is no action {action[:64]}; there are {', '.join(ASKED)}")
    kind = _BODIES.get(Action(action), AttemptIn)
    sent = parsed(kind, await read_json(request) or (b"{}" if kind is NothingIn else b""))
    attempt = getattr(sent, "attempt", None)
    check_attempt(request, attempt)
    asked = Asked(
        action=Action(action),
        attempt=attempt,
        reason=getattr(sent, "reason", None),
        skus=tuple(getattr(sent, "skus", ())),
        store_id=getattr(sent, "store_id", None),
    )
    try:
        acted = await act(service.ordering, DEFAULT_CLIENT, order_id, asked)
    except NoStoreCanFulfil as error:
        raise _refused(error, sent.datum) from error
    check_order(request, acted.order)
    return _answer(acted.order, acted.version, sent.datum, changed=acted.changed)


# ── many ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get(
    "/orders",
    summary="Orders, newest first",
    responses=responses_of({200: answer("A page of them", order_answers.OrdersAnswer)}, 400, 404, 422),
)
async def get_orders(
    asked: Annotated[OrdersAsked, Query()], service: TheService, _min_version: TheMinVersion
) -> Response:
    """By ``created_at``; those of a store, of a status, or since a moment, if asked for."""
    cursors = Cursors(asked, tuple[int, str, str])
    store_no = None
    if asked.store_id is not None:
        async with service.database.connection() as connection:
            store_no = (await find_store(connection, asked.store_id)).store_no
    found = await list_orders(
        service.database,
        store_no=store_no,
        status=asked.status,
        # The database knows no moment as early or late as some that can be written.
        since=between_moments(asked.since or FIRST_MOMENT),
        before=_before(cursors.position()),
        limit=asked.limit + 1,
    )
    shown = found[: asked.limit]
    last = shown[-1] if len(found) > asked.limit else None
    next_cursor = None if last is None else cursors.after((us_of(last.created_at), last.client, last.order_id))
    body = {"orders": [order_told(order, asked.datum) for order in shown], "next_cursor": next_cursor}
    return Response(_json(body), media_type="application/json")


def _before(position: tuple[int, str, str] | None) -> tuple[datetime, str, str]:
    """Where a list goes on. Raises Problem 400 for a cursor that was never given out."""
    if position is None:
        return LAST_MOMENT, _LAST, _LAST
    us, client, order_id = position
    if "\0" in client + order_id:
        raise damaged_cursor()
    return moment_of_us(us), client, order_id


@router.post(
    "/orders/batch",
    summary="Place many orders",
    openapi_extra=json_request(OrdersIn),
    responses=responses_of(
        {200: answer("An answer each, in order", order_answers.OrdersPlacedAnswer, headers=VERSION)}, 400, 413, 415, 422
    ),
)
async def post_orders(sent: Annotated[OrdersIn, Depends(body_of(OrdersIn))], service: TheService) -> Response:
    """Each is placed, or refused, on its own; the first of the list are the first to be served.

    An entry of status 5xx tells of that order alone: the same order again tells what became of it.
    """
    if sent.assignment != "greedy":
        raise InvalidInput([("/assignment", "joint is not built yet; use greedy")])
    version = Version()
    before: dict[str, asyncio.Task[dict[str, Any]]] = {}
    tasks: list[asyncio.Task[dict[str, Any]]] = []
    for order in sent.orders:
        placing = _one_of_many(service, order, version, before.get(order.order_id))
        task = asyncio.create_task(placing)
        before[order.order_id] = task
        tasks.append(task)
        # Each begins before the next one does.
        await asyncio.sleep(0)
    body = {"orders": await asyncio.gather(*tasks)}
    headers = {VERSION_HEADER: version.encode()} if version else {}
    return Response(_json(body), media_type="application/json", headers=headers)


async def _one_of_many(
    service: Service, sent: OrderOfBatchIn, version: Version, before: "asyncio.Task[dict[str, Any]] | None"
) -> dict[str, Any]:
    """One answer. An id that stands twice is placed once: the second waits for the first, whatever comes of it."""
    if before is not None:
        await asyncio.wait([before])
    try:
        return await _placed_or_refused(service, sent, version)
    except Exception as error:
        # The others are being placed, and their sender has to hear of it.
        _log.error("request_failed", path="/v1/orders/batch", order_id=sent.order_id, exc_info=error)
        problem = fault()
        return {"status": problem.status, "body": problem.body()}


async def _placed_or_refused(service: Service, sent: OrderOfBatchIn, version: Version) -> dict[str, Any]:
    try:
        placed = await place_order(service.ordering, _request_of(sent.order_id, sent))
    except NoStoreCanFulfil as error:
        problem = _refused(error, sent.datum)
        return {"status": problem.status, "body": problem.body()}
    except DispatchError as error:
        return {"status": problem_of(error).status, "body": problem_of(error).body()}
    version.merge(placed.version)
    return {"status": 201 if placed.created else 200, "body": order_told(placed.order, sent.datum)}
