"""Rows to counts of shelves: quantities, money, moments, and whose shelf a bad row spoke of."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from dispatch.domain.stores import KEEP, ShelfCount
from dispatch.ingest.problems import FileProblem
from dispatch.ingest.shaping import shape
from dispatch.ingest.stock import StockOptions, read_stock
from tests.ingest.tables import NOW, STORES, ListTable, opened, stock_batch

COUNTED = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
AT_TEN = "2026-11-21T10:00:00+08:00"


def _one(folder: Path, columns: str, values: str, options: StockOptions | None = None) -> ShelfCount:
    batch = stock_batch(opened(folder, f"store_id,sku,on_hand,{columns}\nA1,s,1,{values}\n"), options)
    assert batch.problems == []
    (count,) = batch.counts()
    return count


def _problem(folder: Path, columns: str, values: str, options: StockOptions | None = None) -> tuple[str | None, str]:
    batch = stock_batch(opened(folder, f"store_id,sku,on_hand,{columns}\nA1,s,1,{values}\n"), options)
    (problem,) = batch.problems
    return problem.column, problem.code


def test_a_row_becomes_a_count(tmp_path: Path) -> None:
    text = f"store_id,sku,on_hand,price,currency,safety_stock,as_of\n007,0047,12,35,twd,2,{AT_TEN}\n"
    assert list(stock_batch(opened(tmp_path, text)).counts()) == [
        ShelfCount(
            store_id="007", sku="0047", on_hand=12, price_minor=3500, currency="TWD", safety_stock=2, as_of=COUNTED
        )
    ]


@pytest.mark.parametrize(
    ("price", "currency", "minor"),
    [
        *(("35", "TWD", 3500), ("35.5", "TWD", 3550), ("120", "JPY", 120), ("120.00", "JPY", 120)),
        *(("1.234", "KWD", 1234), ("0", "USD", 0), (".99", "EUR", 99), ("１２", "CNY", 1200)),
        *(('"1,234.50"', "USD", 123450), ('"1,234"', "TWD", 123400)),
    ],
)
def test_prices_are_minor_units_by_iso_4217(tmp_path: Path, price: str, currency: str, minor: int) -> None:
    count = _one(tmp_path, "price", price, StockOptions(now=NOW, as_of=NOW, currency=currency))
    assert (count.price_minor, count.currency) == (minor, currency)


@pytest.mark.parametrize(
    ("price", "currency", "column", "code"),
    [
        ("1.005", "TWD", "price", "price_too_precise"),
        ("1.5", "JPY", "price", "price_too_precise"),
        ("-1", "TWD", "price", "number_out_of_range"),
        ("99999999999999", "TWD", "price", "number_out_of_range"),
        ("NT$35", "TWD", "price", "number_invalid"),
        ('"1,23"', "TWD", "price", "number_invalid"),
        ("35", "", "currency", "currency_required"),
        ("35", "ABC", "currency", "currency_unknown"),
    ],
)
def test_a_price_that_is_none_is_told(tmp_path: Path, price: str, currency: str, column: str, code: str) -> None:
    assert _problem(tmp_path, "price,currency", f"{price},{currency}") == (column, code)


def test_empty_keeps_what_was_and_null_clears_it(tmp_path: Path) -> None:
    assert _one(tmp_path, "x", "").price_minor is KEEP
    for value, expected in (("", KEEP), (" ", KEEP), ("null", None), ("NULL", None)):
        count = _one(tmp_path, "price,currency,safety_stock", f"{value},TWD,{value}")
        assert (count.price_minor, count.safety_stock, count.currency) == (expected, expected, None)


@pytest.mark.parametrize(
    ("text", "on_hand", "warning"),
    [
        *(("0", 0, None), ("5.0", 5, None), ("1000000000", 1_000_000_000, None), ('"1,234,567"', 1_234_567, None)),
        *(("-3", 0, "negative_to_zero"), ("-0.5", 0, "negative_to_zero"), ("2.7", 2, "fraction_rounded_down")),
    ],
)
def test_quantities(tmp_path: Path, text: str, on_hand: int, warning: str | None) -> None:
    batch = stock_batch(opened(tmp_path, f"store_id,sku,库存\nA1,s,{text}\n"))
    assert batch.on_hands == [on_hand]
    assert [(one.row_no, one.column, one.code) for one in batch.warnings] == ([(2, "库存", warning)] if warning else [])


@pytest.mark.parametrize("text", ["nan", "inf", "1e3", "0x1", "1_0", "many", "1000000001", "1" * 41])
def test_a_quantity_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    batch = stock_batch(opened(tmp_path, f"store_id,sku,on_hand\nA1,s,{text}\n"))
    assert len(batch) == 0
    assert batch.problems[0].code in ("number_invalid", "number_out_of_range")


def test_the_decimal_comma_of_a_semicolon_file(tmp_path: Path) -> None:
    text = "store_id;sku;on_hand;price;currency\nA1;a;1;12,50;EUR\nA1;b;1,5;1,234;KWD\n"
    batch = stock_batch(opened(tmp_path, text))
    assert batch.price_minors == [1250]
    assert [(one.row_no, one.code) for one in batch.problems] == [(3, "number_ambiguous")]


def test_a_row_goes_by_its_barcode_else_by_its_item_code(tmp_path: Path) -> None:
    text = "门店编码,商品编码,条码,库存\nA1,1001,0471001,1\nA1,1002, ,1\nA1,,0471003,1\nA1,,,1\n"
    batch = stock_batch(opened(tmp_path, text))
    assert batch.skus == ["0471001", "1002", "0471003"]
    assert [(one.row_no, one.column, one.code) for one in batch.problems] == [(5, "商品编码", "sku_missing")]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (AT_TEN, COUNTED),
        ("2026-11-21T02:00:00Z", COUNTED),
        ("2026-11-21 10:00", COUNTED),
        ("20261121T100000", COUNTED),
        ("2026-11-21t10:00:00.5", COUNTED + timedelta(seconds=0.5)),
        ("2026-11-22T12:02:00", NOW + timedelta(seconds=120)),
        ("", NOW - timedelta(days=1)),
    ],
)
def test_a_count_without_offset_is_local_at_its_store(tmp_path: Path, text: str, moment: datetime) -> None:
    count = _one(tmp_path, "as_of", text, StockOptions(now=NOW, as_of=NOW - timedelta(days=1)))
    assert count.as_of == moment
    assert count.as_of.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    ["now", "2026-11-21", "21.11.2026 10:00", "2026-13-01T10:00", "1795226400", "0001-01-01T00:00", "9999-12-31T23:00"],
)
def test_what_is_no_moment_is_told(tmp_path: Path, text: str) -> None:
    assert _problem(tmp_path, "as_of", text) == ("as_of", "as_of_invalid")


def test_a_local_time_that_was_twice_is_the_earlier_and_one_that_never_was_is_refused(tmp_path: Path) -> None:
    text = (
        "store_id,sku,on_hand,as_of\nNY,a,1,2026-11-01T01:30\nNY,b,1,2026-03-08T02:30\nNY,c,1,2026-11-01T01:30-05:00\n"
    )
    batch = stock_batch(opened(tmp_path, text))
    summer, winter = timezone(timedelta(hours=-4)), timezone(timedelta(hours=-5))
    assert batch.as_ofs == [datetime(2026, 11, 1, 1, 30, tzinfo=summer), datetime(2026, 11, 1, 1, 30, tzinfo=winter)]
    assert [(one.row_no, one.code) for one in batch.warnings] == [(2, "as_of_ambiguous")]
    assert [(one.row_no, one.code) for one in batch.problems] == [(3, "as_of_in_dst_gap")]


def test_the_moment_given_with_the_import_is_local_too_unless_it_has_an_offset(tmp_path: Path) -> None:
    naive = datetime(2026, 11, 21, 10, 0)
    table = opened(tmp_path, "store_id,sku,on_hand\nA1,s,1\nNY,s,1\n")
    batch = stock_batch(table, StockOptions(now=NOW, as_of=naive))
    assert batch.as_ofs == [COUNTED, datetime(2026, 11, 21, 15, 0, tzinfo=UTC)]
    batch = stock_batch(table, StockOptions(now=NOW, as_of=naive, timezone="Asia/Tokyo"))
    assert batch.as_ofs == [COUNTED - timedelta(hours=1)] * 2


@pytest.mark.parametrize(
    ("options", "code", "place"),
    [
        (StockOptions(now=NOW), "as_of_required", "parameter as_of"),
        (StockOptions(now=NOW, as_of=NOW + timedelta(seconds=121)), "as_of_in_future", "parameter as_of"),
        (StockOptions(now=NOW, as_of=NOW, currency="ABC"), "currency_unknown", "parameter currency"),
        (StockOptions(now=NOW, as_of=NOW, timezone="UTC+8"), "timezone_invalid", "parameter timezone"),
    ],
)
def test_options_that_cannot_be_are_refused_before_a_row_is_read(
    tmp_path: Path, options: StockOptions, code: str, place: str
) -> None:
    with pytest.raises(FileProblem) as caught:
        read_stock(opened(tmp_path, "store_id,sku,on_hand\n"), options=options, stores=STORES)
    assert (caught.value.code, caught.value.errors[0].place) == (code, place)


@pytest.mark.parametrize(
    ("columns", "missing"), [("sku,on_hand", "store_id"), ("store_id,on_hand", "sku"), ("store_id,ean", "on_hand")]
)
def test_a_missing_column_is_named_with_what_was_found(tmp_path: Path, columns: str, missing: str) -> None:
    with pytest.raises(FileProblem, match=f"no column for {missing}; the header has: {columns.replace(',', ', ')}"):
        stock_batch(opened(tmp_path, f"{columns}\n"))


def test_bad_rows_tell_whose_shelf_they_spoke_of(tmp_path: Path) -> None:
    text = 'store_id,sku,on_hand\nA1,s,x\nA1,4.7E+12,1\n,t,1\nZ9,s,1\nB1,s,1\nA1,u\nA1,"v,1\nA1,w,1\nA1,x,,,5\n'
    batch = stock_batch(opened(tmp_path, text), StockOptions(now=NOW, as_of=NOW, partner="default"))
    assert batch.skus == ["w"]
    assert batch.bad_rows == 8
    assert batch.spared == [("A1", "s"), ("A1", None), (None, "t"), ("A1", None), (None, None), (None, None)]
    assert [one.code for one in batch.problems] == [
        *("number_invalid", "sku_lost_in_excel", "store_id_missing", "unknown_store", "store_of_other_partner"),
        *("row_too_short", "quote_unclosed", "row_too_long"),
    ]


def test_batches_are_full_but_the_last_and_keep_the_order(tmp_path: Path) -> None:
    rows = [f"A1,s{i},{'x' if i % 7 == 3 else i}" for i in range(23)]
    table = opened(tmp_path, "\n".join(["store_id,sku,on_hand", *rows]))
    options = StockOptions(now=NOW, as_of=NOW)
    batches = list(read_stock(table, options=options, stores=STORES, batch_rows=10))
    assert [len(batch) + batch.bad_rows for batch in batches] == [10, 10, 3]
    assert [sku for batch in batches for sku in batch.skus] == [f"s{i}" for i in range(23) if i % 7 != 3]
    assert [one.row_no for batch in batches for one in batch.problems] == [5, 12, 19]
    assert list(read_stock(opened(tmp_path, "store_id,sku,on_hand\n"), options=options, stores=STORES)) == []


def test_forgetting_what_was_parsed_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"{store},s{i % 13},{i % 5 - 1},{i % 3}.5" for i in range(200) for store in ("A1", "NY", "Z9")]
    table = opened(tmp_path, "\n".join(["store_id,sku,on_hand,price", *rows]))
    options = StockOptions(now=NOW, as_of=NOW, currency="TWD")
    remembered = stock_batch(table, options)
    monkeypatch.setattr("dispatch.ingest.memos.MEMO_SIZE", 2)
    assert stock_batch(table, options) == remembered
    assert len(remembered) == 400


def test_a_row_that_is_left_out_and_spares_nothing_names_its_store() -> None:
    table = ListTable(
        (
            "Plant",
            "Material",
            "InventoryStockType",
            "InventorySpecialStockType",
            "MatlWrhsStkQtyInMatlBaseUnit",
            "as_of",
        ),
        [
            ["A1", "s", "07", "", "5", "2026-11-21T10:00:00Z"],
            ["A1", "t", "07", "", "5", "2026-11-21T09:00:00Z"],
            ["NY", "s", "07", "", "5", ""],
            ["007", "s", "01", "", "5", ""],
            ["B1", "s", "07", "", "5", ""],
            ["ghost", "s", "07", "", "5", ""],
            ["0042", "s", "07", "", "5", "2036-11-21T10:00:00Z"],
        ],
    )
    sap = shape(table, kind="stock", profile=None)
    batch = stock_batch(sap, StockOptions(now=NOW, as_of=NOW, partner="default"))
    assert batch.named == {"A1": datetime(2026, 11, 21, 9, 0, tzinfo=UTC), "NY": NOW}
    assert (batch.store_ids, batch.spared) == (["007"], [])
    assert stock_batch(sap, StockOptions(now=NOW, as_of=NOW, whole=False)).named == {}


def test_where_shelves_are_not_whole_nothing_is_spared_or_named(tmp_path: Path) -> None:
    table = opened(tmp_path, "store_id,sku,on_hand\nA1,s,x\n,s,1\nA1\n")
    assert len(stock_batch(table).spared) == 3
    parts = stock_batch(table, StockOptions(now=NOW, as_of=NOW, whole=False))
    assert (parts.bad_rows, parts.spared) == (3, [])


def test_a_sum_names_no_store(tmp_path: Path) -> None:
    assert stock_batch(opened(tmp_path, "store_id,sku,on_hand\nA1,小计,1\n")).named == {}
