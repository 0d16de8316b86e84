"""What has to be cleared away while the service runs."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog

from dispatch.domain.errors import DatabaseUnavailable
from dispatch.storage.closures import forget_closures
from dispatch.storage.event_tickets import forget_tickets
from dispatch.storage.feed import current_heads, forget_changes
from dispatch.storage.import_images import forget_images
from dispatch.storage.movements import forget_movements
from dispatch.storage.pool import Database

_log = structlog.get_logger(__name__)

_EVERY_S: Final = 300.0
# A follower that was away for longer reads its cells anew.
KEEP_CHANGES: Final = timedelta(hours=1)


KEPT: Final = ".dry-run"
"""How the name of a file ends that a dry run has kept, to be applied."""

_KEEP_FILES_S: Final = 86_400.0


async def keep_house(database: Database, uploads: Path) -> None:
    """Forget changes that every follower has long read, movements that no count needs any more, closures that are over,
    tickets that have run out, what was before imports that are long ago, and files in ``uploads`` older than a day;
    until cancelled.

    Every worker does it; it does no harm twice.
    """
    while True:
        await asyncio.sleep(_EVERY_S)
        try:
            await clear_away(database)
            await forget_tickets(database)
            await forget_images(database)
            await asyncio.to_thread(clear_uploads, uploads, older_than=time.time() - _KEEP_FILES_S)
        except Exception as error:
            # Whatever it was, the next round tries again: without it the changes would grow for ever.
            _log.warning(
                "housekeeping_postponed", reason=str(error), exc_info=not isinstance(error, DatabaseUnavailable)
            )


def clear_uploads(folder: Path, *, older_than: float) -> None:
    """Remove the files of uploads and dry runs that were last written before then (epoch seconds)."""
    for pattern in ("*.upload", f"*{KEPT}"):
        for path in folder.glob(pattern):
            if path.stat().st_mtime < older_than:
                path.unlink(missing_ok=True)


async def clear_away(database: Database, *, keep_changes: timedelta = KEEP_CHANGES) -> int:
    """One round; how many changes, movements and closures were forgotten."""
    forgotten = 0
    for cell in sorted(await current_heads(database)):
        while dropped := await forget_changes(database, cell, keep=keep_changes):
            forgotten += dropped
        while dropped := await forget_movements(database, cell):
            forgotten += dropped
        while dropped := await forget_closures(database, cell):
            forgotten += dropped
    return forgotten
