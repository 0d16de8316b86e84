"""The good rows of a stock file on their way to the shelves, and the shelves that its bad rows speak of."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

import numpy as np

from dispatch.domain.stores import KEEP
from dispatch.ingest.stock import StockBatch
from dispatch.storage.staging import POSTGRES_EPOCH, StagedColumns
from dispatch.storage.stores import StoreKey

_MICROSECOND: Final = timedelta(microseconds=1)


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


def spared_by_number(
    spared: Sequence[tuple[str | None, str | None]], keys: Mapping[str, StoreKey]
) -> dict[int, frozenset[str] | None] | None:
    """What bad rows speak of, by store number; None when some speak of no store that could be told."""
    by_number: dict[int, set[str] | None] = {}
    for store_id, sku in spared:
        if store_id is None:
            return None
        key = keys.get(store_id)
        if key is None:
            continue
        skus = by_number.setdefault(key.store_no, set())
        if sku is None:
            by_number[key.store_no] = None
        elif skus is not None:
            skus.add(sku)
    return {number: None if skus is None else frozenset(skus) for number, skus in by_number.items()}
