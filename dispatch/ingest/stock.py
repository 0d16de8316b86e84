"""Stock from a table: counts of shelves in columns, a few thousand rows at a time, and what is wrong with the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from dispatch.domain.items import Item
from dispatch.ingest.moments import FUTURE_LIMIT_S
from dispatch.ingest.problems import FileProblem, PlaceProblem, RowProblem
from dispatch.ingest.profiles import MatchedColumns, missing_columns
from dispatch.ingest.shaping import matched_columns
from dispatch.ingest.skus import Skus
from dispatch.ingest.stock_batches import StockBatch, StockOptions, StoreRef
from dispatch.ingest.stock_rows import StockRows
from dispatch.ingest.stock_values import StockValues
from dispatch.ingest.tables import BlockTable, RawRow, RowBlock, RowIgnored, Table
from dispatch.ingest.values import BadValueError, currency_of, timezone_name

__all__ = ["BATCH_ROWS", "StockBatch", "StockOptions", "StoreRef", "match_stock_columns", "read_stock"]

BATCH_ROWS: Final = 5000

BLOCK_ROWS: Final = 250
_NO_ITEMS: Final[Mapping[str, Item]] = {}


def match_stock_columns(table: Table, *, options: StockOptions) -> MatchedColumns:
    """Which column is which field. Raises FileProblem, also when store, sku or barcode, or quantity has no column."""
    said = {name for name in ("as_of", "currency") if getattr(options, name) is not None}
    matched = matched_columns(table, kind="stock", mapping=options.mapping, said=said)
    lost = [name for name in ("store_id", "on_hand") if name not in matched.index_by_field]
    if not {"sku", "barcode"} & matched.index_by_field.keys():
        lost.insert(1 if "store_id" in lost else 0, "sku")
    if lost:
        raise missing_columns(lost, matched.own_part(matched.columns))
    return matched


def read_stock(
    table: Table,
    *,
    options: StockOptions,
    stores: Mapping[str, StoreRef],
    items: Mapping[str, Item] = _NO_ITEMS,
    known_skus: frozenset[str] = frozenset(),
    batch_rows: int = BATCH_ROWS,
) -> Iterator[StockBatch]:
    """Yield the rows of the table in their order, ``batch_rows`` at a time (good and bad); nothing if it has none.

    A row goes by its barcode, else by its item code: one of ``items``, by the partner's code, or itself a sku of
    theirs or of ``known_skus``; where the partner has no items, every code is the sku. Raises FileProblem at once
    when columns or options cannot be: ``column_missing``, ``column_twice``, ``as_of_required``, ``as_of_in_future``,
    ``currency_unknown``, ``timezone_invalid``; a problem of the file while it is read comes from the iterator.
    Raises ValueError when ``now`` has no offset.
    """
    if options.now.tzinfo is None:
        raise ValueError("now must carry an offset")
    matched = match_stock_columns(table, options=options)
    if options.as_of is None and "as_of" not in matched.index_by_field:
        message = "when was the stock counted? add a column as_of, or give as_of with the import (it may be 'now')"
        raise FileProblem("as_of_required", message, (PlaceProblem("parameter as_of", message),))
    _option("currency", options.currency, currency_of)
    _option("timezone", options.timezone, timezone_name)
    if options.as_of is not None and options.as_of.tzinfo is not None:
        ahead_s = (options.as_of - options.now).total_seconds()
        if ahead_s > FUTURE_LIMIT_S:
            message = f"as_of is {ahead_s:.0f} s ahead of now"
            raise FileProblem("as_of_in_future", message, (PlaceProblem("parameter as_of", message),))
    values = StockValues(options, stores, Skus(items, known_skus), decimal_comma=table.decimal_comma)
    return _batches(table, StockRows(matched, options, values), batch_rows)


def _option(name: str, value: str | None, parse: Callable[[str], object]) -> None:
    try:
        if value is not None:
            parse(value)
    except BadValueError as bad:
        raise FileProblem(bad.code, bad.message, (PlaceProblem(f"parameter {name}", bad.message),)) from None


def _batches(table: Table, reading: StockRows, batch_rows: int) -> Iterator[StockBatch]:
    batch, room = StockBatch(), batch_rows
    for rows in _in_blocks(table):
        if not isinstance(rows, RowBlock):
            reading.read(rows, batch)
            room -= 1
        else:
            start, count = 0, len(rows.row_nos)
            while count - start > room:
                reading.read_block(rows.part(start, start + room), batch)
                start += room
                yield batch
                batch, room = StockBatch(), batch_rows
            reading.read_block(rows.part(start, count) if start else rows, batch)
            room -= count - start
        if not room:
            yield batch
            batch, room = StockBatch(), batch_rows
    if room < batch_rows:
        yield batch


def _in_blocks(table: Table) -> Iterator[RowBlock | RawRow | RowProblem | RowIgnored]:
    """The rows of the table in their order, those as wide as its header in blocks."""
    width = len(table.columns)
    usual: list[RawRow] = []
    try:
        for row in table.blocks() if isinstance(table, BlockTable) else table:
            if type(row) is RawRow and len(row[1]) == width:
                usual.append(row)
                if len(usual) == BLOCK_ROWS:
                    yield RowBlock.of(usual)
                    usual = []
                continue
            if usual:
                yield RowBlock.of(usual)
                usual = []
            yield row
    except FileProblem:
        # The rows before it may be the last of a batch.
        if usual:
            yield RowBlock.of(usual)
        raise
    if usual:
        yield RowBlock.of(usual)
