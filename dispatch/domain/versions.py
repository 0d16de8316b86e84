"""How far a reader or writer is: for each cell, the number of its last change.

A version is a vector, not a number, since cells are numbered on their own. It travels as opaque text
(``Dispatch-Version``, event cursors, the certificate).
"""

import base64
import binascii
import struct
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, Self

_PREFIX = "v1."
# A door has so many cells around it at most; a position among all events has hundreds, and never comes again.
_FEW_CELLS: Final = 8
_PAIR = struct.Struct(">qq")
MAX_CHARS = 65_536


class VersionError(ValueError):
    """The text is not a version that this service has given out."""


class VersionAhead(VersionError):
    """The version lies beyond all that there is: it is of another database, or of this one before it was restored."""


class Version(dict[int, int]):
    """Sequence number by cell."""

    def merge(self, other: Mapping[int, int]) -> None:
        """Take the later of both, cell by cell."""
        for cell, seq in other.items():
            if seq > self.get(cell, 0):
                self[cell] = seq

    def reached_by(self, cursors: Mapping[int, int]) -> bool:
        """Whether a reader at ``cursors`` has seen all of this. An empty version is always reached."""
        return all(cursors.get(cell, 0) >= seq for cell, seq in self.items())

    def encode(self) -> str:
        """Opaque text, the same for equal versions: pairs in order of cell."""
        return text_of(tuple(sorted(self.items())))

    @classmethod
    def decode(cls, text: str) -> Self:
        """The version that ``encode`` made. VersionError for anything else."""
        if not text.startswith(_PREFIX) or len(text) > MAX_CHARS or not text.isascii():
            raise VersionError("not a version of this service; send back what Dispatch-Version said, unchanged")
        body = text[len(_PREFIX) :]
        try:
            packed = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
            pairs = list(_PAIR.iter_unpack(packed))
        except (binascii.Error, struct.error) as error:
            raise VersionError("a damaged version; send back what Dispatch-Version said, unchanged") from error
        version = cls(pairs)
        if len(version) != len(pairs) or any(cell <= 0 or seq <= 0 for cell, seq in pairs):
            raise VersionError("a damaged version; send back what Dispatch-Version said, unchanged")
        return version

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, int]]) -> Self:
        return cls(pairs)


def text_of(pairs: tuple[tuple[int, int], ...]) -> str:
    """``Version.encode`` of pairs of cell and number that are in order of cell."""
    return _remembered_text(pairs) if len(pairs) <= _FEW_CELLS else _text(pairs)


def _text(pairs: tuple[tuple[int, int], ...]) -> str:
    packed = b"".join(_PAIR.pack(cell, seq) for cell, seq in pairs)
    return _PREFIX + base64.urlsafe_b64encode(packed).rstrip(b"=").decode("ascii")


# Between two changes around a door all answers tell the same.
_remembered_text = lru_cache(maxsize=1 << 10)(_text)
