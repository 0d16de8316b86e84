"""What a file is, by how it begins: the formats that can be read, and the names of those that cannot."""

from __future__ import annotations

import codecs
import re
from enum import Enum, auto
from pathlib import Path
from typing import Final

import msgspec

from dispatch.ingest.formats.sources import open_bytes, read_head
from dispatch.ingest.problems import FileProblem


class Format(Enum):
    """Formats that make a table, each by a module of its own."""

    DELIMITED = auto()
    XLSX = auto()
    JSON = auto()
    JSON_LINES = auto()
    XML = auto()
    OSM_PBF = auto()


READABLE: Final = "CSV, TSV, XLSX, JSON, JSON Lines, GeoJSON, XML and OpenStreetMap PBF can be read"

# Only the reader of delimited text says what is wrong with it.
_UTF_32: Final = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_ZIP: Final = b"PK\x03\x04"
# The length of the first block's header in four bytes, then its type as a field of protocol buffers.
_PBF: Final = re.compile(rb"\x00\x00\x00.\x0a\x09OSMHeader", re.DOTALL)
_SIGNATURES: Final = (
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file (XLS), or a workbook with a password: save it as XLSX without one"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "gzip inside gzip"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ", "an XZ file"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"{\\rtf", "an RTF document"),
)
_JSON: Final = re.compile(rb"\s*(\{\s*([\"}]|\Z)|\[\s*([\[{\"\]\d-]|\Z))")
_SEQUENCE: Final = b"\x1e"
_MARKUP: Final = re.compile(rb"\s*<([!?]|/?[^\W\d])")
# What stands before the root: declarations and comments.
_PROLOGUE: Final = rb"\s*(?:<\?.*?\?>\s*|<!--.*?-->\s*)*"
_HTML: Final = re.compile(_PROLOGUE + rb"<(!doctype\s+html|html|head|table|body|div|script|meta)\b", re.I | re.S)
_OSM_XML: Final = re.compile(_PROLOGUE + rb"<osm\b", re.S)
_LOOK_BYTES: Final = 4_000_000


def format_of(path: Path, *, encoding: str | None) -> Format:
    """What the file is by its content. ``encoding`` is the one declared; UTF-16 is only known by it or by a mark.

    Raises FileProblem: ``not_a_table`` for what cannot be read, with what it looks like; ``file_empty``;
    ``json_invalid`` for JSON in UTF-16; ``file_damaged``.
    """
    head = read_head(path)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and not head.startswith(_UTF_32):
        text = head.decode("utf-16", errors="ignore").encode(errors="ignore")
        found = _format_of_text(text)
        if found in (Format.JSON, Format.JSON_LINES):
            raise FileProblem("json_invalid", "the file is JSON in UTF-16; save it as UTF-8, which JSON must be")
        return found
    if head.startswith(_UTF_32) or re.sub(r"[\s_-]", "", (encoding or "").casefold()).startswith("utf16"):
        return Format.DELIMITED
    if head.startswith(_ZIP):
        return Format.XLSX
    if _PBF.match(head):
        return Format.OSM_PBF
    looks_like = next((what for mark, what in _SIGNATURES if head.startswith(mark)), None)
    if looks_like is not None:
        raise refused(looks_like)
    found = _format_of_text(head.removeprefix(codecs.BOM_UTF8))
    return Format.JSON_LINES if found is Format.JSON and _has_records_by_line(path) else found


def refused(looks_like: str) -> FileProblem:
    """The problem that the file is something that cannot be read."""
    return FileProblem("not_a_table", f"the file looks like {looks_like}; {READABLE}")


def _format_of_text(head: bytes) -> Format:
    if not head.strip():
        raise FileProblem("file_empty", "the file is empty")
    if head.startswith(_SEQUENCE):
        return Format.JSON_LINES
    if _JSON.match(head):
        return Format.JSON
    if _MARKUP.match(head):
        if _HTML.match(head):
            raise refused("HTML")
        if _OSM_XML.match(head):
            raise refused("OpenStreetMap XML: convert it to PBF")
        return Format.XML
    # A stray NUL in a row is that row's fault; many, or one before the first line ends, are a binary file's.
    if b"\0" in head.split(b"\n", 1)[0] or head.count(b"\0") * 10 > len(head):
        raise refused("a binary file, or UTF-16 without its byte order mark: then say encoding utf-16")
    return Format.DELIMITED


def _has_records_by_line(path: Path) -> bool:
    """Whether a file that begins like JSON has an object on its first line, and then the end or another one.

    One line alone is a record by itself unless it holds a list of records.
    """
    with open_bytes(path) as file:
        first = file.readline(_LOOK_BYTES).removeprefix(codecs.BOM_UTF8)
        while first and not first.strip():
            first = file.readline(_LOOK_BYTES)
        second = file.readline(_LOOK_BYTES)
        while second and not second.strip():
            second = file.readline(_LOOK_BYTES)
    if not first.lstrip().startswith(b"{"):
        return False
    if second:
        # A first line that is broken is one bad row, if the next line begins a record that is no part of it.
        return second.lstrip().startswith(b"{") and not first.rstrip().endswith((b"[", b":", b","))
    try:
        record = msgspec.json.decode(first, type=dict[str, object])
    except (msgspec.DecodeError, ValueError, RecursionError):
        return False
    return not _holds_records(record)


def _holds_records(value: object) -> bool:
    """Whether a list of objects lies anywhere in the value, or a list that is empty."""
    if isinstance(value, dict):
        return any(map(_holds_records, value.values()))
    return isinstance(value, list) and (not value or any(isinstance(item, dict) for item in value))
