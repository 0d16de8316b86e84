"""Where places meet the roads: remembered, since stores are asked for again and again."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, Final, NamedTuple

import numpy as np

from geo.geodesy import FloatArray, distances_between_m
from geo.travel import Mode
from geo.travel.roads import LONGEST_LEG_M

__all__ = ["Meeting", "MeetingPoints", "Spot", "meetings_of"]

_MOST_SPOTS: Final = 200_000

type Spot = tuple[float, float, Mode]
"""Latitude, longitude and how one travels."""


class Meeting(NamedTuple):
    """How a place meets its roads: mostly it is one, but where that does not lead far it may be others too."""

    leg_m: float
    """Geodesic metres to the nearest of them; inf where none is near enough."""

    is_single: bool
    """Whether they are met at one point, so that every leg is the same."""

    is_plain: bool
    """Whether they are the same without looking where they lead."""


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


def meetings_of(
    places: Sequence[tuple[float, float]],
    in_full: Sequence[Mapping[str, Any]],
    short: Sequence[Mapping[str, Any]],
) -> list[Meeting]:
    """How each place (latitude, longitude) meets its roads, by what Valhalla's ``locate`` says of it.

    ``short``: without looking where the roads lead. Raises KeyError, TypeError or ValueError for answers of another
    shape.
    """
    found = []
    for (lat, lon), full, quick in zip(places, in_full, short, strict=True):
        met = sorted({(edge["correlated_lat"], edge["correlated_lon"]) for edge in full["edges"] or []})
        leg_m = inf
        if met:
            ends = np.array([(lat, lon, *at) for at in met], dtype=np.float64).T
            leg_m = float(distances_between_m(*ends).min())
        found.append(
            Meeting(
                leg_m=leg_m if leg_m <= LONGEST_LEG_M else inf,
                is_single=len(met) == 1,
                is_plain=full["edges"] == quick["edges"],
            )
        )
    return found
