"""A `dispatch serve` in processes of its own, for tests and fault experiments."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

# A city of 80 stores instead of 1,000: what is tested here is not how long the whole of it takes to load.
SMALL_CITY = """
import functools
from dispatch import cli, demo
demo.prepare_demo = functools.partial(demo.prepare_demo, stores=80)
cli.main()
"""
CITY = "from dispatch import cli; cli.main()"
READY_S = 180.0
END_S = 30.0


class Server:
    """A `dispatch serve` of ours, in a process group of its own, and what it says."""

    def __init__(
        self, data_dir: Path, *options: str, city: str = SMALL_CITY, settings: Mapping[str, object] | None = None
    ) -> None:
        self.data_dir = data_dir
        self._said = data_dir.with_name(f"{data_dir.name}-{time.monotonic_ns()}.out")
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-c", city, "serve", "--port", "0", "--data-dir", str(data_dir), *options],
                stdout=said,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=_environment()
                | {f"DISPATCH_{name.upper()}": str(value) for name, value in (settings or {}).items()},
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self._said.read_text(encoding="utf-8")

    def until(self, text: str) -> None:
        """Return once it has said that."""
        until(lambda: text in self.said or self.process.poll() is not None, READY_S)
        assert text in self.said, self.said

    @property
    def address(self) -> str:
        found = re.search(r"serves (http://\S+)", self.said)
        assert found is not None, self.said
        return found[1]

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """As Ctrl-C does it: the whole group gets the signal. The exit code."""
        os.killpg(self.process.pid, number)
        return self.process.wait(END_S)


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("DISPATCH_")}
    return kept | {"COLUMNS": "200"}


def until(done: Callable[[], bool], at_most_s: float) -> None:
    """Return once ``done``. Raises AssertionError after a time."""
    deadline = time.monotonic() + at_most_s
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert done(), f"not within {at_most_s:.0f} s"


def processes_of(data_dir: Path) -> list[str]:
    """Command lines of the processes that name this data directory, or work in it."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            settings = (folder / "environ").read_bytes().decode(errors="replace")
            where = os.readlink(folder / "cwd")
        except OSError:
            continue
        if any(str(data_dir) in text for text in (command, settings, where)) and str(os.getpid()) != folder.name:
            found.append(f"{folder.name} {command}")
    return found


@contextmanager
def serving(data_dir: Path, *options: str, city: str = SMALL_CITY) -> Iterator[Server]:
    """A server that is killed at the end, if it has not ended before."""
    server = Server(data_dir, *options, city=city)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait()


def ask(address: str, path: str, body: str | None = None) -> tuple[int, Any]:
    """GET, or POST of ``body``, on a connection of its own: the status, and the JSON of the answer."""
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
    try:
        method, headers = ("GET", {}) if body is None else ("POST", {"Content-Type": "application/json"})
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def page_of(address: str, path: str) -> str:
    """A page, which must be there."""
    with urlopen(address + path, timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def check(data_dir: Path) -> list[str]:
    """The problems that `dispatch check` finds; its code if it finds none and yet fails."""
    command = [sys.executable, "-c", CITY, "check", "--data-dir", str(data_dir)]
    ran = subprocess.run(command, capture_output=True, text=True, env=_environment(), check=False)
    found = [line for line in ran.stdout.splitlines() if line.startswith("problem")]
    return found or ([f"dispatch check ended with code {ran.returncode}: {ran.stderr}"] if ran.returncode else [])


def postmaster_of(data_dir: Path) -> int | None:
    """The pid of the database's first process; None while there is none."""
    try:
        return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
    except (FileNotFoundError, IndexError):
        return None


def workers_of(data_dir: Path) -> list[int]:
    """The pids of the workers."""
    nurseries = set(nursery_of(data_dir))
    return [pid for pid in _forking(data_dir) if pid not in nurseries]


def nursery_of(data_dir: Path) -> list[int]:
    """The pid of the process that the workers are forked from."""
    servers = [int(line.split()[0]) for line in processes_of(data_dir) if " serve " in line]
    return [pid for pid in _forking(data_dir) if _parent(pid) in servers]


def _forking(data_dir: Path) -> list[int]:
    return [int(line.split()[0]) for line in processes_of(data_dir) if "dispatch.commands.nursery" in line]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()[1])
    except OSError:
        return 0


def end_database(data_dir: Path) -> None:
    """Kill the database that a killed server has left running on purpose; nothing of ours shall outlive the tests."""
    pid = postmaster_of(data_dir)
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
