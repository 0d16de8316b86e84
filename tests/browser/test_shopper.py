"""A shopper's stories up to the answer: where am I, which stores are around, what do they have, who can bring it."""

import math
import re

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import Visit
from tests.browser.conftest import CheckReadable, TakePicture
from tests.browser.service import Service
from tests.browser.town import HTML, Town, town_of


@pytest.fixture
def town(visit: Visit, service: Service) -> Town:
    return town_of(visit, service)


def test_the_stores_around_are_a_list_and_a_map(town: Town, check_readable: CheckReadable) -> None:
    page = town.arrive()
    stores = page.locator("ol.stores > li")
    expect(stores).to_have_count(3)
    expect(stores.nth(0)).to_contain_text(f"near {HTML}")
    expect(stores.nth(0)).to_contain_text(re.compile(r"200"))
    expect(stores.nth(1)).to_contain_text(f"shut {HTML}")
    expect(stores.nth(2)).to_contain_text(f"far {HTML}")
    numbers = page.locator(".number-marker")
    expect(numbers).to_have_count(3)
    # What is pointed at in the one is shown in the other.
    stores.nth(2).get_by_role("link").focus()
    expect(numbers.nth(2)).to_have_class(re.compile("is-marked"))
    numbers.nth(0).dispatch_event("mouseover")
    expect(stores.nth(0)).to_have_class(re.compile("is-marked"))
    numbers.nth(1).click()
    expect(stores.nth(1).get_by_role("link")).to_be_focused()
    page.get_by_role("checkbox", name=town.t("open_only")).check()
    expect(stores).to_have_count(2)
    expect(page.locator("ol.stores")).not_to_contain_text("shut")
    check_readable(page)
    page.emulate_media(color_scheme="dark")
    check_readable(page)
    town.assert_nothing_ran()


def test_a_store_on_the_map_that_is_clicked_says_what_it_is(town: Town) -> None:
    page = town.arrive()
    # Of those that are not in the list a dot is there to be clicked: this one is closed.
    page.get_by_role("checkbox", name=town.t("open_only")).check()
    expect(page.locator(".number-marker")).to_have_count(2)
    before = page.locator(".place").inner_text()
    pin = page.locator(".pin").bounding_box()
    assert pin is not None
    metres_per_px = 156_543.03 * math.cos(math.radians(town.lat)) / 2**15
    dot = {"x": pin["x"] + 14, "y": pin["y"] + 34 - 450 / metres_per_px}
    popup = page.locator(".leaflet-popup")
    page.wait_for_load_state("networkidle")
    page.mouse.click(dot["x"], dot["y"])
    expect(popup).to_contain_text(f"shut {HTML}")
    town.assert_nothing_ran()
    # It was the store that was clicked, and not a door.
    assert page.locator(".place").inner_text() == before
    popup.get_by_role("link", name=town.t("store_page")).click()
    expect(page.locator(".store-card")).to_contain_text(f"shut {HTML}")


def test_the_door_moves_by_a_click_on_the_map_and_by_arrow_keys(town: Town) -> None:
    page = town.visit.open("/")
    place = page.locator(".place")
    expect(place).to_have_text(town.t("door_hint"))
    page.locator(".number-marker").first.wait_for()
    box = page.locator(".map").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 40, box["y"] + 40)
    expect(place).to_have_text(re.compile(r"^\d+\.\d{5}, \d+\.\d{5}$"))
    before = place.inner_text()
    door = page.get_by_role("button", name=town.t("pin_label"))
    door.focus()
    with page.expect_request(re.compile("/v1/stores/nearby")):
        page.keyboard.press("ArrowUp")
    now = place.inner_text()
    assert float(now.split(", ")[0]) > float(before.split(", ")[0])
    assert now.split(", ")[1] == before.split(", ")[1]


def test_nobody_is_asked_where_they_are_but_by_the_button(town: Town) -> None:
    page = town.page
    page.add_init_script(
        "navigator.geolocation.getCurrentPosition = (found, failed) => { window.asked = true; failed({code: 1}); }"
    )
    town.visit.open("/")
    page.locator("ol.stores > li").first.wait_for()
    assert page.evaluate("window.asked") is None
    page.get_by_role("button", name=town.t("where_am_i")).click()
    expect(page.get_by_role("alert")).to_have_text(town.t("location_refused"))
    assert page.evaluate("window.asked") is True


def test_goods_are_found_by_name_with_keys_and_the_list_says_who_has_them(town: Town) -> None:
    page = town.arrive()
    field = page.get_by_role("combobox", name=town.t("search_label"))
    field.press_sequentially(f"Zq{town.tag}")
    expect(page.get_by_role("option")).to_have_count(2)
    expect(field).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    chosen = page.locator(f"#{field.get_attribute('aria-activedescendant')}")
    expect(chosen).to_have_attribute("aria-selected", "true")
    name = chosen.inner_text()
    page.keyboard.press("Enter")
    expect(field).to_have_value("")
    expect(field).to_have_attribute("aria-expanded", "false")
    basket = page.get_by_role("list", name=town.t("basket"))
    expect(basket.get_by_role("listitem")).to_have_count(1)
    expect(basket).to_contain_text(name)
    basket.get_by_role("button", name=town.t("take_out", name=name)).click()
    expect(basket.get_by_role("listitem")).to_have_count(0)
    expect(field).to_be_focused()
    town.put_in("tea")
    stores = page.locator("ol.stores > li")
    expect(stores).to_have_count(3)
    expect(stores.nth(0)).to_contain_text(town.t("stock", n=5))
    town.put_in("milk")
    # The near one has none.
    expect(stores).to_have_count(2)
    expect(stores.nth(1)).to_contain_text(town.t("stock", n=20))
    town.assert_nothing_ran()


def test_goods_without_a_name_go_by_their_number(town: Town) -> None:
    sku = town.sku("plain")
    items = {"items": [{"sku": sku, "on_hand": 3}]}
    town.service.ask("PATCH", f"/v1/stores/{town.store('near')}/stock", json=items)
    page = town.arrive()
    page.get_by_role("combobox", name=town.t("search_label")).fill(sku)
    page.get_by_role("option", name=town.t("by_sku", sku=sku)).click()
    expect(page.get_by_role("list", name=town.t("basket"))).to_contain_text(sku)
    expect(page.locator("ol.stores > li")).to_have_count(1)
    expect(town.ask()).to_contain_text(f"near {HTML}")


def test_a_search_that_finds_nothing_says_so(town: Town) -> None:
    page = town.arrive()
    page.get_by_role("combobox", name=town.t("search_label")).fill("qqqq <b>zzzz</b>")
    expect(page.locator(".search").get_by_text(town.t("nothing_found", q="qqqq <b>zzzz</b>"))).to_be_visible()
    expect(page.get_by_role("option")).to_have_count(0)


def test_the_life_circle_is_an_area_with_the_stores_in_it(town: Town) -> None:
    page = town.arrive()
    toggle = page.get_by_role("button", name=town.t("circle"))
    expect(page.locator("path.area")).to_have_count(0)
    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    expect(page.locator("path.area")).to_have_count(1)
    expect(page.locator("section.circle")).to_contain_text(town.t("circle_told", n=2, minutes=60))
    page.get_by_role("radio", name=town.t("minutes_short", n=15)).check()
    told = town.service.ask("GET", "/v1/life-circle", params={**town.door, "minutes": 15})
    key = "circle_told_one" if len(told["features"]) == 2 else "circle_told"
    expect(page.locator("section.circle")).to_contain_text(town.t(key, n=len(told["features"]) - 1, minutes=15))
    toggle.click()
    expect(page.locator("path.area")).to_have_count(0)


def test_who_can_bring_it_and_why_no_other(
    town: Town, check_readable: CheckReadable, take_picture: TakePicture
) -> None:
    page = town.arrive()
    town.put_in("tea", 2)
    answer = town.ask()
    expect(town.heading("winner_title")).to_be_focused()
    body = {"destination": town.door, "lines": [{"sku": town.sku("tea"), "quantity": 2}], "strategy": "fastest"}
    quote = town.service.ask("POST", "/v1/quotes", json={**body, "explain": True, "alternatives": 2})
    assert quote["store"]["store_id"] == town.store("near")
    winner = answer.locator(".winner")
    expect(winner).to_contain_text(f"near {HTML}")
    expect(winner).to_contain_text(re.compile(r"¥\s?7\.00"))
    minutes = -(-quote["eta"]["total_s"] // 60)
    expect(winner.locator(".winner-time strong")).to_have_text(re.compile(rf"^{minutes}\b"))
    expect(answer.locator(".promise svg")).to_have_attribute("aria-label", re.compile(r"\d"))
    expect(answer.locator(".certificate")).to_contain_text(re.compile(r"\d"))
    # The other that can is an alternative; the way is drawn from the store to the door.
    expect(answer.locator(".alternatives")).to_contain_text(f"far {HTML}")
    expect(page.locator("path.way")).to_have_count(1)
    expect(page.locator(".store-marker")).to_be_visible()
    check_readable(page)
    page.emulate_media(color_scheme="dark")
    check_readable(page)
    page.emulate_media(color_scheme="light")
    take_picture(town.visit, "shopper-winner")
    town.assert_nothing_ran()
    # With another basket it is no answer any more.
    page.get_by_role("button", name=town.t("one_more", name=town.name("tea"))).click()
    expect(answer).to_be_hidden()
    expect(page.locator("path.way")).to_have_count(0)


def test_stores_that_are_passed_over_are_told_with_the_reason(town: Town) -> None:
    page = town.arrive()
    town.put_in("milk")
    answer = town.ask()
    expect(answer.locator(".winner")).to_contain_text(f"far {HTML}")
    answer.get_by_text(town.t("passed_over", n=2)).click()
    passed = answer.locator("details.passed")
    expect(passed).to_contain_text(town.t("why_none", name=town.name("milk")))
    expect(passed.locator(".passed-store").nth(0)).to_contain_text(f"near {HTML}")
    expect(passed.locator(".passed-store").nth(1)).to_contain_text(f"shut {HTML}")
    expect(passed.locator(".reasons")).to_contain_text("1")
    # Of goods without a price none is made up.
    expect(answer.locator(".winner")).to_contain_text(town.t("price_unknown"))
    expect(page.locator(".total")).to_have_count(0)


def test_when_nobody_can_it_says_why_and_what_would_help(town: Town, check_readable: CheckReadable) -> None:
    page = town.arrive()
    town.put_in("tea")
    count = page.get_by_label(town.t("quantity_of", name=town.name("tea")))
    count.fill("60")
    count.press("Tab")
    answer = town.ask()
    expect(town.heading("none_title")).to_be_focused()
    expect(answer).to_contain_text(town.t("no_store", minutes=60))
    expect(answer).to_contain_text(town.t("nearest_miss"))
    check_readable(page)
    before, after = town.t("help_fewer", name=town.name("tea")).split("{n}")
    help_with = answer.get_by_role("button").filter(has_text=after)
    fewer = help_with.inner_text().removeprefix(before).removesuffix(after)
    assert 0 < int(fewer) <= 50
    help_with.click()
    expect(town.heading("winner_title")).to_be_visible()
    expect(count).to_have_value(fewer)


def test_nothing_is_wider_than_a_small_phone(town: Town) -> None:
    page = town.page
    page.set_viewport_size({"width": 360, "height": 640})
    town.arrive()
    town.put_in("tea")
    town.ask()
    wide = page.evaluate(
        """() => [document.documentElement.scrollWidth, document.querySelector(".panel").scrollWidth,
                  document.documentElement.scrollHeight]"""
    )
    assert wide[0] <= 360
    assert wide[1] <= 360
    assert wide[2] <= 640
