"""A server of files over real HTTP, on a loopback port: it answers what was laid out, and notes what it was asked."""

import ssl
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar


@dataclass(frozen=True)
class Answer:
    """With a validator among the headers, one who knows it is answered 304.

    ``length``: the Content-Length, where it is a lie. ``end``: by what the end is told: length, chunks or close.
    ``pause_s``: between two bytes.
    """

    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    length: int | None = None
    end: str = "length"
    last_chunk: bool = True
    pause_s: float = 0.0


@dataclass(frozen=True)
class Asked:
    path: str
    headers: dict[str, str]
    status: int


class FileServer:
    """Answers a path by what was laid out for it, one after the other, the last of them for ever."""

    def __init__(self, scheme: str, port: int) -> None:
        self.url = f"{scheme}://127.0.0.1:{port}"
        self.asked: list[Asked] = []
        self.answers: dict[str, list[Answer]] = {}

    def lay_out(self, path: str, *answers: Answer) -> str:
        """The address of ``path``, which answers so from now on."""
        self.answers[path] = list(answers)
        return self.url + path

    def next_answer(self, path: str) -> Answer:
        laid_out = self.answers.get(path.partition("?")[0], [Answer(status=404)])
        return laid_out.pop(0) if len(laid_out) > 1 else laid_out[0]

    @property
    def statuses(self) -> list[int]:
        return [asked.status for asked in self.asked]


class _Handler(BaseHTTPRequestHandler):
    files: ClassVar[FileServer]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        answer = self.files.next_answer(self.path)
        known = {name.lower(): value for name, value in self.headers.items()}
        validators = {name.lower(): value for name, value in answer.headers.items()}
        status = answer.status
        for validator, condition in (("etag", "if-none-match"), ("last-modified", "if-modified-since")):
            if validator in validators and known.get(condition) == validators[validator]:
                status = 304
        self.files.asked.append(Asked(self.path, known, status))
        self.send_response(status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if status == 304:
            self.end_headers()
            return
        if answer.end == "length":
            self.send_header("Content-Length", str(len(answer.body) if answer.length is None else answer.length))
        elif answer.end == "chunks":
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        body = answer.body
        if answer.end == "chunks":
            body = b"%x\r\n%b\r\n" % (len(body), body) + (b"0\r\n\r\n" if answer.last_chunk else b"")
        self._send(body, answer.pause_s)
        self.close_connection = answer.end == "close" or answer.length is not None or not answer.last_chunk

    def _send(self, body: bytes, pause_s: float) -> None:
        try:
            if not pause_s:
                self.wfile.write(body)
            for byte in body if pause_s else b"":
                self.wfile.write(bytes([byte]))
                time.sleep(pause_s)
        except OSError:
            self.close_connection = True  # the other side had enough

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing is told of those who hang up, at whatever moment: it would stand among what a command says."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[FileServer]:
    class Handler(_Handler):
        pass

    server = _Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    files = Handler.files = FileServer("http" if context is None else "https", server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield files
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
