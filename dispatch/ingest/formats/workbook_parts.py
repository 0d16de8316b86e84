"""A workbook looked through before a reader of workbooks is asked: sizes really inflated, cells really counted.

What comes out is a workbook of one sheet with only the parts that were looked at, so that nothing else is ever read.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from dispatch.ingest.formats.recognition import refused
from dispatch.ingest.problems import FileProblem, PlaceProblem

MAX_PARTS: Final = 2_000
MAX_SMALL_PART_BYTES: Final = 16 * 1024**2
"""Of the list of sheets, the relations and the styles."""
MAX_STRINGS_BYTES: Final = 128 * 1024**2
MAX_SHEET_BYTES: Final = 768 * 1024**2
MAX_STRINGS: Final = 2_000_000
MAX_CELLS: Final = 4_000_000
"""Cells with a value."""
MAX_TAGS: Final = 12_000_000
"""Cells with and without a value."""
MAX_AREA: Final = 8_000_000
"""Rows × columns from A1 to the farthest cell with a value."""
MAX_MERGES: Final = 100_000
MAX_MARKUP_BYTES: Final = 1_000_000
"""A piece of text or markup between two tags."""

_CHUNK_BYTES: Final = 1 << 18
_HEAD_BYTES: Final = 1 << 16
_WORKBOOK: Final = "xl/workbook.xml"
_NAMESPACE: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006/relationships"
_DOCTYPE: Final = re.compile(rb"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)
_ATTRIBUTE: Final = rb"""(?:\s+[\w:.-]+\s*=\s*(?:"[^"<>&]*"|'[^'<>&]*'))"""
# The tags that place a value; the looser pattern tells whether the stricter one has seen them all.
_PLACED: Final = re.compile(rb"<(?:[\w.-]+:)?(c|row|mergeCell)(?=[\s/>])(" + _ATTRIBUTE + rb"*)\s*(/?)>")
_LOOSE: Final = re.compile(rb"<(?:[\w.-]+:)?(?:c|row|mergeCell)(?=[\s/>])")
# The same as nearly all programs write them, told without a look at each.
_FILLED: Final = re.compile(rb'<c r="([A-Z]{1,3})([1-9][0-9]{0,6})"(?: (?!r=)[\w:.-]+="[^"<>&]*")*>')
_EMPTY: Final = re.compile(rb'<c r="[A-Z]{1,3}[1-9][0-9]{0,6}"(?: (?!r=)[\w:.-]+="[^"<>&]*")*(?: ?/>|></c>)')
_ROW: Final = re.compile(rb'<row r="([1-9][0-9]{0,6})"(?: (?!r=)[\w:.-]+="[^"<>&]*")* ?/?>')
_NAMED_VALUE: Final = re.compile(rb"""\s+([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_REFERENCE: Final = re.compile(rb"([A-Z]{1,3})([1-9][0-9]{0,6})")
_MERGE: Final = re.compile(rb"([A-Z]{1,3})([1-9][0-9]{0,6}):([A-Z]{1,3})([1-9][0-9]{0,6})")
_ERROR_TYPE: Final = re.compile(rb"""(\st\s*=\s*)["']e["']""")
_STRING: Final = re.compile(rb"<(?:[\w.-]+:)?si(?=[\s/>])")


class SheetName(NamedTuple):
    """A sheet of the workbook: its name, whether people are shown it, and the part it lies in."""

    name: str
    visible: bool
    part: str


class Merge(NamedTuple):
    """A merge of cells over several rows, by indexes from 0, the last row included."""

    first_row: int
    last_row: int
    column: int


class Workbook:
    """A package of which nothing has been believed but what was read."""

    def __init__(self, path: Path) -> None:
        """Look at the list of the parts. Raises FileProblem ``not_a_table`` when the ZIP is no XLSX."""
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise FileProblem("file_damaged", "the ZIP archive cannot be read to its end; send it again") from error
        names = self._zip.namelist()
        self._names = {name.lower(): name for name in names}
        if len(names) > MAX_PARTS:
            raise _too_large(f"more than {MAX_PARTS} parts")
        if _WORKBOOK not in self._names:
            raise refused(_looks_like(names))
        if len(self._names) != len(names):
            raise _invalid("two of its parts have the same name")
        for name in names:
            if name.lower().endswith((".xml", ".rels")):
                with self._opened(name) as part:
                    _refuse_doctype(_guarded_read(part, _HEAD_BYTES), name)
        self.sheets, self._dates_1904 = self._listed()

    def __enter__(self) -> Workbook:
        return self

    def __exit__(self, *raised: object) -> None:
        self._zip.close()

    def extract(self, sheet: SheetName, target: IO[bytes]) -> list[Merge]:
        """Write a workbook of this sheet alone, and tell its merges over rows in the order of the sheet.

        Raises FileProblem: ``file_too_large`` by the limits of this module, ``workbook_invalid``, ``xml_unsafe``.
        """
        counted = _Counted()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as out:
            out.writestr("_rels/.rels", _ROOT_RELATIONS_TEXT)
            out.writestr(_WORKBOOK, _workbook_text(self._dates_1904))
            out.writestr("xl/_rels/workbook.xml.rels", _RELATIONS_TEXT)
            with out.open("xl/worksheets/sheet1.xml", "w") as part:
                for piece in self._pieces(sheet.part, MAX_SHEET_BYTES):
                    part.write(counted.sheet(piece, sheet.part))
            if "xl/sharedstrings.xml" in self._names:
                with out.open("xl/sharedStrings.xml", "w") as part:
                    for piece in self._pieces("xl/sharedstrings.xml", MAX_STRINGS_BYTES):
                        part.write(counted.strings(piece))
            if "xl/styles.xml" in self._names:
                with out.open("xl/styles.xml", "w") as part:
                    for piece in self._pieces("xl/styles.xml", MAX_SMALL_PART_BYTES):
                        part.write(piece)
        return counted.merges

    def _listed(self) -> tuple[list[SheetName], bool]:
        """The sheets in the order of their tabs, and whether dates count from 1904."""
        parts: dict[str, str] = {}
        for name, attributes in self._elements("xl/_rels/workbook.xml.rels"):
            if name == "Relationship":
                target = attributes.get("Target", "").lstrip("/")
                parts[attributes.get("Id", "")] = target if target.startswith("xl/") else f"xl/{target}"
        sheets, dates_1904 = [], False
        for name, attributes in self._elements(_WORKBOOK):
            if name == "sheet":
                part = parts.get(attributes.get("id", ""), "")
                if part.lower() in self._names and "/worksheets/" in part:
                    visible = attributes.get("state", "visible") == "visible"
                    sheets.append(SheetName(attributes.get("name", ""), visible, part))
            elif name == "workbookPr":
                dates_1904 = attributes.get("date1904") in ("1", "true")
        if not sheets:
            raise _invalid("it has no sheet with cells")
        return sheets, dates_1904

    def _elements(self, name: str) -> list[tuple[str, dict[str, str]]]:
        """The elements of a small part, local names of them and of their attributes."""
        found: list[tuple[str, dict[str, str]]] = []
        parser = expat.ParserCreate()
        parser.StartElementHandler = lambda tag, attributes: found.append(
            (tag.rpartition(":")[2], {key.rpartition(":")[2]: value for key, value in attributes.items()})
        )
        try:
            for piece in self._pieces(name, MAX_SMALL_PART_BYTES):
                parser.Parse(piece, False)
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise _invalid(f"{name} is not valid XML, {expat.ErrorString(error.code)}") from None
        return found

    def _opened(self, name: str) -> IO[bytes]:
        try:
            entry = self._zip.getinfo(self._names[name.lower()])
            # Others unpack a piece without a bound, and no spreadsheet program writes them.
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise _invalid(f"{name} is packed in an unusual way")
            return self._zip.open(entry)
        except KeyError:
            raise _invalid(f"{name} is missing") from None
        except (zipfile.BadZipFile, ValueError, RuntimeError, OSError) as error:
            # ValueError: its name is no text. RuntimeError: it is encrypted, or needs a newer program.
            raise _invalid(f"{name} cannot be unpacked") from error

    def _pieces(self, name: str, most_bytes: int) -> Iterator[bytes]:
        """The part in pieces that end before a tag begins. Raises FileProblem."""
        total = 0
        rest = b""
        with self._opened(name) as part:
            while chunk := _guarded_read(part, _CHUNK_BYTES):
                total += len(chunk)
                if total > most_bytes:
                    raise _too_large(f"{name} is larger than {most_bytes} bytes unpacked")
                if b"\0" in chunk:
                    raise _invalid(f"{name} is not UTF-8")
                chunk = rest + chunk
                cut = chunk.rfind(b"<")
                if cut <= 0:
                    cut = 0
                if len(chunk) - cut > MAX_MARKUP_BYTES:
                    raise _too_large(f"{name} has a value longer than {MAX_MARKUP_BYTES} bytes")
                rest = chunk[cut:]
                if cut:
                    _refuse_doctype(chunk, name)
                    yield chunk[:cut]
        _refuse_doctype(rest, name)
        yield rest


class _Counted:
    """What has been seen of a sheet and of the strings, and the merges; refuses what is too much."""

    def __init__(self) -> None:
        self.merges: list[Merge] = []
        self._strings = self._cells = self._tags = self._last_row = self._last_column = 0
        self._row = self._column = 0

    def strings(self, piece: bytes) -> bytes:
        self._strings += len(_STRING.findall(piece))
        if self._strings > MAX_STRINGS:
            raise _too_large(f"more than {MAX_STRINGS} different texts")
        return piece

    def sheet(self, piece: bytes, part: str) -> bytes:
        """Count what the tags place; leave out empty cells, and make texts of errors, which no reader would tell."""
        usual, empty = _EMPTY.subn(b"", piece) if b"/>" in piece or b"></c>" in piece else (piece, 0)
        placed = len(_LOOSE.findall(usual))
        self._tags += placed + empty
        if self._tags > MAX_TAGS:
            raise _too_large(f"more than {MAX_TAGS} cells")
        if self._take_usual(usual, placed):
            piece = usual
        else:
            self._take_any(piece, part)
        area = self._last_row * self._last_column
        if self._cells > MAX_CELLS or area > MAX_AREA:
            raise _too_large(
                f"{self._cells} cells with a value as far as row {self._last_row} and column {self._last_column};"
                f" at most {MAX_CELLS} are read, and {MAX_AREA} with the empty ones between them"
            )
        if b'"e"' in piece or b"'e'" in piece:
            piece = _PLACED.sub(lambda tag: _ERROR_TYPE.sub(rb'\1"str"', tag[0]), piece)
        return piece

    def _take_usual(self, piece: bytes, placed: int) -> bool:
        """Count cells that all say where they are; false when the piece has other tags that place something."""
        filled, rows = _FILLED.findall(piece), _ROW.findall(piece)
        if len(filled) + len(rows) != placed:
            return False
        self._row = int(rows[-1]) if rows else self._row
        if filled:
            self._cells += len(filled)
            self._last_row = max(self._last_row, max(int(row) for _, row in filled))
            self._last_column = max(self._last_column, max(map(_column_of, {column for column, _ in filled})))
            self._row, self._column = int(filled[-1][1]), _column_of(filled[-1][0])
        return True

    def _take_any(self, piece: bytes, part: str) -> None:
        """Count tags one by one, as a reader does: a cell that does not say where it is comes after the last."""
        tags = _PLACED.findall(piece)
        if len(tags) != len(_LOOSE.findall(piece)):
            raise _invalid(f"{part} has cells that are not written as they should be")
        for kind, written, closed in tags:
            pairs = [(name, double or single) for name, double, single in _NAMED_VALUE.findall(written)]
            attributes = dict(pairs)
            if len(attributes) != len(pairs):
                raise _invalid(f"{part} has a cell with an attribute twice")
            if kind == b"c":
                self._cell(attributes.get(b"r"), part, filled=not closed)
            elif kind == b"row":
                self._row = int(attributes[b"r"]) if attributes.get(b"r", b"").isdigit() else self._row + 1
                self._column = 0
            else:
                self._merge(attributes.get(b"ref", b""))

    def _cell(self, reference: bytes | None, part: str, *, filled: bool) -> None:
        if reference is not None:
            placed = _REFERENCE.fullmatch(reference)
            if placed is None:
                raise _invalid(f"{part} has a cell at {reference[:20]!r}")
            self._row, self._column = int(placed[2]), _column_of(placed[1])
        else:
            self._column += 1
        if filled:
            self._cells += 1
            self._last_row = max(self._last_row, self._row)
            self._last_column = max(self._last_column, self._column)

    def _merge(self, reference: bytes) -> None:
        merged = _MERGE.fullmatch(reference)
        if merged is None:
            return
        first_row, last_row = int(merged[2]) - 1, int(merged[4]) - 1
        if last_row > first_row:
            self.merges.append(Merge(first_row, last_row, _column_of(merged[1]) - 1))
        if len(self.merges) > MAX_MERGES:
            raise _too_large(f"more than {MAX_MERGES} merged cells")


def _column_of(letters: bytes) -> int:
    """The number of a column, from 1 for A."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _guarded_read(part: IO[bytes], size: int) -> bytes:
    try:
        return part.read(size)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise FileProblem("file_damaged", "the workbook cannot be unpacked to its end; send it again") from error


def _refuse_doctype(piece: bytes, name: str) -> None:
    if b"<!" in piece and _DOCTYPE.search(piece):
        message = f"{name} declares a document type or entities, which no spreadsheet program writes"
        raise FileProblem("xml_unsafe", message, (PlaceProblem(name, message),))


def _looks_like(names: list[str]) -> str:
    known = {
        "word/document.xml": "a Word document (DOCX)",
        "ppt/presentation.xml": "a presentation (PPTX)",
        "xl/workbook.bin": "a binary workbook (XLSB): save it as XLSX",
        "content.xml": "an OpenDocument file such as ODS: save it as XLSX",
        "doc.kml": "a KMZ map",
    }
    what = next((told for name, told in known.items() if name in {one.lower() for one in names}), "a ZIP archive")
    held = ", ".join(names[:5])[:200] or "nothing"
    return f"{what} (it holds {held})"


def _too_large(why: str) -> FileProblem:
    return FileProblem("file_too_large", f"the workbook is larger than one may be: {why}; send it as CSV")


def _invalid(why: str) -> FileProblem:
    return FileProblem("workbook_invalid", f"the workbook cannot be read: {why}; save it anew, or send it as CSV")


def _workbook_text(dates_1904: bool) -> str:
    dates = quoteattr("1" if dates_1904 else "0")
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><workbook xmlns="{_NAMESPACE}" xmlns:r="{_RELATIONS}">'
        f'<workbookPr date1904={dates}/><sheets><sheet name="sheet" sheetId="1" r:id="r1"/></sheets></workbook>'
    )


_ROOT_RELATIONS_TEXT: Final = (
    f'<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="{_PACKAGE}">'
    f'<Relationship Id="r1" Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
)
_RELATIONS_TEXT: Final = (
    f'<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="{_PACKAGE}">'
    f'<Relationship Id="r1" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="r2" Type="{_RELATIONS}/sharedStrings" Target="sharedStrings.xml"/>'
    f'<Relationship Id="r3" Type="{_RELATIONS}/styles" Target="styles.xml"/></Relationships>'
)
