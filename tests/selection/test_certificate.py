"""A client that has the answer, the list of stores and the way travel times are made can check the certificate.

What it cannot know is who has what, so the sku of ``rest_lacks`` is held against the shelves here.
"""

from dataclasses import dataclass
from datetime import datetime
from itertools import product
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from msgspec import structs

from dispatch.domain import selection
from dispatch.domain.answer import Certificate, Plan
from dispatch.domain.ground import Ground
from dispatch.domain.question import Line, Question, Strategy
from dispatch.domain.selection import select
from dispatch.domain.stores import Store
from dispatch.storage.feed import StoreRow
from geo.cells import cell_of
from geo.coordinates import LatLon
from geo.travel import Mode
from tests.selection.oracle import GEOD, Shelf, seconds_per_metre
from tests.selection.worlds import DEFAULTS, NOW_S, PLACES, World, difference, question, replica_of, world

SEED = 20261123
ALL_HOURS = range(24)


@dataclass(frozen=True)
class Listed:
    """A store as its public page shows it, with how far it is from the destination."""

    store_id: str
    mode: str
    timezone: str
    times_s: tuple[int, int, int, int]
    distance_m: float


def listed(world: World, question: Question) -> list[Listed]:
    """The stores asked about, nearest first."""
    stores = []
    for row in world.rows:
        store = row.store
        if question.only_stores is not None and store.store_id not in question.only_stores:
            continue
        at = question.destination
        distance_m = float(GEOD.inv(at.lon, at.lat, store.place.lon, store.place.lat)[2])
        mode = question.mode or store.mode or Mode(DEFAULTS.mode)
        said = [(getattr(store, name), getattr(DEFAULTS, name)) for name in TIMES]
        times_s = tuple(default if value is None else value for value, default in said)
        stores.append(Listed(store.store_id, mode.value, store.timezone, times_s, distance_m))
    return sorted(stores, key=lambda store: store.distance_m)


HORIZON_M = 1_000_000.0
POLAR_RADIUS_M = 6_335_000.0  # of the most curved arcs of the ellipsoid
TIMES = ("prepare_s", "prepare_line_s", "courier_s", "handover_s")


def hours_of(question: Question, timezone: str) -> set[int]:
    """The hours into which a departure within the promise may fall."""
    moments = [
        *range(question.start_s, question.start_s + question.promise_s, 900),
        question.start_s + question.promise_s,
    ]
    return {datetime.fromtimestamp(at_s, ZoneInfo(timezone)).hour for at_s in moments}


def bounds_s(question: Question, stores: list[Listed], distance_m: float) -> tuple[int, int]:
    """What a store at that distance, or farther, takes at least: surely, and when departing within the promise."""
    modes = {store.mode for store in stores} | {(question.mode or Mode(DEFAULTS.mode)).value}
    hours = set().union(*(hours_of(question, zone) for zone in {store.timezone for store in stores}))
    sure = min(seconds_per_metre(mode, hour) for mode, hour in product(modes, ALL_HOURS))
    within = min(seconds_per_metre(mode, hour) for mode, hour in product(modes, hours))
    fixed_s = 0
    if question.strategy is Strategy.FASTEST:
        count = len(question.lines)
        fixed_s = sum(
            min(column) * (count if n == 1 else 1) for n, column in enumerate(zip(*times(stores), strict=True))
        )
    return int(np.ceil(distance_m * sure)) + fixed_s, int(np.ceil(distance_m * within)) + fixed_s


def times(stores: list[Listed]) -> list[tuple[int, int, int, int]]:
    return [store.times_s for store in stores]


def check_space_first(question: Question, stores: list[Listed], everywhere: list[Listed], told: Certificate) -> None:
    assert told.rest_lacks is None
    unseen = stores[told.examined :]
    if told.next_bound_s is None:
        assert not unseen, "stores are left, and nothing is said of them"
        return
    assert unseen, "nothing is left, yet a bound is told"
    # Of a store beyond the horizon it is only said that it lies beyond, of one before it perhaps its chord.
    chord_m = 2 * POLAR_RADIUS_M * np.sin(min(unseen[0].distance_m, HORIZON_M) / (2 * POLAR_RADIUS_M))
    least_s = bounds_s(question, everywhere, chord_m - 1e-3)[0]
    most_s = bounds_s(question, everywhere, unseen[0].distance_m)[1]
    assert least_s <= told.next_bound_s <= most_s


def check_stock_first(question: Question, stores: list[Listed], holders: set[str], told: Certificate) -> None:
    assert told.rest_lacks in {line.sku for line in question.lines}
    having = [store for store in stores if store.store_id in holders]
    if told.next_bound_s is None:
        assert told.examined == len(having), "a store that has the sku was not looked at"
        return
    better = [store for store in having if bounds_s(question, stores, store.distance_m)[1] < told.next_bound_s]
    assert len(better) <= told.examined <= len(having)


@pytest.mark.parametrize("name", PLACES)
def test_a_client_can_check_it(name: str) -> None:
    seen: set[tuple[Plan, bool]] = set()
    for seed in range(6):
        rng = np.random.default_rng([SEED, list(PLACES).index(name), seed])
        here = world(rng, PLACES[name], count=int(rng.choice([20, 150, 600])), strict=bool(seed % 2))
        for number in range(4):
            asked = question(rng, here.rows)
            answer = select(here.replica, asked)
            told = answer.certificate
            assert told is not None, f"seed {SEED}, world {seed}, question {number}"
            print(f"seed {SEED}, world {seed}, question {number}: {told}")
            assert told.key_s == (answer.winner.key_s if answer.winner else None)
            if told.key_s is not None and told.next_bound_s is not None:
                assert told.next_bound_s >= told.key_s
            stores, everywhere = listed(here, asked), listed(here, structs.replace(asked, only_stores=None))
            if told.plan is Plan.SPACE_FIRST:
                check_space_first(asked, stores, everywhere, told)
            else:
                shelf = here.shelves[str(told.rest_lacks)]
                check_stock_first(asked, everywhere, {here.rows[i].store.store_id for i in shelf.at.tolist()}, told)
            seen.add((told.plan, told.next_bound_s is None))
    assert {plan for plan, _ in seen} == set(Plan), seen


def test_the_sku_that_the_others_lack_is_the_right_one_also_where_hours_had_to_be_learnt_on_the_way() -> None:
    rows = []
    for number in range(400):
        at = LatLon(lat=25.03 + 0.00005 * number, lon=121.56)
        store = Store(store_id=f"S{number}", place=at, timezone="UTC", opening_hours="24/7")
        rows.append(StoreRow(store, number + 1, cell_of(at), 0, None))
    every, few = np.arange(400), np.array([0, 399])
    shelves = {name: Shelf(at, at * 0 + 9, at * 0 + NOW_S) for name, at in (("tea", every), ("ice", few))}
    here = replica_of(rows, shelves)
    asked = Question(
        destination=rows[0].store.place,
        lines=(Line("tea", 1), Line("ice", 1)),
        promise_s=7_200,
        now_s=NOW_S,
        start_s=NOW_S,
        alternatives=1,
    )
    for hours in ("not known yet", "known"):
        told = select(here, asked).certificate
        assert told is not None
        assert (told.plan, told.examined, told.rest_lacks) == (Plan.STOCK_FIRST, 2, "ice"), hours


def stops_at_the_first_that_passes(search: selection._Search, found: selection._Found) -> bool:
    found.next_bound_s = None
    return len(found.best) >= search._wanted


def bound_is_too_high(ground: Ground, distance_m: float) -> int | None:
    return None if distance_m == float("inf") else int(distance_m * seconds_per_metre("foot", 0) * 2)


def reach_is_too_short(ground: Ground, travel_s: int) -> float:
    return travel_s / seconds_per_metre("foot", 0) / 2


BREAKAGES = {
    "nothing broken": None,
    # Says that nothing is left, so that only brute force can tell.
    "the bound taken away": (selection._Search, "_settled", stops_at_the_first_that_passes),
    "a bound too high": (Ground, "bound_s", bound_is_too_high),
    "a reach too short": (Ground, "within_m", reach_is_too_short),
}


def is_wrong(here: World, asked: Question) -> bool:
    try:
        return difference(here, asked) is not None
    except AssertionError as refusal:
        # The search may notice for itself.
        return "the certificate must hold" in str(refusal)


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_brute_force_catches_a_search_whose_bound_is_taken_away(breakage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = BREAKAGES[breakage]
    if broken is not None:
        monkeypatch.setattr(*broken)
    caught = 0
    for seed in range(10):
        rng = np.random.default_rng([SEED, seed])
        here = world(rng, PLACES["dense"], count=300, strict=False)
        for _ in range(4):
            asked = question(rng, here.rows)
            caught += is_wrong(here, asked)
    print(f"seed {SEED}: {caught} of 40 answers are wrong")
    assert caught == 0 if broken is None else caught >= 5
