"""import, quote, nearby, check and migrate, each as a person types it, on a database of the test's own."""

import io
import json
import re
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook
from rich.console import Console

from dispatch.commands.importing import print_account
from dispatch.storage.imports import ImportCounts
from tests.cli.conftest import Run

# South and west, so that every coordinate is negative. B is nearer to the door than A, and lacks milk.
DOOR = ("-33.4500", "-70.6600")
STORES = """\
store_id,name,lat,lon,opening_hours
A,Alpha,-33.4510,-70.6650,24/7
B,Beta,-33.4501,-70.6601,24/7
C,Gamma,-33.5500,-70.6600,24/7
"""
STOCK = """\
store_id,sku,on_hand,price,currency
A,milk,5,1200,CLP
A,bread,3,800,CLP
B,bread,9,790,CLP
C,milk,7,1250,CLP
"""


@pytest.fixture
def stocked(run_here: Run, tmp_path: Path) -> Run:
    """The command line on a database that holds STORES and STOCK."""
    (tmp_path / "stores.csv").write_text(STORES)
    (tmp_path / "stock.csv").write_text(STOCK)
    assert run_here("import", "stores", "stores.csv").code == 0
    assert run_here("import", "stock", "stock.csv", "--as-of", "now").code == 0
    return run_here


def _counts(out: str) -> dict[str, int]:
    return {name: int(count) for name, count in re.findall(r"│ (\w+) +│ +(\d+) │", out)}


def test_an_import_tells_what_became_of_every_row(run_here: Run, tmp_path: Path) -> None:
    (tmp_path / "stores.csv").write_text(STORES)
    first = run_here("import", "stores", "stores.csv", "--dry-run")
    assert first.code == 0
    assert "dry run" in first.out
    assert _counts(first.out) | {"rows": 3, "created": 3} == _counts(first.out)
    assert _counts(run_here("import", "stores", "stores.csv").out)["created"] == 3, "the dry run changed nothing"
    again = _counts(run_here("import", "stores", "stores.csv").out)
    assert (again["created"], again["unchanged"]) == (0, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["stores.csv"]


def test_bad_rows_go_to_a_file_that_can_be_mended_and_imported(run_here: Run, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(STORES + "D,Delta,-33.4,-190,24/7\nE,Epsilon,-33.4,,24/7\n")
    ran = run_here("import", "stores", "s.csv")
    assert ran.code == 3
    assert _counts(ran.out)["failed"] == 2
    assert _counts(ran.out)["created"] == 3
    assert "row 5" in ran.out
    assert "coordinate_out_of_range" in ran.out
    bad = tmp_path / "s.csv.errors.csv"
    assert str(bad.name) in ran.out
    mended = bad.read_text("utf-8-sig").replace("-190", "-70.8").replace("-33.4,,", "-33.4,-70.7,")
    bad.write_text(mended)
    ran = run_here("import", "stores", bad.name)
    assert ran.code == 0, ran.out + ran.err
    assert _counts(ran.out)["created"] == 2


def test_the_bad_rows_go_where_they_are_told_to(run_here: Run, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(STORES + "D,Delta,-33.4,-190,24/7\n")
    assert run_here("import", "stores", "s.csv", "--errors", "bad.csv").code == 3
    assert {path.name for path in tmp_path.iterdir()} == {"s.csv", "bad.csv"}
    for place in ("no/such/folder.csv", ".", "s.csv"):
        ran = run_here("import", "stores", "s.csv", "--errors", place)
        assert ran.code == 1
        assert f"--errors {place}: " in ran.error_line
    assert (tmp_path / "s.csv").read_text().startswith(STORES)
    too_long = "x" * 251 + ".csv"  # with what is added to it until it is whole
    ran = run_here("import", "stores", "s.csv", "--errors", too_long)
    assert ran.code == 1
    assert too_long in ran.error_line


def test_the_bad_rows_go_to_a_workbook_where_the_name_says_so(run_here: Run, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(STORES + "007,Delta,-33.4,-190,24/7\n")
    assert run_here("import", "stores", "s.csv", "--errors", "bad.XLSX").code == 3
    assert {path.name for path in tmp_path.iterdir()} == {"s.csv", "bad.XLSX"}
    rows = CalamineWorkbook.from_path(tmp_path / "bad.XLSX").get_sheet_by_index(0).to_python()
    assert [row[0] for row in rows] == ["store_id", "007"]


def test_past_imports_are_listed_and_told(stocked: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(STOCK + "A,tea,many,,\n")
    (tmp_path / "none.csv").write_text("")
    assert stocked("import", "stock", "bad.csv", "--as-of", "now", "--dry-run").code == 3
    assert stocked("import", "stores", "none.csv", "--partner", "acme").code == 1
    listed = stocked("imports")
    assert listed.code == 0
    lines = [re.split(r" *│ *", line)[1:-1] for line in listed.out.splitlines() if line.startswith("│")]
    assert [line[2:] for line in lines] == [
        ["acme", "stores, merge", "none.csv", "failed", "0", "0"],
        ["default", "stock, partial, dry run", "bad.csv", "done", "5", "1"],
        ["default", "stock, partial", "stock.csv", "done", "4", "0"],
        ["default", "stores, merge", "stores.csv", "done", "3", "0"],
    ]
    assert "stock.csv" in stocked("imports", "--kind", "stock", "--partner", "default").out
    assert "stores.csv" not in stocked("imports", "--kind", "stock").out
    assert "There are more" in stocked("imports", "--limit", "3").out
    assert "No imports" in stocked("imports", "--partner", "nobody").out
    told = stocked("imports", "show", lines[1][0])
    assert told.code == 0
    assert "bad.csv: stock, partial, dry run" in told.out
    assert _counts(told.out) | {"rows": 5, "failed": 1} == _counts(told.out)
    assert "row 6, on_hand: 'many' is not a plain decimal number" in told.out
    refused = stocked("imports", "show", lines[0][0])
    assert refused.code == 0
    assert "[file_empty]" in refused.out
    unknown = stocked("imports", "show", "00")
    assert unknown.code == 1
    assert unknown.error_line == "dispatch: there is no import 00"


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        (b"", (), "file_empty"),
        (b"PK\x03\x04" + b"\0" * 40, (), "file_damaged"),
        (b"<html></html>", (), "not_a_table"),
        (b"store_id,name\nA,x\n", (), "column_missing"),
    ],
)
def test_a_file_that_is_refused_as_a_whole_is_one_line(
    text: bytes, options: tuple[str, ...], said: str, run_here: Run, tmp_path: Path
) -> None:
    (tmp_path / "s.csv").write_bytes(text)
    ran = run_here("import", "stores", "s.csv", *options)
    assert ran.code == 1
    assert said in ran.error_line
    assert "s.csv" in ran.error_line


def test_stock_without_a_moment_is_refused_by_the_name_of_the_option(run_here: Run, tmp_path: Path) -> None:
    (tmp_path / "stock.csv").write_text(STOCK)
    ran = run_here("import", "stock", "stock.csv")
    assert ran.code == 1
    assert "--as-of" in ran.error_line


def test_columns_of_other_names_are_mapped(run_here: Run, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("店,纬,经\nA,37.87,112.55\n")
    options = ("--map", "店=store_id", "--map", "纬=lat", "--map", "经=lon", "--datum", "wgs84")
    assert run_here("import", "stores", "s.csv", *options).code == 0


def test_a_quote_names_the_store_the_parts_and_the_proof(stocked: Run) -> None:
    ran = stocked("quote", *DOOR, "milk:2", "bread", "--explain", "--alternatives", "1")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("A Alpha, ")
    for part in ("prepare", "queue", "courier", "travel (estimate)", "handover", "total"):
        assert part in ran.out
    assert "2 × milk, 1200 CLP each" in ran.out
    assert "Proof: no other store can be better" in ran.out
    assert re.search(r"│ B +│ .*insufficient_stock: sku milk, wanted 2, available 0", ran.out)


def test_a_quote_as_json_is_what_the_interface_answers(stocked: Run) -> None:
    body = json.loads(stocked("quote", *DOOR, "bread:2", "--json").out)
    assert body["outcome"] == "fulfillable"
    assert body["store"]["store_id"] == "B"
    eta = body["eta"]
    parts = ("prepare_s", "queue_s", "courier_s", "travel_s", "handover_s")
    assert eta["total_s"] == sum(eta[part] for part in parts)
    assert body["lines"] == [{"sku": "bread", "quantity": 2, "price": 790, "currency": "CLP"}]
    assert "passed_over" not in body


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("milk:100",), "insufficient_stock"),
        (("tea",), "no store has ever had tea"),
        (("milk:6", "--promise-minutes", "10"), "within 10 min"),
    ],
)
def test_a_quote_that_no_store_can_fulfil_says_why(lines: tuple[str, ...], said: str, stocked: Run) -> None:
    ran = stocked("quote", *DOOR, *lines, "--explain")
    assert ran.code == 0
    assert ran.out.startswith("No store can")
    assert said in ran.out
    assert "Proof:" in ran.out


def test_nearby_lists_the_nearest_first(stocked: Run) -> None:
    stores = json.loads(stocked("nearby", *DOOR, "--radius-m", "20000", "--json").out)["stores"]
    assert [store["store_id"] for store in stores] == ["B", "A", "C"]
    shown = stocked("nearby", *DOOR, "--sku", "milk").out
    assert re.search(r"│ A +│ Alpha", shown)
    assert "Beta" not in shown
    assert "Gamma" not in shown
    assert "There are more" in stocked("nearby", *DOOR, "--limit", "1").out
    assert "No store that has tea within" in stocked("nearby", *DOOR, "--sku", "tea").out


def test_check_counts_what_is_there(stocked: Run) -> None:
    ran = stocked("check")
    assert ran.code == 0, ran.out
    assert "3 stores and 4 shelf rows" in ran.out
    assert "stock of default: 0 of 4 shelf rows" in ran.out
    assert "roads: none configured" in ran.out
    assert "problem" not in ran.out


def test_check_finds_stock_that_has_grown_old(stocked: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("store_id,sku,on_hand\nA,tea,1\nB,tea,1\nC,tea,1\nA,rice,1\nB,rice,1\n")
    assert stocked("import", "stock", "old.csv", "--as-of", "2020-01-01T00:00:00Z").code == 0
    ran = stocked("check")
    assert ran.code == 1
    assert re.search(r"problem +stock of default: 5 of 9 shelf rows \(56%\) are stale.*dispatch import stock", ran.out)


def test_migrate_says_what_it_applied(run: Run, empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCH_DATABASE_URL", empty_database_url)
    waiting = run("check")
    assert waiting.code == 1
    assert re.search("problem +migrations: 0001.*dispatch migrate", waiting.out)
    refused = run("quote", *DOOR, "milk")
    assert refused.code == 1
    assert "dispatch migrate" in refused.error_line
    assert run("migrate").out.startswith("applied 0001\n")
    assert run("migrate").out == "nothing to do: the database is up to date\n"
    assert "has no stores" in run("quote", *DOOR, "milk").error_line


def test_items_are_imported_and_stock_is_read_by_them(run_here: Run, tmp_path: Path) -> None:
    (tmp_path / "stores.csv").write_text(STORES)
    (tmp_path / "items.csv").write_text("编码,国标码,每箱\nM6,milk,6\nB,bread,\n")
    (tmp_path / "stock.csv").write_text("store_id,sku,on_hand,price\nA,M6,2,7000\nA,B,3,800\nA,X,1,\n")
    assert run_here("import", "stores", "stores.csv").code == 0
    columns = ("--map", "编码=partner_code", "--map", "国标码=sku", "--map", "每箱=units_per_case")
    dry = run_here("import", "items", "items.csv", *columns, "--dry-run")
    ran = run_here("import", "items", "items.csv", *columns)
    assert (dry.code, ran.code) == (0, 0)
    assert _counts(dry.out)["created"] == _counts(ran.out)["created"] == 2
    assert "items.csv: items, merge" in ran.out
    ran = run_here("import", "stock", "stock.csv", "--as-of", "now", "--currency", "CLP")
    assert ran.code == 3
    assert "1 × unmapped_item (error)" in ran.out
    assert "1 × price_of_case (warning)" in ran.out
    assert json.loads(run_here("quote", *DOOR, "milk:12", "--json").out)["store"]["store_id"] == "A"
    assert json.loads(run_here("quote", *DOOR, "milk:13", "--json").out)["outcome"] == "unfulfillable"


def test_a_whole_set_of_items_with_bad_rows_drops_nothing(run_here: Run, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("partner_code,sku\nA,a\nB,b\n")
    (tmp_path / "whole.csv").write_text("partner_code,sku\nA,a\nC,\n")
    assert run_here("import", "items", "items.csv", "--partner", "acme").code == 0
    ran = run_here("import", "items", "whole.csv", "--partner", "acme", "--mode", "replace")
    assert ran.code == 3
    assert "codes that the file does not name were left as they are" in ran.out
    assert _counts(ran.out)["removed"] == 0
    bad = tmp_path / "whole.csv.errors.csv"
    bad.write_text(bad.read_text("utf-8-sig").replace("C,,", "C,c,"))
    assert run_here("import", "items", bad.name, "--partner", "acme").code == 0
    (tmp_path / "whole.csv").write_text("partner_code,sku\nA,a\nC,c\n")
    ran = run_here("import", "items", "whole.csv", "--partner", "acme", "--mode", "replace")
    assert (_counts(ran.out)["removed"], _counts(ran.out)["unchanged"]) == (1, 2)


@pytest.mark.parametrize("note", ["not_removed", "not_zeroed", "read_as_part"])
def test_what_was_left_as_it_was_is_told(note: str) -> None:
    console = Console(record=True, file=io.StringIO())
    print_account(console, ImportCounts(), {note: "some were left as they were"})
    assert "some were left as they were" in console.export_text()
