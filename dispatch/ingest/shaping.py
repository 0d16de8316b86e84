"""What a profile makes of a table before its columns are matched: columns after the file's own, and rows left out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from dispatch.ingest.computing import Plan, is_blank, plan_of
from dispatch.ingest.problems import RowProblem
from dispatch.ingest.profiles import (
    FormatProfile,
    MatchedColumns,
    Profile,
    choose_profile,
    fold_name,
    load_profile,
    match_columns,
    names_of,
)
from dispatch.ingest.tables import PaddedRow, RawRow, RowIgnored, Table
from dispatch.ingest.values import BadValueError


def shape(table: Table, *, kind: str, profile: str | None, now: datetime | None = None) -> Table:
    """The table with what its profile adds to the columns and leaves out of the rows; itself if that is nothing.

    ``profile`` is the name of one or the text of a profile file; None: recognised by the columns. ``now``, with an
    offset, is needed by profiles that compare with it. Raises FileProblem as ``choose_profile`` does, ``datum_twice``.
    """
    chosen = choose_profile(table.columns, kind=kind, asked=profile)
    if chosen is None and kind != "stores":
        return table  # only the names of coordinates tell more than a field, their datum
    names = load_profile(kind) if chosen is None else names_of(chosen)
    plan = plan_of(chosen, names, table.columns, now=now)
    return ShapedTable(table, chosen, names, plan, now) if chosen is not None or plan.computed else table


def matched_columns(
    table: Table, *, kind: str, mapping: Mapping[str, str], said: Collection[str] = ()
) -> MatchedColumns:
    """Which column of the table is which field, by the names of its profile. Raises FileProblem.

    ``said`` are the fields whose value for all rows was said with the import: that goes before a constant of a profile.
    """
    if not isinstance(table, ShapedTable):
        return match_columns(load_profile(kind), table.columns, mapping=mapping)
    sources = {one.field: one.source for one in table.plan_of_rows.computed}
    constants = () if table.profile is None else table.profile.constants
    return match_columns(
        table.names,
        table.columns,
        mapping=mapping,
        own=table.own_columns,
        source_by_field=sources,
        not_computed={field for field in said if field in constants},
    )


@dataclass(frozen=True)
class ShapedTable:
    """A Table with the computed columns of a profile behind its own, each named by its field."""

    source: Table
    profile: FormatProfile | None
    names: Profile
    plan: Plan
    now: datetime | None

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.source.columns, *(one.field for one in self.plan.computed))

    @property
    def own_columns(self) -> int:
        return len(self.source.columns)

    @property
    def decimal_comma(self) -> bool:
        return self.source.decimal_comma

    @property
    def delimiter(self) -> str:
        return self.source.delimiter

    @property
    def about(self) -> Mapping[str, Any]:
        return {**self.source.about, "profile": None if self.profile is None else self.profile.name}

    def __iter__(self) -> Iterator[RawRow | RowProblem | RowIgnored]:
        plan = self.plan_of_rows
        makes = [one.make for one in plan.computed]
        width = self.own_columns
        for row in self.source:
            if not isinstance(row, RawRow):
                yield row
                continue
            cells, found = row.cells, len(row.cells)
            if found < width:
                cells += [""] * (width - found)
            cells += [make(cells) for make in makes]
            told = _judged(plan, row) if plan.judges else None
            if told is not None:
                yield self._bad(row, told) if isinstance(told, BadValueError) else told
            elif found < width:
                yield PaddedRow.of(row, found=found, own=width)
            else:
                yield row

    @cached_property
    def plan_of_rows(self) -> Plan:
        """The plan, by what the rows say: whether any count was edited is known after a look at them."""
        profile = self.profile
        if profile is None or profile.edited is None or not self._is_edited(profile.edited.new):
            return self.plan
        return plan_of(profile, self.names, self.source.columns, now=self.now, edited=True)

    def _is_edited(self, column: str) -> bool:
        folded = [fold_name(name) for name in self.source.columns]
        if fold_name(column) not in folded:
            return False
        at = folded.index(fold_name(column))
        rows = (row.cells for row in self.source if isinstance(row, RawRow))
        return any(len(cells) > at and not is_blank(cells[at]) for cells in rows)

    def _bad(self, row: RawRow, bad: BadValueError) -> RowProblem:
        return RowProblem(row.row_no, bad.column, bad.code, bad.message, tuple(row.cells[: self.own_columns]))


def _judged(plan: Plan, row: RawRow) -> RowIgnored | BadValueError | None:
    for verdict, spares in plan.judges:
        told = verdict(row.cells)
        if told is not None:
            return told if isinstance(told, BadValueError) else RowIgnored(row.row_no, told, row.cells, spares)
    return None
