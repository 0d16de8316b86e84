"""The audit of the experiments: it passes over books that balance, and finds each entry that does not."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from tests.api.client import Api, worker
from tests.api.shop import acted, clock_of_now, north, order_of, placed
from tests.faults.books import Counts, audited, most_open_ever

COUNTED_AT = datetime.now(UTC) - timedelta(minutes=1)
COUNTS: Counts = {("shop", sku): {COUNTED_AT: 10} for sku in ("tea", "rice")}
# What is done to the books, and what is then said of them.
TAMPERED = {
    "UPDATE shelves SET reserved = reserved + 1": "reserved of shelf row",
    "UPDATE stores SET open_orders = open_orders + 1": "open orders of shop",
    "DELETE FROM reservations WHERE sku_no = (SELECT min(sku_no) FROM reservations)": "reservations of o-1",
    "UPDATE reservations SET order_id = 'o-9' WHERE order_id = 'o-1'": "reservations without an order",
    "DELETE FROM order_events WHERE seq = 1": "events of o-1",
    "UPDATE order_events SET status = 'held'": "last status of the events of o-1",
    "UPDATE shelves SET on_hand = on_hand - 1": "on hand of ('shop', 'tea')",
    "DELETE FROM movements": "on hand of ('shop', 'tea')",
    "UPDATE shelves SET as_of = as_of + interval '1 s'": "('shop', 'tea') says that it was counted at",
}


@pytest.fixture
async def books(database_url: str, tmp_path: Path) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """A shop with an order that is confirmed, and one whose goods are gone."""
    async with worker(database_url, tmp_path, clock=clock_of_now()) as api:
        await _trade(api)
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def _trade(api: Api) -> None:
    await api.put_store("shop", *north(100))
    items = [{"sku": sku, "on_hand": 10} for sku in ("tea", "rice")]
    await api.write("PUT", "/v1/stores/shop/stock", {"as_of": COUNTED_AT.isoformat(), "items": items})
    lines = [{"sku": "tea", "quantity": 1}, {"sku": "rice", "quantity": 2}]
    for order_id in ("o-1", "o-2"):
        await placed(api, order_id, order_of(lines=lines))
        await acted(api, order_id, "confirm")
    for action in ("accept", "ready", "pick-up"):
        await acted(api, "o-2", action, attempt=1)


async def test_books_that_balance_are_passed_over(books: "asyncpg.Connection[asyncpg.Record]") -> None:
    audit = await audited(books, COUNTS)
    assert audit.wrong == []
    assert (audit.shelf_rows, audit.orders, audit.movements) == (2, 2, 2)
    assert await most_open_ever(books) == {"shop": 2}


@pytest.mark.parametrize("statement", TAMPERED)
async def test_an_entry_that_is_wrong_is_found(books: "asyncpg.Connection[asyncpg.Record]", statement: str) -> None:
    assert await books.execute(statement) not in ("UPDATE 0", "DELETE 0")
    assert any(TAMPERED[statement] in text for text in (await audited(books, COUNTS)).wrong)
