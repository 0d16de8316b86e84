"""What the answer to a question must be, by looking at every store: slow, plain, and written from the documents alone.

Nothing of the search is used here: distances come from pyproj, zones from shapely, hours from the library of opening
hours and zoneinfo, and every store takes every test.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import shapely
from numpy.typing import NDArray
from opening_hours import OpeningHours
from pyproj import Geod

from dispatch.domain.question import Question
from dispatch.storage.feed import StoreRow

GEOD = Geod(ellps="WGS84")

REASONS = (
    "passes",
    "inactive",
    "excluded",
    "declined_before",
    "closed",
    "outside_delivery_zone",
    "stale_stock",
    "insufficient_stock",
    "at_capacity",
    "unreachable",
    "closes_too_soon",
    "promise_missed",
    "slower",
)
PROMISE_MISSED = REASONS.index("promise_missed")
SLOWER = REASONS.index("slower")

MOST_LISTED = 200
NEVER_S = 2**62
ABSENT_S = -1

MODES = ("foot", "ebike", "car")
RUSH_HOURS = (7, 8, 17, 18)

type Floats = NDArray[np.float64]
type Ints = NDArray[np.int64]
type Bools = NDArray[np.bool_]


def seconds_per_metre(mode: str, hour: int) -> float:
    """Detour × factor ÷ speed as the settings' defaults have it, to nine decimals."""
    speed_kmh, detour, factor = {
        "foot": (4.8, 1.25, 1.0),
        "ebike": (20.0, 1.3, 1.0),
        "car": (25.0, 1.4, 1.4 if hour in RUSH_HOURS else 1.0),
    }[mode]
    return round(detour * factor * 3.6 / speed_kmh, 9)


class Defaults(NamedTuple):
    """What holds for a store that does not say."""

    prepare_s: int = 300
    prepare_line_s: int = 30
    queue_per_order_s: int = 120
    courier_s: int = 60
    handover_s: int = 120
    mode: str = "ebike"
    stale_after_s: int = 129_600


class Shelf(NamedTuple):
    """One sku: the stores (by position in the list) that have a row, what is available there, and as of when."""

    at: Ints
    available: Ints
    as_of_s: Ints


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A store that passes; ``eta`` by its names in answers."""

    store_id: str
    distance_m: float
    key_s: int
    eta: Mapping[str, int | str]


@dataclass(frozen=True, kw_only=True)
class Refused(Chosen):
    reason: str
    detail: Mapping[str, object]


@dataclass(kw_only=True)
class Answer:
    """Every field that an answer has, but for the certificate."""

    unknown_sku: str | None = None
    winner: Chosen | None = None
    alternatives: list[Chosen] = field(default_factory=list)
    stock_age_s: int | None = None
    miss: Refused | None = None
    passed_over: list[Refused] | None = None
    passed_over_total: int | None = None
    passed_over_reasons: dict[str, int] | None = None


class State(NamedTuple):
    is_open: bool
    changes_s: int | None


@lru_cache(maxsize=512)
def _rule(text: str) -> OpeningHours:
    # Without an end the library looks for the next change of "24/7" until the year 10,000, which takes it minutes.
    return OpeningHours(text, auto_country=False, auto_timezone=False, max_interval_days=367)


def state(hours: str | None, timezone: str, at_s: int) -> State:
    """Whether these hours are open at a moment, and when that changes next; None: it does not."""
    if hours is None:
        return State(True, None)
    zone = ZoneInfo(timezone)
    wall = datetime.fromtimestamp(at_s, zone).replace(tzinfo=None)
    change = _rule(hours).next_change(wall)
    changes_s = None if change is None else int(change.replace(tzinfo=zone).timestamp())
    return State(_rule(hours).is_open(wall), changes_s)


@dataclass(frozen=True)
class _Judged:
    """Every store's figures for one question, by position in the list."""

    distance_m: Floats
    reason: Ints
    key_s: Ints
    prepare_s: Ints
    queue_s: Ints
    courier_s: Ints
    travel_s: Ints
    handover_s: Ints
    total_s: Ints
    available: Sequence[Ints]
    as_of_s: Sequence[Ints]
    states: Sequence[State]

    @property
    def ready_s(self) -> Ints:
        return self.prepare_s + self.queue_s + self.courier_s


class Oracle:
    """All stores and all stock of one moment."""

    def __init__(self, rows: Sequence[StoreRow], shelves: Mapping[str, Shelf], defaults: Defaults) -> None:
        self._shelves = shelves
        self.rows = rows
        stores = [row.store for row in rows]
        self.ids = [store.store_id for store in stores]
        self._lats = np.array([store.place.lat for store in stores])
        self._lons = np.array([store.place.lon for store in stores])
        self._rank = np.empty(len(rows), dtype=np.int64)
        self._rank[sorted(range(len(rows)), key=self.ids.__getitem__)] = np.arange(len(rows))

        def column(name: str) -> Ints:
            said = [getattr(store, name) for store in stores]
            return np.array([getattr(defaults, name) if value is None else value for value in said], dtype=np.int64)

        self._prepare_s, self._prepare_line_s = column("prepare_s"), column("prepare_line_s")
        self._queue_per_order_s, self._courier_s = column("queue_per_order_s"), column("courier_s")
        self._handover_s = column("handover_s")
        modes = [defaults.mode if store.mode is None else store.mode.value for store in stores]
        self._mode = np.array([MODES.index(mode) for mode in modes], dtype=np.int64)
        self._stale_after_s = np.array(
            [defaults.stale_after_s if row.stale_after_s is None else row.stale_after_s for row in rows], dtype=np.int64
        )
        self._open_orders = np.array([row.open_orders for row in rows], dtype=np.int64)
        self._limit = np.array(
            [NEVER_S if store.max_open_orders is None else store.max_open_orders for store in stores], dtype=np.int64
        )
        self._active = np.array([store.active for store in stores], dtype=np.bool_)
        self._radius_m = np.array([store.delivery_radius_m or np.inf for store in stores])
        self._zones = np.array([store.delivery_zone for store in stores], dtype=object)
        self._timezones = sorted({store.timezone for store in stores})
        self._timezone = np.array([self._timezones.index(store.timezone) for store in stores], dtype=np.int64)
        self._hours = [(store.opening_hours, store.timezone) for store in stores]

    def distances_m(self, lat: float, lon: float) -> Floats:
        count = len(self.rows)
        return np.array(GEOD.inv(np.full(count, lon), np.full(count, lat), self._lons, self._lats)[2])

    def nearest_first(self, distance_m: Floats) -> Ints:
        """Positions by (distance, position)."""
        return np.lexsort((np.arange(len(distance_m)), distance_m))

    def answer(self, question: Question) -> Answer:
        for line in question.lines:
            if line.sku not in self._shelves:
                return Answer(unknown_sku=line.sku)
        judged = self._judge(question)
        best = np.lexsort((self._rank, judged.distance_m, judged.key_s))
        passing = best[judged.reason[best] == 0]
        answer = Answer()
        if len(passing):
            chosen = [self._chosen(question, judged, i) for i in passing[: question.alternatives + 1].tolist()]
            answer.winner, answer.alternatives = chosen[0], chosen[1:]
            oldest_s = min(int(as_of_s[passing[0]]) for as_of_s in judged.as_of_s)
            answer.stock_age_s = max(0, question.now_s - oldest_s)
        else:
            answer.miss = self._miss(question, judged)
        if question.explain:
            self._explain(question, judged, answer, int(passing[0]) if len(passing) else None)
        return answer

    def _judge(self, question: Question) -> _Judged:
        count = len(self.rows)
        distance_m = self.distances_m(question.destination.lat, question.destination.lon)
        prepare_s = self._prepare_s + self._prepare_line_s * len(question.lines)
        queue_s = self._queue_per_order_s * self._open_orders
        ready_s = prepare_s + queue_s + self._courier_s
        travel_s = np.ceil(distance_m * self._rates(question, question.start_s + ready_s)).astype(np.int64)
        total_s = ready_s + travel_s + self._handover_s
        of_hours = {hours: state(*hours, question.start_s) for hours in set(self._hours)}
        states = [of_hours[hours] for hours in self._hours]
        closes_s = np.array([NEVER_S if s.changes_s is None else s.changes_s for s in states], dtype=np.int64)
        available, as_of_s = [], []
        for line in question.lines:
            shelf = self._shelves[line.sku]
            have, when_s = np.zeros(count, dtype=np.int64), np.full(count, ABSENT_S)
            have[shelf.at], when_s[shelf.at] = shelf.available, shelf.as_of_s
            available.append(have)
            as_of_s.append(when_s)
        stale, short = np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_)
        for line, have, when_s in zip(question.lines, available, as_of_s, strict=True):
            stale |= (when_s != ABSENT_S) & (question.now_s - when_s > self._stale_after_s)
            short |= have < line.quantity
        only = question.only_stores
        out = [i in question.exclude_stores or (only is not None and i not in only) for i in self.ids]
        # In the order of API.md; the first that holds is the reason.
        tests: dict[str, Bools] = {
            "inactive": ~self._active,
            "excluded": np.array(out, dtype=np.bool_),
            "declined_before": np.array([i in question.declined_by for i in self.ids], dtype=np.bool_),
            "closed": np.array([not s.is_open for s in states], dtype=np.bool_),
            "outside_delivery_zone": (distance_m > self._radius_m) | self._outside_zone(question),
            "stale_stock": stale,
            "insufficient_stock": short,
            "at_capacity": self._open_orders >= self._limit,
            "closes_too_soon": question.start_s + question.hold_s + ready_s > closes_s,
            "promise_missed": total_s > question.promise_s,
        }
        assert sorted(tests, key=REASONS.index) == list(tests), "the tests are in the order of reasons"
        reason = np.select(list(tests.values()), [REASONS.index(name) for name in tests], default=0)
        return _Judged(
            distance_m=distance_m,
            reason=reason,
            key_s=travel_s if question.strategy.value == "nearest" else total_s,
            prepare_s=prepare_s,
            queue_s=queue_s,
            courier_s=self._courier_s,
            travel_s=travel_s,
            handover_s=self._handover_s,
            total_s=total_s,
            available=available,
            as_of_s=as_of_s,
            states=states,
        )

    def _rates(self, question: Question, leaves_s: Ints) -> Floats:
        """Seconds a metre by each store's mode, at the hour its own wall clock shows when the courier leaves."""
        mode = self._mode if question.mode is None else np.full(len(self.rows), MODES.index(question.mode.value))
        # Every zone's hours begin at a whole quarter of an hour of UTC.
        zones = max(1, len(self._timezones))
        distinct, which = np.unique((leaves_s // 900 * zones + self._timezone) * 3 + mode, return_inverse=True)
        rates = []
        for number in distinct.tolist():
            quarter, zone = divmod(number // 3, zones)
            wall = datetime.fromtimestamp(900 * quarter, ZoneInfo(self._timezones[zone]))
            rates.append(seconds_per_metre(MODES[number % 3], wall.hour))
        return np.array(rates, dtype=np.float64)[which]

    def _outside_zone(self, question: Question) -> Bools:
        lat, lon = question.destination.lat, question.destination.lon
        has_zone = np.array([zone is not None for zone in self._zones], dtype=np.bool_)
        inside = np.zeros(len(self.rows), dtype=np.bool_)
        for x in {lon, -lon} if abs(lon) == 180 else {lon}:
            inside |= shapely.covers(self._zones, shapely.Point(x, lat))
        return has_zone & ~inside

    def _miss(self, question: Question, judged: _Judged) -> Refused | None:
        """Of those whose way alone keeps the promise the one that failed latest, then by key; else the best by key."""
        if not self.rows:
            return None
        within = np.flatnonzero(judged.travel_s <= question.promise_s)
        if len(within):
            order = np.lexsort((self._rank, judged.distance_m, judged.key_s, -judged.reason)).tolist()
            chosen = set(within.tolist())
            latest = next(i for i in order if i in chosen)
            return self._refused(question, judged, latest, int(judged.reason[latest]))
        nearest = int(np.lexsort((self._rank, judged.distance_m, judged.key_s))[0])
        return self._refused(question, judged, nearest, PROMISE_MISSED)

    def _explain(self, question: Question, judged: _Judged, answer: Answer, winner: int | None) -> None:
        if winner is None:
            listed = judged.travel_s <= question.promise_s
        else:
            nearer = judged.distance_m < judged.distance_m[winner]
            listed = nearer | (judged.key_s < judged.key_s[winner])
        reason = np.where(judged.reason == 0, SLOWER, judged.reason)
        order = np.lexsort((self._rank, judged.distance_m))
        order = order[listed[order]]
        answer.passed_over_total = len(order)
        answer.passed_over_reasons = {
            REASONS[code]: count for code, count in enumerate(np.bincount(reason[order]).tolist()) if count
        }
        answer.passed_over = [self._refused(question, judged, i, int(reason[i])) for i in order[:MOST_LISTED].tolist()]

    def _chosen(self, question: Question, judged: _Judged, i: int) -> Chosen:
        return Chosen(
            store_id=self.ids[i],
            distance_m=float(judged.distance_m[i]),
            key_s=int(judged.key_s[i]),
            eta=self._eta(question, judged, i),
        )

    def _refused(self, question: Question, judged: _Judged, i: int, reason: int) -> Refused:
        chosen = self._chosen(question, judged, i)
        detail = self._detail(question, judged, i, REASONS[reason])
        return Refused(**vars(chosen), reason=REASONS[reason], detail=detail)

    def _eta(self, question: Question, judged: _Judged, i: int) -> dict[str, int | str]:
        parts = ("prepare_s", "queue_s", "courier_s", "travel_s", "handover_s")
        eta: dict[str, int | str] = {part: int(getattr(judged, part)[i]) for part in parts}
        total_s = sum(int(eta[part]) for part in parts)
        pickup_by = question.start_s + sum(int(eta[part]) for part in parts[:3])
        return eta | {
            "total_s": total_s,
            "pickup_by": pickup_by,
            "deliver_by": question.start_s + total_s,
            "travel_source": "estimate",
        }

    def _detail(self, question: Question, judged: _Judged, i: int, reason: str) -> dict[str, Any]:
        lines = list(zip(question.lines, judged.available, judged.as_of_s, strict=True))
        stale_after_s = int(self._stale_after_s[i])
        match reason:
            case "closed":
                return {"opens_at": judged.states[i].changes_s}
            case "outside_delivery_zone" if judged.distance_m[i] > self._radius_m[i]:
                return {"delivery_radius_m": float(self._radius_m[i])}
            case "stale_stock":
                ages = [(line.sku, question.now_s - int(at[i])) for line, _, at in lines if at[i] != ABSENT_S]
                sku, age_s = next((sku, age_s) for sku, age_s in ages if age_s > stale_after_s)
                return {"sku": sku, "age_s": age_s, "stale_after_s": stale_after_s}
            case "insufficient_stock":
                line, have = next((line, int(have[i])) for line, have, _ in lines if have[i] < line.quantity)
                return {"sku": line.sku, "wanted": line.quantity, "available": have}
            case "at_capacity":
                return {"open_orders": int(self._open_orders[i]), "max_open_orders": int(self._limit[i])}
            case "closes_too_soon":
                pickup_by = question.start_s + question.hold_s + int(judged.ready_s[i])
                return {"closes_at": judged.states[i].changes_s, "pickup_by": pickup_by}
            case "promise_missed":
                return {"total_s": int(judged.total_s[i]), "promise_s": question.promise_s}
            case _:
                return {}
