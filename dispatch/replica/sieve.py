"""The compiled search (dispatch/replica/sifting) on the arrays of a replica."""

from collections.abc import Callable, Sequence
from math import inf
from struct import Struct
from typing import Any, Final, cast

import numpy as np
from numba import int64

from dispatch.domain.market import Barred, Failing, Passing, Sifted
from dispatch.domain.question import REASONS, Question
from dispatch.replica.catalogue import Catalogue
from dispatch.replica.sifting.failing import latest_failing
from dispatch.replica.sifting.holding import nearest_holding
from dispatch.replica.sifting.memory import ASKED, MEMORY, MOST_LINES, TOLD
from dispatch.replica.sifting.near import nearest_passing
from dispatch.replica.sifting.stores import ALL_SEEN, NOT_ALL_SEEN, UNSURE
from dispatch.replica.stock import Stock
from geo.compiled import compiled_for

# For the store that fails last, no more of the nearest are looked at.
_MOST_NEAREST: Final = 128
_MOST_PASSING: Final = 64
_MOST_HAVING: Final = 4_096

# What ``_see`` looks at, part by part, by the names of MEMORY.
_NAMES: Final = (
    ("tree_points", "tree_axes", "tree_split", "tail_points", "tail"),
    ("balls", "ball_regions", "firsts", "stretches", "regions", "widest_m"),
    ("patches",),
    ("is_open", "since_s", "recheck_s", "until_s"),
    ("new", "new_slots", "new_edges", "new_available", "new_fresh_s"),
    ("old", "old_slots", "old_edges", "old_available", "old_fresh_s"),
    ("xyz", "lats", "lons"), ("stores",), ("places",), ("zero_s", "unit_s"),
)  # fmt: skip

_ASKED: Final = "".join("q" if kind is np.int64 else "d" for _, kind in ASKED)
_told: Final = Struct("".join("q" if TOLD[name].kind == "i" else "d" for name in TOLD.names or ()))
_unpack = cast(Callable[[bytearray, int], Passing], _told.unpack_from)


# What is asked, by the number of lines: of these their sku numbers, then their quantities.
_ASKED_OF: Final = [Struct(f"{_ASKED}{2 * n_lines}q") for n_lines in range(MOST_LINES + 1)]


class Sieve:
    """Fulfils ``dispatch.domain.market.Sieve``. Belongs to the thread of its catalogue and stock."""

    def __init__(self, catalogue: Catalogue, stock: Stock) -> None:
        self._catalogue = catalogue
        self._stock = stock
        # Written and read as bytes, which takes less time than through numpy.
        self._bytes, self._told_bytes = bytearray(MEMORY.itemsize), bytearray(_MOST_PASSING * TOLD.itemsize)
        self._memory = np.frombuffer(self._bytes, dtype=MEMORY)
        self._address = self._memory.__array_interface__["data"][0]
        self._nearest_passing = compiled_for(nearest_passing, int64)
        self._memory["own_address"] = self._address
        self._kept: dict[str, np.ndarray] = {}
        self._seen: tuple[Any, ...] = (None,) * len(_NAMES)
        self._keep("told", np.frombuffer(self._told_bytes, dtype=TOLD))
        self._keep("having", np.empty(_MOST_HAVING, dtype=np.int64))
        # One more than are looked at.
        self._keep("near_ids", np.empty(_MOST_NEAREST + 1, dtype=np.int64))
        self._keep("near_squares", np.empty(_MOST_NEAREST + 1))
        self._keep("squares", np.empty(_MOST_PASSING))
        self._bar(None)

    def sift(
        self,
        question: Question,
        numbers: Sequence[int],
        pace_s_m: float,
        reach_m: float,
        horizon_m: float,
        barred: Barred | None,
        tell_miss: bool,
    ) -> Sifted | None:
        """The nearest stores that pass; see there."""
        if len(numbers) > MOST_LINES:
            return None
        if barred is not None or self._bars:
            self._bar(barred)
        self._see(question)
        address, rest_lacks, n_lines, door = self._address, None, len(numbers), question.destination
        while True:
            # Each time, for the search arranges the lines.
            _ASKED_OF[n_lines].pack_into(
                self._bytes, 0,
                question.now_s, question.start_s, question.hold_s, question.promise_s,
                n_lines, 1 + question.alternatives, self._stock.waiting.row_count > 0,
                pace_s_m, door.lat, door.lon, reach_m, horizon_m,
                *numbers, *[line.quantity for line in question.lines],
            )  # fmt: skip
            found, examined, said, next_m, have = self._nearest_passing(address)
            if said < 0:
                break
            self._learn(said, question)
        if said == UNSURE:
            return None
        if said != ALL_SEEN:
            next_m = inf
            while True:
                found, examined, said, have, rest_lacks = nearest_holding(address)
                if said < 0:
                    break
                self._learn(said, question)
            if said == NOT_ALL_SEEN:
                return None
        if found == 1:  # as nearly always
            return Sifted([_unpack(self._told_bytes, 0)], examined, next_m, rest_lacks, None)
        if found or not tell_miss:
            return Sifted([self._passing(i) for i in range(found)], examined, next_m, rest_lacks, None)
        # Of whom is unfit it is not known here why.
        is_clear = have <= _MOST_HAVING and (barred is None or not barred.unfit)
        failing = self._latest_failing(question, have) if is_clear else None
        return None if failing is None else Sifted([], examined, next_m, rest_lacks, failing)

    def _latest_failing(self, question: Question, have: int) -> Failing | None:
        while True:
            reason, said = latest_failing(self._address, have)
            if reason:
                return Failing(self._passing(0), REASONS[reason], said)
            if said == UNSURE:
                return None
            self._learn(said - 1, question)

    def _passing(self, which: int) -> Passing:
        return _unpack(self._told_bytes, which * _told.size)

    def _learn(self, schedule: int, question: Question) -> None:
        """Have the state of a schedule at the time asked about worked out."""
        planned = question.start_s != question.now_s
        self._catalogue.schedules.state(schedule, question.start_s, planned=planned)
        assert self._catalogue.schedules.frame(planned=planned).holds(schedule, question.start_s), "else it never ends"
        self._see(question)

    # ── memory ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _bar(self, barred: Barred | None) -> None:
        """Have these stores passed over, from now on."""
        self._bars = barred is not None
        excluded, declined, unfit = (barred.excluded, barred.declined, barred.unfit) if barred else ((), (), ())
        slots = np.array([*excluded, *declined, *unfit], dtype=np.int64)
        self._keep("barred", slots)
        self._memory["n_barred"], self._memory["n_excluded"] = len(slots), len(excluded)

    def _see(self, question: Question) -> None:
        """Tell where all arrays are, as far as they are others than the last time."""
        catalogue, stock, index = self._catalogue, self._stock, self._catalogue.index
        regions, columns, waiting, freshness = catalogue.regions, catalogue.columns, stock.waiting, stock.freshness
        patches, schedules = catalogue.patches, catalogue.schedules
        frame = schedules.present if question.start_s == question.now_s else schedules.planned
        tree, cells, balls, states, new, old, points, records, places, scales = self._seen
        # Written out, for every question comes here: to make the tuple first takes twice as long.
        if (
            index.tree.parts is tree and regions.parts is cells and patches.balls is balls and frame.parts is states
            and waiting.arrived.parts is new and waiting.being_filed.parts is old
            and index.parts is points and columns.records is records
            and stock.table.places is places and freshness.parts is scales
        ):  # fmt: skip
            return
        parts = (
            index.tree.parts, regions.parts, patches.balls, frame.parts,
            waiting.arrived.parts, waiting.being_filed.parts,
            index.parts, columns.records, stock.table.places, freshness.parts,
        )  # fmt: skip
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
