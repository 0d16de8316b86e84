"""POST /v1/stock/movements; POST /v1/stores/{store_id}/stock/release, …/resume."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Path
from starlette.responses import Response

from dispatch.api.bodies import body_of
from dispatch.api.documents import VERSION, answer, json_request, responses_of
from dispatch.api.schemas import NothingIn, StoreId
from dispatch.api.state import VERSION_HEADER, Service, TheService
from dispatch.api.stock_answers import MovementsAnswer, ReleasedAnswer, ResumedAnswer
from dispatch.api.stock_schemas import MovementIn, MovementsIn, ReleaseIn
from dispatch.domain.movements import Movement, MovementResult
from dispatch.domain.versions import Version
from dispatch.services.movements import SentMovement, post_movements
from dispatch.services.stores import release_shelf, resume_store

router = APIRouter(prefix="/v1")

_json = msgspec.json.Encoder().encode

type InPath = Annotated[StoreId, Path(description="The store's id, unique everywhere")]


@router.post(
    "/stock/movements",
    summary="Tell what has been sold and received",
    openapi_extra=json_request(MovementsIn),
    responses=responses_of(
        {200: answer("A result each, in order", MovementsAnswer, headers=VERSION)}, 400, 413, 415, 422
    ),
)
async def post_stock_movements(
    sent: Annotated[MovementsIn, Depends(body_of(MovementsIn))], service: TheService
) -> Response:
    """Each is taken, or refused, on its own; sent again, it changes nothing. One that names an order is its pick-up."""
    movements = [_movement_of(one, service) for one in sent.movements]
    results, version = await post_movements(service.database, service.writers.movements, movements, now=service.clock())
    return _written({"movements": [_told(result) for result in results]}, version)


def _movement_of(sent: MovementIn, service: Service) -> SentMovement:
    movement = Movement(
        movement_id=sent.movement_id,
        sku=sent.sku,
        delta=sent.delta,
        at=sent.at or service.clock(),
        at_said=sent.at is not None,
        reason=sent.reason,
        order_id=sent.order_id,
    )
    return SentMovement(sent.store_id, movement)


def _told(result: MovementResult) -> dict[str, Any]:
    told: dict[str, Any] = {
        "movement_id": result.movement_id, "status": result.status.value, "on_hand": result.on_hand,
    }  # fmt: skip
    if result.code is not None:
        told["code"] = result.code
    if result.detail is not None:
        told["detail"] = result.detail
    return told


@router.post(
    "/stores/{store_id}/stock/release",
    summary="Have what is withheld offered again",
    openapi_extra=json_request(ReleaseIn),
    responses=responses_of({200: answer("How many rows", ReleasedAnswer, headers=VERSION)}, 400, 404, 413, 415, 422),
)
async def post_release(
    store_id: InPath, sent: Annotated[ReleaseIn, Depends(body_of(ReleaseIn))], service: TheService
) -> Response:
    """What a store has said it does not have is there after all; without skus, all of it."""
    released, version = await release_shelf(service.database, store_id, sent.skus or None)
    return _written({"store_id": store_id, "released": released}, version)


@router.post(
    "/stores/{store_id}/resume",
    summary="Have a store take orders again",
    openapi_extra=json_request(NothingIn),
    responses=responses_of({200: answer("The store", ResumedAnswer, headers=VERSION)}, 400, 404, 413, 415, 422),
)
async def post_resume(
    store_id: InPath, _sent: Annotated[NothingIn, Depends(body_of(NothingIn))], service: TheService
) -> Response:
    """It has said that it is closed, or too busy, and is not any more."""
    version = await resume_store(service.database, store_id)
    return _written({"store_id": store_id}, version)


def _written(body: dict[str, Any], version: Version) -> Response:
    return Response(_json(body), media_type="application/json", headers={VERSION_HEADER: version.encode()})
