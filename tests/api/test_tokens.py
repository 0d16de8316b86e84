"""Tokens to shop with, links for couriers, and the QR codes of both: as they are asked for over HTTP."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from tests.api.client import Api, Clock, assert_problem, worker
from tests.api.qr_reader import svg_of_data_url, text_in
from tests.api.shop import acted, clock_of_now, order_of, placed, with_shops


@pytest.fixture
def clock() -> Clock:
    return clock_of_now()


@pytest.fixture
async def api(app_client: Api) -> Api:
    await with_shops(app_client, 9, 9)
    return app_client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def shopper(api: Api, token: str | None = None, **body: Any) -> dict[str, Any]:
    headers = {} if token is None else bearer(token)
    answer = await api.send("POST", "/v1/shopper-tokens", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(answer.json()) == {"token", "role", "order_id_prefix", "expires_at"}
    return dict(answer.json())


async def link_of(api: Api, order_id: str, attempt: int = 1, **more: Any) -> httpx.Response:
    headers = more.pop("headers", {})
    return await api.send(
        "POST", f"/v1/orders/{order_id}/courier-link", json={"attempt": attempt, **more}, headers=headers
    )


# ── shoppers ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("sent", "ttl_s"), [({}, 1800), ({"ttl_s": 60}, 60), ({"ttl_s": 7200}, 7200)])
async def test_a_token_says_which_orders_it_is_for_and_when_it_ends(api: Api, sent: dict[str, Any], ttl_s: int) -> None:
    told = await shopper(api, **sent)
    assert re.fullmatch(r"w-[0-9a-f]{16}-", told["order_id_prefix"])
    assert datetime.fromisoformat(told["expires_at"]) == api.clock.now + timedelta(seconds=ttl_s)
    caller = (await api.send("GET", "/v1/caller", headers=bearer(told["token"]))).json()
    assert caller == {
        "role": "shopper", "order_id_prefix": told["order_id_prefix"], "order_id": None, "attempt": None,
        "expires_at": told["expires_at"],
    }  # fmt: skip


async def test_it_may_be_asked_for_without_a_body(api: Api) -> None:
    assert (await api.send("POST", "/v1/shopper-tokens")).status_code == 201


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [({"ttl_s": 59}, "/ttl_s"), ({"ttl_s": 7201}, "/ttl_s"), ({"ttl_s": "60"}, "/ttl_s"), ({"role": "x"}, "/role")],
)
async def test_what_is_wrong_with_the_question_is_told_with_its_place(
    api: Api, sent: dict[str, Any], pointer: str
) -> None:
    assert_problem(await api.send("POST", "/v1/shopper-tokens", json=sent), 422, pointers=[pointer])


async def test_a_token_is_renewed_with_the_same_orders(api: Api) -> None:
    first = await shopper(api)
    api.clock.advance(seconds=1000)
    second = await shopper(api, first["token"])
    assert second["order_id_prefix"] == first["order_id_prefix"]
    assert second["token"] != first["token"]
    assert second["expires_at"] > first["expires_at"]
    assert (await shopper(api))["order_id_prefix"] != first["order_id_prefix"]
    api.clock.advance(seconds=900)
    answer = await api.send("POST", "/v1/shopper-tokens", headers=bearer(first["token"]))
    assert_problem(answer, 401, "token_expired")
    assert (await shopper(api, second["token"]))["order_id_prefix"] == first["order_id_prefix"]


async def test_a_shopper_finds_orders_watches_and_calls_off(api: Api) -> None:
    told = await shopper(api)
    headers, order_id = bearer(told["token"]), f"{told['order_id_prefix']}1"

    async def ask(method: str, url: str, **more: Any) -> httpx.Response:
        return await api.send(method, url, headers=headers | api.seen, **more)

    quote = await ask("POST", "/v1/quotes", json=order_of())
    assert quote.json()["store"]["store_id"] == "near"
    assert (await ask("GET", "/v1/stores/nearby?lat=25.033&lon=121.5654&sku=tea")).json()["stores"]
    assert (await ask("PUT", f"/v1/orders/{order_id}", json=order_of())).status_code == 201
    assert (await ask("PUT", f"/v1/orders/{order_id}", json=order_of())).headers["Idempotent-Replay"] == "true"
    assert (await ask("POST", f"/v1/orders/{order_id}/confirm")).json()["status"] == "confirmed"
    assert (await ask("GET", f"/v1/orders/{order_id}")).json()["status"] == "confirmed"
    assert [e["event"] for e in (await ask("GET", f"/v1/orders/{order_id}/events")).json()["events"]] == [
        "held", "confirmed",
    ]  # fmt: skip
    assert (await ask("POST", f"/v1/orders/{order_id}/cancel")).json()["status"] == "cancelled"


async def test_one_shopper_has_nothing_of_anothers(api: Api) -> None:
    one, other = await shopper(api), await shopper(api)
    order_id = f"{one['order_id_prefix']}1"
    await placed(api, order_id)
    for method, url in (("GET", ""), ("GET", "/events"), ("PUT", ""), ("POST", "/confirm"), ("POST", "/cancel")):
        answer = await api.send(method, f"/v1/orders/{order_id}{url}", headers=bearer(other["token"]), json=order_of())
        assert_problem(answer, 403, "not_for_this_token")
    assert (await api.get(f"/v1/orders/{order_id}")).json()["status"] == "held"


# ── couriers ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_link_opens_the_page_of_an_order_for_its_courier(api: Api) -> None:
    await placed(api, "o-1", order_of(hold_s=0))
    answer = await link_of(api, "o-1")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.json()
    assert set(told) == {"url", "token", "expires_at", "qr"}
    assert told["url"] == f"http://dispatch.test/c/{told['token']}"
    assert datetime.fromisoformat(told["expires_at"]) == api.clock.now + timedelta(days=1)
    assert text_in(svg_of_data_url(told["qr"])) == told["url"]
    caller = (await api.send("GET", "/v1/caller", headers=bearer(told["token"]))).json()
    assert caller == {
        "role": "courier", "order_id_prefix": None, "order_id": "o-1", "attempt": 1, "expires_at": told["expires_at"],
    }  # fmt: skip


@pytest.mark.parametrize("ttl_s", [60, 604_800])
async def test_a_link_holds_as_long_as_is_asked(api: Api, ttl_s: int) -> None:
    await placed(api, "o-1", order_of(hold_s=0))
    token = (await link_of(api, "o-1", ttl_s=ttl_s)).json()["token"]
    api.clock.advance(seconds=ttl_s - 1)
    assert (await api.send("GET", "/v1/orders/o-1", headers=bearer(token))).status_code == 200
    api.clock.advance(seconds=1)
    assert_problem(await api.send("GET", "/v1/orders/o-1", headers=bearer(token)), 401, "token_expired")


async def test_a_link_is_given_out_while_there_is_something_to_carry(api: Api) -> None:
    await placed(api, "o-1")
    problem = assert_problem(await link_of(api, "o-1"), 409, "invalid_transition")
    assert (problem["order_status"], problem["allowed"]) == ("held", ["confirm", "cancel", "reassign"])
    for action, body in (("confirm", {}), ("accept", {"attempt": 1}), ("ready", {"attempt": 1})):
        await acted(api, "o-1", action, **body)
        assert (await link_of(api, "o-1")).status_code == 200, action
    await acted(api, "o-1", "pick-up", attempt=1)
    assert (await link_of(api, "o-1")).status_code == 200
    await acted(api, "o-1", "deliver", attempt=1)
    problem = assert_problem(await link_of(api, "o-1"), 409, "invalid_transition")
    assert (problem["order_status"], problem["allowed"]) == ("delivered", [])


async def test_a_link_is_for_the_attempt_that_is_now(api: Api) -> None:
    await placed(api, "o-1", order_of(hold_s=0))
    assert_problem(await link_of(api, "o-1", 2), 409, "wrong_attempt")
    await acted(api, "o-1", "decline", attempt=1, reason="other")
    assert "has left attempt 1" in assert_problem(await link_of(api, "o-1"), 409, "wrong_attempt")["detail"]
    assert (await link_of(api, "o-1", 2)).status_code == 200
    assert_problem(await link_of(api, "none"), 404, "order_not_found")


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [({}, "/attempt"), ({"attempt": 0}, "/attempt"), ({"attempt": 1, "ttl_s": 59}, "/ttl_s"),
     ({"attempt": 1, "ttl_s": 604_801}, "/ttl_s"), ({"attempt": 1, "datum": "wgs84"}, "/datum")],
)  # fmt: skip
async def test_what_is_wrong_with_the_link_asked_for_is_told(api: Api, sent: dict[str, Any], pointer: str) -> None:
    assert_problem(await api.send("POST", "/v1/orders/o-1/courier-link", json=sent), 422, pointers=[pointer])


# ── where the service is found ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("host", "begins"),
    [("shop.example", "http://shop.example/c/"), ("shop.example:8443", "http://shop.example:8443/c/"),
     ("[::1]:8000", "http://[::1]:8000/c/"), ("127.0.0.1", "http://127.0.0.1/c/")],
)  # fmt: skip
async def test_without_a_setting_a_link_leads_to_where_it_was_asked_for(api: Api, host: str, begins: str) -> None:
    await placed(api, "o-1", order_of(hold_s=0))
    assert (await link_of(api, "o-1", headers={"Host": host})).json()["url"].startswith(begins)


@pytest.mark.parametrize("host", ["", "a b", "a/b", "a@b", "a?b", "a#b", "a:b", "é", '"><script>', "x" * 300, "[::1"])
async def test_a_host_that_is_none_makes_no_link(api: Api, host: str) -> None:
    await placed(api, "o-1", order_of(hold_s=0))
    answer = await link_of(api, "o-1", headers={"Host": host.encode()})
    assert "DISPATCH_PUBLIC_URL" in assert_problem(answer, 400, "malformed")["detail"]
    answer = await api.send("GET", "/v1/stores/near/qr.svg", headers=[(b"Host", host.encode())])
    assert_problem(answer, 400, "malformed")


async def test_with_the_setting_no_host_is_believed(database_url: str, tmp_path: Path) -> None:
    async with worker(database_url, tmp_path, clock=clock_of_now(), public_url="https://shop.example/life/") as api:
        await with_shops(api, 9)
        await placed(api, "o-1", order_of(hold_s=0))
        for host in ("evil.example", "a b"):
            url = (await link_of(api, "o-1", headers={"Host": host})).json()["url"]
            assert url.startswith("https://shop.example/life/c/lct_")
            code = await api.send("GET", "/v1/stores/near/qr.svg", headers={"Host": host})
            assert text_in(code.text) == "https://shop.example/life/s/near"


# ── posters ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("campaign", "ends"),
    [(None, "/s/near"), ("spring 7", "/s/near?campaign=spring%207"),
     ("a&b=c#d/é", "/s/near?campaign=a%26b%3Dc%23d%2F%C3%A9")],
)  # fmt: skip
async def test_the_code_of_a_store_opens_its_page_and_says_which_poster(
    api: Api, campaign: str | None, ends: str
) -> None:
    query: dict[str, Any] = {} if campaign is None else {"campaign": campaign}
    answer = await api.get("/v1/stores/near/qr.svg", **query)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
    assert text_in(answer.text) == f"http://dispatch.test{ends}"


async def test_the_longest_there_is_goes_into_a_code(database_url: str, tmp_path: Path) -> None:
    store_id, campaign = "店" * 64, "😀" * 64
    async with worker(database_url, tmp_path, public_url="https://" + "x" * 192) as api:
        await api.put_store(store_id, 25.0, 121.5)
        answer = await api.get(f"/v1/stores/{store_id}/qr.svg", campaign=campaign)
        assert answer.status_code == 200
        assert unquote(text_in(answer.text)).endswith(f"/s/{store_id}?campaign={campaign}")


async def test_there_is_no_code_of_a_store_that_is_not(api: Api) -> None:
    assert_problem(await api.get("/v1/stores/none/qr.svg"), 404, "store_not_found")
    for campaign in ("", "x" * 65, "a\n"):
        assert_problem(await api.get("/v1/stores/near/qr.svg", campaign=campaign), 422, pointers=["/query/campaign"])
    assert_problem(await api.get("/v1/stores/near/qr.svg", size=7), 422, pointers=["/query/size"])
