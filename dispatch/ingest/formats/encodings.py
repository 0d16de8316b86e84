"""Which encoding a text is in: its mark, what was declared, UTF-8, or what the characters say; all of it decoded."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from dispatch.ingest.formats.sources import HEAD_BYTES, open_bytes, read_head
from dispatch.ingest.problems import FileProblem, PlaceProblem

_CHUNK_BYTES: Final = 1 << 20

# How many characters beyond ASCII are weighed, and what share of them must be common ones. Measured on names of
# stores: 0.99 and more in the right encoding, at most 0.52 in a wrong one that happens to decode; a test holds both.
_EVIDENCE_CHARS: Final = 20_000
_MIN_COMMON: Final = 0.75
_MIN_LEAD: Final = 0.1

# Rows above a header, its own lines among them, where known names are looked for.
_HEADER_LINES: Final = 30
_SAMPLES: Final = 5
_SAMPLE_CHARS: Final = 40
_BEYOND_ASCII: Final = re.compile(r"[^\x00-\x7f]")
_BETWEEN_VALUES: Final = re.compile(r"[,;|\t\r\n\"]")

# cp950 is what Taiwanese Windows writes; big5hkscs adds kana and Hong Kong's characters.
_GUESSES: Final = ("gb18030", "cp950", "big5hkscs")
# Korean is never guessed, but its syllables lie where GB 2312 has its most frequent characters, so it must be known.
# Chinese has a third of its characters elsewhere.
_KOREAN: Final = "euc_kr"
_MIN_KOREAN_CHARS: Final = 20
_MIN_SYLLABLES: Final = 0.95
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
_NAME_OF: Final = {"cp950": "big5", "cp932": "shift_jis", "euc_kr": "euc-kr", "cp1252": "windows-1252"}


class TextEncoding(NamedTuple):
    """A codec that decodes the whole file, and a few of its values beyond ASCII as it reads them."""

    codec: str
    samples: tuple[str, ...]


def find_encoding(path: Path, *, declared: str | None, is_known: Callable[[str], bool]) -> TextEncoding:
    """The codec that decodes the whole file, every byte of which has been tried.

    In this order: a byte order mark, what was declared, strict UTF-8, then GB18030 or Big5 by evidence: known
    names in the header first, then the share of common characters. ``is_known`` tells a known column name.
    Raises FileProblem: ``encoding_unknown`` with the offset of the first bad byte (of the unpacked file),
    ``encoding_ambiguous`` when two read as plausible text, ``file_too_large``, ``file_damaged``.
    """
    marked = _encoding_of_mark(read_head(path))
    wanted = declared_codec(declared) if declared is not None else None
    if marked or wanted:
        trial = _Trial(marked or wanted or "")
        offset = trial.run(path)
        if offset is not None:
            why = f"is not {trial.codec}, as {'its byte order mark says' if marked else 'declared'}"
            raise _undecodable(offset, why)
        return trial.found()
    utf_8 = _Trial("utf-8")
    offset = utf_8.run(path)
    if offset is None:
        return utf_8.found()
    return _best([trial for codec in _GUESSES if (trial := _Trial(codec)).run(path) is None], is_known, offset, path)


def declared_codec(declared: str) -> str:
    """The codec of an encoding's name. Raises FileProblem ``encoding_unknown``."""
    codec = _DECLARED.get(re.sub(r"[\s_-]", "", declared.casefold()))
    if codec is None:
        names = "utf-8, utf-16, gb18030, big5, shift_jis, euc-kr, windows-1252"
        raise FileProblem(
            "encoding_unknown",
            f"the encoding {declared[:40]!r} is not one of {names}",
            (PlaceProblem("parameter encoding", f"one of {names}"),),
        )
    return codec


def _best(trials: list[_Trial], is_known: Callable[[str], bool], offset: int, path: Path) -> TextEncoding:
    """The trial that is clearly ahead of the others, which all have decoded the file."""
    # cp950 and big5hkscs agree on nearly everything, so they are no rivals: the first of them that decodes stands.
    if any(trial.codec == "cp950" for trial in trials):
        trials = [trial for trial in trials if trial.codec != "big5hkscs"]
    evidence = {trial.codec: (trial.known_names(is_known), trial.share_of_common()) for trial in trials}
    ranked = sorted(trials, key=lambda trial: evidence[trial.codec], reverse=True)
    plausible = [trial for trial in ranked if evidence[trial.codec][0] or evidence[trial.codec][1] >= _MIN_COMMON]
    if not plausible:
        why = "is not UTF-8, and neither GB18030 nor Big5 gives plausible text; say the encoding"
        raise _undecodable(offset, why, sample=_bytes_at(path, offset))
    known, common = evidence[plausible[0].codec]
    korean = _Trial(_KOREAN)
    if not known and korean.run(path) is None and korean.is_korean():
        raise _ambiguous([*ranked, korean])
    rival_known, rival_common = evidence[ranked[1].codec] if len(ranked) > 1 else (0, 0.0)
    if known > rival_known or common - rival_common >= _MIN_LEAD:
        return plausible[0].found()
    raise _ambiguous(ranked)


def _ambiguous(trials: list[_Trial]) -> FileProblem:
    """The problem that tells what the file says in each of the encodings that may be meant."""
    named = [(_NAME_OF.get(trial.codec, trial.codec), ", ".join(trial.samples)) for trial in trials]
    says = "; ".join(f"encoding={name} reads {sample}" for name, sample in named)
    return FileProblem(
        "encoding_ambiguous",
        f"the text may be in more than one encoding, say which one reads rightly: {says}",
        tuple(PlaceProblem(f"encoding {name}", f"reads {sample}") for name, sample in named),
    )


def _undecodable(offset: int, why: str, *, sample: str = "") -> FileProblem:
    shown = f"; the bytes there, as windows-1252 reads them: {sample}" if sample else ""
    return FileProblem(
        "encoding_unknown",
        f"the text {why} (byte {offset}{shown})",
        (PlaceProblem(f"byte {offset}", f"the byte {why}"),),
    )


def _bytes_at(path: Path, offset: int) -> str:
    """The line around the byte, as the encoding of the west reads it, which decodes whatever there is."""
    with open_bytes(path) as file:
        skip = max(0, offset - _SAMPLE_CHARS)
        for at in range(0, skip, _CHUNK_BYTES):
            file.read(min(_CHUNK_BYTES, skip - at))
        around = file.read(2 * _SAMPLE_CHARS)
    before, after = around[: offset - skip], around[offset - skip :]
    line = before.rsplit(b"\n", 1)[-1] + after.split(b"\n", 1)[0]
    return repr(line.decode("cp1252", errors="replace").strip())


def _encoding_of_mark(head: bytes) -> str | None:
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise _undecodable(0, "is UTF-32; save it as UTF-8")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return None


class _Trial:
    """One codec tried on a whole file in bounded memory, with a sample of what it made of the bytes."""

    def __init__(self, codec: str) -> None:
        self.codec = codec
        self.samples: tuple[str, ...] = ()
        self._head = ""
        self._beyond_ascii: list[str] = []

    def found(self) -> TextEncoding:
        """The codec with its samples, which ASCII and UTF-8 need not prove themselves by."""
        return TextEncoding(self.codec, () if self.codec in ("utf-8", "utf-8-sig") else self.samples)

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
                if not chunk:
                    return None

    def _sample(self, text: str) -> None:
        if len(self.samples) < _SAMPLES and not text.isascii():
            self.samples = tuple(dict.fromkeys((*self.samples, *_values_beyond_ascii(text))))[:_SAMPLES]
        if self.codec not in (*_GUESSES, _KOREAN):
            return
        if not self._head:
            self._head = text.lstrip("\r\n")[:HEAD_BYTES]
        room = _EVIDENCE_CHARS - len(self._beyond_ascii)
        if room > 0:
            self._beyond_ascii += (match[0] for match in islice(_BEYOND_ASCII.finditer(text), room))

    def known_names(self, is_known: Callable[[str], bool]) -> int:
        """How many names of the line that has the most are known; names in ASCII tell nothing of the encoding."""
        return max(
            sum(not name.isascii() and is_known(name) for name in _values_of(line))
            for line in self._head.split("\n")[:_HEADER_LINES]
        )

    def is_korean(self) -> bool:
        """Whether nearly all that is beyond ASCII are Korean syllables, and enough of it."""
        seen = self._beyond_ascii
        syllables = sum("가" <= char <= "힣" for char in seen)
        return len(seen) >= _MIN_KOREAN_CHARS and syllables >= _MIN_SYLLABLES * len(seen)

    def share_of_common(self) -> float:
        """The share of common characters among those beyond ASCII; 0 when there are none."""
        seen = self._beyond_ascii
        return sum(map(_is_common, seen)) / len(seen) if seen else 0.0


def _values_beyond_ascii(text: str) -> Iterator[str]:
    """The first few values that hold something beyond ASCII, as far as the delimiters around it, or cut off."""
    at = 0
    for _ in range(2 * _SAMPLES):
        match = _BEYOND_ASCII.search(text, at)
        if match is None:
            return
        before = _BETWEEN_VALUES.split(text[max(at, match.start() - _SAMPLE_CHARS) : match.start()])[-1]
        after = _BETWEEN_VALUES.split(text[match.start() : match.start() + _SAMPLE_CHARS])[0]
        at = match.start() + len(after)
        yield (before + after).strip()[:_SAMPLE_CHARS]


def _values_of(line: str) -> list[str]:
    return [value.strip().strip('"') for value in re.split(r"[,;\t|]", line)]


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
