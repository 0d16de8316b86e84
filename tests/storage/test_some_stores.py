"""A few stores from all over, and how many there are."""

import pytest

from dispatch.storage.pool import Database
from dispatch.storage.stores import put_store, put_stores_of_cell, remove_store, some_stores
from tests.storage.worlds import CELLS, KYOTO, TAIPEI, store


async def _put(database: Database, count: int) -> None:
    async with database.transaction() as connection:
        await put_stores_of_cell(connection, CELLS[TAIPEI], [store(f"s{n:02}") for n in range(count)])


@pytest.mark.parametrize("count", [0, 1, 11, 12, 13, 24, 25, 50])
async def test_so_many_are_told_each_once_or_all_of_fewer(database: Database, count: int) -> None:
    if count:
        await _put(database, count)
    stores, some = await some_stores(database, 12)
    assert stores == count
    assert len(some) == len(set(some)) == min(count, 12)


async def test_they_come_from_all_over(database: Database) -> None:
    await _put(database, 50)
    await put_store(database, store("far", KYOTO))
    _, some = await some_stores(database, 5)
    numbers = sorted(int(store_id[1:]) for store_id in some if store_id != "far")
    assert all(any(start <= n < start + 10 for n in numbers) for start in range(0, 50, 10)), some


async def test_a_store_out_of_service_is_none_of_them(database: Database) -> None:
    await _put(database, 2)
    await remove_store(database, "s00")
    assert await some_stores(database, 12) == (1, ["s01"])
