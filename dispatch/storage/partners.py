"""Partners in the database: what holds for all stores of one."""

from dataclasses import dataclass
from datetime import time
from functools import partial
from itertools import batched, groupby
from typing import Final

from dispatch.domain.errors import PartnerNotFound
from dispatch.domain.orders import GoodsLeave
from dispatch.domain.versions import Version
from dispatch.storage.changes import bump_head, note_stores
from dispatch.storage.pool import Connection, Database
from dispatch.storage.retrying import in_transaction
from dispatch.storage.sql import sql
from dispatch.storage.stores import stores_of_partner

_STORES_NOTED_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """The terms of a partner. ``stock_stale_after_s`` None: the setting's default.

    ``stock_due_at`` is the local time of each store by which it is to be counted; None: at no time.
    """

    partner: str
    stock_stale_after_s: int | None = None
    goods_leave_at: GoodsLeave = GoodsLeave.PICKED_UP
    till_reports_orders: bool = False
    stock_due_at: time | None = None


async def read_partner(database: Database, partner: str) -> Partner:
    """Raises PartnerNotFound."""
    async with database.connection() as connection:
        row = await connection.fetchrow(sql("read_partner"), partner)
    if row is None:
        raise PartnerNotFound(f"there is no partner {partner}")
    return Partner(
        partner=row["partner"],
        stock_stale_after_s=row["stock_stale_after_s"],
        goods_leave_at=GoodsLeave(row["goods_leave_at"]),
        till_reports_orders=row["till_reports_orders"],
        stock_due_at=row["stock_due_at"],
    )


async def put_partner(database: Database, partner: Partner) -> Version:
    """Make a partner or change its terms, and have every replica read its stores anew, a few of a cell at a time.

    Told even where nothing has changed: a worker that died between the two is made good by the same call. Raises Busy.
    """
    version = Version()
    async with database.connection() as connection:
        await connection.execute(
            sql("put_partner"),
            partner.partner,
            partner.stock_stale_after_s,
            partner.goods_leave_at.value,
            partner.till_reports_orders,
            partner.stock_due_at,
        )
        keys = sorted(await stores_of_partner(connection, partner.partner), key=lambda key: (key.cell, key.store_no))
        for cell, of_cell in groupby(keys, key=lambda key: key.cell):
            for batch in batched((key.store_no for key in of_cell), _STORES_NOTED_AT_ONCE):
                version[cell] = await in_transaction(connection, partial(_note, cell, list(batch)))
    return version


async def _note(cell: int, store_nos: list[int], connection: Connection) -> int:
    seq = await bump_head(connection, cell)
    await note_stores(connection, cell, seq, store_nos, "store")
    return seq
