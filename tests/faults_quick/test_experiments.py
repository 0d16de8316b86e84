"""The experiments of `make faults`, each in a few seconds: that they run, and find what is there to be found."""

import random
from functools import partial
from pathlib import Path

import pytest

from tests.faults.baskets import baskets
from tests.faults.capacity import capacity
from tests.faults.ends import ends
from tests.faults.experiments import Experiment, Ground
from tests.faults.feed import feed, feed_with_global_cursor
from tests.faults.idempotence import idempotence
from tests.faults.oversell import oversell, oversell_without_guard

QUICK: dict[str, Experiment] = {
    "oversell": partial(oversell, workers=2, seeds=1, orders=250),
    "oversell-without-guard": partial(oversell_without_guard, workers=2, orders=500),
    "capacity": partial(capacity, workers=2, seeds=1, stores=4),
    "idempotence": partial(idempotence, workers=2, ids=20),
    "ends": partial(ends, workers=2, holds=150),
    "baskets": partial(baskets, workers=2, seconds=3),
    "feed": partial(feed, seconds=6, followers=1),
    "feed-with-global-cursor": partial(feed_with_global_cursor, seconds=4),
}


@pytest.mark.parametrize("name", sorted(QUICK))
async def test_the_experiment_finds_what_it_should(name: str, short_tmp: Path) -> None:
    directory = short_tmp / f"faults-{name}"
    directory.mkdir()
    outcome = await QUICK[name](Ground(directory, random.Random(f"{name} quick"), lambda _text: None))
    assert not outcome.problems, (outcome, outcome.problems[:10])
