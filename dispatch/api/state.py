"""What the routes work with, made once by the app."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

from fastapi import Depends, Header, Request

from dispatch.api.problems import Problem, escaped
from dispatch.domain.versions import Version, VersionError
from dispatch.replica.follower import Follower
from dispatch.replica.replica import Replica
from dispatch.services.background import Background
from dispatch.services.import_processes import ImportProcesses
from dispatch.services.live import Hub
from dispatch.services.metrics import Metrics
from dispatch.services.orders.ordering import Ordering
from dispatch.services.road_tiles import RoadTiles
from dispatch.services.roads import Roads
from dispatch.services.tokens import Tokens
from dispatch.storage.hot_writes import Writers
from dispatch.storage.pool import Database
from geo.datums import Datum

VERSION_HEADER: Final = "Dispatch-Version"
MIN_VERSION_HEADER: Final = "Dispatch-Min-Version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a request may cost."""

    max_body_bytes: int
    max_file_bytes: int
    min_version_wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MapTiles:
    """The tiles that the operator has chosen for maps, told as they are; ``url`` has {z}, {x} and {y} in it."""

    url: str
    attribution: str
    datum: Datum
    max_zoom: int


@dataclass(slots=True, kw_only=True)
class Service:
    """The running service, as routes see it. ``clock`` tells the time with an offset.

    ``public_url``: where it is found by others, without a slash at the end; None: where a request has found it.
    """

    database: Database
    follower: Follower
    ordering: Ordering
    roads: Roads
    road_tiles: RoadTiles
    map_tiles: MapTiles | None
    roads_attribution: str
    metrics: Metrics
    writers: Writers
    background: Background
    imports: ImportProcesses
    live: Hub
    clock: Callable[[], datetime]
    uploads: Path
    limits: Limits
    tokens: Tokens
    public_url: str | None
    notices: list[str] = field(default_factory=list)

    def now_s(self) -> int:
        return int(self.clock().timestamp())


# Every other parameter may stand in an address once; of two values nobody knows which was meant.
REPEATABLE: Final = frozenset({"sku", "fields", "id_from", "map"})


# Dependencies are coroutines although they wait for nothing: FastAPI runs plain functions in a thread, each time.


async def service_of(request: Request) -> Service:
    """The service. Raises Problem 422 for a parameter that is given twice."""
    if request.scope["query_string"]:
        _check_given_once(request)
    service: Service = request.app.state.service
    return service


def _check_given_once(request: Request) -> None:
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name in seen and name not in REPEATABLE:
            detail = "this parameter is given twice"
            raise Problem(422, "invalid_input", f"{name}: {detail}", errors=[(f"/query/{escaped(name)}", detail)])
        seen.add(name)


TheService = Annotated[Service, Depends(service_of)]


async def min_version_of(
    text: Annotated[
        str | None,
        Header(alias=MIN_VERSION_HEADER, description="A Dispatch-Version: the answer will have seen that write"),
    ] = None,
) -> Version | None:
    """What the caller asks the answer to have seen. Raises Problem 400."""
    if text is None:
        return None
    try:
        return Version.decode(text)
    except VersionError as error:
        raise Problem(400, "malformed_version", f"{MIN_VERSION_HEADER}: {error}") from error


TheMinVersion = Annotated[Version | None, Depends(min_version_of)]
"""For reads that the database answers: they see every write, so it is only checked."""


async def replica_of(service: TheService, min_version: TheMinVersion) -> Replica:
    """The replica, once it has seen what the caller asks it to have seen."""
    if min_version:
        await service.follower.wait_for(min_version, at_most_s=service.limits.min_version_wait_s)
    return service.follower.replica


TheReplica = Annotated[Replica, Depends(replica_of)]
