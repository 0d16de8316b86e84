"""A data directory: made, locked, and what is said when it cannot be used."""

import errno
import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_TIMEOUT_S = 180.0
_POLL_S = 0.02


class PostgresError(RuntimeError):
    """The data directory cannot be used. The text is one line that says what is wrong and what mends it."""


def prepared(data_dir: Path) -> Path:
    """The data directory, made if it is missing, without links. Raises PostgresError."""
    path = data_dir.expanduser().absolute()
    with in_one_line(path):
        path.mkdir(parents=True, exist_ok=True)
        return path.resolve()


@contextmanager
def in_one_line(data_dir: Path) -> Iterator[None]:
    """Turn the operating system's errors into the one line that a person can use."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(data_dir) from error
        where = error.filename or data_dir
        raise PostgresError(
            f"cannot use {where}: {error.strerror}; mend its owner and mode or use another --data-dir"
        ) from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Have ``path`` locked, waiting for whoever has it. Raises PostgresError after a time."""
    with open(path, "ab") as file:
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise PostgresError(
                        f"another process has been starting or stopping PostgreSQL for {LOCK_TIMEOUT_S:.0f} s "
                        f"(it holds {path}); stop it and try again"
                    ) from None
                time.sleep(_POLL_S)
        yield


def disk_full(data_dir: Path) -> PostgresError:
    """The error for a disk without room."""
    return PostgresError(f"the disk of {data_dir} is full; free some space or use another --data-dir")
