"""Whatever the plan, the answer is the same: each is forced upon the same questions."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from dispatch.domain import selection
from dispatch.domain.answer import Plan
from dispatch.domain.question import Strategy
from dispatch.domain.selection import select
from geo.travel import Mode
from tests.selection.worlds import PLACES, difference, plain, question, world

SEED = 20261124
NO_LIMIT = 10**9

type Searched = selection.Steps[tuple[Plan, str | None, selection._Found]]

chosen_by_itself = selection._Search._search


def space_first(search: selection._Search) -> Searched:
    if search._examiner.only is not None:
        return (yield from chosen_by_itself(search))
    found = yield from search._space_first(1.0, limit=NO_LIMIT)
    assert found is not None, "without a limit the walk ends"
    return Plan.SPACE_FIRST, None, found


def stock_first_by(number: int) -> Callable[[selection._Search], Searched]:
    """Stock first from a line that need not be the rarest."""

    def search_by(search: selection._Search) -> Searched:
        line = search._lines[number % len(search._lines)]
        around = search._market.slots_around(search._question.destination, search._ground.reach_m)
        return Plan.STOCK_FIRST, line.sku, (yield from search._stock_first(line, around))

    return search_by


PLANS = {"space first": space_first, "stock first": stock_first_by(0), "stock first by another line": stock_first_by(1)}


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("name", PLACES)
def test_a_forced_plan_gives_the_same_answer(name: str, plan: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection._Search, "_search", PLANS[plan])
    for seed in range(3):
        rng = np.random.default_rng([SEED, list(PLACES).index(name), seed])
        here = world(rng, PLACES[name], count=int(rng.choice([40, 400])), strict=bool(seed % 2))
        for number in range(6):
            wrong = difference(here, question(rng, here.rows))
            assert wrong is None, f"seed {SEED}, world {seed}, question {number}: {wrong}"


@pytest.mark.parametrize("name", PLACES)
def test_looking_at_stores_one_by_one_gives_the_same_answer_as_by_batches(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_by_one = 0
    for seed in range(4):
        rng = np.random.default_rng([SEED, list(PLACES).index(name), seed, 77])
        here = world(rng, PLACES[name], count=150, strict=False)
        for _ in range(6):
            asked = replace(question(rng, here.rows), strategy=Strategy.NEAREST, mode=Mode.EBIKE, alternatives=0)
            with monkeypatch.context() as patched:
                patched.setattr(selection, "_FEW_IN_ORDER", 1000)
                first = plain(select(here.replica, asked), here.replica, asked)
            with monkeypatch.context() as patched:
                patched.setattr(selection, "_FEW_IN_ORDER", 0)
                second = plain(select(here.replica, asked), here.replica, asked)
            assert first == second, f"{name}, seed {SEED}, world {seed}: {asked}"
            one_by_one += first.winner is not None
    print(f"{name}, seed {SEED}: {one_by_one} winners")


@pytest.mark.parametrize("name", PLACES)
def test_the_sizes_of_batches_do_not_show_in_the_answer(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "_SMALLEST_BATCH", 1)
    monkeypatch.setattr(selection, "_LARGEST_FIRST_BATCH", 1)
    rng = np.random.default_rng([SEED, list(PLACES).index(name)])
    here = world(rng, PLACES[name], count=100, strict=True)
    for number in range(12):
        wrong = difference(here, question(rng, here.rows))
        assert wrong is None, f"seed {SEED}, question {number}: {wrong}"
