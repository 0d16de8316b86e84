"""Whoever is asked for together is found as each is alone."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from dispatch.domain.nearest_many import nearest_of_each
from dispatch.domain.question import Line, Question, Strategy
from dispatch.domain.selection import select
from geo.travel import Mode
from tests.selection.worlds import NOW_S, PLACES, question, world

SEED = 20261128


def plainer(rng: np.random.Generator, asked: Question) -> Question:
    """A question such as most are: from one of two moments, for some hour, in one of two modes."""
    lines = tuple(Line(line.sku, int(rng.choice([1, 1, 2, 5_000]))) for line in asked.lines)
    start_s = NOW_S + int(rng.choice([0, 0, 7_200]))
    mode = (Mode.EBIKE, Mode.FOOT)[int(rng.integers(2))]
    return replace(
        asked, lines=lines, now_s=NOW_S, start_s=start_s, mode=mode, strategy=Strategy.NEAREST, explain=False,
        exclude_stores=frozenset(), declined_by=frozenset(), only_stores=None,
    )  # fmt: skip


@pytest.mark.parametrize("name", PLACES)
def test_many_are_answered_as_each_alone(name: str) -> None:
    told: Counter[str] = Counter()
    for seed in range(4):
        rng = np.random.default_rng([SEED, list(PLACES).index(name), seed])
        here = world(rng, PLACES[name], count=int(rng.choice([20, 150, 600])), strict=bool(seed % 2))
        columns = here.replica.columns
        columns.busy_until_s[:] = NOW_S + rng.choice([-600, 600], columns.size, p=[0.9, 0.1])
        columns.closed_until_s[:] = NOW_S + rng.choice([-600, 600], columns.size, p=[0.9, 0.1])
        questions = [question(rng, here.rows) for _ in range(40)]
        asked = [one if rng.random() < 0.1 else plainer(rng, one) for one in questions]
        # Twice, for the first time nobody knows yet who is open when.
        for found in (nearest_of_each(here.replica, asked, here.replica.travel) for _ in range(2)):
            for one, selection in zip(asked, found, strict=True):
                if selection is None:
                    told["to be asked alone"] += 1
                    continue
                told["with alternatives" if selection.alternatives else "found"] += 1
                assert selection == select(here.replica, one), f"{name}, seed {SEED}, world {seed}: {one}"
    assert told["found"] > 5, told
    assert told["with alternatives"] > 1, told
    assert told["to be asked alone"] > 5, told


def test_a_store_that_delivers_not_quite_so_far_is_left_out() -> None:
    """A straight chord is within its radius, and the geodesic is not."""
    rng = np.random.default_rng(SEED)
    here = world(rng, PLACES["dense"], count=300, strict=False)
    asked = [plainer(rng, question(rng, here.rows)) for _ in range(60)]
    seen = 0
    for one in asked:
        nearest_of_each(here.replica, [one], here.replica.travel)  # and now it is known who is open
        [before] = nearest_of_each(here.replica, [one], here.replica.travel)
        if before is None or before.winner is None:
            continue
        slot = before.winner.slot
        radius_m = here.replica.columns.delivery_radius_m[slot]
        here.replica.columns.delivery_radius_m[slot] = np.nextafter(before.winner.distance_m, 0.0)
        [found] = nearest_of_each(here.replica, [one], here.replica.travel)
        assert found is None or found == select(here.replica, one)
        here.replica.columns.delivery_radius_m[slot] = radius_m
        seen += 1
    assert seen > 5


def test_nobody_is_nobody() -> None:
    here = world(np.random.default_rng(SEED), PLACES[next(iter(PLACES))], count=5, strict=False)
    assert nearest_of_each(here.replica, [], here.replica.travel) == []
