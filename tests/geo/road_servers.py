"""Real routing servers in processes of their own, on loopback, and one that never answers."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import pytest
import valhalla
from valhalla.config import get_config

from geo.travel.tiles import road_tiles
from tests.geo.shared import shared_file

KEPT = Path(tempfile.gettempdir()) / "lifecircle-test-roads"
START_S = 20.0


class RoutingProcess:
    """A routing server at an address that stays, so that it can be killed and started again."""

    def __init__(self, command: Sequence[str], port: int, log: IO[bytes]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._command, self._port, self._log = command, port, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return once it takes connections."""
        self._process = subprocess.Popen(self._command, stdout=self._log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            assert self._process.poll() is None, f"{self._command[0]} ended with {self._process.returncode}"
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
                return
            time.sleep(0.02)
        raise AssertionError(f"{self._command[0]} takes no connection on port {self._port}")

    def kill(self) -> None:
        """Kill it, and return once it is gone. Does nothing the second time."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def free_port() -> int:
    """A port of loopback that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(command: Sequence[str], port: int) -> Iterator[RoutingProcess]:
    with tempfile.TemporaryFile() as log:
        server = RoutingProcess(command, port, log)
        try:
            server.start()
            yield server
        finally:
            server.kill()


@contextmanager
def osrm_routed(name: str, profile: str, *options: str) -> Iterator[RoutingProcess]:
    """``osrm-routed`` on an extract; skips the test where the extract or the program is missing."""
    network, port = osrm_network(name, profile), free_port()
    program = str(_osrm() / "bin" / "osrm-routed")
    with _running([program, "-i", "127.0.0.1", "-p", str(port), "-t", "2", *options, str(network)], port) as server:
        yield server


@cache
def osrm_network(name: str, profile: str) -> Path:
    """The extract as OSRM wants it, made once a machine."""
    kept = KEPT / f"osrm-{name}-{profile}"
    if not kept.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=KEPT) as building:
            extract = Path(building) / f"{name}.osm.pbf"
            shutil.copyfile(shared_file(f"roads/{name}.osm.pbf"), extract)
            profiles = _osrm() / "share" / "profiles"
            _run(str(_osrm() / "bin" / "osrm-extract"), "-p", str(profiles / f"{profile}.lua"), str(extract))
            _run(str(_osrm() / "bin" / "osrm-contract"), str(extract.with_name(f"{name}.osrm")))
            with suppress(OSError):  # another run of the tests was faster
                Path(building).rename(kept)
            Path(building).mkdir(exist_ok=True)
    return kept / f"{name}.osrm"


def _osrm() -> Path:
    found = find_spec("osrm")
    where = None if found is None or found.origin is None else Path(found.origin).parent
    if where is None or not os.access(where / "bin" / "osrm-routed", os.X_OK):
        pytest.skip("osrm-routed is not to be had: the package osrm-bindings is missing on this platform")
    return where


def _run(*command: str) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{command[0]}: {ran.stdout[-2000:]}{ran.stderr[-2000:]}"


@contextmanager
def valhalla_service(name: str, *, algorithm: str = "select_optimal") -> Iterator[RoutingProcess]:
    """``valhalla_service`` on an extract, as it is out of the box but for its matrix ``algorithm``."""
    program = Path(valhalla.__file__).parent / "bin" / "valhalla_service"
    if not os.access(program, os.X_OK):
        pytest.skip("valhalla_service is not to be had: the package pyvalhalla has none on this platform")
    tiles, port = road_tiles(shared_file(f"roads/{name}.osm.pbf"), KEPT), free_port()
    config = deepcopy(get_config(tile_extract="", tile_dir=tiles))
    config["thor"]["source_to_target_algorithm"] = algorithm
    config["logging"] = {"type": "std_out", "color": False}
    with tempfile.TemporaryDirectory(prefix="lc-") as sockets:  # a short name: those of sockets are limited
        config["httpd"]["service"] |= {
            "listen": f"tcp://127.0.0.1:{port}",
            "loopback": f"ipc://{sockets}/loopback",
            "interrupt": f"ipc://{sockets}/interrupt",
        }
        for stage in ("loki", "thor", "odin"):
            config[stage]["service"]["proxy"] = f"ipc://{sockets}/{stage}"
        at = Path(sockets) / "valhalla.json"
        at.write_text(json.dumps(config))
        with _running([str(program), str(at), "1"], port) as server:
            yield server


@contextmanager
def never_answering() -> Iterator[str]:
    """The address of a server that takes connections and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
