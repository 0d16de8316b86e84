"""Write the demo city, all invented: ``python -m data.demo_city OUT_DIR [--seed 1] [--stores 1000]``.

The same seed gives the same bytes. The stock has no ``as_of``: whoever loads it says when it was counted.
"""

import argparse
import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from data.chains import CHAINS
from data.city import CENTRE_LAT, CENTRE_LON
from data.products import Assortment, make_assortment
from data.shelves import stock_lines
from data.storefronts import STORE_COLUMNS, make_stores

STORES: Final = 1_000
STOCK_COLUMNS: Final = ("store_id", "sku", "on_hand", "price", "currency", "safety_stock")
ITEM_COLUMNS: Final = ("partner_code", "sku", "name", "units_per_case", "category")
BETWEEN_NAMES: Final = " · "
CURRENCY: Final = "CNY"
NOTE: Final = "Synthetic: every store, chain, product, price, count, street and bridge is invented."


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoFiles:
    """Where the demo was written: UTF-8, commas, one header line; ``about`` is JSON that says what it is."""

    stores_csv: Path
    stock_csv: Path
    items_csv: Path
    about: Path


def write_demo(out_dir: Path, *, seed: int = 1, stores: int = STORES) -> DemoFiles:
    """Make the demo city and write it to ``out_dir``, which is made if need be; files there are replaced.

    Raises ValueError unless ``stores`` is from 1 to 9,999 for each chain and ``seed`` is not negative.
    """
    if seed < 0:
        raise ValueError(f"seed is {seed}; it cannot be negative")
    store_rng, product_rng, shelf_rng = _streams(seed)
    storefronts = make_stores(stores, store_rng)
    assortment = make_assortment(product_rng)
    out_dir.mkdir(parents=True, exist_ok=True)
    files = DemoFiles(
        stores_csv=out_dir / "stores.csv",
        stock_csv=out_dir / "stock.csv",
        items_csv=out_dir / "items.csv",
        about=out_dir / "about.json",
    )
    with files.stores_csv.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, STORE_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(storefronts.rows)
    shelf_rows = _write_stock(files.stock_csv, storefronts.store_ids, storefronts.chain, assortment, shelf_rng)
    _write_items(files.items_csv, assortment)
    about = {
        "synthetic": True,
        "note": NOTE,
        "seed": seed,
        "centre": {"lat": CENTRE_LAT, "lon": CENTRE_LON},
        "chains": [chain.brand for chain in CHAINS],
        "stores": stores,
        "items": len(assortment.skus),
        "shelf_rows": shelf_rows,
    }
    files.about.write_text(json.dumps(about, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return files


def write_items(path: Path, *, seed: int = 1) -> None:
    """The items of the demo alone, as ``write_demo`` has them; the directory is made if need be."""
    _, product_rng, _ = _streams(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_items(path, make_assortment(product_rng))


def main() -> None:
    """Read the command line, write the demo, print where it is."""
    parser = argparse.ArgumentParser(prog="python -m data.demo_city", description="Write the synthetic demo city.")
    parser.add_argument("out_dir", type=Path, metavar="OUT_DIR")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stores", type=int, default=STORES)
    asked = parser.parse_args()
    try:
        files = write_demo(asked.out_dir, seed=asked.seed, stores=asked.stores)
    except (ValueError, OSError) as error:
        parser.exit(1, f"{error}\n")
    for path in (files.stores_csv, files.stock_csv, files.items_csv, files.about):
        print(path)


def _streams(seed: int) -> list[np.random.Generator]:
    """One stream of random numbers a part, so that a change to one leaves the others as they were."""
    return [np.random.default_rng(part) for part in np.random.SeedSequence(seed).spawn(3)]


def _write_stock(
    path: Path, store_ids: list[str], chain: list[int], assortment: Assortment, rng: np.random.Generator
) -> int:
    """Write a line for each shelf row and return how many; store after store, each in order of popularity."""
    rows = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(STOCK_COLUMNS) + "\n")
        for store_id, chain_index in zip(store_ids, chain, strict=True):
            lines = stock_lines(store_id, chain_index, assortment, CURRENCY, rng)
            rows += len(lines)
            file.write("\n".join(lines) + "\n")
    return rows


def _write_items(path: Path, assortment: Assortment) -> None:
    """As the service takes items: all chains go by the one code, and a name is Chinese, then English."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(ITEM_COLUMNS)
        names = zip(assortment.skus, assortment.names_zh, assortment.names_en, assortment.categories, strict=True)
        writer.writerows([sku, sku, f"{zh}{BETWEEN_NAMES}{en}", 1, category] for sku, zh, en, category in names)


if __name__ == "__main__":
    main()
