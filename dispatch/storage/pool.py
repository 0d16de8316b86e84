"""The pool of connections, and what a lost one means."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Self

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from dispatch.domain.errors import DatabaseUnavailable
from dispatch.storage.sql import sql

type Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

_COMMAND_TIMEOUT_S = 60.0
_CONNECT_TIMEOUT_S = 10.0

# What asyncpg raises when the server cannot be reached, went away or is short of something, as against a wrong
# statement or a broken constraint, which is a fault of ours and must stay one.
_LOST = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # how the loss of an idle connection shows at its next use
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)
# Of these, what says that the connection is gone; and what only looks like it, for the server is there and busy.
_GONE = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
)
_ALL_BUT_GONE = (TimeoutError, asyncpg.QueryCanceledError)


class _Connection(asyncpg.Connection):
    """A connection that leaves nothing behind in its session, so that nothing need be asked of the server to clear it.

    A transaction that is still open is rolled back all the same. With asyncpg's own query every use of a connection
    costs one round trip more.
    """

    def get_reset_query(self) -> str:
        return ""


class Database:
    """A pool on one PostgreSQL. Open it with ``await Database.open(url, …)``, close it with ``await close()``."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        pool_min: int = 1,
        pool_max: int = 10,
        server_settings: Mapping[str, str] | None = None,
        meet: Callable[[int], None] | None = None,
    ) -> Self:
        """Connect, each connection with these settings of PostgreSQL's. Raises DatabaseUnavailable, in one sentence.

        ``meet`` is called with the pid, where the server runs, of each connection's backend.
        """

        async def prepare(connection: Connection) -> None:
            if meet is not None:
                meet(connection.get_server_pid())
            await connection.execute(sql("make_counts_to_apply"))

        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=pool_min,
                max_size=pool_max,
                command_timeout=_COMMAND_TIMEOUT_S,
                timeout=_CONNECT_TIMEOUT_S,
                init=prepare,
                connection_class=_Connection,
                server_settings={"application_name": "lifecircle", "TimeZone": "UTC", **(server_settings or {})},
            )
        except (*_LOST, ValueError) as error:
            raise DatabaseUnavailable(_plainly(error)) from error
        return cls(pool)

    async def close(self) -> None:
        await self._pool.close()

    @asynccontextmanager
    async def connection(self, *, wait_s: float = 10.0) -> AsyncIterator[Connection]:
        """A connection of the pool, waited for at most ``wait_s``. A lost one raises DatabaseUnavailable."""
        try:
            async with self._pool.acquire(timeout=wait_s) as connection:
                yield connection
        except _LOST as error:
            # A statement that is cancelled may leave its connection unusable, and the rollback's complaint of that
            # takes the place of the cancellation; whoever was told to stop would then try again for ever.
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise asyncio.CancelledError from error
            if isinstance(error, _GONE) and not isinstance(error, _ALL_BUT_GONE):
                # The server has most likely been started anew, and then the other connections of the pool are dead
                # too: each would cost one more request its answer.
                await self._pool.expire_connections()
            raise DatabaseUnavailable(_plainly(error)) from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection inside a transaction: committed at the end, undone by any error."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def ping(self) -> None:
        """Ask the server anything. Raises DatabaseUnavailable if it does not answer within 2 s."""
        async with self.connection(wait_s=2.0) as connection:
            await connection.execute("SELECT 1", timeout=2.0)


def _plainly(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "the database did not answer in time"
    return f"the database cannot be reached or used ({type(error).__name__})"
