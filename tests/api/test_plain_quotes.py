"""What msgspec reads as a quote pydantic reads as the same; what either refuses is refused as pydantic does it."""

import json
from typing import Any

import pytest

from dispatch.api.bodies import parsed
from dispatch.api.plain_quotes import PlainQuote, read_quote
from dispatch.api.problems import Problem
from dispatch.api.schemas import QuoteIn

PLACE = {"lat": 25.0, "lon": 121.5}
LINES = [{"sku": "tea", "quantity": 2}, {"sku": "牛奶 1 l", "quantity": 100}]
GOOD: dict[str, Any] = {"destination": PLACE, "lines": LINES}
FIELDS = (
    "destination", "lines", "datum", "promise_minutes", "strategy", "mode", "alternatives", "explain", "exclude_stores",
    "only_stores", "at",
)  # fmt: skip

PLAIN: list[dict[str, Any]] = [
    {},
    {"destination": {"lat": 25, "lon": -121}},
    {"datum": "bd09", "promise_minutes": 5, "strategy": "fastest", "mode": "foot", "alternatives": 20, "explain": True},
    {"mode": None, "promise_minutes": 240},
    {"lines": [{"sku": "x" * 64, "quantity": 1}] * 200},
]
UNUSUAL: list[dict[str, Any]] = [
    {"at": "2026-11-21T10:00:00+08:00"},
    {"at": None, "channel": "app", "campaign": None},
    {"exclude_stores": ["a"], "only_stores": ["b", "c"]},
]
ODD_LINES: list[Any] = [
    {"sku": "", "quantity": 1}, {"sku": "x" * 65, "quantity": 1}, {"sku": " tea", "quantity": 1},
    {"sku": "tea\t", "quantity": 1}, {"sku": "t\u200bea", "quantity": 1}, {"sku": "tea", "quantity": 0},
    {"sku": "tea", "quantity": 1.0}, {"sku": "tea", "quantity": 1.5}, {"sku": "tea", "quantity": "1"},
    {"sku": "tea", "quantity": True}, {"sku": "tea", "quantity": 10**30}, {"sku": 7, "quantity": 1}, {"sku": "tea"},
    {"sku": "tea", "quantity": 1, "max_price": 3}, "tea", None,
]  # fmt: skip
ODD: list[dict[str, Any]] = [
    *({"lines": [line]} for line in ODD_LINES),
    {"lines": []}, {"lines": LINES * 101}, {"lines": {}}, {"lines": None}, {"destination": None},
    {"destination": {"lat": "25", "lon": 121}}, {"destination": {"lat": True, "lon": 121}}, {"destination": [25, 121]},
    {"destination": {"lat": 25}}, {"destination": PLACE | {"alt": 3}}, {"datum": "wgs"}, {"datum": None},
    {"promise_minutes": 4}, {"promise_minutes": 241}, {"promise_minutes": 60.0}, {"promise_minutes": None},
    {"strategy": "NEAREST"}, {"mode": "bus"}, {"alternatives": -1}, {"alternatives": 21}, {"explain": 1},
    {"explain": None}, {"nonsense": 1},
]  # fmt: skip
RAW = [
    b"", b"{", b"[]", b"null", b"17", b'"tea"', b"\xef\xbb\xbf{}", b'{"destination":' * 400, b"[" * 100_000,
    json.dumps(GOOD).encode() + b" x", json.dumps(GOOD).encode()[:-1] + b",}",
    json.dumps(GOOD).replace("25.0", "NaN").encode(), json.dumps(GOOD).replace("25.0", "1e999").encode(),
    json.dumps(GOOD).replace("25.0", "1" + "0" * 400).encode(), json.dumps(GOOD).replace("tea", "\\ud800").encode(),
    json.dumps(GOOD).encode().replace(b"tea", b"\xff"), json.dumps(GOOD).encode().replace(b"tea", b"t\x01a"),
    b'{"lines": [], ' + json.dumps(GOOD).encode()[1:], json.dumps(GOOD).encode()[:-1] + b', "lines": []}',
]  # fmt: skip


def by_pydantic(body: bytes) -> QuoteIn | tuple[int, dict[str, Any]]:
    try:
        return parsed(QuoteIn, body)
    except Problem as problem:
        return problem.status, problem.body()


def read(body: bytes) -> PlainQuote | QuoteIn | tuple[int, dict[str, Any]]:
    try:
        return read_quote(body)
    except Problem as problem:
        return problem.status, problem.body()


@pytest.mark.parametrize("more", PLAIN)
def test_what_most_ask_takes_no_pydantic_and_says_the_same(more: dict[str, Any]) -> None:
    body = json.dumps(GOOD | more).encode()
    plain, expected = read(body), by_pydantic(body)
    assert isinstance(plain, PlainQuote)
    assert isinstance(expected, QuoteIn)
    assert said_by(plain) == said_by(expected)


def said_by(asked: PlainQuote | QuoteIn) -> dict[str, Any]:
    told: dict[str, Any] = {name: getattr(asked, name) for name in FIELDS}
    told["destination"] = (asked.destination.lat, asked.destination.lon)
    told["lines"] = [(line.sku, line.quantity) for line in asked.lines]
    return told | {name: list(told[name]) for name in ("exclude_stores", "only_stores")}


@pytest.mark.parametrize("body", [*(json.dumps(GOOD | more).encode() for more in [*UNUSUAL, *ODD]), *RAW])
def test_whatever_else_is_said_pydantic_judges(body: bytes) -> None:
    got, expected = read(body), by_pydantic(body)
    if isinstance(got, PlainQuote):
        assert isinstance(expected, QuoteIn)
        assert said_by(got) == said_by(expected)
    else:
        assert repr(got) == repr(expected)  # NaN is not equal to itself


def test_what_is_wrong_is_not_taken_for_plain() -> None:
    refused = [body for body in (json.dumps(GOOD | more).encode() for more in ODD) if isinstance(read(body), tuple)]
    assert len(refused) == len(ODD)
