"""A connection that speaks as much HTTP/1.1 as the load needs, for a client library takes longer than the service."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, NamedTuple

_LONGEST_WAIT_S: Final = 60.0
_JSON: Final = "application/json"


class Unanswered(Exception):
    """The connection was lost, or nothing came in time: nobody knows what became of the request."""


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """What a problem is called; empty for no problem."""
        return str(self.json["code"]) if self.status >= 400 else ""


class Wire:
    """One connection that is kept, and made anew when it was lost. One request at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._at = (host, port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(
        self, method: str, path: str, body: object = None, *, kind: str = _JSON, wait_s: float = _LONGEST_WAIT_S
    ) -> Answer:
        """``body``: bytes as they are, anything else as JSON. Raises Unanswered."""
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: dispatch.test\r\nContent-Length: {len(content)}\r\n"
        head += f"Content-Type: {kind}\r\n\r\n" if body is not None else "\r\n"
        request = head.encode() + content
        # A server ends connections that were idle for seconds, be it at the very moment of the next request. Then
        # HTTP's clients send again what may be sent twice (RFC 9110, 9.2.2), and so does this one, once.
        may_repeat = self._streams is not None and method in ("GET", "PUT")
        try:
            async with asyncio.timeout(wait_s):
                try:
                    return await self._answered(request)
                except (ConnectionError, asyncio.IncompleteReadError):
                    if not may_repeat:
                        raise
                    await self.close()
                    return await self._answered(request)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            await self.close()
            raise Unanswered(f"{method} {path}: {type(error).__name__}") from error
        except BaseException:
            await self.close()  # what is still to come would be taken for the next answer
            raise

    async def _answered(self, request: bytes) -> Answer:
        reader, writer = await self._connected()
        writer.write(request)
        return await _read(reader)

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._at)
        return self._streams

    async def close(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
            with suppress(OSError):
                await streams[1].wait_closed()


async def _read(reader: asyncio.StreamReader) -> Answer:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in lines[1:] if line)
    headers = {name.lower(): value.strip() for name, _, value in fields}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(lines[0].split(" ", 2)[1]), headers, body)


class Wires:
    """So many connections, for whoever needs one."""

    def __init__(self, host: str, port: int, count: int) -> None:
        self.all = [Wire(host, port) for _ in range(count)]
        self._free: asyncio.LifoQueue[Wire] = asyncio.LifoQueue()
        for wire in self.all:
            self._free.put_nowait(wire)

    async def send(self, method: str, path: str, body: object = None, **more: Any) -> Answer:
        """On a connection that is free."""
        wire = await self._free.get()
        try:
            return await wire.send(method, path, body, **more)
        finally:
            self._free.put_nowait(wire)

    async def close(self) -> None:
        for wire in self.all:
            await wire.close()


@asynccontextmanager
async def wires(at: tuple[str, int], count: int) -> AsyncIterator[Wires]:
    """Connections, closed at the end."""
    opened = Wires(*at, count)
    try:
        yield opened
    finally:
        await opened.close()


def fault(answers: Sequence[Answer]) -> str:
    """What must not be answered, whatever happens: a fault of the service; empty if there is none."""
    bad = [answer for answer in answers if answer.status >= 500 and answer.code not in ("busy", "outcome_unknown")]
    return f"{len(bad)} answers like {bad[0].status} {bad[0].body[:200]!r}" if bad else ""
