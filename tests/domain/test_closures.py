"""Closures by date, against a second-by-second count of what is open, and what a closure may be."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.domain.closures import (
    FURTHEST_AHEAD,
    LONGEST,
    Closure,
    Spans,
    closure_by_id,
    closure_of,
    faults_of,
)
from dispatch.domain.hours import Schedules
from dispatch.domain.spells import FOREVER_S

TAIPEI = ZoneInfo("Asia/Taipei")
NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
DAY_S = int(datetime(2026, 11, 20, tzinfo=TAIPEI).timestamp())
HOUR_S = 3_600
HOURS = ["24/7", None, "08:00-22:00", "22:00-02:00", "Mo-Fr 08:00-12:00,14:00-20:00", "off"]


def joined(minutes: set[int]) -> Spans:
    """Minutes of the week as spans, by looking at each; in seconds from DAY_S."""
    spans: list[tuple[int, int]] = []
    for minute in sorted(minutes):
        at_s = DAY_S + 60 * minute
        if spans and spans[-1][1] == at_s:
            spans[-1] = (spans[-1][0], at_s + 60)
        else:
            spans.append((at_s, at_s + 60))
    return tuple(spans)


@given(
    st.sampled_from(HOURS),
    st.sets(st.integers(0, 7 * 24 * 4 - 1).map(lambda quarter: 15 * quarter), max_size=12),
    st.lists(st.integers(1, 40), min_size=12, max_size=12),
    st.lists(st.integers(0, 7 * 1_440 - 1), min_size=1, max_size=10),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_a_store_is_open_when_its_hours_are_and_no_closure_lasts(
    opening_hours: str | None, starts: set[int], quarters: list[int], asked: list[int], planned: bool
) -> None:
    """Every minute of a week is known by asking the hours alone and a set; changes must fall where that set says."""
    closed = {
        minute
        for start, length in zip(sorted(starts), quarters, strict=False)
        for minute in range(start, start + 15 * length)
    }
    schedules = Schedules()
    alone = schedules.intern(opening_hours, "Asia/Taipei", None)
    closing = schedules.intern(opening_hours, "Asia/Taipei", None, joined(closed))
    week = range(7 * 1_440 + 700)
    is_open = [schedules.state(alone, DAY_S + 60 * minute)[0] and minute not in closed for minute in week]
    for minute in asked:
        at_s = DAY_S + 60 * minute + 59
        states = schedules.states(np.array([closing]), at_s, planned=planned)
        assert states.is_open.tolist() == [is_open[minute]]
        change = next((later for later in week[minute:] if is_open[later] != is_open[minute]), None)
        if change is not None:
            assert states.until_s.tolist() == [DAY_S + 60 * change]
        spell = schedules.spell(closing, at_s)
        assert spell.since_s <= at_s < spell.until_s
        assert (spell.is_open, spell.until_s) == (is_open[minute], int(states.until_s[0]))
        begun = [is_open[earlier] for earlier in range(max(0, (spell.since_s - DAY_S) // 60), minute + 1)]
        assert set(begun) == {is_open[minute]}


def test_a_closure_is_closed_from_its_first_second_until_its_last() -> None:
    schedules = Schedules()
    noon_s = DAY_S + 12 * HOUR_S
    closing = schedules.intern("08:00-22:00", "Asia/Taipei", None, ((noon_s, noon_s + HOUR_S),))
    assert schedules.known(closing)
    assert schedules.closes_at_s(closing, noon_s - 1) == noon_s
    assert (
        schedules.opens_at_s(closing, noon_s) == schedules.opens_at_s(closing, noon_s + HOUR_S - 1) == noon_s + HOUR_S
    )
    assert schedules.closes_at_s(closing, noon_s + HOUR_S) == DAY_S + 22 * HOUR_S
    over_night = schedules.intern("08:00-22:00", "Asia/Taipei", None, ((noon_s, noon_s + 24 * HOUR_S),))
    assert schedules.opens_at_s(over_night, noon_s) == noon_s + 24 * HOUR_S
    till_closing = schedules.intern("08:00-22:00", "Asia/Taipei", None, ((noon_s, DAY_S + 22 * HOUR_S),))
    assert schedules.opens_at_s(till_closing, noon_s) == DAY_S + 32 * HOUR_S


def test_a_store_closed_for_longer_than_is_looked_ahead_does_not_open() -> None:
    schedules = Schedules()
    year_s = 366 * 24 * HOUR_S
    closing = schedules.intern(None, "Asia/Taipei", None, ((DAY_S, DAY_S + 2 * year_s),))
    assert schedules.opens_at_s(closing, DAY_S) is None
    assert schedules.spell(closing, DAY_S).until_s == FOREVER_S
    assert schedules.opens_at_s(closing, DAY_S + year_s) == DAY_S + 2 * year_s
    assert schedules.closes_at_s(closing, DAY_S - 1) == DAY_S


def test_hours_that_cannot_be_read_stay_so_with_closures() -> None:
    schedules = Schedules()
    broken = schedules.intern("never ever", "Asia/Taipei", None, ((DAY_S, DAY_S + 1),))
    assert schedules.problem(broken)
    assert not schedules.known(broken)
    assert schedules.opens_at_s(broken, DAY_S) is None


def test_ids_with_closures_are_used_again_once_nobody_has_them() -> None:
    schedules = Schedules()
    hours = ("08:00-22:00", "Asia/Taipei", None)
    alone = schedules.intern(*hours)
    noon_s = DAY_S + 12 * HOUR_S
    first = schedules.intern(*hours, ((noon_s, noon_s + HOUR_S),))
    assert schedules.intern(*hours, ((noon_s, noon_s + HOUR_S),)) == first != alone
    for planned in (False, True):
        assert not schedules.state(first, noon_s, planned=planned)[0]
    schedules.release(alone)
    schedules.release(first)
    assert schedules.intern(*hours, ((noon_s, noon_s + 2 * HOUR_S),)) == 2
    schedules.intern("24/7", "UTC", None)
    schedules.release(first)
    again = schedules.intern("24/7", "UTC", None, ((noon_s + HOUR_S, noon_s + 2 * HOUR_S),))
    assert again == first
    for planned in (False, True):
        assert schedules.state(again, noon_s, planned=planned) == (True, noon_s + HOUR_S)
    assert schedules.intern(*hours) == alone
    for n in range(1_000):
        schedules.release(again)
        again = schedules.intern("24/7", "UTC", None, ((noon_s + n, noon_s + n + 1),))
    assert len(schedules) == 4


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_closure_is_kept_in_whole_seconds_and_its_id_tells_them() -> None:
    closure = closure_of(at("2026-12-24T18:00:00.7+08:00"), at("2026-12-26T08:00:00.2+08:00"), "Christmas")
    assert closure == Closure(at("2026-12-24T10:00:00+00:00"), at("2026-12-26T00:00:01+00:00"), "Christmas")
    assert closure.closure_id == "20261224T100000Z-20261226T000001Z"
    assert closure_by_id(closure.closure_id) == Closure(closure.starts_at, closure.ends_at)


@pytest.mark.parametrize(
    "closure_id",
    [
        "", "1", "20261224T100000Z", "20261224T100000Z-", "20261224T100000Z-20261224T100000Z",
        "20261225T100000Z-20261224T100000Z", "20261324T100000Z-20271224T100000Z", "20261224T100000Z-20261226T000001Z ",
        "20261224T1000Z-20261226T000001Z", "20261224T100000-20261226T000001", "２0261224T100000Z-20261226T000001Z",
    ],
)  # fmt: skip
def test_what_is_no_id_of_a_closure_names_none(closure_id: str) -> None:
    assert closure_by_id(closure_id) is None


@pytest.mark.parametrize(
    ("starts_at", "ends_at", "said"),
    [
        (NOW + timedelta(hours=2), NOW + timedelta(hours=2), "not later than from"),
        (NOW + timedelta(hours=2), NOW + timedelta(hours=1), "not later than from"),
        (NOW, NOW + LONGEST + timedelta(seconds=1), "more than 366 days after"),
        (NOW - timedelta(hours=2), NOW, "past already; it is 2026-11-20T02:00:00Z"),
        (NOW + FURTHEST_AHEAD, NOW + FURTHEST_AHEAD + timedelta(seconds=1), "1830 days ahead"),
    ],
)
def test_a_closure_that_cannot_be_is_refused_with_the_reason(starts_at: datetime, ends_at: datetime, said: str) -> None:
    [(pointer, detail)] = faults_of(closure_of(starts_at, ends_at, None), NOW)
    assert pointer == "/to"
    assert said in detail


def test_a_closure_may_have_begun_and_be_as_long_and_as_far_as_is_allowed() -> None:
    for starts_at, ends_at in (
        (NOW - timedelta(days=1), NOW + timedelta(seconds=1)),
        (NOW, NOW + LONGEST),
        (NOW + FURTHEST_AHEAD - LONGEST, NOW + FURTHEST_AHEAD),
    ):
        assert faults_of(closure_of(starts_at, ends_at, None), NOW) == []
