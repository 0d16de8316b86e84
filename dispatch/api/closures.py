"""GET and POST /v1/stores/{store_id}/closures, and DELETE of one."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from dispatch.api.bodies import body_of
from dispatch.api.documents import VERSION, answer, json_request, responses_of
from dispatch.api.schemas import NothingAsked, StoreId
from dispatch.api.state import VERSION_HEADER, TheMinVersion, TheService
from dispatch.api.stock_answers import ClosureAnswer, ClosuresAnswer, ReopenedAnswer
from dispatch.api.stock_schemas import ClosureIn
from dispatch.domain.closures import Closure, closure_by_id
from dispatch.domain.errors import InvalidInput
from dispatch.domain.moments import moment
from dispatch.services import closures

router = APIRouter(prefix="/v1/stores/{store_id}/closures")

_json = msgspec.json.Encoder().encode
_BAD_ID: Final = "is no id of a closure, such as 20261224T100000Z-20261226T000000Z"

type InPath = Annotated[StoreId, Path(description="The store's id, unique everywhere")]
type ClosureId = Annotated[str, Path(max_length=64, description="As POST has answered it")]


@router.get(
    "", summary="When a store is closed", responses=responses_of({200: answer("Them", ClosuresAnswer)}, 400, 404, 422)
)
async def get_closures(
    store_id: InPath, _asked: Annotated[NothingAsked, Query()], service: TheService, _min_version: TheMinVersion
) -> Response:
    """The closures that are not over yet, first those that begin first; answered by the database."""
    timezone, found = await closures.read_closures(service.database, store_id, now=service.clock())
    body = {"closures": [_told(closure, timezone) for closure in found]}
    return Response(_json(body), media_type="application/json")


@router.post(
    "",
    summary="Close a store for some time",
    openapi_extra=json_request(ClosureIn),
    responses=responses_of(
        {
            200: answer("It was closed so already; the reason is the new one", ClosureAnswer, headers=VERSION),
            201: answer("The closure", ClosureAnswer, headers=VERSION),
        },
        400,
        404,
        409,
        413,
        415,
        422,
    ),
)
async def post_closure(
    store_id: InPath, sent: Annotated[ClosureIn, Depends(body_of(ClosureIn))], service: TheService
) -> Response:
    """From ``from`` until ``to`` the store is closed, whatever its opening hours say; closures may overlap.

    It takes no new orders then. The same again changes nothing, so whoever got no answer sends it once more.
    """
    closure, written = await closures.close_store(
        service.database,
        store_id,
        starts_at=sent.from_,
        ends_at=sent.to,
        reason=sent.reason,
        now=service.clock(),
    )
    headers = {VERSION_HEADER: written.version.encode()}
    status = 201 if written.changed else 200
    body = _told(closure, written.timezone)
    return Response(_json(body), status_code=status, media_type="application/json", headers=headers)


@router.delete(
    "/{closure_id}",
    summary="Take a closure back",
    responses=responses_of({200: answer("It is gone", ReopenedAnswer, headers=VERSION)}, 400, 404, 422),
)
async def delete_closure(
    store_id: InPath, closure_id: ClosureId, _asked: Annotated[NothingAsked, Query()], service: TheService
) -> Response:
    """200 also where it is gone already; ``removed`` tells whether it was this request that removed it."""
    closure = closure_by_id(closure_id)
    if closure is None:
        raise InvalidInput([("/path/closure_id", _BAD_ID)])
    written = await closures.delete_closure(service.database, store_id, closure)
    body = {"store_id": store_id, "closure_id": closure_id, "removed": written.changed}
    headers = {VERSION_HEADER: written.version.encode()}
    return Response(_json(body), media_type="application/json", headers=headers)


def _told(closure: Closure, timezone: str) -> dict[str, Any]:
    return {
        "closure_id": closure.closure_id,
        "from": moment(int(closure.starts_at.timestamp()), timezone),
        "to": moment(int(closure.ends_at.timestamp()), timezone),
        "reason": closure.reason,
    }
