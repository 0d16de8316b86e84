"""What is remembered of a file that is pulled again and again: in ``pulls/`` of the data directory, for us alone.

    <key>.json      of the last pull that was imported: what its server calls it, its SHA-256, its import
    <key>.file      that file itself, where it may have to be imported again without being sent again
    <key>.part      one that is coming
    <key>.lock      locked while a process is at it

The key is the SHA-256 of the address, the kind and the partner. No header and no query of an address is written.
"""

import dataclasses
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Self

import msgspec

from dispatch.services.addresses import Address, PullError
from dispatch.services.imports import ImportRequest
from dispatch.services.pulling import Validators, sha256_of

__all__ = ["Memory", "Pulled", "fingerprint"]

# What differs from pull to pull, or leaves nothing behind.
_NOT_ASKED = frozenset({"path", "now", "filename", "dry_run"})


class Pulled(msgspec.Struct, frozen=True, kw_only=True):
    """The last pull that was imported. ``again``: import the same file anew though nothing of it has changed."""

    address: str
    asked: str
    sha256: str
    import_id: str
    since: datetime
    filename: str
    again: bool
    etag: str | None = None
    last_modified: str | None = None

    @property
    def validators(self) -> Validators:
        return Validators(self.etag, self.last_modified)


def fingerprint(request: ImportRequest, *, as_of_now: bool) -> str:
    """Of what is asked of the import: asked otherwise, the same file may come to something else."""
    asked = {
        field.name: str(getattr(request, field.name))
        for field in dataclasses.fields(request)
        if field.name not in _NOT_ASKED
    }
    if as_of_now:
        asked["as_of"] = "now"
    return hashlib.sha256(msgspec.json.encode(asked, order="deterministic")).hexdigest()


class Memory:
    """What is remembered of one address, kind and partner. Made by :meth:`held`."""

    def __init__(self, folder: Path, address: Address, *, kind: str, partner: str) -> None:
        key = hashlib.sha256(msgspec.json.encode([address.url, kind, partner])).hexdigest()
        self._address = address
        self._note = folder / f"{key}.json"
        self.copy = folder / f"{key}.file"
        self.part = folder / f"{key}.part"
        self._lock = folder / f"{key}.lock"

    @classmethod
    @contextmanager
    def held(cls, folder: Path, address: Address, *, kind: str, partner: str) -> Iterator[Self]:
        """For us alone, until the end. Raises PullError while another process has it, OSError."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        memory = cls(folder, address, kind=kind, partner=partner)
        with open(memory._lock, "ab", opener=_private) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise PullError(f"{address.shown} is being pulled by another process; one of them is enough") from None
            try:
                yield memory
            finally:
                for left in folder.glob(f"{memory.part.name}*"):
                    left.unlink(missing_ok=True)

    def recall(self, asked: str) -> Pulled | None:
        """The last pull, if the same was asked of it and all that is needed of it is there; else None."""
        try:
            pulled = msgspec.json.decode(self._note.read_bytes(), type=Pulled)
            if pulled.asked != asked or (pulled.again and sha256_of(self.copy) != pulled.sha256):
                return None
        except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
            return None
        return pulled

    def forget(self) -> None:
        """From here on the database may hold something else than what was remembered."""
        self._note.unlink(missing_ok=True)

    def remember(self, pulled: Pulled, file: Path) -> None:
        """Note what was imported from ``file``, and keep that or not, as ``pulled`` says."""
        if not pulled.again:
            self.copy.unlink(missing_ok=True)
        elif file != self.copy:
            file.replace(self.copy)
        unfinished = self._note.with_suffix(".new")
        with open(unfinished, "wb", opener=_private) as out:
            out.write(msgspec.json.encode(pulled))
        unfinished.replace(self._note)


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)
