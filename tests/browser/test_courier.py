"""The courier's page behind the signed link: where to now, one tap to navigate, and what has been done."""

import time
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.chromium import Visit
from tests.browser.conftest import CheckReadable, TakePicture
from tests.browser.counter import HTML, TEA, Counter, open_counter
from tests.browser.service import Service

WORDS: Final = {
    "en": {
        "to_store": "Fetch it at the store",
        "to_door": "Bring it to the door",
        "have_it": "I have it",
        "yes_have_it": "Yes, I have it",
        "delivered": "Delivered",
        "yes_delivered": "Yes, handed over",
        "failed": "Could not deliver",
        "yes_failed": "It cannot be delivered",
        "really": "Yes, end the delivery",
        "not_yet": "Not yet",
        "go_back": "Go back",
        "by_itself": "It is tried again by itself.",
        "preparing": "The store is still preparing it",
        "first_map": "Navigate with AMap 高德",
        "apple": "Apple Maps",
        "apple_first": "Navigate with Apple Maps",
        "not_sent": "Not sent yet",
        "not_delivered": "Not delivered",
        "left": "This order is no longer yours",
        "unknown": "This link does not work",
        "call": "Call 0351 555 0100",
        "map": "Map of the way",
    },
    "zh": {
        "to_store": "去门店取货",
        "to_door": "送到顾客",
        "have_it": "已取货",
        "yes_have_it": "拿齐了",
        "delivered": "已送达",
        "yes_delivered": "是，已交付",
        "failed": "无法送达",
        "yes_failed": "确实送不到",
        "really": "是，结束配送",
        "not_yet": "还没有",
        "go_back": "返回",
        "by_itself": "系统会自动重试。",
        "preparing": "门店还在备货",
        "first_map": "用高德地图导航",
        "apple": "苹果地图",
        "apple_first": "用苹果地图导航",
        "not_sent": "没有网络，还没有发送",
        "not_delivered": "未送达",
        "left": "订单已不归你配送",
        "unknown": "链接无效",
        "call": "打电话 0351 555 0100",
        "map": "路线地图",
    },
}
HOSTS: Final = {
    "amap": "uri.amap.com",
    "tencent": "apis.map.qq.com",
    "baidu": "api.map.baidu.com",
    "apple": "maps.apple.com",
    "google": "www.google.com",
}


def link_of(counter: Counter, order_id: str) -> dict[str, Any]:
    told: dict[str, Any] = counter.service.ask("POST", f"/v1/orders/{order_id}/courier-link", json={"attempt": 1})
    return told


def open_link(visit: Visit, counter: Counter, order_id: str) -> Page:
    """The page behind an order's link, as its QR code leads there."""
    return visit.open(urlsplit(link_of(counter, order_id)["url"]).path)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def answer(page: Page, name: str) -> None:
    page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()


def await_sent(page: Page) -> None:
    """The page goes on at once; this waits until what was said is through."""
    expect(page.locator(".trouble .notice")).to_have_count(0, timeout=20_000)


def test_a_courier_fetches_it_and_brings_it(
    visit: Visit, service: Service, check_readable: CheckReadable, take_picture: TakePicture
) -> None:
    words = WORDS[visit.language]
    counter = open_counter(service, visit, 20)
    order_id = counter.order("accepted")
    page = open_link(visit, counter, order_id)
    expect(page.get_by_role("heading", level=2, name=words["to_store"])).to_be_visible()
    expect(page.locator(".where")).to_contain_text("1 Willow Road")
    expect(page.get_by_text(words["preparing"])).to_be_visible()
    expect(page.get_by_role("region", name=words["map"]).first).to_be_visible()
    expect(page.locator(".place-marker")).to_have_count(2)
    check_readable(page)

    # The store says it is ready, and the page knows by itself.
    counter.act(order_id, "ready")
    press(page, words["have_it"])
    check_readable(page)
    answer(page, words["not_yet"])
    assert counter.now(order_id)["status"] == "ready"
    take_picture(visit, "courier-to-store")
    press(page, words["have_it"])
    answer(page, words["yes_have_it"])
    expect(page.get_by_role("heading", level=2, name=words["to_door"])).to_be_visible()
    where = page.locator(".where")
    for text in ("5F, 7 Willow Lane", "Lin", "Call first"):
        expect(where.get_by_text(text, exact=True)).to_be_visible()
    expect(where.get_by_role("link", name=words["call"])).to_have_attribute("href", "tel:03515550100")
    expect(page.locator(".goods")).to_contain_text(TEA)
    await_sent(page)
    assert counter.now(order_id)["status"] == "picked_up"
    check_readable(page)
    page.emulate_media(color_scheme="dark")
    check_readable(page)
    page.emulate_media(color_scheme="light")
    take_picture(visit, "courier-to-door")

    press(page, words["delivered"])
    take_picture(visit, "courier-asks")
    answer(page, words["yes_delivered"])
    expect(page.get_by_role("heading", level=2, name=words["delivered"])).to_be_visible()
    await_sent(page)
    assert counter.now(order_id)["status"] == "delivered"
    for text in ("5F, 7 Willow Lane", "Lin", "0351 555 0100"):
        expect(page.get_by_text(text)).to_have_count(0)
    check_readable(page)
    page.reload()
    expect(page.get_by_role("heading", level=2, name=words["delivered"])).to_be_visible()


def test_each_map_is_one_tap_away_and_the_last_one_used_comes_first(visit: Visit, service: Service) -> None:
    words = WORDS[visit.language]
    counter = open_counter(service, visit, 21)
    order_id = counter.order("ready")
    page = open_link(visit, counter, order_id)
    expect(page.get_by_role("link", name=words["first_map"])).to_be_visible()
    told = service.ask("GET", f"/v1/orders/{order_id}/delivery-note")["navigation"]["store"]
    for name, host in HOSTS.items():
        link = page.locator(f'[data-map="{name}"]')
        assert urlsplit(link.get_attribute("href") or "").hostname == host
        assert link.get_attribute("href") == told[name]
        assert link.get_attribute("target") == "_blank"
        assert link.get_attribute("rel") == "noopener"
    # The tap itself, without leaving for a host that is not there in a test.
    page.evaluate("addEventListener('click', (event) => event.target.matches('[data-map]') && event.preventDefault())")
    page.get_by_role("link", name=words["apple"]).click()
    page.reload()
    expect(page.locator(".navigation a").first).to_have_text(words["apple_first"])
    door = service.ask("GET", f"/v1/orders/{order_id}/delivery-note")["navigation"]["door"]
    counter.act(order_id, "pick-up")
    expect(page.locator(".navigation a").first).to_have_attribute("href", door["apple"])


def test_that_it_could_not_be_delivered_is_asked_twice(
    visit: Visit, service: Service, check_readable: CheckReadable
) -> None:
    words = WORDS[visit.language]
    counter = open_counter(service, visit, 22)
    order_id = counter.order("picked_up")
    page = open_link(visit, counter, order_id)
    press(page, words["failed"])
    expect(page.get_by_role("dialog").get_by_role("link", name=words["call"])).to_be_visible()
    check_readable(page)
    answer(page, words["yes_failed"])
    answer(page, words["go_back"])
    assert counter.now(order_id)["status"] == "picked_up"
    press(page, words["failed"])
    answer(page, words["yes_failed"])
    answer(page, words["really"])
    expect(page.get_by_role("heading", level=2, name=words["not_delivered"])).to_be_visible()
    await_sent(page)
    assert counter.now(order_id)["status"] == "failed"
    # Back to where it came from, and nothing of the customer any more.
    expect(page.locator(".where")).to_contain_text("1 Willow Road")
    expect(page.get_by_text("5F, 7 Willow Lane")).to_have_count(0)


def test_what_is_said_without_a_network_is_sent_when_it_is_back(visit: Visit, service: Service) -> None:
    words = WORDS[visit.language]
    counter = open_counter(service, visit, 23)
    order_id = counter.order("ready")
    page = open_link(visit, counter, order_id)
    press(page, words["have_it"])
    visit.context.set_offline(True)
    answer(page, words["yes_have_it"])
    expect(page.get_by_text(words["not_sent"])).to_be_visible()
    # The way goes on meanwhile.
    expect(page.get_by_role("heading", level=2, name=words["to_door"])).to_be_visible()
    press(page, words["delivered"])
    answer(page, words["yes_delivered"])
    assert counter.now(order_id)["status"] == "ready"
    visit.context.set_offline(False)
    await_sent(page)
    expect(page.get_by_role("heading", level=2, name=words["delivered"])).to_be_visible()
    assert counter.now(order_id)["status"] == "delivered"
    events = [event["event"] for event in service.ask("GET", f"/v1/orders/{order_id}/events")["events"]]
    assert events == ["confirmed", "accepted", "ready", "picked_up", "delivered"]
    visit.wrong[:] = [text for text in visit.wrong if "ERR_INTERNET_DISCONNECTED" not in text]


def test_an_answer_that_breaks_off_is_not_taken_for_a_no(visit: Visit, service: Service) -> None:
    words = WORDS[visit.language]
    counter = open_counter(service, visit, 28)
    order_id = counter.order("ready")
    page = visit.page
    broken: list[str] = []

    def break_off(route: Route) -> None:
        # Nothing gets there, and what comes back is no answer: first half of one, then one of somebody between.
        if len(broken) < 2:
            broken.append(route.request.url)
            if len(broken) == 1:
                route.fulfill(status=200, body='{"order_id": "', content_type="application/json")
            else:
                route.fulfill(status=429, body="slower")
        else:
            route.continue_()

    page.route("**/pick-up", break_off)
    open_link(visit, counter, order_id)
    press(page, words["have_it"])
    answer(page, words["yes_have_it"])
    expect(page.get_by_text(words["not_sent"])).to_be_visible()
    assert page.evaluate("Object.values(localStorage)").count('["pick-up"]') == 1
    for _ in range(2):
        page.wait_for_timeout(1_500)
        page.evaluate("window.dispatchEvent(new Event('online'))")
    await_sent(page)
    expect(page.get_by_role("heading", level=2, name=words["to_door"])).to_be_visible()
    assert counter.now(order_id)["status"] == "picked_up"
    assert len(broken) == 2
    visit.wrong[:] = [text for text in visit.wrong if "Failed to load resource" not in text]


def test_a_page_that_starts_without_a_network_comes_up_by_itself(visit: Visit, service: Service) -> None:
    words = WORDS[visit.language]
    counter = open_counter(service, visit, 29)
    order_id = counter.order("ready")
    page = visit.page
    failed: list[str] = []

    def fail_twice(route: Route) -> None:
        if len(failed) < 2:
            failed.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    page.route("**/v1/caller", fail_twice)
    open_link(visit, counter, order_id)
    expect(page.get_by_text(words["by_itself"])).to_be_visible()
    expect(page.get_by_role("heading", level=2, name=words["to_store"])).to_be_visible()
    expect(page.get_by_text(words["by_itself"])).to_have_count(0)
    visit.wrong[:] = [text for text in visit.wrong if "Failed to load resource" not in text]


def test_a_map_that_failed_once_is_drawn_again_by_itself(visit: Visit, service: Service) -> None:
    words = WORDS[visit.language]
    counter = open_counter(service, visit, 30)
    order_id = counter.order("ready")
    page = visit.page
    failed: list[str] = []
    dot = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
    tiles = {"url": dot, "attribution": "", "max_zoom": 18, "datum": "gcj02"}
    told = {**service.ask("GET", "/v1/map"), "tiles": tiles}

    def fail_once(route: Route) -> None:
        if not failed:
            failed.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    page.route("**/v1/map*", lambda route: route.fulfill(json=told))
    page.route("**/delivery-note?datum=gcj02", fail_once)
    open_link(visit, counter, order_id)
    expect(page.get_by_role("heading", level=2, name=words["to_store"])).to_be_visible()
    expect(page.locator(".way .place-marker")).to_have_count(2, timeout=15_000)
    assert len(failed) == 1
    visit.wrong[:] = [text for text in visit.wrong if "Failed to load resource" not in text]


def test_a_link_ends_when_the_order_goes_to_another_store(
    visit: Visit, service: Service, check_readable: CheckReadable
) -> None:
    words = WORDS[visit.language]
    counter = open_counter(service, visit, 24)
    order_id = counter.order("accepted")
    open_counter(service, visit, 24, beside=counter)
    page = open_link(visit, counter, order_id)
    expect(page.get_by_role("heading", level=2, name=words["to_store"])).to_be_visible()
    counter.act(order_id, "decline", reason="too_busy")
    expect(page.get_by_role("heading", level=2, name=words["left"])).to_be_visible()
    for text in ("5F, 7 Willow Lane", "Lin", "0351 555 0100"):
        expect(page.get_by_text(text)).to_have_count(0)
    check_readable(page)
    page.reload()
    expect(page.get_by_role("heading", level=2, name=words["left"])).to_be_visible()
    visit.wrong[:] = [text for text in visit.wrong if "403" not in text]


def test_an_order_that_is_cancelled_need_not_be_brought(visit: Visit, service: Service) -> None:
    words = WORDS[visit.language]
    counter = open_counter(service, visit, 25)
    order_id = counter.order("ready")
    page = open_link(visit, counter, order_id)
    expect(page.get_by_role("button", name=words["have_it"], exact=True)).to_be_visible()
    service.ask("POST", f"/v1/orders/{order_id}/cancel", json={})
    expect(page.get_by_role("heading", level=2, name=words["left"])).to_be_visible()
    expect(page.get_by_role("button", name=words["have_it"], exact=True)).to_have_count(0)
    visit.wrong[:] = [text for text in visit.wrong if "403" not in text]


@pytest.mark.parametrize("token", ["lct_nonsense", "nonsense", "%3Cimg%20src=x%20onerror=%22window.intruder=1%22%3E"])
def test_a_link_that_never_was_says_so(token: str, visit: Visit, check_readable: CheckReadable) -> None:
    words = WORDS[visit.language]
    page = visit.open(f"/c/{token}")
    expect(page.get_by_role("heading", level=2, name=words["unknown"])).to_be_visible()
    check_readable(page)
    assert page.evaluate("window.intruder") is None
    visit.wrong[:] = [text for text in visit.wrong if "401" not in text]


def test_names_and_notes_with_html_are_shown_as_they_are_written(visit: Visit, service: Service) -> None:
    counter = open_counter(service, visit, 26, name=HTML, address=HTML)
    customer = {"name": HTML, "phone": HTML, "address": HTML, "note": HTML}
    order_id = counter.order("ready", customer=customer)
    page = open_link(visit, counter, order_id)
    # The store's name and address, the customer's name, note and what stands for a phone.
    expect(page.locator("main").get_by_text(HTML)).to_have_count(5)
    counter.act(order_id, "pick-up")
    expect(page.locator(".where.door").get_by_text(HTML)).to_have_count(4)
    assert page.evaluate("window.intruder") is None
    assert page.locator("img[src=x]").count() == 0


def test_nothing_is_wider_than_a_small_phone_and_all_is_large_enough_to_tap(visit: Visit, service: Service) -> None:
    counter = open_counter(service, visit, 27, name="x" * 120)
    order_id = counter.order("picked_up", customer={"name": "x" * 200, "address": "y" * 300, "phone": "1" * 60})
    visit.page.set_viewport_size({"width": 360, "height": 700})
    page = open_link(visit, counter, order_id)
    expect(page.locator(".where")).to_be_visible()
    time.sleep(0.3)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, a.button")]
          .filter((element) => element.checkVisibility() && element.getBoundingClientRect().height < 44)
          .map((element) => element.textContent)"""
    )
    assert small == []
