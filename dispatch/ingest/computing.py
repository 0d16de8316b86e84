"""What a profile makes of a row: the values of its computed columns, and whether the row counts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial
from typing import Final, NamedTuple

from dispatch.ingest.problems import FileProblem, PlaceProblem
from dispatch.ingest.profiles import FormatProfile, Profile, field_of, fold_name, without_note
from dispatch.ingest.values import NOTHING, BadValueError, Unreadable, shown, trimmed
from dispatch.ingest.week_hours import opening_hours_of
from geo.datums import Datum

type Make = Callable[[Sequence[str]], str]

# Prices, words and hours repeat, so each is taken apart once.
_REMEMBERED: Final = 50_000
_PRICE: Final = re.compile(
    r"(?:(?P<before>[A-Za-z]{3})\s*)?(?P<number>[+-]?[0-9][0-9.,]*)(?:\s*(?P<after>[A-Za-z]{3}))?"
)
_DATUM_BY_NOTE: Final = {
    **dict.fromkeys(("wgs84", "wgs1984", "epsg4326", "gps"), Datum.WGS84),
    **dict.fromkeys(("gcj02", "gcj", "火星", "高德", "腾讯", "騰訊", "amap"), Datum.GCJ02),
    **dict.fromkeys(("bd09", "bd09ll", "百度", "baidu"), Datum.BD09),
}
_NOTE_ENDING: Final = re.compile("坐标系$|座標系$|坐标$|座標$|地图$|地圖$|经纬度$|經緯度$")


class Computed(NamedTuple):
    """A computed column: its field, the first of the columns it is made from, how."""

    field: str
    source: str
    make: Make


class Judge(NamedTuple):
    """What the values of a row, the computed ones behind the file's own, say of whether it counts.

    None: it does; a code: it is ignored for that; else what is wrong with it.
    """

    verdict: Callable[[Sequence[str]], str | BadValueError | None]
    spares: bool


class Plan(NamedTuple):
    """What to do with each row of one table."""

    computed: tuple[Computed, ...]
    judges: tuple[Judge, ...]


def plan_of(
    profile: FormatProfile | None,
    names: Profile,
    columns: Sequence[str],
    *,
    now: datetime | None,
    edited: bool = False,
) -> Plan:
    """The plan for a table with these columns; empty when there is nothing to do.

    A column is computed if the file has any of those that it is made from. ``edited``: the new counts are what counts.
    Raises FileProblem ``datum_twice``; ValueError when the profile asks for a ``now`` that is not given.
    """
    at = _Places(columns)
    computed = [*_computed(profile, names, at, edited=edited)] if profile is not None else []
    if not any(one.field == "datum" for one in computed) and (datum := _datum_of_header(names, columns)) is not None:
        computed.append(Computed("datum", "datum", _constant(datum, at.of_field(names, "datum"))))
    judges = [*_judges(profile, at, [one.field for one in computed], now, edited=edited)] if profile is not None else []
    return Plan(tuple(computed), tuple(judges))


def is_blank(text: str) -> bool:
    """Whether the table says nothing there."""
    return not text.isdecimal() and trimmed(text).casefold() in NOTHING


class _Places:
    """Where the columns are, by their names as people vary them."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self._by_name = {fold_name(column): index for index, column in reversed(list(enumerate(columns)))}

    def __getitem__(self, name: str) -> int | None:
        return self._by_name.get(fold_name(name))

    def of(self, names: Sequence[str]) -> list[int]:
        """The indices of those that are there, in their order."""
        return [index for name in names if (index := self[name]) is not None]

    def of_field(self, names: Profile, field: str) -> int | None:
        """The first column that means the field."""
        return next((index for index, column in enumerate(self.columns) if field_of(names, column) == field), None)


def _computed(profile: FormatProfile, names: Profile, at: _Places, *, edited: bool) -> Iterator[Computed]:
    def made(field: str, wanted: Sequence[str], make: Callable[[list[int]], Make]) -> Iterator[Computed]:
        if indices := at.of(wanted):
            yield Computed(field, at.columns[indices[0]], make(indices))

    for field, wanted in profile.first.items():
        yield from made(field, (field, *(name for name in wanted if fold_name(name) != fold_name(field))), _first)
    for field, value in profile.constants.items():
        own = at.of_field(names, field)
        yield Computed(field, field if own is None else at.columns[own], _constant(value, own))
    for field, join in profile.join.items():
        whole = at.of([field, *([join.whole] if join.whole is not None else [])])
        if parts := at.of(join.columns) or whole:
            yield Computed(field, at.columns[[*whole, *parts][0]], _joined(parts, join.between, whole))
    if (joined := profile.id) is not None and len(at.of(joined.columns)) == len(joined.columns):
        yield from made("store_id", joined.columns, partial(_id, between=joined.between))
    if (split := profile.split_price) is not None:
        yield from made("price", [split.column], lambda indices: _price(indices[0]))
        currency = at.of_field(names, "currency")
        yield from made("currency", [split.column], lambda indices: _currency(indices[0], currency))
    if (valued := profile.on_hand_by_value) is not None:
        sources = [*([valued.quantity] if valued.quantity is not None else []), valued.column]
        counts = {fold_name(word): str(count) for word, count in valued.counts.items()}
        quantity = at[valued.quantity] if valued.quantity is not None else None
        mend = f"fill in {valued.quantity}, or " if valued.quantity is not None else ""
        mend += "say in a profile what it counts as"
        yield from made("on_hand", sources, lambda _: _on_hand(at, quantity, at[valued.column], counts, mend))
    if (edit := profile.edited) is not None:
        column = at[edit.new if edited else edit.current]
        if column is not None:
            yield Computed("on_hand", at.columns[column], _first([column]))
    if (hours := profile.hours) is not None:
        yield from made("opening_hours", hours.days, lambda _: _hours(at, hours.days, hours.special))


def _first(indices: Sequence[int]) -> Make:
    if len(indices) == 1:
        [only] = indices
        return lambda cells: cells[only]
    return lambda cells: next((cells[index] for index in indices if not is_blank(cells[index])), "")


def _constant(value: str, own: int | None) -> Make:
    if own is None:
        return lambda cells: value
    return lambda cells: value if is_blank(cells[own]) else cells[own]


def _joined(indices: Sequence[int], between: str, whole: Sequence[int]) -> Make:
    def make(cells: Sequence[str]) -> str:
        for index in whole:
            if not is_blank(cells[index]):
                return cells[index]
        return between.join(trimmed(cells[index]) for index in indices if not is_blank(cells[index]))

    return make


def _id(indices: Sequence[int], *, between: str) -> Make:
    def make(cells: Sequence[str]) -> str:
        parts = [trimmed(cells[index]) for index in indices]
        return "" if any(map(is_blank, parts)) else between.join(parts).replace("/", "-")

    return make


@lru_cache(_REMEMBERED)
def _split_price(text: str) -> tuple[str, str]:
    """The number and the currency, "" where none is told; a text of another form is left for the field to refuse."""
    found = _PRICE.fullmatch(trimmed(text))
    if found is None or (found["before"] and found["after"]):
        return text, ""
    return found["number"], (found["before"] or found["after"] or "").upper()


def _price(index: int) -> Make:
    return lambda cells: _split_price(cells[index])[0]


def _currency(index: int, own: int | None) -> Make:
    if own is None:
        return lambda cells: _split_price(cells[index])[1]
    return lambda cells: _split_price(cells[index])[1] or cells[own]


def _on_hand(at: _Places, quantity: int | None, column: int | None, counts: Mapping[str, str], mend: str) -> Make:
    if column is None:
        return _first([quantity or 0])
    name = at.columns[column]

    @lru_cache(_REMEMBERED)
    def counted(word: str) -> str:
        if is_blank(word):
            return ""
        count = counts.get(fold_name(word))
        if count is None:
            why = BadValueError("on_hand_missing", f"{shown(word)} is no quantity: {mend}", name)
            return Unreadable(word, why)
        return count

    if quantity is None:
        return lambda cells: counted(cells[column])
    return lambda cells: counted(cells[column]) if is_blank(cells[quantity]) else cells[quantity]


def _hours(at: _Places, days: Sequence[str], special: str | None) -> Make:
    places = [at[name] for name in days]
    special_at = at[special] if special is not None else None
    columns = [name if index is None else at.columns[index] for name, index in zip(days, places, strict=True)]
    columns.append(at.columns[special_at] if special_at is not None else special or "")

    @lru_cache(_REMEMBERED)
    def read(said: tuple[str, ...]) -> str:
        try:
            return opening_hours_of(said[:-1], said[-1], columns=columns)
        except BadValueError as bad:
            return Unreadable("; ".join(filter(None, said)), bad)

    return lambda cells: read(tuple("" if index is None else cells[index] for index in (*places, special_at)))


def _judges(
    profile: FormatProfile, at: _Places, computed: Sequence[str], now: datetime | None, *, edited: bool
) -> Iterator[Judge]:
    for rule, keeps in (*((rule, True) for rule in profile.keep), *((rule, False) for rule in profile.skip)):
        index = at[rule.column]
        if index is None and rule.column in computed:
            index = len(at.columns) + computed.index(rule.column)
        if index is not None:
            yield Judge(_by_value(index, rule.values, rule.reason, keeps=keeps), rule.spares)
    if (filled := profile.keep_filled) is not None:
        yield Judge(_by_filled(at.of(filled.columns), filled.reason), filled.spares)
    if (due := profile.not_later_than_now) is not None and (index := at[due.column]) is not None:
        if now is None:
            raise ValueError(f"the profile {profile.name} must know what time it is")
        yield Judge(_by_moment(index, due.column, due.reason, now), due.spares)
    if edited and profile.edited is not None and (index := at[profile.edited.new]) is not None:
        yield Judge(_by_filled([index], "left_blank"), spares=True)


def _by_value(index: int, values: Sequence[str], reason: str, *, keeps: bool) -> Callable[[Sequence[str]], str | None]:
    listed = {fold_name(value) for value in values}

    @lru_cache(_REMEMBERED)
    def verdict(text: str) -> str | None:
        return None if (("" if is_blank(text) else fold_name(text)) in listed) == keeps else reason

    return lambda cells: verdict(cells[index])


def _by_filled(indices: Sequence[int], reason: str) -> Callable[[Sequence[str]], str | None]:
    return lambda cells: reason if all(is_blank(cells[index]) for index in indices) else None


def _by_moment(
    index: int, column: str, reason: str, now: datetime
) -> Callable[[Sequence[str]], str | BadValueError | None]:
    @lru_cache(_REMEMBERED)
    def verdict(text: str) -> str | BadValueError | None:
        if is_blank(text):
            return None
        try:
            moment = datetime.fromisoformat(trimmed(text).upper())
            if moment.tzinfo is None:
                raise ValueError("no offset")
        except ValueError:
            message = f"{shown(text)} is no date with a time and an offset such as 2026-11-21T10:00:00Z"
            return BadValueError("as_of_invalid", message, column)
        return None if moment <= now else reason

    return lambda cells: verdict(cells[index])


def _datum_of_header(names: Profile, columns: Sequence[str]) -> Datum | None:
    """The datum that stands in brackets behind the names of latitude and longitude, as in 纬度(GCJ-02)."""
    told: dict[Datum, str] = {}
    for column in columns:
        name, note = without_note(column)
        datum = _DATUM_BY_NOTE.get(_NOTE_ENDING.sub("", note))
        if datum is not None and names.field_by_name.get(name) in ("lat", "lon"):
            told[datum] = column
    if len(told) > 1:
        named = told.values()
        message = f"{' and '.join(map(repr, named))} name two datums; leave the wrong one out of the header"
        raise FileProblem(
            "datum_twice", message, tuple(PlaceProblem(f"column {one}", "names a datum") for one in named)
        )
    return next(iter(told), None)
