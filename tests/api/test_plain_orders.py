"""What msgspec reads as an order is the same order, known again by the same fingerprint, as pydantic makes of it."""

import hashlib
import json
import unicodedata
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.api.bodies import parsed
from dispatch.api.orders import _request_of
from dispatch.api.plain_orders import PlainOrder, read_order
from dispatch.api.problems import Problem
from dispatch.api.schemas import OrderIn
from dispatch.domain.errors import InvalidInput
from dispatch.services.orders.placing import OrderRequest
from tests.api.test_plain_quotes import RAW

GOOD: dict[str, Any] = {"destination": {"lat": 25.0, "lon": 121.5}, "lines": [{"sku": "tea", "quantity": 2}]}
TEXT = st.text(max_size=6) | st.sampled_from(["全家", " a", "x" * 64, "\u200b"])
LABEL = st.none() | TEXT.filter(lambda text: text and not any(unicodedata.category(c) in ("Cc", "Cs") for c in text))
SKU = (
    st.text(max_size=4).map(lambda text: "sku" + text).filter(lambda text: text.isprintable() and text == text.strip())
)
LINE = st.fixed_dictionaries(
    {"sku": SKU, "quantity": st.integers(1, 100)}, optional={"max_price": st.none() | st.integers(0, 1_000)}
)
GOOD_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "datum": st.sampled_from(["wgs84", "gcj02", "bd09"]),
    "promise_minutes": st.just(60) | st.integers(5, 240),
    "strategy": st.sampled_from(["nearest", "fastest"]),
    "mode": st.sampled_from([None, "foot", "ebike", "car"]),
    "channel": LABEL,
    "campaign": LABEL,
    "customer": st.none()
    | st.fixed_dictionaries({}, optional=dict.fromkeys(("name", "phone", "address", "note"), LABEL | st.just(""))),
    "hold_s": st.just(900) | st.integers(0, 3600),
}
UNUSUAL_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "alternatives": st.integers(0, 20),
    "explain": st.booleans(),
    "exclude_stores": st.lists(SKU.filter(lambda text: "/" not in text), max_size=2),
    "only_stores": st.lists(SKU.filter(lambda text: "/" not in text), max_size=2),
}
GOOD_BODIES = st.fixed_dictionaries(
    {
        "destination": st.fixed_dictionaries({"lat": st.floats(-90, 90), "lon": st.floats(-180, 180)}),
        "lines": st.lists(LINE, min_size=1, max_size=3),
    },
    optional=GOOD_FIELDS,
)
NOT_TEXT = st.sampled_from([7, "", "x" * 65, "x" * 501, "a\nb", "\x7f", ["a"], False])
ODD_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "datum": st.sampled_from(["WGS84", None, 1]),
    "promise_minutes": st.sampled_from([4, 241, 60.0, None, True, "60"]),
    "strategy": st.sampled_from(["dearest", None]),
    "mode": st.sampled_from(["bus", "", 0]),
    "alternatives": st.sampled_from([-1, 21, None]),
    "explain": st.sampled_from([0, None, "true"]),
    "exclude_stores": st.sampled_from([None, [""], ["a/b"], [" a"], "a", [1]]),
    "only_stores": st.sampled_from([None, ["nearby"], {}]),
    "channel": NOT_TEXT,
    "campaign": NOT_TEXT,
    "customer": st.sampled_from([[], "Ann", {"email": "a"}]) | NOT_TEXT.map(lambda text: {"note": text}),
    "hold_s": st.sampled_from([-1, 3601, 900.0, None, 10**30]),
    "lines": st.sampled_from([[], None, {}, GOOD["lines"] * 201])
    | st.sampled_from([{"sku": " tea"}, {"sku": "t\u200ba"}, {"sku": ""}, {"quantity": 0}, {"quantity": 1.0},
                       {"max_price": -1}, {"max_price": 1.5}, {"max_price": 10**12}, {"price": 1}])
    .map(lambda more: [GOOD["lines"][0] | more]),
    "destination": st.fixed_dictionaries({"lat": st.floats() | st.integers(-99, 99), "lon": st.floats() | st.none()}),
    "nonsense": st.none(),
}  # fmt: skip


def one_of(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """A good order with one of these fields."""
    each = [
        st.builds(lambda body, value, name=name: body | {name: value}, GOOD_BODIES, of) for name, of in fields.items()
    ]
    return st.one_of(*each)


def as_before(order: OrderIn) -> bytes:
    """The fingerprint as it was made, and stored, before there was another way to read an order."""
    content = order.model_dump(mode="json", exclude_defaults=True, exclude={"explain", "alternatives", "order_id"})
    return hashlib.blake2b(msgspec.json.encode(content), digest_size=16).digest()


def asked(order: PlainOrder | OrderIn) -> OrderRequest | str:
    try:
        return _request_of("o-1", order)
    except InvalidInput as error:
        return repr(error.errors)


def by[Order](read: Callable[[bytes], Order], body: bytes) -> Order | tuple[int, dict[str, Any]]:
    try:
        return read(body)
    except Problem as problem:
        return problem.status, problem.body()


def check(body: bytes) -> str:
    """Read a body both ways, and say which it was."""
    order, expected = by(read_order, body), by(lambda body: parsed(OrderIn, body), body)
    if isinstance(expected, tuple) or isinstance(order, tuple):
        assert order == expected
        return "refused"
    request = asked(order)
    assert request == asked(expected)
    assert isinstance(request, str) or request.fingerprint == as_before(expected)
    return "plain" if isinstance(order, PlainOrder) else "unusual"


@settings(deadline=None, max_examples=300)
@given(body=GOOD_BODIES)
def test_a_good_order_is_the_same_either_way(body: dict[str, Any]) -> None:
    assert check(json.dumps(body).encode()) != "refused"


@settings(deadline=None, max_examples=200)
@given(body=one_of(UNUSUAL_FIELDS))
def test_a_field_that_few_send_is_left_to_pydantic(body: dict[str, Any]) -> None:
    assert check(json.dumps(body).encode()) == "unusual"


@settings(deadline=None, max_examples=400)
@given(body=one_of(ODD_FIELDS))
def test_whatever_is_wrong_with_an_order_pydantic_says(body: dict[str, Any]) -> None:
    check(json.dumps(body).encode())


@settings(deadline=None, max_examples=300)
@given(whole=st.integers(-180, 180), digits=st.text("0123456789", min_size=1, max_size=40), power=st.integers(-20, 20))
def test_degrees_are_the_same_number_to_the_last_bit(whole: int, digits: str, power: int) -> None:
    """The fingerprint holds the shortest text of each."""
    for number in (f"{whole}.{digits}", f"{whole}.{digits}e{power}", f"-0.{digits}"):
        body = json.dumps(GOOD).replace("25.0", number).replace("121.5", f"1{digits}e-{len(digits)}")
        assert check(body.encode()) == "plain"


USUAL: list[dict[str, Any]] = [
    {},
    {"channel": "app", "campaign": "一小时", "customer": {"name": "Ann", "phone": None, "note": ""}, "hold_s": 0},
    {"customer": {}, "datum": "gcj02", "promise_minutes": 30, "strategy": "fastest", "mode": "ebike"},
    {"lines": [{"sku": "x" * 64, "quantity": 1, "max_price": 0}, {"sku": "y", "quantity": 1, "max_price": None}]},
    # What the defaults say as well, each in words.
    {"datum": "wgs84", "promise_minutes": 60, "strategy": "nearest", "mode": None, "channel": None, "campaign": None,
     "customer": None, "hold_s": 900},
]  # fmt: skip


@pytest.mark.parametrize("more", USUAL)
def test_what_most_send_takes_no_pydantic(more: dict[str, Any]) -> None:
    assert check(json.dumps(GOOD | more).encode()) == "plain"


def test_to_say_what_the_defaults_are_changes_nothing() -> None:
    requests = [asked(read_order(json.dumps(GOOD | more).encode())) for more in (USUAL[0], USUAL[-1])]
    assert requests[0] == requests[1]


@pytest.mark.parametrize("body", RAW)
def test_what_is_not_quite_json_is_refused_as_before(body: bytes) -> None:
    check(body)


@pytest.mark.parametrize(
    ("more", "fingerprint"),
    [
        ({}, "f0a45ad96894e0830eaae92e8491c4df"),
        (USUAL[1], "965a2e2a172cf8ea5709f2f37e6f137e"),
    ],
)
def test_fingerprints_stay_what_they_were(more: dict[str, Any], fingerprint: str) -> None:
    """Orders are stored with them: with others, whoever sends one again would be told that its id is taken."""
    request = asked(read_order(json.dumps(GOOD | more).encode()))
    assert isinstance(request, OrderRequest)
    assert request.fingerprint.hex() == fingerprint
