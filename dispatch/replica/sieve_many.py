"""The compiled search for many questions at once (dispatch/replica/sifting_many.py) on the arrays of a replica."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Final

import numpy as np

from dispatch.domain.market import Passing, Sifted
from dispatch.domain.question import Question
from dispatch.replica.catalogue import Catalogue
from dispatch.replica.sieve import rows_of
from dispatch.replica.sifting import ALL_SEEN
from dispatch.replica.sifting_many import nearest_passing_of_each
from dispatch.replica.sku_rows import LARGE
from dispatch.replica.stock import Stock
from geo.geodesy import earth_centred_place

# As of the sieve for one; of those that want more, or of whom more pass, each is asked by itself.
_MOST_NEAREST: Final = 128
_MOST_PASSING: Final = 16


def sift_many(
    catalogue: Catalogue,
    stock: Stock,
    questions: Sequence[Question],
    numbers: Sequence[Sequence[int]],
    *,
    pace_s_m: float,
    reach_m: float,
    horizon_m: float,
) -> list[Sifted | None]:
    """As ``dispatch.domain.market.Market.sift`` for each question, one for one, if the nearest stores tell; else None.

    There is at least one; all have the same times and the same reach, and pass no store over.
    """
    count, first = len(questions), questions[0]
    lines: list[int] = []
    for question, of_question in zip(questions, numbers, strict=True):
        lines += of_question
        lines += [line.quantity for line in question.lines]
    edges = np.array([0, *accumulate(2 * len(of_question) for of_question in numbers)], dtype=np.int64)
    times = (first.now_s, first.start_s, first.hold_s, first.promise_s, 0, pace_s_m)
    wanted = np.array([1 + question.alternatives for question in questions], dtype=np.int64)
    places = np.array([earth_centred_place(question.destination) for question in questions])
    told = np.empty((count, _MOST_PASSING, len(Passing._fields)), dtype=np.int64)
    said, next_m = np.empty((count, 3), dtype=np.int64), np.empty(count)
    planned = first.start_s != first.now_s
    spells = catalogue.schedules.frame(planned=planned).parts
    nearest_passing_of_each(
        catalogue.index.tree_parts, catalogue.columns.records, spells, rows_of(stock), np.array(lines, dtype=np.int64),
        edges, times, wanted, places, reach_m, horizon_m, _MOST_NEAREST, max(1, len(catalogue)), told, said, next_m,
    )  # fmt: skip
    sifted: list[Sifted | None] = []
    for i, ((found, examined, how), next_one_m) in enumerate(zip(said.tolist(), next_m.tolist(), strict=True)):
        if how != ALL_SEEN or not found or _is_large(questions[i]):
            if how >= 0:  # a schedule whose state is not known; who asks next will find it known
                catalogue.schedules.state(how, first.start_s, planned=planned)
            sifted.append(None)
            continue
        passing = [Passing(*store) for store in told[i, :found].tolist()]
        sifted.append(Sifted(passing, examined, next_one_m, None, ()))
    return sifted


def _is_large(question: Question) -> bool:
    """Whether so many are wanted that a row alone cannot tell."""
    return any(line.quantity >= LARGE for line in question.lines)
