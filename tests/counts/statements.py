"""What is sent to the database for the sake of one piece of work, and of no other."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Final

from asyncpg.connection import LoggedQuery

from dispatch.storage import pool
from dispatch.storage.sql import sql

# Said by the clock, or once in the life of a connection, and not for the sake of the work.
_NOT_FOR_IT: Final = frozenset({"import_progress", "import_alive", "make_counts_to_apply"})
# What asyncpg asks on a connection that meets a type of the database for the first time.
_OF_TYPES: Final = ("typeinfo_tree", "set_config('jit'")

_sent: ContextVar[list[str] | None] = ContextVar("sent", default=None)


class CountedConnection(pool._Connection):
    """A connection of the pool that notes what is sent, if what sends it is counted.

    Each note is a statement, and once it is prepared a round trip, BEGIN and COMMIT as well. A task inherits what it is
    counted for from whoever starts it: the follower and others who ask by the clock, begun before, are not counted.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.add_query_logger(_noted)

    async def copy_records_to_table(self, table_name: str, **named: Any) -> str:
        _note(f"COPY {table_name}")
        return await super().copy_records_to_table(table_name, **named)

    async def copy_to_table(self, table_name: str, **named: Any) -> str:
        _note(f"COPY {table_name}")
        return await super().copy_to_table(table_name, **named)


def _noted(query: LoggedQuery) -> None:
    _note(query.query)


def _note(statement: str) -> None:
    sent = _sent.get()
    if sent is None or statement in map(sql, _NOT_FOR_IT) or any(part in statement for part in _OF_TYPES):
        return
    sent.append(statement)


@contextlib.contextmanager
def counted() -> Iterator[list[str]]:
    """The statements sent meanwhile by this task and by those that it starts, in their order."""
    sent: list[str] = []
    token = _sent.set(sent)
    try:
        yield sent
    finally:
        _sent.reset(token)
