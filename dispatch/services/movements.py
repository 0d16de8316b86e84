"""Movements from the tills: sales, receipts, pick-ups and returns of orders."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from typing import Final

from dispatch.domain.movements import EARLIEST, OWN_PREFIXES, Movement, MovementResult, refused
from dispatch.domain.versions import Version
from dispatch.services.stores import MOST_AHEAD
from dispatch.storage.movements import MovementsWritten, MovementWriter, StoreMovements
from dispatch.storage.pool import Database
from dispatch.storage.shelves import sku_numbers
from dispatch.storage.stores import MOST_MOVES_FOLLOWED, StoreKey, find_stores

# So many of one store go into one batch as one; a batch takes up to 64 such.
_TOGETHER: Final = 50


@dataclass(frozen=True, slots=True)
class SentMovement:
    """A movement, and the store that it is said to be of."""

    store_id: str
    movement: Movement


async def post_movements(
    database: Database, writer: MovementWriter, sent: Sequence[SentMovement], *, now: datetime
) -> tuple[list[MovementResult], Version]:
    """Write movements, each on its own; a result for each in their order, and what a read must have seen to see them.

    Those of one store are taken in the order in which they stand. Raises Busy, OutcomeUnknown, DatabaseUnavailable:
    some may be written then, and sending all of them again is right.
    """
    results: list[MovementResult | None] = [_refusal(one.movement, now) for one in sent]
    left = [n for n, result in enumerate(results) if result is None]
    async with database.connection() as connection:
        found = await find_stores(connection, sorted({sent[n].store_id for n in left}))
        stores = {key.store_id: key for key in found}
        skus = sorted({sent[n].movement.sku for n in left if sent[n].store_id in stores})
        numbers = await sku_numbers(connection, skus)
    by_store: dict[str, list[int]] = {}
    for n in left:
        by_store.setdefault(sent[n].store_id, []).append(n)
    parts = [(stores.get(store_id), part) for store_id, its in by_store.items() for part in batched(its, _TOGETHER)]
    outcomes = await asyncio.gather(
        *(_write(database, writer, key, [sent[n].movement for n in part], numbers) for key, part in parts),
        return_exceptions=True,
    )
    version = Version()
    for (_, part), written in zip(parts, outcomes, strict=True):
        if isinstance(written, BaseException):
            raise written
        version.merge(written.version)
        for n, result in zip(part, written.results, strict=True):
            results[n] = result
    return [result for result in results if result is not None], version


def _refusal(movement: Movement, now: datetime) -> MovementResult | None:
    """What can be said against it without looking."""
    if movement.at - now > MOST_AHEAD:
        detail = (
            f"is {(movement.at - now).total_seconds():.0f} s ahead; at most {MOST_AHEAD.seconds} s is a clock's error"
        )
        return refused(movement.movement_id, "at_in_future", detail)
    if movement.at < EARLIEST:
        return refused(movement.movement_id, "at_too_early", f"is before the year {EARLIEST.year}")
    if movement.movement_id.startswith(OWN_PREFIXES):
        detail = f"ids that begin with {' or '.join(OWN_PREFIXES)} are the service's own; choose another"
        return refused(movement.movement_id, "movement_id_reserved", detail)
    return None


async def _write(
    database: Database,
    writer: MovementWriter,
    key: StoreKey | None,
    movements: Sequence[Movement],
    numbers: Mapping[str, int],
) -> MovementsWritten:
    """Write some movements of one store, wherever it has moved meanwhile."""
    for _ in range(MOST_MOVES_FOLLOWED):
        if key is None:
            break
        # No two have the same key: what is sent twice at once is told apart by its id, in one batch or in two.
        written = await writer.submit(key.cell, object(), StoreMovements(key.store_no, movements, numbers))
        if written is not None:
            return written
        async with database.connection() as connection:
            keys = await find_stores(connection, [key.store_id])
        key = next((moved for moved in keys if moved.cell != key.cell), None)
    detail = "there is no such store, or it is out of service"
    return MovementsWritten([refused(movement.movement_id, "store_not_found", detail) for movement in movements])
