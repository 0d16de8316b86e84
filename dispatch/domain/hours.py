"""Opening hours and local time, for many stores at once; the time asked about is always an argument.

The hours are OpenStreetMap syntax. A store is open at an instant when its wall clock then reads an open time: in
the night the clocks go forward, times that are skipped are never open; in the night they go back, times that come
twice are open twice. Only what is surely open is open: "unknown", and a bare comment such as "by appointment", which
the specification says means unknown, count as closed. Times by the sun are taken as 07:00 and 19:00.
"""

import re
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

# The library's stub leaves its errors out.
from opening_hours import OpeningHours, ParserError, State, UnknownCountryError  # type: ignore[attr-defined]

from dispatch.domain.closures import Spans, spell_with
from dispatch.domain.spells import DAY_S, FOREVER_S, HORIZON_S, BoolArray, Frame, IntArray, Spell

type IdArray = NDArray[np.integer[Any]]
type _Key = tuple[str | None, str, str | None, Spans]

HORIZON_DAYS: Final = HORIZON_S // DAY_S
EARLIEST_S: Final = 0
LATEST_S: Final = int(datetime(9000, 1, 1, tzinfo=UTC).timestamp())

_EPOCH: Final = datetime(1970, 1, 1)
_COMMENT: Final = re.compile(r'(?P<state>(?<![a-z])(?:open|closed|off|unknown)\s*)?"[^"]*"', re.IGNORECASE)


class HoursError(ValueError):
    """Opening hours that cannot be read, or a time zone that does not exist; the message says which and why."""


def check_opening_hours(text: str) -> None:
    """Raise HoursError with the reason unless ``text`` can be read; blank text cannot."""
    _parsed(text, None)


def check_timezone(name: str) -> None:
    """Raise HoursError unless ``name`` is an IANA time zone that this machine knows."""
    _zone(name)


class States(NamedTuple):
    """For each store asked: whether it is open, and until when (epoch seconds, or FOREVER_S) that stays so."""

    is_open: BoolArray
    until_s: IntArray


class _Hours(NamedTuple):
    """Hours as they are read; no ``rule``: none were given."""

    rule: OpeningHours | None
    zone: "_Zone"
    known: bool
    problem: str | None = None
    closures: Spans = ()


class Schedules:
    """Distinct opening hours, with a store's closures if it has any, each a small id, and their states.

    Not for several threads at once. The states of the present are kept in arrays, so that asking again costs a few
    gathers; a schedule is worked out again only when its state may have changed.
    """

    def __init__(self) -> None:
        self._ids: dict[_Key, int] = {}
        self._all: list[_Hours] = []
        # Schedules with closures come and go with them: who has each, and the ids that nobody has any more.
        self._holders: dict[int, tuple[_Key, int]] = {}
        self._free: list[int] = []
        self.present: Final = Frame()
        """What is kept of the present."""
        self.planned: Final = Frame()
        """What is kept of what lies ahead."""

    def __len__(self) -> int:
        return len(self._all)

    def intern(self, opening_hours: str | None, timezone: str, country: str | None, closures: Spans = ()) -> int:
        """Return the id of these hours, the same for the same four values; ids count up from 0.

        ``country`` (ISO 3166 alpha-2) says which public holidays are meant; where they are not known no day is one.
        Hours of None are taken as open and not known. Hours or a time zone that cannot be read make a schedule that
        is never open and not known, and ``problem`` tells why. While one of ``closures`` lasts it is closed; an id
        with closures is given back with ``release`` as often as it was asked for.
        """
        key = (opening_hours, timezone, country, closures)
        found = self._ids.get(key)
        if not closures:
            return self._add(key, _hours_of(opening_hours, timezone, country)) if found is None else found
        if found is None:
            hours_alone = self._all[self.intern(opening_hours, timezone, country)]
            found = self._add(key, hours_alone._replace(closures=closures))
        _, holders = self._holders.get(found, (key, 0))
        self._holders[found] = (key, holders + 1)
        return found

    def release(self, schedule_id: int) -> None:
        """Give back an id that ``intern`` gave; one with closures that nobody has any more is used again for others."""
        if schedule_id not in self._holders:
            return
        key, holders = self._holders.pop(schedule_id)
        if holders > 1:
            self._holders[schedule_id] = (key, holders - 1)
            return
        del self._ids[key]
        self.present.forget(schedule_id)
        self.planned.forget(schedule_id)
        self._free.append(schedule_id)

    def _add(self, key: _Key, hours: _Hours) -> int:
        if self._free:
            schedule_id = self._free.pop()
            self._all[schedule_id] = hours
        else:
            schedule_id = len(self._all)
            self._all.append(hours)
        self._ids[key] = schedule_id
        return schedule_id

    def known(self, schedule_id: int) -> bool:
        """Whether the hours were given and could be read."""
        return self._all[schedule_id].known

    def problem(self, schedule_id: int) -> str | None:
        """Why these hours could not be read; None when all is well."""
        return self._all[schedule_id].problem

    def states(self, schedule_ids: IdArray, at_s: int, *, planned: bool = False) -> States:
        """Return the state of each id at ``at_s`` (epoch seconds), in the order asked; empty for none.

        ``planned`` says that ``at_s`` is not the present: it is answered from a cache of its own, so that looking
        ahead costs those who ask about now nothing.

        Raises ValueError outside the years 1970–8999.
        """
        frame = self.frame(planned=planned)
        frame.grow(len(self._all))
        stale = (frame.since_s[schedule_ids] > at_s) | (frame.recheck_s[schedule_ids] <= at_s)
        if stale.any():
            for schedule_id in np.unique(schedule_ids[stale]).tolist():
                frame.keep(schedule_id, self._worked_out(schedule_id, at_s), at_s)
        return States(frame.is_open[schedule_ids], frame.until_s[schedule_ids])

    def state(self, schedule_id: int, at_s: int, *, planned: bool = False) -> tuple[bool, int]:
        """Return whether one id is open at ``at_s``, and until when; as ``states``, in a third of the time."""
        frame = self.frame(planned=planned)
        if not frame.holds(schedule_id, at_s):
            frame.grow(len(self._all))
            frame.keep(schedule_id, self._worked_out(schedule_id, at_s), at_s)
        return bool(frame.is_open[schedule_id]), int(frame.until_s[schedule_id])

    def frame(self, *, planned: bool) -> Frame:
        """What is kept of the present, or of what lies ahead."""
        return self.planned if planned else self.present

    def spell(self, schedule_id: int, at_s: int) -> Spell:
        """Return the unbroken state of one id around ``at_s``: from a cache if it is there, and kept in none."""
        for frame in (self.present, self.planned):
            if frame.holds(schedule_id, at_s):
                return frame.spell(schedule_id)
        return self._worked_out(schedule_id, at_s)

    def opens_at_s(self, schedule_id: int, at_s: int) -> int | None:
        """Return the next opening of a store closed at ``at_s``; None if it is open, or never opens within a year."""
        spell = self.spell(schedule_id, at_s)
        return None if spell.is_open or spell.until_s == FOREVER_S else spell.until_s

    def closes_at_s(self, schedule_id: int, at_s: int) -> int | None:
        """Return when a store open at ``at_s`` closes; None if it is closed, or does not close within a year."""
        spell = self.spell(schedule_id, at_s)
        return spell.until_s if spell.is_open and spell.until_s != FOREVER_S else None

    def _worked_out(self, schedule_id: int, at_s: int) -> Spell:
        hours = self._all[schedule_id]
        _check_time(at_s)
        if not hours.closures:
            return _by_hours_alone(hours, at_s)
        return spell_with(hours.closures, partial(_by_hours_alone, hours), at_s)


class Zones:
    """Distinct time zones, each a small id, and their local time. Not for several threads at once."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._zones: list[_Zone] = []
        self._tables: dict[tuple[int, int, int], tuple[IntArray, IntArray]] = {}

    def __len__(self) -> int:
        return len(self._zones)

    def intern(self, timezone: str) -> int:
        """Return the id of a time zone by its IANA name; ids count up from 0. Raises HoursError if there is none."""
        found = self._ids.get(timezone)
        if found is None:
            zone = _zone(timezone)
            found = self._ids[timezone] = len(self._zones)
            self._zones.append(zone)
        return found

    def utc_offset_s(self, zone_ids: IdArray, at_s: IntArray) -> IntArray:
        """Return the seconds by which each zone is ahead of UTC at its own epoch second; empty for none.

        Raises ValueError outside the years 1970–8999.
        """
        if zone_ids.size == 0:
            return np.zeros(0, dtype=np.int64)
        first_s, last_s = int(at_s.min()), int(at_s.max())
        _check_time(first_s)
        _check_time(last_s)
        starts_s, offsets_s = self._table(_year(first_s), _year(last_s))
        step: IntArray = np.count_nonzero(starts_s[:, zone_ids] <= at_s, axis=0) - 1
        offset_s: IntArray = offsets_s[step, zone_ids]
        return offset_s

    def local_hours(self, zone_ids: IdArray, at_s: IntArray) -> IntArray:
        """Return the hour 0–23 that each zone's wall clock shows at its own epoch second; empty for none."""
        if zone_ids.size == 0:
            return np.zeros(0, dtype=np.int64)
        return (at_s + self.utc_offset_s(zone_ids, at_s)) // 3_600 % 24

    def _table(self, first_year: int, last_year: int) -> tuple[IntArray, IntArray]:
        """Return the steps of every zone, a column each: starts (filled up with FOREVER_S) and offsets."""
        key = (first_year, last_year, len(self._zones))
        if key not in self._tables:
            if len(self._tables) >= 8:
                self._tables.clear()
            steps = [zone.steps(first_year, last_year) for zone in self._zones]
            starts_s = np.full((max(map(len, steps)), len(steps)), FOREVER_S, dtype=np.int64)
            offsets_s = np.zeros(starts_s.shape, dtype=np.int64)
            for column, zone_steps in enumerate(steps):
                starts_s[: len(zone_steps), column] = [start_s for start_s, _ in zone_steps]
                offsets_s[: len(zone_steps), column] = [offset_s for _, offset_s in zone_steps]
            self._tables[key] = (starts_s, offsets_s)
        return self._tables[key]


class _Zone:
    """The offsets of one time zone from UTC as steps, found by bisection: zoneinfo does not publish its table."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._years: dict[int, list[tuple[int, int]]] = {}

    def steps(self, first_year: int, last_year: int) -> list[tuple[int, int]]:
        """Return (start, offset), both in seconds, by start; each UTC year begins one, changed or not."""
        return [step for year in range(first_year, last_year + 1) for step in self._steps_of_year(year)]

    def stretch(self, at_s: int) -> tuple[int, int, int]:
        """Return the offset at ``at_s``, and from and until when (within its UTC year) it surely holds."""
        year = _year(at_s)
        steps = self._steps_of_year(year)
        index = bisect_right(steps, at_s, key=lambda step: step[0]) - 1
        until_s = steps[index + 1][0] if index + 1 < len(steps) else _year_start_s(year + 1)
        return steps[index][1], steps[index][0], until_s

    def _steps_of_year(self, year: int) -> list[tuple[int, int]]:
        found = self._years.get(year)
        if found is None:
            found = self._years[year] = self._find_steps(_year_start_s(year), _year_start_s(year + 1))
        return found

    def _find_steps(self, start_s: int, end_s: int) -> list[tuple[int, int]]:
        """Look once a day: no zone has changed its clocks and changed them back within one."""
        steps = [(start_s, self._offset_s(start_s))]
        for day_s in range(start_s, end_s, DAY_S):
            before_s, after_s = day_s, day_s + DAY_S - 1
            if self._offset_s(after_s) == steps[-1][1]:
                continue
            while after_s - before_s > 1:
                middle_s = (before_s + after_s) // 2
                if self._offset_s(middle_s) == steps[-1][1]:
                    before_s = middle_s
                else:
                    after_s = middle_s
            steps.append((after_s, self._offset_s(after_s)))
        return steps

    def _offset_s(self, at_s: int) -> int:
        offset = datetime.fromtimestamp(at_s, self._zone).utcoffset()
        return 0 if offset is None else int(offset.total_seconds())


def _hours_of(opening_hours: str | None, timezone: str, country: str | None) -> _Hours:
    zone = _utc()
    try:
        zone = _zone(timezone)
        if opening_hours is None:
            return _Hours(None, zone, known=False)
        return _Hours(_parsed(opening_hours, country), zone, known=True)
    except HoursError as error:
        return _Hours(_parsed("off", None), zone, known=False, problem=str(error))


def _by_hours_alone(hours: _Hours, at_s: int) -> Spell:
    """The spell around ``at_s`` as if there were no closures."""
    if hours.rule is None:
        return Spell(True, EARLIEST_S, FOREVER_S)
    return _spell_in_zone(hours.rule, hours.zone, at_s)


def _spell_in_zone(rule: OpeningHours, zone: _Zone, at_s: int) -> Spell:
    """Return the spell around ``at_s``, joined over changes of the clocks; more than a year ahead is forever."""
    offset_s, from_s, to_s = zone.stretch(at_s)
    is_open, wall_since_s, wall_until_s = _wall_spell(rule, at_s + offset_s)
    since_s, until_s = max(wall_since_s - offset_s, from_s), wall_until_s - offset_s
    horizon_s = at_s + HORIZON_DAYS * DAY_S
    # Past the end of the stretch the wall clock is another, so what it reads there is asked anew.
    while until_s >= to_s and to_s <= horizon_s:
        offset_s, _, next_to_s = zone.stretch(to_s)
        goes_on, _, wall_until_s = _wall_spell(rule, to_s + offset_s)
        if goes_on != is_open:
            return Spell(is_open, since_s, to_s)
        until_s, to_s = wall_until_s - offset_s, next_to_s
    return Spell(is_open, since_s, until_s if until_s <= horizon_s else FOREVER_S)


def _wall_spell(rule: OpeningHours, wall_s: int) -> Spell:
    """Return the spell around a wall clock time, in seconds of that clock, looking back to midnight at most.

    Neighbouring intervals of one state are joined: the library parts them where only the comment changes, and
    "unknown" and "closed" are one here.
    """
    wall = _EPOCH + timedelta(seconds=wall_s)
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    is_open, since = False, midnight
    for start, _, state, _ in rule.intervals(midnight, midnight + timedelta(days=HORIZON_DAYS + 2)):
        opens = state == State.OPEN
        if opens != is_open:
            if start > wall:
                return Spell(is_open, _wall_s(since), _wall_s(start))
            is_open, since = opens, start
    return Spell(is_open, _wall_s(since), FOREVER_S)


def _parsed(text: str, country: str | None) -> OpeningHours:
    if not text.strip():
        # The library reads blanks as open round the clock.
        raise HoursError("opening hours are blank")
    try:
        _rule(text, None)
        return _rule(_COMMENT.sub(_with_state, text), country.upper() if country else None)
    except UnknownCountryError:
        return _rule(_COMMENT.sub(_with_state, text), None)
    except ParserError as error:
        raise HoursError(f"not opening hours in OpenStreetMap syntax: {_reason(str(error))}") from error


def _rule(text: str, country: str | None) -> OpeningHours:
    return OpeningHours(
        text, country=country, auto_country=False, auto_timezone=False, max_interval_days=HORIZON_DAYS + 2
    )


def _with_state(comment: re.Match[str]) -> str:
    """Say the "unknown" that a bare comment means; the library takes it for open."""
    if comment["state"]:
        return comment[0]
    # The grammar takes one space, not two.
    space = "" if comment.start() == 0 or comment.string[comment.start() - 1] == " " else " "
    return f"{space}unknown {comment[0]}"


def _reason(parser_message: str) -> str:
    """Boil the parser's drawing (an arrow, the text, a caret, what it expected) down to one line."""
    place = re.search(r"--> \d+:(\d+)", parser_message)
    expected = re.search(r"= (.+)", parser_message)
    said = expected[1] if expected else "cannot be read"
    return f"at character {place[1]}: {said}" if place else said


@lru_cache(maxsize=1_024)
def _zone(name: str) -> _Zone:
    try:
        return _Zone(ZoneInfo(name))
    except (KeyError, ValueError, OSError) as error:  # unknown; a path; a folder of zones such as "Asia"
        raise HoursError(f"no such time zone: {name!r}") from error


def _utc() -> _Zone:
    return _zone("UTC")


def _check_time(at_s: int) -> None:
    if not EARLIEST_S <= at_s < LATEST_S:
        raise ValueError(f"time {at_s} s is outside the years 1970 to 8999")


def _year(at_s: int) -> int:
    return (_EPOCH + timedelta(seconds=at_s)).year


def _year_start_s(year: int) -> int:
    return _wall_s(datetime(year, 1, 1))


def _wall_s(wall: datetime) -> int:
    seconds = wall - _EPOCH
    return seconds.days * DAY_S + seconds.seconds
