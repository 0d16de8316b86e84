"""A `dispatch serve` for measurements."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_READY_TIMEOUT_S: Final = 600.0


@contextlib.contextmanager
def served(folder: Path) -> Iterator[int]:
    """The port of a service on this data directory, once it is ready; it is ended afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    program = Path(sys.executable).with_name("dispatch")
    command = [str(program), "serve", "--data-dir", str(folder), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _until_ready(server, port)
        yield port
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(120)


def _until_ready(server: "subprocess.Popen[bytes]", port: int) -> None:
    began = time.perf_counter()
    while time.perf_counter() - began < _READY_TIMEOUT_S:
        if server.poll() is not None:
            raise SystemExit(f"dispatch serve ended with {server.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SystemExit(f"not ready within {_READY_TIMEOUT_S:.0f} s")
