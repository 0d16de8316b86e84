"""OSRM as a server: travel times by its table service, shapes of ways by its route service.

Source: https://github.com/Project-OSRM/osrm-backend/blob/master/docs/http.md. A process of ``osrm-routed`` serves one
profile, whatever the address says, so each mode may have a server of its own. A place in a network of its own (fewer
than 1,000 nodes) meets that network only when all places of a request do, and the large network otherwise: the one case
in which a way depends on who is asked with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from geo.coordinates import LatLon
from geo.geodesy import FloatArray, distances_between_m
from geo.travel import Mode
from geo.travel.engine import EngineUnavailable, RoadEngine, RoadLine, Roadway
from geo.travel.roads import LONGEST_LEG_M
from geo.travel.servers import RoutingServer, ways_by_parts

__all__ = ["Osrm", "OsrmMode"]

# No road near one of the places, or none between any of them: an answer, not a fault.
_NO_WAY: Final = frozenset({"NoSegment", "NoTable", "NoRoute"})
_TOO_MANY: Final = "TooBig"


@dataclass(frozen=True, slots=True)
class OsrmMode:
    """Where a mode is asked for: the address of its server, the profile in it, and what none of its ways beats."""

    url: str
    profile: str
    top_speed_kmh: float


class Osrm(RoadEngine):
    """OSRM over HTTP. ``patience_s``: how long one call of ``ways`` may take."""

    name = "osrm"
    ways_a_call = 32
    has_areas = False
    has_lines = True

    def __init__(self, modes: Mapping[Mode, OsrmMode], *, patience_s: float) -> None:
        self._modes = dict(modes)
        self._servers = {url: RoutingServer(url, patience_s=patience_s) for url in {m.url for m in modes.values()}}

    def top_speed_mps(self, mode: Mode) -> float:
        """What the operator says: the profile is the server's own."""
        return self._modes[mode].top_speed_kmh / 3.6

    def ways(self, *, lats: FloatArray, lons: FloatArray, destination: LatLon, mode: Mode) -> Roadway:
        """The ways from each place to the destination. Raises EngineUnavailable."""
        server = self._servers[self._modes[mode].url]
        ask = partial(self._ask, server, self._modes[mode].profile, destination, server.deadline())
        return ways_by_parts(ask, lats, lons, destination)

    def line(self, start: LatLon, destination: LatLon, mode: Mode) -> RoadLine | None:
        """The shape of the way between the two, asked for by themselves. Raises EngineUnavailable."""
        server = self._servers[self._modes[mode].url]
        status, answer = server.ask(_route(self._modes[mode].profile, start, destination), until=server.deadline())
        if not isinstance(answer, dict):
            raise EngineUnavailable("osrm's answer is not what was asked for")
        code = answer.get("code")
        if code == "Ok":
            return _line_of(answer, start, destination)
        if code in _NO_WAY:
            return None
        raise _failure(answer, status)

    def _ask(
        self,
        server: RoutingServer,
        profile: str,
        destination: LatLon,
        until: float,
        lats: FloatArray,
        lons: FloatArray,
    ) -> Roadway | None:
        """The ways, or None where one of the places spoils it or they are too many."""
        status, answer = server.ask(_table(profile, lats, lons, destination), until=until)
        if not isinstance(answer, dict):
            raise EngineUnavailable("osrm's answer is not what was asked for")
        code = answer.get("code")
        if code == "Ok":
            return _ways_of(answer, lats, lons, destination)
        if code in _NO_WAY or (code == _TOO_MANY and len(lats) > 1):
            return None
        raise _failure(answer, status)


def _failure(answer: Mapping[str, Any], status: int) -> EngineUnavailable:
    said = " ".join(str(answer.get("message") or "nothing more").split())[:200]
    return EngineUnavailable(f"osrm answers {answer.get('code') or 'no code'} (status {status}): {said}")


def _route(profile: str, start: LatLon, destination: LatLon) -> str:
    places = ";".join(f"{place.lon:.7f},{place.lat:.7f}" for place in (start, destination))
    return f"/route/v1/{profile}/{places}?overview=full&geometries=geojson&generate_hints=false"


def _line_of(answer: Mapping[str, Any], start: LatLon, destination: LatLon) -> RoadLine | None:
    """The way of a route; None where one of its ends is too far from the road."""
    try:
        route = answer["routes"][0]
        points = np.array(route["geometry"]["coordinates"], dtype=np.float64).reshape(-1, 2)
        seconds = float(route["duration"])
        met = np.array([place["location"] for place in answer["waypoints"]], dtype=np.float64)
        ends = np.array([start.lon_lat(), destination.lon_lat()])
        legs_m = distances_between_m(ends[:, 1], ends[:, 0], met[:, 1], met[:, 0])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise EngineUnavailable("osrm's answer is not what was asked for") from error
    if not len(points):
        raise EngineUnavailable("osrm's answer is a way without a shape")
    return None if (legs_m > LONGEST_LEG_M).any() else RoadLine(points, seconds)


def _table(profile: str, lats: FloatArray, lons: FloatArray, destination: LatLon) -> str:
    places = [f"{lon:.7f},{lat:.7f}" for lat, lon in zip(lats.tolist(), lons.tolist(), strict=True)]
    places.append(f"{destination.lon:.7f},{destination.lat:.7f}")
    sources = ";".join(map(str, range(len(lats))))
    return (
        f"/table/v1/{profile}/{';'.join(places)}?sources={sources}&destinations={len(lats)}"
        "&annotations=duration&generate_hints=false"
    )


def _ways_of(answer: Mapping[str, Any], lats: FloatArray, lons: FloatArray, destination: LatLon) -> Roadway:
    """The ways of a table; null durations are no ways. The legs are geodesics, as everywhere: OSRM's own
    ``distance`` is one on a sphere."""
    try:
        seconds = np.array([np.nan if row[0] is None else row[0] for row in answer["durations"]], dtype=np.float64)
        met = np.array([place["location"] for place in answer["sources"]], dtype=np.float64)
        door_lon, door_lat = map(float, answer["destinations"][0]["location"])
        place_leg_m = distances_between_m(lats, lons, met[:, 1], met[:, 0])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise EngineUnavailable("osrm's answer is not what was asked for") from error
    if len(seconds) != len(lats) or len(met) != len(lats):
        raise EngineUnavailable("osrm's answer is of another number of places")
    door_leg_m = distances_between_m(
        np.array([destination.lat]), np.array([destination.lon]), np.array([door_lat]), np.array([door_lon])
    )
    place_leg_m, door_leg_m = (
        np.where(leg_m > LONGEST_LEG_M, np.inf, leg_m) for leg_m in (place_leg_m, np.repeat(door_leg_m, len(lats)))
    )
    seconds[np.isinf(place_leg_m + door_leg_m)] = np.nan
    return Roadway(seconds, place_leg_m, door_leg_m)
