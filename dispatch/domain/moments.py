"""Moments as people write them: RFC 3339, in a place's own time zone."""

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


# The promises of an hour lie within the next few, so that thousands of quotes tell the same seconds.
@lru_cache(maxsize=1 << 14)
def moment(epoch_s: int | None, timezone: str) -> str | None:
    """RFC 3339 in a store's own time zone."""
    return None if epoch_s is None else datetime.fromtimestamp(epoch_s, _zone(timezone)).isoformat()


def local_hour(epoch_s: int, timezone: str) -> int:
    """The hour of the day, 0 to 23, in a place's own time zone."""
    return datetime.fromtimestamp(epoch_s, _zone(timezone)).hour
