"""A shelf is what was counted at its moment and what has moved since, in whatever order they come in."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from dispatch.domain.errors import SnapshotTooOld
from dispatch.domain.movements import WITHHELD_FOR, Movement
from dispatch.storage.pool import Database
from dispatch.storage.shelves import put_shelf
from dispatch.storage.sql import sql
from dispatch.storage.stores import put_store, remove_store
from tests.storage.tills import Till, held_by, hold, moved, pick_up, till_of
from tests.storage.worlds import (
    CELLS,
    KYOTO,
    NOW,
    TAIPEI,
    ago,
    assert_equal_to_database,
    counts,
    follower_of,
    heads,
    store,
)

SEEDS = (20261120, 20261121, 20261122)


@pytest.fixture
async def till(database: Database) -> AsyncIterator[Till]:
    """The till of a store a, with 10 of tea counted an hour ago."""
    await put_store(database, store("a"))
    async with till_of(database) as till:
        await till.count({"tea": 10}, at=ago(3600), whole=True)
        yield till


async def statuses(till: Till, *movements: Movement) -> list[str]:
    return [result.status.value for result in await till.send(*movements)]


# ── counts ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_late_count_leaves_what_has_moved_since(till: Till) -> None:
    assert await statuses(till, moved("tea", -3, at=ago(600)), moved("tea", 5, at=ago(300))) == ["applied"] * 2
    assert await till.on_hand() == 12
    applied = await till.count({"tea": 8}, at=ago(900))
    assert (applied.updated, await till.on_hand()) == (1, 10)
    applied = await till.count({"tea": 5}, at=ago(600))
    assert (applied.unchanged, await till.on_hand()) == (1, 10), "the movement at that very moment is in the count"
    row = (await till.shelf())["tea"]
    assert (row.as_of, row.moved_at) == (ago(600), ago(300))


async def test_an_older_count_is_kept_out(till: Till) -> None:
    applied = await till.count({"tea": 99}, at=ago(3601))
    assert (applied.older, await till.on_hand()) == (1, 10)


async def test_an_older_count_of_what_a_whole_shelf_did_not_name_is_kept_out(till: Till) -> None:
    await till.count({"egg": 0}, at=ago(3500))
    await till.count({"tea": 10}, at=ago(1000), whole=True)
    assert (await till.shelf())["egg"].as_of == ago(3500)
    assert (await till.count({"egg": 5, "tea": 7}, at=ago(1001))).older == 2
    assert {sku: row.on_hand for sku, row in (await till.shelf()).items()} == {"tea": 10, "egg": 0}


async def test_what_a_whole_shelf_does_not_name_is_what_has_moved_since(till: Till) -> None:
    await till.count({"egg": 4, "milk": 2, "rice": 1}, at=ago(3000))
    await till.send(moved("egg", 6, at=ago(100)), moved("milk", -2, at=ago(100)), moved("rice", -1, at=ago(2000)))
    applied = await till.count({"tea": 10}, at=ago(1000), whole=True)
    assert {sku: row.on_hand for sku, row in (await till.shelf()).items()} == {
        "tea": 10, "egg": 6, "milk": -2, "rice": 0,
    }  # fmt: skip
    assert (applied.unchanged, applied.removed) == (1, 0)


async def test_counts_of_one_batch_succeed_and_fail_alone(till: Till, database: Database) -> None:
    for store_id in ("b", "c"):
        await put_store(database, store(store_id))
    results = await asyncio.gather(
        till.count({"tea": 1, "egg": 2}, at=ago(60)),
        till.count({}, at=ago(7200), whole=True),
        till.count({"tea": 3}, at=ago(60), whole=True, store_id="b"),
        till.count({"tea": 4}, at=ago(60), store_id="none"),
        till.count({"tea": 5}, at=ago(60), store_id="c"),
        return_exceptions=True,
    )
    assert [type(result).__name__ for result in results] == [
        "CountsApplied", "SnapshotTooOld", "CountsApplied", "StoreNotFound", "CountsApplied",
    ]  # fmt: skip
    assert (results[0].created, results[0].updated) == (1, 1)  # type: ignore[union-attr]  # said so above
    for store_id, expected in (("a", 1), ("b", 3), ("c", 5)):
        assert await till.on_hand(store_id=store_id) == expected


@pytest.mark.parametrize("whole", [False, True], ids=["named", "whole"])
async def test_withheld_ends_with_another_figure_and_stays_with_the_same(
    till: Till, database: Database, whole: bool
) -> None:
    async with database.connection() as connection:
        await connection.execute("UPDATE shelves SET withheld = 10, withheld_until = $1", ago(700) + WITHHELD_FOR)
    await till.count({"tea": 10}, at=ago(600), whole=whole)
    assert (await till.shelf())["tea"].withheld == 10
    await till.send(moved("tea", -1, at=ago(100)))
    await till.count({"tea": 10}, at=ago(500), whole=whole)
    assert (await till.shelf())["tea"].withheld == 10, "10 counted and 1 sold since is the 9 that was known"
    await till.count({"tea": 11}, at=ago(400), whole=whole)
    assert (await till.shelf())["tea"].withheld == 0


@pytest.mark.parametrize("whole", [False, True], ids=["named", "whole"])
async def test_a_count_made_before_the_store_said_it_has_none_withholds_what_it_finds(
    till: Till, database: Database, whole: bool
) -> None:
    async with database.connection() as connection:
        await connection.execute("UPDATE shelves SET withheld = 10, withheld_until = $1", ago(700) + WITHHELD_FOR)
    for seconds, figure, withheld in ((900, 12, 12), (800, 7, 12), (699, 8, 0)):
        await till.count({"tea": figure}, at=ago(seconds), whole=whole)
        row = (await till.shelf())["tea"]
        assert (row.on_hand, row.withheld, row.available) == (figure, withheld, 0 if withheld else 8)


async def test_a_receipt_ends_withheld_and_a_sale_does_not(till: Till, database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("UPDATE shelves SET withheld = 10, withheld_until = $1", ago(700) + WITHHELD_FOR)
    await till.send(moved("tea", -1), moved("tea", 4, at=ago(4000)))
    assert (await till.shelf())["tea"].withheld == 10
    await till.send(moved("tea", 2, at=ago(701)))
    assert (await till.shelf())["tea"].withheld == 12, "it had come before the store said so"
    await till.send(moved("tea", 1))
    assert (await till.shelf())["tea"].withheld == 0


# ── shortage ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("by", ["count", "sale", "whole"])
async def test_a_shortage_hits_the_youngest_reservations(till: Till, database: Database, by: str) -> None:
    async with database.connection() as connection:
        await hold(connection, "young", 2, held_at=ago(10))
        await hold(connection, "old", 3, held_at=ago(30))
        await hold(connection, "middle", 1, held_at=ago(20))
        if by == "sale":
            await till.send(moved("tea", -6))
        else:
            figures = {"tea": 4} if by == "count" else {}
            await till.count(figures, at=ago(5), whole=by == "whole")
        expected = {"middle": by == "whole", "old": by == "whole", "young": True}
        assert {order: short for order, _, short in await held_by(connection)} == expected
        assert (await till.shelf())["tea"].short == (6 if by == "whole" else 2)


async def test_a_shortage_that_is_told_is_not_told_again_and_one_that_is_over_is_not_told(
    till: Till, database: Database
) -> None:
    async with database.connection() as connection:
        await hold(connection, "o", 5)
        await till.count({"tea": 4}, at=ago(50))
        await connection.execute("UPDATE reservations SET short = false, told_short = true")  # as telling it does
        await till.count({"tea": 4}, at=ago(40))
        assert await held_by(connection) == [("o", 5, False)]
        await till.send(moved("tea", -1))
        assert await held_by(connection) == [("o", 5, True)]
        await till.send(moved("tea", 2))
        assert await held_by(connection) == [("o", 5, False)], "nothing is short any more"
        await till.send(moved("tea", -2))
        await connection.execute("UPDATE reservations SET short = false, told_short = true")
        await till.send(moved("tea", 1))
        assert await held_by(connection) == [("o", 5, False)], "less is short than was told"


# ── movements ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_was_sent_before_changes_nothing_and_other_content_is_refused(till: Till) -> None:
    first = moved("tea", -2, at=ago(60), movement_id="x")
    [one, two] = await till.send(first, first)
    assert (one.status, one.on_hand, two.status, two.on_hand) == ("applied", 8, "repeated", 8)
    for other in (
        moved("tea", -3, at=ago(60), movement_id="x"),
        moved("egg", -2, at=ago(60), movement_id="x"),
        moved("tea", -2, at=ago(61), movement_id="x"),
        moved("tea", -2, at=ago(60), movement_id="x", reason="broken"),
        moved("tea", -2, at=ago(60), movement_id="x", order_id="o"),
    ):
        [result] = await till.send(other)
        assert (result.status, result.code, result.on_hand) == ("refused", "movement_id_reused", None)
    [again] = await till.send(moved("tea", -2, at=NOW, at_said=False, movement_id="x"))
    assert again.status == "repeated", "when it was sent is not what it says"
    assert await till.on_hand() == 8


async def test_ids_are_of_a_store(till: Till, database: Database) -> None:
    await put_store(database, store("b"))
    await till.send(moved("tea", -2, movement_id="x"))
    [result] = await till.send(moved("tea", 7, movement_id="x"), store_id="b")
    assert (result.status, result.on_hand) == ("applied", 7)


async def test_what_a_count_has_in_it_is_written_down_and_moves_nothing(till: Till) -> None:
    [result] = await till.send(moved("tea", -2, at=ago(3600), movement_id="x"))
    assert (result.status, result.on_hand) == ("counted_already", 10)
    assert await statuses(till, moved("tea", -2, at=ago(3600), movement_id="x")) == ["repeated"]


async def test_a_sku_that_was_never_there_gets_a_row(till: Till) -> None:
    results = await till.send(moved("ink", -2, at=ago(100)), moved("ink", 5, at=ago(200)), moved("pen", 3, at=ago(50)))
    assert [(result.status.value, result.on_hand) for result in results] == [
        ("applied", 0), ("applied", 3), ("applied", 3),
    ]  # fmt: skip
    [late] = await till.send(moved("ink", 9, at=ago(3700)))
    assert (late.status, late.on_hand) == ("counted_already", 3), "when the whole shelf was counted there was none"
    await till.count({"pen": 4}, at=ago(60))
    assert await till.on_hand("pen") == 7


async def test_where_nothing_was_ever_counted_the_order_of_arrival_does_not_matter(
    till: Till, database: Database
) -> None:
    await put_store(database, store("b"))
    await till.send(moved("tea", 5, at=ago(100)), moved("tea", -2, at=ago(900)), store_id="b")
    assert await till.on_hand(store_id="b") == 3
    await till.count({"tea": 4}, at=ago(500), store_id="b")
    assert await till.on_hand(store_id="b") == 9


async def test_a_row_at_0_that_a_whole_count_passed_over_was_counted_all_the_same(till: Till) -> None:
    await till.count({"egg": 0}, at=ago(3000))
    await till.count({"tea": 10}, at=ago(1000), whole=True)
    assert (await till.shelf())["egg"].as_of == ago(3000)
    [late] = await till.send(moved("egg", -1, at=ago(2000)))
    assert (late.status, late.on_hand) == ("counted_already", 0)
    await till.send(moved("egg", 3, at=ago(10)))
    assert await till.on_hand("egg") == 3


async def test_stores_and_ids_that_are_not_taken(till: Till, database: Database) -> None:
    await put_store(database, store("gone"))
    await remove_store(database, "gone")
    for store_id in ("none", "gone"):
        [result] = await till.send(moved("tea", -1), store_id=store_id)
        assert (result.status, result.code) == ("refused", "store_not_found")
    results = await till.send(
        moved("tea", -1, at=ago(-121)),
        moved("tea", -1, at=datetime.fromisoformat("1999-12-31T23:59:59+00:00")),
        moved("tea", -1, movement_id="order:shop:o:tea"),
        moved("tea", 1_000_000_000),
        moved("tea", -1, at=ago(-119)),
    )
    assert [result.code for result in results] == [
        "at_in_future", "at_too_early", "movement_id_reserved", "on_hand_out_of_range", None,
    ]  # fmt: skip
    assert await till.on_hand() == 9


async def test_a_follower_sees_what_has_moved(till: Till, database: Database) -> None:
    follower = follower_of(database)
    await follower.step()
    await till.send(moved("tea", -4), moved("ink", 2))
    await follower.step()
    assert await assert_equal_to_database(follower.replica, database) == 2
    await till.send(*(moved(f"sku-{n}", n) for n in range(1, 80)))
    await follower.step()
    assert await assert_equal_to_database(follower.replica, database) == 81


async def test_what_changes_no_shelf_makes_no_change_of_the_cell(till: Till, database: Database) -> None:
    sale = moved("tea", -1)
    await till.send(sale)
    async with database.connection() as connection:
        before = await heads(connection)
        await till.send(sale, moved("tea", -1, at=ago(7200)))
        assert await heads(connection) == before


# ── movements of orders ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("pieces", [1, 2, 3])
@pytest.mark.parametrize("first", ["till", "store"])
async def test_a_pick_up_is_counted_once_whoever_tells_of_it_first(
    till: Till, database: Database, pieces: int, first: str
) -> None:
    async with database.connection() as connection:
        await hold(connection, "o", 2)
        if first == "store":
            await pick_up(connection, "o", at=ago(5))
        await till.send(moved("tea", -pieces, order_id="o"))
        if first == "till":
            await pick_up(connection, "o", at=ago(5))
        row = (await till.shelf())["tea"]
        assert (row.on_hand, row.reserved) == (10 - max(2, pieces), 0)
        assert await held_by(connection) == []


async def test_a_pick_up_told_piece_by_piece_comes_to_the_same(till: Till, database: Database) -> None:
    async with database.connection() as connection:
        await hold(connection, "o", 3)
        first, second = await till.send(moved("tea", -1, order_id="o"), moved("tea", -1, order_id="o"))
        assert (first.status, first.detail, second.on_hand) == ("applied", None, 8)
        assert await held_by(connection) == [("o", 1, False)]
        await pick_up(connection, "o", at=ago(5))
        [third, fourth] = await till.send(moved("tea", -2, order_id="o"), moved("tea", -1, order_id="o"))
        assert (third.status, third.on_hand) == ("applied", 6)
        assert third.detail == "1 of 2; the order's pick-up has the rest in it"
        assert (fourth.status, fourth.on_hand) == ("applied", 5)


async def test_a_pick_up_before_the_count_ends_the_reservation_and_moves_nothing(
    till: Till, database: Database
) -> None:
    async with database.connection() as connection:
        await hold(connection, "o", 2)
        [result] = await till.send(moved("tea", -2, order_id="o", at=ago(4000)))
        row = (await till.shelf())["tea"]
        assert (result.status, row.on_hand, row.reserved) == ("counted_already", 10, 0)
        assert await held_by(connection) == []
    [again] = await till.send(moved("tea", -2, order_id="o"))
    assert (again.status, again.on_hand) == ("applied", 8), "the till has told of 4 pieces now"


async def test_a_return_is_counted_once_and_never_brings_more_than_has_gone(till: Till, database: Database) -> None:
    async with database.connection() as connection:
        await hold(connection, "o", 3)
    await till.send(moved("tea", -3, order_id="o"))
    results = await till.send(
        moved("tea", 2, order_id="o"), moved("tea", 2, order_id="o"), moved("tea", 1, order_id="o")
    )
    assert [(result.status.value, result.on_hand) for result in results] == [
        ("applied", 9), ("applied", 10), ("counted_already", 10),
    ]  # fmt: skip


async def test_what_names_no_order_of_the_store_is_a_sale_all_the_same(till: Till) -> None:
    [result] = await till.send(moved("tea", -2, order_id="elsewhere"))
    assert (result.status, result.on_hand) == ("applied", 8)
    assert result.detail == "this store holds none of it for an order elsewhere; counted as a movement of its own"


async def test_what_is_rung_up_beside_an_order_is_no_part_of_it(till: Till, database: Database) -> None:
    await till.count({"gum": 5}, at=ago(60))
    async with database.connection() as connection:
        await hold(connection, "o", 2)
        beside, _ = await till.send(moved("gum", -1, order_id="o"), moved("tea", -2, order_id="o"))
        assert (beside.status, beside.on_hand) == ("applied", 4)
        # Returning the order brings back what its movements have taken, and knows its own lines only.
        of_order = await connection.fetch(
            "SELECT k.sku FROM movements m JOIN skus k USING (sku_no) WHERE client IS NOT NULL"
        )
        assert [row["sku"] for row in of_order] == ["tea"]
    [back] = await till.send(moved("gum", 1, order_id="o"))
    assert (back.status, back.on_hand) == ("applied", 5)


async def test_an_order_id_of_two_clients_is_refused(till: Till, database: Database) -> None:
    async with database.connection() as connection:
        await hold(connection, "o", 1, client="one")
        await hold(connection, "o", 1, client="two")
        await hold(connection, "p", 1, order_cell=1)
        await hold(connection, "p", 1, order_cell=2)
    for order_id in "op":
        [result] = await till.send(moved("tea", -1, order_id=order_id))
        assert (result.status, result.code) == ("refused", "order_id_ambiguous")
    assert await till.on_hand() == 10


# ── moves ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_store_that_moves_knows_its_movements_and_late_counts_are_still_right(
    till: Till, database: Database
) -> None:
    sale = moved("tea", -1, at=ago(100))
    await till.send(sale)
    async with database.connection() as connection:
        await hold(connection, "o", 2)
    await put_store(database, store("a", KYOTO))
    assert await till.on_hand() == 7
    assert await statuses(till, sale) == ["repeated"]
    await till.count({"tea": 20}, at=ago(200))
    assert await till.on_hand() == 17, "1 sold since, and 2 are somebody's already"


# ── a sale while a count waits ─────────────────────────────────────────────────────────────────────────────────────

COUNT_IN_ONE = """
    UPDATE shelves s SET as_of = c.as_of, on_hand = c.on_hand + coalesce(
        (SELECT sum(m.delta) FROM movements m
         WHERE m.cell = s.cell AND m.store_no = s.store_no AND m.sku_no = s.sku_no AND m.at > c.as_of), 0)
    FROM counts_to_apply c WHERE s.cell = $1 AND c.store_no = s.store_no AND c.sku_no = s.sku_no
"""


async def _waits(database: Database) -> None:
    async with database.connection() as watching, asyncio.timeout(10):
        while not await watching.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("in_one_statement", [False, True], ids=["as it is done", "all in one statement"])
async def test_a_sale_that_commits_while_a_count_waits_is_not_lost(
    till: Till, database: Database, in_one_statement: bool
) -> None:
    """The second case shows that the first can fail: what waits for a lock in one statement has an old view."""
    cell = CELLS[TAIPEI]

    async def count() -> None:
        if not in_one_statement:
            await till.count({"tea": 20}, at=ago(500))
            return
        async with database.transaction() as connection:
            await connection.execute(
                "INSERT INTO counts_to_apply (cell, store_no, sku_no, on_hand, price_set, safety_stock, safety_set,"
                " as_of, n_rows) SELECT cell, store_no, sku_no, 20, false, 0, false, $1, 1 FROM shelves",
                ago(500),
            )
            await connection.execute(COUNT_IN_ONE, cell)

    async with database.connection() as connection:
        async with connection.transaction():
            await connection.execute(sql("lock_stores"), cell, [1])
            await connection.execute("UPDATE shelves SET on_hand = on_hand - 3, moved_at = $1", ago(100))
            await connection.execute(
                "INSERT INTO movements SELECT cell, store_no, 'sale', sku_no, -3, -3, $1, 'sale', NULL, NULL, now()"
                " FROM shelves",
                ago(100),
            )
            counting = asyncio.create_task(count())
            await _waits(database)
        await counting
    assert await till.on_hand() == (20 if in_one_statement else 17)


# ── against a model ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Model:
    """One shelf, by the words of the documentation: every fact that is known, looked at as a whole."""

    whole: list[tuple[datetime, dict[str, int]]] = field(default_factory=list)
    named: dict[str, list[tuple[datetime, int]]] = field(default_factory=dict)
    moves: dict[str, tuple[str, int, datetime]] = field(default_factory=dict)

    def on_hand(self, sku: str) -> int:
        """The newest count, of those at one moment the one that was sent last, and what has moved since."""
        facts = [(at, n, figures.get(sku, 0)) for n, (at, figures) in enumerate(self.whole)]
        facts += [(at, n, figure) for n, (at, figure) in enumerate(self.named.get(sku, []))]
        as_of, _, counted = max(facts, default=(datetime.min.replace(tzinfo=NOW.tzinfo), 0, 0))
        return counted + sum(delta for name, delta, at in self.moves.values() if name == sku and at > as_of)


def _figures(chance: random.Random, skus: list[str]) -> dict[str, int]:
    return {sku: chance.randrange(20) for sku in skus if chance.random() < 0.6}


@pytest.mark.parametrize("seed", SEEDS)
async def test_any_order_of_arrival_comes_to_what_a_simple_model_says(database: Database, seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    await put_store(database, store("a"))
    skus = ["tea", "egg", "ink"]
    model = Model()
    sent: list[Movement] = []
    refused = 0
    async with till_of(database) as till:
        model.whole.append((ago(40_000), dict.fromkeys(skus, 5)))
        await till.count(dict.fromkeys(skus, 5), at=ago(40_000), whole=True)
        for step in range(120):
            # The day goes on, and what is sent is up to 100 min old; no two counts have one moment.
            latest_s = 30_000 - 240 * step + step / 1_000
            at, figures = ago(latest_s + chance.randrange(6_000)), _figures(chance, skus)
            kind = chance.random()
            if kind < 0.2:
                for sku, figure in figures.items():
                    model.named.setdefault(sku, []).append((at, figure))
                await till.count(figures, at=at)
            elif kind < 0.3 and model.whole and at < max(model.whole)[0]:
                refused += 1
                with pytest.raises(SnapshotTooOld):
                    await till.count(figures, at=at, whole=True)
            elif kind < 0.3:
                model.whole.append((at, figures))
                await till.count(figures, at=at, whole=True)
            else:
                new = [
                    moved(
                        chance.choice(skus), chance.choice((-3, -2, -1, 4)), at=ago(latest_s + chance.randrange(6_000))
                    )
                    for _ in range(chance.randrange(1, 4))
                ]
                batch = new + chance.choices(sent, k=min(len(sent), 2))
                chance.shuffle(batch)
                sent += new
                model.moves |= {move.movement_id: (move.sku, move.delta, move.at) for move in new}
                await till.send(*batch)
            expected = {sku: model.on_hand(sku) for sku in await till.shelf()}
            assert {sku: row.on_hand for sku, row in (await till.shelf()).items()} == expected
    assert len(sent) > 50
    assert len(model.whole) > 1
    assert refused > 0


async def test_many_tills_and_counts_at_once_lose_nothing(till: Till, database: Database) -> None:
    sales = [moved("tea", -1, at=ago(100 - n / 10)) for n in range(300)]
    await asyncio.gather(
        *(till.send(*sales[n : n + 10]) for n in range(0, 300, 5)),
        *(till.count({"tea": 1_000}, at=ago(1_000 - n)) for n in range(20)),
        put_shelf(database, "a", counts("a", {"egg": 1}, at=ago(5)), whole_as_of=None),
    )
    assert await till.on_hand() == 700
