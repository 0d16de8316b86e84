"""A client of one running app, in process, that speaks HTTP as any other would."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from dispatch.app import create_app
from dispatch.settings import load_settings

START = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)  # a Friday, 10:00 in Taipei and Taiyuan
LONGEST_WAIT_S = 60.0


class Clock:
    """Tells the time that the test sets."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **parts: float) -> None:
        self.now += timedelta(**parts)


class Api:
    """Requests to one worker. Writes remember their version, and reads ask to see it."""

    def __init__(self, http: httpx.AsyncClient, clock: Clock, app: Any) -> None:
        self.http = http
        self.clock = clock
        self.app = app
        self.version: str | None = None

    async def send(self, method: str, url: str, **arguments: Any) -> httpx.Response:
        """Any request as it stands."""
        return await self.http.request(method, url, **arguments)

    @property
    def seen(self) -> dict[str, str]:
        """The header that asks to see every write so far."""
        return {} if self.version is None else {"Dispatch-Min-Version": self.version}

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None, **query: Any) -> httpx.Response:
        """A read that sees every write before it."""
        return await self.http.get(url, params=query or None, headers=self.seen | dict(headers or {}))

    async def write(self, method: str, url: str, body: object) -> httpx.Response:
        """A write, whose version later reads ask for."""
        answer = await self.http.request(method, url, json=body)
        self.version = answer.headers.get("Dispatch-Version", self.version)
        return answer

    async def put_store(self, store_id: str, lat: float, lon: float, **fields: object) -> dict[str, Any]:
        """Put a store that is known to be good; the answer."""
        answer = await self.write("PUT", f"/v1/stores/{store_id}", {"lat": lat, "lon": lon, **fields})
        assert answer.status_code in (200, 201), answer.text
        return dict(answer.json())

    async def put_stock(self, store_id: str, **on_hand: int) -> dict[str, Any]:
        """Count a whole shelf, by sku."""
        items = [{"sku": sku, "on_hand": count} for sku, count in on_hand.items()]
        answer = await self.write("PUT", f"/v1/stores/{store_id}/stock", {"items": items})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def quote(self, lat: float, lon: float, *skus: str, **fields: object) -> dict[str, Any]:
        """One piece of each sku, brought to this place; the answer to a question that is good."""
        lines = [{"sku": sku, "quantity": 1} for sku in skus]
        body = {"destination": {"lat": lat, "lon": lon}, "lines": lines, **fields}
        answer = await self.http.post("/v1/quotes", json=body, headers=self.seen)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def shelf(self, store_id: str) -> dict[str, dict[str, Any]]:
        """The rows of a shelf by sku."""
        answer = await self.get(f"/v1/stores/{store_id}/stock")
        assert answer.status_code == 200, answer.text
        return {row["sku"]: row for row in answer.json()["stock"]}

    async def import_file(self, kind: str, text: str | bytes, **parameters: Any) -> dict[str, Any]:
        """Send a file and wait for its end; what its ``GET`` then says."""
        content = text.encode() if isinstance(text, str) else text
        headers = {"Content-Type": "text/csv"}
        answer = await self.http.post(f"/v1/imports/{kind}", params=parameters, content=content, headers=headers)
        assert answer.status_code == 202, answer.text
        return await self.finished(answer.headers["Location"])

    async def finished(self, location: str) -> dict[str, Any]:
        """The import once it has ended."""
        async with asyncio.timeout(LONGEST_WAIT_S):
            while (answer := await self.http.get(location)).json()["status"] == "running":
                await asyncio.sleep(0.01)
        self.version = answer.headers.get("Dispatch-Version", self.version)
        return dict(answer.json())


@asynccontextmanager
async def worker(
    database_url: str, data_dir: Path, *, clock: Clock | None = None, **settings: object
) -> AsyncIterator[Api]:
    """A worker of its own on a database, once it is ready."""
    clock = clock or Clock()
    loaded = load_settings(
        **{"database_url": database_url, "data_dir": data_dir, "pool_min": 1, "pool_max": 6, "follow_every_s": 0.1}
        | settings
    )
    app = create_app(loaded, clock=clock)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://dispatch.test", timeout=30) as http,
    ):
        async with asyncio.timeout(LONGEST_WAIT_S):
            while (await http.get("/readyz")).status_code != 200:
                await asyncio.sleep(0.02)
        yield Api(http, clock, app)


def assert_problem(
    answer: httpx.Response, status: int, code: str | None = None, *, pointers: Sequence[str] | None = None
) -> dict[str, Any]:
    """The members of a problem, which must be whole; ``pointers`` are those that it must name, and no others."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"]
    problem = dict(answer.json())
    assert {"type", "title", "status", "detail", "code"} <= set(problem)
    assert problem["status"] == status
    assert all(isinstance(problem[name], str) and problem[name] for name in ("type", "title", "detail", "code"))
    assert problem["code"] == problem["code"].lower().replace(" ", "_").replace("-", "_")
    for error in problem.get("errors", []):
        assert set(error) == {"pointer", "detail"}
        assert error["pointer"] == "" or error["pointer"].startswith("/")
    if status == 422:
        assert problem["errors"], problem
    if code is not None:
        assert problem["code"] == code, problem
    if pointers is not None:
        assert sorted({error["pointer"] for error in problem["errors"]}) == sorted(pointers), problem
    return problem
