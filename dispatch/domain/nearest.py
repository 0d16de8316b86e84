"""The quick way to most answers: where the order of distance is that of the key, the market itself sifts its stores."""

from collections.abc import Sequence
from math import ceil
from typing import Final

import numpy as np

from dispatch.domain.answer import Candidate, Certificate, PassedOver, Plan, Selection
from dispatch.domain.details import Details
from dispatch.domain.ground import HORIZON_M, Ground
from dispatch.domain.known_lines import known_lines
from dispatch.domain.market import Failing, Market, Passing, Sifted
from dispatch.domain.misses import Misses
from dispatch.domain.promise import Eta
from dispatch.domain.question import Question, Strategy
from geo.geodesy import CHORD_SLACK_M, distance_to_m, distances_m
from geo.travel import MODE_CODES, TravelModel, farthest_m
from geo.zones import covers

# So often it is asked anew because what was sifted fails by what only is known here, such as its zone.
_MOST_SIFTINGS: Final = 16


def nearest(
    market: Market, question: Question, numbers: Sequence[int], travel: TravelModel, *, tell_miss: bool
) -> Selection | None:
    """The answer, exactly as ``dispatch.domain.selection`` finds it; None if this cannot tell.

    It can for the nearest store, of lines, not explained, by one mode that is alike at every hour. ``numbers`` are the
    sku numbers of the lines.
    """
    if question.strategy is not Strategy.NEAREST or question.explain or question.only_stores is not None or not numbers:
        return None
    if question.mode is not None:
        mode = MODE_CODES[question.mode]
    elif len(market.modes) == 1:
        mode = int(market.modes[0])
    else:
        return None
    pace_s_m = travel.pace_s_m(mode)
    return None if pace_s_m is None else _Nearest(market, question, numbers, travel, pace_s_m).find(tell_miss)


class _Nearest:
    def __init__(
        self, market: Market, question: Question, numbers: Sequence[int], travel: TravelModel, pace_s_m: float
    ) -> None:
        self._market = market
        self._question = question
        self._numbers = numbers
        self._travel = travel
        self._pace_s_m = pace_s_m
        self._reach_m = farthest_m(question.promise_s, pace_s_m)
        self._horizon_m = max(self._reach_m, HORIZON_M)
        self._wanted = 1 + question.alternatives

    def find(self, tell_miss: bool) -> Selection | None:
        """The answer, or None."""
        excluded, declined = self._slots(self._question.exclude_stores), self._slots(self._question.declined_by)
        barred = [*excluded, *declined]
        for _ in range(_MOST_SIFTINGS):
            sifted = self._market.sift(
                self._question, self._numbers, pace_s_m=self._pace_s_m, reach_m=self._reach_m,
                horizon_m=self._horizon_m, barred=barred, tell_having=tell_miss,
            )  # fmt: skip
            if sifted is None:
                return None
            best = []
            for passing in sifted.passing:
                candidate = self._promised(passing)
                if candidate is None:
                    barred.append(passing.slot)
                else:
                    best.append(candidate)
            if len(best) == len(sifted.passing):
                break
        else:
            return None
        if len(best) > 1:
            best.sort(key=lambda candidate: (candidate.key_s, candidate.distance_m, candidate.store_id))
        selection = Selection(certificate=self._certificate(sifted, best))
        if best:
            selection.winner, selection.alternatives = best[0], best[1 : self._wanted]
        elif tell_miss:
            selection.miss = self._miss(excluded, declined, sifted.having)
        return selection

    def _slots(self, store_ids: frozenset[str]) -> list[int]:
        return [slot for slot in map(self._market.slot, store_ids) if slot is not None]

    def _certificate(self, sifted: Sifted, best: list[Candidate]) -> Certificate:
        """What proves the answer out of ``best``, all stores that pass every test and may be among those wanted."""
        key_s, rarest = best[0].key_s if best else None, sifted.rest_lacks
        if rarest is None:
            next_bound_s = None
            if sifted.examined < len(self._market.index):
                next_bound_s = ceil((min(sifted.next_m, self._horizon_m) - CHORD_SLACK_M) * self._pace_s_m)
            return Certificate(Plan.SPACE_FIRST, sifted.examined, key_s, next_bound_s, None)
        next_bound_s = None
        if sifted.examined < self._market.stock.holder_count(self._numbers[rarest]):
            # The others are beyond reach, or farther than the last of the best and not looked at closely.
            next_bound_s = best[self._wanted - 1].key_s if len(best) >= self._wanted else self._question.promise_s + 1
        return Certificate(Plan.STOCK_FIRST, sifted.examined, key_s, next_bound_s, self._question.lines[rarest].sku)

    def _miss(self, excluded: list[int], declined: list[int], having: Sequence[int]) -> PassedOver | None:
        """The store that failed last, where ``having`` are all within reach that have every line."""
        market, question = self._market, self._question
        failing = market.latest_failing(
            question, self._numbers, pace_s_m=self._pace_s_m, reach_m=self._reach_m,
            excluded=excluded, declined=declined, having=having,
        )  # fmt: skip
        if failing is not None:
            return self._passed_over(failing)
        ground = Ground(market, question, known_lines(question, self._numbers), self._travel)
        failed = []
        if having:
            slots = np.array(having, dtype=np.int64)
            away_m = distances_m(question.destination, market.index.lats.take(slots), market.index.lons.take(slots))
            failed.append(ground.examiner.examine(slots, away_m, stocked=True))
        return Misses(ground).nearest(failed)

    def _passed_over(self, failing: Failing) -> PassedOver:
        """What is told of a store that fails."""
        market, question = self._market, self._question
        away_m, eta = self._eta(failing.store)
        slot = failing.store.slot
        detail = Details(market, question, known_lines(question, self._numbers)).of(
            failing.reason, slot, distance_m=away_m, total_s=eta.total_s,
            ready_s=eta.pickup_by - question.start_s, open_until_s=failing.open_until_s,
        )  # fmt: skip
        return PassedOver(slot, market.store_id(slot), away_m, eta.travel_s, failing.reason, detail, eta)

    def _promised(self, passing: Passing) -> Candidate | None:
        """A store that passed, if it passes what it was not asked: its zone, and all distances to the bit."""
        market, door, slot = self._market, self._question.destination, passing.slot
        away_m, eta = self._eta(passing)
        if eta.total_s > self._question.promise_s or away_m > market.columns.delivery_radius_m[slot]:
            return None
        if passing.has_zone and not covers(market.zones.zone(slot), door):
            return None
        return Candidate(slot, market.store_id(slot), away_m, eta.travel_s, eta)

    def _eta(self, store: Passing) -> tuple[float, Eta]:
        """How far away a store is, and its promise."""
        slot, prepare_s, queue_s, courier_s, handover_s, _ = store
        index, question = self._market.index, self._question
        away_m = distance_to_m(question.destination, lat=float(index.lats[slot]), lon=float(index.lons[slot]))
        ready_s, travel_s = prepare_s + queue_s + courier_s, ceil(away_m * self._pace_s_m)
        total_s = ready_s + travel_s + handover_s
        return away_m, Eta(
            prepare_s=prepare_s,
            queue_s=queue_s,
            courier_s=courier_s,
            travel_s=travel_s,
            handover_s=handover_s,
            total_s=total_s,
            pickup_by=question.start_s + ready_s,
            deliver_by=question.start_s + total_s,
            travel_source=self._travel.source,
        )
