"""Files of every kind made into tables: a module a format. What a column means is not known here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dispatch.ingest.formats.delimited import open_delimited
from dispatch.ingest.tables import Table

__all__ = ["open_source"]


def open_source(path: Path, *, encoding: str | None, sheet: str | None, is_known: Callable[[str], bool]) -> Table:
    """The file as a table, whatever its format; ``is_known`` tells a column name that means something here.

    Raises FileProblem when it is none that can be read.
    """
    return open_delimited(path, encoding=encoding, is_known=is_known)
