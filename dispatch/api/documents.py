"""What the OpenAPI document tells beyond what the routes' own signatures say."""

import inspect
from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from dispatch.api import (
    answers,
    import_answers,
    item_answers,
    map_answers,
    note_answers,
    order_answers,
    reach_answers,
    stock_answers,
    token_answers,
)
from dispatch.api.files_sent import XLSX
from dispatch.api.schemas import (
    AttemptIn,
    DeclineIn,
    NothingIn,
    OrderIn,
    OrdersIn,
    QuoteIn,
    QuotesIn,
    ReassignIn,
    ShelfIn,
    StoreIn,
    TicketIn,
)
from dispatch.api.stock_schemas import ClosureIn, MovementsIn, PartnerIn, ReleaseIn
from dispatch.api.token_schemas import CourierLinkIn, ShopperTokenIn

DESCRIPTION = """
Finds the nearest partner store that can really fulfil an order within its promise, and proves it.

Places are WGS84 unless `datum` says `gcj02` or `bd09`; answers are in the datum of the question. Durations are whole
seconds (`_s`), distances metres (`_m`), money integer minor units. Errors are RFC 9457 problems. A write answers
`Dispatch-Version`; a read that sends it back as `Dispatch-Min-Version` sees that write.
"""

MVT: Final = "application/vnd.mapbox-vector-tile"
SVG: Final = "image/svg+xml"
_PROBLEM: Final = "application/problem+json"
_MEANINGS: Final = {
    400: "Malformed: not JSON, not UTF-8, or a damaged cursor or version",
    401: "A ticket or token that does not hold",
    403: "The token does not allow it, or its order has gone another way",
    404: "There is none",
    409: "A conflict of state",
    413: "Larger than the limit",
    415: "Another media type than this route takes",
    422: "Well-formed but not valid; `errors` name the places",
    503: "Not now; `Retry-After` says when",
}

_TOKEN: Final = (
    "A shopper's token, from POST /v1/shopper-tokens, or a courier's, from POST /v1/orders/{order_id}/courier-link."
    " Who sends none is not asked who they are"
)

_SENT: Final = (
    QuoteIn, QuotesIn, OrderIn, OrdersIn, AttemptIn, DeclineIn, ReassignIn, NothingIn, StoreIn, ShelfIn,
    MovementsIn, ReleaseIn, ClosureIn, PartnerIn, TicketIn, ShopperTokenIn, CourierLinkIn,
)  # fmt: skip

_ANSWERED: Final = (
    answers, order_answers, note_answers, import_answers, reach_answers, stock_answers, map_answers, item_answers,
    token_answers,
)  # fmt: skip

type Responses = dict[int | str, dict[str, Any]]
type Content = type[BaseModel] | dict[str, type[BaseModel]]
type Headers = dict[str, dict[str, Any]]


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


VERSION: Final[Headers] = {
    "Dispatch-Version": _header("What this write made; opaque. Send it as Dispatch-Min-Version to see the write")
}
CACHING: Final[Headers] = {
    "ETag": _header("Changes with the body; send it as If-None-Match"),
    "Cache-Control": _header("How long the answer may be kept"),
    "Vary": _header("Accept, Authorization"),
}
TILE_CACHING: Final[Headers] = CACHING | {"Vary": _header("Accept-Encoding")}
ITEM_CACHING: Final[Headers] = CACHING | {"Vary": _header("Authorization")}
REPLAY: Final[Headers] = {"Idempotent-Replay": _header("true: nothing was changed by this request")}
LOCATION: Final[Headers] = {"Location": _header("Where what was begun is told")}
ATTACHMENT: Final[Headers] = {"Content-Disposition": _header("A name to keep the file under")}
_REQUEST_ID: Final[Headers] = {"X-Request-Id": _header("The request's id, as sent or made")}
_AUTHENTICATE: Final[Headers] = {"WWW-Authenticate": _header("Bearer, and that the token is what is wrong (RFC 6750)")}
_RETRY_AFTER: Final[Headers] = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}


def answer(description: str, content: Content | None = None, *, headers: Headers | None = None) -> dict[str, Any]:
    """One answer of a route: its model (of JSON, or by media type) and its headers."""
    told: dict[str, Any] = {"description": description}
    if content is not None:
        by_media_type = content if isinstance(content, dict) else {"application/json": content}
        told["content"] = {media_type: {"schema": _ref(model)} for media_type, model in by_media_type.items()}
    if headers:
        told["headers"] = headers
    return told


def responses_of(told: dict[int, dict[str, Any]], *problems: int) -> Responses:
    """What a route answers, and with which statuses its problems come; 401, 403 and 503 are some of every route."""
    by_status = told | {status: _problem(status) for status in (*problems, 401, 403, 503)}
    return dict(by_status.items())


def _problem(status: int) -> dict[str, Any]:
    told = {"description": _MEANINGS[status], "content": {_PROBLEM: {"schema": _ref(answers.ProblemAnswer)}}}
    headers = {401: _AUTHENTICATE, 503: _RETRY_AFTER}.get(status)
    return told if headers is None else told | {"headers": headers}


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def json_request(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """The body of a route that reads it itself; its schema is added by ``describe``."""
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": _ref(model)}}}}


def action_request() -> dict[str, Any]:
    """The body of an action on an order; which of them depends on the action."""
    kinds = [_ref(model) for model in (AttemptIn, DeclineIn, ReassignIn, NothingIn)]
    return {"requestBody": {"required": False, "content": {"application/json": {"schema": {"anyOf": kinds}}}}}


def file_request() -> dict[str, Any]:
    """A file as the body itself, or as the one file of a form."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    form = {"schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}}
    content = {"text/csv": binary, "application/octet-stream": binary, "multipart/form-data": form}
    return {"requestBody": {"required": True, "content": content}}


def csv_content() -> dict[str, Any]:
    """A table as text."""
    return {"content": {"text/csv": {"schema": {"type": "string"}}}}


def workbook_content() -> dict[str, Any]:
    """A table as a workbook."""
    return {"content": {XLSX: {"schema": {"type": "string", "format": "binary"}}}}


def event_stream_content() -> dict[str, Any]:
    """Server-sent events."""
    return {"content": {"text/event-stream": {"schema": {"type": "string"}}}}


def svg_content() -> dict[str, Any]:
    """An image."""
    return {"content": {SVG: {"schema": {"type": "string"}}}}


def tile_content() -> dict[str, Any]:
    """A vector tile."""
    return {"content": {MVT: {"schema": {"type": "string", "format": "binary"}}}}


def describe(app: FastAPI) -> None:
    """Complete the app's OpenAPI document: the schemas that routes only name, and what every answer has."""
    original = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = original()
            schemas = document.get("components", {}).get("schemas", {}) | _schemas()
            document["components"] = {
                "schemas": dict(sorted(schemas.items())),
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": _TOKEN}},
            }
            document["security"] = [{}, {"token": []}]
            for operations in document["paths"].values():
                for operation in operations.values():
                    for told in operation["responses"].values():
                        told["headers"] = told.get("headers", {}) | _REQUEST_ID
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend its document


def _schemas() -> dict[str, Any]:
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in _SENT]
    for module in _ANSWERED:
        for _, model in inspect.getmembers(module, inspect.isclass):
            if issubclass(model, BaseModel) and model.__module__ == module.__name__ and model is not answers.Told:
                models.append((model, "serialization"))
    _, definitions = models_json_schema(models, ref_template="#/components/schemas/{model}")
    schemas: dict[str, Any] = definitions["$defs"]
    return schemas
