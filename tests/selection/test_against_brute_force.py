"""Every field of every answer equals what looking at all stores gives.

LIFECIRCLE_FULL=1 asks ten times as many questions to small worlds, and 2,000 of the real set.
"""

import os
from collections import Counter

import numpy as np
import pytest
from msgspec import structs

from dispatch.domain.answer import Plan
from dispatch.domain.question import Line, Question
from dispatch.domain.selection import select
from dispatch.domain.stores import Store
from dispatch.storage.feed import StoreRow
from geo.cells import cell_of
from geo.coordinates import LatLon
from geo.travel import Mode
from tests.selection.oracle import REASONS, Shelf
from tests.selection.taiwan import Taiwan
from tests.selection.worlds import NOW_S, PLACES, SKUS, World, difference, plain, question, world, world_of

SEED = 20261121
FULL = os.environ.get("LIFECIRCLE_FULL") == "1"
WORLDS = 100 if FULL else 8
QUESTIONS = 5
REAL_QUESTIONS = 2000 if FULL else 300
REAL_SEARCHES = 2000 if FULL else 100
TAIPEI = LatLon(lat=25.033, lon=121.5654)
AT_17_05_S = NOW_S + 38 * 60 + 20


def random_world(name: str, seed: int, *, strict: bool) -> tuple[np.random.Generator, World]:
    rng = np.random.default_rng([SEED, list(PLACES).index(name), seed])
    return rng, world(rng, PLACES[name], count=int(rng.choice([1, 3, 12, 60, 300])), strict=strict)


@pytest.mark.parametrize("strict", [False, True], ids=["easy", "strict"])
@pytest.mark.parametrize("name", PLACES)
def test_small_worlds_are_answered_as_by_looking_at_every_store(name: str, strict: bool) -> None:
    for seed in range(WORLDS):
        rng, here = random_world(name, seed, strict=strict)
        for number in range(QUESTIONS):
            wrong = difference(here, question(rng, here.rows))
            assert wrong is None, f"{name}, seed {SEED}, world {seed}, question {number}: {wrong}"


def test_the_small_worlds_hold_every_outcome_and_every_reason() -> None:
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    plans: Counter[str] = Counter()
    for name in PLACES:
        for seed in range(14):
            rng, here = random_world(name, seed, strict=seed % 2 == 1)
            for _ in range(QUESTIONS):
                asked = question(rng, here.rows)
                answer = here.oracle.answer(asked)
                outcomes["fulfilled" if answer.winner else "missed"] += 1
                reasons.update(answer.passed_over_reasons or {})
                certificate = select(here.replica, asked).certificate
                plans[certificate.plan if certificate else "none"] += 1
    assert min(outcomes["fulfilled"], outcomes["missed"]) > 30, outcomes
    # No estimated way is unreachable.
    assert set(reasons) == set(REASONS) - {"passes", "unreachable"}, reasons
    assert min(plans[Plan.SPACE_FIRST], plans[Plan.STOCK_FIRST]) > 30, plans


def row(store_id: str, number: int, *, lat: float, lon: float, **said: object) -> StoreRow:
    place = LatLon(lat=lat, lon=lon)
    store = Store(store_id=store_id, place=place, timezone="Asia/Taipei", **said)  # type: ignore[arg-type]
    return StoreRow(store=store, store_no=number + 1, cell=cell_of(place), open_orders=0, stale_after_s=None)


def stocked(rows: list[StoreRow], **shelves: list[int]) -> World:
    """Five of each sku at the stores given by position, counted just now."""
    return world_of(
        rows,
        {
            sku: Shelf(np.array(at, dtype=np.int64), np.full(len(at), 5), np.full(len(at), NOW_S))
            for sku, at in shelves.items()
        },
    )


def asking(sku: str = "tea", *, at: LatLon = TAIPEI, start_s: int = NOW_S, explain: bool = True) -> Question:
    lines = (Line(sku, 1),)
    return Question(destination=at, lines=lines, promise_s=3600, now_s=NOW_S, start_s=start_s, explain=explain)


def test_stores_at_one_place_are_taken_in_order_of_their_ids_whatever_their_order_in_memory() -> None:
    rows = [row(i, n, lat=25.04, lon=121.56) for n, i in enumerate(["b", "a10", "c", "a9", "Z", "ä"])]
    here = stocked(rows, tea=[0, 1, 2, 3, 4, 5])
    asked = structs.replace(asking(), alternatives=5)
    assert difference(here, asked) is None
    answer = plain(select(here.replica, asked), here.replica, asked)
    assert answer.winner
    assert [answer.winner.store_id, *(found.store_id for found in answer.alternatives)] == sorted(
        ["b", "a10", "c", "a9", "Z", "ä"]
    )


@pytest.mark.parametrize(
    ("hold_s", "closes"), [(0, "16:35"), (0, "16:34"), (900, "16:50"), (900, "16:49"), (960, "16:50")]
)
def test_a_store_must_be_open_until_the_goods_are_picked_up_the_hold_included(hold_s: int, closes: str) -> None:
    """Asked at 16:28:00 with 420 s until the goods leave, so that closing at 16:35 is just late enough."""
    rows = [row("soon", 0, lat=25.04, lon=121.56, prepare_s=330, opening_hours=f"06:00-{closes}")]
    asked = structs.replace(asking(start_s=NOW_S + 80), hold_s=hold_s)
    here = stocked(rows, tea=[0])
    assert difference(here, asked) is None
    miss = select(here.replica, asked).miss
    assert (miss.reason.text if miss else None) == (
        None if (hold_s, closes) in {(0, "16:35"), (900, "16:50")} else "closes_too_soon"
    )


def test_no_store_at_all_misses_nothing() -> None:
    here = world_of([], {"tea": Shelf(*(np.empty(0, dtype=np.int64),) * 3)})
    assert difference(here, asking()) is None
    assert select(here.replica, asking()).miss is None


def test_a_sku_that_no_store_ever_had_is_named() -> None:
    here = stocked([row("a", 0, lat=25.04, lon=121.56)], tea=[0])
    assert difference(here, asking("milk")) is None
    assert select(here.replica, asking("milk")).unknown_sku == "milk"


def test_a_sku_with_no_row_left_is_short_everywhere() -> None:
    here = stocked([row("a", 0, lat=25.04, lon=121.56)], tea=[])
    assert difference(here, asking()) is None


def test_with_no_store_within_reach_the_one_with_the_best_key_misses_the_promise_though_another_is_nearer() -> None:
    rows = [
        row("near on foot", 0, lat=25.40, lon=121.56, mode=Mode.FOOT),
        row("far by car", 1, lat=25.42, lon=121.56, mode=Mode.CAR),
    ]
    asked = structs.replace(asking(at=LatLon(lat=24.9, lon=121.56)), promise_s=300)
    assert difference(stocked(rows, tea=[0, 1]), asked) is None


def test_a_quote_from_the_other_side_of_the_world_has_an_answer() -> None:
    rows = [row(f"s{n}", n, lat=25.0 + n / 1000, lon=121.56) for n in range(100)]
    here = stocked(rows, tea=list(range(100)), rare=[3])
    for sku in ("tea", "rare"):
        assert difference(here, asking(sku, at=LatLon(lat=-33.0, lon=-70.0))) is None


def test_a_store_too_slow_on_foot_is_not_within_reach_though_a_car_would_be() -> None:
    rows = [
        row("full", 0, lat=25.04, lon=121.56, mode=Mode.CAR, max_open_orders=0),
        row("on foot", 1, lat=25.08, lon=121.56, mode=Mode.FOOT),
    ]
    assert difference(stocked(rows, tea=[0, 1]), asking()) is None


@pytest.mark.parametrize("winner_has_tea", [True, False], ids=["with a winner", "without"])
def test_a_store_that_leaves_after_the_rush_hour_is_told_of_where_its_way_is_the_shorter(winner_has_tea: bool) -> None:
    """Within the promise all ways are slow; one that is ready only at 19:35 drives fast, and must be listed."""
    rows = [
        row("now", 0, lat=25.043, lon=121.5654, mode=Mode.CAR),
        row("later", 1, lat=25.044, lon=121.5654, mode=Mode.CAR, prepare_s=9000),
        row("far and later", 2, lat=25.17, lon=121.5654, mode=Mode.CAR, prepare_s=9000),
    ]
    here = stocked(rows, tea=[0, 1, 2] if winner_has_tea else [1, 2])
    assert difference(here, structs.replace(asking(start_s=AT_17_05_S), mode=Mode.CAR)) is None


@pytest.mark.parametrize("last_is_open", [True, False], ids=["but for the last", "all"])
def test_space_first_gives_up_on_thousands_of_stores_that_have_it_but_are_closed(last_is_open: bool) -> None:
    rng = np.random.default_rng(SEED)
    rows = [
        row(
            f"s{number}",
            number,
            lat=TAIPEI.lat + off_deg,
            lon=TAIPEI.lon + float(rng.normal(0, 0.001)),
            opening_hours=None if last_is_open and number == 2999 else "off",
        )
        for number, off_deg in enumerate(np.linspace(0.001, 0.05, 3000).tolist())
    ]
    here = stocked(rows, tea=list(range(3000)))
    assert difference(here, asking()) is None
    certificate = select(here.replica, asking()).certificate
    assert certificate
    assert certificate.plan is Plan.STOCK_FIRST


def test_the_real_set_is_answered_as_by_looking_at_every_store(taiwan: Taiwan) -> None:
    rng = np.random.default_rng(SEED)
    outcomes: Counter[str] = Counter()
    for number in range(REAL_QUESTIONS):
        asked = taiwan.question(rng)
        wrong = difference(taiwan.world, asked)
        assert wrong is None, f"seed {SEED}, question {number}: {wrong}"
        selection = select(taiwan.world.replica, asked)
        outcomes["fulfilled" if selection.winner else "missed" if selection.miss else "unknown"] += 1
        outcomes[selection.certificate.plan if selection.certificate else "no plan"] += 1
    print(f"seed {SEED}: {dict(outcomes)}")
    assert all(outcomes[kind] > 10 for kind in ("fulfilled", "missed", *Plan)), outcomes


def test_nearby_in_the_real_set_is_in_the_order_of_brute_force(taiwan: Taiwan) -> None:
    rng = np.random.default_rng(SEED + 1)
    found_any = 0
    for number in range(REAL_SEARCHES):
        at, radius_m = taiwan.place(rng), float(rng.choice([0, 100, 3000, 3000, 10_000, 50_000]))
        distance_m = taiwan.world.oracle.distances_m(at.lat, at.lon)
        within = [i for i in taiwan.world.oracle.nearest_first(distance_m).tolist() if distance_m[i] <= radius_m]
        right = [(i, float(distance_m[i])) for i in within]
        index = taiwan.world.replica.index
        ids, metres = index.within(at, radius_m)
        assert list(zip(ids.tolist(), metres.tolist(), strict=True)) == right, f"seed {SEED}, search {number}"
        hits = [(hit.id, hit.distance_m) for hit in index.nearest(at, radius_m=radius_m)]
        assert hits == right, f"seed {SEED}, search {number}"
        found_any += bool(right)
    assert found_any > REAL_SEARCHES // 2


def test_every_sku_of_the_small_worlds_is_asked_for() -> None:
    rng = np.random.default_rng(SEED)
    asked = {line.sku for _ in range(2000) for line in question(rng, []).lines}
    assert asked == set(SKUS)
