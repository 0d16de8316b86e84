"""Whose upload is late today: over HTTP, as a page, and as metrics."""

import base64
import hashlib
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from dispatch.services.lateness import tell_lateness
from dispatch.web.words import words_of
from tests.api.client import Api, assert_problem
from tests.api.test_metrics import samples

EVIL = '<script>alert("1")</script>&'
AT = datetime(2026, 11, 20, 0, 30, tzinfo=UTC)  # 08:30 in Taipei


async def _count(api: Api, store_id: str, at: datetime, sku: str = "tea") -> None:
    body = {"as_of": at.isoformat(), "items": [{"sku": sku, "on_hand": 1}]}
    answer = await api.write("PATCH", f"/v1/stores/{store_id}/stock", body)
    assert answer.status_code == 200, answer.text


@pytest.fixture
async def late(app_client: Api) -> Api:
    """At 08:30: acme, due at 06:00, with a late store, one never counted and one in time; zeta, due in a minute."""
    app_client.clock.now = AT
    await app_client.write("PUT", "/v1/partners/acme", {"stock_due_at": "06:00"})
    await app_client.write("PUT", "/v1/partners/zeta", {"stock_due_at": "08:31"})
    for store_id in ("a1", "a2", "a3", "a4", "z1", "d1"):
        partner = {"a": "acme", "z": "zeta", "d": "default"}[store_id[0]]
        fields = {"partner": partner, "name": f"Shop {store_id}", "active": store_id != "a4"}
        await app_client.put_store(store_id, 25.03, 121.56, **fields)
    await _count(app_client, "a1", AT - timedelta(hours=14, minutes=31))
    await _count(app_client, "a2", AT - timedelta(hours=14, minutes=30))
    await _count(app_client, "d1", AT - timedelta(days=9))
    for on_hand, dry_run in (("x", "false"), ("1", "true")):
        text = f"store_id,sku,on_hand\na1,tea,{on_hand}\n"
        await app_client.import_file("stock", text, partner="acme", as_of="now", dry_run=dry_run)
    return app_client


async def test_partners_are_told_late_ones_first(late: Api) -> None:
    answer = await late.send("GET", "/v1/uploads")
    assert answer.status_code == 200
    told = {entry["partner"]: entry for entry in answer.json()["uploads"]}
    assert list(told) == ["acme", "default", "zeta"]
    acme = told["acme"]
    last = acme.pop("last_stock_import")
    assert acme == {
        "partner": "acme", "late": True, "stock_due_at": "06:00",
        "stores": 3, "stores_late": 2, "stores_never_counted": 1,
        "newest_count": {"counted_at": "2026-11-19T10:00:00+00:00", "age_s": 52_200},
        "oldest_count": {"counted_at": "2026-11-19T09:59:00+00:00", "age_s": 52_260},
        "last_stores_import": None,
    }  # fmt: skip
    assert (last["status"], last["rows"], last["failed"], last["mode"]) == ("done", 1, 1, "partial")
    assert (await late.send("GET", f"/v1/imports/{last['import_id']}")).json()["dry_run"] is False
    assert [told[name]["stores_late"] for name in told] == [2, 0, 0]
    assert told["default"]["oldest_count"]["age_s"] == 9 * 86_400
    assert (told["default"]["stock_due_at"], told["zeta"]["stores_never_counted"]) == (None, 1)
    late.clock.advance(minutes=1)
    later = (await late.send("GET", "/v1/uploads")).json()["uploads"]
    assert [(entry["partner"], entry["late"]) for entry in later] == [
        ("acme", True),
        ("zeta", True),
        ("default", False),
    ]


async def test_a_partners_late_stores_come_worst_first_over_pages(late: Api) -> None:
    first = (await late.send("GET", "/v1/uploads/acme?limit=1")).json()
    due_at = "2026-11-20T06:00:00+08:00"
    assert (first["partner"], first["stock_due_at"]) == ("acme", "06:00")
    assert first["late_stores"] == [
        {"store_id": "a3", "name": "Shop a3", "due_at": due_at, "counted_at": None, "age_s": None}
    ]
    cursor = first["next_cursor"]
    second = (await late.send("GET", f"/v1/uploads/acme?limit=1&cursor={cursor}")).json()
    counted_at = "2026-11-19T09:59:00+00:00"
    assert second["late_stores"] == [
        {"store_id": "a1", "name": "Shop a1", "due_at": due_at, "counted_at": counted_at, "age_s": 52_260}
    ]
    assert second["next_cursor"] is None
    for url in (f"/v1/uploads/zeta?cursor={cursor}", f"/v1/uploads?cursor={cursor}", "/v1/uploads/acme?cursor=x"):
        assert_problem(await late.send("GET", url), 400, "invalid_cursor")
    assert (await late.send("GET", "/v1/uploads/default")).json()["late_stores"] == []
    assert_problem(await late.send("GET", "/v1/uploads/nobody"), 404, "partner_not_found")
    assert_problem(await late.send("GET", "/uploads/nobody"), 404, "partner_not_found")


async def test_partners_come_over_pages_too(late: Api) -> None:
    found: list[str] = []
    cursor = ""
    while True:
        page = (await late.send("GET", f"/v1/uploads?limit=1{cursor}")).json()
        found += [entry["partner"] for entry in page["uploads"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == ["acme", "default", "zeta"]


async def test_a_due_time_is_told_back_and_a_bad_one_refused(app_client: Api) -> None:
    for due_at in ("00:00", "23:59", None):
        answer = await app_client.write("PUT", "/v1/partners/acme", {"stock_due_at": due_at})
        assert answer.json()["stock_due_at"] == due_at
        assert (await app_client.get("/v1/partners/acme")).json()["stock_due_at"] == due_at
    for bad in ("24:00", "6:00", "06:00:00", "", "noon", 6, "06:60", "06:00\n"):
        answer = await app_client.write("PUT", "/v1/partners/acme", {"stock_due_at": bad})
        assert_problem(answer, 422, pointers=["/stock_due_at"])


# ── the page ───────────────────────────────────────────────────────────────────────────────────────────────────────


class _Page(HTMLParser):
    """What a page holds: its tags, links, and the text of the cells of each row of its table."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.rows: list[list[str]] = []
        self.language: str | None = None
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        named = dict(attrs)
        if tag == "html":
            self.language = named["lang"]
        if tag == "a":
            self.links.append(named["href"] or "")
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data


async def _page(api: Api, url: str, accept_language: str = "") -> _Page:
    answer = await api.send("GET", url, headers={"Accept-Language": accept_language})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page = _Page(answer.text)
    assert not set(page.tags) & {"script", "img", "link", "iframe", "form"}
    assert not re.search(r'\sstyle="|\son\w+="', answer.text)
    assert "http" not in answer.text, "no foreign host"
    assert "prefers-color-scheme: dark" in answer.text
    assert 'name="viewport"' in answer.text
    return page


async def test_the_page_has_late_partners_first_in_words_with_a_link_to_their_stores(late: Api) -> None:
    page = await _page(late, "/uploads")
    assert [(row[0], row[1]) for row in page.rows[1:]] == [
        ("acme", "Late: 2 of 3 stores"), ("default", "No due time is set"), ("zeta", "Nobody is late"),
    ]  # fmt: skip
    assert page.rows[1][2:7] == ["06:00", "3", "1", "14 h 30 min ago", "14 h 31 min ago"]
    assert page.rows[2][6] == "9 d 0 h ago"
    assert "rows 1, bad 1" in page.rows[1][7]
    assert "/uploads/acme" in page.links
    stores = await _page(late, "/uploads/acme?limit=1")
    assert stores.rows[1] == ["a3", "Shop a3", "2026-11-20 06:00", "never"]
    [following] = [link for link in stores.links if link.startswith("?cursor=")]
    assert (await _page(late, f"/uploads/acme{following}&limit=1")).rows[1][0] == "a1"
    assert (await _page(late, "/uploads/default")).rows == []


async def test_names_that_hold_markup_are_text(app_client: Api) -> None:
    app_client.clock.now = AT
    partner = "<b>&'\"x"
    await app_client.write("PUT", "/v1/partners/%3Cb%3E&'%22x", {"stock_due_at": "06:00"})
    await app_client.put_store("a<i>", 25.03, 121.56, partner=partner, name=EVIL)
    page = await _page(app_client, "/uploads")
    assert page.rows[1][0] == partner
    [link] = [link for link in page.links if link.startswith("/uploads/")]
    stores = await _page(app_client, link)
    assert stores.rows[1][:2] == ["a<i>", EVIL]
    assert not set(page.tags + stores.tags) & {"b", "i"}


async def test_the_style_is_the_one_that_the_policy_lets_in(app_client: Api) -> None:
    answer = await app_client.send("GET", "/uploads")
    assert "There are no partners yet." in answer.text
    [style] = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in answer.headers["content-security-policy"]


async def test_the_page_speaks_chinese_to_who_prefers_it(late: Api) -> None:
    page = await _page(late, "/uploads", "zh-TW,zh;q=0.9,en;q=0.8")
    assert page.language == "zh"
    assert page.rows[1][1] == "迟到：3 家门店中有 2 家"


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"), ("zh", "zh"), ("zh-Hans-CN", "zh"), ("en,zh", "en"), ("zh;q=0.5,en;q=0.4", "zh"),
        ("fr,zh;q=0.1", "zh"),
        ("zh;q=0", "en"), ("zh;q=x", "en"), ("*", "en"), ("ZH , en", "zh"), (";;,=,q=1", "en"), ("zh;q=nan", "en"),
    ],
)  # fmt: skip
def test_the_language_is_the_one_preferred(accepted: str, language: str) -> None:
    assert words_of(accepted).language == language


# ── metrics ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_metrics_tell_late_stores_and_the_oldest_count_by_partner(late: Api) -> None:
    service = late.app.state.service
    await tell_lateness(service.metrics, service.database, service.clock())
    found = await samples(late)
    told: dict[str, Any] = {
        partner: (
            found[f"lifecircle_uploads_late_stores{{partner={partner}}}"],
            found[f"lifecircle_stock_age_oldest_seconds{{partner={partner}}}"],
        )
        for partner in ("acme", "default", "zeta")
    }
    assert told == {"acme": (2, 52_260), "default": (0, 9 * 86_400), "zeta": (0, 0)}
    await _count(late, "a1", AT)
    await _count(late, "a3", AT)
    await tell_lateness(service.metrics, service.database, service.clock())
    assert (await samples(late))["lifecircle_uploads_late_stores{partner=acme}"] == 0
