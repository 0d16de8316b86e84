"""Who can bring something here within the minutes, and how long the way may take; whatever the stock."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from dispatch.domain.eligibility import Examiner
from dispatch.domain.ground import modes_of
from dispatch.domain.market import IntArray, Market
from dispatch.domain.promise import Parts, parts
from dispatch.domain.question import Question, Reason
from geo.coordinates import LatLon
from geo.travel import MODES, Mode, TravelModel

MOST_STORES: Final = 200

_FIRST_BATCH: Final = 64


@dataclass(frozen=True, slots=True)
class Reaching:
    """A store that can be here in time: when, after so many seconds, and how far away it is."""

    slot: int
    store_id: str
    distance_m: float
    eta_s: int
    travel_s: int


@dataclass(frozen=True, slots=True)
class Circle:
    """What a life circle is made of: whence, by what, and how long the way may take.

    ``leaves_s`` (epoch seconds) is when the first goods can be on their way. ``budget_s`` is negative where the
    minutes do not suffice even without a way.
    """

    place: LatLon
    modes: tuple[Mode, ...]
    budget_s: int
    leaves_s: int
    source: str
    stores: list[Reaching]


def circle_of_shopper(market: Market, question: Question, travel: TravelModel) -> Circle:
    """The nearest stores that can (at most MOST_STORES, by (geodesic distance, id)), and the budget of the way.

    The question has no lines. The budget is the promise less the shortest prepare + courier + handover of the active
    stores around, for one line and without a queue. *Around* are those whose way alone might suffice; without any,
    all stores. The modes are the question's, else those of the stores around. Raises what ``travel`` raises.
    """
    hours = market.departure_hours(question.start_s, 1)
    modes = modes_of(market, question)
    reach_m = travel.reach_m(question.promise_s - market.least_fixed_s(1), modes=modes, hours=hours)
    around, least_s, ready_s = np.empty(0, dtype=np.int64), market.least_fixed_s(1), 0
    if reach_m >= 0:
        around, _ = market.index.within(question.destination, reach_m)
        around = around[market.columns.active[around]]
    if len(around):
        made = _parts_of(market, around, with_queue=False)
        fixed_s = made.ready_s + made.handover_s
        quickest = int(np.lexsort((made.ready_s, fixed_s))[0])
        least_s, ready_s = int(fixed_s[quickest]), int(made.ready_s[quickest])
    return Circle(
        place=question.destination,
        modes=_modes_around(market, question, around),
        budget_s=question.promise_s - least_s,
        leaves_s=question.start_s + ready_s,
        source=travel.source,
        stores=_reaching(market, question, travel, reach_m) if len(around) else [],
    )


def circle_of_store(market: Market, slot: int, place: LatLon, question: Question, travel: TravelModel) -> Circle:
    """The budget of the way from a store, its queue counted; ``stores`` is empty.

    The mode is the question's, else the store's own; else only the question's promise and start matter.
    """
    made = _parts_of(market, np.array([slot], dtype=np.int64), with_queue=True)
    ready_s, handover_s = int(made.ready_s[0]), int(made.handover_s[0])
    mode = question.mode or MODES[int(market.columns.mode[slot])]
    budget_s = question.promise_s - ready_s - handover_s
    return Circle(place, (mode,), budget_s, question.start_s + ready_s, travel.source, [])


def _modes_around(market: Market, question: Question, around: IntArray) -> tuple[Mode, ...]:
    if question.mode is not None:
        return (question.mode,)
    codes = np.unique(market.columns.mode[around]).tolist() if len(around) else market.modes.tolist()
    return tuple(MODES[code] for code in codes)


def _parts_of(market: Market, slots: IntArray, *, with_queue: bool) -> Parts:
    times_s = market.columns.times_s[slots].T
    open_orders = market.columns.open_orders[slots].astype(np.int64)
    return parts(
        prepare_s=times_s[0],
        prepare_line_s=times_s[1],
        queue_per_order_s=times_s[2],
        courier_s=times_s[3],
        handover_s=times_s[4],
        open_orders=open_orders if with_queue else np.zeros_like(open_orders),
        n_lines=1,
    )


def _reaching(market: Market, question: Question, travel: TravelModel, reach_m: float) -> list[Reaching]:
    """The nearest stores that pass every test but the stock's."""
    examiner = Examiner(market, question, (), travel)
    found: list[Reaching] = []
    for batch in market.index.batches(question.destination, first=_FIRST_BATCH, radius_m=reach_m):
        examined = examiner.examine(batch.ids, batch.distances_m, stocked=True)
        passing = np.flatnonzero(examined.reason == Reason.NONE).tolist()
        few = [
            Reaching(
                slot=int(examined.slots[i]),
                store_id=market.store_id(int(examined.slots[i])),
                distance_m=float(examined.distances_m[i]),
                eta_s=int(examined.total_s[i]),
                travel_s=int(examined.travel_s[i]),
            )
            for i in passing
        ]
        # Exact ties come in one batch.
        found += sorted(few, key=lambda store: (store.distance_m, store.store_id))
        if len(found) >= MOST_STORES:
            break
    return found[:MOST_STORES]
