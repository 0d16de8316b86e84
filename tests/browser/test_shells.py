"""What all pages have in common: they load whole, in both languages, and let nothing in from elsewhere."""

import re

import pytest
from playwright.sync_api import Browser

from dispatch.web.assets import load_assets
from tests.browser.chromium import Visit, visiting
from tests.browser.conftest import CheckReadable
from tests.browser.service import Service

PAGES = ("/", "/ops", "/store/PT-0046", "/s/PT-0046")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_whole_and_reads_well(path: str, visit: Visit, check_readable: CheckReadable) -> None:
    page = visit.open(path)
    page.wait_for_selector("h1")
    assert page.locator("html").get_attribute("lang") == ("zh-CN" if visit.language == "zh" else "en")
    check_readable(page)


def test_scripts_and_styles_within_a_page_are_refused(visit: Visit) -> None:
    page = visit.open("/")
    page.wait_for_selector("h1")
    ran = page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.intruder = true";
          document.body.append(script);
          const element = document.createElement("p");
          element.setAttribute("style", "position: fixed");
          document.body.append(element);
          return [window.intruder === true, getComputedStyle(element).position];
        }"""
    )
    assert ran == [False, "static"]
    refused = [text for text in visit.wrong if "Content Security Policy" in text]
    assert len(refused) >= 2
    visit.wrong.clear()


def test_headers_keep_everything_else_out(service: Service) -> None:
    for path in ("/", "/ops", "/store/x", "/s/x", "/c/x"):
        answer = service.http.get(path)
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_every_word_is_said_in_both_languages(browser: Browser, service: Service) -> None:
    found = 0
    with visiting(browser, service.address, size="desk", language="en") as visit:
        page = visit.open("/ops")
        assets = load_assets()
        for path in (path for path in assets.files if path.endswith("words.js")):
            tables = page.evaluate(
                """async (address) => Object.values(await import(address))
                  .filter((table) => table?.en !== undefined && table?.zh !== undefined)
                  .map((table) => [table.en, table.zh])""",
                assets.address(path),
            )
            for english, chinese in tables:
                found += len(english)
                assert english.keys() == chinese.keys(), path
                for key, text in english.items():
                    assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", chinese[key])), (path, key)
    assert found > 300
