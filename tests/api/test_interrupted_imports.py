"""Imports whose worker dies: nothing is half applied, and what became of them is told."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from dispatch.services import imports
from tests.api.client import Api, Clock, worker

STORES, SKUS = 60, 700
DYING = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from dispatch.services.imports import ImportRequest, open_import, run_import
from dispatch.storage.pool import Database

async def main(url, path, mode):
    database = await Database.open(url)
    request = ImportRequest(kind="stock", path=Path(path), now=datetime(2026, 11, 20, 2, tzinfo=UTC), mode=mode,
                            as_of=datetime(2026, 11, 20, 2, tzinfo=UTC))
    import_id = await open_import(database, request)
    print(import_id, flush=True)
    await run_import(database, import_id, request)

asyncio.run(main(*sys.argv[1:]))
"""


def _file(path: Path, figure: int) -> None:
    rows = (f"s{store},{sku},{figure}\n" for sku in range(SKUS) for store in range(STORES))
    path.write_text("store_id,sku,on_hand\n" + "".join(rows))


# What the import waits for when it is killed: the last store's shelf, in its second transaction with the first one
# committed; or the cell's head, with all of the first transaction written and nothing committed.
HELD = {
    "shelf": "SELECT FROM shelves WHERE store_no = (SELECT max(store_no) FROM stores) FOR UPDATE",
    "head": "SELECT FROM cell_heads FOR UPDATE",
}


@pytest.mark.parametrize(("mode", "held"), [("snapshot", "shelf"), ("partial", "head")])
async def test_a_worker_killed_in_mid_import_leaves_every_shelf_whole(
    app_client: Api, database_url: str, tmp_path: Path, mode: str, held: str
) -> None:
    stores = "".join(f"s{i},{25 + i / 1000},121.5\n" for i in range(STORES))
    await app_client.import_file("stores", "store_id,lat,lon\n" + stores)
    _file(tmp_path / "old.csv", 1)
    old = await app_client.import_file("stock", (tmp_path / "old.csv").read_bytes(), as_of="2026-11-19T00:00:00Z")
    assert old["created"] == STORES * SKUS
    _file(tmp_path / "new.csv", 2)
    import_id = await _killed(database_url, tmp_path / "new.csv", mode, HELD[held])
    figures = await _figures(database_url)
    assert set(figures) <= {(1, 1), (2, 2)}, "a shelf holds rows of both counts"
    assert (figures[2, 2] > 0, figures[1, 1] > 0) == (held == "shelf", True)
    assert (await app_client.send("GET", f"/v1/imports/{import_id}")).json()["status"] == "running"
    await _let_time_pass(database_url)
    ended = (await app_client.send("GET", f"/v1/imports/{import_id}")).json()
    assert (ended["status"], ended["report"]["code"]) == ("failed", "interrupted")
    again = await app_client.import_file("stock", (tmp_path / "new.csv").read_bytes(), mode=mode, as_of="now")
    assert again["updated"] == figures[1, 1] * SKUS
    assert again["unchanged"] == figures[2, 2] * SKUS
    assert await _figures(database_url) == {(2, 2): STORES}


async def _killed(database_url: str, path: Path, mode: str, held: str) -> str:
    """Import a file in a process of its own, which is killed once it waits for what ``held`` locks; its import's id."""
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute(held)
            arguments = (sys.executable, "-c", DYING, database_url, str(path), mode)
            process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
            try:
                assert process.stdout is not None
                import_id = (await process.stdout.readline()).decode().strip()
                async with asyncio.timeout(60):
                    # Not one that waits for another connection of the import itself.
                    waiting = "SELECT pid FROM pg_stat_activity WHERE pg_blocking_pids(pid) = ARRAY[pg_backend_pid()]"
                    while (backend := await connection.fetchval(waiting)) is None:
                        await asyncio.sleep(0.005)
            finally:
                process.kill()
                await process.wait()
        async with asyncio.timeout(60):
            while await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", backend):
                await asyncio.sleep(0.005)
    finally:
        await connection.close()
    return import_id


async def test_an_import_is_ended_with_its_worker_and_told_as_interrupted(
    database_url: str, tmp_path: Path, clock: Clock
) -> None:
    connection = await asyncpg.connect(database_url)
    async with worker(database_url, tmp_path, clock=clock) as api, connection.transaction():
        await connection.execute("LOCK TABLE store_directory")
        begun = await api.send("POST", "/v1/imports/stores", content=b"store_id,lat,lon\na,25.03,121.56\n")
        await _waited_for(connection)
    await connection.close()
    async with worker(database_url, tmp_path, clock=clock) as api:
        ended = (await api.send("GET", begun.headers["location"])).json()
        assert (ended["status"], ended["report"]["code"]) == ("failed", "interrupted")


@pytest.mark.parametrize("kind", ["stores", "stock"])
async def test_what_an_import_has_changed_that_stopped_half_way_can_be_undone(
    database_url: str, tmp_path: Path, clock: Clock, kind: str
) -> None:
    """As can one whose undo has stopped as well: it is a failed import again until that comes to its end."""
    text = {
        "stores": "store_id,lat,lon,name\nnorth,25.03,121.56,new\nsouth,22.63,120.30,new\n",
        "stock": "store_id,sku,on_hand\nnorth,tea,9\nsouth,tea,9\n",
    }[kind]
    connection = await asyncpg.connect(database_url)
    async with worker(database_url, tmp_path, clock=clock) as api:
        await api.put_store("north", 25.03, 121.56, name="old")
        await api.put_store("south", 22.63, 120.30, name="old")
        for store_id in ("north", "south"):
            await api.put_stock(store_id, tea=1)
        clock.advance(hours=1)
        async with _head_held(connection, "max"):
            begun = await api.send("POST", f"/v1/imports/{kind}", params={"as_of": "now"}, content=text.encode())
            await _waited_for(connection)
            images = "SELECT (SELECT count(*) FROM import_rows) + (SELECT count(*) FROM import_shelves)"
            async with asyncio.timeout(60):
                while not await connection.fetchval(images):
                    await asyncio.sleep(0.02)
            await api.app.state.service.background.stop()
    location = begun.headers["location"]
    async with worker(database_url, tmp_path, clock=clock) as api:
        failed = (await api.send("GET", location)).json()
        assert (failed["status"], failed["report"]["code"]) == ("failed", "interrupted")
        assert len({await _told(api, kind, store_id) for store_id in ("north", "south")}) == 2, "one is applied"
        async with _head_held(connection, "min"):
            assert (await api.send("POST", f"{location}/undo")).status_code == 202
            await _waited_for(connection)
            await api.app.state.service.background.stop()
    async with worker(database_url, tmp_path, clock=clock) as api:
        failed = (await api.send("GET", location)).json()
        assert (failed["status"], failed["report"]["undo"]["code"]) == ("failed", "interrupted")
        assert (await api.send("POST", f"{location}/undo")).status_code == 202
        undone = await api.finished(location)
        assert (undone["status"], undone["report"]["undo"]["restored"]) == ("undone", 1)
        assert {await _told(api, kind, store_id) for store_id in ("north", "south")} == {
            {"stores": "old", "stock": 1}[kind]
        }
    await connection.close()


@asynccontextmanager
async def _head_held(connection: asyncpg.Connection, which: str) -> AsyncIterator[None]:
    async with connection.transaction():
        await connection.execute(
            f"SELECT FROM cell_heads WHERE cell = (SELECT {which}(cell) FROM cell_heads) FOR UPDATE"
        )
        yield


async def _told(api: Api, kind: str, store_id: str) -> object:
    if kind == "stores":
        return (await api.get(f"/v1/stores/{store_id}")).json()["name"]
    return (await api.shelf(store_id))["tea"]["on_hand"]


async def test_a_worker_killed_in_mid_undo_leaves_a_failed_import_as_it_was(app_client: Api, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "INSERT INTO imports"
        " (import_id, kind, partner, status, dry_run, mode, created_at, alive_at, undoing, rows, report) VALUES"
        " ('half', 'stock', 'default', 'running', false, 'partial', now(), now() - interval '31 s', true, 5, $1)",
        '{"code": "interrupted"}',
    )
    await connection.close()
    told = (await app_client.send("GET", "/v1/imports/half")).json()
    assert (told["status"], told["report"]["undo"]["code"]) == ("failed", "interrupted")


async def test_the_dead_do_not_keep_their_partner_from_the_next_import(app_client: Api, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("INSERT INTO partners VALUES ('default') ON CONFLICT DO NOTHING")
        await connection.execute(
            "INSERT INTO imports (import_id, kind, partner, status, dry_run, mode, created_at, alive_at)"
            " VALUES ('dead', 'stores', 'default', 'running', false, 'merge', now(), now() - interval '31 s')"
        )
    finally:
        await connection.close()
    assert (await app_client.import_file("stores", "store_id,lat,lon\na,25.03,121.56\n"))["status"] == "done"
    listed = (await app_client.send("GET", "/v1/imports")).json()["imports"]
    assert [entry["status"] for entry in listed] == ["done", "failed"]


async def test_an_import_that_works_long_gives_signs_of_life(
    app_client: Api, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "SIGN_OF_LIFE_EVERY", timedelta(milliseconds=20))
    connection = await asyncpg.connect(database_url)
    async with connection.transaction():
        await connection.execute("LOCK TABLE store_directory")
        begun = await app_client.send("POST", "/v1/imports/stores", content=b"store_id,lat,lon\na,25.03,121.56\n")
        await _waited_for(connection)
        await _let_time_pass(database_url)
        await asyncio.sleep(0.2)
        assert (await app_client.send("GET", begun.headers["location"])).json()["status"] == "running"
    await connection.close()
    assert (await app_client.finished(begun.headers["location"]))["status"] == "done"


async def _waited_for(connection: asyncpg.Connection) -> None:
    """Return once somebody waits for a lock."""
    async with asyncio.timeout(60):
        while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.02)


async def _figures(database_url: str) -> Counter[tuple[int, int]]:
    """How many stores have this least and this largest figure on their shelf."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch("SELECT min(on_hand) AS low, max(on_hand) AS high FROM shelves GROUP BY store_no")
    finally:
        await connection.close()
    return Counter((row["low"], row["high"]) for row in rows)


async def _let_time_pass(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("UPDATE imports SET alive_at = alive_at - interval '31 s' WHERE status = 'running'")
    finally:
        await connection.close()
