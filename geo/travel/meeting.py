"""Where places meet the roads: remembered, since stores are asked for again and again."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from itertools import islice
from math import inf
from typing import Any, Final, NamedTuple

import numpy as np

from geo.geodesy import FloatArray, distances_between_m
from geo.travel import Mode
from geo.travel.roads import LONGEST_LEG_M

__all__ = ["LEADING", "Meeting", "MeetingPoints", "Spot", "meetings_of"]

_MOST_SPOTS: Final = 200_000

type Spot = tuple[float, float, Mode]
"""Latitude, longitude and how one travels."""


LEADING: Final = 50
"""The network is the roads that lead to, and come from, so many crossings; what is off it ends among a few houses."""


class Meeting(NamedTuple):
    """How a place meets its roads: mostly it is one, but where that does not lead far it may be others too."""

    leg_m: float
    """Geodesic metres to the nearest of them; inf for none."""

    leads_on: bool
    """Whether one that leads into the network is near enough."""

    leads_here: bool
    """Whether one that comes from the network is near enough."""

    is_single: bool
    """Whether they are met at one point, so that every leg is the same."""

    is_plain: bool
    """Whether all of them lead far, so that they are the same without looking where they lead."""


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
            for oldest in list(islice(self._known, max(0, len(self._known) - _MOST_SPOTS))):
                del self._known[oldest]

    def legs_m(self, lats: FloatArray, lons: FloatArray, mode: Mode) -> FloatArray:
        """The metres from each place to its nearest road, and 0 where they are not known."""
        spots = zip(lats.tolist(), lons.tolist(), strict=True)
        known = [self._known.get((lat, lon, mode)) for lat, lon in spots]
        return np.array([0.0 if one is None or one.leg_m == inf else one.leg_m for one in known])


def meetings_of(places: Sequence[tuple[float, float]], located: Sequence[Mapping[str, Any]]) -> list[Meeting]:
    """How each place (latitude, longitude) meets its roads, by what Valhalla's ``locate`` says of it at length.

    Raises KeyError, TypeError or ValueError for an answer of another shape.
    """
    found = []
    for at, place in zip(places, located, strict=True):
        edges = place["edges"] or []
        points = [(edge["correlated_lat"], edge["correlated_lon"]) for edge in edges]
        legs_m = distances_between_m(*np.array([(*at, *point) for point in points], dtype=np.float64).reshape(-1, 4).T)
        near = [edge for edge, leg_m in zip(edges, legs_m.tolist(), strict=True) if leg_m <= LONGEST_LEG_M]
        found.append(
            Meeting(
                leg_m=float(legs_m.min(initial=inf)),
                leads_on=any(edge["outbound_reach"] >= LEADING for edge in near),
                leads_here=any(edge["inbound_reach"] >= LEADING for edge in near),
                is_single=len(set(points)) == 1,
                is_plain=all(min(edge["outbound_reach"], edge["inbound_reach"]) >= LEADING for edge in edges),
            )
        )
    return found
