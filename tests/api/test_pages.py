"""The pages' shells and files, as they are sent; what they do is tried in a browser (tests/browser)."""

import gzip
import posixpath
import re

import pytest

from dispatch.web.assets import Asset, Assets, load_assets
from dispatch.web.shells import PAGES, headers_of, shell_of
from tests.api.client import Api, assert_problem

PATHS = ("/", "/s/any", "/ops", "/store/any", "/c/any")


def _files_in(page: str) -> list[str]:
    return re.findall(r'(?:src|href)="([^"]+)"', page) + re.findall(r'"(/assets/[^"]+)"', page)


@pytest.mark.parametrize("path", PATHS)
async def test_all_that_a_page_names_is_there_and_its_own(path: str, app_client: Api) -> None:
    page = await app_client.get(path)
    assert page.status_code == 200
    assert page.headers["cache-control"] == ("no-store" if path.startswith("/c/") else "no-cache")
    named = _files_in(page.text)
    assert len(named) >= 10
    for address in named:
        assert address.startswith("/assets/"), address
        answer = await app_client.get(address)
        assert answer.status_code == 200, address
        assert "immutable" in answer.headers["cache-control"]


async def test_what_modules_import_is_there(app_client: Api) -> None:
    assets = load_assets()
    for path, asset in assets.files.items():
        if not path.endswith(".js") or path.startswith("vendor/"):
            continue
        for name in re.findall(rb'from "([^"]+)"|import "([^"]+)"', asset.content):
            wanted = (name[0] or name[1]).decode()
            if wanted.startswith("."):
                wanted = posixpath.normpath(posixpath.join(posixpath.dirname(path), wanted))
                assert wanted in assets.files, (path, wanted)
            else:
                assert wanted in shell_of(PAGES["shopper"], assets), (path, wanted)


async def test_a_file_is_sent_packed_to_who_can_unpack_it(app_client: Api) -> None:
    address = load_assets().address("lib/base.css")
    packed = await app_client.get(address, headers={"Accept-Encoding": "gzip"})
    plain = await app_client.get(address, headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text == load_assets().files["lib/base.css"].content.decode()
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"])
    assert plain.headers["content-type"] == "text/css; charset=utf-8"


async def test_a_file_of_another_build_is_sent_but_not_kept(app_client: Api) -> None:
    answer = await app_client.get("/assets/0000000000000000/lib/base.css")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["lib/none.js", "../shells.py", "vendor/.built", "lib", ""])
async def test_there_is_no_other_file(path: str, app_client: Api) -> None:
    answer = await app_client.send("GET", f"/assets/{load_assets().build}/{path}")
    assert_problem(answer, 404, "not_found")


def test_another_build_has_another_name() -> None:
    assets = load_assets()
    assert re.fullmatch("[0-9a-f]{16}", assets.build)
    assert assets.address("lib/dom.js") == f"/assets/{assets.build}/lib/dom.js"
    with pytest.raises(KeyError):
        assets.address("lib/none.js")
    for asset in assets.files.values():
        assert gzip.decompress(asset.packed) == asset.content


def test_only_the_host_of_tiles_is_let_in_besides() -> None:
    assets = Assets("b", {path: Asset("text/javascript", b"", b"") for path in load_assets().files})
    assert "http" not in headers_of(assets)["Content-Security-Policy"]
    for url, origin in (
        ("https://tiles.example/{z}/{x}/{y}.png?key=1", "https://tiles.example"),
        ("http://tiles.example:8443/{z}/{x}/{y}.png", "http://tiles.example:8443"),
    ):
        policy = headers_of(assets, tiles_url=url)["Content-Security-Policy"]
        assert f"img-src 'self' data: blob: {origin};" in policy
        assert policy.count("http") == 1
    own = headers_of(assets, tiles_url="/tiles/{z}/{x}/{y}.png")["Content-Security-Policy"]
    assert own == headers_of(assets)["Content-Security-Policy"]
