"""Where places meet the roads: remembered, since stores are asked for again and again."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from geo.geodesy import FloatArray, distances_between_m
from geo.travel import Mode
from geo.travel.roads import LONGEST_LEG_M

__all__ = ["Meeting", "MeetingPoints", "Spot", "legs_of"]

_MOST_SPOTS: Final = 200_000

type Spot = tuple[float, float, Mode]
"""Latitude, longitude and how one travels."""


class Meeting(NamedTuple):
    """How a place meets its road."""

    leg_m: float  # to the nearest of the roads that it may take, in geodesic metres; inf where none is near enough
    is_plain: bool  # whether its roads are the same without asking where these lead


class MeetingPoints:
    """What is known of places so far; the oldest are forgotten. For several threads at once."""

    def __init__(self) -> None:
        self._known: dict[Spot, Meeting] = {}
        self._lock = threading.Lock()

    def get(self, spot: Spot) -> Meeting | None:
        """How this place meets its road, if it is known."""
        return self._known.get(spot)

    def put(self, found: Mapping[Spot, Meeting]) -> None:
        """Remember these."""
        with self._lock:
            self._known.update(found)
            for oldest in list(self._known)[: max(0, len(self._known) - _MOST_SPOTS)]:
                del self._known[oldest]

    def legs_m(self, lats: FloatArray, lons: FloatArray, mode: Mode) -> FloatArray:
        """The metres from each place to its road, and 0 where they are not known."""
        spots = zip(lats.tolist(), lons.tolist(), strict=True)
        known = [self._known.get((lat, lon, mode)) for lat, lon in spots]
        return np.array([0.0 if one is None else one.leg_m for one in known])


def legs_of(located: Sequence[Mapping[str, Any]], lats: FloatArray, lons: FloatArray) -> list[float]:
    """The metres from each place to the nearest road of Valhalla's ``locate``; inf where none is near enough."""
    legs_m = []
    for place, lat, lon in zip(located, lats.tolist(), lons.tolist(), strict=True):
        met = np.array([[edge["correlated_lat"], edge["correlated_lon"]] for edge in place["edges"] or []])
        if not len(met):
            legs_m.append(float("inf"))
            continue
        at = np.full(len(met), lat), np.full(len(met), lon)
        leg_m = float(distances_between_m(*at, met[:, 0], met[:, 1]).min())
        legs_m.append(leg_m if leg_m <= LONGEST_LEG_M else float("inf"))
    return legs_m
