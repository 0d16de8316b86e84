"""Small files for the tests of imports, and what is made of them."""

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dispatch.domain.items import Item
from dispatch.ingest.formats import Names, open_source
from dispatch.ingest.formats.delimited import CsvTable
from dispatch.ingest.problems import RowProblem, RowWarning
from dispatch.ingest.profiles import is_id_name, is_known_name
from dispatch.ingest.stock import StockBatch, StockOptions, StoreRef, read_stock
from dispatch.ingest.stores import RowProblems, StoreOptions, StoreRow, read_stores
from dispatch.ingest.tables import RawRow, RowIgnored, Table

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
STORES = {
    "A1": StoreRef("Asia/Taipei", "default"),
    "007": StoreRef("Asia/Taipei", "default"),
    "NY": StoreRef("America/New_York", "default"),
    "B1": StoreRef("Asia/Taipei", "other"),
    "0042": StoreRef("Asia/Taipei", "default"),
    "042": StoreRef("Asia/Taipei", "default"),
}


@dataclass(frozen=True)
class ListTable:
    """A table in memory, as the reader of any format might give it; its first row has the number 2."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    delimiter: str = ","

    @property
    def own_columns(self) -> int:
        return len(self.columns)

    @property
    def decimal_comma(self) -> bool:
        return False

    @property
    def about(self) -> Mapping[str, Any]:
        return {"format": "json"}

    def __iter__(self) -> Iterator[RawRow | RowProblem | RowIgnored]:
        for row_no, cells in enumerate(self.rows, start=2):
            yield RawRow(row_no, list(cells))


def written(path: Path, text: str | bytes, *, encoding: str = "utf-8") -> Path:
    """The file, made with exactly these bytes, or with this text in the encoding."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def archive(parts: Mapping[str, str]) -> bytes:
    """A ZIP archive of these parts."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as package:
        for name, text in parts.items():
            package.writestr(name, text)
    return content.getvalue()


NAMES = Names(is_known_name, is_id_name)


def open_any(path: Path, *, encoding: str | None = None, sheet: str | None = None) -> Table:
    """The file as a table, whatever it is, before any profile."""
    return open_source(path, encoding=encoding, sheet=sheet, names=NAMES)


def open_table(path: Path, *, encoding: str | None = None) -> CsvTable:
    """The delimited file as a table, before any profile."""
    table = open_any(path, encoding=encoding)
    assert isinstance(table, CsvTable)
    return table


def opened(folder: Path, text: str | bytes, *, encoding: str = "utf-8") -> CsvTable:
    """A table of the text."""
    return open_table(written(folder / "table.csv", text, encoding=encoding))


def cells_of(table: Table) -> list[tuple[int, list[str]]]:
    """Row number and values of the rows that could be taken apart."""
    return [(row.row_no, row.cells) for row in table if isinstance(row, RawRow)]


def problems_of(table: Table) -> list[tuple[int, str]]:
    """Row number and code of the rows that could not."""
    return [(row.row_no, row.code) for row in table if isinstance(row, RowProblem)]


def ignored_of(table: Table) -> list[tuple[int, str]]:
    """Row number and reason of the rows that say nothing."""
    return [(row.row_no, row.reason) for row in table if isinstance(row, RowIgnored)]


def dicts_of(table: Table) -> list[dict[str, str]]:
    """The good rows by column."""
    return [dict(zip(table.columns, cells, strict=True)) for _, cells in cells_of(table)]


class StoresRead:
    """All that read_stores yields, sorted out."""

    def __init__(self, table: Table, options: StoreOptions | None = None) -> None:
        self.results = list(read_stores(table, options=options or StoreOptions()))
        self.rows = [row for row in self.results if isinstance(row, StoreRow)]
        self.stores = [row.store for row in self.rows]
        self.problems = [one for row in self.results if isinstance(row, RowProblems) for one in row.problems]
        self.warnings: list[RowWarning] = [warning for row in self.rows for warning in row.warnings]


def stock_batch(
    table: Table,
    options: StockOptions | None = None,
    *,
    stores: Mapping[str, StoreRef] = STORES,
    items: Mapping[str, Item] = MappingProxyType({}),
    known_skus: frozenset[str] = frozenset(),
) -> StockBatch:
    """All rows of a small table of stock as one batch."""
    options = options or StockOptions(now=NOW, as_of=NOW)
    batches = list(read_stock(table, options=options, stores=stores, items=items, known_skus=known_skus))
    assert len(batches) <= 1
    return batches[0] if batches else StockBatch()
