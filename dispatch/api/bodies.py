"""Bodies: the right media type, a bounded size, JSON that fits its schema; each fault with its place."""

from collections.abc import Awaitable, Callable
from typing import Final

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from dispatch.api.problems import Problem, problem_of_validation

JSON: Final = "application/json"


async def read_body(request: Request, *, most_bytes: int) -> bytes:
    """The whole body. Raises Problem 413 as soon as it is known to be larger than ``most_bytes``."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most_bytes:
        raise too_large(most_bytes)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most_bytes:
            raise too_large(most_bytes)
        chunks.append(chunk)
    return b"".join(chunks)


async def read_json(request: Request) -> bytes:
    """The body of a request that says it is JSON, or does not say what it is. Raises Problem 413, 415."""
    media_type = request.headers.get("content-type", JSON).split(";")[0].strip().lower()
    if media_type != JSON and not media_type.endswith("+json"):
        raise Problem(415, "unsupported_media_type", f"the body must be {JSON}, not {media_type[:64]}")
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
