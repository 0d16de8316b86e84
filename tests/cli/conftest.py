"""What the tests of the command line share: a bare environment, and commands run in this process."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from dispatch import cli
from dispatch.storage import books


@dataclass(frozen=True)
class Ran:
    """What one command left."""

    code: int
    out: str
    err: str

    @property
    def error_line(self) -> str:
        """The one line that it said on standard error."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        return lines[0]


type Run = Callable[..., Ran]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.upper().startswith("DISPATCH_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    # Loggers keep what they were first set up with, and other tests look at theirs.
    monkeypatch.setattr("dispatch.commands.session.configure_logs", lambda _level: None)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process."""

    def run_command(*arguments: str) -> Ran:
        capsys.readouterr()
        code = cli.run(arguments)
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return run_command


@pytest.fixture
def run_here(run: Run, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """As ``run``, with a migrated database of the test's own."""
    monkeypatch.setenv("DISPATCH_DATABASE_URL", database_url)
    # The tests' server does not wait for its disk, and dispatch check would rightly complain.
    monkeypatch.setitem(books._KEEPS, "fsync", ("off",))
    monkeypatch.setitem(books._KEEPS, "full_page_writes", ("off",))
    return run
