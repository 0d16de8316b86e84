"""JSON as a table: the list of objects in it, streamed, after the whole of the file has been seen to be JSON."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import ijson

from dispatch.ingest.formats.geojson import DEFAULT_DATUM, feature_of, in_order
from dispatch.ingest.formats.headers import MAX_COLUMNS
from dispatch.ingest.formats.lines import MAX_CELL_CHARS
from dispatch.ingest.formats.records import (
    MAX_DEPTH,
    MAX_NAME_CHARS,
    Columns,
    Flattening,
    KeyTwice,
    flat_of,
    row_of,
)
from dispatch.ingest.formats.sources import open_bytes
from dispatch.ingest.problems import FileProblem, PlaceProblem, RowProblem
from dispatch.ingest.tables import RawRow

MAX_RECORD_VALUES: Final = 200_000
MAX_RECORD_BYTES: Final = 16 * 1024**2
# The longest value that a cell may be, each of its characters written as \\u1234.
MAX_TOKEN_BYTES: Final = 6 * MAX_CELL_CHARS

_CHUNK_BYTES: Final = 1 << 16
_MAX_LISTS: Final = 100
_KEYS_OF_RECORDS: Final = 1000

# A list's place in a path: no key begins like it, as \ufffe is no character.
_ITEM: Final = "\ufffeitem"
_SURELY_KNOWN: Final = 2
_ROOT_TEXTS: Final = ("type", "datum")

# What ijson raises: its own error, and those of numbers that Python cannot make, which come through as they are.
_FAULTS: Final = (ijson.JSONError, ValueError, ArithmeticError, SystemError)

type _Event = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class JsonTable:
    """A Table over a list of objects in a JSON file; a row's number is the object's place in the list, from 1."""

    path: Path
    prefix: str
    columns: tuple[str, ...]
    flattening: Flattening = field(repr=False)
    about: Mapping[str, Any]
    decimal_comma: bool = False
    delimiter: str = ","

    @property
    def own_columns(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[RawRow | RowProblem]:
        for row_no, record in enumerate(_records(self.path, self.prefix), 1):
            yield row_of(row_no, self.flattening(record), self.columns)


def open_json(path: Path, *, is_known: Callable[[str], bool]) -> JsonTable:
    """Read the file once to see that it is JSON and where its records are, once more for their keys.

    The records are those of the list of objects with names that mean something, then the shallowest, then the
    first. Raises FileProblem: ``json_invalid`` with the byte, ``records_missing``, ``file_empty``,
    ``too_many_columns``.
    """
    outline = _Outline()
    for events in _events(path):
        outline.take(events)
    about: dict[str, Any] = {"format": "json"}
    flattening: Flattening = flat_of
    is_geojson = outline.root.get("type") == "FeatureCollection"
    at = outline.chosen("features" if is_geojson else None, is_known)
    if is_geojson:
        datum = outline.root.get("datum")
        flattening = partial(feature_of, datum=datum)
        about = {"format": "geojson", "datum": datum or DEFAULT_DATUM}
    about["records"] = at.removesuffix("item").removesuffix(".") or "the file"
    columns = Columns()
    for record in _records(path, at):
        columns.add(flattening(record).values)
    names = in_order(columns.names()) if is_geojson else columns.names()
    return JsonTable(path, at, names, flattening, about)


class _List:
    """A list of objects: how deep it lies, and the keys of its first objects."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.records = 0
        self.keys: dict[str, None] = {}


class _Outline:
    """Where a JSON file has lists of objects that are in no object of another such list, and its root's texts."""

    def __init__(self) -> None:
        self.root: dict[str, str] = {}
        self._lists: dict[str, _List] = {}
        self._empty_list = False
        # Names from the root: a key, or "item" in a list. Of an object its newest key stands at the end.
        self._path: list[str] = []
        self._record_depth = 0
        self._record_values = 0
        self._chunks_of_record = 0
        self._current: _List | None = None
        self._before = ""

    def take(self, events: list[_Event]) -> None:
        """Note what the next events say. Raises FileProblem ``json_invalid`` for what is nested or large too much."""
        path = self._path
        for event, value in events:
            if event == "map_key":
                path[-1] = value
                current = self._current
                if current is not None and len(path) == self._record_depth and len(current.keys) < MAX_COLUMNS:
                    current.keys[value[:MAX_NAME_CHARS]] = None
            elif event == "start_map" or event == "start_array":
                if len(path) >= MAX_DEPTH:
                    raise _invalid(f"the file is nested deeper than {MAX_DEPTH}", "the file")
                if event == "start_map":
                    if path and path[-1] == _ITEM and not self._record_depth:
                        self._begin_record()
                    path.append("")
                else:
                    path.append(_ITEM)
            elif event == "end_map" or event == "end_array":
                if event == "end_array" and self._before == "start_array":
                    self._empty_list = True
                path.pop()
                if len(path) < self._record_depth:
                    self._record_depth, self._current = 0, None
            elif event == "string" and len(path) == 1 and path[0] in _ROOT_TEXTS:
                self.root[path[0]] = value
            self._before = event
        if self._record_depth:
            self._record_values += len(events)
            self._chunks_of_record += 1
            too_many = self._record_values > MAX_RECORD_VALUES + _CHUNK_BYTES
            if too_many or self._chunks_of_record * _CHUNK_BYTES > MAX_RECORD_BYTES:
                raise _invalid("an object of a list is larger than a record may be", "the file")

    def _begin_record(self) -> None:
        at = ".".join(name.removeprefix(_ITEM[:1]) for name in self._path)
        self._record_depth = len(self._path) + 1
        self._record_values = self._chunks_of_record = 0
        if at not in self._lists and len(self._lists) < _MAX_LISTS:
            self._lists[at] = _List(len(self._path))
        of_list = self._lists.get(at)
        if of_list is not None:
            of_list.records += 1
            self._current = of_list if of_list.records <= _KEYS_OF_RECORDS else None

    def chosen(self, wanted: str | None, is_known: Callable[[str], bool]) -> str:
        """Where the records are, as ijson writes it. Raises FileProblem ``records_missing``, ``file_empty``."""
        lists = {at: one for at, one in self._lists.items() if wanted is None or at == f"{wanted}.item"}
        if not lists:
            if self._empty_list:
                raise FileProblem("file_empty", "the list of records in the file is empty")
            raise FileProblem("records_missing", "the JSON holds no list of objects that could be rows")

        def rank(at: str) -> tuple[int, int, int]:
            known = sum(map(is_known, lists[at].keys))
            return min(known, _SURELY_KNOWN), -lists[at].depth, known

        return max(lists, key=rank)


def _records(path: Path, at: str) -> Iterator[object]:
    """The items of the list, built one by one."""
    found = ijson.sendable_list()
    parser = ijson.items_coro(found, at, map_type=KeyTwice, use_float=False)
    for _ in _fed(path, parser, found):
        yield from found
        del found[:]


def _events(path: Path) -> Iterator[list[_Event]]:
    """The events of the file, those of a chunk at a time."""
    events = ijson.sendable_list()
    for silent in _fed(path, ijson.basic_parse_coro(events, use_float=False), events):
        yield events
        del events[:]
        if silent > MAX_TOKEN_BYTES:
            raise _invalid(f"a value is longer than {MAX_CELL_CHARS} characters", "the file")


def _fed(path: Path, parser: Any, told: list[Any]) -> Iterator[int]:
    """Feed the file to the parser; after each chunk yield how many bytes have passed since it told anything."""
    at = silent = 0
    with open_bytes(path) as file:
        chunk = file.read(_CHUNK_BYTES)
        skipped = len(codecs.BOM_UTF8) if chunk.startswith(codecs.BOM_UTF8) else 0
        at, chunk = skipped, chunk[skipped:]
        while chunk:
            try:
                parser.send(chunk)
            except _FAULTS as error:
                raise _fault(path, skipped, at, error) from None
            silent = 0 if told or chunk.isspace() else silent + len(chunk)
            yield silent
            at += len(chunk)
            chunk = file.read(_CHUNK_BYTES)
    try:
        parser.close()
    except _FAULTS:
        raise _invalid("the JSON is not whole, it was cut off or its end never written", f"byte {at}") from None
    yield 0


def _fault(path: Path, start: int, chunk_at: int, error: Exception) -> FileProblem:
    """The problem with the byte at which the parser stops, found by feeding the chunk with it byte by byte."""
    parser = ijson.basic_parse_coro(_Nowhere(), use_float=False)
    at = chunk_at
    with open_bytes(path) as file, suppress(*_FAULTS):
        file.read(start)
        for passed in range(start, chunk_at, _CHUNK_BYTES):
            parser.send(file.read(min(_CHUNK_BYTES, chunk_at - passed)))
        for byte in file.read(_CHUNK_BYTES):
            parser.send(bytes((byte,)))
            at += 1
    told = error.args[0] if isinstance(error, ijson.JSONError) and error.args else "a number is none"
    text = told.decode("utf-8", errors="replace") if isinstance(told, bytes) else str(told)
    return _invalid(text.split("\n", 1)[0].strip(), f"byte {at}")


class _Nowhere:
    """Takes what a parser tells, and forgets it."""

    def send(self, event: _Event) -> None:
        return None

    def close(self) -> None:
        return None


def _invalid(why: str, place: str) -> FileProblem:
    return FileProblem("json_invalid", f"the file is not valid JSON: {why} ({place})", (PlaceProblem(place, why),))
