"""The delivery note of an order: as JSON, and as a page for print on which whatever was typed shows as text."""

import base64
import hashlib
import re
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import numpy as np
import pytest

from dispatch.web.note_pages import note_page
from dispatch.web.note_words import note_words_of
from geo.coordinates import LatLon
from geo.datums import Datum, from_wgs84
from geo.geodesy import FloatArray
from geo.map_links import MAPS, map_links
from geo.travel import Mode
from geo.travel.engine import Roadway
from tests.api.client import Api, assert_problem, worker
from tests.api.shop import DOOR, act, acted, clock_of_now, north, order_of, placed, with_shops
from tests.geo.roads import times_by

EVIL = "<script>alert(1)</script>&\"'<b>x"
CUSTOMER = {"name": "Lin", "phone": "0912 345 678", "address": "5F, 7 Some Lane", "note": "Ring twice"}
TAIYUAN = (37.87, 112.55)


async def note_of(api: Api, order_id: str, **query: Any) -> dict[str, Any]:
    answer = await api.get(f"/v1/orders/{order_id}/delivery-note", **query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    return dict(answer.json())


async def page_of(api: Api, order_id: str, *, language: str = "en") -> httpx.Response:
    headers = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "Accept-Language": language}
    answer = await api.get(f"/v1/orders/{order_id}/delivery-note", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer


async def with_items(api: Api, text: str, **parameters: Any) -> None:
    assert (await api.import_file("items", text, **parameters))["failed"] == 0


# ── as JSON ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_note_tells_what_the_order_and_the_store_say(app_client: Api) -> None:
    app_client.clock.now = clock_of_now().now
    store: dict[str, Any] = {
        "name": "Corner",
        "address": "1 High Street",
        "phone": "02 1234",
        "timezone": "Asia/Taipei",
    }
    await app_client.put_store("a", *north(100), **store)
    await app_client.put_stock("a", tea=5, egg=9)
    await with_items(app_client, "partner_code,sku,name,units_per_case\nT2,tea,Tea again,1\nT1,tea,Green tea,1\n")
    lines = [{"sku": "tea", "quantity": 2}, {"sku": "egg", "quantity": 3}]
    order = await placed(app_client, "o-1", order_of(lines=lines, customer=CUSTOMER, mode="foot"))
    held = await note_of(app_client, "o-1")
    assert (held["status"], held["accept_by"], held["promised_by"]) == ("held", None, None)
    confirmed = await acted(app_client, "o-1", "confirm")
    note = await note_of(app_client, "o-1")
    lat, lon = north(100)
    assert note.keys() == {
        "order_id", "status", "attempt", "accept_by", "pickup_by", "deliver_by", "promised_by", "created_at", "mode",
        "store", "destination", "customer", "lines", "route", "navigation",
    }  # fmt: skip
    assert (note["order_id"], note["status"], note["attempt"], note["mode"]) == ("o-1", "confirmed", 1, "foot")
    assert note["pickup_by"] == confirmed["eta"]["pickup_by"]
    assert note["deliver_by"] == confirmed["eta"]["deliver_by"]
    assert (note["promised_by"], note["created_at"]) == (confirmed["promised_by"], order["created_at"])
    left = datetime.fromisoformat(note["accept_by"]) - datetime.fromisoformat(confirmed["updated_at"])
    assert timedelta(seconds=299) < left <= timedelta(seconds=301)
    assert note["store"] == {"store_id": "a", **store, "lat": lat, "lon": lon}
    assert note["destination"] == {"lat": DOOR[0], "lon": DOOR[1]}
    assert note["customer"] == CUSTOMER
    assert note["lines"] == [
        {"sku": "tea", "name": "Green tea", "quantity": 2, "price": None, "currency": None},
        {"sku": "egg", "name": None, "quantity": 3, "price": None, "currency": None},
    ]
    assert note["route"]["geometry"]["coordinates"] == [pytest.approx([lon, lat], abs=1e-7), [DOOR[1], DOOR[0]]]
    assert note["route"]["properties"]["travel_s"] == confirmed["eta"]["travel_s"]
    assert note["route"]["properties"]["mode"] == "foot"
    place, door = LatLon(lat=lat, lon=lon), LatLon(lat=DOOR[0], lon=DOOR[1])
    assert note["navigation"]["store"] == map_links(place, "Corner", Mode.FOOT)
    assert note["navigation"]["door"] == map_links(door, "5F, 7 Some Lane", Mode.FOOT)


async def test_what_nobody_has_told_is_null(app_client: Api) -> None:
    app_client.clock.now = clock_of_now().now
    await with_shops(app_client, 5)
    await placed(app_client, "o-1")
    note = await note_of(app_client, "o-1")
    assert note["customer"] is None
    assert {note["store"][name] for name in ("name", "address", "phone")} == {None}
    assert note["mode"] == "ebike"
    assert note["navigation"]["store"]["tencent"].count("to=near&") == 1
    assert note["navigation"]["door"]["tencent"].count("to=o-1&") == 1
    await placed(app_client, "o-2", order_of(customer={"name": "Lin"}))
    assert (await note_of(app_client, "o-2"))["customer"] == {
        "name": "Lin", "phone": None, "address": None, "note": None,
    }  # fmt: skip


async def test_an_item_is_called_as_its_own_partner_calls_one_piece(app_client: Api) -> None:
    app_client.clock.now = clock_of_now().now
    items = "partner_code,sku,name,units_per_case\n"
    await with_items(
        app_client, items + "1,tea,Tea of others,1\n2,egg,Egg of others,1\n3,gum,Gum of others,1\n", partner="other"
    )
    await with_items(
        app_client,
        items + "1,tea,24 teas,24\n3,tea,Tea 3,1\n2,tea,,1\n4,tea,Tea 4,1\n5,egg,Six eggs,6\n6,egg,My egg,1\n",
        partner="mine",
    )
    await app_client.put_store("a", *north(100), partner="mine")
    await app_client.put_stock("a", tea=5, egg=5, gum=5, pie=5)
    lines = [{"sku": sku, "quantity": 1} for sku in ("egg", "gum", "pie", "tea")]
    await placed(app_client, "o-1", order_of(lines=lines))
    names = [line["name"] for line in (await note_of(app_client, "o-1"))["lines"]]
    assert names == ["My egg", "Gum of others", None, "Tea 3"]


async def test_the_store_of_a_note_is_the_one_that_has_the_order_now(app_client: Api) -> None:
    app_client.clock.now = clock_of_now().now
    await with_shops(app_client, 5, 5, phone="1", mode="car")
    await placed(app_client, "o-1", order_of(hold_s=0))
    await acted(app_client, "o-1", "decline", attempt=1, reason="other")
    note = await note_of(app_client, "o-1")
    assert (note["attempt"], note["store"]["store_id"], note["mode"]) == (2, "middle", "car")
    for action in ("accept", "ready", "pick-up", "deliver"):
        await acted(app_client, "o-1", action, attempt=2)
        note = await note_of(app_client, "o-1")
        assert (note["store"]["store_id"], note["accept_by"]) == ("middle", None)
    assert note["status"] == "delivered"
    await app_client.write("DELETE", "/v1/stores/middle", None)
    assert (await note_of(app_client, "o-1"))["store"]["phone"] == "1", "also of a store that is no more"


async def test_an_order_without_a_store_has_no_note(app_client: Api) -> None:
    app_client.clock.now = clock_of_now().now
    await with_shops(app_client, 5)
    await placed(app_client, "o-1", order_of(hold_s=0))
    await act(app_client, "o-1", "decline", attempt=1, reason="other")
    for accept in ("application/json", "text/html"):
        answer = await app_client.get("/v1/orders/o-1/delivery-note", headers={"Accept": accept})
        problem = assert_problem(answer, 409, "no_store")
        assert "unfulfillable" in problem["detail"]
    assert_problem(await app_client.get("/v1/orders/none/delivery-note"), 404, "order_not_found")
    assert_problem(await app_client.get("/v1/orders/o-1/delivery-note", datum="x"), 422, pointers=["/query/datum"])
    assert_problem(await app_client.get("/v1/orders/o-1/delivery-note", colour="x"), 422, pointers=["/query/colour"])
    assert_problem(await app_client.get("/v1/orders/-/delivery-note"), 422)


@pytest.mark.parametrize("datum", ["gcj02", "bd09"])
async def test_places_of_a_note_are_in_the_datum_asked_and_its_links_in_each_maps_own(
    app_client: Api, datum: str
) -> None:
    app_client.clock.now = clock_of_now().now
    store = north(400, TAIYUAN)
    await app_client.put_store("a", *store)
    await app_client.put_stock("a", tea=5)
    await placed(app_client, "o-1", order_of(door=TAIYUAN))
    plain, note = await note_of(app_client, "o-1"), await note_of(app_client, "o-1", datum=datum)
    assert note["navigation"] == plain["navigation"]
    for name, (lat, lon) in {"store": store, "destination": TAIYUAN}.items():
        shown = from_wgs84(LatLon(lat=lat, lon=lon), Datum(datum))
        assert (note[name]["lat"], note[name]["lon"]) == (pytest.approx(shown.lat), pytest.approx(shown.lon))
    first, last = note["route"]["geometry"]["coordinates"]
    assert first == pytest.approx([note["store"]["lon"], note["store"]["lat"]], abs=1e-6)
    assert last == pytest.approx([note["destination"]["lon"], note["destination"]["lat"]], abs=1e-6)
    assert note["route"]["datum"] == datum


async def test_by_road_a_note_shows_the_way_that_was_promised(
    database_url: str, tmp_path: Path, demo_extract: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with worker(database_url, tmp_path, clock=clock_of_now(), roads=demo_extract, roads_patience_s=30.0) as api:
        await api.put_store("a", *north(700, TAIYUAN))
        await api.put_stock("a", tea=5)
        order = await placed(api, "o-1", order_of(door=TAIYUAN))
        route = (await note_of(api, "o-1"))["route"]
        assert route["properties"]["travel_source"] == times_by()
        assert route["properties"]["travel_s"] == order["eta"]["travel_s"]
        assert len(route["geometry"]["coordinates"]) > 2
        # Roads that have changed since: the goods are to be brought all the same.
        roads = api.app.state.service.roads
        roads._known.clear()
        monkeypatch.setattr(roads.engine, "ways", _no_ways)
        assert (await note_of(api, "o-1"))["route"]["properties"]["travel_source"] == "estimate"


def _no_ways(*, lats: FloatArray, **_: object) -> Roadway:
    return Roadway(np.full(len(lats), np.nan), np.zeros(len(lats)), np.zeros(len(lats)))


# ── as a page ──────────────────────────────────────────────────────────────────────────────────────────────────────


class _Page(HTMLParser):
    """What a page holds: its tags with what they say, its text, and what stands beside each name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.told: dict[str, str] = {}
        self.cells: list[list[str]] = []
        self._in: str | None = None
        self._name = ""
        self.feed(text)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "dt":
            self._name = ""
        if tag == "dd":
            self.told[self._name] = ""
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")
        if tag in ("dt", "dd", "td", "th", "style"):
            self._in = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._in:
            self._in = None

    def handle_data(self, data: str) -> None:
        if self._in != "style":
            self.text += data
        if self._in == "dt":
            self._name += data
        if self._in == "dd":
            self.told[self._name] += data
        if self._in in ("td", "th"):
            self.cells[-1][-1] += data


async def _with_a_full_order(api: Api, **customer: str) -> dict[str, Any]:
    api.clock.now = clock_of_now().now
    await api.put_store("a", *north(100), name="Corner", address="1 High Street", phone="02 1234")
    items = [
        {"sku": "tea", "on_hand": 5, "price": 3250, "currency": "TWD"},
        {"sku": "egg", "on_hand": 5, "price": 120, "currency": "JPY"},
        {"sku": "gum", "on_hand": 5},
    ]
    assert (await api.write("PUT", "/v1/stores/a/stock", {"items": items})).status_code == 200
    await with_items(api, "partner_code,sku,name\n1,tea,Green tea\n")
    lines = [{"sku": sku, "quantity": n} for n, sku in enumerate(("tea", "egg", "gum"), 1)]
    return await placed(api, "o-1", order_of(lines=lines, customer=CUSTOMER | customer, hold_s=0))


async def test_the_page_has_all_that_is_to_be_known_in_the_stores_time(app_client: Api) -> None:
    order = await _with_a_full_order(app_client)
    answer = await page_of(app_client, "o-1")
    page = _Page(answer.text)
    taipei = ZoneInfo("Asia/Taipei")

    def local(moment: str) -> str:
        return f"{datetime.fromisoformat(moment).astimezone(taipei):%Y-%m-%d %H:%M}"

    assert page.told["Deliver by"] == local(order["eta"]["deliver_by"])
    assert page.told["Promised by"] == local(order["promised_by"])
    assert page.told["Ordered at"] == local(order["created_at"])
    assert page.told["Accept by"] > page.told["Ordered at"]
    assert (page.told["Status"], page.told["Attempt"]) == ("confirmed", "1")
    assert "Times are those of the store (Asia/Taipei)." in page.text
    assert "Corner (a)" in page.text
    assert (page.told["Address"], page.told["Note"]) == (CUSTOMER["address"], CUSTOMER["note"])
    assert page.cells == [
        ["Packed", "Pieces", "Item"],
        ["", "1", "Green teatea · 32.50 TWD each"],
        ["", "2", "egg · 120 JPY each"],
        ["", "3", "gum · no price"],
    ]
    assert len([span for span in page.named("span") if span.get("class") == "box"]) == 3
    [picture] = page.named("svg")
    assert picture["role"] == "img"
    assert "0.1 km straight on, about 1 min by e-bike" in (picture["aria-label"] or "")
    assert [link["href"] for link in page.named("a")] == [
        url for end in (await note_of(app_client, "o-1"))["navigation"].values() for url in end.values()
    ]
    [code] = page.named("img")
    assert (code["src"] or "").startswith("data:image/svg+xml")


async def test_the_code_for_the_courier_is_there_for_as_long_as_there_is_something_to_carry(app_client: Api) -> None:
    await _with_a_full_order(app_client)
    for action, is_there in (("accept", True), ("ready", True), ("pick-up", True), ("deliver", False)):
        await acted(app_client, "o-1", action, attempt=1)
        codes = _Page((await page_of(app_client, "o-1")).text).named("img")
        assert bool(codes) is is_there, action


async def test_the_page_lets_nothing_in_but_its_own_style(app_client: Api) -> None:
    await _with_a_full_order(app_client)
    answer = await page_of(app_client, "o-1")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "img-src data:;" in policy
    [style] = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert not re.search(r'\sstyle="|\son\w+="', answer.text)
    assert "http" not in style
    page = _Page(answer.text)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "form", "object"}
    assert not [
        value for tag, attributes in page.tags if tag != "a" for value in attributes.values() if value and "//" in value
    ]
    assert answer.headers["vary"] == "Accept, Accept-Language, Authorization"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_names_and_notes_that_hold_markup_show_as_text(app_client: Api) -> None:
    app_client.clock.now = clock_of_now().now
    await app_client.put_store("a<i>", *north(100), name=EVIL, address=EVIL, phone=EVIL)
    answer = await app_client.write("PUT", "/v1/stores/a%3Ci%3E/stock", {"items": [{"sku": "<u>", "on_hand": 3}]})
    assert answer.status_code == 200
    quoted = EVIL.replace('"', '""')
    await with_items(app_client, f'partner_code,sku,name\n1,<u>,"{quoted}"\n')
    await placed(app_client, "o-1", order_of("<u>", customer=dict.fromkeys(CUSTOMER, EVIL)))
    page = _Page((await page_of(app_client, "o-1")).text)
    assert not {tag for tag, _ in page.tags} & {"script", "b", "i", "u"}
    assert {name: page.told[name] for name in ("Name", "Phone", "Address", "Note")} == dict.fromkeys(
        ("Name", "Phone", "Address", "Note"), EVIL
    )
    assert f"{EVIL} (a<i>)" in page.text
    assert page.cells[1][2] == f"{EVIL}<u> · no price"


async def test_the_page_speaks_chinese_to_who_prefers_it(app_client: Api) -> None:
    await _with_a_full_order(app_client)
    page = _Page((await page_of(app_client, "o-1", language="zh-CN,zh;q=0.9,en;q=0.8")).text)
    assert page.named("html")[0]["lang"] == "zh"
    assert page.told["状态"] == "已确认"
    assert page.cells[0] == ["已装", "件数", "品名"]
    assert "配送单 o-1" in page.text
    assert "单价 32.50 TWD" in page.text


def test_both_languages_have_a_word_for_every_status_mode_and_map() -> None:
    english, chinese = note_words_of("en"), note_words_of("zh")
    assert set(english.modes) == set(chinese.modes) == {mode.value for mode in Mode}
    assert set(english.maps) == set(chinese.maps) == set(MAPS)
    assert english.statuses.keys() == chinese.statuses.keys()


def _told(coordinates: list[list[float]]) -> dict[str, Any]:
    """A note with this way."""
    moment = "2026-11-20T10:00:00+08:00"
    return {
        "order_id": "o", "status": "ready", "attempt": 1, "accept_by": None, "promised_by": None, "customer": None,
        "pickup_by": moment, "deliver_by": moment, "created_at": moment, "mode": "car", "lines": [],
        "store": {"store_id": "a", "name": None, "address": None, "phone": None, "timezone": "Asia/Taipei"},
        "route": {
            "geometry": {"coordinates": coordinates},
            "properties": {"travel_s": 61, "length_m": 1234.5, "mode": "car", "travel_source": "osrm"},
        },
        "navigation": {"store": {}, "door": {}},
    }  # fmt: skip


@pytest.mark.parametrize(
    "coordinates",
    [
        [[121.5, 25.0], [121.5, 25.0]],
        [[121.5, 25.0], [121.5, 25.1]],
        [[121.5, 25.0], [121.6, 25.0]],
        [[179.99, -17.0], [-179.99, -17.01]],
        [[121.5, 25.0], [121.52, 25.01], [121.51, 25.05]],
    ],
)
def test_the_picture_of_a_way_holds_all_of_it_and_no_more_than_its_frame(coordinates: list[list[float]]) -> None:
    page = _Page(note_page(_told(coordinates), note_words_of("en"), qr_data_uri=None))
    [line], [square], [ring] = (page.named(tag) for tag in ("polyline", "rect", "circle"))
    points = [tuple(map(float, pair.split(","))) for pair in (line["points"] or "").split()]
    assert all(0 <= x <= 320 and 0 <= y <= 200 for x, y in points)
    spread = max(
        max(x for x, _ in points) - min(x for x, _ in points),
        1.5 * (max(y for _, y in points) - min(y for _, y in points)),
    )
    assert spread > 200 or coordinates[0] == coordinates[-1]
    assert (float(square["x"] or 0) + 6, float(square["y"] or 0) + 6) == pytest.approx(points[0])
    assert (float(ring["cx"] or 0), float(ring["cy"] or 0)) == pytest.approx(points[-1])
    if coordinates[-1][1] > coordinates[0][1]:
        assert points[-1][1] < points[0][1], "north is up"
    assert "1.2 km, 2 min by car" in page.text


def test_a_code_for_the_courier_is_shown_as_it_is_handed_in_and_never_fetched() -> None:
    note = _told([[121.5, 25.0], [121.5, 25.1]])
    data_uri = "data:image/svg+xml;base64,PHN2Zy8+"
    [picture] = _Page(note_page(note, note_words_of("en"), qr_data_uri=data_uri)).named("img")
    assert (picture["src"], picture["alt"]) == (data_uri, "For the courier: scan to open this order.")
    with pytest.raises(ValueError, match="data: address"):
        note_page(note, note_words_of("en"), qr_data_uri="https://example.test/qr.svg")
