"""JSON Lines, and GeoJSON features line by line or as a sequence: a line an object, a bad line one bad row."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from dispatch.ingest.formats.geojson import feature_of, in_order, is_feature
from dispatch.ingest.formats.lines import MAX_LINE_CHARS
from dispatch.ingest.formats.records import Columns, Fault, Flat, Flattening, KeyTwice, flat_of, row_of
from dispatch.ingest.formats.sources import open_bytes
from dispatch.ingest.problems import FileProblem, RowProblem
from dispatch.ingest.tables import RawRow

# RFC 8142: each text begins with a record separator, and may run over several lines.
_SEPARATOR: Final = b"\x1e"
_KEY: Final = re.compile(rb'"\s*:')
_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(frozen=True, slots=True)
class JsonLinesTable:
    """A Table over a file with an object on each line; a row's number is that of the line it begins on."""

    path: Path
    columns: tuple[str, ...]
    flattening: Flattening = field(repr=False)
    about: Mapping[str, Any]
    decimal_comma: bool = False
    delimiter: str = ","

    @property
    def own_columns(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[RawRow | RowProblem]:
        for line_no, text in _texts(self.path):
            flat = _decoded(text, self.flattening)
            if flat.values or flat.fault is None:
                yield row_of(line_no, flat, self.columns)
            else:
                shown = text[:MAX_LINE_CHARS].decode("utf-8", errors="replace").replace("\0", "\ufffd").strip()
                yield RowProblem(line_no, *flat.fault, (shown if len(shown) <= 1000 else f"{shown[:200]}…",))


def open_json_lines(path: Path) -> JsonLinesTable:
    """Read the file once for the keys of its objects. Raises FileProblem ``too_many_columns``, ``records_missing``."""
    features = False
    for _, text in _texts(path):
        record = _object_of(text)
        if not isinstance(record, Fault):
            features = is_feature(record)
            break
    flattening: Flattening = partial(feature_of, datum=None) if features else flat_of
    columns = Columns()
    for _, text in _texts(path):
        columns.add(_decoded(text, flattening).values)
    names = in_order(columns.names()) if features else columns.names()
    if not names:
        raise FileProblem("records_missing", "no line of the file is an object of JSON")
    return JsonLinesTable(path, names, flattening, {"format": "geojson_lines" if features else "json_lines"})


def _texts(path: Path) -> Iterator[tuple[int, bytes]]:
    """The number of the first line of each text, and the text, cut off where it is longer than a line may be.

    A text is a line, or in a sequence the lines as far as the next separator. Blank ones are none.
    """
    limit = MAX_LINE_CHARS + 1
    with open_bytes(path) as file:
        sequence = False
        first_no, text = 1, b""
        line_no = 0
        while line := file.readline(limit):
            cut = line
            while cut and not cut.endswith(b"\n") and len(cut) == limit:
                cut = file.readline(limit)
            line_no += 1
            if line_no == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            sequence = sequence or line.startswith(_SEPARATOR)
            if not sequence or line.startswith(_SEPARATOR):
                if text.strip():
                    yield first_no, text
                first_no, text = line_no, line.removeprefix(_SEPARATOR)
            elif len(text) < limit:
                text += line
        if text.strip():
            yield first_no, text


def _decoded(text: bytes, flattening: Flattening) -> Flat:
    record = _object_of(text)
    return Flat({}, record) if isinstance(record, Fault) else flattening(record)


def _object_of(text: bytes) -> object | Fault:
    """The text as JSON, with keys that came twice noted, or what is wrong with it."""
    if len(text) > MAX_LINE_CHARS:
        return Fault(None, "line_too_long", f"the line is longer than {MAX_LINE_CHARS} bytes")
    try:
        record: object = _DECODER.decode(text)
        # Every key is followed by a colon. Only where there are more of them than keys can one have come twice.
        if len(_KEY.findall(text)) > _count_of_keys(record):
            record = json.loads(text, object_pairs_hook=_with_keys_twice, parse_float=Decimal)
    except (msgspec.DecodeError, ValueError, ArithmeticError) as error:
        return Fault(None, "record_invalid", f"the line is not valid JSON: {str(error)[:200]}")
    except RecursionError:
        return Fault(None, "record_invalid", "the line is nested too deep")
    return record


def _count_of_keys(value: object) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_count_of_keys, value.values()))
    return sum(map(_count_of_keys, value)) if isinstance(value, list) else 0


def _with_keys_twice(pairs: list[tuple[str, object]]) -> KeyTwice:
    found = KeyTwice()
    for key, value in pairs:
        found[key] = value
    return found
