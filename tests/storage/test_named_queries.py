"""The statements of queries/*.sql: each says what it is for, each is used, and none is missing."""

import re
from importlib import resources
from pathlib import Path

import pytest

import dispatch
from dispatch.storage.sql import statements

PACKAGE = Path(dispatch.__file__).parent
CALL = re.compile(r'\bsql\(\s*"(\w+)"')


def _called() -> set[str]:
    return {name for path in PACKAGE.rglob("*.py") for name in CALL.findall(path.read_text(encoding="utf-8"))}


def test_each_statement_begins_with_a_comment_that_tells_its_purpose() -> None:
    for name, text in statements().items():
        first = text.splitlines()[0]
        assert re.match(r"-- [A-Z].{15,}", first), f"{name} begins with {first!r}"


def test_each_statement_is_used_and_each_that_is_used_is_there() -> None:
    assert _called() == set(statements())


def test_a_name_that_stands_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "queries"
    folder.mkdir()
    (folder / "a.sql").write_text("-- name: one\n-- First.\nSELECT 1\n")
    (folder / "b.sql").write_text("-- name: one\n-- Second.\nSELECT 2\n")
    monkeypatch.setattr(resources, "files", lambda _: tmp_path)
    with pytest.raises(ValueError, match="the statement one stands twice"):
        statements.__wrapped__()
