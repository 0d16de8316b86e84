"""On a city's real roads the answer is that of asking the engine for every store.

To ask it for all of 2,000 stores takes seconds a question. Here the engine's quick matrix, which is off by up to a
half, says who could matter, and those are asked for; ``make bench ARGS="--only roads"`` asks for all of them.
"""

import json
from copy import deepcopy

import numpy as np
import pytest
import valhalla

from dispatch.domain.question import Line, Question
from geo.coordinates import LatLon
from geo.geodesy import FloatArray
from geo.travel import Mode
from geo.travel.valhalla_asking import costing_of
from tests.geo.roads import MODES, valhalla_of
from tests.selection.oracle import GEOD
from tests.selection.road_worlds import City, asked_of, city, city_of, question, right_answer, travel_s_of_all
from tests.selection.worlds import NOW_S

SEED = 20261125
QUESTIONS = 20
STORES = 2_000
# The quick matrix is between 0.55 and 1.65 times the right one, of 2,400 ways.
_COULD_MATTER = 3.0


@pytest.fixture(scope="module")
def jinan() -> City:
    return city("jinan", valhalla_of("jinan"), np.random.default_rng(SEED), STORES)


def quick_s_of_all(here: City, asked: Question) -> FloatArray:
    config = deepcopy(valhalla_of("jinan").config)
    config["thor"]["source_to_target_algorithm"] = "timedistancematrix"
    for limits in ("pedestrian", "bicycle", "auto"):
        config["service_limits"][limits] |= {"max_matrix_location_pairs": 100_000, "max_matrix_distance": 500_000.0}
    assert asked.mode is not None
    places = [{"lat": lat, "lon": lon} for lat, lon in zip(here.lats.tolist(), here.lons.tolist(), strict=True)]
    door = {"lat": asked.destination.lat, "lon": asked.destination.lon}
    request = {"sources": places, "targets": [door], "verbose": True, **costing_of(asked.mode, MODES[asked.mode])}
    answer = json.loads(valhalla.Actor(config).matrix(json.dumps(request)))
    return np.array([np.inf if row[0]["time"] is None else row[0]["time"] for row in answer["sources_to_targets"]])


def test_random_quotes_equal_the_full_matrix(jinan: City) -> None:
    rng = np.random.default_rng(SEED)
    winners = asked_for = 0
    for number in range(QUESTIONS):
        asked = question(jinan, "jinan", rng)
        found, known = asked_of(jinan, asked)
        best = [found.winner, *found.alternatives] if found.winner else []
        worst_s = max((one.eta.travel_s for one in best), default=asked.promise_s)
        if len(best) <= asked.alternatives:
            worst_s = asked.promise_s
        could = np.flatnonzero(quick_s_of_all(jinan, asked) <= _COULD_MATTER * worst_s + 60)
        right = right_answer(jinan, asked, travel_s_of_all(jinan, asked, could.tolist()))
        said = f"seed {SEED}, question {number}: {asked}"
        assert [(one.key_s, one.store_id) for one in best] == [
            (key_s, store_id) for key_s, _, store_id in right[: 1 + asked.alternatives]
        ], said
        assert known.broken_bounds == 0, said
        if best and found.certificate is not None:
            bound_s = found.certificate.next_bound_s
            assert bound_s is None or bound_s >= best[0].key_s, said
            assert best[0].eta.travel_source == "valhalla"
            winners, asked_for = winners + 1, asked_for + len(known)
    print(f"{winners} winners of {QUESTIONS} questions, {asked_for / winners:.0f} ways each")
    assert winners > QUESTIONS / 2


def test_a_store_across_the_barrier_loses_to_one_three_times_as_far_on_this_side(jinan: City) -> None:
    door = LatLon(lat=36.6795355, lon=117.06688)
    across, here = (36.6821966, 117.0672969), (36.6714666, 117.0675521)
    two = City(
        np.array([across[0], here[0]]), np.array([across[1], here[1]]), ["across", "here"],
        {}, city_of([across, here], ["across", "here"]), jinan.engine,
    )  # fmt: skip
    asked = Question(
        destination=door, lines=(Line("everyday", 1),), promise_s=3600, now_s=NOW_S, start_s=NOW_S, mode=Mode.EBIKE,
        explain=True,
    )  # fmt: skip
    found, _ = asked_of(two, asked)
    assert found.winner is not None
    assert found.winner.store_id == "here"
    assert 880 < found.winner.distance_m < 930
    [passed] = found.passed_over or []
    assert (passed.store_id, passed.reason.text) == ("across", "slower")
    assert 280 < passed.distance_m < 330
    assert passed.key_s > 3 * found.winner.key_s
    metres = GEOD.inv(door.lon, door.lat, across[1], across[0])[2]
    assert passed.distance_m == pytest.approx(metres, abs=1e-6)


@pytest.mark.parametrize("door", [LatLon(lat=36.50, lon=117.10), LatLon(lat=36.0, lon=118.0)], ids=["near", "far"])
def test_a_door_off_the_network_has_no_store_within_reach_and_says_unreachable(jinan: City, door: LatLon) -> None:
    asked = Question(
        destination=door, lines=(Line("everyday", 1),), promise_s=3600, now_s=NOW_S,
        start_s=NOW_S, mode=Mode.CAR,
    )  # fmt: skip
    found, known = asked_of(jinan, asked)
    assert found.winner is None
    assert found.miss is not None
    assert found.miss.reason.text == "unreachable"
    assert len(known) <= 8, "once the door is known to be off the network nobody need be asked for"
