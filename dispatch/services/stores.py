"""One store: put it, take it out of service, count its shelf."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from dispatch.domain.errors import InvalidInput
from dispatch.domain.stores import ShelfCount
from dispatch.storage import shelves
from dispatch.storage.pool import Database
from dispatch.storage.shelves import CountsApplied, CountWriter, read_shelf
from dispatch.storage.stores import put_store, remove_store
from dispatch.storage.withholding import release_shelf, resume_store

# A clock may run ahead by so much; a count from further in the future is a mistake.
MOST_AHEAD: Final = timedelta(seconds=120)

__all__ = [
    "MOST_AHEAD", "ShelfCounted", "count_shelf", "put_store", "read_shelf", "release_shelf", "remove_store",
    "resume_store",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class ShelfCounted:
    """What came of a count sent for one store."""

    as_of: datetime
    applied: CountsApplied


async def count_shelf(
    database: Database,
    writer: CountWriter,
    store_id: str,
    counts: Sequence[ShelfCount],
    *,
    as_of: datetime,
    now: datetime,
    whole: bool,
) -> ShelfCounted:
    """Apply counts of one store as of ``as_of``; ``whole`` says that they are its whole shelf.

    Raises InvalidInput for a date too far ahead or a sku named twice, StoreNotFound, SnapshotTooOld, Busy,
    OutcomeUnknown.
    """
    if as_of - now > MOST_AHEAD:
        ahead_s = (as_of - now).total_seconds()
        raise InvalidInput(
            [("/as_of", f"is {ahead_s:.0f} s ahead of now; at most {MOST_AHEAD.seconds} s is a clock's error")]
        )
    seen: dict[str, int] = {}
    for i, count in enumerate(counts):
        first = seen.setdefault(count.sku, i)
        if first != i:
            raise InvalidInput([(f"/items/{i}/sku", f"stands at /items/{first} already; send each sku once")])
    applied = await shelves.put_shelf(database, store_id, counts, whole_as_of=as_of if whole else None, writer=writer)
    return ShelfCounted(as_of, applied)
