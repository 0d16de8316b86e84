"""Valhalla as a server: travel times by its matrix over HTTP, each way asked for by itself as in this process.

A server left to itself answers walkers and cyclists by another matrix (``timedistancematrix``) than the bidirectional
one (``costmatrix``). From six sources and six targets on it takes the bidirectional one (seen of 3.9.1): so place and
door are then named six times over.
Source: https://valhalla.github.io/valhalla/api/matrix/api-reference
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from shapely.geometry import MultiPolygon

from geo.coordinates import LatLon
from geo.geodesy import FloatArray
from geo.travel import Mode
from geo.travel.engine import EngineUnavailable, RoadEngine, Roadway, joined
from geo.travel.servers import RoutingServer, ways_by_parts
from geo.travel.valhalla import (
    NO_WAY,
    ModeOnRoads,
    area_of_answer,
    contours_of,
    costing_of,
    isochrone_request,
    matrix_request,
    ways_of_answer,
)

__all__ = ["ValhallaServer"]

_MATRIX: Final = "costmatrix"
_ENOUGH: Final = 6


class ValhallaServer(RoadEngine):
    """Valhalla over HTTP. ``patience_s``: how long one call of ``ways`` may take."""

    name = "valhalla"
    ways_a_call = 1
    has_areas = True

    def __init__(
        self, url: str, modes: Mapping[Mode, ModeOnRoads], top_speed_kmh: Mapping[Mode, float], *, patience_s: float
    ) -> None:
        self._server = RoutingServer(url, patience_s=patience_s)
        self._modes = dict(modes)
        self._top_speed_kmh = dict(top_speed_kmh)
        self._copied: set[Mode] = set()

    def top_speed_mps(self, mode: Mode) -> float:
        """What the operator says, and no less than is asked for: heights and ferries are the server's own."""
        return max(self._top_speed_kmh[mode], self._modes[mode].speed_kmh) / 3.6

    def ways(self, *, lats: FloatArray, lons: FloatArray, destination: LatLon, mode: Mode) -> Roadway:
        """The ways from each place to the destination. Raises EngineUnavailable."""
        ask = partial(self._way, destination, mode, self._server.deadline())
        ways = [ways_by_parts(ask, lats[i : i + 1], lons[i : i + 1], destination) for i in range(len(lats))]
        return joined(ways)

    def _way(self, destination: LatLon, mode: Mode, until: float, lats: FloatArray, lons: FloatArray) -> Roadway | None:
        """The way from one place, or None if there is none."""
        request = matrix_request(lats, lons, destination, costing_of(mode, self._modes[mode]))
        answer: dict[str, Any] | None = None
        if mode not in self._copied:
            answer = self._matrix(request, until)
            if answer is not None and not _is_bidirectional(answer):
                self._copied.add(mode)
        if mode in self._copied:
            answer = self._matrix(_with_copies(request), until)
            if answer is not None and not _is_bidirectional(answer):
                raise EngineUnavailable(
                    f"valhalla answers by its {answer['algorithm']}, whose times are not to be relied on;"
                    f" set thor.source_to_target_algorithm to {_MATRIX} in its configuration"
                )
        return None if answer is None else ways_of_answer(_without_copies(answer), lats, lons, destination)

    def area(self, place: LatLon, mode: Mode, budget_s: float, *, towards: bool, slowed: float = 1.0) -> MultiPolygon:
        """The places within the budget of this place, or towards it. Raises EngineUnavailable."""
        contours_s = contours_of(budget_s, slowed)
        if not contours_s:
            return MultiPolygon()
        request = isochrone_request(place, contours_s, costing_of(mode, self._modes[mode]), towards=towards)
        answer = self._asked("/isochrone", request, self._server.deadline())
        return MultiPolygon() if answer is None else area_of_answer(answer, place)

    def _matrix(self, request: Mapping[str, Any], until: float) -> dict[str, Any] | None:
        return self._asked("/sources_to_targets", request, until)

    def _asked(self, path: str, request: Mapping[str, Any], until: float) -> dict[str, Any] | None:
        """The answer, or None where there is no way."""
        status, answer = self._server.ask(path, request, until=until)
        code = answer.get("error_code")
        if status == 200 and code is None:
            return answer
        if code in NO_WAY:
            return None
        said = " ".join(str(answer.get("error") or "nothing more").split())[:200]
        raise EngineUnavailable(f"valhalla answers error {code} (status {status}): {said}")


def _is_bidirectional(answer: Mapping[str, Any]) -> bool:
    # Servers before 3.5 do not say.
    return bool(answer.get("algorithm", _MATRIX) == _MATRIX)


def _with_copies(request: Mapping[str, Any]) -> dict[str, Any]:
    return {**request, "sources": request["sources"] * _ENOUGH, "targets": request["targets"] * _ENOUGH}


def _without_copies(answer: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {**answer, "sources": answer["sources"][:1], "sources_to_targets": answer["sources_to_targets"][:1]}
    except (KeyError, TypeError) as error:
        raise EngineUnavailable("valhalla's answer is not what was asked for") from error
