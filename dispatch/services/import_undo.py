"""Put back what was before an import, unless it was changed since; and compare that before a dry run is applied."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import batched, groupby
from typing import Any, Final

import structlog

from dispatch.domain.errors import CannotBeUndone
from dispatch.services.import_account import Pace
from dispatch.services.imports import signs_of_life
from dispatch.storage.import_images import (
    KEEP_IMAGES,
    Told,
    Undone,
    count_images_of_rows,
    forget_images_of_rows,
    images_of_rows,
    meant_otherwise_now,
    put_shelves_back,
    shelves_changed_since,
    stores_come_since,
    told_stores,
    what_is_seen,
)
from dispatch.storage.imports import ImportRecord, begin_undo, end_undo, note_progress
from dispatch.storage.items import put_items_back, told_items
from dispatch.storage.pool import Connection, Database
from dispatch.storage.retrying import in_transaction
from dispatch.storage.stores import (
    find_stores,
    lock_directory,
    put_stores_of_cell,
    remove_stores_of_cell,
    store_of_told,
)
from geo.cells import cell_of

_log = structlog.get_logger(__name__)

_STORES_A_BATCH: Final = 200
_SAMPLES: Final = 20

type Place = tuple[str | None, str | None]

type Image = tuple[str, Told, Told]
"""A store's id or an item's code, and how it was before the import and after."""


async def open_undo(database: Database, record: ImportRecord, *, now: datetime) -> None:
    """Note that the import is being undone. Raises CannotBeUndone, ImportRunning."""
    if record.status == "undone":
        raise CannotBeUndone(f"the import {record.import_id} is undone already")
    if record.dry_run or record.status not in ("done", "failed"):
        what = "was a dry run, which has changed nothing" if record.dry_run else f"is {record.status}"
        raise CannotBeUndone(f"the import {record.import_id} {what}")
    if record.ended_at is None or now - record.ended_at > KEEP_IMAGES:
        raise CannotBeUndone(f"what was before an import is kept for {KEEP_IMAGES.days} days; this one ended earlier")
    if not await begin_undo(database, record):
        why = "is being undone" if record.status == "done" else "has failed and left nothing to put back"
        raise CannotBeUndone(f"the import {record.import_id} {why}")


async def run_undo(database: Database, record: ImportRecord, *, pace: Pace | None = None) -> None:
    """Undo an import that ``open_undo`` has opened; what came of it is in its report, under ``undo``."""
    before: dict[str, Any] = record.report.get("undo", {})
    total = Undone(before.get("restored", 0), before.get("kept", 0))
    total.samples = [(entry["store_id"], entry["sku"]) for entry in before.get("samples", [])]
    whole = False
    told: dict[str, Any] = {}
    try:
        async with signs_of_life(database, record.import_id):
            if record.kind == "stores":
                await _undo_stores(database, record, total)
            elif record.kind == "items":
                await _undo_items(database, record, total)
            else:
                async for share, undone in put_shelves_back(database, record.import_id):
                    total.add(undone)
                    await note_progress(database, record.import_id, share, None)
                    if pace is not None:
                        await pace()
        whole = True
    except BaseException as error:
        told = {"code": "interrupted", "message": "the undo stopped before its end; undo it again, and it goes on"}
        if isinstance(error, Exception):
            _log.exception("undo_failed", import_id=record.import_id)
        raise
    finally:
        samples = [{"store_id": store_id, "sku": sku} for store_id, sku in total.samples]
        told |= {"restored": total.restored, "kept": total.kept, "samples": samples}
        version = total.version.encode() if total.version else None
        await asyncio.shield(end_undo(database, record.import_id, whole=whole, told=told, version=version))


async def _pages_to_undo(database: Database, record: ImportRecord) -> AsyncIterator[list[Image]]:
    """The images of stores or items, a page at a time; the share of them that was used is noted after each."""
    count = await count_images_of_rows(database, record.import_id)
    done = 0
    async for page in images_of_rows(database, record.import_id):
        yield page
        done += len(page)
        await note_progress(database, record.import_id, min(1.0, done / max(1, count)), None)


async def _undo_stores(database: Database, record: ImportRecord, total: Undone) -> None:
    async for page in _pages_to_undo(database, record):
        async with database.connection() as connection:
            cells = {key.store_id: key.cell for key in await find_stores(connection, [image[0] for image in page])}
        placed = sorted(((_cell_to_write(image, cells), image) for image in page), key=lambda pair: pair[0])
        for cell, pairs in groupby(placed, key=lambda pair: pair[0]):
            for images in batched((image for _, image in pairs), _STORES_A_BATCH):
                work = partial(_put_stores_back, record.import_id, cell, images)
                total.add(await in_transaction(database, work))


async def _undo_items(database: Database, record: ImportRecord, total: Undone) -> None:
    async for page in _pages_to_undo(database, record):
        total.add(await in_transaction(database, partial(_put_items_back, record, page)))


async def _put_items_back(record: ImportRecord, images: Sequence[Image], connection: Connection) -> Undone:
    now = await told_items(connection, record.partner, [code for code, _, _ in images])
    untouched = {code: before for code, before, after in images if now.get(code) == after}
    await put_items_back(connection, record.partner, untouched)
    undone = Undone(len(untouched), len(images) - len(untouched))
    undone.samples += [(None, code) for code, _, _ in images if code not in untouched][:_SAMPLES]
    await forget_images_of_rows(connection, record.import_id, [code for code, _, _ in images])
    return undone


def _cell_to_write(image: Image, cells: Mapping[str, int]) -> int:
    """Where the store was before; of one that was not there, where it is."""
    store_id, before, _ = image
    return cells[store_id] if before is None else cell_of(store_of_told(before).place)


async def _put_stores_back(import_id: str, cell: int, images: Sequence[Image], connection: Connection) -> Undone:
    ids = [store_id for store_id, _, _ in images]
    await lock_directory(connection, ids)
    now = await told_stores(connection, ids)
    untouched = [(store_id, before) for store_id, before, after in images if now.get(store_id) == after]
    undone = Undone(len(untouched), len(images) - len(untouched))
    same = {store_id for store_id, _ in untouched}
    undone.samples += [(store_id, None) for store_id in ids if store_id not in same][:_SAMPLES]
    back = [store_of_told(before) for _, before in untouched if before is not None]
    if back:
        undone.version.merge((await put_stores_of_cell(connection, cell, back)).version)
    new = await find_stores(connection, [store_id for store_id, before in untouched if before is None])
    for store_cell, keys in groupby(sorted(new, key=lambda key: key.cell), key=lambda key: key.cell):
        _, version = await remove_stores_of_cell(connection, store_cell, [key.store_no for key in keys])
        undone.version.merge(version)
    await forget_images_of_rows(connection, import_id, ids)
    return undone


async def changed_since(database: Database, record: ImportRecord) -> list[Place]:
    """What the file of a dry run names, or goes by, that is not any more as that found it: store and sku, at most 20.

    sku None: the store itself; store None: the partner's item of that code, or the sku if it is stock; both None: some
    of the partner's items, by which the codes of its stock are read.
    """
    if record.kind == "stock":
        return await _stock_changed_since(database, record)
    changed = await _come_since(database, record)
    async for page in images_of_rows(database, record.import_id):
        keys = [key for key, _, _ in page]
        async with database.connection() as connection:
            if record.kind == "items":
                now = await told_items(connection, record.partner, keys)
            else:
                now = await told_stores(connection, keys)
        different = [key for key, before, _ in page if now.get(key) != before]
        changed += [(None, key) if record.kind == "items" else (key, None) for key in different]
        if len(changed) >= _SAMPLES:
            break
    return changed[:_SAMPLES]


async def _stock_changed_since(database: Database, record: ImportRecord) -> list[Place]:
    changed: list[Place] = []
    if (await what_is_seen(database, record.partner))["items"] != record.saw["items"]:
        changed.append((None, None))
    last = {name: record.saw[name] for name in ("last_store_no", "last_sku_no")}
    changed += await meant_otherwise_now(database, record.import_id, **last)
    changed += await shelves_changed_since(database, record.import_id)
    return changed[:_SAMPLES]


async def _come_since(database: Database, record: ImportRecord) -> list[Place]:
    """What the partner has that a dry run of its whole set has not found, and its file would take away unseen."""
    if record.mode != "replace" or "not_removed" in record.report:
        return []
    if record.kind == "stores":
        return [(store_id, None) for store_id in await stores_come_since(database, record.import_id, record.partner)]
    async with database.connection() as connection:
        codes = set(await told_items(connection, record.partner))
    async for page in images_of_rows(database, record.import_id):
        codes -= {code for code, _, _ in page}
    return [(None, code) for code in sorted(codes)[:_SAMPLES]]
