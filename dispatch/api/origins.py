"""Whether a request comes from a page of another origin, which the browser says in headers that no page can forge."""

from urllib.parse import urlsplit

from starlette.types import Scope

from dispatch.api.headers import header

_STREAM = "/v1/events/stream"


def is_foreign(scope: Scope, public_url: str | None) -> bool:
    """Whether a page of another origin sends it.

    A proxy may give this service another name than browsers know it by: then they say that it is the same, or
    ``public_url`` does.
    """
    origin = header(scope, b"origin")
    if origin is None or header(scope, b"sec-fetch-site") == "same-origin":
        return False
    if public_url is not None and origin == _origin_of(public_url):
        return False
    return origin.partition("://")[2].lower() != (header(scope, b"host") or "").lower()


def is_by_ticket(scope: Scope) -> bool:
    """Whether a stream is asked for with a ticket, which says itself what it is for."""
    return scope["path"] == _STREAM and b"ticket=" in scope["query_string"]


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
