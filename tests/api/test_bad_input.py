"""Bad input of every kind gets a 4xx problem that points to it; nothing gets a 500."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.client import Api, Clock, assert_problem, worker

JSON = {"Content-Type": "application/json"}
NEARBY = "/v1/stores/nearby"
HUGE = "9" * 5000
LONG = "x" * 1000

# Texts that stand where a number should.
NO_NUMBERS = ("NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400, HUGE, "true", "null", '"25"', "[]", "{}")
NO_WHOLE_NUMBERS = (*NO_NUMBERS, "1.5", "1.0", "-1", "1e2", "99999999999999999999")
BAD_TEXTS = ("\0", "a\x1bb", "a\x7f", "a\x85b", "\t", "a\nb")
BAD_MOMENTS: tuple[Any, ...] = (
    "", "x", "2026-11-21", "2026-11-21T10:00:00", "10:00", "1763600000", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z",
    "2026-11-21T25:00:00Z", "2026-11-21T10:00:00+25:00", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", "1960-01-01T00:00:00Z", "20261121T100000Z", "٢٠٢٦-11-21T10:00:00Z", 1763600000, 1e300,
    True, [], {},
)  # fmt: skip

type Case = tuple[str, str, dict[str, Any], int | tuple[int, ...], str | None]


@pytest.fixture
async def api(database_url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[Api]:
    """A worker that knows one store, a."""
    async with worker(database_url, tmp_path, clock=clock) as api:
        await api.put_store("a", 25.0, 121.5)
        yield api


def body(text: str | bytes) -> dict[str, Any]:
    """A JSON body, whether or not it is one."""
    return {"content": text.encode() if isinstance(text, str) else text, "headers": JSON}


async def refused(api: Api, cases: list[Case]) -> None:
    """Send each; the answers must be problems of that status, with that pointer where one is named."""
    for method, url, arguments, status, pointer in cases:
        answer = await api.send(method, url, **arguments)
        shown = f"{method} {url[:120]} {str(arguments)[:300]} → {answer.status_code} {answer.text[:300]}"
        statuses = (status,) if isinstance(status, int) else status
        assert answer.status_code in statuses, shown
        problem = assert_problem(answer, answer.status_code)
        if pointer is not None and answer.status_code == 422:
            assert pointer in [error["pointer"] for error in problem["errors"]], shown


QUOTE = '{"destination":{"lat":%s,"lon":121.5},"lines":[{"sku":"tea","quantity":%s}]%s}'


async def test_numbers_that_are_none(api: Api) -> None:
    cases: list[Case] = []
    for text in NO_NUMBERS:
        # 5,000 digits are no number to a JSON parser either.
        status = (400, 422)
        cases.append(("POST", "/v1/quotes", body(QUOTE % (text, "1", "")), status, None))
        cases.append(("PUT", "/v1/stores/b", body('{"lat":@,"lon":121.5}'.replace("@", text)), status, "/lat"))
        if text != "null":
            radius = '{"lat":25,"lon":121.5,"delivery_radius_m":@}'.replace("@", text)
            cases.append(("PUT", "/v1/stores/b", body(radius), status, "/delivery_radius_m"))
    for text in NO_WHOLE_NUMBERS:
        cases.append(("POST", "/v1/quotes", body(QUOTE % ("25", text, "")), (400, 422), "/lines/0/quantity"))
        for field in ("promise_minutes", "alternatives"):
            quote = QUOTE % ("25", "1", f',"{field}":{text}')
            cases.append(("POST", "/v1/quotes", body(quote), (400, 422), f"/{field}"))
        count = '{"items":[{"sku":"tea","on_hand":@}]}'.replace("@", text)
        cases.append(("PATCH", "/v1/stores/a/stock", body(count), (400, 422), "/items/0/on_hand"))
        if text != "null":
            price = '{"items":[{"sku":"tea","on_hand":1,"price":@,"currency":"TWD"}]}'.replace("@", text)
            cases.append(("PUT", "/v1/stores/a/stock", body(price), (400, 422), "/items/0/price"))
            seconds = '{"lat":25,"lon":121.5,"prepare_s":@}'.replace("@", text)
            if text != "1e2":
                cases.append(("PUT", "/v1/stores/b", body(seconds), (400, 422), "/prepare_s"))
    for text in ("nan", "inf", "1e999", HUGE, "", "x", "0x10", "1,5", "١٢٣x"):
        cases.append(("GET", f"{NEARBY}?lat={text}&lon=121.5", {}, 422, "/query/lat"))
        cases.append(("GET", f"{NEARBY}?lat=25&lon=121.5&radius_m={text}", {}, 422, "/query/radius_m"))
        cases.append(("GET", f"{NEARBY}?lat=25&lon=121.5&limit={text}", {}, 422, "/query/limit"))
        cases.append(("GET", f"/v1/imports?limit={text}", {}, 422, "/query/limit"))
    await refused(api, cases)


NO_PLACES = (
    (0, 0, "coordinate_null_island"),
    (1e-7, -1e-7, "coordinate_null_island"),
    (121.5, 25.0, "coordinates_swapped"),
    (91, 0, "coordinates_swapped"),
    (91, 91, "coordinate_out_of_range"),
    (25, 181, "coordinate_out_of_range"),
    (-90.0001, 121, "coordinate_out_of_range"),
    (float("nan"), 1, "coordinate_nan"),
    (1, float("-inf"), "coordinate_infinite"),
)


async def test_a_pair_that_is_no_place_is_refused_by_its_own_name(api: Api) -> None:
    for lat, lon, code in NO_PLACES:
        place = json.dumps({"lat": lat, "lon": lon})
        quote = '{"destination":@,"lines":[{"sku":"tea","quantity":1}]}'.replace("@", place)
        for method, url, arguments, pointer in (
            ("POST", "/v1/quotes", body(quote), "/destination"),
            ("PUT", "/v1/stores/b", body(place), "/lat"),
            ("GET", f"{NEARBY}?lat={lat}&lon={lon}", {}, "/query/lat"),
        ):
            assert_problem(await api.send(method, url, **arguments), 422, code, pointers=[pointer])


async def test_what_is_not_json(api: Api) -> None:
    texts: list[str | bytes] = [
        "", " ", "{", "}", "{}{}", "nul", "\ufeff{}", "{'a':1}", '{"a":1,}', "[" * 100_000, '{"a":' * 20_000, '"xxx',
        b"\xff\xfe{\x00}\x00", b'{"a":"\xff"}', b'{"a":"\xed\xa0\x80"}', '{"a":"\\ud800"}', '{"a":"\\udc00\\ud800"}',
        '{"a":"\\x"}', '{"a":"\x01"}', b"\0", b"\x1f\x8b\x08\x00", "<quote/>",
    ]  # fmt: skip
    routes = (
        ("POST", "/v1/quotes"),
        ("POST", "/v1/quotes/batch"),
        ("PUT", "/v1/stores/b"),
        ("PUT", "/v1/stores/a/stock"),
    )
    await refused(api, [(method, url, body(text), (400, 422), None) for method, url in routes for text in texts])


async def test_bodies_of_the_wrong_shape(api: Api) -> None:
    shapes = ("null", "[]", "1", '"x"', "true")
    routes = (
        ("POST", "/v1/quotes"),
        ("POST", "/v1/quotes/batch"),
        ("PUT", "/v1/stores/b"),
        ("PATCH", "/v1/stores/a/stock"),
    )
    cases: list[Case] = [(method, url, body(text), 422, "") for method, url in routes for text in shapes]
    quote = {"destination": {"lat": 25, "lon": 121}, "lines": [{"sku": "tea", "quantity": 1}]}
    wrong: dict[str, tuple[Any, ...]] = {
        "destination": (None, [], "here", {"lat": 1}, {"lat": 1, "lon": 2, "alt": 3}),
        "lines": (None, [], {}, [1], [{}], [{"sku": "tea"}], [{"sku": "tea", "quantity": 1}] * 201),
        "datum": ("wgs72", "WGS84", 4326, None),
        "strategy": ("slowest", None, 1),
        "mode": ("boat", 0, []),
        "explain": (1, "true", None),
        "exclude_stores": (None, "a", [1], ["a/b"], ["\0"], [LONG], [""], ["a"] * 1001),
        "only_stores": (None, {}, [None], [".."]),
        "alternatives": (21, -1),
        "promise_minutes": (4, 241),
        "channel": ("", LONG, 1, "\0"),
        "campaign": ("", LONG, 1, "\0"),
        "colour": ("red",),
    }
    for field, values in wrong.items():
        for value in values:
            answer = await api.send("POST", "/v1/quotes", json=quote | {field: value})
            problem = assert_problem(answer, 422)
            assert all(error["pointer"].startswith(f"/{field}") for error in problem["errors"]), (field, value, problem)
    await refused(api, cases)


async def test_texts_that_a_database_cannot_hold_or_a_log_cannot_show(api: Api) -> None:
    cases: list[Case] = []
    for text in BAD_TEXTS:
        quoted = "".join(f"%{byte:02X}" for byte in text.encode())
        for field in ("name", "brand", "region", "address", "phone", "timezone", "opening_hours", "partner"):
            cases.append(("PUT", "/v1/stores/b", {"json": {"lat": 25, "lon": 121, field: text}}, 422, f"/{field}"))
        line = {"destination": {"lat": 25, "lon": 121}, "lines": [{"sku": text, "quantity": 1}]}
        cases.append(("POST", "/v1/quotes", {"json": line}, 422, "/lines/0/sku"))
        item = {"items": [{"sku": text, "on_hand": 1}]}
        cases.append(("PUT", "/v1/stores/a/stock", {"json": item}, 422, "/items/0/sku"))
        for method in ("GET", "DELETE"):
            cases.append((method, f"/v1/stores/{quoted}", {}, 422, "/path/store_id"))
        cases.append(("PUT", f"/v1/stores/{quoted}", {"json": {"lat": 25, "lon": 121}}, 422, "/path/store_id"))
        cases.append(("GET", f"/v1/stores/{quoted}/stock", {}, 422, "/path/store_id"))
        cases.append(("GET", f"/v1/stores/a/stock?sku={quoted}", {}, 422, "/query/sku/0"))
        cases.append(("GET", f"{NEARBY}?lat=25&lon=121&sku={quoted}", {}, 422, "/query/sku/0"))
        cases.append(("GET", f"{NEARBY}?lat=25&lon=121&brand={quoted}", {}, 422, "/query/brand"))
        cases.append(("GET", f"/v1/imports/{quoted}", {}, 422, "/path/import_id"))
        for parameter in ("filename", "partner", "timezone", "encoding"):
            url = f"/v1/imports/stores?{parameter}={quoted}"
            cases.append(("POST", url, {"content": b"store_id,lat,lon\n"}, 422, f"/query/{parameter}"))
    for text in (" a", "a ", "\u3000a", "\u200b", "a\u2028b", "", "x" * 65):
        item = {"items": [{"sku": text, "on_hand": 1}]}
        cases.append(("PATCH", "/v1/stores/a/stock", {"json": item}, 422, "/items/0/sku"))
    await refused(api, cases)


async def test_addresses_that_are_no_text_or_no_id(api: Api) -> None:
    put = {"json": {"lat": 25, "lon": 121}}
    cases: list[Case] = []
    for step in ("%FF", "%C3%28", "%ED%A0%80", "%", "%2", "%ZZ"):
        cases += [("GET", f"/v1/stores/{step}", {}, 400, None), ("PUT", f"/v1/stores/{step}", put, 400, None)]
        cases.append(("GET", f"{NEARBY}?lat=25&lon=121&brand={step}", {}, 400, None))
        cases.append(("GET", f"/v1/imports/{step}", {}, 400, None))
    for step in ("a%2Fb", "..%2Fetc", "%2F"):
        cases += [("GET", f"/v1/stores/{step}", {}, 404, None), ("PUT", f"/v1/stores/{step}", put, 404, None)]
    for step in ("x" * 65, "%20a", "a%20", "%E3%80%80", "nearby", "%C2%A0"):
        cases.append(("PUT", f"/v1/stores/{step}", put, 422, "/path/store_id"))
        cases.append(("DELETE", f"/v1/stores/{step}", {}, 422, "/path/store_id"))
    cases.append(("GET", f"/v1/imports/{'x' * 65}", {}, 422, "/path/import_id"))
    await refused(api, cases)


async def test_parameters_that_are_unknown_or_given_twice(api: Api) -> None:
    quote = {"json": {"destination": {"lat": 25, "lon": 121}, "lines": [{"sku": "tea", "quantity": 1}]}}
    file = {"content": b"store_id,lat,lon\n"}
    routes: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", f"{NEARBY}?lat=25&lon=121&", {}), ("POST", "/v1/quotes?", quote),
        ("POST", "/v1/quotes/batch?", {"json": {"quotes": []}}), ("GET", "/v1/stores/a?", {}),
        ("PUT", "/v1/stores/b?", {"json": {"lat": 25, "lon": 121}}), ("DELETE", "/v1/stores/a?", {}),
        ("GET", "/v1/stores/a/stock?", {}), ("PUT", "/v1/stores/a/stock?", {"json": {"items": []}}),
        ("PATCH", "/v1/stores/a/stock?", {"json": {"items": []}}), ("POST", "/v1/imports/stores?", file),
        ("POST", "/v1/imports/stock?", file), ("GET", "/v1/imports?", {}), ("GET", "/v1/imports/0?", {}),
        ("GET", "/v1/imports/0/errors.csv?", {}),
    ]  # fmt: skip
    cases: list[Case] = [(method, f"{url}colour=red", more, 422, "/query/colour") for method, url, more in routes]
    cases += [(method, f"{url}colour=1&colour=2", more, 422, "/query/colour") for method, url, more in routes]
    for name, value in (("lat", "25"), ("limit", "5"), ("datum", "wgs84"), ("cursor", "x"), ("open_now", "true")):
        cases.append(("GET", f"{NEARBY}?lat=25&lon=121&{name}={value}&{name}={value}", {}, 422, f"/query/{name}"))
    cases.append(("POST", "/v1/imports/stock?dry_run=true&dry_run=false", file, 422, "/query/dry_run"))
    for name in ("open_now", "delivers_here"):
        for value in ("maybe", "", "2"):
            cases.append(("GET", f"{NEARBY}?lat=25&lon=121&{name}={value}", {}, 422, f"/query/{name}"))
    for value in ("wgs72", "WGS84", "", "wgs84,gcj02"):
        cases.append(("GET", f"{NEARBY}?lat=25&lon=121&datum={value}", {}, 422, "/query/datum"))
        cases.append(("GET", f"/v1/stores/a?datum={value}", {}, 422, "/query/datum"))
        cases.append(("POST", f"/v1/imports/stores?datum={value}", file, 422, "/query/datum"))
    too_many = "&".join(["sku=tea"] * 51)
    cases.append(("GET", f"{NEARBY}?lat=25&lon=121&{too_many}", {}, 422, "/query/sku"))
    cases.append(("GET", f"{NEARBY}?lat=25&lon=121&cursor={'A' * 513}", {}, 422, "/query/cursor"))
    await refused(api, cases)


async def test_times_that_are_none(api: Api) -> None:
    quote = {"destination": {"lat": 25, "lon": 121}, "lines": [{"sku": "tea", "quantity": 1}]}
    cases: list[Case] = []
    for at in BAD_MOMENTS:
        cases.append(("POST", "/v1/quotes", {"json": quote | {"at": at}}, 422, "/at"))
        for method in ("PUT", "PATCH"):
            cases.append((method, "/v1/stores/a/stock", {"json": {"items": [], "as_of": at}}, 422, "/as_of"))
    for text in (
        "",
        "x",
        "2026-11-21",
        "10:00",
        "0001-01-01T00:00:00%2B14:00",
        "1999-12-31T23:59:59Z",
        "Now",
        HUGE[:65],
    ):
        url = f"/v1/imports/stock?as_of={text}"
        cases.append(("POST", url, {"content": b"store_id,sku,on_hand\n"}, 422, "/query/as_of"))
    await refused(api, cases)


async def test_zones_hours_and_time_zones_that_are_none(api: Api) -> None:
    def ring(*corners: list[float]) -> dict[str, Any]:
        return {"type": "Polygon", "coordinates": [list(corners)]}

    zones: list[Any] = [
        5, [], True, "", "x", "POINT (1 1)", "POLYGON EMPTY", "POLYGON((0 0,1 1", "POLYGON((0 0,1 1,0 0))",
        "POLYGON((0 0\0,1 0,1 1,0 0))", "POLYGON((0 0,1 1,1 0,0 1,0 0))", "POLYGON((nan nan,1 1,1 0,0 1))", "{", "{}",
        '{"type":"Polygon","coordinates":[[[@,1],[2,2],[3,3]]]}'.replace("@", HUGE),
        '{"a":' * 5000, "GEOMETRYCOLLECTION(" * 5000,
        {}, {"type": "Polygon"}, {"type": "Polygon", "coordinates": 5}, {"type": "Polygon", "coordinates": [[["a"]]]},
        ring([1, 2], [1e308, 3], [4, 4], [1, 2]), ring([25, 121], [26, 121], [26, 122], [25, 121]),
        ring([1, 2], [1, 2], [1, 2], [1, 2]), {"type": "Feature", "geometry": None}, {"type": ["Polygon"]},
        "P" * 1_000_001,
    ]  # fmt: skip
    hours = ["", " ", "sometimes", "25:00-26:00", "Mo-Su 08:00-22:00/0", "(((", '"', "Mo-" * 100, "week 0", "8" * 500]
    zone_names = [
        "",
        "Moon",
        "Asia",
        "..",
        "../../etc/passwd",
        "/etc/localtime",
        "localtime",
        "Factory",
        "asia/taipei",
        "x" * 65,
    ]
    for field, values in (("delivery_zone", zones), ("opening_hours", hours), ("timezone", zone_names)):
        for value in values:
            for datum in ("wgs84", "bd09"):
                sent = {"lat": 25.0, "lon": 121.5, "datum": datum, field: value}
                answer = await api.send("PUT", "/v1/stores/b", json=sent)
                assert answer.status_code == 422, (field, str(value)[:80], answer.text[:200])
                assert_problem(answer, 422, pointers=[f"/{field}"])


async def test_a_deep_zone_is_refused_not_followed(api: Api) -> None:
    deep: Any = []
    for _ in range(180):
        deep = [deep]
    sent = {"lat": 25.0, "lon": 121.5, "delivery_zone": {"type": "Polygon", "coordinates": deep}}
    assert_problem(await api.send("PUT", "/v1/stores/b", json=sent), 422, pointers=["/delivery_zone"])


# ── orders ─────────────────────────────────────────────────────────────────────────────────────────────────────────

ORDER: dict[str, Any] = {"destination": {"lat": 25.0, "lon": 121.5}, "lines": [{"sku": "tea", "quantity": 1}]}
ACTIONS = ("confirm", "cancel", "accept", "decline", "ready", "pick-up", "deliver", "fail", "return", "reassign")


async def test_orders_whose_fields_are_none(api: Api) -> None:
    wrong: dict[str, tuple[Any, ...]] = {
        "destination": (None, [], "here", {"lat": 1}, {"lat": 0, "lon": 0}, {"lat": 121.5, "lon": 25.0}),
        "lines": (
            None, [], [{"sku": "tea"}], [{"sku": "tea", "quantity": 0}], [{"sku": "\0", "quantity": 1}],
            [{"sku": "tea", "quantity": 1, "max_price": -1}], [{"sku": "tea", "quantity": 1, "max_price": 1.5}],
            [{"sku": "tea", "quantity": 1, "max_price": 10**13}], [{"sku": "tea", "quantity": 1, "price": 1}],
            [{"sku": "tea", "quantity": 1}] * 201,
        ),
        "hold_s": (-1, 3601, 1.5, "900", None, True, 10**400),
        "customer": ([], "Lin", {"name": 1}, {"name": "\0"}, {"phone": "a\x1bb"}, {"age": 5}, {"note": "x" * 5000}),
        "promise_minutes": (4, 241, None),
        "datum": ("wgs72", None),
        "strategy": ("slowest",),
        "mode": ("boat",),
        "channel": ("", LONG, "\0"),
        "campaign": ("", LONG, 1),
        "only_stores": (None, ["a/b"], ["a"] * 1001),
        "at": ("2026-11-20T10:00:00+08:00", None),
        "order_id": ("o-1",),
        "colour": ("red",),
    }  # fmt: skip
    for field, values in wrong.items():
        for value in values:
            answer = await api.send("PUT", "/v1/orders/o-1", content=json.dumps(ORDER | {field: value}), headers=JSON)
            if value == 10**400:
                assert answer.status_code in (400, 422)
                continue
            problem = assert_problem(answer, 422)
            assert all(error["pointer"].startswith(f"/{field}") for error in problem["errors"]), (field, value, problem)
    assert_problem(await api.send("GET", "/v1/orders/o-1"), 404, "order_not_found")


async def test_ids_of_orders_that_are_none(api: Api) -> None:
    cases: list[Case] = []
    for step in ("x" * 65, "%20a", "a%20", "-a", ".a", "_a", ":a", "a+b", "a%25", "%E8%8C%B6", "a%0A", "%00"):
        cases.append(("PUT", f"/v1/orders/{step}", {"json": ORDER}, 422, "/path/order_id"))
        cases.append(("GET", f"/v1/orders/{step}", {}, 422, "/path/order_id"))
        cases.append(("GET", f"/v1/orders/{step}/events", {}, 422, "/path/order_id"))
        cases.append(("POST", f"/v1/orders/{step}/cancel", {}, 422, "/path/order_id"))
        if "%" not in step:
            one = {"orders": [ORDER | {"order_id": step}]}
            cases.append(("POST", "/v1/orders/batch", {"json": one}, 422, "/orders/0/order_id"))
    for step in ("%FF", "%C3%28", "%ED%A0%80"):
        cases += [
            ("PUT", f"/v1/orders/{step}", {"json": ORDER}, 400, None),
            ("GET", f"/v1/orders/{step}", {}, 400, None),
        ]
    for step in ("a%2Fb", "%2F", "a/b/c"):
        cases.append(("PUT", f"/v1/orders/{step}", {"json": ORDER}, (404, 405), None))
    no_ids: tuple[Any, ...] = ("", None, 5, [], "\0", "a b")
    for order_id in no_ids:
        one = {"orders": [ORDER | {"order_id": order_id}]}
        cases.append(("POST", "/v1/orders/batch", {"json": one}, 422, "/orders/0/order_id"))
    await refused(api, cases)


async def test_actions_that_are_asked_wrongly(api: Api) -> None:
    cases: list[Case] = []
    for action in ("fly", "Confirm", "pick_up", "expire", "miss", "%00", "x" * 500):
        cases.append(("POST", f"/v1/orders/o-1/{action}", {"json": {"attempt": 1}}, 404, None))
    for action in ACTIONS:
        url = f"/v1/orders/o-1/{action}"
        for text in ("null", "[]", "1", '"x"'):
            cases.append(("POST", url, body(text), 422, ""))
        for broken in ("{", "nul", '{"attempt":1,}', b"\xff"):
            cases.append(("POST", url, body(broken), 400, None))
        cases.append(("POST", url, body('{"colour":"red"}'), 422, "/colour"))
        cases.append(("GET", url, {}, 405, None))
        if action in ("confirm", "cancel"):
            cases.append(("POST", url, body('{"attempt":1}'), 422, "/attempt"))
            continue
        cases.append(("POST", url, body("{}"), 422, "/attempt"))
        cases.append(("POST", url, {}, 400, None))
        for text in (*NO_WHOLE_NUMBERS, "0", "1000001"):
            sent = '{"attempt":@,"reason":"other"}' if action == "decline" else '{"attempt":@}'
            cases.append(("POST", url, body(sent.replace("@", text)), (400, 422), "/attempt"))
    no_reasons: tuple[Any, ...] = ("", "broken", "OTHER", 1, None, [])
    for reason in no_reasons:
        cases.append(("POST", "/v1/orders/o-1/decline", {"json": {"attempt": 1, "reason": reason}}, 422, "/reason"))
    for skus, pointer in (
        (None, "/skus"),
        ("tea", "/skus"),
        ([1], "/skus/0"),
        (["\0"], "/skus/0"),
        (["t"] * 201, "/skus"),
    ):
        sent_skus = {"attempt": 1, "reason": "out_of_stock", "skus": skus}
        cases.append(("POST", "/v1/orders/o-1/decline", {"json": sent_skus}, 422, pointer))
    for store_id in ("", "a/b", 1, "x" * 65, "nearby"):
        named = {"attempt": 1, "store_id": store_id}
        cases.append(("POST", "/v1/orders/o-1/reassign", {"json": named}, 422, "/store_id"))
    await refused(api, cases)


async def test_lists_batches_and_feeds_of_orders_that_are_asked_wrongly(api: Api) -> None:
    cases: list[Case] = []
    for query, name in (
        ("limit=0", "limit"), ("limit=201", "limit"), ("limit=x", "limit"), ("status=gone", "status"),
        ("status=", "status"),
        ("store_id=a%2Fb", "store_id"), ("store_id=", "store_id"), ("datum=wgs72", "datum"), ("since=", "since"),
        ("since=2026-11-21", "since"), ("since=now", "since"), ("since=2026-11-21T10:00:00", "since"),
        (f"cursor={'A' * 513}", "cursor"), ("colour=red", "colour"), ("limit=5&limit=5", "limit"),
    ):  # fmt: skip
        cases.append(("GET", f"/v1/orders?{query}", {}, 422, f"/query/{name}"))
    for since in ("0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z"):
        answer = await api.send("GET", f"/v1/orders?since={since}")
        assert answer.json() == {"orders": [], "next_cursor": None}
    for query in ("cursor=x", "cursor=%C3%A9", "cursor=W10%3D"):
        cases.append(("GET", f"/v1/orders?{query}", {}, 400, None))
    for query, name in (
        ("limit=0", "limit"),
        ("limit=5001", "limit"),
        ("since=x", "since"),
        ("after=a&after=b", "after"),
    ):
        cases.append(("GET", f"/v1/events?{query}", {}, 422, f"/query/{name}"))
    for after in ("x", "v1.%00", "v9.AAAA", "%C3%A9", "A" * 3000):
        cases.append(("GET", f"/v1/events?after={after}", {}, (400, 422), None))
    for url in ("/v1/orders/o-1?", "/v1/orders/o-1/events?", "/v1/orders?", "/v1/events?"):
        cases.append(("GET", f"{url}colour=red", {}, 422, "/query/colour"))
    one = ORDER | {"order_id": "o-1"}
    wrong_batches: list[tuple[Any, str]] = [
        ({}, "/orders"), ({"orders": None}, "/orders"), ({"orders": [one] * 501}, "/orders"),
        ({"orders": [5]}, "/orders/0"),
        ({"orders": [one], "assignment": "best"}, "/assignment"), ({"orders": [one], "colour": 1}, "/colour"),
        ({"orders": [one | {"hold_s": -1}]}, "/orders/0/hold_s"), ({"orders": [one | {"at": None}]}, "/orders/0/at"),
    ]  # fmt: skip
    cases += [("POST", "/v1/orders/batch", {"json": sent}, 422, pointer) for sent, pointer in wrong_batches]
    for method, url in (("PUT", "/v1/orders/o-1"), ("POST", "/v1/orders/batch"), ("POST", "/v1/orders/o-1/accept")):
        for text in ("", "{", "{}{}", "[" * 100_000, b"\xff\xfe{\x00}\x00"):
            cases.append((method, url, body(text), (400, 422), None))
        cases.append((method, url, {"content": b"{}", "headers": {"Content-Type": "text/plain"}}, 415, None))
        cases.append((method, f"{url}?colour=red", {"json": {}}, 422, None))
    await refused(api, cases)
