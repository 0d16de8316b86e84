"""Starts the embedded database again when it dies while it is being used.

In a thread of its own, since looking for the server and starting it block, and since whoever uses it may have an event
loop or none.
"""

import threading
import time
from types import TracebackType
from typing import Final, Self

import structlog

from dispatch.postgres import EmbeddedPostgres, PostgresError

_LOOK_EVERY_S: Final = 0.05
_RETRY_FIRST_S: Final = 0.1
_RETRY_MOST_S: Final = 1.0

_log = structlog.get_logger(__name__)


class DatabaseWatch:
    """While it is entered, ``server`` is started again at once whenever it has died."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._over = threading.Event()
        # A daemon, for a second Ctrl-C ends the process without leaving the context.
        self._thread = threading.Thread(target=self._watch, name="database watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._server.leave()
        self._thread.join()

    def _watch(self) -> None:
        retry_s, problem = _RETRY_FIRST_S, None
        while not self._over.wait(_LOOK_EVERY_S):
            if self._server.is_running():
                continue
            if problem is None:
                _log.warning("database_died", data_dir=str(self._server.data_dir))
            began = time.monotonic()
            try:
                self._server.start_again()
            except PostgresError as error:
                # It goes on trying: a full disk is emptied, a directory mended. Said once, not every second.
                if not self._over.is_set() and str(error) != problem:
                    problem = str(error)
                    _log.error("database_does_not_start", reason=problem)
                self._over.wait(retry_s)
                retry_s = min(_RETRY_MOST_S, 2 * retry_s)
            else:
                retry_s, problem = _RETRY_FIRST_S, None
                _log.warning("database_started_again", took_s=round(time.monotonic() - began, 2))
