"""Who may do what with a token: every route of the app, and the ways that a path could be read in two ways."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from starlette.types import Message, Receive, Scope, Send

from dispatch.api import envelope
from dispatch.api.permits import PERMITS, Grant
from tests.api.client import Api, Clock, assert_problem, worker
from tests.api.shop import acted, clock_of_now, order_of, placed, with_shops
from tests.api.streams import PATIENCE_S

# What each route is to a shopper and to a courier. A new route is denied, and fails here until somebody decides.
EXPECTED = """
GET    /v1/caller                                       yes    yes
POST   /v1/shopper-tokens                               yes    no

POST   /v1/quotes                                       yes    no
POST   /v1/quotes/batch                                 yes    no
GET    /v1/stores/nearby                                yes    no
GET    /v1/stores/{store_id}                            yes    no
PUT    /v1/stores/{store_id}                            no     no
DELETE /v1/stores/{store_id}                            no     no
GET    /v1/stores/{store_id}/life-circle                yes    no
GET    /v1/stores/{store_id}/qr.svg                     no     no
GET    /v1/stores/{store_id}/stock                      no     no
PUT    /v1/stores/{store_id}/stock                      no     no
PATCH  /v1/stores/{store_id}/stock                      no     no
POST   /v1/stores/{store_id}/stock/release              no     no
POST   /v1/stores/{store_id}/resume                     no     no
GET    /v1/stores/{store_id}/closures                   no     no
POST   /v1/stores/{store_id}/closures                   no     no
DELETE /v1/stores/{store_id}/closures/{closure_id}      no     no
GET    /v1/life-circle                                  yes    no
GET    /v1/coverage                                     no     no
GET    /v1/items                                        yes    no
GET    /v1/places/turned                                yes    yes
GET    /v1/route                                        yes    yes
GET    /v1/map                                          yes    yes
GET    /v1/map/stores                                   yes    yes
GET    /v1/roads/tiles/{z}/{x}/{y}                      yes    yes

GET    /v1/orders                                       no     no
POST   /v1/orders/batch                                 no     no
PUT    /v1/orders/{order_id}                            own    no
GET    /v1/orders/{order_id}                            own    own
GET    /v1/orders/{order_id}/events                     own    own
GET    /v1/orders/{order_id}/delivery-note              no     own
POST   /v1/orders/{order_id}/courier-link               no     no
POST   /v1/orders/{order_id}/confirm                    own    no
POST   /v1/orders/{order_id}/cancel                     own    no
POST   /v1/orders/{order_id}/accept                     no     no
POST   /v1/orders/{order_id}/decline                    no     no
POST   /v1/orders/{order_id}/ready                      no     no
POST   /v1/orders/{order_id}/pick-up                    no     own
POST   /v1/orders/{order_id}/deliver                    no     own
POST   /v1/orders/{order_id}/fail                       no     own
POST   /v1/orders/{order_id}/return                     no     no
POST   /v1/orders/{order_id}/reassign                   no     no
GET    /v1/events                                       asked  asked
GET    /v1/events/stream                                asked  asked
POST   /v1/events/tickets                               sent   sent

POST   /v1/stock/movements                              no     no
GET    /v1/partners/{partner}                           no     no
PUT    /v1/partners/{partner}                           no     no
POST   /v1/imports/stores                               no     no
POST   /v1/imports/stock                                no     no
POST   /v1/imports/items                                no     no
GET    /v1/imports                                      no     no
GET    /v1/imports/{import_id}                          no     no
GET    /v1/imports/{import_id}/changes                  no     no
GET    /v1/imports/{import_id}/errors.csv               no     no
GET    /v1/imports/{import_id}/errors.xlsx              no     no
POST   /v1/imports/{import_id}/apply                    no     no
POST   /v1/imports/{import_id}/undo                     no     no
GET    /v1/uploads                                      no     no
GET    /v1/uploads/{partner}                            no     no

GET    /                                                no     no
HEAD   /                                                no     no
GET    /s/{store_id}                                    no     no
HEAD   /s/{store_id}                                    no     no
GET    /ops                                             no     no
HEAD   /ops                                             no     no
GET    /store/{store_id}                                no     no
HEAD   /store/{store_id}                                no     no
GET    /c/{token}                                       no     no
HEAD   /c/{token}                                       no     no
GET    /assets/{build}/{path:path}                      no     no
HEAD   /assets/{build}/{path:path}                      no     no
GET    /uploads                                         no     no
GET    /uploads/{partner}                               no     no
GET    /docs                                            no     no
GET    /docs/files                                      no     no
GET    /openapi.json                                    no     no
HEAD   /openapi.json                                    no     no
GET    /healthz                                         no     no
GET    /readyz                                          no     no
GET    /metrics                                         no     no
GET    /v1/replica                                      no     no
"""
ACTIONS = ["confirm", "cancel", "accept", "decline", "ready", "pick-up", "deliver", "fail", "return", "reassign"]
# An answer that goes on for ever is not waited for.
ENDLESS = {"/v1/events/stream"}


class Row(NamedTuple):
    method: str
    path: str
    shopper: Grant
    courier: Grant


ROWS = [
    Row(method, path, Grant(shopper), Grant(courier))
    for method, path, shopper, courier in (line.split() for line in EXPECTED.splitlines() if line)
]


class Doors(NamedTuple):
    """Tokens of one shopper, and of the courier who carries an order of theirs; another's order stands beside it."""

    api: Api
    shopper: str
    courier: str
    own: str
    other: str

    async def ask(self, role: str, method: str, url: str, **more: Any) -> httpx.Response:
        return await self.api.send(method, url, headers=bearer(getattr(self, role)), **more)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def doors(database_url: str, tmp_path: Path) -> AsyncIterator[Doors]:
    async with worker(database_url, tmp_path, clock=clock_of_now()) as api:
        await with_shops(api, 50, 50)
        shopper = (await api.send("POST", "/v1/shopper-tokens")).json()
        own, other = f"{shopper['order_id_prefix']}1", "w-0123456789abcdef-1"
        for order_id in (own, other):
            await placed(api, order_id, order_of(hold_s=0))
        link = await api.send("POST", f"/v1/orders/{own}/courier-link", json={"attempt": 1})
        yield Doors(api, shopper["token"], link.json()["token"], own, other)


def routes_of(app: Any) -> set[tuple[str, str]]:
    """Every method and path that the app knows, the schema's and others; an action is a route of its own."""
    found: set[tuple[str, str]] = set()
    for route in iter_route_contexts(app.routes):
        path = route.path
        assert path is not None, route
        found |= {
            (method, path.replace("{action}", action))
            for method in route.methods or {"GET"}  # what is mounted says nothing of methods
            for action in (ACTIONS if "{action}" in path else [""])
        }
    return found


async def test_every_route_has_been_decided_on(app_client: Api) -> None:
    routes = routes_of(app_client.app)
    assert len(routes) > 50
    undecided = routes - {(row.method, row.path) for row in ROWS}
    assert not undecided, f"decide here, and in dispatch/api/permits.py, who may: {sorted(undecided)}"


def test_the_table_is_the_expected_one_and_nothing_more() -> None:
    assert len({(row.method, row.path) for row in ROWS}) == len(ROWS)
    told = {Row(*permit) for permit in PERMITS}
    assert len(told) == len(PERMITS)
    assert told == {row for row in ROWS if {row.shopper, row.courier} != {Grant.NO}}


def test_no_permit_opens_the_path_of_another_route_that_is_not_meant() -> None:
    """A path of a permit with a name in braces matches other paths, too: those must be as open by themselves."""
    for row in ROWS:
        at = re.sub(r"\{(\w+)\}", "x", row.path)
        for permit in PERMITS:
            if permit.method == row.method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", permit.path), at):
                assert (permit.shopper, permit.courier) == (row.shopper, row.courier), (permit, row)


def url_of(path: str, order_id: str) -> str:
    steps = {"order_id": order_id, "store_id": "near", "z": "1", "x": "1", "y": "1"}
    return re.sub(r"\{(\w+)\}", lambda found: steps.get(found[1], "none"), path)


@pytest.mark.parametrize("role", ["shopper", "courier"])
async def test_each_route_is_open_to_a_token_as_the_table_says(doors: Doors, role: str) -> None:
    there = routes_of(doors.api.app)
    passed, refused = 0, 0
    # Writes behind reads: a courier's order must not be cancelled while others are tried.
    for row in sorted(ROWS, key=lambda row: row.method):
        grant: Grant = getattr(row, role)
        theirs, others = url_of(row.path, doors.own), url_of(row.path, doors.other)
        if grant is Grant.ASKED:
            theirs, others = f"{theirs}?order_id={doors.own}", f"{others}?order_id={doors.other}"
        # Without a body: whoever comes through is refused by the route itself, or has nothing to do.
        if grant is Grant.NO:
            answer = await doors.ask(role, row.method, theirs)
            if row.method != "HEAD":
                assert_problem(answer, 403, "not_for_this_token")
            assert answer.status_code == 403, row
            refused += 1
        elif row.path not in ENDLESS:
            answer = await doors.ask(role, row.method, theirs)
            assert answer.status_code not in (401, 403), (row, answer.text)
            is_nowhere = answer.status_code in (404, 405) and answer.json()["code"] != "no_roads"
            assert is_nowhere == ((row.method, row.path) not in there), (row, answer.text)
            passed += 1
        if grant in (Grant.OWN, Grant.ASKED):
            assert_problem(await doors.ask(role, row.method, others), 403, "not_for_this_token")
    assert passed >= 10
    assert refused >= 40


@pytest.mark.parametrize(
    "query",
    [
        "", "?order_id=", "?order_id={other}", "?order_id={own}&order_id={other}", "?order_id={own}&order_id={own}",
        "?order_id={own}&store_id=near", "?store_id=near", "?order_id={own}x&x={own}", "?ORDER_ID={own}",
        "?order_id[]={own}", "?order_id={own}%26order_id={other}", "?order_id=%00{own}", "?%6frder_id={other}",
        "?order_id={own};order_id={other}", "?ticket=x", "?after=latest",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/events", "/v1/events/stream"])
async def test_only_one_order_of_theirs_can_be_followed(doors: Doors, path: str, query: str) -> None:
    url = path + query.format(own=doors.own, other=doors.other)
    for role in ("courier",) if "{own}x" in query else ("shopper", "courier"):
        if role == "shopper" and query in ("?order_id={own}%26order_id={other}", "?order_id={own};order_id={other}"):
            continue  # one id that begins with their prefix, which nobody can have given to an order
        assert_problem(await doors.ask(role, "GET", url), 403, "not_for_this_token")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/orders/{own}/"), ("GET", "/v1/orders//{own}"), ("GET", "//v1/orders/{own}"),
        ("GET", "/v1/orders/./{own}"), ("GET", "/v1/orders/{own}/."), ("GET", "/v1/orders/{own}/../{other}"),
        ("GET", "/v1/orders/{own}%2F..%2F{other}"), ("GET", "/v1/orders/{own}%2Fdelivery-note"),
        ("GET", "/v1/orders/{own}%2f"), ("GET", "/v1/orders%2F{other}"), ("GET", "/v1%2Forders"),
        ("GET", "/V1/orders/{own}"), ("GET", "/v1/orders/%20{own}"), ("GET", "/v1/orders/../orders"),
        ("PUT", "/v1/orders/{other}?order_id={own}"), ("PUT", "/v1/orders/{own}/x"), ("PUT", "/v1/orders/"),
        ("PUT", "/v1/orders/{own}/../{other}"), ("PUT", "/v1/orders/{own}%2F..%2F{other}"),
        ("POST", "/v1/quotes/"), ("POST", "/v1/quotes//batch"), ("POST", "/v1/orders/batch"),
        ("POST", "/v1/orders/{own}/courier-link"), ("POST", "/v1/orders/{own}/confirm/"),
        ("POST", "/v1/orders/{own}/%63onfirm/x"), ("GET", "/v1/stores/near/stock"), ("GET", "/v1/stores/near%2Fstock"),
        ("GET", "/v1/stores/near/life-circle/../stock"), ("GET", "/v1/life-circle%0A"), ("GET", "/v1/life-circle/"),
        ("HEAD", "/v1/orders/{own}"), ("OPTIONS", "/v1/orders/{own}"), ("HEAD", "/v1/stores/nearby"),
        ("get", "/v1/stores/nearby"), ("PATCH", "/v1/orders/{own}"), ("DELETE", "/v1/orders/{own}"),
        ("TRACE", "/v1/caller"), ("GET", "/docs/files/../v1/caller"), ("GET", "/nothing"), ("GET", "*"),
    ],
)  # fmt: skip
async def test_a_path_that_is_not_the_route_itself_opens_nothing(doors: Doors, method: str, path: str) -> None:
    """As the server hands it over: decoded once, and not tidied."""
    raw, _, query = path.format(own=doors.own, other=doors.other).partition("?")
    status, _ = await by_hand(doors, method, raw, query=query)
    assert status == 403


async def test_what_is_escaped_without_need_is_what_it_says(doors: Doors) -> None:
    escaped = doors.own.replace("w", "%77")
    assert (await by_hand(doors, "GET", f"/v1/orders/{escaped}"))[0] == 200
    escaped = doors.other.replace("w", "%77")
    assert (await by_hand(doors, "GET", f"/v1/orders/{escaped}"))[0] == 403


@pytest.mark.parametrize(
    ("root", "path", "status"),
    [
        ("/shop", "/shop/v1/orders/{own}", 200),
        ("/shop", "/shop/v1/orders/{other}", 403),
        ("/shop", "/shop/v1/orders", 403),
        ("/shop", "/shopv1/caller", 403),
        ("/shop", "/shop", 403),
        ("/v1", "/v1/caller", 403),
        ("/v1", "/v1/v1/caller", 200),
        ("/v1/orders/{own}", "/v1/orders/{own}/v1/orders/{other}", 403),
        ("/v1/orders/{other}", "/v1/orders/{other}/v1/orders/{own}", 200),
        ("/v1/orders/", "/v1/orders/{other}", 403),
        ("/v1/orders", "/v1/orders/v1/caller", 200),
    ],
)
async def test_a_prefix_in_front_of_the_app_opens_nothing(doors: Doors, root: str, path: str, status: int) -> None:
    names = {"own": doors.own, "other": doors.other}
    said, answer = await by_hand(doors, "GET", path.format(**names), root=root.format(**names))
    assert said == status
    if "caller" not in path and status == 200:
        assert answer["order_id"] == doors.own


@pytest.mark.parametrize("root", ["", "/v1", "/v1/orders", "/v1/orders/", "/shop"])
async def test_a_shopper_places_no_order_of_others_by_the_quick_way(doors: Doors, root: str) -> None:
    for path in ("/v1/orders/{}", "/v1/v1/orders/{}", "/shop/v1/orders/{}", "/v1/orders/v1/orders/{}"):
        status, _ = await by_hand(doors, "PUT", path.format("somebody-elses"), root=root)
        assert status == 403
        status, _ = await by_hand(doors, "PUT", path.format(doors.other), root=root)
        assert status == 403
    answer = await doors.ask("shopper", "PUT", f"/v1/orders/{doors.own}9", json=order_of())
    assert answer.status_code == 201, answer.text


async def by_hand(doors: Doors, method: str, raw: str, *, root: str = "", query: str = "") -> tuple[int, Any]:
    """The shopper's request, as a server would tell of it; the answer's status and body."""
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(raw),
        "raw_path": raw.encode(),
        "root_path": root,
        "query_string": query.encode(),
        "headers": [(b"host", b"x"), (b"authorization", f"Bearer {doors.shopper}".encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await doors.api.app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], httpx.Response(200, content=body).json() if body else None


# ── what is sent as a token ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "sent",
    [
        "Bearer {token}x", "Bearer lct_", "Bearer lct_x.y", "bearer lct_x", "{token}", "Basic {token}", "Token {token}",
        "Bearer: {token}", "Bearer {token} {token}", "Bearer {token}, Bearer {token}", "Bearer x,{token}",
        'Bearer "{token}"', "Bearer\t{token}", "Bearer x {token}", "Bearer {token};", "  {token}",
    ],
)  # fmt: skip
async def test_one_of_ours_that_is_sent_wrongly_is_refused_rather_than_left_unread(doors: Doors, sent: str) -> None:
    for method, path in (("GET", "/v1/caller"), ("GET", "/v1/uploads"), ("POST", "/v1/quotes")):
        answer = await doors.api.send(method, path, headers={"Authorization": sent.format(token=doors.shopper)})
        problem = assert_problem(answer, 401, "unknown_token")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert "lct_x" not in answer.text
        assert doors.shopper[10:30] not in answer.text
        assert "Authorization: Bearer" in problem["detail"] or "ask for another" in problem["detail"]


async def test_two_headers_are_one_too_many(doors: Doors) -> None:
    for other in ("Bearer x", f"Bearer {doors.courier}"):
        for pair in ((other, f"Bearer {doors.shopper}"), (f"Bearer {doors.shopper}", other)):
            headers = [("Authorization", value) for value in pair]
            assert_problem(await doors.api.http.get("/v1/caller", headers=headers), 401, "unknown_token")


@pytest.mark.parametrize("sent", ["Bearer {token}", "bearer {token}", "BEARER   {token}", "Bearer {token} "])
async def test_the_scheme_is_read_as_http_says(doors: Doors, sent: str) -> None:
    answer = await doors.api.send("GET", "/v1/caller", headers={"Authorization": sent.format(token=doors.shopper)})
    assert answer.json()["role"] == "shopper"


@pytest.mark.parametrize("sent", [None, "Bearer some-backend-key", "Basic YTpi", "", "Bearer abclct_x"])
async def test_whoever_sends_none_of_ours_is_as_ever(doors: Doors, sent: str | None) -> None:
    headers = {} if sent is None else {"Authorization": sent}
    assert (await doors.api.send("GET", "/v1/caller", headers=headers)).json() == {
        "role": "admin", "order_id_prefix": None, "order_id": None, "attempt": None, "expires_at": None,
    }  # fmt: skip
    assert (await doors.api.send("GET", f"/v1/orders/{doors.other}", headers=headers)).status_code == 200
    assert (await doors.api.send("GET", "/v1/orders", headers=headers)).status_code == 200


async def test_a_token_that_has_run_out_is_refused_by_the_services_own_clock(doors: Doors) -> None:
    doors.api.clock.advance(seconds=1799)
    assert (await doors.ask("shopper", "GET", "/v1/caller")).status_code == 200
    doors.api.clock.advance(seconds=1)
    for method, path in (("GET", "/v1/caller"), ("POST", "/v1/shopper-tokens"), ("POST", "/v1/quotes")):
        answer = await doors.ask("shopper", method, path)
        assert_problem(answer, 401, "token_expired")
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


async def test_workers_of_one_secret_know_each_others_tokens_and_others_do_not(
    doors: Doors, database_url: str, tmp_path: Path
) -> None:
    clock = Clock(doors.api.clock.now)
    async with worker(database_url, tmp_path, clock=clock) as same:
        assert (await same.send("GET", "/v1/caller", headers=bearer(doors.shopper))).json()["role"] == "shopper"
    async with worker(database_url, tmp_path, clock=clock, secret="x" * 32) as other:
        assert_problem(await other.send("GET", "/v1/caller", headers=bearer(doors.shopper)), 401, "unknown_token")


async def test_a_fault_behind_the_gate_and_in_it_is_answered_as_any_other(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[dict[str, Any]] = []
    monkeypatch.setattr(envelope._log, "error", lambda _event, **more: logged.append(more))
    monkeypatch.setattr(type(doors.api.app.state.service.tokens), "read", lambda *_, **__: 1 / 0)
    answer = await doors.ask("shopper", "GET", f"/v1/{doors.shopper}")
    assert_problem(answer, 500, "internal_error")
    assert [entry["path"] for entry in logged] == ["/v1/lct_…"]


async def test_a_courier_is_told_when_the_database_is_away_and_not_that_the_link_is_over(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        from dispatch.domain.errors import DatabaseUnavailable

        raise DatabaseUnavailable("the database does not answer")

    monkeypatch.setattr("dispatch.services.orders.ordering.find_orders", away)
    answer = await doors.ask("courier", "GET", f"/v1/orders/{doors.own}")
    assert_problem(answer, 503, "database_unavailable")
    assert answer.headers["Retry-After"]


async def test_an_order_that_is_no_longer_kept_is_not_found(doors: Doors) -> None:
    tokens = doors.api.app.state.service.tokens
    token, _ = tokens.courier(client="default", order_id="gone", attempt=1, ttl_s=60, now=doors.api.clock.now)
    assert_problem(await doors.api.send("GET", "/v1/orders/gone", headers=bearer(token)), 404, "order_not_found")
    assert (await doors.api.send("GET", "/v1/caller", headers=bearer(token))).json()["order_id"] == "gone"


# ── a courier's link ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_courier_carries_an_order_to_the_door(doors: Doors) -> None:
    await acted(doors.api, doors.own, "accept", attempt=1)
    await acted(doors.api, doors.own, "ready", attempt=1)
    for action, status in (("pick-up", "picked_up"), ("deliver", "delivered")):
        answer = await doors.ask("courier", "POST", f"/v1/orders/{doors.own}/{action}", json={"attempt": 1})
        assert (answer.status_code, answer.json()["status"]) == (200, status)
    # Delivered, it may still be looked up, and said again.
    assert (await doors.ask("courier", "GET", f"/v1/orders/{doors.own}")).json()["status"] == "delivered"
    answer = await doors.ask("courier", "POST", f"/v1/orders/{doors.own}/deliver", json={"attempt": 1})
    assert answer.headers["Idempotent-Replay"] == "true"


async def test_a_courier_acts_in_the_attempt_of_the_link_and_no_other(doors: Doors) -> None:
    for attempt in (2, 0, None, "1", True):
        answer = await doors.ask("courier", "POST", f"/v1/orders/{doors.own}/pick-up", json={"attempt": attempt})
        if attempt == 2:
            assert_problem(answer, 403, "not_for_this_token")
            assert answer.json()["errors"][0]["pointer"] == "/attempt"
        else:
            assert_problem(answer, 422)
    assert_problem(await doors.ask("courier", "POST", f"/v1/orders/{doors.own}/deliver"), 400)


async def test_a_link_whose_order_has_moved_on_tells_nothing_and_does_nothing(doors: Doors) -> None:
    ticket = await ticket_of(doors)
    await acted(doors.api, doors.own, "decline", attempt=1, reason="other")
    await left(doors, ticket)


async def test_a_link_whose_order_was_called_off_tells_nothing_and_does_nothing(doors: Doors) -> None:
    ticket = await ticket_of(doors)
    await acted(doors.api, doors.own, "cancel")
    await left(doors, ticket)


async def test_a_link_whose_order_no_store_can_take_any_more_tells_nothing(doors: Doors) -> None:
    await acted(doors.api, doors.own, "decline", attempt=1, reason="other")
    link = await doors.api.send("POST", f"/v1/orders/{doors.own}/courier-link", json={"attempt": 2})
    doors = doors._replace(courier=link.json()["token"])
    ticket = await ticket_of(doors)
    ended = await acted(doors.api, doors.own, "decline", attempt=2, reason="other")
    assert (ended["status"], ended["attempt"]) == ("unfulfillable", 2)
    await left(doors, ticket)


async def ticket_of(doors: Doors) -> str:
    """The courier's, to a stream of their order."""
    answer = await doors.ask("courier", "POST", "/v1/events/tickets", json={"order_id": doors.own})
    return str(answer.json()["ticket"])


async def left(doors: Doors, ticket: str) -> None:
    """A ticket of before is good for nothing either."""
    async with asyncio.timeout(PATIENCE_S):  # one that is not refused has no end
        answer = await doors.api.send("GET", f"/v1/events/stream?ticket={ticket}")
    assert doors.own not in assert_problem(answer, 403, "link_left")["detail"]
    body = {"attempt": 1}
    for method, path, sent in (
        ("GET", f"/v1/orders/{doors.own}", None),
        ("GET", f"/v1/orders/{doors.own}/events", None),
        ("GET", f"/v1/orders/{doors.own}/delivery-note", None),
        ("GET", f"/v1/events?order_id={doors.own}", None),
        ("GET", f"/v1/events/stream?order_id={doors.own}", None),
        ("POST", "/v1/events/tickets", {"order_id": doors.own}),
        ("POST", f"/v1/orders/{doors.own}/pick-up", body),
        ("POST", f"/v1/orders/{doors.own}/deliver", body),
        ("POST", f"/v1/orders/{doors.own}/fail", body),
    ):
        problem = assert_problem(await doors.ask("courier", method, path, json=sent), 403, "link_left")
        assert doors.own not in problem["detail"]
    # Whoever has the link learns why, by what it says itself.
    assert (await doors.ask("courier", "GET", "/v1/caller")).json()["order_id"] == doors.own


async def test_an_order_that_leaves_while_its_courier_acts_is_not_told(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the gate's look and the route's own."""
    from dispatch.api import gate

    look = gate._check_link

    async def slow(*arguments: Any) -> None:
        await look(*arguments)
        await acted(doors.api, doors.own, "decline", attempt=1, reason="other")

    monkeypatch.setattr(gate, "_check_link", slow)
    answer = await doors.ask("courier", "POST", f"/v1/orders/{doors.own}/pick-up", json={"attempt": 1})
    assert_problem(answer, 403, "link_left")
    assert "middle" not in answer.text


async def test_what_stands_before_the_gate_sees_its_refusals(app_client: Api) -> None:
    """As cross-origin headers must be on them, too."""
    seen: list[int] = []

    def outer(inner: Any) -> Any:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            async def told(message: Message) -> None:
                seen.extend([message["status"]] if "status" in message else [])
                await send(message)

            await inner(scope, receive, told)

        return app

    app_client.app.wrap(outer)
    await app_client.send("GET", "/v1/caller", headers=bearer("lct_x"))
    await app_client.send("POST", "/v1/quotes", json={})
    assert seen == [401, 422]
