"""write_orders, the one function that writes orders: each item succeeds or fails alone, and whole."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from dispatch.domain.orders import Goods, Status
from dispatch.storage.group_commit import GroupCommit
from dispatch.storage.order_writes import NewEvent, NewOrder, Option, OrderWrite, StoreAt, arguments_of
from dispatch.storage.orders import OrderWritten, StoredOrder, find_orders, write_orders
from dispatch.storage.pool import Connection, Database
from dispatch.storage.shelves import put_shelf
from dispatch.storage.sql import sql
from dispatch.storage.stores import put_store
from tests.storage.books import assert_books_balance
from tests.storage.worlds import CELLS, KYOTO, TAIPEI, assert_equal_to_database, counts, follower_of, store

HERE, THERE = CELLS[TAIPEI], CELLS[KYOTO]
SOON = datetime(2030, 1, 1, tzinfo=UTC)
SEED = 20261125


class Shops:
    """Stores with shelves, and writes of orders for them."""

    def __init__(self, database: Database, stores: dict[str, StoreAt], sku_nos: dict[str, int]) -> None:
        self.database = database
        self._stores = stores
        self.sku_nos = sku_nos

    @classmethod
    async def made(cls, database: Database, **shelves: dict[str, int]) -> "Shops":
        """Those whose names begin with k lie in Kyoto, the others in Taipei."""
        for store_id, figures in shelves.items():
            await put_store(database, store(store_id, KYOTO if store_id.startswith("k") else TAIPEI))
            await put_shelf(database, store_id, counts(store_id, figures), whole_as_of=None)
        async with database.connection() as connection:
            rows = await connection.fetch("SELECT cell, store_no, store_id FROM stores")
            skus = await connection.fetch("SELECT sku, sku_no FROM skus")
        return cls(database, {row["store_id"]: StoreAt(*row) for row in rows}, {r["sku"]: r["sku_no"] for r in skus})

    def option(self, store_id: str, **lines: int) -> Option:
        told = f'{{"store_id":"{store_id}"}}'
        pieces = tuple((self.sku_nos[sku], quantity) for sku, quantity in lines.items())
        return Option(self._stores[store_id], pieces, told, "{}", "[]", SOON)

    def new(self, order_id: str, *options: Option, cell: int = HERE, hold_s: int = 900, **fields: Any) -> OrderWrite:
        status = Status.HELD if hold_s else Status.CONFIRMED
        write = OrderWrite(
            cell=cell, client="c", order_id=order_id, revision=0, status=status, attempt=1,
            events=(NewEvent(status.value, status, 1),), options=options, takes=True, due_s=hold_s or 300,
            new=NewOrder(b"fingerprint", None, None, "{}", None),
        )  # fmt: skip
        return replace(write, **fields)

    def change(self, order: StoredOrder, status: Status, **fields: Any) -> OrderWrite:
        """A change to a status that keeps the goods, unless ``fields`` say otherwise."""
        write = OrderWrite(
            cell=order.cell, client=order.client, order_id=order.order_id, revision=order.revision, status=status,
            attempt=order.attempt, events=(NewEvent(status.value, status, order.attempt, order.store_id),), at=order.at,
        )  # fmt: skip
        return replace(write, **fields)

    def ending(self, order: StoredOrder, status: Status = Status.CANCELLED, **fields: Any) -> OrderWrite:
        """A change that gives goods and place back."""
        touched = tuple(self.sku_nos.values())
        return self.change(order, status, goods=Goods.RELEASE, closes_one=True, touched_sku_nos=touched, **fields)

    async def write(self, *writes: OrderWrite, connection: Connection | None = None) -> list[OrderWritten]:
        """One batch; what came of each."""
        if connection is None:
            async with self.database.connection() as connection:
                return await self.write(*writes, connection=connection)
        results = await write_orders(connection, writes[0].cell, writes)
        assert not [result for result in results if isinstance(result, Exception)], results
        return [result for result in results if isinstance(result, OrderWritten)]

    async def placed(self, order_id: str, *options: Option, **fields: Any) -> StoredOrder:
        [written] = await self.write(self.new(order_id, *options, **fields))
        assert written.outcome == "written"
        assert written.order is not None
        return written.order

    async def outcomes(self, *writes: OrderWrite) -> list[str]:
        return [written.outcome for written in await self.write(*writes)]

    async def figures(self, store_id: str) -> dict[str, tuple[int, int]]:
        """on hand and reserved by sku."""
        async with self.database.connection() as connection:
            rows = await connection.fetch(
                "SELECT sku, on_hand, reserved FROM shelves JOIN stores USING (cell, store_no) JOIN skus USING (sku_no)"
                " WHERE store_id = $1",
                store_id,
            )
        return {row["sku"]: (row["on_hand"], row["reserved"]) for row in rows}

    async def set(self, statement: str, *arguments: object) -> None:
        async with self.database.connection() as connection:
            await connection.execute(statement, *arguments)

    async def run_out(self, order_id: str) -> None:
        """As if the order's time were over."""
        await self.set(
            "UPDATE orders SET due_at = now() - interval '1 s', hold_expires_at = CASE WHEN hold_expires_at IS NOT NULL"
            " THEN now() - interval '1 s' END WHERE order_id = $1",
            order_id,
        )


@pytest.fixture(autouse=True)
async def balanced(database: Database) -> AsyncIterator[None]:
    """After every test the tables agree with each other."""
    yield
    async with database.connection() as connection:
        await assert_books_balance(connection)


# ── one ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_written_reads_as_it_was_returned(database: Database) -> None:
    shops = await Shops.made(database, a={"tea": 5, "rice": 5})
    for order_id, hold_s in (("held", 900), ("confirmed", 0)):
        order = await shops.placed(order_id, shops.option("a", tea=2, rice=1), hold_s=hold_s)
        assert await find_orders(database, "c", order_id) == [order]
    assert await shops.figures("a") == {"tea": (5, 4), "rice": (5, 2)}


async def test_a_follower_sees_what_was_written(database: Database) -> None:
    shops = await Shops.made(database, a={"tea": 5}, kyoto={"tea": 5})
    follower = follower_of(database)
    await follower.step()
    order = await shops.placed("o", shops.option("a", tea=2))
    await shops.placed("across", shops.option("kyoto", tea=1))
    await shops.write(shops.change(order, Status.CONFIRMED, due_s=300))
    await follower.step()
    assert await assert_equal_to_database(follower.replica, database) == 2


async def test_the_first_option_with_room_and_stock_is_taken(database: Database) -> None:
    shops = await Shops.made(database, full={"tea": 9}, lacks={"tea": 1}, b={"tea": 9}, c={"tea": 9})
    await shops.set("UPDATE stores SET max_open_orders = 0 WHERE store_id = 'full'")
    options = [shops.option(store_id, tea=2) for store_id in ("full", "lacks", "b", "c")]
    order = await shops.placed("o", *options)
    assert (order.store_id, order.store) == ("b", '{"store_id":"b"}')


@pytest.mark.parametrize(
    "setting",
    [
        "max_open_orders = 0", "active = false", "removed_at = now()", "busy_until = now() + interval '1 min'",
        "closed_until = now() + interval '1 min'",
    ],
)  # fmt: skip
async def test_a_store_that_takes_no_orders_gets_none(database: Database, setting: str) -> None:
    shops = await Shops.made(database, a={"tea": 9})
    await shops.set(f"UPDATE stores SET {setting}")
    assert await shops.outcomes(shops.new("o", shops.option("a", tea=1))) == ["lost"]
    assert await find_orders(database, "c", "o") == []


async def test_all_lines_are_held_or_none(database: Database) -> None:
    shops = await Shops.made(database, a={"tea": 5, "rice": 0})
    assert await shops.outcomes(shops.new("o", shops.option("a", tea=1, rice=1))) == ["lost"]
    assert await shops.figures("a") == {"tea": (5, 0), "rice": (0, 0)}


@pytest.mark.parametrize("figure", ["safety_stock", "withheld", "reserved"])
async def test_what_is_kept_back_is_not_given(database: Database, figure: str) -> None:
    shops = await Shops.made(database, a={"tea": 5})
    if figure == "reserved":
        await shops.placed("before", shops.option("a", tea=3))
    else:
        until = ", withheld_until = now() + interval '1 h'" if figure == "withheld" else ""
        await shops.set(f"UPDATE shelves SET {figure} = 3{until}")
    assert await shops.outcomes(shops.new("three", shops.option("a", tea=3))) == ["lost"]
    assert await shops.outcomes(shops.new("two", shops.option("a", tea=2))) == ["written"]


async def test_an_order_that_is_there_is_returned_and_nothing_held_for_it_again(database: Database) -> None:
    shops = await Shops.made(database, a={"tea": 5})
    order = await shops.placed("o", shops.option("a", tea=2))
    [again] = await shops.write(shops.new("o", shops.option("a", tea=5)))
    assert (again.outcome, again.order) == ("exists", order)
    # Without a look before, as when two send it at the same moment.
    async with database.connection() as connection:
        sent = arguments_of([shops.new("o", shops.option("a", tea=2))])
        row = await connection.fetchrow(sql("write_orders"), HERE, *sent)
    assert row is not None
    assert row["outcomes"] == ["exists"]
    assert await shops.figures("a") == {"tea": (5, 2)}


async def test_an_order_of_another_cell_has_its_id_taken_here_too(database: Database) -> None:
    shops = await Shops.made(database, a={"tea": 5}, kyoto={"tea": 5})
    order = await shops.placed("o", shops.option("kyoto", tea=1), cell=THERE)
    [again] = await shops.write(shops.new("o", shops.option("a", tea=1)))
    assert (again.outcome, again.order) == ("exists", order)


async def test_a_change_of_an_order_that_somebody_has_changed_is_not_written(database: Database) -> None:
    shops = await Shops.made(database, a={"tea": 5})
    order = await shops.placed("o", shops.option("a", tea=2))
    assert await shops.outcomes(shops.change(order, Status.CONFIRMED, due_s=300)) == ["written"]
    assert await shops.outcomes(shops.ending(order)) == ["changed"]
    assert await shops.figures("a") == {"tea": (5, 2)}


async def test_only_the_databases_clock_decides_whether_a_hold_has_run_out(database: Database) -> None:
    shops = await Shops.made(database, a={"tea": 5})
    order = await shops.placed("o", shops.option("a", tea=2))
    expiry = shops.ending(order, Status.EXPIRED, when_due=True)
    assert await shops.outcomes(expiry) == ["changed"]
    await shops.run_out("o")
    assert await shops.outcomes(shops.change(order, Status.CONFIRMED, due_s=300)) == ["changed"]
    [read] = await find_orders(database, "c", "o")
    assert (read.status, read.lapsed, read.updated_at) == (Status.EXPIRED, True, read.hold_expires_at)
    assert await shops.outcomes(expiry) == ["written"]
    [written] = await find_orders(database, "c", "o")
    assert (written.status, written.lapsed, written.updated_at) == (Status.EXPIRED, False, read.updated_at)
    assert await shops.figures("a") == {"tea": (5, 0)}


async def test_what_runs_out_while_the_others_of_its_batch_are_waited_for_is_not_confirmed(database: Database) -> None:
    """All of a batch is decided, and told, as of one moment: no history says that a hold was confirmed too late."""
    shops = await Shops.made(database, a={"tea": 5})
    short = await shops.placed("a-short", shops.option("a", tea=1), hold_s=1)
    long = await shops.placed("b-long", shops.option("a", tea=1))
    async with database.transaction() as connection:
        await connection.execute("SELECT FROM orders WHERE order_id = 'b-long' FOR UPDATE")
        confirming = asyncio.create_task(
            shops.outcomes(*(shops.change(order, Status.CONFIRMED, due_s=300) for order in (short, long)))
        )
        await asyncio.sleep(1.2)
        assert not confirming.done()
    assert await confirming == ["changed", "written"]


async def test_an_order_moves_whole_or_stays_whole(database: Database) -> None:
    shops = await Shops.made(database, a={"tea": 5}, b={"tea": 5}, kyoto={"tea": 5})
    order = await shops.placed("o", shops.option("a", tea=2), hold_s=0)

    def move(order: StoredOrder, *options: Option) -> OrderWrite:
        attempt = order.attempt + 1
        events = (
            NewEvent("declined", Status.CONFIRMED, order.attempt, order.store_id),
            NewEvent("moved", Status.CONFIRMED, attempt),
        )
        return shops.ending(
            order, Status.CONFIRMED, attempt=attempt, options=options, takes=True, due_s=300, events=events
        )

    assert await shops.outcomes(move(order, shops.option("b", tea=6))) == ["lost"]
    assert (await shops.figures("a"), await shops.figures("b")) == ({"tea": (5, 2)}, {"tea": (5, 0)})
    [written] = await shops.write(move(order, shops.option("kyoto", tea=2)))
    assert written.order is not None
    assert (written.order.store_id, written.order.attempt, written.order.revision) == ("kyoto", 2, 3)
    assert written.order.promised_by == order.promised_by
    assert (await shops.figures("a"), await shops.figures("kyoto")) == ({"tea": (5, 0)}, {"tea": (5, 2)})
    assert set(written.version) == {HERE, THERE}


# ── many ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_of_two_in_a_batch_that_want_the_last_piece_the_first_gets_it(database: Database) -> None:
    shops = await Shops.made(database, a={"tea": 3}, b={"tea": 1})
    first, second, third, fourth = await shops.write(
        shops.new("z", shops.option("a", tea=2)),
        shops.new("y", shops.option("a", tea=2)),
        shops.new("x", shops.option("a", tea=2), shops.option("b", tea=1)),
        shops.new("w", shops.option("a", tea=1)),
    )
    assert [written.outcome for written in (first, second, third, fourth)] == ["written", "lost", "written", "written"]
    assert third.order is not None
    assert third.order.store_id == "b"
    assert (await shops.figures("a"), await shops.figures("b")) == ({"tea": (3, 3)}, {"tea": (1, 1)})


async def test_of_a_batch_a_store_takes_no_more_than_its_limit(database: Database) -> None:
    shops = await Shops.made(database, a={"tea": 99})
    await shops.set("UPDATE stores SET max_open_orders = 2")
    outcomes = await shops.outcomes(*(shops.new(f"o{n}", shops.option("a", tea=1)) for n in range(4)))
    assert outcomes == ["written", "written", "lost", "lost"]


async def test_each_of_a_batch_succeeds_or_fails_alone(database: Database) -> None:
    shops = await Shops.made(database, a={"tea": 9}, kyoto={"tea": 9})
    there = await shops.placed("there", shops.option("a", tea=1))
    confirmed = await shops.placed("confirmed", shops.option("a", tea=1), hold_s=0)
    old = replace(confirmed, revision=9)
    outcomes = await shops.outcomes(
        shops.new("new", shops.option("kyoto", tea=2)),
        shops.change(there, Status.CONFIRMED, due_s=300),
        shops.new("too-much", shops.option("a", tea=100)),
        shops.ending(old),
        shops.new("confirmed-again", shops.option("a", tea=1)),
    )
    assert outcomes == ["written", "written", "lost", "changed", "written"]
    assert await shops.figures("kyoto") == {"tea": (9, 2)}


async def test_an_order_for_a_store_of_another_cell_tells_the_heads_of_both(database: Database) -> None:
    shops = await Shops.made(database, a={"tea": 9}, kyoto={"tea": 9})
    async with database.connection() as connection:
        before = {row["cell"]: row["seq"] for row in await connection.fetch("SELECT cell, seq FROM cell_heads")}
    here, across = await shops.write(
        shops.new("here", shops.option("a", tea=1)), shops.new("across", shops.option("kyoto", tea=1))
    )
    assert dict(here.version) == {HERE: before[HERE] + 1}
    assert dict(across.version) == {HERE: before[HERE] + 1, THERE: before[THERE] + 1}
    async with database.connection() as connection:
        kinds = await connection.fetch("SELECT cell, kind FROM changes WHERE kind NOT IN ('store', 'shelf', 'shelves')")
        events = await connection.fetch("SELECT cell, head_seq FROM order_events")
    assert {(row["cell"], row["kind"]) for row in kinds} == {(HERE, "load"), (THERE, "load")}
    assert {tuple(row) for row in events} == {(HERE, before[HERE] + 1)}


async def test_what_is_lost_tells_the_heads_that_show_it(database: Database) -> None:
    shops = await Shops.made(database, a={"tea": 0}, kyoto={"tea": 0})
    async with database.connection() as connection:
        before = {row["cell"]: row["seq"] for row in await connection.fetch("SELECT cell, seq FROM cell_heads")}
    [lost] = await shops.write(shops.new("o", shops.option("a", tea=1), shops.option("kyoto", tea=1)))
    assert (lost.outcome, lost.order, dict(lost.version)) == ("lost", None, before)


async def test_what_is_taken_between_the_choice_and_the_lock_goes_to_the_next_round_and_leaves_no_trace(
    database: Database,
) -> None:
    shops = await Shops.made(database, a={"tea": 1}, b={"tea": 1})
    new = shops.new("o", shops.option("a", tea=1), shops.option("b", tea=1))
    async with database.transaction() as holder:
        await holder.execute("SELECT FROM shelves JOIN stores USING (cell, store_no) WHERE store_id = 'a' FOR UPDATE")
        waiting = asyncio.create_task(shops.write(new))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await holder.execute(
            "UPDATE shelves s SET on_hand = 0 FROM stores t WHERE t.store_no = s.store_no AND t.store_id = 'a'"
        )
    [lost] = await waiting
    assert lost.outcome == "lost"
    assert await find_orders(database, "c", "o") == []
    # The shelf was set behind the feed's back.
    await put_shelf(database, "a", counts("a", {"tea": 0}, at=datetime.now(UTC)), whole_as_of=None)
    [written] = await shops.write(new)
    assert written.order is not None
    assert written.order.store_id == "b"


async def test_a_decline_that_loses_its_next_store_withholds_nothing(database: Database) -> None:
    shops = await Shops.made(database, a={"tea": 5}, b={"tea": 1})
    order = await shops.placed("o", shops.option("a", tea=1), hold_s=0)
    decline = shops.change(
        order, Status.CONFIRMED, attempt=2, options=(shops.option("b", tea=1),), takes=True, due_s=300,
        goods=Goods.RELEASE, closes_one=True, touched_sku_nos=(shops.sku_nos["tea"],),
        withheld_sku_nos=frozenset({shops.sku_nos["tea"]}), closed_until=SOON, busy_s=900, declined_by='["a"]',
    )  # fmt: skip
    await shops.set(
        "UPDATE shelves SET on_hand = 0 FROM stores t WHERE t.store_no = shelves.store_no AND store_id = 'b'"
    )
    [lost] = await shops.write(decline)
    assert lost.outcome == "lost"
    said = "SELECT sum(withheld), max(closed_until), max(busy_until) FROM shelves JOIN stores USING (cell, store_no)"
    async with database.connection() as connection:
        assert tuple(await connection.fetchrow(said) or ()) == (0, None, None)
    assert await shops.figures("a") == {"tea": (5, 1)}


async def test_the_tables_refuse_what_cannot_be(database: Database) -> None:
    shops = await Shops.made(database, a={"tea": 9})
    await shops.placed("o", shops.option("a", tea=1))
    for statement in (
        "UPDATE shelves SET reserved = -1",
        "UPDATE shelves SET safety_stock = -1",
        "UPDATE shelves SET withheld = 1",
        "UPDATE stores SET open_orders = -1",
        "UPDATE reservations SET quantity = 0",
        "UPDATE orders SET attempt = 0",
        "UPDATE orders SET store_no = NULL",
        "UPDATE orders SET status = 'confirmed'",  # but with hold_expires_at
        "UPDATE orders SET status = 'lost'",
        "INSERT INTO order_events SELECT * FROM order_events",
    ):
        with pytest.raises((asyncpg.CheckViolationError, asyncpg.UniqueViolationError)):
            await shops.set(statement)


async def test_many_batches_at_once_in_any_order_end_without_a_deadlock(database_url: str) -> None:
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    database = await Database.open(database_url, pool_min=32, pool_max=32)
    try:
        skus = [f"s{n}" for n in range(6)]
        names = [f"{place}{n}" for place in ("a", "k") for n in range(5)]
        shops = await Shops.made(database, **{name: dict.fromkeys(skus, 40) for name in names})
        await shops.set("UPDATE stores SET max_open_orders = 25")
        outcomes: dict[str, int] = {}

        def any_option() -> Option:
            return shops.option(rng.choice(names), **{sku: rng.randint(1, 2) for sku in rng.sample(skus, 3)})

        async def client(number: int) -> None:
            mine: list[StoredOrder] = []
            for turn in range(6):
                batch = [
                    shops.new(f"{number}-{turn}-{n}", *(any_option() for _ in range(3)), hold_s=rng.choice((0, 900)))
                    for n in range(8)
                ]
                batch += [shops.ending(order) for order in mine]
                # The same ids by others at the same moment.
                batch.append(shops.new(f"shared-{turn}", any_option()))
                rng.shuffle(batch)
                written = await shops.write(*batch)
                for one in written:
                    outcomes[one.outcome] = outcomes.get(one.outcome, 0) + 1
                placed = [w.order for w in written if w.order is not None and w.outcome == "written"]
                mine = [
                    order for order in placed
                    if order.order_id.startswith(f"{number}-{turn}") and rng.random() < 0.7
                ]  # fmt: skip
                assert all(order.revision == 1 for order in mine)

        before = await deadlocks(database_url)
        async with asyncio.timeout(60):
            await asyncio.gather(*(client(number) for number in range(32)))
        assert await deadlocks(database_url) == before
        assert min(outcomes.get(name, 0) for name in ("written", "lost", "exists")) > 5, outcomes
        for name in names:
            assert all(0 <= held <= on_hand for on_hand, held in (await shops.figures(name)).values())
    finally:
        await database.close()


async def test_connections_that_are_killed_lose_and_double_no_order(database: Database, database_url: str) -> None:
    shops = await Shops.made(database, a={"tea": 10_000})
    commits = GroupCommit(database, write_orders, wait_s=20.0)
    killer = await asyncpg.connect(database_url)
    try:
        killed = placed = 0
        # Where writing is quick, all may be done before one is caught at it: then more are placed.
        while not killed and placed < 10_000:
            placing = asyncio.gather(
                *(
                    commits.submit(HERE, n, shops.new(f"o{n}", shops.option("a", tea=1)))
                    for n in range(placed, placed + 400)
                )
            )
            while not placing.done():
                await asyncio.sleep(0.02)
                killed += await killer.fetchval(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%write_orders%'"
                    " AND state = 'active'"
                )
            results = await placing
            placed += 400
            assert {result.outcome for result in results} <= {"written", "exists"}
            assert await shops.figures("a") == {"tea": (10_000, placed)}
        assert killed > 0
    finally:
        await killer.close()


async def deadlocks(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SELECT pg_stat_force_next_flush()")
        return int(
            await connection.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        )
    finally:
        await connection.close()
