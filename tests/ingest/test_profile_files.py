"""What a profile file may say, and how one that says something else is refused."""

import csv
import io
from pathlib import Path

import pytest

from dispatch.ingest.errors_csv import ENCODING, write_errors
from dispatch.ingest.problems import FileProblem
from dispatch.ingest.profiles import ProfileError, names_of, parse_profile
from dispatch.ingest.shaping import shape
from tests.ingest.tables import NOW, STORES, ListTable, StoresRead, open_table, opened, stock_batch, written

HEAD = 'name = "till"\nkind = "stock"\ntitle = "Till"\n'
STORE_HEAD = HEAD.replace('"stock"', '"stores"')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = till\n", "this is not TOML: Invalid value (at line 1, column 8)"),
        (HEAD + HEAD, "this is not TOML: Cannot overwrite a value (at line 4"),
        ('name = "till"\nkind = "stock"\n', "the profile: title is missing"),
        (HEAD + "nmaes = 1\n", "nmaes (line 4): is no key of a profile"),
        (HEAD + "[names]\non_hand = 'x'\n", "names (line 4): expected array, got str"),
        (HEAD + "[names]\non_hand = [1]\n", "expected str, got int"),
        (HEAD + "[names]\non_hand = []\n", "length >= 1"),
        (HEAD + "[names]\non_hnd = ['x']\n", "names.on_hnd (line 5): 'on_hnd' is no field of stock, which has as_of"),
        (HEAD + "[names]\nsku = ['x']\nbarcode = ['X']\n", "names.barcode (line 6): 'X' is listed under sku already"),
        (HEAD.replace("stock", "shelves"), "kind (line 2): 'shelves' is none of stores, stock"),
        (HEAD.replace('"till"', '"Our till"'), "name (line 1): 'Our till' is not of a-z, 0-9 and _"),
        (HEAD + "[[detect]]\nany = ['x']\n", "detect (line 4): all is missing"),
        (HEAD + "[[detect]]\nall = ['x']\nsome = ['y']\n", "detect.some (line 6): is no key of a profile"),
        (HEAD + "[on_hand_by_value]\ncolumn = 'x'\ncounts = { viel = -1 }\n", "on_hand_by_value.counts (line 6)"),
        (HEAD + "[on_hand_by_value]\ncolumn = 'x'\ncounts = { viel = 'many' }\n", "expected int, got str"),
        (HEAD + "[hours]\ndays = ['x']\n", "hours.days (line 5): expected array of length >= 7"),
        (HEAD + f"[hours]\ndays = {list('abcdefg')}\n", "hours (line 4): 'opening_hours' is no field of stock"),
        (HEAD + "[[keep]]\ncolumn = 'x'\nvalues = ['y']\nreason = 'dull'\n", "keep.reason (line 7): 'dull' is none of"),
        (HEAD + "[not_later_than_now]\ncolumn = 'x'\nreason = 'late'\n", "not_later_than_now.reason (line 6)"),
        (STORE_HEAD + "[constants]\ndatum = 'wgs84'\n[first]\ndatum = ['x']\n", "datum is made by first.datum already"),
        (STORE_HEAD + "[split_price]\ncolumn = 'x'\n", "split_price (line 4): 'price' is no field of stores"),
    ],
)
def test_a_profile_that_says_what_it_cannot_is_refused_by_line_or_key(text: str, said: str) -> None:
    with pytest.raises(ProfileError) as caught:
        parse_profile(text)
    assert said in str(caught.value)


def test_a_profile_of_another_kind_is_refused() -> None:
    with pytest.raises(FileProblem) as caught:
        shape(ListTable(("id",), []), kind="stores", profile=HEAD)
    assert caught.value.code == "profile_invalid"
    assert "one of stock, not of stores" in caught.value.message


def test_a_profile_without_the_general_names_knows_its_own_alone() -> None:
    own = names_of(parse_profile(HEAD + "general_names = false\n[names]\nsku = ['Artikel']\n"))
    assert dict(own.field_by_name) == {"artikel": "sku"}
    extended = names_of(parse_profile(HEAD + "[names]\nsku = ['Artikel']\n"))
    assert (extended.field_by_name["artikel"], extended.field_by_name["qty"]) == ("sku", "on_hand")


def test_the_names_of_a_profile_go_before_a_fields_own_name() -> None:
    table = ListTable(("store_id", "sku", "on_hand", "verkaufbar"), [["A1", "s", "9", "2"]])
    assert stock_batch(shape(table, kind="stock", profile=HEAD)).on_hands == [9]
    assert stock_batch(shape(table, kind="stock", profile=HEAD + "[names]\non_hand = ['Verkaufbar']\n")).on_hands == [2]


def test_a_chain_may_say_what_in_stock_counts_as() -> None:
    text = HEAD + "[on_hand_by_value]\ncolumn = 'availability'\ncounts = { 'in stock' = 3, 'out of stock' = 0 }\n"
    rows = [["A1", "a", "In_Stock"], ["A1", "b", "out of stock"], ["A1", "c", "limited"]]
    batch = stock_batch(shape(ListTable(("store_id", "sku", "availability"), rows), kind="stock", profile=text))
    assert (batch.skus, batch.on_hands) == (["a", "b"], [3, 0])
    assert [one.message for one in batch.problems] == ["'limited' is no quantity: say in a profile what it counts as"]


def test_rows_are_kept_and_skipped_by_value() -> None:
    text = HEAD + (
        "[[keep]]\ncolumn = 'state'\nvalues = ['Sale', '']\n[[skip]]\ncolumn = 'sku'\nvalues = ['bag']\nspares = true\n"
    )
    rows = [["A1", "a", "1", "sale"], ["A1", "b", "1", ""], ["A1", "c", "1", "returned"], ["A1", "BAG", "1", "sale"]]
    batch = stock_batch(shape(ListTable(("store_id", "sku", "on_hand", "state"), rows), kind="stock", profile=text))
    assert batch.skus == ["a", "b"]
    assert batch.ignored == {"left_out_by_profile": 2}
    assert batch.spared == [("A1", "BAG")]


def test_a_profile_that_was_given_must_have_the_columns_that_it_keeps_rows_by() -> None:
    text = HEAD + "[[keep]]\ncolumn = 'state'\nvalues = ['sale']\n"
    with pytest.raises(FileProblem) as caught:
        shape(ListTable(("store_id", "sku", "on_hand"), []), kind="stock", profile=text)
    assert caught.value.code == "profile_does_not_fit"
    assert "it has no column state" in caught.value.message


def test_the_nearest_layout_tells_what_lacks() -> None:
    text = HEAD + "[[detect]]\nall = ['a', 'b', 'c']\n[[detect]]\nall = ['a', 'x']\nany = ['y', 'z']\n"
    with pytest.raises(FileProblem) as caught:
        shape(ListTable(("a", "x"), []), kind="stock", profile=text)
    assert "it has no column y or z" in caught.value.message


def test_joined_parts_leave_out_what_is_empty_and_a_whole_value_goes_before_them() -> None:
    text = STORE_HEAD + "[join.address]\nwhole = 'full'\ncolumns = ['no', 'road', 'town']\nbetween = ' '\n"
    columns = ("id", "lat", "lon", "town", "road", "no", "full")
    rows = [["1", "25", "121", "Bath", " High St ", "", ""], ["2", "25", "121", "Bath", "", "", "All of it"],
            ["3", "25", "121", "null", "", "", ""]]  # fmt: skip
    read = StoresRead(shape(ListTable(columns, rows), kind="stores", profile=text))
    assert [store.address for store in read.stores] == ["High St Bath", "All of it", None]


def test_an_id_of_which_a_part_is_empty_is_none() -> None:
    text = STORE_HEAD + "[id]\ncolumns = ['chain', 'no']\n"
    rows = [["C", "1/2", "25", "121"], ["C", "", "25", "121"]]
    read = StoresRead(shape(ListTable(("chain", "no", "lat", "lon"), rows), kind="stores", profile=text))
    assert [store.store_id for store in read.stores] == ["C-1-2"]
    assert [(one.column, one.code) for one in read.problems] == [("chain", "store_id_missing")]


def test_bad_rows_come_back_in_the_files_own_columns_and_are_read_by_the_same_profile_again(tmp_path: Path) -> None:
    text = "store code\tid\tprice\tavailability\tquantity\nA1\ta\t5 USD\tin stock\t\nA1\tb\tfive USD\tin stock\t1\n"
    table = shape(opened(tmp_path, text), kind="stock", profile=None)
    out = io.StringIO(newline="")
    first = stock_batch(table, stores=STORES)
    columns = table.columns[: table.own_columns]
    write_errors(out, columns=columns, delimiter=table.delimiter, problems=first.problems)
    again = shape(open_table(written(tmp_path / "errors.csv", out.getvalue(), encoding=ENCODING)), kind="stock",
                  profile=None)  # fmt: skip
    assert again.columns == table.columns
    assert again.about["profile"] == table.about["profile"] == "google_local_inventory"
    assert [(one.code, one.raw) for one in stock_batch(again).problems] == [
        (one.code, one.raw) for one in first.problems
    ]
    [header, *_] = csv.reader(out.getvalue().splitlines(), delimiter="\t")
    assert header == ["store code", "id", "price", "availability", "quantity", "row", "column", "code", "message"]


def test_a_profile_file_may_compare_with_now() -> None:
    text = HEAD + "[not_later_than_now]\ncolumn = 'from'\n[constants]\ncurrency = 'TWD'\n"
    moments = ("2026-11-22T12:00:00+08:00", "2026-11-22T12:00:01+08:00", "later")
    rows = [["A1", sku, "1", moment] for sku, moment in zip("abc", moments, strict=True)]
    table = shape(ListTable(("store_id", "sku", "on_hand", "from"), rows), kind="stock", profile=text, now=NOW)
    batch = stock_batch(table)
    assert (batch.skus, batch.ignored) == (["a"], {"left_out_by_profile": 1})
    assert [(one.column, one.raw) for one in batch.problems] == [("from", tuple(rows[2]))]
