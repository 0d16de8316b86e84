"""Routing engines elsewhere: asking a server over HTTP, with an end in time; halving what it cannot answer whole."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ProtocolError, ReadTimeoutError
from urllib3.util import make_headers, parse_url

from geo.coordinates import LatLon
from geo.geodesy import FloatArray
from geo.travel.engine import EngineUnavailable, Roadway, joined

__all__ = ["RoutingServer", "ways_by_parts"]

_MOST_BYTES: Final = 16 * 2**20
_CHUNK_BYTES: Final = 65_536
_CONNECTIONS: Final = 8


class RoutingServer:
    """One routing server. May be asked from several threads at once; each borrows a connection that is kept open."""

    def __init__(self, url: str, *, patience_s: float) -> None:
        """``url`` may name who asks: ``https://user:password@host/path``, with % for what is special in an address.

        ``patience_s``: how long one question may take, from the connection to the last byte of the answer.
        """
        parts = parse_url(url)
        # Without who asks: it stands in logs, and in what /readyz says.
        self._url = parts._replace(auth=None).url.rstrip("/")
        self.patience_s = patience_s
        self._headers = dict(make_headers(user_agent="lifecircle", basic_auth=parts.auth))
        # No redirects: a server that moves its matrix is a mistake to be told of, not to be followed.
        self._pool = urllib3.PoolManager(num_pools=1, maxsize=_CONNECTIONS, retries=False)

    def deadline(self) -> float:
        """The moment, of ``time.monotonic``, at which a question that begins now is given up."""
        return time.monotonic() + self.patience_s

    def ask(self, path: str, body: Mapping[str, Any] | None = None, *, until: float) -> tuple[int, Any]:
        """The status and the JSON object, or array, of the answer to GET, or to POST of a body.

        Raises EngineUnavailable if there is no such answer by the moment ``until``.
        """
        sent = None if body is None else json.dumps(body).encode()
        try:
            return self._ask_once(path, sent, until)
        except ProtocolError:
            # A kept connection that the server has ended meanwhile; a new one tells whether the server is there.
            try:
                return self._ask_once(path, sent, until)
            except HTTPError as error:
                raise self._failure(error) from error
        except HTTPError as error:
            raise self._failure(error) from error

    def _ask_once(self, path: str, sent: bytes | None, until: float) -> tuple[int, Any]:
        left_s = until - time.monotonic()
        if left_s <= 0:
            raise self._too_slow()
        response = self._pool.request(
            "GET" if sent is None else "POST",
            self._url + path,
            body=sent,
            headers=self._headers | ({} if sent is None else {"Content-Type": "application/json"}),
            timeout=urllib3.Timeout(total=left_s),
            preload_content=False,
        )
        whole = False
        try:
            text = self._read(response, until)
            whole = True
        finally:
            if not whole:
                response.close()  # what is left of it must not be taken for the next answer
            response.release_conn()
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict | list):
            raise EngineUnavailable(
                f"{self._url} answers with status {response.status} and no JSON; is it a routing server of that kind?"
            )
        return response.status, answer

    def _read(self, response: urllib3.BaseHTTPResponse, until: float) -> bytes:
        # The library's time-out is one between bytes: an answer that drips would never end.
        parts: list[bytes] = []
        size = 0
        while part := response.read1(_CHUNK_BYTES):
            parts.append(part)
            size += len(part)
            if size > _MOST_BYTES:
                raise EngineUnavailable(f"{self._url} answers with more than {_MOST_BYTES >> 20} MiB")
            if time.monotonic() > until:
                raise self._too_slow()
        return b"".join(parts)

    def _too_slow(self) -> EngineUnavailable:
        return EngineUnavailable(f"{self._url} has not answered within {self.patience_s:g} s")

    def _failure(self, error: HTTPError) -> EngineUnavailable:
        # A refused connection is one of the library's time-outs, too.
        if isinstance(error, ConnectTimeoutError | ReadTimeoutError) and not isinstance(error, NewConnectionError):
            return self._too_slow()
        return EngineUnavailable(f"{self._url} cannot be reached ({type(error).__name__}); does the server run?")


type Ask = Callable[[FloatArray, FloatArray], Roadway | None]
"""Asks for the ways from places; None where one of them, or the door, spoils it, or where they are too many."""


def ways_by_parts(ask: Ask, lats: FloatArray, lons: FloatArray, door: LatLon) -> Roadway:
    """The ways from each place to the door, where one place, or the door, may spoil the answer for all.

    A place that spoils its answer alone has no way. Nothing is asked for no places.
    """
    if not len(lats):
        return joined([])
    found = ask(lats, lons)
    if found is not None:
        return found
    if ask(np.array([door.lat]), np.array([door.lon])) is None:
        return _no_ways(len(lats), place_leg_m=0.0, door_leg_m=np.inf)
    return _by_halves(ask, lats, lons)


def _by_halves(ask: Ask, lats: FloatArray, lons: FloatArray) -> Roadway:
    """For places that spoil it together, and a door that does not."""
    if len(lats) == 1:
        return _no_ways(1, place_leg_m=np.inf, door_leg_m=0.0)
    half = len(lats) // 2
    parts = []
    for part in (slice(half), slice(half, None)):
        found = ask(lats[part], lons[part])
        parts.append(_by_halves(ask, lats[part], lons[part]) if found is None else found)
    return joined(parts)


def _no_ways(count: int, *, place_leg_m: float, door_leg_m: float) -> Roadway:
    return Roadway(np.full(count, np.nan), np.full(count, place_leg_m), np.full(count, door_leg_m))
