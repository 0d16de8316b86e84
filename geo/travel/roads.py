"""Travel times from a routing engine, asked for only where they decide, with a bound that is truly one.

``travel_s`` = seconds on the road x factor of the hour + both ways to the road at walking speed. The bound is geodesic
/ top speed - 1 s: the ways off the road are walked, which is slower, and an engine rounds to whole seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, nextafter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geo.coordinates import LatLon
from geo.geodesy import FloatArray, IntArray
from geo.travel import MODES, Mode, TravelModel
from geo.travel.engine import Roadway
from geo.travel.estimate import NEVER_S

__all__ = ["LONGEST_LEG_M", "UNREACHABLE_S", "WALKING_MPS", "KnownRoads", "RoadBounds", "WaysNeeded"]

UNREACHABLE_S: Final = 1 << 40
"""The seconds to a place that no road leads to."""

LONGEST_LEG_M: Final = 300.0
"""A place or door farther from every road is not reachable by road."""

WALKING_MPS: Final = 4.8 / 3.6
"""How fast the ways between a place and its road are gone."""

_HOURS: Final = 24
_ROUNDING_S: Final = 1.0


class WaysNeeded(Exception):
    """The ways from these places are not known yet: ask the engine for them, tell the times, and begin again."""

    def __init__(self, lats: FloatArray, lons: FloatArray, modes: IntArray) -> None:
        super().__init__(f"{len(lats)} ways are not known")
        self.lats, self.lons, self.modes = lats, lons, modes


@dataclass(frozen=True, slots=True)
class RoadBounds:
    """What no way on these roads beats: by mode, its top speed and the factors of the hours.

    Raises ValueError if a mode is missing or its speed is below walking speed, or a factor below 1.
    """

    top_speed_mps: Mapping[Mode, float]
    hour_factors: Mapping[Mode, tuple[float, ...]]
    _seconds_per_metre: list[list[float]] = field(init=False, repr=False)
    _factors: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for mode in MODES:
            if not self.top_speed_mps[mode] >= WALKING_MPS:
                raise ValueError(f"the top speed by {mode.value} is {self.top_speed_mps[mode]}; walking is faster")
            if len(self.hour_factors[mode]) != _HOURS or min(self.hour_factors[mode]) < 1:
                raise ValueError(f"the factors of the hours by {mode.value} are not {_HOURS} numbers from 1")
        # The legs are not slowed by the hour, so that the factor bounds no way.
        table = [[1 / self.top_speed_mps[mode]] * _HOURS for mode in MODES]
        object.__setattr__(self, "_seconds_per_metre", table)
        object.__setattr__(self, "_factors", np.array([self.hour_factors[mode] for mode in MODES]).ravel())

    @property
    def hourly(self) -> NDArray[np.bool_]:
        """By mode code: whether its hours have different factors."""
        return np.array([len(set(self.hour_factors[mode])) > 1 for mode in MODES])

    def factors(self, modes: IntArray, hours: IntArray) -> FloatArray:
        """By how much each mode's way takes longer at each hour."""
        factors: FloatArray = self._factors.take(modes * _HOURS + hours)
        return factors

    def seconds_per_metre(self, modes: IntArray) -> float:
        """What the fastest of these modes takes for a metre. Raises ValueError for none."""
        codes: set[int] = set(modes.tolist())
        if not codes:
            raise ValueError("a bound needs at least one mode")
        return min(self._seconds_per_metre[code][0] for code in codes)


class KnownRoads(TravelModel):
    """The ways to one door that are known so far."""

    lazy = True

    def __init__(self, source: str, bounds: RoadBounds) -> None:
        self.source = source
        self._bounds = bounds
        self._known: dict[tuple[float, float, int], tuple[float, float]] = {}  # seconds on the road, and off it
        # By mode code: no road that it may use comes near the door, so that nobody need be asked for.
        self._no_road_to_door: set[int] = set()
        self.broken_bounds = 0

    def __len__(self) -> int:
        return len(self._known)

    @property
    def hourly(self) -> NDArray[np.bool_]:
        """By mode code: whether its hours have different factors."""
        return self._bounds.hourly

    def learn(self, needed: WaysNeeded, found: Mapping[int, Roadway]) -> None:
        """Take in the answer to what was needed: by mode code, the ways of its places in their order."""
        for code, ways in found.items():
            chosen = needed.modes == code
            off_road_m = ways.place_leg_m + ways.door_leg_m
            if (np.isfinite(ways.place_leg_m) & (ways.door_leg_m > LONGEST_LEG_M)).any():
                self._no_road_to_door.add(code)
            too_far = (ways.place_leg_m > LONGEST_LEG_M) | (ways.door_leg_m > LONGEST_LEG_M) | np.isnan(ways.seconds)
            seconds = np.where(too_far, inf, ways.seconds).tolist()
            legs = (np.where(too_far, 0.0, off_road_m) / WALKING_MPS).tolist()
            for lat, lon, on_s, off_s in zip(
                needed.lats[chosen].tolist(), needed.lons[chosen].tolist(), seconds, legs, strict=True
            ):
                self._known[lat, lon, code] = (on_s, off_s)

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
        """Whole seconds from each place, rounded up; UNREACHABLE_S where no road leads. Raises WaysNeeded."""
        keys = list(zip(lats.tolist(), lons.tolist(), modes.tolist(), strict=True))
        missing = np.array(
            [key not in self._known and key[2] not in self._no_road_to_door for key in keys], dtype=np.bool_
        )
        if missing.any():
            raise WaysNeeded(lats[missing], lons[missing], modes[missing])
        pairs = np.array([self._known.get(key, (inf, 0.0)) for key in keys]).reshape(-1, 2)
        seconds = pairs[:, 0] * self._bounds.factors(modes, hours) + pairs[:, 1]
        times_s: IntArray = np.ceil(np.minimum(seconds, UNREACHABLE_S)).astype(np.int64)
        bounds_s = self._floor_s(distances_m / np.array([self._bounds.top_speed_mps[MODES[m]] for m in modes.tolist()]))
        self.broken_bounds += int((times_s < bounds_s).sum())
        return times_s

    def bound_s(self, distances_m: FloatArray | float, *, modes: IntArray, hours: IntArray) -> IntArray:
        """For each distance, seconds that no mode of those given can beat."""
        return self._floor_s(np.asarray(distances_m) * self._bounds.seconds_per_metre(modes))

    def reach_m(self, budget_s: int, *, modes: IntArray, hours: IntArray) -> float:
        """The largest distance whose bound is within the budget; -inf, no distance at all, for a negative budget."""
        if budget_s < 0:
            return -inf
        per_metre = self._bounds.seconds_per_metre(modes)
        metres = (budget_s + _ROUNDING_S) / per_metre
        while metres * per_metre - _ROUNDING_S > budget_s:
            metres = nextafter(metres, -inf)
        while (farther := nextafter(metres, inf)) * per_metre - _ROUNDING_S <= budget_s:
            metres = farther
        return metres

    @staticmethod
    def _floor_s(seconds: FloatArray) -> IntArray:
        floor: IntArray = np.ceil(np.minimum(np.maximum(seconds - _ROUNDING_S, 0.0), NEVER_S)).astype(np.int64)
        return floor
