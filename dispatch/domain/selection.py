"""Find the first store, in order of the strategy's key, that passes every test, and prove that it is.

Two exact plans. *Space first* takes stores nearest first and stops once nothing unseen can have a better key. *Stock
first* takes the stores that have the rarest line, keeps those that have the others, and orders what is left the same
way. The order is (key, geodesic distance, store id), so that runs repeat.
"""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from dispatch.domain.answer import Candidate, Certificate, Plan, Selection
from dispatch.domain.eligibility import Examined
from dispatch.domain.ground import FIRST_WAYS, MOST_WAYS, Ground, modes_of, with_ties
from dispatch.domain.known_lines import KnownLine, known_lines
from dispatch.domain.market import FloatArray, IntArray, Market, SlotRanges
from dispatch.domain.misses import Misses
from dispatch.domain.nearest import nearest
from dispatch.domain.question import Question, Reason
from geo.point_index import Batch
from geo.travel import TravelModel
from geo.travel.roads import WaysNeeded

type Steps[T] = Generator[WaysNeeded, None, T]
"""What comes to an answer in steps: after each of them the ways that are needed must be known."""

_SMALLEST_BATCH: Final = 8
# Where travel is lazy, stores beyond the next batch are sooner looked at than a way is asked for.
_SMALLEST_LAZY_BATCH: Final = 48
_LARGEST_FIRST_BATCH: Final = 256
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
    travel = market.travel if travel is None else travel
    # As ``_at_once``; every quote comes here, and is spared a call.
    try:
        numbers = market.stock.numbers(question.lines)
    except KeyError as unknown:
        return Selection(unknown_sku=unknown.args[0])
    quick = nearest(market, question, numbers, travel, tell_miss)
    if quick is not None:
        return quick
    try:
        needed = next(_Search(market, question, known_lines(question, numbers), travel).run(tell_miss))
    except StopIteration as end:
        answer: Selection = end.value
        return answer
    raise needed


def _at_once(
    market: Market, question: Question, travel: TravelModel, tell_miss: bool
) -> tuple[list[int], Selection | None]:
    """The sku numbers of the lines, and the answer, where there is a quick way to it."""
    try:
        numbers = market.stock.numbers(question.lines)
    except KeyError as unknown:
        return [], Selection(unknown_sku=unknown.args[0])
    return numbers, nearest(market, question, numbers, travel, tell_miss)


class Selecting:
    """``select`` to be called again with the same travel model each time this has raised WaysNeeded, and learnt.

    It goes on from where it stopped, as long as the market is the same to the bit; else it begins anew.
    """

    def __init__(self, market: Market, question: Question, *, tell_miss: bool = True) -> None:
        self._market = market
        self._question = question
        self._tell_miss = tell_miss
        self._steps: Steps[Selection] | None = None
        self._of: tuple[object, TravelModel] | None = None

    def __call__(self, travel: TravelModel) -> Selection:
        """The answer. Raises what ``travel`` raises."""
        if self._steps is None or self._of != (self._market.moment, travel):
            numbers, quick = _at_once(self._market, self._question, travel, self._tell_miss)
            if quick is not None:
                self._steps = None
                return quick
            self._steps, self._of = self._begun(numbers, travel), (self._market.moment, travel)
        try:
            needed = next(self._steps)
        except StopIteration as end:
            self._steps = None
            answer: Selection = end.value
            return answer
        except BaseException:
            self._steps = None  # it has ended, and would not go on
            raise
        raise needed

    def _begun(self, numbers: list[int], travel: TravelModel) -> Steps[Selection]:
        lines = known_lines(self._question, numbers)
        return _Search(self._market, self._question, lines, travel).run(self._tell_miss)


def reach_m(market: Market, question: Question, travel: TravelModel | None = None) -> float:
    """The distance beyond which every way alone breaks the promise, so that no store is looked at."""
    hours = market.departure_hours(question.start_s, max(1, len(question.lines)))
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

    def run(self, tell_miss: bool) -> Steps[Selection]:
        plan, rest_lacks, found = yield from self._search()
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

    def _search(self) -> Steps[tuple[Plan, str | None, _Found]]:
        """Look by the plan that seems cheaper, and by the other when it is not; the plan that came to the end.

        How rare a sku is everywhere costs nothing to know, and what sells everywhere is mostly here too. Else it is
        counted around the destination.
        """
        if self._examiner.only is not None:
            batches = self._market.index.batches_among(self._question.destination, self._examiner.only)
            found = yield from self._walk(batches)
            return Plan.SPACE_FIRST, None, found
        if not self._lines:
            nearest = yield from self._space_first(self._wanted, limit=None)
            assert nearest is not None, "without a limit it comes to the end"
            return Plan.SPACE_FIRST, None, nearest
        everywhere = {line: self._market.stock.holder_count(line.number) for line in self._lines}
        till_hit = self._stores_till_hit(everywhere.values(), len(self._market.index))
        if till_hit <= _HOPEFUL:
            hit = yield from self._space_first(till_hit, limit=_HOPEFUL_LIMIT)
            if hit is not None:
                return Plan.SPACE_FIRST, None, hit
        around = self._market.slots_around(self._question.destination, self._ground.reach_m)
        counts: list[int] = []
        by_rarity = sorted(self._lines, key=everywhere.__getitem__)
        for line in by_rarity:
            counts.append(self._market.stock.holder_count(line.number, around))
            if counts[-1] <= _FEW_ROWS:
                return Plan.STOCK_FIRST, line.sku, (yield from self._stock_first(line, around))
        rarest = by_rarity[counts.index(min(counts))]
        till_hit = self._stores_till_hit(counts, around.size)
        if till_hit * _ROWS_A_STORE <= min(counts):
            hit = yield from self._space_first(till_hit, limit=_SPACE_FIRST_LIMIT)
            if hit is not None:
                return Plan.SPACE_FIRST, None, hit
        return Plan.STOCK_FIRST, rarest.sku, (yield from self._stock_first(rarest, around))

    def _stores_till_hit(self, holders: Iterable[int], stores: int) -> float:
        """How many stores to expect until enough of them have all lines, if skus were spread independently."""
        likelihood = 1.0
        for count in holders:
            likelihood *= min(1.0, count / max(1, stores))
        return self._wanted / likelihood if likelihood > 0 else float("inf")

    def _space_first(self, till_hit: float, *, limit: int | None) -> Steps[_Found | None]:
        """Nearest first; None when it has looked at ``limit`` stores without an end in sight."""
        smallest = _SMALLEST_LAZY_BATCH if self._travel.lazy else _SMALLEST_BATCH
        first = int(min(max(smallest, 2 * till_hit), _LARGEST_FIRST_BATCH))
        found = yield from self._walk(self._ground.near(first), limit=limit)
        if found.next_bound_s is None and found.examined < len(self._market.index):
            found.next_bound_s = self._ground.bound_s(self._ground.horizon_m)
        return found if found.ended else None

    def _stock_first(self, rarest: KnownLine, around: SlotRanges) -> Steps[_Found]:
        """All stores around that have the rarest line, those that have the others too nearest first."""
        index, stock = self._market.index, self._market.stock
        holders, enough = stock.holding(rarest.number, rarest.quantity, around, self._question.now_s)
        is_there = ~np.isnan(index.lats.take(holders))
        stocked = holders[enough & is_there]
        if len(stocked) and len(self._lines) > 1:
            stocked = stocked[self._examiner.stocked(stocked, but=rarest)]
        found = yield from self._walk(index.batches_among(self._question.destination, stocked), stocked=True)
        found.examined = int(np.count_nonzero(is_there))
        if found.examined < stock.holder_count(rarest.number):
            # Those that were not looked at, if there are any, lie beyond reach.
            beyond_s = self._question.promise_s + 1 + self._ground.fixed_s
            found.next_bound_s = beyond_s if found.next_bound_s is None else min(beyond_s, found.next_bound_s)
        return found

    def _walk(self, batches: Iterator[Batch], *, limit: int | None = None, stocked: bool = False) -> Steps[_Found]:
        """Examine batches, nearest first, until nothing unseen can matter, or ``limit`` is passed: not ``ended``."""
        found = _Found()
        for batch in batches:
            slots, distances_m, next_m = self._ground.cut(batch)
            if len(slots):
                if self._travel.lazy:
                    yield from self._take_by_way(found, slots, distances_m, stocked=stocked)
                else:
                    self._take(found, slots, distances_m, stocked=stocked)
            found.examined += len(slots)
            found.next_bound_s = self._ground.bound_s(next_m)
            if next_m > self._ground.reach_m or self._settled(found):
                return found
            if limit is not None and found.examined >= limit:
                found.ended = False
                return found
        found.next_bound_s = None
        return found

    def _take_by_way(self, found: _Found, slots: IntArray, distances_m: FloatArray, *, stocked: bool) -> Steps[None]:
        """Like ``_take``, asking the ways of a few stores at a time: those that may have the best keys first."""
        if not stocked:
            having = self._examiner.stocked(slots)
            slots, distances_m = slots[having], distances_m[having]
        left = self._examiner.tested(slots, distances_m, stocked=True)
        while len((left := self._hopeful(found, left)).slots):
            chosen = self._ground.knows(left.slots)  # what is known costs nothing
            if not chosen.any():
                # As many as are missing, for those are likely the best; then the others, but not all at once.
                missing = self._wanted - len(found.best)
                first = max(missing, self._travel.first_ways)
                chosen[: first if missing > 0 else min(max(FIRST_WAYS, 2 * found.ways), MOST_WAYS)] = True
            try:
                examined = self._examiner.travelled(left.only(chosen), slice(None))
            except WaysNeeded as needed:
                yield needed
                continue
            self._merge(found, examined)
            found.ways += int(chosen.sum())
            left = left.only(~chosen)

    def _hopeful(self, found: _Found, left: Examined) -> Examined:
        """Those that may be among the best by what is known of their ways so far, which grows: the likeliest first."""
        left = self._examiner.beforehand(left, self._ground.own_ways_s(left.slots, left.distances_m))
        passing = left.reason == Reason.NONE
        if not passing.all():
            found.failed.append(left.only(~passing))
        if len(found.best) == self._wanted:
            # An equal key may be nearer.
            passing &= left.key_s <= found.best[-1].key_s
        chosen = np.flatnonzero(passing)
        return left.only(chosen[np.lexsort((left.distances_m[chosen], left.key_s[chosen]))])

    def _take(self, found: _Found, slots: IntArray, distances_m: FloatArray, *, stocked: bool) -> None:
        """Examine stores and merge those that pass into the best."""
        if not stocked:
            having = self._examiner.stocked(slots)
            slots, distances_m = slots[having], distances_m[having]
        if len(slots):
            self._merge(found, self._examiner.examine(slots, distances_m, stocked=True))

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
