"""Small random worlds, made to be unkind: who is where, what is open, what is on the shelves; and questions to them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from dispatch.domain.answer import Candidate, PassedOver, Selection, stock_age_s
from dispatch.domain.promise import PromiseDefaults
from dispatch.domain.question import Line, Question, Reason, Strategy, summed
from dispatch.domain.selection import select
from dispatch.domain.stores import Store
from dispatch.replica.catalogue import Catalogue, StoreDefaults
from dispatch.replica.replica import Replica
from dispatch.replica.stock import Stock
from dispatch.storage.feed import StoreRow
from geo.cells import cell_of
from geo.coordinates import LatLon
from geo.travel import MODES, Mode
from geo.travel.estimate import EstimateTravel
from tests.selection.oracle import Answer, Chosen, Defaults, Oracle, Refused, Shelf

NOW_S = 1_781_080_000  # 2026-06-10 16:26:40 in Taipei; no zone here changes its clocks for weeks
AS_OF_STEP_S = 4  # the replica keeps freshness in such steps; between them it may say older, never newer

DEFAULTS = Defaults()
# Of a promise, as answers tell it.
ETA = (
    "prepare_s", "queue_s", "courier_s", "travel_s", "handover_s", "total_s", "pickup_by", "deliver_by", "travel_source"
)  # fmt: skip
HOURS = (
    None,
    "24/7",
    "Mo-Su 08:00-22:00",
    "Mo-Su 06:00-16:30",
    "Mo-Su 06:00-16:45",
    "Mo-Su 06:00-17:00",
    "Mo-Fr 10:00-12:00,13:00-16:45",
    "22:00-06:00",
    "off",
    "Mo-Su 00:00-24:00",
    "Fr-Su 09:00-18:00",
)
HOLDING = {"everyday": 0.95, "common": 0.7, "usual": 0.5, "unusual": 0.25, "rare": 0.06, "rarest": 0.02, "nowhere": 0.0}
SKUS = tuple(HOLDING)


@dataclass(frozen=True)
class World:
    """Stores, stock, and the replica that was made of them."""

    rows: list[StoreRow]
    shelves: dict[str, Shelf]
    replica: Replica
    oracle: Oracle


HORIZON_M = 1_000_000.0

type Search = Callable[[Replica, Question], Selection]
type Places = Callable[[np.random.Generator, int], Iterable[tuple[float, float]]]


def _around(lat: float, lon: float, spread_deg: float) -> Places:
    def places(rng: np.random.Generator, count: int) -> Iterable[tuple[float, float]]:
        return zip(rng.normal(lat, spread_deg, count), rng.normal(lon, spread_deg, count), strict=True)

    return places


def _shared(rng: np.random.Generator, count: int) -> Iterable[tuple[float, float]]:
    spots = list(_around(25.033, 121.5654, 0.02)(rng, max(1, count // 6)))
    return [spots[i] for i in rng.integers(len(spots), size=count)]


def _ring(rng: np.random.Generator, count: int) -> Iterable[tuple[float, float]]:
    """Mirror images to the east and west of a meridian, so that distances are equal though places are not."""
    east = list(_around(25.0, 0.02, 0.01)(rng, (count + 1) // 2))
    return [(lat, 121.5 + side * off) for lat, off in east for side in (1, -1)][:count]


def _pole(rng: np.random.Generator, count: int) -> Iterable[tuple[float, float]]:
    return zip(90 - np.abs(rng.normal(0, 0.05, count)), rng.uniform(-180, 180, count), strict=True)


def _towns(rng: np.random.Generator, count: int) -> Iterable[tuple[float, float]]:
    homes = list(_around(25.0, 121.5, 0.3)(rng, 5))
    spots = [homes[i] for i in rng.integers(len(homes), size=count)]
    return [(lat + rng.normal(0, 0.02), lon + rng.normal(0, 0.02)) for lat, lon in spots]


def _two_cities(rng: np.random.Generator, count: int) -> Iterable[tuple[float, float]]:
    """Too far apart for any promise, so that what one holds is never looked at from the other."""
    near, far = _around(25.033, 121.5654, 0.03), _around(25.033, 125.0, 0.03)
    return [*near(rng, count - count // 2), *far(rng, count // 2)]


PLACES: dict[str, Places] = {
    "dense": _around(25.033, 121.5654, 0.015),
    "towns": _towns,
    "two cities": _two_cities,
    "thin": _around(37.87, 112.55, 0.5),
    "shared coordinates": _shared,
    "mirrored": _ring,
    "near 180": _around(-16.8, 180.0, 0.05),
    "near a pole": _pole,
}


def place(lat: float, lon: float) -> LatLon:
    """The place, taken back over the pole or the antimeridian where the numbers have run past it."""
    if lat > 90:
        lat, lon = 180 - lat, lon + 180
    lon = (lon + 180) % 360 - 180
    return LatLon(lat=float(lat), lon=float(lon))


def _maybe[T](rng: np.random.Generator, chance: float, value: T) -> T | None:
    return value if rng.random() < chance else None


def _zone(rng: np.random.Generator, at: LatLon) -> BaseGeometry:
    """A box around a store, split at the antimeridian; near a pole a cap."""
    if at.lat > 89:
        return shapely.box(-180, 90 - 2 * (90 - at.lat) - 0.01, 180, 90)
    half = float(rng.uniform(0.005, 0.05))
    west, east = at.lon - half, at.lon + half
    if east > 180:
        west, east = west - 360, east - 360
    south, north = at.lat - half, at.lat + half
    if west >= -180:
        return shapely.box(west, south, east, north)
    return shapely.MultiPolygon([shapely.box(west + 360, south, 180, north), shapely.box(-180, south, east, north)])


def _row(rng: np.random.Generator, number: int, at: LatLon, *, strict: bool, modes: tuple[Mode, ...]) -> StoreRow:
    """A store; a strict world has many reasons to refuse, an easy one few."""
    often = 0.25 if strict else 0.05
    store = Store(
        # Neither the order of ids nor their length follows the order of stores.
        store_id=f"S{(number * 7919) % 1000:03d}{'x' * int(rng.integers(3))}-{number}",
        place=at,
        timezone=str(rng.choice(["Asia/Taipei", "Asia/Tokyo", "Pacific/Auckland", "America/New_York", "Asia/Kolkata"]))
        if strict
        else "Asia/Taipei",
        opening_hours=HOURS[rng.integers(len(HOURS))] if rng.random() < 2 * often else None,
        delivery_radius_m=_maybe(rng, often, float(rng.uniform(500, 8000))),
        delivery_zone=_zone(rng, at) if rng.random() < often else None,
        mode=_maybe(rng, 0.7, modes[rng.integers(len(modes))]),
        prepare_s=_maybe(
            rng, 0.4, int(rng.choice([0, 60, 200, 600, 1500, 5400], p=[0.25, 0.25, 0.2, 0.15, 0.1, 0.05]))
        ),
        prepare_line_s=_maybe(rng, 0.3, int(rng.choice([0, 15, 90]))),
        queue_per_order_s=_maybe(rng, 0.3, int(rng.choice([0, 60, 300, 3600], p=[0.4, 0.4, 0.1, 0.1]))),
        courier_s=_maybe(rng, 0.3, int(rng.integers(0, 600))),
        handover_s=_maybe(rng, 0.3, int(rng.integers(0, 300))),
        max_open_orders=_maybe(rng, often, int(rng.integers(0, 5))),
        active=rng.random() > often / 5,
    )
    return StoreRow(
        store=store,
        store_no=number + 1,
        cell=cell_of(at),
        open_orders=int(rng.integers(0, 4)),
        stale_after_s=_maybe(rng, 0.3, int(rng.choice([3600, 86_400]))),
    )


def _shelves(rng: np.random.Generator, rows: list[StoreRow], *, strict: bool) -> dict[str, Shelf]:
    shelves = {}
    for sku, share in HOLDING.items():
        at = np.flatnonzero(rng.random(len(rows)) < share).astype(np.int64)
        on_hand, reserved = rng.geometric(0.15, len(at)) - 1, rng.integers(0, 2, len(at))
        safety_stock = rng.integers(0, 2, len(at))
        on_hand[rng.random(len(at)) < 0.05] += 1100
        stale_after_s = np.array([rows[i].stale_after_s or DEFAULTS.stale_after_s for i in at.tolist()], dtype=np.int64)
        steps = rng.integers(-10, 300, len(at))
        old = rng.random(len(at)) < (0.2 if strict else 0.03)
        # Some just before or after the moment at which they go stale, some long before.
        steps[old] = (stale_after_s[old] // AS_OF_STEP_S) + rng.choice([-3, -1, 0, 1, 2, 5000, 10**6], int(old.sum()))
        available = np.maximum(0, on_hand - reserved - safety_stock)
        shelves[sku] = Shelf(at, available, NOW_S - AS_OF_STEP_S * steps)
    return shelves


def replica_of(rows: list[StoreRow], shelves: dict[str, Shelf]) -> Replica:
    """A replica as it is after loading these stores and rows."""
    promise = PromiseDefaults(
        prepare_s=DEFAULTS.prepare_s,
        prepare_line_s=DEFAULTS.prepare_line_s,
        queue_per_order_s=DEFAULTS.queue_per_order_s,
        courier_s=DEFAULTS.courier_s,
        handover_s=DEFAULTS.handover_s,
        mode=Mode(DEFAULTS.mode),
    )
    catalogue, stock = Catalogue(rows, StoreDefaults(promise, DEFAULTS.stale_after_s)), Stock()
    stock.reserve(catalogue.columns.size)
    replica = Replica(catalogue, stock, EstimateTravel(), {})
    slots = np.concatenate([shelf.at for shelf in shelves.values()])
    if len(slots):
        newest_s = np.zeros(catalogue.columns.size, dtype=np.int64)
        np.maximum.at(newest_s, slots, np.concatenate([shelf.as_of_s for shelf in shelves.values()]))
        there = np.flatnonzero(newest_s)
        stock.set_freshness_scale(there, newest_s[there], catalogue.columns.stale_after_s[there].astype(np.int64))
    for sku, shelf in shelves.items():
        no_prices = np.zeros(len(shelf.at), dtype=np.int64)
        stock.put(stock.add_sku(sku), shelf.at, shelf.available, shelf.as_of_s, no_prices)
    return replica


def world(
    rng: np.random.Generator, places: Places, *, count: int, strict: bool, modes: tuple[Mode, ...] = MODES
) -> World:
    spots = [place(*spot) for spot in places(rng, count)]
    rows = [_row(rng, number, spot, strict=strict, modes=modes) for number, spot in enumerate(spots)]
    rows.sort(key=lambda row: row.cell)
    return world_of(rows, _shelves(rng, rows, strict=strict))


def world_of(rows: list[StoreRow], shelves: dict[str, Shelf]) -> World:
    return World(rows, shelves, replica_of(rows, shelves), Oracle(rows, shelves, DEFAULTS))


def question(rng: np.random.Generator, rows: list[StoreRow], *, skus: tuple[str, ...] = SKUS) -> Question:
    """A question asked near a store, at its very door, or from far away; all fields at random."""
    if rows:
        home = rows[rng.integers(len(rows))].store.place
        off_deg = float(rng.choice([0, 0.003, 0.01, 0.05, 1.0, 20.0], p=[0.2, 0.3, 0.33, 0.13, 0.02, 0.02]))
        at = place(home.lat + rng.normal(0, 1) * off_deg, home.lon + rng.normal(0, 1) * off_deg)
    else:
        at = LatLon(lat=25.0, lon=121.5)
    now_s = NOW_S + int(rng.integers(0, 100))
    ahead_s = int(rng.choice([0, 0, 0, rng.integers(1, 3600), rng.integers(3600, 3 * 86_400)]))
    # Mostly skus that most stores have, so that more than half of the questions find a store.
    likely = np.array([HOLDING[sku] + 0.15 for sku in skus]) ** 2
    wanted = [str(sku) for sku in rng.choice(skus, int(rng.integers(1, 5)), p=likely / likely.sum())]
    quantities = rng.choice(
        [1, 1, 1, 2, 3, 1022, 1023, 1100], len(wanted), p=[0.35, 0.3, 0.2, 0.08, 0.04, 0.01, 0.01, 0.01]
    )
    ids = [row.store.store_id for row in rows]

    def some(chance: float) -> frozenset[str]:
        count = int(rng.integers(1, 6)) if ids and rng.random() < chance else 0
        return frozenset([*(ids[rng.integers(len(ids))] for _ in range(count)), *(["no such store"] if count else [])])

    return Question(
        destination=at,
        lines=summed([Line(sku, int(quantity)) for sku, quantity in zip(wanted, quantities, strict=True)]),
        promise_s=60 * int(rng.choice([5, 20, 30, 60, 60, 120, 240])),
        now_s=now_s,
        start_s=now_s + ahead_s,
        strategy=Strategy.FASTEST if rng.random() < 0.4 else Strategy.NEAREST,
        mode=_maybe(rng, 0.3, MODES[rng.integers(len(MODES))]),
        alternatives=int(rng.choice([0, 0, 1, 3, 20])),
        explain=rng.random() < 0.5,
        hold_s=int(rng.choice([0, 0, 900, 3600])),
        exclude_stores=some(0.2),
        declined_by=some(0.2),
        only_stores=(some(1.0) | some(1.0)) if rng.random() < 0.08 else None,
    )


def plain(selection: Selection, replica: Replica, question: Question) -> Answer:
    """What the search found, in the oracle's terms."""

    def chosen(found: Candidate | PassedOver) -> dict[str, object]:
        eta = {name: getattr(found.eta, name) for name in ETA}
        return {"store_id": found.store_id, "distance_m": found.distance_m, "key_s": found.key_s, "eta": eta}

    def refused(found: PassedOver) -> Refused:
        return Refused(**chosen(found), reason=found.reason.text, detail=found.detail)  # type: ignore[arg-type]

    winner = selection.winner
    reasons, listed = selection.passed_over_reasons, selection.passed_over
    return Answer(
        unknown_sku=selection.unknown_sku,
        winner=Chosen(**chosen(selection.winner)) if selection.winner else None,  # type: ignore[arg-type]
        alternatives=[Chosen(**chosen(found)) for found in selection.alternatives],  # type: ignore[arg-type]
        stock_age_s=stock_age_s(replica.stock, question, winner.slot) if winner else None,
        miss=refused(selection.miss) if selection.miss else None,
        passed_over=None if listed is None else [refused(found) for found in listed],
        passed_over_total=selection.passed_over_total,
        passed_over_reasons=None if reasons is None else {Reason(code).text: n for code, n in reasons.items()},
    )


def difference(world: World, question: Question, *, search: Search = select) -> str | None:
    """Which fields of the search's answer are not the oracle's, and both; None when all agree."""
    expected = world.oracle.answer(question)
    answer = forgiven(plain(search(world.replica, question), world.replica, question), expected)
    for name in (field.name for field in fields(Answer)):
        found, right = getattr(answer, name), getattr(expected, name)
        if name == "miss" and beyond_the_horizon(found) and beyond_the_horizon(right):
            continue
        if found != right:
            return f"{name} of {question}\nfound: {found}\nright: {right}"
    return None


def beyond_the_horizon(miss: Refused | None) -> bool:
    """Whether every store is so far away that it is only said that the promise is missed, not who is best placed."""
    return miss is not None and miss.reason == "promise_missed" and miss.distance_m > HORIZON_M


def forgiven(answer: Answer, expected: Answer) -> Answer:
    """The answer with the age of stock filled in where it only says that it is older than can be said."""
    ages = {found.store_id: found.detail.get("age_s") for found in (expected.passed_over or [])}
    if expected.miss is not None:
        ages[expected.miss.store_id] = expected.miss.detail.get("age_s")

    def aged(found: Refused) -> Refused:
        if found.detail.get("age_s", 0) is not None:
            return found
        return replace(found, detail={**found.detail, "age_s": ages.get(found.store_id)})

    return replace(
        answer,
        miss=None if answer.miss is None else aged(answer.miss),
        passed_over=None if answer.passed_over is None else [aged(found) for found in answer.passed_over],
    )
