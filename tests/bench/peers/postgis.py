"""PostGIS: nearest first by a GiST index, with an EXISTS for each line, as a prepared statement on asyncpg."""

import asyncio
import contextlib
import struct
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Final, Self

import asyncpg
import numpy as np
from asyncpg.prepared_stmt import PreparedStatement

from tests.bench.peers.asking import Asked
from tests.bench.peers.own_servers import START_TIMEOUT_S, as_user, own_folder, running, user_of_postgres
from tests.bench.world import World

# All in its favour: nothing is made to survive a crash, and everything lies in memory.
SETTINGS: Final = {
    "listen_addresses": "",
    "shared_buffers": "4GB",  # 40 million rows and their two indexes are read from here
    "effective_cache_size": "8GB",
    "work_mem": "64MB",
    "maintenance_work_mem": "1GB",
    "max_parallel_maintenance_workers": "2",
    "max_parallel_workers_per_gather": "0",  # to start a helper takes longer than a whole answer
    "random_page_cost": "1.1",  # nothing is far on a disk that is memory
    "jit": "off",  # to compile a statement takes longer than a whole answer
    "autovacuum": "off",  # vacuumed once, after loading; nothing changes any more
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "20GB",
}
PLANNING: Final = ("force_generic_plan", "force_custom_plan")
_TIMEOUT_S: Final = 1_800
_TABLES: Final = """
    CREATE EXTENSION postgis;
    CREATE TABLE stores (store_no int PRIMARY KEY, place geography(Point, 4326) NOT NULL);
    CREATE UNLOGGED TABLE shelves (store_no int NOT NULL, sku_no int NOT NULL, available int NOT NULL);
"""
_INDEXES: Final = (
    "CREATE INDEX ON stores USING gist (place)",
    "CREATE UNIQUE INDEX ON shelves (store_no, sku_no) INCLUDE (available)",
    "CREATE INDEX ON shelves (sku_no, store_no) INCLUDE (available)",
    "VACUUM (ANALYZE)",
)
_ROW: Final = np.dtype(
    [("fields", ">i2"),
     ("l1", ">i4"), ("store_no", ">i4"),
     ("l2", ">i4"), ("sku_no", ">i4"),
     ("l3", ">i4"), ("available", ">i4")]
)  # fmt: skip


class Postgis:
    """A store's distance is told by the index on a sphere; whether it is within reach, by the ellipsoid."""

    name = "PostGIS"

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._statements: dict[int, PreparedStatement] = {}  # by how many lines they have

    @classmethod
    @contextlib.asynccontextmanager
    async def loaded(
        cls, world: World, programs: Path, parent: Path, said: Callable[[str], None]
    ) -> AsyncIterator[Self]:
        """A server of its own with the world in it."""
        user = user_of_postgres()
        folder = own_folder(parent, "postgis", user=user)
        place = folder / "db"
        subprocess.run(
            [programs / "initdb", "--pgdata", place, "--no-locale", "--encoding=UTF8", "--auth=trust", "--no-sync",
             "--username=bench"],
            check=True, cwd=folder, capture_output=True, **as_user(user),
        )  # fmt: skip
        options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        command = [str(programs / "postgres"), "-D", str(place), "-k", str(folder), *options]
        with running(command, log=parent / "postgis.log", user=user):
            connection = await _connected(folder)
            try:
                await _load(connection, world, said)
                await connection.set_type_codec(
                    "geography", schema="public", encoder=bytes, decoder=bytes, format="binary"
                )
                yield cls(connection)
            finally:
                connection.terminate()  # to close it would wait for the end of a COPY that was broken off

    async def answer(self, asked: Asked) -> int | None:
        statement = self._statements.get(len(asked.lines)) or await self._prepare(len(asked.lines))
        values = [value for line in asked.lines for value in line]
        number: int | None = await statement.fetchval(_point(asked.lat, asked.lon), asked.reach_m, *values)
        return number

    async def suit(self, some: Sequence[Asked]) -> str:
        """Plan from now on in the way that answers such questions faster, and tell which: once for all, or each anew.

        Measured at 100,000 stores: planning anew takes 5 to 20 ms for five lines, and pays where all lines are rare.
        Left to itself (``auto``), PostgreSQL plans questions from a desert anew each time, at 50 times the cost.
        """
        spent_s: dict[str, float] = {}
        for mode in PLANNING:
            await self._plan_by(mode)
            for asked in some:  # now in the caches, and planned once for all if it is to be
                await self.answer(asked)
            began = time.perf_counter()
            for asked in some:
                await self.answer(asked)
            spent_s[mode] = time.perf_counter() - began
        faster = min(spent_s, key=spent_s.__getitem__)
        await self._plan_by(faster)
        return faster

    async def _plan_by(self, mode: str) -> None:
        await self._connection.execute(f"SET plan_cache_mode = {mode}")

    async def nothing(self) -> None:
        """A round trip."""
        await self._connection.fetchval("SELECT 1")

    async def version(self) -> str:
        told: str = await self._connection.fetchval(
            "SELECT current_setting('server_version') || ', PostGIS ' || postgis_lib_version()"
        )
        return f"PostgreSQL {told}"

    async def _prepare(self, lines: int) -> PreparedStatement:
        statement = await self._connection.prepare(statement_for(lines))
        self._statements[lines] = statement
        return statement


def statement_for(lines: int) -> str:
    """$1 is the place, $2 the reach in metres, then come a sku and a quantity for each line."""
    having = "".join(
        f" AND EXISTS (SELECT FROM shelves WHERE shelves.store_no = stores.store_no"
        f" AND shelves.sku_no = ${3 + 2 * n} AND shelves.available >= ${4 + 2 * n})"
        for n in range(lines)
    )
    return (
        f"SELECT store_no FROM stores WHERE ST_DWithin(place, $1::geography, $2){having}"
        " ORDER BY place <-> $1::geography LIMIT 1"
    )


def _point(lat: float, lon: float) -> bytes:
    """EWKB of a point on WGS84."""
    return struct.pack("<BIIdd", 1, 0x20000001, 4326, lon, lat)


async def _connected(folder: Path) -> asyncpg.Connection:
    began = time.monotonic()
    while True:
        try:
            return await asyncpg.connect(host=str(folder), user="bench", database="postgres")
        except (OSError, asyncpg.CannotConnectNowError):
            if time.monotonic() - began > START_TIMEOUT_S:
                raise
            await asyncio.sleep(0.1)


async def _load(connection: asyncpg.Connection, world: World, said: Callable[[str], None]) -> None:
    await connection.execute(_TABLES)
    await connection.execute(
        "INSERT INTO stores SELECT number, ST_MakePoint(lon, lat)::geography"
        " FROM unnest($1::int[], $2::float8[], $3::float8[]) AS _ (number, lat, lon)",
        list(range(world.stores)), world.lats.tolist(), world.lons.tolist(),
    )  # fmt: skip
    said("PostGIS: copying the shelves")
    columns = ("store_no", "sku_no", "available")
    await connection.copy_to_table(
        "shelves", source=_binary_rows(world), columns=columns, format="binary", timeout=_TIMEOUT_S
    )
    for statement in _INDEXES:
        said(f"PostGIS: {statement}")
        await connection.execute(statement, timeout=_TIMEOUT_S)


async def _binary_rows(world: World) -> AsyncIterator[bytes]:
    yield b"PGCOPY\n\xff\r\n\x00" + bytes(8)
    for number, stores, on_hand, _ in world.rows():
        rows = np.empty(len(stores), dtype=_ROW)
        rows["fields"] = 3
        rows["l1"] = rows["l2"] = rows["l3"] = 4
        rows["store_no"], rows["sku_no"], rows["available"] = stores, number, on_hand
        yield rows.tobytes()
    yield b"\xff\xff"
