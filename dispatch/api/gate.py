"""The gate before the whole app: whoever sends a token of ours does what it allows, and nothing else.

Who sends none passes as ever, which costs a look at the names of the headers; but for pages of other origins, which any
browser may have open: without a token they may do what is open to every shopper.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Final, NoReturn

from starlette._utils import get_route_path  # what the router goes by; it has no public name
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from dispatch.api.envelope import Envelope
from dispatch.api.headers import header
from dispatch.api.origins import is_by_ticket, is_foreign
from dispatch.api.permits import Grant, grant_of
from dispatch.api.problems import Problem
from dispatch.api.shortcuts import answered_by
from dispatch.api.state import Service
from dispatch.domain.callers import (
    ADMIN,
    STRANGER,
    Caller,
    Hearing,
    Role,
    check_still_heard,
    check_still_theirs,
    may_follow,
)
from dispatch.domain.errors import ForeignOrigin, NotForThisToken, TokenExpired, UnknownToken
from dispatch.services.tokens import PREFIX
from dispatch.storage.order_events import EventScope
from dispatch.storage.orders import DEFAULT_CLIENT, StoredOrder

_CALLER: Final = "dispatch.caller"
_BEARER: Final = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +(lct_\S*) *")
# Wherever it stands in the header: one of ours that is sent in another way is refused, rather than left unread.
_OURS: Final = re.compile(rf"(?:^|[\s,=\"]){PREFIX}")


class Gate:
    """ASGI middleware. ``service`` is there once the app has started."""

    def __init__(self, app: ASGIApp, service: Callable[[], Service]) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for name, _ in scope["headers"]:
                if name == b"authorization" or name == b"origin":
                    try:
                        await self._judge(scope)
                    except Exception as error:  # a fault of ours must not open the gate: the envelope answers it
                        await Envelope(answered_by(partial(_refused, error)))(scope, receive, send)
                        return
                    break
        await self._app(scope, receive, send)

    async def _judge(self, scope: Scope) -> None:
        """Note who is calling, if a token says so. Raises what they are refused with."""
        token = _token_of(scope)
        service = self._service()
        if token is None:
            if is_foreign(scope, service.public_url) and header(scope, b"authorization") is None:
                _judge_stranger(scope)
            return
        caller = service.tokens.read(token, now=service.clock())
        grant = grant_of(caller, scope["method"], get_route_path(scope), scope["query_string"])
        if grant is Grant.NO:
            raise NotForThisToken(f"a {caller.role}'s token does not allow this here")
        if caller.role is Role.COURIER and grant is not Grant.YES:
            await _check_link(service, caller)
        scope[_CALLER] = caller


def _judge_stranger(scope: Scope) -> None:
    """Raise ForeignOrigin for what a page of another origin may not do without a token."""
    if scope["method"] == "OPTIONS" or is_by_ticket(scope):  # a preflight does nothing
        return
    if grant_of(STRANGER, scope["method"], get_route_path(scope), scope["query_string"]) is Grant.NO:
        raise ForeignOrigin(
            "a page of another origin may do this with a token alone; POST /v1/shopper-tokens makes one for a shopper"
        )
    scope[_CALLER] = STRANGER


async def _refused(error: Exception, _request: Request) -> NoReturn:
    raise error


def _token_of(scope: Scope) -> str | None:
    """The token that is sent, None if it is none of ours. Raises UnknownToken for one that is sent in a wrong way."""
    sent = [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"]
    if not any(_OURS.search(value) for value in sent):
        return None
    found = _BEARER.fullmatch(sent[0])
    if len(sent) > 1 or found is None:
        raise UnknownToken("a token is sent in one header, so: Authorization: Bearer " + PREFIX + "…")
    return found[1]


async def _check_link(service: Service, caller: Caller) -> None:
    assert caller.client is not None, "every token says so"
    assert caller.order_id is not None, "a courier's token says so"
    order = await service.ordering.get(caller.client, caller.order_id)
    check_still_theirs(caller, order.status, order.attempt)


# ── for the routes ─────────────────────────────────────────────────────────────────────────────────────────────────


def caller_of(request: Request) -> Caller:
    """Who sends this request; without a token, the admin."""
    caller: Caller = request.scope.get(_CALLER, ADMIN)
    return caller


def check_may_follow(request: Request, *, store_id: str | None = None, order_id: str | None = None) -> None:
    """For what a body asks to follow. Raises NotForThisToken."""
    caller = caller_of(request)
    if not may_follow(caller, store_id=store_id, order_id=order_id):
        raise NotForThisToken(f"a {caller.role}'s token follows one order of theirs, named by order_id")


def check_attempt(request: Request, attempt: int | None) -> None:
    """A courier acts in the attempt that the link is for. Raises Problem 403."""
    caller = caller_of(request)
    if caller.role is Role.COURIER and attempt != caller.attempt:
        detail = f"is not the attempt that this link is for, which is {caller.attempt}"
        raise Problem(403, NotForThisToken.code, f"attempt {detail}", errors=[("/attempt", detail)])


def check_order(request: Request, order: StoredOrder) -> None:
    """An order, as it is about to be told: it may have left the courier while it was asked for. Raises LinkLeft."""
    check_still_theirs(caller_of(request), order.status, order.attempt)


async def check_hearing(service: Service, scope: EventScope, hearing: Hearing) -> None:
    """Of what is about to be told: a ticket may outlast what it was given for. Raises TokenExpired, LinkLeft."""
    if hearing.has_ended(service.clock()):
        raise TokenExpired("the token that this was asked for with has run out; ask for another")
    if hearing.attempt is not None and scope.order_id is not None:
        order = await service.ordering.get(DEFAULT_CLIENT, scope.order_id)
        check_still_heard(hearing, order.status, order.attempt)
