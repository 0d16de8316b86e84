"""How many statements go to the database for an operation; none for what the replica answers."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from dispatch.services.imports import ImportRequest, open_import, run_import
from tests.api.client import Api
from tests.api.shop import DOOR, acted, order_now, placed, with_shops
from tests.counts.limits import hold
from tests.counts.statements import counted

TOGETHER = 64
WARM = 2  # so often each is done before it counts: the first of a connection prepares its statements


async def sent_by(api: Api, work: Callable[[int], Awaitable[object]]) -> int:
    """How many statements the last of some times takes; ``work`` is told which time it is."""
    for time in range(WARM):
        await work(time)
    # A group commit at the end of its work would take the next with it, and it was not begun to be counted.
    await api.app.state.service.writers.stop()
    with counted() as sent:
        await work(WARM)
    return len(sent)


async def test_of_answers_from_the_replica_there_are_none(api: Api) -> None:
    await with_shops(api, 5, 5, 5)
    lat, lon = DOOR

    async def quote(_time: int) -> None:
        assert (await api.quote(*DOOR, "tea"))["outcome"] == "fulfillable"

    async def nearby(_time: int) -> None:
        assert len((await api.get("/v1/stores/nearby", lat=lat, lon=lon)).json()["stores"]) == 3

    hold("statements.reads", {"quote": await sent_by(api, quote), "nearby": await sent_by(api, nearby)})


async def test_of_orders_and_counts(api: Api) -> None:
    await with_shops(api, 1_000, queue_per_order_s=0)
    counts = {
        "place": await sent_by(api, lambda n: placed(api, f"placed-{n}")),
        "place 64 together": await sent_by(api, lambda n: place_together(api, n)),
        "confirm": await sent_by(api, lambda n: acted(api, f"placed-{n}", "confirm")),
        "cancel": await sent_by(api, lambda n: acted(api, f"together-{n}-0", "cancel")),
        "read an order": await sent_by(api, lambda n: order_now(api, f"placed-{n}")),
        "count 3 skus": await sent_by(api, lambda n: api.put_stock("near", tea=1_000 + n, rice=5 + n, egg=6 + n)),
    }
    hold("statements.writes", counts)


async def place_together(api: Api, time: int) -> None:
    await asyncio.gather(*(placed(api, f"together-{time}-{n}") for n in range(TOGETHER)))


async def test_of_an_import_there_are_not_more_for_more_rows(api: Api, tmp_path: Path) -> None:
    counts = {}
    for stores in (50, 500):
        rows = [f"of-{stores}-{n:03},{25.0 + n / 10_000:.4f},121.5654" for n in range(stores)]
        counts[f"{stores} stores"] = await sent_by_import(api, tmp_path, "stores", ["store_id,lat,lon", *rows])
    for skus in (20, 200):
        rows = [f"of-50-{store:03},of-{skus}-{sku:03},5" for store in range(50) for sku in range(skus)]
        counts[f"{len(rows):,} rows of stock"] = await sent_by_import(
            api, tmp_path, "stock", ["store_id,sku,on_hand", *rows]
        )
    hold("statements.imports", counts)


async def sent_by_import(api: Api, folder: Path, kind: str, lines: list[str]) -> int:
    """Of an import whose rows are all new, run in this process by what runs in its own process elsewhere."""
    path = folder / f"{kind}.csv"
    path.write_text("\n".join(lines))
    now = datetime.now(UTC)
    request = ImportRequest(kind=kind, path=path, now=now, as_of=now)
    database = api.app.state.service.database
    with counted() as sent:
        outcome = await run_import(database, await open_import(database, request), request)
    assert (outcome.status, outcome.counts.failed) == ("done", 0), outcome
    assert outcome.counts.rows == len(lines) - 1
    return len(sent)
