"""The good rows of a stock file on their way to the shelves, and the shelves that its bad rows speak of."""

from collections.abc import Iterator, Mapping, Sequence

from dispatch.domain.stores import Keep
from dispatch.ingest.stock import StockBatch
from dispatch.storage.staging import StagedRow
from dispatch.storage.stores import StoreKey


def staged_rows(batch: StockBatch, keys: Mapping[str, StoreKey]) -> Iterator[StagedRow]:
    """The good rows of a batch as they wait in the database, in their order."""
    for row_no, store_id, sku, on_hand, price, currency, safety, as_of in zip(
        batch.row_nos,
        batch.store_ids,
        batch.skus,
        batch.on_hands,
        batch.price_minors,
        batch.currencies,
        batch.safety_stocks,
        batch.as_ofs,
        strict=True,
    ):
        key = keys[store_id]
        price_set, safety_set = not isinstance(price, Keep), not isinstance(safety, Keep)
        yield (
            row_no,
            key.cell,
            key.store_no,
            sku,
            on_hand,
            price if not isinstance(price, Keep) else None,
            currency,
            price_set,
            (safety or 0) if not isinstance(safety, Keep) else 0,
            safety_set,
            as_of,
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
