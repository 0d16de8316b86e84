"""GET /, /s/{store_id}, /ops, /store/{store_id}, /c/{token}: the pages; and the files that they are made of.

A page asks the same routes as everybody. Whether its store, order or link is there it finds out by asking.
"""

from typing import Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from dispatch.api.problems import Problem
from dispatch.web.assets import load_assets
from dispatch.web.shells import PAGES, headers_of, shell_of

_PLACES: Final = (
    ("/", "shopper"),
    ("/s/{store_id}", "shopper"),
    ("/ops", "ops"),
    ("/store/{store_id}", "store"),
    ("/c/{token}", "courier"),
)
_FOR_A_YEAR: Final = "public, max-age=31536000, immutable"


def serve_pages(app: FastAPI, *, tiles_url: str | None) -> None:
    """Serve the pages and their files. ``tiles_url``: whose pictures maps may load besides. Raises PagesNotBuilt."""
    assets = load_assets()
    headers = dict(headers_of(assets, tiles_url=tiles_url))
    documents = {name: shell_of(shell, assets) for name, shell in PAGES.items()}

    def serve(place: str, document: str) -> None:
        # Who has a token in the address would not have it kept.
        kept = {"Cache-Control": "no-store"} if "{token}" in place else {}

        async def page(_request: Request) -> Response:
            return Response(document, media_type="text/html", headers=headers | kept)

        app.add_route(place, page, methods=["GET"], include_in_schema=False)

    async def file(request: Request) -> Response:
        asset = assets.files.get(request.path_params["path"])
        if asset is None:
            raise Problem(404, "not_found", "there is no such file; load the page anew")
        # While workers are replaced, a page of the one may ask the other: it gets the file, but not for long.
        is_of_this_build = request.path_params["build"] == assets.build
        told = {
            "Cache-Control": _FOR_A_YEAR if is_of_this_build else "no-store",
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
        }
        packed = "gzip" in request.headers.get("accept-encoding", "")
        if packed:
            told["Content-Encoding"] = "gzip"
        return Response(asset.packed if packed else asset.content, media_type=asset.media_type, headers=told)

    for place, name in _PLACES:
        serve(place, documents[name])
    app.add_route("/assets/{build}/{path:path}", file, methods=["GET"], include_in_schema=False)
