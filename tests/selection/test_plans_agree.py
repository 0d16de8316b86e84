"""Whatever the plan, the answer is the same: each is forced upon the same questions."""

from collections import Counter
from collections.abc import Callable
from math import dist

import numpy as np
import pytest
import shapely
from msgspec import structs

from dispatch.domain import selection
from dispatch.domain.answer import Plan, Selection
from dispatch.domain.nearest import nearest
from dispatch.domain.question import Line, Question, Reason, Strategy
from dispatch.domain.selection import select
from dispatch.domain.stores import Store
from dispatch.replica.replica import Replica
from dispatch.storage.feed import StoreRow
from geo.cells import cell_of
from geo.coordinates import LatLon
from geo.geodesy import distance_m, earth_centred_place
from geo.travel import Mode
from tests.selection.oracle import Shelf
from tests.selection.worlds import NOW_S, PLACES, difference, question, replica_of, world

SEED = 20261124
NO_LIMIT = 10**9

type Searched = selection.Steps[tuple[Plan, str | None, selection._Found]]

chosen_by_itself = selection._Search._search


@pytest.fixture
def by_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """No market sifts its stores by itself."""
    monkeypatch.setattr(selection, "nearest", lambda *_, **__: None)


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


@pytest.mark.usefixtures("by_batches")
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


def in_plain_order(asked: Question, rng: np.random.Generator) -> Question:
    """A question for the nearest store, of a kind that the market may answer by itself."""
    quantities = rng.choice([1, 1, 2, 5, 5_000], len(asked.lines))
    lines = tuple(Line(line.sku, int(wanted)) for line, wanted in zip(asked.lines, quantities, strict=True))
    return structs.replace(
        asked, lines=lines, strategy=Strategy.NEAREST, mode=Mode.EBIKE, explain=False, only_stores=None
    )


@pytest.mark.parametrize("name", PLACES)
def test_what_the_market_sifts_by_itself_is_answered_as_by_batches(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: Counter[str] = Counter()
    for seed in range(6):
        rng = np.random.default_rng([SEED, list(PLACES).index(name), seed, 77])
        here = world(rng, PLACES[name], count=int(rng.choice([20, 150, 600])), strict=bool(seed % 2))
        # Some say that they are too busy, some that they are closed, for a while.
        columns = here.replica.columns
        columns.busy_until_s[:] = NOW_S + rng.choice([-600, 600], columns.size, p=[0.8, 0.2])
        columns.closed_until_s[:] = NOW_S + rng.choice([-600, 600], columns.size, p=[0.8, 0.2])
        # Others are gone, and their rows are still there.
        for slot in rng.choice(columns.size, columns.size // 10, replace=False).tolist():
            here.replica.catalogue.remove(int(columns.store_no[slot]), from_cell=int(columns.cell[slot]))
        for _ in range(12):
            asked = in_plain_order(question(rng, here.rows), rng)
            numbers = [number for line in asked.lines if (number := here.replica.stock.number(line.sku)) is not None]
            if len(numbers) < len(asked.lines):
                continue
            quick = nearest(here.replica, asked, numbers, here.replica.travel, tell_miss=True)
            with monkeypatch.context() as patched:
                patched.setattr(selection, "nearest", lambda *_, **__: None)
                slow = select(here.replica, asked)
            if quick is None:
                told["left to batches"] += 1
                continue
            assert quick.winner == slow.winner, f"{name}, seed {SEED}, world {seed}: {asked}"
            assert quick.alternatives == slow.alternatives, f"{name}, seed {SEED}, world {seed}: {asked}"
            assert quick.miss == slow.miss, f"{name}, seed {SEED}, world {seed}: {asked}"
            told["winner" if quick.winner else quick.miss.reason.text if quick.miss else "no store"] += 1
    print(f"{name}, seed {SEED}: {told}")
    assert told["winner"] > 5, told


@pytest.mark.usefixtures("by_batches")
@pytest.mark.parametrize("name", PLACES)
def test_the_sizes_of_batches_do_not_show_in_the_answer(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "_SMALLEST_BATCH", 1)
    monkeypatch.setattr(selection, "_LARGEST_FIRST_BATCH", 1)
    rng = np.random.default_rng([SEED, list(PLACES).index(name)])
    here = world(rng, PLACES[name], count=100, strict=True)
    for number in range(12):
        wrong = difference(here, question(rng, here.rows))
        assert wrong is None, f"seed {SEED}, question {number}: {wrong}"


DOOR = LatLon(lat=25.03, lon=121.56)
ELSEWHERE = shapely.box(121.57, 25.0, 121.6, 25.1)
FOR_TEA = Question(destination=DOOR, lines=(Line("tea", 1),), promise_s=3600, now_s=NOW_S, start_s=NOW_S)


def who_has_tea(zones: list[shapely.Polygon | None]) -> Replica:
    """Stores that deliver in these zones, each farther north of the door than the one before."""
    rows = []
    for number, zone in enumerate(zones):
        place = LatLon(lat=25.031 + 0.001 * number, lon=121.56)
        store = Store(store_id=f"S{number}", place=place, timezone="UTC", delivery_zone=zone)
        rows.append(StoreRow(store, number + 1, cell_of(place), 0, None))
    shelf = Shelf(np.arange(len(zones)), np.full(len(zones), 9), np.full(len(zones), NOW_S))
    return replica_of(rows, {"tea": shelf})


def test_stores_that_deliver_elsewhere_are_passed_over_without_the_search_by_batches() -> None:
    replica = who_has_tea([ELSEWHERE, ELSEWHERE, None, ELSEWHERE, None])
    asked = structs.replace(FOR_TEA, alternatives=1, exclude_stores=frozenset({"S2"}))
    for question_, expected in ((FOR_TEA, ["S2"]), (asked, ["S4"]), (FOR_TEA, ["S2"])):
        quick = nearest(replica, question_, replica.stock.numbers(question_.lines), replica.travel, tell_miss=True)
        assert quick is not None, "it was left to the search by batches"
        assert quick.winner is not None
        assert [one.store_id for one in (quick.winner, *quick.alternatives)] == expected


def test_who_has_all_but_delivers_elsewhere_is_told_for_that_and_one_that_passes_behind_it_wins() -> None:
    def answer(zones: list[shapely.Polygon | None]) -> Selection:
        return select(who_has_tea(zones), FOR_TEA)

    for count in (1, 20):
        miss = answer([ELSEWHERE] * count).miss
        assert miss is not None
        assert (miss.store_id, miss.reason) == ("S0", Reason.OUTSIDE_DELIVERY_ZONE)
    winner = answer([ELSEWHERE, ELSEWHERE, None, None]).winner
    assert winner is not None
    assert winner.store_id == "S2"


def test_a_radius_between_the_chord_and_the_geodesic_is_exceeded() -> None:
    door, place = LatLon(lat=25.03, lon=121.56), LatLon(lat=25.11, lon=121.6)
    chord_m = dist(earth_centred_place(door), earth_centred_place(place))
    assert distance_m(door, place) - chord_m > 1e-4
    radius_m = (chord_m + distance_m(door, place)) / 2
    store = Store(store_id="S", place=place, timezone="UTC", delivery_radius_m=radius_m)
    replica = replica_of(
        [StoreRow(store, 1, cell_of(place), 0, None)],
        {"tea": Shelf(np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64), np.full(1, NOW_S))},
    )
    asked = Question(destination=door, lines=(Line("tea", 1),), promise_s=3600, now_s=NOW_S, start_s=NOW_S)
    miss = select(replica, asked).miss
    assert miss is not None
    assert miss.reason == Reason.OUTSIDE_DELIVERY_ZONE
