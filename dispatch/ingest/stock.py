"""Stock from a table: counts of shelves in columns, a few thousand rows at a time, and what is wrong with the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product
from typing import Final

from dispatch.domain.items import Item
from dispatch.domain.stores import MAX_STORE_ID_CHARS, Keep, ShelfCount
from dispatch.ingest.counts import PRICE_KEPT, Price, as_of_reading, on_hand_reading, price_reading, safety_reading
from dispatch.ingest.memos import Memo, told
from dispatch.ingest.moments import FUTURE_LIMIT_S, Moment
from dispatch.ingest.problems import FileProblem, PlaceProblem, RowProblem, RowWarning
from dispatch.ingest.profiles import MatchedColumns, load_profile, missing_columns
from dispatch.ingest.shaping import matched_columns
from dispatch.ingest.skus import Meant, Skus
from dispatch.ingest.spreadsheets import LeadingZeros
from dispatch.ingest.tables import RawRow, RowIgnored, Table, short_row
from dispatch.ingest.values import BadValueError, currency_of, identifier_of, shown, timezone_name

BATCH_ROWS: Final = 5000
_NO_ITEMS: Final[Mapping[str, Item]] = {}
# A sum over stores, or a header, speaks of no store's shelf.
_OF_NO_STORE: Final = frozenset({"header_again", "total_row"})

type Note = tuple[str, str, str]
"""A warning of a row: its field, code and message."""


@dataclass(frozen=True, slots=True)
class StoreRef:
    """What an import of stock must know of a store that exists."""

    timezone: str
    partner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StockOptions:
    """What the import says of all rows; a column that says it of a row goes first, an empty value of it does not.

    ``now`` carries an offset. ``as_of`` may carry none: it is then local in ``timezone``, else in each store's own,
    as the values of the as_of column are. ``partner`` None: stores of any partner. ``mapping`` is source column to
    field. ``whole``: the rows are whole shelves; without it a batch tells of nothing ``spared`` or ``named``.
    """

    now: datetime
    as_of: datetime | None = None
    currency: str | None = None
    partner: str | None = None
    timezone: str | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    whole: bool = True


@dataclass(slots=True)
class StockBatch:
    """Good rows as columns, all of one length and in the order of the file, and what is to be told of the others.

    ``as_ofs`` are in UTC. A price is in minor units of its currency; KEEP where the row says nothing, None where it
    says ``null``, both with currency None. Rows of one (store, sku) are not summed here.

    ``spared`` tells of each bad row, as far as it can be known, whose shelf it spoke of, so that a snapshot does not
    take that shelf as absent: (store_id, sku); sku None: any shelf of the store; store_id None: of any store. A row
    that may be of several shelves spares each of them.
    ``named`` are stores of rows that are ignored and spare nothing: such a row tells that the file speaks of the store,
    with its moment, of several the oldest, at which nothing of that row was on hand.
    ``ignored`` counts the rows that by the rule of their format say nothing here, by reason.
    """

    row_nos: list[int] = field(default_factory=list)
    store_ids: list[str] = field(default_factory=list)
    skus: list[str] = field(default_factory=list)
    on_hands: list[int] = field(default_factory=list)
    price_minors: list[int | Keep | None] = field(default_factory=list)
    currencies: list[str | None] = field(default_factory=list)
    safety_stocks: list[int | Keep | None] = field(default_factory=list)
    as_ofs: list[datetime] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)
    warnings: list[RowWarning] = field(default_factory=list)
    spared: list[tuple[str | None, str | None]] = field(default_factory=list)
    named: dict[str, datetime] = field(default_factory=dict)
    bad_rows: int = 0
    ignored: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.row_nos)

    def counts(self) -> Iterator[ShelfCount]:
        """The good rows one by one."""
        for i in range(len(self.row_nos)):
            yield ShelfCount(
                store_id=self.store_ids[i],
                sku=self.skus[i],
                on_hand=self.on_hands[i],
                as_of=self.as_ofs[i],
                price_minor=self.price_minors[i],
                currency=self.currencies[i],
                safety_stock=self.safety_stocks[i],
            )


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
    reading = _Reading(matched, options, stores, Skus(items, known_skus), decimal_comma=table.decimal_comma)
    return _batches(table, len(matched.columns), reading, batch_rows)


def _option(name: str, value: str | None, parse: Callable[[str], object]) -> None:
    try:
        if value is not None:
            parse(value)
    except BadValueError as bad:
        raise FileProblem(bad.code, bad.message, (PlaceProblem(f"parameter {name}", bad.message),)) from None


def _batches(table: Table, width: int, reading: _Reading, batch_rows: int) -> Iterator[StockBatch]:
    batch = StockBatch()
    room = batch_rows
    for row in table:
        if isinstance(row, RawRow):
            if len(row[1]) == width and type(row) is RawRow:
                reading.read(row, batch)
            else:
                reading.read_short(row, batch)
        elif isinstance(row, RowIgnored):
            reading.ignore(row, batch)
        else:
            batch.problems.append(row)
            batch.bad_rows += 1
            reading.spare((None,), (None,), batch)
        room -= 1
        if not room:
            yield batch
            batch = StockBatch()
            room = batch_rows
    if room < batch_rows:
        yield batch


class _Reading:
    """How one file's rows are read: its columns, the options, the stores, and what was parsed before."""

    def __init__(
        self,
        matched: MatchedColumns,
        options: StockOptions,
        stores: Mapping[str, StoreRef],
        skus: Skus,
        *,
        decimal_comma: bool,
    ) -> None:
        self._matched = matched
        self._options = options
        self._stores = stores
        self._zeros_of_stores = LeadingZeros(frozenset(stores))
        index = matched.index_by_field
        # A column that is not there is read from an empty value put at the end of the row's copy: index -1.
        self._at = {name: index.get(name, -1) for name in load_profile("stock").fields}
        self._sku_columns = self._at["barcode"], self._at["sku"]
        self._required = {index[name] for name in ("store_id", "on_hand") if name in index}
        if "barcode" not in index or "sku" not in index:
            self._required |= {index[name] for name in ("barcode", "sku") if name in index}

        def price(pair: tuple[str, str]) -> Price | BadValueError:
            return told(price_reading(pair[1], options.currency, decimal_comma=decimal_comma))(pair[0])

        def moment(pair: tuple[str, str]) -> Moment | BadValueError:
            return told(as_of_reading(pair[1], default=options.as_of, now=options.now))(pair[0])

        def on_hand_of_cases(pair: tuple[str, int]) -> tuple[int, str | None] | BadValueError:
            return told(on_hand_reading(decimal_comma=decimal_comma, units=pair[1]))(pair[0])

        def safety_of_cases(pair: tuple[str, int]) -> int | Keep | BadValueError | None:
            return told(safety_reading(decimal_comma=decimal_comma, units=pair[1]))(pair[0])

        self._store_of = Memo(told(self._store))
        self._barcode_of = Memo(told(skus.of_barcode))
        self._item_of = Memo(told(skus.of_item_code))
        self._on_hand_of = Memo(told(on_hand_reading(decimal_comma=decimal_comma)))
        self._on_hand_of_cases = Memo(on_hand_of_cases)
        self._price_of = Memo(price)
        self._safety_of = Memo(told(safety_reading(decimal_comma=decimal_comma)))
        self._safety_of_cases = Memo(safety_of_cases)
        self._as_of_of = Memo(moment)
        self._notes_of = Memo(self._notes_of_meant)

    def read_short(self, row: RawRow, batch: StockBatch) -> None:
        """Read a row with fewer values than the header has columns."""
        short = short_row(row, columns=self._matched.columns, required=self._required)
        if isinstance(short, RowProblem):
            batch.problems.append(short)
            batch.bad_rows += 1
            self.spare((self._known_store(row),), (None,), batch)
            return
        if short is not None:
            batch.warnings.append(short)
        lacking = len(self._matched.columns) - len(row.cells)
        self.read(RawRow(row.row_no, row.cells + [""] * lacking), batch)

    def ignore(self, row: RowIgnored, batch: StockBatch) -> None:
        """Count the row, and spare the shelf row that it names, if it does; else tell of the store that it names."""
        batch.ignored[row.reason] += 1
        if not self._options.whole or row.reason in _OF_NO_STORE:
            return
        store_id = self._known_store(RawRow(row.row_no, row.cells))
        if store_id is None:
            return
        if row.spares:
            barcode, code = (self._cell(row, i) for i in self._sku_columns)
            sku = self._barcode_of[barcode] if barcode.strip() not in ("", "null") else self._item_of[code]
            self.spare((store_id,), _skus_of(sku), batch)
            return
        zone = self._options.timezone or self._stores[store_id].timezone
        moment = self._as_of_of[self._cell(row, self._at["as_of"]), zone]
        if isinstance(moment, Moment):
            batch.named[store_id] = min(moment.at, batch.named.get(store_id, moment.at))

    def spare(self, stores: Iterable[str | None], skus: Iterable[str | None], batch: StockBatch) -> None:
        """Note that a row may speak of these skus of these stores."""
        if self._options.whole:
            batch.spared += product(stores, skus)

    def _cell(self, row: RowIgnored, index: int) -> str:
        return row.cells[index] if 0 <= index < len(row.cells) else ""

    def read(self, row: RawRow, batch: StockBatch) -> None:
        """Add the row to the batch, as a count or with all its problems."""
        row_no, cells = row
        cells.append("")
        at = self._at
        store = self._store_of[cells[at["store_id"]]]
        barcode = cells[at["barcode"]]
        if barcode == "null":
            barcode = ""
        sku = self._barcode_of[barcode] if barcode and not barcode.isspace() else self._item_of[cells[at["sku"]]]
        on_hand = self._on_hand_of[cells[at["on_hand"]]]
        price = self._price_of[cells[at["price"]], cells[at["currency"]]]
        safety = self._safety_of[cells[at["safety_stock"]]]
        zone = "UTC" if isinstance(store, BadValueError) else store[1]
        moment = self._as_of_of[cells[at["as_of"]], zone]
        notes: Sequence[Note] = ()
        if not isinstance(sku, str) and not isinstance(sku, BadValueError):
            meant, sku = sku, sku.sku
            priced = meant.units_per_case > 1 and isinstance(price, Price) and isinstance(price.minor, int)
            notes = self._notes_of[meant, barcode, cells[at["sku"]], priced]
            if meant.units_per_case > 1:
                on_hand = self._on_hand_of_cases[cells[at["on_hand"]], meant.units_per_case]
                safety = self._safety_of_cases[cells[at["safety_stock"]], meant.units_per_case]
                price = PRICE_KEPT if priced else price
        # To be of exactly one type is told in half the time that not to be of another takes.
        if not (
            isinstance(sku, str)
            and isinstance(store, tuple)
            and isinstance(on_hand, tuple)
            and isinstance(price, Price)
            and isinstance(moment, Moment)
            and not isinstance(safety, BadValueError)
        ):
            cells.pop()
            values: dict[str, object] = {
                "store_id": store,
                "on_hand": on_hand,
                "price": price,
                "safety_stock": safety,
                "as_of": moment,
                self._sku_field(barcode): sku,
            }
            self._refuse(row, values, batch)
            self.spare(_stores_of(store), _skus_of(sku), batch)
            return
        if on_hand[1] is not None or moment.ambiguous or store[2] is not None or notes:
            self._warn(row_no, (*self._notes(store[2], on_hand[1], moment), *notes), batch)
        batch.row_nos.append(row_no)
        batch.store_ids.append(store[0])
        batch.skus.append(sku)
        batch.on_hands.append(on_hand[0])
        batch.price_minors.append(price.minor)
        batch.currencies.append(price.currency)
        batch.safety_stocks.append(safety)
        batch.as_ofs.append(moment.at)

    def _refuse(self, row: RawRow, values: Mapping[str, object], batch: StockBatch) -> None:
        raw = self._matched.own_part(row.cells)
        for name, bad in values.items():
            # A moment without offset cannot be judged without its store.
            if not isinstance(bad, BadValueError) or (
                bad.code == "as_of_in_dst_gap" and isinstance(values["store_id"], BadValueError)
            ):
                continue
            column = bad.column or self._matched.name_of("currency" if bad.code.startswith("currency") else name)
            batch.problems.append(RowProblem(row.row_no, column, bad.code, bad.message, raw))
        batch.bad_rows += 1

    def _warn(self, row_no: int, notes: Iterable[Note], batch: StockBatch) -> None:
        for name, code, message in notes:
            batch.warnings.append(RowWarning(row_no, self._matched.name_of(name), code, message))

    def _notes(self, padded_store: str | None, quantity: str | None, moment: Moment) -> Iterator[Note]:
        if padded_store is not None:
            yield "store_id", "store_id_padded", padded_store
        if quantity is not None:
            what = "a negative quantity is taken as 0" if quantity == "negative_to_zero" else "the fraction is left out"
            yield "on_hand", quantity, what
        if moment.ambiguous:
            what = f"that local time was twice; taken as {moment.at.isoformat()}, the earlier"
            yield "as_of", "as_of_ambiguous", what

    def _notes_of_meant(self, key: tuple[Meant, str, str, bool]) -> Sequence[Note]:
        """What to warn of a sku that is not the code as it stands, where the row has a price of a case or none."""
        meant, barcode, code, priced = key
        notes: list[Note] = []
        if meant.padded is not None:
            field = self._sku_field(barcode)
            notes.append((field, "sku_padded", _padded(barcode if field == "barcode" else code, meant.padded)))
        if priced:
            what = f"the row counts cases of {meant.units_per_case}, so its price is that of a case, and is not taken"
            notes.append(("price", "price_of_case", what))
        return notes

    def _sku_field(self, barcode: str) -> str:
        return "barcode" if barcode.strip() or self._at["sku"] < 0 else "sku"

    def _store(self, text: str) -> tuple[str, str, str | None]:
        """The store's id, the time zone that local times of its rows are in, and the warning if zeros were lost."""
        store_id = identifier_of(text, field="store_id", max_chars=MAX_STORE_ID_CHARS)
        padded = None
        if store_id not in self._stores or not self._is_ours(store_id):
            found = [one for one in self._zeros_of_stores.found(store_id) if self._is_ours(one)]
            if len(found) > 1:
                message = f"but for leading zeros {shown(store_id)} may be {' or '.join(map(shown, found[:5]))}"
                raise BadValueError("store_id_ambiguous", f"{message}; write it in full", candidates=tuple(found))
            if not found and store_id in self._stores:
                message = f"store {shown(store_id)} is not of {shown(self._options.partner or '')}"
                raise BadValueError("store_of_other_partner", message)
            if not found:
                raise BadValueError("unknown_store", f"there is no store {shown(store_id)}")
            store_id, padded = found[0], _padded(store_id, found[0])
        return store_id, self._options.timezone or self._stores[store_id].timezone, padded

    def _is_ours(self, store_id: str) -> bool:
        return self._options.partner in (None, self._stores[store_id].partner)

    def _known_store(self, row: RawRow) -> str | None:
        index = self._at["store_id"]
        store = self._store_of[row.cells[index]] if index < len(row.cells) else None
        return None if store is None or isinstance(store, BadValueError) else store[0]


def _padded(code: str, known: str) -> str:
    return f"{shown(code)} is taken as {shown(known)}, which differs in its leading zeros alone"


def _stores_of(store: tuple[str, str, str | None] | BadValueError) -> tuple[str | None, ...]:
    """Whose shelf a row may speak of; nobody's where there is no such store, None where it is not known."""
    if not isinstance(store, BadValueError):
        return (store[0],)
    return () if store.code in ("unknown_store", "store_of_other_partner") else store.candidates or (None,)


def _skus_of(sku: str | Meant | BadValueError) -> tuple[str | None, ...]:
    """Which sku a row may speak of; None where it is not known."""
    if isinstance(sku, BadValueError):
        return sku.candidates or (None,)
    return (sku.sku if isinstance(sku, Meant) else sku,)
