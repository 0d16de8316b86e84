"""The bytes of an uploaded file: gzip undone, other formats recognised and refused, the encoding found."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final, cast

from dispatch.ingest.problems import FileProblem, PlaceProblem

MAX_TABLE_BYTES: Final = 4 * 1024**3
_CHUNK_BYTES: Final = 1 << 20
_HEAD_BYTES: Final = 4096

# How many characters beyond ASCII are weighed, and what share of them must be common ones. Measured on names of
# stores: 0.99 and more in the right encoding, at most 0.52 in a wrong one that happens to decode; a test holds both.
_EVIDENCE_CHARS: Final = 20_000
_MIN_COMMON: Final = 0.75
_MIN_LEAD: Final = 0.1

# cp950 is what Taiwanese Windows writes; big5hkscs adds kana and Hong Kong's characters.
_GUESSES: Final = ("gb18030", "cp950", "big5hkscs")
_DECLARED: Final = {
    "utf8": "utf-8",
    "utf8sig": "utf-8",
    "ascii": "utf-8",
    "utf16": "utf-16-le",
    "utf16le": "utf-16-le",
    "utf16be": "utf-16-be",
    "gb18030": "gb18030",
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "cp936": "gb18030",
    "big5": "big5",
    "cp950": "cp950",
    "big5hkscs": "big5hkscs",
    "shiftjis": "cp932",
    "cp932": "cp932",
    "euckr": "euc_kr",
    "windows1252": "cp1252",
    "cp1252": "cp1252",
    "iso88591": "iso-8859-1",
    "latin1": "iso-8859-1",
}

_SIGNATURES: Final = (
    (b"PK\x03\x04", "a ZIP archive, as XLSX and ODS are"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file (XLS)"),
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
_JSON: Final = re.compile(rb"\s*(\{\s*[\"}]|\[\s*[\[{\"\]\d-])")
_MARKUP: Final = re.compile(rb"\s*<([!?]|/?[A-Za-z])")


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open the file with gzip undone. Raises FileProblem ``file_damaged`` where it cannot be read to its end.

    That there is no such file, or no right to it, is not the file's problem: OSError.
    """
    with path.open("rb") as plain:
        try:
            packed = plain.read(2) == b"\x1f\x8b"
            plain.seek(0)
            if packed:
                with gzip.open(plain, "rb") as unpacked:
                    yield cast(BinaryIO, unpacked)
            else:
                yield plain
        except (OSError, EOFError, zlib.error) as error:
            raise FileProblem("file_damaged", "the file cannot be read to its end; send it again") from error


def find_encoding(path: Path, *, declared: str | None, is_known: Callable[[str], bool]) -> str:
    """The codec that decodes the whole file, every byte of which has been tried.

    In this order: a byte order mark, what was declared, strict UTF-8, then GB18030 or Big5 by evidence: known
    names in the header first, then the share of common characters. ``is_known`` tells a known column name.
    Raises FileProblem: ``file_empty``, ``not_a_table``, ``encoding_unknown`` with the offset of the first bad
    byte (of the unpacked file), ``file_too_large``, ``file_damaged``.
    """
    with open_bytes(path) as file:
        head = file.read(_HEAD_BYTES)
    marked = _encoding_of_mark(head)
    wanted = _declared_codec(declared) if declared is not None else None
    if marked == "utf-16":
        _refuse_other_formats(head.decode("utf-16", errors="ignore").encode())
    elif not (wanted or "").startswith("utf-16"):
        _refuse_other_formats(head.removeprefix(codecs.BOM_UTF8))
    if marked or wanted:
        codec = marked or wanted or ""
        offset = _Trial(codec).run(path)
        if offset is not None:
            raise _undecodable(offset, f"is not {codec}, as {'its byte order mark says' if marked else 'declared'}")
        return codec
    offset = _Trial("utf-8").run(path)
    if offset is None:
        return "utf-8"
    trials = [trial for codec in _GUESSES if (trial := _Trial(codec)).run(path) is None]
    return _best(trials, is_known, offset)


def _best(trials: list[_Trial], is_known: Callable[[str], bool], offset: int) -> str:
    ranked = sorted(((one.known_names(is_known), one.share_of_common(), one.codec) for one in trials), reverse=True)
    # cp950 and big5hkscs agree on nearly everything, so they are no rivals: the first of them that decodes stands.
    if any(codec == "cp950" for _, _, codec in ranked):
        ranked = [one for one in ranked if one[2] != "big5hkscs"]
    if ranked:
        known, common, codec = ranked[0]
        rival_known, rival_common = ranked[1][:2] if len(ranked) > 1 else (0, 0.0)
        if known > rival_known or (common >= _MIN_COMMON and common - rival_common >= _MIN_LEAD):
            return codec
    raise _undecodable(offset, "is not UTF-8, and neither GB18030 nor Big5 gives plausible text; say the encoding")


def _undecodable(offset: int, why: str) -> FileProblem:
    return FileProblem(
        "encoding_unknown", f"the text {why} (byte {offset})", (PlaceProblem(f"byte {offset}", f"the byte {why}"),)
    )


def _encoding_of_mark(head: bytes) -> str | None:
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise _undecodable(0, "is UTF-32; save it as UTF-8")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return None


def _declared_codec(declared: str) -> str:
    codec = _DECLARED.get(re.sub(r"[\s_-]", "", declared.casefold()))
    if codec is None:
        names = "utf-8, utf-16, gb18030, big5, shift_jis, euc-kr, windows-1252"
        raise FileProblem(
            "encoding_unknown",
            f"the encoding {declared[:40]!r} is not one of {names}",
            (PlaceProblem("parameter encoding", f"one of {names}"),),
        )
    return codec


def _refuse_other_formats(head: bytes) -> None:
    if not head.strip():
        raise FileProblem("file_empty", "the file is empty")
    looks_like = next((what for mark, what in _SIGNATURES if head.startswith(mark)), None)
    if looks_like is None and _JSON.match(head):
        looks_like = "JSON"
    if looks_like is None and _MARKUP.match(head):
        looks_like = "HTML" if re.search(rb"<(!doctype html|html|table|body)", head, re.IGNORECASE) else "XML"
    # A stray NUL in a row is that row's fault; many, or one before the first line ends, are a binary file's.
    if looks_like is None and (b"\0" in head.split(b"\n", 1)[0] or head.count(b"\0") * 10 > len(head)):
        looks_like = "a binary file, or UTF-16 without its byte order mark"
    if looks_like is not None:
        raise FileProblem("not_a_table", f"the file looks like {looks_like}, not like CSV or TSV")


class _Trial:
    """One codec tried on a whole file in bounded memory, with a sample of what it made of the bytes."""

    def __init__(self, codec: str) -> None:
        self.codec = codec
        self._header = ""
        self._beyond_ascii: list[str] = []

    def run(self, path: Path) -> int | None:
        """None when every byte decodes, else the offset of the first that does not."""
        decoder = codecs.getincrementaldecoder(self.codec)("strict")
        consumed = 0
        with open_bytes(path) as file:
            while True:
                chunk = file.read(_CHUNK_BYTES)
                held_back = len(decoder.getstate()[0])
                try:
                    text = decoder.decode(chunk, final=not chunk)
                except UnicodeDecodeError as error:
                    return consumed - held_back + error.start
                self._sample(text)
                consumed += len(chunk)
                if consumed > MAX_TABLE_BYTES:
                    raise FileProblem("file_too_large", f"the file is larger than {MAX_TABLE_BYTES >> 30} GiB unpacked")
                if not chunk:
                    return None

    def _sample(self, text: str) -> None:
        if self.codec not in _GUESSES:
            return
        if not self._header:
            self._header = text.lstrip("\r\n")[:_HEAD_BYTES].split("\n", 1)[0]
        room = _EVIDENCE_CHARS - len(self._beyond_ascii)
        if room > 0:
            self._beyond_ascii += re.findall(r"[^\x00-\x7f]", text)[:room]

    def known_names(self, is_known: Callable[[str], bool]) -> int:
        """How many names of the header are known; names in ASCII tell nothing of the encoding."""
        names = (name.strip().strip('"') for name in re.split(r"[,;\t|]", self._header))
        return sum(not name.isascii() and is_known(name) for name in names)

    def share_of_common(self) -> float:
        """The share of common characters among those beyond ASCII; 0 when there are none."""
        seen = self._beyond_ascii
        return sum(map(_is_common, seen)) / len(seen) if seen else 0.0


@lru_cache(maxsize=32_768)
def _is_common(char: str) -> bool:
    """Whether GB 2312 or Big5 ranks the character among the frequent ones, or it is their punctuation.

    Both standards put the frequent characters first: GB 2312 in lead bytes B0 to D7 (simplified), Big5 in A4 to C6
    (traditional). The union does not favour one script. Their tables of kana, Greek, Cyrillic and lines do not
    count: text in a wrong encoding lands there often.
    """
    for codec, symbols, frequent in (("gb2312", (0xA1, 0xA3), (0xB0, 0xD7)), ("cp950", (0xA1, 0xA2), (0xA4, 0xC6))):
        try:
            lead = char.encode(codec)[0]
        except UnicodeEncodeError:
            continue
        if frequent[0] <= lead <= frequent[1] or lead in symbols:
            return True
    return False
