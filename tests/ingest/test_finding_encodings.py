"""Which encoding a file is in: marks, UTF-8, and the two Chinese ones told apart by what they would say."""

import csv
import gzip
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from dispatch.ingest.formats.encodings import _is_common
from dispatch.ingest.problems import FileProblem
from tests.ingest.tables import cells_of, open_table, written

SIMPLIFIED = """
全家便利店迎泽大街店 美宜佳太原府东街店 罗森五一广场店 便利蜂万象城店
唐久便利长风街二店 金虎便利体育路店 喜士多人民北路店 每一天便利东大街店
可的便利延安西路店 十足集团凤起路店 红旗连锁春熙路店 中百罗森武汉天地店
芙蓉兴盛解放西路店 见福便利中山路店 太原市小店区亲贤北街三十八号 上海市徐汇区漕溪北路一百号一层
北京市朝阳区建国门外大街甲六号 广州市天河区体育东路
"""
TRADITIONAL = """
全家便利商店忠孝復興門市 統一超商博愛街門市 萊爾富環狀門市 來來超商重慶南路門市
全聯福利中心龍潭店 美廉社永和店 寶雅左營門市 臺北市大安區忠孝東路四段一百號
新北市板橋區縣民大道二段七號 臺中市西屯區臺灣大道三段 高雄市鹽埕區五福四路 桃園市龜山區復興街五號
屏東縣恆春鎮墾丁路 花蓮縣吉安鄉建國路 嘉義縣竹崎鄉灣橋村 彰化縣鹿港鎮復興南路
雲林縣斗六市雲林路二段 臺南市東區裕農路
"""
ENGLISH_HEADER = "store_id,name,lat,lon"


def _table(header: str, names: list[str]) -> str:
    return "\n".join([header, *(f"{i},{name},25.0,121.5" for i, name in enumerate(names, 1))]) + "\n"


@pytest.mark.parametrize(("text", "codec"), [(SIMPLIFIED, "gb18030"), (TRADITIONAL, "gb18030"), (TRADITIONAL, "cp950")])
@pytest.mark.parametrize("packed", [False, True])
def test_the_names_alone_tell_gb18030_from_big5(tmp_path: Path, text: str, codec: str, packed: bool) -> None:
    names = text.split()
    content = _table(ENGLISH_HEADER, names).encode(codec)
    table = open_table(written(tmp_path / "a.csv", gzip.compress(content) if packed else content))
    assert table.encoding == codec
    assert [cells[1] for _, cells in cells_of(table)] == names


@pytest.mark.parametrize(("text", "codec"), [(SIMPLIFIED, "gb18030"), (TRADITIONAL, "cp950")])
def test_two_names_are_enough_and_a_scrap_is_refused_rather_than_taken_for_the_other_encoding(
    tmp_path: Path, text: str, codec: str
) -> None:
    words = text.split()
    for names in pairwise(words):
        assert _encoding_found(tmp_path, list(names), codec) == codec
    pairs, triples = (
        Counter(_encoding_found(tmp_path, [scrap], codec) for word in words for scrap in _scraps(word, size))
        for size in (2, 3)
    )
    assert triples.keys() == {codec, None}
    # Two characters alone in a file may by chance be clean UTF-8 (6 of these 154 in GB18030), which nothing can tell.
    assert pairs.keys() <= {codec, None, "utf-8"}
    assert pairs["utf-8"] <= 0.05 * pairs.total()
    assert pairs[codec] > 0.5 * pairs.total()


@pytest.mark.parametrize(
    ("text", "written_as", "read_as", "least", "most"),
    [
        (SIMPLIFIED, "gb18030", "gb18030", 0.99, 1.0),
        (TRADITIONAL, "gb18030", "gb18030", 0.99, 1.0),
        (TRADITIONAL, "cp950", "cp950", 0.99, 1.0),
        (TRADITIONAL, "cp950", "gb18030", 0.0, 0.55),
        ("Bjørn Müller Señor Niño", "cp1252", "gb18030", 0.0, 0.55),
    ],
)
def test_common_characters_part_the_right_encoding_from_a_wrong_one_widely(
    text: str, written_as: str, read_as: str, least: float, most: float
) -> None:
    beyond_ascii = [char for char in text.encode(written_as).decode(read_as) if not char.isascii()]
    assert least <= sum(map(_is_common, beyond_ascii)) / len(beyond_ascii) <= most


def _scraps(word: str, size: int) -> list[str]:
    return [word[i : i + size] for i in range(len(word) - size + 1)]


def _encoding_found(folder: Path, names: list[str], codec: str) -> str | None:
    try:
        return open_table(written(folder / "a.csv", _table(ENGLISH_HEADER, names), encoding=codec)).encoding
    except FileProblem:
        return None


@pytest.mark.parametrize(
    ("header", "codec"), [("门店编码,门店名称,纬度,经度", "gb18030"), ("門市編號,門市名稱,緯度,經度", "cp950")]
)
def test_known_names_in_the_header_are_evidence_enough(tmp_path: Path, header: str, codec: str) -> None:
    table = open_table(written(tmp_path / "a.csv", f"{header}\n1,x,2,3\n", encoding=codec))
    assert (table.encoding, table.columns) == (codec, tuple(header.split(",")))


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-8", "utf-16"])
def test_a_mark_or_clean_utf_8_needs_no_guess(tmp_path: Path, codec: str) -> None:
    names = (SIMPLIFIED + " " + TRADITIONAL).split()
    table = open_table(written(tmp_path / "a.csv", _table(ENGLISH_HEADER, names), encoding=codec))
    assert table.encoding == codec
    assert table.columns[0] == "store_id"
    assert [cells[1] for _, cells in cells_of(table)] == names


def test_utf_16_big_endian_is_told_by_its_mark(tmp_path: Path) -> None:
    content = b"\xfe\xff" + f"{ENGLISH_HEADER}\n1,店,2,3\n".encode("utf-16-be")
    assert cells_of(open_table(written(tmp_path / "a.csv", content))) == [(2, ["1", "店", "2", "3"])]


@pytest.mark.parametrize(
    ("declared", "codec"),
    [
        ("GBK", "gb18030"),
        ("Big-5", "big5"),
        ("Shift_JIS", "cp932"),
        ("windows-1252", "cp1252"),
        ("UTF-16LE", "utf-16-le"),
    ],
)
def test_what_is_declared_is_believed_and_checked(tmp_path: Path, declared: str, codec: str) -> None:
    name = "Café" if codec == "cp1252" else "中山路"
    path = written(tmp_path / "a.csv", f"{ENGLISH_HEADER}\n1,{name},2,3\n", encoding=codec)
    assert cells_of(open_table(path, encoding=declared)) == [(2, ["1", name, "2", "3"])]


@pytest.mark.parametrize(
    ("content", "declared", "place"),
    [
        (f"{ENGLISH_HEADER}\n1,".encode() + b"\xff,2,3\n", None, "byte 24"),
        (f"{ENGLISH_HEADER}\n1,中".encode() + b"\xe4\xb8", None, "byte 27"),
        (
            _table(ENGLISH_HEADER, ["Café Müller", "Crêperie", "Señor Niño", "Åse Bjørn"]).encode("cp1252"),
            None,
            "byte 27",
        ),
        # Each accent is followed by a letter, so that GB18030 decodes it, to rare characters.
        (_table(ENGLISH_HEADER, ["Bjørn", "Müller", "Señor Niño"]).encode("cp1252"), None, "byte 26"),
        (f"{ENGLISH_HEADER}\n1,中,2,3\n".encode(), "big5", None),
        (f"{ENGLISH_HEADER}\n".encode() + b"a" * (1 << 20) + b"\xff", "utf-8", f"byte {22 + (1 << 20)}"),
        (b"\xff\xfe\x00\x00abcd", None, "byte 0"),
        (b"a,b\n", "klingon", "parameter encoding"),
    ],
)
def test_what_no_encoding_explains_is_refused_with_the_byte(
    tmp_path: Path, content: bytes, declared: str | None, place: str | None
) -> None:
    with pytest.raises(FileProblem) as caught:
        open_table(written(tmp_path / "a.csv", content), encoding=declared)
    assert caught.value.code == "encoding_unknown"
    if place is not None:
        assert caught.value.errors[0].place == place


KOREAN = """
씨유 강남점 지에스25 서초점 세븐일레븐 역삼점 이마트24 선릉점 미니스톱 삼성점 씨유 홍대입구점 지에스25 신촌점
서울특별시 강남구 테헤란로 부산광역시 해운대구 우동 대구광역시 중구 동성로 인천광역시 부평구 부평대로
"""


def _refusal(path: Path) -> FileProblem:
    with pytest.raises(FileProblem) as caught:
        open_table(path)
    return caught.value


def test_korean_which_reads_as_frequent_chinese_is_not_taken_for_it(tmp_path: Path) -> None:
    problem = _refusal(written(tmp_path / "a.csv", _table(ENGLISH_HEADER, KOREAN.split()), encoding="euc_kr"))
    assert problem.code == "encoding_ambiguous"
    told = dict(problem.errors)
    assert "씨유" in told["encoding euc-kr"]
    assert "씨유".encode("euc_kr").decode("gb18030") in told["encoding gb18030"]
    table = open_table(tmp_path / "a.csv", encoding="euc-kr")
    assert [cells[1] for _, cells in cells_of(table)] == KOREAN.split()


def test_a_text_that_two_encodings_explain_is_refused_with_what_each_reads(tmp_path: Path) -> None:
    # Frequent characters in both: found among all pairs of frequent characters of Big5.
    scrap = "鬼陴鬼薄"
    content = _table(ENGLISH_HEADER, [scrap]).encode("big5")
    problem = _refusal(written(tmp_path / "a.csv", content))
    assert problem.code == "encoding_ambiguous"
    assert dict(problem.errors).keys() == {"encoding gb18030", "encoding big5"}
    assert scrap in problem.message
    assert "encoding=big5" in problem.message
    assert open_table(tmp_path / "a.csv", encoding="big5").encoding == "big5"


@pytest.mark.parametrize(
    ("codec", "text", "shown"),
    [
        ("cp1252", "Café Müller,Señor Niño", "Café Müller"),
        ("cp932", "ファミリーマート新宿,セブンイレブン", None),
    ],
)
def test_an_encoding_that_must_be_declared_is_refused_with_a_sample(
    tmp_path: Path, codec: str, text: str, shown: str | None
) -> None:
    path = written(tmp_path / "a.csv", _table(ENGLISH_HEADER, text.split(",")), encoding=codec)
    problem = _refusal(path)
    assert problem.code == "encoding_unknown"
    assert shown is None or shown in problem.message
    table = open_table(path, encoding=codec)
    assert [cells[1] for _, cells in cells_of(table)] == text.split(",")


@pytest.mark.parametrize("codec", ["gb18030", "cp950", "utf-16"])
def test_what_was_read_is_shown_unless_nothing_was_to_be_found_out(tmp_path: Path, codec: str) -> None:
    names = TRADITIONAL.split()
    table = open_table(written(tmp_path / "a.csv", _table(ENGLISH_HEADER, names), encoding=codec))
    assert table.about["encoding_samples"] == names[:5]
    assert "encoding_samples" not in open_table(written(tmp_path / "b.csv", _table(ENGLISH_HEADER, names))).about
    ascii_only = written(tmp_path / "c.csv", _table(ENGLISH_HEADER, ["a"]), encoding="utf-16")
    assert "encoding_samples" not in open_table(ascii_only).about


def test_long_values_are_shown_cut_off(tmp_path: Path) -> None:
    name = "x" * 3_000 + "全家便利商店忠孝復興門市" + "y" * 3_000
    table = open_table(written(tmp_path / "a.csv", _table(ENGLISH_HEADER, [name]), encoding="big5"))
    (sample,) = table.about["encoding_samples"]
    assert len(sample) <= 40


@pytest.mark.parametrize("rows", [200, 30])
@pytest.mark.parametrize("codec", ["big5", "gb18030"])
def test_the_first_rows_of_a_real_file_are_enough(
    tmp_path: Path, shared_file: Callable[[str], Path], codec: str, rows: int
) -> None:
    lines = shared_file("stores/tw_convenience_2020.csv").read_text(encoding="utf-8").splitlines()
    # What Big5 lacks is another character in its stead, as in the files that were made so.
    text = "".join(char if char.encode(codec, errors="ignore") else "一" for char in "\n".join(lines))
    whole = text.splitlines()
    for start in (0, 1000, 5000, len(whole) - rows - 1):
        part = [whole[0], *whole[1 + start : 1 + start + rows]]
        content = "\n".join(part).encode(codec)
        table = open_table(written(tmp_path / "a.csv", content))
        # Windows' Big5 has other strokes and dashes in a few places of the standard's, and the same characters.
        as_windows = {"big5": "cp950"}.get(codec, codec)
        assert [",".join(cells) for _, cells in cells_of(table)] == content.decode(as_windows).splitlines()[1:]


@pytest.mark.parametrize("codec", ["cp950", "gb18030", "utf-8-sig", "utf-16"])
def test_ten_thousand_real_names_are_read_in_every_encoding(
    tmp_path: Path, shared_file: Callable[[str], Path], codec: str
) -> None:
    text = shared_file("stores/tw_convenience_2020.csv").read_text(encoding="utf-8")
    content = text.encode(codec, errors="replace")
    table = open_table(written(tmp_path / "a.csv", content))
    expected = list(csv.reader(content.decode(codec).splitlines()))
    assert table.encoding == codec
    assert [cells for _, cells in cells_of(table)] == expected[1:]
