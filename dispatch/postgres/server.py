"""The embedded PostgreSQL, shared by every process of a data directory.

    <data_dir>/postgres         the cluster; its socket too, unless the path is too long for one
    <data_dir>/postgres.new-*   a cluster in the making; renamed when it is whole
    <data_dir>/postgres.log     what the server said
    <data_dir>/postgres.users   shared lock: one holder for each user of the server; the last to leave stops it
    <data_dir>/postgres.start   exclusive lock: starting and stopping, one process at a time

All of it rests on flock, which the kernel lets go of when a process dies, however it dies: there is no list of pids
that could be stale. A server left behind by killed users is found running, and used, by whoever comes next.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import stat
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

from dispatch.postgres.data_dir import PostgresError, disk_full, in_one_line, locked, prepared
from dispatch.postgres.programs import Programs
from dispatch.processes import is_alive

DATABASE = "dispatch"
SUPERUSER = "postgres"
MAJOR_VERSION = "18"

START_TIMEOUT_S = 120.0  # recovery after a crash in the middle of a bulk load takes most of a minute
STOP_TIMEOUT_S = 60.0
_POLL_S = 0.02
# How long the backends of a killed server may take over a plain request to end, and over all of it.
_ORPHANS_QUIT_S = 0.5
_ORPHANS_GONE_S = 5.0
_REJECTS = 1  # pg_isready: it runs and takes no connections now, since it is recovering

# sockaddr_un.sun_path holds 108 bytes on Linux and 104 on macOS, a closing zero included. The smaller serves both.
_SOCKET_PATH_BYTES = 103
_SOCKET_NAME = ".s.PGSQL.5432"
_LOG_BYTES = 16 * 1024 * 1024


def _server_settings(socket_dir: Path) -> dict[str, str]:
    """What differs from PostgreSQL's defaults. Given on the command line, so that an old cluster follows new code."""
    memory_mb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    return {
        # Nobody reaches this server but through the socket's directory, which only its owner may enter.
        "listen_addresses": "",
        "unix_socket_directories": '"' + str(socket_dir).replace('"', '""') + '"',
        # An eighth of the machine: the service's own replica needs the rest. 512 MB hold the hot shelves of a city.
        "shared_buffers": f"{max(64, min(512, memory_mb // 8))}MB",
        "effective_cache_size": f"{max(256, memory_mb // 2)}MB",
        "work_mem": "16MB",
        "maintenance_work_mem": f"{max(64, min(256, memory_mb // 16))}MB",
        # Workers × pool, imports, the command line beside them.
        "max_connections": "200",
        # A bulk load writes gigabytes: few checkpoints, small full-page images. A commit still is on disk.
        "max_wal_size": "4GB",
        "min_wal_size": "256MB",
        # After a crash all that was written since the last checkpoint is done again, some 370,000 rows a second: at
        # 8,000 rows a second 15 minutes of it would take 20 s, a minute and a half takes 2 s.
        "checkpoint_timeout": "1min",
        "checkpoint_completion_target": "0.5",
        "wal_compression": "on",
        "synchronous_commit": "on",
        # Statements of milliseconds: compiling them costs more than running them.
        "jit": "off",
        "random_page_cost": "1.1",
        # Shelf rows are updated all day and loaded by the million: vacuum early. With a limit of 1,000 a vacuum takes a
        # core that answers are made on, with PostgreSQL's own 200 it sleeps most of the time.
        "autovacuum_naptime": "20s",
        "autovacuum_vacuum_scale_factor": "0.05",
        "autovacuum_analyze_scale_factor": "0.02",
        "autovacuum_vacuum_cost_limit": "400",
        # One time zone and one language, whatever the machine's: the log is read by this file.
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        "log_line_prefix": "%m [%p] ",
        "log_checkpoints": "off",
    }


class EmbeddedPostgres:
    """A PostgreSQL server that every process with this data directory shares. Made by :func:`acquire`."""

    def __init__(self, data_dir: Path, extra_settings: Mapping[str, str]) -> None:
        self.data_dir = data_dir
        self.cluster = data_dir / "postgres"
        self.log = data_dir / "postgres.log"
        self._extra_settings = dict(extra_settings)
        self._users: IO[bytes] | None = None
        self._leaving = threading.Event()
        self._programs = Programs()

    @property
    def url(self) -> str:
        """The database of the service, as asyncpg takes it."""
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """Another database of this server. It need not exist."""
        return f"postgresql://{SUPERUSER}@/{quote(database)}?host={quote(str(self._socket_dir()), safe='/')}"

    def is_running(self) -> bool:
        """Whether there is a server, be it one that is starting or recovering. Takes microseconds."""
        found = self._postmaster()
        return found is not None and self._is_postmaster(found[0])

    def start_again(self) -> None:
        """Start the server if it has died. Blocks until it answers; in another thread, :meth:`leave` ends that.

        Raises PostgresError.
        """
        with in_one_line(self.data_dir), locked(self.data_dir / "postgres.start"):
            if not self._leaving.is_set() and not self._answers():
                self._start()

    def leave(self) -> None:
        """Have whoever waits for the server to answer wait no longer, for it will be released next."""
        self._leaving.set()

    def release(self) -> None:
        """Leave the server; whoever leaves last stops it. Does nothing the second time."""
        self.leave()
        users, self._users = self._users, None
        if users is None:
            return
        with users, locked(self.data_dir / "postgres.start"):
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # others are still using it
            self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()

    # -- starting

    def _enter(self) -> None:
        with locked(self.data_dir / "postgres.start"):
            users = open(self.data_dir / "postgres.users", "ab")  # noqa: SIM115 - held open: it carries the lock
            try:
                fcntl.flock(users, fcntl.LOCK_SH)
                self._programs.account.open_way(self._programs.bin / "postgres")
                self._programs.open_wheel()
                if not self._answers():
                    self._make_if_missing()
                    self._check_version()
                    self._start()
            except BaseException:
                users.close()
                raise
            self._users = users

    def _make_if_missing(self) -> None:
        if self.cluster.exists() and any(self.cluster.iterdir()):
            return
        for abandoned in self.data_dir.glob("postgres.new-*"):  # by a process that was killed half way
            shutil.rmtree(abandoned, ignore_errors=True)
        # A name of its own each time: an initdb whose parent was killed goes on, and clears up after itself.
        new = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.data_dir))
        self._programs.account.give(new)
        made = self._programs.run(
            "initdb",
            f"--pgdata={new}",
            f"--username={SUPERUSER}",
            "--auth=trust",  # over the socket alone, whose directory lets in nobody else
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",  # sorts the same on every machine, whatever its C library
            "--builtin-locale=C.UTF-8",
            "--data-checksums",
        )
        if made.returncode == 0:
            made = self._programs.run(
                "postgres", "--single", "-j", "-D", str(new), "template1", stdin=f"CREATE DATABASE {DATABASE};\n\n"
            )
        if made.returncode != 0:
            shutil.rmtree(new, ignore_errors=True)
            raise self._failure("could not be made", made.stderr + made.stdout)
        new.rename(self.cluster)

    def _check_version(self) -> None:
        try:
            version = (self.cluster / "PG_VERSION").read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise PostgresError(
                f"the database in {self.cluster} is damaged (PG_VERSION is missing or unreadable); "
                "restore it from a backup, or move it away to begin with an empty one"
            ) from error
        if version != MAJOR_VERSION:
            raise PostgresError(
                f"the database in {self.cluster} was made by PostgreSQL {version[:20]!r}, this is {MAJOR_VERSION}; "
                "dump it there with pg_dumpall and load it here, or move it away to begin with an empty one"
            )

    def _start(self) -> None:
        self._end_orphans()
        socket_dir = self._socket_dir()
        if socket_dir != self.cluster:
            self._make_short_dir(socket_dir)
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        settings = _server_settings(socket_dir) | self._extra_settings
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        stale = self._postmaster()
        marks: dict[str, str] = {}
        if stale is not None and not self._is_postmaster(stale[0]):
            # After a crash the pid in postmaster.pid may since belong to someone else, which PostgreSQL takes for a
            # running server; in containers pids repeat all the time. A pid it is told to be its grandparent's it
            # disregards (CreateLockFile in miscinit.c), and still looks for orphaned backends in shared memory.
            marks["PG_GRANDPARENT_PID"] = str(stale[0])
        with open(self.log, "ab") as log:
            begin = log.tell()
            pid = self._programs.launch("postgres", "-D", str(self.cluster), *options, marks=marks, log=log)
        self._await_ready(pid, begin)

    def _await_ready(self, pid: int, begin: int) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if not is_alive(pid) and not self._answers():  # it also gives way to one that a killed process started
                raise self._failure("does not start", self._log_since(begin))
            if time.monotonic() > deadline:
                raise self._failure(f"was not ready within {START_TIMEOUT_S:.0f} s", self._log_since(begin))
            self._pause()

    def _pause(self) -> None:
        if self._leaving.wait(_POLL_S):
            raise PostgresError(f"PostgreSQL in {self.cluster} is not waited for any more")

    def _end_orphans(self) -> None:
        """End what a killed server has left: while one process has its shared memory, no new server starts.

        Idle backends end by themselves; one in the middle of a long statement would not notice before its end.
        """
        began = time.monotonic()
        while orphans := self._orphans():
            waited_s = time.monotonic() - began
            for pid in orphans:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGQUIT if waited_s < _ORPHANS_QUIT_S else signal.SIGKILL)
            if waited_s > _ORPHANS_GONE_S:
                return  # PostgreSQL will say what is the matter
            time.sleep(_POLL_S)

    def _stop(self) -> None:
        if not self.is_running():
            self._end_orphans()
            return
        timeout = f"--timeout={STOP_TIMEOUT_S:.0f}"
        done = self._programs.run("pg_ctl", "stop", f"--pgdata={self.cluster}", "--mode=fast", timeout)
        running = self._postmaster()
        if done.returncode != 0 and running is not None and self._is_postmaster(running[0]):
            raise self._failure("does not stop", done.stderr)
        if (short := self._socket_dir()) != self.cluster:
            shutil.rmtree(short, ignore_errors=True)

    # -- looking

    def _postmaster(self) -> tuple[int, str] | None:
        """The pid and the state in postmaster.pid; None when there is no such file or it is not whole."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            return int(lines[0]), lines[7].strip() if len(lines) > 7 else ""
        except (OSError, ValueError, IndexError):
            return None

    def _is_postmaster(self, pid: int) -> bool:
        """Whether that process is the server of this cluster: then the cluster is its working directory."""
        try:
            return Path(os.readlink(f"/proc/{pid}/cwd")) == self.cluster
        except OSError:
            return not Path("/proc/self/cwd").exists() and is_alive(pid)  # no /proc here (macOS): believe the pid

    def _orphans(self) -> list[int]:
        """Processes of this cluster's servers. With no server running they are what a killed one has left."""
        return [int(name) for name in _listed("/proc") if name.isdigit() and self._is_of_cluster(name)]

    def _is_of_cluster(self, pid: str) -> bool:
        try:
            if Path(os.readlink(f"/proc/{pid}/cwd")) != self.cluster:
                return False
        except OSError:
            return False
        try:
            return Path(os.readlink(f"/proc/{pid}/exe")).name.startswith("postgres")
        except OSError:
            return True  # it is about to be gone, and until it is it may still have the shared memory

    def _answers(self) -> bool:
        """Whether the server runs and takes connections. Waits for one that is starting or stopping."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while (found := self._postmaster()) is not None and self._is_postmaster(found[0]):
            if found[1] == "ready":
                where = str(self._socket_dir())
                asked = self._programs.run("pg_isready", "-q", "-t", "10", "-U", SUPERUSER, "-h", where)
                if asked.returncode != _REJECTS:
                    return asked.returncode == 0
            if time.monotonic() > deadline:
                raise PostgresError(f"PostgreSQL (process {found[0]}) is {found[1] or 'stuck'}; see {self.log}")
            self._pause()
        return False

    def _socket_dir(self) -> Path:
        # asyncpg takes a comma for the end of one host and the beginning of the next.
        if len(os.fsencode(self.cluster / _SOCKET_NAME)) <= _SOCKET_PATH_BYTES and "," not in str(self.cluster):
            return self.cluster
        digest = hashlib.sha256(os.fsencode(self.cluster)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"lifecircle-{digest}"

    def _make_short_dir(self, path: Path) -> None:
        """The socket's own directory under the temporary one, where others may have put something of that name."""
        try:
            found = path.lstat()
        except FileNotFoundError:
            self._programs.account.give(path)
            found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != self._programs.account.uid or found.st_mode & 0o077:
            raise PostgresError(
                f"{path} is not a directory of PostgreSQL's alone; remove it, or use a shorter data directory"
            )

    # -- saying what went wrong

    def _log_since(self, begin: int) -> str:
        with open(self.log, "rb") as log:
            log.seek(begin)
            return log.read().decode(errors="replace")

    def _failure(self, what: str, said: str) -> PostgresError:
        # A full disk often has no room for the log that would say so.
        full = "No space left on device" in said or "Disk quota exceeded" in said
        if full or shutil.disk_usage(self.data_dir).free < 2**20:
            return disk_full(self.data_dir)
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        grave = [match[1] for line in lines if (match := re.search(r"(?:FATAL|PANIC|initdb: error): +(.*)", line))]
        reason = grave[-1] if grave else lines[-1] if lines else "it said nothing"
        if any(word in what for word in ("stop", "within", "made")):
            return PostgresError(f"PostgreSQL in {self.cluster} {what}: {reason}; see {self.log}")
        return PostgresError(
            f"PostgreSQL in {self.cluster} {what}: {reason}; see {self.log}; if the files are damaged, restore them "
            "from a backup, or move them away to begin with an empty database"
        )


def acquire(data_dir: Path, *, extra_settings: Mapping[str, str] | None = None) -> EmbeddedPostgres:
    """Use the PostgreSQL of ``data_dir``, started if nobody runs it and made if it is not there.

    Blocks, for a second or two the first time. ``extra_settings`` count only for the process that starts the server.
    Raises PostgresError, with one line: disk full, directory not writable, damaged or of another version, time-out.
    """
    data_dir = prepared(data_dir)
    server = EmbeddedPostgres(data_dir, extra_settings or {})
    with in_one_line(data_dir):
        server._enter()
    return server


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:  # no /proc here (macOS)
        return []
