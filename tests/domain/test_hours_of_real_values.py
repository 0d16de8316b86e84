"""Real opening hours, a week in steps of five minutes, against a second reading of them (osm_hours.py)."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from dispatch.domain.hours import Schedules
from tests.domain.osm_hours import SecondReading, Unsupported

PARIS = ZoneInfo("Europe/Paris")
STEP_S = 300
STEPS_OF_A_WEEK = 2_016
VALUES_AT_LEAST = 50
# https://www.service-public.fr: the public holidays of France in 2021.
HOLIDAYS = frozenset(
    date(2021, month, day)
    for month, day in [(1, 1), (4, 5), (5, 1), (5, 8), (5, 13), (5, 24), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)]
)
WEEKS = {
    "with a public holiday, and dates that are off": date(2021, 4, 5),
    "in which the clocks go forward": date(2021, 3, 22),
    "in which the clocks go back, and a holiday follows": date(2021, 10, 26),
    "at the end of a year": date(2020, 12, 28),
}


def values() -> list[str]:
    shared = Path(os.environ.get("LIFECIRCLE_SHARED") or Path(__file__).parents[3] / "shared")
    path = shared / "data" / "reference" / "opening_hours_values.txt"
    if not path.exists():
        pytest.skip(f"no reference values at {path}")
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def read_twice(texts: list[str]) -> dict[str, SecondReading]:
    """Those that the second reading knows how to read."""
    found = {}
    for text in dict.fromkeys(texts):
        try:
            found[text] = SecondReading(text, HOLIDAYS)
        except Unsupported:
            continue
    return found


@pytest.mark.parametrize("week", WEEKS)
def test_a_week_in_steps_of_five_minutes_is_what_a_second_reading_says(week: str) -> None:
    readings = read_twice(values())
    assert len(readings) >= VALUES_AT_LEAST
    assert any(end > 1_440 for reading in readings.values() for rule in reading.rules for _, end in rule.spans)
    schedules = Schedules()
    ids = np.array([schedules.intern(text, "Europe/Paris", "FR") for text in readings])
    assert all(schedules.known(schedule_id) for schedule_id in ids.tolist())
    monday = WEEKS[week]
    days = [monday + timedelta(days=n) for n in range(9)]
    # By value, day and minute of the wall clock.
    told = np.array([[reading.minutes(day) for day in days] for reading in readings.values()])
    start_s = int(datetime(monday.year, monday.month, monday.day, tzinfo=PARIS).timestamp())
    opened = 0
    for step in range(STEPS_OF_A_WEEK):
        at_s = start_s + STEP_S * step
        wall = datetime.fromtimestamp(at_s, PARIS)
        expected = told[:, (wall.date() - monday).days, 60 * wall.hour + wall.minute]
        wrong = np.flatnonzero(schedules.states(ids, at_s).is_open != expected)
        assert wrong.size == 0, (list(readings)[wrong[0]], wall.isoformat())
        opened += int(expected.sum())
    assert 0.2 < opened / (STEPS_OF_A_WEEK * len(readings)) < 0.8


def test_the_weeks_have_the_nights_and_holidays_that_they_are_named_for() -> None:
    offsets = {
        week: {
            datetime(monday.year, monday.month, monday.day, tzinfo=UTC).astimezone(PARIS).utcoffset(),
            (datetime(monday.year, monday.month, monday.day, tzinfo=UTC) + timedelta(days=7))
            .astimezone(PARIS)
            .utcoffset(),
        }
        for week, monday in WEEKS.items()
    }
    assert [len(found) for found in offsets.values()] == [1, 2, 2, 1]
    assert all(
        any(monday + timedelta(days=n) in HOLIDAYS for n in range(8)) == ("holiday" in week or "year" in week)
        for week, monday in WEEKS.items()
    )
