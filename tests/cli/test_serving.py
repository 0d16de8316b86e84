"""dispatch serve as a person runs it: the first run with the demo, a second with workers, and how each ends."""

import http.client
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.cli.conftest import Run

# A city of 80 stores instead of 1,000: what is tested here is not how long the whole of it takes to load.
SMALL_CITY = """
import functools
from dispatch import cli, demo
demo.prepare_demo = functools.partial(demo.prepare_demo, stores=80)
cli.main()
"""
DISPATCH = (sys.executable, "-c", SMALL_CITY)
READY_S = 90.0
END_S = 30.0


class Server:
    """A `dispatch serve` of ours, in a process group of its own, and what it says."""

    def __init__(self, data_dir: Path, *options: str) -> None:
        self.data_dir = data_dir
        self._said = data_dir.with_name(f"{data_dir.name}-{time.monotonic_ns()}.out")
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [*DISPATCH, "serve", "--port", "0", "--data-dir", str(data_dir), *options],
                stdout=said,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self._said.read_text(encoding="utf-8")

    def until(self, text: str) -> None:
        _until(lambda: text in self.said or self.process.poll() is not None, READY_S)
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


def _until(done: Callable[[], bool], at_most_s: float) -> None:
    deadline = time.monotonic() + at_most_s
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert done(), f"not within {at_most_s:.0f} s"


def _processes_of(data_dir: Path) -> list[str]:
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
def _serving(data_dir: Path, *options: str) -> Iterator[Server]:
    server = Server(data_dir, *options)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait()


@pytest.fixture(scope="module")
def data_dir(short_tmp: Path) -> Iterator[Path]:
    path = short_tmp / "served"
    yield path
    # A killed server leaves its database running on purpose; nothing of ours shall outlive the tests.
    with suppress(FileNotFoundError, ProcessLookupError):
        os.kill(int((path / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    shutil.rmtree(path, ignore_errors=True)


def _ask(address: str, path: str, body: str | None = None) -> tuple[int, Any]:
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
    try:
        method, headers = ("GET", {}) if body is None else ("POST", {"Content-Type": "application/json"})
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_the_first_run_prints_what_answers_and_ctrl_c_leaves_nothing_behind(data_dir: Path, run: Run) -> None:
    with _serving(data_dir, "--demo") as server:
        server.until("Ctrl-C stops it.")
        said = server.said
        assert "synthetic" in said
        assert f"{server.address}/docs" in said

        nearby = re.search(r"Stores nearby +(http\S+)", said)
        assert nearby is not None
        status, body = _ask(server.address, nearby[1].removeprefix(server.address))
        assert status == 200
        assert body["stores"]

        command = next(shlex.split(line) for line in said.splitlines() if line.strip().startswith("curl "))
        assert command[2] == f"{server.address}/v1/quotes"
        assert command[command.index("-H") + 1] == "Content-Type: application/json"
        status, body = _ask(server.address, "/v1/quotes", command[command.index("-d") + 1])
        assert status == 200
        assert body["outcome"] == "fulfillable" or "just now no store can" in said

        _the_others_get_along_with_it(run, server, command[command.index("-d") + 1])
        assert server.end() == 0
        assert server.said.endswith("Stopped.\n")
    assert _processes_of(data_dir) == []


def _the_others_get_along_with_it(run: Run, server: Server, quote: str) -> None:
    """A second server is refused, an import beside it is seen, and all is well."""
    second = run("serve", "--port", "0", "--data-dir", str(server.data_dir))
    assert second.code == 1
    assert f"already running: pid {server.process.pid} serves {server.address};" in second.error_line

    port = server.address.rpartition(":")[2]
    other = run("serve", "--port", port, "--data-dir", str(server.data_dir) + "-other")
    assert other.code == 1
    assert f"port {port} of 127.0.0.1 is in use" in other.error_line

    place = json.loads(quote)["destination"]
    stores = server.data_dir.with_name("beside.csv")
    stores.write_text(f"store_id,lat,lon,datum\nbeside,{place['lat']},{place['lon']},wgs84\n")
    imported = run("import", "stores", str(stores), "--data-dir", str(server.data_dir))
    assert imported.code == 0, imported.err
    _until(lambda: _ask(server.address, "/v1/stores/beside")[0] == 200, 5.0)

    checked = run("check", "--data-dir", str(server.data_dir))
    assert checked.code == 0, checked.out
    assert "81 stores" in checked.out


def test_workers_end_with_the_one_that_started_them_even_if_it_is_killed(data_dir: Path, run: Run) -> None:
    assert (data_dir / "postgres").is_dir(), "the first run has made it"
    with _serving(data_dir, "--workers", "2") as server:
        server.until("Ctrl-C stops it.")
        assert "81 stores, 2 workers" in server.said
        workers = [line for line in _processes_of(data_dir) if "dispatch.commands.worker" in line]
        assert len(workers) == 2
        assert {_ask(server.address, "/readyz")[0] for _ in range(8)} == {200}

        os.kill(int(workers[0].split()[0]), signal.SIGKILL)
        server.until("worker_ended")
        _until(lambda: sum("commands.worker" in line for line in _processes_of(data_dir)) == 2, READY_S)

        server.process.kill()
        server.process.wait()
        _until(lambda: not any("commands.worker" in line for line in _processes_of(data_dir)), END_S)
    # Its database goes on; whoever comes next finds it, and stops it in the end.
    assert any("postgres" in line for line in _processes_of(data_dir))
    assert run("check", "--data-dir", str(data_dir)).code == 0
    assert _processes_of(data_dir) == []


def test_an_end_that_comes_while_it_starts_leaves_nothing_behind(short_tmp: Path) -> None:
    data_dir = short_tmp / "ended-early"
    with _serving(data_dir, "--demo") as server:
        server.until("Loading the demo city")
        assert server.end(signal.SIGTERM) == 0
        assert "Ctrl-C stops it" not in server.said
        assert "Traceback" not in server.said
    assert _processes_of(data_dir) == []
    shutil.rmtree(data_dir)
