"""Where a search goes: who is around, what any way there takes at least, and what is told of a store."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from dispatch.domain.answer import PassedOver
from dispatch.domain.eligibility import Examined, Examiner
from dispatch.domain.known_lines import KnownLine
from dispatch.domain.market import BoolArray, FloatArray, IntArray, Market
from dispatch.domain.promise import Eta
from dispatch.domain.question import Question, Reason, Strategy
from geo.point_index import Batch
from geo.travel import MODE_CODES, TravelModel

# No one is served from farther away. Beyond, the chord bounds the geodesic so loosely that a search would see them all.
HORIZON_M: Final = 1_000_000.0
# Where travel is lazy, so many ways are asked for at once: few at first, then more.
FIRST_WAYS: Final = 4
MOST_WAYS: Final = 16


def modes_of(market: Market, question: Question) -> IntArray:
    """The codes of the modes that stores may travel by: the question's, or any that stores use."""
    return market.modes if question.mode is None else np.array([MODE_CODES[question.mode]], dtype=np.int64)


class Ground:
    """The stores around one question's destination."""

    def __init__(self, market: Market, question: Question, lines: tuple[KnownLine, ...], travel: TravelModel) -> None:
        self.market = market
        self.question = question
        self.travel = travel
        self.examiner = Examiner(market, question, lines, travel)
        self.modes = modes_of(market, question)
        travel.prepare(self.modes)
        # Without lines: whatever one line would be, as the examiner has it.
        self._hours = market.departure_hours(question.start_s, max(1, len(lines)))
        self.fixed_s = 0 if question.strategy is Strategy.NEAREST else market.least_fixed_s(len(lines))
        # No store is looked at whose way alone breaks the promise.
        self.reach_m = self.within_m(question.promise_s)
        self.horizon_m = max(self.reach_m, HORIZON_M)

    def near(self, first: int) -> Iterator[Batch]:
        """The stores this side of the horizon, nearest first."""
        return self.market.index.batches(self.question.destination, first=first, radius_m=self.horizon_m)

    def cut(self, batch: Batch) -> tuple[IntArray, FloatArray, float]:
        """The part of a batch within reach of the promise, and the distance of the first store after it."""
        if len(batch.ids) == 0 or batch.distances_m[-1] <= self.reach_m:
            return batch.ids, batch.distances_m, batch.next_m
        end = int(batch.distances_m.searchsorted(self.reach_m, side="right"))
        return batch.ids[:end], batch.distances_m[:end], float(batch.distances_m[end])

    def bound_s(self, distance_m: float) -> int | None:
        """What the key of a store at this distance, or farther, is at least; None when there is none."""
        if distance_m == float("inf"):
            return None
        travel_s = int(self.travel.bound_s(distance_m, modes=self.modes, hours=self._hours))
        return travel_s + self.fixed_s

    def own_ways_s(self, slots: IntArray, distances_m: FloatArray) -> IntArray:
        """What the way of each of these stores takes at least, by its own mode."""
        modes, index = self._modes(slots), self.market.index
        return self.travel.own_bound_s(
            lats=index.lats.take(slots),
            lons=index.lons.take(slots),
            distances_m=distances_m,
            modes=modes,
            hours=self._hours,
        )

    def knows(self, slots: IntArray) -> BoolArray:
        """From which of these stores the way costs nothing."""
        index = self.market.index
        return self.travel.knows(lats=index.lats.take(slots), lons=index.lons.take(slots), modes=self._modes(slots))

    def _modes(self, slots: IntArray) -> IntArray:
        if self.question.mode is None:
            return self.market.columns.mode[slots].astype(np.int64)
        return np.full(len(slots), self.modes[0])

    def within_m(self, travel_s: int) -> float:
        """The distance beyond which every way takes longer than ``travel_s``."""
        return self.travel.reach_m(travel_s, modes=self.modes, hours=self._hours)

    def eta(self, examined: Examined, index: int) -> Eta:
        return examined.parts.eta(
            index,
            start_s=self.question.start_s,
            travel_s=int(examined.travel_s[index]),
            travel_source=self.travel.source,
        )

    def passed_over(self, examined: Examined, index: int) -> PassedOver:
        slot = int(examined.slots[index])
        return PassedOver(
            slot=slot,
            store_id=self.market.store_id(slot),
            distance_m=float(examined.distances_m[index]),
            key_s=int(examined.key_s[index]),
            reason=Reason(int(examined.reason[index])),
            detail=self.examiner.detail(examined, index),
            eta=self.eta(examined, index),
        )


def growing(count: int) -> Iterator[tuple[int, int]]:
    """Stretches of 0 to ``count``, each twice as long as all before it together, within limits."""
    start = 0
    while start < count:
        end = start + min(max(FIRST_WAYS, 2 * start), MOST_WAYS)
        yield start, min(end, count)
        start = end


def with_ties(order: IntArray, first: IntArray | FloatArray, second: FloatArray, wanted: int) -> IntArray:
    """The first ``wanted`` of ``order`` and all that are equal to the last of them in both arrays."""
    if len(order) <= wanted:
        return order
    last = order[wanted - 1]
    end = wanted
    while end < len(order) and first[order[end]] == first[last] and second[order[end]] == second[last]:
        end += 1
    return order[:end]
