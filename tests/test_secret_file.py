"""The secret of a data directory: one for all, for its owner alone, and never half of one."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatch.postgres import PostgresError
from dispatch.secret_file import SecretFileError, secret_in


@pytest.fixture(autouse=True)
def _any_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_it_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    made = secret_in(tmp_path / "new" / "data")
    path = tmp_path / "new" / "data" / "secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(made) == 43
    assert secret_in(path.parent) == made
    assert [entry.name for entry in path.parent.iterdir()] == ["secret"]
    assert secret_in(tmp_path / "other") != made


def test_all_who_begin_at_once_have_the_same(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from dispatch.secret_file import secret_in; sys.stdin.read(1);"
    code += " print(secret_in(Path(sys.argv[1])))"
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(6)
    ]
    for process in started:  # each waits for its letter, with everything imported
        assert process.stdin is not None
        process.stdin.write(b"x")
        process.stdin.flush()
    said = [process.communicate()[0] for process in started]
    assert {process.returncode for process in started} == {0}
    assert set(said) == {secret_in(tmp_path).encode() + b"\n"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_whoever_comes_second_takes_the_first_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = "the first one's, put there just before the second's"
    link = os.link

    def late(source: str, target: Path) -> None:
        target.write_text(first)
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    assert secret_in(tmp_path) == first
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_it_is_never_there_by_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    fsync = os.fsync

    def looked(descriptor: int) -> None:
        seen.append((tmp_path / "secret").exists())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", looked)
    secret_in(tmp_path)
    assert seen == [False]


@pytest.mark.parametrize("content", ["", "\n", "short-and-private", " " * 100])
def test_a_file_that_holds_none_is_told_with_the_mend_and_not_with_its_content(content: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(content)
    with pytest.raises(SecretFileError) as refused:
        secret_in(tmp_path)
    said = str(refused.value)
    assert str(tmp_path / "secret") in said
    assert "remove it" in said
    assert "\n" not in said
    assert "private" not in said


def test_a_directory_that_cannot_be_used_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    with pytest.raises(PostgresError, match=r"cannot use .*secret: Is a directory"):
        secret_in(tmp_path)
