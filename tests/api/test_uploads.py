"""How a file comes: as the body or in a form, packed or not, too large, cut short, or something else."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from dispatch.api import imports
from dispatch.storage.imports import ImportRecord, read_import
from dispatch.storage.pool import Database
from tests.api.client import Api, Clock, assert_problem, worker
from tests.ingest.tables import archive

TEXT = b"store_id,lat,lon\na,25.03,121.56\n"
MOST_BYTES = 4096


@pytest.fixture
async def small(database_url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[Api]:
    """A worker that takes files of 4 KiB and bodies of 2 KiB."""
    async with worker(database_url, tmp_path, clock=clock, max_file_bytes=MOST_BYTES, max_body_bytes=2048) as api:
        yield api
    assert list((tmp_path / "uploads").glob("*")) == [], "an upload was left behind"


async def _created(api: Api, answer: httpx.Response) -> int:
    assert answer.status_code == 202, answer.text
    done = await api.finished(answer.headers["Location"])
    assert done["status"] == "done", done
    return int(done["created"])


async def test_a_file_may_be_the_body_whatever_it_is_called(small: Api) -> None:
    for i, media_type in enumerate(("text/csv", "application/octet-stream", "application/gzip", None)):
        headers = {} if media_type is None else {"Content-Type": media_type}
        answer = await small.send("POST", "/v1/imports/stores", content=TEXT, headers=headers)
        assert await _created(small, answer) == (1 if i == 0 else 0)


async def test_a_file_may_be_packed(small: Api) -> None:
    assert await _created(small, await small.send("POST", "/v1/imports/stores", content=gzip.compress(TEXT))) == 1


async def test_a_file_may_be_part_of_a_form_with_its_name(small: Api) -> None:
    files = {"file": ("門市 1.csv", TEXT, "text/csv")}
    answer = await small.send("POST", "/v1/imports/stores", files=files, data={"comment": "left out"})
    assert await _created(small, answer) == 1
    assert (await small.send("GET", answer.headers["Location"])).json()["filename"] == "門市 1.csv"
    named = await small.send("POST", "/v1/imports/stores?filename=mine.csv", files=files)
    assert (await small.finished(named.headers["Location"]))["filename"] == "mine.csv"


async def test_a_form_comes_in_pieces_of_any_size(small: Api) -> None:
    request = small.http.build_request("POST", "/v1/imports/stores", files={"file": ("a.csv", TEXT)})
    whole = request.read()
    headers = {"Content-Type": request.headers["content-type"]}

    async def pieces() -> AsyncIterator[bytes]:
        for i in range(len(whole)):
            yield whole[i : i + 1]

    assert await _created(small, await small.send("POST", "/v1/imports/stores", content=pieces(), headers=headers)) == 1


def _form(name: bytes, content: bytes = TEXT) -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="' + name + b'"\r\n\r\n'
    return head + content + b"\r\n--b--\r\n"


FORM = "multipart/form-data; boundary=b"


async def test_the_name_in_a_form_is_made_fit_to_be_shown(small: Api) -> None:
    for name, shown in (
        (b"a\0b\x1b.csv", "ab.csv"),
        (b"\xff.csv", "\ufffd.csv"),
        (b"x" * 300, "x" * 200),
        (b"\x01", None),
    ):
        headers = {"Content-Type": FORM}
        answer = await small.send("POST", "/v1/imports/stores", content=_form(name), headers=headers)
        assert (await small.finished(answer.headers["Location"]))["filename"] == shown


BROKEN_FORMS = (
    ("multipart/form-data", b"x", 400),
    ("multipart/form-data; boundary=", b"x", 400),
    ("multipart/form-data; boundary=" + "b" * 300, b"x", 400),
    (FORM, b"", 400),
    (FORM, b"nonsense", 400),
    (FORM, _form(b"a.csv")[:-20], 400),
    (FORM, _form(b"a.csv").removesuffix(b"--\r\n"), 400),
    (FORM, b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n', 422),
    (FORM, _form(b"a.csv").removesuffix(b"--b--\r\n") + _form(b"b.csv"), 422),
)


async def test_a_form_that_is_broken_cut_short_or_without_one_file_is_refused(small: Api) -> None:
    for media_type, content, status in BROKEN_FORMS:
        headers = {"Content-Type": media_type}
        assert_problem(await small.send("POST", "/v1/imports/stores", content=content, headers=headers), status)
    assert (await small.send("GET", "/v1/imports")).json()["imports"] == []


async def test_a_file_over_the_limit_is_413_whether_it_says_so_or_not(small: Api) -> None:
    async def pieces(size: int) -> AsyncIterator[bytes]:
        for _ in range(size // 1024):
            yield b"#" * 1024

    assert_problem(await small.send("POST", "/v1/imports/stores", content=b"#" * (MOST_BYTES + 1)), 413, "too_large")
    assert_problem(await small.send("POST", "/v1/imports/stores", content=pieces(MOST_BYTES + 1024)), 413, "too_large")
    big = {"file": ("a.csv", b"#" * MOST_BYTES)}
    assert_problem(await small.send("POST", "/v1/imports/stores", files=big), 413, "too_large")
    assert (await small.send("GET", "/v1/imports")).json()["imports"] == []
    odd = {"Content-Length": "²".encode("latin-1")}  # a digit to str.isdigit, and none to int
    answer = await small.send("POST", "/v1/imports/stores", content=TEXT, headers=odd)
    assert await _created(small, answer) == 1
    full = TEXT + b"#" * (MOST_BYTES - len(TEXT))
    answer = await small.send("POST", "/v1/imports/stores", content=full)
    assert (await small.finished(answer.headers["Location"]))["unchanged"] == 1


async def test_a_json_body_over_its_limit_is_413_whether_it_says_so_or_not(small: Api) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b" " * 1024

    for content in (b" " * 2049, pieces()):
        assert_problem(await small.send("POST", "/v1/quotes", content=content), 413, "too_large")


NO_TABLES = (
    (b"", "file_empty"),
    (b"PK\x03\x04 an office file", "file_damaged"),
    (archive({"stores.csv": "store_id,lat,lon"}), "not_a_table"),
    (b'{"type": "FeatureCollection", "features": []}', "file_empty"),
    (b'[{"store_id": "a", "lat": 25.03', "json_invalid"),
    (b"<!DOCTYPE a><stores/>", "xml_unsafe"),
    (b"<html><body>404</body></html>", "not_a_table"),
    (b"\x1f\x8b\x08\x00 broken", "file_damaged"),
    (gzip.compress(TEXT * 40)[:-9], "file_damaged"),
    (b"colour,size\nred,4\n", "column_missing"),
    (b"1,2,3\n4,5,6\n", "header_missing"),
    (b"store_id,lat,lon,x\na,25.03,121.56,\x81\x20\xff\n", "encoding_unknown"),
)


async def test_a_file_that_is_not_what_it_says_it_is_fails_by_name_and_applies_nothing(small: Api) -> None:
    for content, code in NO_TABLES:
        answer = await small.send("POST", "/v1/imports/stores", content=content, headers={"Content-Type": "text/csv"})
        assert answer.status_code == 202
        failed = await small.finished(answer.headers["Location"])
        assert (failed["status"], failed["report"]["code"]) == ("failed", code)
        assert failed["report"]["message"]
        assert [failed[name] for name in ("rows", "created", "updated", "failed")] == [0, 0, 0, 0]
    assert (await small.get("/v1/stores/nearby", lat=25.03, lon=121.56)).json()["stores"] == []


async def test_no_file_is_left_by_a_service_that_stops_just_as_its_import_ends(
    small: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = asyncio.Event()

    async def read_for_ever_afterwards(database: Database, import_id: str) -> ImportRecord:
        task = asyncio.current_task()
        if task is not None and task.get_name().startswith("import "):
            reading.set()
            await asyncio.Event().wait()
        return await read_import(database, import_id)

    monkeypatch.setattr(imports, "read_import", read_for_ever_afterwards)
    answer = await small.send("POST", "/v1/imports/stores", content=TEXT, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 202
    await small.finished(answer.headers["Location"])
    while not reading.is_set() and any(task.get_name().startswith("import ") for task in asyncio.all_tasks()):
        await asyncio.sleep(0.01)
    # The fixture stops the service, and looks for files.


async def test_a_disk_that_takes_no_more_is_503(small: Api, tmp_path: Path) -> None:
    uploads = tmp_path / "uploads"
    uploads.rmdir() if uploads.exists() else None
    uploads.symlink_to("/dev/full/uploads")  # no folder can be made there
    answer = await small.send("POST", "/v1/imports/stores", content=TEXT)
    assert_problem(answer, 503, "upload_not_stored")
    assert answer.headers["retry-after"]
    uploads.unlink()
    uploads.mkdir()


async def test_a_parameter_in_a_form_is_not_passed_over(app_client: Api) -> None:
    answer = await app_client.send(
        "POST", "/v1/imports/stores", files={"file": ("a.csv", TEXT)}, data={"dry_run": "true", "comment": "x"}
    )
    problem = assert_problem(answer, 422, "invalid_input")
    assert "?dry_run=" in problem["detail"]
    assert (await app_client.send("GET", "/v1/imports")).json()["imports"] == []
