"""Errors are RFC 9457 problems, each with the id of its request; a fault of ours says nothing of itself."""

from typing import Any

import pytest

from dispatch.api import finding
from tests.api.client import Api, assert_problem

QUOTE = {"destination": {"lat": 25.0, "lon": 121.5}, "lines": [{"sku": "tea", "quantity": 1}]}


async def test_a_problem_has_every_member_and_nothing_more(app_client: Api) -> None:
    answer = await app_client.send("POST", "/v1/quotes", json=QUOTE | {"promise_minutes": 4, "colour": "red"})
    problem = assert_problem(answer, 422, "invalid_input", pointers=["/promise_minutes", "/colour"])
    assert set(problem) == {"type", "title", "status", "detail", "code", "errors"}
    assert (problem["type"], problem["title"]) == ("about:blank", "Unprocessable Entity")
    assert {"pointer": "/colour", "detail": "this field is not known"} in problem["errors"]


async def test_pointers_are_escaped_as_rfc_6901_says(app_client: Api) -> None:
    answer = await app_client.send("POST", "/v1/quotes", json=QUOTE | {"a/b~c": 1})
    assert_problem(answer, 422, pointers=["/a~1b~0c"])
    assert_problem(await app_client.send("GET", "/v1/imports?a/b=1"), 422, pointers=["/query/a~1b"])


OF_TYPE = {
    name: {"json": {}, "headers": {"Content-Type": name}} for name in ("text/plain", "a/xml", "multipart/form-data")
}
REFUSED: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("GET", "/v1/nothing", {}, 404, "not_found"),
    ("GET", "/v1/stores/a/", {}, 404, "not_found"),
    ("GET", "/v1/stores/a", {}, 404, "store_not_found"),
    ("GET", "/v1/imports/0", {}, 404, "import_not_found"),
    ("GET", "/v1/quotes", {}, 405, "method_not_allowed"),
    ("POST", "/v1/stores/nearby", {}, 405, "method_not_allowed"),
    ("DELETE", "/v1/imports", {}, 405, "method_not_allowed"),
    ("POST", "/v1/quotes", {"content": b"{"}, 400, "malformed"),
    ("POST", "/v1/quotes", OF_TYPE["text/plain"], 415, "unsupported_media_type"),
    ("PUT", "/v1/stores/a", OF_TYPE["a/xml"], 415, "unsupported_media_type"),
    ("PATCH", "/v1/stores/a/stock", OF_TYPE["multipart/form-data"], 415, "unsupported_media_type"),
    ("POST", "/v1/quotes", {"json": {}, "headers": {"Content-Encoding": "gzip"}}, 415, "unsupported_media_type"),
    ("POST", "/v1/quotes", {"json": {}}, 422, "invalid_input"),
]


async def test_each_status_has_its_code(app_client: Api) -> None:
    for method, url, arguments, status, code in REFUSED:
        answer = await app_client.send(method, url, **arguments)
        assert_problem(answer, status, code)
        if status == 405:
            assert answer.headers["allow"]


async def test_a_body_may_say_in_several_ways_that_it_is_json(app_client: Api) -> None:
    content = b'{"destination": {"lat": 25.0, "lon": 121.5}, "lines": [{"sku": "tea", "quantity": 1}]}'
    for media_type in ("application/json", "application/json; charset=utf-8", "Application/JSON", "a/b+json", None):
        headers = {} if media_type is None else {"Content-Type": media_type}
        assert (await app_client.send("POST", "/v1/quotes", content=content, headers=headers)).status_code == 200


async def test_a_request_id_is_echoed_or_made(app_client: Api) -> None:
    sent = await app_client.send("GET", "/healthz", headers={"X-Request-Id": "order-17:try.2"})
    assert sent.headers["x-request-id"] == "order-17:try.2"
    made = {(await app_client.send("GET", "/v1/nothing")).headers["x-request-id"] for _ in range(3)}
    assert len(made) == 3
    for bad in ("a b", "x" * 129, "é", "<script>", ""):
        answer = await app_client.send("GET", "/healthz", headers={"X-Request-Id": bad.encode("latin-1")})
        assert answer.headers["x-request-id"] not in (bad, "")


async def test_a_fault_of_ours_is_500_with_its_id_and_tells_nothing(
    app_client: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(finding, "Selecting", broken)
    answer = await app_client.send("POST", "/v1/quotes", json=QUOTE, headers={"X-Request-Id": "mine"})
    assert_problem(answer, 500, "internal_error")
    assert answer.headers["x-request-id"] == "mine"
    assert "hunter2" not in answer.text
    assert "RuntimeError" not in answer.text


async def test_of_thousands_of_errors_the_first_hundred_are_told(app_client: Api) -> None:
    await app_client.put_store("a", 25.0, 121.5)
    items = [{"sku": f"{i}", "on_hand": -1} for i in range(20_000)]
    answer = await app_client.send("PATCH", "/v1/stores/a/stock", json={"items": items})
    problem = assert_problem(answer, 422)
    assert [error["pointer"] for error in problem["errors"]] == [f"/items/{i}/on_hand" for i in range(100)]
    assert problem["detail"] == "20000 values are not valid"
