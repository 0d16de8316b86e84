"""The demo city: loaded once, dated anew, and never among other people's stores."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data.products import PRODUCTS
from data.roads import write_roads
from dispatch.demo import ITEMS_PARTNER, DemoError, DemoState, demo_roads, demo_stores, prepare_demo
from dispatch.domain.stores import DEFAULT_PARTNER, ShelfCount, Store
from dispatch.services.imports import run_import
from dispatch.storage.items import items_of_partner
from dispatch.storage.pool import Database
from dispatch.storage.shelves import put_shelf, read_shelf
from dispatch.storage.stores import all_stores, put_store
from geo.coordinates import LatLon

STORES = 30
FIRST = datetime(2026, 11, 20, 10, tzinfo=UTC)
LATER = FIRST + timedelta(days=3)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await Database.open(database_url, pool_max=3)
    yield opened
    await opened.close()


async def _prepare(database: Database, data_dir: Path, now: datetime, shares: list[float] | None = None) -> DemoState:
    return await prepare_demo(
        database,
        data_dir,
        clock=lambda: now,
        progress=([] if shares is None else shares).append,
        say=lambda _text: None,
        stores=STORES,
    )


async def _put_other(database: Database) -> None:
    await put_store(database, Store(store_id="mine", place=LatLon(lat=37.87, lon=112.55), timezone="Asia/Shanghai"))
    count = ShelfCount(
        store_id="mine", sku="own", on_hand=1, price_minor=None, currency=None, safety_stock=0, as_of=FIRST
    )
    await put_shelf(database, "mine", [count], whole_as_of=None)


async def test_an_empty_database_gets_the_demo_and_later_its_stock_counts_as_of_then(
    database: Database, tmp_path: Path
) -> None:
    shares: list[float] = []
    assert await _prepare(database, tmp_path, FIRST, shares) == DemoState(STORES, loaded=True)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    store_id = sorted(key.store_id for key in await all_stores(database))[0]
    shelf = await read_shelf(database, store_id, None)
    assert shelf
    assert {row.as_of for row in shelf} == {FIRST}
    assert await _prepare(database, tmp_path, LATER) == DemoState(STORES, loaded=False)
    again = await read_shelf(database, store_id, None)
    assert {row.as_of for row in again} == {LATER}
    assert [(row.sku, row.on_hand) for row in again] == [(row.sku, row.on_hand) for row in shelf]


async def test_the_goods_of_the_demo_have_names_and_those_of_an_older_demo_get_them(
    database: Database, tmp_path: Path
) -> None:
    await _prepare(database, tmp_path, FIRST)
    named = await items_of_partner(database, ITEMS_PARTNER)
    assert len(named) == PRODUCTS
    shelf = await read_shelf(database, sorted(key.store_id for key in await all_stores(database))[0], None)
    assert {row.sku for row in shelf} <= {item.sku for item in named.values()}
    assert not await items_of_partner(database, DEFAULT_PARTNER)  # else a sku of somebody's own would be unmapped
    async with database.connection() as connection:
        await connection.execute("DELETE FROM partner_items")
    (tmp_path / "demo" / "items.csv").write_text("sku,name_zh,name_en,category\n")
    assert await _prepare(database, tmp_path, LATER) == DemoState(STORES, loaded=False)
    assert await items_of_partner(database, ITEMS_PARTNER) == named


async def test_the_stock_of_other_stores_keeps_its_date(database: Database, tmp_path: Path) -> None:
    await _prepare(database, tmp_path, FIRST)
    await _put_other(database)
    assert await _prepare(database, tmp_path, LATER) == DemoState(STORES, loaded=False, others=1)
    assert [row.as_of for row in await read_shelf(database, "mine", None)] == [FIRST]
    assert await demo_stores(database, tmp_path) == STORES


async def test_among_other_stores_the_demo_is_not_loaded(database: Database, tmp_path: Path) -> None:
    await _put_other(database)
    assert await _prepare(database, tmp_path, LATER) == DemoState(0, loaded=False, others=1)
    assert [key.store_id for key in await all_stores(database)] == ["mine"]
    assert [row.as_of for row in await read_shelf(database, "mine", None)] == [FIRST]


async def test_a_load_that_was_cut_short_goes_on(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def only_stores(*arguments: object) -> object:
        if getattr(arguments[2], "kind", None) == "stock":
            raise KeyboardInterrupt
        return await run_import(*arguments)  # type: ignore[arg-type]  # passed on as they came

    with monkeypatch.context() as cut:
        cut.setattr("dispatch.demo.run_import", only_stores)
        with pytest.raises(KeyboardInterrupt):
            await _prepare(database, tmp_path, FIRST)
    assert len(await all_stores(database)) == STORES
    # The import of the stock is open in the record; as if the process had been killed, nobody closes it.
    monkeypatch.setattr("dispatch.storage.imports.DEAD_AFTER", timedelta(0))
    assert await _prepare(database, tmp_path, LATER) == DemoState(STORES, loaded=True)
    store_id = sorted(key.store_id for key in await all_stores(database))[0]
    assert {row.as_of for row in await read_shelf(database, store_id, None)} == {LATER}


def test_the_roads_of_the_demo_are_made_once_and_anew_by_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []

    def make(path: Path) -> None:
        made.append(path)
        write_roads(path)

    monkeypatch.setattr("dispatch.demo.write_roads", make)
    roads = demo_roads(tmp_path)
    assert roads.is_relative_to(tmp_path / "demo")
    assert demo_roads(tmp_path) == roads
    assert made == [roads]
    monkeypatch.setattr("data.roads.GENERATOR", "another version")
    assert demo_roads(tmp_path) == roads
    assert made == [roads, roads]


def test_roads_that_cannot_be_made_are_told_in_one_line_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("a file where the directory should be")
    with pytest.raises(DemoError, match=r"roads cannot be made: .*; free some space, or mend \S+/demo$") as caught:
        demo_roads(tmp_path)
    assert "\n" not in str(caught.value)
