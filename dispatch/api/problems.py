"""Errors as RFC 9457 problems: one table from what can go wrong to what is answered."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from dispatch.domain import errors, orders

MEDIA_TYPE: Final = "application/problem+json"
# A body of thousands of bad values is one mistake; its first places tell it.
MOST_ERRORS_TOLD: Final = 100
UNKNOWN: Final = "this field is not known"

_STATUS: dict[type[errors.DispatchError], int] = {
    errors.InvalidInput: 422,
    errors.UnknownToken: 401,
    errors.TokenExpired: 401,
    errors.NotForThisToken: 403,
    errors.ForeignOrigin: 403,
    errors.LinkLeft: 403,
    errors.StoreNotFound: 404,
    errors.PartnerNotFound: 404,
    errors.ImportNotFound: 404,
    errors.OrderNotFound: 404,
    errors.NoRoute: 404,
    errors.NoStore: 409,
    errors.OrderIdReused: 409,
    errors.OrderIdAmbiguous: 409,
    errors.PriceChanged: 409,
    errors.NoStoreCanFulfil: 409,
    orders.WrongAttempt: 409,
    orders.InvalidTransition: 409,
    errors.StoreOfOtherPartner: 409,
    errors.SnapshotTooOld: 409,
    errors.TooManyClosures: 409,
    errors.ImportRunning: 409,
    errors.CannotBeUndone: 409,
    errors.CannotBeApplied: 409,
    errors.ImportStillRuns: 409,
    errors.ChangesNotKept: 409,
    errors.ReplicaBehind: 503,
    errors.ReplicaNotReady: 503,
    errors.Busy: 503,
    errors.OutcomeUnknown: 503,
    errors.DatabaseUnavailable: 503,
}
_RETRY_AFTER_S: dict[type[errors.DispatchError], int] = {
    errors.ReplicaBehind: 1,
    errors.ReplicaNotReady: 5,
    errors.Busy: 1,
    errors.OutcomeUnknown: 1,
    errors.DatabaseUnavailable: 5,
}
_CODES_BY_STATUS = {
    400: "malformed",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "too_large",
    415: "unsupported_media_type",
}


class Problem(Exception):
    """An answer that is an error, made where only HTTP is concerned."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        headers: dict[str, str] | None = None,
        members: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.members = members or {}
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        if status == 401:
            self.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'  # RFC 6750, 3

    def body(self) -> dict[str, Any]:
        """The problem's members."""
        members: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **self.members,
        }
        if self.errors:
            told = self.errors[:MOST_ERRORS_TOLD]
            members["errors"] = [{"pointer": pointer, "detail": detail} for pointer, detail in told]
        return members

    def response(self) -> Response:
        body = msgspec.json.encode(self.body())
        return Response(body, status_code=self.status, media_type=MEDIA_TYPE, headers=self.headers)


def fault() -> Problem:
    """The answer to a fault of ours; it says nothing of what went wrong."""
    return Problem(500, "internal_error", "something went wrong here; it has been noted")


def cut_short() -> Problem:
    """The answer to a client that went away, which nobody reads; it is no fault of ours to be logged as one."""
    return Problem(400, "malformed", "the body was cut short")


def problem_of(error: errors.DispatchError) -> Problem:
    """The answer to an error of the domain."""
    status = next(status for kind, status in _STATUS.items() if isinstance(error, kind))
    retry_after_s = next((s for kind, s in _RETRY_AFTER_S.items() if isinstance(error, kind)), None)
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    if isinstance(error, errors.InvalidInput):
        detail = error.errors[0][1] if len(error.errors) == 1 else f"{len(error.errors)} values are not valid"
        return Problem(status, error.specific_code or error.code, detail, errors=error.errors)
    members: dict[str, Any] = {}
    if isinstance(error, orders.InvalidTransition):
        members = {"order_status": error.status, "allowed": error.allowed}
    return Problem(status, error.code, str(error), headers=headers, members=members)


def problem_of_validation(error: ValidationError, *, prefix: str = "") -> Problem:
    """The answer to a body or query that does not fit its schema."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if found and found[0]["type"] == "json_invalid":
        return Problem(400, "malformed", f"the body is not JSON: {found[0]['msg'].removeprefix('Invalid JSON: ')}")
    places = [(prefix + _pointer(entry["loc"]), _sentence(entry["msg"])) for entry in found]
    detail = (
        f"{places[0][0] or 'the body'}: {places[0][1]}" if len(places) == 1 else f"{len(places)} values are not valid"
    )
    return Problem(422, "invalid_input", detail, errors=places)


def _pointer(location: Sequence[int | str]) -> str:
    return "".join(f"/{escaped(part)}" for part in location)


def escaped(part: int | str) -> str:
    """One step of a JSON pointer (RFC 6901)."""
    return str(part).replace("~", "~0").replace("/", "~1")


def _sentence(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return UNKNOWN if message == "Extra inputs are not permitted" else message


def answer_with_problems(app: FastAPI) -> None:
    """Have every error of the app answered as a problem; faults of ours are the Envelope's."""
    # A path is right or there is none: a redirect would have writes sent twice.
    app.router.redirect_slashes = False

    @app.exception_handler(Problem)
    async def of_problem(_request: Request, problem: Problem) -> Response:
        return problem.response()

    @app.exception_handler(errors.DispatchError)
    async def of_domain(_request: Request, error: errors.DispatchError) -> Response:
        return problem_of(error).response()

    @app.exception_handler(RequestValidationError)
    async def of_validation(_request: Request, error: RequestValidationError) -> Response:
        places = [
            (_pointer(tuple(str(part) for part in entry["loc"])), _sentence(str(entry["msg"])))
            for entry in error.errors()
        ]
        return Problem(422, "invalid_input", f"{places[0][0]}: {places[0][1]}", errors=places).response()

    @app.exception_handler(HTTPException)
    async def of_http(_request: Request, error: HTTPException) -> Response:
        code = _CODES_BY_STATUS.get(error.status_code, "error")
        headers = dict(error.headers) if error.headers else None
        return Problem(error.status_code, code, str(error.detail), headers=headers).response()

    @app.exception_handler(ClientDisconnect)
    async def of_disconnect(_request: Request, _error: ClientDisconnect) -> Response:
        return cut_short().response()
