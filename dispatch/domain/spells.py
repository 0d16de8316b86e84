"""Times of one unbroken state, open or closed, and the last that is known of each of many."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

type IntArray = NDArray[np.int64]
type BoolArray = NDArray[np.bool_]

FOREVER_S: Final = int(np.iinfo(np.int64).max)
"""The end of a state that does not change within a year. Do not add to it."""

DAY_S: Final = 86_400
HORIZON_S: Final = 366 * DAY_S
"""How far ahead the end of a state is looked for."""

# A state said to last forever was only looked at for a year ahead, so it is looked at again after a month.
RECHECK_S: Final = 30 * DAY_S


class Spell(NamedTuple):
    """A time of one unbroken state, ``since_s`` ≤ t < ``until_s``; ``since_s`` may be later than its true start."""

    is_open: bool
    since_s: int
    until_s: int


class Frame:
    """The last known spell of each schedule. An entry never filled has an empty spell, so it never holds."""

    def __init__(self) -> None:
        self.is_open: BoolArray = np.zeros(0, dtype=np.bool_)
        self.since_s: IntArray = np.zeros(0, dtype=np.int64)
        self.until_s: IntArray = np.zeros(0, dtype=np.int64)
        self.recheck_s: IntArray = np.zeros(0, dtype=np.int64)
        self._tell_parts()

    def _tell_parts(self) -> None:
        self.parts = self.is_open, self.since_s, self.recheck_s, self.until_s
        """For compiled code, the same tuple as long as they hold; a spell holds from the second up to the third."""

    def grow(self, size: int) -> None:
        if size <= self.is_open.size:
            return
        more = max(size, 2 * self.is_open.size) - self.is_open.size
        empty = np.zeros(more, dtype=np.int64)
        self.is_open = np.concatenate([self.is_open, empty.astype(np.bool_)])
        self.since_s = np.concatenate([self.since_s, empty])
        self.until_s = np.concatenate([self.until_s, empty])
        self.recheck_s = np.concatenate([self.recheck_s, empty])
        self._tell_parts()

    def keep(self, schedule_id: int, spell: Spell, at_s: int) -> None:
        self.is_open[schedule_id], self.since_s[schedule_id], self.until_s[schedule_id] = spell
        self.recheck_s[schedule_id] = min(spell.until_s, at_s + RECHECK_S)

    def forget(self, schedule_id: int) -> None:
        if schedule_id < self.is_open.size:
            self.since_s[schedule_id] = self.until_s[schedule_id] = self.recheck_s[schedule_id] = 0

    def holds(self, schedule_id: int, at_s: int) -> bool:
        if schedule_id >= self.is_open.size:
            return False
        return bool(self.since_s[schedule_id] <= at_s < self.recheck_s[schedule_id])

    def spell(self, schedule_id: int) -> Spell:
        return Spell(bool(self.is_open[schedule_id]), int(self.since_s[schedule_id]), int(self.until_s[schedule_id]))
