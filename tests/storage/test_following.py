"""A replica that follows the changes is the database's copy, whatever was written and however far it fell behind."""

import asyncio
import contextlib
import random
from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.domain.closures import Closure
from dispatch.domain.errors import SnapshotTooOld, StoreNotFound
from dispatch.domain.stores import KEEP, ShelfCount
from dispatch.replica.follower import Follower
from dispatch.services.imports import ImportRequest, open_import, run_import
from dispatch.storage.closures import delete_closure, put_closure, read_closures
from dispatch.storage.pool import Database
from dispatch.storage.shelves import put_shelf, redate_shelves
from dispatch.storage.stores import put_store, remove_store
from geo.travel import Mode
from geo.zones import parse_zone
from tests.storage.worlds import (
    KYOTO,
    NOW,
    SYDNEY,
    TAIPEI,
    ago,
    assert_equal_to_database,
    counts,
    follower_of,
    store,
)

PLACES = (TAIPEI, KYOTO, SYDNEY)
SKUS = [f"sku-{i}" for i in range(80)]
ZONE_TEXT = "POLYGON((0 0,1 0,1 1,0 0))"


class Writer:
    """Writes at random, as any worker may."""

    def __init__(self, database: Database, folder: Path, seed: int) -> None:
        self._database = database
        self._folder = folder
        self._rng = random.Random(seed)
        self._ids = [f"store {i}" for i in range(12)]
        self._turn = 0

    async def write(self) -> None:
        rng = self._rng
        self._turn += 1
        often = [self._put, self._count, self._count]
        with contextlib.suppress(StoreNotFound, SnapshotTooOld):
            await rng.choice([*often, self._put, self._remove, self._import, self._redate, self._close])()

    async def _close(self) -> None:
        begins, ends = sorted(self._rng.sample(range(-3, 6), 2))
        closure = Closure(ago(-3_600 * begins), ago(-3_600 * ends))
        store_id = self._rng.choice(self._ids)
        if self._rng.random() < 0.7:
            await put_closure(self._database, store_id, closure, now=NOW)
        else:
            for known in (await read_closures(self._database, store_id, now=NOW))[1]:
                await delete_closure(self._database, store_id, known)

    async def _put(self) -> None:
        rng = self._rng
        lat, lon = rng.choice(PLACES)
        place = (lat + rng.choice([0, 0.001, 0.01]), lon)
        await put_store(
            self._database,
            store(
                rng.choice(self._ids), place, timezone=rng.choice(["Asia/Taipei", "Asia/Tokyo"]),
                name=rng.choice([None, f"name {self._turn}"]), brand=rng.choice([None, "A", "B"]),
                opening_hours=rng.choice([None, "24/7", "Mo-Su 08:00-22:00"]), mode=rng.choice([None, Mode.CAR]),
                delivery_radius_m=rng.choice([None, 500.0]), prepare_s=rng.choice([None, 0, 60]),
                delivery_zone=rng.choice([None, parse_zone(ZONE_TEXT)]), active=rng.random() < 0.8,
                max_open_orders=rng.choice([None, 5]),
            ),
        )  # fmt: skip

    def _figures(self, store_id: str, at_s: float) -> list[ShelfCount]:
        rng = self._rng
        price = rng.choice([KEEP, None, 100, rng.randrange(10**6)])
        return [
            ShelfCount(
                store_id=store_id, sku=sku, on_hand=rng.choice([0, 1, 50, 1022, 1023, 10**6]), as_of=ago(at_s),
                price_minor=price, currency="TWD" if isinstance(price, int) else None,
                safety_stock=rng.choice([KEEP, None, 2]),
            )
            for sku in rng.sample(SKUS, rng.choice([1, 2, 49, 51, 80]))
        ]  # fmt: skip

    async def _count(self) -> None:
        store_id, at_s = self._rng.choice(self._ids), self._rng.choice([0, 10, 3600, 40 * 86_400])
        whole = self._rng.random() < 0.4
        counted = self._figures(store_id, at_s)
        await put_shelf(self._database, store_id, counted, whole_as_of=ago(at_s) if whole else None)

    async def _remove(self) -> None:
        await remove_store(self._database, self._rng.choice(self._ids))

    async def _redate(self) -> None:
        await redate_shelves(self._database, self._rng.sample(self._ids, 3), NOW + timedelta(seconds=self._turn))

    async def _import(self) -> None:
        rng, path = self._rng, self._folder / f"{self._turn}.csv"
        rows = [f"{rng.choice(self._ids)},{rng.choice(SKUS)},{rng.randrange(2000)}" for _ in range(60)]
        path.write_text("\n".join(["store_id,sku,on_hand", *rows]))
        mode = rng.choice(["partial", "snapshot"])
        request = ImportRequest(kind="stock", path=path, now=NOW, as_of=NOW, mode=mode, force=True)
        outcome = await run_import(self._database, await open_import(self._database, request), request)
        assert outcome.status == "done"


@pytest.mark.parametrize("seed", range(3))
async def test_a_replica_equals_the_database_row_by_row_after_any_writes(
    database: Database, tmp_path: Path, seed: int
) -> None:
    writer, follower, rng = Writer(database, tmp_path, seed), follower_of(database), random.Random(seed)
    await follower.step()
    rows = 0
    for turn in range(60):
        await writer.write()
        if rng.random() < 0.4:
            await follower.step()
        if rng.random() < 0.1:
            async with database.connection() as connection:
                await connection.execute("DELETE FROM changes WHERE seq % 3 = $1", turn % 3)
        if turn % 15 == 14:
            await follower.step()
            rows = await assert_equal_to_database(follower.replica, database)
    assert rows > 100, "hardly anything was written"


async def test_a_follower_behind_the_kept_changes_reads_the_cell_anew(database: Database) -> None:
    for i, place in enumerate(PLACES):
        await put_store(database, store(f"s{i}", place))
        await put_shelf(database, f"s{i}", counts(f"s{i}", {"tea": 5, "egg": 5}), whole_as_of=NOW)
    follower = follower_of(database)
    await follower.step()
    replica = follower.replica
    await put_shelf(database, "s0", counts("s0", {"tea": 1}), whole_as_of=None)
    await put_store(database, store("new", TAIPEI))
    await put_shelf(database, "new", counts("new", {"rice": 3}), whole_as_of=NOW)
    await remove_store(database, "s1")
    await put_store(database, store("s2", TAIPEI, name="moved"))
    async with database.connection() as connection:
        await connection.execute("DELETE FROM changes")
    await follower.step()
    assert follower.replica is replica, "the whole replica was loaded anew, not the cell"
    assert await assert_equal_to_database(replica, database) == 5
    assert replica.slot("s1") is None


async def test_two_who_begin_at_different_moments_come_to_the_same(database: Database, tmp_path: Path) -> None:
    writer, early = Writer(database, tmp_path, 5), follower_of(database)
    await early.step()
    for _ in range(25):
        await writer.write()
    late = follower_of(database)
    await late.step()
    for _ in range(25):
        await writer.write()
    for follower in (early, late):
        await follower.step()
        await assert_equal_to_database(follower.replica, database)
    assert early.replica.cursors == late.replica.cursors


async def test_what_is_not_committed_is_not_seen_and_what_is_rolled_back_never(database: Database) -> None:
    await put_store(database, store("a"))
    follower = follower_of(database)
    await follower.step()
    async with database.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("UPDATE cell_heads SET seq = seq + 1")
        await follower.step()
        await transaction.rollback()
    await put_shelf(database, "a", counts("a", {"tea": 1}), whole_as_of=None)
    await follower.step()
    assert await assert_equal_to_database(follower.replica, database) == 1


async def test_a_follower_that_is_told_to_stop_in_the_middle_of_a_reading_stops(database: Database) -> None:
    """Cancelling a COPY leaves its connection unusable, and what that raises once took the cancellation's place."""
    await put_store(database, store("a"))
    rng = random.Random(1)
    for i in range(40):
        follower = Follower(
            database, defaults=follower_of(database)._defaults, travel=follower_of(database)._travel, every_s=0.001,
            stale_after_s=60, monotonic=asyncio.get_running_loop().time,
        )  # fmt: skip
        follower.start()
        await put_shelf(database, "a", counts("a", dict.fromkeys(SKUS, i)), whole_as_of=None)
        await asyncio.sleep(rng.random() * 0.01)
        async with asyncio.timeout(5):
            await follower.stop()
