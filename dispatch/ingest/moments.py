"""Moments of a file: ISO 8601, with an offset or local in a time zone, also where clocks skip or repeat hours."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from dispatch.ingest.values import BadValueError, shown, trimmed

FUTURE_LIMIT_S: Final = 120
"""How far ahead of now a count may say it is, for clocks that differ."""

_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)
# A date alone is no moment: the start and the end of that day differ by a day's sales.
_ISO: Final = re.compile(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}[Tt ][0-9]{2}.{0,24}", re.ASCII)


class Moment(NamedTuple):
    """A moment in UTC; ``ambiguous`` when it was written as a local time that was twice, of which it is the earlier."""

    at: datetime
    ambiguous: bool


def moment_of(text: str, *, timezone: str, now: datetime) -> Moment:
    """The moment written. Raises BadValueError ``as_of_invalid``, ``as_of_in_dst_gap``, ``as_of_in_future``."""
    value = trimmed(text)
    try:
        if not _ISO.fullmatch(value):
            raise ValueError
        written = datetime.fromisoformat(value.upper())
    except ValueError:
        message = f"{shown(text)} is no date with a time such as 2026-11-21T10:00:00+08:00"
        raise BadValueError("as_of_invalid", message) from None
    return resolved(written, timezone=timezone, now=now)


def resolved(written: datetime, *, timezone: str, now: datetime) -> Moment:
    """The moment in UTC; without an offset it is local in ``timezone``, and its ``fold`` is not looked at.

    Of a local time that was twice the earlier is taken: the sales of the hour between are then subtracted, not
    forgotten. Raises BadValueError ``as_of_invalid``, ``as_of_in_dst_gap``, ``as_of_in_future``.
    """
    ambiguous = False
    try:
        if written.tzinfo is None:
            zone = ZoneInfo(timezone)
            local = written.replace(tzinfo=zone, fold=0)
            moment = local.astimezone(UTC)
            if moment.astimezone(zone).replace(tzinfo=None, fold=0) != written.replace(fold=0):
                message = f"{written.isoformat(' ')} never was in {timezone}: clocks skipped it; say the offset"
                raise BadValueError("as_of_in_dst_gap", message)
            ambiguous = written.replace(tzinfo=zone, fold=1).utcoffset() != local.utcoffset()
        else:
            moment = written.astimezone(UTC)
    except OverflowError:
        raise BadValueError("as_of_invalid", f"{written.year} is no year of a count") from None
    if not _EARLIEST <= moment < _LATEST:
        raise BadValueError("as_of_invalid", f"{written.year} is no year of a count")
    if moment > now + timedelta(seconds=FUTURE_LIMIT_S):
        message = f"{written.isoformat(' ')} is more than {FUTURE_LIMIT_S} s ahead of now"
        raise BadValueError("as_of_in_future", message)
    return Moment(moment, ambiguous)
