"""Files that are made for an answer, which nobody finds on the disk afterwards."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import BinaryIO, Final, Protocol, cast

import structlog

from dispatch.api.problems import Problem

_log = structlog.get_logger(__name__)

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

_CHUNK_BYTES: Final = 1 << 18


class Writes(Protocol):
    def __call__(self, out: BinaryIO, *, tmp_dir: Path) -> Awaitable[None]: ...


async def made_file(folder: Path, writes: Writes) -> BinaryIO:
    """A file as ``writes`` has made it, at its beginning. It lies in ``folder`` without a name, and ends when closed.

    Raises Problem 503 when it cannot be stored there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = cast(BinaryIO, tempfile.TemporaryFile(dir=folder))  # noqa: SIM115 - it is closed by who sends it
        try:
            await writes(file, tmp_dir=folder)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file
    except OSError as error:
        _log.error("file_not_made", reason=f"{type(error).__name__}: {error.strerror}")
        detail = "the file cannot be made here now; the operator has been told"
        raise Problem(503, "file_not_made", detail, headers={"Retry-After": "60"}) from error


async def sent_and_closed(file: BinaryIO) -> AsyncIterator[bytes]:
    """The file in pieces; it is closed at its end, and also where nobody reads it to its end."""
    with file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
            yield chunk
