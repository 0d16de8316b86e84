"""Rows of a table to a partner's items: its own codes, and the sku that each stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from dispatch.domain.items import MAX_PARTNER_CODE_CHARS, MAX_UNITS_PER_CASE, Item
from dispatch.domain.stores import MAX_SKU_CHARS
from dispatch.ingest.problems import FileProblem, RowProblem, RowWarning
from dispatch.ingest.profiles import MatchedColumns, missing_columns
from dispatch.ingest.shaping import matched_columns
from dispatch.ingest.stores import RowProblems
from dispatch.ingest.tables import RawRow, RowIgnored, Table, short_row
from dispatch.ingest.values import NOTHING, BadValueError, identifier_of, shown, text_of, trimmed, whole_of

MAX_ITEMS: Final = 1_000_000
"""Of one file: they are compared with each other, and written in one transaction, so all are in memory at once."""

_REQUIRED: Final = ("partner_code", "sku")


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemOptions:
    """What the import says of all rows. ``mapping`` is source column to field."""

    mapping: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ItemRow:
    """A row that is an item. One that says again what an earlier row says has the earlier row's item."""

    row_no: int
    item: Item
    warnings: tuple[RowWarning, ...]


type ReadItem = ItemRow | RowProblems | RowIgnored


def match_item_columns(table: Table, *, options: ItemOptions) -> MatchedColumns:
    """Which column is which field. Raises FileProblem, also when the partner's code or the sku has no column."""
    matched = matched_columns(table, kind="items", mapping=options.mapping)
    lost = [name for name in _REQUIRED if name not in matched.index_by_field]
    if lost:
        raise missing_columns(lost, table.columns)
    return matched


def read_items(table: Table, *, options: ItemOptions) -> Iterator[ReadItem]:
    """Yield every row of the table in its order: an item, all that is wrong with it, or that it says nothing here.

    Of two rows with one partner code the first stands: the second is bad when it says another sku or another number
    of pieces. Raises FileProblem at once when the columns cannot be; a problem of the file while it is read comes
    from the iterator, and so does ``file_too_large`` at more than MAX_ITEMS codes.
    """
    return _rows(table, match_item_columns(table, options=options))


def _rows(table: Table, matched: MatchedColumns) -> Iterator[ReadItem]:
    required = {matched.index_by_field[name] for name in _REQUIRED}
    firsts: dict[str, tuple[int, Item]] = {}
    for row in table:
        if isinstance(row, RowIgnored):
            yield row
            continue
        if isinstance(row, RowProblem):
            yield RowProblems(row.row_no, (row,), row.raw)
            continue
        short = short_row(row, columns=matched.columns, required=required)
        if isinstance(short, RowProblem):
            yield RowProblems(row.row_no, (short,), short.raw)
            continue
        item = _item_of(row, matched, decimal_comma=table.decimal_comma)
        if isinstance(item, Item):
            first_row, first = firsts.setdefault(item.partner_code, (row.row_no, item))
            if len(firsts) > MAX_ITEMS:
                raise FileProblem(
                    "file_too_large", f"there are more than {MAX_ITEMS:,} items; send them in several files"
                )
            if (first.sku, first.units_per_case) == (item.sku, item.units_per_case):
                yield ItemRow(row.row_no, first, (short,) if short else ())
                continue
            item = (_doubled(row, matched, item, first_row, first),)
        yield RowProblems(row.row_no, item, matched.own_part(row.cells))


def _item_of(row: RawRow, matched: MatchedColumns, *, decimal_comma: bool) -> Item | tuple[RowProblem, ...]:
    """The row as an item, or all its problems in the order of the fields."""
    cells = row.cells
    value = {name: cells[index] for name, index in matched.index_by_field.items() if index < len(cells)}
    problems: list[RowProblem] = []

    def take[T](name: str, parse: Callable[[str], T]) -> T | None:
        try:
            return parse(value.get(name, ""))
        except BadValueError as bad:
            problems.append(
                RowProblem(row.row_no, matched.name_of(name), bad.code, bad.message, matched.own_part(cells))
            )
            return None

    def units_of(text: str) -> int:
        if trimmed(text).casefold() in NOTHING:
            return 1
        return whole_of(text, low=1, high=MAX_UNITS_PER_CASE, decimal_comma=decimal_comma)

    code = take(
        "partner_code",
        lambda text: identifier_of(text, field="partner_code", max_chars=MAX_PARTNER_CODE_CHARS, slash=True),
    )
    sku = take("sku", lambda text: identifier_of(text, field="sku", max_chars=MAX_SKU_CHARS, slash=True))
    name = take("name", text_of)
    units = take("units_per_case", units_of)
    if code is None or sku is None or units is None or problems:
        return tuple(problems)
    return Item(partner_code=code, sku=sku, name=name, units_per_case=units)


def _doubled(row: RawRow, matched: MatchedColumns, item: Item, first_row: int, first: Item) -> RowProblem:
    message = f"row {first_row} says that {shown(item.partner_code)} is {_meaning(first)}, this one {_meaning(item)}"
    return RowProblem(
        row.row_no, matched.name_of("partner_code"), "duplicate_item", message, matched.own_part(row.cells)
    )


def _meaning(item: Item) -> str:
    return shown(item.sku) if item.units_per_case == 1 else f"{item.units_per_case} of {shown(item.sku)}"
