"""A Chromium that is on this machine: Playwright drives it, and downloads none of its own."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

# Without these it asks hosts of its maker for this and that, at every start.
_ARGUMENTS: Final = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=Translate,OptimizationHints,MediaRouter",
    "--autoplay-policy=no-user-gesture-required",
)
LANGUAGES: Final = {"en": "en-GB", "zh": "zh-CN"}
SIZES: Final[dict[str, dict[str, Any]]] = {
    "desk": {"viewport": {"width": 1280, "height": 800}},
    "phone": {
        "viewport": {"width": 390, "height": 780},
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
    },
}


def find_chromium() -> str | None:
    """The program, of DISPATCH_TEST_CHROMIUM or by the names that it usually has; None: there is none."""
    named = os.environ.get("DISPATCH_TEST_CHROMIUM")
    if named is not None:
        return named if Path(named).is_file() else None
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((found for name in names if (found := shutil.which(name))), None)


@contextmanager
def launched(program: str) -> Iterator[Browser]:
    """The browser, without a window."""
    # As root it has no sandbox of its own; it only ever opens the service under test.
    arguments = [*_ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, headless=True, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """A reader with a screen of some size and a language: a page, and what it must not do, seen as it does it."""

    context: BrowserContext
    page: Page
    address: str
    size: str
    language: str
    wrong: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Go to a page of the service."""
        self.page.goto(self.address + path)
        return self.page

    def watch(self, page: Page) -> None:
        """Note errors of its console and scripts, and requests to any other host."""
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.wrong.append(f"script: {error}"))
        page.on("request", self._asked)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and f"{parts.scheme}://{parts.netloc}" != self.address:
            self.wrong.append(f"a request to another host: {request.url}")


@contextmanager
def visiting(browser: Browser, address: str, *, size: str, language: str, **more: Any) -> Iterator[Visit]:
    """A visit; it must end without an error and without a request to another host."""
    context = browser.new_context(locale=LANGUAGES[language], **SIZES[size], **more)
    context.set_default_timeout(15_000)
    visit = Visit(context, context.new_page(), address, size, language)
    context.on("page", visit.watch)
    visit.watch(visit.page)
    try:
        yield visit
    finally:
        # What a test answers in the service's place may be at it still, and its failing then is no news.
        visit.page.unroute_all(behavior="ignoreErrors")
        context.close()
    assert visit.wrong == [], "\n".join(visit.wrong)
