"""The OpenAPI document: valid, complete for what API.md names, and true of real answers."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.api.client import Api, Clock, worker

STORE = "/v1/stores/{store_id}"
ORDER = "/v1/orders/{order_id}"
ROAD_TILES = "/v1/roads/tiles/{z}/{x}/{y}"
IMPORT_PARAMETERS = {
    "filename", "dry_run", "mode", "datum", "as_of", "partner", "timezone", "country", "currency", "encoding",
    "id_from", "map", "sheet", "profile", "force",
}  # fmt: skip
# The routes of API.md that exist so far, with their query parameters.
ROUTES: dict[tuple[str, str], set[str]] = {
    ("post", "/v1/quotes"): set(),
    ("post", "/v1/quotes/batch"): set(),
    ("get", "/v1/stores/nearby"): {
        "lat", "lon", "datum", "radius_m", "limit", "cursor", "open_now", "delivers_here", "brand", "sku", "fields",
    },
    ("get", "/v1/life-circle"): {"lat", "lon", "datum", "minutes", "mode"},
    ("get", f"{STORE}/life-circle"): {"datum", "minutes", "mode"},
    ("get", "/v1/coverage"): {"bbox", "datum", "resolution", "minutes", "mode", "at", "sku"},
    ("get", "/v1/map"): {"datum"},
    ("get", "/v1/map/stores"): {"bbox", "datum", "resolution", "most", "active"},
    ("get", ROAD_TILES): set(),
    ("get", "/v1/items"): {"q", "sku", "limit"},
    ("get", "/v1/places/turned"): {"lat", "lon", "from", "to"},
    ("get", STORE): {"datum"},
    ("put", STORE): set(),
    ("delete", STORE): {"reassign"},
    ("get", f"{STORE}/stock"): {"sku"},
    ("put", f"{STORE}/stock"): set(),
    ("patch", f"{STORE}/stock"): set(),
    ("put", ORDER): set(),
    ("get", ORDER): {"datum"},
    ("get", f"{ORDER}/events"): set(),
    ("get", f"{ORDER}/delivery-note"): {"datum"},
    ("get", "/v1/route"): {"from_lat", "from_lon", "to_lat", "to_lon", "mode", "datum"},
    ("post", f"{ORDER}/{{action}}"): set(),
    ("get", "/v1/orders"): {"store_id", "status", "since", "limit", "cursor", "datum"},
    ("get", "/v1/events"): {"after", "limit", "store_id", "order_id"},
    ("get", "/v1/events/stream"): {"after", "ticket", "store_id", "order_id"},
    ("post", "/v1/events/tickets"): set(),
    ("post", "/v1/orders/batch"): set(),
    ("post", "/v1/stock/movements"): set(),
    ("post", f"{STORE}/stock/release"): set(),
    ("post", f"{STORE}/resume"): set(),
    ("get", f"{STORE}/closures"): set(),
    ("post", f"{STORE}/closures"): set(),
    ("delete", f"{STORE}/closures/{{closure_id}}"): set(),
    ("get", "/v1/partners/{partner}"): set(),
    ("put", "/v1/partners/{partner}"): set(),
    ("post", "/v1/imports/stores"): IMPORT_PARAMETERS,
    ("post", "/v1/imports/stock"): IMPORT_PARAMETERS,
    ("post", "/v1/imports/items"): IMPORT_PARAMETERS,
    ("get", "/v1/imports"): {"kind", "partner", "status", "since", "limit", "cursor"},
    ("get", "/v1/imports/{import_id}"): set(),
    ("get", "/v1/imports/{import_id}/errors.csv"): set(),
    ("get", "/v1/imports/{import_id}/changes"): {"datum"},
    ("post", "/v1/imports/{import_id}/apply"): set(),
    ("post", "/v1/imports/{import_id}/undo"): set(),
    ("get", "/v1/imports/{import_id}/errors.xlsx"): set(),
    ("get", "/v1/uploads"): {"limit", "cursor"},
    ("get", "/v1/uploads/{partner}"): {"limit", "cursor"},
    ("post", "/v1/shopper-tokens"): set(),
    ("get", "/v1/caller"): set(),
    ("post", f"{ORDER}/courier-link"): set(),
    ("get", f"{STORE}/qr.svg"): {"campaign"},
    ("get", "/healthz"): set(),
    ("get", "/readyz"): set(),
    ("get", "/metrics"): set(),
    ("get", "/v1/replica"): {"cell"},
}  # fmt: skip
QUOTE_FIELDS = {
    "destination", "datum", "lines", "promise_minutes", "at", "strategy", "mode", "alternatives", "explain",
    "exclude_stores", "only_stores", "channel", "campaign",
}  # fmt: skip
ORDER_FIELDS = (QUOTE_FIELDS - {"at"}) | {"customer", "hold_s"}
STORE_FIELDS = {
    "lat", "lon", "datum", "name", "brand", "partner", "region", "address", "phone", "timezone", "opening_hours",
    "delivery_radius_m", "delivery_zone", "mode", "prepare_s", "prepare_line_s", "queue_per_order_s", "courier_s",
    "handover_s", "max_open_orders", "active",
}  # fmt: skip


@pytest.fixture
async def served(app_client: Api) -> dict[str, Any]:
    answer = await app_client.send("GET", "/openapi.json")
    assert answer.status_code == 200
    return dict(answer.json())


def test_the_document_is_valid_openapi_31(served: dict[str, Any]) -> None:
    assert served["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(served).validate()
    assert list(served["components"]["schemas"]) == sorted(served["components"]["schemas"])


def test_every_route_and_parameter_is_there_and_no_other(served: dict[str, Any]) -> None:
    found = {
        (method, path): {p["name"] for p in operation.get("parameters", []) if p["in"] == "query"}
        for path, operations in served["paths"].items()
        for method, operation in operations.items()
    }
    assert {route: found[route] for route in ROUTES} == ROUTES
    assert set(found) == set(ROUTES)


def test_the_bodies_have_the_fields_that_api_md_names_and_refuse_others(served: dict[str, Any]) -> None:
    schemas = served["components"]["schemas"]
    for name, fields in (
        ("QuoteIn", QUOTE_FIELDS),
        ("OrderIn", ORDER_FIELDS),
        ("OrderOfBatchIn", ORDER_FIELDS | {"order_id"}),
        ("OrderLineIn", {"sku", "quantity", "max_price"}),
        ("CustomerIn", {"name", "phone", "address", "note"}),
        ("OrdersIn", {"orders", "assignment"}),
        ("AttemptIn", {"attempt", "datum"}),
        ("DeclineIn", {"attempt", "reason", "skus", "datum"}),
        ("ReassignIn", {"attempt", "store_id", "datum"}),
        ("NothingIn", {"datum"}),
        ("StoreIn", STORE_FIELDS),
        ("ShelfIn", {"items", "as_of"}),
        ("ClosureIn", {"from", "to", "reason"}),
        ("TicketIn", {"store_id", "order_id"}),
        ("ShopperTokenIn", {"ttl_s"}),
        ("CourierLinkIn", {"attempt", "ttl_s"}),
    ):
        assert set(schemas[name].get("properties", ())) == fields
        assert schemas[name]["additionalProperties"] is False
    assert schemas["QuoteIn"]["required"] == ["destination", "lines"]
    assert schemas["OrderIn"]["required"] == ["destination", "lines"]
    assert schemas["StoreIn"]["required"] == ["lat", "lon"]
    assert set(schemas["ShelfItemIn"]["properties"]) == {"sku", "on_hand", "price", "currency", "safety_stock"}


def test_limits_are_stated_for_lists_and_strings(served: dict[str, Any]) -> None:
    quote = served["components"]["schemas"]["QuoteIn"]["properties"]
    assert (quote["lines"]["minItems"], quote["lines"]["maxItems"]) == (1, 200)
    assert (quote["promise_minutes"]["minimum"], quote["promise_minutes"]["maximum"]) == (5, 240)
    assert served["components"]["schemas"]["QuotesIn"]["properties"]["quotes"]["maxItems"] == 1000
    order = served["components"]["schemas"]["OrderIn"]["properties"]
    assert (order["hold_s"]["minimum"], order["hold_s"]["maximum"], order["hold_s"]["default"]) == (0, 3600, 900)
    assert served["components"]["schemas"]["OrdersIn"]["properties"]["orders"]["maxItems"] == 500
    assert served["components"]["schemas"]["Sku"]["maxLength"] == 64


def test_every_operation_says_what_it_does_and_which_problems_it_has(served: dict[str, Any]) -> None:
    for path, operations in served["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"]
            assert operation["description"]
            for status, told in operation["responses"].items():
                assert "X-Request-Id" in told["headers"]
                if status.startswith(("4", "5")) and path not in ("/healthz", "/readyz"):
                    assert list(told["content"]) == ["application/problem+json"], (method, path, status)
            reads = {p["name"] for p in operation.get("parameters", []) if p["in"] == "header"}
            if (method, path) in READ_ONES_OWN_WRITES:
                assert "Dispatch-Min-Version" in reads


READ_ONES_OWN_WRITES = {
    ("post", "/v1/quotes"), ("get", "/v1/stores/nearby"), ("get", STORE), ("get", f"{STORE}/stock"), ("get", ORDER),
    ("get", "/v1/orders"), ("get", f"{ORDER}/events"), ("get", "/v1/events"), ("get", "/v1/life-circle"),
    ("get", f"{STORE}/life-circle"), ("get", "/v1/coverage"), ("get", "/v1/route"), ("get", f"{ORDER}/delivery-note"),
    ("get", "/v1/map"), ("get", "/v1/map/stores"), ("get", "/v1/items"),
}  # fmt: skip
HEADERS = {
    ("put", ORDER, "201"): {"Dispatch-Version"},
    ("put", ORDER, "200"): {"Idempotent-Replay"},
    # One of the two.
    ("post", f"{ORDER}/{{action}}", "200"): {"Dispatch-Version", "Idempotent-Replay"},
    ("post", "/v1/orders/batch", "200"): {"Dispatch-Version"},
    ("put", STORE, "200"): {"Dispatch-Version"},
    ("put", STORE, "201"): {"Dispatch-Version"},
    ("delete", STORE, "200"): {"Dispatch-Version"},
    ("put", f"{STORE}/stock", "200"): {"Dispatch-Version"},
    ("patch", f"{STORE}/stock", "200"): {"Dispatch-Version"},
    ("post", "/v1/stock/movements", "200"): {"Dispatch-Version"},
    ("post", f"{STORE}/stock/release", "200"): {"Dispatch-Version"},
    ("post", f"{STORE}/resume", "200"): {"Dispatch-Version"},
    ("post", f"{STORE}/closures", "200"): {"Dispatch-Version"},
    ("post", f"{STORE}/closures", "201"): {"Dispatch-Version"},
    ("delete", f"{STORE}/closures/{{closure_id}}", "200"): {"Dispatch-Version"},
    ("put", "/v1/partners/{partner}", "200"): {"Dispatch-Version"},
    ("get", "/v1/imports/{import_id}", "200"): {"Dispatch-Version"},
    ("post", "/v1/imports/stores", "202"): {"Location"},
    ("post", "/v1/imports/stock", "202"): {"Location"},
    ("post", "/v1/imports/items", "202"): {"Location"},
    ("post", "/v1/imports/{import_id}/apply", "202"): {"Location"},
    ("post", "/v1/imports/{import_id}/undo", "202"): {"Location"},
    ("get", "/v1/stores/nearby", "200"): {"ETag", "Cache-Control", "Vary"},
    ("get", "/v1/stores/nearby", "304"): {"ETag", "Cache-Control", "Vary"},
    **{
        ("get", path, status): {"ETag", "Cache-Control", "Vary"}
        for path in (
            "/v1/life-circle",
            f"{STORE}/life-circle",
            "/v1/coverage",
            "/v1/map",
            "/v1/map/stores",
            "/v1/items",
            ROAD_TILES,
        )
        for status in ("200", "304")
    },
    ("get", ROAD_TILES, "204"): {"ETag", "Cache-Control", "Vary"},
    ("get", "/v1/imports/{import_id}/errors.csv", "200"): {"Content-Disposition"},
    ("get", "/v1/imports/{import_id}/errors.xlsx", "200"): {"Content-Disposition"},
}


def test_the_headers_of_answers_are_told(served: dict[str, Any]) -> None:
    for path, operations in served["paths"].items():
        for method, operation in operations.items():
            for status, told in operation["responses"].items():
                expected = HEADERS.get((method, path, status), set())
                if status == "503" and path != "/readyz":
                    expected = {"Retry-After"}
                if status == "401":
                    expected = {"WWW-Authenticate"}
                assert set(told["headers"]) == expected | {"X-Request-Id"}, (method, path, status)


class Seen(NamedTuple):
    method: str
    path: str
    status: int
    media_type: str


class Checker:
    """Holds real answers against the document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._paths = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + "$"), path)
            # Paths without variables go first, as in routing.
            for path in sorted(document["paths"], key=lambda path: "{" in path)
        ]
        self.seen: set[Seen] = set()

    def check(self, answer: httpx.Response) -> None:
        request = answer.request
        url = request.url.path
        path = next(path for pattern, path in self._paths if pattern.match(url))
        method, status = request.method.lower(), answer.status_code
        told = self._document["paths"][path][method]["responses"]
        assert str(status) in told, f"{method} {path} answers {status}, which its document does not know: {answer.text}"
        media_type = answer.headers.get("content-type", "").split(";")[0]
        self.seen.add(Seen(method, path, status, media_type))
        missing = [name for name in told[str(status)]["headers"] if name not in answer.headers]
        if path.endswith("{action}") and len(missing) == 1 and missing[0] in ("Dispatch-Version", "Idempotent-Replay"):
            missing = []
        # Items lie in no cell, so there is no version to wait for.
        if path == "/v1/imports/{import_id}" and status == 200 and answer.json()["kind"] == "items":
            missing.remove("Dispatch-Version")
        assert not missing, f"{method} {path} {status} lacks {missing}"
        content = told[str(status)].get("content")
        if content is None:
            assert answer.content == b""
            return
        assert media_type in content, (method, path, status, media_type)
        if media_type.endswith("json"):
            schema = {**content[media_type]["schema"], "components": self._document["components"]}
            OAS31Validator(schema).validate(answer.json())


@pytest.fixture
async def small(database_url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[Api]:
    async with worker(
        database_url, tmp_path, clock=clock, max_body_bytes=4096, max_file_bytes=4096, min_version_wait_s=0.3
    ) as api:
        yield api


async def test_real_answers_of_every_route_are_as_the_document_says(small: Api) -> None:
    checker = Checker((await small.send("GET", "/openapi.json")).json())

    async def send(method: str, url: str, *, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        answer = await small.send(method, url, headers=small.seen | (headers or {}), **more)
        checker.check(answer)
        small.version = answer.headers.get("Dispatch-Version", small.version)
        return answer

    zone = "POLYGON((121 25,122 25,122 26,121 26,121 25))"
    here = {"lat": 25.03, "lon": 121.56}
    lines = [{"sku": "tea", "quantity": 1}]
    full = {"name": "n", "brand": "b", "opening_hours": "Mo-Su 08:00-22:00", "delivery_zone": zone, "mode": "foot"}
    await send("PUT", "/v1/stores/a", json=here | full)
    await send("PUT", "/v1/stores/a", json=here | full | {"max_open_orders": 1, "delivery_radius_m": 9000})
    await send("PUT", "/v1/stores/b", json={"lat": 25.04, "lon": 121.56, "opening_hours": "Mo-Su 20:00-22:00"})
    await send("PUT", "/v1/stores/b", json=here | {"partner": "other"})
    items = [{"sku": "tea", "on_hand": 3, "price": 1, "currency": "TWD"}, {"sku": "egg", "on_hand": 0}]
    await send("PUT", "/v1/stores/a/stock", json={"items": items})
    await send("PATCH", "/v1/stores/b/stock", json={"items": items})
    await send("PUT", "/v1/stores/a/stock", json={"items": [], "as_of": "2026-11-01T00:00:00Z"})
    closure = {"from": "2026-12-24T18:00:00+08:00", "to": "2026-12-26T08:00:00+08:00", "reason": "Christmas"}
    for _ in range(2):
        closed = await send("POST", "/v1/stores/a/closures", json=closure)
    await send("POST", "/v1/stores/a/closures", json=closure | {"to": closure["from"]})
    await send("GET", "/v1/stores/a/closures")
    await send("GET", "/v1/stores/a/closures?datum=wgs84")
    await send("DELETE", f"/v1/stores/a/closures/{closed.json()['closure_id']}")
    await send("DELETE", "/v1/stores/a/closures/christmas")
    for method, url in (("GET", ""), ("POST", ""), ("DELETE", f"/{closed.json()['closure_id']}")):
        await send(method, f"/v1/stores/none/closures{url}", json=closure)
    for url in (
        "/v1/stores/a",
        "/v1/stores/a/stock",
        "/healthz",
        "/readyz",
        "/metrics",
        "/v1/replica",
        "/v1/stores/none",
        "/v1/stores/none/stock",
    ):
        await send("GET", url)
    questions: list[dict[str, Any]] = [
        {"lines": lines, "explain": True, "alternatives": 5},
        {"lines": lines, "explain": True, "exclude_stores": ["a"]},
        {"lines": [{"sku": "unheard-of", "quantity": 1}], "explain": True},
        {"lines": lines, "strategy": "fastest", "at": "2026-11-20T20:30:00+08:00", "alternatives": 1},
        {"lines": []},
    ]
    for question in questions:
        await send("POST", "/v1/quotes", json={"destination": here, **question})
    quotes = [{"destination": here, "lines": lines}, {"destination": here, "lines": [{"sku": "x", "quantity": 1}]}, 5]
    await send("POST", "/v1/quotes/batch", json={"quotes": quotes})
    order: dict[str, Any] = {"destination": here, "lines": lines}
    await send("PUT", "/v1/orders/o-1", json=order | {"customer": {"name": "A"}, "channel": "app"})
    await send("PUT", "/v1/orders/o-1", json=order | {"customer": {"name": "A"}, "channel": "app"})
    await send("PUT", "/v1/orders/o-1", json=order)
    await send("PUT", "/v1/orders/o-2", json=order | {"explain": True})
    await send("PUT", "/v1/orders/o-3", json=order | {"lines": [{"sku": "unheard-of", "quantity": 1}]})
    await send("PUT", "/v1/orders/o-3", json=order | {"lines": []})
    await send("PUT", "/v1/orders/o-3", content=b"{", headers={"Content-Type": "application/json"})
    for action, sent in (
        ("accept", {"attempt": 1}), ("confirm", None), ("confirm", {}), ("accept", {"attempt": 2}),
        ("accept", {"attempt": 1}), ("accept", {}), ("reassign", {"attempt": 1}), ("fly", {}),
        ("decline", {"attempt": 1, "reason": "other"}), ("decline", {"attempt": 1, "reason": "other"}),
    ):  # fmt: skip
        await send("POST", f"/v1/orders/o-1/{action}", json=sent)
        if action == "confirm":
            await send("POST", "/v1/orders/o-1/courier-link", json={"attempt": 1})
    await send("POST", "/v1/orders/none/cancel")
    for sent in ({"attempt": 2}, {"attempt": 1, "ttl_s": 59}, {}):
        await send("POST", "/v1/orders/o-1/courier-link", json=sent)
    shopper = (await send("POST", "/v1/shopper-tokens", json={"ttl_s": 60})).json()
    for token in (shopper["token"], shopper["token"][:-1], ""):
        asking = {"Authorization": f"Bearer {token}"}
        await send("GET", "/v1/caller", headers=asking)
        await send("POST", "/v1/shopper-tokens", headers=asking)
        await send("GET", "/v1/uploads", headers=asking)
    for url in ("a/qr.svg?campaign=poster 7", "none/qr.svg", "a/qr.svg?campaign="):
        await send("GET", f"/v1/stores/{url}")
    batch = [{"order_id": "b-1", **order}, {"order_id": "b-2", **order, "destination": {"lat": 0, "lon": 0}}]
    batch.append({"order_id": "b-3", **order, "lines": [{"sku": "tea", "quantity": 99}], "explain": True})
    await send("POST", "/v1/orders/batch", json={"orders": batch})
    await send("POST", "/v1/orders/batch", json={"orders": batch, "assignment": "joint"})
    for body in ({}, {"store_id": "none"}, {"order_id": "-"}):
        await send("POST", "/v1/events/tickets", json=body)
    small.app.state.service.live.end()  # a client in process has an answer only once it is whole
    for query in ("", "?after=x", "?ticket=x", "?store_id=none", "?colour=red"):
        await send("GET", f"/v1/events/stream{query}")
    for url in (
        "/v1/orders/o-1", "/v1/orders/b-1?datum=gcj02", "/v1/orders/none", "/v1/orders/o-1?datum=x",
        "/v1/orders/o-1/delivery-note", "/v1/orders/b-1/delivery-note?datum=bd09", "/v1/orders/none/delivery-note",
        "/v1/orders/b-1/delivery-note?datum=x",
        "/v1/orders/o-1/events", "/v1/orders/none/events", "/v1/orders?limit=1", "/v1/orders?store_id=none",
        "/v1/orders?cursor=x", "/v1/orders?status=x", "/v1/events?limit=3", "/v1/events?after=latest",
        "/v1/events?store_id=none", "/v1/events?after=x", "/v1/events?limit=0",
    ):  # fmt: skip
        await send("GET", url)
    await send("GET", "/v1/orders/b-1/delivery-note", headers={"Accept": "text/html"})
    for datum in ("wgs84", "gcj02"):
        await send("GET", f"/v1/route?from_lat=39.9&from_lon=116.4&to_lat=39.91&to_lon=116.41&datum={datum}")
    await send("GET", "/v1/route?from_lat=39.9&from_lon=116.4&to_lat=95&to_lon=116.41")
    await send("GET", "/v1/places/turned?lat=39.9&lon=116.4&to=gcj02")
    await send("GET", "/v1/places/turned?lat=39.9&lon=116.4&to=mars")
    nearby = "/v1/stores/nearby?lat=25.03&lon=121.56"
    etag = (await send("GET", f"{nearby}&sku=tea&limit=1")).headers["etag"]
    await send("GET", f"{nearby}&sku=tea&limit=1", headers={"If-None-Match": etag})
    await send("GET", f"{nearby}&fields=store_id,lat")
    await send("GET", f"{nearby}&datum=gcj02", headers={"Accept": "application/geo+json"})
    await send("GET", f"{nearby}&cursor=x")
    await send("GET", "/v1/stores/nearby")
    for url in (
        "/v1/life-circle?lat=25.03&lon=121.56",
        "/v1/life-circle?lat=25.03&lon=121.56&datum=bd09&minutes=5",
        "/v1/stores/a/life-circle",
        "/v1/stores/a/life-circle?datum=gcj02&minutes=5",
        "/v1/coverage?bbox=121.5,25,121.6,25.1&resolution=7&minutes=20&sku=tea",
        "/v1/map?datum=gcj02",
        "/v1/map/stores?bbox=121.5,25,121.6,25.1",
        "/v1/map/stores?bbox=121.5,25,121.6,25.1&most=0&active=true",
        "/v1/items?q=te",
        "/v1/items?sku=egg&sku=tea",
    ):
        etag = (await send("GET", url)).headers["etag"]
        await send("GET", url, headers={"If-None-Match": etag})
    geojson = {"Accept": "application/geo+json"}
    for box in ("121.5,25,121.6,25.1", "-180,80,180,90"):
        await send("GET", f"/v1/coverage?bbox={box}&resolution=3&datum=bd09", headers=geojson)
    for url in ("life-circle", "life-circle?lat=95&lon=1", "stores/none/life-circle", "coverage?bbox=1", "coverage"):
        await send("GET", f"/v1/{url}")
    for url in ("map?datum=x", "map/stores?bbox=1", "items", "roads/tiles/1/1/1"):
        await send("GET", f"/v1/{url}")
    for kind, text in (
        ("stores", "store_id,lat,lon\nc,25.05,121.56\nd,95,1\n"),
        ("stock", "store_id,sku,on_hand\na,tea,-1\n"),
        ("items", "partner_code,sku\n1,tea\n1,egg\n"),
    ):
        begun = await send("POST", f"/v1/imports/{kind}?as_of=now", content=text.encode())
        await small.finished(begun.headers["location"])
        await send("GET", begun.headers["location"])
        await send("GET", begun.headers["location"] + "/errors.csv")
        await send("GET", begun.headers["location"] + "/errors.xlsx")
        await send("GET", begun.headers["location"] + "/changes")
        await send("POST", begun.headers["location"] + "/apply")
        await send("POST", begun.headers["location"] + "/undo")
        await small.finished(begun.headers["location"])
        await send("POST", begun.headers["location"] + "/undo")
        dry = await send("POST", f"/v1/imports/{kind}?as_of=now&dry_run=true", content=text.encode())
        await small.finished(dry.headers["location"])
        applied = await send("POST", dry.headers["location"] + "/apply")
        await small.finished(applied.headers["location"])
        await send("GET", applied.headers["location"])
    sold = {"movement_id": "1", "store_id": "a", "sku": "tea", "delta": -1}
    await send("POST", "/v1/stock/movements", json={"movements": [sold, sold | {"delta": -2}]})
    await send("POST", "/v1/stock/movements", json={"movements": [sold | {"delta": 0}]})
    for action in ("stock/release", "resume"):
        for store_id in ("a", "none"):
            await send("POST", f"/v1/stores/{store_id}/{action}", json={})
    await send("GET", "/v1/partners/none")
    await send("PUT", "/v1/partners/one", json={"stock_stale_after_s": 60})
    await send("GET", "/v1/partners/one")
    await send("PUT", "/v1/partners/default", json={"stock_due_at": "00:00"})
    for url in ("", "?cursor=x", "?limit=0", "/default", "/none", "/default?cursor=x", "/default?limit=x"):
        await send("GET", f"/v1/uploads{url}")
    await send("GET", "/v1/imports?limit=1")
    await send("GET", "/v1/imports/0")
    await send("GET", "/v1/imports/0/errors.csv")
    await send("GET", "/v1/imports/0/errors.xlsx")
    await send("GET", "/v1/imports/0/changes")
    await send("GET", "/v1/imports?cursor=x")
    await send("POST", "/v1/imports/stock", content=b"store_id,sku,on_hand\n")
    for store_id in ("a", "a", "none"):
        await send("DELETE", f"/v1/stores/{store_id}?reassign=true")
    future = {"Dispatch-Min-Version": "v1.AAAAAAAAAAEAAAAAAAAAAQ"}
    bad = {"Dispatch-Min-Version": "x"}
    for method, url, more in (
        ("POST", "/v1/quotes", {"json": {"destination": here, "lines": lines}}),
        ("POST", "/v1/quotes/batch", {"json": {"quotes": []}}),
        ("GET", nearby, {}),
        ("GET", "/v1/stores/b", {}),
    ):
        await send(method, url, headers=future, **more)
        await send(method, url, headers=bad, **more)
    for method, url in (("PUT", "/v1/stores/b"), ("PUT", "/v1/stores/b/stock"), ("PATCH", "/v1/stores/b/stock")):
        for content, media_type in (
            (b" " * 4097, "application/json"),
            (b"{", "application/json"),
            (b"{}", "text/plain"),
        ):
            await send(method, url, content=content, headers={"Content-Type": media_type})
        await send(method, url, json={"colour": 1})
    good = {
        Seen(method, path, int(status), media_type)
        for path, operations in checker._document["paths"].items()
        if path != ROAD_TILES  # which are none here: tests/api/test_road_tiles.py
        for method, operation in operations.items()
        for status, told in operation["responses"].items()
        if int(status) < 400
        for media_type in told.get("content", {"": None})
    }
    assert good <= checker.seen, f"never answered here: {good - checker.seen}"
    assert len(checker.seen) >= 50
