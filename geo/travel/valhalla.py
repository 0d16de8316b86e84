"""Valhalla in this process, on tiles that were built from an OpenStreetMap extract."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final

import numpy as np
import valhalla
from valhalla.config import get_config

from geo.coordinates import LatLon
from geo.geodesy import FloatArray, IntArray
from geo.travel import Mode
from geo.travel.approach import MetApproach
from geo.travel.engine import Approach, EngineUnavailable
from geo.travel.meeting import Meeting, plain_meetings_of
from geo.travel.network import Ends, Network, WaysBack
from geo.travel.tiles import NETWORK
from geo.travel.valhalla_asking import COSTING, NO_WAY, SPHERE_SHORT, Ask, ModeOnRoads, ValhallaEngine, locate_request

__all__ = ["Valhalla"]

# What the server calls otherwise.
_NAMES: Final = {"sources_to_targets": "matrix"}
# Half a side of the squares around a door from which ways are followed back: the first is large enough for most.
_SQUARES_M: Final = {Mode.FOOT: (1_500.0, 6_000.0), Mode.EBIKE: (3_000.0, 12_000.0), Mode.CAR: (4_000.0, 16_000.0)}

# Layers that nobody draws, more than half of a tile.
_NOT_DRAWN: Final = ["nodes", "shortcuts", "access_restrictions"]
# A search of so many takes some 20 ms, in which nothing else is done.
_MOST_CROSSINGS: Final = 100_000
# Up to 400 kB each.
_MOST_BACKS: Final = 16


class Valhalla(ValhallaEngine):
    """Valhalla on a directory of tiles. Each thread has an actor of its own, made when it first asks."""

    drawn_from = 7  # as its configuration has it: motorways from here, all roads from FINEST_ROADS_ZOOM

    def __init__(self, tiles: Path, modes: Mapping[Mode, ModeOnRoads]) -> None:
        """Raises EngineUnavailable if there are no tiles in the directory."""
        super().__init__(modes)
        self._modes = dict(modes)
        self.config = _config(tiles)
        self._local = threading.local()
        self._network = _network_of(tiles / NETWORK)
        self._backs: dict[tuple[float, float, Mode], WaysBack | None] = {}
        self._lock = threading.Lock()
        if next(tiles.rglob("*.gph"), None) is None:
            raise EngineUnavailable(f"there are no road tiles in {tiles}")

    def top_speed_mps(self, mode: Mode) -> float:
        """The speed of the mode: tiles are built without heights, so that nothing goes downhill."""
        return self._modes[mode].top_kmh(mode) / 3.6 * SPHERE_SHORT

    def approach(self, destination: LatLon, mode: Mode, after: Approach | None = None) -> Approach:
        """What is known of the ways there beforehand: legs, and what the roads take by themselves."""
        door = self._door(destination, mode)
        if after is None:
            back = self._back(destination, door, mode)
        else:
            back = self._followed(destination, door, mode, _SQUARES_M[mode][1])
        return MetApproach(self._points, mode, door, back, is_last=after is not None)

    def drawn(self, *, zoom: int, x: int, y: int) -> bytes:
        """The roads of a tile. Raises EngineUnavailable."""
        request = {"tile": {"z": zoom, "x": x, "y": y}, "tile_options": {"exclude_layers": _NOT_DRAWN}}
        try:
            tile: bytes = self._actor().tile(json.dumps(request))
        except valhalla.ValhallaError as error:
            raise EngineUnavailable(f"valhalla cannot draw: {error}") from error
        return tile

    def _least_s(self, places: Sequence[Meeting], destination: LatLon, door: Meeting, mode: Mode) -> FloatArray:
        back, least_s = self._back(destination, door, mode), np.zeros(len(places))
        if back is not None:
            on_roads = [number for number, place in enumerate(places) if place.ends is not None]
            least_s[on_roads] = back.least_s([ends for place in places if (ends := place.ends) is not None])
        return least_s

    def _back(self, destination: LatLon, door: Meeting, mode: Mode) -> WaysBack | None:
        """The ways back from a door, in the smaller square; those of the last doors are remembered."""
        key = destination.lat, destination.lon, mode
        with self._lock:
            if key in self._backs:
                return self._backs[key]
        back = self._followed(destination, door, mode, _SQUARES_M[mode][0])
        with self._lock:
            self._backs[key] = back
            while len(self._backs) > _MOST_BACKS:
                del self._backs[next(iter(self._backs))]
        return back

    def _followed(self, destination: LatLon, door: Meeting, mode: Mode, half_m: float) -> WaysBack | None:
        if self._network is None or door.ends is None:
            return None
        kmh = self._modes[mode].top_kmh(mode)
        while half_m > _SQUARES_M[mode][0] and self._network.crossings(destination, half_m) > _MOST_CROSSINGS:
            half_m /= 1.5
        return self._network.ways_back(destination, door.ends, COSTING[mode], top_kmh=kmh, half_m=half_m)

    def _ends(self, edges: IntArray, along: FloatArray, mode: Mode) -> Ends | None:
        if self._network is None:
            return None
        return self._network.ends(edges, along, COSTING[mode], self._modes[mode].top_kmh(mode))

    def _meet(self, ask: Ask, places: Sequence[tuple[float, float]], mode: Mode) -> dict[tuple[float, float], Meeting]:
        network = self._network
        if network is None:
            return super()._meet(ask, places, mode)
        # To see how far roads lead is most of the work; the network has it written down.
        located = ask("locate", locate_request(places, self._costing[mode], 0))
        ends_of, lead_far = partial(self._ends, mode=mode), partial(network.lead_far, costing=COSTING[mode])
        found = plain_meetings_of(places, located, ends_of, lead_far)
        others = [at for at in places if at not in found]
        return found | super()._meet(ask, others, mode) if others else found

    def _asker(self) -> Ask:
        actor = self._actor()

        def ask(action: str, request: Mapping[str, Any]) -> Any:
            try:
                return json.loads(getattr(actor, _NAMES.get(action, action))(json.dumps(request)))
            except valhalla.ValhallaError as error:
                if error.code in NO_WAY:
                    return None
                raise EngineUnavailable(f"valhalla cannot answer: {error}") from error

        return ask

    def _actor(self) -> valhalla.Actor:
        actor: valhalla.Actor | None = getattr(self._local, "actor", None)
        if actor is None:
            try:
                # It takes a dict too, and leaves it in a file that nobody removes.
                with NamedTemporaryFile("w", prefix="valhalla-", suffix=".json") as file:
                    json.dump(self.config, file)
                    file.flush()
                    actor = valhalla.Actor(Path(file.name))
            except (RuntimeError, OSError, AttributeError) as error:
                raise EngineUnavailable(f"valhalla cannot open its tiles: {error}") from error
            self._local.actor = actor
        return actor


def _network_of(directory: Path) -> Network | None:
    if not directory.exists():
        return None
    try:
        return Network(directory)
    except (OSError, ValueError, EOFError) as error:
        raise EngineUnavailable(
            f"the network beside the road tiles cannot be read ({error}); remove {directory.parent}"
        ) from error


def _config(tiles: Path) -> dict[str, Any]:
    # A copy, for it shares its parts with what every call returns.
    config: dict[str, Any] = deepcopy(get_config(tile_extract="", tile_dir=tiles))
    config["logging"] = {"type": ""}
    # So much farther than the first way found is looked for a better one. By default it is 420, which takes up to twice
    # the time for the short ways that decide, and was seen to find the same.
    # Where a route jumps, so does the bidirectional matrix: both go from both ends.
    config["thor"]["source_to_target_algorithm"] = "timedistancematrix"
    config["thor"]["bidirectional_astar"]["threshold_delta"] = 60.0
    limits = config["service_limits"]
    limits["allow_hard_exclusions"] = True
    for costing in COSTING.values():
        limits[costing]["max_distance"] = 500_000.0
    limits["isochrone"] |= {"max_time_contour": 240, "max_contours": 4}
    return config
