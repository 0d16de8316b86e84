"""Hours as business listings give them, a cell for each day of the week and one for single dates, as opening_hours.

Source of what a cell may say: Google Business Profile Help, "Format for hours of operation" and "Special hours";
of what is made of it: https://wiki.openstreetmap.org/wiki/Key:opening_hours/specification.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Final

from dispatch.ingest.values import NOTHING, BadValueError, shown, trimmed

type Ranges = tuple[tuple[int, int], ...]
"""From and to in minutes of the day; to below from: over midnight. Empty: closed."""

_DAY: Final = 24 * 60
_CLOSED: Final[Ranges] = ()
_ALL_DAY: Final[Ranges] = ((0, _DAY),)
_DAY_NAMES: Final = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_MONTH_NAMES: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CLOSED_WORDS: Final = frozenset({"x", "closed"})
_ALL_DAY_WORDS: Final = frozenset({"24 hours", "open 24 hours"})
_TIME: Final = re.compile(r"([0-9]{1,2}):([0-9]{2})|([0-9]{1,2})(?::([0-9]{2}))? ?([ap])\.?m\.?")
_DATED: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}) ?:(.*)")


def opening_hours_of(days: Sequence[str], special: str, *, columns: Sequence[str]) -> str:
    """The hours in the syntax of OpenStreetMap; "" where nothing is said.

    ``days`` from Monday to Sunday; ``columns`` are their names, then the name of the column of ``special``. A day
    without a value is closed if another day has one. Hours over midnight belong to the day they begin on; around
    a special date they are written out, since a date's own rule hides what runs on from the day before.
    Raises BadValueError ``opening_hours_invalid`` with the column.
    """
    said = [_said(text) for text in days]
    week = [_ranges(text, column) for text, column in zip(said, columns, strict=False)]
    dated = _special(_said(special), columns[-1]) if _said(special) else {}
    if not any(said):
        if dated:
            raise _bad(special, columns[-1], "special hours say nothing without the hours of the week")
        return ""
    return "; ".join([_week_text(week), *_date_texts(week, dated)])


def _week_text(week: Sequence[Ranges]) -> str:
    if all(ranges == _ALL_DAY for ranges in week):
        return "24/7"
    rules = []
    for ranges, run in groupby(enumerate(week), key=lambda day: day[1]):
        numbers = [number for number, _ in run]
        first, last = _DAY_NAMES[numbers[0]], _DAY_NAMES[numbers[-1]]
        if ranges:
            rules.append(f"{first if first == last else f'{first}-{last}'} {_text(ranges)}")
    # A rule after a semicolon takes its days from the rules before, with what runs on into them from the day before.
    between = ", " if any(map(_over_midnight, week)) else "; "
    return between.join(rules) or "off"


def _date_texts(week: Sequence[Ranges], dated: Mapping[date, Ranges]) -> Iterable[str]:
    """A rule for each special date, and for the day after one where what runs on into it is not what always does."""

    def ranges_on(day: date) -> Ranges:
        return dated[day] if day in dated else week[day.weekday()]

    after = {
        day + timedelta(days=1)
        for day, ranges in dated.items()
        if _over_midnight(ranges) != _over_midnight(week[day.weekday()])
    }
    for day in sorted(dated.keys() | after):
        before = day - timedelta(days=1)
        carried = tuple((0, end) for end in _over_midnight(ranges_on(before)))
        ranges = carried + tuple(one for one in ranges_on(day) if one not in carried)
        yield f"{day.year} {_MONTH_NAMES[day.month - 1]} {day.day:02} {_text(ranges) if ranges else 'off'}"


def _over_midnight(ranges: Ranges) -> tuple[int, ...]:
    """Until when the ranges go on on the next day."""
    return tuple(end for start, end in ranges if end < start)


def _special(text: str, column: str) -> dict[date, Ranges]:
    """``2025-12-31: 05:00-23:00, 2026-01-01: x``; a date may come again for another range."""
    ranges_by_day: dict[date, list[str]] = {}
    day: date | None = None
    for piece in map(str.strip, text.split(",")):
        found = _DATED.fullmatch(piece)
        try:
            day = date.fromisoformat(found[1]) if found else day
        except ValueError:
            raise _bad(piece, column, "there is no such date") from None
        if day is None or not 1900 <= day.year < 9000:
            raise _bad(piece, column, "is not a date and its hours, such as 2025-12-31: 05:00-23:00")
        ranges_by_day.setdefault(day, []).append(found[2].strip() if found else piece)
    return {day: _ranges(", ".join(pieces), column) for day, pieces in ranges_by_day.items()}


def _ranges(text: str, column: str) -> Ranges:
    if not text or text in _CLOSED_WORDS:
        return _CLOSED
    if text in _ALL_DAY_WORDS:
        return _ALL_DAY
    return tuple(_range(piece.strip(), column) for piece in text.split(","))


def _range(text: str, column: str) -> tuple[int, int]:
    ends = [_TIME.fullmatch(part.strip()) for part in text.split("-")]
    if len(ends) != 2 or ends[0] is None or ends[1] is None or (ends[0][5] is None) != (ends[1][5] is None):
        raise _bad(text, column, "is not hours such as 09:00-17:00 or 9:00AM-5:00PM, nor x for closed")
    start, end = _minutes(ends[0], text, column), _minutes(ends[1], text, column)
    if end == 0:
        end = _DAY
    if start in (end, _DAY):
        raise _bad(text, column, "begins when it ends")
    return start, end


def _minutes(time: re.Match[str], text: str, column: str) -> int:
    half = time[5]
    hour, minute = int(time[3] or time[1]), int((time[4] if half else time[2]) or 0)
    fits = 1 <= hour <= 12 if half else hour < 24 or (hour, minute) == (24, 0)
    if not fits or minute > 59:
        raise _bad(text, column, "is no time of a day")
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    return hour * 60 + minute


def _text(ranges: Ranges) -> str:
    return ",".join(f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}" for start, end in ranges)


def _said(text: str) -> str:
    """The cell in one spelling; "" where it says nothing."""
    plain = unicodedata.normalize("NFKC", trimmed(text)).casefold()
    plain = re.sub(r"[\u2010-\u2015\u2212~]", "-", " ".join(plain.split()))
    return "" if plain in NOTHING else plain


def _bad(text: str, column: str, why: str) -> BadValueError:
    return BadValueError("opening_hours_invalid", f"{column}: {shown(text)} {why}", column)
