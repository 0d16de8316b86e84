"""Orders in the database: batches of writes, and reading them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from dispatch.domain.errors import OrderIdAmbiguous
from dispatch.domain.orders import GoodsLeave, Status
from dispatch.domain.versions import Version
from dispatch.storage.group_commit import GroupCommit
from dispatch.storage.order_writes import NewOrder, Option, OrderWrite, StoreAt, arguments_of
from dispatch.storage.pool import Connection, Database
from dispatch.storage.retrying import in_transaction
from dispatch.storage.sql import sql

DEFAULT_CLIENT: Final = "default"
_READ_COLUMNS: Final = (
    "cell", "client", "order_id", "revision", "attempt", "store_cell", "store_no", "store_id", "due_at",
    "hold_expires_at", "promised_by", "created_at", "updated_at", "fingerprint", "channel", "campaign", "request",
    "customer", "store", "eta", "lines", "declined_by",
)  # fmt: skip


@dataclass(slots=True, kw_only=True)  # not frozen: to make it would take twice as long
class StoredOrder:
    """An order as it reads now. ``store``, ``eta``, ``lines``, ``request``, ``customer``, ``declined_by`` are JSON.

    ``lapsed``: its hold has run out, which is not written down yet; ``status`` is expired all the same.
    """

    cell: int
    client: str
    order_id: str
    revision: int
    status: Status
    attempt: int
    store_cell: int | None
    store_no: int | None
    store_id: str | None
    due_at: datetime | None
    hold_expires_at: datetime | None
    promised_by: datetime | None
    created_at: datetime
    updated_at: datetime
    fingerprint: bytes
    channel: str | None
    campaign: str | None
    request: str
    customer: str | None
    store: str | None
    eta: str | None
    lines: str
    declined_by: str
    lapsed: bool = False
    goods_leave: GoodsLeave = GoodsLeave.PICKED_UP
    till_reports_orders: bool = False

    @property
    def at(self) -> StoreAt | None:
        """The store it is at."""
        if self.store_cell is None or self.store_no is None or self.store_id is None:
            return None
        return StoreAt(self.store_cell, self.store_no, self.store_id)


@dataclass(frozen=True, slots=True)
class OrderWritten:
    """What became of it. ``version``: the heads of the cells concerned; ``order``: as it reads now, where it is there.

    ``outcome``: written | exists: there is an order of that id | changed: somebody else came first, or it is not due |
    lost: no option has room and stock any more.
    """

    outcome: str
    order: StoredOrder | None
    version: Version = field(default_factory=Version)


type OrderWriter = GroupCommit[OrderWrite, OrderWritten]


async def write_orders(
    connection: Connection, cell: int, writes: Sequence[OrderWrite]
) -> list[OrderWritten | Exception]:
    """Write orders of one cell, each succeeding or failing alone, in one transaction; for a GroupCommit."""
    there = await _of_new_ones(connection, writes)
    results: list[OrderWritten | Exception | None] = [
        None if (found := there.get((write.client, write.order_id))) is None else _exists(found, write)
        for write in writes
    ]
    left = [i for i, result in enumerate(results) if result is None]
    if not left:
        return [result for result in results if result is not None]
    sent = [writes[i] for i in left]
    row = await connection.fetchrow(sql("write_orders"), cell, *arguments_of(sent))
    assert row is not None, "the function returns one row"
    version = Version.of((c, seq) for c, seq in zip(row["cells"], row["seqs"], strict=True) if seq)
    wanted = [
        write
        for write, outcome in zip(sent, row["outcomes"], strict=True)
        if outcome == "exists" or (outcome == "written" and write.new is None)
    ]
    read = await _read(connection, cell, wanted)
    options = _flat_options(sent)
    for i, write, outcome, option in zip(left, sent, row["outcomes"], row["options"], strict=True):
        order = read.get((write.client, write.order_id))
        if outcome == "written" and write.new is not None:
            order = _as_placed(write, write.new, options[option - 1], row["written_at"])
        if len(version) <= 1:
            results[i] = OrderWritten(outcome, order, version)
            continue
        concerned = {cell} | {o.store.cell for o in write.options} | ({write.at.cell} if write.at else set())
        of_it = Version({c: seq for c, seq in version.items() if c in concerned})
        results[i] = OrderWritten(outcome, order, of_it)
    return [result for result in results if result is not None]


def _flat_options(writes: Sequence[OrderWrite]) -> list[Option]:
    return [option for write in writes for option in write.options]


async def _of_new_ones(
    connection: Connection, writes: Sequence[OrderWrite]
) -> dict[tuple[str, str], list[StoredOrder]]:
    """The orders that have the ids of new ones already; a first PUT looks everywhere before it places."""
    new = [write for write in writes if write.new is not None]
    if not new:
        return {}
    there: dict[tuple[str, str], list[StoredOrder]] = {}
    for row in await connection.fetch(sql("find_orders"), [w.client for w in new], [w.order_id for w in new]):
        there.setdefault((row["client"], row["order_id"]), []).append(order_of(row))
    return there


async def _read(connection: Connection, cell: int, writes: Sequence[OrderWrite]) -> dict[tuple[str, str], StoredOrder]:
    if not writes:
        return {}
    rows = await connection.fetch(
        sql("read_orders"), cell, [write.client for write in writes], [write.order_id for write in writes]
    )
    return {(row["client"], row["order_id"]): order_of(row) for row in rows}


def _exists(found: Sequence[StoredOrder], write: OrderWrite) -> OrderWritten | Exception:
    try:
        return OrderWritten("exists", meant(found, None if write.new is None else write.new.fingerprint))
    except OrderIdAmbiguous as error:
        return error


def meant(found: Sequence[StoredOrder], fingerprint: bytes | None) -> StoredOrder | None:
    """The order that is meant: the only one, or of two of one id the one of this request. Raises OrderIdAmbiguous."""
    if len(found) <= 1:
        return found[0] if found else None
    for order in found:
        if order.fingerprint == fingerprint:
            return order
    raise OrderIdAmbiguous(
        f"two orders have the id {found[0].order_id}, sent at the same moment to places far apart; cancel neither by"
        " this id, and use another from now on"
    )


def _as_placed(write: OrderWrite, new: NewOrder, option: Option, at: datetime) -> StoredOrder:
    """A new order as it reads, without reading it. Its hold cannot have run out yet: nobody has been told of it."""
    held = write.status is Status.HELD
    due_at = None if write.due_s is None else at + timedelta(seconds=write.due_s)
    return StoredOrder(
        cell=write.cell,
        client=write.client,
        order_id=write.order_id,
        revision=1,
        status=write.status,
        attempt=write.attempt,
        store_cell=option.store.cell,
        store_no=option.store.store_no,
        store_id=option.store.store_id,
        due_at=due_at,
        hold_expires_at=due_at if held else None,
        promised_by=None if held else option.promised_by,
        created_at=at,
        updated_at=at,
        fingerprint=new.fingerprint,
        channel=new.channel,
        campaign=new.campaign,
        request=new.request,
        customer=new.customer,
        store=option.store_told,
        eta=option.eta,
        lines=option.lines_told,
        declined_by="[]",
    )


def order_of(row: asyncpg.Record) -> StoredOrder:
    """The order of a row of ``orders_now``."""
    return StoredOrder(
        **{name: row[name] for name in _READ_COLUMNS},
        status=Status(row["status"]),
        lapsed=row["status"] != row["written_status"],
        goods_leave=GoodsLeave(row["goods_leave_at"] or GoodsLeave.PICKED_UP),
        till_reports_orders=bool(row["till_reports_orders"]),
    )


async def find_orders(database: Database, client: str, order_id: str) -> list[StoredOrder]:
    """The orders of that id: none, one, or, of two first PUTs to places far apart at the same moment, two."""
    async with database.connection() as connection:
        return [order_of(row) for row in await connection.fetch(sql("find_orders"), [client], [order_id])]


async def read_settled(database: Database, order: StoredOrder) -> StoredOrder:
    """A hold that had run out when it was read, as it is once nobody is writing it any more.

    Whoever began to confirm or cancel it just in time may be at it still. Later nobody can, so that what is read then
    is final. Raises Busy if it is not told in time.
    """

    async def work(connection: Connection) -> StoredOrder:
        await connection.fetch(sql("await_order"), order.cell, order.client, order.order_id)
        # A statement of its own, for it has to see what was waited for.
        [row] = await connection.fetch(sql("read_orders"), order.cell, [order.client], [order.order_id])
        return order_of(row)

    return await in_transaction(database, work)


async def version_of(database: Database, order: StoredOrder) -> Version:
    """Where the cells of an order are: what a read must have seen to see it as it is, or later."""
    cells = [order.cell] if order.store_cell is None else [order.cell, order.store_cell]
    async with database.connection() as connection:
        rows = await connection.fetch(sql("heads_of"), cells)
    return Version.of((row["cell"], row["seq"]) for row in rows)


async def list_orders(
    database: Database,
    *,
    store_no: int | None,
    status: Status | None,
    since: datetime,
    before: tuple[datetime, str, str],
    limit: int,
) -> list[StoredOrder]:
    """Orders created since a moment, newest first, those before a position (created_at, client, order_id)."""
    arguments: list[object] = [None if status is None else status.value, since, *before, limit]
    async with database.connection() as connection:
        if store_no is None:
            rows = await connection.fetch(sql("list_orders"), *arguments)
        else:
            rows = await connection.fetch(sql("list_orders_of_store"), *arguments, store_no)
    return [order_of(row) for row in rows]


async def open_orders_of_store(database: Database, store_no: int) -> list[StoredOrder]:
    """What a store has not yet handed over, oldest first."""
    async with database.connection() as connection:
        return [order_of(row) for row in await connection.fetch(sql("open_orders_of_store"), store_no)]


async def due_orders(database: Database, status: Status, limit: int) -> list[StoredOrder]:
    """Some of the orders that are due: held, the hold has run out; confirmed, nobody has accepted them in time."""
    async with database.connection() as connection:
        return [order_of(row) for row in await connection.fetch(sql("due_orders"), limit, status)]


async def expired_holds_at(database: Database, cells: Sequence[int], limit: int) -> list[StoredOrder]:
    """Some of the holds that have run out on stores of these cells and still keep their goods."""
    async with database.connection() as connection:
        rows = await connection.fetch(sql("expired_holds_at"), list(cells), limit)
    return [order_of(row) for row in rows]


async def short_orders(database: Database, limit: int) -> list[StoredOrder]:
    """Some of the orders that a count has left too little for, and whose history does not say so yet."""
    async with database.connection() as connection:
        found = await connection.fetch(sql("short_orders"), limit)
        orders = []
        for row in found:
            rows = await connection.fetch(sql("read_orders"), row["order_cell"], [row["client"]], [row["order_id"]])
            orders += [order_of(order) for order in rows]
    return orders


async def short_lines(database: Database, order: StoredOrder) -> list[tuple[str, int]]:
    """(sku, quantity) of the lines that are short and not told yet."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            sql("short_lines"), order.store_cell, order.store_no, order.client, order.order_id, order.cell
        )
    return [(row["sku"], row["quantity"]) for row in rows]
