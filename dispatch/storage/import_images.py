"""What was there before an import: kept, compared when the file of a dry run is applied, put back by an undo."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any, Final

from dispatch.domain.versions import Version
from dispatch.storage.changes import bump_head, note_stores
from dispatch.storage.pool import Connection, Database
from dispatch.storage.retrying import in_transaction
from dispatch.storage.shelves import CountedWholeAt, Shortage, mark_short
from dispatch.storage.sql import sql
from dispatch.storage.stores import spoken

KEEP_IMAGES: Final = timedelta(days=7)
"""For so long after its end an import can be undone, and the file of a dry run applied."""

_ROWS_A_TRANSACTION: Final = 20_000
_ROWS_A_PAGE: Final = 500
_LONG_TIMEOUT_S: Final = 1800.0
_SAMPLES: Final = 20

type Told = dict[str, Any] | None
"""A store or item as JSON tells its row; None: not there, or not in service."""


@dataclass(slots=True)
class Undone:
    """Shelf rows put back, and those that were counted since and stay; some of these by store and sku.

    Of items: codes put back, and those that say something else now, without a store.
    """

    restored: int = 0
    kept: int = 0
    samples: list[tuple[str | None, str | None]] = field(default_factory=list)
    version: Version = field(default_factory=Version)

    def add(self, other: "Undone") -> None:
        self.restored += other.restored
        self.kept += other.kept
        self.samples += other.samples[: _SAMPLES - len(self.samples)]
        self.version.merge(other.version)


# ── shelves ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def keep_shelves(
    connection: Connection,
    import_id: str,
    cell: int,
    counted_whole_at: CountedWholeAt,
    *,
    whole_at: Mapping[int, datetime],
    all_rows: bool,
) -> None:
    """Keep what the weighed counts of these stores have found and left, in the transaction that applies them.

    ``whole_at``: as of when this is a store's whole shelf. ``all_rows``: also those that are kept out, as older.
    """
    await connection.execute(
        sql("keep_shelves"),
        cell,
        import_id,
        list(counted_whole_at),
        list(counted_whole_at.values()),
        list(whole_at),
        list(whole_at.values()),
        all_rows,
    )


async def keep_new_skus(
    connection: Connection, import_id: str, cell: int, store_nos: Sequence[int], skus: Sequence[str]
) -> None:
    """Keep which skus a dry run would have made, and at which store: pairs, one of each column."""
    await connection.execute(sql("keep_new_skus"), import_id, cell, list(store_nos), list(skus))


async def shelves_changed_since(database: Database, import_id: str) -> list[tuple[str | None, str | None]]:
    """Store and sku of rows that are not any more as the import found them, at most 20; sku None: the store itself."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            sql("shelves_changed_since"), import_id, _SAMPLES, timeout=_LONG_TIMEOUT_S
        )  # fmt: skip
    return [(row["store_id"], row["sku"]) for row in rows]


async def what_is_seen(database: Database, partner: str) -> dict[str, Any]:
    """What an import of the partner's stock judges its rows by, beside the shelves: a row of ``imports.saw``."""
    async with database.connection() as connection:
        told = await connection.fetchval(sql("what_is_seen"), partner, timeout=_LONG_TIMEOUT_S)
    saw: dict[str, Any] = json.loads(told)
    return saw


async def meant_otherwise_now(
    database: Database, import_id: str, *, last_store_no: int, last_sku_no: int
) -> list[tuple[str | None, str | None]]:
    """Stores and skus that rows of a dry run of stock may mean now, and did not mean then; at most 20."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            sql("meant_otherwise_now"), import_id, last_store_no, last_sku_no, _SAMPLES, timeout=_LONG_TIMEOUT_S
        )
    return [(row["store_id"], row["sku"]) for row in rows]


async def put_shelves_back(database: Database, import_id: str) -> AsyncIterator[tuple[float, Undone]]:
    """Put back the rows that an import of stock has counted, a few stores in a transaction; the share done, what came.

    Begun anew after it stopped, it goes on where it was. Raises Busy.
    """
    async with database.connection() as connection:
        images = await connection.fetch(sql("images_of_shelves"), import_id, timeout=_LONG_TIMEOUT_S)
    total = sum(row["shelf_rows"] for row in images) or 1
    done = 0
    for cell, of_cell in groupby(images, key=lambda row: row["cell"]):
        batch: list[int] = []
        rows = 0
        for row in [*of_cell, None]:
            if batch and (row is None or rows + row["shelf_rows"] > _ROWS_A_TRANSACTION):
                undone = await in_transaction(database, partial(_put_shelves_back, import_id, cell, batch))
                done += rows
                yield done / total, undone
                batch, rows = [], 0
            if row is not None:
                batch.append(row["store_no"])
                rows += row["shelf_rows"]


async def _put_shelves_back(import_id: str, cell: int, store_nos: list[int], connection: Connection) -> Undone:
    locked = {row["store_no"] for row in await connection.fetch(sql("lock_stores"), cell, store_nos)}
    await connection.execute(sql("lock_shelves"), cell, sorted(locked), None)
    await connection.execute(sql("make_rows_to_undo"))
    await connection.execute(sql("weigh_undo"), cell, import_id, sorted(locked))
    counts = await connection.fetchrow(sql("count_undone"))
    assert counts is not None, "an aggregate has a row"
    undone = Undone(counts["restored"], counts["kept"])
    if undone.kept:
        rows = await connection.fetch(sql("rows_not_undone"), sorted(locked), _SAMPLES)
        undone.samples = [(row["store_id"], row["sku"]) for row in rows]
    shortages = await connection.fetch(sql("shortages_of_undo"))
    await connection.execute(sql("put_rows_back"), cell)
    if shortages:
        await mark_short(connection, cell, [Shortage(*row) for row in shortages])
    await connection.execute(sql("put_whole_counts_back"), cell, import_id, sorted(locked))
    await connection.execute(sql("date_counts_back"), cell, sorted(locked))
    gone = [store_no for store_no in store_nos if store_no not in locked]
    for row in await connection.fetch(sql("images_of_gone_shelves"), cell, import_id, gone):
        undone.kept += row["shelf_rows"]
        undone.samples.append((row["store_id"], None))
    await connection.execute(sql("forget_images_of_shelves"), cell, import_id, store_nos)
    if locked:
        seq = await bump_head(connection, cell)
        await note_stores(connection, cell, seq, sorted(locked), "shelves")
        undone.version[cell] = seq
    return undone


# ── stores and items ───────────────────────────────────────────────────────────────────────────────────────────────


async def told_stores(connection: Connection, store_ids: Sequence[str]) -> dict[str, Told]:
    """Stores as JSON tells their rows, by id; those that are not in service are missing."""
    return {store_id: json.loads(text) for store_id, text in (await texts_of_stores(connection, store_ids)).items()}


async def texts_of_stores(connection: Connection, store_ids: Sequence[str]) -> dict[str, str]:
    """As told_stores, but the JSON itself, which takes a fraction of the time."""
    rows = await connection.fetch(sql("told_stores"), list(store_ids))
    return {row["store_id"]: row["told"] for row in rows}


async def keep_rows(
    connection: Connection, import_id: str, before: Mapping[str, str], after: Mapping[str, str], *, same: bool
) -> None:
    """Keep stores or items, by key, as they were and as the import has left them; ``same``: also what it left alone.

    Each is JSON, and missing where there was none.
    """
    ids = sorted(key for key in before.keys() | after.keys() if same or before.get(key) != after.get(key))
    if ids:
        columns = [[told.get(key) for key in ids] for told in (before, after)]
        await connection.execute(sql("keep_rows"), import_id, ids, *columns)


async def keep_stores(
    connection: Connection, import_id: str, store_ids: Sequence[str], before: Mapping[str, str]
) -> None:
    """Keep stores as they were, by id, and as the import has just left them, in the transaction that wrote them."""
    if store_ids:
        ids = sorted(store_ids)
        found = [before.get(store_id) for store_id in ids]
        await connection.execute(sql("keep_stores"), import_id, ids, spoken(found))


async def images_of_rows(database: Database, import_id: str) -> AsyncIterator[list[tuple[str, Told, Told]]]:
    """Key, before and after of the stores or items that an import has changed, a page at a time, in order of key."""
    last = ""
    while True:
        async with database.connection() as connection:
            rows = await connection.fetch(sql("images_of_rows"), import_id, last, _ROWS_A_PAGE)
        if not rows:
            return
        yield [(row["row_key"], _told(row["before"]), _told(row["after"])) for row in rows]
        last = rows[-1]["row_key"]


async def count_images_of_rows(database: Database, import_id: str) -> int:
    """How many stores or items an import has changed that were not put back yet."""
    async with database.connection() as connection:
        return int(await connection.fetchval(sql("count_images_of_rows"), import_id))


async def stores_come_since(database: Database, import_id: str, partner: str) -> list[str]:
    """Stores of the partner in service that a dry run of its whole set has not found, at most 20, in order."""
    async with database.connection() as connection:
        rows = await connection.fetch(sql("stores_come_since"), import_id, partner, _SAMPLES)
    return [row["store_id"] for row in rows]


async def forget_images_of_rows(connection: Connection, import_id: str, keys: Sequence[str]) -> None:
    """Forget what has been put back."""
    await connection.execute(sql("forget_images_of_rows"), import_id, list(keys))


def _told(text: str | None) -> Told:
    return None if text is None else json.loads(text)


async def forget_images(database: Database) -> None:
    """Forget what was there before imports that ended long ago."""
    async with database.connection() as connection:
        await connection.execute(sql("forget_images"), KEEP_IMAGES, timeout=_LONG_TIMEOUT_S)
        await connection.execute(sql("forget_images_of_old_rows"), KEEP_IMAGES, timeout=_LONG_TIMEOUT_S)
