"""The files that pages are made of: modules, styles, pictures, and the libraries that come with them."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

_MEDIA_TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


class PagesNotBuilt(RuntimeError):
    """The libraries of the pages are not there; the text says how they come."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent: ``packed`` is its gzip."""

    media_type: str
    content: bytes
    packed: bytes


@dataclass(frozen=True, slots=True)
class Assets:
    """All files by their path below static/. ``build`` names just these: another build has another name."""

    build: str
    files: Mapping[str, Asset]

    def address(self, path: str) -> str:
        """Where a file is served. Raises KeyError if there is none of this path."""
        if path not in self.files:
            raise KeyError(path)
        return f"/assets/{self.build}/{path}"


@cache
def load_assets() -> Assets:
    """Read every file, once a process: some 700 kB. Raises PagesNotBuilt."""
    root = resources.files("dispatch.web") / "static"
    contents = dict(_walk(root, ""))
    if "vendor/leaflet.js" not in contents:
        raise PagesNotBuilt(
            "the pages are not built: dispatch/web/static/vendor is missing; run make setup, or pip install . anew"
        )
    build = hashlib.blake2b(digest_size=8)
    for path in sorted(contents):
        build.update(path.encode() + b"\0" + hashlib.sha256(contents[path]).digest())
    files = {
        path: Asset(_MEDIA_TYPES["." + path.rpartition(".")[2]], content, gzip.compress(content, mtime=0))
        for path, content in contents.items()
    }
    return Assets(build.hexdigest(), files)


def _walk(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry, f"{path}{entry.name}/")
        elif "." + entry.name.rpartition(".")[2] in _MEDIA_TYPES:
            yield path + entry.name, entry.read_bytes()
