"""The service with the demo city, as a user starts it, and requests to it beside the browser."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import httpx

_READY_S: Final = 240.0
_STOP_S: Final = 20.0


class Service:
    """``dispatch serve --demo`` in a process of its own, on a free port of 127.0.0.1."""

    def __init__(self, data_dir: Path, **settings: object) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        bare = {name: value for name, value in os.environ.items() if not name.startswith("DISPATCH_")}
        told = {f"DISPATCH_{name.upper()}": str(value) for name, value in settings.items()}
        self.log = data_dir / "service.log"
        data_dir.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from dispatch import cli; cli.main()", "serve", "--demo", "--port", str(port)],
                env=bare | told | {"DISPATCH_DATA_DIR": str(data_dir)},
                cwd=data_dir,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.http = httpx.Client(base_url=self.address, timeout=30)

    def await_ready(self) -> None:
        """Return once it answers. Raises AssertionError with what it said."""
        until = time.monotonic() + _READY_S
        while time.monotonic() < until and self._process.poll() is None:
            try:
                if self.http.get("/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"the service is not ready:\n{self.log.read_text(errors='replace')}")

    def ask(self, method: str, path: str, **arguments: Any) -> Any:
        """What it answers to a request that is good."""
        answer = self.http.request(method, path, **arguments)
        assert answer.is_success, (answer.status_code, answer.text)
        return answer.json()

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        self.http.close()
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise AssertionError("the service did not stop when it was told to") from None
