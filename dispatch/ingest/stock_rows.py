"""Rows of a table to counts of shelves: blocks of usual rows a column at a time, whatever is odd in them row by row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, Final

from dispatch.ingest.counts import PRICE_KEPT, Price
from dispatch.ingest.memos import Memo
from dispatch.ingest.problems import RowProblem, RowWarning
from dispatch.ingest.profiles import MatchedColumns, load_profile
from dispatch.ingest.skus import Meant
from dispatch.ingest.stock_batches import StockBatch, StockOptions
from dispatch.ingest.stock_values import Note, Noted, StockValues, bare, padded_note
from dispatch.ingest.tables import RawRow, RowBlock, RowIgnored, short_row
from dispatch.ingest.values import BadValueError

# A sum over stores, or a header, speaks of no store's shelf.
_OF_NO_STORE: Final = frozenset({"header_again", "total_row"})
_ODD: Final = frozenset({BadValueError, Meant, Noted})
"""Values that a count is not made of as they stand."""

_FEWEST_ROWS: Final = 8
_MOST_ODD: Final = 0.25
"""A block with fewer rows, or with a larger part of odd ones, is read sooner row by row."""


class StockRows:
    """Reads one file's rows into batches."""

    def __init__(self, matched: MatchedColumns, options: StockOptions, values: StockValues) -> None:
        self._matched = matched
        self._width = len(matched.columns)
        self._whole = options.whole
        self._values = values
        index = matched.index_by_field
        # A column that is not there is read from an empty value put at the end of the row's copy: index -1.
        self._at = {name: index.get(name, -1) for name in load_profile("stock").fields}
        self._notes_of = Memo(self._notes_of_meant)
        self._required = {index[name] for name in ("store_id", "on_hand") if name in index}
        if "barcode" not in index or "sku" not in index:
            self._required |= {index[name] for name in ("barcode", "sku") if name in index}

    def read(self, row: RawRow | RowProblem | RowIgnored, batch: StockBatch) -> None:
        """Add a row that is not of the usual kind: one with fewer values than the header, a bad one, an ignored one."""
        if isinstance(row, RawRow):
            self._read_short(row, batch)
        elif isinstance(row, RowIgnored):
            self._ignore(row, batch)
        else:
            batch.problems.append(row)
            batch.bad_rows += 1
            self._spare((None,), (None,), batch)

    def read_block(self, block: RowBlock, batch: StockBatch) -> None:
        """Add rows in their order, each as a count or with all its problems."""
        values, count = self._values, len(block.row_nos)
        if count < _FEWEST_ROWS:
            return self._read_one_by_one(block, batch)
        store_texts = self._texts(block, "store_id")
        zones = map(values.zones.__getitem__, store_texts)
        stores = _looked_up(values.stores, store_texts)
        skus = self._skus_of_block(block)
        on_hands = _looked_up(values.on_hands, self._texts(block, "on_hand"))
        prices = self._prices_of_block(block)
        safeties = _looked_up(values.safeties, self._texts(block, "safety_stock"))
        moments = _looked_up(values.moments, zip(self._texts(block, "as_of"), zones, strict=True))
        odd = _odd_of(stores, skus, on_hands, prices, safeties, moments)
        if len(odd) > _MOST_ODD * count:
            return self._read_one_by_one(block, batch)
        start = 0
        for end in (*odd, count):
            batch.row_nos += block.row_nos[start:end]
            batch.store_ids += stores[start:end]
            batch.skus += skus[start:end]
            batch.on_hands += on_hands[start:end]
            batch.price_minors += [minor for minor, _ in prices[start:end]]
            batch.currencies += [currency for _, currency in prices[start:end]]
            batch.safety_stocks += safeties[start:end]
            batch.as_ofs += moments[start:end]
            if end < count:
                self._read_row(block.row(end), batch)
            start = end + 1

    def _read_one_by_one(self, block: RowBlock, batch: StockBatch) -> None:
        for row in block.rows():
            self._read_row(row, batch)

    def _texts(self, block: RowBlock, field: str) -> Sequence[str]:
        """The column of the field, of empty texts where the table has none."""
        index = self._at[field]
        return [""] * len(block.row_nos) if index < 0 else block.columns[index]

    def _skus_of_block(self, block: RowBlock) -> list[Any]:
        codes = self._texts(block, "sku")
        if self._at["barcode"] < 0:
            return _looked_up(self._values.items, codes)
        return list(map(self._sku_of, self._texts(block, "barcode"), codes))

    def _prices_of_block(self, block: RowBlock) -> list[Any]:
        prices = self._texts(block, "price")
        if self._at["currency"] < 0:
            return _looked_up(self._values.prices_alone, prices)
        return _looked_up(self._values.prices, zip(prices, self._texts(block, "currency"), strict=True))

    def _sku_of(self, barcode: str, code: str) -> str | Meant | BadValueError:
        """What a row speaks of: by its barcode, else by its item code."""
        by_barcode = barcode and barcode != "null" and not barcode.isspace()
        return self._values.barcodes[barcode] if by_barcode else self._values.items[code]

    def _read_row(self, row: RawRow, batch: StockBatch) -> None:
        """Add a row as wide as the header, as a count or with all its problems."""
        row_no, cells = row[0], [*row[1], ""]
        at, values = self._at, self._values
        store_text, barcode, code = cells[at["store_id"]], cells[at["barcode"]], cells[at["sku"]]
        barcode = "" if barcode == "null" else barcode
        store = values.stores[store_text]
        sku = self._sku_of(barcode, code)
        on_hand = values.on_hands[cells[at["on_hand"]]]
        price = values.prices[cells[at["price"]], cells[at["currency"]]]
        safety = values.safeties[cells[at["safety_stock"]]]
        moment = values.moments[cells[at["as_of"]], values.zones[store_text]]
        notes_of_sku: Sequence[Note] = ()
        if isinstance(sku, Meant):
            meant, sku = sku, sku.sku
            priced = meant.units_per_case > 1 and isinstance(price, Price) and isinstance(price.minor, int)
            notes_of_sku = self._notes_of[meant, barcode, code, priced]
            if meant.units_per_case > 1:
                on_hand = values.on_hands_of_cases[cells[at["on_hand"]], meant.units_per_case]
                safety = values.safeties_of_cases[cells[at["safety_stock"]], meant.units_per_case]
                price = PRICE_KEPT if priced else price
        # What a value's type is takes half as long to tell as that it is none of a class.
        if (
            type(store) is BadValueError
            or type(sku) is BadValueError
            or type(on_hand) is BadValueError
            or type(price) is BadValueError
            or type(safety) is BadValueError
            or type(moment) is BadValueError
        ):
            read: dict[str, object] = {
                "store_id": store,
                "on_hand": on_hand,
                "price": price,
                "safety_stock": safety,
                "as_of": moment,
                self._sku_field(barcode): sku,
            }
            self._refuse(row, read, batch)
            self._spare(_stores_of(store), _skus_of(sku), batch)
            if not isinstance(store, BadValueError) and not isinstance(sku, BadValueError):
                batch.broken.append((bare(store), sku))
            return
        notes: list[Note] = []
        if type(store) is Noted:
            store, note = store
            notes.append(note)
        if type(on_hand) is Noted:
            on_hand, note = on_hand
            notes.append(note)
        if type(moment) is Noted:
            moment, note = moment
            notes.append(note)
        for name, warning, message in (*notes, *notes_of_sku):
            batch.warnings.append(RowWarning(row_no, self._matched.name_of(name), warning, message))
        batch.row_nos.append(row_no)
        batch.store_ids.append(store)
        batch.skus.append(sku)
        batch.on_hands.append(on_hand)
        batch.price_minors.append(price.minor)
        batch.currencies.append(price.currency)
        batch.safety_stocks.append(safety)
        batch.as_ofs.append(moment)

    def _refuse(self, row: RawRow, read: Mapping[str, object], batch: StockBatch) -> None:
        raw = self._matched.own_part(row.cells)
        for name, bad in read.items():
            # A moment without offset cannot be judged without its store.
            if not isinstance(bad, BadValueError) or (
                bad.code == "as_of_in_dst_gap" and isinstance(read["store_id"], BadValueError)
            ):
                continue
            column = bad.column or self._matched.name_of("currency" if bad.code.startswith("currency") else name)
            batch.problems.append(RowProblem(row.row_no, column, bad.code, bad.message, raw))
        batch.bad_rows += 1

    def _read_short(self, row: RawRow, batch: StockBatch) -> None:
        """Read a row with fewer values than the header has columns, or one that its profile has made whole."""
        short = short_row(row, columns=self._matched.columns, required=self._required)
        if isinstance(short, RowProblem):
            batch.problems.append(short)
            batch.bad_rows += 1
            self._spare((self._known_store(row.cells),), (None,), batch)
            return
        if short is not None:
            batch.warnings.append(short)
        self._read_row(RawRow(row.row_no, row.cells + [""] * (self._width - len(row.cells))), batch)

    def _ignore(self, row: RowIgnored, batch: StockBatch) -> None:
        """Count the row, and spare the shelf row that it names, if it does; else tell of the store that it names."""
        batch.ignored[row.reason] += 1
        if not self._whole or row.reason in _OF_NO_STORE:
            return
        store_id = self._known_store(row.cells)
        if store_id is None:
            return
        if row.spares:
            barcode, code = (self._cell(row, name) for name in ("barcode", "sku"))
            sku = self._values.barcodes[barcode] if barcode.strip() not in ("", "null") else self._values.items[code]
            self._spare((store_id,), _skus_of(sku), batch)
            return
        zone = self._values.zones[self._cell(row, "store_id")]
        moment = self._values.moments[self._cell(row, "as_of"), zone]
        if not isinstance(moment, BadValueError):
            at = bare(moment)
            batch.named[store_id] = min(at, batch.named.get(store_id, at))

    def _spare(self, stores: Iterable[str | None], skus: Iterable[str | None], batch: StockBatch) -> None:
        """Note that a row may speak of these skus of these stores."""
        if self._whole:
            batch.spared += product(stores, skus)

    def _cell(self, row: RowIgnored, name: str) -> str:
        index = self._at[name]
        return row.cells[index] if 0 <= index < len(row.cells) else ""

    def _known_store(self, cells: Sequence[str]) -> str | None:
        index = self._at["store_id"]
        store = self._values.stores[cells[index]] if index < len(cells) else None
        return None if store is None or isinstance(store, BadValueError) else bare(store)

    def _notes_of_meant(self, key: tuple[Meant, str, str, bool]) -> Sequence[Note]:
        """What to warn of a sku that is not the code as it stands, where the row has a price of a case or none."""
        meant, barcode, code, priced = key
        notes: list[Note] = []
        if meant.padded is not None:
            field = self._sku_field(barcode)
            padded = padded_note(barcode if field == "barcode" else code, meant.padded)
            notes.append(Note(field, "sku_padded", padded))
        if priced:
            what = f"the row counts cases of {meant.units_per_case}, so its price is that of a case, and is not taken"
            notes.append(Note("price", "price_of_case", what))
        return notes

    def _sku_field(self, barcode: str) -> str:
        return "barcode" if barcode.strip() or self._at["sku"] < 0 else "sku"


def _looked_up[K](memo: Memo[K, Any], keys: Iterable[K]) -> list[Any]:
    """The values of a column; what of them is odd is told by ``_odd_of``."""
    return list(map(memo.__getitem__, keys))


def _odd_of(*columns: Sequence[object]) -> list[int]:
    """The rows that have an odd value, in order."""
    odd = {
        index
        for column in columns
        if not _ODD.isdisjoint(map(type, column))
        for index, value in enumerate(column)
        if type(value) in _ODD
    }
    return sorted(odd)


def _stores_of(store: str | Noted[str] | BadValueError) -> tuple[str | None, ...]:
    """Whose shelf a row may speak of; nobody's where there is no such store, None where it is not known."""
    if not isinstance(store, BadValueError):
        return (bare(store),)
    return () if store.code in ("unknown_store", "store_of_other_partner") else store.candidates or (None,)


def _skus_of(sku: str | Meant | BadValueError) -> tuple[str | None, ...]:
    """Which sku a row may speak of; None where it is not known."""
    if isinstance(sku, BadValueError):
        return sku.candidates or (None,)
    return (sku.sku if isinstance(sku, Meant) else sku,)
