"""Write the demo city's roads as an OpenStreetMap file: ``python -m data.roads OUT.osm.pbf``.

All invented: nothing of OpenStreetMap is in it but the format. The same version gives the same network.
"""

import argparse
from pathlib import Path
from typing import Final

import numpy as np
import osmium
from osmium.io import Header, Reader
from osmium.osm import Box, Location
from osmium.osm.mutable import Node, Way

from data.crossings import Network, join
from data.streets import Street, make_streets

VERSION: Final = 1
"""Raised whenever the network changes, so that whoever has an older file makes a new one."""

GENERATOR: Final = f"lifecircle demo city, roads version {VERSION} (synthetic: every street and bridge is invented)"


def write_roads(path: Path) -> None:
    """Make the roads and write them to ``path``, whole or not at all; a file there is replaced. Raises OSError."""
    network = join(make_streets())
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"new-{path.name}")
    try:
        _write(network, beside)
        beside.replace(path)
    except RuntimeError as error:
        raise OSError(f"{path} cannot be written: {error}") from error
    finally:
        beside.unlink(missing_ok=True)


def is_of_this_version(path: Path) -> bool:
    """Whether there is a file that this version of the program has written."""
    if not path.is_file():
        return False
    try:
        with Reader(str(path)) as reader:
            return bool(reader.header().get("generator") == GENERATOR)
    except RuntimeError:
        return False  # it is no such file at all


def _write(network: Network, path: Path) -> None:
    header = Header()
    header.set("generator", GENERATOR)
    header.set("sorting", "Type_then_ID")
    west, south = np.min(network.lon_lat, axis=0).tolist()
    east, north = np.max(network.lon_lat, axis=0).tolist()
    header.add_box(Box(Location(west, south), Location(east, north)))
    with osmium.SimpleWriter(str(path), header=header, overwrite=True) as writer:
        for number, (lon, lat) in enumerate(network.lon_lat.tolist(), start=1):
            writer.add_node(Node(id=number, location=(lon, lat)))
        for number, (street, nodes) in enumerate(network.ways, start=1):
            writer.add_way(Way(id=number, nodes=[node + 1 for node in nodes], tags=_tags(street)))


def _tags(street: Street) -> dict[str, str]:
    tags = {
        "highway": street.highway,
        "name": street.name,
        "maxspeed": str(street.speed_kmh),
        "source": "synthetic",
        "license": "synthetic, no OpenStreetMap data",
    }
    if street.oneway:
        tags["oneway"] = "yes"
    if street.bridge or street.viaduct:
        tags |= {"bridge": "viaduct" if street.viaduct else "yes", "layer": "1"}
    if street.viaduct:
        tags |= {"motorroad": "yes", "foot": "no", "bicycle": "no"}
    return tags


def main() -> None:
    """Read the command line, write the roads, print where they are."""
    parser = argparse.ArgumentParser(prog="python -m data.roads", description="Write the synthetic roads.")
    parser.add_argument("out", type=Path, metavar="OUT.osm.pbf")
    asked = parser.parse_args()
    try:
        write_roads(asked.out)
    except OSError as error:
        parser.exit(1, f"{error}\n")
    print(asked.out)


if __name__ == "__main__":
    main()
