"""Valhalla in this process: ways and areas on tiles that were built from an OpenStreetMap extract.

Each way is asked for by itself, with the bidirectional matrix. Asked for together, a way can come out otherwise with
other places beside it: rarely with this matrix, for most ways with the one that Valhalla would choose for bicycles and
walkers. Then nothing could be proven of a store that was not asked for.
Ferries are left out, so that nothing is faster than its mode.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import valhalla
from shapely.errors import ShapelyError
from shapely.geometry import MultiPolygon, shape
from shapely.geometry.base import BaseGeometry
from valhalla.config import get_config

from geo.coordinates import LatLon
from geo.geodesy import FloatArray, distances_between_m
from geo.polygons import polygons_of, widened
from geo.travel import Mode
from geo.travel.engine import EngineUnavailable, RoadEngine, Roadway, joined
from geo.travel.meeting import Meeting, MeetingPoints, legs_of
from geo.travel.roads import LONGEST_LEG_M, WALKING_MPS

__all__ = [
    "NO_WAY",
    "ModeOnRoads",
    "Valhalla",
    "area_of_answer",
    "contours_of",
    "costing_of",
    "isochrone_request",
    "matrix_request",
    "ways_of_answer",
]

_COSTING: Final = {Mode.FOOT: "pedestrian", Mode.EBIKE: "bicycle", Mode.CAR: "auto"}
_SPEED_OPTION: Final = {Mode.FOOT: "walking_speed", Mode.EBIKE: "cycling_speed", Mode.CAR: "top_speed"}
# Nothing near the place, no way between the places, or too far for the limits: an answer, not a fault.
NO_WAY: Final = frozenset({154, 170, 171, 442, 443})
# Contours follow a grid, so that its corners say nothing: without these three quarters of them are left out.
_GENERALIZE_M: Final = 20.0
# A contour is around the roads themselves, and leaves out places behind them. Whoever walks 25 m to the road has that
# much less time on it, and so on; so far around each contour are the places that are added. Measured by tests/geo.
_LEGS_M: Final = (25.0, 90.0, 225.0)
_AROUND_M: Final = (0.0, 40.0, 150.0)
# With a shorter contour Valhalla finds the place alone, or nothing at all.
_LEAST_CONTOUR_S: Final = 10.0
_REACH: Final = "minimum_reachability"
# The nearest road is found by rough distances: it was seen up to 2 m farther than another.
_NEAREST_WITHIN_M: Final = 5.0


@dataclass(frozen=True, slots=True)
class ModeOnRoads:
    """How fast a mode goes on roads at most: by car the speed on the fastest of them, else on every one."""

    speed_kmh: float


def costing_of(mode: Mode, on_roads: ModeOnRoads) -> dict[str, Any]:
    """The part of a request that says how to travel."""
    name = _COSTING[mode]
    options: dict[str, Any] = {_SPEED_OPTION[mode]: on_roads.speed_kmh, "exclude_ferries": True}
    if mode is Mode.EBIKE:
        options["bicycle_type"] = "Hybrid"
    return {"costing": name, "costing_options": {name: options}}


class Valhalla(RoadEngine):
    """Valhalla on a directory of tiles. Each thread has an actor of its own, made when it first asks."""

    name = "valhalla"
    ways_a_call = 1
    has_areas = True

    def __init__(self, tiles: Path, modes: Mapping[Mode, ModeOnRoads]) -> None:
        """Raises EngineUnavailable if there are no tiles in the directory."""
        self._modes = dict(modes)
        self.config = _config(tiles)
        self._local = threading.local()
        self._points = MeetingPoints()
        if next(tiles.rglob("*.gph"), None) is None:
            raise EngineUnavailable(f"there are no road tiles in {tiles}")

    def top_speed_mps(self, mode: Mode) -> float:
        """The speed of the mode: tiles are built without heights, so that nothing goes downhill."""
        return self._modes[mode].speed_kmh / 3.6

    def ways(self, *, lats: FloatArray, lons: FloatArray, destination: LatLon, mode: Mode) -> Roadway:
        """The ways from each place to the destination. Raises EngineUnavailable."""
        costing = costing_of(mode, self._modes[mode])
        *places, door = self._meetings(
            np.append(lats, destination.lat), np.append(lons, destination.lon), mode, costing
        )
        return joined(
            [
                self._way(lats[i : i + 1], lons[i : i + 1], destination, costing, (place, door))
                for i, place in enumerate(places)
            ]
        )

    def known_legs_m(self, lats: FloatArray, lons: FloatArray, mode: Mode) -> FloatArray:
        """The legs of places that were asked for before; else 0."""
        return self._points.legs_m(lats, lons, mode)

    def _meetings(self, lats: FloatArray, lons: FloatArray, mode: Mode, costing: Mapping[str, Any]) -> list[Meeting]:
        spots = [(lat, lon, mode) for lat, lon in zip(lats.tolist(), lons.tolist(), strict=True)]
        met = {spot: self._points.get(spot) for spot in spots}
        new = [i for i, spot in enumerate(spots) if met[spot] is None]
        if new:
            usual, least = (self._located(lats[new], lons[new], costing, reach) for reach in (None, 0))
            legs_m = legs_of(usual, lats[new], lons[new])
            found = {
                spots[i]: Meeting(leg_m, with_reach["edges"] == without["edges"])
                for i, leg_m, with_reach, without in zip(new, legs_m, usual, least, strict=True)
            }
            self._points.put(found)
            met |= found
        return [meeting for spot in spots if (meeting := met[spot]) is not None]

    def _located(
        self, lats: FloatArray, lons: FloatArray, costing: Mapping[str, Any], reach: int | None
    ) -> list[dict[str, Any]]:
        try:
            located: list[dict[str, Any]] = json.loads(
                self._actor().locate(json.dumps(_locate_request(lats, lons, costing, reach)))
            )
        except valhalla.ValhallaError as error:
            raise EngineUnavailable(f"valhalla cannot answer: {error}") from error
        return located

    def _way(
        self,
        lats: FloatArray,
        lons: FloatArray,
        destination: LatLon,
        costing: Mapping[str, Any],
        ends: tuple[Meeting, Meeting],
    ) -> Roadway:
        legs_m = [np.array([end.leg_m]) for end in ends]
        if np.isinf(legs_m).any():
            return Roadway(np.array([np.nan]), *legs_m)
        request = matrix_request(lats, lons, destination, costing)
        for place, end in zip(request["sources"] + request["targets"], ends, strict=True):
            if end.is_plain:  # to see how far its roads lead would be half of the work
                place[_REACH] = 0
        try:
            answer = json.loads(self._actor().matrix(json.dumps(request)))
        except valhalla.ValhallaError as error:
            if error.code not in NO_WAY:
                raise EngineUnavailable(f"valhalla cannot answer: {error}") from error
            return Roadway(np.array([np.nan]), *legs_m)
        return ways_of_answer(answer, lats, lons, destination)

    def area(self, place: LatLon, mode: Mode, budget_s: float, *, towards: bool, slowed: float = 1.0) -> MultiPolygon:
        """The places within the budget of this place, or towards it. Raises EngineUnavailable."""
        contours_s = contours_of(budget_s, slowed)
        if not contours_s:
            return MultiPolygon()
        request = isochrone_request(place, contours_s, costing_of(mode, self._modes[mode]), towards=towards)
        try:
            answer = json.loads(self._actor().isochrone(json.dumps(request)))
        except valhalla.ValhallaError as error:
            if error.code in NO_WAY:
                return MultiPolygon()
            raise EngineUnavailable(f"valhalla cannot answer: {error}") from error
        return area_of_answer(answer, place)

    def _actor(self) -> valhalla.Actor:
        actor: valhalla.Actor | None = getattr(self._local, "actor", None)
        if actor is None:
            try:
                actor = valhalla.Actor(self.config)
            except (RuntimeError, OSError, AttributeError) as error:
                raise EngineUnavailable(f"valhalla cannot open its tiles: {error}") from error
            self._local.actor = actor
        return actor


def _locate_request(
    lats: FloatArray, lons: FloatArray, costing: Mapping[str, Any], reach: int | None = None
) -> dict[str, Any]:
    """What Valhalla is asked for the roads that places meet. ``reach``: so many places each of them has to lead to."""
    with_reach = {} if reach is None else {_REACH: reach}
    places = [{"lat": lat, "lon": lon, **with_reach} for lat, lon in zip(lats.tolist(), lons.tolist(), strict=True)]
    return {"locations": places, "verbose": False, **costing}


def matrix_request(
    lats: FloatArray, lons: FloatArray, destination: LatLon, costing: Mapping[str, Any]
) -> dict[str, Any]:
    """What Valhalla is asked, here or over HTTP."""
    sources = [{"lat": lat, "lon": lon} for lat, lon in zip(lats.tolist(), lons.tolist(), strict=True)]
    targets = [{"lat": destination.lat, "lon": destination.lon}]
    return {"sources": sources, "targets": targets, "verbose": True, **costing}


def ways_of_answer(answer: Mapping[str, Any], lats: FloatArray, lons: FloatArray, destination: LatLon) -> Roadway:
    """The ways of Valhalla's verbose answer, from where each begins to where it ends.

    A place may meet several roads, and the way begins at the one from which it leads there: its sources and targets are
    the nearest of them, and a way has its own ends. Raises EngineUnavailable for an answer of another shape.
    """
    try:
        ways = [row[0] for row in answer["sources_to_targets"]]
        times = np.array([np.nan if way["time"] is None else way["time"] for way in ways], dtype=np.float64)
        met = [(near, way) for near, way in zip(answer["sources"], ways, strict=True)]
        place_leg_m = _legs_m(lats, lons, met, "begin")
        met = [(answer["targets"][0], way) for way in ways]
        door_leg_m = _legs_m(np.full(len(ways), destination.lat), np.full(len(ways), destination.lon), met, "end")
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise EngineUnavailable("valhalla's answer is not what was asked for") from error
    if len(times) != len(lats):
        raise EngineUnavailable("valhalla's answer is of another number of places")
    times[np.isinf(place_leg_m + door_leg_m)] = np.nan
    return Roadway(times, place_leg_m, door_leg_m)


def _legs_m(
    lats: FloatArray, lons: FloatArray, met: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], end: str
) -> FloatArray:
    """From each place to where its way begins or ends; inf where the nearest road is too far off.

    Servers before 3.5 do not say where ways begin and end.
    """
    nearest = np.array([[near["lat"], near["lon"]] for near, _ in met], dtype=np.float64)
    taken = np.array(
        [
            [way.get(f"{end}_lat", at[0]), way.get(f"{end}_lon", at[1])]
            for (_, way), at in zip(met, nearest.tolist(), strict=True)
        ],
        dtype=np.float64,
    )
    near_m = distances_between_m(lats, lons, nearest[:, 0], nearest[:, 1])
    legs_m: FloatArray = distances_between_m(lats, lons, taken[:, 0], taken[:, 1])
    return np.where(near_m > LONGEST_LEG_M + _NEAREST_WITHIN_M, np.inf, legs_m)


def contours_of(budget_s: float, slowed: float) -> list[float]:
    """The seconds on the road that are left after each of the ways to it, the longest first; those left at all."""
    left_s = [(budget_s - leg_m / WALKING_MPS) / slowed for leg_m in _LEGS_M]
    return [seconds for seconds in left_s if seconds >= _LEAST_CONTOUR_S]


def isochrone_request(
    place: LatLon, contours_s: Sequence[float], costing: Mapping[str, Any], *, towards: bool
) -> dict[str, Any]:
    """What Valhalla is asked for an area, here or over HTTP."""
    return {
        "locations": [{"lat": place.lat, "lon": place.lon}],
        "contours": [{"time": seconds / 60} for seconds in sorted(contours_s)],
        "polygons": True,
        "reverse": towards,
        # By default only the largest piece is left, without its holes.
        "denoise": 0.0,
        "generalize": _GENERALIZE_M,
        **costing,
    }


def area_of_answer(answer: Mapping[str, Any], place: LatLon) -> MultiPolygon:
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


def _config(tiles: Path) -> dict[str, Any]:
    # A copy, for it shares its parts with what every call returns.
    config: dict[str, Any] = deepcopy(get_config(tile_extract="", tile_dir=tiles))
    config["logging"] = {"type": ""}
    config["thor"]["source_to_target_algorithm"] = "costmatrix"
    limits = config["service_limits"]
    limits["allow_hard_exclusions"] = True
    for costing in _COSTING.values():
        limits[costing] |= {"max_matrix_location_pairs": 100_000, "max_matrix_distance": 500_000.0}
    limits["isochrone"] |= {"max_time_contour": 240, "max_contours": 4}
    return config
