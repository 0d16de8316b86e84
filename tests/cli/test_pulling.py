"""dispatch import with an address: fetched from a real server into a database of the test's own."""

import asyncio
import gzip
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from dispatch.commands.pulling import Puller, pull_typed
from dispatch.settings import load_settings
from tests.cli.conftest import Ran, Run
from tests.services.file_server import Answer, FileServer, serving
from tests.serving import until

STORES = b"store_id,name,lat,lon,opening_hours\nA,Alpha,-33.4510,-70.6650,24/7\nB,Beta,-33.4501,-70.6601,24/7\n"
STOCK = b"store_id,sku,on_hand\nA,milk,5\nB,bread,9\n"
NEWER = b"store_id,sku,on_hand\nA,milk,4\nB,bread,9\n"
UNTIMED = ("--as-of", "2026-11-20T10:00:00+08:00")


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as files:
        yield files


COUNTED_AT = "SELECT min(as_of), max(as_of) FROM shelves"


async def rows_of(url: str, query: str) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


@dataclass
class Line:
    """The command line, and the database it works on."""

    run: Run
    url: str

    def __call__(self, *arguments: str) -> Ran:
        return self.run(*arguments)

    def rows(self, query: str) -> list[Any]:
        with asyncio.Runner() as runner:
            return runner.run(rows_of(self.url, query))

    def shelves(self) -> dict[str, int]:
        return dict(self.rows("SELECT sku, on_hand FROM shelves JOIN skus USING (sku_no)"))

    def counted_at(self) -> Any:
        [(earliest, latest)] = self.rows(COUNTED_AT)
        assert earliest == latest
        return latest

    def imports(self) -> int:
        return int(self.rows("SELECT count(*) FROM imports")[0][0])


@pytest.fixture
def line(run_here: Run, database_url: str, tmp_path: Path) -> Line:
    (tmp_path / "stores.csv").write_bytes(STORES)
    assert run_here("import", "stores", "stores.csv").code == 0
    (tmp_path / "stores.csv").unlink()
    return Line(run_here, database_url)


def counts(ran: Ran) -> dict[str, int]:
    return {name: int(count) for name, count in re.findall(r"│ (\w+) +│ +(\d+) │", ran.out)}


def test_a_file_at_an_address_is_imported_like_one_here(line: Line, server: FileServer, tmp_path: Path) -> None:
    url = server.lay_out("/export/stock.csv.gz", Answer(gzip.compress(STOCK)))
    ran = line("import", "stock", f"{url}?day=today", "--as-of", "now")
    assert ran.code == 0, ran.err
    assert counts(ran)["created"] == 2
    assert ran.out.startswith("stock.csv.gz: stock, partial")
    assert line.shelves() == {"milk": 5, "bread": 9}
    assert server.asked[0].path == "/export/stock.csv.gz?day=today"
    assert [path.name for path in tmp_path.iterdir()] == ["var"], "but for what is remembered nothing is left"


def test_the_name_is_the_one_that_the_server_gives(line: Line, server: FileServer) -> None:
    named = {"Content-Disposition": 'attachment; filename="stock-27.csv"'}
    line("import", "stock", server.lay_out("/export", Answer(STOCK, named)), "--as-of", "now")
    assert line.rows("SELECT filename FROM imports WHERE kind = 'stock'") == [("stock-27.csv",)]


def test_a_header_comes_from_the_environment_and_is_never_shown(
    line: Line, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ERP_AUTH", "Authorization: Bearer s3cret")
    monkeypatch.setenv("ERP_SHOP", "X-Shop: 7")
    monkeypatch.setenv("DISPATCH_LOG_LEVEL", "debug")
    url = server.lay_out("/stock.csv", Answer(status=503), Answer(STOCK[:-4] + b"x\n"), Answer(status=401))
    headers = ("--header-from", "ERP_AUTH", "--header-from", "ERP_SHOP")
    said = ""
    for code in (1, 3, 1):
        ran = line("import", "stock", f"{url}?token=s3cret", "--as-of", "now", *headers)
        assert ran.code == code
        said += ran.out + ran.err
    assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer s3cret"] * 3
    assert server.asked[0].headers["x-shop"] == "7"
    assert "503 Service Unavailable" in said
    assert "--header-from" in said
    assert "s3cret" not in said
    assert "s3cret" not in str(line.rows("SELECT * FROM imports"))
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(kept) > 2
    assert not any("s3cret" in str(path) or b"s3cret" in path.read_bytes() for path in kept)


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (None, "no variable ERP_AUTH"),
        ("", "no variable ERP_AUTH"),
        ("Bearer s3cret", "no header line"),
        ("A: s3cret\r\nB: c", "no header line"),
        ("Host: s3cret", "Host"),
    ],
)
def test_a_variable_without_a_header_line_is_told_by_its_name(
    held: str | None, said: str, run: Run, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if held is not None:
        monkeypatch.setenv("ERP_AUTH", held)
    ran = run("import", "stock", f"{server.url}/stock.csv", "--as-of", "now", "--header-from", "ERP_AUTH")
    assert ran.code == 1
    assert said in ran.error_line
    assert "s3cret" not in ran.error_line
    assert server.asked == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        ("ftp://erp.example/x.csv", 1, "https://"),
        ("https://me:s3cret@erp.example/x.csv", 1, "--header-from"),
        ("https://erp.example/x.csv --every 5", 1, "--every: "),
        ("https://erp.example/x.csv --as-of yesterday", 1, "--as-of: "),
        ("https://erp.example/x.csv --header-from Authorization:s3cret", 1, "put the header into the environment"),
        ("x.csv --every 5m", 2, "for a FILE that is an address"),
        ("x.csv --header-from ERP_AUTH", 2, "for a FILE that is an address"),
    ],
)
def test_what_cannot_be_fetched_is_one_line(typed: str, code: int, said: str, run: Run, tmp_path: Path) -> None:
    ran = run("import", "stock", *typed.split())
    assert ran.code == code
    assert said in ran.error_line
    assert "s3cret" not in ran.error_line
    assert not list(tmp_path.iterdir())


def test_a_header_twice_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONE", "X-Key: s3cret")
    monkeypatch.setenv("TWO", "x-key: s3cret")
    ran = run("import", "stock", "https://erp.example/x", "--header-from", "ONE", "--header-from", "TWO")
    assert "a second time" in ran.error_line
    assert "s3cret" not in ran.error_line


# ── not again while it is unchanged ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("headers", "statuses"),
    [
        ({"ETag": '"1"'}, [200, 304]),
        ({"Last-Modified": "Fri, 27 Nov 2020 12:00:00 GMT"}, [200, 304]),
        ({}, [200, 200]),
    ],
)
def test_an_unchanged_file_is_not_imported_again(
    headers: dict[str, str], statuses: list[int], line: Line, server: FileServer
) -> None:
    url = server.lay_out("/stock.csv", Answer(STOCK, headers))
    assert line("import", "stock", url, *UNTIMED).code == 0
    before = line.imports()
    ran = line("import", "stock", url, *UNTIMED)
    assert ran.code == 0
    assert re.fullmatch(r"stock\.csv: unchanged since 2\d{3}-\S+; nothing was imported\n", ran.out)
    assert server.statuses == statuses
    assert line.imports() == before
    server.lay_out("/stock.csv", Answer(STORES, {"ETag": '"2"'}), Answer(STOCK, headers))
    assert line("import", "stock", url, *UNTIMED).code == 1, "a file that is refused is no pull that was imported"
    assert "nothing was imported" not in line("import", "stock", url, *UNTIMED).out


def test_a_server_that_forgets_its_etag_is_known_by_the_bytes_and_by_the_new_one(
    line: Line, server: FileServer
) -> None:
    url = server.lay_out("/stock.csv", Answer(STOCK, {"ETag": '"1"'}), Answer(STOCK, {"ETag": '"2"'}))
    for said in ("created", "unchanged since", "unchanged since"):
        assert said in line("import", "stock", url, *UNTIMED).out
    assert server.statuses == [200, 200, 304]


@pytest.mark.parametrize("headers", [{"ETag": '"1"'}, {}])
def test_counted_now_an_unchanged_shelf_does_not_grow_stale(
    headers: dict[str, str], line: Line, server: FileServer
) -> None:
    url = server.lay_out("/stock.csv", Answer(STOCK, headers))
    assert line("import", "stock", url, "--as-of", "now").code == 0
    first = line.counted_at()
    ran = line("import", "stock", url, "--as-of", "now")
    assert ran.code == 0, ran.err
    assert "unchanged since" in ran.out
    assert "imported again" in ran.out
    assert counts(ran)["unchanged"] == 2
    assert line.counted_at() > first
    assert server.statuses == ([200, 304] if headers else [200, 200])
    server.lay_out("/stock.csv", Answer(NEWER, {"ETag": '"2"'}))
    assert "again" not in line("import", "stock", url, "--as-of", "now").out
    assert line.shelves() == {"milk": 4, "bread": 9}
    assert line("import", "stock", url, "--as-of", "now").code == 0
    assert line.shelves() == {"milk": 4, "bread": 9}, "the kept file is the newer one"


def test_a_file_with_bad_rows_is_imported_again_since_they_may_be_good_by_now(
    line: Line, server: FileServer, tmp_path: Path
) -> None:
    url = server.lay_out("/stock.csv", Answer(STOCK + b"C,tea,1\n", {"ETag": '"1"'}))
    ran = line("import", "stock", url, *UNTIMED)
    assert ran.code == 3
    assert (tmp_path / "stock.csv.errors.csv").read_text("utf-8-sig").count("unknown_store") == 1
    assert line("import", "stock", url, *UNTIMED).code == 3
    (tmp_path / "c.csv").write_bytes(STORES + b"C,Gamma,-33.46,-70.66,24/7\n")
    assert line("import", "stores", "c.csv").code == 0
    ran = line("import", "stock", url, *UNTIMED)
    assert ran.code == 0
    assert counts(ran)["created"] == 1
    assert "nothing was imported" in line("import", "stock", url, *UNTIMED).out
    assert server.statuses == [200, 304, 304, 304]


def test_asked_otherwise_it_is_fetched_anew(line: Line, server: FileServer) -> None:
    url = server.lay_out("/stock.csv", Answer(STOCK, {"ETag": '"1"'}))
    for options in ((), ("--mode", "snapshot"), ("--mode", "snapshot", "--currency", "TWD")):
        assert "nothing was imported" not in line("import", "stock", url, *UNTIMED, *options).out
    assert server.statuses == [200] * 3


def test_a_dry_run_is_not_remembered_and_always_looks(line: Line, server: FileServer) -> None:
    url = server.lay_out("/stock.csv", Answer(STOCK, {"ETag": '"1"'}))
    for options, created in ((("--dry-run",), 2), ((), 2), (("--dry-run",), 0)):
        ran = line("import", "stock", url, *UNTIMED, *options)
        assert counts(ran)["created"] == created
    assert server.statuses == [200] * 3
    assert "nothing was imported" in line("import", "stock", url, *UNTIMED).out


def test_another_database_knows_nothing_of_it(
    line: Line, server: FileServer, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.lay_out("/stores.csv", Answer(STORES, {"ETag": '"1"'}))
    assert line("import", "stores", url).code == 0
    monkeypatch.setenv("DISPATCH_DATABASE_URL", empty_database_url)
    assert counts(line("import", "stores", url))["created"] == 2


async def test_each_time_is_counted_as_of_its_own_question(line: Line, server: FileServer, tmp_path: Path) -> None:
    moments = [datetime(2026, 11, 20, 10, minute, tzinfo=UTC) for minute in range(4)]
    clock = iter(moments)
    url = server.lay_out("/stock.csv", Answer(STOCK, {"ETag": '"1"'}))
    asked: dict[str, Any] = dict.fromkeys(
        ("mode", "datum", "timezone", "country", "currency", "encoding", "sheet", "profile")
    )
    pull = pull_typed(
        load_settings(data_dir=tmp_path), "stock", url, header_from=[], errors=None, as_of="now", partner="default",
        dry_run=False, force=False, id_from=[], mapping=[], **asked,
    )  # fmt: skip
    puller = Puller(line.url, pull, now=lambda: next(clock))
    for asked_at in moments[::2]:
        came = await puller.once()
        assert came.request.as_of == asked_at, "not the moment at which the file had come"
        assert came.outcome is not None
        assert await rows_of(line.url, COUNTED_AT) == [(asked_at, asked_at)]


# ── whole or not at all ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("answer", "options", "said"),
    [
        (Answer(STOCK, length=len(STOCK) + 1), (), "did not come whole"),
        (Answer(STOCK, end="chunks", last_chunk=False), (), "did not come whole"),
        (Answer(STOCK, end="close"), ("--mode", "snapshot"), "Content-Length"),
        (Answer(STOCK * 100), (), "DISPATCH_MAX_FILE_BYTES"),
        (Answer(b"<html><body>Sign in</body></html>"), (), "stock.csv: "),
        (Answer(b""), (), "file_empty"),
    ],
)
def test_of_what_is_no_whole_file_nothing_is_imported(
    answer: Answer, options: tuple[str, ...], said: str, line: Line, server: FileServer, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("DISPATCH_MAX_FILE_BYTES", "1024")
    ran = line("import", "stock", server.lay_out("/stock.csv", answer), "--as-of", "now", *options)
    assert ran.code == 1
    assert said in ran.error_line
    assert server.url in ran.error_line
    assert line.shelves() == {}
    assert [path.suffix for path in (tmp_path / "var" / "pulls").iterdir()] == [".lock"]


# ── again and again ────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_goes_on_until_sigterm_a_line_for_each_time(line: Line, server: FileServer, tmp_path: Path) -> None:
    url = server.lay_out("/stock.csv", Answer(status=503, headers={"Retry-After": "0"}), Answer(STOCK + b"C,tea,1\n"))
    command = ["import", "stock", f"{url}?token=s3cret", "--as-of", "now", "--every", "10s"]
    with subprocess.Popen(
        [sys.executable, "-c", "from dispatch.cli import main; main()", *command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"DISPATCH_DATABASE_URL": line.url},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            failed = process.stderr.readline()
            good = process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()
        rest = process.stdout.read() + process.stderr.read()
    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S+"
    assert re.fullmatch(rf"{moment} failed: {url} answers 503 Service Unavailable; again in [2-5] s\n", failed)
    bad = r"\(see stock\.csv\.errors\.csv\)"
    assert re.fullmatch(rf"{moment} imported: stock\.csv: 3 rows, 2 created, 1 failed {bad}\n", good)
    assert rest == "Stopped.\n"
    assert (tmp_path / "stock.csv.errors.csv").exists()
    assert line.shelves() == {"milk": 5, "bread": 9}


def test_sigterm_while_the_server_is_silent_ends_it_at_once(line: Line, server: FileServer) -> None:
    url = server.lay_out("/stock.csv", Answer(STOCK, pause_s=30.0))
    with subprocess.Popen(
        [sys.executable, "-c", "from dispatch.cli import main; main()", "import", "stock", url, "--as-of", "now"],
        stderr=subprocess.PIPE, text=True, env=os.environ | {"DISPATCH_DATABASE_URL": line.url},
    ) as process:  # fmt: skip
        assert process.stderr is not None
        try:
            until(lambda: bool(server.asked), 20.0)
            process.send_signal(signal.SIGTERM)
            assert process.wait(5) == 130
        finally:
            process.kill()
        assert process.stderr.read() == "dispatch: stopped\n"
