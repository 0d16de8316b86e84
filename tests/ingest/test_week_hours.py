"""Hours of the week and of single dates, cell by cell, as opening_hours that say the same."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.domain.hours import Schedules, check_opening_hours
from dispatch.ingest.values import BadValueError
from dispatch.ingest.week_hours import opening_hours_of

DAYS = [f"{day} hours" for day in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")]
COLUMNS = [*DAYS, "Special hours"]
MONDAY = date(2026, 11, 16)


def hours_of(*days: str, special: str = "") -> str:
    """The hours, Monday first; days that are not named are blank."""
    made = opening_hours_of([*days, *[""] * (7 - len(days))], special, columns=COLUMNS)
    if made:
        check_opening_hours(made)
    return made


def open_hours(hours: str, first: date, days: int) -> list[bool]:
    """Whether it is open half past each hour of the days."""
    schedules = Schedules()
    schedule = schedules.intern(hours, "UTC", None)
    start_s = int(datetime.combine(first, time(0, 30), UTC).timestamp())
    return [schedules.state(schedule, start_s + 3600 * hour)[0] for hour in range(24 * days)]


@pytest.mark.parametrize(
    ("days", "made"),
    [
        (["09:00-17:00"] * 5 + ["23:00-02:00"], "Mo-Fr 09:00-17:00, Sa 23:00-02:00"),
        (["9:00AM-5:00PM", "09:00 AM - 05:00 PM", "9 am – 5 p.m."], "Mo-We 09:00-17:00"),
        (["12:00 AM-12:00 PM", "12:30pm-12:00am"], "Mo 00:00-12:00; Tu 12:30-24:00"),
        (["09:00-12:00, 13:00-17:00"], "Mo 09:00-12:00,13:00-17:00"),
        (["x", "X", "closed", "10:00-11:00"], "Th 10:00-11:00"),
        (["24 hours"], "Mo 00:00-24:00"),
        (
            ["00:00-24:00", "00:00-00:00", "24 hours", "Open 24 hours", "12:00AM-12:00AM", "0:00-24:00", "24 hours"],
            "24/7",
        ),
        (["x"] * 7, "off"),
        (["", " ", "null"], ""),
    ],
)
def test_days_are_gathered_in_the_syntax_of_openstreetmap(days: list[str], made: str) -> None:
    assert hours_of(*days) == made


@pytest.mark.parametrize(
    ("special", "made"),
    [
        ("2025-12-31: 05:00-23:00, 2026-01-01: x", "2025 Dec 31 05:00-23:00; 2026 Jan 01 off"),
        ("2026-01-01: x, 2025-12-31: 05:00-23:00", "2025 Dec 31 05:00-23:00; 2026 Jan 01 off"),
        ("2025-12-31: 05:00-10:00, 2025-12-31: 12:00-23:00", "2025 Dec 31 05:00-10:00,12:00-23:00"),
        ("2025-12-31: 05:00-10:00, 12:00-23:00", "2025 Dec 31 05:00-10:00,12:00-23:00"),
        # The rest of the night is told again on the next day, whose own hours begin at nine.
        ("2025-12-31: 20:00-02:00", "2025 Dec 31 20:00-02:00; 2026 Jan 01 00:00-02:00,09:00-17:00"),
    ],
)
def test_special_hours_come_by_date(special: str, made: str) -> None:
    assert hours_of(*["09:00-17:00"] * 5, special=special) == f"Mo-Fr 09:00-17:00; {made}"


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("9-5", "is not hours"),
        ("9:00-5:00PM", "is not hours"),
        ("09:00", "is not hours"),
        ("09:00-17:00-18:00", "is not hours"),
        ("25:00-26:00", "is no time"),
        ("24:30-02:00", "is no time"),
        ("13:00PM-2:00PM", "is no time"),
        ("09:00-09:00", "begins when it ends"),
        ("09:00-17:00,", "is not hours"),
        ("x, 09:00-17:00", "is not hours"),
        ("unknown", "is not hours"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_column(cell: str, said: str) -> None:
    with pytest.raises(BadValueError, match=said) as caught:
        hours_of("09:00-17:00", cell)
    assert (caught.value.code, caught.value.column) == ("opening_hours_invalid", "Tuesday hours")
    assert caught.value.message.startswith("Tuesday hours: ")


@pytest.mark.parametrize("special", ["31/12/2025: x", "x", "2025-02-30: x", "2025-12-31 x", "2025-12-31: often"])
def test_special_hours_that_cannot_be_read_are_refused(special: str) -> None:
    with pytest.raises(BadValueError) as caught:
        hours_of("09:00-17:00", special=special)
    assert (caught.value.code, caught.value.column) == ("opening_hours_invalid", "Special hours")


def test_special_hours_alone_are_refused_for_they_would_close_every_other_day() -> None:
    with pytest.raises(BadValueError, match="without the hours of the week"):
        hours_of(special="2025-12-31: x")


RANGE = st.tuples(st.integers(0, 23), st.integers(0, 24)).filter(lambda hours: hours[0] != hours[1] % 24)
CELL = st.one_of(st.just(()), st.just(()), st.tuples(RANGE), st.tuples(RANGE, RANGE))


def cell_of(ranges: tuple[tuple[int, int], ...]) -> str:
    return ", ".join(f"{start:02}:00-{end:02}:00" for start, end in ranges) or "x"


def covers(ranges: tuple[tuple[int, int], ...], hour: int) -> bool:
    """Whether the hour (from 0; beyond 24 on the next day) lies in hours that begin on the day."""
    return any(start <= hour < (end if end > start else end + 24) for start, end in ranges)


@settings(max_examples=60, deadline=None)
@given(
    week=st.lists(CELL, min_size=7, max_size=7),
    special=st.dictionaries(st.integers(7, 13), CELL, max_size=4),
)
def test_every_hour_of_three_weeks_is_open_as_the_cells_say(
    week: list[tuple[tuple[int, int], ...]], special: dict[int, tuple[tuple[int, int], ...]]
) -> None:
    dates = {number: MONDAY + timedelta(days=number) for number in range(-1, 21)}
    text = ", ".join(
        f"{dates[number]}: {cell_of((one,)) if one else 'x'}"
        for number, ranges in special.items()
        for one in (ranges or [None])
    )
    hours = hours_of(*map(cell_of, week), special=text)
    expected = []
    for number in range(21):
        today, before = (special.get(n, week[n % 7]) for n in (number, number - 1))
        expected += [covers(today, hour) or covers(before, hour + 24) for hour in range(24)]
    assert open_hours(hours, MONDAY, 21) == expected, hours
