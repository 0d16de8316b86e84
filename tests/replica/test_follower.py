"""A follower against the database: what moves, fails half way, or is cut off, and what it holds afterwards."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import numpy as np
import pytest

from dispatch.domain.errors import DatabaseUnavailable, ReplicaNotReady
from dispatch.domain.stores import ShelfCount, Store
from dispatch.domain.versions import Version
from dispatch.replica.follower import Follower
from dispatch.replica.replica import Replica
from dispatch.storage.feed import FeedReader, ShelfColumns, reading
from dispatch.storage.pool import Database
from dispatch.storage.shelves import put_shelf
from dispatch.storage.stores import put_store, put_stores_of_cell, remove_store
from geo.cells import cell_of
from geo.coordinates import LatLon
from geo.geodesy import distances_m
from geo.travel.estimate import EstimateTravel
from tests.replica.test_catalogue import DEFAULTS

TAIPEI, SHANGHAI = LatLon(lat=25.033, lon=121.565), LatLon(lat=31.23, lon=121.47)
ELSEWHERE = LatLon(lat=35.01, lon=135.77)
LOW, HIGH = sorted((TAIPEI, SHANGHAI), key=cell_of)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await Database.open(database_url)
    yield opened
    await opened.close()


def following(database: Database, *, settle: Callable[[], None] | None = None) -> Follower:
    return Follower(
        database,
        defaults=DEFAULTS,
        travel=EstimateTravel(),
        every_s=0.01,
        stale_after_s=60,
        monotonic=time.monotonic,
        settle=settle,
    )


def a_store(store_id: str, place: LatLon) -> Store:
    return Store(store_id=store_id, place=place, timezone="Asia/Shanghai")


async def count(database: Database, store_id: str, **on_hand: int) -> None:
    counts = [
        ShelfCount(store_id=store_id, sku=sku, on_hand=figure, as_of=datetime.now(UTC))
        for sku, figure in on_hand.items()
    ]
    await put_shelf(database, store_id, counts, whole_as_of=None)


def has(replica: Replica, store_id: str, sku: str) -> int | None:
    slot, number = replica.slot(store_id), replica.stock.number(sku)
    if slot is None or number is None:
        return None
    return int(replica.stock.gather(number, np.array([slot])).available[0])


async def equals_the_database(database: Database, replica: Replica) -> None:
    async with reading(database) as reader:
        heads = await reader.heads()
        assert heads == replica.cursors
        for cell in heads:
            assert replica.checksum(cell) == await reader.checksum(cell), cell


async def test_the_checksum_tells_a_row_that_differs(database: Database) -> None:
    follower = following(database)
    await put_store(database, a_store("a", LOW))
    await count(database, "a", tea=9, milk=2000, soap=0)
    await follower.step()
    replica = follower.replica
    await equals_the_database(database, replica)
    number = replica.stock.number("tea")
    assert number is not None
    at = np.array([replica.slot("a")])
    replica.stock.put(number, at, np.array([8]), np.array([1_790_000_000]), np.array([0]))
    with pytest.raises(AssertionError):
        await equals_the_database(database, replica)


async def test_the_checksum_tells_open_orders_that_differ(database: Database) -> None:
    follower = following(database)
    await put_store(database, a_store("a", LOW))
    await follower.step()
    replica = follower.replica
    await equals_the_database(database, replica)
    slot = replica.slot("a")
    assert slot is not None
    replica.catalogue.set_open_orders(slot, 1)
    with pytest.raises(AssertionError):
        await equals_the_database(database, replica)


async def test_each_step_of_a_move_there_and_back_is_the_shelf_of_where_the_store_is(database: Database) -> None:
    follower = following(database)
    await follower.step()
    for first, second in ((LOW, HIGH), (HIGH, LOW)):
        store_id = f"from {cell_of(first)}"
        await put_store(database, a_store(store_id, first))
        await count(database, store_id, tea=9)
        await follower.step()
        assert has(follower.replica, store_id, "tea") == 9
        # All of it in one step: a count in the old cell, the move, a count in the new.
        await count(database, store_id, tea=8)
        await put_store(database, a_store(store_id, second))
        await count(database, store_id, tea=0)
        await follower.step()
        assert has(follower.replica, store_id, "tea") == 0
        # There and back in one step.
        await put_store(database, a_store(store_id, first))
        await count(database, store_id, tea=5)
        await put_store(database, a_store(store_id, second))
        await count(database, store_id, tea=4)
        await put_store(database, a_store(store_id, first))
        await count(database, store_id, tea=3)
        await follower.step()
        assert has(follower.replica, store_id, "tea") == 3
    await equals_the_database(database, follower.replica)
    fresh = following(database)
    await fresh.step()
    await equals_the_database(database, fresh.replica)
    for place in (LOW, HIGH):
        assert has(fresh.replica, f"from {cell_of(place)}", "tea") == 3


async def test_a_store_taken_out_and_put_again_has_its_shelf(database: Database) -> None:
    follower = following(database)
    await follower.step()
    await put_store(database, a_store("a", LOW))
    await count(database, "a", tea=4)
    await follower.step()
    await remove_store(database, "a")
    await follower.step()
    assert has(follower.replica, "a", "tea") is None
    await put_store(database, a_store("a", LOW))
    await follower.step()
    assert has(follower.replica, "a", "tea") == 4
    await equals_the_database(database, follower.replica)


async def test_a_step_that_fails_before_the_shelves_are_read_owes_them(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = following(database)
    await follower.step()
    await put_store(database, a_store("a", LOW))
    await count(database, "a", tea=5)
    honest = FeedReader.shelves_of

    async def fails(self: FeedReader, stores: list[tuple[int, int]]) -> object:
        raise DatabaseUnavailable("cut off")

    monkeypatch.setattr(FeedReader, "shelves_of", fails)
    with pytest.raises(DatabaseUnavailable):
        await follower.step()
    monkeypatch.setattr(FeedReader, "shelves_of", honest)
    await follower.step()
    assert has(follower.replica, "a", "tea") == 5
    await equals_the_database(database, follower.replica)


async def test_lost_connections_are_survived_without_a_new_copy(database: Database, database_url: str) -> None:
    own = await Database.open(database_url, pool_min=1, pool_max=2)
    follower = following(own)
    follower.start()
    await put_store(database, a_store("a", LOW))
    await count(database, "a", tea=1)
    replica = await loaded(follower)
    async with database.connection() as connection:
        ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        assert await connection.fetchval(ended + " AND datname = current_database()") >= 1
    await count_again(database)
    deadline = time.monotonic() + 10
    while has(replica, "a", "tea") != 2:
        assert time.monotonic() < deadline, follower.problem
        await asyncio.sleep(0.02)
    assert follower.replica is replica
    await follower.stop()
    await own.close()


async def test_a_look_that_finds_nothing_moved_looks_no_further(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_store(database, a_store("a", TAIPEI))
    follower = following(database)
    await follower.step()
    await follower.step()
    monkeypatch.setattr("dispatch.replica.follower.unpacked", None)
    await follower.step()
    monkeypatch.undo()
    await count(database, "a", tea=1)
    await follower.step()
    assert has(follower.replica, "a", "tea") == 1


async def test_a_database_that_is_set_back_to_where_nothing_had_moved_is_read_anew(database: Database) -> None:
    await put_store(database, a_store("a", TAIPEI))
    follower = following(database)
    await follower.step()
    await follower.step()
    replica = follower.replica
    await count(database, "a", tea=1)
    await follower.step()
    async with database.connection() as connection:
        await connection.execute("UPDATE cell_heads SET seq = seq - 1")
    await follower.step()
    await follower.step()
    assert follower.replica is not replica


async def loaded(follower: Follower) -> Replica:
    deadline = time.monotonic() + 10
    while True:
        try:
            if has(follower.replica, "a", "tea") == 1:
                return follower.replica
        except Exception:
            assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def count_again(database: Database) -> None:
    """The writer's own connections were cut as well; it tries again, as a client would."""
    for _ in range(10):
        try:
            await count(database, "a", tea=2)
            return
        except DatabaseUnavailable:
            await asyncio.sleep(0.05)
    raise AssertionError("the database did not come back")


@pytest.mark.parametrize("most_unfiled", [0, 10**6], ids=["and filed", "and not filed"])
async def test_whoever_asks_while_shelves_are_read_sees_each_of_them_old_or_new(
    database: Database, monkeypatch: pytest.MonkeyPatch, most_unfiled: int
) -> None:
    monkeypatch.setattr("dispatch.replica.filer._ROWS_MOST", most_unfiled)
    stores, skus = [f"s{n}" for n in range(30)], [f"sku{n}" for n in range(60)]
    for n, store_id in enumerate(stores):
        await put_store(database, a_store(store_id, LatLon(lat=LOW.lat + n / 1e4, lon=LOW.lon)))
    follower = following(database)
    await follower.step()
    replica, seen, pauses = follower.replica, set(), 0
    monkeypatch.setattr("dispatch.replica.pauses.STRETCH_S", 0.0)
    for figure in (1, 2, 3):
        for store_id in stores:
            await count(database, store_id, **dict.fromkeys(skus, figure))
        step = asyncio.create_task(follower.step())
        while not step.done():
            await asyncio.sleep(0)
            pauses += 1
            for store_id in stores:
                figures = {has(replica, store_id, sku) for sku in skus}
                assert len(figures) == 1, f"{store_id} shows {figures}"
                seen |= figures
        await follower.step()  # files, if it is time
        while replica.stock.waiting.being_filed.row_count:
            await asyncio.sleep(0)
            for store_id in stores:
                assert {has(replica, store_id, sku) for sku in skus} == {figure}
        await follower.filed()
        assert (replica.stock.waiting.row_count == 0) == (most_unfiled == 0)
    assert seen >= {1, 2, 3}
    assert pauses > 3 * len(stores)


async def test_what_is_loaded_is_settled_before_it_can_be_asked(database: Database) -> None:
    seen: list[bool] = []

    def settle() -> None:
        with pytest.raises(ReplicaNotReady):
            follower.replica  # noqa: B018 - it raises
        seen.append(True)

    follower = following(database, settle=settle)
    await follower.step()
    await follower.step()
    assert seen == [True]
    assert len(follower.replica.catalogue) == 0


@pytest.mark.parametrize("reason", ["_AFTER_S", "_AT_LATEST_S"])
async def test_shelves_are_filed_once_none_has_come_for_a_while_or_they_have_waited_for_long(
    database: Database, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    await put_store(database, a_store("a", LOW))
    follower = following(database)
    await follower.step()
    await count_again(database)
    await follower.step()
    stock = follower.replica.stock
    await follower.step()
    await follower.filed()
    assert (stock.waiting.row_count, stock.row_count) == (1, 0)
    monkeypatch.setattr(f"dispatch.replica.filer.{reason}", 0.0)
    await follower.step()
    await follower.filed()
    assert (stock.waiting.row_count, stock.row_count) == (0, 1)
    slot, number = follower.replica.slot("a"), stock.number("tea")
    assert slot is not None
    assert number is not None
    assert time.time() - 10 < (stock.fresh_s(number, slot) or 0) <= time.time()
    await equals_the_database(database, follower.replica)


async def test_a_fault_of_filing_ends_in_a_fresh_copy(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await put_store(database, a_store("a", LOW))
    follower = following(database)
    await follower.step()
    await count_again(database)
    await follower.step()
    monkeypatch.setattr("dispatch.replica.filer._AFTER_S", 0.0)

    def fail(*_: object) -> None:
        raise ZeroDivisionError("made up")

    with monkeypatch.context() as broken:
        broken.setattr("dispatch.replica.filing.Filing.encode", fail)
        await follower.step()
        await follower.filed()
        assert has(follower.replica, "a", "tea") == 2, "it is still told where it waits"
        with pytest.raises(ZeroDivisionError):
            await follower.step()
    first = follower.replica
    follower.start()
    try:
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(ReplicaNotReady):
                    if follower.replica is not first:
                        break
                await asyncio.sleep(0.01)
        await equals_the_database(database, follower.replica)
    finally:
        await follower.stop()


async def test_a_sku_that_is_new_to_a_shelf_which_waits_is_read_with_it(database: Database) -> None:
    await put_store(database, a_store("a", LOW))
    follower = following(database)
    await follower.step()
    for counted in ({"tea": 2}, {"tea": 3}, {"milk": 5}, {"milk": 6, "tea": 1}):
        await count(database, "a", **counted)
        await follower.step()
        await equals_the_database(database, follower.replica)
    assert follower.replica.stock.waiting.row_count == 2
    assert has(follower.replica, "a", "milk") == 6


def noting_what_is_read(monkeypatch: pytest.MonkeyPatch) -> list[list[tuple[int, int]]]:
    """What is asked of ``shelves_of`` from now on, call by call."""
    asked: list[list[tuple[int, int]]] = []
    honest = FeedReader.shelves_of

    async def noted(self: FeedReader, stores: list[tuple[int, int]]) -> ShelfColumns:
        asked.append(stores)
        return await honest(self, stores)

    monkeypatch.setattr(FeedReader, "shelves_of", noted)
    return asked


async def four_stores_in_two_cells(database: Database) -> list[str]:
    stores = {"a": LOW, "b": HIGH, "c": LOW, "d": HIGH}
    for store_id, place in stores.items():
        await put_store(database, a_store(store_id, place))
    return list(stores)


async def count_each(database: Database, store_ids: list[str], figure: int) -> None:
    for store_id in store_ids:
        await count(database, store_id, **{f"sku{n}": figure for n in range(60)})


@pytest.mark.parametrize("aside", [False, True])
async def test_shelves_of_all_cells_are_read_together(
    database: Database, monkeypatch: pytest.MonkeyPatch, aside: bool
) -> None:
    threads: list[str] = []
    honest = asyncio.to_thread

    async def noted[**P, T](work: Callable[P, T], *arguments: P.args, **more: P.kwargs) -> T:
        threads.append(work.__name__)
        return await honest(work, *arguments, **more)

    monkeypatch.setattr(asyncio, "to_thread", noted)
    if aside:
        monkeypatch.setattr("dispatch.storage.feed._LARGE_BYTES", 100)
        monkeypatch.setattr("dispatch.replica.replica._FEW_ROWS", 0)
    stores = await four_stores_in_two_cells(database)
    follower = following(database)
    await follower.step()
    await count_each(database, stores, 3)
    asked = noting_what_is_read(monkeypatch)
    threads.clear()
    await follower.step()
    assert threads == (["_decoded", "Arrival", "beside"] if aside else [])
    assert len(asked) == 1
    assert {cell for cell, _ in asked[0]} == {cell_of(LOW), cell_of(HIGH)}
    assert len(asked[0]) == 4
    assert [has(follower.replica, store_id, "sku7") for store_id in stores] == [3] * 4
    await equals_the_database(database, follower.replica)


async def test_so_many_stores_are_read_at_once_as_have_about_so_many_rows(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = [f"s{n}" for n in range(20)]
    for store_id in stores:
        await put_store(database, a_store(store_id, LOW))
    follower = following(database)
    await follower.step()
    monkeypatch.setattr("dispatch.replica.follower._ROWS_A_READING", 300)
    monkeypatch.setattr("dispatch.replica.follower._ROWS_A_STORE_LEAST", 1.0)
    asked = noting_what_is_read(monkeypatch)
    await count_each(database, stores, 1)
    await follower.step()
    # From 800 rows a store on it is half as many each time, until it is the 60 that there are.
    assert [len(part) for part in asked] == [1, 1, 1, 3, 5, 5, 4]
    asked.clear()
    await count_each(database, stores, 2)
    await follower.step()
    assert [len(part) for part in asked] == [5, 5, 5, 5]
    await equals_the_database(database, follower.replica)


async def test_a_step_that_fails_between_two_readings_says_no_more_than_it_has_read_and_owes_the_rest(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = await four_stores_in_two_cells(database)
    await put_store(database, a_store("e", ELSEWHERE))
    await count(database, "e", tea=1)
    follower = following(database)
    await follower.step()
    replica = follower.replica
    await count_each(database, stores, 3)
    await count(database, "e", tea=4)
    before = dict(replica.cursors)
    monkeypatch.setattr("dispatch.replica.follower._ROWS_A_READING", 1)
    asked = noting_what_is_read(monkeypatch)
    honest = FeedReader.shelves_of

    async def fails_at_the_fourth(self: FeedReader, part: list[tuple[int, int]]) -> ShelfColumns:
        if len(asked) == 3:
            raise DatabaseUnavailable("cut off")
        return await honest(self, part)

    with monkeypatch.context() as cut_off:
        cut_off.setattr(FeedReader, "shelves_of", fails_at_the_fourth)
        with pytest.raises(DatabaseUnavailable):
            await follower.step()
    whole = [follower.is_whole]
    assert [has(replica, store_id, "sku7") for store_id in stores] == [3, 3, 3, 0]
    assert has(replica, "e", "tea") == 4
    assert {cell for cell in before if replica.cursors[cell] > before[cell]} == {cell_of(LOW), cell_of(ELSEWHERE)}
    asked.clear()
    await follower.step()
    assert [*whole, follower.is_whole] == [False, True]
    assert follower.replica is replica
    assert {cell for part in asked for cell, _ in part} == {cell_of(HIGH)}
    assert [has(replica, store_id, "sku7") for store_id in stores] == [3] * 4
    await equals_the_database(database, replica)


async def test_a_version_is_waited_for_until_its_shelves_are_read_and_no_longer(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = await four_stores_in_two_cells(database)
    follower = following(database)
    await follower.step()
    replica = follower.replica
    await count_each(database, stores, 3)
    async with reading(database) as reader:
        heads = await reader.heads()
    monkeypatch.setattr("dispatch.replica.follower._ROWS_A_READING", 1)
    first_cell = Version({cell_of(LOW): heads[cell_of(LOW)]})
    waiting = asyncio.create_task(follower.wait_for(first_cell, at_most_s=5))
    await asyncio.sleep(0)
    was_done: list[bool] = []
    reached: list[tuple[list[int | None], list[int]]] = []
    honest = FeedReader.shelves_of

    async def noted(self: FeedReader, part: list[tuple[int, int]]) -> ShelfColumns:
        was_done.append(waiting.done())
        figures = [has(replica, store_id, "sku7") for store_id in stores]
        reached.append((figures, [cell for cell, seq in heads.items() if replica.cursors[cell] == seq]))
        return await honest(self, part)

    monkeypatch.setattr(FeedReader, "shelves_of", noted)
    await follower.step()
    assert len(reached) == 4
    for figures, cells in reached:
        for cell, whole in ((cell_of(LOW), figures[0::2]), (cell_of(HIGH), figures[1::2])):
            assert (cell in cells) == (whole == [3, 3])
    assert any(cells for _, cells in reached)
    # Not before the second shelf of its cell, and before the last of the other.
    assert not was_done[1]
    assert was_done[3]


async def test_many_stores_are_found_as_soon_as_they_are_read_and_searched_fast_once_there_is_time(
    database: Database,
) -> None:
    follower = following(database)
    await follower.step()
    replica = follower.replica
    rng = np.random.default_rng(11)
    lats, lons = TAIPEI.lat + rng.uniform(0, 0.02, 1_200), TAIPEI.lon + rng.uniform(0, 0.02, 1_200)
    places = [LatLon(lat=float(lat), lon=float(lon)) for lat, lon in zip(lats, lons, strict=True)]
    [cell] = {cell_of(place) for place in places}
    async with database.transaction() as connection:
        await put_stores_of_cell(connection, cell, [a_store(f"s{n}", place) for n, place in enumerate(places)])
    await follower.step()
    assert not replica.index.merge_is_due
    assert replica.index.backlog > 256
    await equals_the_database(database, replica)
    found = [replica.store_id(hit.id) for hit in replica.index.nearest(TAIPEI)]
    metres = distances_m(TAIPEI, lats, lons)
    assert found == [f"s{n}" for n in np.argsort(metres).tolist()]
    await follower.step()
    assert replica.index.backlog == 0
    assert [replica.store_id(hit.id) for hit in replica.index.nearest(TAIPEI)] == found
