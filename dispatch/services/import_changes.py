"""What an import has changed, or a dry run would change, store by store, for a map."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dispatch.domain.errors import ChangesNotKept, ImportStillRuns
from dispatch.storage.import_changes import StoreChange, changes_of_shelves, changes_of_stores
from dispatch.storage.import_images import KEEP_IMAGES
from dispatch.storage.imports import read_import
from dispatch.storage.pool import Database

MOST_CHANGES: Final = 2_000
CHANGES: Final = ("created", "updated", "removed", "counted")


@dataclass(frozen=True, slots=True)
class ImportChanges:
    """The first MOST_CHANGES of the stores, by store id, and how many there are of each of CHANGES."""

    stores: list[StoreChange]
    by_change: dict[str, int]


async def changes_of_import(database: Database, import_id: str, *, now: datetime) -> ImportChanges:
    """The stores that an import changes or counts; none of an import of items, which lie nowhere, or of one refused.

    Raises ImportNotFound, ImportStillRuns, ChangesNotKept.
    """
    record = await read_import(database, import_id)
    if record.status == "running":
        raise ImportStillRuns(f"the import {import_id} is still running; ask again once it is done")
    if record.status == "undone":
        raise ChangesNotKept(f"the import {import_id} is undone: what it had changed is as it was")
    if record.ended_at is None or now - record.ended_at > KEEP_IMAGES:
        raise ChangesNotKept(f"what an import changes is kept for {KEEP_IMAGES.days} days; this one ended earlier")
    counts: dict[str, int] = {}
    stores: list[StoreChange] = []
    if record.kind == "stores":
        counts, stores = await changes_of_stores(database, import_id, MOST_CHANGES)
    elif record.kind == "stock":
        counts, stores = await changes_of_shelves(database, import_id, MOST_CHANGES)
    return ImportChanges(stores, {change: counts.get(change, 0) for change in CHANGES})
