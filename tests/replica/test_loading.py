"""Loading a replica: rows in any pieces come out sku by sku, and a table of many pieces is copied whole."""

import numpy as np
import pytest

from dispatch.replica import loading
from dispatch.replica.catalogue import Catalogue
from dispatch.replica.loading import ShelfRows
from dispatch.replica.numbering import Numbering
from dispatch.replica.stock import Stock
from dispatch.storage.feed import ShelfColumns, StoreRow, reading
from dispatch.storage.pool import Database
from tests.bench.in_process import DEFAULTS
from tests.storage.worlds import CELLS, TAIPEI, store

SEED = 7
NOW_S = 1_790_000_000
type Row = tuple[int, int, int, int, tuple[int, str] | None]


def rows_of(rows: list[Row]) -> ShelfColumns:
    store_no, sku_no, available, fresh_s, prices = zip(*rows, strict=True)
    return ShelfColumns(
        store_no=np.array(store_no, dtype=np.int64),
        sku_no=np.array(sku_no, dtype=np.int64),
        available=np.array(available, dtype=np.int64),
        price_minor=np.array([-1 if price is None else price[0] for price in prices], dtype=np.int64),
        currency=np.array([b"---" if price is None else price[1].encode() for price in prices], dtype="S3"),
        fresh_s=np.array(fresh_s, dtype=np.int64),
    )


@pytest.mark.parametrize("skus", [30, 70_000])
def test_rows_in_pieces_are_filed_as_they_are(monkeypatch: pytest.MonkeyPatch, skus: int) -> None:
    monkeypatch.setattr(loading, "_ROWS_A_BATCH", 50)
    monkeypatch.setattr(loading, "_ROWS_A_SLAB", 100)
    rng = np.random.default_rng(SEED)
    catalogue = Catalogue([StoreRow(store(f"s{n}"), n + 1, CELLS[TAIPEI], 0, None) for n in range(40)], DEFAULTS)
    stock, numbering = Stock(), Numbering()
    stock.reserve(catalogue.columns.size)
    for sku_no in range(1, skus + 1):
        numbering.add(sku_no, stock.add_sku(str(sku_no)))
    prices = [None, (5, "TWD"), (5, "JPY"), (2**24 + 3, "TWD"), (9, "TWD")]
    used = [1, 2, 3, skus - 1, skus]
    pairs = [(store_no, sku_no) for store_no in range(1, 44) for sku_no in used]
    rows: list[Row] = [
        (*pair, int(rng.choice([0, 3, 1022, 1023, 70_000])), NOW_S - int(rng.choice([0, 400])), prices[rng.integers(5)])
        for pair in (pairs[i] for i in rng.permutation(len(pairs)))
    ]
    gathered = ShelfRows(catalogue, numbering, stock)
    for start in range(0, len(rows), 37):
        gathered.add(rows_of(rows[start : start + 37]))
    here = [row for row in rows if row[0] <= 40]
    assert len(gathered) == len(here) == 200
    gathered.scale_freshness()
    batches = list(gathered.batches())
    assert len(batches) > 1
    for numbers, *columns in batches:
        for _ in stock.put_many(numbers, *columns):
            pass
    assert stock.row_count == len(here)
    for store_no, sku_no, available, fresh_s, price in here:
        number, slot = stock.number(str(sku_no)), catalogue.slot_of_number(store_no)
        assert number is not None
        assert slot is not None
        told = (stock.available(number, slot), stock.fresh_s(number, slot), stock.price(number, slot))
        assert told == (available, fresh_s, price), (SEED, store_no, sku_no)


async def test_every_piece_of_the_table_is_copied_at_one_moment(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await Database.open(database_url)
    monkeypatch.setattr("dispatch.storage.feed._BLOCKS_A_COPY", 1)
    async with database.transaction() as connection:
        await connection.execute("INSERT INTO partners VALUES ('p') ON CONFLICT DO NOTHING")
        await connection.execute("INSERT INTO skus (sku) SELECT 's' || g FROM generate_series(1, 500) AS g")
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(
            "INSERT INTO shelves (cell, store_no, sku_no, as_of, on_hand)"
            " SELECT 1, t, s.sku_no, now(), 3 FROM generate_series(1, 5) AS t, skus s"
        )
    async with reading(database) as reader:
        await reader.heads()
        async with database.transaction() as connection:
            await connection.execute("UPDATE shelves SET on_hand = 4 WHERE store_no > 2")
        chunks = [chunk async for chunk in reader.shelves()]
        few = [chunk async for chunk in reader.shelves(sku_nos=[1, 2])]
    assert len(chunks) > 3
    assert {int(n) for chunk in chunks for n in chunk.available} == {3}
    pairs = [pair for chunk in chunks for pair in zip(chunk.store_no.tolist(), chunk.sku_no.tolist(), strict=True)]
    assert len(pairs) == len(set(pairs)) == 2_500
    assert sum(map(len, few)) == 10
    await database.close()
