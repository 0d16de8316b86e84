"""The quick way to many answers at once: what one question costs beside its search is spent once for all of them."""

from collections.abc import Sequence
from math import ceil

import numpy as np

from dispatch.domain.answer import Candidate, Certificate, Plan, Selection
from dispatch.domain.ground import HORIZON_M
from dispatch.domain.market import Market, Sifted
from dispatch.domain.promise import Eta
from dispatch.domain.question import Question, Strategy
from geo.geodesy import CHORD_SLACK_M, distances_between_m
from geo.travel import MODE_CODES, TravelModel, farthest_m


def nearest_of_each(market: Market, questions: Sequence[Question], travel: TravelModel) -> list[Selection | None]:
    """For each question the answer exactly as ``dispatch.domain.selection`` finds it; None where this cannot tell.

    It can where the nearest stores soon have all lines, none of those has a zone, and nothing else is asked but the
    nearest store, by one mode that is alike at every hour.
    """
    found: list[Selection | None] = [None] * len(questions)
    alike: dict[tuple[float, int, int, int, int], list[int]] = {}
    numbers: list[list[int]] = []
    usual_pace_s_m = travel.pace_s_m(int(market.modes[0])) if len(market.modes) == 1 else None
    for i, question in enumerate(questions):
        numbers.append(market.stock.numbers(question.lines))
        pace_s_m = usual_pace_s_m if question.mode is None else travel.pace_s_m(MODE_CODES[question.mode])
        if pace_s_m is not None and numbers[i] and min(numbers[i]) >= 0 and _is_plain(question):
            alike.setdefault(
                (pace_s_m, question.promise_s, question.start_s, question.now_s, question.hold_s), []
            ).append(i)
    for (pace_s_m, promise_s, *_), which in alike.items():
        reach_m = farthest_m(promise_s, pace_s_m)
        horizon_m = max(reach_m, HORIZON_M)
        asked = [questions[i] for i in which]
        sifted = market.sift_many(
            asked, [numbers[i] for i in which], pace_s_m=pace_s_m, reach_m=reach_m, horizon_m=horizon_m
        )
        told = _answers(market, asked, sifted, pace_s_m, horizon_m, travel.source)
        for i, selection in zip(which, told, strict=True):
            found[i] = selection
    return found


def _is_plain(question: Question) -> bool:
    """Whether nothing else is asked but the nearest store, whichever it is."""
    return not (
        question.strategy is not Strategy.NEAREST or question.explain or question.only_stores is not None
        or question.exclude_stores or question.declined_by
    )  # fmt: skip


def _answers(
    market: Market,
    questions: Sequence[Question],
    sifted: Sequence[Sifted | None],
    pace_s_m: float,
    horizon_m: float,
    source: str,
) -> list[Selection | None]:
    """Out of the stores that passed, where some did."""
    doors, slots = [], []
    for question, of_question in zip(questions, sifted, strict=True):
        if of_question is not None:
            doors += [(question.destination.lat, question.destination.lon)] * len(of_question.passing)
            slots += [store.slot for store in of_question.passing]
    if not slots:
        return [None] * len(questions)
    at, places = np.array(slots, dtype=np.int64), np.array(doors)
    lats, lons = market.index.lats.take(at), market.index.lons.take(at)
    away_m = distances_between_m(places[:, 0].copy(), places[:, 1].copy(), lats, lons).tolist()
    within_m = market.columns.delivery_radius_m[at].tolist()
    told: list[Selection | None] = []
    first = 0
    for question, of_question in zip(questions, sifted, strict=True):
        if of_question is None:
            told.append(None)
            continue
        end = first + len(of_question.passing)
        best = _best(market, question, of_question, away_m[first:end], within_m[first:end], pace_s_m, source)
        first = end
        if best is None:
            told.append(None)
            continue
        certificate = _certificate(market, of_question, best[0].key_s, pace_s_m, horizon_m)
        told.append(Selection(best[0], best[1 : 1 + question.alternatives], certificate))
    return told


def _best(
    market: Market,
    question: Question,
    sifted: Sifted,
    away_m: Sequence[float],
    within_m: Sequence[float],
    pace_s_m: float,
    source: str,
) -> list[Candidate] | None:
    """The stores that passed, best first; None if one of them does not pass what it was not asked, or might not."""
    best = []
    for store, metres, radius_m in zip(sifted.passing, away_m, within_m, strict=True):
        slot, prepare_s, queue_s, courier_s, handover_s, has_zone = store
        ready_s, travel_s = prepare_s + queue_s + courier_s, ceil(metres * pace_s_m)
        total_s = ready_s + travel_s + handover_s
        if has_zone or total_s > question.promise_s or metres > radius_m:
            return None
        eta = Eta(
            prepare_s=prepare_s, queue_s=queue_s, courier_s=courier_s, travel_s=travel_s, handover_s=handover_s,
            total_s=total_s, pickup_by=question.start_s + ready_s, deliver_by=question.start_s + total_s,
            travel_source=source,
        )  # fmt: skip
        best.append(Candidate(slot, market.store_id(slot), metres, travel_s, eta))
    if len(best) > 1:
        best.sort(key=lambda candidate: (candidate.key_s, candidate.distance_m, candidate.store_id))
    return best


def _certificate(market: Market, sifted: Sifted, key_s: int, pace_s_m: float, horizon_m: float) -> Certificate:
    """What proves it: the stores were looked at nearest first."""
    next_bound_s = None
    if sifted.examined < len(market.index):
        next_bound_s = ceil((min(sifted.next_m, horizon_m) - CHORD_SLACK_M) * pace_s_m)
    return Certificate(Plan.SPACE_FIRST, sifted.examined, key_s, next_bound_s, None)
