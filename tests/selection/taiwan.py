"""The real stores of Taiwan's four chains, with shelves filled by what real baskets held."""

import csv
import gzip
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dispatch.domain.question import Line, Question, Strategy, summed
from dispatch.domain.stores import Store
from dispatch.storage.feed import StoreRow
from geo.cells import cell_of
from geo.coordinates import LatLon
from geo.travel import MODES
from tests.selection.oracle import Shelf
from tests.selection.worlds import NOW_S, World, place, world_of

SKUS_A_STORE = 400
NOT_RARE = 15_000  # of the skus by popularity; those after it are left in a few stores
SEED = 20261122
HOURS = ("24/7", "Mo-Su 06:00-23:30", "Mo-Su 07:00-17:00", "22:00-06:00")
MODES_USED = (None, None, None, *MODES)


@dataclass(frozen=True)
class Taiwan:
    """The set, and questions to it as its shoppers might ask."""

    world: World
    baskets: list[list[Line]]
    rare: list[str]

    def place(self, rng: np.random.Generator) -> LatLon:
        """Near a store, at its door (perhaps one of several there), or, now and then, in the sea."""
        home = self.world.rows[rng.integers(len(self.world.rows))].store.place
        off_deg = float(rng.choice([0, 0.002, 0.02, 0.3], p=[0.2, 0.4, 0.35, 0.05]))
        return place(home.lat + rng.normal(0, 1) * off_deg, home.lon + rng.normal(0, 1) * off_deg)

    def question(self, rng: np.random.Generator) -> Question:
        lines = self.baskets[rng.integers(len(self.baskets))]
        match rng.integers(6):
            case 0 | 4 | 5:
                lines = [Line(sku, 1) for sku in self._best_sellers(rng, int(rng.integers(1, 6)))]
            case 1:
                rare = [self.rare[rng.integers(len(self.rare))] for _ in range(int(rng.integers(1, 3)))]
                lines = [Line(sku, 1) for sku in [*self._best_sellers(rng, 2), *rare]]
            case 2:
                lines = lines[:2]
        ahead_s = int(rng.choice([0, 0, rng.integers(1, 2 * 86_400)]))
        return Question(
            destination=self.place(rng),
            lines=summed(lines),
            promise_s=60 * int(rng.choice([15, 30, 60, 60, 240])),
            now_s=NOW_S,
            start_s=NOW_S + ahead_s,
            strategy=Strategy.FASTEST if rng.random() < 0.3 else Strategy.NEAREST,
            mode=MODES_USED[rng.integers(len(MODES_USED))],
            alternatives=int(rng.choice([0, 3, 20])),
            explain=rng.random() < 0.3,
            hold_s=int(rng.choice([0, 900])),
        )

    def _best_sellers(self, rng: np.random.Generator, count: int) -> list[str]:
        shelves = list(self.world.shelves)
        return [shelves[i] for i in rng.choice(60, count, replace=False)]


def load(stores_csv: Path, baskets_csv_gz: Path) -> Taiwan:
    rng = np.random.default_rng(SEED)
    baskets = _baskets(baskets_csv_gz)
    sold = Counter(line.sku for basket in baskets for line in basket)
    skus = [sku for sku, _ in sold.most_common()]
    rows = _rows(rng, stores_csv)
    shelves = _shelves(rng, rows, skus, np.array([sold[sku] for sku in skus], dtype=np.float64))
    rare = [sku for sku, shelf in shelves.items() if 1 <= len(shelf.at) <= 8]
    assert len(rare) > 100, "there are rare skus"
    return Taiwan(world_of(rows, shelves), baskets, rare)


def _baskets(path: Path) -> list[list[Line]]:
    baskets: dict[str, list[Line]] = {}
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            quantity = max(1, int(float(line["quantity"])))
            baskets.setdefault(line["basket_id"], []).append(Line(line["sku"], quantity))
    return list(baskets.values())


def _rows(rng: np.random.Generator, path: Path) -> list[StoreRow]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        read = list(csv.DictReader(file))
    rows = []
    for number, line in enumerate(read):
        at = LatLon(lat=float(line["lat"]), lon=float(line["lon"]))
        chance = rng.random(6)
        store = Store(
            store_id=f"{line['brand']}/{line['store_id']}/{number}",
            place=at,
            timezone="Asia/Taipei",
            brand=line["brand"],
            opening_hours=HOURS[rng.integers(len(HOURS))] if chance[0] < 0.4 else None,
            delivery_radius_m=float(rng.uniform(300, 5000)) if chance[1] < 0.1 else None,
            mode=MODES_USED[rng.integers(len(MODES_USED))],
            prepare_s=int(rng.integers(0, 1200)) if chance[2] < 0.5 else None,
            max_open_orders=int(rng.integers(0, 6)) if chance[3] < 0.3 else None,
            active=bool(chance[4] > 0.02),
        )
        open_orders = int(rng.integers(0, 5))
        rows.append(
            StoreRow(store=store, store_no=number + 1, cell=cell_of(at), open_orders=open_orders, stale_after_s=None)
        )
    rows.sort(key=lambda row: row.cell)
    return rows


def _shelves(
    rng: np.random.Generator, rows: list[StoreRow], skus: list[str], weight: NDArray[np.float64]
) -> dict[str, Shelf]:
    """About 400 skus a store by popularity; one chain has none of the best seller, another none of the second."""
    cumulative = np.cumsum(weight**0.8)
    draws = np.searchsorted(cumulative, rng.random((len(rows), 3 * SKUS_A_STORE // 2)) * cumulative[-1], side="right")
    keys = (draws.astype(np.int64) << 32 | np.arange(len(rows))[:, None]).ravel()
    # Sorted by hand, since np.unique of eight million takes ten seconds.
    keys.sort()
    keys = keys[np.flatnonzero(np.diff(keys, prepend=-1))]
    keys = keys[rng.random(len(keys)) < SKUS_A_STORE * len(rows) / len(keys)]
    number = keys >> 32
    keys = keys[(number < NOT_RARE) | (rng.random(len(keys)) < 0.05)]
    number, at = keys >> 32, keys & 0xFFFFFFFF
    brand = np.array([row.store.brand for row in rows])
    largest, second = (name for name, _ in Counter(brand.tolist()).most_common(2))
    carried = ~((number == 0) & (brand[at] == largest)) & ~((number == 1) & (brand[at] == second))
    number, at = number[carried], at[carried]
    available = np.maximum(0, rng.geometric(0.2, len(at)) - 1 - rng.integers(0, 3, len(at)))
    counted_s = NOW_S - 4 * rng.integers(0, 20_000, len(rows))
    counted_s[rng.random(len(rows)) < 0.03] -= 200_000
    as_of_s = counted_s[at] - 4 * rng.integers(0, 4000, len(at))
    edges = np.searchsorted(number, np.arange(len(skus) + 1))
    # A sku that is in no store's draw is one that no store ever had.
    return {
        sku: Shelf(at[start:end], available[start:end], as_of_s[start:end])
        for sku, start, end in zip(skus, edges.tolist(), edges[1:].tolist(), strict=False)
        if end > start
    }
