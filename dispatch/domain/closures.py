"""Closures by date: while one lasts a store is closed, whatever its opening hours say."""

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from dispatch.domain.spells import FOREVER_S, HORIZON_S, Spell

LONGEST: Final = timedelta(days=366)
FURTHEST_AHEAD: Final = timedelta(days=5 * 366)
MOST_CLOSURES: Final = 400
"""Of one store, those that are not over yet."""

_ID_FORMAT: Final = "%Y%m%dT%H%M%SZ"
# Strictly, since strptime also takes shorter numbers: two ids would mean one closure.
_ID: Final = re.compile(r"(\d{8}T\d{6}Z)-(\d{8}T\d{6}Z)", re.ASCII)

type Spans = tuple[tuple[int, int], ...]
"""Times from and until, in epoch seconds: ascending, apart, none empty."""


@dataclass(frozen=True, slots=True)
class Closure:
    """A store is closed from ``starts_at`` until ``ends_at``, which is no longer part of it; in UTC, whole seconds."""

    starts_at: datetime
    ends_at: datetime
    reason: str | None = None

    @property
    def closure_id(self) -> str:
        """The times themselves, so that the same closure sent twice is one."""
        return f"{self.starts_at:{_ID_FORMAT}}-{self.ends_at:{_ID_FORMAT}}"


def closure_of(starts_at: datetime, ends_at: datetime, reason: str | None) -> Closure:
    """The closure of two instants with an offset; parts of a second are taken as closed."""
    return Closure(_whole_second(starts_at), _whole_second(ends_at, up=True), reason)


def closure_by_id(closure_id: str) -> Closure | None:
    """The closure that has this id, without its reason; None if none can have it."""
    parts = _ID.fullmatch(closure_id)
    if parts is None:
        return None
    try:
        starts_at, ends_at = (datetime.strptime(part, _ID_FORMAT).replace(tzinfo=UTC) for part in parts.groups())
    except ValueError:
        return None
    return Closure(starts_at, ends_at) if starts_at < ends_at else None


def faults_of(closure: Closure, now: datetime) -> list[tuple[str, str]]:
    """What is wrong with a new closure: a JSON pointer and a sentence each; empty when all is well."""
    starts_at, ends_at = closure.starts_at, closure.ends_at
    if ends_at <= starts_at:
        return [("/to", "is not later than from; a closure ends after it begins")]
    if ends_at - starts_at > LONGEST:
        return [("/to", f"is more than {LONGEST.days} days after from; a store closed for longer is better deleted")]
    if ends_at <= now:
        return [("/to", f"is past already; it is {now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")]
    if ends_at - now > FURTHEST_AHEAD:
        return [("/to", f"is more than {FURTHEST_AHEAD.days} days ahead; is the year right?")]
    return []


def spell_with(closures: Spans, hours: Callable[[int], Spell], at_s: int) -> Spell:
    """The unbroken state around ``at_s`` of a store with these opening ``hours`` and closures.

    ``hours`` tells the spell around an instant by the opening hours alone. A closed state that does not end within
    HORIZON_S of ``at_s`` ends at FOREVER_S, as the hours' own do.
    """
    spell = hours(at_s)
    index = bisect_right(closures, at_s, key=lambda span: span[0])
    before = closures[index - 1] if index else None
    if before is not None and at_s < before[1]:
        return Spell(False, before[0], _reopens_s(closures, hours, before[1], at_s + HORIZON_S))
    if not spell.is_open:
        return Spell(False, spell.since_s, _reopens_s(closures, hours, spell.until_s, at_s + HORIZON_S))
    since_s = spell.since_s if before is None else max(spell.since_s, before[1])
    until_s = spell.until_s if index == len(closures) else min(spell.until_s, closures[index][0])
    return Spell(True, since_s, until_s)


def _reopens_s(closures: Spans, hours: Callable[[int], Spell], from_s: int, horizon_s: int) -> int:
    """The first instant from ``from_s`` on that is open by the hours and in no closure, or FOREVER_S."""
    while from_s <= horizon_s:
        index = bisect_right(closures, from_s, key=lambda span: span[0]) - 1
        if index >= 0 and from_s < closures[index][1]:
            from_s = closures[index][1]
            continue
        spell = hours(from_s)
        if spell.is_open:
            return from_s
        from_s = spell.until_s
    return FOREVER_S


def _whole_second(instant: datetime, *, up: bool = False) -> datetime:
    whole = instant.astimezone(UTC).replace(microsecond=0)
    return whole + timedelta(seconds=1) if up and instant.microsecond else whole
