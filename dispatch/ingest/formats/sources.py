"""The bytes of an uploaded file: gzip undone, within the size that an import may have."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import tempfile
import weakref
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from dispatch.ingest.problems import FileProblem

MAX_TABLE_BYTES: Final = 4 * 1024**3
HEAD_BYTES: Final = 4096
_GZIP: Final = b"\x1f\x8b"
_BUFFER_BYTES: Final = 1 << 16
_CHUNK_BYTES: Final = 1 << 20


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open the file with gzip undone; what is read is counted, so that no reader sees more than MAX_TABLE_BYTES.

    Raises FileProblem, also while it is read: ``file_damaged`` where it cannot be read to its end,
    ``file_too_large``. That there is no such file, or no right to it, is not the file's problem: OSError.
    """
    with path.open("rb") as plain:
        try:
            if is_packed(plain):
                with gzip.open(plain, "rb") as unpacked:
                    yield cast(BinaryIO, io.BufferedReader(_Counted(unpacked), _BUFFER_BYTES))
            else:
                if os.fstat(plain.fileno()).st_size > MAX_TABLE_BYTES:
                    raise too_large()
                yield plain
        except (OSError, EOFError, zlib.error) as error:
            raise FileProblem("file_damaged", "the file cannot be read to its end; send it again") from error


def is_packed(file: BinaryIO) -> bool:
    """Whether the open file is a gzip; it stands at its start again."""
    packed = file.read(2) == _GZIP
    file.seek(0)
    return packed


def check_size(path: Path) -> None:
    """Unpack a gzip once to its end, so that no parser is busy for long with one that is refused in the end.

    Raises FileProblem as ``open_bytes``.
    """
    with open_bytes(path) as file:
        if isinstance(file, io.BufferedReader) and isinstance(file.raw, _Counted):
            while file.read(_CHUNK_BYTES):
                pass


def read_head(path: Path) -> bytes:
    """The first HEAD_BYTES of the file, gzip undone. Raises FileProblem as ``open_bytes``."""
    with open_bytes(path) as file:
        return file.read(HEAD_BYTES)


class ScratchFile:
    """A file of ours, gone when nobody holds this any more."""

    def __init__(self, suffix: str) -> None:
        handle, name = tempfile.mkstemp(suffix)
        os.close(handle)
        self.path = Path(name)
        weakref.finalize(self, self.path.unlink, missing_ok=True)


class PlainFile:
    """The file with gzip undone where it lies, for readers that must seek; a copy lives as long as this does."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as plain:
            packed = is_packed(plain)
        self._copy = ScratchFile(".unpacked") if packed else None
        if self._copy is not None:
            with open_bytes(path) as file, self._copy.path.open("wb") as copy:
                shutil.copyfileobj(file, copy, _CHUNK_BYTES)
        self.path = path if self._copy is None else self._copy.path


def too_large() -> FileProblem:
    size = f"{MAX_TABLE_BYTES >> 30} GiB" if MAX_TABLE_BYTES >> 30 else f"{MAX_TABLE_BYTES} bytes"
    return FileProblem("file_too_large", f"the file is larger than {size} unpacked")


class _Counted(io.RawIOBase):
    """The unpacked bytes of a gzip, until they are too many."""

    def __init__(self, unpacked: gzip.GzipFile) -> None:
        self._unpacked = unpacked
        self._bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what BufferedReader gives
        piece = self._unpacked.read1(len(buffer))
        self._bytes += len(piece)
        if self._bytes > MAX_TABLE_BYTES:
            raise too_large()
        buffer[: len(piece)] = piece
        return len(piece)
