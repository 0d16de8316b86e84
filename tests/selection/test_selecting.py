"""A search that waits for ways goes on where it stopped, or begins anew when the market has changed meanwhile."""

from collections.abc import Callable
from dataclasses import replace

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
from geo.travel import MODES, Mode, TravelModel
from geo.travel.engine import Approach, Roadway
from geo.travel.roads import KnownRoads, RoadBounds, WaysNeeded
from tests.selection.oracle import Shelf
from tests.selection.worlds import NOW_S, replica_of

BOUNDS = RoadBounds(dict.fromkeys(Mode, 10.0), dict.fromkeys(Mode, (1.0,) * 24))
DOOR = LatLon(lat=25.03, lon=121.56)
COUNT = 30


def a_row(number: int, *, lat: float, orders: int = 0) -> StoreRow:
    place = LatLon(lat=lat, lon=121.56)
    store = Store(store_id=f"S{number:02d}", place=place, timezone="UTC", max_open_orders=5)
    return StoreRow(store, number + 1, cell_of(place), orders, None)


def street() -> Replica:
    """Stores along a street, each 100 m farther from the door."""
    rows = [a_row(number, lat=25.031 + 0.001 * number) for number in range(COUNT)]
    return replica_of(rows, {"tea": Shelf(np.arange(COUNT), np.full(COUNT, 9), np.full(COUNT, NOW_S))})


ASKED = Question(
    destination=DOOR, lines=(Line("tea", 2),), promise_s=3600, now_s=NOW_S, start_s=NOW_S, mode=Mode.EBIKE,
    alternatives=2,
)  # fmt: skip


def learn(known: KnownRoads, needed: WaysNeeded) -> None:
    """Every way takes a minute, and a second more for each 0.001 degrees."""
    for code in needed.approaches:
        known.learn_approach(code, Approach())
    if len(needed.lats):
        count, code = len(needed.lats), MODES.index(Mode.EBIKE)
        seconds = 60 + np.round((needed.lats - 25.03) * 1e3)
        known.learn(needed, {code: Roadway(seconds, np.zeros(count), np.zeros(count))})


def learning(asking: Callable[[TravelModel], Selection], known: KnownRoads) -> Selection:
    """Asked again with each way that it needs."""
    while True:
        try:
            return asking(known)
        except WaysNeeded as needed:
            learn(known, needed)


def ids_of(
    replica: Replica, asking: Selecting | None = None, *, meanwhile: dict[int, object] | None = None
) -> list[str]:
    """Who is told, nearest first; ``meanwhile``: what is done before the search is asked to go on for the nth time."""
    known, asking = KnownRoads("test", BOUNDS), asking or Selecting(replica, ASKED)
    for turn in range(100):
        if meanwhile and (act := meanwhile.get(turn)) is not None:
            assert callable(act)
            act()
        try:
            found = asking(known)
        except WaysNeeded as needed:
            learn(known, needed)
            continue
        assert found.winner is not None
        return [one.store_id for one in (found.winner, *found.alternatives)]
    raise AssertionError("it does not come to an end")


def test_it_answers_as_one_that_begins_anew_each_time() -> None:
    replica = street()
    known = KnownRoads("test", BOUNDS)
    anew = learning(lambda travel: select(replica, ASKED, travel), known)
    assert anew.winner is not None
    assert (
        ids_of(replica) == [anew.winner.store_id, *(one.store_id for one in anew.alternatives)] == ["S00", "S01", "S02"]
    )


def test_it_does_not_begin_anew_while_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    replica, begun = street(), 0
    before = Selecting._begun

    def counted(self: Selecting, *args: object) -> object:
        nonlocal begun
        begun += 1
        return before(self, *args)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(Selecting, "_begun", counted)
    assert ids_of(replica) == ["S00", "S01", "S02"]
    assert begun == 2, "once for what is known beforehand, for that comes before all, and once more"


CHANGES = {
    "its last piece is sold": lambda replica: replica.stock.put_one(0, 0, 0, NOW_S, 0),
    "a delivery of many": lambda replica: replica.stock.put(
        0, np.array([0]), np.array([1]), np.array([NOW_S]), np.array([0])
    ),
    "it is full": lambda replica: replica.catalogue.set_open_orders(0, 5),
    "it is closed for good": lambda replica: replica.catalogue.remove(1, from_cell=int(replica.columns.cell[0])),
    "it moves away": lambda replica: replica.put_store(a_row(0, lat=25.2)),
}


@pytest.mark.parametrize("turn", [1, 2, 3])
@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_while_ways_are_asked_for_is_seen(change: str, turn: int) -> None:
    replica = street()
    before = replica.moment
    told = ids_of(replica, meanwhile={turn: lambda: CHANGES[change](replica)})
    assert replica.moment != before, "else the search could go on in a market that is no more"
    assert told == ["S01", "S02", "S03"]


def test_a_store_that_opens_meanwhile_is_seen() -> None:
    replica = street()
    number = COUNT
    nearer = a_row(number, lat=25.0305)

    def opens() -> None:
        slot = replica.put_store(nearer)
        scale = np.array([slot]), np.array([NOW_S]), np.array([86_400])
        moment = replica.moment
        replica.stock.set_freshness_scale(*scale)
        assert replica.moment != moment
        replica.stock.put_one(0, slot, 9, NOW_S, 0)

    assert ids_of(replica, meanwhile={2: opens}) == ["S30", "S00", "S01"]


def test_a_sku_that_comes_meanwhile_is_seen() -> None:
    replica = street()
    before = replica.moment
    asking = Selecting(replica, structs.replace(ASKED, lines=(Line("milk", 1),)))
    assert asking(KnownRoads("test", BOUNDS)).unknown_sku == "milk"
    replica.stock.add_sku("milk")
    assert replica.moment != before
    replica.stock.put_one(1, 4, 9, NOW_S, 0)
    known = KnownRoads("test", BOUNDS)
    found = learning(asking, known)
    assert found.winner is not None
    assert found.winner.store_id == "S04"


def test_after_an_error_it_begins_anew() -> None:
    """What fails is not half of an answer."""
    replica = street()

    class Broken(KnownRoads):
        fails = True

        def knows(self, *, lats: FloatArray, lons: FloatArray, modes: IntArray) -> NDArray[np.bool_]:
            if self.fails:
                raise RuntimeError("no answer")
            return super().knows(lats=lats, lons=lons, modes=modes)

    known = Broken("test", BOUNDS)
    known.learn_approach(MODES.index(Mode.EBIKE), Approach())
    asking = Selecting(replica, ASKED)
    with pytest.raises(RuntimeError, match="no answer"):
        asking(known)
    known.fails = False
    found = learning(asking, known)
    assert found.winner is not None
    assert found.winner.store_id == "S00"


def with_times(row: StoreRow, *, prepare_s: int = 0, prepare_line_s: int = 0) -> StoreRow:
    store = replace(row.store, prepare_s=prepare_s, prepare_line_s=prepare_line_s)
    return replace(row, store=replace(store, queue_per_order_s=0, courier_s=0, handover_s=0))


class Hint(Approach):
    """Knows every way to the second."""

    def least(self, lats: FloatArray, lons: FloatArray) -> tuple[FloatArray, FloatArray]:
        return SECONDS_PER_DEGREE * (lats - 25.03), np.zeros(len(lats))


SECONDS_PER_DEGREE = 100_000.0


@pytest.mark.parametrize("lines", [(), (Line("tea", 1),)], ids=["no line", "a line"])
def test_the_hours_that_count_are_those_of_one_line_where_there_is_none(lines: tuple[Line, ...]) -> None:
    """The nearer store leaves in the rush, the farther one, which prepares for longer, after it."""
    start_s = NOW_S // 86_400 * 86_400 + 18 * 3600 + 1800
    rush = tuple(5.0 if hour == 18 else 1.0 for hour in range(24))
    rows = [
        with_times(a_row(0, lat=25.032)),
        with_times(a_row(1, lat=25.033), prepare_line_s=1900),
    ]
    replica = replica_of(rows, {"tea": Shelf(np.arange(2), np.full(2, 9), np.full(2, start_s))})
    asked = structs.replace(ASKED, lines=lines, promise_s=36_000, now_s=start_s, start_s=start_s, alternatives=0)
    known = KnownRoads("test", RoadBounds(dict.fromkeys(Mode, 500.0), dict.fromkeys(Mode, rush)))
    asking = Selecting(replica, asked)
    while True:
        try:
            found = asking(known)
            break
        except WaysNeeded as needed:
            for code in needed.approaches:
                known.learn_approach(code, Hint())
            count = len(needed.lats)
            seconds = SECONDS_PER_DEGREE * (needed.lats - 25.03)
            known.learn(needed, {1: Roadway(seconds, np.zeros(count), np.zeros(count))} if count else {})
    assert found.winner is not None
    assert found.winner.store_id == "S01"
    assert known.broken_bounds == 0


def test_an_approach_may_be_forgotten_while_a_search_waits() -> None:
    """The door's way off the road bounds the search from begin to end."""
    rows = [with_times(a_row(0, lat=25.12), prepare_s=60), with_times(a_row(1, lat=25.432), prepare_s=60)]
    replica = replica_of(rows, {"tea": Shelf(np.arange(2), np.full(2, 9), np.full(2, NOW_S))})
    asked = structs.replace(ASKED, promise_s=4600, alternatives=0)

    def answer(*, forgets: bool) -> tuple[str, int, int | None]:
        known, asking = KnownRoads("test", BOUNDS), Selecting(replica, asked)
        while True:
            try:
                found = asking(known)
            except WaysNeeded as needed:
                for code in needed.approaches:
                    approach = Approach()
                    approach.door_leg_m = 290.0
                    known.learn_approach(code, approach)
                if count := len(needed.lats):
                    ways = Roadway(np.full(count, 4310.0), np.zeros(count), np.full(count, 290.0))
                    known.learn(needed, {1: ways})
                    if forgets:
                        known.forget_approaches()
                continue
            assert found.winner is not None
            assert found.certificate is not None
            return found.winner.store_id, found.winner.key_s, found.certificate.next_bound_s

    assert answer(forgets=True) == answer(forgets=False)
