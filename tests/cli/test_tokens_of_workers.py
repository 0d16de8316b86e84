"""A service of several workers has one secret, and neither it nor a token is ever logged."""

import http.client
import json
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.cli.conftest import Run
from tests.serving import end_database, serving

# With everything logged that there is.
TALKATIVE = "import os; os.environ['DISPATCH_LOG_LEVEL'] = 'debug'; from dispatch import cli; cli.main()"


@pytest.fixture
def data_dir(short_tmp: Path) -> Iterator[Path]:
    path = short_tmp / "tokens"
    path.mkdir()
    yield path
    end_database(path)
    shutil.rmtree(path, ignore_errors=True)


def sent(address: str, method: str, path: str, token: str | None = None) -> tuple[int, Any]:
    """On a connection of its own, so that any worker may answer."""
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
    try:
        connection.request(method, path, headers={} if token is None else {"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, json.loads(body) if "json" in answer.headers["Content-Type"] else body.decode()
    finally:
        connection.close()


def test_every_worker_knows_the_tokens_of_the_others_and_none_is_logged(data_dir: Path) -> None:
    with serving(data_dir, "--workers", "3", city=TALKATIVE) as server:
        server.until("Ctrl-C stops it.")
        status, told = sent(server.address, "POST", "/v1/shopper-tokens")
        assert status == 201
        token = told["token"]
        for _ in range(20):
            status, caller = sent(server.address, "GET", "/v1/caller", token)
            assert (status, caller["order_id_prefix"]) == (200, told["order_id_prefix"])
            assert sent(server.address, "GET", "/v1/orders", token)[0] == 403
            assert sent(server.address, "GET", "/v1/caller", token[:-2])[0] == 401
        for path in (f"/c/{token}", f"/v1/{token}", f"/v1/orders?x={token}"):
            sent(server.address, "GET", path)
        assert server.end() == 0
        said = server.said
    secret = data_dir / "secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert "debug" in said.lower()
    assert token[4:24] not in said
    assert secret.read_text().strip() not in said


def test_a_secret_that_is_none_is_told_before_anything_is_served(data_dir: Path, run: Run) -> None:
    (data_dir / "secret").write_text("too short\n")
    ended = run("serve", "--port", "0", "--data-dir", str(data_dir))
    assert ended.code == 1
    assert f"{data_dir / 'secret'} holds fewer than 32 characters" in ended.error_line
    assert "too short" not in ended.err
