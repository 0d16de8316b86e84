"""DISPATCH_CORS_ORIGINS: what pages of other origins may ask and read, of every route, short ones and errors too."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.middleware.cors import CORSMiddleware

from tests.api.client import Api, Clock, assert_problem, worker
from tests.api.shop import clock_of_now, order_now, order_of, placed, with_shops
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
    assert (await asked("POST", "/v1/quotes", json=order_of())).status_code == 200
    assert_problem(await asked("POST", "/v1/quotes", json={}), 422)
    assert_problem(await asked("GET", "/v1/stores/none"), 404)
    assert_problem(await asked("PUT", "/v1/orders/o-1", json=order_of()), 403, "foreign_origin")
    made = (await asked("POST", "/v1/shopper-tokens")).json()
    headers = {"Origin": origin, "Authorization": f"Bearer {made['token']}"}
    put = await api.send("PUT", f"/v1/orders/{made['order_id_prefix']}1", headers=headers, json=order_of())
    assert put.status_code == 201
    assert exposed(put) == EXPOSED


async def test_what_a_page_elsewhere_does_without_a_token_is_not_done(app_client: Api) -> None:
    """Browsers send a POST without a body anywhere, unasked: an operator's may have any page open."""
    app_client.clock.now = clock_of_now().now
    await with_shops(app_client, 9)
    await placed(app_client, "o-1")
    for origin in (STRANGER, "null", "http://dispatch.test.evil.example"):
        sent = await app_client.send("POST", "/v1/orders/o-1/cancel", headers={"Origin": origin})
        assert_problem(sent, 403, "foreign_origin")
        for method, path in (
            ("GET", "/v1/orders"), ("GET", "/v1/orders/o-1"), ("GET", "/v1/events"), ("GET", "/v1/events?order_id=o-1"),
            ("GET", "/v1/events/stream"), ("DELETE", "/v1/stores/near"), ("POST", "/v1/imports/stores"),
        ):  # fmt: skip
            assert_problem(await app_client.send(method, path, headers={"Origin": origin}), 403, "foreign_origin")
        asked = await app_client.send(
            "POST", "/v1/events/tickets", json={"order_id": "o-1"}, headers={"Origin": origin}
        )
        assert_problem(asked, 403, "not_for_this_token")
    assert (await order_now(app_client, "o-1"))["status"] == "held"
    own = {"Origin": "http://dispatch.test"}
    renamed = {"Origin": "https://shop.example", "Sec-Fetch-Site": "same-origin"}
    for headers in (own, renamed):
        assert (await app_client.send("POST", "/v1/orders/o-1/confirm", headers=headers)).status_code == 200


async def test_its_public_address_is_its_own(database_url: str, tmp_path: Path) -> None:
    async with worker(database_url, tmp_path, clock=clock_of_now(), public_url=f"{SHOP}/life") as api:
        assert (await api.send("GET", "/v1/orders", headers={"Origin": SHOP})).status_code == 200
        assert_problem(await api.send("GET", "/v1/orders", headers={"Origin": STRANGER}), 403, "foreign_origin")


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
    ticket = (await api.send("POST", "/v1/events/tickets", json={})).json()["ticket"]
    async with served(api) as shop, shop.stream(headers={"Origin": SHOP}, ticket=ticket) as stream:
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
