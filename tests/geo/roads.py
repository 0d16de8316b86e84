"""Real road networks, their tiles, and places along their roads."""

from functools import cache
from pathlib import Path
from tempfile import gettempdir
from typing import Final

import numpy as np
import osmium

from geo.geodesy import FloatArray
from geo.travel import Mode
from geo.travel.tiles import road_tiles
from geo.travel.valhalla import Valhalla
from geo.travel.valhalla_asking import ModeOnRoads
from tests.geo.shared import shared_file

MODES: Final = {Mode.FOOT: ModeOnRoads(4.8), Mode.EBIKE: ModeOnRoads(25.0), Mode.CAR: ModeOnRoads(60.0)}


@cache
def valhalla_of(name: str) -> Valhalla:
    """The engine on the tiles of an extract, built once a machine; skips the test where the extract is missing."""
    extract = shared_file(f"roads/{name}.osm.pbf")
    return Valhalla(road_tiles(extract, Path(gettempdir()) / "lifecircle-test-roads"), MODES)


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
