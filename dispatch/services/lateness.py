"""Whose upload is late today: looked up when asked, and every minute for the metrics."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog

from dispatch.domain.errors import DatabaseUnavailable
from dispatch.services.metrics import Metrics
from dispatch.storage.lateness import (
    LateStore,
    PartnerCounted,
    PartnerUploads,
    Position,
    read_counted,
    read_late_stores,
    read_uploads,
)
from dispatch.storage.pool import Database

__all__ = [
    "LateStore",
    "PartnerCounted",
    "PartnerUploads",
    "Position",
    "keep_lateness_told",
    "read_late_stores",
    "read_uploads",
    "tell_lateness",
]

_log = structlog.get_logger(__name__)

_EVERY_S: Final = 60.0


async def keep_lateness_told(metrics: Metrics, database: Database, clock: Callable[[], datetime]) -> None:
    """Have the metrics tell whose stock is late, a minute old at most; until cancelled."""
    while True:
        try:
            await tell_lateness(metrics, database, clock())
        except Exception as error:
            # Whatever it was, the next round tries again.
            _log.warning("lateness_not_told", reason=str(error), exc_info=not isinstance(error, DatabaseUnavailable))
        await asyncio.sleep(_EVERY_S)


async def tell_lateness(metrics: Metrics, database: Database, now: datetime) -> None:
    """One round."""
    for one in await read_counted(database, now):
        oldest_s = 0.0 if one.oldest is None else max(0.0, (now - one.oldest).total_seconds())
        metrics.counted(one.partner, late=one.late, oldest_s=oldest_s)
