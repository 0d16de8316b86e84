"""A page of stores around tells of each what is told of it alone."""

from dataclasses import replace

import numpy as np
import pytest

from dispatch.services.nearby import MOST_STOCK_TOLD, NearbyQuestion, nearby, opening_steady_for_s, state_of
from tests.selection.worlds import NOW_S, PLACES, question, world

SEED = 20261129


@pytest.mark.parametrize("name", PLACES)
def test_each_store_of_a_page_is_told_as_alone(name: str) -> None:
    said_closed = stocked = 0
    for seed in range(3):
        rng = np.random.default_rng([SEED, list(PLACES).index(name), seed])
        here = world(rng, PLACES[name], count=200, strict=bool(seed % 2))
        replica = here.replica
        replica.columns.closed_until_s[:] = NOW_S + rng.choice([-600, 600, 90_000], replica.columns.size)
        for number in range(6):
            asked = question(rng, here.rows)
            skus = tuple(
                line.sku for line in asked.lines[:2] if number % 2 and replica.stock.number(line.sku) is not None
            )
            page = nearby(
                replica,
                NearbyQuestion(origin=asked.destination, radius_m=50_000.0, limit=30, now_s=NOW_S, skus=skus),
            )
            for state in page.stores:
                alone = state_of(replica, state.slot, NOW_S)
                shown = replace(state, distance_m=None, delivers_here=None, stock=None)
                assert shown == alone, f"{name}, seed {SEED}, world {seed}"
                said_closed += int(replica.columns.closed_until_s[state.slot]) > NOW_S
                assert state.stock is not None
                assert list(state.stock) == list(skus)
                for sku, count in state.stock.items():
                    held = replica.stock.number(sku)
                    assert held is not None
                    available = replica.stock.available(held, state.slot)
                    is_fresh = replica.stock.has(held, state.slot, available, NOW_S)
                    assert count == (min(available, MOST_STOCK_TOLD) if is_fresh else None)
                    stocked += count is not None
            assert page.steady_for_s == opening_steady_for_s(replica, NOW_S, [state.slot for state in page.stores])
    assert said_closed > 5
    assert stocked > 5
