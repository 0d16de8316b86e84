"""The good rows of a stock file on their way to the shelves, and the shelves that its bad rows speak of."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final, cast

import numpy as np
import numpy.typing as npt

from dispatch.domain.stores import KEEP, Keep
from dispatch.ingest.stock import StockBatch
from dispatch.storage.staging import POSTGRES_EPOCH, StagedColumns
from dispatch.storage.stores import StoreKey

_MICROSECOND: Final = timedelta(microseconds=1)

MOST_SPARED: Final = 20_000
"""Skus of one store that are spared each by itself; where there are more, its whole shelf is."""


def staged_columns(batch: StockBatch, keys: Mapping[str, StoreKey]) -> StagedColumns:
    """The good rows of a batch as they wait in the database, in their order."""
    price_minor, price_set = _amounts(batch.price_minors, -1, np.int64)
    safety_stock, safety_set = _amounts(batch.safety_stocks, 0, np.int32)
    return StagedColumns(
        store_no=_made(batch.store_ids, lambda store_id: keys[store_id].store_no, np.int64),
        sku=batch.skus,
        on_hand=np.fromiter(batch.on_hands, np.int32, len(batch)),
        price_minor=price_minor,
        currency=_made(batch.currencies, lambda currency: currency or "---", "S3"),
        price_set=price_set,
        safety_stock=safety_stock,
        safety_set=safety_set,
        as_of_us=_made(batch.as_ofs, lambda as_of: (as_of - POSTGRES_EPOCH) // _MICROSECOND, np.int64),
    )


def _made[V](values: Sequence[V], make: Callable[[V], object], dtype: npt.DTypeLike) -> np.ndarray:
    """What is made of each value, once for all that are equal: these columns say but a few things, many only one."""
    made = {value: make(value) for value in set(values)}
    return np.fromiter(map(made.__getitem__, values), dtype, len(values))


def _amounts(values: Sequence[int | Keep | None], nothing: int, dtype: npt.DTypeLike) -> tuple[np.ndarray, np.ndarray]:
    """The numbers, ``nothing`` where there is none, and whether the file speaks of them; mostly of all or of none."""
    length, kinds = len(values), set(map(type, values))
    if kinds == {Keep}:
        return np.full(length, nothing, dtype), np.zeros(length, np.uint8)
    if kinds == {int}:
        return np.fromiter(cast("Sequence[int]", values), dtype, length), np.ones(length, np.uint8)
    numbers = (nothing if value is None or value is KEEP else value for value in values)
    return np.fromiter(numbers, dtype, length), np.fromiter((value is not KEEP for value in values), np.uint8, length)


class SparedShelves(Mapping[int, frozenset[str] | None]):
    """What bad rows speak of, by store number: skus, None for any of the store. ``anywhere``: some tell no store.

    A bad row takes four bytes, and a sku is kept once, since a file may have no good rows. A store's skus are made anew
    each time they are asked for.
    """

    def __init__(self, keys: Mapping[str, StoreKey]) -> None:
        self.anywhere = False
        self._keys = keys
        self._number_of_sku: dict[str, int] = {}
        self._skus: list[str] = []
        self._by_store: dict[int, array[int] | None] = {}

    def add(self, spared: Iterable[tuple[str | None, str | None]]) -> None:
        """Add pairs of a StockBatch's ``spared``."""
        for store_id, sku in spared:
            if store_id is None:
                self.anywhere = True
                continue
            key = self._keys.get(store_id)
            if key is None:
                continue
            numbers = self._by_store.setdefault(key.store_no, array("I"))
            if sku is None:
                self._by_store[key.store_no] = None
            elif numbers is not None:
                numbers.append(self._number(sku))
                if len(numbers) >= 2 * MOST_SPARED:
                    self._by_store[key.store_no] = _distinct(numbers)

    def __getitem__(self, store_no: int) -> frozenset[str] | None:
        numbers = self._by_store[store_no]
        numbers = None if numbers is None else _distinct(numbers)
        return None if numbers is None else frozenset(self._skus[n] for n in numbers)

    def __iter__(self) -> Iterator[int]:
        return iter(self._by_store)

    def __len__(self) -> int:
        return len(self._by_store)

    def _number(self, sku: str) -> int:
        number = self._number_of_sku.setdefault(sku, len(self._skus))
        if number == len(self._skus):
            self._skus.append(sku)
        return number


def _distinct(numbers: array[int]) -> array[int] | None:
    """Each number once; None if there are more than MOST_SPARED."""
    found = set(numbers)
    return None if len(found) > MOST_SPARED else array("I", found)
