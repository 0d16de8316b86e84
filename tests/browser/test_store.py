"""The store's screen: orders come in with a sound, and are accepted, declined, made ready and handed over."""

import re
import time
from typing import Final

from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.chromium import Visit
from tests.browser.conftest import CheckReadable, TakePicture
from tests.browser.counter import HTML, TEA, Counter, open_counter
from tests.browser.service import Service

WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "live": "Live",
        "taking": "taking orders",
        "start": "Start, with sound",
        "sound_on": "Sound on",
        "sound_off": "Sound off",
        "stop": "Stop ringing",
        "new": "New",
        "preparing": "Being prepared",
        "waiting": "Waiting for the courier",
        "coming_back": "Coming back",
        "done": "Done today",
        "none_new": "No new orders",
        "accept": "Accept",
        "decline": "Decline…",
        "decline_now": "Decline",
        "ready": "Ready",
        "hand_over": "Hand over…",
        "handed_over": "Handed over",
        "back_on_shelf": "It is back on the shelf",
        "note": "Delivery note",
        "missing": "Something is missing",
        "too_busy": "Too busy",
        "say_why": "Say why first.",
        "tick": "Tick what is missing.",
        "moved": "goes to another store",
        "cancelled": "was cancelled",
        "paused": "paused until",
        "resume": "Take orders again",
        "again": "It is being sent again…",
        "late": "late",
        "qr": "QR code of the courier's page",
        "picked_up": "was picked up",
        "print": "Print",
        "route": "Route",
        "no_store": "There is no store",
        "by_itself": "It is tried again by itself.",
        "on_its_way": "on its way",
        "show_all": "Show all",
    },
    "zh": {
        "live": "实时",
        "taking": "接单中",
        "start": "开始接单（有铃声）",
        "sound_on": "铃声已开",
        "sound_off": "铃声已关",
        "stop": "停止响铃",
        "new": "新订单",
        "preparing": "备货中",
        "waiting": "待取货",
        "coming_back": "退回中",
        "done": "今日已完成",
        "none_new": "暂无新订单",
        "accept": "接单",
        "decline": "拒单…",
        "decline_now": "确认拒单",
        "ready": "备好了",
        "hand_over": "交给骑手…",
        "handed_over": "已交给骑手",
        "back_on_shelf": "货已放回货架",
        "note": "送货单",
        "missing": "缺货",
        "too_busy": "太忙了",
        "say_why": "请先选择原因。",
        "tick": "请勾选缺货的商品。",
        "moved": "已转给其他门店",
        "cancelled": "已取消",
        "paused": "暂停接单至",
        "resume": "恢复接单",
        "again": "正在重新发送…",
        "late": "已超时",
        "qr": "骑手页面的二维码",
        "picked_up": "已被骑手取走",
        "print": "打印",
        "route": "路线",
        "no_store": "没有门店",
        "by_itself": "系统会自动重试。",
        "on_its_way": "配送中",
        "show_all": "展开",
    },
}

# The sound is counted: how many tones have been started.
COUNT_TONES: Final = """
window.tones = 0;
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...when) {
  window.tones += 1;
  return start.apply(this, when);
};
"""


def tones(page: Page) -> int:
    return int(page.evaluate("window.tones"))


def await_tones(page: Page, more_than: int = 0) -> int:
    """How many there are once there are more."""
    until = time.monotonic() + 10
    while tones(page) <= more_than and time.monotonic() < until:
        page.wait_for_timeout(100)
    assert tones(page) > more_than
    return tones(page)


def see_screen(visit: Visit, counter: Counter) -> Page:
    """The screen of a store, once it is live."""
    page = visit.open(f"/store/{counter.store_id}")
    expect(page.get_by_text(WORDS[visit.language]["live"], exact=True)).to_be_visible()
    return page


def card(page: Page, order_id: str) -> Locator:
    return page.locator(f'article[data-order="{order_id}"]')


def section(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name).filter(has=page.get_by_role("heading", level=2, name=name))


def press(inside: Locator | Page, name: str) -> None:
    inside.get_by_role("button", name=name, exact=True).click()


def test_an_order_rings_and_goes_from_the_counter_to_the_courier(
    visit: Visit, service: Service, check_readable: CheckReadable, take_picture: TakePicture
) -> None:
    words = WORDS[visit.language]
    counter = open_counter(service, visit, 0)
    visit.context.add_init_script(COUNT_TONES)
    page = see_screen(visit, counter)
    expect(page.get_by_role("heading", level=1)).to_have_text("Willow corner")
    expect(page.get_by_text(words["taking"])).to_be_visible()
    expect(page.get_by_text(words["none_new"])).to_be_visible()
    check_readable(page)
    press(page, words["start"])
    expect(page.get_by_role("button", name=words["sound_on"])).to_be_visible()

    order_id = counter.order()
    new = card(page, order_id)
    expect(section(page, words["new"]).locator(new)).to_be_visible()
    expect(new.get_by_role("timer")).to_contain_text(re.compile(r"[1-5]:\d\d"))
    expect(new.get_by_role("listitem").first).to_contain_text(TEA)
    rung = await_tones(page)
    await_tones(page, rung)
    assert page.title() == ("(1) Willow corner" if visit.language == "en" else "（1）Willow corner")
    check_readable(page)
    page.emulate_media(color_scheme="dark")
    check_readable(page)
    page.emulate_media(color_scheme="light")
    take_picture(visit, "store-new-order")

    press(new, words["accept"])
    expect(section(page, words["preparing"]).locator(card(page, order_id))).to_be_visible()
    assert counter.now(order_id)["status"] == "accepted"
    assert page.title() == "Willow corner"
    silent = tones(page)
    card(page, order_id).get_by_role("checkbox", name=TEA).check()
    # Longer than the pause between two rings.
    page.wait_for_timeout(4_500)
    assert tones(page) == silent
    check_readable(page)

    page.reload()
    expect(card(page, order_id).get_by_role("checkbox", name=TEA)).to_be_checked()
    press(card(page, order_id), words["ready"])
    expect(section(page, words["waiting"]).locator(card(page, order_id))).to_be_visible()
    assert counter.now(order_id)["status"] == "ready"

    press(card(page, order_id), words["hand_over"])
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("img", name=words["qr"])).to_have_js_property("complete", True)
    check_readable(page)
    take_picture(visit, "store-hand-over")
    press(dialog, words["handed_over"])
    expect(card(page, order_id)).to_have_count(0)
    assert counter.now(order_id)["status"] == "picked_up"
    page.get_by_text(words["done"]).click()
    expect(page.locator("details").get_by_role("link")).to_have_count(1)
    check_readable(page)


def test_sound_is_off_when_it_is_muted_and_a_ring_stops_when_somebody_looks(visit: Visit, service: Service) -> None:
    words = WORDS[visit.language]
    counter = open_counter(service, visit, 1)
    visit.context.add_init_script(COUNT_TONES)
    page = see_screen(visit, counter)
    press(page, words["start"])
    counter.order()
    await_tones(page)
    press(page, words["stop"])
    rung = tones(page)
    page.wait_for_timeout(4_500)
    assert tones(page) == rung
    press(page, words["sound_on"])
    second = counter.order()
    expect(card(page, second)).to_be_visible()
    page.wait_for_timeout(1_000)
    assert tones(page) == rung
    expect(page.get_by_role("button", name=words["sound_off"])).to_be_visible()


def test_what_is_missing_is_declined_and_the_order_goes_to_the_next_store(
    visit: Visit, service: Service, check_readable: CheckReadable, take_picture: TakePicture
) -> None:
    words = WORDS[visit.language]
    counter = open_counter(service, visit, 2)
    order_id = counter.order()
    next_store = open_counter(service, visit, 2, beside=counter)
    page = see_screen(visit, counter)
    press(card(page, order_id), words["decline"])
    dialog = page.get_by_role("dialog")
    press(dialog, words["decline_now"])
    expect(dialog.get_by_role("alert")).to_have_text(words["say_why"])
    dialog.get_by_role("radio", name=words["missing"]).check()
    press(dialog, words["decline_now"])
    expect(dialog.get_by_role("alert")).to_have_text(words["tick"])
    check_readable(page)
    dialog.get_by_role("checkbox", name=TEA).check()
    take_picture(visit, "store-decline")
    press(dialog, words["decline_now"])
    expect(page.locator(".notices")).to_contain_text(words["moved"])
    expect(card(page, order_id)).to_have_count(0)
    assert counter.now(order_id)["store"]["store_id"] == next_store.store_id
    events = service.ask("GET", f"/v1/orders/{order_id}/events")["events"]
    declined = [event["detail"] for event in events if event["event"] == "declined"]
    assert declined == [{"reason": "out_of_stock", "skus": [TEA]}]
    shelf = service.ask("GET", f"/v1/stores/{counter.store_id}/stock", params={"sku": TEA})["stock"]
    assert shelf[0]["available"] == 0


def test_a_store_that_is_too_busy_pauses_and_takes_orders_again(visit: Visit, service: Service) -> None:
    words = WORDS[visit.language]
    counter = open_counter(service, visit, 3)
    order_id = counter.order()
    page = see_screen(visit, counter)
    press(card(page, order_id), words["decline"])
    page.get_by_role("dialog").get_by_role("radio", name=words["too_busy"]).check()
    press(page.get_by_role("dialog"), words["decline_now"])
    expect(page.get_by_text(words["paused"])).to_be_visible()
    assert counter.now(order_id)["status"] == "unfulfillable"
    page.reload()
    expect(page.get_by_text(words["paused"])).to_be_visible()
    press(page, words["resume"])
    expect(page.get_by_text(words["taking"])).to_be_visible()
    assert counter.now(counter.order())["status"] == "confirmed"


def test_orders_that_move_on_elsewhere_leave_the_screen_and_say_why(visit: Visit, service: Service) -> None:
    words = WORDS[visit.language]
    counter = open_counter(service, visit, 4)
    cancelled, fetched = counter.order("accepted"), counter.order("ready")
    page = see_screen(visit, counter)
    expect(card(page, fetched)).to_be_visible()
    service.ask("POST", f"/v1/orders/{cancelled}/cancel", json={})
    expect(page.locator(".notices")).to_contain_text(words["cancelled"])
    expect(card(page, cancelled)).to_have_count(0)
    # While its code is shown, the courier says so first.
    press(card(page, fetched), words["hand_over"])
    counter.act(fetched, "pick-up")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".notices")).to_contain_text(words["picked_up"])
    expect(card(page, fetched)).to_have_count(0)
    counter.act(fetched, "fail")
    back = section(page, words["coming_back"]).locator(card(page, fetched))
    press(back, words["back_on_shelf"])
    expect(card(page, fetched)).to_have_count(0)
    assert counter.now(fetched)["status"] == "returned"


def test_a_tap_on_a_bad_network_is_sent_again_and_the_screen_catches_up(visit: Visit, service: Service) -> None:
    words = WORDS[visit.language]
    counter = open_counter(service, visit, 5)
    order_id = counter.order()
    page = see_screen(visit, counter)
    lost: list[str] = []

    def lose_answers(route: Route) -> None:
        # It gets there, and its answer does not come back: the worst that a network does.
        if len(lost) < 1:
            route.fetch()
            lost.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    page.route("**/accept", lose_answers)
    press(card(page, order_id), words["accept"])
    expect(card(page, order_id)).to_contain_text(words["again"])
    expect(section(page, words["preparing"]).locator(card(page, order_id))).to_be_visible()
    assert counter.now(order_id)["status"] == "accepted"
    assert len(lost) == 1

    # Without a network for a while: what comes meanwhile is there afterwards.
    visit.context.set_offline(True)
    while_away = counter.order()
    page.wait_for_timeout(1_000)
    visit.context.set_offline(False)
    expect(card(page, while_away)).to_be_visible()
    visit.wrong[:] = [text for text in visit.wrong if "Failed to load resource" not in text]


def test_late_orders_are_marked_and_a_wrong_clock_does_not_matter(visit: Visit, service: Service) -> None:
    words = WORDS[visit.language]
    counter = open_counter(service, visit, 6, prepare_s=0, prepare_line_s=0, courier_s=0, queue_per_order_s=0)
    order_id = counter.order()
    # A phone that is an hour slow.
    page = visit.page
    page.add_init_script("const now = Date.now.bind(Date); Date.now = () => now() - 3_600_000;")
    see_screen(visit, counter)
    expect(card(page, order_id)).to_contain_text(words["late"])
    expect(card(page, order_id).get_by_role("timer")).to_contain_text(re.compile(r"^[0-5]:\d\d"))


def test_the_delivery_note_has_all_that_is_needed_and_prints(
    visit: Visit, service: Service, check_readable: CheckReadable, take_picture: TakePicture
) -> None:
    words = WORDS[visit.language]
    counter = open_counter(service, visit, 7)
    order_id = counter.order("accepted")
    page = see_screen(visit, counter)
    card(page, order_id).get_by_role("link", name=words["note"]).click()
    note = page.locator("section.note")
    for text in ("Lin", "0351 555 0100", "5F, 7 Willow Lane", "Call first", "1 Willow Road", TEA):
        expect(note.get_by_text(text, exact=True)).to_be_visible()
    expect(page.get_by_role("img", name=words["qr"])).to_have_js_property("complete", True)
    expect(page.get_by_role("region", name=words["route"])).to_be_visible()
    expect(page.locator(".place-marker")).to_have_count(2)
    check_readable(page)
    take_picture(visit, "store-note")
    page.evaluate("() => { window.printed = 0; window.print = () => { window.printed += 1; }; }")
    press(page, words["print"])
    assert page.evaluate("window.printed") == 1
    page.emulate_media(media="print")
    expect(page.get_by_role("button", name=words["print"], exact=True)).to_be_hidden()
    expect(note.get_by_text("5F, 7 Willow Lane")).to_be_visible()
    page.emulate_media(media="screen")
    page.go_back()
    expect(card(page, order_id)).to_be_visible()


def test_a_screen_that_starts_without_a_network_comes_up_by_itself(visit: Visit, service: Service) -> None:
    words = WORDS[visit.language]
    counter = open_counter(service, visit, 11)
    order_id = counter.order()
    page = visit.page
    failed: list[str] = []

    def fail_first(route: Route) -> None:
        # Of the store twice, then of its orders once.
        if sum(route.request.url == url for url in failed) < (1 if "status=" in route.request.url else 2):
            failed.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    page.route(f"**/v1/stores/{counter.store_id}", fail_first)
    page.route("**/v1/orders?*status=confirmed*", fail_first)
    visit.open(f"/store/{counter.store_id}")
    expect(page.get_by_text(words["by_itself"])).to_be_visible()
    expect(card(page, order_id)).to_be_visible()
    expect(page.get_by_text(words["by_itself"])).to_be_hidden()
    expect(page.get_by_text(words["live"], exact=True)).to_be_visible()
    assert len(failed) == 3
    visit.wrong[:] = [text for text in visit.wrong if "Failed to load resource" not in text]


def test_reading_that_fails_is_asked_for_less_and_less_often(visit: Visit, service: Service) -> None:
    counter = open_counter(service, visit, 12)
    page = see_screen(visit, counter)
    asked: list[float] = []

    def fail(route: Route) -> None:
        asked.append(time.monotonic())
        route.abort()

    page.route("**/v1/orders?*status=confirmed*", fail)
    page.evaluate("window.dispatchEvent(new Event('online'))")
    page.wait_for_timeout(11_000)
    # After pauses of 1, 2, 4 and 8 s, or half of each.
    assert 3 <= len(asked) <= 5
    assert asked[-1] - asked[-2] > 1.9
    visit.wrong[:] = [text for text in visit.wrong if "Failed to load resource" not in text]


def test_an_open_note_follows_its_order_and_forgets_the_customer_when_it_is_cancelled(
    visit: Visit, service: Service, check_readable: CheckReadable
) -> None:
    words = WORDS[visit.language]
    counter = open_counter(service, visit, 13)
    order_id = counter.order("ready")
    page = see_screen(visit, counter)
    card(page, order_id).get_by_role("link", name=words["note"]).click()
    note = page.locator("section.note")
    expect(page.locator(".place-marker")).to_have_count(2)
    code = page.get_by_role("img", name=words["qr"])
    expect(code).to_have_js_property("complete", True)
    page.evaluate("window.code = document.querySelector('img.qr')")
    counter.act(order_id, "pick-up")
    expect(note.locator(".tag").first).to_have_text(words["on_its_way"])
    # The code and the map stay where they are.
    assert page.evaluate("window.code === document.querySelector('img.qr')")
    expect(page.locator(".place-marker")).to_have_count(2)

    second = counter.order("accepted")
    page.goto(f"{visit.address}/store/{counter.store_id}#note/{second}")
    expect(note.get_by_text("5F, 7 Willow Lane")).to_be_visible()
    service.ask("POST", f"/v1/orders/{second}/cancel", json={})
    expect(note.get_by_role("alert")).to_contain_text(words["cancelled"])
    for text in ("5F, 7 Willow Lane", "Lin", "0351 555 0100"):
        expect(note.get_by_text(text)).to_have_count(0)
    expect(code).to_have_count(0)
    expect(page.locator(".place-marker")).to_have_count(0)
    expect(page.get_by_role("button", name=words["print"], exact=True)).to_be_hidden()
    check_readable(page)
    page.reload()
    expect(note.get_by_role("alert")).to_contain_text(words["cancelled"])


def test_a_note_that_is_open_goes_when_the_order_moves_to_another_store(visit: Visit, service: Service) -> None:
    words = WORDS[visit.language]
    counter = open_counter(service, visit, 14)
    order_id = counter.order("accepted")
    open_counter(service, visit, 14, beside=counter)
    page = see_screen(visit, counter)
    card(page, order_id).get_by_role("link", name=words["note"]).click()
    note = page.locator("section.note")
    expect(note.get_by_text("5F, 7 Willow Lane")).to_be_visible()
    # While the screen is not connected, so that it learns of it only when it is live again.
    visit.context.set_offline(True)
    counter.act(order_id, "decline", reason="too_busy")
    page.wait_for_timeout(500)
    visit.context.set_offline(False)
    expect(note.get_by_role("alert")).to_be_visible()
    expect(note.get_by_text("5F, 7 Willow Lane")).to_have_count(0)
    visit.wrong[:] = [text for text in visit.wrong if "Failed to load resource" not in text]


def test_a_long_wish_does_not_push_accept_out_of_sight(visit: Visit, service: Service) -> None:
    words = WORDS[visit.language]
    counter = open_counter(service, visit, 15)
    long, short = counter.order(customer={"note": "Ring twice, then wait. " * 20}), counter.order()
    visit.page.set_viewport_size({"width": 360, "height": 700})
    page = see_screen(visit, counter)
    wish = card(page, long).locator(".wish")
    expect(card(page, short).locator(".wish")).to_have_text("Call first")
    more = card(page, long).get_by_role("button", name=words["show_all"])
    expect(more).to_be_visible()
    expect(card(page, short).get_by_role("button", name=words["show_all"])).to_be_hidden()
    top = card(page, long).bounding_box()
    accept = card(page, long).get_by_role("button", name=words["accept"], exact=True).bounding_box()
    assert top is not None
    assert accept is not None
    assert accept["y"] + accept["height"] - top["y"] < 560
    more.click()
    assert wish.evaluate("(element) => element.scrollHeight <= element.clientHeight + 1")


def test_goods_are_called_by_their_names(visit: Visit, service: Service) -> None:
    counter = open_counter(service, visit, 10)
    [item] = service.ask("GET", "/v1/items", params={"q": "tea", "limit": 1})["items"]
    assert item["name"] is not None
    shelf = {"items": [{"sku": item["sku"], "on_hand": 9}]}
    service.ask("PATCH", f"/v1/stores/{counter.store_id}/stock", json=shelf)
    order_id = counter.order(lines=[{"sku": item["sku"], "quantity": 3}])
    page = see_screen(visit, counter)
    expect(card(page, order_id).get_by_role("listitem")).to_contain_text(item["name"])
    card(page, order_id).get_by_role("link", name=WORDS[visit.language]["note"]).click()
    expect(page.get_by_role("cell", name=item["name"])).to_be_visible()


def test_names_and_notes_with_html_are_shown_as_they_are_written(visit: Visit, service: Service) -> None:
    words = WORDS[visit.language]
    counter = open_counter(service, visit, 8, name=HTML, address=HTML)
    customer = {"name": HTML, "phone": HTML, "address": HTML, "note": HTML}
    order_id = counter.order(customer=customer)
    page = see_screen(visit, counter)
    expect(page.get_by_role("heading", level=1)).to_have_text(HTML)
    expect(card(page, order_id).get_by_text(HTML)).to_have_count(2)
    card(page, order_id).get_by_role("link", name=words["note"]).click()
    expect(page.locator("section.note").get_by_text(HTML)).to_have_count(6)
    assert page.evaluate("window.intruder") is None
    assert page.locator("img[src=x]").count() == 0


def test_a_store_that_is_not_there_is_said_to_be_so(visit: Visit, check_readable: CheckReadable) -> None:
    page = visit.open("/store/nowhere")
    heading = page.get_by_role("heading", level=2)
    expect(heading).to_contain_text(WORDS[visit.language]["no_store"])
    expect(heading).to_contain_text("nowhere")
    check_readable(page)
    # The browser notes by itself that the answer was 404.
    visit.wrong[:] = [text for text in visit.wrong if "404" not in text]


def test_nothing_is_wider_than_a_small_phone_and_buttons_are_large_enough(visit: Visit, service: Service) -> None:
    counter = open_counter(service, visit, 9, name="A name that goes on and on until it does not fit in any line of it")
    order_id = counter.order(customer={"name": "x" * 200, "note": "y" * 300})
    page = visit.page
    page.set_viewport_size({"width": 360, "height": 700})
    see_screen(visit, counter)
    expect(card(page, order_id)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    small = page.evaluate(
        """() => [...document.querySelectorAll("main button, main a.button, .topbar button")]
          .filter((element) => element.checkVisibility() && element.getBoundingClientRect().height < 44)
          .map((element) => element.textContent)"""
    )
    assert small == []
