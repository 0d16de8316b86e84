"""Stores closed by date: in quotes, nearby, on the store's page and for orders; put, listed and taken back."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.api.client import Api, Clock, assert_problem
from tests.api.shop import DOOR, SHOPS, acted, clock_of_now, north, order_of, placed, put_order, with_shops

DAYTIME = "Mo-Su 08:00-22:00"
CLOSURES = "/v1/stores/near/closures"
# It is Friday, 20 November 2026, 10:00 in Taipei.


async def close(api: Api, begin: str, end: str, store_id: str = "near", **fields: Any) -> dict[str, Any]:
    """Close a store today, by its own clock."""
    body = {"from": f"2026-11-20T{begin}+08:00", "to": f"2026-11-20T{end}+08:00", **fields}
    answer = await api.write("POST", f"/v1/stores/{store_id}/closures", body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["dispatch-version"]
    return dict(answer.json())


async def reasons(api: Api, **fields: Any) -> dict[str, tuple[str, dict[str, Any]]]:
    """Why each store is passed over, of a quote that no store answers."""
    body = await api.quote(*DOOR, "tea", explain=True, exclude_stores=["far"], **fields)
    return {entry["store_id"]: (entry["reason"], entry["detail"]) for entry in body["passed_over"]}


async def test_while_a_closure_lasts_the_store_is_closed_and_afterwards_open_again(
    app_client: Api, clock: Clock
) -> None:
    await with_shops(app_client, 5, 5, opening_hours=DAYTIME)
    told = await close(app_client, "10:00:00", "12:00:00", reason="stocktaking")
    assert told == {
        "closure_id": "20261120T020000Z-20261120T040000Z", "from": "2026-11-20T10:00:00+08:00",
        "to": "2026-11-20T12:00:00+08:00", "reason": "stocktaking",
    }  # fmt: skip
    answer = await app_client.quote(*DOOR, "tea", explain=True)
    assert answer["store"]["store_id"] == "middle"
    [passed] = answer["passed_over"]
    assert (passed["store_id"], passed["reason"]) == ("near", "closed")
    assert passed["detail"] == {"opens_at": "2026-11-20T12:00:00+08:00"}
    state = {"open_now": False, "hours_known": True, "opens_at": "2026-11-20T12:00:00+08:00", "closes_at": None}
    page = (await app_client.get("/v1/stores/near")).json()
    [near, middle] = (await app_client.get("/v1/stores/nearby", lat=DOOR[0], lon=DOOR[1])).json()["stores"]
    assert {name: page[name] for name in state} == {name: near[name] for name in state} == state
    assert (middle["open_now"], middle["closes_at"]) == (True, "2026-11-20T22:00:00+08:00")
    open_ones = await app_client.get("/v1/stores/nearby", lat=DOOR[0], lon=DOOR[1], open_now=True)
    assert [store["store_id"] for store in open_ones.json()["stores"]] == ["middle"]
    clock.advance(hours=2)
    assert (await app_client.quote(*DOOR, "tea"))["store"]["store_id"] == "near"
    page = (await app_client.get("/v1/stores/near")).json()
    assert (page["open_now"], page["closes_at"]) == (True, "2026-11-20T22:00:00+08:00")


async def test_a_closure_to_come_closes_the_store_then_and_leaves_too_little_time_before(app_client: Api) -> None:
    await with_shops(app_client, 5, opening_hours=DAYTIME)
    await close(app_client, "12:00:00", "13:00:00")
    page = (await app_client.get("/v1/stores/near")).json()
    assert (page["open_now"], page["closes_at"]) == (True, "2026-11-20T12:00:00+08:00")
    asked = {
        "11:50:00": None,
        "11:55:00": "closes_too_soon",
        "12:00:00": "closed",
        "12:59:59": "closed",
        "13:00:00": None,
    }
    for at, reason in asked.items():
        answer = await app_client.quote(*DOOR, "tea", at=f"2026-11-20T{at}+08:00", explain=True)
        assert answer.get("reason") == reason, at
        if reason == "closed":
            assert answer["detail"] == {"opens_at": "2026-11-20T13:00:00+08:00"}
        if reason == "closes_too_soon":
            assert answer["detail"] == {
                "closes_at": "2026-11-20T12:00:00+08:00", "pickup_by": "2026-11-20T12:01:30+08:00",
            }  # fmt: skip


async def test_closures_that_overlap_are_one_and_opening_waits_for_the_hours(app_client: Api) -> None:
    await with_shops(app_client, 5, opening_hours=DAYTIME)
    await close(app_client, "09:00:00", "15:00:00")
    await close(app_client, "14:00:00", "18:00:00")
    await close(app_client, "18:00:00", "23:00:00")
    page = (await app_client.get("/v1/stores/near")).json()
    assert (page["open_now"], page["opens_at"]) == (False, "2026-11-21T08:00:00+08:00")


async def test_what_is_kept_of_nearby_answers_ends_with_the_next_closure(app_client: Api) -> None:
    await with_shops(app_client, 5, opening_hours="24/7")
    await close(app_client, "10:00:12", "11:00:00")
    answer = await app_client.get("/v1/stores/nearby", lat=DOOR[0], lon=DOOR[1])
    assert answer.headers["cache-control"] == "private, max-age=12"


async def test_closures_are_listed_until_they_are_over_and_taken_back_once(app_client: Api, clock: Clock) -> None:
    await with_shops(app_client, 5, timezone="Asia/Tokyo")
    later = await close(app_client, "15:00:00", "16:00:00")
    now = await close(app_client, "09:00:00", "11:00:00", reason="flood")
    assert (now["from"], later["reason"]) == ("2026-11-20T10:00:00+09:00", None)
    listed = await app_client.get(CLOSURES)
    assert listed.json() == {"closures": [now, later]}
    again = await app_client.write("POST", CLOSURES, {"from": now["from"], "to": now["to"], "reason": "fire"})
    assert again.status_code == 200
    assert again.json() == now | {"reason": "fire"}
    for removed in (True, False):
        gone = await app_client.write("DELETE", f"{CLOSURES}/{now['closure_id']}", None)
        assert gone.status_code == 200
        assert gone.json() == {"store_id": "near", "closure_id": now["closure_id"], "removed": removed}
        assert gone.headers["dispatch-version"]
        assert (await app_client.get("/v1/stores/near")).json()["open_now"] is True
    assert (await app_client.get(CLOSURES)).json() == {"closures": [later]}
    clock.advance(hours=6)
    assert (await app_client.get(CLOSURES)).json() == {"closures": []}


async def test_putting_the_store_again_leaves_its_closures(app_client: Api) -> None:
    await with_shops(app_client, 5)
    await close(app_client, "09:00:00", "11:00:00")
    told = await app_client.put_store("near", *north(100), opening_hours="24/7")
    assert (told["open_now"], told["opens_at"]) == (False, "2026-11-20T11:00:00+08:00")


GOOD = {"from": "2026-11-20T12:00:00+08:00", "to": "2026-11-20T13:00:00+08:00"}


@pytest.mark.parametrize(
    ("wrong", "pointer", "said"),
    [
        ({"to": "2026-11-20T12:00:00+08:00"}, "/to", "not later than from"),
        ({"to": "2026-11-20T04:30:00+09:00"}, "/to", "not later than from"),
        ({"to": "2026-11-20T13:00:00"}, "/to", "offset"),
        ({"from": "2026-11-20"}, "/from", "offset"),
        ({"from": 1_795_000_000}, "/from", "offset"),
        ({"from": "2026-13-20T12:00:00Z"}, "/from", "month"),
        ({"from": None}, "/from", "offset"),
        ({"to": "2027-11-22T12:00:00+08:00"}, "/to", "more than 366 days after from"),
        ({"from": "2026-11-19T12:00:00Z", "to": "2026-11-20T01:00:00Z"}, "/to", "past already"),
        ({"from": "2226-11-19T12:00:00Z", "to": "2226-11-20T01:00:00Z"}, "/to", "days ahead"),
        ({"from": "9999-12-31T23:59:59Z", "to": "9999-12-31T23:59:59.5Z"}, "/to", "calendar"),
        ({"from": "0001-01-01T00:00:00+08:00"}, "/to", "calendar"),
        ({"reason": "x" * 501}, "/reason", "500"),
        ({"reason": "\x00"}, "/reason", "control character"),
        ({"until": "2026-11-20T13:00:00+08:00"}, "/until", "not known"),
        ({"from_": "2026-11-20T13:00:00+08:00"}, "/from_", "not known"),
    ],
)  # fmt: skip
async def test_what_cannot_be_a_closure_is_refused_with_its_place(
    app_client: Api, wrong: dict[str, Any], pointer: str, said: str
) -> None:
    await with_shops(app_client, 5)
    problem = assert_problem(await app_client.send("POST", CLOSURES, json=GOOD | wrong), 422, pointers=[pointer])
    assert said in problem["errors"][0]["detail"]
    assert (await app_client.get(CLOSURES)).json() == {"closures": []}


async def test_both_ends_are_required_and_stores_and_ids_must_be_such(app_client: Api) -> None:
    await with_shops(app_client, 5)
    assert_problem(await app_client.send("POST", CLOSURES, json={}), 422, pointers=["/from", "/to"])
    assert_problem(await app_client.send("POST", CLOSURES, content=b"{"), 400, "malformed")
    closure_id = "20261120T020000Z-20261120T040000Z"
    for method, path in (("POST", ""), ("GET", ""), ("DELETE", f"/{closure_id}")):
        answer = await app_client.send(method, f"/v1/stores/nowhere/closures{path}", json=GOOD)
        assert_problem(answer, 404, "store_not_found")
    assert_problem(await app_client.send("DELETE", f"{CLOSURES}/7"), 422, pointers=["/path/closure_id"])
    assert_problem(await app_client.send("GET", f"{CLOSURES}?at=now"), 422, pointers=["/query/at"])


# ── Orders, which follow the database's clock ──────────────────────────────────────────────────────────────────────


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> Clock:
    """That of now for tests of orders, whose names say so."""
    return clock_of_now() if "order" in request.node.name else Clock()


async def close_now(api: Api, store_id: str) -> dict[str, Any]:
    now: datetime = api.clock()
    body = {"from": (now - timedelta(minutes=5)).isoformat(), "to": (now + timedelta(hours=2)).isoformat()}
    answer = await api.write("POST", f"/v1/stores/{store_id}/closures", body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_a_new_order_goes_past_a_closed_store_and_is_refused_where_all_are(app_client: Api) -> None:
    await with_shops(app_client, 5, 5)
    assert (await placed(app_client, "before"))["store"]["store_id"] == "near"
    closure = await close_now(app_client, "near")
    assert (await placed(app_client, "during"))["store"]["store_id"] == "middle"
    await close_now(app_client, "middle")
    problem = assert_problem(await put_order(app_client, "refused"), 409, "no_store_can_fulfil")
    assert problem["reason"] == "closed"
    await app_client.write("DELETE", f"/v1/stores/near/closures/{closure['closure_id']}", None)
    assert (await placed(app_client, "refused"))["store"]["store_id"] == "near"


async def test_a_held_order_moves_on_when_it_is_confirmed_at_a_store_closed_meanwhile(app_client: Api) -> None:
    await with_shops(app_client, 5, 5)
    assert (await placed(app_client, "o", order_of(hold_s=900)))["store"]["store_id"] == SHOPS[0]
    await close_now(app_client, "near")
    confirmed = await acted(app_client, "o", "confirm")
    assert (confirmed["status"], confirmed["store"]["store_id"]) == ("confirmed", "middle")
