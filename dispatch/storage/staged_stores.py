"""A file's stores on their way into the database: staged, so that the file's size is no matter of memory."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from dispatch.storage.pool import Connection, Database
from dispatch.storage.sql import sql

_COLUMNS: Final = ("row_no", "cell", "store")
_LONG_TIMEOUT_S: Final = 1800.0

type StagedStore = tuple[int, int, bytes]
"""Row number, cell, the store as the stager wrote it."""


class StagedStores:
    """The stores of one file, on a connection of its own."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.count = 0

    async def add(self, rows: Sequence[StagedStore]) -> None:
        if rows:
            await self._connection.copy_records_to_table("staged_stores", records=rows, columns=_COLUMNS)
        self.count += len(rows)

    async def pages(self, size: int) -> AsyncIterator[list[StagedStore]]:
        """All of them by cell, and in the order of the file within one, ``size`` at a time."""
        await self._connection.execute(sql("index_staged_stores"), timeout=_LONG_TIMEOUT_S)
        cell, row_no = 0, 0
        while rows := await self._connection.fetch(sql("staged_stores_after"), cell, row_no, size):
            yield [(row["row_no"], row["cell"], row["store"]) for row in rows]
            cell, row_no = rows[-1]["cell"], rows[-1]["row_no"]


@asynccontextmanager
async def staged_stores(database: Database) -> AsyncIterator[StagedStores]:
    """A table for one file's stores, gone at the end."""
    async with database.connection() as connection:
        await connection.execute(sql("drop_staged_stores"))
        await connection.execute(sql("make_staged_stores"))
        try:
            yield StagedStores(connection)
        finally:
            if not connection.is_closed():
                await connection.execute(sql("drop_staged_stores"))
