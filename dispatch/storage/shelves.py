"""Shelf counts in the database.

A count says what was there at ``as_of``; what has moved since comes on top. Locks go in the one global order: store
rows, then shelf rows, then the cell's head. One transaction applies whole shelves of stores of one cell.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import batched, groupby
from typing import Final, NamedTuple

import asyncpg

from dispatch.domain.errors import SnapshotTooOld, StoreNotFound
from dispatch.domain.stores import Keep, ShelfCount
from dispatch.domain.versions import Version
from dispatch.storage.changes import ShelfKey, bump_head, note_shelves, note_stores
from dispatch.storage.group_commit import GroupCommit
from dispatch.storage.pool import Connection, Database
from dispatch.storage.retrying import in_transaction
from dispatch.storage.sql import sql
from dispatch.storage.stores import MOST_MOVES_FOLLOWED, StoreKey, find_store, find_stores

# Locks of about 20,000 rows, for a fraction of a second.
_STORES_REDATED_AT_ONCE = 50

COUNT_COLUMNS = (
    "cell", "store_no", "sku_no", "on_hand", "price_minor", "currency", "price_set", "safety_stock", "safety_set",
    "as_of", "n_rows",
)  # fmt: skip

# Counts of at most so many rows are written together with others.
MOST_SMALL: Final = 200

# A whole shelf: the store, when it was counted, and the skus of bad rows, which are to be left as they are.
type WholeShelves = Mapping[int, tuple[datetime, frozenset[int]]]


# When the whole shelf of each of these stores was last counted, by number; None: never.
type CountedWholeAt = Mapping[int, datetime | None]


@dataclass(slots=True)
class CountsApplied:
    """What became of the counts of one call, in rows of the source; ``removed`` in shelf rows."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    older: int = 0  # kept out: the row, or the whole shelf, was counted later
    removed: int = 0  # had stock, and a whole shelf does not name them
    newer_absent: int = 0  # have stock that was counted later than the whole shelf that does not name them
    version: Version = field(default_factory=Version)

    @property
    def newer_kept(self) -> int:
        """Rows that stayed because they were counted later, named or not."""
        return self.older + self.newer_absent

    def add(self, other: "CountsApplied") -> None:
        self.created += other.created
        self.updated += other.updated
        self.unchanged += other.unchanged
        self.older += other.older
        self.removed += other.removed
        self.newer_absent += other.newer_absent
        self.version.merge(other.version)


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """Counts of distinct skus of one store, with the skus' numbers; with ``whole_as_of`` they are its whole shelf."""

    key: StoreKey
    counts: Sequence[ShelfCount]
    numbers: Mapping[str, int]
    whole_as_of: datetime | None


type CountWriter = GroupCommit[StoreCounts, CountsApplied | None]
"""Items are keyed by store, so that two counts of one never come together; None: it is not in that cell any more."""


class Shortage(NamedTuple):
    """A shelf row of which less will be there than is reserved, or was."""

    store_no: int
    sku_no: int
    on_hand: int
    grows: bool  # more is short than was


@dataclass(frozen=True, slots=True)
class ShelfRow:
    """One row of a shelf as the database has it. ``on_hand`` is below 0 when more was sold than was ever counted."""

    sku: str
    on_hand: int
    reserved: int
    safety_stock: int
    withheld: int
    price_minor: int | None
    currency: str | None
    as_of: datetime
    moved_at: datetime | None

    @property
    def available(self) -> int:
        return max(0, self.on_hand - self.reserved - self.safety_stock - self.withheld)

    @property
    def short(self) -> int:
        """How much more is reserved than is there."""
        return max(0, self.reserved - max(0, self.on_hand))


async def sku_numbers(connection: Connection, skus: Sequence[str], *, make: bool = True) -> dict[str, int]:
    """The number of each sku; a new one's is made, or missing. Call it outside of the transaction that takes locks."""
    distinct = sorted(set(skus))
    rows = await connection.fetch(sql("sku_numbers"), distinct)
    known: dict[str, int] = {row["sku"]: row["sku_no"] for row in rows}
    if make and len(known) < len(distinct):
        missing = [sku for sku in distinct if sku not in known]
        await connection.execute(sql("add_skus"), missing)
        for row in await connection.fetch(sql("sku_numbers"), missing):
            known[row["sku"]] = row["sku_no"]
    return known


async def weigh_waiting_counts(
    connection: Connection, cell: int, counted_whole_at: CountedWholeAt, *, whole: WholeShelves
) -> dict[int, CountsApplied]:
    """Compare what waits in ``counts_to_apply`` with the shelves; what would come of it by store. Changes nothing.

    ``counted_whole_at`` names the stores, and when the whole shelf of each was last counted. ``whole`` names those
    whose whole shelf this is: what is absent there is 0. Stores whose whole shelf was counted later must have been
    taken out by the caller.
    """
    if whole:
        await connection.execute(sql("add_absent"), cell, *_absent_arguments(whole))
    await connection.execute(sql("weigh_counts"), cell, list(counted_whole_at), list(counted_whole_at.values()))
    results = {store_no: CountsApplied() for store_no in counted_whole_at}
    for weighed in await connection.fetch(sql("sum_weighed"), cell):
        results[weighed["store_no"]] = _as_weighed(weighed)
    return results


async def apply_waiting_counts(
    connection: Connection,
    cell: int,
    counted_whole_at: CountedWholeAt,
    *,
    whole: WholeShelves,
    marked: WholeShelves | None = None,
    named: Sequence[ShelfKey] | None = None,
    lock_whole: bool = False,
) -> dict[int, CountsApplied]:
    """Take over what waits in ``counts_to_apply``, as ``weigh_waiting_counts`` says; what came of it by store.

    In the caller's transaction, which has the stores locked. ``named`` are the rows that the counts name, where they
    are few enough to be told one by one. ``marked`` are those of ``whole`` that count as counted whole; none: all.
    ``lock_whole``: the counts name so many rows that it is quicker to lock all of these stores' shelves.
    """
    if lock_whole or len(whole) == len(counted_whole_at):
        await connection.execute(sql("lock_shelves"), cell, list(counted_whole_at), None)
    else:
        await connection.execute(sql("lock_counted_shelves"), cell, list(whole))
    results = await weigh_waiting_counts(connection, cell, counted_whole_at, whole=whole)
    shortages = await connection.fetch(sql("shortages_of_counts"), cell)
    await connection.execute(sql("insert_counted"), cell)
    await connection.execute(sql("update_counted"), cell)
    if shortages:
        await mark_short(connection, cell, [Shortage(*row) for row in shortages])
    await connection.execute(
        sql("mark_counts"), cell, list(counted_whole_at), *_absent_arguments(whole if marked is None else marked)[:2]
    )
    seq = await bump_head(connection, cell)
    await note_shelves(connection, cell, seq, named or (), whole=counted_whole_at if named is None else whole)
    for result in results.values():
        result.version[cell] = seq
    return results


def _as_weighed(weighed: asyncpg.Record) -> CountsApplied:
    names = ("created", "unchanged", "older", "removed", "newer_absent")
    result = CountsApplied(**{name: weighed[name] for name in names})
    result.updated = weighed["rows"] - result.created - result.unchanged - result.older
    return result


async def mark_short(connection: Connection, cell: int, shortages: Sequence[Shortage]) -> None:
    """Mark the reservations that these shortages hit, oldest first served; the stores are locked."""
    await connection.execute(sql("mark_short"), cell, *(list(column) for column in zip(*shortages, strict=True)))


def _absent_arguments(whole: WholeShelves) -> tuple[list[int], list[datetime], list[int], list[int]]:
    left_alone = [(store_no, sku_no) for store_no, (_, skus) in whole.items() for sku_no in sorted(skus)]
    return (
        list(whole),
        [as_of for as_of, _ in whole.values()],
        [store_no for store_no, _ in left_alone],
        [sku_no for _, sku_no in left_alone],
    )


async def put_shelf(
    database: Database,
    store_id: str,
    counts: Sequence[ShelfCount],
    *,
    whole_as_of: datetime | None,
    writer: CountWriter | None = None,
) -> CountsApplied:
    """Apply counts of distinct skus of one store; with ``whole_as_of`` they are its whole shelf.

    A few go through ``writer``, together with those of other stores. An empty version says that there was nothing to
    write. Raises StoreNotFound, Busy, OutcomeUnknown, and SnapshotTooOld if the whole shelf was counted later.
    """
    for _ in range(MOST_MOVES_FOLLOWED):
        async with database.connection() as connection:
            key = await find_store(connection, store_id)
            # Looked at once without a lock, so that a count that is refused makes no new skus.
            await _check_countable(connection, key, whole_as_of)
            numbers = await sku_numbers(connection, [count.sku for count in counts])
        item = StoreCounts(key, counts, numbers, whole_as_of)
        if writer is not None and len(counts) <= MOST_SMALL:
            applied = await writer.submit(key.cell, key.store_no, item)
        else:
            applied = await in_transaction(database, partial(_put_alone, item))
        if applied is not None:
            return applied
    raise StoreNotFound(f"there is no store {store_id}")


async def _put_alone(item: StoreCounts, connection: Connection) -> CountsApplied | None:
    [result] = await _count_stores(connection, item.key.cell, [item])
    if isinstance(result, Exception):
        raise result
    return result


async def write_counts(
    connection: Connection, cell: int, items: Sequence[StoreCounts]
) -> list[CountsApplied | Exception | None]:
    """Apply counts of different stores of a cell, each succeeding or failing alone; for a GroupCommit."""
    async with connection.transaction():
        return await _count_stores(connection, cell, items)


async def _count_stores(
    connection: Connection, cell: int, items: Sequence[StoreCounts]
) -> list[CountsApplied | Exception | None]:
    """What became of each; None if the store has just moved to another cell, or is gone."""
    locked = await connection.fetch(sql("lock_stores"), cell, [item.key.store_no for item in items])
    counted_whole_at = {row["store_no"]: row["counted_whole_at"] for row in locked}
    here = [item for item in items if item.key.store_no in counted_whole_at]
    refused = {item.key.store_no: _too_old(item, counted_whole_at[item.key.store_no]) for item in here}
    applying = [item for item in here if refused[item.key.store_no] is None]
    results: dict[int, CountsApplied | Exception | None] = {}
    results |= {store_no: error for store_no, error in refused.items() if error is not None}
    if any(item.counts or item.whole_as_of is not None for item in applying):
        await connection.copy_records_to_table(
            "counts_to_apply", records=[row for item in applying for row in _records(item)], columns=COUNT_COLUMNS
        )
        results |= await apply_waiting_counts(
            connection,
            cell,
            {item.key.store_no: counted_whole_at[item.key.store_no] for item in applying},
            whole={i.key.store_no: (i.whole_as_of, frozenset()) for i in applying if i.whole_as_of is not None},
            named=[(item.key.store_no, item.numbers[count.sku]) for item in applying for count in item.counts],
        )
    else:
        results |= {item.key.store_no: CountsApplied() for item in applying}
    return [results.get(item.key.store_no) for item in items]


async def _check_countable(connection: Connection, key: StoreKey, whole_as_of: datetime | None) -> None:
    row = await connection.fetchrow(sql("counted_whole_at"), key.cell, key.store_no)
    if row is None or row["removed_at"] is not None:
        raise StoreNotFound(f"there is no store {key.store_id}")
    if (error := _too_old(StoreCounts(key, (), {}, whole_as_of), row["counted_whole_at"])) is not None:
        raise error


def _too_old(item: StoreCounts, last_whole: datetime | None) -> SnapshotTooOld | None:
    if item.whole_as_of is None or last_whole is None or item.whole_as_of >= last_whole:
        return None
    return SnapshotTooOld(
        f"the whole shelf of {item.key.store_id} was counted at {last_whole.isoformat()},"
        f" later than {item.whole_as_of.isoformat()}; send a newer count"
    )


def _records(item: StoreCounts) -> Iterable[tuple[object, ...]]:
    for count in item.counts:
        price_set = not isinstance(count.price_minor, Keep)
        price = count.price_minor if price_set else None
        safety_set = not isinstance(count.safety_stock, Keep)
        yield (
            item.key.cell,
            item.key.store_no,
            item.numbers[count.sku],
            count.on_hand,
            price,
            count.currency if price is not None else None,
            price_set,
            (count.safety_stock or 0) if safety_set else 0,
            safety_set,
            count.as_of,
            count.rows,
        )


async def read_shelf(database: Database, store_id: str, skus: Sequence[str] | None) -> list[ShelfRow]:
    """A store's shelf in order of sku; only these skus, or all. Raises StoreNotFound. Empty if never stocked."""
    async with database.connection() as connection:
        key = await find_store(connection, store_id)
        if await connection.fetchrow(sql("read_store"), key.cell, key.store_no) is None:
            raise StoreNotFound(f"there is no store {store_id}")
        rows = await connection.fetch(sql("shelf"), key.cell, key.store_no, None if skus is None else list(skus))
    return [ShelfRow(*row) for row in rows]


async def redate_shelves(database: Database, store_ids: Sequence[str], as_of: datetime) -> Version:
    """Date the shelves of these stores ``as_of``, a few stores of a cell at a time; for made-up data only."""
    version = Version()
    async with database.connection() as connection:
        keys = sorted(await find_stores(connection, store_ids), key=lambda key: (key.cell, key.store_no))
        for cell, of_cell in groupby(keys, key=lambda key: key.cell):
            for batch in batched((key.store_no for key in of_cell), _STORES_REDATED_AT_ONCE):
                store_nos = list(batch)
                async with connection.transaction():
                    await connection.execute(sql("lock_stores"), cell, store_nos)
                    await connection.execute(sql("lock_shelves"), cell, store_nos, None)
                    await connection.execute(sql("redate"), cell, store_nos, as_of)
                    await connection.execute(sql("redate_stores"), cell, store_nos, as_of)
                    seq = await bump_head(connection, cell)
                    await note_stores(connection, cell, seq, store_nos, "shelves")
                    version[cell] = seq
    return version
