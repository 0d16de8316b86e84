"""What is asked most is answered before the framework sees it; whatever else goes its usual way."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Scope

from dispatch.api.envelope import Envelope
from dispatch.api.problems import Problem, answer_with_problems
from dispatch.api.shortcuts import Shortcut, ShortcutApp
from dispatch.domain.errors import ReplicaNotReady
from tests.api.client import Api, worker
from tests.api.shop import DOOR, clock_of_now, order_of, with_shops

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


def _read_name(scope: Scope) -> str | None:
    name = scope["path"].rpartition("/")[2]
    return name if name.isalpha() else None


async def _short_of(_request: Request, name: str) -> Response:
    return PlainTextResponse(f"short {name}")


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = ShortcutApp()
    answer_with_problems(app)

    @app.post("/a")
    async def _long() -> str:
        return "long"

    @app.put("/b/{name}")
    async def _long_of(name: str) -> str:
        return f"long {name}"

    app.add_middleware(Envelope)
    app.shorten({("POST", "/a"): _short, ("PUT", "/b/"): Shortcut(_read_name, _short_of)})
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x")


async def test_only_its_own_method_and_path_take_the_shortcut(client: httpx.AsyncClient) -> None:
    assert (await client.post("/a")).text == "short"
    assert (await client.post("/a?b=1")).text == "short"
    assert (await client.get("/a")).status_code == 405
    assert (await client.post("/b")).status_code == 404


async def test_a_path_that_ends_in_a_slash_stands_for_those_one_step_longer(client: httpx.AsyncClient) -> None:
    assert (await client.put("/b/c")).text == "short c"
    assert (await client.put("/b/%63")).text == "short c"
    assert (await client.put("/b/7")).json() == "long 7"  # which the reading does not know
    assert (await client.get("/b/c")).status_code == 405
    for path in ("/b", "/b/", "/b/c/d", "/b/c/", "/b/c%2Fd", "/bc"):
        assert (await client.put(path)).status_code == 404, path


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


async def test_what_is_asked_most_does_not_reach_the_framework(
    app_client: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FastAPI, "__call__", None)
    for method, path, body in (
        ("POST", "/v1/quotes", _GOOD),
        ("POST", "/v1/quotes/batch", {"quotes": [_GOOD]}),
        ("GET", "/v1/stores/nearby?lat=25&lon=121", None),
        ("PUT", "/v1/orders/o-1", _GOOD),
    ):
        answer = await app_client.send(method, path, json=body)
        assert answer.status_code == (409 if method == "PUT" else 200), (path, answer.text)


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


async def test_an_order_is_answered_the_same_either_way(database_url: str, tmp_path: Path) -> None:
    good = order_of(quantity=1, customer={"name": "Ann"}, channel="app", hold_s=900)
    bodies: list[dict[str, Any]] = [
        {"json": body}
        for body in (
            good,
            good | {"explain": False, "exclude_stores": []},
            good | {"destination": {"lat": 95, "lon": 121.5}},
            good | {"destination": {"lat": DOOR[0], "lon": DOOR[1]}, "datum": "gcj02"},
            order_of("milk", 90),
            order_of("milk", 90, explain=True, datum="bd09"),
            good | {"lines": [{"sku": "tea", "quantity": 1, "max_price": 3}]},
            good | {"lines": []},
            good | {"customer": {"email": "a"}},
            {},
        )
    ] + [
        {"content": b"{"},
        {"content": b""},
        {"json": good, "params": {"a": "1"}},
        {"json": good, "headers": {"Content-Type": "text/plain"}},
        {"json": good, "headers": {"Content-Encoding": "gzip"}},
        {"json": good, "headers": {"Content-Length": "99999999999"}},
        {"json": good, "headers": {"Dispatch-Min-Version": "nonsense"}},
    ]
    ids = (
        "o-WAY", "WAY" + "x" * 61, "x" * 65, "%6f2-WAY", "batch-WAY", "-a", "", ".", "..", "a%2Fb", "a%0A",
        "a%20b", "a/", "%ff", "%zz", "%E5%85%A8", "a?b=1", "a;b", "a+b",
    )  # fmt: skip

    async def asked(api: Api, way: str) -> list[httpx.Response]:
        """Each of them twice: the second time the order is there."""
        told = []
        for _ in range(2):
            told += [await api.send("PUT", f"/v1/orders/o{n}-{way}", **said) for n, said in enumerate(bodies)]
            # With a body that is right, and with one that is not.
            for said in (good, {}):
                told += [await api.send("PUT", f"/v1/orders/{id.replace('WAY', way)}", json=said) for id in ids]
        return told

    async with worker(database_url, tmp_path, clock=clock_of_now()) as api:
        await with_shops(api, 80, queue_per_order_s=0)
        await api.put_stock("near", tea=80, milk=5)
        await api.send("GET", "/v1/stores/nearby?lat=25&lon=121", headers=api.seen)
        short = await asked(api, "one")
        api.app.shorten({})
        long = await asked(api, "two")
        # What was placed by one way is known by the other.
        for n, said in enumerate(bodies[:2]):
            assert (await api.send("PUT", f"/v1/orders/o{n}-one", **said)).status_code == 200
    assert {one.status_code for one in short} == {200, 201, 400, 404, 405, 409, 413, 415, 422}
    for one, other in zip(short, long, strict=True):
        assert (one.status_code, _placed(one)) == (other.status_code, _placed(other)), one.request.url
        assert list(one.headers) == list(other.headers), one.request.url


def _placed(answer: httpx.Response) -> bytes:
    """The body, but for its times, the way in its id and what the replica had seen."""
    return re.sub(rb'"\d{4}-\d\d-\d\dT[0-9:.+-]+"|one|two|"version":"[^"]+"', b"", _shown(answer))


def _shown(answer: httpx.Response) -> bytes:
    """The body, but for how old the replica was."""
    return re.sub(rb'"replica_lag_s":[0-9.]+', b"", answer.content)
