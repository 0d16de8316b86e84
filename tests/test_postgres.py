"""The embedded PostgreSQL: shared by processes, outliving killed ones, and clear when it cannot start."""

import asyncio
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from dispatch.postgres import EmbeddedPostgres, PostgresError, acquire, programs

# Takes the server of argv[1], says the pid of the postmaster, and stays until its standard input ends.
USER = """
import sys
from pathlib import Path
from dispatch.postgres import acquire
server = acquire(Path(sys.argv[1]))
print((server.cluster / "postmaster.pid").read_text().split()[0], flush=True)
sys.stdin.read()
server.release()
"""


@pytest.fixture(scope="module")
def stopped_cluster(short_tmp: Path) -> Path:
    """A data directory whose server has been stopped: making one takes a second, copying it a tenth."""
    path = short_tmp / "stopped"
    acquire(path).release()
    return path


@pytest.fixture
def data_dir(stopped_cluster: Path, empty_dir: Path) -> Path:
    """A data directory with a cluster that does not run."""
    subprocess.run(["cp", "-a", str(stopped_cluster), str(empty_dir)], check=True)
    return empty_dir


@pytest.fixture
def empty_dir(short_tmp: Path) -> Iterator[Path]:
    """The path of a data directory that is not there yet."""
    path = short_tmp / f"d{time.monotonic_ns()}"
    yield path
    pid = _postmaster(path)
    if pid is not None and _cwd(pid) == path / "postgres":
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(path, ignore_errors=True)


def _postmaster(data_dir: Path) -> int | None:
    try:
        return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
    except FileNotFoundError:
        return None


def _cwd(pid: int) -> Path | None:
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd"))
    except OSError:
        return None


def _ask(url: str, question: str = "SELECT current_database()") -> object:
    async def run() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(question)
        finally:
            await connection.close()

    with asyncio.Runner() as runner:
        return runner.run(run())


def _other_user(data_dir: Path) -> tuple["subprocess.Popen[str]", int]:
    process = subprocess.Popen(
        [sys.executable, "-c", USER, str(data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def _kill(process: "subprocess.Popen[str]") -> None:
    with process:
        process.kill()


def _gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if _cwd(pid) is None:
            return True
        time.sleep(0.02)
    return False


def _one_line(error: pytest.ExceptionInfo[PostgresError]) -> str:
    text = str(error.value)
    assert text
    assert "\n" not in text
    return text


def test_the_first_user_starts_the_server_and_the_last_one_stops_it(data_dir: Path) -> None:
    first = acquire(data_dir)
    pid = _postmaster(data_dir)
    assert pid is not None
    second = acquire(data_dir)
    assert _postmaster(data_dir) == pid
    first.release()
    first.release()
    assert _ask(second.url) == "dispatch"
    second.release()
    assert _gone(pid)
    assert _postmaster(data_dir) is None


def test_the_server_is_closed_to_others_and_keeps_what_it_commits(data_dir: Path) -> None:
    with acquire(data_dir) as server:
        expected = {
            "listen_addresses": "",
            "data_checksums": "on",
            "synchronous_commit": "on",
            "fsync": "on",
            "server_encoding": "UTF8",
            "TimeZone": "UTC",
        }
        assert {name: _ask(server.url, f"SHOW {name}") for name in expected} == expected
        folder = server.cluster.stat()
        assert stat.S_IMODE(folder.st_mode) == 0o700
        assert folder.st_uid != 0
        # Ctrl-C goes to the session of the terminal; the server is in another.
        pid = _postmaster(data_dir)
        assert pid is not None
        assert os.getsid(pid) != os.getsid(0)


def test_processes_that_start_at_the_same_moment_share_one_server(empty_dir: Path) -> None:
    command = [sys.executable, "-c", USER, str(empty_dir)]
    users = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = []
    for user in users:
        assert user.stdout is not None
        said.append(user.stdout.readline())
    assert len(set(said)) == 1
    assert said[0].strip().isdigit()
    for user in users:
        _, errors = user.communicate()
        assert user.returncode == 0, errors
    assert _gone(int(said[0]))


def test_a_server_left_behind_by_a_killed_user_is_found_and_in_the_end_stopped(data_dir: Path) -> None:
    process, pid = _other_user(data_dir)
    _kill(process)
    assert _cwd(pid) == data_dir / "postgres"
    with acquire(data_dir) as server:
        assert _postmaster(data_dir) == pid
        assert _ask(server.url) == "dispatch"
    assert _gone(pid)


def test_a_user_that_leaves_does_not_stop_the_server_of_another_process(data_dir: Path) -> None:
    process, pid = _other_user(data_dir)
    with acquire(data_dir) as server:
        process.communicate()
        assert _postmaster(data_dir) == pid
        assert _ask(server.url) == "dispatch"


def test_a_killed_server_starts_again_even_if_its_pid_now_belongs_to_another_process(data_dir: Path) -> None:
    server = acquire(data_dir)
    pid = _postmaster(data_dir)
    assert pid is not None
    _ask(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(pid, signal.SIGKILL)
    assert _gone(pid)
    server.release()
    owner = (data_dir / "postgres").stat().st_uid
    with subprocess.Popen(["sleep", "60"], user=owner) as stranger:
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            file = data_dir / "postgres" / name
            lines = file.read_text().splitlines()
            assert lines[0] == str(pid)
            file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        with acquire(data_dir) as again:
            assert _ask(again.url, "SELECT answer FROM kept") == 42
        stranger.kill()


def test_a_cluster_whose_making_was_interrupted_is_made_anew(empty_dir: Path) -> None:
    half = empty_dir / "postgres.new-abc"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with acquire(empty_dir) as server:
        assert _ask(server.url) == "dispatch"
    assert not list(empty_dir.glob("postgres.new-*"))


def test_a_user_killed_while_the_cluster_is_made_leaves_nothing_that_disturbs_the_next(empty_dir: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", USER, str(empty_dir)], stdin=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    while not list(empty_dir.glob("postgres.new-*/PG_VERSION")):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    _kill(process)
    with acquire(empty_dir) as server:
        assert _ask(server.url) == "dispatch"


def _remove_version(cluster: Path) -> None:
    (cluster / "PG_VERSION").unlink()


def _older_version(cluster: Path) -> None:
    (cluster / "PG_VERSION").write_text("14\n")


def _break_control_file(cluster: Path) -> None:
    (cluster / "global" / "pg_control").write_bytes(b"\0" * 8192)


def _lose_the_log(cluster: Path) -> None:
    shutil.rmtree(cluster / "pg_wal")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_remove_version, "is damaged"),
        (_older_version, "was made by PostgreSQL '14', this is 18"),
        (_break_control_file, "does not start"),
        (_lose_the_log, "does not start: required WAL directory"),
    ],
)
def test_a_damaged_cluster_gets_one_line_with_the_mend(
    damage: Callable[[Path], None], said: str, data_dir: Path
) -> None:
    damage(data_dir / "postgres")
    with pytest.raises(PostgresError) as caught:
        acquire(data_dir)
    line = _one_line(caught)
    assert said in line
    assert str(data_dir) in line
    assert re.search("restore|dump", line)
    assert _postmaster(data_dir) is None


def test_after_a_failed_start_the_locks_are_free(data_dir: Path) -> None:
    (data_dir / "postgres" / "PG_VERSION").rename(data_dir / "aside")
    with pytest.raises(PostgresError):
        acquire(data_dir)
    (data_dir / "aside").rename(data_dir / "postgres" / "PG_VERSION")
    with acquire(data_dir) as server:
        pid = _postmaster(data_dir)
        assert _ask(server.url) == "dispatch"
    assert pid is not None
    assert _gone(pid)


def test_a_full_disk_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch, short_tmp: Path, empty_dir: Path) -> None:
    folder = short_tmp / "full" / "bin"
    folder.mkdir(parents=True)
    initdb = folder / "initdb"
    initdb.write_text(
        "#!/bin/sh\necho 'initdb: error: could not write file \"x\": No space left on device' >&2\nexit 1\n"
    )
    (folder / "postgres").touch()
    for program in folder.iterdir():
        program.chmod(0o755)
    monkeypatch.setattr(programs, "binaries", lambda: folder)
    with pytest.raises(PostgresError, match="is full") as caught:
        acquire(empty_dir)
    assert str(empty_dir) in _one_line(caught)
    assert not (empty_dir / "postgres").exists()


def test_a_data_directory_that_cannot_be_made_gets_one_line(short_tmp: Path) -> None:
    (short_tmp / "file").touch()
    with pytest.raises(PostgresError, match="cannot use") as caught:
        acquire(short_tmp / "file" / "below")
    _one_line(caught)


def test_a_path_too_long_for_a_socket_gets_a_short_one_that_only_its_owner_enters(empty_dir: Path) -> None:
    with acquire(empty_dir / ("x" * 120)) as server:
        socket_dir = Path(server.url.partition("?host=")[2])
        assert len(str(socket_dir)) < 80
        assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
        assert _ask(server.url) == "dispatch"
    assert not socket_dir.exists()


@pytest.mark.parametrize("mode", [0o777, 0o700])
def test_a_socket_directory_that_another_user_laid_out_is_not_entered(
    mode: int, stopped_cluster: Path, empty_dir: Path
) -> None:
    path = empty_dir / ("y" * 120)
    path.mkdir(parents=True)
    trap = Path(EmbeddedPostgres(path.resolve(), {}).url.partition("?host=")[2])
    trap.mkdir()
    trap.chmod(mode)
    if mode == 0o777:  # open to all, whoever owns it
        os.chown(trap, (stopped_cluster / "postgres").stat().st_uid, -1)
    elif os.geteuid() != 0:
        trap.rmdir()
        pytest.skip("only root can lay out a directory of another user")
    try:
        with pytest.raises(PostgresError, match="not a directory of PostgreSQL's alone"):
            acquire(path)
    finally:
        trap.rmdir()


@pytest.mark.parametrize("name", ["a b%41'\"é&?=店", "a,b"])
def test_any_name_of_a_directory_will_do(name: str, empty_dir: Path) -> None:
    with acquire(empty_dir / name) as server:
        assert _ask(server.url) == "dispatch"


def _hold(url: str) -> subprocess.Popen[str]:
    """A backend in the middle of a statement that looks for nothing, neither its client nor its postmaster."""
    script = (
        "import asyncio, asyncpg, sys\n"
        "async def main():\n"
        "    connection = await asyncpg.connect(sys.argv[1])\n"
        "    print('connected', flush=True)\n"
        "    await connection.execute('SELECT count(*) FROM generate_series(1, 100000000000)')\n"
        "asyncio.run(main())"
    )
    client = subprocess.Popen(
        [sys.executable, "-c", script, url], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert client.stdout is not None
    assert client.stdout.readline() == "connected\n"
    return client


def test_a_server_that_was_killed_starts_again_although_a_backend_of_it_is_busy(data_dir: Path) -> None:
    with acquire(data_dir) as server:
        assert server.is_running()
        with _hold(server.url) as client:
            _kill_postmaster(data_dir)
            assert not server.is_running()
            began = time.monotonic()
            server.start_again()
            took_s = time.monotonic() - began
            client.kill()
        assert server.is_running()
        assert took_s < 3.0
        assert _ask(server.url) == "dispatch"


def test_whoever_leaves_a_killed_server_leaves_no_backend_behind(data_dir: Path) -> None:
    with acquire(data_dir) as server, _hold(server.url) as client:
        _kill_postmaster(data_dir)
        server.release()
        client.kill()
    assert [folder for folder in Path("/proc").glob("[0-9]*") if _cwd(int(folder.name)) == data_dir / "postgres"] == []


def test_a_start_again_that_is_waited_for_no_longer_ends_at_once(data_dir: Path) -> None:
    server = acquire(data_dir)
    _kill_postmaster(data_dir)
    server.leave()
    server.start_again()
    assert not server.is_running()
    server.release()


def _kill_postmaster(data_dir: Path) -> None:
    pid = _postmaster(data_dir)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert _gone(pid)
