"""What Valhalla is asked for ways and areas, and how its answers are read, in this process or over HTTP.

Each way is a route of its own, by bidirectional A*: its time is that of the route that a courier is shown. Valhalla's
matrices are for many ways at once, and a way out of them can depend on which others are asked with it: then nothing
could be proven of a store that was not asked for. Ferries are left out, so that nothing is faster than its mode.
Source: https://valhalla.github.io/valhalla/api/
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import floor
from typing import Any, Final

import numpy as np
from shapely.errors import ShapelyError
from shapely.geometry import MultiPolygon, shape
from shapely.geometry.base import BaseGeometry
from valhalla.midgard.utils import decode_polyline

from geo.coordinates import LatLon
from geo.geodesy import FloatArray, IntArray, distances_between_m
from geo.polygons import polygons_of, widened
from geo.travel import Mode
from geo.travel.approach import MetApproach
from geo.travel.engine import Approach, EngineUnavailable, RoadEngine, RoadLine, Roadway, joined
from geo.travel.meeting import LEADING, Meeting, MeetingPoints, meetings_of
from geo.travel.network import Ends
from geo.travel.roads import WALKING_MPS

__all__ = [
    "COSTING",
    "NO_WAY",
    "SPHERE_SHORT",
    "Ask",
    "ModeOnRoads",
    "ValhallaEngine",
    "area_of",
    "costing_of",
    "locate_request",
]

COSTING: Final = {Mode.FOOT: "pedestrian", Mode.EBIKE: "bicycle", Mode.CAR: "auto"}
NO_WAY: Final = frozenset({154, 170, 171, 442, 443})
"""Nothing near the place, no way between the places, or too far for the limits: answers, not faults."""

SPHERE_SHORT: Final = 1.004
"""Valhalla measures edges on a sphere of 6,378 km and less: long ones come out up to 0.34 % shorter than geodesics."""

type Ask = Callable[[str, Mapping[str, Any]], Any]
"""Asks an action of Valhalla; None where there is no way. Raises EngineUnavailable."""

_SPEED_OPTION: Final = {Mode.FOOT: "walking_speed", Mode.EBIKE: "cycling_speed", Mode.CAR: "top_speed"}
# Contours follow a grid, so that its corners say nothing: without these three quarters of them are left out.
_GENERALIZE_M: Final = 20.0
# A contour is around the roads themselves, and leaves out places behind them. Whoever walks 25 m to the road has that
# much less time on it, and so on; so far around each contour are the places that are added. Measured by tests/geo.
_LEGS_M: Final = (25.0, 90.0, 225.0)
_AROUND_M: Final = (0.0, 40.0, 150.0)
# Seconds come in thousandths, and where a place is on a road in hundred-thousandths of it.
_ROUNDED_S: Final = 0.05
# With a shorter contour Valhalla finds the place alone, or nothing at all.
_LEAST_CONTOUR_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class ModeOnRoads:
    """How fast a mode goes on roads at most: by car the speed on the fastest of them, else on every one."""

    speed_kmh: float

    def top_kmh(self, mode: Mode) -> float:
        """What is never exceeded: Valhalla rounds the speed of a bicycle on a road to whole km/h."""
        return max(self.speed_kmh, floor(self.speed_kmh + 0.5)) if mode is Mode.EBIKE else self.speed_kmh


def costing_of(mode: Mode, on_roads: ModeOnRoads) -> dict[str, Any]:
    """The part of a request that says how to travel."""
    name = COSTING[mode]
    options: dict[str, Any] = {_SPEED_OPTION[mode]: on_roads.speed_kmh, "exclude_ferries": True}
    if mode is Mode.EBIKE:
        options["bicycle_type"] = "Hybrid"
    return {"costing": name, "costing_options": {name: options}}


class ValhallaEngine(RoadEngine):
    """Valhalla, wherever it runs."""

    name = "valhalla"
    ways_a_call = 4
    has_areas = True
    has_lines = True
    has_approaches = True

    def __init__(self, modes: Mapping[Mode, ModeOnRoads]) -> None:
        self._costing = {mode: costing_of(mode, on_roads) for mode, on_roads in modes.items()}
        self._points = MeetingPoints()

    @abstractmethod
    def _asker(self) -> Ask:
        """Who is asked for one call's ways, or its area."""

    def ways(self, *, lats: FloatArray, lons: FloatArray, destination: LatLon, mode: Mode) -> Roadway:
        """The ways from each place to the destination. Raises EngineUnavailable."""
        if not len(lats):
            return joined([])
        ask, door_at = self._asker(), (destination.lat, destination.lon)
        places_at = list(zip(lats.tolist(), lons.tolist(), strict=True))
        *places, door = self._meetings(ask, [*places_at, door_at], mode)
        least_s = self._least_s(places, destination, door, mode).tolist()
        return joined(
            [
                self._way(ask, (at, door_at), (place, door), mode, way_s)
                for at, place, way_s in zip(places_at, places, least_s, strict=True)
            ]
        )

    def line(self, start: LatLon, destination: LatLon, mode: Mode) -> RoadLine | None:
        """The shape of the route by which ``ways`` tells the time; None also where that is not believed, for it jumps.

        Raises EngineUnavailable.
        """
        ask, ends_at = self._asker(), ((start.lat, start.lon), (destination.lat, destination.lon))
        place, door = self._meetings(ask, ends_at, mode)
        if not (place.leads_on and door.leads_here):
            return None
        routed = self._routed(ask, ends_at, (place, door), mode, shown=True)
        if routed is None or routed[0] < self._least_s([place], destination, door, mode)[0] - _ROUNDED_S:
            return None
        seconds, points = routed
        return RoadLine(np.array(points, dtype=np.float64), seconds)

    def approach(self, destination: LatLon, mode: Mode, after: Approach | None = None) -> Approach:
        """What is known of the ways there beforehand: legs. Raises EngineUnavailable."""
        return MetApproach(self._points, mode, self._door(destination, mode))

    def meet(self, lats: FloatArray, lons: FloatArray, mode: Mode) -> None:
        """Find out where these places are on the roads, for approaches to come. Raises EngineUnavailable."""
        self._meetings(self._asker(), list(zip(lats.tolist(), lons.tolist(), strict=True)), mode)

    def _door(self, destination: LatLon, mode: Mode) -> Meeting:
        [door] = self._meetings(self._asker(), [(destination.lat, destination.lon)], mode)
        return door

    def _least_s(self, places: Sequence[Meeting], destination: LatLon, door: Meeting, mode: Mode) -> FloatArray:
        """What no way from each of these places takes less than by the roads themselves, as far as they are known."""
        return np.zeros(len(places))

    def _ends(self, edges: IntArray, along: FloatArray, mode: Mode) -> Ends | None:
        """Where a place is on its roads, where these are known by themselves."""
        return None

    def area(self, place: LatLon, mode: Mode, budget_s: float, *, towards: bool, slowed: float = 1.0) -> MultiPolygon:
        """The places within the budget of this place, or towards it. Raises EngineUnavailable."""
        contours_s = contours_of(budget_s, slowed)
        if not contours_s:
            return MultiPolygon()
        request = _isochrone_request(place, contours_s, self._costing[mode], towards=towards)
        answer = self._asker()("isochrone", request)
        return MultiPolygon() if answer is None else area_of(answer, place)

    def _meetings(self, ask: Ask, places: Sequence[tuple[float, float]], mode: Mode) -> list[Meeting]:
        """Where places meet the roads, asking for those that are new."""
        met = {at: self._points.get((*at, mode)) for at in places}
        if new := [at for at, meeting in met.items() if meeting is None]:
            try:
                found = self._meet(ask, new, mode)
            except (KeyError, TypeError, ValueError) as error:
                raise EngineUnavailable("valhalla's answer is not what was asked for") from error
            self._points.put({(*at, mode): meeting for at, meeting in found.items()})
            met |= found
        return [meeting for at in places if (meeting := met[at]) is not None]

    def _meet(self, ask: Ask, places: Sequence[tuple[float, float]], mode: Mode) -> dict[tuple[float, float], Meeting]:
        """Where these places meet the roads. Raises KeyError, TypeError, ValueError or EngineUnavailable."""
        located = ask("locate", locate_request(places, self._costing[mode], LEADING))
        return dict(zip(places, meetings_of(places, located, partial(self._ends, mode=mode)), strict=True))

    def _way(
        self,
        ask: Ask,
        ends_at: tuple[tuple[float, float], ...],
        ends: tuple[Meeting, ...],
        mode: Mode,
        least_s: float,
    ) -> Roadway:
        place, door = ends
        legs_m = [place.leg_m if place.leads_on else np.inf, door.leg_m if door.leads_here else np.inf]
        if np.isinf(legs_m).any():
            return _way_of(np.nan, legs_m)
        shown = not all(end.is_single for end in ends)
        routed = self._routed(ask, ends_at, ends, mode, shown=shown)
        if routed is None:
            return _way_of(np.nan, legs_m)
        seconds, points = routed
        if shown:
            # A line is cut to within decimetres of where its way begins and ends.
            legs_m = [
                max(end.leg_m, float(distances_between_m(*np.array([[*at, lat, lon]]).T)[0]))
                for at, end, (lon, lat) in zip(ends_at, ends, (points[0], points[-1]), strict=True)
            ]
        if seconds < least_s - _ROUNDED_S:
            seconds = self._otherwise(ask, ends_at, ends, mode)
        return _way_of(seconds, legs_m)

    def _routed(
        self,
        ask: Ask,
        ends_at: tuple[tuple[float, float], ...],
        ends: tuple[Meeting, ...],
        mode: Mode,
        *,
        shown: bool,
    ) -> tuple[float, Sequence[tuple[float, float]]] | None:
        """The seconds of the route, and its points (lon, lat) where it is to be ``shown``; None where there is none."""
        answer = ask("route", _route_request(ends_at, ends, self._costing[mode], shown=shown))
        if answer is None:
            return None
        try:
            seconds = float(answer["trip"]["summary"]["time"])
            points = decode_polyline(answer["trip"]["legs"][0]["shape"]) if shown else []
            if shown and not points:
                raise ValueError("a way without a shape")
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise EngineUnavailable("valhalla's answer is not what was asked for") from error
        return seconds, points

    def _otherwise(
        self, ask: Ask, ends_at: tuple[tuple[float, float], ...], ends: tuple[Meeting, ...], mode: Mode
    ) -> float:
        """The seconds of a way whose route cannot be true, by the search from one end; nan where it finds none.

        Of some 30,000 routes a few were seen to jump from road to road, by 900 m. Where this beats the bound, too, it
        is the bound that is broken, and whoever holds the way against it will see.
        """
        place, door = (_location(*at, 0 if end.is_plain else LEADING) for at, end in zip(ends_at, ends, strict=True))
        request = {"sources": [place], "targets": [door], "verbose": True, **self._costing[mode]}
        answer = ask("sources_to_targets", request)
        try:
            [[way]] = answer["sources_to_targets"] if answer is not None else [[{"time": None}]]
            return np.nan if way["time"] is None else float(way["time"])
        except (KeyError, TypeError, ValueError) as error:
            raise EngineUnavailable("valhalla's answer is not what was asked for") from error


def _way_of(seconds: float, legs_m: Sequence[float]) -> Roadway:
    place_leg_m, door_leg_m = legs_m
    return Roadway(np.array([seconds]), np.array([place_leg_m]), np.array([door_leg_m]))


def _location(lat: float, lon: float, reach: int) -> dict[str, Any]:
    # What is left out of ways is not left out where they begin.
    return {"lat": lat, "lon": lon, "minimum_reachability": reach, "search_filter": {"exclude_ferry": True}}


def locate_request(places: Sequence[tuple[float, float]], costing: Mapping[str, Any], reach: int) -> dict[str, Any]:
    """Asks at length where places meet roads that lead to so many crossings, and come from so many."""
    return {"locations": [_location(*at, reach) for at in places], "verbose": True, **costing}


def _route_request(
    ends_at: Sequence[tuple[float, float]], ends: Sequence[Meeting], costing: Mapping[str, Any], *, shown: bool
) -> dict[str, Any]:
    # To see how far the roads of its ends lead is half of the work for a way: not where that is known to say nothing.
    places = [_location(*at, 0 if end.is_plain else LEADING) for at, end in zip(ends_at, ends, strict=True)]
    return {
        "locations": places,
        "directions_type": "none",
        "shape_format": "polyline6" if shown else "no_shape",
        "filters": {"action": "include", "attributes": ["shape"]},
        **costing,
    }


def contours_of(budget_s: float, slowed: float) -> list[float]:
    """The seconds on the road that are left after each of the ways to it, the longest first; those left at all."""
    left_s = [(budget_s - leg_m / WALKING_MPS) / slowed for leg_m in _LEGS_M]
    return [seconds for seconds in left_s if seconds >= _LEAST_CONTOUR_S]


def _isochrone_request(
    place: LatLon, contours_s: Sequence[float], costing: Mapping[str, Any], *, towards: bool
) -> dict[str, Any]:
    return {
        "locations": [_location(place.lat, place.lon, LEADING)],
        "contours": [{"time": seconds / 60} for seconds in sorted(contours_s)],
        "polygons": True,
        "reverse": towards,
        # By default only the largest piece is left, without its holes.
        "denoise": 0.0,
        "generalize": _GENERALIZE_M,
        **costing,
    }


def area_of(answer: Mapping[str, Any], place: LatLon) -> MultiPolygon:
    """The area of Valhalla's answer: its contours, the longer ones first, each with what lies around it.

    Raises EngineUnavailable for an answer of another shape.
    """
    try:
        contours: dict[float, list[BaseGeometry]] = {}
        for feature in answer["features"]:
            contours.setdefault(float(feature["properties"]["contour"]), []).append(shape(feature["geometry"]))
        areas = [polygons_of(*contours[seconds]) for seconds in sorted(contours, reverse=True)]
        # Of a short budget the inner contours are not there; they are never more than were asked for.
        return polygons_of(*(widened(area, around_m, place) for area, around_m in zip(areas, _AROUND_M, strict=False)))
    except (KeyError, TypeError, ValueError, AttributeError, ShapelyError) as error:
        raise EngineUnavailable("valhalla's answer is no area") from error
