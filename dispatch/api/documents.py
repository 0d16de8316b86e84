"""What the OpenAPI document tells beyond what the routes' own signatures say."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from dispatch.api.schemas import QuoteIn, QuotesIn, ShelfIn, StoreIn


def json_request(model: type[BaseModel]) -> dict[str, Any]:
    """The body of a route that reads it itself; its schema is added by ``describe``."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def file_request() -> dict[str, Any]:
    """A file as the body itself, or as the one file of a form."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    form = {"schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}}
    content = {"text/csv": binary, "application/octet-stream": binary, "multipart/form-data": form}
    return {"requestBody": {"required": True, "content": content}}


DESCRIPTION = """
Finds the nearest partner store that can really fulfil an order within its promise, and proves it.

Places are WGS84 unless `datum` says `gcj02` or `bd09`; answers are in the datum of the question. Durations are whole
seconds (`_s`), distances metres (`_m`), money integer minor units. Errors are RFC 9457 problems. A write answers
`Dispatch-Version`; a read that sends it back as `Dispatch-Min-Version` sees that write.
"""


def describe(app: FastAPI) -> None:
    """Complete the app's OpenAPI document: the bodies that routes read themselves, and the problems of each route."""
    original = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = original()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            _, definitions = models_json_schema(
                [(model, "validation") for model in (QuoteIn, QuotesIn, StoreIn, ShelfIn)],
                ref_template="#/components/schemas/{model}",
            )
            schemas.update(definitions["$defs"])
            schemas["Problem"] = _PROBLEM
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            for path, operations in document["paths"].items():
                for operation in operations.values():
                    _add_problems(path, operation)
        document = app.openapi_schema or document
        app.openapi_schema = document
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend its document


_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "snake case, stable"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}
_MEANINGS = {
    "400": "Malformed: not JSON, a damaged cursor or version",
    "404": "There is none",
    "409": "A conflict of state",
    "413": "Larger than the limit",
    "415": "Another media type than this route takes",
    "422": "Well-formed but not valid; `errors` name the places",
    "503": "Not now; `Retry-After` says when",
}


def _add_problems(path: str, operation: dict[str, Any]) -> None:
    responses = operation.setdefault("responses", {})
    if path in ("/healthz", "/readyz"):
        return
    statuses = ["400", "422", "503"]
    if "requestBody" in operation:
        statuses += ["413", "415"]
        if "/quotes" not in path:
            statuses.append("409")
    if "{" in path:
        statuses.append("404")
    for status in sorted(statuses):
        content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        responses[status] = {"description": _MEANINGS[status], "content": content}
