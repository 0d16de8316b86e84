"""Stores and counts for the tests of storage, and what a replica holds, in plain values."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np

from dispatch.api.rendering import store_told_whole
from dispatch.app import store_defaults, travel_of
from dispatch.domain.stores import ShelfCount, Store
from dispatch.replica.follower import Follower
from dispatch.replica.freshness import ANCIENT_S
from dispatch.replica.replica import Replica
from dispatch.services.nearby import state_of
from dispatch.settings import load_settings
from dispatch.storage.pool import Connection, Database
from geo.cells import cell_of
from geo.coordinates import LatLon
from geo.datums import Datum

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
TAIPEI, KYOTO, SYDNEY = (25.03, 121.56), (35.01, 135.77), (-33.87, 151.21)
CELLS = {place: cell_of(LatLon(lat=place[0], lon=place[1])) for place in (TAIPEI, KYOTO, SYDNEY)}
FRESHNESS_STEP_S = 4  # a replica says at most so much older than it is, never newer
STALE_AFTER_S = 129_600  # a row that is older than this by the newest of its shelf may be told as ancient


def store(store_id: str, place: tuple[float, float] = TAIPEI, **fields: Any) -> Store:
    return Store(store_id=store_id, place=LatLon(lat=place[0], lon=place[1]), **{"timezone": "Asia/Taipei", **fields})


def counts(store_id: str, figures: dict[str, int], *, at: datetime = NOW, **fields: Any) -> list[ShelfCount]:
    return [ShelfCount(store_id=store_id, sku=sku, on_hand=n, as_of=at, **fields) for sku, n in figures.items()]


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def follower_of(database: Database) -> Follower:
    """A follower that moves when it is told to, with ``step``."""
    settings = load_settings(database_url="postgresql://nobody@localhost/none")
    return Follower(
        database,
        defaults=store_defaults(settings),
        travel=travel_of(settings),
        every_s=60,
        stale_after_s=600,
        monotonic=time.monotonic,
    )


class Row(NamedTuple):
    available: int
    price: tuple[int, str] | None
    fresh_s: int


type Shelves = dict[str, dict[str, Row]]


async def shelves_of(connection: Connection) -> Shelves:
    """Every shelf in service as the database has it, by store id and sku."""
    rows = await connection.fetch(
        """
        SELECT t.store_id, k.sku, s.on_hand, s.reserved, s.safety_stock, s.withheld, s.price_minor, s.currency,
               greatest(s.as_of, s.moved_at) AS fresh_at
        FROM stores t LEFT JOIN (shelves s JOIN skus k USING (sku_no)) USING (cell, store_no)
        WHERE t.removed_at IS NULL
        """
    )
    found: Shelves = {}
    for row in rows:
        shelf = found.setdefault(row["store_id"], {})
        if row["sku"] is not None:
            available = max(0, row["on_hand"] - row["reserved"] - row["safety_stock"] - row["withheld"])
            price = None if row["price_minor"] is None else (row["price_minor"], row["currency"])
            shelf[row["sku"]] = Row(available, price, int(row["fresh_at"].timestamp()))
    return found


def shelves_in(replica: Replica, store_ids: Iterable[str]) -> Shelves:
    """The same as a replica has it, of these stores, all of which it must know."""
    found: Shelves = {}
    for store_id in store_ids:
        slot = replica.slot(store_id)
        assert slot is not None, f"the replica does not know {store_id}"
        at = np.array([slot], dtype=np.int64)
        shelf = found[store_id] = {}
        for number in range(replica.stock.sku_count):
            row = replica.stock.gather(number, at)
            if row.has_row[0]:
                price = replica.stock.price(number, slot)
                shelf[replica.stock.sku(number)] = Row(int(row.available[0]), price, int(row.fresh_s[0]))
    return found


def stores_in(replica: Replica, store_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What a replica would tell of these stores."""
    told = {}
    for store_id in store_ids:
        slot = replica.slot(store_id)
        assert slot is not None, f"the replica does not know {store_id}"
        told[store_id] = store_told_whole(replica, state_of(replica, slot, int(NOW.timestamp())), Datum.WGS84)
    return told


async def assert_equal_to_database(replica: Replica, database: Database) -> int:
    """Row by row, and store by store against a replica that is loaded anew; how many shelf rows there were."""
    async with database.connection() as connection:
        expected = await shelves_of(connection)
    _assert_shelves(replica, expected)
    fresh = follower_of(database)
    await fresh.step()
    _assert_shelves(fresh.replica, expected)
    assert stores_in(replica, expected) == stores_in(fresh.replica, expected)
    assert replica.cursors == fresh.replica.cursors
    return sum(map(len, expected.values()))


def _assert_shelves(replica: Replica, expected: Shelves) -> None:
    found = shelves_in(replica, expected)
    assert len(replica.catalogue) == len(expected)
    for store_id, shelf in expected.items():
        assert found[store_id].keys() == shelf.keys(), store_id
        for sku, row in shelf.items():
            held = found[store_id][sku]
            assert (held.available, held.price) == (row.available, row.price), (store_id, sku, held, row)
            late_s = row.fresh_s - held.fresh_s
            surely_stale = (
                held.fresh_s == ANCIENT_S and row.fresh_s < max(r.fresh_s for r in shelf.values()) - STALE_AFTER_S
            )
            assert 0 <= late_s <= FRESHNESS_STEP_S or surely_stale, (store_id, sku, held, row)


async def heads(connection: Connection) -> dict[int, int]:
    return {row["cell"]: row["seq"] for row in await connection.fetch("SELECT cell, seq FROM cell_heads")}
