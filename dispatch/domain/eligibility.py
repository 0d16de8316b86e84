"""Which of these stores pass every test, and the first test that each of the others fails."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np

from dispatch.domain.market import BoolArray, FloatArray, IntArray, Market
from dispatch.domain.promise import Eta, Parts, parts
from dispatch.domain.question import Question, Reason, Strategy
from geo.travel import MODE_CODES, TravelModel
from geo.travel.roads import UNREACHABLE_S
from geo.zones import covers

UNKNOWN_S: Final = -1
_NONE: Final = np.empty(0, dtype=np.int64)
# Up to so many stores all lines are asked at once.
_FEW: Final = 64


@dataclass(frozen=True, slots=True)
class KnownLine:
    """A line whose sku some store has had."""

    sku: str
    number: int
    quantity: int


def known_lines(question: Question, numbers: Sequence[int]) -> tuple[KnownLine, ...]:
    """The lines of a question with the numbers of their skus, one for one."""
    return tuple(
        KnownLine(line.sku, number, line.quantity) for line, number in zip(question.lines, numbers, strict=True)
    )


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
        self._barred = frozenset([*self._excluded.tolist(), *self._declined.tolist()])
        self._among = None if self._only is None else frozenset(self._only.tolist())
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
        open_orders = columns.open_orders.take(slots).astype(np.int64)
        if holding:
            open_orders = np.maximum(open_orders - 1, 0)
        times_s = columns.times_s.take(slots, axis=0).T
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
            columns.schedule.take(slots), question.start_s, planned=question.start_s != question.now_s
        )
        reason = np.zeros(len(slots), dtype=np.int64)
        # The first failing test gives the reason, so they are written from the last to the first.
        if not holding:
            reason[open_orders >= columns.max_open_orders.take(slots)] = Reason.AT_CAPACITY
            reason[columns.busy_until_s.take(slots) > question.now_s] = Reason.AT_CAPACITY
        if self._lines and not (stocked or holding):
            self._test_stock(slots, reason)
        self._test_zone(slots, distances_m, reason)
        reason[~states.is_open] = Reason.CLOSED
        reason[columns.closed_until_s.take(slots) > question.start_s] = Reason.CLOSED
        if len(self._declined):
            reason[np.isin(slots, self._declined)] = Reason.DECLINED_BEFORE
        if len(self._excluded):
            reason[np.isin(slots, self._excluded)] = Reason.EXCLUDED
        if self._only is not None:
            reason[~np.isin(slots, self._only)] = Reason.EXCLUDED
        reason[~columns.active.take(slots)] = Reason.INACTIVE
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

    def passes(self, slot: int, distance_m: float, *, stocked: bool = False) -> Eta | None:
        """The promise of one store if it passes every test that ``examine`` puts, else None.

        ``stocked`` says that its stock is known to suffice. For travel that does not depend on the hour. A batch of one
        would take three times as long.
        """
        market, question, columns = self._market, self._question, self._market.columns
        if not columns.active[slot] or slot in self._barred or (self._among is not None and slot not in self._among):
            return None
        if columns.closed_until_s[slot] > question.start_s or columns.busy_until_s[slot] > question.now_s:
            return None
        if not stocked and not all(
            market.stock.has(number, slot, wanted, question.now_s) for number, wanted in self._by_rarity
        ):
            return None
        if distance_m > columns.delivery_radius_m[slot] or columns.open_orders[slot] >= columns.max_open_orders[slot]:
            return None
        if columns.has_zone[slot] and not covers(market.zones.zone(slot), question.destination):
            return None
        prepare_s, line_s, per_order_s, courier_s, handover_s = columns.times_s[slot].tolist()
        prepare_s += line_s * self._n_lines
        queue_s = per_order_s * int(columns.open_orders[slot])
        ready_s = prepare_s + queue_s + courier_s
        is_open, until_s = market.schedules.state(
            int(columns.schedule[slot]), question.start_s, planned=question.start_s != question.now_s
        )
        if not is_open or question.start_s + question.hold_s + ready_s > until_s:
            return None
        travel_s = int(self._travel_s(np.array([slot]), np.array([distance_m]), np.array([ready_s]))[0])
        total_s = ready_s + travel_s + handover_s
        if travel_s >= UNREACHABLE_S or total_s > question.promise_s:
            return None
        return Eta(
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

    def detail(self, examined: Examined, index: int) -> dict[str, object]:
        """The figures behind a store's reason; names ending in ``_at`` or ``_by`` are epoch seconds."""
        columns, question = self._market.columns, self._question
        slot = int(examined.slots[index])
        match Reason(int(examined.reason[index])):
            case Reason.CLOSED:
                return {"opens_at": self._market.opens_at_s(slot, question.start_s)}
            case Reason.OUTSIDE_DELIVERY_ZONE:
                radius_m = float(columns.delivery_radius_m[slot])
                if examined.distances_m[index] > radius_m:
                    return {"delivery_radius_m": radius_m}
                return {}
            case Reason.STALE_STOCK:
                return self._stale_detail(slot)
            case Reason.INSUFFICIENT_STOCK:
                return self._insufficient_detail(slot)
            case Reason.AT_CAPACITY:
                busy_until_s = int(columns.busy_until_s[slot])
                if busy_until_s > question.now_s:
                    return {"resumes_at": busy_until_s}
                return {
                    "open_orders": int(columns.open_orders[slot]),
                    "max_open_orders": int(columns.max_open_orders[slot]),
                }
            case Reason.CLOSES_TOO_SOON:
                ready_s = int(examined.parts.ready_s[index])
                return {
                    "closes_at": int(examined.open_until_s[index]),
                    "pickup_by": question.start_s + question.hold_s + ready_s,
                }
            case Reason.PROMISE_MISSED:
                return {"total_s": int(examined.total_s[index]), "promise_s": question.promise_s}
            case _:
                return {}

    def _slots(self, store_ids: frozenset[str]) -> IntArray:
        if not store_ids:
            return _NONE
        slots = [slot for slot in map(self._market.slot, store_ids) if slot is not None]
        return np.array(sorted(slots), dtype=np.int64)

    def _travel_s(self, slots: IntArray, distances_m: FloatArray, ready_s: IntArray) -> IntArray:
        market, question = self._market, self._question
        if question.mode is None:
            modes = market.columns.mode.take(slots).astype(np.int64)
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
        reason[distances_m > columns.delivery_radius_m.take(slots)] = Reason.OUTSIDE_DELIVERY_ZONE
        has_zone = columns.has_zone.take(slots)
        if has_zone.any():
            zoned = np.flatnonzero(has_zone)
            held = self._market.zones.covering(slots[zoned], self._question.destination)
            reason[zoned[~held]] = Reason.OUTSIDE_DELIVERY_ZONE

    def _stale_detail(self, slot: int) -> dict[str, object]:
        at = np.array([slot], dtype=np.int64)
        stale_after_s = int(self._market.columns.stale_after_s[slot])
        _, stale = self._market.stock.probe(at, self._question.now_s).lines(self._wanted)
        for line, is_stale in zip(self._lines, stale[:, 0].tolist(), strict=True):
            if is_stale:
                fresh_s = self._market.stock.fresh_s(line.number, slot)
                age_s = self._question.now_s - fresh_s if fresh_s is not None and fresh_s > 0 else None
                return {"sku": line.sku, "age_s": age_s, "stale_after_s": stale_after_s}
        raise AssertionError("a store with stale stock has a stale line")

    def _insufficient_detail(self, slot: int) -> dict[str, object]:
        for line in self._lines:
            available = self._market.stock.available(line.number, slot)
            if available < line.quantity:
                return {"sku": line.sku, "wanted": line.quantity, "available": available}
        raise AssertionError("a store without enough has a line that lacks")
