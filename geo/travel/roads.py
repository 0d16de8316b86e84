"""Travel times from a routing engine, asked for only where they decide, with a bound that is truly one.

``travel_s`` = seconds on the road x factor of the hour + both ways to the road at walking speed. The bound is what is
left of the geodesic without these legs / top speed + the legs, walked, - 1 s, since an engine rounds to whole seconds.
A leg that is not known counts as 0: walking is slower than any mode, so that the bound stays one. The factor bounds no
way: it does not slow the legs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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


type LegsKnown = Callable[[FloatArray, FloatArray, Mode], FloatArray]
"""Latitudes and longitudes of places -> the metres from each to its road, as far as they are known; else 0."""


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
    _factors: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for mode in MODES:
            if not self.top_speed_mps[mode] >= WALKING_MPS:
                raise ValueError(f"the top speed by {mode.value} is {self.top_speed_mps[mode]}; walking is faster")
            if len(self.hour_factors[mode]) != _HOURS or min(self.hour_factors[mode]) < 1:
                raise ValueError(f"the factors of the hours by {mode.value} are not {_HOURS} numbers from 1")
        object.__setattr__(self, "_factors", np.array([self.hour_factors[mode] for mode in MODES]).ravel())

    @property
    def hourly(self) -> NDArray[np.bool_]:
        """By mode code: whether its hours have different factors."""
        return np.array([len(set(self.hour_factors[mode])) > 1 for mode in MODES])

    def factors(self, modes: IntArray, hours: IntArray) -> FloatArray:
        """By how much each mode's way takes longer at each hour."""
        factors: FloatArray = self._factors.take(modes * _HOURS + hours)
        return factors

    def least_s(self, distances_m: FloatArray, code: int, off_road_m: FloatArray | float) -> FloatArray:
        """Seconds that no way of this mode beats, of whose geodesic so much is off the road; not rounded."""
        least_s: FloatArray = np.maximum(distances_m - off_road_m, 0.0) / self.top_speed_mps[MODES[code]]
        return least_s + off_road_m / WALKING_MPS

    def reach_m(self, budget_s: int, code: int, off_road_m: float = 0.0) -> float:
        """The largest distance that ``least_s``, less what is rounded, leaves within the budget; -inf for less than 0.

        0 where the legs alone break it: who is there may be asked.
        """
        left_s = budget_s + _ROUNDING_S - off_road_m / WALKING_MPS
        if budget_s < 0:
            return -inf
        if left_s < 0:
            return 0.0
        metres = off_road_m + left_s * self.top_speed_mps[MODES[code]]

        def is_within(metres: float) -> bool:
            return bool(self.least_s(np.array([metres]), code, off_road_m)[0] - _ROUNDING_S <= budget_s)

        while not is_within(metres):
            metres = nextafter(metres, -inf)
        while is_within(farther := nextafter(metres, inf)):
            metres = farther
        return metres


class KnownRoads(TravelModel):
    """The ways to one door that are known so far."""

    lazy = True

    def __init__(self, source: str, bounds: RoadBounds, door: LatLon, known_legs_m: LegsKnown | None = None) -> None:
        """``known_legs_m``: what is known of how far places are off the roads, and the door too."""
        self.source = source
        self._bounds = bounds
        self._door = np.array([door.lat]), np.array([door.lon])
        self._known_legs_m = known_legs_m or (lambda lats, lons, mode: np.zeros(len(lats)))
        # By mode code, and not as the engine learns it: an answer is worked out by one bound from begin to end.
        self._door_legs_m: dict[int, float] = {}
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
            self._door_legs_m[code] = float(self._legs_m(*self._door, code)[0])
            chosen = needed.modes == code
            off_road_m = ways.place_leg_m + ways.door_leg_m
            if (np.isfinite(ways.place_leg_m) & np.isinf(ways.door_leg_m)).any():
                self._no_road_to_door.add(code)
            too_far = (ways.place_leg_m > LONGEST_LEG_M) | (ways.door_leg_m > LONGEST_LEG_M) | np.isnan(ways.seconds)
            seconds = np.where(too_far, inf, ways.seconds).tolist()
            legs = (np.where(too_far, 0.0, off_road_m) / WALKING_MPS).tolist()
            for lat, lon, on_s, off_s in zip(
                needed.lats[chosen].tolist(), needed.lons[chosen].tolist(), seconds, legs, strict=True
            ):
                self._known[lat, lon, code] = (on_s, off_s)

    def knows(self, *, lats: FloatArray, lons: FloatArray, modes: IntArray) -> NDArray[np.bool_]:
        """From which places the way need not be asked for."""
        keys = zip(lats.tolist(), lons.tolist(), modes.tolist(), strict=True)
        return np.array([key in self._known or key[2] in self._no_road_to_door for key in keys], dtype=np.bool_)

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
        missing = ~self.knows(lats=lats, lons=lons, modes=modes)
        if missing.any():
            raise WaysNeeded(lats[missing], lons[missing], modes[missing])
        keys = zip(lats.tolist(), lons.tolist(), modes.tolist(), strict=True)
        pairs = np.array([self._known.get(key, (inf, 0.0)) for key in keys]).reshape(-1, 2)
        seconds = pairs[:, 0] * self._bounds.factors(modes, hours) + pairs[:, 1]
        times_s: IntArray = np.ceil(np.minimum(seconds, UNREACHABLE_S)).astype(np.int64)
        bounds_s = self.own_bound_s(lats=lats, lons=lons, distances_m=distances_m, modes=modes, hours=hours)
        self.broken_bounds += int((times_s < bounds_s).sum())
        return times_s

    def bound_s(self, distances_m: FloatArray | float, *, modes: IntArray, hours: IntArray) -> IntArray:
        """For each distance, seconds that no mode of those given can beat."""
        distances_m = np.asarray(distances_m, dtype=np.float64)
        return _floor_s(
            np.minimum.reduce(
                [
                    self._bounds.least_s(distances_m, code, self._door_legs_m.get(code, 0.0))
                    for code in set(modes.tolist())
                ]
            )
        )

    def own_bound_s(
        self, *, lats: FloatArray, lons: FloatArray, distances_m: FloatArray, modes: IntArray, hours: IntArray
    ) -> IntArray:
        """For each place, seconds that its own mode cannot beat, its leg counted where that is known."""
        least_s = np.zeros(len(distances_m))
        for code in set(modes.tolist()):
            of_it = modes == code
            off_road_m = self._legs_m(lats[of_it], lons[of_it], code) + self._door_legs_m.get(code, 0.0)
            least_s[of_it] = self._bounds.least_s(distances_m[of_it], code, off_road_m)
        return _floor_s(least_s)

    def _legs_m(self, lats: FloatArray, lons: FloatArray, code: int) -> FloatArray:
        """What is known of legs; 0 of places off the roads, which are told by their time."""
        legs_m = self._known_legs_m(lats, lons, MODES[code])
        return np.where(legs_m <= LONGEST_LEG_M, legs_m, 0.0)

    def reach_m(self, budget_s: int, *, modes: IntArray, hours: IntArray) -> float:
        """The largest distance whose bound is within the budget; -inf, no distance at all, for a negative budget."""
        return max(
            self._bounds.reach_m(budget_s, code, self._door_legs_m.get(code, 0.0)) for code in set(modes.tolist())
        )


def _floor_s(seconds: FloatArray) -> IntArray:
    floor: IntArray = np.ceil(np.minimum(np.maximum(seconds - _ROUNDING_S, 0.0), NEVER_S)).astype(np.int64)
    return floor
