"""The books of orders: do counters, reservations and events agree with them? And is the server set to keep them?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dispatch.storage.pool import Connection, Database
from dispatch.storage.sql import sql

# A fault shows in the first few; millions of lines would help nobody.
_MOST_TOLD: Final = 20
_TIMEOUT_S: Final = 600.0
# With any of these otherwise the database may forget, when it or its machine fails, what it has said is written.
_KEEPS: Final = {
    "fsync": ("on",),
    "full_page_writes": ("on",),
    "synchronous_commit": ("on", "local", "remote_write", "remote_apply"),
}


@dataclass(frozen=True, slots=True)
class WrongReserved:
    """A shelf row whose ``reserved`` is not what orders have ``held`` of it."""

    store_id: str
    sku: str
    reserved: int
    held: int


@dataclass(frozen=True, slots=True)
class WrongOpenOrders:
    """A store that counts ``counted`` open orders when ``there`` are."""

    store_id: str
    counted: int
    there: int


@dataclass(frozen=True, slots=True)
class WrongEvents:
    """An order of that revision with so many events, the last numbered ``newest``."""

    client: str
    order_id: str
    revision: int
    events: int
    newest: int


@dataclass(frozen=True, slots=True)
class WrongClosures:
    """A store whose row does not have the union of its closures."""

    store_id: str


@dataclass(frozen=True, slots=True)
class Books:
    """How many orders there are, and what does not agree with them: at most 20 of each kind."""

    orders: int
    open_orders: int
    reserved: list[WrongReserved]
    open_orders_wrong: list[WrongOpenOrders]
    events: list[WrongEvents]
    closures: list[WrongClosures]


async def books(database: Database) -> Books:
    """The books as of one moment."""
    async with (
        database.connection() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        count = await connection.fetchrow(sql("count_orders"), timeout=_TIMEOUT_S)
        assert count is not None, "an aggregate has a row"
        return Books(
            count["orders"],
            count["open_orders"],
            await _wrong(connection, sql("wrong_reserved"), WrongReserved),
            await _wrong(connection, sql("wrong_open_orders"), WrongOpenOrders),
            await _wrong(connection, sql("wrong_events"), WrongEvents),
            await _wrong(connection, sql("wrong_closures"), WrongClosures),
        )


async def _wrong[T](connection: Connection, query: str, kind: Callable[..., T]) -> list[T]:
    return [kind(*row) for row in await connection.fetch(query, _MOST_TOLD, timeout=_TIMEOUT_S)]


async def unsafe_settings(database: Database) -> dict[str, str]:
    """The server's settings under which it may lose what it has acknowledged, with what they are set to."""
    async with database.connection() as connection:
        found = await connection.fetch(sql("server_settings"), list(_KEEPS))
    return {row["name"]: row["setting"] for row in found if row["setting"] not in _KEEPS[row["name"]]}
