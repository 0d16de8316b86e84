"""Shelf counts in the database.

A count says what was there at ``as_of``. Locks go in the one global order: store rows, then shelf rows, then the
cell's head. One transaction applies whole shelves of stores of one cell.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import batched, groupby

from dispatch.domain.errors import SnapshotTooOld, StoreNotFound
from dispatch.domain.stores import Keep, ShelfCount
from dispatch.domain.versions import Version
from dispatch.storage.changes import MAX_ROWS_NOTED_ONE_BY_ONE, bump_head, note_shelf_rows, note_stores
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

# A whole shelf: the store, when it was counted, and the skus of bad rows, which are to be left as they are.
type WholeShelves = Mapping[int, tuple[datetime, frozenset[int]]]


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
class ShelfRow:
    """One row of a shelf as the database has it."""

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
        return max(0, self.reserved - self.on_hand)


async def sku_numbers(connection: Connection, skus: Sequence[str]) -> dict[str, int]:
    """The number of each sku, which is made for a new one. Call it outside of the transaction that takes locks."""
    distinct = sorted(set(skus))
    rows = await connection.fetch(sql("sku_numbers"), distinct)
    known: dict[str, int] = {row["sku"]: row["sku_no"] for row in rows}
    if len(known) < len(distinct):
        missing = [sku for sku in distinct if sku not in known]
        await connection.execute(sql("add_skus"), missing)
        for row in await connection.fetch(sql("sku_numbers"), missing):
            known[row["sku"]] = row["sku_no"]
    return known


async def apply_waiting_counts(
    connection: Connection,
    cell: int,
    store_nos: Sequence[int],
    *,
    whole: WholeShelves,
    sku_nos: Sequence[int] | None = None,
    dry_run: bool = False,
) -> CountsApplied:
    """Take over what waits in ``counts_to_apply`` for these stores of a cell, inside the caller's transaction.

    ``whole`` names the stores whose whole shelf this is: what is absent there is 0. ``sku_nos`` says that only these
    rows are touched. Stores whose whole shelf was counted later must have been taken out by the caller.
    """
    await connection.execute(sql("lock_shelves"), cell, list(store_nos), None if whole else sku_nos)
    await connection.execute(sql("fill_kept"), cell)
    weighed = await connection.fetchrow(sql("weigh_counts"), cell)
    assert weighed is not None, "an aggregate has a row"
    result = CountsApplied(created=weighed["created"], unchanged=weighed["unchanged"], older=weighed["older"])
    result.updated = weighed["rows"] - result.created - result.unchanged - result.older
    absent = _absent_arguments(whole)
    if whole:
        unnamed = await connection.fetchrow(sql("weigh_absent"), cell, *absent)
        assert unnamed is not None, "an aggregate has a row"
        result.removed, result.newer_absent = unnamed["removed"], unnamed["newer"]
    if dry_run:
        return result
    await connection.execute(sql("apply_counts"), cell)
    if whole:
        await connection.execute(sql("zero_absent"), cell, *absent)
        await connection.execute(sql("mark_whole_counts"), cell, *absent[:2])
    seq = await bump_head(connection, cell)
    if sku_nos is not None and len(store_nos) == 1 and not whole and len(sku_nos) <= MAX_ROWS_NOTED_ONE_BY_ONE:
        await note_shelf_rows(connection, cell, seq, store_nos[0], sku_nos)
    else:
        await note_stores(connection, cell, seq, store_nos, "shelves")
    result.version[cell] = seq
    return result


def _absent_arguments(whole: WholeShelves) -> tuple[list[int], list[datetime], list[int], list[int]]:
    left_alone = [(store_no, sku_no) for store_no, (_, skus) in whole.items() for sku_no in sorted(skus)]
    return (
        list(whole),
        [as_of for as_of, _ in whole.values()],
        [store_no for store_no, _ in left_alone],
        [sku_no for _, sku_no in left_alone],
    )


async def put_shelf(
    database: Database, store_id: str, counts: Sequence[ShelfCount], *, whole_as_of: datetime | None
) -> CountsApplied:
    """Apply counts of distinct skus of one store; with ``whole_as_of`` they are its whole shelf.

    Raises StoreNotFound, Busy, and SnapshotTooOld when the whole shelf was counted later already. An empty version
    says that there was nothing to write.
    """
    async with database.connection() as connection:
        for _ in range(MOST_MOVES_FOLLOWED):
            key = await find_store(connection, store_id)
            # Looked at once without a lock, so that a count that is refused makes no new skus.
            await _check_countable(connection, key, whole_as_of)
            numbers = await sku_numbers(connection, [count.sku for count in counts])
            applied = await in_transaction(connection, partial(_put_here, key, counts, numbers, whole_as_of))
            if applied is not None:
                return applied
    raise StoreNotFound(f"there is no store {store_id}")


async def _put_here(
    key: StoreKey,
    counts: Sequence[ShelfCount],
    numbers: Mapping[str, int],
    whole_as_of: datetime | None,
    connection: Connection,
) -> CountsApplied | None:
    """Apply the counts where ``key`` says the store lies; None if it has just moved to another cell, or is gone."""
    if not await connection.fetch(sql("lock_stores"), key.cell, [key.store_no]):
        return None
    await _check_countable(connection, key, whole_as_of)
    if not counts and whole_as_of is None:
        return CountsApplied()
    whole: WholeShelves = {} if whole_as_of is None else {key.store_no: (whole_as_of, frozenset())}
    await connection.copy_records_to_table(
        "counts_to_apply", records=_records(key.cell, key.store_no, counts, numbers), columns=COUNT_COLUMNS
    )
    sku_nos = [numbers[count.sku] for count in counts]
    return await apply_waiting_counts(connection, key.cell, [key.store_no], whole=whole, sku_nos=sku_nos)


async def _check_countable(connection: Connection, key: StoreKey, whole_as_of: datetime | None) -> None:
    row = await connection.fetchrow(sql("counted_whole_at"), key.cell, key.store_no)
    if row is None or row["removed_at"] is not None:
        raise StoreNotFound(f"there is no store {key.store_id}")
    last_whole = row["counted_whole_at"]
    if whole_as_of is not None and last_whole is not None and whole_as_of < last_whole:
        raise SnapshotTooOld(
            f"the whole shelf of {key.store_id} was counted at {last_whole.isoformat()},"
            f" later than {whole_as_of.isoformat()}; send a newer count"
        )


def _records(
    cell: int, store_no: int, counts: Sequence[ShelfCount], numbers: Mapping[str, int]
) -> Iterable[tuple[object, ...]]:
    for count in counts:
        price_set = not isinstance(count.price_minor, Keep)
        price = count.price_minor if price_set else None
        safety_set = not isinstance(count.safety_stock, Keep)
        yield (
            cell,
            store_no,
            numbers[count.sku],
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
                    seq = await bump_head(connection, cell)
                    await note_stores(connection, cell, seq, store_nos, "shelves")
                    version[cell] = seq
    return version
