"""Answers that clients may keep: tagged, and for how long."""

import hashlib
from collections.abc import Mapping
from typing import Final

from fastapi import Request
from starlette.responses import JSONResponse, Response

from dispatch.api.headers import header

GEOJSON: Final = "application/geo+json"
_LONGEST_MAX_AGE_S: Final = 30


class GeoJsonResponse(JSONResponse):
    """So that the OpenAPI document knows no other media type of a route."""

    media_type = GEOJSON


def wants_geojson(request: Request) -> bool:
    """Whether the client asks for GeoJSON where there is JSON too."""
    return GEOJSON in (header(request.scope, b"accept") or "").lower()


def cached_answer(
    body: bytes, *, media_type: str, steady_for_s: int | None, with_stock: bool, if_none_match: str | None
) -> Response:
    """The body, or 304 to whoever has it; kept for at most 30 s, and no longer than it is steady; stock not at all."""
    return tagged_answer(
        body,
        media_type=media_type,
        cache_control=_cache_control(steady_for_s, with_stock=with_stock),
        vary="Accept, Authorization",
        if_none_match=if_none_match,
    )


def tag_of(body: bytes) -> str:
    """An ETag that changes with the body."""
    return f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'


def tagged_answer(
    body: bytes,
    *,
    media_type: str,
    cache_control: str,
    vary: str,
    if_none_match: str | None,
    tag: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The body with its tag, or 304 to whoever has it; 204 where it is empty. ``tag``: none is that of the body."""
    told = {"ETag": tag or tag_of(body), "Cache-Control": cache_control, "Vary": vary}
    if if_none_match is not None and _matches(if_none_match, told["ETag"]):
        return Response(status_code=304, headers=told)
    if not body:
        return Response(status_code=204, headers=told)
    return Response(body, media_type=media_type, headers=told | dict(headers or {}))


def _matches(if_none_match: str, etag: str) -> bool:
    """RFC 9110, 13.1.2: any tag of the list, weak or not, as proxies that pack answers make them; * is any."""
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in tags or tags == ["*"]


def _cache_control(steady_for_s: int | None, *, with_stock: bool) -> str:
    if with_stock:
        return "no-cache"
    max_age_s = _LONGEST_MAX_AGE_S if steady_for_s is None else min(_LONGEST_MAX_AGE_S, steady_for_s)
    return f"private, max-age={max_age_s}"
