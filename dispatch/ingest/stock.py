"""Stock from a table: counts of shelves in columns, a few thousand rows at a time, and what is wrong with the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from dispatch.domain.stores import MAX_SKU_CHARS, MAX_STORE_ID_CHARS, Keep, ShelfCount
from dispatch.ingest.counts import Price, as_of_reading, on_hand_reading, price_reading, safety_reading
from dispatch.ingest.moments import FUTURE_LIMIT_S, Moment
from dispatch.ingest.problems import FileProblem, PlaceProblem, RowProblem, RowWarning
from dispatch.ingest.profiles import MatchedColumns, load_profile, missing_columns
from dispatch.ingest.shaping import matched_columns
from dispatch.ingest.tables import RawRow, RowIgnored, Table, short_row
from dispatch.ingest.values import BadValueError, currency_of, identifier_of, shown, timezone_name

BATCH_ROWS: Final = 5000
# Values repeat (stores, quantities, prices), so each is parsed once; skus may not, so what is kept is bounded.
_MEMO_SIZE: Final = 100_000


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
    field.
    """

    now: datetime
    as_of: datetime | None = None
    currency: str | None = None
    partner: str | None = None
    timezone: str | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class StockBatch:
    """Good rows as columns, all of one length and in the order of the file, and what is to be told of the others.

    ``as_ofs`` are in UTC. A price is in minor units of its currency; KEEP where the row says nothing, None where it
    says ``null``, both with currency None. Rows of one (store, sku) are not summed here.

    ``spared`` tells of each bad row, as far as it can be known, whose shelf it spoke of, so that a snapshot does not
    take that shelf as absent: (store_id, sku); sku None: any shelf of the store; store_id None: of any store.
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
    table: Table, *, options: StockOptions, stores: Mapping[str, StoreRef], batch_rows: int = BATCH_ROWS
) -> Iterator[StockBatch]:
    """Yield the rows of the table in their order, ``batch_rows`` at a time (good and bad); nothing if it has none.

    A row goes by its barcode, else by its item code. Raises FileProblem at once when columns or options cannot be:
    ``column_missing``, ``column_twice``, ``as_of_required``, ``as_of_in_future``, ``currency_unknown``,
    ``timezone_invalid``; a problem of the file while it is read comes from the iterator.
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
    return _batches(table, matched, options, stores, batch_rows)


def _option(name: str, value: str | None, parse: Callable[[str], object]) -> None:
    try:
        if value is not None:
            parse(value)
    except BadValueError as bad:
        raise FileProblem(bad.code, bad.message, (PlaceProblem(f"parameter {name}", bad.message),)) from None


def _batches(
    table: Table, matched: MatchedColumns, options: StockOptions, stores: Mapping[str, StoreRef], batch_rows: int
) -> Iterator[StockBatch]:
    reading = _Reading(matched, options, stores, decimal_comma=table.decimal_comma)
    batch = StockBatch()
    room = batch_rows
    width = len(matched.columns)
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
            batch.spared.append((None, None))
        room -= 1
        if not room:
            yield batch
            batch = StockBatch()
            room = batch_rows
    if room < batch_rows:
        yield batch


class _Memo[K, V](dict[K, V]):
    """A bounded cache of what a function made of a value, BadValueError included."""

    def __init__(self, parse: Callable[[K], V]) -> None:
        super().__init__()
        self._parse = parse

    def __missing__(self, key: K) -> V:
        if len(self) >= _MEMO_SIZE:
            self.clear()
        value = self[key] = self._parse(key)
        return value


def _told[T](parse: Callable[[str], T]) -> Callable[[str], T | BadValueError]:
    """The parser with its refusal as a value, so that a refusal is remembered too."""

    def tell(text: str) -> T | BadValueError:
        try:
            return parse(text)
        except BadValueError as bad:
            # A traceback would keep the frames of the row alive.
            return bad.with_traceback(None)

    return tell


class _Reading:
    """How one file's rows are read: its columns, the options, the stores, and what was parsed before."""

    def __init__(
        self,
        matched: MatchedColumns,
        options: StockOptions,
        stores: Mapping[str, StoreRef],
        *,
        decimal_comma: bool,
    ) -> None:
        self._matched = matched
        self._options = options
        self._stores = stores
        index = matched.index_by_field
        # A column that is not there is read from an empty value put at the end of the row's copy: index -1.
        self._at = {name: index.get(name, -1) for name in load_profile("stock").fields}
        self._required = {index[name] for name in ("store_id", "on_hand") if name in index}
        if "barcode" not in index or "sku" not in index:
            self._required |= {index[name] for name in ("barcode", "sku") if name in index}

        def price(pair: tuple[str, str]) -> Price | BadValueError:
            return _told(price_reading(pair[1], options.currency, decimal_comma=decimal_comma))(pair[0])

        def moment(pair: tuple[str, str]) -> Moment | BadValueError:
            return _told(as_of_reading(pair[1], default=options.as_of, now=options.now))(pair[0])

        self._store_of = _Memo(_told(self._store))
        self._sku_of = _Memo(_told(_sku))
        self._on_hand_of = _Memo(_told(on_hand_reading(decimal_comma=decimal_comma)))
        self._price_of = _Memo(price)
        self._safety_of = _Memo(_told(safety_reading(decimal_comma=decimal_comma)))
        self._as_of_of = _Memo(moment)

    def read_short(self, row: RawRow, batch: StockBatch) -> None:
        """Read a row with fewer values than the header has columns."""
        short = short_row(row, columns=self._matched.columns, required=self._required)
        if isinstance(short, RowProblem):
            batch.problems.append(short)
            batch.bad_rows += 1
            batch.spared.append((self._known_store(row), None))
            return
        if short is not None:
            batch.warnings.append(short)
        lacking = len(self._matched.columns) - len(row.cells)
        self.read(RawRow(row.row_no, row.cells + [""] * lacking), batch)

    def ignore(self, row: RowIgnored, batch: StockBatch) -> None:
        """Count the row, and spare the shelf row that it names, if it does."""
        batch.ignored[row.reason] += 1
        if not row.spares:
            return
        store_id = self._known_store(RawRow(row.row_no, row.cells))
        values = [row.cells[i] if 0 <= i < len(row.cells) else "" for i in (self._at["barcode"], self._at["sku"])]
        sku = self._sku_of[values[0] if values[0].strip() else values[1]]
        if store_id is not None:
            batch.spared.append((store_id, None if isinstance(sku, BadValueError) else sku))

    def read(self, row: RawRow, batch: StockBatch) -> None:
        """Add the row to the batch, as a count or with all its problems."""
        row_no, cells = row
        cells.append("")
        at = self._at
        store = self._store_of[cells[at["store_id"]]]
        barcode = cells[at["barcode"]]
        sku = self._sku_of[barcode if barcode and not barcode.isspace() else cells[at["sku"]]]
        on_hand = self._on_hand_of[cells[at["on_hand"]]]
        price = self._price_of[cells[at["price"]], cells[at["currency"]]]
        safety = self._safety_of[cells[at["safety_stock"]]]
        zone = "UTC" if isinstance(store, BadValueError) else store[1]
        moment = self._as_of_of[cells[at["as_of"]], zone]
        if (
            isinstance(store, BadValueError)
            or isinstance(sku, BadValueError)
            or isinstance(on_hand, BadValueError)
            or isinstance(price, BadValueError)
            or isinstance(safety, BadValueError)
            or isinstance(moment, BadValueError)
        ):
            cells.pop()
            values: dict[str, object] = {
                "store_id": store,
                "on_hand": on_hand,
                "price": price,
                "safety_stock": safety,
                "as_of": moment,
            }
            values["barcode" if barcode.strip() or at["sku"] < 0 else "sku"] = sku
            self._refuse(row, values, batch)
            return
        if on_hand[1] is not None or moment.ambiguous:
            self._warn(row_no, on_hand[1], moment, batch)
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
        bad_values = [(name, value) for name, value in values.items() if isinstance(value, BadValueError)]
        for name, bad in bad_values:
            # A moment without offset cannot be judged without its store.
            if name == "as_of" and isinstance(values["store_id"], BadValueError) and bad.code == "as_of_in_dst_gap":
                continue
            column = bad.column or self._matched.name_of("currency" if bad.code.startswith("currency") else name)
            batch.problems.append(RowProblem(row.row_no, column, bad.code, bad.message, raw))
        batch.bad_rows += 1
        store = values["store_id"]
        sku = values.get("barcode", values.get("sku"))
        if not isinstance(store, BadValueError) and isinstance(store, tuple):
            batch.spared.append((store[0], sku if isinstance(sku, str) else None))
        elif isinstance(store, BadValueError) and store.code not in ("unknown_store", "store_of_other_partner"):
            batch.spared.append((None, sku if isinstance(sku, str) else None))

    def _warn(self, row_no: int, quantity: str | None, moment: Moment, batch: StockBatch) -> None:
        if quantity is not None:
            what = "a negative quantity is taken as 0" if quantity == "negative_to_zero" else "the fraction is left out"
            batch.warnings.append(RowWarning(row_no, self._matched.name_of("on_hand"), quantity, what))
        if moment.ambiguous:
            what = f"that local time was twice; taken as {moment.at.isoformat()}, the earlier"
            batch.warnings.append(RowWarning(row_no, self._matched.name_of("as_of"), "as_of_ambiguous", what))

    def _store(self, text: str) -> tuple[str, str]:
        """The store's id, and the time zone that local times of its rows are in."""
        store_id = identifier_of(text, field="store_id", max_chars=MAX_STORE_ID_CHARS)
        ref = self._stores.get(store_id)
        if ref is None:
            raise BadValueError("unknown_store", f"there is no store {shown(store_id)}")
        if self._options.partner is not None and ref.partner != self._options.partner:
            message = f"store {shown(store_id)} is not of {shown(self._options.partner)}"
            raise BadValueError("store_of_other_partner", message)
        return store_id, self._options.timezone or ref.timezone

    def _known_store(self, row: RawRow) -> str | None:
        index = self._at["store_id"]
        store = self._store_of[row.cells[index]] if index < len(row.cells) else None
        return None if store is None or isinstance(store, BadValueError) else store[0]


def _sku(text: str) -> str:
    return identifier_of(text, field="sku", max_chars=MAX_SKU_CHARS, slash=True)
