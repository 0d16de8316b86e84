"""What a page is before its modules run: a title, its styles, and which module to begin with. No text is in it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Final
from urllib.parse import urlsplit

from dispatch.web.assets import Assets

__all__ = ["PAGES", "Shell", "headers_of", "shell_of"]

# Whom modules name without saying where they are.
_LIBRARIES: Final = {
    "pbf": "vendor/pbf.js",
    "@mapbox/point-geometry": "vendor/point-geometry.js",
    "@mapbox/vector-tile": "vendor/vector-tile.js",
}


@dataclass(frozen=True, slots=True)
class Shell:
    """A page: its own folder below static/ has ``main.js`` and ``page.css``. ``with_map``: it shows a map at once."""

    folder: str
    title: str
    with_map: bool = True


PAGES: Final = {
    "shopper": Shell("shopper", "lifecircle"),
    "ops": Shell("ops", "lifecircle ops"),
    "store": Shell("store", "lifecircle store"),
    "courier": Shell("courier", "lifecircle delivery"),
}


def shell_of(page: Shell, assets: Assets) -> str:
    """The whole document; the same for everybody."""
    styles = ["vendor/leaflet.css"] if page.with_map else []
    styles += ["lib/base.css", f"{page.folder}/page.css"]
    links = "".join(f'<link rel="stylesheet" href="{assets.address(path)}">' for path in styles)
    preloads = "".join(
        f'<link rel="modulepreload" href="{assets.address(path)}">'
        for path in sorted(assets.files)
        if path.endswith(".js") and path.startswith(("lib/", f"{page.folder}/"))
    )
    leaflet = f'<script defer src="{assets.address("vendor/leaflet.js")}"></script>' if page.with_map else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(page.title)}</title>"
        f'<link rel="icon" href="{assets.address("lib/icon.svg")}" type="image/svg+xml">{links}'
        f'<script type="importmap">{_import_map(assets)}</script>{preloads}{leaflet}'
        f'<script type="module" src="{assets.address(f"{page.folder}/main.js")}"></script></head>\n'
        f'<body class="{page.folder}"><noscript>This page needs JavaScript. 此页面需要 JavaScript。</noscript>'
        "</body></html>\n"
    )


def headers_of(assets: Assets, *, tiles_url: str | None = None) -> Mapping[str, str]:
    """What shells are sent with: nothing is let in but what this service serves, and perhaps a map's pictures."""
    # Tiles of the service's own address are let in already.
    tiles = "" if tiles_url is None or tiles_url.startswith("/") else f" {_origin_of(tiles_url)}"
    libraries = base64.b64encode(hashlib.sha256(_import_map(assets).encode()).digest()).decode()
    return {
        "Content-Security-Policy": f"default-src 'none'; script-src 'self' 'sha256-{libraries}'; style-src 'self';"
        f" img-src 'self' data: blob:{tiles}; connect-src 'self'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "geolocation=(self)",
        "Cache-Control": "no-cache",
    }


def _import_map(assets: Assets) -> str:
    return json.dumps({"imports": {name: assets.address(path) for name, path in _LIBRARIES.items()}})


def _origin_of(tiles_url: str) -> str:
    """Scheme and host of an address with {z}, {x}, {y} in its path; "" of one on this service's own host."""
    parts = urlsplit(tiles_url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
