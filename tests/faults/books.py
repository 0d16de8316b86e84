"""The books of a database, added up anew from what was written, in Python: no statement of the service is used."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import asyncpg

OPEN: Final = ("held", "confirmed", "accepted")
# With goods on the shelf. (Partners here have their goods leave at pick-up.)
KEEPING: Final = (*OPEN, "ready")

type Counts = Mapping[tuple[str, str], Mapping[datetime, int]]
"""What was counted, by store and sku, by the moment of the count."""


@dataclass(slots=True)
class Books:
    """What was looked at, and what does not add up."""

    shelf_rows: int = 0
    orders: int = 0
    movements: int = 0
    wrong: list[str] = field(default_factory=list)

    def expect(self, found: object, expected: object, what: str) -> None:
        if found != expected:
            self.wrong.append(f"{what}: {found} instead of {expected}")

    def __str__(self) -> str:
        if self.wrong:
            return f"{len(self.wrong)} entries do not balance, like {self.wrong[0]}"
        return f"{self.shelf_rows} shelf rows and {self.orders} orders balance"


async def audited(connection: "asyncpg.Connection[asyncpg.Record]", counts: Counts | None = None) -> Books:
    """Audit everything, at one moment; on hand only where ``counts`` are known."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        tables = {
            name: await connection.fetch(f"SELECT * FROM {name}")
            for name in ("stores", "shelves", "skus", "orders", "reservations", "movements")
        }
        events = await connection.fetch("SELECT * FROM order_events ORDER BY cell, client, order_id, seq")
    books = Books(len(tables["shelves"]), len(tables["orders"]), len(tables["movements"]))
    skus = {row["sku_no"]: row["sku"] for row in tables["skus"]}
    store_ids = {row["store_no"]: row["store_id"] for row in tables["stores"]}
    _reserved(books, tables)
    _open_orders(books, tables)
    _lines(books, tables, skus)
    _histories(books, tables, events)
    if counts is not None:
        _on_hand(books, tables, skus, store_ids, counts)
    return books


type _Tables = Mapping[str, list[Any]]


def _reserved(books: Books, tables: _Tables) -> None:
    sums: Counter[tuple[int, int]] = Counter()
    for row in tables["reservations"]:
        sums[row["store_no"], row["sku_no"]] += row["quantity"]
    for row in tables["shelves"]:
        key = (row["store_no"], row["sku_no"])
        books.expect(row["reserved"], sums.pop(key, 0), f"reserved of shelf row {key}")
    books.expect(dict(sums), {}, "reservations without a shelf row")


def _open_orders(books: Books, tables: _Tables) -> None:
    there = Counter(row["store_no"] for row in tables["orders"] if row["status"] in OPEN)
    for row in tables["stores"]:
        books.expect(row["open_orders"], there[row["store_no"]], f"open orders of {row['store_id']}")


def _lines(books: Books, tables: _Tables, skus: Mapping[int, str]) -> None:
    """All lines are reserved where the order is, or none anywhere."""
    held: dict[tuple[str, str, int], dict[tuple[int, str], int]] = defaultdict(dict)
    for row in tables["reservations"]:
        of_order = held[row["client"], row["order_id"], row["order_cell"]]
        of_order[row["store_no"], skus[row["sku_no"]]] = row["quantity"]
    for row in tables["orders"]:
        wanted: Counter[tuple[int, str]] = Counter()
        if row["status"] in KEEPING:
            for line in json.loads(row["request"])["lines"]:
                wanted[row["store_no"], line["sku"]] += line["quantity"]
        found = held.pop((row["client"], row["order_id"], row["cell"]), {})
        books.expect(found, dict(wanted), f"reservations of {row['order_id']} ({row['status']})")
    books.expect(dict(held), {}, "reservations without an order")


def _histories(books: Books, tables: _Tables, events: list[Any]) -> None:
    by_order: dict[tuple[int, str, str], list[Any]] = defaultdict(list)
    for event in events:
        by_order[event["cell"], event["client"], event["order_id"]].append(event)
    for row in tables["orders"]:
        history = by_order.pop((row["cell"], row["client"], row["order_id"]), [])
        what = f"events of {row['order_id']}"
        books.expect([e["seq"] for e in history], list(range(1, row["revision"] + 1)), what)
        books.expect(history[-1]["status"] if history else None, row["status"], f"last status of the {what}")
    books.expect(dict(by_order), {}, "events without an order")


def _on_hand(
    books: Books, tables: _Tables, skus: Mapping[int, str], store_ids: Mapping[int, str], counts: Counts
) -> None:
    """On hand is the last count, and what has moved since."""
    moved: dict[tuple[int, int], list[tuple[datetime, int]]] = defaultdict(list)
    for row in tables["movements"]:
        moved[row["store_no"], row["sku_no"]].append((row["at"], row["delta"]))
    for row in tables["shelves"]:
        key = (store_ids[row["store_no"]], skus[row["sku_no"]])
        counted = counts.get(key, {}).get(row["as_of"])
        if counted is None:
            books.wrong.append(f"{key} says that it was counted at {row['as_of']}, when nobody did")
            continue
        since = sum(delta for at, delta in moved[row["store_no"], row["sku_no"]] if at > row["as_of"])
        books.expect(row["on_hand"], counted + since, f"on hand of {key}, counted {counted}, moved {since} since")


async def most_open_ever(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, int]:
    """By store, the most orders that were open at once, replayed from the events in the order of their commits."""
    rows = await connection.fetch(
        "SELECT cell, head_seq, client, order_id, status, store_id FROM order_events ORDER BY cell, head_seq, seq"
    )
    assert len({row["cell"] for row in rows}) <= 1, "commits of different cells have no order"
    at: dict[tuple[str, str], str | None] = {}
    now: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for i, row in enumerate(rows):
        order = (row["client"], row["order_id"])
        before, after = at.get(order), row["store_id"] if row["status"] in OPEN else None
        at[order] = after
        if before is not None:
            now[before] -= 1
        if after is not None:
            now[after] += 1
        if i + 1 == len(rows) or rows[i + 1]["head_seq"] != row["head_seq"]:
            for store_id in now:
                most[store_id] = max(most[store_id], now[store_id])
    return dict(most)
