"""When a store's stock is due today, and whether it is late."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

GRACE: Final = timedelta(hours=12)
"""A count that is so much older than the due moment is not the one that was due."""

_SECOND: Final = timedelta(seconds=1)


def due_today(due_at: time, *, timezone: str, now: datetime) -> datetime:
    """The moment in UTC at which the local time ``due_at`` falls on the day that it now is in ``timezone``.

    Where clocks skip it, the moment at which they jump; where it comes twice, the earlier.
    """
    return _due_on(now.astimezone(ZoneInfo(timezone)).date(), due_at, timezone)


def counted_since(due_at: time | None, *, timezone: str, now: datetime) -> datetime | None:
    """What a store's newest count must not be older than, for it not to be late now; None: nothing is due by now."""
    if due_at is None:
        return None
    due = due_today(due_at, timezone=timezone, now=now)
    return due - GRACE if now >= due else None


@lru_cache(maxsize=4_096)
def _due_on(day: date, due_at: time, timezone: str) -> datetime:
    zone = ZoneInfo(timezone)
    first = datetime.combine(day, due_at, tzinfo=zone)
    second = first.replace(fold=1)
    early, late = second.astimezone(UTC), first.astimezone(UTC)
    # With fold 0 a skipped time is read by the clock before the jump, and comes out after it; with fold 1 the reverse.
    if early >= late:
        return late
    offset = early.astimezone(zone).utcoffset()
    while late - early > _SECOND:
        middle = early + (late - early) // 2
        if middle.astimezone(zone).utcoffset() == offset:
            early = middle
        else:
            late = middle
    return late.replace(microsecond=0)
