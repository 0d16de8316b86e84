"""Files of every kind made into tables: a module a format. What a column means is not known here."""

from __future__ import annotations

from pathlib import Path

from dispatch.ingest.formats.delimited import open_delimited
from dispatch.ingest.formats.headers import Names
from dispatch.ingest.formats.json_feed import open_json
from dispatch.ingest.formats.json_lines import open_json_lines
from dispatch.ingest.formats.osm_pbf import open_osm
from dispatch.ingest.formats.recognition import Format, format_of
from dispatch.ingest.formats.sources import check_size
from dispatch.ingest.formats.xlsx import open_xlsx
from dispatch.ingest.formats.xml_feed import open_xml
from dispatch.ingest.tables import Table

__all__ = ["Names", "open_source"]


def open_source(path: Path, *, encoding: str | None, sheet: str | None, names: Names) -> Table:
    """The file as a table, whatever its format, which its content tells and never its name.

    ``sheet`` is of workbooks, ``encoding`` of texts; ``names`` tells the columns that mean something here.
    Raises FileProblem when it is none that can be read.
    """
    check_size(path)
    match format_of(path, encoding=encoding):
        case Format.XLSX:
            return open_xlsx(path, sheet=sheet, names=names)
        case Format.JSON:
            return open_json(path, is_known=names.is_known)
        case Format.JSON_LINES:
            return open_json_lines(path)
        case Format.XML:
            return open_xml(path, encoding=encoding, is_known=names.is_known)
        case Format.OSM_PBF:
            return open_osm(path)
        case Format.DELIMITED:
            return open_delimited(path, encoding=encoding, names=names)
