"""Close a store by date, and take that back."""

from datetime import datetime

from dispatch.domain.closures import Closure, closure_of, faults_of
from dispatch.domain.errors import InvalidInput
from dispatch.storage import closures
from dispatch.storage.closures import ClosureWritten, delete_closure, read_closures
from dispatch.storage.pool import Database

__all__ = ["close_store", "delete_closure", "read_closures"]


async def close_store(
    database: Database, store_id: str, *, starts_at: datetime, ends_at: datetime, reason: str | None, now: datetime
) -> tuple[Closure, ClosureWritten]:
    """Close a store between two instants with an offset; the closure as it is kept, and what became of it.

    Raises InvalidInput, StoreNotFound, TooManyClosures, Busy.
    """
    try:
        closure = closure_of(starts_at, ends_at, reason)
    except OverflowError:
        raise InvalidInput([("/to", "lies beyond the calendar, or from does")]) from None
    if faults := faults_of(closure, now):
        raise InvalidInput(faults)
    return closure, await closures.put_closure(database, store_id, closure, now=now)
