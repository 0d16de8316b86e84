"""A file of any kind as a table whose columns the validation can match: found out, opened, shaped by its profile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dispatch.ingest.formats import Names, open_source
from dispatch.ingest.profiles import is_id_name, is_known_name
from dispatch.ingest.shaping import shape
from dispatch.ingest.tables import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOptions:
    """How to read a file. ``profile`` is the name of one, or the text of a profile file; None: recognised.

    ``now`` carries an offset; without it a file whose profile compares with it cannot be read.
    """

    kind: str
    encoding: str | None = None
    sheet: str | None = None
    profile: str | None = None
    now: datetime | None = None


def open_table(path: Path, options: OpenOptions) -> Table:
    """Find out what the file is and make a table of it. Raises FileProblem."""
    names = Names(is_known_name, is_id_name)
    source = open_source(path, encoding=options.encoding, sheet=options.sheet, names=names)
    return shape(source, kind=options.kind, profile=options.profile, now=options.now)
