"""Orders over HTTP, in any order of requests, against a model of a page: which store, how many pieces, which status.

A failure prints the steps that repeat it.
"""

import asyncio
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from dispatch.domain.orders import Status
from dispatch.services.orders.sweeping import sweep
from tests.api.client import Api, Clock, worker
from tests.api.shop import act, north, order_of
from tests.storage.books import assert_books_balance

SEED = 20261125
EXAMPLES, STEPS = 20, 40
LIMIT = 4  # of open orders at a store
STORES = 3
ORDERS = 12
OPEN = ("held", "confirmed", "accepted")
MOVABLE = ("confirmed", "accepted", "ready")


class WallClock(Clock):
    """Counts and movements are ordered by their times, so that here they must pass."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class ModelStore:
    on_hand: int
    withheld: int = 0


@dataclass
class ModelOrder:
    status: str
    quantity: int
    store: int | None
    attempt: int = 1
    declined: set[int] = field(default_factory=set)
    # Its time is over, but nobody has written that down.
    lapsed: bool = False


class Model:
    """The rules of the game, said once more, without a database, a replica or a clock."""

    def __init__(self, on_hand: list[int]) -> None:
        self.stores = [ModelStore(count) for count in on_hand]
        self.orders: dict[int, ModelOrder] = {}

    def status(self, n: int) -> str:
        order = self.orders[n]
        return "expired" if order.lapsed and order.status == "held" else order.status

    def reserved(self, store: int) -> int:
        return sum(o.quantity for o in self.orders.values() if o.store == store and o.status in (*OPEN, "ready"))

    def open_orders(self, store: int) -> int:
        return sum(o.store == store and o.status in OPEN for o in self.orders.values())

    def available(self, store: int) -> int:
        shelf = self.stores[store]
        return max(0, shelf.on_hand - self.reserved(store) - shelf.withheld)

    def hunt(self, quantity: int, barred: set[int]) -> int | None:
        """The nearest store that can; before it says none, the goods of holds that have run out are freed."""
        for _ in range(2):
            for store in range(STORES):
                can = self.open_orders(store) < LIMIT and self.available(store) >= quantity
                if can and store not in barred:
                    return store
            self.free_expired()
        return None

    def free_expired(self) -> None:
        for order in self.orders.values():
            if order.lapsed and order.status == "held":
                order.status, order.lapsed = "expired", False

    def place(self, n: int, quantity: int, status: str) -> int | None:
        store = self.hunt(quantity, set())
        if store is not None:
            self.orders[n] = ModelOrder(status, quantity, store)
        return store

    def leave(self, order: ModelOrder) -> None:
        """Its store declines, or has not accepted in time."""
        assert order.store is not None
        order.declined.add(order.store)
        self.move(order, order.declined)

    def move(self, order: ModelOrder, barred: set[int]) -> bool:
        to = self.hunt(order.quantity, barred)
        if to is None:
            order.status, order.store, order.lapsed = "unfulfillable", None, False
            return False
        order.status, order.store, order.lapsed = ("held" if order.status == "held" else "confirmed"), to, False
        order.attempt += 1
        return True


def orders_in(*statuses: str) -> Any:
    """A number that picks one of the orders in these statuses; the rule does nothing where there is none."""
    return st.integers(0, 10**6).map(lambda number: (number, statuses))


class Orders(RuleBasedStateMachine):
    """Does the same to the service and to the model, and compares."""

    api: Api
    runner: asyncio.Runner
    examples = 0
    seen: ClassVar[set[str]] = set()

    def do[T](self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @initialize(on_hand=st.lists(st.integers(0, 8), min_size=STORES, max_size=STORES))
    def open_shops(self, on_hand: list[int]) -> None:
        """Each example in a town of its own, so that they share a service but no store."""
        Orders.examples += 1
        self.town = Orders.examples
        self.door = (25.0, 100.0 + 0.5 * self.town)
        self.model = Model(on_hand)
        for store, count in enumerate(on_hand):
            place = north(100 + 100 * store, self.door)
            self.do(self.api.put_store(self.store_id(store), *place, max_open_orders=LIMIT, queue_per_order_s=0))
            self.do(self.api.put_stock(self.store_id(store), tea=count))

    def store_id(self, store: int) -> str:
        return f"t{self.town}-{store}"

    def order_id(self, n: int) -> str:
        return f"t{self.town}-{n:02}"

    def chosen(self, pick: tuple[int, tuple[str, ...]]) -> int | None:
        number, statuses = pick
        fitting = [n for n in sorted(self.model.orders) if self.model.status(n) in statuses]
        return fitting[number % len(fitting)] if fitting else None

    def catch_up(self) -> None:
        """The replica proposes; of what it has not heard yet it might propose the second best."""
        self.do(self.api.app.state.service.follower.read_since(time.monotonic(), at_most_s=5))

    def asked(self, n: int, action: str, **body: Any) -> dict[str, Any]:
        self.catch_up()
        answer = self.do(act(self.api, self.order_id(n), action, **body))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    # ── what shoppers do ───────────────────────────────────────────────────────────────────────────────────────────

    @rule(n=st.integers(0, ORDERS - 1), quantity=st.integers(1, 4), status=st.sampled_from(["held", "confirmed"]))
    def place(self, n: int, quantity: int, status: str) -> None:
        self.catch_up()
        body = order_of(quantity=quantity, door=self.door, hold_s=900 if status == "held" else 0)
        answer = self.do(self.api.write("PUT", f"/v1/orders/{self.order_id(n)}", body))
        if n in self.model.orders:
            # Whether it is there is asked of the database, once no store is found or together with the writing.
            self.model.hunt(quantity, set())
            order = self.model.orders[n]
            assert answer.status_code in (200, 409)
            assert answer.status_code == 409 or (answer.json()["status"], order.quantity) == (
                self.model.status(n),
                quantity,
            )
            return
        store = self.model.place(n, quantity, status)
        if store is None:
            assert (answer.status_code, answer.json()["code"]) == (409, "no_store_can_fulfil")
        else:
            assert answer.status_code == 201, answer.text
            assert answer.json()["store"]["store_id"] == self.store_id(store)

    @rule(pick=orders_in("held"))
    def confirm(self, pick: Any) -> None:
        if (n := self.chosen(pick)) is not None:
            self.model.orders[n].status = "confirmed"
            self.asked(n, "confirm")

    @rule(pick=orders_in("held", *MOVABLE))
    def cancel(self, pick: Any) -> None:
        if (n := self.chosen(pick)) is not None:
            self.model.orders[n].status = "cancelled"
            self.asked(n, "cancel")

    # ── what stores do ─────────────────────────────────────────────────────────────────────────────────────────────

    def step(self, n: int, action: str, status: str) -> None:
        self.asked(n, action, attempt=self.model.orders[n].attempt)
        self.model.orders[n].status = status
        Orders.seen.add(status)

    @rule(
        pick=orders_in("confirmed", "accepted", "ready", "picked_up", "failed"),
        steps=st.integers(1, 5),
        fails=st.booleans(),
    )
    def go_on(self, pick: Any, steps: int, fails: bool) -> None:
        """The next steps on an order's way."""
        if (n := self.chosen(pick)) is not None:
            for _ in range(steps):
                self.go_one_step(n, fails)

    def go_one_step(self, n: int, fails: bool) -> None:
        order = self.model.orders[n]
        assert order.store is not None
        shelf = self.model.stores[order.store]
        match order.status:
            case "confirmed":
                self.step(n, "accept", "accepted")
            case "accepted":
                self.step(n, "ready", "ready")
            case "ready":
                self.step(n, "pick-up", "picked_up")
                shelf.on_hand -= order.quantity
            case "picked_up":
                self.step(n, *(("fail", "failed") if fails else ("deliver", "delivered")))
            case "failed":
                self.step(n, "return", "returned")
                shelf.on_hand += order.quantity

    @rule(pick=orders_in(*MOVABLE), lacks=st.booleans())
    def decline(self, pick: Any, lacks: bool) -> None:
        if (n := self.chosen(pick)) is not None:
            order = self.model.orders[n]
            reason = "out_of_stock" if lacks else "other"
            answer = self.asked(n, "decline", attempt=order.attempt, reason=reason)
            left = order.store
            assert left is not None
            self.model.leave(order)
            if lacks:
                self.model.stores[left].withheld = max(0, self.model.stores[left].on_hand)
            assert answer["attempt"] == order.attempt

    @rule(store=st.integers(0, STORES - 1), count=st.integers(0, 8))
    def count(self, store: int, count: int) -> None:
        self.do(self.api.put_stock(self.store_id(store), tea=count))
        shelf = self.model.stores[store]
        if count != shelf.on_hand:
            shelf.withheld = 0
        shelf.on_hand = count

    # ── what ops do ────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(pick=orders_in("held", *MOVABLE))
    def reassign(self, pick: Any) -> None:
        if (n := self.chosen(pick)) is not None:
            order = self.model.orders[n]
            assert order.store is not None
            to = self.model.hunt(order.quantity, {order.store, *order.declined})
            self.catch_up()
            answer = self.do(act(self.api, self.order_id(n), "reassign", attempt=order.attempt))
            assert answer.status_code == (409 if to is None else 200), answer.text
            if to is not None:
                self.model.move(order, {order.store, *order.declined})

    # ── what time does ─────────────────────────────────────────────────────────────────────────────────────────────

    @rule(pick=orders_in("held", "confirmed"))
    def time_runs_out(self, pick: Any) -> None:
        if (n := self.chosen(pick)) is not None:
            self.do(self._run_out(self.order_id(n)))
            self.model.orders[n].lapsed = True

    async def _run_out(self, order_id: str) -> None:
        async with self.api.app.state.service.database.connection() as connection:
            await connection.execute(
                "UPDATE orders SET due_at = now() - interval '1 s', hold_expires_at = CASE WHEN hold_expires_at IS NOT"
                " NULL THEN now() - interval '1 s' END WHERE order_id = $1",
                order_id,
            )

    @rule()
    def sweep(self) -> None:
        """One after the other: which of several late orders moves first is nobody's promise."""
        self.model.free_expired()
        late = [o for o in self.model.orders.values() if o.lapsed and o.status == "confirmed"]
        if len(late) <= 1:
            self.catch_up()
            self.do(sweep(self.api.app.state.service.ordering))
            for order in late:
                self.model.leave(order)

    # ── what must be true ──────────────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        if hasattr(self, "model"):
            self.do(self._compare())

    async def _compare(self) -> None:
        async with self.api.app.state.service.database.connection() as connection:
            rows = await connection.fetch(
                "SELECT store_id, on_hand, reserved, withheld, open_orders"
                " FROM shelves JOIN stores USING (cell, store_no) WHERE starts_with(store_id, $1) ORDER BY store_id",
                f"t{self.town}-",
            )
            orders = await connection.fetch(
                "SELECT order_id, status, attempt, store_id FROM orders_now WHERE starts_with(order_id, $1)"
                " ORDER BY order_id",
                f"t{self.town}-",
            )
            await assert_books_balance(connection)
        model = self.model
        Orders.seen |= {row["status"] for row in orders}
        assert [tuple(row) for row in orders] == [
            (self.order_id(n), model.status(n), o.attempt, None if o.store is None else self.store_id(o.store))
            for n, o in sorted(model.orders.items())
        ]
        assert [tuple(row) for row in rows] == [
            (self.store_id(i), s.on_hand, model.reserved(i), s.withheld, model.open_orders(i))
            for i, s in enumerate(model.stores)
        ]


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[tuple[Api, asyncio.Runner]]:
    """A worker that sweeps when it is told to."""
    with asyncio.Runner() as runner:
        context = worker(database_url, tmp_path, clock=WallClock(), follow_every_s=0.01)
        api = runner.run(context.__aenter__())
        runner.run(api.app.state.service.background.stop())
        yield api, runner
        runner.run(context.__aexit__(None, None, None))


def test_orders_do_what_the_model_does(service: tuple[Api, asyncio.Runner]) -> None:
    print(f"seed {SEED}")
    Orders.api, Orders.runner = service

    @seed(SEED)
    class Seeded(Orders):
        pass

    run_state_machine_as_test(
        Seeded,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            # Shrinking would do it all again for minutes; forty steps can be read.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert Orders.examples >= EXAMPLES
    # Chance alone may leave out the rarest; the tests of the actions reach each of them on purpose.
    rare = {Status.DELIVERED, Status.FAILED, Status.RETURNED, Status.UNFULFILLABLE}
    assert Orders.seen >= set(Status) - rare, "not every common status was reached"
