"""How long quotes take, by the kind of basket."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.spatial import KDTree

from dispatch.domain.question import Line, Question
from dispatch.domain.selection import select
from dispatch.replica.replica import Replica
from geo.coordinates import LatLon
from geo.geodesy import earth_centred
from tests.bench.percentiles import Percentiles
from tests.bench.world import World

ROUNDS: Final = 5
COMMON: Final = 40  # so many best sellers
SOMETIMES: Final = 400
RARE_SHARE: Final = 0.1  # of all skus, the least popular
MORE_THAN_ANY: Final = 500  # of one sku on one shelf
DESERT_M: Final = (30_000, 300_000)


def _common(world: World, rng: np.random.Generator, lines: int, among: int = COMMON) -> list[int]:
    return [int(number) for number in rng.choice(min(among, world.skus), lines, replace=False)]


def _rare(world: World, rng: np.random.Generator, lines: int) -> list[int]:
    rare_from = int(world.skus * (1 - RARE_SHARE))
    return [int(number) for number in rng.choice(np.arange(rare_from, world.skus), lines, replace=False)]


def _near_stores(world: World, rng: np.random.Generator, count: int) -> np.ndarray:
    """About a kilometre from random stores: most orders come from where stores are."""
    return _about(world, rng, rng.integers(0, world.stores, count))


def _downtown(world: World, rng: np.random.Generator, count: int) -> np.ndarray:
    """The same within the city that has the most stores."""
    largest = np.flatnonzero(world.cities == np.bincount(world.cities).argmax())
    return _about(world, rng, rng.choice(largest, count))


def _about(world: World, rng: np.random.Generator, stores: np.ndarray) -> np.ndarray:
    return np.column_stack([world.lats[stores], world.lons[stores]]) + rng.normal(0, 0.01, (len(stores), 2))


def _desert(world: World, rng: np.random.Generator, count: int) -> np.ndarray:
    """Anywhere that is 30 to 300 km from the nearest store."""
    stores = KDTree(earth_centred(world.lats, world.lons))
    found = np.empty((0, 2))
    while len(found) < count:
        lats, lons = rng.uniform(17.0, 47.0, 4 * count), rng.uniform(92.0, 128.0, 4 * count)
        away_m, _ = stores.query(earth_centred(lats, lons))
        apart = (away_m >= DESERT_M[0]) & (away_m <= DESERT_M[1])
        found = np.concatenate([found, np.column_stack([lats, lons])[apart]])
    return found[:count]


@dataclass(frozen=True)
class Mix:
    """What is asked for, and from where: sku numbers of one basket, and (lat, lon) of so many doors.

    Of the last line so many are wanted, of the others one.
    """

    draw: Callable[[World, np.random.Generator], list[int]]
    doors: Callable[[World, np.random.Generator, int], np.ndarray] = _near_stores
    last_quantity: int = 1


_MIXES: Final = {
    "5 common": Mix(lambda world, rng: _common(world, rng, 5)),
    "5 of the better known": Mix(lambda world, rng: _common(world, rng, 5, SOMETIMES)),
    "one rare": Mix(lambda world, rng: _common(world, rng, 2) + _rare(world, rng, 1)),
    "all rare": Mix(lambda world, rng: _rare(world, rng, 3)),
    "none has so much": Mix(lambda world, rng: _common(world, rng, 4), last_quantity=MORE_THAN_ANY),
    "none has all": Mix(lambda world, rng: _common(world, rng, 12, SOMETIMES)),
    "dense city": Mix(lambda world, rng: _common(world, rng, 5), _downtown),
    "desert": Mix(lambda world, rng: _common(world, rng, 5), _desert),
}
MIXES: Final = tuple(_MIXES)


def questions(world: World, mix: str, count: int, *, now_s: int, seed: int) -> list[Question]:
    """So many of a mix; another seed has others."""
    rng = np.random.default_rng([seed, MIXES.index(mix)])
    asked = _MIXES[mix]
    doors = asked.doors(world, rng, count).tolist()
    baskets = [asked.draw(world, rng) for _ in range(count)]
    return [
        Question(
            destination=LatLon(lat=lat, lon=lon),
            lines=tuple(
                Line(world.sku(number), 1 if number != basket[-1] else asked.last_quantity) for number in basket
            ),
            promise_s=3600,
            now_s=now_s,
            start_s=now_s,
        )
        for (lat, lon), basket in zip(doors, baskets, strict=True)
    ]


def measure(replica: Replica, world: World, mix: str, *, now_s: int, count: int = 1000) -> dict[str, Any]:
    """Time each quote of several rounds, no question twice; what they came to is counted."""
    rounds_us = []
    plans: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    for round_no in range(ROUNDS):
        spent = []
        for question in questions(world, mix, count, now_s=now_s, seed=round_no):
            began = time.perf_counter()
            selection = select(replica, question)
            spent.append((time.perf_counter() - began) * 1e6)
            if selection.certificate is not None:
                plans[selection.certificate.plan.value] += 1
            outcomes[
                "fulfillable" if selection.winner else selection.miss.reason.text if selection.miss else "none"
            ] += 1
        rounds_us.append(spent)
    told = {"mix": mix, "quotes": ROUNDS * count, "plans": dict(plans), "outcomes": dict(outcomes)}
    return told | Percentiles.of(rounds_us).as_json()
