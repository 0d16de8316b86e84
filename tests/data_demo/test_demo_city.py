"""The demo city as written: repeatable, valid to the last row, plausible, and said to be invented everywhere."""

import csv
import os
import statistics
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import shapely
from pyproj import Geod
from shapely import Point

from data.chains import CHAINS
from data.city import CENTRE_LAT, CENTRE_LON, CITY_RADIUS_M, RIVER_WIDTH_M, districts, river_line, to_lon_lat
from data.demo_city import DemoFiles, write_demo, write_items
from data.products import gtin13
from dispatch.domain.hours import check_opening_hours, check_timezone
from dispatch.ingest.items import ItemOptions, ItemRow, read_items
from dispatch.ingest.opening import OpenOptions, open_table
from geo.coordinates import LatLon
from geo.travel import Mode

STORE_FIELDS = {
    "store_id",
    "name",
    "brand",
    "partner",
    "region",
    "address",
    "lat",
    "lon",
    "phone",
    "timezone",
    "opening_hours",
    "delivery_radius_m",
    "delivery_zone",
    "mode",
    "prepare_s",
    "prepare_line_s",
    "queue_per_order_s",
    "courier_s",
    "handover_s",
    "max_open_orders",
    "active",
}
STOCK_FIELDS = {"store_id", "sku", "on_hand", "price", "currency", "safety_stock"}
WHOLE_NUMBERS = ["prepare_s", "prepare_line_s", "queue_per_order_s", "courier_s", "handover_s", "max_open_orders"]
ROOT = Path(__file__).parents[2]
GEOD = Geod(ellps="WGS84")

Row = dict[str, str]


def read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoFiles:
    return write_demo(tmp_path_factory.mktemp("demo"), seed=1)


@pytest.fixture(scope="module")
def stores(demo: DemoFiles) -> list[Row]:
    return read(demo.stores_csv)


@pytest.fixture(scope="module")
def stock(demo: DemoFiles) -> list[Row]:
    return read(demo.stock_csv)


@pytest.fixture(scope="module")
def items(demo: DemoFiles) -> list[Row]:
    return read(demo.items_csv)


@pytest.fixture(scope="module")
def shelves(stock: list[Row]) -> dict[str, set[str]]:
    by_store: dict[str, set[str]] = defaultdict(set)
    for row in stock:
        by_store[row["store_id"]].add(row["sku"])
    return by_store


def test_the_same_seed_gives_the_same_bytes_in_another_process(demo: DemoFiles, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "data.demo_city", str(tmp_path), "--seed", "1"]
    said = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "7"}, check=True, capture_output=True, text=True
    )
    written = [demo.stores_csv, demo.stock_csv, demo.items_csv, demo.about]
    assert said.stdout.split() == [str(tmp_path / path.name) for path in written]
    for path in written:
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_another_seed_gives_another_city(demo: DemoFiles, tmp_path: Path) -> None:
    other = write_demo(tmp_path, seed=2)
    for path in (demo.stores_csv, demo.stock_csv, demo.items_csv, demo.about):
        assert (tmp_path / path.name).read_bytes() != path.read_bytes(), path.name
    assert len(read(other.stores_csv)) == 1_000


def test_columns_are_those_of_the_contract_and_the_datum(stores: list[Row], stock: list[Row], items: list[Row]) -> None:
    assert set(stores[0]) == STORE_FIELDS | {"datum"}
    assert set(stock[0]) == STOCK_FIELDS
    assert tuple(items[0]) == ("partner_code", "sku", "name", "units_per_case", "category")


def test_a_thousand_stores_of_six_chains_with_about_four_hundred_skus_of_two_thousand(
    stores: list[Row], stock: list[Row], items: list[Row], shelves: dict[str, set[str]]
) -> None:
    assert len(stores) == len({row["store_id"] for row in stores}) == 1_000
    assert len(items) == len({row["sku"] for row in items}) == len({english(row) for row in items}) == 2_000
    assert 380_000 <= len(stock) <= 420_000
    assert len({(row["store_id"], row["sku"]) for row in stock}) == len(stock)
    assert set(shelves) == {row["store_id"] for row in stores}
    assert {row["sku"] for row in stock} <= {row["sku"] for row in items}
    by_brand = Counter(row["brand"] for row in stores)
    assert len(by_brand) == 6
    assert min(by_brand.values()) >= 80
    assert all(150 <= len(skus) <= 900 for skus in shelves.values())


def test_every_name_says_that_it_is_invented(stores: list[Row], items: list[Row]) -> None:
    for row in stores:
        for column in ("name", "brand", "region", "address"):
            assert "虚构" in row[column], row
            assert "synthetic" in row[column], row
    assert all("虚构" in row["name"] and "synthetic" in english(row).lower() for row in items)


def english(item: Row) -> str:
    chinese, between, name = item["name"].partition(" · ")
    assert between
    assert (chinese.isascii(), name.isascii()) == (False, True), item
    return name


def test_the_items_are_taken_by_our_own_import_and_are_alone_what_they_are_with_all_else(
    demo: DemoFiles, items: list[Row], tmp_path: Path
) -> None:
    table = open_table(demo.items_csv, OpenOptions(kind="items", now=datetime.now(UTC)))
    taken = list(read_items(table, options=ItemOptions()))
    assert [row.item.sku for row in taken if isinstance(row, ItemRow)] == [row["sku"] for row in items]
    assert all(isinstance(row, ItemRow) and row.item.partner_code == row.item.sku for row in taken)
    assert all(isinstance(row, ItemRow) and (row.item.units_per_case, row.warnings) == (1, ()) for row in taken)
    write_items(tmp_path / "new" / "items.csv")
    assert (tmp_path / "new" / "items.csv").read_bytes() == demo.items_csv.read_bytes()


def test_every_store_row_is_valid(stores: list[Row]) -> None:
    modes, hours = set(), set()
    for row in stores:
        LatLon(lat=float(row["lat"]), lon=float(row["lon"]))
        assert row["datum"] == "wgs84"
        check_timezone(row["timezone"])
        hours.add(row["opening_hours"])
        if row["opening_hours"]:
            check_opening_hours(row["opening_hours"])
        modes.add(Mode(row["mode"]) if row["mode"] else None)
        assert all(row[column] == "" or 0 <= int(row[column]) <= 3_600 for column in WHOLE_NUMBERS)
        assert row["delivery_radius_m"] == "" or 500 <= float(row["delivery_radius_m"]) <= 12_000
        assert row["active"] in ("true", "false")
    assert modes == {*Mode, None}
    assert {"24/7", "07:00-23:00", "18:00-02:00", ""} <= hours
    assert 3 <= sum(row["active"] == "false" for row in stores) <= 30
    assert 100 <= sum(row["max_open_orders"] != "" for row in stores) <= 900


def test_every_zone_is_valid_holds_its_store_and_some_have_holes_or_parts(stores: list[Row]) -> None:
    zones = {row["store_id"]: shapely.from_wkt(row["delivery_zone"]) for row in stores if row["delivery_zone"]}
    assert len(zones) >= 250
    for row in stores:
        if row["store_id"] in zones:
            zone = zones[row["store_id"]]
            assert zone.geom_type in ("Polygon", "MultiPolygon")
            assert zone.is_valid
            assert zone.covers(Point(float(row["lon"]), float(row["lat"]))), row["store_id"]
    assert sum(any(part.interiors for part in shapely.get_parts(zone)) for zone in zones.values()) >= 50
    assert sum(zone.geom_type == "MultiPolygon" for zone in zones.values()) >= 10
    with_radius = sum(row["delivery_radius_m"] != "" for row in stores)
    assert with_radius >= 250
    assert len(zones) + with_radius <= 900


def test_nobody_stands_in_the_river(stores: list[Row]) -> None:
    """By geodesics to points every 10 m of its middle, which know nothing of the frame the stores were drawn in."""
    line = river_line().segmentize(10.0)
    middle = to_lon_lat(np.array(line.coords))
    for row in stores:
        lat, lon = float(row["lat"]), float(row["lon"])
        near = middle[np.abs(middle[:, 1] - lat) < 0.03]
        assert len(near) > 0
        _, _, away_m = GEOD.inv(near[:, 0], near[:, 1], np.full(len(near), lon), np.full(len(near), lat))
        assert away_m.min() > RIVER_WIDTH_M / 2, row["store_id"]


def test_both_banks_and_all_districts_have_stores(stores: list[Row]) -> None:
    regions = Counter(row["region"] for row in stores)
    assert set(regions) == set(districts())
    assert min(regions.values()) >= 5


def test_the_centre_is_dense_and_the_edge_thin(stores: list[Row]) -> None:
    lats, lons = (np.array([float(row[axis]) for row in stores]) for axis in ("lat", "lon"))
    _, _, far_m = GEOD.inv(np.full(1_000, CENTRE_LON), np.full(1_000, CENTRE_LAT), lons, lats)
    assert far_m.max() <= CITY_RADIUS_M + 1.0
    edges_km = np.array([0.0, 3.0, 7.0, 12.0, 20.0])
    per_km2 = np.histogram(far_m / 1_000, edges_km)[0] / (np.pi * np.diff(edges_km**2))
    assert (np.diff(per_km2) < 0.0).all(), per_km2
    assert per_km2[0] > 30.0 * per_km2[-1] > 0.0, per_km2
    by_chain = {brand: np.median(far_m[[row["brand"] == brand for row in stores]]) for brand in brands(stores)}
    assert max(by_chain.values()) > 1.3 * min(by_chain.values()), by_chain


def test_some_stores_share_a_spot_and_hardly_any_otherwise(stores: list[Row]) -> None:
    spots = Counter((row["lat"], row["lon"]) for row in stores)
    assert 3 <= sum(count > 1 for count in spots.values()) <= 30


def test_popularity_is_skewed(items: list[Row], shelves: dict[str, set[str]]) -> None:
    holders = Counter(sku for skus in shelves.values() for sku in skus)
    part = np.array([holders[row["sku"]] / 1_000 for row in items])
    assert part[:20].mean() > 0.85
    assert np.median(part) < 0.20
    assert part[:400].sum() > 0.4 * part.sum()
    assert (part[1_000:] < 0.10).sum() > 400
    assert (part > 0.0).mean() > 0.98


def test_stores_of_a_chain_resemble_each_other_and_lack_the_same_skus(
    stores: list[Row], items: list[Row], shelves: dict[str, set[str]]
) -> None:
    def likeness(pairs: list[tuple[str, str]]) -> float:
        return statistics.mean([len(shelves[a] & shelves[b]) / len(shelves[a] | shelves[b]) for a, b in pairs])

    of_chain = defaultdict(list)
    for row in stores:
        of_chain[row["brand"]].append(row["store_id"])
    samples = [ids[:12] for ids in of_chain.values()]
    within = likeness([pair for ids in samples for pair in combinations(ids, 2)])
    across = likeness([(a, b) for one, other in combinations(samples, 2) for a in one for b in other])
    assert within > 1.3 * across, (within, across)
    for brand, ids in of_chain.items():
        carried = set().union(*(shelves[store_id] for store_id in ids))
        assert 600 <= len(carried) <= 1_700, (brand, len(carried))


def test_a_private_label_is_sold_by_its_chain_alone(
    stores: list[Row], items: list[Row], shelves: dict[str, set[str]]
) -> None:
    seen = 0
    for chain in CHAINS:
        own = {row["sku"] for row in items if english(row).startswith(chain.name_en)}
        assert len(own) == chain.private_labels
        sellers = {store_id for store_id, skus in shelves.items() if skus & own}
        assert all(store_id.startswith(f"{chain.code}-") for store_id in sellers)
        seen += len(sellers)
    assert seen > 100


def test_skus_are_in_store_numbers_with_a_right_check_digit(items: list[Row]) -> None:
    for row in items:
        digits = [int(digit) for digit in row["sku"]]
        assert len(digits) == 13
        assert 20 <= digits[0] * 10 + digits[1] <= 29
        # The check, not the making: with its check digit the weighted sum is a multiple of ten.
        assert (sum(digits[0::2]) + 3 * sum(digits[1::2])) % 10 == 0


def test_the_check_digit_of_a_number_worked_out_by_hand() -> None:
    # 2 9 0 0 0 0 0 0 0 1 2 3: 2+0+0+0+0+2 = 4, 3 x (9+0+0+0+1+3) = 39, 43, to the next ten 7.
    assert gtin13(123) == "2900000001237"


def test_counts_are_skewed_with_some_sold_out_and_prices_are_plausible(stock: list[Row]) -> None:
    on_hand = np.array([int(row["on_hand"]) for row in stock])
    assert on_hand.min() == 0
    assert 0.07 < (on_hand == 0).mean() < 0.20
    assert on_hand.mean() > 1.2 * np.median(on_hand) > 0.0
    assert on_hand.max() < 1_000
    prices = np.array([float(row["price"]) for row in stock])
    assert prices.min() >= 0.5
    assert prices.max() < 300.0
    assert 4.0 < np.median(prices) < 15.0
    assert all(len(row["price"].partition(".")[2]) == 2 for row in stock)
    assert {row["currency"] for row in stock} == {"CNY"}
    kept_back = [int(row["safety_stock"]) for row in stock if row["safety_stock"]]
    assert 0.05 < len(kept_back) / len(stock) < 0.25
    assert set(kept_back) == {1, 2, 3}


@pytest.mark.parametrize(("seed", "count"), [(-1, 1_000), (1, 2), (1, 60_000)])
def test_nonsense_is_refused_before_anything_is_written(seed: int, count: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot be negative|do not spread"):
        write_demo(tmp_path / "out", seed=seed, stores=count)
    assert not (tmp_path / "out").exists()


def brands(stores: list[Row]) -> set[str]:
    return {row["brand"] for row in stores}
