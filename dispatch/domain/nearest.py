"""The quick way to most answers: where the order of distance is that of the key, the market itself sifts its stores."""

from collections.abc import Sequence
from math import ceil
from typing import Final

import numpy as np

from dispatch.domain.answer import Candidate, Certificate, PassedOver, Plan, Selection
from dispatch.domain.eligibility import known_lines
from dispatch.domain.ground import HORIZON_M, Ground
from dispatch.domain.market import Market, Passing, Sifted
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
    if pace_s_m is None:
        return None
    reach_m = farthest_m(question.promise_s, pace_s_m)
    horizon_m = max(reach_m, HORIZON_M)
    named = question.exclude_stores | question.declined_by if question.exclude_stores else question.declined_by
    barred = [slot for slot in map(market.slot, named) if slot is not None]
    for _ in range(_MOST_SIFTINGS):
        sifted = market.sift(
            question, numbers, pace_s_m=pace_s_m, reach_m=reach_m, horizon_m=horizon_m, barred=barred, tell_having=tell_miss
        )
        if sifted is None:
            return None
        best = []
        for passing in sifted.passing:
            candidate = _promised(market, question, passing, pace_s_m, travel.source)
            if candidate is None:
                barred.append(passing.slot)
            else:
                best.append(candidate)
        if len(best) == len(sifted.passing):
            return _answer(
                market, question, numbers, travel, sifted, best,
                pace_s_m=pace_s_m, horizon_m=horizon_m, tell_miss=tell_miss,
            )  # fmt: skip
    return None


def _answer(
    market: Market,
    question: Question,
    numbers: Sequence[int],
    travel: TravelModel,
    sifted: Sifted,
    best: list[Candidate],
    *,
    pace_s_m: float,
    horizon_m: float,
    tell_miss: bool,
) -> Selection:
    """The answer out of the stores that pass every test and may be among the best."""
    if len(best) > 1:
        best.sort(key=lambda candidate: (candidate.key_s, candidate.distance_m, candidate.store_id))
    wanted, rarest = 1 + question.alternatives, sifted.rest_lacks
    there_are = len(market.index) if rarest is None else market.stock.holder_count(numbers[rarest])
    if sifted.examined >= there_are:
        next_bound_s = None
    elif rarest is None:
        next_bound_s = ceil((min(sifted.next_m, horizon_m) - CHORD_SLACK_M) * pace_s_m)
    else:
        # What was not looked at is beyond reach; farther than the last of the best was not looked closely.
        next_bound_s = best[wanted - 1].key_s if len(best) >= wanted else question.promise_s + 1
    selection = Selection(
        certificate=Certificate(
            Plan.SPACE_FIRST if rarest is None else Plan.STOCK_FIRST,
            sifted.examined,
            best[0].key_s if best else None,
            next_bound_s,
            None if rarest is None else question.lines[rarest].sku,
        )
    )
    if best:
        selection.winner, selection.alternatives = best[0], best[1:wanted]
    elif tell_miss:
        selection.miss = _miss(market, question, numbers, travel, sifted.having)
    return selection


def _miss(
    market: Market, question: Question, numbers: Sequence[int], travel: TravelModel, having: Sequence[int]
) -> PassedOver | None:
    """The store that failed last, where ``having`` are all within reach that have every line."""
    ground = Ground(market, question, known_lines(question, numbers), travel)
    failed = []
    if having:
        slots = np.array(having, dtype=np.int64)
        away_m = distances_m(question.destination, market.index.lats.take(slots), market.index.lons.take(slots))
        failed.append(ground.examiner.examine(slots, away_m, stocked=True))
    return Misses(ground).nearest(failed)


def _promised(
    market: Market, question: Question, passing: Passing, pace_s_m: float, travel_source: str
) -> Candidate | None:
    """A store that passed, if it passes what it was not asked: its zone, and all distances to the bit."""
    slot, prepare_s, queue_s, courier_s, handover_s, has_zone = passing
    columns, index = market.columns, market.index
    away_m = distance_to_m(question.destination, lat=float(index.lats[slot]), lon=float(index.lons[slot]))
    if away_m > columns.delivery_radius_m[slot] or (
        has_zone and not covers(market.zones.zone(slot), question.destination)
    ):
        return None
    ready_s, travel_s = prepare_s + queue_s + courier_s, ceil(away_m * pace_s_m)
    total_s = ready_s + travel_s + handover_s
    if total_s > question.promise_s:
        return None
    eta = Eta(
        prepare_s=prepare_s,
        queue_s=queue_s,
        courier_s=courier_s,
        travel_s=travel_s,
        handover_s=handover_s,
        total_s=total_s,
        pickup_by=question.start_s + ready_s,
        deliver_by=question.start_s + total_s,
        travel_source=travel_source,
    )
    return Candidate(slot, market.store_id(slot), away_m, travel_s, eta)
