"""When the next round is: on the schedule, never behind it, and sooner after a failure."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.commands.schedule import Schedule, retry_after_s, seconds_of
from dispatch.commands.session import CommandError

EVERY = st.integers(min_value=10, max_value=366 * 86_400)
CHANCE = st.floats(min_value=0, max_value=1, exclude_max=True)
MOMENT = st.floats(min_value=0, max_value=1e9)


@pytest.mark.parametrize(("text", "seconds"), [("10s", 10), ("5m", 300), ("24h", 86_400), ("090s", 90)])
def test_an_interval_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "5M", "1.5h", "-5m", "5m\n", "9s", "0h", "9000h", "٣h", "1d"])
def test_another_interval_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="--every: "):
        seconds_of(text)


@given(begun_s=MOMENT, every_s=EVERY, chance=CHANCE, passed_s=st.floats(min_value=0, max_value=1e8))
def test_the_next_start_is_the_first_on_the_grid_that_is_to_come(
    begun_s: float, every_s: int, chance: float, passed_s: float
) -> None:
    schedule = Schedule.begun(begun_s, every_s=every_s, chance=lambda: chance)
    now_s = begun_s + passed_s
    start_s = schedule.next_after(now_s)
    near_s = 1e-6 * (1 + start_s)
    assert start_s > now_s - near_s
    assert start_s <= max(now_s + every_s, schedule.first_s) + near_s, "no start was left out that could be kept"
    rounds = (start_s - begun_s - (schedule.first_s - begun_s - every_s)) / every_s
    assert math.isclose(rounds, round(rounds), abs_tol=1e-5), "it has not drifted"
    assert every_s <= schedule.first_s - begun_s + near_s <= 1.1 * every_s + 2 * near_s


def test_missed_starts_are_left_out_and_the_others_stay() -> None:
    schedule = Schedule.begun(1000.0, every_s=60, chance=lambda: 0.5)
    assert [schedule.next_after(now_s) for now_s in (1000.0, 1062.9, 1063.0, 1300.0)] == [
        1063.0,
        1063.0,
        1123.0,
        1303.0,
    ]


def test_many_that_begin_together_do_not_go_on_together() -> None:
    chances = iter(number / 100 for number in range(100))
    starts = {Schedule.begun(0.0, every_s=300, chance=lambda: next(chances)).first_s for _ in range(100)}
    assert len(starts) == 100
    assert max(starts) - min(starts) > 29


@given(failures=st.integers(min_value=1, max_value=10**6), every_s=EVERY, chance=CHANCE)
def test_the_wait_after_failures_is_bounded_by_the_interval_and_15_min(
    failures: int, every_s: int, chance: float
) -> None:
    wait_s = retry_after_s(failures, every_s=every_s, chance=lambda: chance)
    assert 2.5 <= wait_s <= min(every_s, 900)
    assert retry_after_s(failures, every_s=every_s, chance=lambda: chance, told_s=5_000.0) == 5_000.0
    assert retry_after_s(failures, every_s=every_s, chance=lambda: chance, told_s=0.0) == wait_s


def test_the_wait_doubles() -> None:
    waits = [retry_after_s(failures, every_s=3600, chance=lambda: 0.0) for failures in range(1, 11)]
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]
    assert retry_after_s(3, every_s=3600, chance=lambda: 0.999) == pytest.approx(10, abs=0.1)
