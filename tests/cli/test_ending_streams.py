"""A service that is stopped ends its open streams: it does not wait for browsers that never would."""

import shutil
import signal
import time
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dispatch.commands.server import GRACE_S
from tests.serving import END_S, processes_of, serving

STREAMS = 4


@pytest.mark.parametrize(("number", "options"), [(signal.SIGINT, ()), (signal.SIGTERM, ("--workers", "2"))])
def test_open_streams_end_whole_and_hold_nothing_up(
    short_tmp: Path, number: signal.Signals, options: tuple[str, ...]
) -> None:
    data_dir = short_tmp / f"streams-{number.name}"
    with serving(data_dir, *options) as server, ExitStack() as opened:
        server.until("Ctrl-C stops it.")
        place = urlsplit(server.address)
        answers = []
        for _ in range(STREAMS):
            connection = HTTPConnection(place.hostname or "", place.port, timeout=END_S)
            opened.enter_context(closing(connection))
            connection.request("GET", "/v1/events/stream")
            answer = connection.getresponse()
            assert answer.status == 200
            assert answer.readline() == b"retry: 2000\n"
            assert answer.readline() == b"event: ready\n"
            answers.append(answer)
        began = time.monotonic()
        assert server.end(number) == 0
        assert time.monotonic() - began < GRACE_S / 2
        for answer in answers:
            # An end that is none would raise IncompleteRead.
            assert answer.read().startswith(b"id: v1.")
        assert "Traceback" not in server.said
        assert "running task" not in server.said
    assert processes_of(data_dir) == []
    shutil.rmtree(data_dir)
