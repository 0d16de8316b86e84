"""How many stores a quote looks at, by mix, and how that grows with the stores there are."""

import pytest

from dispatch.domain.selection import select
from dispatch.replica.replica import Replica
from tests.bench.in_process import NOW_S
from tests.bench.quotes import MIXES, questions
from tests.bench.world import World
from tests.counts.conftest import LARGE, SMALL
from tests.counts.limits import hold

QUOTES = 100


def examined(replica: Replica, world: World, mix: str) -> list[int]:
    told = []
    for question in questions(world, mix, QUOTES, now_s=NOW_S, seed=0):
        certificate = select(replica, question).certificate
        assert certificate is not None, "no sku of these is unknown"
        told.append(certificate.examined)
    return told


@pytest.fixture(scope="module")
def by_mix(large: Replica) -> dict[str, list[int]]:
    return {mix: examined(large, LARGE, mix) for mix in MIXES}


def test_a_quote_looks_at_few_stores(by_mix: dict[str, list[int]]) -> None:
    hold("stores_examined.mean", {mix: sum(told) / QUOTES for mix, told in by_mix.items()})


def test_the_worst_of_quotes_does(by_mix: dict[str, list[int]]) -> None:
    hold("stores_examined.worst", {mix: max(told) for mix, told in by_mix.items()})


def test_ten_times_the_stores_are_not_ten_times_the_work(by_mix: dict[str, list[int]], small: Replica) -> None:
    of_small = {mix: sum(examined(small, SMALL, mix)) for mix in MIXES}
    hold("stores_examined.growth", {mix: sum(told) / max(1, of_small[mix]) for mix, told in by_mix.items()})
