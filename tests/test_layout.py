"""The arrows between the packages, and that the contracts in pyproject.toml do notice when one is turned round."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"


def _lint(root: Path) -> "subprocess.CompletedProcess[str]":
    """Check the contracts of the tree at ``root``; in a process of its own, for the modules are found by path."""
    return subprocess.run(
        [sys.executable, "-c", LINT],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )


def test_every_arrow_points_the_way_the_design_says() -> None:
    ran = _lint(ROOT)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "0 broken" in ran.stdout


@pytest.mark.parametrize(
    ("module", "planted", "contract"),
    [
        ("geo/planted.py", "import dispatch.domain", "Arrows point one way, a floor each BROKEN"),
        ("dispatch/domain/planted.py", "import dispatch.storage", "Arrows point one way, a floor each BROKEN"),
        ("dispatch/storage/planted.py", "import dispatch.ingest", "Arrows point one way, a floor each BROKEN"),
        ("dispatch/ingest/planted.py", "import dispatch.storage", "Arrows point one way, a floor each BROKEN"),
        ("dispatch/services/planted.py", "import dispatch.api", "Arrows point one way, a floor each BROKEN"),
        ("dispatch/api/planted.py", "import dispatch.settings", "see the settings and the embedded PostgreSQL BROKEN"),
        ("dispatch/api/planted.py", "import data", "The demo's making is seen by the command line alone BROKEN"),
        ("dispatch/domain/planted.py", "import pydantic", "know no framework BROKEN"),
        ("dispatch/services/planted.py", "import asyncpg", "Only storage speaks SQL BROKEN"),
        ("dispatch/services/planted.py", "from fastapi import Request", "Only api and what wires it speak HTTP BROKEN"),
    ],
)
def test_an_import_against_the_arrows_is_noticed(module: str, planted: str, contract: str, tmp_path: Path) -> None:
    for package in ("dispatch", "geo", "data"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "*.sql"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / module).write_text(f"{planted}\n")
    ran = _lint(tmp_path)
    assert ran.returncode != 0
    assert contract in ran.stdout, ran.stdout + ran.stderr
