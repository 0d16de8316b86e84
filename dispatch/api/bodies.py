"""Bodies: the right media type, a bounded size, JSON that fits its schema; each fault with its place."""

import re
from collections.abc import Awaitable, Callable
from typing import Final

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from dispatch.api.headers import header
from dispatch.api.problems import UNKNOWN, Problem, escaped, problem_of_validation

JSON: Final = "application/json"
_LENGTH: Final = re.compile(r"[0-9]{1,18}")


async def read_body(request: Request, *, most_bytes: int) -> bytes:
    """The whole body. Raises Problem 413 as soon as it is known to be larger than ``most_bytes``, ClientDisconnect."""
    check_declared_size(request, most_bytes)
    chunks, size, more = [], 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk, more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        if size > most_bytes:
            raise too_large(most_bytes)
        chunks.append(chunk)
    return b"".join(chunks)


def check_declared_size(request: Request, most_bytes: int) -> None:
    """Raise Problem 413 for a body that says it is larger than ``most_bytes``; the body need not speak the truth."""
    declared = header(request.scope, b"content-length") or ""
    if _LENGTH.fullmatch(declared) and int(declared) > most_bytes:
        raise too_large(most_bytes)


async def read_json(request: Request) -> bytes:
    """The body of a request that says it is JSON, or does not say what it is. Raises Problem 413, 415, 422.

    Routes that take JSON take no parameters, so any is one too many.
    """
    if request.scope["query_string"]:
        names = dict.fromkeys(request.query_params)
        raise Problem(422, "invalid_input", UNKNOWN, errors=[(f"/query/{escaped(name)}", UNKNOWN) for name in names])
    media_type = header(request.scope, b"content-type")
    media_type = JSON if media_type is None else media_type.split(";")[0].strip().lower()
    if media_type != JSON and not media_type.endswith("+json"):
        raise Problem(415, "unsupported_media_type", f"the body must be {JSON}, not {media_type[:64]}")
    coding = header(request.scope, b"content-encoding")
    if coding is not None and (coding := coding.strip().lower()) != "identity":
        raise Problem(415, "unsupported_media_type", f"the body must be sent plain, not as {coding[:64]}")
    return await read_body(request, most_bytes=request.app.state.service.limits.max_body_bytes)


def parsed[T: BaseModel](model: type[T], body: bytes, *, prefix: str = "") -> T:
    """The body as ``model``. Raises Problem 400 for what is not JSON, 422 for what does not fit."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise problem_of_validation(error, prefix=prefix) from error
    except RecursionError as error:
        raise Problem(400, "malformed", "the body is nested too deeply") from error


def body_of[T: BaseModel](model: type[T]) -> Callable[[Request], Awaitable[T]]:
    """A dependency that yields the request's body as ``model``."""

    async def read(request: Request) -> T:
        return parsed(model, await read_json(request))

    return read


def too_large(most_bytes: int) -> Problem:
    """The answer to a body over the limit."""
    return Problem(413, "too_large", f"the body is larger than {most_bytes} bytes", headers={"Connection": "close"})
