"""Fetch one file over HTTP: streamed to the disk, whole or not at all, and not again while it is unchanged.

What may be secret stays so: a header goes to the origin it was given for and nowhere else, and neither it nor the query
of an address is in any message.
"""

import gzip
import hashlib
import logging
import os
import ssl
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import urljoin

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)

from dispatch.services.addresses import Address, PullError, address_of, named_by

__all__ = ["Fetched", "Limits", "Validators", "fetch", "sha256_of"]

_MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_LATER: Final = frozenset({408, 425, 429})  # statuses of 400 to 499 that another try may mend
_CHUNK_BYTES: Final = 2**18
_LONGEST_RETRY_AFTER_S: Final = 86_400.0

type Received = Callable[[int, int | None], object]
"""Told of the bytes that have come, and of how many there will be, if that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """``read_s`` is between two bytes, ``total_s`` from the first question to the last byte."""

    most_bytes: int
    connect_s: float = 10.0
    read_s: float = 60.0
    total_s: float = 3_600.0

    def too_slow(self, address: Address) -> PullError:
        return PullError(f"{address.shown} has not come whole within {self.total_s:g} s")


@dataclass(frozen=True, slots=True)
class Validators:
    """By what a server knows again what it has sent before."""

    etag: str | None = None
    last_modified: str | None = None

    def headers(self) -> dict[str, str]:
        told = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in told.items() if value}


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that has come whole. ``file_name`` is what the server calls it, plain; empty if it does not say."""

    file_name: str
    validators: Validators
    sha256: str


def fetch(
    address: Address,
    to: Path,
    *,
    headers: Mapping[str, str],
    known: Validators,
    whole: bool,
    limits: Limits,
    now: datetime,
    received: Received,
    cancelled: Callable[[], bool],
) -> Fetched | None:
    """Write the file that is at the address to ``to``; None if the server says that it is still the one ``known``.

    Blocks. ``whole``: refuse an answer whose end would be no other if the connection had broken. ``now`` is what a
    ``Retry-After`` with a date is measured by. Raises PullError, and then ``to`` holds nothing to be used; OSError.
    """
    # Its warnings and what it says for debugging have the address in them, query and all.
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
    until = time.monotonic() + limits.total_s
    # No retries of the library's own, and every certificate is verified.
    pool = urllib3.PoolManager(retries=False, ssl_context=ssl.create_default_context())
    asking = _Asking(pool, address, dict(headers), known, limits, until)
    try:
        with asking.answer() as response:
            if response.status == HTTPStatus.NOT_MODIFIED and known.headers():
                return None
            if response.status != HTTPStatus.OK:
                raise _refusal(asking, response, now)
            return _Saving(asking, response, received, cancelled).save(to, whole=whole)
    except HTTPError as error:
        raise _failure(asking, error) from error
    finally:
        pool.clear()


class _Asking:
    """A question, and where redirects have led it."""

    def __init__(
        self,
        pool: urllib3.PoolManager,
        address: Address,
        secret: dict[str, str],
        known: Validators,
        limits: Limits,
        until: float,
    ) -> None:
        self.address = address
        self.limits = limits
        self.secret_dropped = False
        self._pool = pool
        self._secret = secret
        self._known = known
        self._until = until

    def left_s(self) -> float:
        """How much time there is. Raises PullError if there is none."""
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise self.limits.too_slow(self.address)
        return left_s

    @contextmanager
    def answer(self) -> Iterator[urllib3.BaseHTTPResponse]:
        """The first answer that is no redirect."""
        for _ in range(_MOST_REDIRECTS + 1):
            response = self._ask()
            try:
                if response.status not in _REDIRECTS:
                    yield response
                    return
                self._move(response.headers.get("Location"))
            finally:
                response.close()
        raise PullError(f"{self.address.shown}: redirected more than {_MOST_REDIRECTS} times", soon=False)

    def _ask(self) -> urllib3.BaseHTTPResponse:
        left_s = self.left_s()
        headers = urllib3.HTTPHeaderDict({"User-Agent": "lifecircle", "Accept-Encoding": "gzip"})
        headers.update(self._known.headers() | self._secret)
        return self._pool.request(
            "GET",
            self.address.url,
            headers=headers,
            redirect=False,
            preload_content=False,
            timeout=urllib3.Timeout(connect=min(self.limits.connect_s, left_s), read=min(self.limits.read_s, left_s)),
        )

    def _move(self, location: str | None) -> None:
        before = self.address
        if not location:
            raise PullError(f"{before.shown}: redirected without a Location", soon=False)
        try:
            after = address_of(urljoin(before.url, location))
        except (PullError, ValueError):
            # What is wrong is not said: it might repeat a secret of the server's.
            raise PullError(
                f"{before.shown}: redirected to what is no http or https address, or has credentials in it", soon=False
            ) from None
        if (before.origin[0], after.origin[0]) == ("https", "http"):
            raise PullError(f"{before.shown}: redirected from https to http ({after.shown}), refused", soon=False)
        if before.origin != after.origin and self._secret:
            self._secret = {}
            self.secret_dropped = True
        self.address = after


class _Saving:
    """An answer on its way to the disk."""

    def __init__(
        self,
        asking: _Asking,
        response: urllib3.BaseHTTPResponse,
        received: Received,
        cancelled: Callable[[], bool],
    ) -> None:
        self._asking = asking
        self._response = response
        self._received = received
        self._cancelled = cancelled
        self._shown = asking.address.shown

    def save(self, to: Path, *, whole: bool) -> Fetched:
        headers = self._response.headers
        packed = self._is_packed(headers.get("Content-Encoding", ""))
        declared = self._response.length_remaining
        if whole and not (packed or declared is not None or getattr(self._response, "chunked", False)):
            raise PullError(
                f"{self._shown} comes with neither Content-Length nor chunks, so that a broken connection would look"
                " like its end, and what is missing would be taken out; mend the server, or import partial (merge)",
                soon=False,
            )
        if declared is not None:
            self._check_size(declared)
        if packed:
            raw = to.with_name(to.name + ".gz")
            try:
                self._receive(raw, declared)
                self._unpack(raw, to)
            finally:
                raw.unlink(missing_ok=True)
        else:
            self._receive(to, declared)
        return Fetched(
            file_name=named_by(headers.get("Content-Disposition")),
            validators=Validators(headers.get("ETag"), _sure_moment(headers)),
            sha256=sha256_of(to),
        )

    def _is_packed(self, encodings: str) -> bool:
        """Whether gzip is to be undone; once, for a file that is a gzip itself stays one."""
        names = [
            name for name in (part.strip().lower() for part in encodings.split(",")) if name not in ("", "identity")
        ]
        if names and names not in (["gzip"], ["x-gzip"]):
            raise PullError(
                f"{self._shown} comes with a Content-Encoding other than gzip, which was not asked for", soon=False
            )
        return bool(names)

    def _receive(self, to: Path, declared: int | None) -> None:
        size = 0
        with _private(to) as out:
            # The library's time-out is one between bytes, so each piece looks at the clock.
            while part := self._response.read1(_CHUNK_BYTES, decode_content=False):
                size += len(part)
                self._check_size(size)
                self._go_on()
                out.write(part)
                self._received(size, declared)

    def _unpack(self, raw: Path, to: Path) -> None:
        size = 0
        try:
            with gzip.open(raw) as packed, _private(to) as out:
                while part := packed.read(_CHUNK_BYTES):
                    size += len(part)
                    self._check_size(size)
                    self._go_on()
                    out.write(part)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise PullError(f"{self._shown}: its Content-Encoding is gzip, and it cannot be unpacked") from None

    def _go_on(self) -> None:
        self._asking.left_s()
        if self._cancelled():
            raise PullError("given up")

    def _check_size(self, size: int) -> None:
        most = self._asking.limits.most_bytes
        if size > most:
            raise PullError(
                f"{self._shown} is larger than {most} bytes; DISPATCH_MAX_FILE_BYTES says how large it may be",
                soon=False,
            )


def sha256_of(path: Path) -> str:
    """Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _private(path: Path) -> Iterator[BinaryIO]:
    """A new file that nobody else may read."""
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        yield file


def _refusal(asking: _Asking, response: urllib3.BaseHTTPResponse, now: datetime) -> PullError:
    status = response.status
    try:
        told = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        told = str(status)
    mend = ""
    if status in (401, 403):
        mend = "; mend the header that --header-from names"
        if asking.secret_dropped:
            mend = "; the header was not sent there, for it is another origin: name that address yourself"
    elif status in (404, 410):
        mend = "; mend the address"
    return PullError(
        f"{asking.address.shown} answers {told}{mend}",
        soon=status in _LATER or status >= 500 or 200 < status < 300,
        retry_after_s=_retry_after_s(response.headers.get("Retry-After"), now),
    )


def _retry_after_s(text: str | None, now: datetime) -> float | None:
    """Seconds, at most a day; None if it says nothing that can be read."""
    if text is None:
        return None
    try:
        if text.strip().isdecimal():
            wait_s = float(text)
        else:
            at = parsedate_to_datetime(text)
            wait_s = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
    except ValueError:
        return None
    return min(_LONGEST_RETRY_AFTER_S, max(0.0, wait_s))


def _failure(asking: _Asking, error: HTTPError) -> PullError:
    shown, limits = asking.address.shown, asking.limits
    # A refused connection is one of the library's time-outs, too.
    if isinstance(error, NewConnectionError):
        return PullError(f"{shown} cannot be reached ({type(error).__name__}); does the server run?")
    if isinstance(error, ConnectTimeoutError):
        return PullError(f"{shown} cannot be reached within {limits.connect_s:g} s")
    if isinstance(error, ReadTimeoutError):
        return PullError(f"{shown} has sent nothing for {limits.read_s:g} s")
    if isinstance(error, SSLError):
        cause = error.args[0] if error.args else None
        why = cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else type(error).__name__
        return PullError(f"{shown} is not trusted ({why}); SSL_CERT_FILE names certificates to trust")
    return PullError(
        f"{shown} did not come whole ({type(error).__name__}): the connection broke, or it is no HTTP server"
    )


def _sure_moment(headers: Mapping[str, str]) -> str | None:
    """When the file was last written, if it can be known again by that.

    The moment is in whole seconds: a file that was sent in the second in which it was written may have been written
    again since. Source: RFC 9110, 8.8.2.2.
    """
    written = headers.get("Last-Modified")
    try:
        sent_at, written_at = (parsedate_to_datetime(text or "") for text in (headers.get("Date"), written))
        return written if (sent_at - written_at).total_seconds() >= 1.0 else None
    except (ValueError, TypeError):
        return None
