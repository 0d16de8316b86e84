"""How fresh a shelf row is, in 16 bits: units of its store's own around its store's own base (see stock.py)."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from dispatch.domain.market import BoolArray, IntArray

FRESH_MAX: Final = 65_535
_MIDDLE: Final = 32_768
_UNIT_MIN_S: Final = 4
# A count may be dated a little ahead of now (120 s), and the oldest code must be stale even then.
_SLACK: Final = 64
ANCIENT_S: Final = -(2**62)


@dataclass(frozen=True, slots=True)
class Scales:
    """The scales of some stores, one array a column, in the order of those asked for."""

    base_s: IntArray
    unit_s: IntArray
    zero_s: IntArray  # when a row with code 0 would turn stale: base − middle + staleness

    def codes(self, fresh_s: IntArray, which: IntArray) -> IntArray:
        """The codes of rows, each of ``which`` of the stores."""
        base_s, unit_s = self.base_s.take(which), self.unit_s.take(which)
        codes: IntArray = np.clip((fresh_s - base_s) // unit_s + _MIDDLE, 0, FRESH_MAX)
        return codes


class Freshness:
    """The scale of every store, by slot: the base, the unit, and when a row with code 0 would turn stale."""

    def __init__(self) -> None:
        self.base_s = np.zeros(0, dtype=np.int64)
        self.unit_s = np.ones(0, dtype=np.int64)
        self.zero_s = np.zeros(0, dtype=np.int64)
        self._tell_parts()

    def _tell_parts(self) -> None:
        """For compiled code, the same tuple as long as they hold."""
        self.parts = self.zero_s, self.unit_s

    @property
    def nbytes(self) -> int:
        return self.base_s.nbytes + self.unit_s.nbytes + self.zero_s.nbytes

    def reserve(self, size: int) -> None:
        """Make room for slots below ``size``."""
        if size > len(self.base_s):
            more = max(size, len(self.base_s) * 2) - len(self.base_s)
            self.base_s = np.concatenate([self.base_s, np.zeros(more, dtype=np.int64)])
            self.unit_s = np.concatenate([self.unit_s, np.ones(more, dtype=np.int64)])
            self.zero_s = np.concatenate([self.zero_s, np.zeros(more, dtype=np.int64)])
            self._tell_parts()

    def set(self, slots: IntArray, base_s: IntArray, stale_after_s: IntArray) -> None:
        unit_s = _units_s(stale_after_s)
        self.base_s[slots] = base_s
        self.unit_s[slots] = unit_s
        self.zero_s[slots] = base_s - _MIDDLE * unit_s + stale_after_s

    def scales_for(self, slots: IntArray, newest_s: IntArray, stale_after_s: IntArray) -> Scales:
        """Scales of stores whose rows are at most so new: a store's own where that does for them, else a new one."""
        base_s, unit_s = self.base_s[slots], self.unit_s[slots]
        zero_s = base_s - _MIDDLE * unit_s + stale_after_s
        is_new = (self.zero_s[slots] != zero_s) | (base_s <= 0) | ~self.can_say(slots, newest_s)
        base_s, unit_s = np.where(is_new, newest_s, base_s), np.where(is_new, _units_s(stale_after_s), unit_s)
        return Scales(base_s, unit_s, base_s - _MIDDLE * unit_s + stale_after_s)

    def take_over(self, slots: IntArray, scales: Scales) -> None:
        """Set the scales of these stores."""
        self.base_s[slots], self.unit_s[slots], self.zero_s[slots] = scales.base_s, scales.unit_s, scales.zero_s

    def can_say(self, slots: IntArray, fresh_s: IntArray) -> BoolArray:
        """Whether these moments are not too new for the stores' scales."""
        return fresh_s < self.base_s[slots] + (FRESH_MAX - _MIDDLE) * self.unit_s[slots]

    def can_say_one(self, slot: int, fresh_s: int) -> bool:
        """As ``can_say``, of one store."""
        return fresh_s < int(self.base_s[slot]) + (FRESH_MAX - _MIDDLE) * int(self.unit_s[slot])

    def codes(self, slots: IntArray, fresh_s: IntArray) -> IntArray:
        codes: IntArray = np.clip((fresh_s - self.base_s[slots]) // self.unit_s[slots] + _MIDDLE, 0, FRESH_MAX)
        return codes

    def code(self, slot: int, fresh_s: int) -> int:
        """As ``codes``, of one row."""
        steps = (fresh_s - int(self.base_s[slot])) // int(self.unit_s[slot]) + _MIDDLE
        return min(max(steps, 0), FRESH_MAX)

    def moments_s(self, slots: IntArray, codes: IntArray) -> IntArray:
        """What the codes say (epoch seconds); ANCIENT_S for older than can be said."""
        fresh_s: IntArray = self.base_s[slots] + (codes - _MIDDLE) * self.unit_s[slots]
        if (codes == 0).any():
            fresh_s[codes == 0] = ANCIENT_S
        return fresh_s

    def moment_s(self, slot: int, code: int) -> int:
        """As ``moments_s``, of one row."""
        return int(self.base_s[slot]) + (code - _MIDDLE) * int(self.unit_s[slot]) if code else ANCIENT_S


def _units_s(stale_after_s: IntArray) -> IntArray:
    units_s: IntArray = np.maximum(_UNIT_MIN_S, -(-stale_after_s // (_MIDDLE - _SLACK)))
    return units_s
