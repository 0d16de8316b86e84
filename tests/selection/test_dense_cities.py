"""In a dense city where the nearest have not all lines, those that have the rarest are looked at by distance."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from dispatch.domain import selection
from dispatch.domain.answer import Plan, Selection
from dispatch.domain.question import Line, Question, Reason
from dispatch.domain.selection import select
from dispatch.replica.replica import Replica
from dispatch.storage.feed import StoreRow
from geo.cells import cell_of
from geo.coordinates import LatLon
from geo.geodesy import earth_centred
from tests.bench.in_process import NOW_S, build
from tests.bench.world import World

SEED = 20261128
QUESTIONS = 150
SHARES = (0.25, 0.3, 0.3, 0.35, 0.4)
EMPTY = 250
"""So many stores around the city's middle have nothing."""


class Hollow(World):
    """Skus that are common in a city but for its middle."""

    def middle(self) -> tuple[float, float]:
        largest = self.cities == np.bincount(self.cities).argmax()
        return float(np.median(self.lats[largest])), float(np.median(self.lons[largest]))

    def rows(self) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
        lat, lon = self.middle()
        away_m = np.linalg.norm(
            earth_centred(self.lats, self.lons) - earth_centred(np.array([lat]), np.array([lon])), axis=1
        )
        outside = np.sort(np.argsort(away_m)[EMPTY:])
        for number, share in enumerate(SHARES):
            rng = np.random.default_rng([SEED, number])
            stores = outside[rng.random(len(outside)) < share]
            yield number, stores, rng.geometric(0.15, len(stores)) - 1, np.full(len(stores), 500)


WORLD = Hollow(20_000)


@pytest.fixture(scope="module")
def replica() -> Replica:
    return build(WORLD)


def asked() -> Iterator[Question]:
    rng, (lat, lon) = np.random.default_rng(SEED), WORLD.middle()
    for _ in range(QUESTIONS):
        numbers = rng.choice(len(SHARES), int(rng.integers(1, 5)), replace=False).tolist()
        quantities = rng.choice([1, 2, 8, 900], len(numbers), p=[0.6, 0.2, 0.17, 0.03]).tolist()
        yield Question(
            destination=LatLon(lat=lat + float(rng.normal(0, 0.005)), lon=lon + float(rng.normal(0, 0.005))),
            lines=tuple(Line(WORLD.sku(sku), wanted) for sku, wanted in zip(numbers, quantities, strict=True)),
            promise_s=int(rng.choice([2400, 3600])),
            now_s=NOW_S, start_s=NOW_S, alternatives=int(rng.choice([0, 0, 1, 6])),
        )  # fmt: skip


def by_batches(replica: Replica, question: Question) -> Selection:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(selection, "nearest", lambda *_, **__: None)
        return select(replica, question)


def test_the_answer_is_that_by_batches_and_farther_stores_are_not_looked_at(replica: Replica) -> None:
    by_stock = few = missed = 0
    for question in asked():
        quick, slow = select(replica, question), by_batches(replica, question)
        assert quick.winner == slow.winner, f"seed {SEED}: {question}"
        assert quick.alternatives == slow.alternatives, f"seed {SEED}: {question}"
        assert quick.miss == slow.miss, f"seed {SEED}: {question}"
        proof = quick.certificate
        assert proof is not None
        if quick.winner is None:
            missed += 1
        elif proof.plan is Plan.STOCK_FIRST:
            by_stock += 1
            number = replica.stock.number(str(proof.rest_lacks))
            assert number is not None
            around = replica.slots_around(question.destination, selection.reach_m(replica, question))
            few += 2 * proof.examined < replica.stock.holder_count(number, around)
            last = (quick.alternatives or [quick.winner])[-1]
            assert proof.next_bound_s is None or proof.next_bound_s >= last.key_s
    assert by_stock > QUESTIONS // 2, "or else this tests nothing"
    assert few > by_stock // 2
    assert missed > 0


def test_where_none_passes_all_that_have_the_lines_are_known(replica: Replica) -> None:
    """Whoever has all lines fails later than the nearest, which lack them; it must be found among all around."""
    columns, was = replica.columns, replica.columns.busy_until_s.copy()
    columns.busy_until_s[:] = NOW_S + 600
    try:
        full = 0
        for question in asked():
            quick, slow = select(replica, question), by_batches(replica, question)
            assert quick.winner is None
            assert quick.miss == slow.miss, f"seed {SEED}: {question}"
            full += quick.miss is not None and quick.miss.reason is Reason.AT_CAPACITY
        assert full > QUESTIONS // 2, "or else this tests nothing"
    finally:
        columns.busy_until_s[:] = was


def test_stores_that_moved_are_found_where_they_are() -> None:
    replica = build(WORLD)
    rng, (lat, lon) = np.random.default_rng([SEED, 1]), WORLD.middle()
    moved = set()
    for number in rng.choice(WORLD.stores, 40, replace=False).tolist():
        place = LatLon(lat=lat + float(rng.normal(0, 0.01)), lon=lon + float(rng.normal(0, 0.01)))
        store = replace(WORLD.store(number), place=place)
        moved.add(replica.catalogue.put(StoreRow(store, number + 1, cell_of(place), 0, None)))
    near = 0
    for question in asked():
        question = structs.replace(question, lines=question.lines[:2])
        quick, slow = select(replica, question), by_batches(replica, question)
        assert quick.winner == slow.winner, f"seed {SEED}: {question}"
        near += quick.winner is not None and quick.winner.slot in moved
    assert near > 10, "or else this tests nothing"
