"""How soon the shopper's page is there, and how smoothly a map of 10,000 stores moves: by the browser's own trace.

First view: from the navigation until the page has marked it (``first-view``: the map is drawn and the stores around the
pin are listed), with an empty cache each time. A stall: a task that keeps the page's main thread for more than 100 ms,
while the map of ``/ops`` is zoomed and dragged, from all stores down to one street and back.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page
from rich.progress import Progress

from dispatch.postgres import acquire
from dispatch.storage.migrate import migrate
from tests.bench.database import fill
from tests.bench.percentiles import median_and_spread
from tests.bench.serving import served
from tests.bench.world import World
from tests.browser.chromium import find_chromium, launched, visiting
from tests.browser.service import Service

VIEWS: Final = 9
STALL_MS: Final = 100.0
_CATEGORIES: Final = ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline"]
_DRAGS: Final = ((260, 0), (0, 200), (-260, 0), (0, -200))
_PAUSE_MS: Final = 350
_PATIENCE_S: Final = 30.0
_CLOSER: Final = 9  # steps of zoom


def measure(folder: Path, *, stores: int) -> dict[str, Any]:
    """The figures; ``folder`` must be empty. ``missing`` tells why there are none."""
    program = find_chromium()
    if program is None:
        return {"missing": "there is no Chromium (on Debian: apt-get install chromium fonts-noto-cjk)"}
    world = World(stores, skus=100, per_store=5)
    database = folder / "stores"
    database.mkdir()
    with acquire(database) as server:
        asyncio.run(migrate(server.url))
        with Progress() as progress:
            asyncio.run(fill(server.url, world, now_s=int(time.time()), progress=progress))
    with launched(program) as browser:
        first = {size: _first_views(browser, folder / f"demo-{size}", size) for size in ("desk", "phone")}
        with served(database) as port:
            moved = {size: _moving(browser, f"http://127.0.0.1:{port}", size) for size in ("desk", "phone")}
    return {"stores": stores, "first_view_ms": first, "moving": moved}


def _first_views(browser: Browser, data_dir: Path, size: str) -> tuple[float, tuple[float, float]]:
    """Milliseconds: the median of several visits, and their spread."""
    service = Service(data_dir)
    try:
        service.await_ready()
        taken_ms = []
        for _ in range(VIEWS):
            with visiting(browser, service.address, size=size, language="zh") as visit:
                page = visit.open("/")
                taken_ms.append(_marked_ms(page, "first-view"))
    finally:
        service.stop()
    return median_and_spread(taken_ms[1:])  # the first one finds the service cold


def _marked_ms(page: Page, mark: str) -> float:
    """When the page first set a mark, from the navigation on. Asked again and again: its policy lets no script wait."""
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        found = page.evaluate(f"performance.getEntriesByName('{mark}')[0]?.startTime ?? null")
        if found is not None:
            return float(found)
        page.wait_for_timeout(20)
    raise AssertionError(f"the page has not set its mark {mark}")


def _moving(browser: Browser, address: str, size: str) -> dict[str, Any]:
    with visiting(browser, address, size=size, language="zh") as visit:
        page = visit.open("/ops#map")
        _marked_ms(page, "stores-drawn")
        page.wait_for_timeout(1_000)
        browser.start_tracing(page=page, categories=_CATEGORIES)
        _zoom_and_drag(page)
        trace = json.loads(browser.stop_tracing())
        drawn = page.evaluate("performance.getEntriesByName('stores-drawn').length")
    tasks_ms = sorted(_main_thread_tasks_ms(trace["traceEvents"]), reverse=True)
    return {
        "tasks": len(tasks_ms),
        "drawn": drawn,
        "longest_ms": tasks_ms[:5],
        "stalls": sum(task_ms > STALL_MS for task_ms in tasks_ms),
    }


def _zoom_and_drag(page: Page) -> None:
    box = page.locator(".leaflet-container").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for direction in (-1, 1):
        for _ in range(_CLOSER):
            page.mouse.move(x, y)
            page.mouse.wheel(0, direction * 120)
            page.wait_for_timeout(_PAUSE_MS)
            for east, south in _DRAGS:
                page.mouse.move(x, y)
                page.mouse.down()
                page.mouse.move(x + east / 2, y + south / 2, steps=8)
                page.mouse.up()
                page.wait_for_timeout(_PAUSE_MS)


def _main_thread_tasks_ms(events: Sequence[dict[str, Any]]) -> list[float]:
    """How long each task of the pages' main threads took."""
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"].get("name") == "CrRendererMain"
    }
    assert mains, "the trace names no main thread of a page"
    return [
        event["dur"] / 1_000
        for event in events
        if (event["pid"], event["tid"]) in mains and event["ph"] == "X" and "RunTask" in event["name"]
    ]
