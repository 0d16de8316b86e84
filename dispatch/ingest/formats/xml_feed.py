"""XML feeds (RSS, Atom, plain) as a table: the element that repeats is the row, its leaves are the columns."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.parsers import expat

from dispatch.ingest.formats.encodings import declared_codec
from dispatch.ingest.formats.headers import MAX_COLUMNS
from dispatch.ingest.formats.lines import MAX_CELL_CHARS
from dispatch.ingest.formats.records import (
    BETWEEN_VALUES,
    MAX_COLUMN_DEPTH,
    MAX_DEPTH,
    MAX_NAME_CHARS,
    Columns,
    Flat,
    row_of,
)
from dispatch.ingest.formats.sources import open_bytes, read_head
from dispatch.ingest.problems import FileProblem, PlaceProblem, RowProblem
from dispatch.ingest.tables import RawRow

MAX_TOKEN_BYTES: Final = 1_000_000
"""How long a tag, comment or other piece of markup may be."""

MAX_PLACES: Final = 10_000
"""How many different places (names of elements from the root) a feed may have."""

MAX_RECORD_LEAVES: Final = 10_000
MAX_RECORD_CHARS: Final = 4_000_000

_CHUNK_BYTES: Final = 1 << 16
_MAX_NAMES_SEEN: Final = 50_000
_USUAL_NAMES: Final = frozenset({"item", "entry"})
_SURELY_KNOWN: Final = 2
_DECLARATION: Final = re.compile(rb"""\s*<\?xml\b[^>]*?\bencoding\s*=\s*["']([\w.:-]+)["']""")
# expat puts the namespace before the local name, and this between them.
_BETWEEN_NAMES: Final = " "

type _Place = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class XmlTable:
    """A Table over the elements of a feed that are its records; a row's number is the line on which it begins."""

    path: Path
    encoding: str
    place: _Place
    columns: tuple[str, ...]
    about: Mapping[str, Any]
    decimal_comma: bool = False
    delimiter: str = ","

    @property
    def own_columns(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[RawRow | RowProblem]:
        for line_no, flat in _records(self.path, self.encoding, self.place):
            yield row_of(line_no, flat, self.columns)


def open_xml(path: Path, *, encoding: str | None, is_known: Callable[[str], bool]) -> XmlTable:
    """Read the file once to see that it is XML and what its records are, once more for their leaves.

    The records are the elements with at least two leaves whose names mean something, then ``item`` or ``entry``,
    then what repeats, then the shallowest. Names are without their namespaces.
    Raises FileProblem: ``xml_unsafe`` for a DTD, ``xml_invalid`` with the line, ``encoding_unknown``,
    ``records_missing``, ``too_many_columns``.
    """
    codec = _codec_of(read_head(path), encoding)
    outline = _Outline()
    for _ in _fed(path, codec, outline):
        pass
    place = outline.chosen(is_known)
    columns = Columns()
    for _, flat in _records(path, codec, place):
        columns.add(flat.values)
    return XmlTable(
        path, codec, place, columns.names(), {"format": "xml", "encoding": codec, "records": "/".join(place)}
    )


class _Handler:
    """What is done with elements as they begin and end."""

    def start(self, name: str, attributes: dict[str, str], line_no: int) -> None:
        """An element begins, its name without namespace, its attributes with theirs."""

    def text(self, text: str) -> None:
        """Text of the element that began last and has not ended."""

    def end(self) -> None:
        """The element that began last ends."""


class _Seen:
    """What was seen of the elements of one place: how many, and the names of elements and attributes in them."""

    __slots__ = ("count", "has_elements", "names")

    def __init__(self) -> None:
        self.count = 0
        self.has_elements = False
        self.names: dict[str, None] = {}


class _Outline(_Handler):
    """Which elements a feed has, by place, and the names within them."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._seen: dict[_Place, _Seen] = {}
        self._names_seen = 0

    def start(self, name: str, attributes: dict[str, str], line_no: int) -> None:
        if self._path:
            parent = self._seen[tuple(self._path)]
            parent.has_elements = True
            self._note(parent, name)
        self._path.append(name)
        place = tuple(self._path)
        seen = self._seen.get(place)
        if seen is None:
            if len(self._seen) >= MAX_PLACES or len(place) > MAX_DEPTH or len(name) > MAX_NAME_CHARS:
                message = f"it is nested deeper than {MAX_DEPTH}, or has too many or too long names of elements"
                raise _invalid(message, line_no)
            seen = self._seen[place] = _Seen()
        seen.count += 1
        for attribute in attributes:
            self._note(seen, _local(attribute)[:MAX_NAME_CHARS])

    def _note(self, seen: _Seen, name: str) -> None:
        if name not in seen.names and len(seen.names) < MAX_COLUMNS and self._names_seen < _MAX_NAMES_SEEN:
            seen.names[name] = None
            self._names_seen += 1

    def end(self) -> None:
        self._path.pop()

    def _leaves_of(self, place: _Place) -> list[str]:
        """The names in elements of the place that are attributes, or elements with no others in them."""
        within = ((name, self._seen.get((*place, name))) for name in self._seen[place].names)
        return [name for name, seen in within if seen is None or not seen.has_elements]

    def chosen(self, is_known: Callable[[str], bool]) -> _Place:
        """The place of the records. Raises FileProblem ``records_missing``."""
        places = [place for place in self._seen if len(place) > 1 and self._leaves_of(place)]
        if not places:
            raise FileProblem("records_missing", "the XML holds no elements that could be rows")

        def rank(place: _Place) -> tuple[int, bool, bool, int, int]:
            seen = self._seen[place]
            known = sum(map(is_known, self._leaves_of(place)))
            return min(known, _SURELY_KNOWN), place[-1] in _USUAL_NAMES, seen.count > 1, -len(place), known

        return max(places, key=rank)


class _Gathering(_Handler):
    """The records of a feed as they end: the line each began on, and its leaves."""

    def __init__(self, place: _Place) -> None:
        self.found: list[tuple[int, Flat]] = []
        self._place = place
        self._path: list[str] = []
        self._values: dict[str, str] = {}
        self._inside = False
        self._line_no = 0
        self._leaves = 0
        self._record_chars = 0
        self._is_leaf = False
        self._text: list[str] = []
        self._chars = 0

    def start(self, name: str, attributes: dict[str, str], line_no: int) -> None:
        path = self._path
        path.append(name)
        begins = not self._inside and len(path) == len(self._place) and tuple(path) == self._place
        if begins:
            self._inside = True
            self._values, self._line_no, self._leaves, self._record_chars = {}, line_no, 0, 0
        elif not self._inside:
            return
        self._is_leaf, self._text, self._chars = not begins, [], 0
        for attribute, value in attributes.items():
            self._put((*self._path[len(self._place) :], _local(attribute)), value)

    def text(self, text: str) -> None:
        # One character too many tells that the value is too long; more of it need not be kept.
        if self._is_leaf and self._chars <= MAX_CELL_CHARS:
            self._text.append(text)
            self._chars += len(text)

    def end(self) -> None:
        if self._inside:
            if len(self._path) == len(self._place):
                self.found.append((self._line_no, Flat(self._values)))
                self._values, self._inside = {}, False
            elif self._is_leaf:
                self._put(tuple(self._path[len(self._place) :]), "".join(self._text).strip())
            self._is_leaf = False
        self._path.pop()

    def _put(self, names: _Place, value: str) -> None:
        if len(names) > MAX_COLUMN_DEPTH:
            return
        self._leaves += 1
        self._record_chars += len(value)
        if self._leaves > MAX_RECORD_LEAVES or self._record_chars > MAX_RECORD_CHARS:
            message = f"a record has more than {MAX_RECORD_LEAVES} values or {MAX_RECORD_CHARS} characters"
            raise _invalid(message, self._line_no)
        name = ".".join(names)
        before = self._values.get(name)
        if before is None:
            self._values[name] = value
        elif len(before) <= MAX_CELL_CHARS:
            self._values[name] = f"{before}{BETWEEN_VALUES}{value}"


def _records(path: Path, codec: str, place: _Place) -> Iterator[tuple[int, Flat]]:
    gathering = _Gathering(place)
    for _ in _fed(path, codec, gathering):
        yield from gathering.found
        gathering.found.clear()


def _fed(path: Path, codec: str, handler: _Handler) -> Iterator[None]:
    """Feed the file to expat as text, and yield after each chunk. Raises FileProblem."""
    # As text, so that encodings are ours to decode: expat knows none of the Chinese ones.
    decoder = codecs.getincrementaldecoder(codec)("strict")
    parser = expat.ParserCreate(namespace_separator=_BETWEEN_NAMES)
    parser.buffer_text = True
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def start(name: str, attributes: dict[str, str]) -> None:
        handler.start(_local(name), attributes, parser.CurrentLineNumber)

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda name: handler.end()
    parser.CharacterDataHandler = handler.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.EntityDeclHandler = _refuse_doctype
    at = fed = 0
    with open_bytes(path) as file:
        while True:
            chunk = file.read(_CHUNK_BYTES)
            held_back = len(decoder.getstate()[0])
            try:
                text = decoder.decode(chunk, final=not chunk)
                parser.Parse(text.removeprefix("\ufeff") if not at else text, not chunk)
            except UnicodeDecodeError as error:
                offset = at - held_back + error.start
                problem = PlaceProblem(f"byte {offset}", f"is not {codec}")
                message = f"the XML is not {codec} at byte {offset}; its first line must say its encoding"
                raise FileProblem("encoding_unknown", message, (problem,)) from None
            except expat.ExpatError as error:
                raise _invalid(expat.ErrorString(error.code), error.lineno, error.offset) from None
            yield
            if not chunk:
                return
            at += len(chunk)
            fed += len(text.encode())
            if fed - parser.CurrentByteIndex > MAX_TOKEN_BYTES:
                raise _invalid(f"a tag is longer than {MAX_TOKEN_BYTES} bytes", parser.CurrentLineNumber)


def _refuse_doctype(*declared: object) -> None:
    message = "the XML declares a document type or entities, which feeds do not need and attacks do: take them out"
    raise FileProblem("xml_unsafe", message, (PlaceProblem("the DOCTYPE", message),))


def _local(name: str) -> str:
    return name.rpartition(_BETWEEN_NAMES)[2]


def _invalid(why: str, line_no: int, column: int | None = None) -> FileProblem:
    place = f"line {line_no}" if column is None else f"line {line_no}, column {column + 1}"
    return FileProblem("xml_invalid", f"the file is not valid XML: {why} ({place})", (PlaceProblem(place, why),))


def _codec_of(head: bytes, declared: str | None) -> str:
    """By its mark, as declared with the import, as the XML itself says, else UTF-8."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8"
    if declared is not None:
        return declared_codec(declared)
    said = _DECLARATION.match(head)
    if said is None:
        return "utf-8"
    name = said[1].decode("ascii")
    try:
        return declared_codec(name)
    except FileProblem as problem:
        message = f"the XML says that its encoding is {name[:40]!r}, which is none that is known here"
        raise FileProblem(problem.code, message, (PlaceProblem("line 1", message),)) from None
