"""Which of these stores pass every test, and the first test that each of the others fails."""

from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np

from dispatch.domain.details import Details
from dispatch.domain.known_lines import KnownLine
from dispatch.domain.market import BoolArray, FloatArray, IntArray, Market
from dispatch.domain.promise import Parts, parts
from dispatch.domain.question import Question, Reason, Strategy
from geo.travel import MODE_CODES, TravelModel
from geo.travel.roads import UNREACHABLE_S

UNKNOWN_S: Final = -1
_NONE: Final = np.empty(0, dtype=np.int64)
# Up to so many stores all lines are asked at once.
_FEW: Final = 64


@dataclass(frozen=True, slots=True)
class Examined:
    """What the tests said of stores, one entry a store in every array.

    Where travel is lazy and another test decides, ``travel_s``, ``total_s`` and ``key_s`` are UNKNOWN_S.
    """

    slots: IntArray
    distances_m: FloatArray
    reason: IntArray
    key_s: IntArray
    travel_s: IntArray
    total_s: IntArray
    open_until_s: IntArray
    parts: Parts

    def only(self, chosen: IntArray | BoolArray | slice) -> "Examined":
        """These stores alone, by position or by a mask."""
        arrays = {name.name: getattr(self, name.name)[chosen] for name in fields(self) if name.name != "parts"}
        return Examined(**arrays, parts=self.parts.only(chosen))


class Examiner:
    """One question put to any number of stores."""

    def __init__(self, market: Market, question: Question, lines: tuple[KnownLine, ...], travel: TravelModel) -> None:
        self._market = market
        self._travel = travel
        self._question = question
        self._lines = lines
        self._n_lines = max(1, len(lines))  # without lines: whatever one line would be
        self._excluded = self._slots(question.exclude_stores)
        self._declined = self._slots(question.declined_by)
        self._only = None if question.only_stores is None else self._slots(question.only_stores)
        self._wanted = [(line.number, line.quantity) for line in lines]
        self._by_rarity = sorted(self._wanted, key=lambda wanted: market.stock.holder_count(wanted[0]))

    @property
    def only(self) -> IntArray | None:
        """The slots that the question is limited to, if it is."""
        return self._only

    def stocked(self, slots: IntArray, *, but: KnownLine | None = None) -> BoolArray:
        """Which stores have every line, or every other ``but`` one, counted recently enough."""
        by_rarity = self._by_rarity
        if but is not None:
            by_rarity = [wanted for wanted in by_rarity if wanted[0] != but.number]
        if not by_rarity:
            return np.ones(len(slots), dtype=np.bool_)
        stock, now_s = self._market.stock, self._question.now_s
        if len(slots) <= _FEW:
            enough, stale = stock.probe(slots, now_s).lines(by_rarity)
            enough &= ~stale
            few: BoolArray = enough.all(axis=0)
            return few
        # Of many stores, each line is asked of those that have the lines before it, the rarest first.
        passing = np.arange(len(slots))
        for wanted in by_rarity:
            enough, stale = stock.probe(slots[passing], now_s).lines([wanted])
            passing = passing[enough[0] & ~stale[0]]
            if len(passing) == 0:
                break
        many = np.zeros(len(slots), dtype=np.bool_)
        many[passing] = True
        return many

    def examine(
        self,
        slots: IntArray,
        distances_m: FloatArray,
        *,
        stocked: bool = False,
        holding: bool = False,
        all_travel: bool = False,
    ) -> Examined:
        """Put every test to these stores. ``stocked`` says that their stock is known to suffice.

        ``holding``: they hold the order already, so that its goods are reserved there and it is one of those open.
        ``all_travel``: have travel times also where they do not decide and are lazy.
        """
        tested = self.tested(slots, distances_m, stocked=stocked, holding=holding)
        if all_travel or not self._travel.lazy:
            return self.travelled(tested, slice(None))
        return self.travelled(tested, np.flatnonzero(tested.reason == Reason.NONE))

    def tested(
        self, slots: IntArray, distances_m: FloatArray, *, stocked: bool = False, holding: bool = False
    ) -> Examined:
        """Put every test to these stores that needs no travel time; those that pass have no reason yet."""
        market, question = self._market, self._question
        columns = market.columns
        open_orders = columns.open_orders[slots].astype(np.int64)
        if holding:
            open_orders = np.maximum(open_orders - 1, 0)
        times_s = columns.times_s[slots].T
        made = parts(
            prepare_s=times_s[0],
            prepare_line_s=times_s[1],
            queue_per_order_s=times_s[2],
            courier_s=times_s[3],
            handover_s=times_s[4],
            open_orders=open_orders,
            n_lines=self._n_lines,
        )
        states = market.schedules.states(
            columns.schedule[slots], question.start_s, planned=question.start_s != question.now_s
        )
        reason = np.zeros(len(slots), dtype=np.int64)
        # The first failing test gives the reason, so they are written from the last to the first.
        if not holding:
            reason[open_orders >= columns.max_open_orders[slots]] = Reason.AT_CAPACITY
            reason[columns.busy_until_s[slots] > question.now_s] = Reason.AT_CAPACITY
        if self._lines and not (stocked or holding):
            self._test_stock(slots, reason)
        self._test_zone(slots, distances_m, reason)
        reason[~states.is_open] = Reason.CLOSED
        reason[columns.closed_until_s[slots] > question.start_s] = Reason.CLOSED
        if len(self._declined):
            reason[np.isin(slots, self._declined)] = Reason.DECLINED_BEFORE
        if len(self._excluded):
            reason[np.isin(slots, self._excluded)] = Reason.EXCLUDED
        if self._only is not None:
            reason[~np.isin(slots, self._only)] = Reason.EXCLUDED
        reason[~columns.active[slots]] = Reason.INACTIVE
        unknown_s = np.full(len(slots), UNKNOWN_S, dtype=np.int64)
        return Examined(slots, distances_m, reason, unknown_s, unknown_s, unknown_s, states.until_s, made)

    def beforehand(self, tested: Examined, least_travel_s: IntArray) -> Examined:
        """What of ``tested`` stores is sure before their ways are known: the latest reason that they can have.

        Those that close too soon, or miss the promise even on the shortest way; which are unreachable is seen later.
        ``key_s`` is what the key of the others is at least.
        """
        question, parts_s = self._question, tested.parts
        undecided, reason = tested.reason == Reason.NONE, tested.reason.copy()
        total_s = parts_s.total_s(least_travel_s)
        reason[undecided & (total_s > question.promise_s)] = Reason.PROMISE_MISSED
        reason[undecided & self._closes_too_soon(tested)] = Reason.CLOSES_TOO_SOON
        least_key_s = self._key_s(least_travel_s, total_s)
        return replace(tested, reason=reason, key_s=np.where(reason == Reason.NONE, least_key_s, UNKNOWN_S))

    def travelled(self, tested: Examined, asked: IntArray | slice) -> Examined:
        """Go on with ``tested`` stores: the travel times of those that are ``asked``, and what these decide."""
        question, ready_s = self._question, tested.parts.ready_s
        travel_s = np.full(len(tested.slots), UNKNOWN_S, dtype=np.int64)
        travel_s[asked] = self._travel_s(tested.slots[asked], tested.distances_m[asked], ready_s[asked])
        total_s = np.where(travel_s == UNKNOWN_S, UNKNOWN_S, tested.parts.total_s(travel_s))
        # What travel decides comes last of all.
        decides, reason = tested.reason == Reason.NONE, tested.reason.copy()
        reason[decides & (total_s > question.promise_s)] = Reason.PROMISE_MISSED
        reason[decides & self._closes_too_soon(tested)] = Reason.CLOSES_TOO_SOON
        reason[decides & (travel_s >= UNREACHABLE_S)] = Reason.UNREACHABLE
        return replace(tested, reason=reason, key_s=self._key_s(travel_s, total_s), travel_s=travel_s, total_s=total_s)

    def _key_s(self, travel_s: IntArray, total_s: IntArray) -> IntArray:
        """What stores are ordered by."""
        return travel_s if self._question.strategy is Strategy.NEAREST else total_s

    def _closes_too_soon(self, tested: Examined) -> BoolArray:
        """Which stores are not open until their goods have been picked up."""
        late: BoolArray = self._question.start_s + self._question.hold_s + tested.parts.ready_s > tested.open_until_s
        return late

    def detail(self, examined: Examined, index: int) -> dict[str, object]:
        """The figures behind a store's reason; see Details."""
        return Details(self._market, self._question, self._lines).of(
            Reason(int(examined.reason[index])),
            int(examined.slots[index]),
            distance_m=float(examined.distances_m[index]),
            total_s=int(examined.total_s[index]),
            ready_s=int(examined.parts.ready_s[index]),
            open_until_s=int(examined.open_until_s[index]),
        )

    def _slots(self, store_ids: frozenset[str]) -> IntArray:
        if not store_ids:
            return _NONE
        slots = [slot for slot in map(self._market.slot, store_ids) if slot is not None]
        return np.array(sorted(slots), dtype=np.int64)

    def _travel_s(self, slots: IntArray, distances_m: FloatArray, ready_s: IntArray) -> IntArray:
        market, question = self._market, self._question
        if question.mode is None:
            modes = market.columns.mode[slots].astype(np.int64)
        else:
            modes = np.full(len(slots), MODE_CODES[question.mode], dtype=np.int64)
        if self._travel.hourly[modes].any():
            hours = market.timezones.local_hours(market.columns.timezone[slots], question.start_s + ready_s)
        else:
            hours = np.zeros(len(slots), dtype=np.int64)
        return self._travel.times_s(
            lats=market.index.lats.take(slots),
            lons=market.index.lons.take(slots),
            destination=question.destination,
            distances_m=distances_m,
            modes=modes,
            hours=hours,
        )

    def _test_stock(self, slots: IntArray, reason: IntArray) -> None:
        enough, stale = self._market.stock.probe(slots, self._question.now_s).lines(self._wanted)
        reason[~enough.all(axis=0)] = Reason.INSUFFICIENT_STOCK
        reason[stale.any(axis=0)] = Reason.STALE_STOCK

    def _test_zone(self, slots: IntArray, distances_m: FloatArray, reason: IntArray) -> None:
        columns = self._market.columns
        reason[distances_m > columns.delivery_radius_m[slots]] = Reason.OUTSIDE_DELIVERY_ZONE
        has_zone = columns.has_zone[slots]
        if has_zone.any():
            zoned = np.flatnonzero(has_zone)
            held = self._market.zones.covering(slots[zoned], self._question.destination)
            reason[zoned[~held]] = Reason.OUTSIDE_DELIVERY_ZONE
