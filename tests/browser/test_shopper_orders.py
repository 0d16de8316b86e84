"""A shopper's stories from the order on: it is placed and confirmed, and watched until it is there."""

import re
from typing import Any

import pytest
from playwright.sync_api import APIResponse, Route, expect

from tests.browser.chromium import Visit
from tests.browser.conftest import CheckReadable, TakePicture
from tests.browser.service import Service
from tests.browser.town import HTML, Town, town_of


@pytest.fixture
def town(visit: Visit, service: Service) -> Town:
    return town_of(visit, service)


@pytest.fixture
def ordered(town: Town) -> dict[str, Any]:
    """An order of two teas, which the near store has."""
    town.arrive()
    town.put_in("tea", 2)
    town.ask()
    return town.order()


def test_an_order_is_placed_and_watched_until_it_is_there(
    town: Town, check_readable: CheckReadable, take_picture: TakePicture
) -> None:
    page = town.arrive("/?campaign=autumn")
    town.put_in("tea", 2)
    town.ask()
    for label, text in (("name", f"Lin {HTML}"), ("phone", "0912 345 678"), ("address", "5F"), ("note", HTML)):
        page.get_by_label(town.t(label), exact=True).fill(text)
    check_readable(page)
    order = town.order()
    expect(town.heading("title_confirmed")).to_be_focused()
    assert order["status"] == "confirmed"
    assert order["store"]["store_id"] == town.store("near")
    assert (order["channel"], order["campaign"]) == ("web", "autumn")
    assert [(line["sku"], line["quantity"], line["price"]) for line in order["lines"]] == [(town.sku("tea"), 2, 350)]
    assert re.fullmatch(r"w-[0-9a-f]{16}-[0-9a-f]{8}", order["order_id"])
    note = town.service.ask("GET", f"/v1/orders/{order['order_id']}/delivery-note")
    assert note["customer"] == {"name": f"Lin {HTML}", "phone": "0912 345 678", "address": "5F", "note": HTML}
    steps = page.locator(".steps > li")
    expect(steps.nth(0)).to_have_attribute("aria-current", "step")
    expect(page.locator("path.way")).to_have_count(1)
    check_readable(page)
    page.emulate_media(color_scheme="dark")
    check_readable(page)
    page.emulate_media(color_scheme="light")
    for number, (action, title) in enumerate(
        (("accept", "title_accepted"), ("ready", "title_ready"), ("pick-up", "title_picked_up")), 1
    ):
        town.act(order, action)
        town.heading(title).wait_for()
        expect(steps.nth(number)).to_have_attribute("aria-current", "step")
        if action == "accept":
            take_picture(town.visit, "shopper-order")
    expect(page.get_by_role("button", name=town.t("cancel"))).to_have_count(0)
    town.act(order, "deliver")
    town.heading("title_delivered").wait_for()
    expect(page.locator(".steps > li.is-done")).to_have_count(5)
    town.assert_nothing_ran()
    page.get_by_role("button", name=town.t("order_more")).click()
    expect(page.get_by_role("combobox", name=town.t("search_label"))).to_be_focused()
    page.get_by_role("button").filter(has_text=town.name("tea")).click()
    town.heading("title_delivered").wait_for()


def test_an_order_that_moves_says_so_and_keeps_its_promise(town: Town, ordered: dict[str, Any]) -> None:
    page = town.page
    town.act(ordered, "decline", reason="out_of_stock", skus=[town.sku("tea")])
    happened = page.locator(".events")
    expect(happened).to_contain_text(town.t("event_declined_out_of_stock"))
    expect(happened).to_contain_text(town.t("event_moved"))
    expect(page.locator(".watching")).to_contain_text(f"far {HTML}")
    moved = town.order_now()
    assert moved["store"]["store_id"] == town.store("far")
    assert moved["promised_by"] == ordered["promised_by"]
    town.assert_nothing_ran()


def test_an_order_that_cannot_be_handed_over_says_so(town: Town, ordered: dict[str, Any]) -> None:
    for action in ("accept", "ready", "pick-up", "fail"):
        town.act(ordered, action)
    town.heading("title_failed").wait_for()
    expect(town.page.locator(".watching")).to_contain_text(town.t("over_failed"))


def test_an_order_is_cancelled_only_after_a_question(
    town: Town, ordered: dict[str, Any], check_readable: CheckReadable
) -> None:
    page = town.page
    cancel = page.get_by_role("button", name=town.t("cancel"), exact=True)
    cancel.click()
    dialog = page.get_by_role("dialog", name=town.t("cancel_title"))
    expect(dialog.get_by_role("button", name=town.t("cancel_no"))).to_be_focused()
    check_readable(page)
    dialog.get_by_role("button", name=town.t("cancel_no")).click()
    assert town.order_now()["status"] == "confirmed"
    cancel.click()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert town.order_now()["status"] == "confirmed"
    cancel.click()
    dialog.get_by_role("button", name=town.t("cancel_yes")).click()
    town.heading("title_cancelled").wait_for()
    expect(page.locator(".events")).to_contain_text(town.t("event_cancelled"))
    assert town.order_now()["status"] == "cancelled"


def test_an_order_outlives_a_reload_and_is_watched_again(town: Town, ordered: dict[str, Any]) -> None:
    page = town.page
    page.reload()
    town.heading("title_confirmed").wait_for()
    assert town.order_now()["order_id"] == ordered["order_id"]
    expect(page.locator(".store-marker")).to_be_visible()
    town.act(ordered, "accept")
    town.heading("title_accepted").wait_for()


def test_an_order_is_asked_for_with_a_token_and_no_other_can_see_it(town: Town) -> None:
    asked = []
    town.page.on("request", lambda request: asked.append((request.method, request.url, request.headers)))
    town.arrive()
    town.put_in("tea")
    town.ask()
    order = town.order()
    about = [headers for method, url, headers in asked if f"/v1/orders/{order['order_id']}" in url and method != "GET"]
    assert len(about) == 2
    assert all(headers["authorization"].startswith("Bearer lct_") for headers in about)
    other = town.service.ask("POST", "/v1/shopper-tokens", json={})
    refused = town.service.http.get(
        f"/v1/orders/{order['order_id']}", headers={"Authorization": f"Bearer {other['token']}"}
    )
    assert refused.status_code == 403


def test_a_token_of_the_address_is_taken_and_leaves_the_address(town: Town) -> None:
    given = town.service.ask("POST", "/v1/shopper-tokens", json={})
    page = town.arrive(f"/?campaign=app#token={given['token']}")
    assert "token" not in page.url
    town.put_in("tea")
    town.ask()
    order = town.order()
    assert order["order_id"].startswith(given["order_id_prefix"])
    assert order["campaign"] == "app"


def test_a_token_that_is_none_is_told_and_the_page_goes_on(town: Town) -> None:
    page = town.arrive("/#token=lct_nonsense")
    expect(page.get_by_role("alert")).to_contain_text(town.t("token_bad"))
    # A refusal that was asked for.
    assert all("401" in text for text in town.visit.wrong)
    town.visit.wrong.clear()
    town.put_in("tea")
    expect(town.ask()).to_contain_text(f"near {HTML}")


def test_goods_that_are_gone_meanwhile_are_told_in_place_of_an_order(town: Town) -> None:
    town.arrive()
    town.put_in("tea", 40)
    town.ask()
    for name in ("near", "far"):
        body = {"items": [{"sku": town.sku("tea"), "on_hand": 7}]}
        town.service.ask("PUT", f"/v1/stores/{town.store(name)}/stock", json=body)
    town.page.get_by_role("button", name=town.t("order"), exact=True).click()
    expect(town.heading("none_title")).to_be_visible()
    expect(town.page.get_by_role("button", name=town.t("help_fewer", n=7, name=town.name("tea")))).to_be_visible()
    assert all("409" in text for text in town.visit.wrong)
    town.visit.wrong.clear()


def test_a_price_that_has_gone_up_is_asked_about_anew(town: Town) -> None:
    page = town.arrive()
    town.put_in("tea", 20)
    answer = town.ask()
    body = {"items": [{"sku": town.sku("tea"), "on_hand": 50, "price": 990, "currency": "CNY"}]}
    town.service.ask("PUT", f"/v1/stores/{town.store('far')}/stock", json=body)
    page.get_by_role("button", name=town.t("order"), exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text(town.t("price_changed"))
    page.get_by_role("button", name=town.t("ask_again")).click()
    expect(answer.locator(".total")).to_contain_text("198.00")
    assert all("409" in text for text in town.visit.wrong)
    town.visit.wrong.clear()


def test_a_token_that_the_service_no_longer_knows_does_not_keep_the_page_out(town: Town) -> None:
    page = town.visit.open("/")
    token = {"token": "lct_of.another.key", "order_id_prefix": "w-0-", "expires_at": "2999-01-01T00:00:00Z"}
    page.evaluate("token => sessionStorage.setItem('lifecircle.shopper.token', JSON.stringify(token))", token)
    town.arrive()
    expect(page.locator("ol.stores > li")).to_have_count(3)
    assert all("401" in text for text in town.visit.wrong)
    town.visit.wrong.clear()
    town.put_in("tea")
    town.ask()
    assert town.order()["status"] == "confirmed"


def test_goods_that_are_held_are_confirmed_later_when_the_way_to_the_service_broke(town: Town) -> None:
    page = town.arrive()
    town.put_in("tea")
    town.ask()
    page.route(re.compile("/confirm$"), lambda route: route.abort())
    page.get_by_role("button", name=town.t("order"), exact=True).click()
    town.heading("title_held").wait_for()
    expect(page.locator(".watching")).to_contain_text(town.t("held_for"))
    assert town.order_now()["status"] == "held"
    page.unroute(re.compile("/confirm$"))
    page.get_by_role("button", name=town.t("confirm"), exact=True).click()
    town.heading("title_confirmed").wait_for()
    assert town.order_now()["status"] == "confirmed"
    town.visit.wrong.clear()


def test_an_order_that_could_not_be_read_is_read_again_by_itself(town: Town, ordered: dict[str, Any]) -> None:
    page = town.page
    expect(page.locator(".live")).to_have_text(town.t("live"))
    page.wait_for_timeout(300)  # what is read when it begins has been read
    order = re.compile(rf"/v1/orders/{ordered['order_id']}(\?|/events|$)")
    page.route(order, lambda route: route.abort())
    town.act(ordered, "accept")
    expect(page.get_by_role("alert")).to_be_visible()
    page.unroute(order)
    # The stream has told all it had to tell.
    town.heading("title_accepted").wait_for()
    expect(page.get_by_role("alert")).to_have_count(0)
    town.visit.wrong.clear()


def test_a_late_answer_does_not_undo_a_newer_one(town: Town, ordered: dict[str, Any]) -> None:
    page = town.page
    expect(page.locator(".live")).to_have_text(town.t("live"))
    page.wait_for_timeout(300)  # what is read when it begins has been read
    late: list[tuple[Route, APIResponse]] = []

    def answer(route: Route) -> None:
        if late:
            route.continue_()
        else:
            late.append((route, route.fetch()))

    page.route(re.compile(rf"/v1/orders/{ordered['order_id']}(\?|$)"), answer)
    town.act(ordered, "accept")
    while not late:
        page.wait_for_timeout(50)
    for action in ("ready", "pick-up", "deliver"):
        town.act(ordered, action)
    town.heading("title_delivered").wait_for()
    route, told = late[0]
    assert told.json()["status"] == "accepted"
    route.fulfill(response=told)
    page.wait_for_timeout(400)
    expect(town.heading("title_delivered")).to_be_visible()


def test_what_has_the_focus_keeps_it_when_the_order_goes_on(town: Town, ordered: dict[str, Any]) -> None:
    cancel = town.page.get_by_role("button", name=town.t("cancel"))
    cancel.focus()
    town.act(ordered, "accept")
    town.heading("title_accepted").wait_for()
    expect(cancel).to_be_focused()


@pytest.mark.parametrize("broken", ["before", "after"])
def test_a_reload_while_it_is_being_placed_neither_loses_an_order_nor_places_it_twice(town: Town, broken: str) -> None:
    page = town.arrive()
    town.put_in("tea", 2)
    town.ask()
    put: list[str] = []

    def place(route: Route) -> None:
        if route.request.method != "PUT":
            route.continue_()
            return
        if broken == "after":
            route.fetch()
        put.append(route.request.url)  # and the page hears nothing of it

    page.route(re.compile("/v1/orders/w-"), place)
    page.get_by_role("button", name=town.t("order"), exact=True).click()
    while not put:
        page.wait_for_timeout(50)
    page.reload()
    page.unroute(re.compile("/v1/orders/w-"))
    if broken == "after":
        town.heading("title_held").wait_for()
        page.get_by_role("button", name=town.t("confirm"), exact=True).click()
        town.heading("title_confirmed").wait_for()
        assert put[0].endswith(town.order_now()["order_id"])
    else:
        # It was never placed, and the basket is still there.
        town.ask()
        assert not put[0].endswith(town.order()["order_id"])
    assert len(town.service.ask("GET", f"/v1/orders?store_id={town.store('near')}")["orders"]) == 1
    assert all("404" in text for text in town.visit.wrong)
    town.visit.wrong.clear()


def test_a_token_is_kept_until_the_service_has_judged_it(town: Town) -> None:
    given = town.service.ask("POST", "/v1/shopper-tokens", json={})
    page = town.page
    page.route(re.compile("/v1/caller"), lambda route: route.abort())
    town.visit.open(f"/#token={given['token']}")
    again = page.get_by_role("alert").get_by_role("button")
    again.wait_for()
    page.unroute(re.compile("/v1/caller"))
    again.click()
    page.wait_for_url(re.compile("^[^#]*$"))
    # One that is no good leaves the former as it was.
    page.goto("about:blank")
    town.arrive("/#token=lct_nonsense")
    expect(page.get_by_role("alert")).to_contain_text(town.t("token_bad"))
    town.visit.wrong.clear()
    town.put_in("tea")
    town.ask()
    assert town.order()["order_id"].startswith(given["order_id_prefix"])


def test_a_phone_whose_clock_is_ahead_keeps_its_token(town: Town) -> None:
    page = town.page
    page.add_init_script("const now = Date.now; Date.now = () => now() + 7_205_000;")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/v1/shopper-tokens" in request.url else None)
    town.arrive()
    town.put_in("tea")
    town.ask()
    town.order()
    page.wait_for_timeout(6_000)
    assert len(asked) == 1
