"""A made-up world in PostgreSQL, by COPY."""

from collections.abc import AsyncIterator, Callable
from typing import Final

import asyncpg
import numpy as np
from rich.progress import Progress

from dispatch.domain.stores import Store
from dispatch.storage.pool import Database
from dispatch.storage.stores import put_stores_of_cell
from geo.cells import cell_of
from tests.bench.world import World

_STORES_A_CALL: Final = 1_000
_ROWS_A_CHUNK: Final = 200_000
_AS_OF_BACK_S: Final = 3_600
_POSTGRES_EPOCH_S: Final = 946_684_800
_TIMEOUT_S: Final = 3_600

# Binary COPY of (cell, store_no, sku_no, price_minor, as_of, on_hand, currency).
_ROW: Final = np.dtype(
    [
        ("fields", ">i2"),
        ("l1", ">i4"), ("cell", ">i8"),
        ("l2", ">i4"), ("store_no", ">i8"),
        ("l3", ">i4"), ("sku_no", ">i8"),
        ("l4", ">i4"), ("price_minor", ">i8"),
        ("l5", ">i4"), ("as_of", ">i8"),
        ("l6", ">i4"), ("on_hand", ">i4"),
        ("l7", ">i4"), ("currency", "S3"),
    ]
)  # fmt: skip
COPIED_COLUMNS: Final = ("cell", "store_no", "sku_no", "price_minor", "as_of", "on_hand", "currency")


async def fill(url: str, world: World, *, now_s: int, progress: Progress) -> int:
    """Write the world into an empty, migrated database; how many shelf rows it has.

    Checks of foreign keys are off meanwhile: 40 million of them would be most of the time.
    """
    numbers = await _stores(url, world, progress)
    connection = await asyncpg.connect(url)
    try:
        skus = [world.sku(number) for number in range(world.skus)]
        await connection.execute("INSERT INTO skus (sku) SELECT unnest($1::text[])", skus)
        found = {row["sku"]: row["sku_no"] for row in await connection.fetch("SELECT sku, sku_no FROM skus")}
        sku_nos = np.array([found[sku] for sku in skus], dtype=np.int64)
        rows = _rows(world, numbers, sku_nos)
        task = progress.add_task("shelf rows", total=len(rows))
        await connection.execute("SET session_replication_role = replica")
        await connection.copy_to_table(
            "shelves",
            source=binary_rows(rows, numbers, now_s - _AS_OF_BACK_S, lambda count: progress.advance(task, count)),
            columns=COPIED_COLUMNS,
            format="binary",
            timeout=_TIMEOUT_S,
        )
        await connection.execute("VACUUM (ANALYZE) shelves", timeout=_TIMEOUT_S)
        await connection.execute("ANALYZE stores", timeout=_TIMEOUT_S)
        await connection.execute("CHECKPOINT", timeout=_TIMEOUT_S)
    finally:
        await connection.close()
    return len(rows)


async def _stores(url: str, world: World, progress: Progress) -> np.ndarray:
    """(cell, store_no) of each store of the world."""
    database = await Database.open(url)
    stores_by_cell: dict[int, list[Store]] = {}
    for i in range(world.stores):
        store = world.store(i)
        stores_by_cell.setdefault(cell_of(store.place), []).append(store)
    task = progress.add_task("stores", total=world.stores)
    for cell, stores in sorted(stores_by_cell.items()):
        for start in range(0, len(stores), _STORES_A_CALL):
            part = stores[start : start + _STORES_A_CALL]
            async with database.transaction() as connection:
                await put_stores_of_cell(connection, cell, part)
            progress.advance(task, len(part))
    await database.close()
    connection = await asyncpg.connect(url)
    found = {row["store_id"]: (row["cell"], row["store_no"]) for row in
             await connection.fetch("SELECT store_id, cell, store_no FROM store_directory")}  # fmt: skip
    await connection.close()
    return np.array([found[world.store_id(i)] for i in range(world.stores)], dtype=np.int64)


def _rows(world: World, numbers: np.ndarray, sku_nos: np.ndarray) -> np.ndarray:
    """Every shelf row in order of (cell, store): as a chain's feed, store by store, leaves them on the disk."""
    parts = [(np.full(len(stores), number), stores, on_hand, price) for number, stores, on_hand, price in world.rows()]
    number, store, on_hand, price = (np.concatenate(column) for column in zip(*parts, strict=True))
    rank = np.empty(world.stores, dtype=np.int64)
    rank[np.lexsort((numbers[:, 1], numbers[:, 0]))] = np.arange(world.stores)
    order = np.argsort(rank[store] * world.skus + number)
    rows = np.empty(len(order), dtype=[("place", "i4"), ("sku_no", "i4"), ("on_hand", "i4"), ("price", "i4")])
    rows["place"], rows["sku_no"] = store[order], sku_nos[number[order]]
    rows["on_hand"], rows["price"] = on_hand[order], price[order]
    return rows


async def binary_rows(
    rows: np.ndarray, numbers: np.ndarray, as_of_s: int, advance: Callable[[int], None]
) -> AsyncIterator[bytes]:
    """The rows (place, sku_no, on_hand, price) as COPY reads them; ``numbers``: cell and number of each place."""
    yield b"PGCOPY\n\xff\r\n\x00" + bytes(8)
    for start in range(0, len(rows), _ROWS_A_CHUNK):
        part = rows[start : start + _ROWS_A_CHUNK]
        out = np.empty(len(part), dtype=_ROW)
        out["fields"] = len(COPIED_COLUMNS)
        for length, value in (("l1", 8), ("l2", 8), ("l3", 8), ("l4", 8), ("l5", 8), ("l6", 4), ("l7", 3)):
            out[length] = value
        out["cell"], out["store_no"] = numbers[part["place"], 0], numbers[part["place"], 1]
        out["sku_no"], out["price_minor"], out["on_hand"] = part["sku_no"], part["price"], part["on_hand"]
        out["as_of"] = (as_of_s - _POSTGRES_EPOCH_S) * 1_000_000
        out["currency"] = b"CNY"
        advance(len(part))
        yield out.tobytes()
    yield b"\xff\xff"
