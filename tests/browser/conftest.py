"""Real pages of a real service in a real browser: skipped with the reason where there is no Chromium.

Playwright's calls that wait keep a loop of asyncio running in this thread, in which no other test could have its own:
so the browser is closed at the end of this package, whatever else the session has to test.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chromium import LANGUAGES, SIZES, Visit, find_chromium, launched, visiting
from tests.browser.service import Service

ROOT: Final = Path(__file__).parents[2]
PICTURES: Final = ROOT / "docs" / "pictures"
AXE: Final = ROOT / "dispatch" / "web" / "node_modules" / "axe-core" / "axe.min.js"

type CheckReadable = Callable[[Page], None]
type TakePicture = Callable[[Visit, str], None]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for these tests."""
    program = find_chromium()
    if program is None:
        pytest.skip("there is no Chromium (on Debian: apt-get install chromium fonts-noto-cjk)")
    with launched(program) as started:
        yield started


@pytest.fixture(scope="package")
def service(browser: Browser, short_tmp: Path) -> Iterator[Service]:
    """One service with the demo city for all of them; tests make stores and orders of their own in it."""
    started = Service(short_tmp / "browser")
    try:
        started.await_ready()
        yield started
    finally:
        started.stop()


@pytest.fixture(params=[f"{size}-{language}" for size in SIZES for language in LANGUAGES])
def visit(request: pytest.FixtureRequest, browser: Browser, service: Service) -> Iterator[Visit]:
    """A reader at a desk and with a phone, in each language; location is allowed, in the middle of the demo city."""
    size, language = request.param.split("-")
    place = {"latitude": 37.8702, "longitude": 112.5489, "accuracy": 20.0}
    with visiting(
        browser, service.address, size=size, language=language, geolocation=place, permissions=["geolocation"]
    ) as one:
        yield one


@pytest.fixture(scope="package")
def check_readable() -> CheckReadable:
    """A check of a page by axe-core, which must find nothing serious."""
    if not AXE.is_file():
        pytest.fail("axe-core is missing; run: make setup")
    script = AXE.read_text(encoding="utf-8")

    def check(page: Page) -> None:
        # By the debugger, for the page's own policy lets no script in but the service's.
        page.evaluate(script)
        found: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        serious = [
            {
                "rule": v["id"],
                "help": v["help"],
                "nodes": [node["html"][:200] + " " + str(node["any"][:1])[:300] for node in v["nodes"][:3]],
            }
            for v in found["violations"]
            if v["impact"] in ("serious", "critical")
        ]
        assert serious == [], json.dumps(serious, indent=1, ensure_ascii=False)

    return check


@pytest.fixture(scope="package")
def take_picture() -> TakePicture:
    """Make the pictures that the documentation shows anew, if DISPATCH_PICTURES is set (make pictures)."""
    wanted = _pictures_shown() if os.environ.get("DISPATCH_PICTURES") else set()

    def take(visit: Visit, name: str) -> None:
        file = f"{name}-{visit.size}-{visit.language}.png"
        if file in wanted:
            PICTURES.mkdir(exist_ok=True)
            visit.page.screenshot(path=PICTURES / file)

    return take


def _pictures_shown() -> set[str]:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    return {name for page in pages for name in re.findall(r"pictures/([\w-]+\.png)", page.read_text(encoding="utf-8"))}
