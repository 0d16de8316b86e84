"""POST /v1/quotes is answered before the framework sees it; whatever else goes its usual way."""

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.responses import PlainTextResponse, Response

from dispatch.api.envelope import Envelope
from dispatch.api.problems import Problem, answer_with_problems
from dispatch.api.shortcuts import Shortcuts
from dispatch.domain.errors import ReplicaNotReady
from tests.api.client import Api

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
    app = FastAPI()
    answer_with_problems(app)

    @app.post("/a")
    async def _long() -> str:
        return "long"

    app.add_middleware(Shortcuts, handlers={("POST", "/a"): _short})
    app.add_middleware(Envelope)
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


async def test_a_quote_is_answered_the_same_either_way(app_client: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {"Dispatch-Min-Version": "nonsense"}
    short = [
        await app_client.send("POST", "/v1/quotes", json=_BAD),
        await app_client.send("POST", "/v1/quotes", json=_BAD, headers=headers),
        await app_client.send("POST", "/v1/quotes?a=1", json=_BAD),
    ]
    monkeypatch.setattr("dispatch.api.shortcuts.Shortcuts._handler", lambda *_: None)
    long = [
        await app_client.send("POST", "/v1/quotes", json=_BAD),
        await app_client.send("POST", "/v1/quotes", json=_BAD, headers=headers),
        await app_client.send("POST", "/v1/quotes?a=1", json=_BAD),
    ]
    assert [(one.status_code, one.content) for one in short] == [(one.status_code, one.content) for one in long]
