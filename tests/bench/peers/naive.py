"""The plain way in numpy: the distances to all stores, a mask for each line, the smallest that is left."""

import numpy as np

from tests.bench.peers.asking import SPHERE_SLACK, Asked
from tests.bench.world import World

_RADIUS_M = 6_371_008.8  # of a sphere like the earth, on average


class Naive:
    """In process. The stock is one array of stores and one of what they have, for each sku."""

    name = "numpy scan"

    def __init__(self, world: World) -> None:
        self._lats, self._lons = np.radians(world.lats), np.radians(world.lons)
        self._cos_lats = np.cos(self._lats)
        self._shelves = [(stores.astype(np.int32), on_hand.astype(np.int32)) for _, stores, on_hand, _ in world.rows()]
        self.shelf_rows = sum(len(stores) for stores, _ in self._shelves)

    async def answer(self, asked: Asked) -> int | None:
        lat, lon = np.radians(asked.lat), np.radians(asked.lon)
        half = np.sin((self._lats - lat) / 2) ** 2
        half += np.cos(lat) * self._cos_lats * np.sin((self._lons - lon) / 2) ** 2
        distances_m = 2 * _RADIUS_M * np.arcsin(np.sqrt(half))
        able = distances_m <= asked.reach_m * SPHERE_SLACK
        for number, quantity in asked.lines:
            able &= self._having(number, quantity)
        distances_m[~able] = np.inf
        nearest = int(distances_m.argmin())
        return nearest if able[nearest] else None

    def has(self, store: int, asked: Asked) -> bool:
        """Whether a store has all lines."""
        return all(self._having(number, quantity)[store] for number, quantity in asked.lines)

    def _having(self, number: int, quantity: int) -> np.ndarray:
        stores, on_hand = self._shelves[number]
        having = np.zeros(len(self._lats), dtype=bool)
        having[stores[on_hand >= quantity]] = True
        return having
