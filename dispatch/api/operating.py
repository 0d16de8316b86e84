"""GET /healthz, /readyz: is the process alive, and may it be asked?"""

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from dispatch.api.answers import HealthAnswer, ReadyAnswer
from dispatch.api.documents import answer
from dispatch.api.state import TheService
from dispatch.domain.errors import DatabaseUnavailable, ReplicaNotReady

router = APIRouter()

_json = msgspec.json.Encoder().encode


@router.get("/healthz", summary="The process is alive", responses={200: answer("It is", HealthAnswer)})
async def healthz() -> Response:
    """Always 200 while the process answers at all."""
    return Response(_json({"status": "ok"}), media_type="application/json")


@router.get(
    "/readyz",
    summary="It may be asked",
    responses={200: answer("Now", ReadyAnswer), 503: answer("Not now; the parts say why", ReadyAnswer)},
)
async def readyz(service: TheService) -> Response:
    """200 when the database answers and the replica is fresh; 503 with the reason otherwise."""
    parts: dict[str, str] = {"database": "ok", "replica": "ok", "roads": "none configured: times are estimates"}
    ready = True
    try:
        await service.database.ping()
    except DatabaseUnavailable as error:
        parts["database"], ready = str(error), False
    try:
        replica = service.follower.replica
        stores = len(replica.catalogue)
    except ReplicaNotReady as error:
        parts["replica"], ready, stores = str(error), False, 0
    body = {"status": "ready" if ready else "not_ready", "parts": parts, "stores": stores}
    return Response(_json(body), status_code=200 if ready else 503, media_type="application/json")
