"""Prices as small numbers: the replica's id of each distinct price, 0 of none."""

from collections.abc import Iterable

import numpy as np

from dispatch.domain.market import IntArray

type Price = tuple[int, str]


class Prices:
    """Ids in the order in which prices are first met. A price is packed: minor units, then 3 bytes of currency."""

    def __init__(self) -> None:
        self.by_id: list[Price | None] = [None]
        self._ids: dict[int, int] = {0: 0}

    def __getitem__(self, price_id: int) -> Price | None:
        return self.by_id[price_id]

    def id(self, price: Price | None) -> int:
        """The id of a price, new or known."""
        if price is None:
            return 0
        minor, currency = price
        return self.ids_of_packed([minor << 24 | int.from_bytes(currency.encode("ascii"))])[0]

    def ids_of_packed(self, packed: Iterable[int]) -> list[int]:
        """The ids of prices as ``packed_prices`` has them."""
        ids = []
        for one in packed:
            price_id = self._ids.get(one)
            if price_id is None:
                price_id = self._ids[one] = len(self.by_id)
                self.by_id.append((one >> 24, (one & 0xFFFFFF).to_bytes(3).decode("ascii")))
            ids.append(price_id)
        return ids

    def ids(self, price_minor: IntArray, currency: np.ndarray) -> IntArray:
        """The id of each price; −1 is no price."""
        distinct, which = np.unique(packed_prices(price_minor, currency), return_inverse=True)
        ids: IntArray = np.array(self.ids_of_packed(distinct.tolist()), dtype=np.int64)[which]
        return ids


def packed_prices(price_minor: IntArray, currency: np.ndarray) -> np.ndarray:
    """Price and currency as one number each, since unique over two columns is many times slower; 0 of no price."""
    code = np.zeros(len(currency), dtype=np.uint64)
    for byte in np.frombuffer(currency.tobytes(), dtype=np.uint8).reshape(-1, 3).T:
        code = (code << np.uint64(8)) | byte.astype(np.uint64)
    packed = (np.maximum(price_minor, 0).astype(np.uint64) << np.uint64(24)) | code
    packed[price_minor < 0] = 0
    return packed
