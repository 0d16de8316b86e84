"""The routes that are asked most, without the framework's way to them, which costs as much as the answers' making."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dispatch.api.envelope import Envelope
from dispatch.api.problems import Problem, cut_short, problem_of
from dispatch.domain.errors import DispatchError

type Handler = Callable[[Request], Awaitable[Response]]


class Shortcut[Asked](NamedTuple):
    """A way past the framework for requests that ``read`` understands; of others it says None, and they go through it.

    So whatever is wrong with a question is told in one place.
    """

    read: Callable[[Scope], Asked | None]
    answer: Callable[[Request, Asked], Awaitable[Response]]


class _Way(NamedTuple):
    read: Callable[[Scope], Any]
    app: ASGIApp


class ShortcutApp(FastAPI):
    """FastAPI; requests of some methods and paths go straight to their handlers, each in an envelope of its own.

    The app has these routes as well, with the same handlers: for its documents, and for a path with a prefix.
    """

    _ways: Mapping[tuple[str, str], _Way] = {}
    _wrapped: ASGIApp | None = None

    def wrap(self, wrapper: Callable[[ASGIApp], ASGIApp]) -> None:
        """Put something around all of it, shortcuts included: what comes last is outermost."""
        self._wrapped = wrapper(self._wrapped or self._answered)

    def shorten(self, handlers: Mapping[tuple[str, str], Handler | Shortcut[Any]]) -> None:
        """Have these handlers, by method and path, answer without the rest of the app.

        A path that ends in a slash stands for all those that are one step longer.
        """
        self._ways = {place: _made(handler) for place, handler in handlers.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._wrapped or self._answered)(scope, receive, send)

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        way = self._way_of(scope) if scope["type"] == "http" else None
        asked = None if way is None else way.read(scope)
        if way is None or asked is None:
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self  # as the framework does
        scope[_ASKED] = asked
        await way.app(scope, receive, send)

    def _way_of(self, scope: Scope) -> _Way | None:
        method, path = scope["method"], scope["path"]
        return self._ways.get((method, path)) or self._ways.get((method, path[: path.rfind("/") + 1]))


_ASKED = "dispatch.asked"


def _made(handler: Handler | Shortcut[Any]) -> _Way:
    if not isinstance(handler, Shortcut):
        return _Way(lambda _scope: True, Envelope(answered_by(handler)))
    answer = handler.answer
    return _Way(handler.read, Envelope(answered_by(lambda request: answer(request, request.scope[_ASKED]))))


def answered_by(handler: Handler) -> ASGIApp:
    """An ASGI app of one handler, whose errors are answered as problems."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await handler(Request(scope, receive))
        except Problem as problem:
            response = problem.response()
        except DispatchError as error:
            response = problem_of(error).response()
        except ClientDisconnect:
            response = cut_short().response()
        await response(scope, receive, send)

    return answered
