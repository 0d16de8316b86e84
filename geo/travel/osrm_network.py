"""Networks for OSRM, one a mode, built once from an OpenStreetMap extract and kept by what is in it.

A network has its speed in it, so that it is kept by that too, and by the profiles beside this file
(``geo/travel/profiles``), which take from those that come with OSRM what may be used by whom.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from geo.travel import Mode
from geo.travel.tiles import Progress, TilesError, content_of, kept_in, write_whole

__all__ = ["SLOWLY", "OsrmNetwork", "is_osrm_there", "osrm_networks"]

SLOWLY: Final = 10
"""Seconds of a network are so many times too long: OSRM rounds them to tenths."""

_PROFILES: Final = Path(__file__).parent / "profiles"
_STEPS: Final = ("extract", "partition", "customize")
_BASE: Final = "city.osrm"
_DONE: Final = "whole.json"
# What osrm-extract says of an extract in which a mode may use nothing.
_NOTHING_TO_USE: Final = ("no snappable edges", "no edges", "edges remaining")


@dataclass(frozen=True, slots=True)
class OsrmNetwork:
    """A mode's network in a directory, and the speed that nothing in it exceeds."""

    directory: Path
    top_kmh: float

    def base(self) -> Path | None:
        """What OSRM opens; None where the mode may use no road of the extract. Raises OSError if it is not whole."""
        told = json.loads((self.directory / _DONE).read_text())
        return self.directory / _BASE if told["has_roads"] else None


def is_osrm_there() -> bool:
    """Whether OSRM's package is installed, which is not to be had for every platform, with the programs that build."""
    directory = _package()
    return directory is not None and all(os.access(_program(name), os.X_OK) for name in _STEPS)


def osrm_networks(
    extract: Path, keep_in: Path, speeds_kmh: Mapping[Mode, float], *, progress: Progress | None = None
) -> dict[Mode, OsrmNetwork]:
    """By mode, the network of this extract (.osm.pbf) at so many km/h at most, built if there is none of its content.

    Several processes may ask at once: one builds, the others wait for it. Raises TilesError.
    """
    say = progress or (lambda _what, _share: None)
    with kept_in(keep_in):
        content, found = content_of(extract, keep_in, say), {}
        for number, (mode, kmh) in enumerate(speeds_kmh.items()):
            directory = keep_in / f"{content}-osrm-{_made_by()}-{mode.value}-{kmh:g}"
            if not _is_whole(directory):
                for left in [directory, *keep_in.glob("osrm-building-*")]:
                    shutil.rmtree(left, ignore_errors=True)
                say(f"building the network by {mode.value}", number / len(speeds_kmh))
                _build(extract, directory, mode, kmh)
            found[mode] = OsrmNetwork(directory, kmh)
    return found


def _package() -> Path | None:
    found = find_spec("osrm")
    return None if found is None or found.origin is None else Path(found.origin).parent


def _program(name: str) -> Path:
    directory = _package()
    if directory is None:
        raise TilesError("OSRM is not installed: install osrm-bindings, or set DISPATCH_ROADS_TIMES=valhalla")
    return directory / "bin" / f"osrm-{name}"


def _made_by() -> str:
    """Which OSRM and which profiles: of others a network is built anew."""
    digest = hashlib.blake2b(digest_size=4)
    for path in sorted(_PROFILES.glob("*.lua")):
        digest.update(path.read_bytes())
    try:
        return f"{version('osrm-bindings')}-{digest.hexdigest()}"
    except PackageNotFoundError:
        return digest.hexdigest()


def _is_whole(directory: Path) -> bool:
    """Whether a network is there with all of its files: of one that was cut short OSRM would end the process."""
    try:
        sizes = json.loads((directory / _DONE).read_text())["bytes"]
        return all((directory / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, LookupError):
        return False


def _build(extract: Path, directory: Path, mode: Mode, kmh: float) -> None:
    """Build beside where it goes, and move it there when it is whole."""
    with tempfile.TemporaryDirectory(prefix="osrm-building-", dir=directory.parent) as building:
        at = Path(building) / "network"
        at.mkdir()
        # osrm-extract writes beside what it reads.
        source = at / "city.osm.pbf"
        source.symlink_to(extract.resolve())
        profile = at / "profile.lua"
        profile.write_text(f"TOP_KMH = {kmh!r}\nreturn require('lc_{mode.value}')\n")
        has_roads = _run([str(_program("extract")), "-p", str(profile), str(source)], extract)
        for step in _STEPS[1:] if has_roads else ():
            _run([str(_program(step)), str(at / _BASE)], extract)
        source.unlink()
        sizes = {path.name: path.stat().st_size for path in sorted(at.iterdir())}
        write_whole(at / _DONE, json.dumps({"extract": extract.name, "has_roads": has_roads, "bytes": sizes}))
        at.rename(directory)


def _run(command: list[str], extract: Path) -> bool:
    """Whether there is something that the mode may use. Raises TilesError."""
    package = _package()
    assert package is not None, "it has the program"
    paths = f"{_PROFILES}/?.lua;{package}/share/profiles/?.lua"
    ran = subprocess.run(command, env=os.environ | {"LUA_PATH": paths}, capture_output=True, text=True, check=False)
    if ran.returncode == 0:
        return True
    said = [line for line in (ran.stdout + ran.stderr).splitlines() if "[error]" in line or "what():" in line]
    reason = said[-1].split("]")[-1].strip() if said else f"{Path(command[0]).name} ended with {ran.returncode}"
    if any(nothing in reason.lower() for nothing in _NOTHING_TO_USE):
        return False
    raise TilesError(f"no network can be built from {extract}: {reason}; it has to be an .osm.pbf file")
