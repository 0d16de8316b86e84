"""PUT /v1/orders/{order_id}: what is placed, promised and held; what the same request says again; what is refused."""

import asyncio
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import h3
import pytest

from dispatch.domain.errors import Busy
from dispatch.domain.question import Line, Question
from dispatch.services.orders import ordering
from dispatch.services.orders.options import find_options
from dispatch.services.roads import Roads
from geo.coordinates import LatLon
from tests.api.client import Api, Clock, assert_problem, worker
from tests.api.shop import (
    DOOR,
    act,
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

PARTS = ("prepare_s", "queue_s", "courier_s", "travel_s", "handover_s")


@pytest.fixture
def clock() -> Clock:
    return clock_of_now()


# ── placed ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_order_is_held_at_the_nearest_store_and_its_goods_are_reserved(app_client: Api, clock: Clock) -> None:
    await app_client.put_store("near", *north(100), name="Near", address="1 Some Road")
    await app_client.put_store("far", *north(300))
    items = [{"sku": "tea", "on_hand": 5, "price": 3500, "currency": "TWD"}]
    await app_client.write("PUT", "/v1/stores/near/stock", {"items": items})
    await app_client.put_stock("far", tea=5)
    answer = await put_order(app_client, "o-1", order_of(quantity=2, channel="app", campaign="spring"))
    assert answer.status_code == 201
    assert answer.headers["dispatch-version"].startswith("v1.")
    assert "idempotent-replay" not in answer.headers
    order = answer.json()
    assert set(order) == {
        "order_id", "status", "attempt", "store", "eta", "lines", "hold_expires_at", "promised_by", "created_at",
        "updated_at", "channel", "campaign",
    }  # fmt: skip
    assert (order["order_id"], order["status"], order["attempt"]) == ("o-1", "held", 1)
    assert (order["channel"], order["campaign"], order["promised_by"]) == ("app", "spring", None)
    lat, lon = north(100)
    assert order["store"] == {
        "store_id": "near", "name": "Near", "address": "1 Some Road", "lat": lat, "lon": lon,
        "distance_m": pytest.approx(100, abs=1e-6),
    }  # fmt: skip
    assert order["lines"] == [{"sku": "tea", "quantity": 2, "price": 3500, "currency": "TWD"}]
    eta = order["eta"]
    assert eta["total_s"] == sum(eta[part] for part in PARTS)
    assert datetime.fromisoformat(eta["deliver_by"]) == clock.now + timedelta(seconds=eta["total_s"])
    created_at = datetime.fromisoformat(order["created_at"])
    assert datetime.fromisoformat(order["hold_expires_at"]) == created_at + timedelta(seconds=900)
    assert order["updated_at"] == order["created_at"]
    row = (await app_client.shelf("near"))["tea"]
    assert (row["on_hand"], row["reserved"], row["available"]) == (5, 2, 3)
    assert (await reserved(app_client, "far"), await open_orders(app_client, "near")) == (0, 1)
    assert (await app_client.get("/v1/orders/o-1")).content == answer.content
    assert [(event["event"], event["store_id"]) for event in await events_of(app_client, "o-1")] == [("held", "near")]


async def test_without_a_hold_an_order_is_confirmed_at_once_and_promised(app_client: Api, clock: Clock) -> None:
    await with_shops(app_client, 5)
    order = await placed(app_client, "o-1", order_of(hold_s=0, promise_minutes=45))
    assert (order["status"], order["hold_expires_at"]) == ("confirmed", None)
    assert datetime.fromisoformat(order["promised_by"]) == clock.now + timedelta(minutes=45)
    assert await reserved(app_client, "near") == 1


@pytest.mark.parametrize("hold_s", [1, 3600])
async def test_a_hold_lasts_as_long_as_it_is_asked_for(app_client: Api, hold_s: int) -> None:
    await with_shops(app_client, 5)
    order = await placed(app_client, "o-1", order_of(hold_s=hold_s))
    lasts = datetime.fromisoformat(order["hold_expires_at"]) - datetime.fromisoformat(order["created_at"])
    assert lasts == timedelta(seconds=hold_s)


async def test_a_store_that_closes_before_a_late_confirmation_could_be_kept_gets_no_hold(
    app_client: Api, clock: Clock
) -> None:
    """Nor is one refused that could keep it if it were confirmed at once."""
    closes = (clock.now + timedelta(minutes=40)).strftime("%H:%M")
    opens = (clock.now - timedelta(hours=2)).strftime("%H:%M")
    await app_client.put_store("near", *north(100), timezone="UTC", opening_hours=f"Mo-Su {opens}-{closes}")
    await app_client.put_store("far", *north(300))
    for store_id in ("near", "far"):
        await app_client.put_stock(store_id, tea=5)
    assert (await placed(app_client, "long", order_of(hold_s=3600)))["store"]["store_id"] == "far"
    assert (await placed(app_client, "none", order_of(hold_s=0)))["store"]["store_id"] == "near"


async def test_places_are_in_the_datum_of_the_request(app_client: Api) -> None:
    door = (37.87, 112.55)
    await app_client.put_store("near", *north(500, door))
    await app_client.put_stock("near", tea=5)
    told = (await app_client.get("/v1/stores/near", datum="gcj02")).json()
    around = (await app_client.get("/v1/stores/nearby", lat=door[0], lon=door[1], datum="gcj02")).json()["stores"][0]
    body = order_of(door=door, datum="gcj02")
    answer = await put_order(app_client, "o-1", body)
    assert answer.status_code == 201
    store = answer.json()["store"]
    assert (store["lat"], store["lon"]) == (told["lat"], told["lon"])
    assert abs(store["lon"] - north(500, door)[1]) > 0.003
    assert store["distance_m"] == pytest.approx(around["distance_m"], abs=0.1)
    assert (await app_client.get("/v1/orders/o-1", datum="gcj02")).content == answer.content
    plain = (await order_now(app_client, "o-1"))["store"]
    assert (plain["lat"], plain["lon"]) == pytest.approx(north(500, door), abs=1e-9)


async def test_prices_and_the_stores_address_stay_as_they_were_when_it_was_placed(app_client: Api) -> None:
    await app_client.put_store("near", *north(100), name="old name", address="old address")
    items = [{"sku": "tea", "on_hand": 5, "price": 3500, "currency": "TWD"}]
    await app_client.write("PUT", "/v1/stores/near/stock", {"items": items})
    before = await placed(app_client, "o-1")
    items[0]["price"] = 9900
    await app_client.write("PATCH", "/v1/stores/near/stock", {"items": items})
    await app_client.put_store("near", *north(100), name="new name", address="new address")
    after = await order_now(app_client, "o-1")
    assert (after["lines"], after["store"]) == (before["lines"], before["store"])
    assert after["lines"][0]["price"] == 3500


async def test_lines_of_one_sku_are_summed(app_client: Api) -> None:
    await with_shops(app_client, 3, 4)
    order = await placed(app_client, "o-1", order_of(lines=[{"sku": "tea", "quantity": n} for n in (3, 1)]))
    assert order["store"]["store_id"] == "middle"
    assert [(line["sku"], line["quantity"]) for line in order["lines"]] == [("tea", 4)]
    assert await reserved(app_client, "middle") == 4


async def test_a_store_with_as_many_open_orders_as_it_takes_gets_no_more(app_client: Api) -> None:
    await with_shops(app_client, 9, 9, max_open_orders=2)
    stores = [(await placed(app_client, f"o-{i}"))["store"]["store_id"] for i in range(4)]
    assert stores == ["near", "near", "middle", "middle"]
    problem = assert_problem(await put_order(app_client, "o-4"), 409, "no_store_can_fulfil")
    assert problem["reason"] == "at_capacity"
    assert problem["nearest_miss"]["detail"] == {"open_orders": 2, "max_open_orders": 2}
    await act(app_client, "o-0", "cancel")
    assert (await placed(app_client, "o-5"))["store"]["store_id"] == "near"


async def test_orders_before_it_are_in_its_queue(app_client: Api) -> None:
    await with_shops(app_client, 9, queue_per_order_s=100)
    for i in range(3):
        assert await open_orders(app_client, "near") == i  # now the replica knows of them
        assert (await placed(app_client, f"o-{i}"))["eta"]["queue_s"] == 100 * i


async def test_a_store_across_the_edge_of_a_cell_holds_and_gives_back_as_any_other(app_client: Api) -> None:
    door, shop = across_an_edge()
    await app_client.put_store("near", *shop)
    await app_client.put_stock("near", tea=2)
    order = await placed(app_client, "o-1", order_of(door=door, quantity=2))
    assert order["store"]["store_id"] == "near"
    assert await reserved(app_client, "near") == 2
    refused = await app_client.quote(*door, "tea")
    assert refused["reason"] == "insufficient_stock"
    for action, more in (("confirm", {}), ("accept", {"attempt": 1}), ("ready", {"attempt": 1})):
        assert (await act(app_client, "o-1", action, **more)).status_code == 200
    assert (await act(app_client, "o-1", "pick-up", attempt=1)).json()["status"] == "picked_up"
    row = (await app_client.shelf("near"))["tea"]
    assert (row["on_hand"], row["reserved"]) == (0, 0)
    assert len(await events_of(app_client, "o-1")) == 5


def across_an_edge() -> tuple[tuple[float, float], tuple[float, float]]:
    """A door, and a place some hundred metres from it in the next cell, by h3 itself."""
    lat, lon = DOOR
    here = h3.latlng_to_cell(lat, lon, 3)
    near, far = lon, lon + 3.0
    assert h3.latlng_to_cell(lat, far, 3) != here
    while far - near > 0.001:
        middle = (near + far) / 2
        near, far = (middle, far) if h3.latlng_to_cell(lat, middle, 3) == here else (near, middle)
    return (lat, near), (lat, far)


# ── the same again ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_same_request_again_is_answered_in_the_same_bytes_and_changes_nothing(app_client: Api) -> None:
    await with_shops(app_client, 2)
    body = order_of(quantity=2)
    first = await put_order(app_client, "o-1", body)
    spelled_out = body | {
        "datum": "wgs84", "promise_minutes": 60, "strategy": "nearest", "mode": None, "exclude_stores": [],
        "only_stores": [], "channel": None, "campaign": None, "customer": None, "hold_s": 900,
    }  # fmt: skip
    for again in (body, body | {"explain": True, "alternatives": 5}, spelled_out):
        answer = await put_order(app_client, "o-1", again)
        assert (answer.status_code, answer.headers["idempotent-replay"]) == (200, "true")
        assert answer.content == first.content
        assert answer.headers["dispatch-version"] == first.headers["dispatch-version"]
    assert await reserved(app_client, "near") == 2
    assert len(await events_of(app_client, "o-1")) == 1


async def test_the_same_request_is_known_again_when_no_store_could_any_more(app_client: Api) -> None:
    await with_shops(app_client, 1)
    first = await put_order(app_client, "o-1")
    await app_client.put_stock("near", tea=0)
    await app_client.write("DELETE", "/v1/stores/near", None)
    answer = await put_order(app_client, "o-1")
    assert (answer.status_code, answer.content) == (200, first.content)


async def test_the_same_request_tells_an_order_that_has_moved_as_it_is_now(app_client: Api) -> None:
    await with_shops(app_client, 1)
    await placed(app_client, "o-1")
    await act(app_client, "o-1", "cancel")
    answer = await put_order(app_client, "o-1")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert await reserved(app_client, "near") == 0


CHANGES: tuple[dict[str, Any], ...] = (
    {"lines": [{"sku": "tea", "quantity": 2}]},
    {"lines": [{"sku": "tea", "quantity": 1, "max_price": 5}]},
    {"destination": {"lat": DOOR[0], "lon": DOOR[1] + 1e-6}},
    {"destination": {"lat": 35.01, "lon": 135.77}},  # of another cell
    {"datum": "gcj02"},
    {"promise_minutes": 59},
    {"strategy": "fastest"},
    {"mode": "foot"},
    {"exclude_stores": ["x"]},
    {"only_stores": ["near"]},
    {"channel": "app"},
    {"campaign": "spring"},
    {"customer": {"name": "A"}},
    {"hold_s": 0},
)


async def test_another_request_under_the_same_id_is_refused_whatever_is_different(app_client: Api) -> None:
    await with_shops(app_client, 9)
    before = await placed(app_client, "o-1")
    for change in CHANGES:
        answer = await put_order(app_client, "o-1", order_of() | change)
        assert answer.status_code == 409, change
        assert_problem(answer, 409, "order_id_reused")
    assert await order_now(app_client, "o-1") == before
    assert await reserved(app_client, "near") == 1


async def test_of_the_same_request_many_times_at_once_one_places_it(database_url: str, tmp_path: Path) -> None:
    async with worker(database_url, tmp_path / "a", clock=clock_of_now()) as one:
        await with_shops(one, 9)
        async with worker(database_url, tmp_path / "b", clock=clock_of_now()) as other:
            answers = await asyncio.gather(*(put_order(api, "o-1") for api in (one, other) * 5))
        assert sorted(answer.status_code for answer in answers) == [200] * 9 + [201]
        assert len({answer.content for answer in answers}) == 1
        assert await reserved(one, "near") == 1


async def test_an_id_that_two_orders_have_is_told_as_ambiguous(app_client: Api) -> None:
    """Two first requests at the same moment to places far apart may both stand."""
    await with_shops(app_client, 9)
    await placed(app_client, "o-1")
    async with app_client.app.state.service.database.connection() as connection:
        await connection.execute(
            """
            INSERT INTO orders (cell, client, order_id, revision, status, attempt, store_cell, store_no, due_at,
                hold_expires_at, created_at, updated_at, fingerprint, request, store, eta, lines)
            SELECT cell + 1, client, order_id, revision, status, attempt, store_cell, store_no, due_at,
                hold_expires_at, created_at, updated_at, fingerprint, request, store, eta, lines FROM orders
            """
        )
        await connection.execute(
            "UPDATE orders SET fingerprint = 'another' WHERE cell = (SELECT max(cell) FROM orders)"
        )
    for method, url in (("GET", "/v1/orders/o-1"), ("GET", "/v1/orders/o-1/events"), ("POST", "/v1/orders/o-1/cancel")):
        assert_problem(await app_client.send(method, url), 409, "order_id_ambiguous")
    # Whoever sends one of the two again is told that one; a third can be neither.
    for left in (8, 0):
        await app_client.put_stock("near", tea=left)
        assert (await put_order(app_client, "o-1")).status_code == 200
        assert_problem(await put_order(app_client, "o-1", order_of(quantity=2)), 409, "order_id_ambiguous")


# ── refused ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_order_that_no_store_can_fulfil_says_what_a_quote_says_and_leaves_its_id_free(
    app_client: Api,
) -> None:
    await with_shops(app_client, 1, 2)
    body = order_of(quantity=3)
    quoted = (await app_client.send("POST", "/v1/quotes", json=body, headers=app_client.seen)).json()
    problem = assert_problem(await put_order(app_client, "o-1", body), 409, "no_store_can_fulfil")
    assert (problem["outcome"], problem["reason"]) == ("unfulfillable", "insufficient_stock")
    assert problem["reason_detail"] == quoted["detail"] == {"sku": "tea", "wanted": 3, "available": 1}
    assert problem["nearest_miss"] == quoted["nearest_miss"]
    told = ("plan", "key", "key_s", "examined", "next_bound_s", "rest_lacks", "stock_age_s")
    assert {name: problem["certificate"][name] for name in told} == {name: quoted["certificate"][name] for name in told}
    assert "passed_over" not in problem
    explained = await put_order(app_client, "o-1", body | {"explain": True})
    assert [(row["store_id"], row["reason"]) for row in explained.json()["passed_over"]] == [
        ("near", "insufficient_stock"),
        ("middle", "insufficient_stock"),
    ]
    assert explained.json()["passed_over_total"] == 2
    assert_problem(await app_client.get("/v1/orders/o-1"), 404, "order_not_found")
    assert (await placed(app_client, "o-1", order_of(quantity=1)))["store"]["store_id"] == "near"


async def test_a_sku_that_no_store_has_ever_had_is_named(app_client: Api) -> None:
    await with_shops(app_client, 1)
    problem = assert_problem(await put_order(app_client, "o-1", order_of("unheard-of")), 409, "no_store_can_fulfil")
    assert (problem["reason"], problem["reason_detail"]) == ("unknown_sku", {"sku": "unheard-of"})
    assert problem["nearest_miss"] is None


async def test_a_store_that_asks_more_than_max_price_is_skipped_and_when_all_do_the_price_has_changed(
    app_client: Api,
) -> None:
    for i, price in enumerate((500, 400, 300, None)):
        store_id = f"s{i}"
        await app_client.put_store(store_id, *north(100 + 100 * i))
        item: dict[str, Any] = {"sku": "tea", "on_hand": 1}
        await app_client.write("PUT", f"/v1/stores/{store_id}/stock", {"items": [item | (
            {} if price is None else {"price": price, "currency": "TWD"})]})  # fmt: skip

    def at_most(price: int, only: list[str] | None = None) -> dict[str, Any]:
        return order_of(lines=[{"sku": "tea", "quantity": 1, "max_price": price}], only_stores=only or [])

    assert (await placed(app_client, "a", at_most(499)))["store"]["store_id"] == "s1"
    assert (await placed(app_client, "b", at_most(500)))["store"]["store_id"] == "s0"
    # A price that is not known is not above any.
    assert (await placed(app_client, "c", at_most(299)))["store"]["store_id"] == "s3"
    assert_problem(await put_order(app_client, "d", at_most(299, ["s2"])), 409, "price_changed")
    assert (await placed(app_client, "d", at_most(300, ["s2"])))["lines"][0]["price"] == 300
    # Now none has any left: that is said before prices are.
    assert_problem(await put_order(app_client, "e", at_most(299, ["s2"])), 409, "no_store_can_fulfil")


async def test_many_dear_stores_are_passed_over_in_time_or_nobody_is_refused(app_client: Api) -> None:
    for i in range(60):
        await app_client.put_store(f"s{i:02}", *north(100 + 10 * i))
        items = [{"sku": "tea", "on_hand": 1, "price": 500 if i < 59 else 100, "currency": "TWD"}]
        await app_client.write("PUT", f"/v1/stores/s{i:02}/stock", {"items": items})
    lines = [{"sku": "tea", "quantity": 1, "max_price": 100}]
    replica = app_client.app.state.service.follower.replica
    now_s = int(app_client.clock.now.timestamp())
    place = LatLon(lat=DOOR[0], lon=DOOR[1])
    question = Question(destination=place, lines=(Line("tea", 1),), promise_s=3600, now_s=now_s, start_s=now_s)
    with pytest.raises(Busy):
        await find_options(replica, Roads(), question, {"tea": 100}, deadline=time.monotonic())
    assert (await placed(app_client, "o-1", order_of(lines=lines)))["store"]["store_id"] == "s59"


async def test_of_two_lines_of_one_sku_the_lower_max_price_holds(app_client: Api) -> None:
    await app_client.put_store("near", *north(100))
    items = [{"sku": "tea", "on_hand": 5, "price": 300, "currency": "TWD"}]
    await app_client.write("PUT", "/v1/stores/near/stock", {"items": items})
    lines = [{"sku": "tea", "quantity": 1, "max_price": 299}, {"sku": "tea", "quantity": 1, "max_price": 400}]
    assert_problem(await put_order(app_client, "o-1", order_of(lines=lines)), 409, "price_changed")


async def test_far_more_orders_than_pieces_hold_every_piece_once(database_url: str, tmp_path: Path) -> None:
    async with (
        worker(database_url, tmp_path / "a", clock=clock_of_now()) as one,
        worker(database_url, tmp_path / "b", clock=clock_of_now()) as other,
    ):
        await with_shops(one, 5, 4, 3)
        answers = await asyncio.gather(*(put_order((one, other)[i % 2], f"o-{i}") for i in range(40)))
        assert sorted(answer.status_code for answer in answers) == [201] * 12 + [409] * 28
        for answer in answers:
            if answer.status_code == 409:
                assert answer.json()["code"] == "no_store_can_fulfil"
                assert answer.json()["reason"] == "insufficient_stock"
        held = [answer.json()["store"]["store_id"] for answer in answers if answer.status_code == 201]
        assert {store_id: held.count(store_id) for store_id in held} == {"near": 5, "middle": 4, "far": 3}
        for store_id, count in (("near", 5), ("middle", 4), ("far", 3)):
            assert await reserved(one, store_id) == count


async def test_of_many_orders_at_once_a_store_takes_no_more_than_its_limit(database_url: str, tmp_path: Path) -> None:
    async with (
        worker(database_url, tmp_path / "a", clock=clock_of_now()) as one,
        worker(database_url, tmp_path / "b", clock=clock_of_now()) as other,
    ):
        await with_shops(one, 99, max_open_orders=5)
        answers = await asyncio.gather(*(put_order((one, other)[i % 2], f"o-{i}") for i in range(20)))
        assert sorted(answer.status_code for answer in answers) == [201] * 5 + [409] * 15


# ── holds that run out ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_hold_that_runs_out_reads_as_expired_at_once_and_its_goods_are_free_within_2_s(app_client: Api) -> None:
    await with_shops(app_client, 1)
    order = await placed(app_client, "o-1", order_of(hold_s=1))
    await asyncio.sleep(1.02)
    now = await order_now(app_client, "o-1")
    assert (now["status"], now["updated_at"]) == ("expired", order["hold_expires_at"])
    assert now["hold_expires_at"] == order["hold_expires_at"]
    await becomes(lambda: reserved(app_client, "near"), 0, within_s=2)
    assert await order_now(app_client, "o-1") == now
    await becomes(lambda: open_orders(app_client, "near"), 0, within_s=1)
    assert [event["event"] for event in await events_of(app_client, "o-1")] == ["held", "expired"]
    again = await put_order(app_client, "o-1", order_of(hold_s=1))
    assert (again.status_code, again.json()) == (200, now)


async def test_an_expired_hold_cannot_be_confirmed_and_its_goods_are_given_to_whoever_asks(app_client: Api) -> None:
    """Nobody sweeps here."""
    await app_client.app.state.service.background.stop()
    await with_shops(app_client, 2)
    await placed(app_client, "o-1", order_of(quantity=2, hold_s=1))
    problem = assert_problem(await put_order(app_client, "o-2"), 409, "no_store_can_fulfil")
    assert problem["nearest_miss"]["detail"]["available"] == 0
    await asyncio.sleep(1.02)
    problem = assert_problem(await act(app_client, "o-1", "confirm"), 409, "invalid_transition")
    assert (problem["order_status"], problem["allowed"]) == ("expired", [])
    assert await reserved(app_client, "near") == 2
    assert (await placed(app_client, "o-2"))["store"]["store_id"] == "near"
    assert await reserved(app_client, "near") == 1
    assert [event["event"] for event in await events_of(app_client, "o-1")] == ["held", "expired"]


async def test_a_refusal_is_not_said_while_any_hold_that_has_run_out_keeps_goods(
    app_client: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await app_client.app.state.service.background.stop()
    monkeypatch.setattr(ordering, "_MOST_FREED_AT_ONCE", 1)
    await with_shops(app_client, 6)
    for n in range(6):
        await placed(app_client, f"o-{n}", order_of(hold_s=1))
    await asyncio.sleep(1.02)
    assert (await placed(app_client, "all", order_of(quantity=6)))["store"]["store_id"] == "near"


# ── what others see ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_quote_through_another_worker_that_sends_an_orders_version_sees_it(
    database_url: str, tmp_path: Path
) -> None:
    async with (
        worker(database_url, tmp_path / "a", clock=clock_of_now()) as one,
        worker(database_url, tmp_path / "b", clock=clock_of_now()) as other,
    ):
        await with_shops(one, 20, queue_per_order_s=10)
        for i in range(20):
            await placed(one, f"o-{i}")
            other.version = one.version
            quote = await other.quote(*DOOR, "tea")
            if i < 19:
                assert quote["eta"]["queue_s"] == 10 * (i + 1)
        assert quote["nearest_miss"]["detail"] == {"sku": "tea", "wanted": 1, "available": 0}


# ── when the database is slow ──────────────────────────────────────────────────────────────────────────────────────


async def test_while_others_hold_the_store_the_outcome_is_unknown_then_busy_and_the_same_put_tells(
    database_url: str, tmp_path: Path
) -> None:
    async with worker(database_url, tmp_path, clock=clock_of_now(), write_wait_s=0.3) as api:
        await with_shops(api, 9)
        async with api.app.state.service.database.transaction() as holder:
            await holder.execute("SELECT FROM stores WHERE store_id = 'near' FOR UPDATE")
            sent = asyncio.create_task(put_order(api, "sent"))
            await asyncio.sleep(0.05)
            waiting = await put_order(api, "waiting")
            answer = await sent
            # The database was given the one, and has not said what became of it; the other it was not given.
            assert_problem(answer, 503, "outcome_unknown")
            assert_problem(waiting, 503, "busy")
            assert int(answer.headers["retry-after"]) > 0
            assert int(waiting.headers["retry-after"]) > 0
            assert_problem(await api.get("/v1/orders/waiting"), 404, "order_not_found")
            assert await reserved(api, "near") == 0
        await asyncio.sleep(0.3)
        assert_problem(await api.get("/v1/orders/waiting"), 404, "order_not_found")
        again = await put_order(api, "sent")
        assert again.status_code == 200
        assert again.headers["idempotent-replay"] == "true"
        assert await reserved(api, "near") == 1
        assert (await put_order(api, "waiting")).status_code == 201


async def test_when_the_lock_outlasts_the_databases_patience_nothing_stands(database_url: str, tmp_path: Path) -> None:
    async with worker(database_url, tmp_path, clock=clock_of_now(), write_wait_s=0.3) as api:
        await with_shops(api, 9)
        async with api.app.state.service.database.transaction() as holder:
            await holder.execute("SELECT FROM stores WHERE store_id = 'near' FOR UPDATE")
            assert_problem(await put_order(api, "o-1"), 503, "outcome_unknown")
            await asyncio.sleep(2.2)  # lock_timeout of the connections for writes
        assert_problem(await api.get("/v1/orders/o-1"), 404, "order_not_found")
        assert (await put_order(api, "o-1")).status_code == 201
