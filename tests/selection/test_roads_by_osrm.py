"""On a city's real roads, by OSRM, the answer is that of asking the engine for every store that has the goods."""

from typing import Final

import numpy as np
import pytest
from msgspec import structs

from dispatch.domain.question import Line, Reason
from dispatch.domain.selection import select
from geo.coordinates import LatLon
from geo.travel import Mode
from geo.travel.roads import KnownRoads, WaysNeeded
from tests.geo.roads import osrm_of
from tests.selection.road_worlds import City, asked_of, city, question, right_answer, travel_s_of_all

SEED: Final = 20261128
QUESTIONS: Final = 60
STORES: Final = 2_000


@pytest.fixture(scope="module")
def jinan() -> City:
    return city("jinan", osrm_of("jinan"), np.random.default_rng(SEED), STORES)


def test_random_quotes_equal_the_full_matrix(jinan: City) -> None:
    rng = np.random.default_rng(SEED)
    answered = asked_for = 0
    for number in range(QUESTIONS):
        asked = question(jinan, "jinan", rng)
        found, known = asked_of(jinan, asked)
        best = [(one.key_s, one.store_id) for one in ([found.winner, *found.alternatives] if found.winner else [])]
        having = np.flatnonzero(np.logical_and.reduce([jinan.has[line.sku] for line in asked.lines]))
        right = right_answer(jinan, asked, travel_s_of_all(jinan, asked, having.tolist()))
        assert best == [(key_s, store_id) for key_s, _, store_id in right[: 1 + asked.alternatives]], (
            f"{SEED}, {number}"
        )
        assert known.broken_bounds == 0
        assert known.source == "osrm"
        answered += bool(best)
        asked_for += len(known)
    assert answered > QUESTIONS // 2
    assert asked_for < QUESTIONS * 100, "not every store is asked for"


def test_a_door_in_the_sea_has_no_store_and_asks_for_no_way(jinan: City) -> None:
    rng = np.random.default_rng(SEED)
    for mode in Mode:
        asked = structs.replace(question(jinan, "jinan", rng), destination=LatLon(lat=36.0, lon=121.5), mode=mode)
        found, known = asked_of(jinan, asked)
        assert found.winner is None
        assert len(known) == 0
        assert found.miss is None or found.miss.reason in (Reason.UNREACHABLE, Reason.PROMISE_MISSED)


def test_several_ways_are_asked_for_at_first(jinan: City) -> None:
    """Where one might do: to ask again costs more than to ask for some in vain."""
    asked = structs.replace(
        question(jinan, "jinan", np.random.default_rng(SEED)), mode=Mode.CAR, lines=(Line("everyday", 1),)
    )
    asked = structs.replace(asked, alternatives=0, promise_s=3600)
    for first_ways in (1, 6):
        known = KnownRoads("osrm", jinan.bounds, first_ways=first_ways)
        known.learn_approach(list(Mode).index(Mode.CAR), jinan.engine.approach(asked.destination, Mode.CAR))
        with pytest.raises(WaysNeeded) as needed:
            select(jinan.replica, asked, known)
        assert len(needed.value.lats) == first_ways
