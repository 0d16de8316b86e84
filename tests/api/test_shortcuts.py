"""What is asked most is answered before the framework sees it; whatever else goes its usual way."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import Request
from starlette.responses import PlainTextResponse, Response

from dispatch.api.envelope import Envelope
from dispatch.api.problems import Problem, answer_with_problems
from dispatch.api.shortcuts import ShortcutApp
from dispatch.domain.errors import ReplicaNotReady
from tests.api.client import Api

_GOOD = {"destination": {"lat": 25.0, "lon": 121.5}, "lines": [{"sku": "a", "quantity": 1}]}
_BAD = {"destination": {"lat": 99, "lon": 121.5}, "lines": []}


async def _short(request: Request) -> Response:
    match (await request.body()).decode():
        case "problem":
            raise Problem(422, "invalid_input", "no")
        case "domain":
            raise ReplicaNotReady("not yet")
        case "fault":
            raise RuntimeError
    return PlainTextResponse("short")


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = ShortcutApp()
    answer_with_problems(app)

    @app.post("/a")
    async def _long() -> str:
        return "long"

    app.add_middleware(Envelope)
    app.shorten({("POST", "/a"): _short})
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x")


async def test_only_its_own_method_and_path_take_the_shortcut(client: httpx.AsyncClient) -> None:
    assert (await client.post("/a")).text == "short"
    assert (await client.post("/a?b=1")).text == "short"
    assert (await client.get("/a")).status_code == 405
    assert (await client.post("/b")).status_code == 404


@pytest.mark.parametrize(("said", "status"), [("problem", 422), ("domain", 503), ("fault", 500)])
async def test_its_errors_are_problems_with_the_id_of_the_request(
    client: httpx.AsyncClient, said: str, status: int
) -> None:
    answer = await client.post("/a", content=said, headers={"X-Request-Id": "one"})
    assert (answer.status_code, answer.headers["X-Request-Id"]) == (status, "one")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_client_that_goes_away_in_the_middle_of_its_body_is_no_fault(app_client: Api) -> None:
    """What is said is heard by nobody; but a 500 would be logged."""
    messages = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    told: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        told.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/quotes", "query_string": b"", "headers": []}
    await app_client.app(scope, receive, send)
    assert told[0]["status"] == 400


async def test_a_body_that_comes_in_pieces_is_one(app_client: Api) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for i in range(0, len(content), 7):
            yield content[i : i + 7]

    content = json.dumps(_GOOD).encode()
    whole = await app_client.send("POST", "/v1/quotes", content=content)
    answer = await app_client.send("POST", "/v1/quotes", content=pieces())
    assert (answer.status_code, _shown(answer)) == (200, _shown(whole))


async def test_each_answer_has_an_id_of_its_own(client: httpx.AsyncClient) -> None:
    paths = ["/a", "/b"] * 20
    ids = [(await client.post(path, headers={"X-Request-Id": "not one"})).headers["X-Request-Id"] for path in paths]
    assert len(set(ids)) == len(paths)
    assert all(re.fullmatch(r"[0-9a-f]{32}", one) for one in ids)


async def test_a_quote_is_answered_the_same_either_way(app_client: Api) -> None:
    async def asked() -> list[httpx.Response]:
        return [
            await app_client.send("POST", "/v1/quotes", **arguments)
            for arguments in (
                {"json": _GOOD},
                {"json": _BAD},
                {"content": b"{"},
                {"json": _BAD, "headers": {"Dispatch-Min-Version": "nonsense"}},
                {"json": _BAD, "headers": {"Content-Type": "text/plain"}},
                {"json": _BAD, "headers": {"Content-Encoding": "gzip"}},
                {"json": _BAD, "headers": {"Content-Length": "99999999999"}},
                {"json": _BAD, "params": {"a": "1"}},
                {"json": _BAD, "params": [("a", "1"), ("a", "2")]},
            )
        ]

    short = await asked()
    assert {one.status_code for one in short} == {200, 400, 413, 415, 422}
    app_client.app.shorten({})
    for one, other in zip(short, await asked(), strict=True):
        assert (one.status_code, _shown(one)) == (other.status_code, _shown(other))
        assert list(one.headers) == list(other.headers)


async def test_many_quotes_are_answered_the_same_either_way(app_client: Api) -> None:
    async def asked() -> list[httpx.Response]:
        return [
            await app_client.send("POST", "/v1/quotes/batch", **arguments)
            for arguments in (
                {"json": {"quotes": [_GOOD, _BAD, 17]}},
                {"json": {"quotes": [], "more": 1}},
                {"json": {"quotes": [_GOOD] * 1_001}},
                {"content": b"{"},
                {"json": {}, "headers": {"Dispatch-Min-Version": "nonsense"}},
                {"json": {}, "headers": {"Content-Type": "text/plain"}},
                {"json": {}, "params": {"a": "1"}},
            )
        ]

    short = await asked()
    assert [one.status_code for one in short] == [200, 422, 422, 400, 400, 415, 422]
    app_client.app.shorten({})
    for one, other in zip(short, await asked(), strict=True):
        assert (one.status_code, _shown(one)) == (other.status_code, _shown(other))
        assert list(one.headers) == list(other.headers)


async def test_a_page_of_stores_is_answered_the_same_either_way(app_client: Api) -> None:
    await app_client.put_store("a", 25.001, 121.5, brand="全家", opening_hours="Mo-Su 08:00-22:00")
    await app_client.put_store("b", 25.002, 121.5)
    await app_client.put_stock("a", tea=3)
    here = [("lat", "25"), ("lon", "121.5")]

    async def asked() -> list[httpx.Response]:
        tag = (await app_client.send("GET", "/v1/stores/nearby", params=here, headers=app_client.seen)).headers["etag"]
        return [
            await app_client.send("GET", "/v1/stores/nearby", params=params, headers=app_client.seen | headers)
            for params, headers in (
                (here, {}),
                (here, {"If-None-Match": tag}),
                (here, {"Accept": "text/html, Application/Geo+JSON"}),
                (here, {"Dispatch-Min-Version": "nonsense"}),
                ([*here, ("limit", "1"), ("brand", "全家"), ("open_now", "yes"), ("delivers_here", "1")], {}),
                ([*here, ("sku", "tea"), ("sku", "milk")], {}),
                ([*here, ("sku", "tea"), ("fields", "stock,name"), ("fields", "lat")], {}),
                ([*here, ("fields", "nonsense")], {}),
                ([*here, ("datum", "bd09"), ("radius_m", "1e3"), ("limit", " 5 ")], {}),
                ([*here, ("cursor", "nonsense")], {}),
                ([*here, ("lat", "25")], {}),
                ([*here, ("limit", ""), ("brand", "")], {}),
                ([*here, ("brand", "")], {}),
                ([*here, ("nonsense", "1"), ("radius_m", "0")], {}),
                ([*here, ("map", "a=b"), ("id_from", "x")], {}),
                ([("lat", "nan"), ("lon", "121.5")], {}),
                ([("lat", "95"), ("lon", "25")], {}),
                ([], {}),
            )
        ] + [
            await app_client.send("GET", "/v1/stores/nearby?lat=25&lon=121.5&brand=" + brand, headers=app_client.seen)
            for brand in ("%ff", "%zz", "a+b%20c", "a;b", "%E5%85%A8%E5%AE%B6", "x&&y=")
        ]

    short = await asked()
    assert {one.status_code for one in short} == {200, 304, 400, 422}
    app_client.app.shorten({})
    for one, other in zip(short, await asked(), strict=True):
        assert (one.status_code, one.content) == (other.status_code, other.content), one.request.url
        assert list(one.headers) == list(other.headers)


def _shown(answer: httpx.Response) -> bytes:
    """The body, but for how old the replica was."""
    return re.sub(rb'"replica_lag_s":[0-9.]+', b"", answer.content)
