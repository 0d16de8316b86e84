"""A city's stores on its real roads, and what the answer must be by asking the engine for every store."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np

from dispatch.domain.answer import Selection
from dispatch.domain.market import BoolArray
from dispatch.domain.question import Line, Question, Strategy
from dispatch.domain.selection import select
from dispatch.domain.stores import Store
from dispatch.replica.replica import Replica
from dispatch.storage.feed import StoreRow
from geo.cells import cell_of
from geo.coordinates import LatLon
from geo.geodesy import FloatArray
from geo.travel import MODES, Mode
from geo.travel.engine import RoadEngine
from geo.travel.roads import KnownRoads, RoadBounds, WaysNeeded
from tests.geo.roads import places_along
from tests.selection.oracle import GEOD, Shelf
from tests.selection.worlds import DEFAULTS, NOW_S, replica_of

HOLDING: Final = {"everyday": 0.95, "usual": 0.5, "rare": 0.04}
LONGEST_LEG_M: Final = 300.0
WALKING_MPS: Final = 4.8 / 3.6
RUSH: Final = tuple(1.4 if hour in (7, 8, 17, 18) else 1.0 for hour in range(24))
EVEN: Final = (1.0,) * 24
FACTORS: Final = {Mode.FOOT: EVEN, Mode.EBIKE: EVEN, Mode.CAR: RUSH}
# It is 16:26 there now: without a queue goods leave the store at 16:35 at the latest, half an hour before the rush.
IN_THE_RUSH_S: Final = 45 * 60


@dataclass(frozen=True)
class City:
    """Stores by position: places, what each has, and the replica made of them."""

    lats: FloatArray
    lons: FloatArray
    ids: list[str]
    has: dict[str, BoolArray]
    replica: Replica
    engine: RoadEngine

    @property
    def bounds(self) -> RoadBounds:
        return RoadBounds({mode: self.engine.top_speed_mps(mode) for mode in MODES}, FACTORS)


def city(name: str, engine: RoadEngine, rng: np.random.Generator, stores: int) -> City:
    lats, lons = places_along(name, rng, stores)
    ids = [f"R{number * 7919 % 10_000:04d}-{number}" for number in range(stores)]
    held = {sku: rng.random(stores) < share for sku, share in HOLDING.items()}
    places = list(zip(lats.tolist(), lons.tolist(), strict=True))
    return City(lats, lons, ids, held, city_of(places, ids, held), engine)


def city_of(
    places: Sequence[tuple[float, float]], ids: Sequence[str], held: Mapping[str, BoolArray] | None = None
) -> Replica:
    """A replica of stores at these places; all of them have what is not said to be held."""
    at = [LatLon(lat=lat, lon=lon) for lat, lon in places]
    rows = [
        StoreRow(Store(store_id=store_id, place=place, timezone="Asia/Shanghai"), number + 1, cell_of(place), 0, None)
        for number, (store_id, place) in enumerate(zip(ids, at, strict=True))
    ]
    held = held or dict.fromkeys(HOLDING, np.ones(len(ids), dtype=np.bool_))
    shelves = {
        sku: Shelf(np.flatnonzero(has), np.full(int(has.sum()), 9), np.full(int(has.sum()), NOW_S))
        for sku, has in held.items()
    }
    return replica_of(rows, shelves)


def question(here: City, name: str, rng: np.random.Generator) -> Question:
    lat, lon = places_along(name, rng, 1)
    return Question(
        destination=LatLon(lat=float(lat[0]), lon=float(lon[0])),
        lines=tuple(Line(str(sku), 1) for sku in rng.choice([*HOLDING], int(rng.integers(1, 3)), replace=False)),
        promise_s=60 * int(rng.choice([20, 30, 60, 60])),
        now_s=NOW_S,
        start_s=NOW_S + int(rng.choice([0, IN_THE_RUSH_S])),
        strategy=Strategy(str(rng.choice(["nearest", "fastest"]))),
        mode=MODES[rng.integers(len(MODES))],
        alternatives=int(rng.choice([0, 0, 2])),
    )


def asked_of(here: City, asked: Question, known: KnownRoads | None = None) -> tuple[Selection, KnownRoads]:
    """The answer, and the ways that it took."""
    known = known or KnownRoads(here.engine.name, here.bounds, first_ways=here.engine.first_ways)
    while True:
        try:
            return select(here.replica, asked, known), known
        except WaysNeeded as needed:
            for code in needed.approaches:
                known.learn_approach(code, here.engine.approach(asked.destination, MODES[code], known.approach(code)))
            for code in np.unique(needed.modes).tolist():
                of_it = needed.modes == code
                part = WaysNeeded(needed.lats[of_it], needed.lons[of_it], needed.modes[of_it])
                ways = here.engine.ways(lats=part.lats, lons=part.lons, destination=asked.destination, mode=MODES[code])
                known.learn(part, {code: ways})


def right_answer(here: City, asked: Question, travel_s: FloatArray) -> list[tuple[int, float, str]]:
    """(key, distance, id) of the stores that can, best first, from the travel time of every store; inf: none."""
    count = len(here.ids)
    door = asked.destination
    metres = np.array(GEOD.inv(np.full(count, door.lon), np.full(count, door.lat), here.lons, here.lats)[2])
    ready_s = DEFAULTS.prepare_s + DEFAULTS.prepare_line_s * len(asked.lines) + DEFAULTS.courier_s
    found = []
    for i in range(count):
        if not all(here.has[line.sku][i] for line in asked.lines) or math.isinf(travel_s[i]):
            continue
        total_s = ready_s + int(travel_s[i]) + DEFAULTS.handover_s
        if total_s <= asked.promise_s:
            key_s = int(travel_s[i]) if asked.strategy is Strategy.NEAREST else total_s
            found.append((key_s, float(metres[i]), here.ids[i]))
    return sorted(found)


def travel_s_of_all(here: City, asked: Question, only: Sequence[int] | None = None) -> FloatArray:
    """Every store's travel time by the engine's word, inf where no road leads; of others than ``only`` inf as well."""
    mode = asked.mode
    assert mode is not None
    chosen = np.arange(len(here.ids)) if only is None else np.array(only, dtype=np.int64)
    ready_s = DEFAULTS.prepare_s + DEFAULTS.prepare_line_s * len(asked.lines) + DEFAULTS.courier_s
    # Shanghai is 8 hours ahead.
    factor = FACTORS[mode][(asked.start_s + ready_s + 8 * 3600) // 3600 % 24]

    def some(part: FloatArray) -> FloatArray:
        ways = here.engine.ways(lats=here.lats[part], lons=here.lons[part], destination=asked.destination, mode=mode)
        seconds = np.ceil(ways.seconds * factor + (ways.place_leg_m + ways.door_leg_m) / WALKING_MPS)
        off = (ways.place_leg_m > LONGEST_LEG_M) | (ways.door_leg_m > LONGEST_LEG_M) | np.isnan(ways.seconds)
        return np.where(off, np.inf, seconds)

    travel_s = np.full(len(here.ids), np.inf)
    with ThreadPoolExecutor(2) as threads:
        parts = np.array_split(chosen, 8)
        for part, times in zip(parts, threads.map(some, parts), strict=True):
            travel_s[part] = times
    return travel_s
