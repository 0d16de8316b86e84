"""Who is passed over, and who failed last: what is told beside the winner, or in its place."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from dispatch.domain.answer import PassedOver, Selection
from dispatch.domain.eligibility import Examined
from dispatch.domain.ground import Ground, growing, with_ties
from dispatch.domain.market import FloatArray, IntArray
from dispatch.domain.question import Reason
from geo.travel.roads import UNREACHABLE_S

MAX_PASSED_OVER: Final = 200

_FIRST_BATCH: Final = 8
_FEW_FAR: Final = 64


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


class Misses:
    """The stores on a ground that fail."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._market = ground.market
        self._question = ground.question
        self._examiner = ground.examiner
        self._travel = ground.travel

    def nearest(self, failed: list[Examined]) -> PassedOver | None:
        """Of the stores within reach, the one that failed latest in the order of reasons, then by key.

        Within reach is a store whose own way alone keeps the promise. Stores that have the stock are all in ``failed``.
        Every other fails on its stock at the latest, so the walk ends at the best-placed store that does. With none
        within reach: the best by key of all, as missing the promise.
        """
        best: _Miss | None = None
        for examined in failed:
            best = self._later(best, examined)
        if self._examiner.only is not None:
            # All others are excluded, and no reason but being inactive is earlier.
            for batch in self._market.index.batches_among(self._question.destination, self._examiner.only):
                best = self._later(best, self._examiner.examine(batch.ids, batch.distances_m))
            if best is not None and best.reason > Reason.EXCLUDED:
                return self._ground.passed_over(best.examined, best.index)
        if best is None or best.reason <= Reason.INSUFFICIENT_STOCK:
            for batch in self._ground.near(_FIRST_BATCH):
                slots, distances_m, next_m = self._ground.cut(batch)
                if len(slots):
                    best = self._later(best, self._examiner.examine(slots, distances_m))
                next_bound_s = self._ground.bound_s(next_m)
                if next_m > self._ground.reach_m or next_bound_s is None:
                    break
                if best is not None and best.reason >= Reason.INSUFFICIENT_STOCK and best.key_s <= next_bound_s:
                    break
        return self._beyond_reach() if best is None else self._ground.passed_over(best.examined, best.index)

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
            for start, end in growing(len(of_it)):
                few = of_it[start:end]
                slots, distances_m = examined.slots[few], examined.distances_m[few]
                bound_s = self._ground.bound_s(float(distances_m[0]))
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
        for batch in self._ground.near(_FIRST_BATCH):
            best = self._beyond(best, batch.ids, batch.distances_m)
            next_bound_s = self._ground.bound_s(batch.next_m)
            if next_bound_s is None or best.key_s <= next_bound_s:
                break
        if best is None and len(self._market.index):
            best = self._beyond(best, *self._market.index.nearest_by_chord(self._question.destination, _FEW_FAR))
        return None if best is None else self._ground.passed_over(best.examined, best.index)

    def _beyond(self, best: _Miss | None, slots: IntArray, distances_m: FloatArray) -> _Miss:
        examined = self._examiner.examine(slots, distances_m, all_travel=True)
        examined.reason[:] = np.where(examined.travel_s >= UNREACHABLE_S, Reason.UNREACHABLE, Reason.PROMISE_MISSED)
        return self._better(best, examined, np.arange(len(slots)))

    def explain(self, selection: Selection) -> None:
        """List every store that is nearer or has a better key than the winner; without one, those within reach."""
        winner = selection.winner
        if winner is None:
            radius_m = self._ground.reach_m
        else:
            radius_m = max(winner.distance_m, self._ground.within_m(winner.key_s - 1 - self._ground.fixed_s))
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
        listed = with_ties(chosen, distances_m, distances_m, MAX_PASSED_OVER).tolist()
        listed.sort(key=lambda i: (distances_m[i], self._market.store_id(int(slots[i]))))
        del listed[MAX_PASSED_OVER:]
        if winner is None and self._travel.lazy:
            examined = self._examiner.examine(slots[listed], distances_m[listed], all_travel=True)
            listed = list(range(len(listed)))
        selection.passed_over = [self._ground.passed_over(examined, i) for i in listed]
