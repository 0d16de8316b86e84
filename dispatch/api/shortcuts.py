"""The route that is asked most, without the framework's way to it, which costs as much as the answer's making."""

from collections.abc import Awaitable, Callable, Mapping

from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dispatch.api.envelope import Envelope
from dispatch.api.problems import Problem, cut_short, problem_of
from dispatch.domain.errors import DispatchError

type Handler = Callable[[Request], Awaitable[Response]]


class ShortcutApp(FastAPI):
    """FastAPI; requests of some methods and paths go straight to their handlers, each in an envelope of its own.

    The app has these routes as well, with the same handlers: for its documents, and for a path with a prefix.
    """

    _shortcuts: Mapping[tuple[str, str], ASGIApp] = {}

    def shorten(self, handlers: Mapping[tuple[str, str], Handler]) -> None:
        """Have these handlers, by method and path, answer without the rest of the app."""
        self._shortcuts = {place: Envelope(_answered_by(handler)) for place, handler in handlers.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        shortcut = self._shortcuts.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if shortcut is None:
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self  # as the framework does
        await shortcut(scope, receive, send)


def _answered_by(handler: Handler) -> ASGIApp:
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
