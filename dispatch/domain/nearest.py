"""The quick way to most answers: where the order of distance is that of the key, the market itself sifts its stores."""

from collections.abc import Iterable, Sequence
from math import ceil
from typing import Final

from dispatch.domain.answer import Candidate, Certificate, PassedOver, Plan, Selection
from dispatch.domain.details import Details
from dispatch.domain.ground import HORIZON_M
from dispatch.domain.known_lines import known_lines
from dispatch.domain.market import Barred, Failing, Market, Sifted
from dispatch.domain.promise import Eta
from dispatch.domain.question import Question, Strategy
from geo.geodesy import CHORD_SLACK_M, distance_to_m
from geo.travel import MODE_CODES, TravelModel, farthest_m
from geo.zones import covers

# So often it is asked anew because what was sifted fails by what only is known here, such as its zone.
_MOST_SIFTINGS: Final = 16


def nearest(
    market: Market, question: Question, numbers: Sequence[int], travel: TravelModel, tell_miss: bool
) -> Selection | None:
    """The answer, exactly as ``dispatch.domain.selection`` finds it; None if this cannot tell.

    It can for the nearest store, of lines, not explained, by one mode that is alike at every hour. ``numbers`` are the
    sku numbers of the lines.
    """
    if question.strategy is not Strategy.NEAREST or question.explain or question.only_stores is not None or not numbers:
        return None
    if question.mode is not None:
        mode = MODE_CODES[question.mode]
    elif (only_mode := market.only_mode) is not None:
        mode = only_mode
    else:
        return None
    pace_s_m = travel.pace_s_m(mode)
    if pace_s_m is None:
        return None
    reach_m = farthest_m(question.promise_s, pace_s_m)
    horizon_m = reach_m if reach_m > HORIZON_M else HORIZON_M
    barred = _barred(market, question) if question.exclude_stores or question.declined_by else None
    door, siftings = question.destination, 0
    while True:
        sifted = market.sieve.sift(question, numbers, pace_s_m, reach_m, horizon_m, barred, tell_miss)
        if sifted is None:
            return None
        best: list[Candidate] = []
        for slot, prepare_s, queue_s, courier_s, handover_s, has_zone, lat, lon, radius_m in sifted.passing:
            away_m = distance_to_m(door, lat=lat, lon=lon)
            travel_s = ceil(away_m * pace_s_m)
            eta = Eta(prepare_s, queue_s, courier_s, travel_s, handover_s, question.start_s, travel.source)
            # What it was not asked: all distances to the bit, and its zone.
            if (
                eta.total_s > question.promise_s or away_m > radius_m
                or (has_zone and not covers(market.zones.zone(slot), door))
            ):  # fmt: skip
                barred = barred or _barred(market, question)
                barred.unfit.append(slot)
            else:
                best.append(Candidate(slot, market.store_id(slot), away_m, travel_s, eta))
        if len(best) == len(sifted.passing):
            break
        siftings += 1
        if siftings == _MOST_SIFTINGS:
            return None
    if len(best) > 1:
        best.sort(key=lambda candidate: (candidate.key_s, candidate.distance_m, candidate.store_id))
    certificate = _certificate(market, question, numbers, pace_s_m, horizon_m, sifted, best)
    if best:
        return Selection(best[0], best[1 : 1 + question.alternatives], certificate)
    failing = sifted.failing
    miss = None if failing is None else _missed(market, question, numbers, travel.source, pace_s_m, failing)
    return Selection(None, [], certificate, miss)


def _barred(market: Market, question: Question) -> Barred:
    return Barred(_slots(market, question.exclude_stores), _slots(market, question.declined_by), [])


def _slots(market: Market, store_ids: Iterable[str]) -> list[int]:
    return [slot for slot in map(market.slot, store_ids) if slot is not None]


def _certificate(
    market: Market, question: Question, numbers: Sequence[int], pace_s_m: float, horizon_m: float,
    sifted: Sifted, best: list[Candidate],
) -> Certificate:  # fmt: skip
    """What proves the answer out of ``best``, all stores that pass every test and may be among those wanted."""
    key_s, rarest, next_bound_s = best[0].key_s if best else None, sifted.rest_lacks, None
    if rarest is None:
        next_m = sifted.next_m
        if next_m < horizon_m or sifted.examined < len(market.index):
            next_bound_s = ceil(((next_m if next_m < horizon_m else horizon_m) - CHORD_SLACK_M) * pace_s_m)
        return Certificate(Plan.SPACE_FIRST, sifted.examined, key_s, next_bound_s, None)
    if sifted.examined < market.stock.holder_count(numbers[rarest]):
        # The others are beyond reach, or farther than the last of the best and not looked at closely.
        has_all = len(best) > question.alternatives
        next_bound_s = best[question.alternatives].key_s if has_all else question.promise_s + 1
    return Certificate(Plan.STOCK_FIRST, sifted.examined, key_s, next_bound_s, question.lines[rarest].sku)


def _missed(
    market: Market, question: Question, numbers: Sequence[int], source: str, pace_s_m: float, failing: Failing
) -> PassedOver:
    """What is told of a store that fails."""
    slot, prepare_s, queue_s, courier_s, handover_s, _, lat, lon, _ = failing.store
    away_m = distance_to_m(question.destination, lat=lat, lon=lon)
    travel_s = ceil(away_m * pace_s_m)
    eta = Eta(prepare_s, queue_s, courier_s, travel_s, handover_s, question.start_s, source)
    detail = Details(market, question, known_lines(question, numbers)).of(
        failing.reason, slot, distance_m=away_m, total_s=eta.total_s,
        ready_s=eta.ready_s, open_until_s=failing.open_until_s,
    )  # fmt: skip
    return PassedOver(slot, market.store_id(slot), away_m, travel_s, failing.reason, detail, eta)
