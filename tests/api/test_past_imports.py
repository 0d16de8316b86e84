"""GET /v1/imports: who imported what, when; and the bad rows of one as a workbook."""

import asyncio
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from python_calamine import CalamineWorkbook

from dispatch.ingest.report_columns import REPORT_COLUMNS
from tests.api.client import Api, assert_problem

GOOD = "store_id,lat,lon\na,25.03,121.56\n"
STOCK = "store_id,sku,on_hand\na,tea,1\n"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


async def _all(api: Api, *, between: Any = None, **query: Any) -> list[dict[str, Any]]:
    """Every page of two; ``between`` runs before each of the next."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await api.send("GET", "/v1/imports", params={"limit": 2, **query, **cursor})
        assert answer.status_code == 200, answer.text
        found += answer.json()["imports"]
        if (after := answer.json()["next_cursor"]) is None:
            return found
        cursor = {"cursor": after}
        if between is not None:
            await between()


@pytest.fixture
async def past(app_client: Api) -> Api:
    """Imports of two partners, good, with bad rows, refused and dry."""
    await app_client.import_file("stores", GOOD, partner="acme", filename="acme.csv")
    await app_client.import_file("stock", STOCK, partner="acme", as_of="now")
    await app_client.import_file("stock", STOCK, partner="zeta", as_of="now")
    await app_client.import_file("stores", GOOD.replace("a,", "z,"), partner="zeta", dry_run="true", mode="replace")
    await app_client.import_file("stores", "\0\0", partner="acme")
    return app_client


async def test_filters_choose_and_every_entry_tells_who_what_and_when(past: Api) -> None:
    everything = await _all(past)
    assert [(e["partner"], e["kind"], e["status"]) for e in everything] == [
        ("acme", "stores", "failed"), ("zeta", "stores", "done"), ("zeta", "stock", "done"), ("acme", "stock", "done"),
        ("acme", "stores", "done"),
    ]  # fmt: skip
    assert [(e["filename"], e["mode"], e["dry_run"]) for e in everything[1::3]] == [
        (None, "replace", True),
        ("acme.csv", "merge", False),
    ]
    for entry in everything:
        begun, ended = (datetime.fromisoformat(entry[name]) for name in ("created_at", "ended_at"))
        assert begun <= ended
        for name in ("kind", "partner", "status"):
            chosen = await _all(past, **{name: entry[name]})
            assert chosen == [other for other in everything if other[name] == entry[name]], name
        since = await _all(past, since=entry["created_at"])
        assert since == everything[: everything.index(entry) + 1], "begun then or later"
    assert await _all(past, partner="acme", kind="stock", status="failed") == []
    assert await _all(past, partner="nobody") == []
    assert len(await _all(past, since="0001-01-01T00:00:00+14:00")) == 5
    assert await _all(past, since="9999-12-31T23:59:59-14:00") == []


async def test_a_cursor_belongs_to_its_query_and_goes_with_any_limit(past: Api) -> None:
    cursor = (await past.send("GET", "/v1/imports?limit=1&partner=acme")).json()["next_cursor"]
    for other in ("", "partner=zeta&", "partner=acme&kind=stock&", "partner=acme&since=2020-01-01T00:00:00Z&"):
        answer = await past.send("GET", f"/v1/imports?{other}cursor={cursor}")
        assert "another query" in assert_problem(answer, 400, "invalid_cursor")["detail"]
    answer = await past.send("GET", f"/v1/imports?partner=acme&limit=9&cursor={cursor}")
    assert len(answer.json()["imports"]) == 2
    for query in ("kind=orders", "status=lost", "since=yesterday", "since=2026-11-20T10:00:00", "partner=a/b"):
        assert_problem(await past.send("GET", f"/v1/imports?{query}"), 422, pointers=[f"/query/{query.split('=')[0]}"])


async def test_each_is_listed_once_over_all_pages_while_new_ones_come(past: Api) -> None:
    before = [entry["import_id"] for entry in await _all(past)]

    async def one_more() -> None:
        await past.import_file("stores", GOOD, partner="acme")

    assert [entry["import_id"] for entry in await _all(past, between=one_more)] == before
    assert len(await _all(past)) == len(before) + 2


async def test_of_the_same_moment_they_come_by_id_each_once(past: Api) -> None:
    async with past.app.state.service.database.connection() as connection:
        await connection.execute("UPDATE imports SET created_at = $1", datetime(2026, 11, 20, tzinfo=UTC))
    ids = [entry["import_id"] for entry in await _all(past)]
    assert len(ids) == 5
    assert ids == sorted(ids, reverse=True)


# ── the bad rows as a workbook ─────────────────────────────────────────────────────────────────────────────────────


async def _workbook(api: Api, import_id: str) -> list[list[Any]]:
    answer = await api.send("GET", f"/v1/imports/{import_id}/errors.xlsx")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == XLSX
    assert answer.headers["content-disposition"] == f'attachment; filename="errors-{import_id}.xlsx"'
    return CalamineWorkbook.from_filelike(io.BytesIO(answer.content)).get_sheet_by_index(0).to_python()


async def test_the_bad_rows_come_as_a_workbook_too_and_leave_no_file(app_client: Api, tmp_path: Path) -> None:
    done = await app_client.import_file("stores", "store_id;lat;lon;name\n007;x;;=1+1\nb;25,05;121.5;good\n")
    rows = await _workbook(app_client, done["import_id"])
    assert rows[0] == ["store_id", "lat", "lon", "name", *REPORT_COLUMNS]
    assert rows[1][:7] == ["007", "x", "", "'=1+1", "2", "lon; lat", "lon_missing; number_invalid"]
    assert len(rows) == 2
    fine = await app_client.import_file("stores", GOOD)
    assert await _workbook(app_client, fine["import_id"]) == [["store_id", "lat", "lon", *REPORT_COLUMNS]]
    refused = await app_client.import_file("stores", "")
    assert await _workbook(app_client, refused["import_id"]) == [[*REPORT_COLUMNS]]
    # A sent file is forgotten just after its import is told to be over.
    async with asyncio.timeout(10):
        while list((tmp_path / "uploads").iterdir()):
            await asyncio.sleep(0.01)
    assert_problem(await app_client.send("GET", "/v1/imports/00/errors.xlsx"), 404, "import_not_found")


async def test_the_bad_rows_of_a_workbook_are_found_by_the_same_sheet(app_client: Api) -> None:
    content = io.BytesIO()
    book = xlsxwriter.Workbook(content)
    for name, rows in (("Cover", [["Shops"]]), ("門市", [["store_id", "lat", "lon"], ["a", "x", 121.5]])):
        sheet = book.add_worksheet(name)
        for index, row in enumerate(rows):
            sheet.write_row(index, 0, row)
    book.close()
    done = await app_client.import_file("stores", content.getvalue(), sheet="門市")
    errors = (await app_client.send("GET", f"/v1/imports/{done['import_id']}/errors.xlsx")).content
    again = await app_client.import_file("stores", errors, sheet="門市")
    assert (again["status"], again["failed"], again["report"]["file"]["sheet"]) == ("done", 1, "門市")


async def test_a_row_whose_problems_lie_on_two_pages_is_one_line(
    app_client: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatch.storage.imports._ERRORS_A_PAGE", 3)
    rows = "".join(f"s{i},95,\n" for i in range(7))
    done = await app_client.import_file("stores", f"store_id,lat,lon\n{rows}")
    assert [row[0] for row in (await _workbook(app_client, done["import_id"]))[1:]] == [f"s{i}" for i in range(7)]


async def test_two_may_ask_at_once_and_a_full_disk_is_503(app_client: Api, tmp_path: Path) -> None:
    done = await app_client.import_file("stores", "store_id,lat,lon\na,95,1\n")
    both = await asyncio.gather(*(_workbook(app_client, done["import_id"]) for _ in range(2)))
    assert both[0] == both[1]
    uploads = tmp_path / "uploads"
    async with asyncio.timeout(10):
        while list(uploads.iterdir()):  # the file sent is forgotten a moment after the import is done
            await asyncio.sleep(0.02)
    uploads.rmdir()
    uploads.write_text("in the way of a folder")
    answer = await app_client.send("GET", f"/v1/imports/{done['import_id']}/errors.xlsx")
    assert_problem(answer, 503, "file_not_made")
    assert timedelta(seconds=int(answer.headers["retry-after"])) > timedelta(0)
