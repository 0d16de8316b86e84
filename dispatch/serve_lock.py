"""The lock that lets one `dispatch serve` have a data directory.

    <data_dir>/serve.lock       exclusive lock of `dispatch serve`, with its pid and address, and its road extract

As with the database's locks (dispatch.postgres) the kernel lets go of it when the process dies, however it dies.
"""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from dispatch.postgres import PostgresError, in_one_line, prepared

_LOOKED_AT_S: Final = 0.1
_POLL_S: Final = 0.01


class AlreadyRunning(PostgresError):
    """Another `dispatch serve` has this data directory."""


class ServeLock:
    """The right to serve from a data directory; ends with the process at the latest."""

    def __init__(self, data_dir: Path, file: IO[str]) -> None:
        self._data_dir = data_dir
        self._file = file

    def tell(self, address: str, *, roads: Path | None = None) -> None:
        """Say where this process serves (``http://…``) and on which road extract: what others will be told.

        Raises PostgresError.
        """
        with in_one_line(self._data_dir):
            self._file.truncate(0)
            self._file.write(f"{os.getpid()} {address}\n{roads or ''}\n")
            self._file.flush()

    def release(self) -> None:
        """Let go. Does nothing the second time."""
        if not self._file.closed:
            self._file.truncate(0)
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


def served_at(data_dir: Path) -> str | None:
    """The address (``http://…``) at which `dispatch serve` serves ``data_dir``; None while nobody does."""
    return _told(data_dir)[0].partition(" ")[2] or None


def served_on(data_dir: Path) -> Path | None:
    """The road extract by which `dispatch serve` serves ``data_dir``; None while nobody does, or it estimates."""
    roads = _told(data_dir)[1]
    return Path(roads) if roads else None


def _told(data_dir: Path) -> tuple[str, str]:
    """The two lines of whoever has the lock; both empty while nobody has it."""
    try:
        with open(data_dir / "serve.lock", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                first, _, second = file.read().partition("\n")
                return first, second.removesuffix("\n")
    except FileNotFoundError:
        pass
    return "", ""


def acquire_serve_lock(data_dir: Path, address: str) -> ServeLock:
    """Be the only server of ``data_dir``; ``address`` (``http://…``) is what the second one will be told.

    Raises AlreadyRunning, and PostgresError where the directory cannot be written.
    """
    data_dir = prepared(data_dir)
    with in_one_line(data_dir):
        file = open(data_dir / "serve.lock", "a+", encoding="utf-8")  # noqa: SIM115 - held open: it carries the lock
        if not _is_locked(file):
            with file:
                file.seek(0)
                pid, _, where = file.readline().strip().partition(" ")
            who = f"pid {pid} serves {where}" if pid else "another process serves this data directory"
            raise AlreadyRunning(f"already running: {who}; stop it or use another --data-dir")
    lock = ServeLock(data_dir, file)
    lock.tell(address)
    return lock


def _is_locked(file: IO[str]) -> bool:
    """Lock it, unless another process has it for longer than ``served_at`` takes to look."""
    deadline = time.monotonic() + _LOOKED_AT_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
        time.sleep(_POLL_S)
