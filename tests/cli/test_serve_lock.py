"""The lock that lets one server process have a data directory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dispatch.serve_lock import AlreadyRunning, acquire_serve_lock, served_at, served_on


def test_the_second_to_serve_is_told_who_does(tmp_path: Path) -> None:
    with acquire_serve_lock(tmp_path, "http://127.0.0.1:8000"):
        with pytest.raises(AlreadyRunning) as caught:
            acquire_serve_lock(tmp_path, "http://127.0.0.1:8001")
        line = str(caught.value)
        assert "\n" not in line
        assert f"pid {os.getpid()} serves http://127.0.0.1:8000" in line
        assert "--data-dir" in line
    acquire_serve_lock(tmp_path, "http://127.0.0.1:8001").release()


def test_others_can_see_where_it_is_served(tmp_path: Path) -> None:
    assert served_at(tmp_path) is None
    with acquire_serve_lock(tmp_path, "http://127.0.0.1:8000"):
        assert served_at(tmp_path) == "http://127.0.0.1:8000"
    assert served_at(tmp_path) is None


def test_an_address_learnt_later_is_what_the_second_is_told(tmp_path: Path) -> None:
    with acquire_serve_lock(tmp_path, "http://127.0.0.1:0") as lock:
        lock.tell("http://127.0.0.1:40123")
        with pytest.raises(AlreadyRunning, match=f"pid {os.getpid()} serves http://127.0.0.1:40123;"):
            acquire_serve_lock(tmp_path, "http://127.0.0.1:0")


def test_others_can_see_on_which_roads_it_is_served(tmp_path: Path) -> None:
    assert served_on(tmp_path) is None
    roads = tmp_path / "with a blank" / "city.osm.pbf"
    with acquire_serve_lock(tmp_path, "http://127.0.0.1:8000") as lock:
        assert served_on(tmp_path) is None
        lock.tell("http://127.0.0.1:8000", roads=roads)
        assert (served_at(tmp_path), served_on(tmp_path)) == ("http://127.0.0.1:8000", roads)
        with pytest.raises(AlreadyRunning, match=r"serves http://127\.0\.0\.1:8000;"):
            acquire_serve_lock(tmp_path, "http://127.0.0.1:8001")
        lock.tell("http://127.0.0.1:8000")
        assert served_on(tmp_path) is None
    assert served_on(tmp_path) is None


def test_the_lock_of_a_killed_server_is_free(tmp_path: Path) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom dispatch.serve_lock import acquire_serve_lock\n"
        "lock = acquire_serve_lock(Path(sys.argv[1]), 'http://x')\nprint('held', flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            with pytest.raises(AlreadyRunning, match=f"pid {process.pid} "):
                acquire_serve_lock(tmp_path, "http://y")
        finally:
            process.kill()
    acquire_serve_lock(tmp_path, "http://y").release()
