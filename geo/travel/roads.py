"""Travel times from a routing engine, asked for only where they decide, with a bound that is truly one.

``travel_s`` = seconds on the road x factor of the hour + both ways to the road at walking speed. The bound is what is
left of the geodesic without these legs / top speed + the legs, walked, - 1 s, since an engine rounds to whole seconds.
A leg that is not known counts as 0: walking is slower than any mode, so that the bound stays one. The factor bounds no
geodesic: it does not slow the legs. Where an engine knows the roads by themselves, an approach tells more: the seconds
of the fastest roads x the factor + the legs, walked.
"""

from __future__ import annotations

from collections.abc import ItemsView, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isinf, nextafter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geo.coordinates import LatLon
from geo.geodesy import FloatArray, IntArray
from geo.travel import MODES, Mode, TravelModel
from geo.travel.engine import Approach, Roadway
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
    """The ways from these places are not known yet: ask the engine for them, tell the times, and ask again.

    ``approaches``: the codes of the modes of which something should be known beforehand; then no place is named.
    """

    def __init__(self, lats: FloatArray, lons: FloatArray, modes: IntArray, approaches: Sequence[int] = ()) -> None:
        super().__init__(f"{len(lats)} ways are not known, and {len(approaches)} approaches")
        self.lats, self.lons, self.modes, self.approaches = lats, lons, modes, tuple(approaches)

    @classmethod
    def beforehand(cls, codes: Sequence[int]) -> WaysNeeded:
        """What is known before any way."""
        return cls(np.empty(0), np.empty(0), np.empty(0, dtype=np.int64), codes)


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

    def least_factor(self, code: int, hours: IntArray) -> float:
        """By how much a mode's way takes longer at the least, at one of these hours."""
        factors = self.hour_factors[MODES[code]]
        return float(min(factors[hour] for hour in set(hours.tolist())))

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

    def __init__(self, source: str, bounds: RoadBounds, *, first_ways: int = 1) -> None:
        self.source = source
        self.first_ways = first_ways
        self._bounds = bounds
        self._approaches: dict[int, Approach] = {}  # by mode code
        # An answer is worked out by one bound from begin to end, also where its approach is forgotten meanwhile.
        self._door_legs_m: dict[int, float] = {}
        self._known: dict[tuple[float, float, int], tuple[float, float]] = {}  # seconds on the road, and off it
        # By mode code: no road that it may use comes near the door, so that nobody need be asked for.
        self._no_road_to_door: set[int] = set()
        self.broken_bounds = 0
        self._held: set[tuple[float, float, int]] = set()  # against the bound, which is done once a way

    def __len__(self) -> int:
        return len(self._known)

    @property
    def hourly(self) -> NDArray[np.bool_]:
        """By mode code: whether its hours have different factors."""
        return self._bounds.hourly

    def prepare(self, modes: IntArray) -> None:
        """Have an approach by each of these modes. Raises WaysNeeded."""
        if missing := sorted(set(modes.tolist()) - self._approaches.keys()):
            raise WaysNeeded.beforehand(missing)

    def approaches(self) -> ItemsView[int, Approach]:
        """What is known beforehand, by mode code."""
        return self._approaches.items()

    def approach(self, code: int) -> Approach | None:
        """What is known of this mode's ways beforehand."""
        return self._approaches.get(code)

    def learn_approach(self, code: int, approach: Approach) -> None:
        """Take in what is known beforehand of the ways of a mode."""
        self._approaches[code] = approach
        self._door_legs_m[code] = approach.door_leg_m if approach.door_leg_m <= LONGEST_LEG_M else 0.0
        if isinf(approach.door_leg_m):
            self._no_road_to_door.add(code)

    def forget_approaches(self) -> None:
        """Keep the ways alone: an approach is large."""
        self._approaches.clear()

    def learn(self, needed: WaysNeeded, found: Mapping[int, Roadway]) -> None:
        """Take in the answer to what was needed: by mode code, the ways of its places in their order."""
        for code, ways in found.items():
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
            raise self._needed(lats[missing], lons[missing], modes[missing])
        keys = list(zip(lats.tolist(), lons.tolist(), modes.tolist(), strict=True))
        pairs = np.array([self._known.get(key, (inf, 0.0)) for key in keys]).reshape(-1, 2)
        seconds = pairs[:, 0] * self._bounds.factors(modes, hours) + pairs[:, 1]
        times_s: IntArray = np.ceil(np.minimum(seconds, UNREACHABLE_S)).astype(np.int64)
        if not self._held.issuperset(key for key in keys if key in self._known):
            self._held.update(key for key in keys if key in self._known)
            bounds_s = self.own_bound_s(lats=lats, lons=lons, distances_m=distances_m, modes=modes, hours=hours)
            self.broken_bounds += int((times_s < bounds_s).sum())
        return times_s

    def _needed(self, lats: FloatArray, lons: FloatArray, modes: IntArray) -> WaysNeeded:
        """These ways, or what tells more of them beforehand, which is cheaper than to ask for one in vain."""
        short = [
            code
            for code, approach in self._approaches.items()
            if approach.is_cut_short(lats[modes == code], lons[modes == code])
        ]
        return WaysNeeded.beforehand(short) if short else WaysNeeded(lats, lons, modes)

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
        """For each place, seconds that its own mode cannot beat, by what is known of its approach."""
        least_s = np.zeros(len(distances_m))
        for code in set(modes.tolist()):
            of_it = modes == code
            on_road_s, legs_m = self._approaches.get(code, Approach()).least(lats[of_it], lons[of_it])
            # Places off the roads are told by their time.
            off_road_m = np.where(legs_m <= LONGEST_LEG_M, legs_m, 0.0) + self._door_legs_m.get(code, 0.0)
            by_roads_s = on_road_s * self._bounds.least_factor(code, hours) + off_road_m / WALKING_MPS
            least_s[of_it] = np.maximum(by_roads_s, self._bounds.least_s(distances_m[of_it], code, off_road_m))
        return _floor_s(least_s)

    def reach_m(self, budget_s: int, *, modes: IntArray, hours: IntArray) -> float:
        """The largest distance whose bound is within the budget; -inf, no distance at all, for a negative budget."""
        return max(
            self._bounds.reach_m(budget_s, code, self._door_legs_m.get(code, 0.0)) for code in set(modes.tolist())
        )


def _floor_s(seconds: FloatArray) -> IntArray:
    floor: IntArray = np.ceil(np.minimum(np.maximum(seconds - _ROUNDING_S, 0.0), NEVER_S)).astype(np.int64)
    return floor
