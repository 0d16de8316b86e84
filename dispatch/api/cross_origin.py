"""Pages of other origins: what their browsers are told they may ask and read (CORS)."""

from collections.abc import Collection
from functools import partial
from typing import Final

from starlette.middleware.cors import CORSMiddleware

from dispatch.api.shortcuts import ShortcutApp

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_SENT: Final = (
    "Authorization", "Content-Type", "Dispatch-Min-Version", "If-None-Match", "Last-Event-ID", "X-Request-Id",
)  # fmt: skip
_READ: Final = ("Dispatch-Version", "ETag", "Idempotent-Replay", "Location", "Retry-After", "X-Request-Id")
# The longest that Chromium keeps it.
_KEPT_S: Final = 7200


def answer_pages_of(app: ShortcutApp, origins: Collection[str]) -> None:
    """Let pages of these origins (``*``: of all) use the app; without any, nothing is put around it.

    Tokens come in a header and never in a cookie, so that a page has no more than what it was given; what it may do
    without one is told by the gate.
    """
    if not origins:
        return
    cors = partial(
        CORSMiddleware,
        allow_origins=tuple(origins),
        allow_methods=_METHODS,
        allow_headers=_SENT,
        expose_headers=_READ,
        max_age=_KEPT_S,
    )
    app.wrap(cors)
