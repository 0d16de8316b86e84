"""Tables of any format with their profile, and what is made of their rows of stock."""

from collections.abc import Mapping, Sequence
from typing import Any

from dispatch.domain.stores import KEEP
from dispatch.ingest.shaping import shape
from dispatch.ingest.stock import StockBatch, StoreRef
from dispatch.ingest.tables import Table
from tests.ingest.tables import NOW, ListTable, stock_batch

CHINA = {"lat": "37.87", "lon": "112.55"}
"""A place whose datum must be declared."""

REFS = {name: StoreRef("UTC", "default") for name in ("234", "235", "1010", "DC1", "Main St", "09az", "StoreAngelholm")}

LOCAL = {"id": "101", "store code": "234", "quantity": "7", "price": "29.99 USD", "sale price": "9.99 USD"}
"""A row of a local inventory feed."""


def table_of(rows: Sequence[Mapping[str, str]], kind: str, profile: str | None = None) -> Table:
    """The rows as a reader of JSON would give them: every key a column, in the order they come; shaped."""
    columns = tuple(dict.fromkeys(key for row in rows for key in row))
    table = ListTable(columns, [[row.get(column, "") for column in columns] for row in rows])
    return shape(table, kind=kind, profile=profile, now=NOW)


def stock_of(table: Table) -> tuple[list[tuple[Any, ...]], StockBatch]:
    """Row, store, sku, quantity, price and currency of the good rows; and the whole batch."""
    batch = stock_batch(table, stores=REFS)
    prices = [None if price is KEEP else price for price in batch.price_minors]
    good = zip(batch.row_nos, batch.store_ids, batch.skus, batch.on_hands, prices, batch.currencies, strict=True)
    return list(good), batch


def told(batch: StockBatch) -> list[tuple[int, str | None, str]]:
    return [(one.row_no, one.column, one.code) for one in batch.problems]


def supply(kind: str, eta: str, quantity: str = "4") -> dict[str, str]:
    return {"itemId": "SKU1", "shipNode": "DC1", "type": kind, "quantity": quantity, "eta": eta,
            "sourceTs": "2026-11-22T03:00:00.000Z", "unitOfMeasure": "EACH", "productClass": "NEW"}  # fmt: skip


def shopify(sku: str, current: str, new: str = "") -> dict[str, str]:
    return {"Handle": "tea", "Title": "Tea", "Option1 Name": "Size", "SKU": sku, "Location": "Main St",
            "Available (not editable)": "99", "On hand (current)": current, "On hand (new)": new}  # fmt: skip
