"""Routes of the shape of ours that do nothing: ``python -m tests.bench.http_noop LISTENER_FD KIND``, told on stdin.

What is read from standard input are the answers that every request gets: one of a quote and one of a page of stores, a
line each. They are served as the service is: by uvicorn with uvloop and httptools, its answers in one packet.
"""

import socket
import sys
from collections.abc import Callable
from typing import Annotated, Any, Final, cast

import msgspec
import uvicorn
from fastapi import FastAPI, Query
from starlette.types import ASGIApp, Receive, Scope, Send

from dispatch.api import answers
from dispatch.api.schemas import NearbyIn, QuoteIn
from dispatch.commands.server import config_of, settle_memory

type Told = dict[str, Any]


def by_models(quote: Told, page: Told) -> ASGIApp:
    """As FastAPI's manual has it: models say what comes in and what goes out, and it checks and encodes both."""
    made = FastAPI()

    @made.post("/v1/quotes")
    async def post_quote(_asked: QuoteIn) -> answers.Fulfillable:
        return quote  # type: ignore[return-value]  # a TypedDict, which is plain

    @made.get("/v1/stores/nearby")
    async def get_nearby(_asked: Annotated[NearbyIn, Query()]) -> answers.NearbyAnswer:
        return page  # type: ignore[return-value]  # the manual lets a plain dictionary stand for a model

    return made


def by_model_in(quote: Told, page: Told) -> ASGIApp:
    """FastAPI with models of what comes in alone: nobody checks the answer, FastAPI encodes it."""
    made = FastAPI()

    @made.post("/v1/quotes", response_model=None)
    async def post_quote(_asked: QuoteIn) -> Told:
        return quote

    @made.get("/v1/stores/nearby", response_model=None)
    async def get_nearby(_asked: Annotated[NearbyIn, Query()]) -> Told:
        return page

    return made


class _Place(msgspec.Struct):
    lat: float
    lon: float


class _Line(msgspec.Struct):
    sku: str
    quantity: int


class _Asked(msgspec.Struct):
    destination: _Place
    lines: list[_Line]


def bare(quote: Told, page: Told) -> ASGIApp:
    """No framework: the body is read by msgspec, and the answer is bytes that were made beforehand."""
    decode = msgspec.json.Decoder(_Asked).decode
    bodies = {"/v1/quotes": msgspec.json.encode(quote), "/v1/stores/nearby": msgspec.json.encode(page)}
    heads = {
        path: [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/json")]
        for path, body in bodies.items()
    }

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for done in ("lifespan.startup.complete", "lifespan.shutdown.complete"):
                await receive()
                await send({"type": done})
            return
        path = scope["path"]
        if scope["method"] == "POST":
            message = await receive()
            assert not message.get("more_body"), "the questions are small"
            decode(message["body"])
        await send({"type": "http.response.start", "status": 200, "headers": heads[path]})
        await send({"type": "http.response.body", "body": bodies[path]})

    return app


KINDS: Final[dict[str, Callable[[Told, Told], ASGIApp]]] = {
    "FastAPI, models in and out": by_models,
    "FastAPI, models in": by_model_in,
    "bare": bare,
}


def main() -> None:
    kind = KINDS[sys.argv[2]]
    quote, page = (msgspec.json.decode(sys.stdin.buffer.readline()) for _ in range(2))
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        settle_memory()
        # The type says FastAPI, and uvicorn takes any.
        uvicorn.Server(config_of(cast(FastAPI, kind(quote, page)), "warning")).run([listener])


if __name__ == "__main__":
    main()
