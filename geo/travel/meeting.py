"""Where places meet the roads: remembered, since stores are asked for again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from math import inf
from typing import Any, Final, NamedTuple

import numpy as np

from geo.geodesy import FloatArray, IntArray, distances_between_m
from geo.travel import Mode
from geo.travel.network import Ends
from geo.travel.roads import LONGEST_LEG_M

__all__ = ["LEADING", "Meeting", "MeetingPoints", "Spot", "meetings_of", "plain_meetings_of"]

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

    ends: Ends | None
    """Where it is on them; None where that is not known, or it is not plain: its ways may begin at others then."""


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


type EndsOf = Callable[[IntArray, FloatArray], Ends | None]
"""Ids of edges, and how far along each of them a place is -> where it is on its roads."""


def meetings_of(
    places: Sequence[tuple[float, float]], located: Sequence[Mapping[str, Any]], ends_of: EndsOf
) -> list[Meeting]:
    """How each place (latitude, longitude) meets its roads, by what Valhalla's ``locate`` says of it at length.

    Raises KeyError, TypeError or ValueError for an answer of another shape.
    """
    found = []
    for at, place in zip(places, located, strict=True):
        edges = place["edges"] or []
        leads = [(edge["outbound_reach"] >= LEADING, edge["inbound_reach"] >= LEADING) for edge in edges]
        is_plain = all(map(all, leads))
        found.append(_meeting(at, edges, leads, _ends(edges, ends_of) if is_plain else None))
    return found


def plain_meetings_of(
    places: Sequence[tuple[float, float]],
    located: Sequence[Mapping[str, Any]],
    ends_of: EndsOf,
    lead_far: Callable[[Ends], bool],
) -> dict[tuple[float, float], Meeting]:
    """Like ``meetings_of``, of the places all of whose roads are known to lead far: Valhalla need not have looked."""
    found = {}
    for at, place in zip(places, located, strict=True):
        edges = place["edges"] or []
        ends = _ends(edges, ends_of)
        if ends is not None and lead_far(ends):
            found[at] = _meeting(at, edges, [(True, True)] * len(edges), ends)
    return found


def _meeting(
    at: tuple[float, float], edges: Sequence[Mapping[str, Any]], leads: Sequence[tuple[bool, bool]], ends: Ends | None
) -> Meeting:
    """``leads``: whether each edge leads into the network, and comes from it."""
    points = [(edge["correlated_lat"], edge["correlated_lon"]) for edge in edges]
    legs_m = distances_between_m(*np.array([(*at, *point) for point in points], dtype=np.float64).reshape(-1, 4).T)
    near = [lead for lead, leg_m in zip(leads, legs_m.tolist(), strict=True) if leg_m <= LONGEST_LEG_M]
    return Meeting(
        leg_m=float(legs_m.min(initial=inf)),
        leads_on=any(on for on, _ in near),
        leads_here=any(here for _, here in near),
        is_single=len(set(points)) == 1,
        is_plain=all(map(all, leads)),
        ends=ends,
    )


def _ends(edges: Sequence[Mapping[str, Any]], ends_of: EndsOf) -> Ends | None:
    ids = np.array([edge["edge_id"]["value"] for edge in edges], dtype=np.int64)
    return ends_of(ids, np.array([edge["percent_along"] for edge in edges], dtype=np.float64))
