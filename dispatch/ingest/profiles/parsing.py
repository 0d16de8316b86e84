"""A profile file: what it may say, and what is wrong with one that says something else."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Annotated, Final

import msgspec

from dispatch.ingest.problems import IGNORED_CODES
from dispatch.ingest.profiles.names import Profile, fold_name, kinds, load_profile

type Columns = Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=40)]

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_DAYS: Final = 7


class ProfileError(ValueError):
    """A profile file that cannot be; the message names the line or the key, and what may stand there."""


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of a profile file; a key that is not listed is an error."""


class Header(_Part, frozen=True, kw_only=True):
    """A header that tells the format: ``all`` of these columns are there, one of ``any``, and none of ``none``."""

    all: Columns
    any: tuple[str, ...] = ()
    none: tuple[str, ...] = ()


class Refusal(Header, frozen=True, kw_only=True):
    """A layout of the format that cannot be read; ``mend`` says what can."""

    mend: str


class Join(_Part, frozen=True, kw_only=True):
    """A value of several columns, in this order, empty ones left out; the column ``whole`` if it is not empty."""

    columns: Columns
    between: str = ", "
    whole: str | None = None


class JoinedId(_Part, frozen=True, kw_only=True):
    """An id of several columns, none of them empty; a slash in it becomes a hyphen, as ids of stores have none."""

    columns: Columns
    between: str = "-"


class SplitPrice(_Part, frozen=True, kw_only=True):
    """A price with its currency in one value, ``29.99 USD`` or ``USD 29.99``."""

    column: str


class OnHandByValue(_Part, frozen=True, kw_only=True):
    """The number in ``quantity``, else what the word in ``column`` counts as; a word that is not listed is no count."""

    column: str
    quantity: str | None = None
    counts: dict[str, Annotated[int, msgspec.Meta(ge=0)]]


class Edited(_Part, frozen=True, kw_only=True):
    """Counts edited by hand: ``new`` counts once the file has any value there, and a row without one is left out."""

    current: str
    new: str


class Hours(_Part, frozen=True, kw_only=True):
    """Hours of the week, ``days`` from Monday to Sunday, and of single dates."""

    days: Annotated[tuple[str, ...], msgspec.Meta(min_length=_DAYS, max_length=_DAYS)]
    special: str | None = None


class RowRule(_Part, frozen=True, kw_only=True):
    """Rows that count (``keep``) or do not (``skip``) by the value of a column; others are ignored with ``reason``.

    ``spares``: a snapshot leaves the shelf row that such a row names as it was.
    """

    column: str
    values: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    reason: str = "left_out_by_profile"
    spares: bool = False


class FilledRule(_Part, frozen=True, kw_only=True):
    """Rows with a value in any of the ``columns`` count."""

    columns: Columns
    reason: str = "left_out_by_profile"
    spares: bool = False


class MomentRule(_Part, frozen=True, kw_only=True):
    """Rows whose moment in ``column`` has come, or is empty, count."""

    column: str
    reason: str = "left_out_by_profile"
    spares: bool = False


class FormatProfile(_Part, frozen=True, kw_only=True):
    """What a profile file says. Keys of ``names``, ``first``, ``constants`` and ``join`` are fields of the kind."""

    name: str
    kind: str
    title: str
    source: str | None = None
    general_names: bool = True
    detect: tuple[Header, ...] = ()
    refuse: tuple[Refusal, ...] = ()
    names: dict[str, Columns] = {}
    first: dict[str, Columns] = {}
    constants: dict[str, str] = {}
    join: dict[str, Join] = {}
    id: JoinedId | None = None
    split_price: SplitPrice | None = None
    on_hand_by_value: OnHandByValue | None = None
    edited: Edited | None = None
    hours: Hours | None = None
    keep: tuple[RowRule, ...] = ()
    skip: tuple[RowRule, ...] = ()
    keep_filled: FilledRule | None = None
    not_later_than_now: MomentRule | None = None

    def computed(self) -> Iterator[tuple[str, str]]:
        """Each field that is computed, and the key of the profile that says how."""
        for key in ("first", "constants", "join"):
            yield from ((field, f"{key}.{field}") for field in getattr(self, key))
        for key, fields in (
            ("id", ("store_id",)),
            ("split_price", ("price", "currency")),
            ("on_hand_by_value", ("on_hand",)),
            ("edited", ("on_hand",)),
            ("hours", ("opening_hours",)),
        ):
            if getattr(self, key) is not None:
                yield from ((field, key) for field in fields)

    def needed(self) -> tuple[str, ...]:
        """The columns without which nobody could tell which rows count."""
        rules = [rule.column for rule in (*self.keep, *self.skip) if rule.column not in dict(self.computed())]
        moment = [self.not_later_than_now.column] if self.not_later_than_now else []
        return (*rules, *moment, *([self.edited.current] if self.edited else []))

    def known_columns(self) -> Iterator[str]:
        """The columns that the format always has, or that it names for a field."""
        for header in self.detect:
            yield from header.all
        for columns in (*self.names.values(), *self.first.values()):
            yield from columns


def parse_profile(text: str) -> FormatProfile:
    """The profile that a file says. Raises ProfileError for what is no TOML, or says what a profile cannot say."""
    try:
        profile = msgspec.convert(tomllib.loads(text), FormatProfile)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"this is not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise ProfileError(_told(str(error), text)) from None
    for key, fault in _faults(profile):
        raise ProfileError(f"{_placed(key, text)}: {fault}")
    return profile


def names_of(profile: FormatProfile) -> Profile:
    """The names that the profile and, unless it goes without them, its kind have for the fields."""
    general = load_profile(profile.kind)
    own = {fold_name(column): field for field, columns in profile.names.items() for column in columns}
    field_by_name = {**general.field_by_name, **own} if profile.general_names else own
    return Profile(general.kind, general.fields, field_by_name, frozenset(own), general.last_resort - own.keys())


def _faults(profile: FormatProfile) -> Iterator[tuple[str, str]]:
    """Each key of the profile that is wrong, and how."""
    if not _NAME.fullmatch(profile.name):
        yield "name", f"{profile.name!r} is not of a-z, 0-9 and _, beginning with a letter"
    if profile.kind not in kinds():
        yield "kind", f"{profile.kind!r} is none of {', '.join(kinds())}"
        return
    fields = load_profile(profile.kind).fields
    known = ", ".join(sorted(fields))
    named = [(field, f"names.{field}") for field in profile.names]
    how_by_field: dict[str, str] = {}
    for field, key in (*named, *profile.computed()):
        if field not in fields:
            yield key, f"{field!r} is no field of {profile.kind}, which has {known}"
        if not key.startswith("names.") and how_by_field.setdefault(field, key) != key:
            yield key, f"{field} is made by {how_by_field[field]} already"
    field_by_column: dict[str, str] = {}
    for field, columns in profile.names.items():
        for column in columns:
            if field_by_column.setdefault(fold_name(column), field) != field:
                yield f"names.{field}", f"{column!r} is listed under {field_by_column[fold_name(column)]} already"
    rules = (
        *(("keep", rule) for rule in profile.keep),
        *(("skip", rule) for rule in profile.skip),
        ("keep_filled", profile.keep_filled),
        ("not_later_than_now", profile.not_later_than_now),
    )
    for key, rule in rules:
        if rule is not None and rule.reason not in IGNORED_CODES:
            yield f"{key}.reason", f"{rule.reason!r} is none of {', '.join(sorted(IGNORED_CODES))}"


def _told(message: str, text: str) -> str:
    """What msgspec says of a wrong key or value, in our words and with its line."""
    what, _, path = message.partition(" - at `$")
    key = re.sub(r"\[(\d+|\.\.\.)\]", "", path.rstrip("`")).strip(".")
    if unknown := re.search(r"unknown field `(.*)`", what):
        return f"{_placed(f'{key}.{unknown[1]}'.strip('.'), text)}: is no key of a profile"
    if missing := re.search(r"missing required field `(.*)`", what):
        return f"{_placed(key, text) if key else 'the profile'}: {missing[1]} is missing"
    return f"{_placed(key, text)}: {what[:1].lower()}{what[1:]}".replace("`", "")


def _placed(key: str, text: str) -> str:
    """The key, with the first line that has its last part as a key or as a table where there is one."""
    last = re.escape(key.rpartition(".")[2])
    wanted = re.compile(rf"\s*(\[+[^\]]*\b{last}\s*\]|[\"']?{last}[\"']?\s*=|.*[{{,]\s*[\"']?{last}[\"']?\s*=)")
    for line_no, line in enumerate(text.splitlines(), start=1):
        if wanted.match(line):
            return f"{key} (line {line_no})"
    return key
