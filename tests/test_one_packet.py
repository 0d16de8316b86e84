"""Answers leave in one packet, and whatever is written arrives, in order."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from dispatch.commands import one_packet
from dispatch.commands.one_packet import JoinedWrites
from dispatch.commands.server import config_of

LONG = 12_000_000


class _Recorder(asyncio.Transport):
    """Takes note of each write."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        assert not self.closed
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


@pytest.fixture
async def written() -> tuple[JoinedWrites, _Recorder]:
    recorder = _Recorder()
    return JoinedWrites(recorder, asyncio.get_running_loop()), recorder


async def test_a_head_and_its_body_are_one_write(written: tuple[JoinedWrites, _Recorder]) -> None:
    joined, recorder = written
    joined.write(b"head")
    joined.write(b"body")
    assert recorder.written == [b"headbody"]
    await asyncio.sleep(0)
    assert recorder.written == [b"headbody"]


async def test_what_nothing_follows_waits_for_the_loops_next_turn_alone(
    written: tuple[JoinedWrites, _Recorder],
) -> None:
    joined, recorder = written
    joined.write(b"head")
    assert recorder.written == []
    await asyncio.sleep(0)
    assert recorder.written == [b"head"]


async def test_closing_writes_what_is_held_first(written: tuple[JoinedWrites, _Recorder]) -> None:
    joined, recorder = written
    joined.write(b"head")
    joined.close()
    assert (recorder.written, recorder.closed) == ([b"head"], True)
    await asyncio.sleep(0)
    assert recorder.written == [b"head"]


@pytest.mark.parametrize("seed", range(20))
async def test_all_of_it_is_written_in_order(seed: int, written: tuple[JoinedWrites, _Recorder]) -> None:
    joined, recorder = written
    rng = random.Random(seed)
    sent = b""
    for number in range(50):
        data = b"" if rng.random() < 0.1 else b"%d," % number
        if rng.random() < 0.8:
            joined.write(data)
        else:
            joined.writelines([data[:1], data[1:]])
        sent += data
        if rng.random() < 0.3:
            await asyncio.sleep(0)
    joined.close()
    assert b"".join(recorder.written) == sent


@asynccontextmanager
async def _served(ended: asyncio.Event | None = None) -> AsyncIterator[int]:
    """The port of a server, as the service's is, of an app that answers whole and in pieces, and without end."""
    app = FastAPI()
    ended = ended or asyncio.Event()

    @app.get("/whole")
    async def whole() -> Response:
        return PlainTextResponse("whole")

    @app.get("/pieces")
    async def pieces() -> Response:
        async def made() -> AsyncIterator[str]:
            for piece in ("one,", "two,", "three"):
                await asyncio.sleep(0.01)
                yield piece

        return StreamingResponse(made(), media_type="text/plain")

    @app.get("/endless")
    async def endless() -> Response:
        async def made() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x" * 100_000
                    await asyncio.sleep(0.001)
            finally:
                ended.set()

        return StreamingResponse(made(), media_type="text/plain")

    @app.get("/long")
    async def long() -> Response:
        return PlainTextResponse(b"x" * LONG)

    @app.get("/nothing", status_code=204)
    async def nothing() -> None: ...

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(config_of(app, "warning"))
        serving = asyncio.create_task(server.serve([listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


async def _first_of(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, method: str) -> bytes:
    """What comes first of an answer, as it comes."""
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return await reader.read(65_536)


async def test_a_server_answers_in_one_packet_and_streams_still() -> None:
    async with _served() as port, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):  # the connection is used again
            assert (await _first_of(reader, writer, "/whole", "GET")).endswith(b"\r\n\r\nwhole")
        assert (await _first_of(reader, writer, "/nothing", "GET")).startswith(b"HTTP/1.1 204")
        assert (await _first_of(reader, writer, "/whole", "HEAD")).endswith(b"\r\n\r\n")
        answer = await _first_of(reader, writer, "/pieces", "GET")
        while not answer.endswith(b"0\r\n\r\n"):
            answer += await reader.read(65_536)
        assert answer.partition(b"\r\n\r\n")[2] == b"4\r\none,\r\n4\r\ntwo,\r\n5\r\nthree\r\n0\r\n\r\n"
        writer.write(b"nonsense\r\n\r\n")
        refused = await reader.read()  # to its end: the server hangs up
        assert refused.startswith(b"HTTP/1.1 400")
        writer.close()


async def test_who_takes_nothing_for_long_is_cut_off_and_who_takes_it_slowly_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(one_packet, "STALLED_S", 0.5)
    ended = asyncio.Event()
    async with _served(ended) as port, asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1000)
        await _first_of(reader, writer, "/endless", "GET")
        for _ in range(8):
            await asyncio.sleep(0.2)
            for _ in range(20):
                await reader.read(65_536)
        assert not ended.is_set()
        await ended.wait()
        writer.close()


async def test_a_long_answer_is_sent_to_its_end_however_slowly_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one write: what waits never falls below what the server calls little, until the very end."""
    monkeypatch.setattr(one_packet, "STALLED_S", 0.3)
    async with _served(asyncio.Event()) as port, asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1000)
        taken = await _first_of(reader, writer, "/long", "GET")
        head, _, body = taken.partition(b"\r\n\r\n")
        assert b"200 OK" in head
        left = LONG - len(body)
        while left and (part := await reader.read(min(left, 65_536))):
            left -= len(part)
            await asyncio.sleep(0.005)
        assert left == 0
        writer.close()
