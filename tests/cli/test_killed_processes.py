"""dispatch serve whose database or workers are killed: it goes on by itself, and ends as it should."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import Server, ask, end_database, nursery_of, postmaster_of, processes_of, serving, until, workers_of

BACK_S = 15.0


@pytest.fixture(scope="module")
def data_dir(short_tmp: Path) -> Iterator[Path]:
    path = short_tmp / "killed"
    yield path
    end_database(path)
    shutil.rmtree(path, ignore_errors=True)


def _kill_postmaster(data_dir: Path) -> int:
    pid = postmaster_of(data_dir)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


def _ready(server: Server) -> bool:
    try:
        return ask(server.address, "/readyz")[0] == 200
    except OSError:  # whoever took the connection was killed with it
        return False


def test_a_killed_database_is_started_again_and_ctrl_c_at_that_moment_ends_everything(data_dir: Path) -> None:
    with serving(data_dir) as server:
        server.until("Ctrl-C stops it.")
        pid = _kill_postmaster(data_dir)
        server.until("database_started_again")
        until(lambda: _ready(server), BACK_S)
        assert postmaster_of(data_dir) != pid
        assert "Traceback" not in server.said

        _kill_postmaster(data_dir)
        assert server.end() == 0
        assert server.said.endswith("Stopped.\n")
        assert "Traceback" not in server.said
    assert processes_of(data_dir) == []


def test_workers_and_database_that_are_killed_again_and_again_come_back(data_dir: Path) -> None:
    with serving(data_dir, "--workers", "2") as server:
        server.until("Ctrl-C stops it.")
        for _ in range(3):
            for pid in workers_of(data_dir):
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.3)  # those who follow are killed before they are ready
        _kill_postmaster(data_dir)
        for pid in workers_of(data_dir):
            os.kill(pid, signal.SIGKILL)
        until(lambda: all(_ready(server) for _ in range(8)), BACK_S)

        workers, nursery = workers_of(data_dir), nursery_of(data_dir)
        os.kill(nursery[0], signal.SIGKILL)
        until(lambda: nursery_of(data_dir) not in ([], nursery), BACK_S)
        assert sorted(workers_of(data_dir)) == sorted(workers), "they have lived on"
        assert _ready(server)
        os.kill(workers[0], signal.SIGKILL)
        until(lambda: len(workers_of(data_dir)) == 2 and workers[0] not in workers_of(data_dir), BACK_S)
        until(lambda: all(_ready(server) for _ in range(8)), BACK_S)
        assert server.end() == 0
    assert processes_of(data_dir) == []
