"""The stores of the demo: where they are, whose they are, and how each one works."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Polygon
from shapely.geometry.base import BaseGeometry

from data.chains import CHAINS, Chain
from data.city import CITY_RADIUS_M, HUBS, TIMEZONE, district_of, is_dry, same_bank, to_lon_lat

type FloatArray = NDArray[np.float64]

STORE_COLUMNS: Final = (
    "store_id", "name", "brand", "partner", "region", "address", "lat", "lon", "datum", "phone", "timezone",
    "opening_hours", "delivery_radius_m", "delivery_zone", "mode", "prepare_s", "prepare_line_s",
    "queue_per_order_s", "courier_s", "handover_s", "max_open_orders", "active",
)  # fmt: skip

SHORE_M: Final = 40.0
SHARED_ADDRESSES: Final = 0.012
INACTIVE: Final = 0.012
# About 0.1 m; what is written is what was checked.
DEGREE_DECIMALS: Final = 6

_STREETS: Final = (
    ("示例大街", "Example Avenue"),
    ("样板路", "Sample Road"),
    ("虚拟巷", "Imaginary Lane"),
    ("假想街", "Pretend Street"),
    ("模型路", "Model Road"),
    ("草稿街", "Draft Street"),
    ("占位路", "Placeholder Road"),
    ("演示大道", "Demo Boulevard"),
)


@dataclass(frozen=True, slots=True)
class Storefronts:
    """The stores in order of their ids: ids, the index of each one's chain in CHAINS, and rows by STORE_COLUMNS."""

    store_ids: list[str]
    chain: list[int]
    rows: list[dict[str, str]]


def make_stores(count: int, rng: np.random.Generator) -> Storefronts:
    """Invent ``count`` stores, chain after chain.

    Raises ValueError unless every chain gets from 1 to 9,999 of them.
    """
    counts = np.diff(np.round(np.cumsum([0.0, *(chain.share for chain in CHAINS)]) * count)).astype(int).tolist()
    if min(counts) < 1 or max(counts) > 9_999:
        raise ValueError(f"{count} stores do not spread over {len(CHAINS)} chains with 1 to 9,999 each")
    store_ids, chain_of, rows = [], [], []
    places = _places(counts, rng)
    for index, chain in enumerate(CHAINS):
        places_m = places[index]
        districts = district_of(places_m)
        lon_lat = np.round(to_lon_lat(places_m), DEGREE_DECIMALS)
        for number in range(counts[index]):
            place_m, (lon, lat) = places_m[number], lon_lat[number]
            row = _store_row(chain, number + 1, districts[number], rng)
            zone = _zone(chain, place_m, rng)
            row |= {"lat": f"{lat:.{DEGREE_DECIMALS}f}", "lon": f"{lon:.{DEGREE_DECIMALS}f}"}
            row |= {"delivery_zone": "" if zone is None else shapely.to_wkt(zone, rounding_precision=DEGREE_DECIMALS)}
            store_ids.append(row["store_id"])
            chain_of.append(index)
            rows.append(row)
    return Storefronts(store_ids, chain_of, rows)


def _places(counts: list[int], rng: np.random.Generator) -> list[FloatArray]:
    """Return the (east, north) of each chain's stores in metres; a few share a spot, as in one shopping centre."""
    places = [_spread(chain, count, rng) for chain, count in zip(CHAINS, counts, strict=True)]
    for index, count in enumerate(counts[1:], start=1):
        doubled = rng.choice(count, round(count * SHARED_ADDRESSES), replace=False)
        neighbours = rng.choice(counts[index - 1], doubled.size, replace=False)
        places[index][doubled] = places[index - 1][neighbours]
    return places


def _spread(chain: Chain, count: int, rng: np.random.Generator) -> FloatArray:
    """Draw places from the hubs and the thin rest, on dry land within the city."""
    weights = np.array([hub.weight for hub in HUBS])
    weights[0] *= 1.0 + 0.5 * chain.pull
    rest = max(0.05, (1.0 - weights.sum()) * (1.0 - 0.5 * chain.pull))
    chances = np.append(weights, rest)
    middles_m = np.array([(hub.east_m, hub.north_m) for hub in HUBS])
    spreads_m = np.array([hub.spread_m for hub in HUBS])
    kept: list[FloatArray] = []
    found = 0
    while found < count:
        hub = rng.choice(chances.size, count, p=chances / chances.sum())
        bearing, far_m = rng.uniform(0.0, 2 * np.pi, count), CITY_RADIUS_M * np.sqrt(rng.random(count))
        drawn = np.column_stack([far_m * np.sin(bearing), far_m * np.cos(bearing)])
        around = hub[hub < len(HUBS)]
        scatter = rng.standard_normal((around.size, 2)) * spreads_m[around, np.newaxis]
        drawn[hub < len(HUBS)] = middles_m[around] + scatter
        drawn = drawn[(np.hypot(*drawn.T) <= CITY_RADIUS_M) & is_dry(drawn, clear_m=SHORE_M)]
        kept.append(drawn)
        found += len(drawn)
    return np.concatenate(kept)[:count]


def _store_row(chain: Chain, number: int, district: str, rng: np.random.Generator) -> dict[str, str]:
    """Return everything but the place and the zone."""
    store_id = f"{chain.code}-{number:04d}"
    street_zh, street_en = _STREETS[rng.integers(len(_STREETS))]
    house = rng.integers(1, 400)
    hours = [text for text, _ in chain.hours]
    opening_hours = hours[rng.choice(len(hours), p=[weight for _, weight in chain.hours])]
    prepare_s = rng.integers(chain.prepare_s[0] // 30, chain.prepare_s[1] // 30 + 1) * 30
    limit = "" if chain.max_open_orders is None else str(rng.integers(*chain.max_open_orders, endpoint=True))
    radius_m = round(chain.reach_m * rng.uniform(0.8, 1.25), -2)
    return {
        "store_id": store_id,
        "name": f"{chain.name_zh}（虚构）{number:04d}店 {chain.name_en} {number:04d} (synthetic)",
        "brand": chain.brand,
        "partner": "default",
        "region": district,
        "address": f"虚构{street_zh}{house}号 {house} {street_en} (synthetic)",
        "datum": "wgs84",
        "phone": f"000-{CHAINS.index(chain):04d}-{number:04d}",
        "timezone": TIMEZONE,
        "opening_hours": opening_hours or "",
        "delivery_radius_m": f"{radius_m:.0f}" if chain.zone == "radius" else "",
        "mode": chain.mode or "",
        "prepare_s": str(prepare_s),
        "prepare_line_s": _said(chain.prepare_line_s),
        "queue_per_order_s": _said(chain.queue_per_order_s),
        "courier_s": _said(chain.courier_s),
        "handover_s": _said(chain.handover_s),
        "max_open_orders": limit,
        "active": "false" if rng.random() < INACTIVE else "true",
    }


def _said(value_s: int | None) -> str:
    return "" if value_s is None else str(value_s)


def _zone(chain: Chain, place_m: FloatArray, rng: np.random.Generator) -> BaseGeometry | None:
    """Return the store's delivery zone in lon, lat degrees, valid as it will be written, with the store inside."""
    if chain.zone not in ("banks", "holes"):
        return None
    east_m, north_m = place_m.tolist()
    outline = _blob(east_m, north_m, chain.reach_m, rng)
    if chain.zone == "banks":
        zone = same_bank(outline, east_m=east_m, north_m=north_m)
    else:
        zone = outline
        for _ in range(rng.integers(1, 3)):
            bearing, away_m = rng.uniform(0.0, 2 * np.pi), rng.uniform(0.35, 0.55) * chain.reach_m
            grounds_m = rng.uniform(150.0, 350.0)
            middle = (east_m + away_m * np.sin(bearing), north_m + away_m * np.cos(bearing))
            zone = zone.difference(_blob(*middle, grounds_m, rng))
    return shapely.set_precision(shapely.transform(zone, to_lon_lat), 10.0**-DEGREE_DECIMALS)


def _blob(east_m: float, north_m: float, radius_m: float, rng: np.random.Generator) -> Polygon:
    """Return a rounded, uneven outline around a place: always star-shaped, so it never crosses itself."""
    corners = 28
    bearing = np.linspace(0.0, 2 * np.pi, corners, endpoint=False)
    phases = rng.uniform(0.0, 2 * np.pi, 3)
    waves = sum(0.09 * np.sin(order * bearing + phase) for order, phase in zip((2, 3, 5), phases, strict=True))
    out_m = radius_m * (1.0 + waves) * rng.uniform(0.9, 1.1)
    return Polygon(np.column_stack([east_m + out_m * np.sin(bearing), north_m + out_m * np.cos(bearing)]))
