"""What a service and all that it starts take of memory, seen from outside, at hardly any cost to it."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

_EVERY_S: Final = 0.2
_MB: Final = 1024 * 1024
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class ServiceProcesses:
    """``dispatch serve`` on a port, and all that it has started but PostgreSQL; whoever is new is looked at once."""

    def __init__(self, port: int) -> None:
        self._port = str(port).encode()
        self._of_service: dict[int, bool] = {}

    def pids(self) -> list[int]:
        """Those that there are now, in order."""
        there = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
        for pid in there:
            if pid not in self._of_service:
                with contextlib.suppress(OSError):
                    self._of_service[pid] = self._is_of_service(Path(f"/proc/{pid}"))
        return [pid for pid in there if self._of_service.get(pid)]

    def _is_of_service(self, folder: Path) -> bool:
        command = (folder / "cmdline").read_bytes().split(b"\0")
        if b"serve" in command and self._port in command:
            return True
        # A parent has the smaller number, until numbers begin anew; none of it is PostgreSQL's.
        parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        return self._of_service.get(parent, False) and b"postgres" not in command[0]


def private_mb(pids: list[int]) -> float:
    """Memory that is no file's. What processes share since one was forked counts for each of them.

    It is what the kernel has counted anyway. To be told each one's share of it (PSS) takes ten milliseconds for a large
    process, in which it is given no memory: beside that, five times a second, quotes with nothing else going on had a
    p99 of 8.3 to 10.4 ms, without of 6.1 to 7.1.
    """
    pages = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            resident, of_files = Path(f"/proc/{pid}/statm").read_text().split()[1:3]
            pages += int(resident) - int(of_files)
    return pages * _PAGE_BYTES / _MB


@contextlib.contextmanager
def watched(processes: ServiceProcesses) -> Iterator[Callable[[], float]]:
    """What is yielded tells by how many MB they have grown at most since then."""
    before, most, stop = private_mb(processes.pids()), 0.0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not stop.wait(_EVERY_S):
            most = max(most, private_mb(processes.pids()))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lambda: most - before
    finally:
        stop.set()
        thread.join()
