"""Where the processes and threads of a `dispatch serve` may run, seen from outside while it imports."""

import contextlib
import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.request import Request, urlopen

import pytest

from dispatch.cores import Cores
from tests.serving import Server, end_database, postmaster_of, serving, until

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="takes two cores or more"
)

_STORES: Final = 300
_ROWS_A_STORE: Final = 200

Seen = dict[int, frozenset[int]]
"""Where threads may run, by their id."""


@pytest.fixture
def server(short_tmp: Path) -> Iterator[Server]:
    path = short_tmp / "cores"
    with serving(path) as running:
        running.until("Ctrl-C stops it.")
        yield running
    end_database(path)
    shutil.rmtree(path, ignore_errors=True)


def test_all_but_what_answers_keeps_to_the_background_and_stores_are_imported_everywhere(server: Server) -> None:
    cores = Cores.of(1)
    main = server.process.pid
    assert os.sched_getaffinity(main) == cores.every
    stores = "store_id,name,lat,lon\n" + "".join(
        f"s{n},Shop {n},{25 + n / 3000:.5f},{121.5 + n / 3000:.5f}\n" for n in range(_STORES)
    )
    stock = "store_id,sku,on_hand\n" + "".join(
        f"s{n},sku{item},5\n" for n in range(_STORES) for item in range(_ROWS_A_STORE)
    )

    of_postgres, of_service = _seen_while(server, "stores", stores)
    assert cores.every in of_postgres.values(), "the backends of an import of stores may run everywhere"
    until(lambda: not _everywhere(server, cores), 30)  # its process and backends end after its record says done
    of_postgres, of_service = _seen_while(server, "stock", stock)
    assert set(of_postgres.values()) == {cores.background}
    assert len(of_service) > 3, "threads, and the processes of imports"
    assert {where for thread, where in of_service.items() if thread != main} == {cores.background}
    assert os.sched_getaffinity(main) == cores.every


def _seen_while(server: Server, kind: str, rows: str) -> tuple[Seen, Seen]:
    """The threads of PostgreSQL and those of the service, its imports among them, while it imports these rows."""
    postmaster = postmaster_of(server.data_dir)
    assert postmaster is not None
    of_postgres: Seen = {}
    of_service: Seen = {}
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.01):
            _look(postmaster, of_postgres)
            _look(server.process.pid, of_service)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        _import(server.address, kind, rows)
    finally:
        over.set()
        looking.join()
    return of_postgres, of_service


def _everywhere(server: Server, cores: Cores) -> set[int]:
    """The threads but the one that answers that may run everywhere now."""
    postmaster, seen = postmaster_of(server.data_dir), Seen()
    assert postmaster is not None
    for root in (postmaster, server.process.pid):
        _look(root, seen)
    return {thread for thread, where in seen.items() if where == cores.every} - {server.process.pid}


def _look(root: int, seen: Seen) -> None:
    """Take note of each thread of a process and of what it has started, as long as it lives."""
    pids = [root]
    while pids:
        tasks = Path(f"/proc/{pids.pop()}/task")
        with contextlib.suppress(OSError):
            for task in tasks.iterdir():
                pids += [int(pid) for pid in (task / "children").read_text().split()]
                seen[int(task.name)] = frozenset(os.sched_getaffinity(int(task.name)))


def _import(address: str, kind: str, rows: str) -> None:
    """Import a CSV to its end."""
    query = {"stores": "datum=wgs84", "stock": "as_of=now"}[kind]
    asked = Request(f"{address}/v1/imports/{kind}?{query}", rows.encode(), {"Content-Type": "text/csv"})
    with urlopen(asked, timeout=30) as answer:
        opened = json.load(answer)

    def is_over() -> bool:
        with urlopen(f"{address}/v1/imports/{opened['import_id']}", timeout=30) as answer:
            told = json.load(answer)
        assert told["status"] in ("running", "done"), told
        return bool(told["status"] == "done")

    until(is_over, 60)
