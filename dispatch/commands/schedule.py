"""When something that is done again and again is done next. Times are seconds of one clock that only goes forward."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dispatch.commands.session import CommandError

_UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600}
_LEAST_S: Final = 10
_MOST_S: Final = 366 * 86_400
_OFFSET_SHARE: Final = 0.1
_FIRST_RETRY_S: Final = 5.0
_LONGEST_RETRY_S: Final = 900.0

type Chance = Callable[[], float]
"""A random number from 0 to below 1."""


def seconds_of(text: str) -> int:
    """Of ``30s``, ``5m`` or ``24h``. Raises CommandError."""
    match = re.fullmatch(r"([0-9]{1,9})([smh])", text)
    if match is None:
        raise CommandError("--every: is not like 30s, 5m or 24h")
    seconds = int(match[1]) * _UNITS_S[match[2]]
    if not _LEAST_S <= seconds <= _MOST_S:
        raise CommandError(f"--every: is not from {_LEAST_S}s to {_MOST_S // 3_600}h")
    return seconds


@dataclass(frozen=True, slots=True)
class Schedule:
    """A start every ``every_s``, moved by an offset, so that many that began together do not go on together."""

    every_s: float
    first_s: float

    @classmethod
    def begun(cls, at_s: float, *, every_s: float, chance: Chance) -> "Schedule":
        """Of something that was done at once at ``at_s``: the next is one interval and the offset later."""
        return cls(every_s, at_s + every_s * (1 + _OFFSET_SHARE * chance()))

    def next_after(self, now_s: float) -> float:
        """The first start later than ``now_s``; those that were missed are left out, the others stay where they are."""
        missed = max(0, math.floor((now_s - self.first_s) / self.every_s) + 1)
        return self.first_s + missed * self.every_s


def retry_after_s(failures: int, *, every_s: float, chance: Chance, told_s: float | None = None) -> float:
    """How long to wait after so many failures in a row: twice as long each time, less a random half of it.

    No longer than the interval, nor than 15 min of a longer one, unless the server has ``told_s`` to wait longer.
    """
    most_s = min(every_s, _LONGEST_RETRY_S)
    # The exponent has an end: a server may be away for a year.
    wait_s = min(most_s, _FIRST_RETRY_S * 2.0 ** min(failures - 1, 30))
    return max(wait_s * (1 - 0.5 * chance()), told_s or 0.0)
