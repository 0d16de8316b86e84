"""What lies on the shelves of one store of the demo."""

import numpy as np

from data.chains import CHAINS
from data.products import PRODUCTS, Assortment


def stock_lines(
    store_id: str, chain_index: int, assortment: Assortment, currency: str, rng: np.random.Generator
) -> list[str]:
    """Return the store's stock as lines of CSV, most popular product first.

    Columns: store_id, sku, on_hand, price, currency, safety_stock (empty: not said). The price is in decimal yuan.
    """
    chain = CHAINS[chain_index]
    appetite = assortment.appetite[chain_index]
    size = min(int(chain.shelf * rng.lognormal(0.0, 0.18)), int((appetite > 0.0).sum()))
    # Gumbel noise on the logarithm of the weights draws without replacement, in proportion to them (Efraimidis and
    # Spirakis, Weighted random sampling, Inf. Process. Lett. 97 (2006) 181-185).
    with np.errstate(divide="ignore"):
        keys = np.log(appetite) + rng.gumbel(size=PRODUCTS)
    chosen = np.sort(np.argpartition(-keys, size - 1)[:size])

    expected = 3.0 + 60.0 * (assortment.popularity[chosen] / assortment.popularity[0]) ** 0.5
    on_hand = rng.poisson(expected * rng.gamma(1.6, 1.0 / 1.6, size))
    on_hand[rng.random(size) < 0.05] = 0  # sold out, or never delivered
    keeps_back = (rng.random(size) < 0.2) & (chain.max_open_orders is not None)
    safety_stock = np.where(keeps_back, rng.integers(1, 4, size), 0)
    price_fen = assortment.price_fen[chain_index, chosen]

    return [
        f"{store_id},{assortment.skus[product]},{count},{fen // 100}.{fen % 100:02d},{currency},{kept or ''}"
        for product, count, fen, kept in zip(
            chosen.tolist(), on_hand.tolist(), price_fen.tolist(), safety_stock.tolist(), strict=True
        )
    ]
