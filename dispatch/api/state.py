"""What the routes work with, made once by the app."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

from fastapi import Depends, Header, Request

from dispatch.api.problems import Problem
from dispatch.domain.versions import Version, VersionError
from dispatch.replica.follower import Follower
from dispatch.replica.replica import Replica
from dispatch.services.background import Background
from dispatch.storage.pool import Database

VERSION_HEADER: Final = "Dispatch-Version"
MIN_VERSION_HEADER: Final = "Dispatch-Min-Version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a request may cost."""

    max_body_bytes: int
    max_file_bytes: int
    min_version_wait_s: float


@dataclass(slots=True, kw_only=True)
class Service:
    """The running service, as routes see it. ``clock`` tells the time with an offset."""

    database: Database
    follower: Follower
    background: Background
    clock: Callable[[], datetime]
    uploads: Path
    limits: Limits
    notices: list[str] = field(default_factory=list)

    def now_s(self) -> int:
        return int(self.clock().timestamp())


def service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


TheService = Annotated[Service, Depends(service_of)]


async def replica_of(
    service: TheService,
    min_version: Annotated[
        str | None,
        Header(alias=MIN_VERSION_HEADER, description="A Dispatch-Version: the answer will have seen that write"),
    ] = None,
) -> Replica:
    """The replica, once it has seen what the caller asks it to have seen."""
    if min_version is not None:
        try:
            version = Version.decode(min_version)
        except VersionError as error:
            raise Problem(400, "malformed_version", f"{MIN_VERSION_HEADER}: {error}") from error
        await service.follower.wait_for(version, at_most_s=service.limits.min_version_wait_s)
    return service.follower.replica


TheReplica = Annotated[Replica, Depends(replica_of)]
