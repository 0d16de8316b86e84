"""What a routing engine is asked for, whether it runs in this process or elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from shapely.geometry import MultiPolygon

from geo.coordinates import LatLon
from geo.geodesy import FloatArray
from geo.travel import Mode

__all__ = ["FINEST_ROADS_ZOOM", "Approach", "EngineUnavailable", "RoadEngine", "RoadLine", "Roadway", "joined"]

FINEST_ROADS_ZOOM: Final = 14
"""Tiles of it have all roads; a map that is nearer draws them larger."""


class EngineUnavailable(Exception):
    """The engine is down, too slow, or does not understand; the message is one sentence for operators."""


@dataclass(frozen=True, slots=True)
class Roadway:
    """Ways from places to one door, an entry a place in every array, in the order asked.

    ``seconds`` on the road, between where the place and where the door meet it; nan where no road leads from one to the
    other. Engines count nothing for the ways to the road and from it: ``place_leg_m`` and ``door_leg_m`` are these, in
    geodesic metres; inf at the end that has no road within LONGEST_LEG_M, at both where nobody knows which of them it
    is. A place may meet several roads, so that its leg is that of the way; it is inf for all ways or for none.
    """

    seconds: FloatArray
    place_leg_m: FloatArray
    door_leg_m: FloatArray


@dataclass(frozen=True, slots=True)
class RoadLine:
    """The shape of one way along the road, without the ways to the road and from it.

    ``points`` are lon, lat in WGS84 degrees, shape (n, 2), n at least 1; ``seconds`` what it takes on the road.
    """

    points: FloatArray
    seconds: float


def joined(parts: Sequence[Roadway]) -> Roadway:
    """Ways one after the other; empty for none."""
    if len(parts) == 1:
        return parts[0]
    none = np.empty(0)
    return Roadway(
        np.concatenate([none, *(part.seconds for part in parts)]),
        np.concatenate([none, *(part.place_leg_m for part in parts)]),
        np.concatenate([none, *(part.door_leg_m for part in parts)]),
    )


class Approach:
    """What is known of the ways to one door, by one mode, before they are asked for; here nothing."""

    door_leg_m: float = 0.0
    """The metres from the road to the door are at least so many; inf where none comes near."""

    def least(self, lats: FloatArray, lons: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What no way from each of these places beats: seconds on the road, and metres to it; 0 where nobody knows."""
        return np.zeros(len(lats)), np.zeros(len(lats))

    def is_cut_short(self, lats: FloatArray, lons: FloatArray) -> bool:
        """Whether more could be known of one of these places by another approach after this one."""
        return False

    def strangers(self, count: int) -> tuple[FloatArray, FloatArray]:
        """At most so many of the places that ``least`` was asked of, of which more would be known once they are met."""
        return np.empty(0), np.empty(0)


class RoadEngine(Protocol):
    """A routing engine. Its calls block, and may come from several threads at once."""

    name: str
    """Where the times come from, as answers name it: ``valhalla``, ``osrm``."""

    ways_a_call: int
    """How many ways are best asked for in one call."""

    first_ways: int = 1
    """How many at least are best asked for at first, where one may do."""

    has_areas: bool
    """Whether it tells areas at all; one that does not leaves them to the estimate."""

    has_lines: bool = False
    """Whether it tells the shapes of ways; those of one that does not are not shown."""

    is_quick: bool = False
    """Whether a call takes no longer than a hop to a thread is worth, or could not work beside others there."""

    has_approaches: bool = False
    """Whether it knows anything of ways beforehand; one that does not is not asked."""

    drawn_from: int | None = None
    """The least zoom at which ``drawn`` has any roads; None of an engine that does not draw them."""

    @property
    def of_areas(self) -> RoadEngine:
        """Who is asked for areas, and for the stores in them, so that both go together: here the same.

        One that tells none may have another do it.
        """
        return self

    def top_speed_mps(self, mode: Mode) -> float:
        """Metres a second that no way of this mode beats, ferries and hills included."""
        ...

    def ways(self, *, lats: FloatArray, lons: FloatArray, destination: LatLon, mode: Mode) -> Roadway:
        """The ways from each place (degrees, WGS84) to the destination; empty arrays for none.

        The answer for a place does not depend on which others are asked with it. Raises EngineUnavailable.
        """
        ...

    def line(self, start: LatLon, destination: LatLon, mode: Mode) -> RoadLine | None:
        """The shape of the way whose seconds ``ways`` tells; None where it tells of none. Raises EngineUnavailable."""
        raise EngineUnavailable(f"{self.name} tells no shapes of ways")

    def approach(self, destination: LatLon, mode: Mode, after: Approach | None = None) -> Approach:
        """What is known of the ways there beforehand; more of it than ``after``, which was cut short.

        It makes bounds tighter, as far as engines know their roads. Raises EngineUnavailable.
        """
        return Approach()

    def meet(self, lats: FloatArray, lons: FloatArray, mode: Mode) -> None:
        """Find out where these places are on the roads, for approaches to come. Raises EngineUnavailable."""
        return None

    def area(self, place: LatLon, mode: Mode, budget_s: float, *, towards: bool, slowed: float = 1.0) -> MultiPolygon:
        """The places within ``budget_s`` seconds: from which the way leads to ``place`` (``towards``), or to which it
        leads from there.

        The seconds are those on the road x ``slowed``, and of the way from the other place to its road, walked; that of
        ``place`` itself is not counted. Valid, in WGS84 degrees, lon lat; with islands and holes; empty where no road
        is near, or the budget is too small to be told. Raises EngineUnavailable.
        """
        raise EngineUnavailable(f"{self.name} tells no areas")

    def drawn(self, *, zoom: int, x: int, y: int) -> bytes:
        """The roads of a tile of the usual scheme (Web Mercator, y from the north) as a Mapbox Vector Tile.

        Zoom up to FINEST_ROADS_ZOOM. One layer, ``edges``, of lines with a ``road_class``; nothing where no roads are.
        Raises EngineUnavailable.
        """
        raise EngineUnavailable(f"{self.name} draws no roads")
