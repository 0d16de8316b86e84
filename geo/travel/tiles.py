"""Road tiles for Valhalla, built once from an OpenStreetMap extract and kept by what is in it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Final

import osmium
import valhalla
from valhalla.config import get_config

from geo.travel.network import Network
from geo.travel.network_build import build_network

__all__ = ["NETWORK", "Progress", "TilesError", "box_of", "content_of", "kept_in", "road_tiles", "write_whole"]

type Progress = Callable[[str, float | None], None]
"""Told what is being done, and how much of it is, from 0 to 1; None where nobody knows."""

_BUILDER: Final = Path(valhalla.__file__).parent / "bin" / "valhalla_build_tiles"
_CHUNK_BYTES: Final = 16 * 1024 * 1024
_STAGE: Final = re.compile(r"\[INFO\] ([A-Z][^.]*)\.\.\.")
_FAULT: Final = re.compile(r"what\(\):\s*(.+)|\[ERROR\] (.+)")
_DONE: Final = "whole.json"
# Of what is written beside the tiles: with another number all are built anew.
_LAYOUT: Final = 2
NETWORK: Final = "network"
"""The directory, among the tiles, of the network by itself; none where it cannot be read out of them."""

# What the builder can make of a file; a line of its log begins each.
_STAGES: Final = (
    "Parsing ways",
    "Parsing relations",
    "Parsing nodes",
    "Creating graph edges from ways",
    "Building",
    "Enhancing local graph",
    "Adding Restrictions",
    "Validating",
)


class TilesError(Exception):
    """Tiles cannot be built; the message says why, and the mend."""


def road_tiles(extract: Path, keep_in: Path, *, progress: Progress | None = None) -> Path:
    """The directory with the tiles of this extract (.osm.pbf), built if there are none of its content yet.

    Several processes may ask at once: one builds, the others wait for it. Raises TilesError.
    """
    say = progress or (lambda _what, _share: None)
    with kept_in(keep_in):
        tiles = keep_in / f"{content_of(extract, keep_in, say)}-{valhalla.__version__}-{_LAYOUT}"
        if not (tiles / _DONE).exists() or not _can_be_read(tiles / NETWORK):
            # What a build that was killed has left: nobody else is at it, for the lock is ours.
            for left in [tiles, *keep_in.glob("building-*")]:
                shutil.rmtree(left, ignore_errors=True)
            _build(extract, tiles, say)
    return tiles


@contextmanager
def kept_in(directory: Path) -> Iterator[None]:
    """Nobody else builds into the directory meanwhile, which is made if there is none."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _can_be_read(network: Path) -> bool:
    """Whether a network that is there is whole; where tiles of this layout cannot be read, there is none."""
    try:
        return not network.exists() or bool(Network(network))
    except (OSError, ValueError, EOFError):
        return False


def box_of(extract: Path) -> tuple[float, float, float, float] | None:
    """West, south, east, north of an extract by its own header; None where that says nothing. Raises TilesError."""
    try:
        with osmium.io.Reader(str(extract), osmium.osm.osm_entity_bits.NOTHING) as reader:
            box = reader.header().box()
    except RuntimeError as error:
        raise TilesError(
            f"the road extract {extract} cannot be read: {error}; it has to be an .osm.pbf file"
        ) from error
    if not box.valid():
        return None
    low, high = box.bottom_left, box.top_right
    return low.lon, low.lat, high.lon, high.lat


def content_of(extract: Path, keep_in: Path, say: Progress) -> str:
    """A digest of the file's content; remembered by its size and date, since a country's takes a minute to read."""
    try:
        stat = extract.stat()
    except OSError as error:
        raise TilesError(
            f"the road extract {extract} cannot be read: {error.strerror}; name a .osm.pbf file"
        ) from error
    known_at = keep_in / "known.json"
    key = f"{extract.resolve()} {stat.st_size} {stat.st_mtime_ns}"
    known: dict[str, str] = json.loads(known_at.read_text()) if known_at.exists() else {}
    if key not in known:
        known = {
            **{k: v for k, v in known.items() if not k.startswith(f"{extract.resolve()} ")},
            key: _digest(extract, say),
        }
        write_whole(known_at, json.dumps(known, indent=1))
    return known[key]


def _digest(extract: Path, say: Progress) -> str:
    digest, read, size = hashlib.blake2b(digest_size=16), 0, max(1, extract.stat().st_size)
    try:
        with extract.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                read += len(chunk)
                say("reading the extract", read / size)
    except OSError as error:
        raise TilesError(f"the road extract {extract} cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def _build(extract: Path, tiles: Path, say: Progress) -> None:
    """Build beside where they go, and move them there when they are whole."""
    with tempfile.TemporaryDirectory(prefix="building-", dir=tiles.parent) as building:
        directory = Path(building) / "tiles"
        directory.mkdir()
        config = deepcopy(get_config(tile_extract="", tile_dir=directory))
        config["logging"] = {"type": "std_out", "color": False}
        config["mjolnir"]["logging"] = {"type": "std_out", "color": False}
        config["mjolnir"]["concurrency"] = os.cpu_count() or 1
        at = Path(building) / "valhalla.json"
        at.write_text(json.dumps(config))
        _run([str(_BUILDER), "-c", str(at), str(extract)], extract, say)
        if next(directory.rglob("*.gph"), None) is None:
            raise TilesError(f"the road extract {extract} has no roads in it; is it one of a place that has some?")
        say("reading the network", None)
        build_network(directory, directory / NETWORK)
        write_whole(directory / _DONE, json.dumps({"extract": extract.name}))
        directory.rename(tiles)


def _run(command: list[str], extract: Path, say: Progress) -> None:
    last = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as builder:
        assert builder.stdout is not None
        try:
            for line in builder.stdout:
                if fault := _FAULT.search(line):
                    last = (fault[1] or fault[2]).strip()
                if (found := _STAGE.search(line)) is not None:
                    stages = [n for n, stage in enumerate(_STAGES) if found[1].startswith(stage)]
                    say(found[1].lower(), stages[0] / len(_STAGES) if stages else None)
        except BaseException:
            builder.terminate()
            raise
    if builder.returncode != 0:
        reason = last or f"the builder ended with {builder.returncode}"
        raise TilesError(f"no road tiles can be built from {extract}: {reason}; it has to be an .osm.pbf file")


def write_whole(path: Path, text: str) -> None:
    """The file has all of the text, or is not touched."""
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.replace(path)
