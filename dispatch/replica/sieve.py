"""The compiled search (dispatch/replica/sifting.py) on the arrays of a replica."""

from collections.abc import Sequence
from math import inf
from typing import Final

import numpy as np

from dispatch.domain.market import Passing, Sifted
from dispatch.domain.question import Question
from dispatch.replica.catalogue import Catalogue
from dispatch.replica.sifting import ALL_SEEN, NOT_ALL_SEEN, Rows, nearest_holding, nearest_passing
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
        catalogue, start_s = self._catalogue, question.start_s
        quantities = [line.quantity for line in question.lines]
        if max(quantities) >= LARGE:
            return None
        is_planned, schedules = start_s != question.now_s, catalogue.schedules
        lines, wanted = np.array([*numbers, *quantities]), 1 + question.alternatives
        stock, barred_slots = self._rows(), np.array(barred, dtype=np.int64) if barred else _NONE
        moments = (question.now_s, start_s, question.hold_s, question.promise_s)
        place = (*earth_centred_place(question.destination), reach_m)
        while True:
            found, examined, said, next_m = nearest_passing(
                catalogue.index.tree_parts, catalogue.columns.records, schedules.frame(planned=is_planned).parts, stock,
                lines, barred_slots, *moments, len(numbers), pace_s_m, *place, horizon_m, wanted, _MOST_NEAREST, self._told,
            )  # fmt: skip
            if said < 0:
                break
            schedules.state(said, start_s, planned=is_planned)
        if said == ALL_SEEN and (found or not tell_having):
            return Sifted(self._passing(found), examined, next_m, None, ())
        around = catalogue.slots_around(question.destination, reach_m)
        while True:
            found, examined, said, have, rarest = nearest_holding(
                catalogue.index.xyz, catalogue.columns.records, schedules.frame(planned=is_planned).parts, stock,
                lines, barred_slots, *moments, len(numbers), pace_s_m, *place, around.edges, wanted, self._told,
                self._having,
            )  # fmt: skip
            if said < 0:
                break
            schedules.state(said, start_s, planned=is_planned)
        if said == NOT_ALL_SEEN or (not found and have > _MOST_HAVING):
            return None
        return Sifted(self._passing(found), examined, inf, rarest, () if found else self._having[:have].tolist())

    def _passing(self, count: int) -> list[Passing]:
        return [Passing(*told) for told in self._told[:count].tolist()]

    def _rows(self) -> Rows:
        stock, waiting = self._stock, self._stock.waiting
        return (
            stock.table.places, stock.freshness.zero_s, stock.freshness.unit_s, waiting.row_count > 0,
            waiting.arrived.parts, waiting.being_filed.parts,
        )  # fmt: skip
