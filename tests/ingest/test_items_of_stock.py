"""Stock by a partner's own codes, by codes without their zeros, and counted in cases."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.domain.items import Item
from dispatch.domain.stores import KEEP
from dispatch.ingest.problems import RowProblem
from dispatch.ingest.stock import StockBatch, StockOptions, StoreRef
from dispatch.ingest.tables import RawRow, RowIgnored, Table
from tests.ingest.tables import NOW, opened, stock_batch

ITEMS = {
    item.partner_code: item
    for item in (
        Item(partner_code="1001", sku="4710018000109"),
        Item(partner_code="1001C", sku="4710018000109", units_per_case=12),
        Item(partner_code="0007", sku="0000471000002"),
        Item(partner_code="00008", sku="eight", units_per_case=6),
        Item(partner_code="008", sku="nine"),
    )
}


def _batch(table: Table, *, items: Mapping[str, Item] = ITEMS, **more: Any) -> StockBatch:
    options = StockOptions(now=NOW, as_of=NOW, currency="TWD", partner="default")
    return stock_batch(table, options, items=items, **more)


def _codes(folder: Path, *codes: str, **more: Any) -> StockBatch:
    return _batch(opened(folder, "\n".join(["store_id,sku,on_hand", *(f"A1,{code},1" for code in codes)])), **more)


def _told(batch: StockBatch) -> tuple[list[tuple[int, str | None, str]], list[tuple[int, str | None, str]]]:
    return (
        [(one.row_no, one.column, one.code) for one in batch.problems],
        [(one.row_no, one.column, one.code) for one in batch.warnings],
    )


def test_an_item_code_is_one_of_the_partners_or_a_known_sku(tmp_path: Path) -> None:
    batch = _codes(tmp_path, "1001", "4710018000109", "known", "2002", known_skus=frozenset({"known"}))
    assert batch.skus == ["4710018000109", "4710018000109", "known"]
    assert _told(batch) == ([(5, "sku", "unmapped_item")], [])
    assert batch.spared == [("A1", None)], "nobody knows which row of the shelf it spoke of"


def test_a_partners_own_code_goes_before_a_sku_that_is_written_the_same(tmp_path: Path) -> None:
    assert _codes(tmp_path, "1001", known_skus=frozenset({"1001"})).skus == ["4710018000109"]


def test_without_items_every_code_is_the_sku(tmp_path: Path) -> None:
    batch = _codes(tmp_path, "1001", "2002", items={}, known_skus=frozenset({"known"}))
    assert batch.skus == ["1001", "2002"]
    assert _told(batch) == ([], [])


def test_a_barcode_is_the_sku_whatever_the_items_say(tmp_path: Path) -> None:
    text = "store_id,barcode,sku,on_hand\nA1,1001,2002,1\nA1,new,,1\nA1, ,1001,1\nA1,,2002,1\nA1,4.7E+12,1001,1\n"
    batch = _batch(opened(tmp_path, text))
    assert batch.skus == ["1001", "new", "4710018000109"]
    assert _told(batch)[0] == [(5, "sku", "unmapped_item"), (6, "barcode", "sku_lost_in_excel")]


def test_what_is_counted_in_cases_is_told_in_pieces_and_its_price_is_not_taken(tmp_path: Path) -> None:
    text = (
        "store_id,货号,on_hand,price,safety_stock\nA1,1001C,3,420,1\nA1,1001,3,35,1\nA1,1001C,2.5,,\nA1,1001C,-1,null,"
        "null\nA1,1001C,0.55,0,\nA1,1001C,83333334,,\nA1,1001C,1,x,\nA1,1001C,1,,1.5\n"
    )
    batch = _batch(opened(tmp_path, text))
    assert batch.skus == ["4710018000109"] * 5
    assert batch.on_hands == [36, 3, 30, 0, 6]
    assert batch.price_minors == [KEEP, 3500, KEEP, None, KEEP]
    assert batch.currencies == [None, "TWD", None, None, None]
    assert batch.safety_stocks == [12, 1, KEEP, None, KEEP]
    problems, warnings = _told(batch)
    assert problems == [
        *((7, "on_hand", "number_out_of_range"), (8, "price", "number_invalid"), (9, "safety_stock", "number_invalid")),
    ]
    assert warnings == [
        *((2, "price", "price_of_case"), (5, "on_hand", "negative_to_zero")),
        *((6, "on_hand", "fraction_rounded_down"), (6, "price", "price_of_case")),
    ]
    assert batch.spared == [("A1", "4710018000109")] * 3


def test_a_sku_without_its_leading_zeros_is_the_one_that_is_known(tmp_path: Path) -> None:
    known = frozenset({"0012", "0034", "034", "56", "78", "078", "x90"})
    batch = _codes(tmp_path, "12", "00056", "034", "34", "078", "78", "90", "99", items={}, known_skus=known)
    assert batch.skus == ["0012", "56", "034", "078", "78", "90", "99"]
    problems, warnings = _told(batch)
    assert problems == [(5, "sku", "sku_ambiguous")]
    assert warnings == [(2, "sku", "sku_padded"), (3, "sku", "sku_padded")]
    assert batch.warnings[0].message == "'12' is taken as '0012', which differs in its leading zeros alone"
    assert batch.spared == [("A1", "0034"), ("A1", "034")], "it is one of these, or a sku that no shelf holds yet"


def test_barcodes_are_found_by_their_zeros_too_among_the_skus_of_items(tmp_path: Path) -> None:
    batch = _batch(opened(tmp_path, "store_id,条码,on_hand\nA1,471000002,1\nA1,4710018000109,1\nA1,7,1\n"))
    assert batch.skus == ["0000471000002", "4710018000109", "7"]
    assert _told(batch) == ([], [(2, "条码", "sku_padded")])


def test_a_partners_code_without_its_leading_zeros_is_found_before_a_sku_is(tmp_path: Path) -> None:
    batch = _codes(tmp_path, "7", "471000002", "8", "1001.0", "'01001", known_skus=frozenset({"007"}))
    assert batch.skus == ["0000471000002", "0000471000002", "4710018000109", "4710018000109"]
    problems, warnings = _told(batch)
    assert problems == [(4, "sku", "sku_ambiguous")]
    assert warnings == [(row, "sku", "sku_padded") for row in (2, 3, 6)]
    assert batch.warnings[0].message == "'7' is taken as '0007', which differs in its leading zeros alone"
    assert batch.spared == [("A1", "eight"), ("A1", "nine")]


def test_codes_that_differ_in_zeros_and_mean_the_same_are_not_ambiguous(tmp_path: Path) -> None:
    items = {code: Item(partner_code=code, sku="s", units_per_case=6) for code in ("08", "008")}
    batch = _codes(tmp_path, "8", items=items)
    assert (batch.skus, batch.on_hands) == (["s"], [6])


def test_a_store_id_without_its_leading_zeros_is_the_store_that_exists(tmp_path: Path) -> None:
    stores = {
        name: StoreRef("Asia/Taipei", partner)
        for name, partner in (("0012", "default"), ("034", "default"), ("34", "other"), ("0056", "default"))
    } | {"056": StoreRef("Asia/Taipei", "default"), "78": StoreRef("Asia/Taipei", "default")}
    rows = ["12", "'0034", "34", "56", "056", "0078", "78.0", "９", "90"]
    text = "\n".join(["門市編號,sku,on_hand", *(f"{store},s,1" for store in rows)])
    batch = _batch(opened(tmp_path, text), stores=stores, items={})
    assert batch.store_ids == ["0012", "034", "034", "056", "78", "78"]
    problems, warnings = _told(batch)
    assert problems == [
        (5, "門市編號", "store_id_ambiguous"),
        *((9, "門市編號", "unknown_store"), (10, "門市編號", "unknown_store")),
    ]
    assert warnings == [(row, "門市編號", "store_id_padded") for row in (2, 3, 4, 7)]
    assert batch.spared == [("0056", "s"), ("056", "s")]


def test_a_local_time_is_that_of_the_store_found_by_its_zeros(tmp_path: Path) -> None:
    table = opened(tmp_path, "store_id,sku,on_hand,as_of\n7,s,1,2026-11-21T10:00\n")
    batch = _batch(table, items={})
    assert (batch.store_ids, batch.as_ofs) == (["007"], [datetime(2026, 11, 21, 2, 0, tzinfo=UTC)])


def test_a_row_without_effect_spares_what_its_code_means(tmp_path: Path) -> None:
    class Ignoring:
        columns = ("store_id", "sku", "on_hand")
        own_columns, decimal_comma, delimiter = 3, False, ","
        about: Mapping[str, Any] = {"format": "csv"}

        def __iter__(self) -> Any:
            yield RawRow(1, ["A1", "x", "1"])
            for row_no, code in enumerate(("1001C", "8", "lost"), start=2):
                yield RowIgnored(row_no, "blocked", ["A1", code])

    batch = _batch(Ignoring(), known_skus=frozenset({"x"}))
    assert batch.spared == [("A1", "4710018000109"), ("A1", "eight"), ("A1", "nine"), ("A1", None)]


@pytest.mark.parametrize(("separator", "on_hands"), [(",", [1200, 1_200_000, 12]), (";", [1_200_000, 1])])
def test_thousands_are_taken_where_the_comma_cannot_be_a_decimal_one(
    tmp_path: Path, separator: str, on_hands: list[int]
) -> None:
    values = ('"1,200"', '"1，200,000"', "１２" if separator == "," else '"1,2"')
    rows = [separator.join(("A1", "s", value)) for value in values]
    batch = _batch(opened(tmp_path, "\n".join([separator.join(("store_id", "sku", "on_hand")), *rows])), items={})
    assert batch.on_hands == on_hands
    assert [one.code for one in batch.problems] == ([] if separator == "," else ["number_ambiguous"])


def test_the_same_word_is_read_the_same_however_many_words_are_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = ["1001", "1001C", "7", "8", "1001C", "lost", "1001", "4710018000109"] * 20
    remembered = _codes(tmp_path, *codes)
    monkeypatch.setattr("dispatch.ingest.memos.MEMO_SIZE", 2)
    assert _codes(tmp_path, *codes) == remembered
    assert len(remembered) == 120


CODES = st.text("012A", min_size=1, max_size=4)
ITEM_SETS = st.dictionaries(CODES, st.tuples(CODES, st.sampled_from([1, 12])), max_size=6)


@given(items=ITEM_SETS, known=st.frozensets(CODES, max_size=6), code=CODES)
def test_a_code_has_one_meaning_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, items: dict[str, tuple[str, int]], known: frozenset[str], code: str
) -> None:
    """Against the rule written out: exactly so, then but for leading zeros; own codes, then skus."""
    mapped = {name: Item(partner_code=name, sku=sku, units_per_case=units) for name, (sku, units) in items.items()}
    skus = known | {sku for sku, _ in items.values()}
    meanings = {name: {meaning} for name, meaning in items.items()}
    bare = code.lstrip("0") if code.isdigit() else None
    tries = [
        meanings.get(code, set()),
        {(code, 1)} & {(sku, 1) for sku in skus},
        {items[name] for name in items if name.isdigit() and name.lstrip("0") == bare},
        {(sku, 1) for sku in skus if sku.isdigit() and sku.lstrip("0") == bare},
        set() if items else {(code, 1)},
    ]
    meant = next(filter(None, tries), set())
    table = opened(tmp_path_factory.mktemp("one", numbered=True), f"store_id,sku,on_hand\nA1,{code},1\n")
    batch = _batch(table, items=mapped, known_skus=known)
    if len(meant) == 1:
        assert set(zip(batch.skus, batch.on_hands, strict=True)) == meant
    else:
        [problem] = batch.problems
        assert isinstance(problem, RowProblem)
        assert problem.code == ("sku_ambiguous" if meant else "unmapped_item")
        spared: set[str | None] = {sku for sku, _ in meant} or {None}
        assert {sku for _, sku in batch.spared} == spared
