"""Reference files that lie beside the project, not in it."""

import os
from pathlib import Path

import pytest


def shared_file(name: str) -> Path:
    """The file ``name`` under the shared data folder; skips the test, saying why, where it is missing."""
    root = os.environ.get("LIFECIRCLE_SHARED") or Path(__file__).parents[3] / "shared"
    path = Path(root) / "data" / name
    if not path.is_file():
        pytest.skip(f"{path} is missing; set LIFECIRCLE_SHARED to the folder that has data/{name}")
    return path
