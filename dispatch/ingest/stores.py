"""Stores from a table: every row becomes a Store, or the list of all that is wrong with it."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from dispatch.domain.stores import (
    DEFAULT_PARTNER,
    MAX_DELIVERY_RADIUS_M,
    MAX_DURATION_S,
    MAX_OPEN_ORDERS,
    MAX_STORE_ID_CHARS,
    Store,
)
from dispatch.ingest.memos import Memo, told
from dispatch.ingest.moves import Moves
from dispatch.ingest.place_checks import country_of_text, moved, outside, said_of
from dispatch.ingest.problems import FileProblem, PlaceProblem, RowProblem, RowWarning
from dispatch.ingest.profiles import MatchedColumns, fold_name, missing_columns
from dispatch.ingest.shaping import matched_columns
from dispatch.ingest.store_values import datum_of, hours_of, mode_of, partner_of, zone_of
from dispatch.ingest.survey import Seen, Survey
from dispatch.ingest.tables import RawRow, RowIgnored, Table, short_row
from dispatch.ingest.values import (
    NOTHING,
    BadValueError,
    Unreadable,
    decimal_of,
    degrees_of,
    flag_of,
    identifier_of,
    shown,
    text_of,
    timezone_name,
    trimmed,
    whole_of,
)
from geo.coordinates import CoordinateError, Datum, LatLon, country_of, timezone_of
from geo.countries import country_named
from geo.datums import in_mainland_china, to_wgs84
from geo.zones import covers

_TEXT_FIELDS: Final = ("name", "brand", "region", "address", "phone")
_SURVEYED: Final = ("store_id", "lat", "lon", "datum", "partner", "brand", "region", "city", "country")
_OF_ONE_STORE: Final = ("name", "address", "phone")
_SECONDS_FIELDS: Final = ("prepare_s", "prepare_line_s", "queue_per_order_s", "courier_s", "handover_s")
_SLUG_CHARS: Final = MAX_STORE_ID_CHARS - 13
_NONE: Final[Mapping[str, LatLon]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """What the import says of all rows; a column that says it of a row goes first.

    ``id_from`` names source columns or fields that make the id of each row; with it, an id column is not read.
    ``country`` (ISO 3166, or a usual name) is the one in which every store lies. ``mapping`` is source column to
    field. ``force`` takes a file although most of its stores have moved alike. A row that names another partner is
    bad, unless ``partner`` is the default one, whose files may be of anyone.
    """

    partner: str = DEFAULT_PARTNER
    datum: Datum | None = None
    timezone: str | None = None
    country: str | None = None
    id_from: tuple[str, ...] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)
    force: bool = False


@dataclass(frozen=True, slots=True)
class StoreRow:
    """A row that is a store. ``raw`` is the row as it came."""

    row_no: int
    store: Store
    warnings: tuple[RowWarning, ...]
    raw: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowProblems:
    """A row that is no store, and everything that is wrong with it, at least one."""

    row_no: int
    problems: tuple[RowProblem, ...]
    raw: tuple[str, ...]


def match_store_columns(table: Table, *, options: StoreOptions) -> MatchedColumns:
    """Which column is which field. Raises FileProblem, also when lat, lon or the id have no column."""
    said = {name for name in ("datum", "timezone") if getattr(options, name) is not None}
    matched = matched_columns(table, kind="stores", mapping=options.mapping, said=said)
    wanted = ("lat", "lon") if options.id_from else ("store_id", "lat", "lon")
    lost = [name for name in wanted if name not in matched.index_by_field]
    if lost:
        mends = ["id_from=brand,city,state,address makes an id of other columns"] if "store_id" in lost else []
        if {"lat", "lon"} & set(lost):
            mends.append("add columns lat and lon, the place of each store in degrees; addresses are not looked up")
        raise missing_columns(lost, matched.own_part(matched.columns), mend="".join(f"; {mend}" for mend in mends))
    _id_columns(matched, options.id_from)
    return matched


type ReadRow = StoreRow | RowProblems | RowIgnored


def read_stores(table: Table, *, options: StoreOptions, known: Mapping[str, LatLon] = _NONE) -> Iterator[ReadRow]:
    """Yield every row of the table in its order: a store, all that is wrong with it, or that it says nothing here.

    The table is streamed twice, first to see where all its stores lie. Of two rows with one store id the first stands.
    ``known``: the places (WGS84) of the partner's stores as they are now, by store id. Raises FileProblem at once when
    columns or options cannot be; a problem of the file while it is read comes from the iterator, and so does
    ``datum_changed``.
    """
    matched = match_store_columns(table, options=options)
    if options.timezone is not None:
        try:
            timezone_name(options.timezone)
        except BadValueError as bad:
            raise FileProblem(bad.code, bad.message, (PlaceProblem("parameter timezone", bad.message),)) from None
    if options.country is not None and country_named(options.country) is None:
        message = f"{shown(options.country)} is no country of ISO 3166 such as TW"
        raise FileProblem("country_unknown", message, (PlaceProblem("parameter country", message),))
    return _rows(table, matched, options, known)


def stable_id(values: Sequence[str]) -> str:
    """An id for a row without one: the same for the same values whatever their case, width and white space.

    A readable part of at most 51 characters (letters and digits of any script, hyphens between), a hyphen, and the
    first 12 hexadecimal digits of the SHA-256 of the values: each NFKC, case folded, its white space made single
    spaces, joined by U+001F, as UTF-8. Raises BadValueError ``store_id_missing`` when all values are empty.
    """
    folded = [" ".join(unicodedata.normalize("NFKC", value).casefold().split()) for value in values]
    if not any(folded):
        raise BadValueError("store_id_missing", "every column that the id is made from is empty")
    digest = hashlib.sha256("\x1f".join(folded).encode()).hexdigest()[:12]
    slug = re.sub(r"[\W_]+", "-", " ".join(folded))[:_SLUG_CHARS].strip("-")
    return f"{slug}-{digest}" if slug else digest


def _id_columns(matched: MatchedColumns, id_from: tuple[str, ...]) -> tuple[int, ...]:
    index_by_name = {fold_name(column): index for index, column in reversed(list(enumerate(matched.columns)))}
    lost = [name for name in id_from if fold_name(name) not in index_by_name and name not in matched.index_by_field]
    if lost:
        raise missing_columns(lost, matched.own_part(matched.columns))
    return tuple(index_by_name.get(fold_name(name), matched.index_by_field.get(name, -1)) for name in id_from)


def _rows(
    table: Table, matched: MatchedColumns, options: StoreOptions, known: Mapping[str, LatLon]
) -> Iterator[ReadRow]:
    reading = _Reading(matched, options, known, decimal_comma=table.decimal_comma)
    reading.look_over(table)
    first_rows: dict[str, int] = {}
    required = {matched.index_by_field[name] for name in ("store_id", "lat", "lon") if name in matched.index_by_field}
    if options.id_from:
        required = {matched.index_by_field["lat"], matched.index_by_field["lon"]}
    for row in table:
        if isinstance(row, RowProblem):
            yield RowProblems(row.row_no, (row,), row.raw)
            continue
        if isinstance(row, RowIgnored):
            yield row
            continue
        seen = reading.survey.seen(row.row_no)
        short = short_row(row, columns=matched.columns, required=required)
        if isinstance(short, RowProblem):
            yield RowProblems(row.row_no, (short,), short.raw)
            continue
        result = reading.read(row, seen, [short] if short else [])
        if isinstance(result, StoreRow) and reading.survey.may_be_doubled(result.store.store_id):
            first = first_rows.setdefault(result.store.store_id, row.row_no)
            if first != row.row_no:
                column = matched.name_of("store_id")
                message = f"row {first} has the same store id, {shown(result.store.store_id)}"
                problem = RowProblem(row.row_no, column, "duplicate_store", message, result.raw)
                result = RowProblems(row.row_no, (problem,), result.raw)
        yield result


class _Reading:
    """How one file's rows are read: its columns, the options, what is known of its stores, and what the survey saw."""

    def __init__(
        self, matched: MatchedColumns, options: StoreOptions, known: Mapping[str, LatLon], *, decimal_comma: bool
    ) -> None:
        self._matched = matched
        self._options = options
        self._known = known
        self._decimal_comma = decimal_comma
        self._id_columns = _id_columns(matched, options.id_from)
        # Most stores of a file say the same of their brand or hours; only names and addresses are each another.
        self._plain = [
            (name, read if name in _OF_ONE_STORE else Memo(read).__getitem__)
            for name, parse in self._plain_fields()
            if name in matched.index_by_field
            for read in (told(partial(_said, parse=parse)),)
        ]
        self._surveyed = {name: matched.index_by_field[name] for name in _SURVEYED if name in matched.index_by_field}
        self._declared = country_named(options.country) if options.country else None
        self._usual: str | None = None
        self.survey = Survey()

    def look_over(self, table: Table) -> None:
        """The first pass: where the rows lie. Rows that have no place are not counted.

        Raises FileProblem ``datum_changed``.
        """
        moves = Moves()
        for row in table:
            if not isinstance(row, RawRow):
                continue
            value = _values_of(row, self._surveyed)
            try:
                datum = self._datum(value)
                place = self._place(value, datum)
            except (BadValueError, CoordinateError):
                continue
            store_id = self._survey_row(row, value, place)
            if store_id is not None and (before := self._known.get(store_id)) is not None:
                moves.add(before, place, datum or Datum.WGS84)
        self.survey.judge()
        self._usual = self.survey.country()
        if not self._options.force:
            moves.check()

    def _survey_row(self, row: RawRow, value: Mapping[str, str], place: LatLon) -> str | None:
        """Add the row to the survey; its store id, None when it has none that could be one."""
        try:
            store_id: str | None = self._store_id(row, value)
        except BadValueError:
            store_id = None
        self.survey.add(
            row.row_no,
            place,
            there=country_of(place),
            store_id=f"\n{row.row_no}" if store_id is None else store_id,
            country=country_of_text(value.get("country", "")) or self._declared,
            region=value.get("region", ""),
            city=value.get("city", ""),
            chain=(value.get("partner", ""), value.get("brand", "")),
        )
        return store_id

    def _plain_fields(self) -> Iterator[tuple[str, Callable[[str], Any]]]:
        """Fields that stand for themselves, and what makes each of its text, in their order."""

        def whole(high: int) -> Callable[[str], int]:
            return lambda text: whole_of(text, low=0, high=high, decimal_comma=self._decimal_comma)

        yield from ((name, text_of) for name in _TEXT_FIELDS)
        yield from ((name, whole(MAX_DURATION_S)) for name in _SECONDS_FIELDS)
        yield "max_open_orders", whole(MAX_OPEN_ORDERS)
        yield "opening_hours", hours_of
        yield "delivery_radius_m", self._radius_of
        yield "mode", mode_of

    def read(self, row: RawRow, seen: Seen | None, warnings: list[RowWarning]) -> StoreRow | RowProblems:
        """The row as a store, or with all its problems in the order of the fields."""
        value = _values_of(row, self._matched.index_by_field)
        raw = self._matched.own_part(row.cells)
        problems: list[RowProblem] = []
        column_of = self._matched.name_of

        def take[T](name: str, parse: Callable[[str], T]) -> T | None:
            text = value.get(name)
            try:
                return _said(text, parse) if text else None
            except BadValueError as bad:
                problems.append(RowProblem(row.row_no, bad.column or column_of(name), bad.code, bad.message, raw))
                return None

        def warn(name: str, code: str, message: str) -> None:
            warnings.append(RowWarning(row.row_no, column_of(name), code, message))

        def fault(name: str, code: str, message: str) -> None:
            problems.append(RowProblem(row.row_no, column_of(name), code, message, raw))

        store_id = None
        try:
            store_id = self._store_id(row, value)
        except BadValueError as bad:
            fault("store_id", bad.code, bad.message)
        datum = take("datum", datum_of) or self._options.datum
        place = self._checked_place(value, seen, datum, take, warn, fault)
        fields: dict[str, Any] = {}
        for name, parse in self._plain:
            made = parse(text) if (text := value.get(name)) else None
            if isinstance(made, BadValueError):
                problems.append(RowProblem(row.row_no, made.column or column_of(name), made.code, made.message, raw))
                made = None
            fields[name] = made
        zone = take("delivery_zone", lambda text: zone_of(text, datum))
        partner = take("partner", partner_of) or self._options.partner
        if self._options.partner not in (DEFAULT_PARTNER, partner):
            message = f"the row is of partner {shown(partner)}, the import of {shown(self._options.partner)}"
            fault("partner", "store_of_other_partner", message)
        timezone = take("timezone", timezone_name) or self._options.timezone
        active = take("active", flag_of)
        if problems or place is None or store_id is None:
            return RowProblems(row.row_no, tuple(problems), raw)
        if zone is not None and not covers(zone, place):
            warn("delivery_zone", "outside_own_zone", "the store lies outside its own delivery zone")
        if (before := self._known.get(store_id)) is not None and (move := moved(place, before)) is not None:
            warn("lat", *move)
        store = Store(
            store_id=store_id,
            place=place,
            timezone=timezone or timezone_of(place),
            partner=partner,
            delivery_zone=zone,
            active=True if active is None else active,
            **fields,
        )
        return StoreRow(row.row_no, store, tuple(warnings), raw)

    def _store_id(self, row: RawRow, value: Mapping[str, str]) -> str:
        if self._id_columns:
            return stable_id([row.cells[i] if i < len(row.cells) else "" for i in self._id_columns])
        return identifier_of(value.get("store_id", ""), field="store_id", max_chars=MAX_STORE_ID_CHARS)

    def _datum(self, value: Mapping[str, str]) -> Datum | None:
        text = value.get("datum", "")
        return _said(text, datum_of) or self._options.datum

    def _place(self, value: Mapping[str, str], datum: Datum | None) -> LatLon:
        """The place in WGS84, as it is written where no datum is said. Raises BadValueError, CoordinateError."""
        lat, lon = (self._degrees_of(value.get(name, "")) for name in ("lat", "lon"))
        place = LatLon(lat=lat, lon=lon)
        return to_wgs84(place, datum) if datum is not None else place

    def _checked_place(
        self,
        value: Mapping[str, str],
        seen: Seen | None,
        datum: Datum | None,
        take: Callable[[str, Callable[[str], float]], float | None],
        warn: Callable[[str, str, str], None],
        fault: Callable[[str, str, str], None],
    ) -> LatLon | None:
        """The place in WGS84 with what is odd about it told, or None with the fault told."""
        if seen is None:
            self._tell_why_nowhere(value, datum, take, fault)
            return None
        place, text = seen.place, value.get("country", "")
        country = country_of_text(text) if text else None
        if country is None and text and text_of(text) is not None:
            warn("country", "country_unknown", f"{shown(text)} is no country that is known; nothing is checked by it")
        country = country or self._declared
        if country is not None and (found := outside(place, country, declared=True)) is not None:
            fault("lat", *found)
            return None
        if datum is None and in_mainland_china(place):
            message = "the place is in mainland China: say whether its datum is wgs84, gcj02 or bd09"
            fault("lat", "datum_required", message)
            return None
        if country is None and self._usual is not None:
            odd = outside(place, self._usual, declared=False)
            if odd is not None:
                warn("lat", *odd)
        for oddity in seen.oddities:
            found, wrong = said_of(oddity, region=value.get("region"), city=value.get("city"))
            (fault if wrong else warn)("lat", *found)
        return place

    def _tell_why_nowhere(
        self,
        value: Mapping[str, str],
        datum: Datum | None,
        take: Callable[[str, Callable[[str], float]], float | None],
        fault: Callable[[str, str, str], None],
    ) -> None:
        for name in ("lat", "lon"):
            if trimmed(value.get(name, "")).casefold() in NOTHING:
                fault(name, f"{name}_missing", f"no {'latitude' if name == 'lat' else 'longitude'}")
        lat, lon = take("lat", self._degrees_of), take("lon", self._degrees_of)
        if lat is None or lon is None:
            return
        try:
            self._place(value, datum)
        except CoordinateError as error:
            fault("lat", error.code, str(error))

    def _degrees_of(self, text: str) -> float:
        return degrees_of(text, decimal_comma=self._decimal_comma)

    def _radius_of(self, text: str) -> float:
        radius_m = float(decimal_of(text, decimal_comma=self._decimal_comma))
        if not 0.0 < radius_m <= MAX_DELIVERY_RADIUS_M:
            message = f"{shown(text)} is not above 0 and at most {MAX_DELIVERY_RADIUS_M:.0f}"
            raise BadValueError("number_out_of_range", message)
        return radius_m


def _said[T](text: str, parse: Callable[[str], T]) -> T | None:
    """What the text means, None where it says nothing. Raises BadValueError."""
    if isinstance(text, Unreadable):
        raise text.refusal()
    return None if trimmed(text).casefold() in NOTHING else parse(text)


def _values_of(row: RawRow, index_by_field: Mapping[str, int]) -> dict[str, str]:
    cells = row.cells
    found = len(cells)
    return {name: cells[index] for name, index in index_by_field.items() if index < found}
