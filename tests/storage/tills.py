"""What tills send, and orders that hold goods, for the tests of counts and movements."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import count
from typing import Any

from dispatch.domain.movements import Movement, MovementResult
from dispatch.services.movements import SentMovement, post_movements
from dispatch.storage.hot_writes import Writers, writers_on
from dispatch.storage.pool import Connection, Database
from dispatch.storage.shelves import ShelfRow, put_shelf, read_shelf
from tests.storage.worlds import NOW, counts

_IDS = count(1)
HELD_AT = NOW


def moved(sku: str, delta: int, *, at: datetime = NOW, movement_id: str | None = None, **fields: Any) -> Movement:
    return Movement(movement_id=movement_id or f"m{next(_IDS)}", sku=sku, delta=delta, at=at, **fields)


class Till:
    """The tills of stores, and their counts, all through the group commits of one worker."""

    def __init__(self, database: Database, writers: Writers) -> None:
        self.database = database
        self.writers = writers
        self.now = NOW

    async def send(self, *movements: Movement, store_id: str = "a") -> list[MovementResult]:
        sent = [SentMovement(store_id, movement) for movement in movements]
        results, _ = await post_movements(self.database, self.writers.movements, sent, now=self.now)
        return results

    async def count(self, figures: dict[str, int], *, at: datetime, whole: bool = False, store_id: str = "a") -> Any:
        return await put_shelf(
            self.database,
            store_id,
            counts(store_id, figures, at=at),
            whole_as_of=at if whole else None,
            writer=self.writers.counts,
        )

    async def shelf(self, store_id: str = "a") -> dict[str, ShelfRow]:
        return {row.sku: row for row in await read_shelf(self.database, store_id, None)}

    async def on_hand(self, sku: str = "tea", *, store_id: str = "a") -> int:
        """As the database has it, which may be below 0."""
        return (await self.shelf(store_id))[sku].on_hand


@asynccontextmanager
async def till_of(database: Database) -> AsyncIterator[Till]:
    writers = writers_on(database, wait_s=20)
    yield Till(database, writers)
    await writers.stop()


async def hold(
    connection: Connection,
    order_id: str,
    quantity: int,
    *,
    sku: str = "tea",
    client: str = "shop",
    store_id: str = "a",
    order_cell: int = 1,
    held_at: datetime = HELD_AT,
) -> None:
    """Reserve as placing an order does."""
    row = await connection.fetchrow(
        "UPDATE shelves s SET reserved = s.reserved + $3 FROM store_directory d, skus k"
        " WHERE d.store_id = $1 AND k.sku = $2 AND s.cell = d.cell AND s.store_no = d.store_no AND s.sku_no = k.sku_no"
        " RETURNING s.cell, s.store_no, s.sku_no",
        store_id,
        sku,
        quantity,
    )
    assert row is not None
    await connection.execute(
        "INSERT INTO reservations (cell, store_no, client, order_id, order_cell, sku_no, quantity, held_at)"
        " VALUES ($1, $2, $4, $5, $6, $3, $7, $8)",
        *row,
        client,
        order_id,
        order_cell,
        quantity,
        held_at,
    )


async def pick_up(connection: Connection, order_id: str, *, client: str = "shop", at: datetime) -> None:
    """End what is left of the reservations as an order's pick-up does, with a movement for each sku."""
    for row in await connection.fetch(
        "DELETE FROM reservations WHERE client = $1 AND order_id = $2 RETURNING cell, store_no, sku_no, quantity",
        client,
        order_id,
    ):
        key, quantity = row[:3], row["quantity"]
        await connection.execute(
            "UPDATE shelves SET reserved = reserved - $4, on_hand = on_hand - $4, moved_at = greatest(moved_at, $5)"
            " WHERE cell = $1 AND store_no = $2 AND sku_no = $3",
            *key,
            quantity,
            at,
        )
        await connection.execute(
            "INSERT INTO movements (cell, store_no, sku_no, movement_id, delta, at, reason, client, order_id,"
            " written_at) VALUES ($1, $2, $3, $4, $5, $6, 'order', $7, $8, now())",
            *key,
            f"order:{client}:{order_id}:{row['sku_no']}",
            -quantity,
            at,
            client,
            order_id,
        )


async def held_by(connection: Connection, sku: str = "tea") -> Sequence[tuple[str, int, bool]]:
    """Order, quantity and whether it is marked short, in order of order."""
    rows = await connection.fetch(
        "SELECT order_id, quantity, short FROM reservations r JOIN skus k USING (sku_no) WHERE k.sku = $1"
        " ORDER BY client, order_id",
        sku,
    )
    return [(row["order_id"], row["quantity"], row["short"]) for row in rows]
