"""A second reading of opening hours, written from the specification alone, for a part of its grammar.

Source: https://wiki.openstreetmap.org/wiki/Key:opening_hours/specification. A value is rules between semicolons. A
later rule that fits a day takes the place of all earlier ones on it; only ``off`` with times takes away no more than
these times. A time span that runs over midnight belongs to the day on which it begins. Whatever else the grammar has,
such as the sun, fallbacks, weekdays of a month and comments without a state, is Unsupported here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

type Minutes = NDArray[np.bool_]
"""The minutes of one day that are open, 1,440 of them."""

DAY = 1_440
_WEEKDAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH, _WEEKDAY = "|".join(_MONTHS), "|".join(_WEEKDAYS)
_MONTHDAY = rf"(?:{_MONTH})(?: \d{{1,2}})?"
_RULE = re.compile(
    rf"(?P<year>\d{{4}}(?= ))?\s*(?P<dates>{_MONTHDAY}(?:\s*-\s*(?:{_MONTHDAY}|\d{{1,2}}))?(?:,{_MONTHDAY})*)?:?\s*"
    rf"(?:week (?P<weeks>\d+(?:-\d+(?:/\d+)?)?))?\s*"
    rf"(?P<days>(?:{_WEEKDAY}|PH)(?:[-,](?:{_WEEKDAY}|PH))*)?\s*"
    r"(?P<times>24/7|\d\d:\d\d-\d\d:\d\d(?:\s*,\s*\d\d:\d\d-\d\d:\d\d)*)?\s*"
    r'(?P<state>off|closed|open)?\s*(?P<comment>"[^"]*")?'
)


class Unsupported(Exception):
    """This value uses what is not read here."""


@dataclass(frozen=True)
class Rule:
    fits: Callable[[date], bool]
    spans: list[tuple[int, int]]  # minutes of the day it begins on; none: all of it
    opens: bool


class SecondReading:
    """One value, and the days that are public holidays."""

    def __init__(self, text: str, holidays: frozenset[date]) -> None:
        self.rules = [_rule(part.strip(), holidays) for part in text.split(";")]

    def minutes(self, day: date) -> Minutes:
        """Which minutes of the wall clock are open on a day."""
        is_open = np.zeros(DAY, dtype=np.bool_)
        for rule in self.rules:
            if rule.fits(day):
                if rule.opens or not rule.spans:
                    is_open[:] = False
                for begin, end in rule.spans or [(0, DAY)]:
                    is_open[begin : min(end, DAY)] = rule.opens
            if rule.fits(day - timedelta(days=1)):
                for _, end in rule.spans:
                    is_open[: max(0, end - DAY)] = rule.opens
        return is_open


def _rule(text: str, holidays: frozenset[date]) -> Rule:
    found = _RULE.fullmatch(text)
    if found is None or not text or (found["comment"] and not found["state"]):
        raise Unsupported(text)
    tests = []
    if found["year"] or found["dates"]:
        tests.append(_dates(found["year"], found["dates"]))
    if found["weeks"]:
        first, last, step = [int(n) for n in re.findall(r"\d+", found["weeks"] + "/1")][:3]
        tests.append(lambda day: day.isocalendar().week in range(first, last + 1, step))
    if found["days"]:
        tests.append(_days(found["days"], holidays))
    times = "" if found["times"] in (None, "24/7") else found["times"]
    spans = [_span(time) for time in times.split(",")] if times else []
    return Rule(lambda day: all(test(day) for test in tests), spans, found["state"] not in ("off", "closed"))


def _span(text: str) -> tuple[int, int]:
    hour, minute, end_hour, end_minute = map(int, re.findall(r"\d\d", text))
    begin, end = 60 * hour + minute, 60 * end_hour + end_minute
    return begin, end if end > begin else end + DAY


def _days(text: str, holidays: frozenset[date]) -> Callable[[date], bool]:
    weekdays: set[int] = set()
    of_holidays = False
    for part in text.split(","):
        if part == "PH":
            of_holidays = True
            continue
        first, _, last = part.partition("-")
        at, until = _WEEKDAYS.index(first), _WEEKDAYS.index(last or first)
        weekdays |= {(at + n) % 7 for n in range((until - at) % 7 + 1)}
    return lambda day: day.weekday() in weekdays or (of_holidays and day in holidays)


def _dates(year: str | None, text: str | None) -> Callable[[date], bool]:
    spans = [_monthdays(part) for part in text.split(",")] if text else [((1, 1), (12, 31))]

    def fits(day: date) -> bool:
        at = (day.month, day.day)
        if year is not None and day.year != int(year):
            return False
        # A range that ends before it begins runs over the end of the year.
        return any(a <= at <= z if a <= z else at >= a or at <= z for a, z in spans)

    return fits


def _monthdays(text: str) -> tuple[tuple[int, int], tuple[int, int]]:
    first, _, last = (part.strip() for part in text.partition("-"))
    month, _, day = first.partition(" ")
    begin = (_MONTHS.index(month) + 1, int(day or 1))
    if not last:
        return begin, (begin[0], int(day or 31))
    if last.isdigit():
        return begin, (begin[0], int(last))
    month, _, day = last.partition(" ")
    return begin, (_MONTHS.index(month) + 1, int(day or 31))
