"""Where a way costs much, selection asks for few of them and answers as if it had asked for all."""

from datetime import UTC, datetime

import numpy as np
import pytest
from msgspec import structs
from numpy.typing import NDArray

from dispatch.domain.answer import Selection
from dispatch.domain.question import Line, Question
from dispatch.domain.selection import Selecting, select
from dispatch.domain.stores import Store
from dispatch.replica.replica import Replica
from dispatch.storage.feed import StoreRow
from geo.cells import cell_of
from geo.coordinates import LatLon
from geo.geodesy import FloatArray, IntArray
from geo.travel import Mode
from geo.travel.engine import Approach, Roadway
from geo.travel.estimate import EstimateTravel
from geo.travel.roads import LONGEST_LEG_M, UNREACHABLE_S, KnownRoads, RoadBounds, WaysNeeded
from tests.selection.oracle import Shelf
from tests.selection.worlds import NOW_S, PLACES, question, replica_of, world
from tests.selection.worlds import difference as difference_of

SEED = 20261125
WORLDS = 6
QUESTIONS = 5
EVEN = (1.0,) * 24


type Met = set[tuple[float, float]]


class LazyEstimate(EstimateTravel):
    """The estimate, told only of the places that were asked for."""

    lazy = True

    def __init__(self) -> None:
        super().__init__()
        self.known: set[tuple[float, float, int]] = set()

    def knows(self, *, lats: FloatArray, lons: FloatArray, modes: IntArray) -> NDArray[np.bool_]:
        keys = zip(lats.tolist(), lons.tolist(), modes.tolist(), strict=True)
        return np.array([key in self.known for key in keys], dtype=np.bool_)

    def times_s(
        self,
        *,
        lats: FloatArray,
        lons: FloatArray,
        destination: LatLon,
        distances_m: FloatArray,
        modes: IntArray,
        hours: IntArray,
    ) -> IntArray:
        missing = ~self.knows(lats=lats, lons=lons, modes=modes)
        if missing.any():
            raise WaysNeeded(lats[missing], lons[missing], modes[missing])
        return super().times_s(
            lats=lats, lons=lons, destination=destination, distances_m=distances_m, modes=modes, hours=hours
        )


def lazily(replica: Replica, asked: Question, travel: LazyEstimate | None = None) -> Selection:
    """Ask again with each answer, as the service does."""
    travel = travel or LazyEstimate()
    while True:
        try:
            return select(replica, asked, travel)
        except WaysNeeded as needed:
            before = len(travel.known)
            travel.known |= set(zip(needed.lats.tolist(), needed.lons.tolist(), needed.modes.tolist(), strict=True))
            assert len(travel.known) > before, "it asks for something new each time"


@pytest.mark.parametrize("strict", [False, True], ids=["easy", "strict"])
@pytest.mark.parametrize("name", PLACES)
def test_it_answers_as_by_looking_at_every_store(name: str, strict: bool) -> None:
    for seed in range(WORLDS):
        rng = np.random.default_rng([SEED, list(PLACES).index(name), seed])
        here = world(rng, PLACES[name], count=int(rng.choice([1, 12, 60, 300])), strict=strict)
        for number in range(QUESTIONS):
            asked = question(rng, here.rows)
            if select(here.replica, asked).winner is None:
                # Without a winner all that the bound lets within reach are passed over, not all that are.
                asked = structs.replace(asked, explain=False)
            wrong = difference_of(here, asked, search=lazily)
            assert wrong is None, f"{name}, seed {SEED}, world {seed}, question {number}: {wrong}"


# ── roads ──────────────────────────────────────────────────────────────────────────────────────────────────────────

BOUNDS = RoadBounds({Mode.FOOT: 4.8 / 3.6, Mode.EBIKE: 25 / 3.6, Mode.CAR: 25.0}, dict.fromkeys(Mode, EVEN))


def leg_of(lat: float, lon: float, seed: int) -> float:
    rng = np.random.default_rng([seed, int((lat + 90) * 1e7), int((lon + 180) * 1e7)])
    return float(rng.choice([0.0, 30.0, LONGEST_LEG_M, LONGEST_LEG_M + 1]))


def door_leg_of(door: LatLon, seed: int) -> float:
    return leg_of(door.lat, door.lon, seed) / 3


def ways_from(
    lats: FloatArray, lons: FloatArray, distances_m: FloatArray, mode: Mode, seed: int, door: LatLon
) -> Roadway:
    """Roads that no one could guess: by place a detour of 1 to 4, a leg, and for one in ten no way at all."""
    seconds, legs = np.empty(len(lats)), np.empty(len(lats))
    for i, (lat, lon) in enumerate(zip(lats.tolist(), lons.tolist(), strict=True)):
        rng = np.random.default_rng([seed + 1, int((lat + 90) * 1e7), int((lon + 180) * 1e7)])
        legs[i] = leg_of(lat, lon, seed)
        on_road_m = max(0.0, distances_m[i] - legs[i] - door_leg_of(door, seed))
        detour = rng.choice([1.0, rng.uniform(1, 4)])
        seconds[i] = np.nan if rng.random() < 0.1 else np.floor(on_road_m * detour / BOUNDS.top_speed_mps[mode])
    return Roadway(seconds, legs, np.full(len(lats), door_leg_of(door, seed)))


class AllRoads(KnownRoads):
    """Knows every way, so that nothing need be asked: the slow way to the same answer."""

    lazy = False

    def __init__(self, replica: Replica, asked: Question, seed: int) -> None:
        super().__init__("test", BOUNDS)
        slots, distances_m = replica.index.within(asked.destination, 1e8)
        lats, lons = replica.index.lats[slots], replica.index.lons[slots]
        modes = replica.columns.mode[slots].astype(np.int64)
        for code in range(len(Mode)):
            self.learn_approach(code, Approach())
        for code in np.unique(modes).tolist():
            of_it = modes == code
            needed = WaysNeeded(lats[of_it], lons[of_it], modes[of_it])
            mode = list(Mode)[code]
            ways = ways_from(lats[of_it], lons[of_it], distances_m[of_it], mode, seed, asked.destination)
            self.learn(needed, {code: ways})


class Hints(Approach):
    """Knows of some places how long their ways are at least, up to a limit, and the legs of those that were met."""

    def __init__(self, replica: Replica, asked: Question, mode: Mode, seed: int, met: Met, *, cut_s: float) -> None:
        slots, distances_m = replica.index.within(asked.destination, 1e8)
        lats, lons = replica.index.lats[slots], replica.index.lons[slots]
        ways = ways_from(lats, lons, distances_m, mode, seed, asked.destination)
        share = np.random.default_rng(seed + 2).choice([0.0, 0.5, 1.0], size=len(slots))
        # Of a way that there is not, nothing is too much to say.
        least_s = np.minimum(np.nan_to_num(ways.seconds * share, nan=1e6), cut_s)
        places = zip(lats.tolist(), lons.tolist(), strict=True)
        self._least_s = dict(zip(places, least_s.tolist(), strict=True))
        self.door_leg_m = door_leg_of(asked.destination, seed)
        self._seed, self._met, self._cut_s = seed, met, cut_s

    def least(self, lats: FloatArray, lons: FloatArray) -> tuple[FloatArray, FloatArray]:
        places = list(zip(lats.tolist(), lons.tolist(), strict=True))
        legs_m = [leg_of(*at, self._seed) if at in self._met else 0.0 for at in places]
        return np.array([self._least_s[at] for at in places]), np.array(legs_m)

    def is_cut_short(self, lats: FloatArray, lons: FloatArray) -> bool:
        return self._cut_s < np.inf and bool((self.least(lats, lons)[0] >= self._cut_s).any())


def by_road(replica: Replica, asked: Question, seed: int) -> tuple[Selection, int]:
    """The lazy answer, and how many ways were asked for; legs are known of the places that were."""
    door, met = asked.destination, set[tuple[float, float]]()
    travel, asking = KnownRoads("test", BOUNDS), Selecting(replica, asked)
    while True:
        try:
            return asking(travel), len(travel)
        except WaysNeeded as needed:
            for code in needed.approaches:
                cut_s = 200.0 if travel.approach(code) is None else np.inf
                travel.learn_approach(code, Hints(replica, asked, list(Mode)[code], seed, met, cut_s=cut_s))
            for code in np.unique(needed.modes).tolist():
                of_it = needed.modes == code
                lats, lons = needed.lats[of_it], needed.lons[of_it]
                slots, all_m = replica.index.within(asked.destination, 1e8)
                places = zip(replica.index.lats[slots].tolist(), replica.index.lons[slots].tolist(), strict=True)
                away_m = dict(zip(places, all_m.tolist(), strict=True))
                distances_m = np.array([away_m[at] for at in zip(lats.tolist(), lons.tolist(), strict=True)])
                part = WaysNeeded(lats, lons, needed.modes[of_it])
                travel.learn(part, {code: ways_from(lats, lons, distances_m, list(Mode)[code], seed, door)})
                met |= set(zip(lats.tolist(), lons.tolist(), strict=True))


@pytest.mark.parametrize("name", ["dense", "towns", "shared coordinates", "mirrored"])
def test_by_road_it_answers_as_if_every_way_were_known(name: str) -> None:
    asked_for = known = winners = unreachable = 0
    for seed in range(WORLDS):
        rng = np.random.default_rng([SEED + 1, list(PLACES).index(name), seed])
        here = world(rng, PLACES[name], count=int(rng.choice([12, 60, 300])), strict=seed % 2 == 1)
        for number in range(QUESTIONS):
            asked = structs.replace(question(rng, here.rows), mode=None)
            everything = AllRoads(here.replica, asked, seed)
            right = select(here.replica, asked, everything)
            found, ways = by_road(here.replica, asked, seed)
            where = f"{name}, seed {SEED}, world {seed}, question {number}: {asked}"
            assert (found.winner, found.alternatives) == (right.winner, right.alternatives), where
            if found.certificate is not None and found.winner is not None:
                bound_s = found.certificate.next_bound_s
                assert bound_s is None or bound_s >= found.winner.key_s
                winners += 1
            if found.winner is not None or not asked.explain:
                assert found.passed_over == right.passed_over, where
            assert everything.broken_bounds == 0
            # A miss is told by what is within reach, which is the same by both.
            assert found.miss == right.miss, where
            asked_for, known = (
                asked_for + (0 if asked.explain else ways),
                known + (0 if asked.explain else len(everything)),
            )
            unreachable += any(one.key_s >= UNREACHABLE_S for one in right.passed_over or ())
    print(f"{name}: {asked_for} of {known} ways asked for, {winners} winners")
    assert winners > QUESTIONS
    assert unreachable
    assert asked_for < known


def test_a_broken_bound_is_counted() -> None:
    lats, lons, modes = np.array([25.0]), np.array([121.5]), np.array([1])
    needed = WaysNeeded(lats, lons, modes)
    for distance_m, broken in ((70.0, 0), (25 / 3.6 * 11, 0), (25 / 3.6 * 12, 1)):
        travel = KnownRoads("test", BOUNDS)
        travel.learn(needed, {1: Roadway(np.array([10.0]), np.zeros(1), np.zeros(1))})
        for _ in range(2):  # a way is held against the bound once, however often the search begins anew
            travel.times_s(
                lats=lats, lons=lons, destination=LatLon(lat=25.0, lon=121.5), distances_m=np.array([distance_m]),
                modes=modes, hours=np.array([8]),
            )  # fmt: skip
            assert travel.broken_bounds == broken


def test_a_question_to_nobody_asks_for_nothing() -> None:
    rng = np.random.default_rng(SEED)
    here = world(rng, PLACES["dense"], count=30, strict=False)
    at = LatLon(lat=25.033, lon=121.5654)
    nothing = Question(destination=at, lines=(Line("nowhere", 1),), promise_s=600, now_s=NOW_S, start_s=NOW_S)
    travel = LazyEstimate()
    assert lazily(here.replica, nothing, travel).winner is None


def test_a_door_so_far_off_its_road_that_the_legs_alone_break_the_promise_still_gets_an_answer() -> None:
    here = world(np.random.default_rng(SEED), PLACES["dense"], count=12, strict=False)
    asked = structs.replace(
        question(np.random.default_rng(SEED), here.rows), mode=Mode.EBIKE, promise_s=60, explain=True
    )
    travel = KnownRoads("test", BOUNDS)
    far_off = Approach()
    far_off.door_leg_m = 290.0
    travel.learn_approach(1, far_off)

    def learn(needed: WaysNeeded) -> None:
        count = len(needed.lats)
        travel.learn(needed, {1: Roadway(np.full(count, 10.0), np.full(count, 290.0), np.full(count, 290.0))})

    assert travel.reach_m(60, modes=np.array([1]), hours=np.array([8])) == 0.0
    while True:
        try:
            assert select(here.replica, asked, travel).winner is None
            break
        except WaysNeeded as needed:
            learn(needed)


@pytest.mark.parametrize("why", ["promise_missed", "closes_too_soon"])
def test_stores_that_are_sure_to_fail_are_not_asked_for(why: str) -> None:
    places = [(25.03 + 0.001 * number, 121.56) for number in range(40)]
    hours = "Mo-Su 00:00-24:00" if why == "promise_missed" else closing_at(NOW_S + 60)
    rows = [
        StoreRow(
            Store(store_id=f"S{number}", place=LatLon(lat=lat, lon=lon), timezone="UTC", opening_hours=hours),
            number + 1, cell_of(LatLon(lat=lat, lon=lon)), 0, None,
        )
        for number, (lat, lon) in enumerate(places)
    ]  # fmt: skip
    here = replica_of(rows, {"tea": Shelf(np.arange(40), np.full(40, 9), np.full(40, NOW_S))})
    asked = Question(
        destination=LatLon(lat=25.03, lon=121.5605), lines=(Line("tea", 1),), now_s=NOW_S, start_s=NOW_S,
        promise_s=300 if why == "promise_missed" else 3600, mode=Mode.EBIKE,
    )  # fmt: skip
    found, ways = by_road(here, asked, SEED)
    assert found.winner is None
    assert found.miss is not None
    assert found.miss.reason.text == why
    assert ways <= 16, "for the nearest miss alone"


def closing_at(at_s: int) -> str:
    at = datetime.fromtimestamp(at_s, UTC)
    return f"Mo-Su 00:00-{at:%H:%M}"
