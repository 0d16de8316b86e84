"""A small town of a test's own: three stores by a door, goods with names, and a shopper who stands at that door."""

import re
import time
from dataclasses import dataclass, field
from typing import Any, Final

from playwright.sync_api import Locator, Page

from tests.browser.chromium import Visit
from tests.browser.page_words import words_of
from tests.browser.service import Service

HTML: Final = '<img src=x onerror="window.intruder=1">'
DEGREE_M: Final = 111_000.0
_LON: Final = 112.5
# To the south of all that other tests put on the map, however many towns there come to be.
_FIRST_LAT: Final = 30.0
_STEP_DEG: Final = 0.08
_LONGEST_WAIT_S: Final = 15.0


class _Count:
    value = 0


@dataclass
class Town:
    """``near`` has few, ``far`` has many, ``shut`` has all and is closed for good; nothing else is for miles."""

    service: Service
    visit: Visit
    lat: float
    tag: str
    words: dict[str, str] = field(default_factory=dict)

    @property
    def page(self) -> Page:
        return self.visit.page

    @property
    def door(self) -> dict[str, float]:
        return {"lat": self.lat, "lon": _LON}

    def store(self, name: str) -> str:
        return f"sh-{self.tag}-{name}"

    def sku(self, name: str) -> str:
        return f"sh.{self.tag}.{name}"

    def t(self, key: str, **values: object) -> str:
        """What the page says."""
        text = self.words[key]
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text

    def build(self) -> None:
        """Stores, stock and the names of goods, by the API."""
        for name, north_m, hours in (("near", 200, "24/7"), ("shut", 450, "off"), ("far", 900, "24/7")):
            body = {
                "lat": self.lat + north_m / DEGREE_M, "lon": _LON, "name": f"{name} {HTML}", "opening_hours": hours,
                "phone": "0351-123 4567", "address": f"{name} street {HTML}", "delivery_radius_m": 3_000,
            }  # fmt: skip
            self.service.ask("PUT", f"/v1/stores/{self.store(name)}", json=body)
        for name, tea, milk in (("near", 5, 0), ("shut", 50, 50), ("far", 50, 20)):
            items = [
                {"sku": self.sku("tea"), "on_hand": tea, "price": 350, "currency": "CNY"},
                {"sku": self.sku("milk"), "on_hand": milk},
            ]
            self.service.ask("PUT", f"/v1/stores/{self.store(name)}/stock", json={"items": items})
        goods = [f"{good},{self.sku(good)},{self.name(good)}\n" for good in ("tea", "milk")]
        self.import_items("code,sku,name\n" + "".join(goods))

    def name(self, good: str) -> str:
        return f"Zq{self.tag} {good} <b>bold</b>"

    def import_items(self, rows: str) -> None:
        """Of a partner of its own, so that no other import is in the way."""
        query = {"filename": "names.csv", "partner": f"names-{self.tag}"}
        headers = {"Content-Type": "text/csv"}
        told = self.service.ask("POST", "/v1/imports/items", content=rows.encode(), headers=headers, params=query)
        until = time.monotonic() + _LONGEST_WAIT_S
        while (now := self.service.ask("GET", f"/v1/imports/{told['import_id']}"))["status"] == "running":
            assert time.monotonic() < until, now
            time.sleep(0.05)
        assert (now["status"], now["failed"]) == ("done", 0), now

    def arrive(self, path: str = "/") -> Page:
        """Open the page where the browser says that the door is."""
        self.visit.context.set_geolocation({"latitude": self.lat, "longitude": _LON, "accuracy": 10.0})
        page = self.visit.open(path)
        page.get_by_role("button", name=self.t("where_am_i")).click()
        page.get_by_text(f"{self.lat:.5f}, {_LON:.5f}").wait_for()
        return page

    def put_in(self, good: str, quantity: int = 1) -> None:
        """Search a good by its name, and take it."""
        field = self.page.get_by_role("combobox", name=self.t("search_label"))
        field.click()
        field.press_sequentially(f"Zq{self.tag} {good}")
        self.page.get_by_role("option", name=self.name(good)).click()
        for _ in range(quantity - 1):
            self.page.get_by_role("button", name=self.t("one_more", name=self.name(good))).click()

    def ask(self) -> Locator:
        """Ask who can bring it; the answer's part of the panel."""
        self.page.get_by_role("button", name=self.t("ask")).click()
        answer = self.page.locator("section.answer")
        answer.wait_for()
        return answer

    def order(self) -> dict[str, Any]:
        """Order what the answer offers; the order, once the page shows it, as the service tells it."""
        self.page.get_by_role("button", name=self.t("order"), exact=True).click()
        self.heading("title_confirmed").wait_for()
        return self.order_now()

    def order_now(self) -> dict[str, Any]:
        """The order that the page shows."""
        order_id = self.page.locator(".watching").get_by_text(re.compile(r"w-[0-9a-f]{16}-")).inner_text().split()[-1]
        return dict(self.service.ask("GET", f"/v1/orders/{order_id}"))

    def act(self, order: dict[str, Any], action: str, **body: object) -> dict[str, Any]:
        """What the store or the courier does."""
        body = {"attempt": order["attempt"], **body}
        return dict(self.service.ask("POST", f"/v1/orders/{order['order_id']}/{action}", json=body))

    def heading(self, key: str) -> Locator:
        return self.page.get_by_role("heading", name=self.t(key), exact=True)

    def assert_nothing_ran(self) -> None:
        """Names that hold HTML are text, and nothing but text."""
        assert self.page.evaluate("window.intruder") is None
        assert self.page.locator("img[src='x'], .panel b, .leaflet-container b").count() == 0


def town_of(visit: Visit, service: Service) -> Town:
    """A town that no other test has seen."""
    _Count.value += 1
    tag = f"{visit.size}{visit.language}{_Count.value}"
    town = Town(service, visit, round(_FIRST_LAT - _STEP_DEG * _Count.value, 5), tag)
    town.words = dict(words_of("shopper", visit.language))
    town.build()
    return town
