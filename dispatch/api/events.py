"""GET /v1/events, GET /v1/events/stream, POST /v1/events/tickets: what happens to orders, asked for or told."""

from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import Response, StreamingResponse

from dispatch.api import order_answers
from dispatch.api.bodies import body_of
from dispatch.api.documents import answer, event_stream_content, json_request, responses_of
from dispatch.api.event_stream import EventStream
from dispatch.api.gate import caller_of, check_hearing, check_may_follow
from dispatch.api.orders_told import event_told
from dispatch.api.problems import Problem
from dispatch.api.schemas import EventsAsked, StreamAsked, TicketIn
from dispatch.api.state import Service, TheMinVersion, TheService
from dispatch.domain.callers import UNLIMITED, Hearing, hearing_of
from dispatch.domain.errors import InvalidInput
from dispatch.domain.versions import Version, VersionError
from dispatch.storage.event_tickets import TicketUsed, UnknownTicket, make_ticket, use_ticket
from dispatch.storage.order_events import BEYOND, EventScope, events_after, heard
from dispatch.storage.stores import find_store

router = APIRouter(prefix="/v1")

LATEST: Final = "latest"
# Of a store's events a page may be empty although there are more; it is only told as empty after so many of them.
_PAGES_PASSED_OVER: Final = 20

_json = msgspec.json.Encoder().encode


@router.get(
    "/events",
    summary="What has happened to all orders",
    responses=responses_of({200: answer("Events, and where to go on", order_answers.EventsAnswer)}, 400, 404, 422),
)
async def get_events(
    asked: Annotated[EventsAsked, Query()], request: Request, service: TheService, _min_version: TheMinVersion
) -> Response:
    """In an order that never skips a late commit: send ``after`` back, and nothing is missed, nothing told twice."""
    scope = await scope_of(request, service, asked, below="/query")
    if asked.after == LATEST:
        return _answer([], await service.live.now())
    position = Version() if asked.after is None else _position(asked.after, "after")
    for _ in range(_PAGES_PASSED_OVER):
        try:
            events, position, more = await events_after(service.database, position, asked.limit, scope)
        except VersionError as error:
            raise Problem(400, "invalid_cursor", f"after: {error}") from error
        if events or not more:
            break
    may_be_told, _ = heard(events, hearing_of(caller_of(request)))
    return _answer([event_told(event) for event in may_be_told], position)


def _answer(events: list[dict[str, object]], position: Version) -> Response:
    return Response(_json({"events": events, "after": position.encode()}), media_type="application/json")


@router.post(
    "/events/tickets",
    summary="Ask for a ticket to a stream",
    status_code=201,
    openapi_extra=json_request(TicketIn),
    responses=responses_of({201: answer("A ticket", order_answers.TicketAnswer)}, 400, 404, 413, 415, 422),
)
async def post_ticket(
    sent: Annotated[TicketIn, Depends(body_of(TicketIn))], request: Request, service: TheService
) -> Response:
    """For an ``EventSource``, which sends no key: one stream, begun within 60 s, of what is named here and no other."""
    scope = await scope_of(request, service, sent, below="")
    ticket, expires_at = await make_ticket(service.database, scope, hearing_of(caller_of(request)))
    body = {"ticket": ticket, "expires_at": expires_at.isoformat()}
    return Response(_json(body), status_code=201, media_type="application/json", headers={"Cache-Control": "no-store"})


@router.get(
    "/events/stream",
    summary="What happens to orders, as it happens",
    response_class=StreamingResponse,
    responses=responses_of(
        {200: answer("Server-sent events: ready, then orders, now and then position") | event_stream_content()},
        400,
        401,
        404,
        422,
    ),
)
async def get_stream(
    asked: Annotated[StreamAsked, Query()],
    request: Request,
    service: TheService,
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", description="The id of the last message")
    ] = None,
) -> Response:
    """Each message's id is a position, and its events come whole or not at all: who resumes there misses nothing."""
    name, said = ("Last-Event-ID", last_event_id) if last_event_id else ("after", asked.after)
    position = None if said is None or (name == "after" and said == LATEST) else _position(said, name)
    if asked.ticket is None:
        scope, hearing = await scope_of(request, service, asked, below="/query"), hearing_of(caller_of(request))
    else:
        scope, hearing = None, UNLIMITED
        _check_alone(asked)
    now = await service.live.now()
    if position is not None and not position.reached_by(now):
        raise Problem(400, "invalid_cursor", f"{name}: {BEYOND}")
    # A ticket is used last, so that none is lost to another mistake.
    if scope is None:
        scope, hearing = await _scope_by(service, asked.ticket or "")
    # Behind the look at the position: with whatever happens from here on the stream ends by itself.
    await check_hearing(service, scope, hearing)
    return EventStream(service, scope, hearing, now if position is None else position)


def _position(text: str, name: str) -> Version:
    try:
        return Version.decode(text)
    except VersionError as error:
        raise Problem(400, "invalid_cursor", f"{name}: {error}") from error


async def scope_of(
    request: Request, service: Service, asked: EventsAsked | StreamAsked | TicketIn, *, below: str
) -> EventScope:
    """What a caller is told of what it asks for. An order may be asked for before it is placed; a store must be one.

    Raises InvalidInput, StoreNotFound, NotForThisToken.
    """
    check_may_follow(request, store_id=asked.store_id, order_id=asked.order_id)
    scope = EventScope(store_id=asked.store_id, order_id=asked.order_id)
    if scope.store_id is not None and scope.order_id is not None:
        raise InvalidInput([(f"{below}/order_id", "give a store_id or an order_id, not both")])
    if scope.store_id is not None:
        async with service.database.connection() as connection:
            await find_store(connection, scope.store_id)
    return scope


def _check_alone(asked: StreamAsked) -> None:
    """Raise InvalidInput for what is asked beside a ticket, which says it already."""
    beside = [name for name in ("store_id", "order_id") if getattr(asked, name) is not None]
    if beside:
        raise InvalidInput([(f"/query/{name}", "the ticket says whose events it is for") for name in beside])


async def _scope_by(service: Service, ticket: str) -> tuple[EventScope, Hearing]:
    """What a ticket is for, and used for now, and how far it is heard. Raises Problem 401."""
    try:
        return await use_ticket(service.database, ticket)
    except TicketUsed:
        raise Problem(401, "ticket_used", "a ticket is good for one stream; ask for another and go on after") from None
    except UnknownTicket:
        raise Problem(401, "unknown_ticket", "there is no such ticket, or it has run out; ask for another") from None
