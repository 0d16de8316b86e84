"""The compiled search (dispatch/replica/sifting.py) on the arrays of a replica."""

from collections.abc import Sequence
from math import inf
from typing import Final

import numpy as np

from dispatch.domain.market import Failing, IntArray, Passing, Sifted
from dispatch.domain.question import Question, Reason
from dispatch.replica.catalogue import Catalogue
from dispatch.replica.sifting import (
    ALL_SEEN,
    NOT_ALL_SEEN,
    UNSURE,
    Rows,
    Spells,
    Times,
    latest_failing,
    nearest_holding,
    nearest_passing,
)
from dispatch.replica.sku_rows import LARGE
from dispatch.replica.stock import Stock
from geo.geodesy import earth_centred_place

# Nearest first no more stores are looked at; then those that have the rarest line are fewer, or as good as.
_MOST_NEAREST: Final = 128
_MOST_PASSING: Final = 64
_MOST_HAVING: Final = 4_096
_NONE: Final = np.empty(0, dtype=np.int64)


class Sieve:
    """Fulfils ``dispatch.domain.market.Market.sift``. Belongs to the thread of its catalogue and stock."""

    def __init__(self, catalogue: Catalogue, stock: Stock) -> None:
        self._catalogue = catalogue
        self._stock = stock
        self._told = np.empty((_MOST_PASSING, len(Passing._fields)), dtype=np.int64)
        self._having = np.empty(_MOST_HAVING, dtype=np.int64)

    def sift(
        self,
        question: Question,
        numbers: Sequence[int],
        pace_s_m: float,
        reach_m: float,
        horizon_m: float,
        barred: Sequence[int],
        *,
        tell_having: bool,
    ) -> Sifted | None:
        """The nearest stores that pass; see there."""
        quantities = [line.quantity for line in question.lines]
        if max(quantities) >= LARGE:
            return None
        catalogue, rows, wanted = self._catalogue, rows_of(self._stock), 1 + question.alternatives
        asked = _asked(numbers, quantities, barred)
        times = _times(question, len(numbers), pace_s_m)
        place = (*earth_centred_place(question.destination), reach_m)
        while True:
            found, examined, said, next_m = nearest_passing(
                catalogue.index.tree_parts, catalogue.columns.records, self._spells(question), rows, *asked, times,
                place, horizon_m, wanted, _MOST_NEAREST, self._told,
            )  # fmt: skip
            if said < 0:
                break
            self._learn(said, question)
        if said == ALL_SEEN and (found or not tell_having):
            return Sifted(self._passing(found), examined, next_m, None, ())
        around = catalogue.slots_around(question.destination, reach_m)
        while True:
            found, examined, said, have, rarest = nearest_holding(
                catalogue.index.xyz, catalogue.columns.records, self._spells(question), rows, *asked, times,
                place, around.edges, wanted, self._told, self._having,
            )  # fmt: skip
            if said < 0:
                break
            self._learn(said, question)
        if said == NOT_ALL_SEEN or (not found and have > _MOST_HAVING):
            return None
        return Sifted(self._passing(found), examined, inf, rarest, () if found else self._having[:have].tolist())

    def latest_failing(
        self,
        question: Question,
        numbers: Sequence[int],
        pace_s_m: float,
        reach_m: float,
        excluded: Sequence[int],
        declined: Sequence[int],
        having: Sequence[int],
    ) -> Failing | None:
        """Of the stores within reach the one that fails last; see there."""
        quantities = [line.quantity for line in question.lines]
        catalogue, rows = self._catalogue, rows_of(self._stock)
        while True:
            reason, said = latest_failing(
                catalogue.index.tree_parts, catalogue.index.xyz, catalogue.columns.records, self._spells(question),
                rows, *_asked(numbers, quantities, [*excluded, *declined]), len(excluded),
                _times(question, len(numbers), pace_s_m), (*earth_centred_place(question.destination), reach_m),
                np.array(having, dtype=np.int64), _MOST_NEAREST, self._told,
            )  # fmt: skip
            if reason:
                return Failing(self._passing(1)[0], Reason(reason), said)
            if said == UNSURE:
                return None
            self._learn(said - 1, question)

    def _spells(self, question: Question) -> Spells:
        return self._catalogue.schedules.frame(planned=question.start_s != question.now_s).parts

    def _learn(self, schedule: int, question: Question) -> None:
        """Have the state of a schedule at the time asked about worked out."""
        self._catalogue.schedules.state(schedule, question.start_s, planned=question.start_s != question.now_s)

    def _passing(self, count: int) -> list[Passing]:
        return [Passing(*told) for told in self._told[:count].tolist()]


def rows_of(stock: Stock) -> Rows:
    """Where the rows of a stock are; it holds until the next change."""
    waiting = stock.waiting
    return (
        stock.table.places, stock.freshness.zero_s, stock.freshness.unit_s, waiting.row_count > 0,
        waiting.arrived.parts, waiting.being_filed.parts,
    )  # fmt: skip


def _asked(numbers: Sequence[int], quantities: Sequence[int], barred: Sequence[int]) -> tuple[IntArray, IntArray]:
    return np.array([*numbers, *quantities], dtype=np.int64), np.array(barred, dtype=np.int64) if barred else _NONE


def _times(question: Question, n_lines: int, pace_s_m: float) -> Times:
    return question.now_s, question.start_s, question.hold_s, question.promise_s, n_lines, pace_s_m
