"""A store's row says when it was last counted, whoever counted it; and who is late follows from that."""

import random
import shutil
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from dispatch.domain.errors import PartnerNotFound
from dispatch.domain.stores import Store
from dispatch.storage import migrate as migrating
from dispatch.storage.lateness import LateStore, read_counted, read_late_stores
from dispatch.storage.migrate import migrate
from dispatch.storage.partners import Partner, put_partner, read_partner
from dispatch.storage.pool import Database
from dispatch.storage.shelves import put_shelf, redate_shelves
from dispatch.storage.stores import put_store, remove_store
from tests.storage.tills import moved, till_of
from tests.storage.worlds import CELLS, KYOTO, NOW, SYDNEY, TAIPEI, ago, counts, follower_of, heads, store

ZONES = {TAIPEI: "Asia/Taipei", KYOTO: "Asia/Tokyo", SYDNEY: "Australia/Sydney"}


async def _counted_at(database: Database) -> dict[tuple[int, str], datetime | None]:
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT cell, store_id, counted_at FROM stores WHERE removed_at IS NULL")
    return {(row["cell"], row["store_id"]): row["counted_at"] for row in rows}


async def _of_a(database: Database) -> datetime | None:
    [found] = (await _counted_at(database)).values()
    return found


async def test_the_newest_count_stands_whichever_comes_first(database: Database) -> None:
    await put_store(database, store("a"))
    assert await _of_a(database) is None
    for at, whole, stands in ((100, False, 100), (200, False, 100), (50, True, 50), (40, False, 40), (45, True, 40)):
        await put_shelf(database, "a", counts("a", {"tea": 1}, at=ago(at)), whole_as_of=ago(at) if whole else None)
        assert await _of_a(database) == ago(stands), (at, whole)
    await put_shelf(database, "a", [], whole_as_of=ago(30))
    assert await _of_a(database) == ago(30), "that nothing is there is a count as well"
    dated = {"tea": 500, "egg": 20, "rice": 25}
    mixed = [count for sku, at in dated.items() for count in counts("a", {sku: 1}, at=ago(at))]
    await put_shelf(database, "a", mixed, whole_as_of=None)
    assert await _of_a(database) == ago(20)
    await redate_shelves(database, ["a"], ago(5))
    assert await _of_a(database) == ago(5)


async def test_a_movement_is_no_count(database: Database) -> None:
    await put_store(database, store("a"))
    async with till_of(database) as till:
        await till.send(moved("tea", 4, at=ago(10)))
    assert await _of_a(database) is None


async def test_a_count_is_no_change_of_the_store(database: Database) -> None:
    await put_store(database, store("a"))
    await put_shelf(database, "a", counts("a", {"tea": 1}, at=ago(60)), whole_as_of=ago(60))
    async with database.connection() as connection:
        kinds = [row["kind"] for row in await connection.fetch("SELECT kind FROM changes ORDER BY cell, seq, n")]
        before = await heads(connection)
    assert kinds == ["store", "shelves"]
    assert (await put_store(database, store("a"))).unchanged == {"a"}
    async with database.connection() as connection:
        assert await heads(connection) == before
    follower = follower_of(database)
    await follower.step()
    assert len(follower.replica.catalogue) == 1


async def test_it_goes_along_when_the_store_moves_and_comes_home(database: Database) -> None:
    await put_store(database, store("a"))
    await put_shelf(database, "a", counts("a", {"tea": 1}, at=ago(60)), whole_as_of=None)
    await put_store(database, store("a", KYOTO))
    assert await _counted_at(database) == {(CELLS[KYOTO], "a"): ago(60)}
    await put_shelf(database, "a", counts("a", {"tea": 1}, at=ago(50)), whole_as_of=None)
    await put_store(database, store("a"))
    assert await _counted_at(database) == {(CELLS[TAIPEI], "a"): ago(50)}


DUE = {"early": time(5, 0), "noon": time(11, 30), "never": None, "empty": time(0, 0)}
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


def _is_late(one: Store, counted: datetime | None, now: datetime) -> bool:
    """By hand, in zones whose clocks do not change that day."""
    local, at = now.astimezone(ZoneInfo(one.timezone)), DUE[one.partner]
    if not one.active or at is None or local.time() < at:
        return False
    return counted is None or datetime.combine(local.date(), at, local.tzinfo) - counted > timedelta(hours=12)


async def _listed(database: Database, partner: str, now: datetime) -> list[LateStore]:
    """A partner's late stores, over pages of three."""
    listed: list[LateStore] = []
    while True:
        after = (listed[-1].counted_at, listed[-1].store_id) if listed else None
        due_at, page = await read_late_stores(database, partner, now, after=after, limit=3)
        assert due_at == DUE[partner]
        listed += page
        if len(page) < 3:
            return listed


@pytest.mark.parametrize("seed", [20261120, 20261121])
async def test_who_is_late_is_what_a_look_at_every_store_says(database: Database, seed: int) -> None:
    rng = random.Random(seed)
    for partner, due_at in DUE.items():
        await put_partner(database, Partner(partner=partner, stock_due_at=due_at))
        assert (await read_partner(database, partner)).stock_due_at == due_at
    newest: dict[str, datetime | None] = {}
    known: dict[str, Store] = {}
    for i in range(40):
        place, partner = rng.choice(list(ZONES)), rng.choice(["early", "noon", "never"])
        one = store(f"s{i}", place, timezone=ZONES[place], partner=partner, active=rng.random() < 0.9, name=f"Shop {i}")
        known[one.store_id] = one
        newest[one.store_id] = NOW - timedelta(minutes=rng.randrange(2_500)) if rng.random() < 0.8 else None
        await put_store(database, one)
        if (at := newest[one.store_id]) is not None:
            await put_shelf(database, one.store_id, counts(one.store_id, {"tea": 1}, at=at), whole_as_of=None)
    await remove_store(database, "s0")
    del known["s0"]
    for now in (NOW, NOW + timedelta(hours=3), NOW + timedelta(hours=11)):
        late: dict[str, list[str]] = {partner: [] for partner in DUE}
        for store_id, one in known.items():
            if _is_late(one, newest[store_id], now):
                late[one.partner].append(store_id)
        assert sum(map(len, late.values())) > 3
        found = {told.partner: told for told in await read_counted(database, now)}
        assert list(found) == sorted(DUE, key=lambda name: (not late[name], name))
        for partner, ids in late.items():
            told = found[partner]
            its = [newest[one.store_id] for one in known.values() if one.partner == partner and one.active]
            counted = [at for at in its if at is not None]
            assert (told.late, told.stores, told.never_counted) == (len(ids), len(its), its.count(None))
            assert (told.newest, told.oldest) == (max(counted, default=None), min(counted, default=None))
            listed = await _listed(database, partner, now)
            assert [one.store_id for one in listed] == sorted(ids, key=lambda i: (newest[i] or BEGINNING, i))
            assert {one.due_at.time() for one in listed} <= {DUE[partner]}
            assert all(one.due_at.utcoffset() for one in listed), "in the store's own zone"


async def test_late_stores_of_nobody_are_not_found(database: Database) -> None:
    with pytest.raises(PartnerNotFound):
        await read_late_stores(database, "nobody", NOW, after=None, limit=1)


async def test_the_migration_finds_the_counts_that_are_there(empty_database_url: str, tmp_path: Path) -> None:
    before = tmp_path / "versions"
    before.mkdir()
    for path in migrating._VERSIONS.glob("0*"):
        if path.name < "0006":
            shutil.copy(path, before)
    await migrate(empty_database_url, versions=before)
    connection = await asyncpg.connect(empty_database_url)
    try:
        await connection.execute(
            """
            INSERT INTO partners (partner) VALUES ('p');
            INSERT INTO skus (sku) SELECT 's' || i FROM generate_series(1, 3) AS i;
            INSERT INTO store_directory (store_id, cell, partner)
            SELECT 'a' || i, 7, 'p' FROM generate_series(1, 5) AS i;
            INSERT INTO stores (cell, store_no, store_id, partner, lat, lon, timezone, counted_whole_at)
            SELECT 7, store_no, store_id, 'p', 1, 1, 'UTC',
                   CASE WHEN store_id IN ('a3', 'a4') THEN '2026-11-03T00:00:00Z'::timestamptz END
            FROM store_directory;
            INSERT INTO shelves (cell, store_no, sku_no, as_of, on_hand)
            SELECT 7, d.store_no, s.sku_no, u.as_of, 1 FROM (VALUES
                ('a1', 's1', '2026-11-01T00:00:00Z'::timestamptz), ('a1', 's2', '2026-11-02T00:00:00Z'),
                ('a2', 's1', '2000-01-01T00:00:00Z'), ('a3', 's1', '2026-11-02T00:00:00Z')) AS u (store_id, sku, as_of)
            JOIN store_directory d USING (store_id) JOIN skus s USING (sku)
            """
        )
        await migrate(empty_database_url)
        rows = await connection.fetch("SELECT store_id, counted_at FROM stores ORDER BY store_id")
    finally:
        await connection.close()
    days = {row["store_id"]: row["counted_at"] and row["counted_at"].day for row in rows}
    assert days == {"a1": 2, "a2": None, "a3": 3, "a4": 3, "a5": None}
