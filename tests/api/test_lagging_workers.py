"""A worker that has not heard of something yet: it may propose worse, but never refuse, end or promise wrongly."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.api.client import Api, worker
from tests.api.shop import acted, clock_of_now, events_of, north, order_of, placed

# Looks for changes by itself as seldom as that.
SELDOM_S = 10


class Workers(NamedTuple):
    """Two on one database; the second hears of things late."""

    prompt: Api
    lagging: Api


@pytest.fixture
async def workers(database_url: str, tmp_path: Path) -> AsyncIterator[Workers]:
    """With a store near that has 9 of tea and takes 100 s for each order before; the lagging one knows it closed."""
    async with worker(database_url, tmp_path / "a", clock=clock_of_now()) as prompt:
        await prompt.put_store("near", *north(100), opening_hours="off")
        await prompt.put_stock("near", tea=9)
        async with worker(database_url, tmp_path / "b", clock=clock_of_now(), follow_every_s=SELDOM_S) as lagging:
            await prompt.put_store("near", *north(100), queue_per_order_s=100)
            yield Workers(prompt, lagging)


async def test_a_confirmation_does_not_end_an_order_for_what_a_worker_has_not_heard(workers: Workers) -> None:
    await placed(workers.prompt, "o-1")
    # Long enough after it was placed to be taken for known.
    workers.lagging.clock.advance(seconds=30)
    confirmed = await acted(workers.lagging, "o-1", "confirm")
    assert (confirmed["status"], confirmed["store"]["store_id"]) == ("confirmed", "near")
    assert [event["event"] for event in await events_of(workers.prompt, "o-1")] == ["held", "confirmed"]


async def test_a_confirmation_counts_all_orders_before_it_though_they_were_placed_elsewhere_just_now(
    workers: Workers,
) -> None:
    # By now it knows that the store is open, and nothing of the orders.
    await placed(workers.lagging, "warm-up", order_of(hold_s=0))
    for n in range(3):
        await placed(workers.prompt, f"o-{n}")
    confirmed = await acted(workers.lagging, "o-2", "confirm")
    assert confirmed["eta"]["queue_s"] == 300
