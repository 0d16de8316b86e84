"""Good rows that are summed with a bad one: their sum would be too small, so they wait for it."""

from collections.abc import Iterable, Iterator, Set
from itertools import islice

from dispatch.ingest.problems import RowProblem
from dispatch.ingest.profiles import MatchedColumns
from dispatch.ingest.stock_batches import StockBatch
from dispatch.ingest.tables import RawRow, Table


def rows_of_bad_sums(
    table: Table, matched: MatchedColumns, batches: Iterable[StockBatch], shelves: Set[tuple[str, str]]
) -> Iterator[RowProblem]:
    """A problem for each good row of these shelf rows, (store_id, sku), in the order of the file.

    ``batches`` are the table's, read once more, and the table is read another time: it is rare that there are any.
    """
    waiting = {
        row_no
        for batch in batches
        for row_no, shelf in zip(batch.row_nos, zip(batch.store_ids, batch.skus, strict=True), strict=True)
        if shelf in shelves
    }
    message = "rows of this store and sku are summed, and another of them is bad: mend that one and send both"
    column = matched.name_of("on_hand")
    rows = (row for row in table if isinstance(row, RawRow) and row.row_no in waiting)
    for row in islice(rows, len(waiting)):
        yield RowProblem(row.row_no, column, "row_of_bad_sum", message, matched.own_part(row.cells))
