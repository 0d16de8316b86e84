"""Stores from a table: every row becomes a Store, or the list of all that is wrong with it."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from shapely.geometry.base import BaseGeometry

from dispatch.domain.hours import HoursError, check_opening_hours
from dispatch.domain.stores import (
    DEFAULT_PARTNER,
    MAX_DELIVERY_RADIUS_M,
    MAX_DURATION_S,
    MAX_OPEN_ORDERS,
    MAX_STORE_ID_CHARS,
    Store,
)
from dispatch.ingest.problems import FileProblem, PlaceProblem, RowProblem, RowWarning
from dispatch.ingest.profiles import MatchedColumns, fold_name, missing_columns
from dispatch.ingest.shaping import matched_columns
from dispatch.ingest.survey import ALONE_M, Survey
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
from geo.coordinates import CoordinateError, Datum, LatLon, country_of, probably_swapped, timezone_of
from geo.datums import in_mainland_china, to_wgs84
from geo.travel import Mode
from geo.zones import ZoneError, covers, parse_zone, zone_to_wgs84

_TEXT_FIELDS: Final = ("name", "brand", "region", "address", "phone")
_SECONDS_FIELDS: Final = ("prepare_s", "prepare_line_s", "queue_per_order_s", "courier_s", "handover_s")
_MAX_MESSAGE_CHARS: Final = 200
_SLUG_CHARS: Final = MAX_STORE_ID_CHARS - 13


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """What the import says of all rows; a column that says it of a row goes first.

    ``id_from`` names source columns or fields that make the id of each row; with it, an id column is not read.
    ``country`` (ISO 3166 alpha-2) only serves the warnings about odd places. ``mapping`` is source column to field.
    """

    partner: str = DEFAULT_PARTNER
    datum: Datum | None = None
    timezone: str | None = None
    country: str | None = None
    id_from: tuple[str, ...] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)


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


def read_stores(table: Table, *, options: StoreOptions) -> Iterator[ReadRow]:
    """Yield every row of the table in its order: a store, all that is wrong with it, or that it says nothing here.

    The table is streamed twice, first to see in which country and regions its stores lie. Of two rows with one
    store id the first stands. Raises FileProblem at once when columns or options cannot be; a problem of the file
    while it is read comes from the iterator.
    """
    matched = match_store_columns(table, options=options)
    if options.timezone is not None:
        try:
            timezone_name(options.timezone)
        except BadValueError as bad:
            raise FileProblem(bad.code, bad.message, (PlaceProblem("parameter timezone", bad.message),)) from None
    return _rows(table, matched, options)


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


def _rows(table: Table, matched: MatchedColumns, options: StoreOptions) -> Iterator[ReadRow]:
    reading = _Reading(matched, options, decimal_comma=table.decimal_comma)
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
        short = short_row(row, columns=matched.columns, required=required)
        if isinstance(short, RowProblem):
            yield RowProblems(row.row_no, (short,), short.raw)
            continue
        result = reading.read(row, [short] if short else [])
        if isinstance(result, StoreRow):
            first = first_rows.setdefault(result.store.store_id, row.row_no)
            if first != row.row_no:
                column = matched.name_of("store_id")
                message = f"row {first} has the same store id, {shown(result.store.store_id)}"
                problem = RowProblem(row.row_no, column, "duplicate_store", message, result.raw)
                result = RowProblems(row.row_no, (problem,), result.raw)
        yield result


class _Reading:
    """How one file's rows are read: its columns, the options, and what the survey saw."""

    def __init__(self, matched: MatchedColumns, options: StoreOptions, *, decimal_comma: bool) -> None:
        self._matched = matched
        self._options = options
        self._decimal_comma = decimal_comma
        self._id_columns = _id_columns(matched, options.id_from)
        self._country: str | None = None
        self._survey = Survey()

    def look_over(self, table: Table) -> None:
        """The first pass: where the rows lie. Rows without a place are not counted."""
        for row in table:
            if not isinstance(row, RawRow):
                continue
            value = _values_of(row, self._matched)
            try:
                # Datums differ by less than two kilometres, which no country or region notices here.
                lat, lon = (self._degrees_of(value.get(name, "")) for name in ("lat", "lon"))
                self._survey.add(LatLon(lat=lat, lon=lon), text_of(value.get("region", "")))
            except (BadValueError, CoordinateError):
                continue
        self._country = self._options.country.upper() if self._options.country else self._survey.country()

    def read(self, row: RawRow, warnings: list[RowWarning]) -> StoreRow | RowProblems:
        """The row as a store, or with all its problems in the order of the fields."""
        value = _values_of(row, self._matched)
        raw = self._matched.own_part(row.cells)
        problems: list[RowProblem] = []

        def take[T](name: str, parse: Callable[[str], T]) -> T | None:
            text = value.get(name, "")
            try:
                if isinstance(text, Unreadable):
                    raise text.refusal()
                return parse(text) if trimmed(text) else None
            except BadValueError as bad:
                column = bad.column or self._matched.name_of(name)
                problems.append(RowProblem(row.row_no, column, bad.code, bad.message, raw))
                return None

        def warn(name: str, code: str, message: str) -> None:
            warnings.append(RowWarning(row.row_no, self._matched.name_of(name), code, message))

        def fault(name: str, code: str, message: str) -> None:
            problems.append(RowProblem(row.row_no, self._matched.name_of(name), code, message, raw))

        def whole(high: int) -> Callable[[str], int]:
            return lambda text: whole_of(text, low=0, high=high, decimal_comma=self._decimal_comma)

        store_id = self._store_id(row, value, fault)
        datum = take("datum", _datum_of) or self._options.datum
        place = self._place(value, datum, take, fault)
        fields: dict[str, Any] = {name: take(name, text_of) for name in _TEXT_FIELDS}
        fields |= {name: take(name, whole(MAX_DURATION_S)) for name in _SECONDS_FIELDS}
        fields["max_open_orders"] = take("max_open_orders", whole(MAX_OPEN_ORDERS))
        fields["opening_hours"] = take("opening_hours", _hours_of)
        fields["delivery_radius_m"] = take("delivery_radius_m", self._radius_of)
        fields["mode"] = take("mode", _mode_of)
        zone = take("delivery_zone", lambda text: _zone_of(text, datum))
        partner = take("partner", _partner_of) or self._options.partner
        timezone = take("timezone", timezone_name) or self._options.timezone
        active = take("active", flag_of)
        if problems or place is None or store_id is None:
            return RowProblems(row.row_no, tuple(problems), raw)
        self._warn_of_place(place, fields["region"], warn)
        if zone is not None and not covers(zone, place):
            warn("delivery_zone", "outside_own_zone", "the store lies outside its own delivery zone")
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

    def _store_id(self, row: RawRow, value: Mapping[str, str], fault: Callable[[str, str, str], None]) -> str | None:
        try:
            if self._id_columns:
                return stable_id([row.cells[i] if i < len(row.cells) else "" for i in self._id_columns])
            return identifier_of(value.get("store_id", ""), field="store_id", max_chars=MAX_STORE_ID_CHARS)
        except BadValueError as bad:
            fault("store_id", bad.code, bad.message)
            return None

    def _place(
        self,
        value: Mapping[str, str],
        datum: Datum | None,
        take: Callable[[str, Callable[[str], float]], float | None],
        fault: Callable[[str, str, str], None],
    ) -> LatLon | None:
        """The place in WGS84, or None with the fault told."""
        for name in ("lat", "lon"):
            if not trimmed(value.get(name, "")):
                fault(name, f"{name}_missing", f"no {'latitude' if name == 'lat' else 'longitude'}")
        lat = take("lat", self._degrees_of)
        lon = take("lon", self._degrees_of)
        if lat is None or lon is None:
            return None
        try:
            place = LatLon(lat=lat, lon=lon)
            if datum is None and in_mainland_china(place):
                message = "the place is in mainland China: say whether its datum is wgs84, gcj02 or bd09"
                fault("lat", "datum_required", message)
                return None
            return to_wgs84(place, datum) if datum is not None else place
        except CoordinateError as error:
            fault("lat", error.code, str(error))
            return None

    def _warn_of_place(self, place: LatLon, region: str | None, warn: Callable[[str, str, str], None]) -> None:
        if self._country is not None:
            there = country_of(place)
            if probably_swapped(place, self._country):
                message = f"the place is outside {self._country}, but inside with lat and lon swapped"
                warn("lat", "maybe_swapped", message)
            elif there != self._country:
                warn("lat", "outside_country", f"the place is in {there or 'no country'}, not in {self._country}")
        if region is not None and self._survey.alone_in_region(place, region):
            message = f"no other store of {shown(region)} in this file lies within {ALONE_M / 1000.0:.0f} km"
            warn("lat", "far_from_region", message)

    def _degrees_of(self, text: str) -> float:
        return degrees_of(text, decimal_comma=self._decimal_comma)

    def _radius_of(self, text: str) -> float:
        radius_m = float(decimal_of(text, decimal_comma=self._decimal_comma))
        if not 0.0 < radius_m <= MAX_DELIVERY_RADIUS_M:
            message = f"{shown(text)} is not above 0 and at most {MAX_DELIVERY_RADIUS_M:.0f}"
            raise BadValueError("number_out_of_range", message)
        return radius_m


def _values_of(row: RawRow, matched: MatchedColumns) -> dict[str, str]:
    cells = row.cells
    return {name: cells[index] for name, index in matched.index_by_field.items() if index < len(cells)}


def _datum_of(text: str) -> Datum:
    folded = re.sub(r"[\s_-]", "", unicodedata.normalize("NFKC", text).casefold())
    try:
        return Datum(folded)
    except ValueError:
        raise BadValueError("datum_invalid", f"{shown(text)} is none of {', '.join(Datum)}") from None


def _mode_of(text: str) -> Mode:
    try:
        return Mode(trimmed(text).casefold())
    except ValueError:
        raise BadValueError("mode_invalid", f"{shown(text)} is none of {', '.join(Mode)}") from None


def _partner_of(text: str) -> str | None:
    if trimmed(text).casefold() in NOTHING:
        return None
    try:
        return identifier_of(text, field="partner", max_chars=MAX_STORE_ID_CHARS)
    except BadValueError as bad:
        raise BadValueError("partner_invalid", bad.message) from None


@lru_cache(maxsize=4096)
def _checked_hours(text: str) -> str | None:
    """None when the hours can be read, else why not, on one line."""
    try:
        check_opening_hours(text)
    except HoursError as error:
        return f"{shown(text)}: {error}"[:_MAX_MESSAGE_CHARS]
    return None


def _hours_of(text: str) -> str | None:
    hours = text_of(text)
    if hours is not None and (fault := _checked_hours(hours)) is not None:
        raise BadValueError("opening_hours_invalid", fault)
    return hours


def _zone_of(text: str, datum: Datum | None) -> BaseGeometry | None:
    if trimmed(text).casefold() in NOTHING:
        return None
    try:
        return zone_to_wgs84(parse_zone(trimmed(text)), datum or Datum.WGS84)
    except (ZoneError, CoordinateError) as error:
        raise BadValueError("delivery_zone_invalid", str(error)[:_MAX_MESSAGE_CHARS]) from None
