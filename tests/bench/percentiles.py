"""Several rounds of measurements summed up: what is typical of a round, and how far the rounds lie apart."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np


@dataclass(frozen=True)
class Percentiles:
    """Microseconds: p50 and p99 of each round's measurements; of the rounds, the median and the spread."""

    p50_us: float
    p50_spread_us: tuple[float, float]
    p99_us: float
    p99_spread_us: tuple[float, float]

    @classmethod
    def of(cls, rounds_us: Sequence[Sequence[float]]) -> Self:
        """Raises ValueError without rounds, IndexError for an empty one."""
        p50s = [float(np.percentile(one, 50)) for one in rounds_us]
        p99s = [float(np.percentile(one, 99)) for one in rounds_us]
        return cls(float(np.median(p50s)), (min(p50s), max(p50s)), float(np.median(p99s)), (min(p99s), max(p99s)))

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def median_and_spread(values: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """Of one value a round. Raises ValueError without any."""
    return float(np.median(values)), (min(values), max(values))
