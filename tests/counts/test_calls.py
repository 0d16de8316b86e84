"""How many calls of functions a quote makes: of Python's work, a measure that no clock blurs."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from dispatch.domain.selection import select
from dispatch.replica.replica import Replica
from tests.api.client import Api
from tests.api.shop import DOOR, with_shops
from tests.bench.in_process import NOW_S
from tests.bench.quotes import MIXES, questions
from tests.counts.calls import Calls, counted
from tests.counts.conftest import LARGE
from tests.counts.limits import hold

QUOTES = 20
REQUESTS = 5


def of_mix(replica: Replica, mix: str) -> Calls:
    asked = questions(LARGE, mix, QUOTES, now_s=NOW_S, seed=0)
    for question in asked:  # what is kept after the first time, such as the spells of hours
        select(replica, question)
    with counted() as calls:
        for question in asked:
            select(replica, question)
    return calls


@pytest.fixture(scope="module")
def by_mix(large: Replica) -> dict[str, Calls]:
    return {mix: of_mix(large, mix) for mix in MIXES}


def test_a_quote_in_process_makes_few_calls(by_mix: dict[str, Calls]) -> None:
    hold("calls.made", {mix: calls.made / QUOTES for mix, calls in by_mix.items()})


def test_few_functions_of_ours_run_for_it(by_mix: dict[str, Calls]) -> None:
    hold("calls.entered", {mix: calls.entered / QUOTES for mix, calls in by_mix.items()})


async def test_requests_to_the_app(api: Api) -> None:
    await with_shops(api, 5, 5, 5)
    await api.quote(*DOOR, "tea")  # the app has read the counts
    lat, lon = DOOR
    body = {"destination": {"lat": lat, "lon": lon}, "lines": [{"sku": "tea", "quantity": 1}]}
    around = {"lat": str(lat), "lon": str(lon)}
    hold(
        "calls.over_http",
        {
            "POST /v1/quotes": await of_request(api.app, "POST", "/v1/quotes", body=json.dumps(body).encode()),
            "GET /v1/stores/nearby": await of_request(api.app, "GET", "/v1/stores/nearby", query=around),
        },
    )


async def of_request(
    app: Callable[..., Any], method: str, path: str, *, query: dict[str, str] | None = None, body: bytes = b""
) -> int:
    """The calls made for one answer, from the app's being called until it returns. Of a few the least.

    In one of the others something else may have been at work between two steps of it.
    """
    return min([await _once(app, method, path, query or {}, body) for _ in range(1 + REQUESTS)][1:])


async def _once(app: Callable[..., Any], method: str, path: str, query: dict[str, str], body: bytes) -> int:
    headers = [(b"host", b"dispatch.test"), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": "&".join(f"{name}={value}" for name, value in query.items()).encode(),
        "headers": [*headers, (b"content-length", str(len(body)).encode())],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8_000),
        "state": {},
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    with counted() as calls:
        await app(scope, receive, send)
    assert sent[0]["status"] == 200, sent
    return calls.made
