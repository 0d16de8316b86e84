"""Which columns of a file mean which field: names listed in TOML files beside this one, and a mapping by hand."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from dispatch.ingest.problems import FileProblem, PlaceProblem

IGNORE: Final = "-"
"""A column mapped to this is not read, whatever its name."""

_MAX_NAMED_COLUMNS: Final = 30
# A unit or a remark: 售价(元), 库存数量（件）, lat [WGS84]. Brackets are those that NFKC leaves.
_NOTE: Final = re.compile(r"[(\[{【〔「]([^)\]}】〕」]*)[)\]}】〕」]")

_MAPPED, _COMPUTED, _OF_FORMAT, _OWN_NAME, _OTHER_NAME, _WITHOUT_NOTE, _LAST_RESORT = range(7)


@dataclass(frozen=True, slots=True)
class Profile:
    """The fields of one kind of file, and every name each is known by (folded, the field's own name among them).

    ``of_format`` are the names that the format of the file gives, which go before the field's own name;
    ``last_resort`` those that count only where a field has no other column.
    """

    kind: str
    fields: frozenset[str]
    field_by_name: Mapping[str, str]
    of_format: frozenset[str] = frozenset()
    last_resort: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class MatchedColumns:
    """The index of the column of each field found, and the columns that no field was found for, in their order.

    The first ``own`` columns are the file's; the others were computed, each from columns of which ``source_by_field``
    has the first.
    """

    columns: tuple[str, ...]
    index_by_field: Mapping[str, int]
    ignored: tuple[str, ...]
    own: int
    source_by_field: Mapping[str, str] = field(default_factory=dict)

    def name_of(self, field: str) -> str:
        """The column as the file names it; the field's own name where the file has no such column."""
        index = self.index_by_field.get(field)
        if index is None:
            return field
        return self.columns[index] if index < self.own else self.source_by_field.get(field, field)

    def own_part(self, cells: Sequence[str]) -> tuple[str, ...]:
        """What the file itself has of the values of a row, or of the columns."""
        return tuple(cells[: self.own])


def fold_name(name: str) -> str:
    """The name without what people vary in it: case, width, spaces, underscores, hyphens."""
    return re.sub(r"[\s_\-\u200b\ufeff]+", "", unicodedata.normalize("NFKC", name).casefold())


def without_note(name: str) -> tuple[str, str]:
    """The name folded without what stands in brackets, and that, folded too; "" where there are none."""
    plain = unicodedata.normalize("NFKC", name)
    notes = "".join(_NOTE.findall(plain))
    return fold_name(_NOTE.sub("", plain)), fold_name(notes)


def names_folder() -> Traversable:
    """Where the lists of names and the profiles lie."""
    return files("dispatch.ingest.profiles")


@cache
def load_profile(kind: str) -> Profile:
    """The general names of a kind. A name listed under two fields is a fault of the list: ValueError."""
    listed = tomllib.loads(names_folder().joinpath(f"{kind}.toml").read_text(encoding="utf-8"))
    field_by_name: dict[str, str] = {}
    last_resort = {fold_name(name) for names in listed.get("last_resort", {}).values() for name in names}
    for table in ("names", "last_resort"):
        for field_name, names in listed.get(table, {}).items():
            for name in {fold_name(field_name), *map(fold_name, names)}:
                if field_by_name.setdefault(name, field_name) != field_name:
                    raise ValueError(f"{kind}.toml: {name!r} is listed under {field_by_name[name]} and {field_name}")
    return Profile(kind, frozenset(listed["names"]), field_by_name, last_resort=frozenset(last_resort))


@cache
def kinds() -> tuple[str, ...]:
    """The kinds of files that have general names."""
    return tuple(kind for kind in ("stores", "stock", "items") if names_folder().joinpath(f"{kind}.toml").is_file())


def field_of(profile: Profile, column: str) -> str | None:
    """The field that a column means by its name alone, with or without what stands in brackets; None: no field."""
    return profile.field_by_name.get(fold_name(column)) or profile.field_by_name.get(without_note(column)[0])


def match_columns(
    profile: Profile,
    columns: Sequence[str],
    *,
    mapping: Mapping[str, str],
    own: int | None = None,
    source_by_field: Mapping[str, str] | None = None,
    not_computed: Collection[str] = (),
) -> MatchedColumns:
    """Find the column of each field. ``mapping`` (source column to field, or to IGNORE) goes before every name.

    Of several columns for one field, the mapped one wins, then a computed one (those from the index ``own`` on, each
    named by its field), then the one that the format names, the one with the field's own name, one with another name,
    one known without its brackets, one that is a last resort. Computed columns in ``not_computed`` are not looked at.
    Raises FileProblem: ``field_unknown``, ``column_missing`` for a mapped column that is not there,
    ``column_twice`` when two columns mean one field and neither wins.
    """
    own = len(columns) if own is None else own
    not_read = {index for index in range(own, len(columns)) if columns[index] in not_computed}
    field_by_mapped = _folded_mapping(profile, columns, mapping, own)
    claims: dict[str, list[tuple[int, int]]] = {}
    ignored: list[str] = []
    for index, column in enumerate(columns):
        claim = _claim(profile, column, field_by_mapped, computed=index >= own) if index not in not_read else None
        if claim is not None:
            claims.setdefault(claim[0], []).append((claim[1], index))
        elif column.strip() and index < own:
            ignored.append(column)
    index_by_field: dict[str, int] = {}
    for field_name, claim_list in claims.items():
        claim_list.sort()
        if len(claim_list) > 1 and claim_list[0][0] == claim_list[1][0]:
            named = [columns[index] for rank, index in claim_list if rank == claim_list[0][0]]
            raise FileProblem(
                "column_twice",
                f"{' and '.join(map(repr, named))} all mean {field_name}; map all but one of them to '{IGNORE}'",
                tuple(PlaceProblem(f"column {name}", f"means {field_name}, as another column does") for name in named),
            )
        index_by_field[field_name] = claim_list[0][1]
        ignored += [columns[index] for _, index in claim_list[1:] if index < own]
    return MatchedColumns(tuple(columns), index_by_field, tuple(ignored), own, source_by_field or {})


def missing_columns(names: Sequence[str], columns: Sequence[str], *, mend: str = "") -> FileProblem:
    """The problem ``column_missing`` that tells which columns lack and what the header has instead."""
    found = ", ".join(column or "''" for column in columns[:_MAX_NAMED_COLUMNS])
    return FileProblem(
        "column_missing",
        f"no column for {', '.join(names)}; the header has: {found}{mend}",
        tuple(PlaceProblem(f"column {name}", "is required and not in the header") for name in names),
    )


def _claim(
    profile: Profile, column: str, field_by_mapped: Mapping[str, str], *, computed: bool
) -> tuple[str, int] | None:
    """The field that a column means, and how well; None for one that means none, or is to be left out."""
    folded = fold_name(column)
    mapped = field_by_mapped.get(folded)
    if mapped == IGNORE:
        return None
    if computed:
        return column, _COMPUTED
    if mapped is not None:
        return mapped, _MAPPED
    found = profile.field_by_name.get(folded)
    if found is None:
        folded = without_note(column)[0]
        found = profile.field_by_name.get(folded)
        return None if found is None else (found, _LAST_RESORT if folded in profile.last_resort else _WITHOUT_NOTE)
    if folded in profile.of_format:
        return found, _OF_FORMAT
    if folded in profile.last_resort:
        return found, _LAST_RESORT
    return found, _OWN_NAME if folded == fold_name(found) else _OTHER_NAME


def _folded_mapping(profile: Profile, columns: Sequence[str], mapping: Mapping[str, str], own: int) -> dict[str, str]:
    present = {fold_name(column) for column in columns}
    lost = [column for column in mapping if fold_name(column) not in present]
    if lost:
        raise missing_columns(lost, columns[:own])
    for column, field_name in mapping.items():
        if field_name != IGNORE and field_name not in profile.fields:
            known = ", ".join(sorted(profile.fields))
            raise FileProblem(
                "field_unknown",
                f"{column!r} is mapped to {field_name!r}; the fields of {profile.kind} are {known}",
                (PlaceProblem(f"column {column}", f"{field_name!r} is no field of {profile.kind}"),),
            )
    return {fold_name(column): field_name for column, field_name in mapping.items()}
