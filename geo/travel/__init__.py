"""Travel times from many places to one door: the modes, and what every model of them promises."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from math import inf, nextafter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from geo.coordinates import LatLon
from geo.geodesy import FloatArray, IntArray

__all__ = ["MODES", "MODE_CODES", "FloatArray", "IntArray", "Mode", "TravelModel", "farthest_m"]


class Mode(StrEnum):
    """How the goods travel."""

    FOOT = "foot"
    EBIKE = "ebike"
    CAR = "car"


MODES: tuple[Mode, ...] = tuple(Mode)
MODE_CODES: dict[Mode, int] = {mode: code for code, mode in enumerate(MODES)}
"""A mode's position in MODES: how arrays of modes spell it."""


class TravelModel(Protocol):
    """Travel times in whole seconds, rounded up, with a lower bound that is truly one.

    ``modes`` are codes (MODE_CODES), ``hours`` the hour of departure 0..23 in the store's time zone.
    ``distances_m`` are geodesic, from each place to the destination.
    """

    source: str
    """Where the times come from, as answers name it."""

    lazy: bool
    """Whether a time costs so much that it is asked for only where it decides."""

    first_ways: int = 1
    """How many at least are then asked for at first: to ask for several at once may cost little more."""

    @property
    def hourly(self) -> NDArray[np.bool_]:
        """By mode code: whether the hour of departure matters."""
        ...

    def pace_s_m(self, mode: int) -> float | None:
        """Seconds a metre of geodesic, rounded up to whole seconds in all, if that is what ways of a mode take."""
        return None

    def prepare(self, modes: IntArray) -> None:
        """Get ready to be asked for these modes. Raises what ``times_s`` raises."""
        return None

    def times_s(
        self,
        *,
        lats: FloatArray,
        lons: FloatArray,
        destination: LatLon,
        distances_m: FloatArray,
        modes: IntArray,
        hours: IntArray,
    ) -> IntArray:
        """Seconds from each place (lats, lons in degrees) to the destination, one for one, in the order given."""
        ...

    def bound_s(self, distances_m: FloatArray | float, *, modes: IntArray, hours: IntArray) -> IntArray:
        """For each distance, seconds that no mode and hour of those given can beat; never above ``times_s``."""
        ...

    def knows(self, *, lats: FloatArray, lons: FloatArray, modes: IntArray) -> NDArray[np.bool_]:
        """From which places ``times_s`` costs nothing."""
        return np.ones(len(lats), dtype=np.bool_)

    def own_bound_s(
        self, *, lats: FloatArray, lons: FloatArray, distances_m: FloatArray, modes: IntArray, hours: IntArray
    ) -> IntArray:
        """Like ``bound_s``, of each place by its own mode; what is known of the place may make it tighter."""
        bounds_s = np.zeros(len(distances_m), dtype=np.int64)
        for mode in np.unique(modes).tolist():
            of_it = modes == mode
            bounds_s[of_it] = self.bound_s(distances_m[of_it], modes=np.array([mode]), hours=hours)
        return bounds_s

    def reach_m(self, budget_s: int, *, modes: IntArray, hours: IntArray) -> float:
        """The largest distance in metres whose bound is within the budget: no place within the budget lies beyond.

        -inf, no distance at all, for a negative budget.
        """
        ...


@lru_cache(maxsize=1_024)
def farthest_m(budget_s: int, pace_s_m: float) -> float:
    """The largest double that takes no longer than the budget at so many seconds a metre; -inf for a budget below 0."""
    if budget_s < 0:
        return -inf
    # ceil(x) <= budget exactly when x <= budget; the division may be off by a few steps of a double.
    metres = budget_s / pace_s_m
    while metres * pace_s_m > budget_s:
        metres = nextafter(metres, -inf)
    while (farther := nextafter(metres, inf)) * pace_s_m <= budget_s:
        metres = farther
    return metres
