"""The way in from a poster: a store's own page, and the campaign that goes with what is ordered there."""

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


def test_a_poster_leads_to_the_store_and_its_campaign_to_the_order(
    town: Town, check_readable: CheckReadable, take_picture: TakePicture
) -> None:
    page = town.visit.open(f"/s/{town.store('far')}?campaign=poster7")
    card = page.locator(".store-card")
    expect(card.get_by_role("heading")).to_have_text(f"far {HTML}")
    expect(card).to_contain_text(f"far street {HTML}")
    call = card.get_by_role("link", name=re.compile("0351-123 4567"))
    expect(call).to_have_attribute("href", "tel:03511234567")
    # Its own area is on the map, which is where the store is.
    expect(page.locator("path.area")).to_have_count(1)
    expect(page.locator("ol.stores > li").first).to_contain_text(f"far {HTML}")
    check_readable(page)
    page.emulate_media(color_scheme="dark")
    check_readable(page)
    page.emulate_media(color_scheme="light")
    take_picture(town.visit, "shopper-store-page")
    town.put_in("tea")
    expect(town.ask()).to_contain_text(f"far {HTML}")
    # Nobody has chosen a door, and the pin is at the store: nothing is brought there unless it is said to be right.
    expect(page.locator(".place")).to_have_text(town.t("door_hint"))
    page.get_by_role("button", name=town.t("order"), exact=True).click()
    tick = page.get_by_role("checkbox", name=town.t("door_yes"))
    expect(tick).to_be_focused()
    orders = f"/v1/orders?store_id={town.store('far')}"
    assert town.service.ask("GET", orders)["orders"] == []
    check_readable(page)
    tick.check()
    order = town.order()
    assert order["store"]["store_id"] == town.store("far")
    assert (order["channel"], order["campaign"]) == ("store_page", "poster7")
    town.assert_nothing_ran()


def test_only_what_the_store_has_is_offered_unless_any_store_may_bring_it(town: Town) -> None:
    page = town.visit.open(f"/s/{town.store('near')}")
    field = page.get_by_role("combobox", name=town.t("search_label"))
    expect(page.locator("path.area")).to_have_count(1)
    field.fill(f"Zq{town.tag}")
    expect(page.get_by_role("option")).to_have_count(1)
    expect(page.get_by_role("option")).to_contain_text(town.t("stock_here", n=5))
    field.fill(f"Zq{town.tag} milk")
    nothing = town.t("nothing_found_here", q=f"Zq{town.tag} milk")
    expect(page.locator(".search").get_by_text(nothing)).to_be_visible()
    field.fill("")
    town.put_in("tea", 9)
    answer = town.ask()
    expect(answer).to_contain_text(town.t("no_store_here", minutes=60))
    answer.get_by_role("button", name=town.t("help_any_store")).click()
    expect(town.heading("winner_title")).to_be_visible()
    expect(answer.locator(".winner")).to_contain_text(f"far {HTML}")
    expect(page.get_by_role("checkbox", name=town.t("only_here"))).not_to_be_checked()


def test_a_campaign_goes_along_to_the_map_and_back(town: Town) -> None:
    page = town.visit.open(f"/s/{town.store('near')}?campaign=poster8")
    page.get_by_role("link", name=town.t("all_stores")).click()
    expect(town.heading("nearby_title")).to_be_visible()
    town.arrive()
    town.put_in("tea")
    town.ask()
    assert town.order()["campaign"] == "poster8"


def test_a_campaign_that_is_too_long_or_odd_does_not_stand_in_the_way(town: Town) -> None:
    town.visit.open(f"/s/{town.store('near')}?campaign=%20a%00b{'x' * 90}")
    town.put_in("tea")
    town.ask()
    town.page.get_by_role("checkbox", name=town.t("door_yes")).check()
    assert town.order()["campaign"] == f"a b{'x' * 61}"


def test_a_store_that_is_not_there_leads_to_the_map(town: Town, check_readable: CheckReadable) -> None:
    page = town.visit.open(f"/s/no-such{HTML.replace('/', '')}?campaign=old")
    expect(town.heading("store_unknown")).to_be_visible()
    check_readable(page)
    assert all("404" in text for text in town.visit.wrong)
    town.visit.wrong.clear()
    town.assert_nothing_ran()
    page.get_by_role("link", name=town.t("to_the_map")).click()
    expect(town.heading("nearby_title")).to_be_visible()
