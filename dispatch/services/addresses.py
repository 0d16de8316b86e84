"""What may be typed for a file that is fetched: its address, and a header; and by what name the file goes here."""

import re
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from typing import Final
from urllib.parse import unquote

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from dispatch.domain.errors import DispatchError

__all__ = ["Address", "PullError", "address_of", "header_of", "named_by"]

_MOST_NAME_BYTES: Final = 180  # with what is put after it, a name may have 255
_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x1f\x7f]*[^\x00-\x20\x7f])")
# What the asking itself rests on, or what is said by this program alone.
_OWN_HEADERS: Final = frozenset(
    {"accept-encoding", "connection", "content-length", "host", "if-match", "if-modified-since", "if-none-match"}
    | {"if-range", "if-unmodified-since", "range", "te", "trailer", "transfer-encoding", "upgrade"}
)


class PullError(DispatchError):
    """There is no file to be had; the text is one line without secrets.

    ``soon``: another try may mend it. Else somebody must. ``retry_after_s``: how long
    the server wants to be left alone.
    """

    code = "pull_failed"

    def __init__(self, text: str, *, soon: bool = True, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.soon = soon
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Address:
    """Where a file is. ``shown`` has no query, which may hold a secret; ``file_name`` may be empty."""

    url: str = field(repr=False)
    origin: tuple[str, str, int]
    shown: str
    file_name: str


def address_of(text: str) -> Address:
    """Raises PullError for what is no http or https address, or has credentials in it."""
    if re.search(r"[\x00-\x20\x7f]", text):
        raise PullError("the address has white space or control characters in it; write %20 for a space", soon=False)
    try:
        parts = parse_url(text)
    except LocationParseError:
        raise PullError("the address cannot be read; it is like https://erp.example/stock.csv", soon=False) from None
    if parts.scheme not in ("http", "https") or not parts.host:
        raise PullError(f"an address begins with https:// or http:// and a host, not {parts.scheme}://", soon=False)
    if parts.auth is not None:
        raise PullError(
            "the address has credentials in it, which others see; take them out and send them as a header:"
            " --header-from VARIABLE, which holds Authorization: Basic …",
            soon=False,
        )
    return Address(
        url=parts._replace(fragment=None).url,
        origin=(parts.scheme, parts.host, parts.port or {"http": 80, "https": 443}[parts.scheme]),
        shown=parts._replace(query=None, fragment=None).url,
        file_name=_plain_name(unquote(parts.path or "")),
    )


def header_of(line: str) -> tuple[str, str]:
    """Name and value of a header line, such as ``Authorization: Bearer …``. Raises ValueError without repeating it."""
    match = _HEADER.fullmatch(line.strip(" \t"))
    if match is None or not line.isascii():
        raise ValueError("is no header line in ASCII, such as Authorization: Bearer …")
    if match[1].lower() in _OWN_HEADERS:
        raise ValueError(f"is the header {match[1]}, which is said by dispatch itself")
    return match[1], match[2]


def named_by(disposition: str | None) -> str:
    """The file's name in a ``Content-Disposition``; empty if there is none. Of a path only its end is taken."""
    if disposition is None:
        return ""
    message = Message()
    message["Content-Disposition"] = disposition
    name = message.get_filename() or ""
    # Headers come as Latin-1; what was UTF-8 without saying so is read as such.
    with suppress(UnicodeError):
        name = name.encode("latin-1").decode("utf-8")
    return _plain_name(name)


def _plain_name(path: str) -> str:
    name = re.split(r"[/\\]", path)[-1]
    name = "".join(char for char in name if char.isprintable()).strip().lstrip(".")
    return name.encode()[-_MOST_NAME_BYTES:].decode(errors="ignore")
