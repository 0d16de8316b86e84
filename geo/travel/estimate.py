"""Travel times without a road network: geodesic x detour / speed, by mode and hour of departure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geo.coordinates import LatLon
from geo.geodesy import FloatArray, IntArray
from geo.travel import MODES, Mode, TravelModel, farthest_m

__all__ = ["DEFAULT_SPEEDS", "NEVER_S", "EstimateTravel", "ModeSpeed"]

_HOURS: Final = 24

NEVER_S: Final = 1 << 53
"""The seconds to an infinite distance: more than any travel, and exact as a double."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeSpeed:
    """How fast a mode gets on: road is ``detour`` times the geodesic, and takes ``hour_factors[hour]`` times as long.

    Raises ValueError if the speed is not from 0.1 to 1,000 km/h, or the detour or a factor is not from 1 (less would
    break the bounds) to 100, or there are not 24 factors.
    """

    speed_kmh: float
    detour: float
    hour_factors: tuple[float, ...]

    def __post_init__(self) -> None:
        if not 0.1 <= self.speed_kmh <= 1000:
            raise ValueError(f"speed_kmh is {self.speed_kmh}; a speed is from 0.1 to 1000")
        if not 1 <= self.detour <= 100:
            raise ValueError(f"detour is {self.detour}; no road is shorter than the geodesic, so it is from 1 to 100")
        if len(self.hour_factors) != _HOURS:
            raise ValueError(f"there are {len(self.hour_factors)} hour_factors; a day has {_HOURS} hours")
        for hour, factor in enumerate(self.hour_factors):
            if not 1 <= factor <= 100:
                raise ValueError(f"the factor of hour {hour} is {factor}; it slows a free road, so it is from 1 to 100")

    def seconds_per_metre(self, hour: int) -> float:
        """Seconds for a geodesic metre at that hour, to nine decimals."""
        # Rounded so that whoever multiplies in another order gets the same: unrounded, 1.3 * 3.6 / 20 is a bit above
        # 0.234 and a kilometre takes 235 s.
        return round(self.detour * self.hour_factors[hour] * 3.6 / self.speed_kmh, 9)


_RUSH_HOURS: Final = (7, 8, 17, 18)

DEFAULT_SPEEDS: Final[dict[Mode, ModeSpeed]] = {
    Mode.FOOT: ModeSpeed(speed_kmh=4.8, detour=1.25, hour_factors=(1.0,) * _HOURS),
    Mode.EBIKE: ModeSpeed(speed_kmh=20.0, detour=1.3, hour_factors=(1.0,) * _HOURS),
    Mode.CAR: ModeSpeed(
        speed_kmh=25.0, detour=1.4, hour_factors=tuple(1.4 if hour in _RUSH_HOURS else 1.0 for hour in range(_HOURS))
    ),
}
"""Round numbers for a city, not measured: an operator replaces them with those of its own deliveries."""


class EstimateTravel(TravelModel):
    """Whole seconds, rounded up: ceil(geodesic metres x seconds per metre), the latter to nine decimals."""

    source = "estimate"
    lazy = False

    def __init__(self, speeds: Mapping[Mode, ModeSpeed] = DEFAULT_SPEEDS) -> None:
        """Raises ValueError if a mode has no speed."""
        missing = [mode.value for mode in MODES if mode not in speeds]
        if missing:
            raise ValueError(f"no speed is given for {', '.join(missing)}")
        self._rows = [[speeds[mode].seconds_per_metre(hour) for hour in range(_HOURS)] for mode in MODES]
        self._flat = np.array(self._rows).ravel()
        self._hourly = np.array([len(set(row)) > 1 for row in self._rows])

    @property
    def hourly(self) -> NDArray[np.bool_]:
        """By mode code: whether its hours have different factors."""
        return self._hourly

    def pace_s_m(self, mode: int) -> float | None:
        """Of a mode that is alike at every hour."""
        return None if self._hourly[mode] else self._rows[mode][0]

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
        """Seconds from each place, one for one; only ``distances_m``, ``modes`` and ``hours`` matter here."""
        per_metre = self._flat.take(modes * _HOURS + hours)
        return _whole_seconds(distances_m * per_metre)

    def bound_s(self, distances_m: FloatArray | float, *, modes: IntArray, hours: IntArray) -> IntArray:
        """Seconds that no pair of a given mode with a given hour beats, for each distance; the fastest pair's own time.

        One distance gives an array without dimensions, inf gives NEVER_S. Raises ValueError without modes or hours.
        """
        least = self._least_seconds_per_metre(modes, hours)
        if isinstance(distances_m, np.ndarray):
            return _whole_seconds(distances_m * least)
        product = distances_m * least
        return np.array(ceil(product) if product < NEVER_S else NEVER_S, dtype=np.int64)

    def reach_m(self, budget_s: int, *, modes: IntArray, hours: IntArray) -> float:
        """The largest double whose bound is within the budget; -inf, no distance at all, for a negative budget.

        Raises ValueError without modes or hours.
        """
        return farthest_m(budget_s, self._least_seconds_per_metre(modes, hours))

    def _least_seconds_per_metre(self, modes: IntArray, hours: IntArray) -> float:
        # Sets of a few ints: a tenth of what np.unique costs on the short arrays of a quote.
        mode_codes: set[int] = set(modes.tolist())
        hour_codes: set[int] = set(hours.tolist())
        if not (mode_codes and hour_codes):
            raise ValueError("a bound needs at least one mode and one hour")
        return min(self._rows[mode][hour] for mode in mode_codes for hour in hour_codes)


def _whole_seconds(seconds: FloatArray) -> IntArray:
    # The limit keeps infinite distances from becoming arbitrary ints.
    return np.ceil(np.minimum(seconds, NEVER_S)).astype(np.int64)
