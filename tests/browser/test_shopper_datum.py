"""A map drawn in GCJ-02, as those of mainland China are: pin, stores and orders are where they really are."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect
from pyproj import Geod

from tests.browser.chromium import visiting
from tests.browser.page_words import words_of
from tests.serving import CITY, Server

_GEOD = Geod(ellps="WGS84")
# In the middle of Beijing, where GCJ-02 is more than half a kilometre off.
DOOR = {"lat": 39.911954, "lon": 116.377817}
ON_THE_MAP = {"lat": 39.913345, "lon": 116.384047}
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


@pytest.fixture
def shifted(browser: Browser, short_tmp: Path) -> Iterator[httpx.Client]:
    """A service without the demo, whose operator has set tiles of GCJ-02, with one store 300 m north of the door."""
    folder = short_tmp / "shifted"
    folder.mkdir()
    settings = {"tiles_url": "/tiles/{z}/{x}/{y}.png", "tiles_attribution": "<b>Nobody</b>", "tiles_datum": "gcj02"}
    server = Server(folder, city=CITY, settings=settings)
    try:
        server.until("Ctrl-C stops it.")
        with httpx.Client(base_url=server.address, timeout=30) as http:
            lon, lat, _ = _GEOD.fwd(DOOR["lon"], DOOR["lat"], 0.0, 300.0)
            store = {"lat": lat, "lon": lon, "name": "North", "opening_hours": "24/7"}
            assert http.put("/v1/stores/north", json=store).status_code == 201
            items = {"items": [{"sku": "tea", "on_hand": 9}]}
            assert http.put("/v1/stores/north/stock", json=items).status_code == 200
            yield http
    finally:
        server.end()


def test_where_i_am_is_turned_for_the_map_and_back_for_the_courier(browser: Browser, shifted: httpx.Client) -> None:
    words = words_of("shopper", "zh")
    place = {"latitude": DOOR["lat"], "longitude": DOOR["lon"], "accuracy": 10.0}
    address = str(shifted.base_url).rstrip("/")
    with visiting(
        browser, address, size="phone", language="zh", geolocation=place, permissions=["geolocation"]
    ) as visit:
        # The operator's tile server, which is no part of the service.
        visit.context.route(
            re.compile(r"/tiles/\d+/"), lambda route: route.fulfill(body=PICTURE, content_type="image/png")
        )
        page = visit.open("/")
        expect(page.get_by_text("<b>Nobody</b>")).to_be_visible()
        page.get_by_role("button", name=words["where_am_i"]).click()
        expect(page.locator(".place")).to_have_text(f"{ON_THE_MAP['lat']:.5f}, {ON_THE_MAP['lon']:.5f}")
        expect(page.locator("ol.stores > li")).to_contain_text("300")
        page.get_by_role("combobox", name=words["search_label"]).fill("tea")
        page.get_by_role("option").click()
        page.get_by_role("button", name=words["ask"]).click()
        page.get_by_role("heading", name=words["winner_title"]).wait_for()
        # The store is straight above the door on this map, too.
        pin, store = page.locator(".pin").bounding_box(), page.locator(".store-marker").bounding_box()
        assert pin is not None
        assert store is not None
        assert abs((pin["x"] + pin["width"] / 2) - (store["x"] + store["width"] / 2)) < 4
        assert pin["y"] - store["y"] > 40
        page.get_by_role("button", name=words["order"], exact=True).click()
        page.get_by_role("heading", name=words["title_confirmed"], exact=True).wait_for()
        [order] = shifted.get("/v1/orders").json()["orders"]
        note = shifted.get(f"/v1/orders/{order['order_id']}/delivery-note").json()
        lon, lat = note["destination"]["lon"], note["destination"]["lat"]
        assert _GEOD.inv(lon, lat, DOOR["lon"], DOOR["lat"])[2] < 2.0
