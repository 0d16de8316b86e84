"""The first minute of somebody who opens the address that `make run` prints: nothing is prepared for it."""

import re

from playwright.sync_api import expect

from tests.browser.chromium import Visit
from tests.browser.conftest import CheckReadable, TakePicture
from tests.browser.page_words import words_of
from tests.browser.service import Service

GOODS = {"en": "sparkling water", "zh": "气泡水"}


def test_a_stranger_sees_the_city_asks_and_orders(
    visit: Visit, service: Service, check_readable: CheckReadable, take_picture: TakePicture
) -> None:
    t = words_of("shopper", visit.language)
    page = visit.open("/")
    page.get_by_role("button", name=t["where_am_i"]).click()
    page.get_by_text("37.87020, 112.54890").wait_for()
    expect(page.locator("ol.stores > li").first).to_be_visible()
    expect(page.locator(".leaflet-tile-loaded").first).to_be_attached()
    take_picture(visit, "city")
    page.get_by_role("combobox", name=t["search_label"]).press_sequentially(GOODS[visit.language])
    page.get_by_role("option").first.click()
    page.get_by_role("button", name=t["ask"]).click()
    answer = page.locator("section.answer")
    answer.wait_for()
    # By the hour of the day the nearest that can may be far, but some stores of the city never close.
    expect(answer).to_contain_text(t["winner_title"])
    expect(answer.locator(".promise rect")).to_have_count(5)
    page.wait_for_timeout(600)  # the map moves to the way
    take_picture(visit, "winner")
    check_readable(page)
    page.get_by_role("button", name=t["order"], exact=True).click()
    page.get_by_role("heading", name=t["title_confirmed"], exact=True).wait_for()
    order_id = page.locator(".watching").get_by_text(re.compile(r"w-[0-9a-f]{16}-")).inner_text().split()[-1]
    order = service.ask("GET", f"/v1/orders/{order_id}")
    assert (order["status"], order["channel"]) == ("confirmed", "web")
    assert service.ask("GET", f"/v1/orders/{order_id}/delivery-note")["route"]["properties"]["travel_source"] == "osrm"
    take_picture(visit, "order")
    service.ask("POST", f"/v1/orders/{order_id}/cancel")
    page.get_by_role("heading", name=t["title_cancelled"], exact=True).wait_for()
