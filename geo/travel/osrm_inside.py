"""OSRM in this process, on networks that were built from an OpenStreetMap extract: travel times, and shapes of ways.

OSRM holds the interpreter's lock while it works, so that a thread of its own would win nothing: it is called where it
is needed, for few ways at a time. Areas are asked of another engine, for OSRM has none.

A place in a network of its own, of fewer than 1,000 crossings, meets that network only where all places of a question
do. So one that lies in the large network is asked with every question, and no way depends on which others are asked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final
from weakref import finalize

import numpy as np

from geo.coordinates import LatLon
from geo.geodesy import FloatArray, distances_between_m
from geo.travel import Mode
from geo.travel.engine import Approach, EngineUnavailable, RoadEngine, RoadLine, Roadway, joined
from geo.travel.osrm_network import SLOWLY, OsrmNetwork
from geo.travel.roads import LONGEST_LEG_M

__all__ = ["OsrmInside"]

# OSRM's metres were seen up to 0.0004 % shorter than geodesics (tests/geo/test_osrm_inside.py); places come rounded to
# a millionth of a degree, which is part of the second that bounds leave.
_SHORT: Final = 1.001
_NO_ROUTE: Final = "NoRoute"
# By mode, some 230 bytes each.
_MOST_PLACES: Final = 100_000
_MOST_DOORS: Final = 4_096
# Around the earth: from each of them the nearest road is the outermost on its side. Roads of several networks make sure
# that a large one is met, if there is any.
_AROUND_THE_EARTH: Final = [(float(lon), float(lat)) for lat in (-60, 0, 60) for lon in (-180, -90, 0, 90)]


class OsrmInside(RoadEngine):
    """OSRM on a directory for each mode, at so many km/h at most. ``areas`` tells the areas, if there are to be any."""

    name = "osrm"
    ways_a_call = 64
    first_ways = 6
    has_areas = False
    has_lines = True
    is_quick = True
    has_approaches = True

    def __init__(self, networks: Mapping[Mode, OsrmNetwork], *, areas: RoadEngine | None = None) -> None:
        """Raises EngineUnavailable if the package is not there, or a network is not, or not whole."""
        self._speeds_kmh = {mode: network.top_kmh for mode, network in networks.items()}
        self._areas = areas
        self._networks = {mode: _opened(network) for mode, network in networks.items()}
        # What is still held when the interpreter has ended, OSRM's bindings call a leak, on stderr.
        finalize(self, self._networks.clear)
        # Apart, for doors come and go.
        self._places = {mode: _Legs(_MOST_PLACES) for mode in networks}
        self._doors = {mode: _Legs(_MOST_DOORS) for mode in networks}

    @property
    def of_areas(self) -> RoadEngine:
        """The other engine."""
        return self if self._areas is None else self._areas

    def top_speed_mps(self, mode: Mode) -> float:
        """The speed of the mode: no piece of a road is faster, for its time is rounded up, and ferries are left out."""
        return self._speeds_kmh[mode] / 3.6 * _SHORT

    def ways(self, *, lats: FloatArray, lons: FloatArray, destination: LatLon, mode: Mode) -> Roadway:
        """The ways from each place to the destination. Raises EngineUnavailable."""
        if not len(lats):
            return joined([])
        places = list(zip(lats.tolist(), lons.tolist(), strict=True))
        network = self._networks[mode]
        if network is None:
            return Roadway(*(np.full(len(places), value) for value in (np.nan, np.inf, np.inf)))
        door = (destination.lat, destination.lon)
        answer = network.table(places, door)
        seconds = np.array([np.nan if told is None else told for told in network.durations(answer, len(places))])
        place_leg_m = self._places[mode].legs_m(places, partial(network.met, answer, "sources"))
        door_leg_m = self._doors[mode].legs_m([door], partial(network.met, answer, "destinations")).repeat(len(places))
        seconds[np.isinf(place_leg_m + door_leg_m)] = np.nan
        return Roadway(seconds / SLOWLY, place_leg_m, door_leg_m)

    def line(self, start: LatLon, destination: LatLon, mode: Mode) -> RoadLine | None:
        """The shape of the way that ``ways`` tells of. Raises EngineUnavailable."""
        ways = self.ways(lats=np.array([start.lat]), lons=np.array([start.lon]), destination=destination, mode=mode)
        network = self._networks[mode]
        if network is None or np.isnan(ways.seconds[0]):
            return None
        points = network.points((start.lat, start.lon), (destination.lat, destination.lon))
        return None if points is None else RoadLine(points, float(ways.seconds[0]))

    def approach(self, destination: LatLon, mode: Mode, after: Approach | None = None) -> Approach:
        """What is known of the ways there beforehand: how far the ends are off the road. Raises EngineUnavailable."""
        network, places, door = self._networks[mode], self._places[mode], (destination.lat, destination.lon)
        if network is None:
            return _LegsKnown(places, np.inf)

        def met() -> Iterator[_At]:
            # A way to itself costs little more than to meet the road there.
            return network.met(network.table([door], door), "destinations")

        [door_leg_m] = self._doors[mode].legs_m([door], met).tolist()
        return _LegsKnown(places, door_leg_m)


type _At = tuple[float, float]


class _Legs:
    """How far places are off the road by one mode, metres; the oldest are forgotten. For several threads at once.

    A place meets the same road each time, so that its leg is worked out once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[_At, float] = {}
        self._lock = threading.Lock()

    def get(self, at: _At) -> float | None:
        """The leg of a place, if it is known; inf where it is too long."""
        return self._known.get(at)

    def legs_m(self, places: Sequence[_At], met: Callable[[], Iterable[_At]]) -> FloatArray:
        """The leg of each place, inf where it is too long; ``met`` tells where all of them meet the road."""
        legs_m = [self._known.get(at) for at in places]
        if None in legs_m:
            ends = np.array([(*at, *end) for at, end in zip(places, met(), strict=True)])
            found_m = distances_between_m(*ends.T)
            found_m[found_m > LONGEST_LEG_M] = np.inf
            legs_m = found_m.tolist()
            with self._lock:
                self._known.update(zip(places, found_m.tolist(), strict=True))
                for oldest in list(islice(self._known, max(0, len(self._known) - self._most))):
                    del self._known[oldest]
        return np.array(legs_m, dtype=np.float64)


class _LegsKnown(Approach):
    """What is known of a door, and of the places that were asked for before."""

    def __init__(self, legs: _Legs, door_leg_m: float) -> None:
        self._legs, self.door_leg_m = legs, door_leg_m

    def least(self, lats: FloatArray, lons: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Nothing of the seconds on the road; the metres to it, and 0 where nobody knows, or it is too far."""
        known = [self._legs.get(at) for at in zip(lats.tolist(), lons.tolist(), strict=True)]
        legs_m = np.array([0.0 if leg_m is None or leg_m == np.inf else leg_m for leg_m in known], dtype=np.float64)
        return np.zeros(len(lats)), legs_m


class _Network:
    """One mode's network, opened, with a place of the large one."""

    def __init__(self, engine: Any, tables: Any, routes: Any) -> None:
        self._engine, self._tables, self._routes = engine, tables, routes
        self._anchor = (0.0, 0.0)
        around = tables(coordinates=_AROUND_THE_EARTH, sources=[0], destinations=[0], annotations=["duration"])
        lat, lon = next(self.met(self._ask(around), "sources"))
        self._anchor = (lon, lat)

    def table(self, places: list[_At], door: _At, *, hints: bool = False) -> Any:
        """OSRM's answer for the ways from these places to the door; with ``hints``, where on the roads each is."""
        count = len(places)
        coordinates = [(lon, lat) for lat, lon in (*places, door)]
        coordinates.append(self._anchor)
        asked = self._tables(
            coordinates=coordinates,
            sources=list(range(count)),
            destinations=[count],
            annotations=["duration"],
            generate_hints=hints,
        )
        return self._ask(asked)

    def points(self, place: _At, door: _At) -> FloatArray | None:
        """The way from the place to the door, lon, lat, on the roads that a table meets; None where there is none."""
        met = self.table([place], door, hints=True)
        ends = (met["sources"][0], met["destinations"][0])
        route = self._route((place, door), hints=[str(end["hint"]) for end in ends])
        met_at = [*self.met(met, "sources"), *self.met(met, "destinations")]
        if route is None or [*self.met(route, "waypoints")] != met_at:
            # Asked for by themselves, both are on a small network; where the large one was met there is no other.
            route = self._route(met_at)
        if route is None:
            return None
        line = route["routes"][0]["geometry"]["coordinates"]
        return np.array([(point[0], point[1]) for point in line], dtype=np.float64)

    def _route(self, places: Sequence[_At], **how: Any) -> Any:
        """OSRM's answer for the route between two places; None where there is none."""
        asked = self._routes(
            coordinates=[(lon, lat) for lat, lon in places],
            overview="full",
            geometries="geojson",
            generate_hints=False,
            **how,
        )
        try:
            return self._engine.Route(asked)
        except RuntimeError as error:
            if str(error).startswith(_NO_ROUTE):
                return None
            raise EngineUnavailable(f"osrm cannot answer: {' '.join(str(error).split())[:200]}") from error

    def _ask(self, asked: Any) -> Any:
        try:
            return self._engine.Table(asked)
        except RuntimeError as error:
            raise EngineUnavailable(f"osrm cannot answer: {' '.join(str(error).split())[:200]}") from error

    @staticmethod
    def durations(answer: Any, count: int) -> list[float | None]:
        """Of each place; None where no road leads."""
        rows = answer["durations"]
        return [rows[number][0] for number in range(count)]

    @staticmethod
    def met(answer: Any, ends: str) -> Iterator[_At]:
        """Where places meet the road, latitude and longitude."""
        for end in answer[ends]:
            lon, lat = end["location"]
            yield lat, lon


def _opened(network: OsrmNetwork) -> _Network | None:
    """None where the mode may use no road of the extract."""
    directory = network.directory
    try:
        # Here, and not above: the package is not to be had for every platform.
        import osrm

        base = network.base()
        if base is None:
            return None
        # Mapped, so that all workers read the same memory.
        engine = osrm.OSRM(algorithm="MLD", storage_config=str(base), use_shared_memory=False, use_mmap=True)
        return _Network(engine, osrm.TableParameters, osrm.RouteParameters)
    except (ImportError, OSError, RuntimeError, ValueError, KeyError) as error:
        said = " ".join(str(error).split())[:200]
        raise EngineUnavailable(f"osrm cannot open {directory.name}: {said}; remove {directory}") from error
