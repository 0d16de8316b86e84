"""The compiled search (dispatch/replica/sifting) on the arrays of a replica."""

from collections.abc import Sequence
from functools import cache
from math import inf
from operator import is_
from struct import Struct
from typing import Any, Final

import numpy as np

from dispatch.domain.market import Failing, Passing, Sifted
from dispatch.domain.question import Question, Reason
from dispatch.replica.catalogue import Catalogue
from dispatch.replica.sifting.failing import latest_failing
from dispatch.replica.sifting.holding import nearest_holding
from dispatch.replica.sifting.memory import ASKED, MEMORY, MOST_LINES, TOLD
from dispatch.replica.sifting.near import nearest_passing
from dispatch.replica.sifting.stores import ALL_SEEN, NOT_ALL_SEEN, UNSURE
from dispatch.replica.sku_rows import LARGE
from dispatch.replica.stock import Stock
from geo.geodesy import earth_centred_place

# For the store that fails last, no more of the nearest are looked at.
_MOST_NEAREST: Final = 128
_MOST_PASSING: Final = 64
_MOST_HAVING: Final = 4_096

# What ``_parts`` has, by the names of MEMORY.
_NAMES: Final = (
    ("tree_ids", "tree_xyz", "tree_axes", "tree_split", "tree_left", "tail_ids", "tail_xyz", "tail"),
    ("balls", "ball_regions", "firsts", "stretches", "regions", "widest_m"),
    ("patches",),
    ("is_open", "since_s", "recheck_s", "until_s"),
    ("new", "new_slots", "new_edges", "new_available", "new_fresh_s"),
    ("old", "old_slots", "old_edges", "old_available", "old_fresh_s"),
    ("xyz",), ("lats",), ("lons",), ("stores",), ("places",), ("zero_s",), ("unit_s",),
)  # fmt: skip

_ASKED: Final = "".join("q" if kind is np.int64 else "d" for _, kind in ASKED)
_told: Final = Struct("".join(TOLD[name].char.replace("l", "q") for name in Passing._fields))
_new_tuple: Final = tuple.__new__


@cache
def _asked_of(n_lines: int) -> Struct:
    """What is asked: of the lines their sku numbers, then their quantities, then which of the question they are."""
    return Struct(f"{_ASKED}{3 * n_lines}q")


class Sieve:
    """Fulfils ``dispatch.domain.market.Sieve``. Belongs to the thread of its catalogue and stock."""

    def __init__(self, catalogue: Catalogue, stock: Stock) -> None:
        self._catalogue = catalogue
        self._stock = stock
        self._bytes = np.zeros(MEMORY.itemsize, dtype=np.uint8)
        self._memory, self._address = self._bytes.view(MEMORY), self._bytes.__array_interface__["data"][0]
        self._memory["own_address"] = self._address
        self._kept: dict[str, np.ndarray] = {}
        self._seen: tuple[Any, ...] = (None,) * len(_NAMES)
        self._told_bytes = np.zeros(_MOST_PASSING * _told.size, dtype=np.uint8)
        self._keep("told", self._told_bytes.view(TOLD))
        self._keep("having", np.empty(_MOST_HAVING, dtype=np.int64))
        # One more than are looked at.
        self._keep("near_ids", np.empty(_MOST_NEAREST + 1, dtype=np.int64))
        self._keep("near_squares", np.empty(_MOST_NEAREST + 1))
        self._keep("squares", np.empty(_MOST_PASSING))
        self._bar(())

    def sift(
        self,
        question: Question,
        numbers: Sequence[int],
        *,
        pace_s_m: float,
        reach_m: float,
        horizon_m: float,
        excluded: Sequence[int],
        declined: Sequence[int],
        unfit: Sequence[int],
        tell_miss: bool,
    ) -> Sifted | None:
        """The nearest stores that pass; see there."""
        quantities, n_lines = [line.quantity for line in question.lines], len(numbers)
        if max(quantities) >= LARGE or n_lines > MOST_LINES:
            return None
        if excluded or declined or unfit:
            self._bar((*excluded, *declined, *unfit))
        x, y, z = earth_centred_place(question.destination)
        _asked_of(n_lines).pack_into(
            self._bytes, 0,
            question.now_s, question.start_s, question.hold_s, question.promise_s,
            n_lines, len(excluded) + len(declined) + len(unfit), len(excluded), 1 + question.alternatives,
            self._stock.waiting.row_count > 0, pace_s_m, x, y, z, reach_m, horizon_m,
            *numbers, *quantities, *range(n_lines),
        )  # fmt: skip
        self._see(question)
        address, rest_lacks = self._address, None
        while True:
            found, examined, said, next_m, have = nearest_passing(address)
            if said < 0:
                break
            self._learn(said, question)
        if said != ALL_SEEN:
            next_m = inf
            while True:
                found, examined, said, have, rest_lacks = nearest_holding(address)
                if said < 0:
                    break
                self._learn(said, question)
            if said == NOT_ALL_SEEN:
                return None
        if found or not tell_miss:
            return Sifted([self._passing(i) for i in range(found)], examined, next_m, rest_lacks, None)
        # Of whom is unfit it is not known here why.
        failing = None if unfit or have > _MOST_HAVING else self._latest_failing(question, have)
        return None if failing is None else Sifted([], examined, next_m, rest_lacks, failing)

    def _latest_failing(self, question: Question, have: int) -> Failing | None:
        while True:
            reason, said = latest_failing(self._address, have)
            if reason:
                return Failing(self._passing(0), Reason(reason), said)
            if said == UNSURE:
                return None
            self._learn(said - 1, question)

    def _passing(self, which: int) -> Passing:
        # As Passing._make, in half the time.
        return _new_tuple(Passing, _told.unpack_from(self._told_bytes, which * _told.size))

    def _learn(self, schedule: int, question: Question) -> None:
        """Have the state of a schedule at the time asked about worked out."""
        planned = question.start_s != question.now_s
        self._catalogue.schedules.state(schedule, question.start_s, planned=planned)
        assert self._catalogue.schedules.frame(planned=planned).holds(schedule, question.start_s), "else it never ends"
        self._see(question)

    # ── memory ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _bar(self, slots: Sequence[int]) -> None:
        self._keep("barred", np.array(slots, dtype=np.int64))

    def _see(self, question: Question) -> None:
        """Tell where all arrays are, as far as they are others than the last time."""
        catalogue, stock, index = self._catalogue, self._stock, self._catalogue.index
        parts = (
            index.tree_parts, catalogue.regions.parts, catalogue.patches.balls,
            catalogue.schedules.frame(planned=question.start_s != question.now_s).parts,
            stock.waiting.arrived.parts, stock.waiting.being_filed.parts,
            index.xyz, index.lats, index.lons, catalogue.columns.records,
            stock.table.places, stock.freshness.zero_s, stock.freshness.unit_s,
        )  # fmt: skip
        if all(map(is_, parts, self._seen)):
            return
        for names, part, seen in zip(_NAMES, parts, self._seen, strict=True):
            if part is not seen:
                for name, array in zip(names, part if isinstance(part, tuple) else (part,), strict=True):
                    if isinstance(array, int):
                        self._memory[name] = array
                    else:
                        self._keep(name, array)
        self._seen = parts

    def _keep(self, name: str, array: np.ndarray) -> None:
        """Hold an array, and tell where it is."""
        assert array.flags.c_contiguous, f"{name} does not lie in one piece"
        self._kept[name] = array
        self._memory[name] = array.__array_interface__["data"][0], len(array)
