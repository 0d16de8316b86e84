"""What 10,000 delivery zones cost a quote: the same city asked with and without them, question by question."""

import time
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from dispatch.domain.answer import Selection
from dispatch.domain.question import Question
from dispatch.domain.selection import select
from dispatch.domain.stores import Store
from dispatch.replica.replica import Replica
from tests.bench.in_process import NOW_S, build
from tests.bench.quotes import MIXES, questions
from tests.bench.world import World

ZONES: Final = 10_000
ROUNDS: Final = 5
QUOTES_A_ROUND: Final = 400
CORNERS: Final = 48
# Degrees of latitude: what a courier rides in ten minutes, and what holds every door of the city.
KINDS: Final = {"2 to 4 km wide": (0.01, 0.02), "each as wide as the city": (1.5, 2.0)}


class City(World):
    """One city with all stores."""

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng([self.seed, 4])
        places = np.array([37.87, 112.55]) + rng.normal(0.0, 0.12, (self.stores, 2))
        return places[:, 0], places[:, 1], super()._places[2], np.zeros(self.stores, dtype=np.int64)


@dataclass(frozen=True)
class ZonedCity(City):
    """The same with a delivery zone for each store: many corners and a hole, as they are drawn."""

    half_width_deg: tuple[float, float] = KINDS["2 to 4 km wide"]

    def store(self, number: int) -> Store:
        store = super().store(number)
        return replace(store, delivery_zone=self._zone(number, store.place.lat, store.place.lon))

    def _zone(self, number: int, lat: float, lon: float) -> BaseGeometry:
        rng = np.random.default_rng([self.seed, 5, number])
        radius_deg = rng.uniform(*self.half_width_deg)
        turns = np.arange(CORNERS) * (2 * np.pi / CORNERS)
        radii_deg = radius_deg * rng.uniform(0.85, 1.0, CORNERS)
        ring = np.column_stack([lon + radii_deg * np.cos(turns) * 1.27, lat + radii_deg * np.sin(turns)])
        # A lake, somewhere at the rim.
        at, size_deg = rng.uniform(0, 2 * np.pi), 0.05 * radius_deg
        centre = np.array([lon + 0.75 * radius_deg * np.cos(at), lat + 0.75 * radius_deg * np.sin(at)])
        lake = centre + size_deg * np.column_stack([np.cos(turns), np.sin(turns)])
        zone = shapely.Polygon(ring, [lake])
        assert zone.is_valid
        return zone


def measure() -> dict[str, Any]:
    """Microseconds that zones add to a quote, by their kind: median and spread of the rounds' median differences."""
    plain = build(City(ZONES, skus=400, per_store=100))
    figures: dict[str, Any] = {}
    for kind, half_width_deg in KINDS.items():
        world = ZonedCity(ZONES, skus=400, per_store=100, half_width_deg=half_width_deg)
        figures[kind] = _compared(plain, build(world), world)
    return figures


def _compared(plain: Replica, zoned: Replica, world: World) -> dict[str, Any]:
    rounds, p50s, around, same = [], [], [], 0
    for round_no in range(ROUNDS):
        differences, plains = [], []
        for n, question in enumerate(questions(world, MIXES[0], QUOTES_A_ROUND, now_s=NOW_S, seed=round_no)):
            # In turns, so that neither is always the one that finds the caches warm.
            order = (plain, zoned) if n % 2 else (zoned, plain)
            spent = {id(replica): _timed(replica, question) for replica in order}
            differences.append(spent[id(zoned)][0] - spent[id(plain)][0])
            plains.append(spent[id(plain)][0])
            same += spent[id(zoned)][1].winner == spent[id(plain)][1].winner
            if n % 20 == 0:
                around.append(len(zoned.zones.containing(question.destination)))
        rounds.append(float(np.median(differences)))
        p50s.append(float(np.median(plains)))
    return {
        "without_p50_us": float(np.median(p50s)),
        "added_us": float(np.median(rounds)),
        "added_spread_us": [min(rounds), max(rounds)],
        "zones_that_hold_the_door": float(np.median(around)),
        "same_winner": same / (ROUNDS * QUOTES_A_ROUND),
    }


def _timed(replica: Replica, question: Question) -> tuple[float, Selection]:
    began = time.perf_counter()
    selection = select(replica, question)
    return (time.perf_counter() - began) * 1e6, selection
