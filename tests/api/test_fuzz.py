"""Bodies made from the served document, some a little wrong: the 4xx points into what was sent, and none is a 500."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dispatch.app import create_app
from dispatch.settings import load_settings
from tests.api.client import Api, Clock, assert_problem, worker

ROUTES = {
    "OrderIn": ("PUT", "/v1/orders/o-1"),
    "OrdersIn": ("POST", "/v1/orders/batch"),
    "AttemptIn": ("POST", "/v1/orders/o-1/accept"),
    "DeclineIn": ("POST", "/v1/orders/o-1/decline"),
    "ReassignIn": ("POST", "/v1/orders/o-1/reassign"),
    "NothingIn": ("POST", "/v1/orders/o-1/confirm"),
    "QuoteIn": ("POST", "/v1/quotes"),
    "QuotesIn": ("POST", "/v1/quotes/batch"),
    "StoreIn": ("PUT", "/v1/stores/a"),
    "ShelfIn": ("PATCH", "/v1/stores/a/stock"),
    "ClosureIn": ("POST", "/v1/stores/a/closures"),
    "TicketIn": ("POST", "/v1/events/tickets"),
}
HOURS = (
    "24/7",
    "Mo-Su 08:00-22:00",
    "sunrise-sunset",
    "PH off",
    "week 1-53/2 Mo 10:00-26:00",
    'Mo "by appointment"',
    "easter off",
)
ZONES = (
    "POLYGON((121 25,122 25,122 26,121 25))",
    "POLYGON((0 0,1 0,1 1,0 0))",
    "MULTIPOLYGON(((0 0,1 0,1 1,0 0)))",
    "POINT(1 1)",
)
PLAUSIBLE: dict[str, st.SearchStrategy[Any]] = {
    "lat": st.floats(-91, 91) | st.sampled_from([25.03, 39.9, 0, -0.0, 90, -90, 31.2]),
    "lon": st.floats(-181, 181) | st.sampled_from([121.56, 116.4, 0, -0.0, 180, -180, 121.5]),
    "at": st.sampled_from(["2026-11-20T10:00:00+08:00", "2026-11-20T02:00:30Z", "2027-11-20T00:00:00-12:00"]),
    "as_of": st.sampled_from(["2026-11-20T10:00:00+08:00", "2026-11-20T02:02:00Z", "2000-01-01T00:00:00Z"]),
    "from": st.sampled_from(["2026-11-20T10:00:00+08:00", "2026-11-20T12:00:00.5Z", "0001-01-01T00:00:00+14:00"]),
    "to": st.sampled_from(["2026-11-20T12:00:00+08:00", "2026-11-21T02:00:00Z", "9999-12-31T23:59:59.9-12:00"]),
    "timezone": st.sampled_from(["Asia/Taipei", "America/St_Johns", "UTC", "Pacific/Apia"]),
    "opening_hours": st.sampled_from(HOURS) | st.text("MoTuSu0123456789:-,;+/() PHwekoff\"", max_size=30),
    "delivery_zone": st.sampled_from(ZONES) | st.text("POLYGNMUTI(), 0123456789.-e", max_size=60),
    "sku": st.sampled_from(["tea", "egg", "0012"]),
    "order_id": st.sampled_from(["o-1", "o-2", "A.b:c_d-9", "-", "é", "x" * 65]),
    "assignment": st.sampled_from(["greedy", "greedy", "joint"]),
    "currency": st.sampled_from(["TWD", "JPY", "XAU", "ZZZ"]),
}  # fmt: skip
LETTERS = st.characters(categories=["L", "N", "P"], exclude_characters="/")
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([2**31, 2**63, -(2**64), 10**400, 1e308, -1e-320])
    | st.floats() | st.text(max_size=20) | st.text(st.characters(), max_size=8)
    | st.sampled_from(["", "\0", "\ud800", "a/b", "..", "9" * 5000, "x" * 1000, "２５", "NaN", "null"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def document() -> dict[str, Any]:
    """The served document; making it needs no database."""
    return create_app(load_settings(database_url="postgresql://nobody@localhost/none")).openapi()


def bodies(schema: dict[str, Any], components: dict[str, Any], *, odds: int, name: str = "") -> st.SearchStrategy[Any]:
    """Values of a schema; about one in ``odds`` is anything else instead, with odds of 0 none."""
    right = _right(schema, components, odds, name)
    if not odds:
        return right
    return st.integers(0, odds - 1).flatmap(lambda figure: right if figure else ANYTHING)


def _right(schema: dict[str, Any], components: dict[str, Any], odds: int, name: str) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        return _right(components[schema["$ref"].rsplit("/", 1)[1]], components, odds, name)
    if name in PLAUSIBLE:
        return PLAUSIBLE[name]
    if "anyOf" in schema:
        return st.one_of(*(_right(choice, components, odds, name) for choice in schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "object":
            required = set(schema.get("required", ()))
            properties = schema.get("properties", {})
            members = {key: bodies(value, components, odds=odds, name=key) for key, value in properties.items()}
            return st.fixed_dictionaries(
                {key: value for key, value in members.items() if key in required},
                optional={key: value for key, value in members.items() if key not in required},
            )
        case "array":
            size = schema.get("minItems", 0)
            return st.lists(bodies(schema["items"], components, odds=odds), min_size=size, max_size=size + 2)
        case "string":
            return st.text(LETTERS, min_size=schema.get("minLength", 0), max_size=min(schema.get("maxLength", 20), 20))
        case "integer":
            return st.integers(schema.get("minimum", -5), schema.get("maximum", 10**6))
        case "number":
            return st.floats(schema.get("exclusiveMinimum", -1e3), schema.get("maximum", 1e3))
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
    return ANYTHING


def sendings() -> st.SearchStrategy[tuple[str, Any]]:
    """The name of a schema, and a body for it."""
    components = document()["components"]["schemas"]
    names, all_odds = st.sampled_from(sorted(ROUTES)), st.sampled_from([0, 0, 8, 30])
    return st.tuples(names, all_odds).flatmap(
        lambda chosen: st.tuples(st.just(chosen[0]), bodies({"$ref": f"#/{chosen[0]}"}, components, odds=chosen[1]))
    )


def reaches(body: Any, pointer: str) -> bool:
    """Whether the pointer leads to something in the body, or to what lacks in something that is there."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    for i, step in enumerate(steps):
        if isinstance(body, dict):
            if step not in body:
                return i == len(steps) - 1
            body = body[step]
        elif isinstance(body, list) and step.isdigit() and int(step) < len(body):
            body = body[int(step)]
        else:
            return False
    return True


@pytest.fixture
async def api(database_url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[Api]:
    async with worker(database_url, tmp_path, clock=clock) as api:
        await api.put_store("a", 25.03, 121.56)
        await api.put_stock("a", tea=3)
        order = {"destination": {"lat": 25.03, "lon": 121.56}, "lines": [{"sku": "tea", "quantity": 1}]}
        assert (await api.write("PUT", "/v1/orders/o-1", order)).status_code == 201
        yield api


statuses: dict[tuple[str, int], int] = {}


# A failure prints the line that repeats it.
@settings(
    max_examples=250,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sending=sendings())
@example(sending=("StoreIn", {"lat": 25.0, "lon": 121.0, "datum": "bd09", "delivery_zone": ZONES[1]}))
@example(sending=("ShelfIn", {"items": [], "as_of": "0001-01-01T00:00:00+14:00"}))
async def test_whatever_is_sent_the_answer_is_right_or_points_to_what_is_wrong(
    api: Api, sending: tuple[str, Any]
) -> None:
    name, body = sending
    method, url = ROUTES[name]
    answer = await api.send(method, url, content=json.dumps(body), headers={"Content-Type": "application/json"})
    statuses[name, answer.status_code] = statuses.get((name, answer.status_code), 0) + 1
    if answer.status_code in (200, 201):
        for quote in answer.json()["quotes"] if name == "QuotesIn" else []:
            assert quote["status"] in (200, 400, 422), quote
        for order in answer.json()["orders"] if name == "OrdersIn" else []:
            assert order["status"] in (200, 201, 400, 409, 422), order
        return
    assert answer.status_code in (400, 404, 409, 422), (answer.status_code, answer.text)
    problem = assert_problem(answer, answer.status_code)
    for error in problem.get("errors", []):
        assert reaches(body, error["pointer"]), (error, body)


def test_the_bodies_were_right_often_enough_and_wrong_often_enough() -> None:
    """Runs after the one above; bodies that are all refused would test nothing."""
    if not statuses:
        pytest.skip("the test that sends them was not run")
    for name in ROUTES:
        # An order that no store can take, or an action at the wrong time, was asked for rightly.
        assert any(of == name and status in (200, 201, 409) for of, status in statuses), (name, statuses)
    assert sum(count for (_, status), count in statuses.items() if status in (200, 201)) >= 25
    assert sum(count for (_, status), count in statuses.items() if status >= 400) >= 25
