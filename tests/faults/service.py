"""A `dispatch serve` with workers, a data directory and a database of its own, for the time of an experiment."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg

from dispatch.postgres import EmbeddedPostgres, acquire

WORKERS: Final = 4
_READY_S: Final = 120.0
_END_S: Final = 60.0


class Service:
    """One that serves."""

    def __init__(self, process: subprocess.Popen[bytes], data_dir: Path, postgres: EmbeddedPostgres) -> None:
        self.process = process
        self.data_dir = data_dir
        self.database_url = postgres.url
        found = re.search(r"serves http://([^:/]+):(\d+)", said_by(data_dir))
        assert found is not None, said_by(data_dir)
        self.at = (found[1], int(found[2]))

    @property
    def said(self) -> str:
        return said_by(self.data_dir)

    async def database(self) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection to what it keeps, past everything of ours; the caller closes it."""
        return await asyncpg.connect(self.database_url)


def said_by(data_dir: Path) -> str:
    """What the service of that directory has printed and logged."""
    return (data_dir / "said.txt").read_text(encoding="utf-8", errors="replace")


@asynccontextmanager
async def served(directory: Path, *, workers: int, **settings: object) -> AsyncIterator[Service]:
    """Serve from an empty directory with so many workers; ``settings`` by name. Nothing is left running at the end."""
    data_dir = directory / "data"
    data_dir.mkdir()
    process = _start(data_dir, workers, settings)
    try:
        async with asyncio.timeout(_READY_S):
            while "Ctrl-C stops it." not in said_by(data_dir):
                assert process.poll() is None, said_by(data_dir)
                await asyncio.sleep(0.1)
        # One user more of the database, so that it outlives the service for as long as it is looked at.
        postgres = await asyncio.to_thread(acquire, data_dir)
        try:
            yield Service(process, data_dir, postgres)
        finally:
            await _end(process)
            await asyncio.to_thread(postgres.release)
    finally:
        await _end(process)


def _start(data_dir: Path, workers: int, settings: dict[str, object]) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith("DISPATCH_")}
    environment |= {"COLUMNS": "200", "DISPATCH_LOG_LEVEL": "warning"}
    environment |= {f"DISPATCH_{name.upper()}": str(value) for name, value in settings.items()}
    serve = ("serve", "--port", "0", "--data-dir", str(data_dir), "--workers", str(workers))
    with (data_dir / "said.txt").open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "-c", "from dispatch import cli; cli.main()", *serve],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


async def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            await asyncio.to_thread(process.wait, _END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
