"""How long quotes take, by the kind of basket."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from dispatch.domain.question import Line, Question
from dispatch.domain.selection import select
from dispatch.replica.replica import Replica
from geo.coordinates import LatLon
from tests.bench.world import World

ROUNDS: Final = 5
COMMON: Final = 40  # so many best sellers
SOMETIMES: Final = 400
RARE_SHARE: Final = 0.1  # of all skus, the least popular


@dataclass(frozen=True)
class Timing:
    """Microseconds a quote: percentiles of each round's quotes; of the rounds, the median and the spread."""

    mix: str
    quotes: int
    p50_us: float
    p50_spread_us: tuple[float, float]
    p99_us: float
    p99_spread_us: tuple[float, float]
    plans: dict[str, int]
    outcomes: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def baskets(world: World, mix: str, count: int, rng: np.random.Generator) -> list[list[int]]:
    """So many lists of sku numbers."""
    rare_from = int(world.skus * (1 - RARE_SHARE))
    draws: dict[str, Callable[[], np.ndarray]] = {
        "5 common": lambda: rng.choice(COMMON, 5, replace=False),
        "2 common + 2 very rare": lambda: np.concatenate(
            [rng.choice(COMMON, 2, replace=False), rng.choice(np.arange(rare_from, world.skus), 2, replace=False)]
        ),
        "1 very rare": lambda: rng.integers(rare_from, world.skus, 1),
        "5 of the better known": lambda: rng.choice(SOMETIMES, 5, replace=False),
    }
    return [draws[mix]().tolist() for _ in range(count)]


MIXES: Final = ("5 common", "2 common + 2 very rare", "1 very rare", "5 of the better known")


def questions(world: World, mix: str, count: int, *, now_s: int, seed: int) -> list[Question]:
    """Baskets asked for about a kilometre from random stores: most orders come from where stores are."""
    rng = np.random.default_rng([seed, MIXES.index(mix)])
    stores = rng.integers(0, world.stores, count)
    lats = world.lats[stores] + rng.normal(0, 0.01, count)
    lons = world.lons[stores] + rng.normal(0, 0.01, count)
    return [
        Question(
            destination=LatLon(lat=float(lat), lon=float(lon)),
            lines=tuple(Line(world.sku(number), 1) for number in basket),
            promise_s=3600,
            now_s=now_s,
            start_s=now_s,
        )
        for lat, lon, basket in zip(lats, lons, baskets(world, mix, count, rng), strict=True)
    ]


def measure(replica: Replica, world: World, mix: str, *, now_s: int, count: int = 1000) -> Timing:
    """Time each quote of several rounds, no question twice."""
    p50s, p99s = [], []
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
        p50s.append(float(np.percentile(spent, 50)))
        p99s.append(float(np.percentile(spent, 99)))
    return Timing(
        mix, ROUNDS * count, float(np.median(p50s)), (min(p50s), max(p50s)), float(np.median(p99s)),
        (min(p99s), max(p99s)), dict(plans), dict(outcomes),
    )  # fmt: skip
