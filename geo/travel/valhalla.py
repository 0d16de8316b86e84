"""Valhalla in this process, on tiles that were built from an OpenStreetMap extract."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import valhalla
from valhalla.config import get_config

from geo.travel import Mode
from geo.travel.engine import EngineUnavailable
from geo.travel.valhalla_asking import COSTING, NO_WAY, SPHERE_SHORT, Ask, ModeOnRoads, ValhallaEngine

__all__ = ["Valhalla"]


class Valhalla(ValhallaEngine):
    """Valhalla on a directory of tiles. Each thread has an actor of its own, made when it first asks."""

    def __init__(self, tiles: Path, modes: Mapping[Mode, ModeOnRoads]) -> None:
        """Raises EngineUnavailable if there are no tiles in the directory."""
        super().__init__(modes)
        self._modes = dict(modes)
        self.config = _config(tiles)
        self._local = threading.local()
        if next(tiles.rglob("*.gph"), None) is None:
            raise EngineUnavailable(f"there are no road tiles in {tiles}")

    def top_speed_mps(self, mode: Mode) -> float:
        """The speed of the mode: tiles are built without heights, so that nothing goes downhill."""
        return self._modes[mode].speed_kmh / 3.6 * SPHERE_SHORT

    def _asker(self) -> Ask:
        actor = self._actor()

        def ask(action: str, request: Mapping[str, Any]) -> Any:
            try:
                return json.loads(getattr(actor, action)(json.dumps(request)))
            except valhalla.ValhallaError as error:
                if error.code in NO_WAY:
                    return None
                raise EngineUnavailable(f"valhalla cannot answer: {error}") from error

        return ask

    def _actor(self) -> valhalla.Actor:
        actor: valhalla.Actor | None = getattr(self._local, "actor", None)
        if actor is None:
            try:
                actor = valhalla.Actor(self.config)
            except (RuntimeError, OSError, AttributeError) as error:
                raise EngineUnavailable(f"valhalla cannot open its tiles: {error}") from error
            self._local.actor = actor
        return actor


def _config(tiles: Path) -> dict[str, Any]:
    # A copy, for it shares its parts with what every call returns.
    config: dict[str, Any] = deepcopy(get_config(tile_extract="", tile_dir=tiles))
    config["logging"] = {"type": ""}
    # So much farther than the first way found is looked for a better one. By default it is 420, which takes up to twice
    # the time for the short ways that decide, and was seen to find the same.
    config["thor"]["bidirectional_astar"]["threshold_delta"] = 60.0
    limits = config["service_limits"]
    limits["allow_hard_exclusions"] = True
    for costing in COSTING.values():
        limits[costing]["max_distance"] = 500_000.0
    limits["isochrone"] |= {"max_time_contour": 240, "max_contours": 4}
    return config
