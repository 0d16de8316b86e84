"""Opening hours against the library's own word, minute by minute, and against nights when the clocks change."""

import os
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opening_hours import OpeningHours

from dispatch.domain import hours
from dispatch.domain.hours import (
    LATEST_S,
    HoursError,
    Schedules,
    Zones,
    check_opening_hours,
    check_timezone,
)
from dispatch.domain.spells import FOREVER_S, Spell

SHANGHAI = "Asia/Shanghai"
BERLIN = "Europe/Berlin"
ZONES = [SHANGHAI, BERLIN, "America/New_York", "Asia/Kathmandu", "Africa/Casablanca", "Australia/Lord_Howe", "UTC"]
EVERYDAY = [
    "24/7",
    "07:00-23:00",
    "18:00-02:00",
    "Mo-Fr 07:00-22:00; Sa-Su 08:00-24:00",
    "Mo-Su 00:00-12:00,14:00-24:00",
    "Mo-Th 00:00-24:00; Fr off; Sa-Su 01:15-02:45",
    "22:00-06:00; Su off",
    "24/7; PH off",
    "Mo-Fr 08:00-24:00; Sa 00:00-02:00; PH 10:00-16:00",
]


def at(zone: str, year: int, month: int, day: int, *clock: int, fold: int = 0) -> int:
    hour, minute, second = (*clock, 0, 0, 0)[:3]
    return int(datetime(year, month, day, hour, minute, second, tzinfo=ZoneInfo(zone), fold=fold).timestamp())


def one(opening_hours: str | None, timezone: str = SHANGHAI, country: str | None = None) -> tuple[Schedules, int]:
    schedules = Schedules()
    return schedules, schedules.intern(opening_hours, timezone, country)


def is_open(schedules: Schedules, schedule_id: int, at_s: int) -> bool:
    return bool(schedules.states(np.array([schedule_id]), at_s).is_open[0])


def library_says(opening_hours: str, zone: str, country: str | None) -> Callable[[int], bool]:
    """The library asked about one wall clock time: no intervals, no cache, no zone arithmetic of ours."""
    rule = OpeningHours(opening_hours, country=country, auto_country=False, auto_timezone=False)
    wall_clock = ZoneInfo(zone)
    return lambda at_s: rule.is_open(datetime.fromtimestamp(at_s, wall_clock).replace(tzinfo=None))


@given(
    st.sampled_from(EVERYDAY),
    st.sampled_from(ZONES),
    st.lists(st.integers(at("UTC", 2024, 1, 1), at("UTC", 2028, 1, 1)), min_size=1, max_size=12),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_states_equal_the_library_at_any_time_in_any_order_of_asking(
    opening_hours: str, zone: str, times_s: list[int], planned: bool
) -> None:
    schedules, schedule_id = one(opening_hours, zone, "CN")
    says = library_says(opening_hours, zone, "CN")
    for at_s in [*times_s, *(at_s + 1_800 for at_s in times_s)]:
        states = schedules.states(np.array([schedule_id, schedule_id]), at_s, planned=planned)
        assert states.is_open.tolist() == [says(at_s)] * 2, datetime.fromtimestamp(at_s, UTC)


@pytest.mark.parametrize("opening_hours", EVERYDAY)
@pytest.mark.parametrize(
    ("zone", "day"), [(BERLIN, (2026, 3, 28)), (BERLIN, (2026, 10, 24)), ("Australia/Lord_Howe", (2026, 4, 4))]
)
def test_the_change_told_is_the_first_minute_of_another_state(
    opening_hours: str, zone: str, day: tuple[int, int, int]
) -> None:
    """Each minute of two days around a change of the clocks: the state holds till the end told, and not longer."""
    schedules, schedule_id = one(opening_hours, zone, "DE")
    says = library_says(opening_hours, zone, "DE")
    start_s = at(zone, *day)
    minutes = [says(start_s + 60 * minute) for minute in range(4 * 1_440)]
    for minute in range(0, 2 * 1_440, 7):
        states = schedules.states(np.array([schedule_id]), start_s + 60 * minute)
        assert states.is_open[0] == minutes[minute]
        changes = [later for later in range(minute, len(minutes)) if minutes[later] != minutes[minute]]
        if changes:
            assert states.until_s[0] == start_s + 60 * changes[0]
        else:
            assert states.until_s[0] >= start_s + 60 * len(minutes)


def test_real_values_are_read_or_refused_with_a_reason_and_never_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    shared = Path(os.environ.get("LIFECIRCLE_SHARED") or Path(__file__).parents[3] / "shared")
    path = shared / "data" / "reference" / "opening_hours_values.txt"
    if not path.exists():
        pytest.skip(f"no reference values at {path}")
    seed = 20_261_121
    pick = random.Random(seed)
    refused, compared, with_comments = [], 0, 0
    for text in filter(None, path.read_text(encoding="utf-8").splitlines()):
        schedules, schedule_id = one(text, "Europe/Zagreb", "HR")
        reason = schedules.problem(schedule_id)
        if reason is not None:
            with pytest.raises(HoursError, match=re.escape(reason)):
                check_opening_hours(text)
            refused.append(reason)
            assert not is_open(schedules, schedule_id, at(SHANGHAI, 2026, 11, 21, 12))
            continue
        check_opening_hours(text)
        says = library_says(text, "Europe/Zagreb", "HR")
        bare_comment = text.count('"') > 2 * text.count('open "')
        with_comments += bare_comment
        for _ in range(40):
            at_s = pick.randrange(at("UTC", 2020, 1, 1), at("UTC", 2030, 1, 1))
            ours = is_open(schedules, schedule_id, at_s)
            # A bare comment means unknown, which the library takes for open; otherwise both agree.
            assert ours == says(at_s) or (bare_comment and not ours), (seed, text, at_s)
            compared += 1
    with capsys.disabled():
        print(f"\nopening hours: {compared} states agree; {len(refused)} values refused, {with_comments} bare comments")
    assert compared > 7_000
    assert 0 < len(refused) <= 7
    assert all("at character" in reason for reason in refused)


@pytest.mark.parametrize(
    "text", ["", "   ", "\u3000", ";", "24/24", "7:00 AM-9:00 PM", "9-21", "Mo 25:00-99:00", "\x00", '09:00-21:00 "x']
)
def test_what_cannot_be_read_is_refused_and_as_a_schedule_never_open(text: str) -> None:
    with pytest.raises(HoursError, match=r"blank|at character"):
        check_opening_hours(text)
    schedules, schedule_id = one(text)
    assert not is_open(schedules, schedule_id, at(SHANGHAI, 2026, 11, 21, 12))
    assert schedules.problem(schedule_id) is not None
    assert not schedules.known(schedule_id)
    assert schedules.opens_at_s(schedule_id, at(SHANGHAI, 2026, 11, 21, 12)) is None


@pytest.mark.parametrize("name", ["Asia/Nowhere", "", "../etc/passwd", "Asia", "/etc/passwd", "a\x00b", "x" * 5_000])
def test_a_time_zone_that_does_not_exist_is_refused_and_as_a_schedule_never_open(name: str) -> None:
    with pytest.raises(HoursError, match="no such time zone"):
        check_timezone(name)
    with pytest.raises(HoursError, match="no such time zone"):
        Zones().intern(name)
    schedules, schedule_id = one("24/7", name)
    assert not is_open(schedules, schedule_id, at(SHANGHAI, 2026, 11, 21, 12))
    schedules, schedule_id = one(None, name)
    assert not is_open(schedules, schedule_id, at(SHANGHAI, 2026, 11, 21, 12))


@pytest.mark.parametrize(
    "text",
    ["unknown", 'Mo-Su "by appointment"', '"by appointment"', 'Mo-Su 08:00-20:00 unknown "ring"', 'off || "call"'],
)
def test_unknown_and_a_bare_comment_are_not_open(text: str) -> None:
    check_opening_hours(text)
    schedules, schedule_id = one(text)
    assert not is_open(schedules, schedule_id, at(SHANGHAI, 2026, 11, 20, 12))
    assert schedules.opens_at_s(schedule_id, at(SHANGHAI, 2026, 11, 20, 12)) is None
    assert schedules.known(schedule_id)


@pytest.mark.parametrize(
    "text", ['08:00-20:00 open "rear entrance"', "08:00-20:00 OPEN \"rear; 'side'\"", "08:00-20:00"]
)
def test_a_comment_on_a_stated_open_changes_nothing(text: str) -> None:
    schedules, schedule_id = one(text)
    assert is_open(schedules, schedule_id, at(SHANGHAI, 2026, 11, 20, 12))
    assert schedules.closes_at_s(schedule_id, at(SHANGHAI, 2026, 11, 20, 12)) == at(SHANGHAI, 2026, 11, 20, 20)


def test_hours_not_given_are_taken_as_open_and_not_known() -> None:
    schedules, schedule_id = one(None)
    states = schedules.states(np.array([schedule_id]), at(SHANGHAI, 2026, 11, 21))
    assert states.is_open.tolist() == [True]
    assert states.until_s.tolist() == [FOREVER_S]
    assert not schedules.known(schedule_id)
    assert schedules.problem(schedule_id) is None
    assert schedules.closes_at_s(schedule_id, 0) is None


@pytest.mark.parametrize(
    ("opening_hours", "closes"),
    [
        ("24/7", None),
        ("Mo-Su 00:00-24:00", None),
        ("Mo-Fr 00:00-24:00; Sa-Su 00:00-24:00", None),
        ("18:00-02:00", (2026, 11, 21, 2)),
        ("Mo-Fr 18:00-24:00; Sa 00:00-05:00", (2026, 11, 21, 5)),
        ('Fr 18:00-24:00 open "bar"; Sa 00:00-24:00 open "market"; Su 00:00-03:30', (2026, 11, 22, 3, 30)),
        ("24/7; PH off", (2027, 1, 1)),
    ],
)
def test_closing_is_the_true_closing_over_midnights_comments_and_holidays(
    opening_hours: str, closes: tuple[int, int, int] | None
) -> None:
    schedules, schedule_id = one(opening_hours, SHANGHAI, "CN")
    friday_night_s = at(SHANGHAI, 2026, 11, 20, 23)
    assert is_open(schedules, schedule_id, friday_night_s)
    assert schedules.closes_at_s(schedule_id, friday_night_s) == (None if closes is None else at(SHANGHAI, *closes))
    assert schedules.opens_at_s(schedule_id, friday_night_s) is None


def test_the_next_opening_skips_closed_days_and_is_none_beyond_a_year() -> None:
    saturday_s = at(SHANGHAI, 2026, 11, 21, 12)
    schedules, weekdays = one("Mo-Fr 08:30-20:00")
    assert schedules.opens_at_s(weekdays, saturday_s) == at(SHANGHAI, 2026, 11, 23, 8, 30)
    assert schedules.closes_at_s(weekdays, saturday_s) is None
    far = schedules.intern("2028 08:00-20:00", SHANGHAI, None)
    assert schedules.opens_at_s(far, saturday_s) is None
    assert schedules.states(np.array([far]), saturday_s).until_s.tolist() == [FOREVER_S]
    # Forever was a year's look ahead: the same cache must see the opening when it comes near.
    assert schedules.states(np.array([far]), at(SHANGHAI, 2027, 12, 31)).until_s[0] == at(SHANGHAI, 2028, 1, 1, 8)


def test_public_holidays_are_those_of_the_country_and_none_where_they_are_not_known() -> None:
    new_year_s = at(SHANGHAI, 2027, 1, 1, 12)
    schedules = Schedules()
    for country, open_then in [("CN", False), ("cn", False), (None, True), ("TW", True), ("??", True)]:
        schedule_id = schedules.intern("24/7; PH off", SHANGHAI, country)
        assert is_open(schedules, schedule_id, new_year_s) is open_then, country
        assert schedules.problem(schedule_id) is None


def test_in_the_spring_night_skipped_times_are_never_open() -> None:
    schedules, skipped = one("02:15-02:45", BERLIN)
    spring_s = at(BERLIN, 2026, 3, 29, 1)
    assert schedules.opens_at_s(skipped, spring_s) == at(BERLIN, 2026, 3, 30, 2, 15)
    cut = schedules.intern("01:00-02:30", BERLIN, None)
    assert schedules.closes_at_s(cut, spring_s) == spring_s + 3_600
    # Closed since 02:30 by the clock after the change says nothing of the hour before it.
    assert not is_open(schedules, cut, spring_s + 3_900)
    assert is_open(schedules, cut, spring_s + 2_700)
    over = schedules.intern("22:00-06:00", BERLIN, None)
    assert schedules.closes_at_s(over, spring_s) == spring_s + 4 * 3_600


def test_in_the_autumn_night_repeated_times_are_open_twice() -> None:
    schedules, twice = one("02:15-02:45", BERLIN)
    first_s, second_s = (at(BERLIN, 2026, 10, 25, 2, 15, fold=fold) for fold in (0, 1))
    assert second_s - first_s == 3_600
    assert schedules.opens_at_s(twice, first_s - 60) == first_s
    assert schedules.closes_at_s(twice, first_s) == first_s + 1_800
    assert schedules.opens_at_s(twice, first_s + 1_800) == second_s
    over = schedules.intern("22:00-06:00", BERLIN, None)
    assert schedules.closes_at_s(over, first_s) == at(BERLIN, 2026, 10, 25, 6)
    round_the_clock = schedules.intern("24/7", BERLIN, None)
    assert schedules.closes_at_s(round_the_clock, first_s) is None


def test_asking_again_within_a_state_works_nothing_out_and_planning_ahead_does_not_disturb_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    schedules = Schedules()
    ids = np.array([schedules.intern(text, SHANGHAI, "CN") for text in EVERYDAY])
    now_s = at(SHANGHAI, 2026, 11, 21, 12)
    first = schedules.states(ids, now_s)
    worked_out: list[int] = []
    honest = hours._wall_spell

    def noted(rule: OpeningHours, wall_s: int) -> Spell:
        worked_out.append(wall_s)
        return honest(rule, wall_s)

    monkeypatch.setattr(hours, "_wall_spell", noted)
    schedules.states(ids, at(SHANGHAI, 2026, 12, 24, 3), planned=True)
    assert worked_out
    worked_out.clear()
    again = schedules.states(ids, now_s + 60)
    assert again.is_open.tolist() == first.is_open.tolist()
    assert schedules.closes_at_s(int(ids[1]), now_s) == at(SHANGHAI, 2026, 11, 21, 23)
    assert worked_out == []
    schedules.states(ids, at(SHANGHAI, 2026, 11, 21, 23))
    assert 0 < len(worked_out) < len(ids)


def test_equal_hours_share_an_id_and_others_do_not() -> None:
    schedules = Schedules()
    first = schedules.intern("24/7", SHANGHAI, "CN")
    assert schedules.intern("24/7", SHANGHAI, "CN") == first
    different = {schedules.intern("24/7", BERLIN, "CN"), schedules.intern("24/7", SHANGHAI, None)}
    assert different == {1, 2}
    assert len(schedules) == 3
    assert schedules.states(np.zeros(0, dtype=np.int64), 0).is_open.tolist() == []


@pytest.mark.parametrize("at_s", [-1, LATEST_S, FOREVER_S])
def test_a_time_outside_the_calendar_is_refused(at_s: int) -> None:
    schedules, schedule_id = one("07:00-23:00")
    with pytest.raises(ValueError, match="1970 to 8999"):
        schedules.states(np.array([schedule_id]), at_s)
    zones = Zones()
    with pytest.raises(ValueError, match="1970 to 8999"):
        zones.utc_offset_s(np.array([zones.intern(SHANGHAI)]), np.array([at_s]))
    for edge_s in (0, LATEST_S - 1):
        assert schedules.states(np.array([schedule_id]), edge_s).is_open.shape == (1,)


@given(st.lists(st.tuples(st.sampled_from(ZONES), st.integers(0, at("UTC", 2100, 1, 1))), max_size=6))
@settings(max_examples=60, deadline=None)
def test_local_hours_equal_the_wall_clock_of_each_zone(asked: list[tuple[str, int]]) -> None:
    zones = Zones()
    ids = np.array([zones.intern(name) for name, _ in asked], dtype=np.int64)
    at_s = np.array([moment_s for _, moment_s in asked], dtype=np.int64)
    walls = [datetime.fromtimestamp(moment_s, ZoneInfo(name)) for name, moment_s in asked]
    assert zones.local_hours(ids, at_s).tolist() == [wall.hour for wall in walls]
    offsets = [wall.utcoffset() or timedelta() for wall in walls]
    assert zones.utc_offset_s(ids, at_s).tolist() == [int(offset.total_seconds()) for offset in offsets]


def test_the_offset_changes_at_the_very_second_the_clocks_do() -> None:
    zones = Zones()
    berlin = np.array([zones.intern(BERLIN)] * 2)
    change_s = at("UTC", 2026, 10, 25, 1)
    assert zones.utc_offset_s(berlin, np.array([change_s - 1, change_s])).tolist() == [7_200, 3_600]
    assert zones.intern(BERLIN) == 0
    assert len(zones) == 1
    late_comer = np.array([zones.intern(SHANGHAI), 0])
    assert zones.utc_offset_s(late_comer, np.array([change_s, change_s])).tolist() == [28_800, 3_600]
