"""By when a store is to be counted today, against a walk through the day minute by minute."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.domain.lateness import GRACE, counted_since, due_today

MINUTE = timedelta(minutes=1)
# Zones whose clocks change, with days on which they do: by an hour, by half an hour, and at midnight.
CHANGES = {
    "America/New_York": (date(2026, 3, 8), date(2026, 11, 1)),
    "Europe/Berlin": (date(2026, 3, 29), date(2026, 10, 25)),
    "Australia/Lord_Howe": (date(2026, 4, 5), date(2026, 10, 4)),
    "Africa/Cairo": (date(2026, 4, 24), date(2026, 10, 29)),
    "America/Santiago": (date(2026, 9, 6), date(2026, 4, 4)),
    "Asia/Taipei": (date(2026, 11, 20),),
    "Pacific/Kiritimati": (date(2026, 11, 20),),
    "Asia/Kathmandu": (date(2026, 11, 20),),
}
DAYS = [(zone, day + timedelta(days=off)) for zone, days in CHANGES.items() for day in days for off in (-1, 0, 1)]


def walked(day: date, due_at: time, timezone: str) -> datetime:
    """The first minute of the day, as its clocks show it, that is not before the time."""
    zone = ZoneInfo(timezone)
    at = datetime.combine(day, time(), tzinfo=UTC) - timedelta(hours=15)
    while (local := at.astimezone(zone)).date() != day or local.time() < due_at:
        at += MINUTE
    return at


MINUTES = st.one_of(st.integers(0, 24 * 60 - 1), st.integers(0, 4 * 60))


@settings(max_examples=150, deadline=None)
@given(where=st.sampled_from(DAYS), minute=MINUTES, ago_min=st.integers(0, 3_000))
def test_a_store_is_late_exactly_when_the_walk_says_so(where: tuple[str, date], minute: int, ago_min: int) -> None:
    timezone, day = where
    due_at = time(minute // 60, minute % 60)
    due = walked(day, due_at, timezone)
    for now in (due - MINUTE, due, due + MINUTE, due + timedelta(hours=3)):
        if now.astimezone(ZoneInfo(timezone)).date() != day:
            continue
        assert due_today(due_at, timezone=timezone, now=now) == due
        counted_at = now - ago_min * MINUTE
        since = counted_since(due_at, timezone=timezone, now=now)
        assert (since is not None and counted_at < since) == (now >= due and due - counted_at > timedelta(hours=12))


@pytest.mark.parametrize(
    ("timezone", "due_at", "day", "utc"),
    [
        ("America/New_York", time(2, 30), date(2026, 3, 8), "2026-03-08T07:00:00+00:00"),  # skipped: when they jump
        ("America/New_York", time(1, 30), date(2026, 11, 1), "2026-11-01T05:30:00+00:00"),  # twice: the earlier
        ("Africa/Cairo", time(0, 30), date(2026, 4, 24), "2026-04-23T22:00:00+00:00"),  # the day begins at 01:00
        ("Asia/Taipei", time(6, 0), date(2026, 11, 20), "2026-11-19T22:00:00+00:00"),
    ],
)
def test_known_days(timezone: str, due_at: time, day: date, utc: str) -> None:
    noon = datetime.combine(day, time(12), tzinfo=ZoneInfo(timezone))
    assert due_today(due_at, timezone=timezone, now=noon).isoformat() == utc


def test_nobody_is_late_before_the_time_nor_without_one() -> None:
    now = datetime(2026, 11, 19, 22, 0, tzinfo=UTC)  # 06:00 of the 20th in Taipei
    assert counted_since(time(6, 0), timezone="Asia/Taipei", now=now) == now - GRACE
    assert counted_since(time(6, 1), timezone="Asia/Taipei", now=now) is None
    assert counted_since(time(6, 0), timezone="Asia/Tokyo", now=now) == now - GRACE - timedelta(hours=1)
    assert counted_since(None, timezone="Asia/Taipei", now=now) is None
