"""The service with the demo city, as a user starts it, and requests to it beside the browser."""

from pathlib import Path
from typing import Any

import httpx

from tests.serving import CITY, Server


class Service:
    """``dispatch serve --demo`` in a process of its own, on a free port of 127.0.0.1. ``settings`` by name."""

    def __init__(self, data_dir: Path, **settings: object) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        self._server = Server(data_dir, "--demo", city=CITY, settings=settings)
        self.address = ""
        self.http = httpx.Client(timeout=30)

    def await_ready(self) -> None:
        """Return once it answers. Raises AssertionError with what it said."""
        self._server.until("Ctrl-C stops it.")
        self.address = self._server.address
        self.http.base_url = httpx.URL(self.address)

    def ask(self, method: str, path: str, **arguments: Any) -> Any:
        """What it answers to a request that is good."""
        answer = self.http.request(method, path, **arguments)
        assert answer.is_success, (answer.status_code, answer.text)
        return answer.json()

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        self.http.close()
        if self._server.process.poll() is None:
            assert self._server.end() == 0, self._server.said
