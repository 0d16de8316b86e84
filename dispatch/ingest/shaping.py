"""What a profile makes of a table before its columns are matched."""

from __future__ import annotations

from dispatch.ingest.tables import Table


def shape(table: Table, *, kind: str, profile: str | None) -> Table:
    """The table with what its profile adds to the columns and leaves out of the rows."""
    return table
