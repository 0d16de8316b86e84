"""Find the first store, in order of the strategy's key, that passes every test, and prove that it is.

Two exact plans. *Space first* takes stores nearest first and stops once nothing unseen can have a better key. *Stock
first* takes the stores that have the rarest line, keeps those that have the others, and orders what is left the same
way. The order is (key, geodesic distance, store id), so that runs repeat.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from dispatch.domain.answer import Candidate, Certificate, PassedOver, Plan, Selection
from dispatch.domain.eligibility import Examined, Examiner, KnownLine
from dispatch.domain.market import FloatArray, IntArray, Market, SlotRanges
from dispatch.domain.promise import Eta
from dispatch.domain.question import Question, Reason, Strategy
from geo.point_index import Batch
from geo.travel import MODE_CODES, TravelModel
from geo.travel.roads import UNREACHABLE_S

MAX_PASSED_OVER: Final = 200

_SMALLEST_BATCH: Final = 8
_LARGEST_FIRST_BATCH: Final = 256
_FEW_IN_ORDER: Final = 32
# No one is served from farther away. Beyond, the chord bounds the geodesic so loosely that a search would see them all.
_HORIZON_M: Final = 1_000_000.0
_FEW_FAR: Final = 64
# Where travel is lazy, so many ways are asked for at once.
_WAYS_AT_ONCE: Final = 8
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


def modes_of(market: Market, question: Question) -> IntArray:
    """The codes of the modes that stores may travel by: the question's, or any that stores use."""
    return market.modes if question.mode is None else np.array([MODE_CODES[question.mode]], dtype=np.int64)


@dataclass(slots=True)
class _Found:
    """The best stores so far, best first, and where the search stands."""

    best: list[Candidate] = field(default_factory=list)
    failed: list[Examined] = field(default_factory=list)
    examined: int = 0
    next_bound_s: int | None = None
    ended: bool = True


@dataclass(slots=True)
class _Miss:
    """A store that failed, and how it compares with others that did."""

    reason: int
    key_s: int
    distance_m: float
    store_id: str
    examined: Examined
    index: int

    @property
    def rank(self) -> tuple[int, int, float, str]:
        """The smaller, the better: the later reason, then key, distance and id."""
        return (-self.reason, self.key_s, self.distance_m, self.store_id)


class _Search:
    def __init__(self, market: Market, question: Question, lines: tuple[KnownLine, ...], travel: TravelModel) -> None:
        self._market = market
        self._question = question
        self._lines = lines
        self._travel = travel
        self._examiner = Examiner(market, question, lines, travel)
        self._wanted = 1 + question.alternatives
        self._modes = modes_of(market, question)
        self._hours = market.departure_hours(question.start_s, max(1, len(lines)))
        self._fixed_s = 0 if question.strategy is Strategy.NEAREST else market.least_fixed_s(max(1, len(lines)))
        # No store is looked at whose way alone breaks the promise.
        # With one mode that is alike at every hour, a store farther away never has the better key.
        self._in_order = (
            question.strategy is Strategy.NEAREST
            and self._wanted == 1
            and len(self._modes) == 1
            and not travel.lazy
            and not travel.hourly[self._modes[0]]
        )
        self._reach_m = self._within_m(question.promise_s)
        self._horizon_m = max(self._reach_m, _HORIZON_M)

    def run(self, tell_miss: bool) -> Selection:
        plan, rest_lacks, found = self._search()
        key_s = found.best[0].key_s if found.best else None
        assert key_s is None or found.next_bound_s is None or found.next_bound_s >= key_s, "the certificate must hold"
        selection = Selection(certificate=Certificate(plan, found.examined, key_s, found.next_bound_s, rest_lacks))
        if found.best:
            selection.winner, *selection.alternatives = found.best
        elif tell_miss:
            selection.miss = self._nearest_miss(found)
        if self._question.explain:
            self._explain(selection)
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
        around = self._market.slots_around(self._question.destination, self._reach_m)
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
        found = self._walk(self._near(first), limit=limit)
        if found.next_bound_s is None and found.examined < len(self._market.index):
            found.next_bound_s = self._bound_s(self._horizon_m)
        return found if found.ended else None

    def _near(self, first: int) -> Iterator[Batch]:
        """The stores this side of the horizon, nearest first."""
        return self._market.index.batches(self._question.destination, first=first, radius_m=self._horizon_m)

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
            beyond_s = self._question.promise_s + 1 + self._fixed_s
            found.next_bound_s = beyond_s if found.next_bound_s is None else min(beyond_s, found.next_bound_s)
        return found

    def _walk(self, batches: Iterator[Batch], *, limit: int | None = None, stocked: bool = False) -> _Found:
        """Examine batches, nearest first, until nothing unseen can matter, or ``limit`` is passed: not ``ended``."""
        found = _Found()
        for batch in batches:
            slots, distances_m, next_m = self._cut(batch)
            if len(slots) and not (self._in_order and self._take_first(found, slots, distances_m)):
                taken = self._take_all(found, slots, distances_m, stocked=stocked)
                if taken < len(slots):
                    found.examined += taken
                    found.next_bound_s = self._bound_s(float(distances_m[taken]))
                    return found
            found.examined += len(slots)
            found.next_bound_s = self._bound_s(next_m)
            if next_m > self._reach_m or self._settled(found):
                return found
            if limit is not None and found.examined >= limit:
                found.ended = False
                return found
        found.next_bound_s = None
        return found

    def _cut(self, batch: Batch) -> tuple[IntArray, FloatArray, float]:
        """The part of a batch within reach of the promise, and the distance of the first store after it."""
        if len(batch.ids) == 0 or batch.distances_m[-1] <= self._reach_m:
            return batch.ids, batch.distances_m, batch.next_m
        end = int(batch.distances_m.searchsorted(self._reach_m, side="right"))
        return batch.ids[:end], batch.distances_m[:end], float(batch.distances_m[end])

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

    def _take_all(self, found: _Found, slots: IntArray, distances_m: FloatArray, *, stocked: bool) -> int:
        """Examine stores, nearest first; how many, which is all unless the rest cannot matter and would cost much."""
        if not self._travel.lazy:
            self._take(found, slots, distances_m, stocked=stocked)
            return len(slots)
        for start in range(0, len(slots), _WAYS_AT_ONCE):
            bound_s = self._bound_s(float(distances_m[start]))
            if len(found.best) == self._wanted and bound_s is not None and found.best[-1].key_s < bound_s:
                return start
            end = start + _WAYS_AT_ONCE
            self._take(found, slots[start:end], distances_m[start:end], stocked=stocked)
        return len(slots)

    def _take(self, found: _Found, slots: IntArray, distances_m: FloatArray, *, stocked: bool) -> None:
        """Examine stores and merge those that pass into the best."""
        if not stocked:
            having = self._examiner.stocked(slots)
            slots, distances_m = slots[having], distances_m[having]
            if len(slots) == 0:
                return
        examined = self._examiner.examine(slots, distances_m, stocked=True)
        passing = np.flatnonzero(examined.reason == Reason.NONE)
        if len(passing) < len(slots):
            found.failed.append(examined)
        if len(passing) == 0:
            return
        order = passing[np.lexsort((examined.distances_m[passing], examined.key_s[passing]))]
        for index in _with_ties(order, examined.key_s, examined.distances_m, self._wanted).tolist():
            store_id = self._market.store_id(int(examined.slots[index]))
            key_s, distance_m = int(examined.key_s[index]), float(examined.distances_m[index])
            slot, eta = int(examined.slots[index]), self._eta(examined, index)
            found.best.append(Candidate(slot, store_id, distance_m, key_s, eta))
        found.best.sort(key=lambda candidate: (candidate.key_s, candidate.distance_m, candidate.store_id))
        del found.best[self._wanted :]

    def _settled(self, found: _Found) -> bool:
        """Whether nothing unseen can be among the best. An equal key is no better: what is unseen lies farther."""
        if len(found.best) < self._wanted:
            return False
        return found.next_bound_s is None or found.best[-1].key_s <= found.next_bound_s

    # ── bounds ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _bound_s(self, distance_m: float) -> int | None:
        """What the key of a store at this distance, or farther, is at least; None when there is none."""
        if distance_m == float("inf"):
            return None
        travel_s = int(self._travel.bound_s(distance_m, modes=self._modes, hours=self._hours))
        return travel_s + self._fixed_s

    def _within_m(self, travel_s: int) -> float:
        """The distance beyond which every way takes longer than ``travel_s``."""
        return self._travel.reach_m(travel_s, modes=self._modes, hours=self._hours)

    # ── answers ────────────────────────────────────────────────────────────────────────────────────────────────

    def _eta(self, examined: Examined, index: int) -> Eta:
        return examined.parts.eta(
            index,
            start_s=self._question.start_s,
            travel_s=int(examined.travel_s[index]),
            travel_source=self._travel.source,
        )

    def _passed_over(self, examined: Examined, index: int) -> PassedOver:
        slot = int(examined.slots[index])
        return PassedOver(
            slot=slot,
            store_id=self._market.store_id(slot),
            distance_m=float(examined.distances_m[index]),
            key_s=int(examined.key_s[index]),
            reason=Reason(int(examined.reason[index])),
            detail=self._examiner.detail(examined, index),
            eta=self._eta(examined, index),
        )

    def _nearest_miss(self, found: _Found) -> PassedOver | None:
        """Of the stores within reach, the one that failed latest in the order of reasons, then by key.

        Within reach is a store whose own way alone keeps the promise. Stores that have the stock are all in ``found``.
        Every other fails on its stock at the latest, so the walk ends at the best-placed store that does. With none
        within reach: the best by key of all, as missing the promise.
        """
        best: _Miss | None = None
        for examined in found.failed:
            best = self._later(best, examined)
        if self._examiner.only is not None:
            # All others are excluded, and no reason but being inactive is earlier.
            for batch in self._market.index.batches_among(self._question.destination, self._examiner.only):
                best = self._later(best, self._examiner.examine(batch.ids, batch.distances_m))
            if best is not None and best.reason > Reason.EXCLUDED:
                return self._passed_over(best.examined, best.index)
        if best is None or best.reason <= Reason.INSUFFICIENT_STOCK:
            for batch in self._near(_SMALLEST_BATCH):
                slots, distances_m, next_m = self._cut(batch)
                if len(slots):
                    best = self._later(best, self._examiner.examine(slots, distances_m))
                next_bound_s = self._bound_s(next_m)
                if next_m > self._reach_m or next_bound_s is None:
                    break
                if best is not None and best.reason >= Reason.INSUFFICIENT_STOCK and best.key_s <= next_bound_s:
                    break
        return self._beyond_reach() if best is None else self._passed_over(best.examined, best.index)

    def _later(self, best: _Miss | None, examined: Examined) -> _Miss | None:
        """The better miss: what was best so far, or the best of these stores that are within reach."""
        if not self._travel.lazy:
            return self._best_within(best, examined)
        # Those that failed latest first, nearest first, as long as one can be better.
        for reason in sorted(set(examined.reason.tolist()), reverse=True):
            if best is not None and reason < best.reason:
                break
            of_it = np.flatnonzero(examined.reason == reason)
            of_it = of_it[np.argsort(examined.distances_m[of_it], kind="stable")]
            for start in range(0, len(of_it), _WAYS_AT_ONCE):
                few = of_it[start : start + _WAYS_AT_ONCE]
                slots, distances_m = examined.slots[few], examined.distances_m[few]
                bound_s = self._bound_s(float(distances_m[0]))
                if best is not None and best.reason == reason and bound_s is not None and best.key_s < bound_s:
                    break
                best = self._best_within(best, self._examiner.examine(slots, distances_m, all_travel=True))
        return best

    def _best_within(self, best: _Miss | None, examined: Examined) -> _Miss | None:
        within = np.flatnonzero(examined.travel_s <= self._question.promise_s)
        return best if len(within) == 0 else self._better(best, examined, within)

    def _better(self, best: _Miss | None, examined: Examined, among: IntArray) -> _Miss:
        order = among[np.lexsort((examined.distances_m[among], examined.key_s[among], -examined.reason[among]))]
        first = order[0]
        tied = order[
            (examined.reason[order] == examined.reason[first])
            & (examined.key_s[order] == examined.key_s[first])
            & (examined.distances_m[order] == examined.distances_m[first])
        ]
        index = min(tied.tolist(), key=lambda i: self._market.store_id(int(examined.slots[i])))
        miss = _Miss(
            reason=int(examined.reason[index]),
            key_s=int(examined.key_s[index]),
            distance_m=float(examined.distances_m[index]),
            store_id=self._market.store_id(int(examined.slots[index])),
            examined=examined,
            index=index,
        )
        return miss if best is None or miss.rank < best.rank else best

    def _beyond_reach(self) -> PassedOver | None:
        """The store with the best key of all, when every way alone breaks the promise; None if there is no store.

        With none this side of the horizon, it is the best of the few nearest by straight line: from so far, to be
        exact would be to look at every store, for a question that no one means.
        """
        best: _Miss | None = None
        for batch in self._near(_SMALLEST_BATCH):
            best = self._beyond(best, batch.ids, batch.distances_m)
            next_bound_s = self._bound_s(batch.next_m)
            if next_bound_s is None or best.key_s <= next_bound_s:
                break
        if best is None and len(self._market.index):
            best = self._beyond(best, *self._market.index.nearest_by_chord(self._question.destination, _FEW_FAR))
        return None if best is None else self._passed_over(best.examined, best.index)

    def _beyond(self, best: _Miss | None, slots: IntArray, distances_m: FloatArray) -> _Miss:
        examined = self._examiner.examine(slots, distances_m, all_travel=True)
        examined.reason[:] = np.where(examined.travel_s >= UNREACHABLE_S, Reason.UNREACHABLE, Reason.PROMISE_MISSED)
        return self._better(best, examined, np.arange(len(slots)))

    def _explain(self, selection: Selection) -> None:
        """List every store that is nearer or has a better key than the winner; without one, those within reach."""
        winner = selection.winner
        if winner is None:
            radius_m = self._reach_m
        else:
            radius_m = max(winner.distance_m, self._within_m(winner.key_s - 1 - self._fixed_s))
        slots, distances_m = self._market.index.within(self._question.destination, radius_m)
        examined = self._examiner.examine(slots, distances_m, all_travel=winner is not None)
        if winner is None and self._travel.lazy:
            # All that are within reach by the bound: to ask the way of each of them would take seconds.
            chosen = np.arange(len(slots))
        elif winner is None:
            chosen = np.flatnonzero(examined.travel_s <= self._question.promise_s)
        else:
            examined.reason[examined.reason == Reason.NONE] = Reason.SLOWER
            nearer_or_better = (distances_m < winner.distance_m) | (examined.key_s < winner.key_s)
            chosen = np.flatnonzero(nearer_or_better & (slots != winner.slot))
        selection.passed_over_total = len(chosen)
        reasons, counts = np.unique(examined.reason[chosen], return_counts=True)
        selection.passed_over_reasons = {
            Reason(reason): count for reason, count in zip(reasons.tolist(), counts.tolist(), strict=True)
        }
        listed = _with_ties(chosen, distances_m, distances_m, MAX_PASSED_OVER).tolist()
        listed.sort(key=lambda i: (distances_m[i], self._market.store_id(int(slots[i]))))
        del listed[MAX_PASSED_OVER:]
        if winner is None and self._travel.lazy:
            examined = self._examiner.examine(slots[listed], distances_m[listed], all_travel=True)
            listed = list(range(len(listed)))
        selection.passed_over = [self._passed_over(examined, i) for i in listed]


def _with_ties(order: IntArray, first: IntArray | FloatArray, second: FloatArray, wanted: int) -> IntArray:
    """The first ``wanted`` of ``order`` and all that are equal to the last of them in both arrays."""
    if len(order) <= wanted:
        return order
    last = order[wanted - 1]
    end = wanted
    while end < len(order) and first[order[end]] == first[last] and second[order[end]] == second[last]:
        end += 1
    return order[:end]
