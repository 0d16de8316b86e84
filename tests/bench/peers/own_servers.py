"""Servers of the bench's own: in a folder of theirs, on Unix sockets alone, ended when they are no longer wanted."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

START_TIMEOUT_S: Final = 60
_STOP_TIMEOUT_S: Final = 60
POSTGRES_USER: Final = "postgres"


def user_of_postgres() -> str | None:
    """Who runs PostgreSQL, which refuses to run as root; None: whoever runs the bench."""
    return POSTGRES_USER if os.geteuid() == 0 else None


def as_user(user: str | None) -> dict[str, Any]:
    """Options of subprocess: as that user and in that user's group alone; None: as whoever runs the bench."""
    return {} if user is None else {"user": user, "group": user, "extra_groups": ()}


@contextlib.contextmanager
def running(command: Sequence[str], *, log: Path, user: str | None = None) -> Iterator[None]:
    """A server in the background; on the way out it is told to end, and killed if it does not."""
    with log.open("wb") as out:
        server = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, cwd=log.parent, start_new_session=True, **as_user(user)
        )
    try:
        yield
    except BaseException as problem:
        problem.add_note(f"the end of {log.name}: {log.read_text(errors='replace')[-2_000:]}")
        raise
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def own_folder(parent: Path, name: str, *, user: str | None = None) -> Path:
    """A new folder in ``parent``, of that user, who may walk through the parent."""
    folder = parent / name
    folder.mkdir(mode=0o700)
    if user is not None:
        parent.chmod(0o711)
        shutil.chown(folder, user)
    return folder
