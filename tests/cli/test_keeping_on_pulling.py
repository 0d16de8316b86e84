"""The loop of dispatch import … --every, with a clock that only the waiting and the pulls move."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from dispatch.commands.pulling import keep_pulling
from dispatch.commands.session import CommandError
from dispatch.commands.stopping import Stopped
from dispatch.domain.errors import DatabaseUnavailable, ImportRunning
from dispatch.services.addresses import PullError


@dataclass
class Played:
    """Rounds as (how long it takes, what it raises); after the last of them it is stopped in its wait."""

    rounds: list[tuple[float, Exception | None]]
    every_s: float = 300.0
    chance: Callable[[], float] = lambda: 0.0
    now_s: float = 1_000.0
    starts: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def pull(self) -> float:
        took_s, error = self.rounds.pop(0)
        self.starts.append(self.now_s - 1_000)
        self.now_s += took_s
        if error is not None:
            raise error
        return self.now_s

    def wait(self, wait_s: float) -> None:
        assert wait_s > 0
        if not self.rounds:
            raise Stopped
        self.now_s += wait_s

    def play(self) -> "Played":
        with pytest.raises(Stopped):
            keep_pulling(
                self.pull,  # type: ignore[arg-type]  # what it returns is only handed on to say
                every_s=self.every_s,
                clock=lambda: self.now_s,
                wait=self.wait,
                chance=self.chance,
                say=lambda _: self.said.append("good"),
                complain=lambda error, wait_s: self.said.append(f"{error}; again in {wait_s:g}"),
            )
        return self


def test_the_first_pull_is_at_once_and_the_others_on_the_grid_however_long_they_take() -> None:
    played = Played([(1, None), (100, None), (7, None), (1, None)]).play()
    assert played.starts == [0, 300, 600, 900]
    assert played.said == ["good"] * 4


def test_a_pull_longer_than_the_interval_is_never_overlapped_and_the_missed_are_left_out() -> None:
    assert Played([(1, None), (700, None), (1, None)]).play().starts == [0, 300, 1200]


def test_the_offset_is_the_same_all_along() -> None:
    chances = iter([0.5])
    assert Played([(1, None)] * 4, chance=lambda: next(chances)).play().starts == [0, 315, 615, 915]


def test_failures_are_told_and_tried_again_ever_later_and_then_it_is_on_the_grid_again() -> None:
    failures = [
        PullError("no network"), DatabaseUnavailable("away"), ImportRunning("another"), CommandError("refused"),
        OSError("disk"), ZeroDivisionError("ours"),
    ]  # fmt: skip
    played = Played([(0, error) for error in failures] + [(0, None), (0, PullError("x")), (0, None)]).play()
    assert played.starts == [0, 5, 15, 35, 75, 155, 315, 600, 605]
    assert played.said[0] == "no network; again in 5"
    assert played.said[6:] == ["good", "x; again in 5", "good"]


def test_the_wait_that_the_server_tells_is_kept() -> None:
    played = Played([(0, PullError("busy", retry_after_s=1000.0)), (0, PullError("x", retry_after_s=1.0)), (0, None)])
    assert played.play().starts == [0, 1000, 1010]


def test_what_somebody_has_to_mend_is_tried_on_the_schedule_alone() -> None:
    played = Played([(0, PullError("401", soon=False)), (0, PullError("401", soon=False)), (0, None)], every_s=86_400)
    assert played.play().starts == [0, 86_400, 172_800]


def test_a_nightly_pull_that_fails_is_tried_again_within_15_min() -> None:
    played = Played([(0, PullError("x"))] * 12, every_s=86_400).play()
    gaps = [after - before for before, after in zip(played.starts, played.starts[1:], strict=False)]
    assert gaps[-3:] == [900, 900, 900]


def test_being_stopped_in_a_pull_ends_it() -> None:
    played = Played([(0, None), (0, Stopped())]).play()
    assert played.said == ["good"]
