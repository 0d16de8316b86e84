"""Real road networks, their tiles, and places along their roads."""

from functools import cache
from pathlib import Path
from tempfile import gettempdir
from typing import Final

import numpy as np
import osmium
import pytest

from geo.geodesy import FloatArray
from geo.travel import Mode
from geo.travel.osrm_inside import OsrmInside
from geo.travel.osrm_network import is_osrm_there, osrm_networks
from geo.travel.tiles import road_tiles
from geo.travel.valhalla import Valhalla
from geo.travel.valhalla_asking import ModeOnRoads
from tests.geo.shared import shared_file

MODES: Final = {Mode.FOOT: ModeOnRoads(4.8), Mode.EBIKE: ModeOnRoads(25.0), Mode.CAR: ModeOnRoads(60.0)}

KEPT: Final = Path(gettempdir()) / "lifecircle-test-roads"


@cache
def valhalla_of(name: str) -> Valhalla:
    """The engine on the tiles of an extract, built once a machine; skips the test where the extract is missing."""
    extract = shared_file(f"roads/{name}.osm.pbf")
    return Valhalla(road_tiles(extract, KEPT), MODES)


def times_by() -> str:
    """Who tells the times on an extract by default, as answers name it."""
    return "osrm" if is_osrm_there() else "valhalla"


@cache
def osrm_of(name: str) -> OsrmInside:
    """OSRM on the networks of an extract, with Valhalla's areas, as ``valhalla_of``; skips the test without OSRM."""
    if not is_osrm_there():
        pytest.skip("OSRM is not to be had: the package osrm-bindings is missing on this platform")
    speeds = {mode: on_roads.speed_kmh for mode, on_roads in MODES.items()}
    return OsrmInside(osrm_networks(shared_file(f"roads/{name}.osm.pbf"), KEPT, speeds), areas=valhalla_of(name))


@cache
def road_places(name: str) -> tuple[FloatArray, FloatArray]:
    """Latitudes and longitudes of the nodes of its roads, as the file has them."""
    lats, lons = [], []
    for way in osmium.FileProcessor(shared_file(f"roads/{name}.osm.pbf")).with_locations():
        if isinstance(way, osmium.osm.Way) and "highway" in way.tags:
            for node in way.nodes:
                lats.append(node.lat)
                lons.append(node.lon)
    return np.array(lats), np.array(lons)


def places_along(
    name: str, rng: np.random.Generator, count: int, *, off_m: float = 60.0
) -> tuple[FloatArray, FloatArray]:
    """So many places at most about ``off_m`` beside its roads."""
    lats, lons = road_places(name)
    chosen = rng.integers(len(lats), size=count)
    off = rng.uniform(-off_m, off_m, size=(2, count)) / 1.5 / 111_000
    return lats[chosen] + off[0], lons[chosen] + off[1] / np.cos(np.radians(lats[chosen]))
