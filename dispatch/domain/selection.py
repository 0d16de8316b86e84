"""Find the first store, in order of the strategy's key, that passes every test, and prove that it is.

Two exact plans. *Space first* takes stores nearest first and stops once nothing unseen can have a better key. *Stock
first* takes the stores that have the rarest line, keeps those that have the others, and orders what is left the same
way. The order is (key, geodesic distance, store id), so that runs repeat.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from dispatch.domain.answer import Candidate, Certificate, Plan, Selection
from dispatch.domain.eligibility import Examined, KnownLine
from dispatch.domain.ground import Ground, growing, modes_of, with_ties
from dispatch.domain.market import BoolArray, FloatArray, IntArray, Market, SlotRanges
from dispatch.domain.misses import Misses
from dispatch.domain.question import Question, Reason, Strategy
from geo.point_index import Batch
from geo.travel import TravelModel

_SMALLEST_BATCH: Final = 8
_LARGEST_FIRST_BATCH: Final = 256
_FEW_IN_ORDER: Final = 32
# With so few stores to expect until a hit, look at once, and at so many before thinking again.
_HOPEFUL: Final = 32
_HOPEFUL_LIMIT: Final = 128
# Space first gives way to stock first after so many stores, so that a wrong guess stays cheap.
_SPACE_FIRST_LIMIT: Final = 1000
# So few rows around are looked at without further thought.
_FEW_ROWS: Final = 256
# Measured (make bench): to examine a store nearest first costs about as much as to look at this many rows of a sku.
_ROWS_A_STORE: Final = 25


def select(
    market: Market, question: Question, travel: TravelModel | None = None, *, tell_miss: bool = True
) -> Selection:
    """Answer a question, exactly, from one moment of the market, by ``travel`` or else the market's own.

    Without lines: who could bring one line, if it had it. Without ``tell_miss`` no store that misses is looked for.
    Raises what ``travel`` raises.
    """
    lines = []
    for line in question.lines:
        number = market.stock.number(line.sku)
        if number is None:
            return Selection(unknown_sku=line.sku)
        lines.append(KnownLine(line.sku, number, line.quantity))
    return _Search(market, question, tuple(lines), market.travel if travel is None else travel).run(tell_miss)


def reach_m(market: Market, question: Question, travel: TravelModel | None = None) -> float:
    """The distance beyond which every way alone breaks the promise, so that no store is looked at."""
    hours = market.departure_hours(question.start_s, len(question.lines))
    modes = modes_of(market, question)
    travel = market.travel if travel is None else travel
    return travel.reach_m(question.promise_s, modes=modes, hours=hours)


@dataclass(slots=True)
class _Found:
    """The best stores so far, best first, and where the search stands."""

    best: list[Candidate] = field(default_factory=list)
    failed: list[Examined] = field(default_factory=list)
    examined: int = 0
    ways: int = 0  # that were asked for, where travel is lazy
    next_bound_s: int | None = None
    ended: bool = True


class _Search:
    def __init__(self, market: Market, question: Question, lines: tuple[KnownLine, ...], travel: TravelModel) -> None:
        self._market = market
        self._question = question
        self._lines = lines
        self._travel = travel
        self._ground = Ground(market, question, lines, travel)
        self._examiner = self._ground.examiner
        self._wanted = 1 + question.alternatives
        # With one mode that is alike at every hour, a store farther away never has the better key.
        self._in_order = (
            question.strategy is Strategy.NEAREST
            and self._wanted == 1
            and len(self._ground.modes) == 1
            and not travel.lazy
            and not travel.hourly[self._ground.modes[0]]
        )

    def run(self, tell_miss: bool) -> Selection:
        plan, rest_lacks, found = self._search()
        key_s = found.best[0].key_s if found.best else None
        assert key_s is None or found.next_bound_s is None or found.next_bound_s >= key_s, "the certificate must hold"
        selection = Selection(certificate=Certificate(plan, found.examined, key_s, found.next_bound_s, rest_lacks))
        if found.best:
            selection.winner, *selection.alternatives = found.best
        elif tell_miss:
            selection.miss = Misses(self._ground).nearest(found.failed)
        if self._question.explain:
            Misses(self._ground).explain(selection)
        return selection

    # ── plans ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _search(self) -> tuple[Plan, str | None, _Found]:
        """Look by the plan that seems cheaper, and by the other when it is not; the plan that came to the end.

        How rare a sku is everywhere costs nothing to know, and what sells everywhere is mostly here too. Else it is
        counted around the destination.
        """
        if self._examiner.only is not None:
            found = self._walk(self._market.index.batches_among(self._question.destination, self._examiner.only))
            return Plan.SPACE_FIRST, None, found
        if not self._lines:
            nearest = self._space_first(self._wanted, limit=None)
            assert nearest is not None, "without a limit it comes to the end"
            return Plan.SPACE_FIRST, None, nearest
        everywhere = [self._market.stock.holder_count(line.number) for line in self._lines]
        till_hit = self._stores_till_hit(everywhere, len(self._market.index))
        if till_hit <= _HOPEFUL:
            hit = self._space_first(till_hit, limit=_HOPEFUL_LIMIT)
            if hit is not None:
                return Plan.SPACE_FIRST, None, hit
        around = self._market.slots_around(self._question.destination, self._ground.reach_m)
        counts: list[int] = []
        by_rarity = sorted(self._lines, key=lambda line: self._market.stock.holder_count(line.number))
        for line in by_rarity:
            counts.append(self._market.stock.holder_count(line.number, around))
            if counts[-1] <= _FEW_ROWS:
                return Plan.STOCK_FIRST, line.sku, self._stock_first(line, around)
        rarest = by_rarity[counts.index(min(counts))]
        till_hit = self._stores_till_hit(counts, around.size)
        if till_hit * _ROWS_A_STORE <= min(counts):
            hit = self._space_first(till_hit, limit=_SPACE_FIRST_LIMIT)
            if hit is not None:
                return Plan.SPACE_FIRST, None, hit
        return Plan.STOCK_FIRST, rarest.sku, self._stock_first(rarest, around)

    def _stores_till_hit(self, holders: list[int], stores: int) -> float:
        """How many stores to expect until enough of them have all lines, if skus were spread independently."""
        likelihood = 1.0
        for count in holders:
            likelihood *= min(1.0, count / max(1, stores))
        return self._wanted / likelihood if likelihood > 0 else float("inf")

    def _space_first(self, till_hit: float, *, limit: int | None) -> _Found | None:
        """Nearest first; None when it has looked at ``limit`` stores without an end in sight."""
        first = int(min(max(_SMALLEST_BATCH, 2 * till_hit), _LARGEST_FIRST_BATCH))
        found = self._walk(self._ground.near(first), limit=limit)
        if found.next_bound_s is None and found.examined < len(self._market.index):
            found.next_bound_s = self._ground.bound_s(self._ground.horizon_m)
        return found if found.ended else None

    def _stock_first(self, rarest: KnownLine, around: SlotRanges) -> _Found:
        """All stores around that have the rarest line, those that have the others too nearest first."""
        index = self._market.index
        holders = self._market.stock.holders(rarest.number, around)
        holders = holders[~np.isnan(index.lats[holders])]
        stocked = holders[self._examiner.stocked(holders)] if len(holders) else holders
        found = self._walk(index.batches_among(self._question.destination, stocked), stocked=True)
        found.examined = len(holders)
        if len(holders) < self._market.stock.holder_count(rarest.number):
            # Those that were not looked at lie beyond reach.
            beyond_s = self._question.promise_s + 1 + self._ground.fixed_s
            found.next_bound_s = beyond_s if found.next_bound_s is None else min(beyond_s, found.next_bound_s)
        return found

    def _walk(self, batches: Iterator[Batch], *, limit: int | None = None, stocked: bool = False) -> _Found:
        """Examine batches, nearest first, until nothing unseen can matter, or ``limit`` is passed: not ``ended``."""
        found = _Found()
        for batch in batches:
            slots, distances_m, next_m = self._ground.cut(batch)
            if len(slots) and not (self._in_order and self._take_first(found, slots, distances_m)):
                take = self._take_by_way if self._travel.lazy else self._take
                if (taken := take(found, slots, distances_m, stocked=stocked)) < len(slots):
                    found.examined += taken
                    found.next_bound_s = self._ground.bound_s(float(distances_m[taken]))
                    return found
            found.examined += len(slots)
            found.next_bound_s = self._ground.bound_s(next_m)
            if next_m > self._ground.reach_m or self._settled(found):
                return found
            if limit is not None and found.examined >= limit:
                found.ended = False
                return found
        found.next_bound_s = None
        return found

    def _take_first(self, found: _Found, slots: IntArray, distances_m: FloatArray) -> bool:
        """Take the first of a few stores that passes; False if none of them does, or who is first is not so plain.

        Where the order of distance is that of the key, the search is over with it. One store is looked at in a third
        of the time of a batch, and mostly it is among the nearest two or three.
        """
        if found.best or len(slots) > _FEW_IN_ORDER:
            return False
        distances = distances_m.tolist()
        for i, slot in enumerate(slots.tolist()):
            eta = self._examiner.passes(slot, distances[i])
            if eta is None:
                continue
            if i + 1 < len(distances) and distances[i + 1] == distances[i]:
                return False
            found.best.append(Candidate(slot, self._market.store_id(slot), distances[i], eta.travel_s, eta))
            return True
        return False

    def _take_by_way(self, found: _Found, slots: IntArray, distances_m: FloatArray, *, stocked: bool) -> int:
        """Like ``_take``, asking the ways of a few at a time; how many were gone through until no other can matter."""
        having = np.arange(len(slots)) if stocked else np.flatnonzero(self._examiner.stocked(slots))
        tested = self._examiner.tested(slots[having], distances_m[having], stocked=True)
        tested = self._examiner.beforehand(tested, self._ground.own_ways_s(tested.slots, tested.distances_m))
        passing = np.flatnonzero(tested.reason == Reason.NONE)
        if len(passing) < len(having):
            found.failed.append(tested.only(tested.reason != Reason.NONE))
            having, tested = having[passing], tested.only(passing)
        # What is known costs nothing, so that it is one stretch.
        for start, end in growing(len(having), found.ways, self._ground.known(tested.slots)):
            bound_s = self._ground.bound_s(float(tested.distances_m[start]))
            if len(found.best) == self._wanted and bound_s is not None and found.best[-1].key_s < bound_s:
                return int(having[start])
            few = start + np.flatnonzero(self._may_win(found, tested.slots[start:end], tested.distances_m[start:end]))
            if len(few):
                self._merge(found, self._examiner.travelled(tested.only(few), slice(None)))
            found.ways += len(few)
        return len(slots)

    def _may_win(self, found: _Found, slots: IntArray, distances_m: FloatArray) -> BoolArray:
        """Which stores their own mode lets be among the best: among cars, one by foot is often too far to be asked."""
        if len(found.best) < self._wanted:
            return np.ones(len(slots), dtype=np.bool_)
        return self._ground.own_ways_s(slots, distances_m) + self._ground.fixed_s <= found.best[-1].key_s

    def _take(self, found: _Found, slots: IntArray, distances_m: FloatArray, *, stocked: bool) -> int:
        """Examine stores and merge those that pass into the best; how many were gone through, which is all."""
        count = len(slots)
        if not stocked:
            having = self._examiner.stocked(slots)
            slots, distances_m = slots[having], distances_m[having]
        if len(slots):
            self._merge(found, self._examiner.examine(slots, distances_m, stocked=True))
        return count

    def _merge(self, found: _Found, examined: Examined) -> None:
        passing = np.flatnonzero(examined.reason == Reason.NONE)
        if len(passing) < len(examined.slots):
            found.failed.append(examined)
        if len(passing) == 0:
            return
        order = passing[np.lexsort((examined.distances_m[passing], examined.key_s[passing]))]
        for index in with_ties(order, examined.key_s, examined.distances_m, self._wanted).tolist():
            store_id = self._market.store_id(int(examined.slots[index]))
            key_s, distance_m = int(examined.key_s[index]), float(examined.distances_m[index])
            slot, eta = int(examined.slots[index]), self._ground.eta(examined, index)
            found.best.append(Candidate(slot, store_id, distance_m, key_s, eta))
        found.best.sort(key=lambda candidate: (candidate.key_s, candidate.distance_m, candidate.store_id))
        del found.best[self._wanted :]

    def _settled(self, found: _Found) -> bool:
        """Whether nothing unseen can be among the best. An equal key is no better: what is unseen lies farther."""
        if len(found.best) < self._wanted:
            return False
        return found.next_bound_s is None or found.best[-1].key_s <= found.next_bound_s
