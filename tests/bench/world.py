"""Stores and stock of any size from a seed: clustered like real chains, skewed and correlated like real shelves."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from dispatch.domain.stores import Store
from geo.coordinates import LatLon

SKU_EXPONENT: Final = 0.8
CHAINS: Final = 6
# A chain does not carry so large a share of the range, whatever its stores; hardly a best seller is among it.
NOT_CARRIED: Final = 0.3
BEST_SELLERS: Final = 100
BEST_SELLERS_NOT_CARRIED: Final = 0.03
CITY_SPREAD_DEG: Final = 0.08
HOURS: Final = ("24/7", "06:00-24:00", "07:00-23:00", "24/7")


@dataclass(frozen=True)
class World:
    """``stores`` stores with about ``per_store`` of ``skus`` skus each. All of it follows from the seed."""

    stores: int
    skus: int = 10_000
    per_store: int = 400
    seed: int = 1

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng([self.seed, 1])
        cities = max(1, self.stores // 300)
        centres = rng.uniform([22.0, 98.0], [42.0, 122.0], (cities, 2))
        # City sizes fall off like those of real chains: the largest has a few per cent of all stores.
        weights = 1.0 / np.arange(1, cities + 1) ** 0.9
        city = np.sort(rng.choice(cities, size=self.stores, p=weights / weights.sum()))
        spread = CITY_SPREAD_DEG * rng.gamma(1.5, 1.0, self.stores)
        places = centres[city] + rng.normal(0.0, 1.0, (self.stores, 2)) * spread[:, None]
        return places[:, 0], places[:, 1], rng.integers(0, CHAINS, self.stores), city

    @property
    def lats(self) -> np.ndarray:
        return self._places[0]

    @property
    def lons(self) -> np.ndarray:
        return self._places[1]

    @property
    def chains(self) -> np.ndarray:
        return self._places[2]

    @property
    def cities(self) -> np.ndarray:
        """The city of each store; city 0 is likely the largest."""
        return self._places[3]

    def sku(self, number: int) -> str:
        """The code of a sku; number 0 is the most popular."""
        return f"20{number:011d}"

    def sku_number(self, sku: str) -> int:
        """The other way round."""
        return int(sku[2:])

    def store_id(self, number: int) -> str:
        return f"S{number:07d}"

    def store_number(self, store_id: str) -> int:
        """The other way round."""
        return int(store_id[1:])

    def store(self, number: int) -> Store:
        """A store as its owner would describe it."""
        chain = int(self.chains[number])
        return Store(
            store_id=self.store_id(number),
            place=LatLon(lat=float(self.lats[number]), lon=float(self.lons[number])),
            timezone="Asia/Shanghai",
            name=f"Chain {chain} store {number}",
            brand=f"Chain {chain}",
            address=f"{number % 900 + 1} Long Street",
            opening_hours=HOURS[number % len(HOURS)],
        )

    def shares(self, chain: int) -> np.ndarray:
        """The share of a chain's stores that carry each sku."""
        rng = np.random.default_rng([self.seed, 2, chain])
        popularity = 1.0 / np.arange(1, self.skus + 1) ** SKU_EXPONENT
        not_carried = np.full(self.skus, NOT_CARRIED)
        not_carried[:BEST_SELLERS] = BEST_SELLERS_NOT_CARRIED
        popularity[rng.random(self.skus) < not_carried] = 0.0
        scale = self.per_store / popularity.sum()
        # What would be above 1 is spread over the rest, so that a store has about per_store skus.
        for _ in range(20):
            shares = np.minimum(1.0, popularity * scale)
            scale *= self.per_store / shares.sum()
        return np.minimum(1.0, popularity * scale)

    def rows(self) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
        """Shelf rows by sku: its number, the stores that have a row, what is on hand, the price in minor units."""
        shares = [self.shares(chain) for chain in range(CHAINS)]
        members = [np.flatnonzero(self.chains == chain) for chain in range(CHAINS)]
        for number in range(self.skus):
            rng = np.random.default_rng([self.seed, 3, number])
            parts = [members[c][_chosen(rng, len(members[c]), shares[c][number])] for c in range(CHAINS)]
            stores = np.sort(np.concatenate(parts))
            on_hand = rng.geometric(0.15, len(stores)) - 1
            price = int(rng.integers(100, 5_000)) + 10 * self.chains[stores]
            yield number, stores, on_hand, price


def _chosen(rng: np.random.Generator, count: int, share: float) -> np.ndarray:
    """Each of ``count`` with probability ``share``, by the gaps between the chosen: as many draws as are chosen."""
    if share <= 0.0 or count == 0:
        return np.empty(0, dtype=np.int64)
    if share >= 1.0:
        return np.arange(count)
    expected = int(count * share + 6 * (count * share) ** 0.5 + 10)
    at = np.cumsum(rng.geometric(share, expected)) - 1
    return at[at < count]
