"""DISPATCH_CORS_ORIGINS: what pages of other origins may ask and read, of every route, short ones and errors too."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.middleware.cors import CORSMiddleware

from tests.api.client import Api, Clock, assert_problem, worker
from tests.api.shop import order_of, with_shops
from tests.api.streams import served

SHOP = "https://shop.example"
STRANGER = "https://other.example"
EXPOSED = {"dispatch-version", "idempotent-replay", "etag", "location", "x-request-id", "retry-after"}
SENT = ("Authorization", "Content-Type", "Dispatch-Min-Version", "Last-Event-ID", "X-Request-Id", "If-None-Match")
NEARBY = "/v1/stores/nearby?lat=25.033&lon=121.5654"


@pytest.fixture
async def api(database_url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[Api]:
    origins = "https://SHOP.example:443, http://localhost:3000"
    async with worker(database_url, tmp_path, clock=clock, cors_origins=origins) as opened:
        await with_shops(opened, 9)
        yield opened


async def preflight(api: Api, path: str, method: str, *headers: str, origin: str = SHOP) -> httpx.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = ",".join(header.lower() for header in sorted(headers))
    return await api.send("OPTIONS", path, headers=asked)


def exposed(answer: httpx.Response) -> set[str]:
    return {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}


@pytest.mark.parametrize("origin", [SHOP, "http://localhost:3000"])
async def test_pages_of_a_configured_origin_read_every_answer(api: Api, origin: str) -> None:
    async def asked(method: str, url: str, **more: object) -> httpx.Response:
        answer = await api.send(method, url, headers={"Origin": origin}, **more)
        assert answer.headers["access-control-allow-origin"] == origin
        assert "origin" in answer.headers["vary"].lower()
        assert exposed(answer) == EXPOSED
        assert "access-control-allow-credentials" not in answer.headers
        return answer

    assert (await asked("GET", NEARBY)).status_code == 200
    assert (await asked("GET", "/v1/stores/near")).status_code == 200
    quote = order_of()
    assert (await asked("POST", "/v1/quotes", json=quote)).status_code == 200
    assert (await asked("PUT", "/v1/orders/o-1", json=order_of())).status_code == 201
    assert_problem(await asked("POST", "/v1/quotes", json={}), 422)
    assert_problem(await asked("GET", "/v1/orders/none"), 404)
    assert_problem(await asked("GET", "/none"), 404)


async def test_the_first_question_of_a_browser_is_answered_for_every_method_and_header(api: Api) -> None:
    for path in ("/v1/quotes", "/v1/orders/o-1", "/v1/stores/a", "/v1/events/stream", "/none"):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            answer = await preflight(api, path, method, *SENT)
            assert answer.status_code == 200, answer.text
            assert answer.headers["access-control-allow-origin"] == SHOP
            assert method in answer.headers["access-control-allow-methods"]
            allowed = answer.headers["access-control-allow-headers"].lower()
            assert all(header.lower() in allowed for header in SENT)
            assert int(answer.headers["access-control-max-age"]) > 600
    assert (await preflight(api, "/v1/quotes", "POST", "X-Strange")).status_code == 400


async def test_other_origins_get_no_leave(api: Api) -> None:
    for origin in (STRANGER, "http://shop.example", "https://shop.example.evil.example", "null"):
        answer = await api.send("GET", NEARBY, headers={"Origin": origin})
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers
        refused = await preflight(api, "/v1/quotes", "POST", origin=origin)
        assert refused.status_code == 400
        assert "access-control-allow-origin" not in refused.headers


async def test_a_stream_can_be_read_by_a_page_elsewhere(api: Api) -> None:
    async with served(api) as shop, shop.stream(headers={"Origin": SHOP}) as stream:
        await stream.ready()
        assert stream.answer.headers["access-control-allow-origin"] == SHOP


async def test_a_star_is_for_all(database_url: str, tmp_path: Path, clock: Clock) -> None:
    async with worker(database_url, tmp_path, clock=clock, cors_origins="*") as api:
        for origin in (SHOP, STRANGER):
            answer = await api.send("GET", NEARBY, headers={"Origin": origin})
            assert answer.headers["access-control-allow-origin"] == "*"
            assert (await preflight(api, "/v1/quotes", "POST", *SENT, origin=origin)).status_code == 200


async def test_without_any_configured_nothing_is_added(app_client: Api) -> None:
    answer = await app_client.send("GET", NEARBY, headers={"Origin": SHOP})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert (await preflight(app_client, "/v1/quotes", "POST")).status_code == 405
    assert not isinstance(app_client.app._wrapped, CORSMiddleware)
