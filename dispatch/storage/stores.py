"""Stores in the database: the directory that makes ids unique, and the rows by cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from operator import attrgetter, itemgetter
from typing import Any, Final

import asyncpg
import shapely

from dispatch.domain.errors import StoreNotFound, StoreOfOtherPartner
from dispatch.domain.stores import Store
from dispatch.domain.versions import Version
from dispatch.storage.changes import bump_head, note_stores
from dispatch.storage.pool import Connection, Database
from dispatch.storage.retrying import in_transaction
from dispatch.storage.sql import sql
from geo.cells import cell_of
from geo.coordinates import LatLon
from geo.travel import Mode

# No count that may still come is older, and no till sends a movement again after so long.
KEEP_MOVEMENTS: Final = timedelta(days=35)

# How often a write follows a store that moves to another cell while it is sent.
MOST_MOVES_FOLLOWED = 3

_LONG_S: Final = 600.0
type _Counted = tuple[datetime | None, datetime | None]
"""When a store was last counted, and when its whole shelf was."""


@dataclass(frozen=True, slots=True)
class StoreKey:
    """Where a store's rows lie."""

    store_id: str
    store_no: int
    cell: int
    partner: str
    timezone: str = ""


@dataclass(slots=True)
class StoresPut:
    """What became of the stores of one call, by store id."""

    created: set[str] = field(default_factory=set)
    updated: set[str] = field(default_factory=set)
    unchanged: set[str] = field(default_factory=set)
    of_other_partner: dict[str, str] = field(default_factory=dict)  # store id → its owner
    version: Version = field(default_factory=Version)

    def add(self, other: "StoresPut") -> None:
        self.created |= other.created
        self.updated |= other.updated
        self.unchanged |= other.unchanged
        self.of_other_partner.update(other.of_other_partner)
        self.version.merge(other.version)


async def put_stores_of_cell(connection: Connection, cell: int, stores: Sequence[Store]) -> StoresPut:
    """Write whole stores, all of one cell, at most a few thousand, in the transaction of ``connection``.

    Ids must be distinct. A store that lay in another cell moves: its old row takes no new orders and its shelf goes
    along, less what is reserved. Stores of another partner are left alone and named in the answer.
    """
    result = StoresPut()
    by_id = {store.store_id: store for store in stores}
    await connection.execute(sql("add_partners"), list({store.partner for store in stores}))
    new = await connection.fetch(sql("add_to_directory"), list(by_id), [s.partner for s in stores], cell)
    known = by_id.keys() - {row["store_id"] for row in new}
    # Nobody sees the new ones yet, so they need no lock, and have no rows.
    old = await connection.fetch(sql("lock_directory"), list(known)) if known else []
    mine, moving = [], []
    for row in old:
        if row["partner"] != by_id[row["store_id"]].partner:
            result.of_other_partner[row["store_id"]] = row["partner"]
            continue
        mine.append(row)
        if row["cell"] != cell:
            moving.append(row)
    counted = await _lock_rows(connection, cell, mine, moving)
    mine = sorted((*mine, *new), key=itemgetter("store_no"))
    written = await connection.fetch(
        sql("put_stores"), cell, *_columns([(r["store_no"], by_id[r["store_id"]]) for r in mine])
    )
    created = {row["store_no"]: row["created"] for row in written}
    old_cells = await _move_away(connection, cell, moving, counted)
    for row in mine:
        moved = row["cell"] != cell
        outcome = created.get(row["store_no"])
        if outcome is None and not moved:
            result.unchanged.add(row["store_id"])
        elif outcome and not moved:
            result.created.add(row["store_id"])
        else:
            result.updated.add(row["store_id"])
    changed = {cell: sorted(created)} if created else {}
    for old_cell, store_nos in old_cells.items():
        changed.setdefault(old_cell, []).extend(store_nos)
    moved_nos = [row["store_no"] for row in moving]
    for changed_cell in sorted(changed):
        seq = await bump_head(connection, changed_cell)
        await note_stores(connection, changed_cell, seq, changed[changed_cell], "store")
        if changed_cell == cell and moved_nos:
            first_n = len(changed[changed_cell]) + 1
            await note_stores(connection, cell, seq, moved_nos, "shelves", first_n=first_n)
        result.version[changed_cell] = seq
    return result


async def lock_directory(connection: Connection, store_ids: Sequence[str]) -> list[StoreKey]:
    """Lock the directory rows of these ids, as every write of stores does first; where those lie that are known."""
    rows = await connection.fetch(sql("lock_directory"), list(store_ids))
    return [StoreKey(row["store_id"], row["store_no"], row["cell"], row["partner"]) for row in rows]


async def _lock_rows(
    connection: Connection, cell: int, stores: Sequence[asyncpg.Record], moving: Sequence[asyncpg.Record]
) -> dict[int, _Counted]:
    """Lock what the stores have in ``cell`` and where those that move come from: store rows, then their shelf rows.

    Each by cell and number, which is everybody's order. Answers when each that moves was counted.
    """
    stores_of = {cell: [row["store_no"] for row in stores]} if stores else {}
    shelves_of = {cell: [row["store_no"] for row in moving]} if moving else {}
    for row in moving:
        stores_of.setdefault(row["cell"], []).append(row["store_no"])
        shelves_of.setdefault(row["cell"], []).append(row["store_no"])
    counted: dict[int, _Counted] = {}
    for locked_cell in sorted(stores_of):
        for row in await connection.fetch(sql("lock_store_rows"), locked_cell, stores_of[locked_cell]):
            if locked_cell != cell:
                counted[row["store_no"]] = (row["counted_at"], row["counted_whole_at"])
    for locked_cell in sorted(shelves_of):
        await connection.execute(sql("lock_shelves"), locked_cell, shelves_of[locked_cell], None)
    return counted


async def _move_away(
    connection: Connection,
    cell: int,
    moving: Sequence[asyncpg.Record],
    counted: Mapping[int, _Counted],
) -> dict[int, list[int]]:
    """Close the old rows of stores that now lie in ``cell`` and open their shelves there; the old cells touched.

    All these rows are locked.
    """
    left: dict[int, list[int]] = {}
    for row in moving:
        old_cell, store_no = row["cell"], row["store_no"]
        await connection.execute(sql("open_new_shelf"), old_cell, cell, store_no)
        await connection.execute(sql("carry_movements"), old_cell, cell, store_no, KEEP_MOVEMENTS)
        await connection.execute(sql("note_left_behind"), old_cell, cell, store_no)
        await connection.execute(sql("carry_counts"), cell, store_no, *counted.get(store_no, (None, None)))
        await connection.execute(sql("carry_closures"), old_cell, cell, store_no)
        await connection.execute(sql("leave_closures"), old_cell, store_no)
        await connection.execute(sql("gather_closures"), cell, [store_no])
        await connection.execute(sql("leave_old_cell"), old_cell, store_no)
        await connection.execute(sql("move_directory"), store_no, cell)
        left.setdefault(old_cell, []).append(store_no)
    return left


_FIELDS: Final = attrgetter(
    "store_id", "partner", "place.lat", "place.lon", "timezone", "name", "brand", "region", "address", "phone",
    "opening_hours", "delivery_radius_m", "delivery_zone", "mode", "prepare_s", "prepare_line_s", "queue_per_order_s",
    "courier_s", "handover_s", "max_open_orders", "active",
)  # fmt: skip
_ZONE, _MODE = 13, 14


def _columns(rows: Sequence[tuple[int, Store]]) -> list[list[Any]]:
    """The arrays of ``put_stores``, one a column; empty where no store says anything, for unnest makes that null."""
    table = [(store_no, *_FIELDS(store)) for store_no, store in rows]
    columns = [list(column) for column in zip(*table, strict=True)] if table else [[] for _ in range(22)]
    columns[_ZONE] = [None if zone is None else shapely.to_wkb(zone) for zone in columns[_ZONE]]
    columns[_MODE] = [None if mode is None else mode.value for mode in columns[_MODE]]
    return [spoken(column) for column in columns]


def spoken[T](column: list[T | None]) -> list[T | None]:
    """The column, or nothing of one that holds nothing: to encode an array takes its time, null or not."""
    return [] if column.count(None) == len(column) else column


async def put_store(database: Database, store: Store) -> StoresPut:
    """Write one whole store. Raises StoreOfOtherPartner, Busy."""

    async def work(connection: Connection) -> StoresPut:
        result = await put_stores_of_cell(connection, cell_of(store.place), [store])
        if result.of_other_partner:
            raise StoreOfOtherPartner(
                f"the store {store.store_id} belongs to partner {result.of_other_partner[store.store_id]};"
                " choose another store_id, or send it as that partner"
            )
        return result

    return await in_transaction(database, work)


async def remove_stores_of_cell(connection: Connection, cell: int, store_nos: Sequence[int]) -> tuple[int, Version]:
    """Take stores of one cell out of service; how many were still in it."""
    locked = await connection.fetch(sql("lock_stores"), cell, sorted(store_nos))
    gone = [row["store_no"] for row in locked]
    if not gone:
        return 0, Version()
    await connection.execute(sql("remove_stores"), cell, gone)
    seq = await bump_head(connection, cell)
    await note_stores(connection, cell, seq, gone, "store")
    return len(gone), Version({cell: seq})


async def find_store(connection: Connection, store_id: str) -> StoreKey:
    """Where a store lies. Raises StoreNotFound."""
    keys = await find_stores(connection, [store_id])
    if not keys:
        raise StoreNotFound(f"there is no store {store_id}")
    return keys[0]


async def find_stores(connection: Connection, store_ids: Sequence[str]) -> list[StoreKey]:
    rows = await connection.fetch(sql("find_in_directory"), list(store_ids))
    return [StoreKey(row["store_id"], row["store_no"], row["cell"], row["partner"]) for row in rows]


async def remove_store(database: Database, store_id: str) -> Version:
    """Take a store out of service, or find it out of service already; a version that shows it.

    Raises StoreNotFound for an id that never was a store's, Busy.
    """
    return await in_transaction(database, partial(_remove_store, store_id))


async def _remove_store(store_id: str, connection: Connection) -> Version:
    # Locked first, as by those who put it, so that it does not move to another cell meanwhile.
    found = await connection.fetch(sql("lock_directory"), [store_id])
    if not found:
        raise StoreNotFound(f"there is no store {store_id}")
    [row] = found
    removed, version = await remove_stores_of_cell(connection, row["cell"], [row["store_no"]])
    if removed:
        return version
    return Version({row["cell"]: await connection.fetchval(sql("head_of"), row["cell"])})


async def read_store(database: Database, store_id: str) -> tuple[Store, int]:
    """A store as its owner described it, and its open orders. Raises StoreNotFound."""
    async with database.connection() as connection:
        key = await find_store(connection, store_id)
        row = await connection.fetchrow(sql("read_store"), key.cell, key.store_no)
    if row is None:
        raise StoreNotFound(f"there is no store {store_id}")
    return store_of(row), int(row["open_orders"])


@dataclass(frozen=True, slots=True)
class StoreOfOrder:
    """What is told of a store beside what its order keeps."""

    partner: str
    timezone: str
    phone: str | None
    mode: Mode | None


async def store_of_order(database: Database, cell: int, store_no: int) -> StoreOfOrder:
    """The store that an order is at, as it is now, or as it was when it was taken out of service."""
    async with database.connection() as connection:
        row = await connection.fetchrow(sql("store_of_order"), cell, store_no)
    assert row is not None, "rows of stores are never deleted"
    mode = None if row["mode"] is None else Mode(row["mode"])
    return StoreOfOrder(row["partner"], row["timezone"], row["phone"], mode)


async def all_stores(database: Database) -> list[StoreKey]:
    """Every store in service."""
    async with database.connection() as connection:
        rows = await connection.fetch(sql("store_refs"))
    return [StoreKey(r["store_id"], r["store_no"], r["cell"], r["partner"], r["timezone"]) for r in rows]


async def some_stores(database: Database, wanted: int) -> tuple[int, list[str]]:
    """How many stores are in service, and the ids of so many of them, from all over, or of all if there are fewer."""
    async with database.connection() as connection:
        rows = await connection.fetch(sql("some_stores"), wanted)
    return (rows[0]["stores"] if rows else 0), [row["store_id"] for row in rows]


async def stocked_elsewhere(database: Database, partner: str, store_nos: Sequence[int], *, at_most: int) -> int:
    """How many shelf rows with stock the partner's other stores have; not more than ``at_most`` are counted."""
    async with database.connection() as connection:
        found = await connection.fetchval(sql("stocked_elsewhere"), partner, list(store_nos), at_most, timeout=_LONG_S)
    return int(found)


async def places_of_partner(database: Database, partner: str) -> dict[str, LatLon]:
    """Where the stores of a partner that are in service lie, by id."""
    async with database.connection() as connection:
        rows = await connection.fetch(sql("partner_places"), partner)
    return {row["store_id"]: LatLon(lat=row["lat"], lon=row["lon"]) for row in rows}


async def stores_of_partner(connection: Connection, partner: str) -> list[StoreKey]:
    """The stores of a partner that are in service."""
    rows = await connection.fetch(sql("partner_stores"), partner)
    return [StoreKey(r["store_id"], r["store_no"], r["cell"], partner, r["timezone"]) for r in rows]


def store_of_told(told: Mapping[str, Any]) -> Store:
    """The domain's store of a row of ``stores`` as PostgreSQL tells it in JSON."""
    zone = told["delivery_zone"]
    return store_of({**told, "delivery_zone": None if zone is None else bytes.fromhex(zone.removeprefix("\\x"))})


def store_of(row: Mapping[str, Any] | asyncpg.Record) -> Store:
    """The domain's store of a row of ``stores``."""
    return Store(
        store_id=row["store_id"],
        place=LatLon(lat=row["lat"], lon=row["lon"]),
        timezone=row["timezone"],
        partner=row["partner"],
        name=row["name"],
        brand=row["brand"],
        region=row["region"],
        address=row["address"],
        phone=row["phone"],
        opening_hours=row["opening_hours"],
        delivery_radius_m=row["delivery_radius_m"],
        delivery_zone=None if row["delivery_zone"] is None else shapely.from_wkb(row["delivery_zone"]),
        mode=None if row["mode"] is None else Mode(row["mode"]),
        prepare_s=row["prepare_s"],
        prepare_line_s=row["prepare_line_s"],
        queue_per_order_s=row["queue_per_order_s"],
        courier_s=row["courier_s"],
        handover_s=row["handover_s"],
        max_open_orders=row["max_open_orders"],
        active=row["active"],
    )
