"""Fetching a file over real HTTP: whole or not at all, conditionally, and without a secret going astray."""

import gzip
import hashlib
import logging
import shutil
import ssl
import stat
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from dispatch.services.addresses import PullError, address_of
from dispatch.services.pulling import Fetched, Limits, Validators, fetch
from tests.geo.road_servers import free_port
from tests.services.file_server import Answer, FileServer, serving

NOW = datetime(2026, 11, 27, 13, 0, tzinfo=UTC)
BODY = b"store_id,sku,on_hand\nA,milk,5\n"
SECRET = {"Authorization": "Bearer s3cret"}
LIMITS = Limits(most_bytes=10_000, connect_s=2.0, read_s=2.0, total_s=5.0)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as files:
        yield files


@pytest.fixture
def other() -> Iterator[FileServer]:
    with serving() as files:
        yield files


def fetched(url: str, to: Path, **asked: Any) -> Fetched | None:
    given: dict[str, Any] = {
        "headers": SECRET, "known": Validators(), "whole": False, "limits": LIMITS, "now": NOW,
        "received": lambda size, total: None, "cancelled": lambda: False,
    }  # fmt: skip
    return fetch(address_of(url), to, **(given | asked))


def refused(url: str, to: Path, **asked: Any) -> PullError:
    """The error; it repeats neither the header nor the query."""
    with pytest.raises(PullError) as error:
        fetched(f"{url}?token=s3cret", to, **asked)
    assert "s3cret" not in str(error.value)
    return error.value


def test_a_file_comes_whole_with_what_is_known_of_it(server: FileServer, tmp_path: Path) -> None:
    told = {"ETag": '"1"', "Last-Modified": "Fri, 27 Nov 2020 12:00:00 GMT"}
    url = server.lay_out("/stock.csv", Answer(BODY, told | {"Content-Disposition": 'attachment; filename="s.csv"'}))
    heard: list[tuple[int, int | None]] = []
    came = fetched(url, tmp_path / "f", received=lambda size, total: heard.append((size, total)))
    assert came == Fetched("s.csv", Validators(*told.values()), hashlib.sha256(BODY).hexdigest())
    assert (tmp_path / "f").read_bytes() == BODY
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600
    assert heard[-1] == (len(BODY), len(BODY))
    assert server.asked[0].headers["authorization"] == "Bearer s3cret"
    assert "if-none-match" not in server.asked[0].headers


@pytest.mark.parametrize("known", [Validators(etag='W/"1"'), Validators(last_modified="Fri, 27 Nov 2020 12:00:00 GMT")])
def test_what_is_known_is_not_sent_again(known: Validators, server: FileServer, tmp_path: Path) -> None:
    headers = {"ETag": known.etag} if known.etag else {"Last-Modified": str(known.last_modified)}
    url = server.lay_out("/s", Answer(BODY, headers), Answer(b"new", {"ETag": '"2"'}))
    assert fetched(url, tmp_path / "f", known=known) is None
    assert not (tmp_path / "f").exists()
    assert fetched(url, tmp_path / "f", known=known) is not None


def test_a_moment_that_may_be_that_of_another_file_is_not_remembered(server: FileServer, tmp_path: Path) -> None:
    # It may be written again within the second in which it was sent.
    for written in (formatdate(time.time() + 60, usegmt=True), "yesterday"):
        came = fetched(server.lay_out("/s", Answer(BODY, {"Last-Modified": written})), tmp_path / "f")
        assert came is not None
        assert came.validators == Validators()


def test_a_304_that_was_not_asked_for_is_no_answer(server: FileServer, tmp_path: Path) -> None:
    assert "304" in str(refused(server.lay_out("/s", Answer(status=304)), tmp_path / "f"))


def test_the_log_has_neither_the_header_nor_the_query(
    server: FileServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("urllib3").setLevel(logging.NOTSET)
    caplog.set_level(logging.DEBUG)
    assert fetched(server.lay_out("/s", Answer(BODY)) + "?token=s3cret", tmp_path / "f")
    assert "s3cret" not in caplog.text


# ── redirects ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_within_an_origin_the_header_goes_along(status: int, server: FileServer, tmp_path: Path) -> None:
    server.lay_out("/new/s.csv", Answer(BODY))
    assert fetched(server.lay_out("/s", Answer(status=status, headers={"Location": "new/s.csv"})), tmp_path / "f")
    assert [asked.headers.get("authorization") for asked in server.asked] == ["Bearer s3cret"] * 2


def test_another_origin_never_gets_the_header_not_even_on_the_way_back(
    server: FileServer, other: FileServer, tmp_path: Path
) -> None:
    back = server.lay_out("/back", Answer(BODY))
    away = other.lay_out("/away", Answer(status=302, headers={"Location": back}))
    assert fetched(server.lay_out("/s", Answer(status=302, headers={"Location": away})), tmp_path / "f")
    assert "authorization" in server.asked[0].headers
    assert "authorization" not in other.asked[0].headers
    assert "authorization" not in server.asked[1].headers


def test_where_the_header_was_not_sent_a_401_says_so(server: FileServer, other: FileServer, tmp_path: Path) -> None:
    away = other.lay_out("/away", Answer(status=401))
    error = refused(server.lay_out("/s", Answer(status=302, headers={"Location": away})), tmp_path / "f")
    assert "another origin" in str(error)
    assert away in str(error)


def test_five_redirects_are_followed_and_no_sixth(server: FileServer, tmp_path: Path) -> None:
    for number in range(6):
        server.lay_out(f"/{number}", Answer(status=302, headers={"Location": f"/{number + 1}"}))
    server.lay_out("/6", Answer(BODY))
    assert fetched(f"{server.url}/1", tmp_path / "f")
    assert "more than 5" in str(refused(f"{server.url}/0", tmp_path / "f"))


@pytest.mark.parametrize("location", ["ftp://x/s3cret", "http://me:s3cret@127.0.0.1/x", "http://[s3cret/", None])
def test_a_redirect_to_no_address_is_refused(location: str | None, server: FileServer, tmp_path: Path) -> None:
    headers = {} if location is None else {"Location": location}
    error = refused(server.lay_out("/s", Answer(status=302, headers=headers)), tmp_path / "f")
    assert "redirected" in str(error)
    assert not error.soon


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[FileServer, Path]]:
    """A server of https, and its certificate, which nobody trusts who is not told to."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(context) as files:
        yield files, certificate


def test_certificates_are_verified(
    secure: tuple[FileServer, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, certificate = secure
    url = files.lay_out("/s", Answer(BODY))
    assert "SSL_CERT_FILE" in str(refused(url, tmp_path / "f"))
    assert files.asked == []
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert fetched(url, tmp_path / "f")


def test_from_https_nothing_leads_to_http(
    secure: tuple[FileServer, Path], server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, certificate = secure
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    url = files.lay_out("/s", Answer(status=302, headers={"Location": server.lay_out("/s", Answer(BODY))}))
    error = refused(url, tmp_path / "f")
    assert "from https to http" in str(error)
    assert not error.soon
    assert server.asked == []


# ── answers that are no file ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "soon"),
    [(408, True), (425, True), (429, True), (500, True), (502, True), (503, True), (599, True), (202, True),
     (204, True), (400, False), (401, False), (403, False), (404, False), (410, False), (300, False)],
)  # fmt: skip
def test_a_status_is_told_and_whether_another_try_may_mend_it(
    status: int, soon: bool, server: FileServer, tmp_path: Path
) -> None:
    error = refused(server.lay_out("/s", Answer(status=status)), tmp_path / "f")
    assert str(status) in str(error)
    assert error.soon is soon
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [("120", 120.0), (" 0 ", 0.0), ("Fri, 27 Nov 2026 13:01:30 GMT", 90.0), ("Fri, 27 Nov 2020 12:00:00 GMT", 0.0),
     ("9999999", 86_400.0), ("soon", None), ("-5", None), (None, None)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(
    header: str | None, wait_s: float | None, server: FileServer, tmp_path: Path
) -> None:
    headers = {} if header is None else {"Retry-After": header}
    error = refused(server.lay_out("/s", Answer(status=503, headers=headers)), tmp_path / "f")
    assert error.retry_after_s == wait_s


def test_no_server_is_told_by_the_address(tmp_path: Path) -> None:
    error = refused(f"http://127.0.0.1:{free_port()}/s.csv", tmp_path / "f")
    assert "/s.csv cannot be reached" in str(error)
    assert error.soon


def test_a_server_that_says_nothing_is_left(server: FileServer, tmp_path: Path) -> None:
    url = server.lay_out("/s", Answer(BODY, pause_s=1.0))
    error = refused(url, tmp_path / "f", limits=Limits(most_bytes=10_000, read_s=0.2))
    assert "nothing for 0.2 s" in str(error)


def test_a_server_that_drips_is_left_in_the_end(server: FileServer, tmp_path: Path) -> None:
    url = server.lay_out("/s", Answer(BODY * 100, pause_s=0.05))
    began = time.monotonic()
    error = refused(url, tmp_path / "f", limits=Limits(most_bytes=10_000, read_s=2.0, total_s=0.4))
    assert "within 0.4 s" in str(error)
    assert time.monotonic() - began < 2.0


def test_who_gives_up_does_not_wait_for_the_rest(server: FileServer, tmp_path: Path) -> None:
    url = server.lay_out("/s", Answer(BODY * 100, pause_s=0.02))
    began = time.monotonic()
    refused(url, tmp_path / "f", cancelled=lambda: True)
    assert time.monotonic() - began < 2.0


# ── the body ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "answer",
    [
        Answer(BODY, length=len(BODY) + 1),
        Answer(BODY, end="chunks", last_chunk=False),
        Answer(gzip.compress(BODY)[:-1], {"Content-Encoding": "gzip"}),
        Answer(gzip.compress(BODY)[:-9], {"Content-Encoding": "gzip"}, end="close"),
        Answer(BODY, {"Content-Encoding": "gzip"}),
        Answer(BODY, {"Content-Encoding": "br"}),
        Answer(BODY, {"Content-Encoding": "gzip, gzip"}),
    ],
)
def test_a_body_that_is_not_whole_is_an_error(answer: Answer, server: FileServer, tmp_path: Path) -> None:
    refused(server.lay_out("/s", answer), tmp_path / "f")
    assert not (tmp_path / "f.gz").exists()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"x" * 10_001),
        Answer(b"x" * 10_001, end="chunks"),
        Answer(gzip.compress(b"x" * 10_001), {"Content-Encoding": "gzip"}),
    ],
)
def test_a_file_that_is_too_large_is_left(answer: Answer, server: FileServer, tmp_path: Path) -> None:
    error = refused(server.lay_out("/s", answer), tmp_path / "f")
    assert "DISPATCH_MAX_FILE_BYTES" in str(error)
    assert not error.soon


def test_a_file_as_large_as_it_may_be_comes(server: FileServer, tmp_path: Path) -> None:
    assert fetched(server.lay_out("/s", Answer(b"x" * 10_000)), tmp_path / "f")


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP", "identity, gzip"])
@pytest.mark.parametrize("end", ["length", "chunks", "close"])
def test_the_encoding_of_the_content_is_undone_once(
    encoding: str, end: str, server: FileServer, tmp_path: Path
) -> None:
    file = gzip.compress(BODY)
    url = server.lay_out("/s.csv.gz", Answer(gzip.compress(file), {"Content-Encoding": encoding}, end=end))
    came = fetched(url, tmp_path / "f", whole=True)
    assert came is not None
    assert (tmp_path / "f").read_bytes() == file
    assert came.sha256 == hashlib.sha256(file).hexdigest()
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_gzip_that_is_the_file_itself_stays_one(server: FileServer, tmp_path: Path) -> None:
    file = gzip.compress(BODY)
    assert fetched(server.lay_out("/s.csv.gz", Answer(file, {"Content-Type": "application/gzip"})), tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == file


def test_an_end_that_may_be_a_broken_connection_is_not_taken_for_the_whole(server: FileServer, tmp_path: Path) -> None:
    url = server.lay_out("/s", Answer(BODY, end="close"))
    assert fetched(url, tmp_path / "f")
    error = refused(url, tmp_path / "f", whole=True)
    assert "Content-Length" in str(error)
    for end in ("length", "chunks"):
        assert fetched(server.lay_out("/s", Answer(BODY, end=end)), tmp_path / "f", whole=True)
