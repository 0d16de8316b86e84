"""What dispatch check finds wrong: the server's settings, the books of orders, the workers that are serving."""

import asyncio
import itertools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import asyncpg
import pytest

from dispatch.serve_lock import acquire_serve_lock
from dispatch.storage import books
from dispatch.storage.feed import reading
from dispatch.storage.pool import Database
from tests.cli.conftest import Ran, Run

CELL = "834ba0fffffffff"


@pytest.fixture
def stocked(run_here: Run, tmp_path: Path) -> Run:
    """The command line on a database with one store that has milk."""
    (tmp_path / "stores.csv").write_text("store_id,lat,lon\nA,25.03,121.56\n")
    (tmp_path / "stock.csv").write_text("store_id,sku,on_hand\nA,milk,9\n")
    assert run_here("import", "stores", "stores.csv").code == 0
    assert run_here("import", "stock", "stock.csv", "--as-of", "now").code == 0
    return run_here


def _execute(url: str, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    with asyncio.Runner() as runner:
        runner.run(run())


def _checksum(url: str) -> tuple[int, int, int]:
    """The cell's seq, and its checksum."""

    async def run() -> tuple[int, int, int]:
        database = await Database.open(url)
        try:
            async with reading(database) as reader:
                ((cell, seq),) = (await reader.heads()).items()
                assert f"{cell:x}" == CELL
                return seq, *await reader.checksum(cell)
        finally:
            await database.close()

    with asyncio.Runner() as runner:
        return runner.run(run())


def _problems(ran: Ran) -> list[str]:
    return re.findall(r"^problem +(.*)$", ran.out, re.MULTILINE)


def test_settings_that_may_lose_orders_are_told(stocked: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(books._KEEPS, "fsync", ("on",))
    (line,) = _problems(stocked("check"))
    assert line.startswith("database: fsync is off, so a crash may lose orders")
    assert "set it to on" in line


def test_late_uploads_are_a_remark_and_no_problem(stocked: Run, database_url: str) -> None:
    assert "uploads of" not in stocked("check").out
    _execute(database_url, "UPDATE partners SET stock_due_at = '00:00'")
    assert "uploads of default: no store is late, due by 00:00 of each day" in stocked("check").out
    _execute(database_url, "UPDATE stores SET counted_at = now() - interval '3 days'")
    late = stocked("check")
    assert late.code == 0, late.out
    assert "uploads of default: 1 of 1 stores are late, due by 00:00 of each day; /uploads" in late.out


ORDER = """
INSERT INTO orders (cell, client, order_id, revision, status, attempt, store_cell, store_no, due_at, hold_expires_at,
                    created_at, updated_at, fingerprint, request, store, lines)
SELECT 5, 'shop', '{id}', 2, 'held', 1, cell, store_no, now() - interval '1 h', now() - interval '1 h', now(), now(),
       '', '{{}}', '{{}}', '[]'
FROM stores;
INSERT INTO order_events (cell, client, order_id, seq, head_seq, at, event, status, attempt)
SELECT 5, 'shop', '{id}', seq, 1, now(), 'held', 'held', 1 FROM generate_series(1, 2) AS seq;
UPDATE stores SET open_orders = open_orders + 1;
INSERT INTO reservations (cell, store_no, client, order_id, order_cell, sku_no, quantity, held_at)
SELECT cell, store_no, 'shop', '{id}', 5, sku_no, 2, now() FROM shelves;
UPDATE shelves SET reserved = reserved + 2;
"""


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (None, None),
        ("UPDATE shelves SET reserved = 5", r"orders: 5 of milk are reserved at A, but its open orders hold 4; report"),
        ("DELETE FROM reservations", r"orders: 4 of milk are reserved at A, but its open orders hold 0; report"),
        ("UPDATE shelves SET reserved = 0", r"orders: 0 of milk are reserved at A, but its open orders hold 4; report"),
        ("UPDATE stores SET open_orders = 3", r"orders: A counts 3 open orders, but has 2; report"),
        ("DELETE FROM order_events WHERE order_id = '1' AND seq = 1", r"1 of client shop .* 1 events, the last .* 2;"),
        ("UPDATE order_events SET seq = 3 WHERE order_id = '2' AND seq = 2", r"2 of client shop .* 2 events, .* 3;"),
        ("UPDATE stores SET closed_during = '{[2030-01-01, 2030-01-02)}'", r"orders: A does not go by its closures;"),
        ("DELETE FROM order_events WHERE order_id = '1'", r"1 of client shop is at revision 2, but has 0 events"),
    ],
)  # fmt: skip
def test_books_that_do_not_agree_are_told(fault: str | None, said: str | None, stocked: Run, database_url: str) -> None:
    _execute(database_url, ORDER.format(id=1) + ORDER.format(id=2))
    if fault is None:
        ran = stocked("check")
        assert ran.code == 0, ran.out
        assert "orders: 2, 2 of them open; reserved stock, open orders of stores and events agree" in ran.out
        return
    assert said is not None
    _execute(database_url, fault)
    ran = stocked("check")
    assert ran.code == 1
    (line,) = _problems(ran)
    assert re.search(said, line)


@contextmanager
def _answering(data_dir: Path, *workers: dict[str, Any]) -> Iterator[None]:
    """A server of this data directory whose connections are taken by these workers in turn."""
    turns = itertools.cycle(workers)

    class Worker(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            self.worker = next(turns)

        def do_GET(self) -> None:
            cells = self.worker["cells"] if self.path in ("/v1/replica", f"/v1/replica?cell={CELL}") else []
            body = json.dumps(self.worker | {"cells": cells}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Worker) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            with acquire_serve_lock(data_dir, f"http://127.0.0.1:{server.server_port}"):
                yield
        finally:
            server.shutdown()
            thread.join()


def _worker(pid: int, seq: int, rows: int, total: int | None) -> dict[str, Any]:
    told = {"cell": CELL, "seq": seq, "rows": rows, "checksum": None if total is None else str(total)}
    return {"worker": pid, "replica_lag_s": 0.01, "cells": [told]}


def test_a_worker_that_holds_something_else_than_the_database_is_told(
    stocked: Run, database_url: str, tmp_path: Path
) -> None:
    seq, rows, total = _checksum(database_url)
    assert "service: not running" in stocked("check").out
    right, wrong = _worker(11, seq, rows, total), _worker(12, seq, rows, total + 1)
    behind, empty = _worker(13, seq - 1, rows, total), {**_worker(14, 0, 0, 0), "cells": []}
    with _answering(tmp_path / "var", right, wrong, behind, empty):
        ran = stocked("check")
    assert ran.code == 1
    assert "worker 11: 0.01 s behind, equals the database in 1 cells\n" in ran.out
    assert "worker 13: 0.01 s behind, equals the database in 0 cells; 1 change too fast" in ran.out
    assert [line.partition(";")[0] for line in sorted(_problems(ran))] == [
        f"worker 12: differs from the database in 1 cells, such as {CELL}",
        f"worker 14: differs from the database in 1 cells, such as {CELL}",
    ]


def test_a_server_that_does_not_answer_is_told(stocked: Run, tmp_path: Path) -> None:
    with acquire_serve_lock(tmp_path / "var", "http://127.0.0.1:1"):
        ran = stocked("check")
    assert ran.code == 1
    assert re.search(r"service: http://127.0.0.1:1 does not answer .*refused", _problems(ran)[0])
