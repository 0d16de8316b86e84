"""When the work asked about begins."""

from datetime import datetime, timedelta
from typing import Final

from dispatch.domain.errors import InvalidInput

MOST_PAST: Final = timedelta(seconds=60)
MOST_AHEAD: Final = timedelta(days=366)


def start_of(at: datetime | None, *, now: datetime, pointer: str) -> datetime:
    """The start asked for, by default now. Raises InvalidInput where it cannot be."""
    start = at or now
    if start < now - MOST_PAST:
        raise InvalidInput(
            [(pointer, f"is {(now - start).total_seconds():.0f} s ago; at most 60 s is a clock's error")]
        )
    if start > now + MOST_AHEAD:
        raise InvalidInput([(pointer, "is more than a year ahead")])
    return start
