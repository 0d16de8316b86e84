"""Streams of events as a browser reads them, from a worker that is served on a socket of its own."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import uvicorn

from dispatch.commands.server import config_of
from tests.api.client import Api

PATIENCE_S = 20.0


class Message(NamedTuple):
    """A server-sent event."""

    event: str
    id: str
    data: dict[str, Any]


class Stream:
    """An answer that is being read. ``beats``: messages that say no more than that it lives."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.beats = 0
        self.retry_ms = 0
        self._lines = answer.aiter_lines()
        self._line: asyncio.Task[str | None] | None = None

    async def next(self, *, within_s: float = PATIENCE_S) -> Message | None:
        """The next message but for beats; None at the end. By the standard's rules for lines and fields."""
        fields = {"event": "message", "id": "", "data": ""}
        deadline = asyncio.get_running_loop().time() + within_s
        while (line := await self._next_line(deadline)) is not None:
            if not line and fields["event"] == "beat":
                assert fields == {"event": "beat", "id": "", "data": "{}"}
                fields = {"event": "message", "id": "", "data": ""}
                self.beats += 1
            elif not line and fields["data"]:
                return Message(fields["event"], fields["id"], json.loads(fields["data"]))
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "retry":
                self.retry_ms = int(value)
            elif name == "data":
                fields["data"] = f"{fields['data']}\n{value}" if fields["data"] else value
            elif name:
                assert name in fields, line
                fields[name] = value
        return None

    async def _next_line(self, deadline: float) -> str | None:
        """Raises TimeoutError; the same line is then still waited for."""
        self._line = self._line or asyncio.create_task(self._read_line())
        left_s = deadline - asyncio.get_running_loop().time()
        if not (await asyncio.wait({self._line}, timeout=max(0.0, left_s)))[0]:
            raise TimeoutError
        line, self._line = self._line.result(), None
        return line

    async def _read_line(self) -> str | None:
        return await anext(self._lines, None)

    async def close(self) -> None:
        if self._line is not None:
            self._line.cancel()
            await asyncio.gather(self._line, return_exceptions=True)

    async def ready(self) -> str:
        """The position at which it begins."""
        message = await self.next()
        assert message is not None
        assert message.event == "ready"
        assert message.data == {"after": message.id}
        return message.id

    async def events(self, count: int) -> list[dict[str, Any]]:
        """So many events, of as many messages as it takes; exactly so many."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            message = await self.next()
            assert message is not None, f"the stream ended after {len(found)} of {count} events"
            assert message.event == "orders"
            assert message.data["after"] == message.id
            assert message.data["events"]
            found += message.data["events"]
        assert len(found) == count
        return found


class Served:
    """A worker on a socket."""

    def __init__(self, api: Api, http: httpx.AsyncClient, port: int) -> None:
        self.api = api
        self.http = http
        self.port = port

    @asynccontextmanager
    async def stream(self, *, headers: dict[str, str] | None = None, **query: str) -> AsyncIterator[Stream]:
        """A stream that is answered with 200."""
        async with self.http.stream("GET", "/v1/events/stream", params=query, headers=headers) as answer:
            assert answer.status_code == 200, (await answer.aread(), answer.status_code)
            stream = Stream(answer)
            try:
                yield stream
            finally:
                await stream.close()

    async def refused(self, *, headers: dict[str, str] | None = None, **query: str) -> httpx.Response:
        """The answer to a stream that is refused."""
        async with asyncio.timeout(PATIENCE_S):  # one that is not refused has no end
            return await self.http.get("/v1/events/stream", params=query, headers=headers)

    @property
    def open_streams(self) -> int:
        return len(self.api.app.state.service.live)


@asynccontextmanager
async def served(api: Api) -> AsyncIterator[Served]:
    """The worker, served as the service is."""
    config = config_of(api.app, "warning")
    config.lifespan = "off"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        port = listener.getsockname()[1]
        limits = httpx.Limits(max_connections=None)
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30, limits=limits) as http:
                yield Served(api, http, port)
        finally:
            api.app.state.service.live.end()
            server.should_exit = True
            await serving
