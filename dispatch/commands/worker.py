"""One of several processes that answer; forked by commands.nursery, where everything is imported already."""

import asyncio
import os
import signal
import socket
import sys
import threading
import time
from typing import Final

from dispatch.app import create_app_from_environment
from dispatch.commands.failures import line_of
from dispatch.commands.server import GRACE_S, ReadyServer, config_of, settle_memory
from dispatch.settings import load_settings
from dispatch.storage.reaching import DatabaseUnreachable, current

_DATABASE_WAIT_S: Final = 30.0
_POLL_S: Final = 0.05


def run(listener_fd: int) -> int:
    """Serve until asked to stop, or until the process that started this one is gone; the exit code."""
    try:
        _serve(listener_fd)
    except Exception as error:
        line = line_of(error)
        if line is None:
            raise
        print(f"dispatch: {line}", file=sys.stderr)
        return 1
    return 0


def _serve(listener_fd: int) -> None:
    lifeline = _Lifeline()
    lifeline.start()
    settings = load_settings()
    assert settings.database_url is not None, "whoever starts a worker says which database"
    asyncio.run(_reach(settings.database_url))
    app = create_app_from_environment(settle=settle_memory)
    server = lifeline.server = ReadyServer(config_of(app, settings.log_level), app, _say_ready)

    def end(_number: int, _frame: object) -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    with socket.socket(fileno=listener_fd) as listener:
        server.serve_until_told(listener)


async def _reach(url: str) -> None:
    """Return once the database answers, which may just be starting again. Raises DatabaseUnreachable after a time."""
    deadline = time.monotonic() + _DATABASE_WAIT_S
    while True:
        try:
            await current(url)
            return
        except DatabaseUnreachable:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(_POLL_S)


class _Lifeline(threading.Thread):
    """Ends this process when standard input does: then the one that looks after it is gone."""

    def __init__(self) -> None:
        super().__init__(name="lifeline", daemon=True)
        self.server: ReadyServer | None = None

    def run(self) -> None:
        os.read(sys.stdin.fileno(), 1)
        if self.server is not None and self.server.started:
            self.server.should_exit = True
            time.sleep(GRACE_S)
        os._exit(1)  # nobody is left who would make it end


async def _say_ready() -> None:
    os.write(1, f"ready {os.getpid()}\n".encode())
