"""dispatch check: does each worker that is serving hold what the database does?"""

import asyncio
import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from dispatch.commands.report import Report
from dispatch.serve_lock import served_at
from dispatch.storage.feed import current_heads, reading
from dispatch.storage.pool import Database

# The kernel chooses the worker for each connection; several at once reach several workers.
_CONNECTIONS_AT_ONCE: Final = 8
_ROUNDS_WITHOUT_NEWS: Final = 3
_TIMEOUT_S: Final = 60.0
# Worker and database are read one after the other, and a busy cell moves on in between.
_MOST_TRIES: Final = 20
_BETWEEN_TRIES_S: Final = 0.02
_MEND: Final = "restart dispatch serve, and report this as a fault with the lines above"

type _Answer = dict[str, Any]


async def check_workers(data_dir: Path, database: Database, report: Report) -> None:
    """Compare the checksums of every worker that answers at the address of this data directory's server."""
    address = served_at(data_dir)
    if address is None:
        report.ok("service: not running on this data directory, so there are no workers to compare")
        return
    with ThreadPoolExecutor(_CONNECTIONS_AT_ONCE) as threads:
        try:
            workers = await _find_workers(address, threads)
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = str(error) or type(error).__name__
            report.problem(f"service: {address} does not answer ({why}); if it does not in a minute, restart it")
            return
        try:
            for worker in workers.values():
                await _compare(worker, database, report)
        finally:
            for worker in workers.values():
                worker.connection.close()


@dataclass(frozen=True, slots=True)
class _Worker:
    """A worker, and a connection that leads to it: a connection stays with the worker that took it."""

    pid: int
    connection: http.client.HTTPConnection

    def ask(self, path: str) -> _Answer:
        return _ask(self.connection, path)


async def _find_workers(address: str, threads: ThreadPoolExecutor) -> dict[int, _Worker]:
    """The workers by process id, found by asking until there is none new for a while."""
    loop, found, without_news = asyncio.get_running_loop(), dict[int, _Worker](), 0
    while without_news < _ROUNDS_WITHOUT_NEWS:
        asked = [loop.run_in_executor(threads, _connect, address) for _ in range(_CONNECTIONS_AT_ONCE)]
        before = len(found)
        for worker in await asyncio.gather(*asked):
            if found.setdefault(worker.pid, worker) is not worker:
                worker.connection.close()
        without_news = without_news + 1 if len(found) == before else 0
    return found


def _connect(address: str) -> _Worker:
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=_TIMEOUT_S)
    # Of no cell there is: who answers is all that is wanted.
    return _Worker(_ask(connection, "/v1/replica?cell=0")["worker"], connection)


def _ask(connection: http.client.HTTPConnection, path: str) -> _Answer:
    connection.request("GET", path)
    answer = connection.getresponse()
    told = answer.read()
    if answer.status != 200:
        raise ValueError(f"status {answer.status}")
    found: _Answer = json.loads(told)
    return found


async def _compare(worker: _Worker, database: Database, report: Report) -> None:
    who = f"worker {worker.pid}"
    try:
        told = await asyncio.to_thread(worker.ask, "/v1/replica")
        cells = await _cells(told, database)
        verdicts = {cell: await _equals(worker, cell, answer, database) for cell, answer in cells.items()}
    except (OSError, http.client.HTTPException, ValueError) as error:
        report.problem(f"{who}: stopped answering ({str(error) or type(error).__name__}); run this again")
        return
    wrong = [cell for cell, equal in verdicts.items() if equal is False]
    moving = [cell for cell, equal in verdicts.items() if equal is None]
    if wrong:
        report.problem(f"{who}: differs from the database in {len(wrong)} cells, such as {wrong[0]:x}; {_MEND}")
        return
    also = f"; {len(moving)} change too fast to be compared, such as {moving[0]:x}" if moving else ""
    equal = len(verdicts) - len(moving)
    report.ok(f"{who}: {told['replica_lag_s']} s behind, equals the database in {equal:,} cells{also}")


async def _cells(told: _Answer, database: Database) -> dict[int, _Answer | None]:
    """What was answered of each cell that the worker or the database has."""
    by_cell: dict[int, _Answer | None] = {int(cell["cell"], 16): cell for cell in told["cells"]}
    return dict.fromkeys(await current_heads(database)) | by_cell


async def _equals(worker: _Worker, cell: int, told: _Answer | None, database: Database) -> bool | None:
    """Whether a cell is the same in both at one and the same change; None if no such moment was met."""
    for _ in range(_MOST_TRIES):
        async with reading(database) as reader:
            seq = (await reader.heads()).get(cell)
            if told is not None and told["seq"] == seq and told["checksum"] is not None:
                return await reader.checksum(cell) == (told["rows"], int(told["checksum"]))
        await asyncio.sleep(_BETWEEN_TRIES_S)
        answer = await asyncio.to_thread(worker.ask, f"/v1/replica?cell={cell:x}")
        told = next(iter(answer["cells"]), None)
    return False if told is None else None
