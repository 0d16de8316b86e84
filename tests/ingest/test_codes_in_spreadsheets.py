"""Codes that a spreadsheet took for numbers: given back where they are whole, refused where they are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.ingest.spreadsheets import LeadingZeros, as_typed
from dispatch.ingest.values import BadValueError, identifier_of

CODES_OF_DIGITS = st.text("0123456789", min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        *(("4710018000109", "4710018000109"), ("0012", "0012"), ("A-12.0", "A-12.0"), ("1.5", "1.5")),
        *(("4710018000109.0", "4710018000109"), ("110035.00", "110035"), ("123456789012345.0", "123456789012345")),
        *(
            ("４７１００１８０００１０９", "4710018000109"),
            ("４7１", "471"),
            ("Ａ１", "Ａ１"),
            ("１店", "１店"),
            ("1²", "1²"),
        ),
        *(('="4710018000109"', "4710018000109"), ('="0012"', "0012"), ('="A 1"', "A 1"), ('=" 12 "', "12")),
        *(("'0123", "0123"), ("'12A", "12A"), ("'s-Gravenhage", "'s-Gravenhage"), ("'", "'"), ('="1', '="1')),
        *(("4.710018000109E12", "4710018000109"), ("4.710018000109e+12", "4710018000109")),
        *(("1.1003500000E+10", "11003500000"), ("4.7100180001090000E+12", "4710018000109")),
        *(("4,710018000109E+12", "4710018000109"), ("1.234567E+06", "1234567")),
        *(("12E5", "12E5"), ("E5", "E5"), ("1E5-A", "1E5-A"), ("4.71E-5", "4.71E-5"), ("", "")),
    ],
)
def test_a_code_is_what_was_typed(written: str, typed: str) -> None:
    assert as_typed(written) == typed


@pytest.mark.parametrize(
    "written",
    [
        *("4.71E+12", "4.71002E+12", "4,71E+12", "1.10035E+05", "1E5", "1.000E+03", "4.71001800010E+12", "2e0"),
        *("0.4710018E+07", "1.234567890123456E+15", "1234567890123456.0", '="4.71E+12"', "1.2345678E+06"),
    ],
)
def test_a_code_that_may_have_lost_digits_is_told(written: str) -> None:
    assert as_typed(written) is None
    with pytest.raises(BadValueError) as caught:
        identifier_of(written, field="sku", max_chars=64)
    assert caught.value.code == "sku_lost_in_excel"


@given(st.integers(10**6, 10**15 - 1))
def test_what_is_written_with_every_digit_is_whole(number: int) -> None:
    code = str(number)
    assert as_typed(f"{number}.0") == code
    assert as_typed(f"{number:.14e}") == code
    assert as_typed(f"{number:.{len(code) - 1}E}") == code
    assert as_typed(code.translate({ord(str(d)): chr(ord("０") + d) for d in range(10)})) == code


@given(st.integers(10**6, 10**15 - 1), st.integers(0, 13))
def test_what_is_written_with_fewer_digits_is_whole_or_told(number: int, decimals: int) -> None:
    written = f"{number:.{decimals}e}"
    assert as_typed(written) == (str(number) if decimals >= len(str(number)) - 1 else None)


@given(st.frozensets(CODES_OF_DIGITS, max_size=20), CODES_OF_DIGITS)
def test_leading_zeros_find_all_that_are_equal_without_them_and_no_other(known: frozenset[str], code: str) -> None:
    expected = sorted(one for one in known if one.lstrip("0") == code.lstrip("0"))
    half = frozenset(one for one in known if len(one) % 2)
    assert LeadingZeros(known).found(code) == expected
    assert LeadingZeros(half, known - half).found(code) == expected


def test_leading_zeros_are_those_of_digits() -> None:
    zeros = LeadingZeros(frozenset({"0A1", "A1", "００1", "001"}))
    assert [zeros.found(code) for code in ("A1", "0A1", "００1", "1", "01")] == [[], [], [], ["001"], ["001"]]
    assert LeadingZeros().found("1") == []
