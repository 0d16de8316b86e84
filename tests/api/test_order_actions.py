"""POST /v1/orders/{order_id}/{action}: what becomes of the order, of its goods and of its store."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.api.client import Api, Clock, assert_problem, worker
from tests.api.shop import (
    DOOR,
    act,
    acted,
    becomes,
    clock_of_now,
    events_of,
    north,
    open_orders,
    order_now,
    order_of,
    placed,
    put_order,
    reserved,
    with_shops,
)

BODIES: dict[str, dict[str, Any]] = {
    "confirm": {}, "cancel": {}, "decline": {"attempt": 1, "reason": "other"},
    **{action: {"attempt": 1} for action in ("accept", "ready", "pick-up", "deliver", "fail", "return", "reassign")},
}  # fmt: skip
# The way to each status, from a hold.
WAYS: dict[str, tuple[str, ...]] = {
    "held": (),
    "confirmed": ("confirm",),
    "accepted": ("confirm", "accept"),
    "ready": ("confirm", "accept", "ready"),
    "picked_up": ("confirm", "accept", "ready", "pick-up"),
    "delivered": ("confirm", "accept", "ready", "pick-up", "deliver"),
    "failed": ("confirm", "accept", "ready", "pick-up", "fail"),
    "returned": ("confirm", "accept", "ready", "pick-up", "fail", "return"),
    "cancelled": ("cancel",),
    "unfulfillable": ("confirm", "decline"),
}
# The diagram of API.md, read once more: what leads on from each status.
LEADS_ON: dict[str, set[str]] = {
    "held": {"confirm", "cancel", "reassign"},
    "confirmed": {"cancel", "accept", "decline", "reassign"},
    "accepted": {"cancel", "ready", "decline", "reassign"},
    "ready": {"cancel", "pick-up", "decline", "reassign"},
    "picked_up": {"deliver", "fail"},
    "failed": {"return"},
    "delivered": set(),
    "returned": set(),
    "cancelled": set(),
    "unfulfillable": set(),
}


@pytest.fixture
def clock() -> Clock:
    return clock_of_now()


async def in_status(api: Api, order_id: str, status: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """A new order, led to a status."""
    order = await placed(api, order_id, body)
    for action in WAYS[status]:
        order = await acted(api, order_id, action, **BODIES[action])
    assert order["status"] == status
    return order


async def figures(api: Api, store_id: str) -> tuple[int, int]:
    """on hand, reserved."""
    row = (await api.shelf(store_id))["tea"]
    return row["on_hand"], row["reserved"]


# ── the way of an order ────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_order_goes_its_way_and_its_goods_leave_with_the_pick_up(app_client: Api) -> None:
    await with_shops(app_client, 5)
    await placed(app_client, "o-1", order_of(quantity=2))
    expected = (
        ("confirm", "confirmed", (5, 2), 1),
        ("accept", "accepted", (5, 2), 1),
        ("ready", "ready", (5, 2), 0),
        ("pick-up", "picked_up", (3, 0), 0),
        ("deliver", "delivered", (3, 0), 0),
    )
    for action, status, shelf, still_open in expected:
        answer = await act(app_client, "o-1", action, **BODIES[action])
        assert (answer.status_code, answer.json()["status"], answer.json()["attempt"]) == (200, status, 1)
        assert "dispatch-version" in answer.headers
        assert "idempotent-replay" not in answer.headers
        assert await figures(app_client, "near") == shelf
        assert await open_orders(app_client, "near") == still_open
    events = await events_of(app_client, "o-1")
    assert [event["event"] for event in events] == [
        "held", "confirmed", "accepted", "ready", "picked_up", "delivered",
    ]  # fmt: skip
    assert all((event["store_id"], event["attempt"], event["detail"]) == ("near", 1, None) for event in events)


async def test_what_was_picked_up_and_not_handed_over_comes_back_with_the_return(app_client: Api) -> None:
    await with_shops(app_client, 5)
    await in_status(app_client, "o-1", "picked_up", order_of(quantity=2))
    await acted(app_client, "o-1", "fail", attempt=1)
    assert await figures(app_client, "near") == (3, 0)
    await acted(app_client, "o-1", "return", attempt=1)
    assert await figures(app_client, "near") == (5, 0)


@pytest.mark.parametrize("status", WAYS)
async def test_what_a_status_forbids_is_refused_with_what_it_allows_and_changes_nothing(
    app_client: Api, status: str
) -> None:
    await with_shops(app_client, 9)
    order = await in_status(app_client, "o-1", status)
    taken = set(WAYS[status]) - {"decline"}
    passed = {action for action in BODIES if action not in LEADS_ON[status] and action not in taken}
    if status == "unfulfillable":
        passed -= {"decline", "confirm"}
    if status == "returned":
        passed -= {"fail"}
    assert passed
    for action in sorted(passed):
        problem = assert_problem(await act(app_client, "o-1", action, **BODIES[action]), 409, "invalid_transition")
        assert (problem["order_status"], set(problem["allowed"])) == (status, LEADS_ON[status]), action
    assert await order_now(app_client, "o-1") == order


@pytest.mark.parametrize("status", [status for status in WAYS if status != "held"])
async def test_every_step_that_was_taken_may_be_asked_for_again_and_changes_nothing(
    app_client: Api, status: str
) -> None:
    await with_shops(app_client, 9)
    order = await in_status(app_client, "o-1", status)
    events = await events_of(app_client, "o-1")
    shelf = await figures(app_client, "near")
    for action in WAYS[status]:
        answer = await act(app_client, "o-1", action, **BODIES[action])
        assert (answer.status_code, answer.headers["idempotent-replay"]) == (200, "true")
        assert answer.json() == order
        assert answer.headers["dispatch-version"] == app_client.version
    assert await events_of(app_client, "o-1") == events
    assert await figures(app_client, "near") == shelf


async def test_an_action_many_times_at_once_is_done_once(database_url: str, tmp_path: Path) -> None:
    async with (
        worker(database_url, tmp_path / "a", clock=clock_of_now()) as one,
        worker(database_url, tmp_path / "b", clock=clock_of_now()) as other,
    ):
        await with_shops(one, 5)
        await in_status(one, "o-1", "ready", order_of(quantity=2))
        answers = await asyncio.gather(*(act(api, "o-1", "pick-up", attempt=1) for api in (one, other) * 5))
        assert [answer.status_code for answer in answers] == [200] * 10
        assert sum("idempotent-replay" not in answer.headers for answer in answers) == 1
        assert {answer.json()["status"] for answer in answers} == {"picked_up"}
        assert await figures(one, "near") == (3, 0)
        assert len(await events_of(one, "o-1")) == 5


async def test_a_worker_that_has_not_heard_of_the_goods_yet_acts_on_their_order_all_the_same(
    database_url: str, tmp_path: Path
) -> None:
    async with (
        worker(database_url, tmp_path / "a", clock=clock_of_now()) as one,
        worker(database_url, tmp_path / "b", clock=clock_of_now(), follow_every_s=2) as other,
    ):
        await with_shops(one, 5)
        await placed(one, "o-1")
        assert (await acted(other, "o-1", "cancel"))["status"] == "cancelled"
        assert await figures(one, "near") == (5, 0)


async def test_of_two_actions_that_exclude_each_other_one_is_done(database_url: str, tmp_path: Path) -> None:
    async with (
        worker(database_url, tmp_path / "a", clock=clock_of_now()) as one,
        worker(database_url, tmp_path / "b", clock=clock_of_now()) as other,
    ):
        await with_shops(one, 50)
        seen = set()
        for i in range(12):
            await in_status(one, f"o-{i}", "ready")
            pick_up, cancel = await asyncio.gather(
                act((one, other)[i % 2], f"o-{i}", "pick-up", attempt=1), act((other, one)[i % 2], f"o-{i}", "cancel")
            )
            assert sorted((pick_up.status_code, cancel.status_code)) == [200, 409]
            won = pick_up if pick_up.status_code == 200 else cancel
            assert await order_now(one, f"o-{i}") == won.json()
            seen.add(won.json()["status"])
        gone = sum(order["status"] == "picked_up" for order in (await one.get("/v1/orders")).json()["orders"])
        assert await figures(one, "near") == (50 - gone, 0)
        assert seen


@pytest.mark.parametrize("status", ["held", "confirmed", "accepted", "ready"])
async def test_a_cancelled_order_gives_its_goods_and_its_place_back(app_client: Api, status: str) -> None:
    await with_shops(app_client, 5)
    await in_status(app_client, "o-1", status, order_of(quantity=2))
    order = await acted(app_client, "o-1", "cancel")
    assert (order["status"], order["hold_expires_at"], order["store"]["store_id"]) == ("cancelled", None, "near")
    assert await figures(app_client, "near") == (5, 0)
    assert await open_orders(app_client, "near") == 0


async def test_where_goods_leave_with_ready_cancelling_puts_them_back(app_client: Api) -> None:
    await with_shops(app_client, 5)
    await put_terms(app_client, goods_leave_at="ready")
    await in_status(app_client, "o-1", "ready", order_of(quantity=2))
    assert await figures(app_client, "near") == (3, 0)
    await acted(app_client, "o-1", "cancel")
    assert await figures(app_client, "near") == (5, 0)
    await in_status(app_client, "o-2", "delivered", order_of(quantity=2))
    assert await figures(app_client, "near") == (3, 0)
    await in_status(app_client, "o-3", "returned", order_of(quantity=2))
    assert await figures(app_client, "near") == (3, 0)


async def test_where_goods_leave_with_ready_a_decline_puts_them_back(app_client: Api) -> None:
    await with_shops(app_client, 5, 5)
    await put_terms(app_client, goods_leave_at="ready")
    await in_status(app_client, "o-1", "ready", order_of(quantity=2))
    await acted(app_client, "o-1", "decline", attempt=1, reason="other")
    assert await figures(app_client, "near") == (5, 0)
    assert await figures(app_client, "middle") == (5, 2)
    for action in ("accept", "ready", "pick-up"):
        await acted(app_client, "o-1", action, attempt=2)
    assert await figures(app_client, "middle") == (3, 0)


async def test_where_the_till_counts_sales_itself_a_pick_up_only_ends_the_reservation(app_client: Api) -> None:
    await with_shops(app_client, 5)
    await put_terms(app_client, till_reports_orders=True)
    await in_status(app_client, "o-1", "picked_up", order_of(quantity=2))
    assert await figures(app_client, "near") == (5, 0)


async def put_terms(api: Api, **terms: object) -> None:
    """Of the partner that the shops belong to."""
    answer = await api.write("PUT", "/v1/partners/default", terms)
    assert answer.status_code == 200, answer.text


# ── attempts ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_asked_of_an_attempt_that_has_been_left_never_hits_the_next_store(app_client: Api) -> None:
    await with_shops(app_client, 5, 5)
    await in_status(app_client, "o-1", "accepted")
    moved = await acted(app_client, "o-1", "decline", attempt=1, reason="other")
    assert (moved["status"], moved["attempt"], moved["store"]["store_id"]) == ("confirmed", 2, "middle")
    for action in ("accept", "ready", "pick-up", "deliver", "fail", "return", "decline", "reassign"):
        answer = await act(app_client, "o-1", action, **BODIES[action])
        assert (answer.status_code, answer.json()) == (200, moved), action
        assert answer.headers["idempotent-replay"] == "true"
    assert (await acted(app_client, "o-1", "accept", attempt=2))["status"] == "accepted"


async def test_an_attempt_that_never_was_is_wrong(app_client: Api) -> None:
    await with_shops(app_client, 5)
    order = await in_status(app_client, "o-1", "confirmed")
    for action in ("accept", "ready", "pick-up", "deliver", "fail", "return", "decline", "reassign"):
        assert_problem(await act(app_client, "o-1", action, **BODIES[action] | {"attempt": 2}), 409, "wrong_attempt")
    assert await order_now(app_client, "o-1") == order


async def test_of_an_order_that_is_not_there_nothing_can_be_asked(app_client: Api) -> None:
    for action, body in BODIES.items():
        assert_problem(await act(app_client, "none", action, **body), 404, "order_not_found")


# ── declined ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", ["confirmed", "accepted", "ready"])
async def test_a_declined_order_goes_to_the_next_store_and_keeps_its_promise(app_client: Api, status: str) -> None:
    await with_shops(app_client, 5, 5)
    before = await in_status(app_client, "o-1", status, order_of(quantity=2))
    moved = await acted(app_client, "o-1", "decline", attempt=1, reason="other")
    assert (moved["status"], moved["attempt"], moved["store"]["store_id"]) == ("confirmed", 2, "middle")
    assert moved["promised_by"] == before["promised_by"]
    assert moved["eta"] != before["eta"]
    assert await figures(app_client, "near") == (5, 0)
    assert await figures(app_client, "middle") == (5, 2)
    assert (await open_orders(app_client, "near"), await open_orders(app_client, "middle")) == (0, 1)
    declined, on = (await events_of(app_client, "o-1"))[-2:]
    assert (declined["event"], declined["store_id"], declined["attempt"]) == ("declined", "near", 1)
    assert declined["detail"] == {"reason": "other", "skus": []}
    assert (on["event"], on["store_id"], on["attempt"], on["status"]) == ("moved", "middle", 2, "confirmed")


async def test_an_order_never_goes_back_to_a_store_that_has_declined_it_and_ends_when_none_is_left(
    app_client: Api,
) -> None:
    await with_shops(app_client, 5, 5, 5)
    await in_status(app_client, "o-1", "confirmed")
    been = []
    for attempt in (1, 2, 3):
        been.append((await order_now(app_client, "o-1"))["store"]["store_id"])
        order = await acted(app_client, "o-1", "decline", attempt=attempt, reason="other")
    assert been == ["near", "middle", "far"]
    assert (order["status"], order["store"], order["eta"], order["attempt"]) == ("unfulfillable", None, None, 3)
    assert order["lines"]
    for store_id in been:
        assert await figures(app_client, store_id) == (5, 0)
        assert await open_orders(app_client, store_id) == 0
    # The stores themselves are as good as before for others.
    assert (await placed(app_client, "o-2"))["store"]["store_id"] == "near"


async def test_a_declined_order_goes_to_no_store_that_cannot_keep_what_is_left_of_the_promise(
    app_client: Api, clock: Clock
) -> None:
    await with_shops(app_client, 5, 5)
    order = await placed(app_client, "o-1", order_of(hold_s=0))
    promised_by = datetime.fromisoformat(order["promised_by"])
    clock.advance(seconds=int((promised_by - clock.now).total_seconds()) - 60)
    ended = await acted(app_client, "o-1", "decline", attempt=1, reason="other")
    assert (ended["status"], ended["promised_by"]) == ("unfulfillable", order["promised_by"])


async def test_a_store_that_lacks_a_line_has_it_withheld_until_a_later_count_says_otherwise(
    app_client: Api, clock: Clock
) -> None:
    clock.advance(minutes=-5)
    for store_id in ("near", "middle"):
        await app_client.put_store(store_id, *north(100 if store_id == "near" else 300))
        await app_client.put_stock(store_id, tea=5, rice=5)
    clock.advance(minutes=5)
    lines = [{"sku": "tea", "quantity": 1}, {"sku": "rice", "quantity": 1}]
    await in_status(app_client, "o-1", "confirmed", order_of(lines=lines))
    moved = await acted(app_client, "o-1", "decline", attempt=1, reason="out_of_stock", skus=["tea"])
    assert moved["store"]["store_id"] == "middle"
    shelf = await app_client.shelf("near")
    assert [shelf["tea"][name] for name in ("on_hand", "reserved", "withheld", "available")] == [5, 0, 5, 0]
    assert [shelf["rice"][name] for name in ("on_hand", "reserved", "withheld", "available")] == [5, 0, 0, 5]
    assert (await app_client.quote(*DOOR, "tea"))["store"]["store_id"] == "middle"
    assert (await app_client.quote(*DOOR, "rice"))["store"]["store_id"] == "near"
    event = (await events_of(app_client, "o-1"))[-2]
    assert event["detail"] == {"reason": "out_of_stock", "skus": ["tea"]}
    # Counted before the store said so, though it comes later; more of it is no more there than the rest.
    for on_hand, minutes in ((4, 4), (7, 3)):
        as_of = clock.now - timedelta(minutes=minutes)
        items = [{"sku": "tea", "on_hand": on_hand}]
        await app_client.write("PATCH", "/v1/stores/near/stock", {"as_of": as_of.isoformat(), "items": items})
        shelf = await app_client.shelf("near")
        assert [shelf["tea"][name] for name in ("on_hand", "available")] == [on_hand, 0]
    await receive(app_client, "late", clock.now - timedelta(minutes=2))
    shelf = await app_client.shelf("near")
    assert [shelf["tea"][name] for name in ("on_hand", "available")] == [9, 0]
    clock.advance(minutes=1)
    await app_client.put_stock("near", tea=4, rice=5)
    assert (await app_client.shelf("near"))["tea"]["available"] == 4


async def test_what_a_store_lacked_is_there_again_once_it_is_received(app_client: Api, clock: Clock) -> None:
    await with_shops(app_client, 5, 5)
    await in_status(app_client, "o-1", "confirmed")
    await acted(app_client, "o-1", "decline", attempt=1, reason="out_of_stock")
    assert (await app_client.shelf("near"))["tea"]["available"] == 0
    clock.advance(minutes=1)
    await receive(app_client, "new", clock.now)
    assert (await app_client.shelf("near"))["tea"]["available"] == 7


async def receive(api: Api, movement_id: str, at: datetime) -> None:
    """Two of tea come to the shop near."""
    movement = {"movement_id": movement_id, "store_id": "near", "sku": "tea", "delta": 2, "at": at.isoformat()}
    answer = await api.write("POST", "/v1/stock/movements", {"movements": [movement]})
    assert [result["status"] for result in answer.json()["movements"]] == ["applied"]


async def test_a_store_that_names_no_sku_lacks_all_lines(app_client: Api) -> None:
    await app_client.put_store("near", *north(100))
    await app_client.put_stock("near", tea=5, rice=5, salt=5)
    lines = [{"sku": "tea", "quantity": 1}, {"sku": "rice", "quantity": 1}]
    await in_status(app_client, "o-1", "confirmed", order_of(lines=lines))
    await acted(app_client, "o-1", "decline", attempt=1, reason="out_of_stock")
    shelf = await app_client.shelf("near")
    assert {sku: row["withheld"] for sku, row in shelf.items()} == {"tea": 5, "rice": 5, "salt": 0}


async def test_a_store_cannot_lack_what_was_not_ordered(app_client: Api) -> None:
    await with_shops(app_client, 5, 5)
    order = await in_status(app_client, "o-1", "confirmed")
    answer = await act(app_client, "o-1", "decline", attempt=1, reason="out_of_stock", skus=["tea", "salt"])
    assert_problem(answer, 422, "invalid_input", pointers=["/skus/1"])
    assert await order_now(app_client, "o-1") == order


async def test_a_store_that_says_it_is_closed_is_closed_until_its_next_opening(app_client: Api, clock: Clock) -> None:
    opens = (clock.now - timedelta(hours=1)).strftime("%H:%M")
    closes = (clock.now + timedelta(hours=8)).strftime("%H:%M")
    hours: dict[str, Any] = {"timezone": "UTC", "opening_hours": f"Mo-Su {opens}-{closes}"}
    next_opening = (clock.now + timedelta(hours=23)).replace(second=0)
    for i, store_id in enumerate(("near", "middle")):
        await app_client.put_store(store_id, *north(100 + 200 * i), **hours)
        await app_client.put_stock(store_id, tea=5)
    await in_status(app_client, "o-1", "confirmed")
    moved = await acted(app_client, "o-1", "decline", attempt=1, reason="closed")
    assert moved["store"]["store_id"] == "middle"
    around = (await app_client.get("/v1/stores/nearby", lat=DOOR[0], lon=DOOR[1])).json()["stores"]
    told = {store["store_id"]: (store["open_now"], store["opens_at"]) for store in around}
    assert told["middle"] == (True, None)
    is_open, opens_at = told["near"]
    assert not is_open
    assert datetime.fromisoformat(opens_at) == next_opening
    quote = await app_client.quote(*DOOR, "tea", explain=True)
    [passed] = quote["passed_over"]
    assert (passed["store_id"], passed["reason"]) == ("near", "closed")
    assert datetime.fromisoformat(passed["detail"]["opens_at"]) == next_opening
    clock.now = next_opening
    assert (await app_client.quote(*DOOR, "tea"))["store"]["store_id"] == "near"


async def test_a_store_that_is_always_open_and_says_it_is_closed_is_closed_for_a_day(
    app_client: Api, clock: Clock
) -> None:
    await with_shops(app_client, 5, opening_hours="24/7")
    await in_status(app_client, "o-1", "confirmed")
    await acted(app_client, "o-1", "decline", attempt=1, reason="closed")
    quote = await app_client.quote(*DOOR, "tea")
    assert quote["reason"] == "closed"
    assert datetime.fromisoformat(quote["detail"]["opens_at"]) == clock.now + timedelta(days=1)


async def test_a_store_that_is_too_busy_gets_no_new_orders_for_15_minutes(app_client: Api, clock: Clock) -> None:
    await with_shops(app_client, 5)
    await in_status(app_client, "o-1", "confirmed")
    ended = await acted(app_client, "o-1", "decline", attempt=1, reason="too_busy")
    assert ended["status"] == "unfulfillable"
    quote = await app_client.quote(*DOOR, "tea")
    assert quote["reason"] == "at_capacity"
    resumes_at = datetime.fromisoformat(quote["detail"]["resumes_at"])
    assert abs((resumes_at - clock.now).total_seconds() - 900) < 60
    assert (await app_client.get("/v1/stores/near")).json()["open_now"]
    problem = assert_problem(await put_order(app_client, "o-2"), 409, "no_store_can_fulfil")
    assert problem["reason"] == "at_capacity"
    clock.now = resumes_at
    assert (await app_client.quote(*DOOR, "tea"))["outcome"] == "fulfillable"


# ── confirmed ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_confirming_makes_the_eta_anew_and_fixes_the_promise(app_client: Api, clock: Clock) -> None:
    await with_shops(app_client, 5, queue_per_order_s=100)
    held = await placed(app_client, "o-1", order_of(promise_minutes=30))
    await placed(app_client, "o-2")
    assert await open_orders(app_client, "near") == 2
    clock.advance(seconds=120)
    order = await acted(app_client, "o-1", "confirm")
    assert (order["status"], order["attempt"], order["hold_expires_at"]) == ("confirmed", 1, None)
    # Of the two open orders one is this order itself.
    assert order["eta"]["queue_s"] == held["eta"]["queue_s"] + 100
    assert datetime.fromisoformat(order["eta"]["deliver_by"]) == clock.now + timedelta(seconds=order["eta"]["total_s"])
    assert datetime.fromisoformat(order["promised_by"]) == clock.now + timedelta(minutes=30)
    assert order["lines"] == held["lines"]


async def test_an_order_whose_store_has_closed_meanwhile_is_confirmed_at_another(app_client: Api, clock: Clock) -> None:
    opens = (clock.now - timedelta(hours=2)).strftime("%H:%M")
    closes = (clock.now + timedelta(minutes=40)).strftime("%H:%M")
    hours: dict[str, Any] = {"timezone": "UTC", "opening_hours": f"Mo-Su {opens}-{closes}"}
    await app_client.put_store("near", *north(100), **hours)
    await app_client.put_store("middle", *north(300))
    for store_id in ("near", "middle"):
        await app_client.put_stock(store_id, tea=5)
    assert (await placed(app_client, "o-1"))["store"]["store_id"] == "near"
    clock.advance(minutes=45)
    order = await acted(app_client, "o-1", "confirm")
    assert (order["status"], order["attempt"], order["store"]["store_id"]) == ("confirmed", 2, "middle")
    assert datetime.fromisoformat(order["promised_by"]) == clock.now + timedelta(minutes=60)
    assert await figures(app_client, "near") == (5, 0)
    assert await figures(app_client, "middle") == (5, 1)
    assert [event["event"] for event in await events_of(app_client, "o-1")] == ["held", "promise_lost", "moved"]
    again = await act(app_client, "o-1", "confirm")
    assert (again.status_code, again.json()) == (200, order)


async def test_an_order_that_no_store_can_keep_any_more_ends_when_it_is_confirmed(
    app_client: Api, clock: Clock
) -> None:
    await with_shops(app_client, 5)
    await placed(app_client, "o-1")
    await app_client.put_store("near", *north(100), active=False)
    assert (await app_client.quote(*DOOR, "tea"))["outcome"] == "unfulfillable"
    order = await acted(app_client, "o-1", "confirm")
    assert (order["status"], order["store"]) == ("unfulfillable", None)
    assert await figures(app_client, "near") == (5, 0)


async def test_an_order_that_holds_the_last_piece_of_a_full_store_is_confirmed_there(app_client: Api) -> None:
    await with_shops(app_client, 1, 5, max_open_orders=1)
    await placed(app_client, "o-1")
    assert (await app_client.quote(*DOOR, "tea"))["store"]["store_id"] == "middle"
    order = await acted(app_client, "o-1", "confirm")
    assert (order["store"]["store_id"], order["attempt"]) == ("near", 1)


# ── not accepted in time ───────────────────────────────────────────────────────────────────────────────────────────


async def test_an_order_that_nobody_accepts_in_time_moves_on_and_ends_when_nobody_is_left(
    database_url: str, tmp_path: Path
) -> None:
    async with worker(database_url, tmp_path, clock=clock_of_now(), accept_s=1) as api:
        await with_shops(api, 5, 5)
        first = await placed(api, "o-1", order_of(hold_s=0))
        await placed(api, "o-2", order_of(hold_s=0, only_stores=["near"]))
        await acted(api, "o-2", "accept", attempt=1)

        async def status_and_attempt() -> tuple[str, int]:
            order = await order_now(api, "o-1")
            return order["status"], order["attempt"]

        await becomes(status_and_attempt, ("confirmed", 2), within_s=3)
        order = await order_now(api, "o-1")
        assert (order["store"]["store_id"], order["promised_by"]) == ("middle", first["promised_by"])
        await becomes(status_and_attempt, ("unfulfillable", 2), within_s=3)
        assert await figures(api, "middle") == (5, 0)
        events = await events_of(api, "o-1")
        assert [(event["event"], event["store_id"]) for event in events] == [
            ("confirmed", "near"),
            ("not_accepted", "near"),
            ("moved", "middle"),
            ("not_accepted", "middle"),
            ("unfulfillable", None),
        ]
        assert (await order_now(api, "o-2"))["status"] == "accepted"


# ── reassigned ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", ["held", "confirmed", "accepted", "ready"])
async def test_an_order_is_reassigned_to_the_next_best_store_or_the_one_that_is_named(
    app_client: Api, status: str
) -> None:
    await with_shops(app_client, 5, 5, 5)
    before = await in_status(app_client, "o-1", status)
    await in_status(app_client, "o-2", status)
    next_best = await acted(app_client, "o-1", "reassign", attempt=1)
    named = await acted(app_client, "o-2", "reassign", attempt=1, store_id="far")
    assert (next_best["store"]["store_id"], named["store"]["store_id"]) == ("middle", "far")
    expected = "held" if status == "held" else "confirmed"
    for order in (next_best, named):
        assert (order["status"], order["attempt"]) == (expected, 2)
    assert next_best["promised_by"] == before["promised_by"]
    assert next_best["hold_expires_at"] == before["hold_expires_at"]
    for store_id, held in (("near", 0), ("middle", 1), ("far", 1)):
        assert await figures(app_client, store_id) == (5, held)
        assert await open_orders(app_client, store_id) == held
    last = (await events_of(app_client, "o-2"))[-1]
    assert (last["event"], last["store_id"], last["detail"]) == ("reassigned", "far", {"from_store_id": "near"})


async def test_an_order_that_cannot_be_reassigned_stays_where_it_is(app_client: Api) -> None:
    await with_shops(app_client, 5, 0)
    order = await in_status(app_client, "o-1", "accepted")
    problem = assert_problem(
        await act(app_client, "o-1", "reassign", attempt=1, store_id="middle"), 409, "no_store_can_fulfil"
    )
    assert problem["nearest_miss"]["store_id"] == "middle"
    assert problem["reason"] == "insufficient_stock"
    assert_problem(await act(app_client, "o-1", "reassign", attempt=1), 409, "no_store_can_fulfil")
    assert_problem(await act(app_client, "o-1", "reassign", attempt=1, store_id="unknown"), 409, "no_store_can_fulfil")
    assert_problem(await act(app_client, "o-1", "reassign", attempt=1, store_id="near"), 409, "no_store_can_fulfil")
    assert await order_now(app_client, "o-1") == order
    assert await figures(app_client, "near") == (5, 1)


async def test_whoever_names_a_store_may_give_it_an_order_that_it_had_declined(app_client: Api) -> None:
    await with_shops(app_client, 5, 5)
    await in_status(app_client, "o-1", "confirmed")
    await acted(app_client, "o-1", "decline", attempt=1, reason="other")
    assert_problem(await act(app_client, "o-1", "reassign", attempt=2), 409, "no_store_can_fulfil")
    back = await acted(app_client, "o-1", "reassign", attempt=2, store_id="near")
    assert (back["store"]["store_id"], back["attempt"]) == ("near", 3)


async def test_a_store_that_was_named_against_the_orders_own_words_keeps_it_when_it_is_confirmed(
    app_client: Api,
) -> None:
    await with_shops(app_client, 5, 5, 5)
    await placed(app_client, "o-1", order_of(only_stores=["near"]))
    await acted(app_client, "o-1", "reassign", attempt=1, store_id="far")
    confirmed = await acted(app_client, "o-1", "confirm")
    assert (confirmed["status"], confirmed["attempt"], confirmed["store"]["store_id"]) == ("confirmed", 2, "far")


async def test_a_hold_is_not_reassigned_to_a_store_that_closes_before_a_late_confirmation_could_be_kept(
    app_client: Api, clock: Clock
) -> None:
    await with_shops(app_client, 5, 0, 5)
    closes = (clock.now + timedelta(minutes=40)).strftime("%H:%M")
    opens = (clock.now - timedelta(hours=2)).strftime("%H:%M")
    await app_client.put_store("middle", *north(300), timezone="UTC", opening_hours=f"Mo-Su {opens}-{closes}")
    await app_client.put_stock("middle", tea=5)
    await placed(app_client, "long", order_of(hold_s=3600))
    await placed(app_client, "short", order_of(hold_s=60))
    # Read, so that the replica has heard of the shelf.
    await app_client.get("/v1/stores/middle")
    assert (await acted(app_client, "long", "reassign", attempt=1))["store"]["store_id"] == "far"
    assert (await acted(app_client, "short", "reassign", attempt=1))["store"]["store_id"] == "middle"


async def test_an_order_that_is_late_already_can_still_be_given_to_another_store(app_client: Api, clock: Clock) -> None:
    await with_shops(app_client, 5, 5, 5)
    before = await in_status(app_client, "o-1", "accepted")
    await app_client.put_store("middle", *north(300), prepare_s=3500)
    clock.advance(minutes=45)
    # Only the one that is quick keeps the promise still.
    next_best = await acted(app_client, "o-1", "reassign", attempt=1)
    assert next_best["store"]["store_id"] == "far"
    clock.advance(minutes=30)
    late = await acted(app_client, "o-1", "reassign", attempt=2)
    assert (late["store"]["store_id"], late["attempt"]) == ("near", 3)
    assert late["promised_by"] == before["promised_by"] < late["eta"]["deliver_by"]


async def test_a_store_that_an_order_was_taken_from_has_not_declined_it(app_client: Api) -> None:
    await with_shops(app_client, 5, 5)
    await in_status(app_client, "o-1", "confirmed")
    await acted(app_client, "o-1", "reassign", attempt=1)
    back = await acted(app_client, "o-1", "decline", attempt=2, reason="other")
    assert (back["store"]["store_id"], back["attempt"]) == ("near", 3)


# ── short ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_order_that_a_count_has_left_too_little_for_is_told_so_once(app_client: Api) -> None:
    await with_shops(app_client, 5)
    await in_status(app_client, "o-1", "confirmed", order_of(quantity=3))
    before = await order_now(app_client, "o-1")
    await app_client.put_stock("near", tea=1)
    row = (await app_client.shelf("near"))["tea"]
    assert (row["on_hand"], row["reserved"], row["available"], row["short"]) == (1, 3, 0, 2)

    async def names() -> list[str]:
        return [event["event"] for event in await events_of(app_client, "o-1")]

    await becomes(names, ["held", "confirmed", "stock_short"], within_s=3)
    event = (await events_of(app_client, "o-1"))[-1]
    assert event["detail"] == {"lines": [{"sku": "tea", "quantity": 3}]}
    await asyncio.sleep(0.7)
    assert await names() == ["held", "confirmed", "stock_short"]
    after = await order_now(app_client, "o-1")
    assert after == before
    assert (await acted(app_client, "o-1", "cancel"))["status"] == "cancelled"
    assert await reserved(app_client, "near") == 0


@pytest.mark.parametrize("by", ["pick-up", "till"])
async def test_an_order_whose_goods_another_one_has_taken_is_told_so_and_nobody_twice(
    app_client: Api, clock: Clock, by: str
) -> None:
    await with_shops(app_client, 5)
    for order_id in ("older", "younger"):
        await in_status(app_client, order_id, "ready", order_of(quantity=2))
    await app_client.put_stock("near", tea=2)
    clock.advance(seconds=1)

    async def told(*order_ids: str) -> list[int]:
        found = [await events_of(app_client, order_id) for order_id in order_ids]
        return [sum(event["event"] == "stock_short" for event in events) for events in found]

    await becomes(lambda: told("older", "younger"), [0, 1], within_s=3)
    if by == "pick-up":
        await acted(app_client, "younger", "pick-up", attempt=1)
    else:
        movement = {"movement_id": "m", "store_id": "near", "sku": "tea", "delta": -2, "order_id": "younger"}
        await app_client.write("POST", "/v1/stock/movements", {"movements": [movement | {"at": clock.now.isoformat()}]})
    assert await figures(app_client, "near") == (0, 2)
    await becomes(lambda: told("older", "younger"), [1, 1], within_s=3)
    clock.advance(seconds=1)
    await app_client.put_stock("near", tea=0)
    await asyncio.sleep(0.7)
    assert await told("older", "younger") == [1, 1]
