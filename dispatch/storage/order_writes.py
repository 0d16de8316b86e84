"""Writes of orders, and a batch of them as the arrays that the database's function write_orders takes.

The rows of the arrays name each other by position, from 1; stores and shelf rows stand once each, in the order in which
everybody locks them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from dispatch.domain.orders import Goods, Status

type _Row = tuple[object, ...]


class StoreAt(NamedTuple):
    """Where a store's rows lie."""

    cell: int
    store_no: int
    store_id: str


class NewOrder(NamedTuple):
    """What a new order has besides what changes."""

    fingerprint: bytes
    channel: str | None
    campaign: str | None
    request: str
    customer: str | None


class Option(NamedTuple):
    """A store that could take the order: (number of sku, quantity) of its lines, and what is then told."""

    store: StoreAt
    lines: tuple[tuple[int, int], ...]
    store_told: str
    eta: str
    lines_told: str
    promised_by: datetime


class NewEvent(NamedTuple):
    """``store_id`` None: that of the option taken."""

    event: str
    status: Status
    attempt: int
    store_id: str | None = None
    detail: str | None = None


@dataclass(slots=True, kw_only=True)  # not frozen: to make it would take twice as long
class OrderWrite:
    """One order to be written: a new one (``revision`` 0), or a change of one that must still have ``revision``."""

    cell: int
    client: str
    order_id: str
    revision: int
    status: Status
    attempt: int
    events: tuple[NewEvent, ...]
    options: tuple[Option, ...] = ()
    takes: bool = False
    when_due: bool = False
    due_s: int | None = None
    at: StoreAt | None = None
    goods: Goods = Goods.KEEP
    closes_one: bool = False
    touched_sku_nos: tuple[int, ...] = ()
    withheld_sku_nos: frozenset[int] = frozenset()
    closed_until: datetime | None = None
    busy_s: int | None = None
    declined_by: str | None = None
    new: NewOrder | None = None


def arguments_of(writes: Sequence[OrderWrite]) -> tuple[list[_Row], ...]:
    """items, options, lines, touches, stores, shelves, events: the function's arguments after the cell."""
    stores = sorted({(s.cell, s.store_no, s.store_id) for write in writes for s in _stores_of(write)})
    store_at = {(cell, store_no): n for n, (cell, store_no, _) in enumerate(stores, start=1)}
    shelves = sorted({row for write in writes for row in _shelves_of(write)})
    shelf_at = {row: n for n, row in enumerate(shelves, start=1)}
    items: list[_Row] = []
    options: list[_Row] = []
    lines: list[_Row] = []
    touches: list[_Row] = []
    events: list[_Row] = []
    for n, write in enumerate(writes, start=1):
        items.append(_item(write, 0 if write.at is None else store_at[write.at.cell, write.at.store_no]))
        for option in write.options:
            cell, store_no = option.store.cell, option.store.store_no
            first = len(lines) + 1
            if write.takes:
                at_option = len(options) + 1
                lines += [(at_option, shelf_at[cell, store_no, sku_no], pieces) for sku_no, pieces in option.lines]
            told = (option.store_told, option.eta, option.lines_told, option.promised_by)
            options.append((n, store_at[cell, store_no], first, len(lines), *told))
        if write.at is not None:
            for sku_no in write.touched_sku_nos:
                row = (write.at.cell, write.at.store_no, sku_no)
                touches.append((n, shelf_at[row], sku_no in write.withheld_sku_nos))
        events += [(n, e.event, e.status, e.attempt, e.store_id, e.detail) for e in write.events]
    shelf_rows: list[_Row] = [(store_at[cell, store_no], cell, store_no, sku_no) for cell, store_no, sku_no in shelves]
    return items, options, lines, touches, list(stores), shelf_rows, events


def _stores_of(write: OrderWrite) -> list[StoreAt]:
    return [option.store for option in write.options] + ([] if write.at is None else [write.at])


def _shelves_of(write: OrderWrite) -> list[tuple[int, int, int]]:
    wanted = [
        (option.store.cell, option.store.store_no, sku_no)
        for option in (write.options if write.takes else ())
        for sku_no, _ in option.lines
    ]
    if write.at is not None:
        wanted += [(write.at.cell, write.at.store_no, sku_no) for sku_no in write.touched_sku_nos]
    return wanted


def _item(write: OrderWrite, old_store: int) -> _Row:
    new = write.new
    return (
        write.client,
        write.order_id,
        write.revision,
        write.when_due,
        write.status,
        write.attempt,
        write.due_s,
        old_store,
        write.goods,
        write.closes_one,
        write.takes,
        write.closed_until,
        write.busy_s,
        write.declined_by,
        *((None,) * 5 if new is None else (new.fingerprint, new.channel, new.campaign, new.request, new.customer)),
    )
