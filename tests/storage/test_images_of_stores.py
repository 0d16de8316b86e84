"""What an import of stores keeps of each: as it was told before, and as it is told now."""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import shapely

from dispatch.domain.stores import Store
from dispatch.services.imports import ImportRequest, open_import
from dispatch.storage.import_images import images_of_rows, keep_stores, texts_of_stores, told_stores
from dispatch.storage.pool import Database
from dispatch.storage.stores import put_store, read_store
from geo.travel import Mode
from tests.storage.worlds import NOW, store

_SAYS_ALL: Final[dict[str, Any]] = {
    "timezone": "Asia/Tokyo",
    "name": "n",
    "brand": "b",
    "region": "r",
    "address": "a",
    "phone": "p",
    "opening_hours": "24/7",
    "delivery_radius_m": 900.0,
    "delivery_zone": shapely.box(121.0, 24.0, 122.0, 26.0),
    "mode": Mode.CAR,
    "prepare_s": 1,
    "prepare_line_s": 2,
    "queue_per_order_s": 3,
    "courier_s": 4,
    "handover_s": 5,
    "max_open_orders": 6,
    "active": False,
}


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await Database.open(database_url)
    yield opened
    await opened.close()


async def _import_id(database: Database) -> str:
    request = ImportRequest(kind="stores", path=__file__, now=NOW)  # type: ignore[arg-type]  # nobody opens it
    return await open_import(database, request)


async def test_what_is_kept_of_a_store_is_all_that_is_told_of_it(database: Database) -> None:
    import_id = await _import_id(database)
    await put_store(database, store("changed"))
    await put_store(database, store("same"))
    async with database.connection() as connection:
        before = await texts_of_stores(connection, ["changed", "same"])
        was = await told_stores(connection, ["changed"])
    for store_id in ("changed", "new"):
        await put_store(database, store(store_id, **_SAYS_ALL))
    async with database.connection() as connection:
        now = await told_stores(connection, ["changed", "new"])
        await keep_stores(connection, import_id, ["new", "changed", "same"], before)
    kept = [image async for page in images_of_rows(database, import_id) for image in page]
    assert kept == [("changed", was["changed"], now["changed"]), ("new", None, now["new"])]


async def test_stores_of_which_none_was_there_are_kept_as_new(database: Database) -> None:
    import_id = await _import_id(database)
    await put_store(database, store("new"))
    async with database.connection() as connection:
        await keep_stores(connection, import_id, ["new"], {})
        now = await told_stores(connection, ["new"])
    kept = [image async for page in images_of_rows(database, import_id) for image in page]
    assert kept == [("new", None, now["new"])]


async def test_what_a_store_no_longer_says_is_gone(database: Database) -> None:
    told = store("a", **_SAYS_ALL)
    assert {name for name in _SAYS_ALL if getattr(told, name) != getattr(_plain(), name)} == set(_SAYS_ALL)
    for put in (told, _plain()):
        await put_store(database, put)
        assert (await read_store(database, "a"))[0] == put


def _plain() -> Store:
    return store("a", timezone="Asia/Taipei")
