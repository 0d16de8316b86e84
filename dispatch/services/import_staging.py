"""The good rows of a stock file on their way to the shelves, and the shelves that its bad rows speak of."""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Final

import numpy as np

from dispatch.domain.stores import KEEP
from dispatch.ingest.stock import StockBatch
from dispatch.storage.staging import POSTGRES_EPOCH, StagedColumns
from dispatch.storage.stores import StoreKey

_MICROSECOND: Final = timedelta(microseconds=1)

MOST_SPARED: Final = 20_000
"""Skus of one store that are spared each by itself; where there are more, its whole shelf is."""


def staged_columns(batch: StockBatch, keys: Mapping[str, StoreKey]) -> StagedColumns:
    """The good rows of a batch as they wait in the database, in their order."""
    length = len(batch)
    prices, safeties = batch.price_minors, batch.safety_stocks
    # Most rows of a file were counted at one moment, and hashing it anew would cost more than all the rest.
    moments: dict[int, int] = {}
    as_of_us = np.empty(length, dtype=np.int64)
    for i, as_of in enumerate(batch.as_ofs):
        found = moments.get(id(as_of))
        if found is None:
            found = moments[id(as_of)] = (as_of - POSTGRES_EPOCH) // _MICROSECOND
        as_of_us[i] = found
    return StagedColumns(
        store_no=np.fromiter((keys[store_id].store_no for store_id in batch.store_ids), np.int64, length),
        sku=batch.skus,
        on_hand=np.array(batch.on_hands, dtype=np.int32),
        price_minor=np.fromiter((-1 if p is None or p is KEEP else p for p in prices), np.int64, length),
        currency=np.array([currency or "---" for currency in batch.currencies], dtype="S3"),
        price_set=np.fromiter((price is not KEEP for price in prices), np.uint8, length),
        safety_stock=np.fromiter((0 if s is None or s is KEEP else s for s in safeties), np.int32, length),
        safety_set=np.fromiter((safety is not KEEP for safety in safeties), np.uint8, length),
        as_of_us=as_of_us,
    )


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
