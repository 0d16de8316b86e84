"""What every request gets: an id that its answer and its log lines carry, and an answer even to a fault of ours."""

import random
import re
from typing import Final
from urllib.parse import unquote_to_bytes

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, unbind_contextvars

from dispatch.api.headers import header
from dispatch.api.problems import Problem, fault

_log = structlog.get_logger(__name__)

_HEADER: Final = b"x-request-id"
_GOOD_ID: Final = re.compile(r"[A-Za-z0-9._:\-]{1,128}")
# A courier's link has its token in the address; what is logged may be read by others.
_TOKEN: Final = re.compile(r"lct_[^/]*")
_BROKEN_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class Envelope:
    """ASGI middleware; a plain one, since Starlette's own base class costs several times the whole request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent_id = header(scope, _HEADER)
        request_id = sent_id if sent_id and _GOOD_ID.fullmatch(sent_id) else _new_id()
        told_id = (_HEADER, request_id.encode("ascii"))
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], told_id]
            await send(message)

        bind_contextvars(request_id=request_id)
        try:
            if _is_text(scope.get("raw_path") or b"") and _is_text(scope["query_string"]):
                await self._app(scope, receive, send_with_id)
            else:
                problem = Problem(400, "malformed", "the address holds bytes or escapes that are not UTF-8 text")
                await problem.response()(scope, receive, send_with_id)
        except Exception as error:
            _log.error("request_failed", path=_TOKEN.sub("lct_…", scope["path"]), exc_info=error)
            if started:
                raise  # the server ends the connection, so that half an answer is not taken for a whole one
            await fault().response()(scope, receive, send_with_id)
        finally:
            unbind_contextvars("request_id")


def _new_id() -> str:
    """32 hexadecimal digits that no other request has.

    They need not be beyond guessing, and without the system's random source they cost a tenth. A process that is forked
    draws others than its parent: Python seeds it anew.
    """
    return f"{random.getrandbits(128):032x}"


def _is_text(part: bytes) -> bool:
    """Whether a part of an address, unescaped, is UTF-8; servers put other characters in for what is not."""
    if b"%" not in part and part.isascii():
        return True
    if _BROKEN_ESCAPE.search(part):
        return False
    try:
        unquote_to_bytes(part).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
