"""The ops console: files checked, applied and undone; stores and coverage; live orders; shelves; the state of all."""

import re
import time
from email.utils import formatdate
from typing import Any, Final

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.chromium import Visit
from tests.browser.conftest import CheckReadable, TakePicture
from tests.browser.service import Service

SHOUT: Final = '<img src=x onerror="window.intruder=1">'
# Each reader has a neighbourhood of their own, so that none sees what the others do.
LATS: Final = {"desk-en": 35.0, "desk-zh": 35.2, "phone-en": 35.4, "phone-zh": 35.6}
LON: Final = 112.5
WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "imports": "Imports", "map": "Map", "orders": "Orders", "stock": "Stock", "health": "Health",
        "kind_stock": "Stock", "check": "Check the file", "as_of": "Counted when?", "datum": "Coordinates are in",
        "not_counted": "does not say when the stock was counted", "checked": "Nothing has been changed yet",
        "apply": "Apply", "applied": "Applied.", "undo": "Undo", "undone": "What was before is back",
        "partner": "Partner",
        "New": "New", "Changed": "Changed", "Removed": "Removed", "Bad rows": "Bad rows", "Rows": "Rows",
        "choose_datum": "Choose a datum and check again", "changed_since": "has changed since the check",
        "mode": "Mode", "whole_list": "The file is the whole list", "csv": "Download as CSV",
        "xlsx": "Download as XLSX",
        "out": "out of service", "find_store": "Find a store by its id", "find": "Find",
        "no_store": "There is no store",
        "draw": "Draw", "drawn": "The area is drawn", "poster": "QR code for a poster", "campaign": "Campaign",
        "download": "Download SVG", "show_coverage": "Show coverage", "served": "places are served within",
        "unserved": "None of the", "take_off": "Take it off", "with_item": "With this item", "within": "Within",
        "cancel": "Cancel", "live": "Live", "one_new": "1 new order", "just_in": "just in", "more": "Show more",
        "many_new": "More than 100 new orders", "changed": "changed",
        "accepted": "being prepared", "reassign": "Give to another store", "this_store": "This store",
        "store_id": "Store id",
        "give": "Give it there", "is_at": "It is at", "cancel_order": "Cancel the order",
        "is_cancelled": "It is cancelled.",
        "courier": "Link for the courier", "close": "Close", "note": "Delivery note", "late": "late by",
        "cancelled": "cancelled", "again": "Try again",
        "show_shelf": "Show its shelf", "count": "Count", "pieces": "Pieces on the shelf", "save": "Save the count",
        "counted": "9 counted", "withheld": "Withheld", "release_all": "Release all that is withheld",
        "release": "Release",
        "released": "1 rows are offered again", "whole": "A whole number", "find_item": "Find an item",
        "from": "Closed from",
        "until": "Until", "reason": "Reason (for people)", "add": "Add closure", "take_back": "Take back",
        "none_closed": "None to come.", "must_end": "It must end after it begins.", "resume": "Take orders again",
        "resumed": "The store takes orders again.", "database": "Database", "gone": "cannot be reached",
        "uploads": "Uploads", "are_late": "late", "no_more": "That is no longer possible",
    },
    "zh": {
        "imports": "导入", "map": "地图", "orders": "订单", "stock": "库存", "health": "运行状态",
        "kind_stock": "库存", "check": "试算", "as_of": "盘点时间", "datum": "坐标系",
        "not_counted": "文件里没有盘点时间", "checked": "尚未改动任何数据",
        "apply": "应用", "applied": "已应用。", "undo": "撤销", "undone": "恢复到导入之前", "partner": "合作方",
        "New": "新增", "Changed": "变更", "Removed": "移除", "Bad rows": "错误行", "Rows": "总行数",
        "choose_datum": "选择坐标系后重新试算", "changed_since": "文件涉及的数据有变动",
        "mode": "方式", "whole_list": "全量", "csv": "下载 CSV", "xlsx": "下载 XLSX",
        "out": "下线", "find_store": "按编号查找门店", "find": "查找", "no_store": "没有编号为",
        "draw": "画出", "drawn": "已画出", "poster": "海报二维码", "campaign": "活动名称",
        "download": "下载 SVG", "show_coverage": "显示覆盖", "served": "能在 30 分钟内送达",
        "unserved": "都无法在", "take_off": "清除", "with_item": "指定商品", "within": "时限",
        "cancel": "取消", "live": "实时", "one_new": "1 个新订单", "just_in": "刚到",
        "more": "加载更多", "many_new": "100 个以上新订单",
        "changed": "有变化",
        "accepted": "备货中", "reassign": "改派门店", "this_store": "指定门店", "store_id": "门店编号",
        "give": "确认改派", "is_at": "已改派到", "cancel_order": "取消订单", "is_cancelled": "订单已取消。",
        "courier": "骑手链接", "close": "关闭", "note": "送货单", "late": "超时", "cancelled": "已取消",
        "again": "重试",
        "show_shelf": "查看货架", "count": "登记数量", "pieces": "货架上的件数", "save": "保存",
        "counted": "已登记 9 件", "withheld": "暂停销售", "release_all": "全部恢复销售", "release": "恢复销售",
        "released": "1 种商品已恢复销售", "whole": "请填 0 或以上的整数", "find_item": "查找商品", "from": "停业开始",
        "until": "恢复营业", "reason": "原因（供人查看）", "add": "添加停业", "take_back": "取消停业",
        "none_closed": "没有停业安排。", "must_end": "结束时间须晚于开始时间。", "resume": "恢复接单",
        "resumed": "门店已恢复接单。", "database": "数据库", "gone": "无法连接服务",
        "uploads": "数据上传", "are_late": "迟交", "no_more": "无法操作",
    },
}  # fmt: skip


# Several browsers and services at once may share few cores.
expect.set_options(timeout=15_000)


NARROW_PX: Final = 500
# What reaches beyond the right edge of the screen, and is not in something that scrolls or is cut by itself.
TOO_WIDE: Final = """() => {
  const main = document.getElementById("main");
  if (main.scrollWidth <= main.clientWidth && document.documentElement.scrollWidth <= innerWidth) return [];
  return [...document.querySelectorAll("body *")].filter((one) => one.getBoundingClientRect().right > innerWidth + 0.5)
    .map((one) => `${one.tagName} ${one.className} ${one.textContent.slice(0, 40)}`);
}"""


class Ops:
    """A reader of the console, and the part of the world that is theirs."""

    def __init__(self, visit: Visit, service: Service, story: str) -> None:
        self.visit, self.service = visit, service
        self.page: Page = visit.page
        self.said = WORDS[visit.language]
        self.tag = f"{story}-{visit.size}-{visit.language}"
        self.lat = LATS[f"{visit.size}-{visit.language}"]

    def open(self, place: str = "") -> Page:
        page = self.visit.open(f"/ops{place}")
        page.get_by_role("navigation").wait_for()
        return page

    def go(self, view: str) -> None:
        self.page.get_by_role("navigation").get_by_role("link", name=self.said[view], exact=True).click()

    def button(self, name: str, *, exact: bool = True) -> Locator:
        return self.page.get_by_role("button", name=self.said[name], exact=exact)

    def put_store(self, key: str, *, north: float = 0.0, **fields: Any) -> str:
        """A store of this story, open round the clock; its id."""
        store_id = f"{self.tag}-{key}"
        body = {"lat": self.lat + north, "lon": LON, "opening_hours": "24/7", "queue_per_order_s": 0} | fields
        self.service.ask("PUT", f"/v1/stores/{store_id}", json=body)
        return store_id

    def put_stock(self, store_id: str, **on_hand: int) -> None:
        items = [{"sku": sku, "on_hand": count, "price": 350, "currency": "CNY"} for sku, count in on_hand.items()]
        self.service.ask("PUT", f"/v1/stores/{store_id}/stock", json={"items": items})

    def put_order(self, number: int, store_id: str, *, north: float = 0.001, **fields: Any) -> str:
        """A confirmed order of one tea at that store; its id."""
        order_id = f"{self.tag}-{number:03}"
        body = {
            "destination": {"lat": self.lat + north, "lon": LON + 0.001},
            "lines": [{"sku": "tea", "quantity": 1}],
            "only_stores": [store_id],
            "hold_s": 0,
        }
        self.service.ask("PUT", f"/v1/orders/{order_id}", json=body | fields)
        return order_id

    def order(self, order_id: str) -> dict[str, Any]:
        told: dict[str, Any] = self.service.ask("GET", f"/v1/orders/{order_id}")
        return told

    def shelf(self, store_id: str) -> dict[str, dict[str, Any]]:
        return {row["sku"]: row for row in self.service.ask("GET", f"/v1/stores/{store_id}/stock")["stock"]}

    def choose_file(self, name: str, *lines: str) -> None:
        content = "\n".join(lines).encode()
        self.page.locator("#import-file").set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})
        expect(self.page.get_by_text(name, exact=True).first).to_be_visible()

    def counted(self, name: str) -> Locator:
        """The figure beside a count's name."""
        group = self.page.locator(".counts div").filter(has=self.page.get_by_text(self.said[name], exact=True))
        return group.get_by_role("definition")

    def import_id(self) -> str:
        found = re.search(r"#imports/(\w+)", self.page.url)
        assert found is not None, self.page.url
        return found[1]

    def confirm(self, name: str) -> None:
        """Press what a dialog asks for."""
        self.page.get_by_role("dialog").get_by_role("button", name=self.said[name], exact=True).click()

    def forgive(self, status: int) -> None:
        """That a request was refused, which the story wants, the browser's console tells as an error."""
        told = [text for text in self.visit.wrong if f"status of {status}" in text]
        assert told, self.visit.wrong
        self.visit.wrong[:] = [text for text in self.visit.wrong if text not in told]


def check_both(page: Page, check_readable: CheckReadable) -> None:
    """Readable in light and dark, and no wider than the screen."""
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        check_readable(page)
    size = page.viewport_size
    assert size is not None
    if size["width"] < NARROW_PX:
        page.set_viewport_size({"width": 360, "height": 780})
    assert page.evaluate(TOO_WIDE) == []
    page.set_viewport_size(size)
    assert page.evaluate("window.intruder === undefined")


# ── imports ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_is_checked_then_applied_then_undone(
    visit: Visit, service: Service, check_readable: CheckReadable, take_picture: TakePicture
) -> None:
    ops = Ops(visit, service, "file")
    partner = f"chain-{ops.tag}"
    moved = ops.put_store("moved", partner=partner, name="滨河路店 Riverside")
    kept = ops.put_store("kept", north=0.004, partner=partner, name="Kept")
    gone = ops.put_store("gone", north=0.008, partner=partner, name="Gone")
    new = f"{ops.tag}-new"
    page = ops.open()
    check_both(page, check_readable)
    ops.choose_file(
        f"stores-{ops.tag}.csv",
        "store_id,name,lat,lon,datum,opening_hours",
        f"{moved},滨河路店 Riverside,{ops.lat + 0.002},{LON},wgs84,24/7",
        f"{kept},Kept anew,{ops.lat + 0.004},{LON},wgs84,24/7",
        f"{new},New one,{ops.lat + 0.006},{LON + 0.01},wgs84,24/7",
    )
    page.get_by_label(ops.said["partner"]).fill(partner)
    mode = page.get_by_label(ops.said["mode"], exact=True)
    mode.select_option("replace")
    ops.button("check").click()

    expect(page.get_by_text(ops.said["checked"]).first).to_be_visible()
    for name, count in (("Rows", "3"), ("New", "1"), ("Changed", "2"), ("Removed", "1"), ("Bad rows", "0")):
        expect(ops.counted(name)).to_have_text(count)
    changes = page.get_by_role("table")
    expect(changes.get_by_role("row").filter(has_text=new)).to_contain_text("New one")
    expect(changes.get_by_role("row").filter(has_text=moved)).to_contain_text("22")  # some 220 m
    expect(changes.get_by_role("row").filter(has_text=gone)).to_contain_text(ops.said["out"])
    expect(page.locator(".changes-map canvas").first).to_be_visible()
    assert service.http.get(f"/v1/stores/{new}").status_code == 404
    check_both(page, check_readable)
    take_picture(visit, "ops-dry-run")
    dry_run = ops.import_id()

    ops.button("apply").click()
    expect(page.get_by_text(ops.said["applied"]).first).to_be_visible()
    applied = ops.import_id()
    assert applied != dry_run
    told = service.ask("GET", f"/v1/imports/{applied}")
    assert (told["applies"], told["created"], told["removed"], told["partner"]) == (dry_run, 1, 1, partner)
    wait_for_stores(service, {new: True, gone: False})

    ops.button("undo").click()
    check_readable(page)
    ops.confirm("cancel")
    assert service.ask("GET", f"/v1/imports/{applied}")["status"] == "done"
    ops.button("undo").click()
    ops.confirm("undo")
    expect(page.get_by_text(ops.said["undone"]).first).to_be_visible()
    assert service.ask("GET", f"/v1/imports/{applied}")["status"] == "undone"
    wait_for_stores(service, {new: False, gone: True})

    # The list has all of it, and the way back leads to where one was.
    page.go_back()
    expect(page.get_by_text(ops.said["checked"]).first).to_be_visible()
    ops.go("map")
    ops.go("imports")
    expect(page.locator(".past-import").filter(has_text=f"stores-{ops.tag}.csv")).to_have_count(2)


def wait_for_stores(service: Service, wanted: dict[str, bool]) -> None:
    """Until these stores are in service, or are not."""
    until = time.monotonic() + 10
    there: dict[str, bool] = {}
    while there != wanted and time.monotonic() < until:
        there = {store_id: service.http.get(f"/v1/stores/{store_id}").is_success for store_id in wanted}
        time.sleep(0.05)
    assert there == wanted


def test_a_problem_of_the_upload_stands_at_the_field_that_mends_it(
    visit: Visit, service: Service, check_readable: CheckReadable
) -> None:
    ops = Ops(visit, service, "field")
    store_id = ops.put_store("a", partner=f"chain-{ops.tag}")
    page = ops.open()
    # Dropped, rather than chosen.
    dropped = page.evaluate_handle(
        """([name, text]) => {
          const held = new DataTransfer();
          held.items.add(new File([text], name, { type: "text/csv" }));
          return held;
        }""",
        ["stock-count.csv", f"store_id,sku,on_hand\n{store_id},tea,5\nnowhere-{ops.tag},tea,5\n"],
    )
    page.locator(".drop").dispatch_event("drop", {"dataTransfer": dropped})
    # What is in it is guessed by its name.
    assert page.get_by_role("radio", name=ops.said["kind_stock"], exact=True).is_checked()
    page.get_by_label(ops.said["partner"]).fill(f"chain-{ops.tag}")
    ops.button("check").click()
    counted = page.get_by_label(ops.said["as_of"], exact=True)
    expect(counted).to_be_focused()
    expect(page.get_by_text(ops.said["not_counted"])).to_be_visible()
    assert counted.get_attribute("aria-invalid") == "true"
    ops.forgive(422)
    check_both(page, check_readable)

    counted.select_option("now")
    ops.button("check").click()
    expect(page.get_by_text(ops.said["checked"]).first).to_be_visible()
    expect(ops.counted("New")).to_have_text("1")
    expect(ops.counted("Bad rows")).to_have_text("1")
    expect(page.get_by_role("row").filter(has_text="unknown_store")).to_contain_text("3")
    for name, ending in (("csv", "csv"), ("xlsx", "xlsx")):
        with page.expect_download() as download:
            page.get_by_role("link", name=ops.said[name], exact=True).click()
        assert download.value.suggested_filename.endswith(f".{ending}")
    assert ops.shelf(store_id) == {}
    check_both(page, check_readable)

    # Somebody counts in between: nothing is applied, and it is said why.
    ops.put_stock(store_id, tea=3)
    ops.button("apply").click()
    expect(page.get_by_role("alert")).to_contain_text(ops.said["changed_since"])
    ops.forgive(409)
    assert ops.shelf(store_id)["tea"]["on_hand"] == 3


def test_places_without_a_datum_lead_back_to_it(visit: Visit, service: Service) -> None:
    ops = Ops(visit, service, "datum")
    page = ops.open()
    store_id = f"{ops.tag}-a"
    ops.choose_file("stores.csv", "store_id,name,lat,lon", f"{store_id},A,{ops.lat},{LON}")
    page.get_by_label(ops.said["partner"]).fill(f"chain-{ops.tag}")
    ops.button("check").click()
    expect(ops.counted("Bad rows")).to_have_text("1")
    ops.button("choose_datum").click()
    datum = page.get_by_label(ops.said["datum"], exact=True)
    expect(datum).to_be_focused()
    datum.select_option("gcj02")
    ops.button("check").click()
    expect(ops.counted("New")).to_have_text("1")
    ops.button("apply").click()
    expect(page.get_by_text(ops.said["applied"]).first).to_be_visible()
    wait_for_stores(service, {store_id: True})
    # Declared as GCJ-02, it lies some hundred metres west of where the figures of the file would be in WGS84.
    assert 100 < (LON - service.ask("GET", f"/v1/stores/{store_id}")["lon"]) * 90_000 < 1_000


def test_an_outage_during_an_import_is_told_and_its_map_opens_at_the_second_try(visit: Visit, service: Service) -> None:
    ops = Ops(visit, service, "outage")
    partner = f"chain-{ops.tag}"
    header = "store_id,name,lat,lon,datum,opening_hours"
    lines = [header, f"{ops.tag}-a,A,{ops.lat},{LON},wgs84,24/7", f"{ops.tag}-b,B,{ops.lat},x,wgs84,24/7"]
    asked = {"dry_run": "true", "partner": partner}
    begun = service.ask("POST", "/v1/imports/stores", params=asked, content="\n".join(lines).encode())
    path = f"/v1/imports/{begun['import_id']}"
    until = time.monotonic() + 10
    while (told := service.ask("GET", path))["status"] == "running" and time.monotonic() < until:
        time.sleep(0.05)
    page = ops.visit.page
    is_away = False

    def answer(route: Route) -> None:
        if is_away:
            route.abort()
        else:
            route.fulfill(json=told | {"status": "running", "progress": 0.5})

    page.route(f"**{path}", answer)
    page.route(f"**{path}/changes*", lambda route: route.fulfill(status=500, json={}))
    ops.open(f"#imports/{begun['import_id']}")
    expect(page.get_by_role("progressbar")).to_be_visible()
    is_away = True
    expect(page.get_by_role("alert")).to_contain_text(ops.said["gone"])
    is_away = False
    expect(page.get_by_role("alert")).to_have_count(0)
    page.unroute(f"**{path}")

    again = page.get_by_role("button", name=ops.said["again"])
    expect(again).to_be_visible()
    page.unroute(f"**{path}/changes*")
    again.click()
    expect(page.locator(".changes-map canvas").first).to_be_visible()
    expect(page.get_by_role("row").filter(has_text=f"{ops.tag}-a").first).to_be_visible()
    # What only the service has words for is marked as the English that it is.
    message = page.get_by_role("row").filter(has_text="number_invalid")
    expect(message.locator("[lang=en]")).to_have_count(1 if visit.language == "zh" else 0)
    ops.forgive(500)
    visit.wrong[:] = [text for text in visit.wrong if "ERR_FAILED" not in text]


# ── the map ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_store_is_found_and_its_circle_and_code_are_drawn(
    visit: Visit, service: Service, check_readable: CheckReadable, take_picture: TakePicture
) -> None:
    ops = Ops(visit, service, "card")
    name = "滨河路店 Riverside"
    store_id = ops.put_store("a", name=name, delivery_radius_m=2000)
    page = ops.open("#map")
    expect(page.get_by_role("link", name=re.compile("PT-|NH-|WB-|店")).first).to_be_visible()
    page.get_by_label(ops.said["find_store"]).fill("no-such-store")
    ops.button("find").click()
    expect(page.get_by_role("alert")).to_contain_text(ops.said["no_store"])
    ops.forgive(404)

    page.get_by_label(ops.said["find_store"]).fill(store_id)
    ops.button("find").click()
    card = page.get_by_role("region", name=name)
    expect(card.get_by_role("heading", name=name)).to_be_visible()
    expect(card).to_contain_text("24/7")
    expect(card.get_by_role("link", name=ops.said["stock"], exact=True)).to_have_attribute("href", f"#stock/{store_id}")
    ops.button("draw").click()
    expect(card.get_by_text(ops.said["drawn"])).to_be_visible()

    card.get_by_text(ops.said["poster"]).click()
    card.get_by_label(ops.said["campaign"]).fill("spring")
    image = card.get_by_role("img")
    expect(image).to_be_visible()
    link = card.get_by_role("link", name=ops.said["download"])
    expect(link).to_have_attribute("download", f"{store_id}-spring.svg")
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    check_both(page, check_readable)
    take_picture(visit, "ops-store")
    # A code that comes late is not that of the text which stands there by then.
    held: list[Route] = []
    page.route("**/qr.svg?campaign=late", lambda route: held.append(route))
    with page.expect_request("**/qr.svg?campaign=late"):
        card.get_by_label(ops.said["campaign"]).fill("late")
    card.get_by_label(ops.said["campaign"]).fill("now")
    expect(link).to_have_attribute("download", f"{store_id}-now.svg")
    held[0].continue_()
    page.wait_for_timeout(500)
    expect(link).to_have_attribute("download", f"{store_id}-now.svg")
    card.get_by_role("button", name=ops.said["close"], exact=True).click()
    expect(card).not_to_be_visible()
    expect(page.get_by_label(ops.said["find_store"])).to_be_focused()


def test_coverage_is_shown_as_hexagons_and_told_in_words(
    visit: Visit, service: Service, check_readable: CheckReadable, take_picture: TakePicture
) -> None:
    ops = Ops(visit, service, "cover")
    store_id = ops.put_store("a", delivery_radius_m=600)
    ops.put_stock(store_id, **{f"rare{ops.tag}": 3})
    page = ops.open(f"#map/{store_id}")
    expect(page.get_by_role("region", name=re.compile(".")).get_by_text("24/7")).to_be_visible()
    page.get_by_label(ops.said["within"], exact=True).select_option("30")
    page.get_by_label(ops.said["with_item"]).fill(f"rare{ops.tag}")
    ops.button("show_coverage").click()
    legend = page.locator(".bands")
    expect(legend).to_be_visible()
    told = [int(text.replace(",", "")) for text in legend.locator(".end").all_inner_texts()]
    assert told[-1] > 0, "what lies beyond its radius is not served"
    assert sum(told[:-1]) > 0, "its own place is"
    assert sum(told) < 3_500
    check_both(page, check_readable)
    # A hexagon that is clicked tells who is there, and when.
    box = page.locator(".stores-map").bounding_box()
    assert box is not None
    page.locator(".stores-map").click(position={"x": box["width"] / 2 + 20, "y": box["height"] / 2 + 20})
    expect(page.locator(".leaflet-popup")).to_contain_text(store_id)

    page.get_by_label(ops.said["with_item"]).fill("nobody has this")
    ops.button("show_coverage").click()
    expect(page.get_by_text(ops.said["unserved"])).to_be_visible()
    ops.button("take_off").click()
    expect(legend).not_to_be_visible()

    # The city of the demo, with what every store has: some are open at every hour.
    page.goto(f"{visit.address}/ops")
    ops.open("#map")
    ops.button("show_coverage").click()
    expect(page.get_by_text(ops.said["served"])).to_be_visible(timeout=60_000)
    take_picture(visit, "ops-coverage")


# ── orders ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_orders_come_in_by_themselves_and_nothing_jumps(
    visit: Visit, service: Service, check_readable: CheckReadable, take_picture: TakePicture
) -> None:
    ops = Ops(visit, service, "live")
    store_id = ops.put_store("a", name="滨河路店 Riverside")
    ops.put_stock(store_id, tea=100)
    placed = [ops.put_order(number, store_id) for number in range(25)]
    page = ops.open(f"#orders?store={store_id}")
    rows = page.locator(".orders-list a")
    expect(rows).to_have_count(25)
    expect(rows.first).to_contain_text(placed[-1])
    expect(page.get_by_text(ops.said["live"], exact=True)).to_be_visible()

    # One that comes while the beginning is looked at stands at the top.
    came = ops.put_order(30, store_id)
    expect(rows.first).to_contain_text(came)
    expect(rows.first).to_contain_text(ops.said["just_in"])
    # What changes does so in its place, with a mark.
    service.ask("POST", f"/v1/orders/{placed[-1]}/accept", json={"attempt": 1})
    expect(rows.nth(1)).to_contain_text(ops.said["accepted"])
    expect(rows.nth(1)).to_contain_text(ops.said["changed"])
    expect(rows.nth(1)).to_contain_text(placed[-1])
    check_both(page, check_readable)
    take_picture(visit, "ops-orders")

    # While somebody reads further down, a new one waits, and nothing moves.
    page.evaluate("document.getElementById('main').scrollTop = 400")
    read = rows.nth(10)
    before = read.bounding_box()
    waiting = ops.put_order(31, store_id)
    button = page.get_by_role("button", name=ops.said["one_new"])
    expect(button).to_be_visible()
    assert read.bounding_box() == before
    expect(rows).to_have_count(26)
    button.click()
    expect(rows.first).to_contain_text(waiting)
    assert page.evaluate("document.getElementById('main').scrollTop") == 0

    # By status: a filter of the address, so that the way back leads out of it.
    page.locator(".chips").get_by_role("link", name=re.compile(ops.said["accepted"])).click()
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text(placed[-1])
    page.go_back()
    expect(rows).to_have_count(27)


def test_an_order_is_looked_into_moved_and_cancelled(
    visit: Visit, service: Service, check_readable: CheckReadable, take_picture: TakePicture
) -> None:
    ops = Ops(visit, service, "order")
    first = ops.put_store("first", name="滨河路店 Riverside")
    second = ops.put_store("second", north=0.003, name="Second")
    for store_id in (first, second):
        ops.put_stock(store_id, tea=10)
    order_id = ops.put_order(1, first, campaign="poster")
    page = ops.open(f"#orders?store={first}")
    page.locator(".orders-list a").first.click()
    details = page.get_by_role("complementary")
    expect(details.get_by_role("heading", name=order_id)).to_be_focused()
    expect(details).to_contain_text("Riverside")
    expect(details).to_contain_text("poster")
    expect(details.locator(".promise svg")).to_be_visible()
    expect(details.locator(".timeline li")).to_have_count(1)
    check_both(page, check_readable)
    take_picture(visit, "ops-order")

    # To the store that is named.
    ops.button("reassign").click()
    ops.page.get_by_role("dialog").get_by_label(ops.said["store_id"]).fill(second)
    check_readable(page)
    ops.confirm("give")
    expect(details.get_by_text(ops.said["is_at"])).to_be_visible()
    assert ops.order(order_id)["store"]["store_id"] == second
    expect(details.locator(".timeline li")).to_have_count(2)

    # What happens elsewhere is seen here.
    service.ask("POST", f"/v1/orders/{order_id}/accept", json={"attempt": 2})
    expect(details.locator(".timeline li")).to_have_count(3)

    ops.button("courier").click()
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_role("textbox").input_value().startswith(f"{service.address}/c/")
    expect(dialog.locator("img")).to_be_visible()
    check_readable(page)
    dialog.get_by_role("button", name=ops.said["close"], exact=True).click()
    with visit.context.expect_page() as opened:
        details.get_by_role("link", name=ops.said["note"]).click()
    opened.value.wait_for_load_state()
    assert order_id in opened.value.content()
    opened.value.close()

    ops.button("cancel_order").click()
    ops.confirm("cancel_order")
    expect(details.get_by_text(ops.said["is_cancelled"])).to_be_visible()
    assert ops.order(order_id)["status"] == "cancelled"
    expect(ops.button("reassign")).not_to_be_visible()
    expect(details).to_contain_text(ops.said["cancelled"])


def test_an_order_that_is_late_by_the_time_of_the_service_is_marked(visit: Visit, service: Service) -> None:
    ops = Ops(visit, service, "late")
    store_id = ops.put_store("a")
    ops.put_stock(store_id, tea=10)
    order_id = ops.put_order(1, store_id)
    page = visit.page
    later_s = time.time() + 2 * 3600
    # A computer whose clock is wrong makes no order late.
    page.clock.set_fixed_time(later_s)
    ops.open(f"#orders/{order_id}?store={store_id}")
    expect(page.get_by_role("complementary").get_by_text(re.compile("140 (m|米)"))).to_be_visible()
    expect(page.get_by_text(ops.said["late"])).to_have_count(0)

    def answer(route: Route) -> None:
        told = route.fetch()
        route.fulfill(response=told, headers=told.headers | {"date": formatdate(later_s, usegmt=True)})

    page.route(re.compile("/v1/(?!events/stream)"), answer)
    page.reload()
    expect(page.get_by_role("complementary").get_by_text(ops.said["late"])).to_be_visible()
    if visit.size == "desk":
        expect(page.locator(".orders-list a").first).to_contain_text(ops.said["late"])


def test_a_named_store_that_cannot_is_explained(visit: Visit, service: Service) -> None:
    ops = Ops(visit, service, "cannot")
    first = ops.put_store("first")
    empty = ops.put_store("empty", north=0.003)
    ops.put_stock(first, tea=10)
    order_id = ops.put_order(1, first)
    page = ops.open(f"#orders/{order_id}")
    ops.button("reassign").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("radio", name=ops.said["this_store"]).check()
    ops.confirm("give")
    expect(dialog.get_by_label(ops.said["store_id"])).to_be_focused()
    dialog.get_by_label(ops.said["store_id"]).fill(empty)
    ops.confirm("give")
    expect(page.get_by_role("alert")).to_be_visible()
    assert ops.order(order_id)["store"]["store_id"] == first
    ops.forgive(409)


def test_an_order_that_cannot_be_read_stops_no_other(visit: Visit, service: Service) -> None:
    ops = Ops(visit, service, "feed")
    store_id = ops.put_store("a")
    ops.put_stock(store_id, tea=100)
    broken, gone, good = (ops.put_order(number, store_id) for number in range(3))
    page = ops.open(f"#orders?store={store_id}")
    row = {order_id: page.locator(".orders-list a").filter(has_text=order_id) for order_id in (broken, gone, good)}
    expect(row[good]).to_be_visible()
    expect(page.get_by_text(ops.said["live"], exact=True)).to_be_visible()
    asked: list[str] = []

    def answer(route: Route, status: int) -> None:
        asked.append(route.request.url)
        route.fulfill(status=status, content_type="application/problem+json", body="{}")

    page.route(f"**/v1/orders/{broken}", lambda route: answer(route, 500))
    page.route(f"**/v1/orders/{gone}", lambda route: answer(route, 404))
    for order_id in (broken, gone, good):
        service.ask("POST", f"/v1/orders/{order_id}/accept", json={"attempt": 1})
    expect(row[good]).to_contain_text(ops.said["accepted"])
    expect(row[gone]).to_have_count(0)
    page.unroute(f"**/v1/orders/{broken}")
    expect(row[broken]).to_contain_text(ops.said["accepted"])
    assert asked.count(f"{visit.address}/v1/orders/{gone}") == 1
    ops.forgive(500)
    ops.forgive(404)


def test_the_list_keeps_no_more_orders_than_anybody_reads(visit: Visit, service: Service) -> None:
    if visit.size == "phone":
        pytest.skip("the list is the same on a phone, and hundreds of orders take their time")
    ops = Ops(visit, service, "many")
    store_id = ops.put_store("a")
    ops.put_stock(store_id, tea=1_000)
    for number in range(240):
        ops.put_order(number, store_id)
    page = ops.open(f"#orders?store={store_id}")
    rows = page.locator(".orders-list a")
    expect(rows).to_have_count(50)
    ops.button("more").click()
    expect(rows).to_have_count(240)
    expect(ops.button("more")).to_have_count(0)
    page.evaluate("document.getElementById('main').scrollTop = 0")
    for number in range(240, 305):
        came = ops.put_order(number, store_id)
    expect(rows.first).to_contain_text(came)
    expect(rows).to_have_count(300)
    # The oldest are read again when they are wanted.
    ops.button("more").click()
    expect(rows).to_have_count(305)
    expect(rows.last).to_contain_text(f"{ops.tag}-000")

    # When more wait than anybody reads one by one, the list is read anew.
    page.evaluate("document.getElementById('main').scrollTop = 400")
    for number in range(305, 410):
        came = ops.put_order(number, store_id)
    page.get_by_role("button", name=ops.said["many_new"]).click()
    expect(rows.first).to_contain_text(came)
    expect(rows).to_have_count(50)


# ── stock ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_shelf_is_counted_and_what_is_withheld_released(
    visit: Visit, service: Service, check_readable: CheckReadable, take_picture: TakePicture
) -> None:
    ops = Ops(visit, service, "shelf")
    store_id = ops.put_store("a", name="滨河路店 Riverside")
    ops.put_stock(store_id, tea=10, milk=0, bread=4)
    order_id = ops.put_order(1, store_id)
    service.ask("POST", f"/v1/orders/{order_id}/decline", json={"attempt": 1, "reason": "out_of_stock"})
    assert ops.shelf(store_id)["tea"]["withheld"] == 10
    page = ops.open("#stock")
    page.get_by_label(ops.said["store_id"]).fill(store_id)
    ops.button("show_shelf").click()
    rows = page.locator(".shelf tbody tr")
    expect(rows).to_have_count(3)
    expect(page.get_by_role("heading", name="Riverside")).to_be_visible()
    check_both(page, check_readable)
    take_picture(visit, "ops-stock")

    page.get_by_role("button", name=re.compile(f"^{ops.said['withheld']}")).click()
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("tea")
    ops.button("release_all").click()
    ops.confirm("release")
    expect(page.get_by_text(ops.said["released"])).to_be_visible()
    assert ops.shelf(store_id)["tea"]["withheld"] == 0
    expect(rows).to_have_count(0)

    page.get_by_role("button", name=re.compile("^(All|全部)")).first.click()
    page.get_by_label(ops.said["find_item"]).fill("mil")
    expect(rows).to_have_count(1)
    rows.first.get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label(ops.said["pieces"]).fill("-1")
    ops.confirm("save")
    expect(dialog.get_by_text(ops.said["whole"])).to_be_visible()
    check_readable(page)
    dialog.get_by_label(ops.said["pieces"]).fill("9")
    page.keyboard.press("Enter")
    expect(page.get_by_text(ops.said["counted"])).to_be_visible()
    assert ops.shelf(store_id)["milk"]["on_hand"] == 9
    expect(rows.first).to_contain_text("9")


def test_a_count_is_of_the_store_whose_shelf_it_was_opened_at(visit: Visit, service: Service) -> None:
    ops = Ops(visit, service, "whose")
    one, other = ops.put_store("one", name="One"), ops.put_store("other", name="Other")
    ops.put_stock(one, tea=11)
    ops.put_stock(other, tea=22)
    page = ops.open(f"#stock/{other}")
    row = page.locator(".shelf tbody tr")
    expect(row).to_contain_text("22")
    page.goto(f"{page.url.split('#')[0]}#stock/{one}")
    expect(row).to_contain_text("11")
    row.get_by_role("button").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label(ops.said["pieces"]).fill("77")
    page.go_back()
    expect(row).to_contain_text("22")
    expect(dialog).to_have_count(0)

    # One that is on its way when somebody goes elsewhere is of its store still, and draws nothing at the other's.
    held: list[Route] = []
    page.route(f"**/v1/stores/{other}/stock", lambda route: held.append(route))
    row.get_by_role("button").first.click()
    dialog.get_by_label(ops.said["pieces"]).fill("33")
    ops.confirm("save")
    until = time.monotonic() + 15
    while not held and time.monotonic() < until:
        page.wait_for_timeout(20)
    page.go_forward()
    expect(row).to_contain_text("11")
    assert len(held) == 1
    with page.expect_response(f"**/v1/stores/{other}/stock"):
        held[0].continue_()
    page.unroute(f"**/v1/stores/{other}/stock")
    page.wait_for_timeout(300)
    expect(page.get_by_role("heading", name="One", exact=True)).to_be_visible()
    expect(row).to_contain_text("11")
    expect(page.locator(".good-notice")).to_have_count(0)
    assert [ops.shelf(store_id)["tea"]["on_hand"] for store_id in (one, other)] == [11, 33]


def test_a_store_is_closed_and_opened_and_takes_orders_again(visit: Visit, service: Service) -> None:
    ops = Ops(visit, service, "close")
    store_id = ops.put_store("a")
    ops.put_stock(store_id, tea=10)
    page = ops.open(f"#stock/{store_id}")
    expect(page.get_by_text(ops.said["none_closed"])).to_be_visible()
    year = time.gmtime().tm_year + 1
    page.get_by_label(ops.said["from"]).fill(f"{year}-02-01T18:00")
    page.get_by_label(ops.said["until"]).fill(f"{year}-02-01T08:00")
    ops.button("add").click()
    expect(page.get_by_text(ops.said["must_end"])).to_be_visible()
    page.get_by_label(ops.said["until"]).fill(f"{year}-02-02T08:00")
    page.get_by_label(ops.said["reason"]).fill(SHOUT)
    ops.button("add").click()
    entry = page.locator(".closures li").filter(has_text=SHOUT)
    # By the store's own clock, wherever the reader is.
    expect(entry).to_contain_text(f"{year}-02-01 18:00")
    (closure,) = service.ask("GET", f"/v1/stores/{store_id}/closures")["closures"]
    assert (closure["from"], closure["reason"]) == (f"{year}-02-01T18:00:00+08:00", SHOUT)
    entry.get_by_role("button").click()
    ops.confirm("take_back")
    expect(page.get_by_text(ops.said["none_closed"])).to_be_visible()
    assert service.ask("GET", f"/v1/stores/{store_id}/closures")["closures"] == []

    order_id = ops.put_order(1, store_id)
    service.ask("POST", f"/v1/orders/{order_id}/decline", json={"attempt": 1, "reason": "too_busy"})
    wish = {
        "destination": {"lat": ops.lat, "lon": LON},
        "lines": [{"sku": "tea", "quantity": 1}],
        "only_stores": [store_id],
    }
    assert service.http.put(f"/v1/orders/{ops.tag}-busy", json=wish).status_code == 409
    ops.button("resume").click()
    expect(page.get_by_text(ops.said["resumed"])).to_be_visible()
    assert service.http.put(f"/v1/orders/{ops.tag}-again", json=wish).status_code == 201


# ── names ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_names_that_hold_html_are_shown_as_they_are_written(
    visit: Visit, service: Service, check_readable: CheckReadable
) -> None:
    ops = Ops(visit, service, "html")
    store_id = ops.put_store("a", name=SHOUT, brand=SHOUT, address=SHOUT, phone=SHOUT, partner=f"chain-{ops.tag}")
    ops.put_stock(store_id, tea=10)
    order_id = ops.put_order(1, store_id, channel=SHOUT, campaign=SHOUT, customer={"name": SHOUT, "note": SHOUT})
    service.ask("POST", f"/v1/orders/{order_id}/decline", json={"attempt": 1, "reason": "other"})
    page = ops.open()
    ops.choose_file(
        f"stores {SHOUT}.csv",
        "store_id,name,lat,lon,datum",
        f'{store_id},"anew {SHOUT.replace(chr(34), chr(34) * 2)}",{ops.lat},{LON},wgs84',
        f"<b>{ops.tag},B,<i>x</i>,{LON},wgs84",
    )
    page.get_by_label(ops.said["partner"]).fill(f"chain-{ops.tag}")
    ops.button("check").click()
    expect(page.get_by_role("heading", name=f"stores {SHOUT}.csv")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text=store_id)).to_contain_text(f"anew {SHOUT}")
    expect(page.get_by_role("row").filter(has_text="number_invalid")).to_contain_text("<i>x</i>")
    check_both(page, check_readable)
    for place in (f"#map/{store_id}", f"#orders/{order_id}", f"#stock/{store_id}", "#imports"):
        page.goto(f"{visit.address}/ops{place}")
        expect(page.get_by_role("main").get_by_text(SHOUT).locator("visible=true").first).to_be_visible()
        check_both(page, check_readable)
    assert page.evaluate("window.intruder === undefined")


# ── health ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_state_of_all_is_told_with_what_to_do(
    visit: Visit, service: Service, check_readable: CheckReadable, take_picture: TakePicture
) -> None:
    ops = Ops(visit, service, "health")
    partner = f"a-{ops.tag}"
    ops.put_store("a", partner=partner)
    # Due at midnight, and never counted: late at every hour of the day.
    service.ask("PUT", f"/v1/partners/{partner}", json={"stock_due_at": "00:00"})
    page = ops.open("#health")
    expect(page.get_by_role("heading", name=ops.said["database"])).to_be_visible()
    uploads = page.locator("section.card").filter(has=page.get_by_role("heading", name=ops.said["uploads"]))
    expect(uploads.locator("li").filter(has_text=partner)).to_contain_text(ops.said["are_late"])
    expect(uploads.locator(".notice")).to_be_visible()
    check_both(page, check_readable)
    take_picture(visit, "ops-health")

    visit.context.set_offline(True)
    ops.go("imports")
    ops.go("health")
    expect(page.locator(".health .verdict")).to_contain_text(ops.said["gone"])
    visit.context.set_offline(False)
    ops.go("imports")
    ops.go("health")
    expect(page.get_by_role("heading", name=ops.said["database"])).to_be_visible()
    offline = [text for text in visit.wrong if "ERR_INTERNET_DISCONNECTED" in text]
    assert offline
    visit.wrong[:] = [text for text in visit.wrong if text not in offline]


@pytest.mark.parametrize("view", ["imports", "map", "orders", "stock", "health"])
def test_each_view_has_an_address_and_the_way_back_works(view: str, visit: Visit, service: Service) -> None:
    ops = Ops(visit, service, "nav")
    page = ops.open()
    ops.go(view)
    current = page.get_by_role("navigation").locator("[aria-current=page]")
    expect(current).to_have_text(ops.said[view])
    expect(page).to_have_title(re.compile(ops.said[view]))
    assert page.url.endswith(f"#{view}")
    other = "health" if view != "health" else "orders"
    ops.go(other)
    expect(current).to_have_text(ops.said[other])
    page.go_back()
    expect(current).to_have_text(ops.said[view])
