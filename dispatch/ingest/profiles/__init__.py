"""Which columns of a file mean which field: names listed in TOML files beside this one, and a mapping by hand."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from dispatch.ingest.problems import FileProblem, PlaceProblem

IGNORE: Final = "-"
"""A column mapped to this is not read, whatever its name."""

_MAX_NAMED_COLUMNS: Final = 30
_ID_FIELDS: Final = frozenset({"store_id", "sku", "barcode"})


@dataclass(frozen=True, slots=True)
class Profile:
    """The fields of one kind of file, and every name each is known by (folded, the field's own name among them)."""

    kind: str
    fields: frozenset[str]
    field_by_name: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MatchedColumns:
    """The index of the column of each field found, and the columns that no field was found for, in their order."""

    columns: tuple[str, ...]
    index_by_field: Mapping[str, int]
    ignored: tuple[str, ...]

    def name_of(self, field: str) -> str:
        """The column as the file names it; the field's own name where the file has no such column."""
        index = self.index_by_field.get(field)
        return field if index is None else self.columns[index]


def fold_name(name: str) -> str:
    """The name without what people vary in it: case, width, spaces, underscores, hyphens."""
    return re.sub(r"[\s_\-\u200b\ufeff]+", "", unicodedata.normalize("NFKC", name).casefold())


@cache
def load_profile(kind: str) -> Profile:
    """The profile ``stores`` or ``stock``. A name listed under two fields is a fault of the list: ValueError."""
    listed = tomllib.loads(files(__name__).joinpath(f"{kind}.toml").read_text(encoding="utf-8"))
    field_by_name: dict[str, str] = {}
    for field, names in listed["names"].items():
        for name in {fold_name(field), *map(fold_name, names)}:
            if field_by_name.setdefault(name, field) != field:
                raise ValueError(f"{kind}.toml: {name!r} is listed under {field_by_name[name]} and {field}")
    return Profile(kind, frozenset(listed["names"]), field_by_name)


def is_known_name(name: str) -> bool:
    """Whether any profile knows the column name."""
    folded = fold_name(name)
    return any(folded in load_profile(kind).field_by_name for kind in ("stores", "stock"))


def is_id_name(name: str) -> bool:
    """Whether any profile knows the column name as that of a store or of goods."""
    folded = fold_name(name)
    return any(load_profile(kind).field_by_name.get(folded) in _ID_FIELDS for kind in ("stores", "stock"))


def match_columns(profile: Profile, columns: Sequence[str], *, mapping: Mapping[str, str]) -> MatchedColumns:
    """Find the column of each field. ``mapping`` (source column to field, or to IGNORE) goes before every name.

    Of several columns for one field, the mapped one wins, then the one with the field's own name.
    Raises FileProblem: ``field_unknown``, ``column_missing`` for a mapped column that is not there,
    ``column_twice`` when two columns mean one field and neither wins.
    """
    field_by_mapped = _folded_mapping(profile, columns, mapping)
    claims: dict[str, list[tuple[int, int]]] = {}
    ignored: list[str] = []
    for index, column in enumerate(columns):
        folded = fold_name(column)
        field = field_by_mapped.get(folded) or profile.field_by_name.get(folded)
        if field is None or field == IGNORE:
            if column.strip():
                ignored.append(column)
            continue
        rank = 0 if folded in field_by_mapped else 1 if folded == fold_name(field) else 2
        claims.setdefault(field, []).append((rank, index))
    index_by_field: dict[str, int] = {}
    for field, claim in claims.items():
        claim.sort()
        if len(claim) > 1 and claim[0][0] == claim[1][0]:
            named = [columns[index] for rank, index in claim if rank == claim[0][0]]
            raise FileProblem(
                "column_twice",
                f"{' and '.join(map(repr, named))} all mean {field}; map all but one of them to '{IGNORE}'",
                tuple(PlaceProblem(f"column {name}", f"means {field}, as another column does") for name in named),
            )
        index_by_field[field] = claim[0][1]
        ignored += [columns[index] for _, index in claim[1:]]
    return MatchedColumns(tuple(columns), index_by_field, tuple(ignored))


def missing_columns(names: Sequence[str], columns: Sequence[str], *, mend: str = "") -> FileProblem:
    """The problem ``column_missing`` that tells which columns lack and what the header has instead."""
    found = ", ".join(column or "''" for column in columns[:_MAX_NAMED_COLUMNS])
    return FileProblem(
        "column_missing",
        f"no column for {', '.join(names)}; the header has: {found}{mend}",
        tuple(PlaceProblem(f"column {name}", "is required and not in the header") for name in names),
    )


def _folded_mapping(profile: Profile, columns: Sequence[str], mapping: Mapping[str, str]) -> dict[str, str]:
    present = {fold_name(column) for column in columns}
    lost = [column for column in mapping if fold_name(column) not in present]
    if lost:
        raise missing_columns(lost, columns)
    for column, field in mapping.items():
        if field != IGNORE and field not in profile.fields:
            known = ", ".join(sorted(profile.fields))
            raise FileProblem(
                "field_unknown",
                f"{column!r} is mapped to {field!r}; the fields of {profile.kind} are {known}",
                (PlaceProblem(f"column {column}", f"{field!r} is no field of {profile.kind}"),),
            )
    return {fold_name(column): field for column, field in mapping.items()}
