"""The route that is asked most, without the framework's way to it, which costs half as much as the answer itself."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dispatch.api.problems import Problem, cut_short, problem_of
from dispatch.domain.errors import DispatchError

type Handler = Callable[[Request], Awaitable[Response]]


class Shortcuts:
    """ASGI middleware: requests of some methods and paths go straight to their handlers, all others to the app.

    The app has these routes as well, with the same handlers: for its documents, and for a path with a prefix.
    """

    def __init__(self, app: ASGIApp, handlers: Mapping[tuple[str, str], Handler]) -> None:
        self._app = app
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = self._handler(scope)
        if handler is None:
            await self._app(scope, receive, send)
            return
        try:
            response = await handler(Request(scope, receive))
        except Problem as problem:
            response = problem.response()
        except DispatchError as error:
            response = problem_of(error).response()
        except ClientDisconnect:
            response = cut_short().response()
        await response(scope, receive, send)

    def _handler(self, scope: Scope) -> Handler | None:
        return self._handlers.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
