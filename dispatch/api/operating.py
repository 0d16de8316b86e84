"""GET /healthz, /readyz, /metrics, /v1/replica: does it live, may it be asked, how does it do, is its copy right?"""

import os
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import PlainTextResponse, Response

from dispatch.api.answers import HealthAnswer, ReadyAnswer, ReplicaAnswer
from dispatch.api.documents import answer, responses_of
from dispatch.api.schemas import ReplicaAsked
from dispatch.api.state import TheReplica, TheService
from dispatch.domain.errors import DatabaseUnavailable, ReplicaNotReady
from dispatch.services.checksums import CellChecksum, cell_checksums
from dispatch.services.metrics import CONTENT_TYPE
from dispatch.services.roads import Roads

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
    parts: dict[str, str] = {"database": "ok", "replica": "ok", "roads": _roads_told(service.roads)}
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


def _roads_told(roads: Roads) -> str:
    """It may be asked without roads, too: then times are estimates, and every answer says so."""
    if roads.engine is None:
        return "none configured: times are estimates"
    if roads.problem is None:
        return f"by {roads.engine.name}"
    return f"given up for a few seconds, times are estimates: {roads.problem}"


@router.get(
    "/metrics",
    summary="What it has counted, for Prometheus",
    response_class=PlainTextResponse,
    responses={200: answer("Of all workers")},
)
async def get_metrics(service: TheService) -> Response:
    """Prometheus' text format. Asks no database. The sum of all workers, whichever of them answers."""
    return Response(service.metrics.exposition(), media_type=CONTENT_TYPE)


@router.get(
    "/v1/replica",
    summary="What this worker holds, as checksums",
    responses=responses_of({200: answer("By cell", ReplicaAnswer)}, 400, 422),
)
async def get_replica(asked: Annotated[ReplicaAsked, Query()], service: TheService, replica: TheReplica) -> Response:
    """For `dispatch check`, which asks each worker and compares the checksums with the database's."""
    follower = service.follower
    cells = list(replica.cursors) if asked.cell is None else [int(asked.cell, 16)]
    told = [_cell_told(checksum) for checksum in await cell_checksums(follower, cells)]
    body = {"worker": os.getpid(), "replica_lag_s": round(follower.lag_s, 3), "cells": told}
    return Response(_json(body), media_type="application/json")


def _cell_told(checksum: CellChecksum) -> dict[str, object]:
    # As text: the number may be larger than a double holds exactly.
    total = None if checksum.total is None else str(checksum.total)
    return {"cell": f"{checksum.cell:x}", "seq": checksum.seq, "rows": checksum.rows, "checksum": total}
