import base64
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.domain.versions import MAX_CHARS, Version, VersionError

numbers = st.integers(1, 2**63 - 1)
versions = st.dictionaries(numbers, numbers, max_size=8).map(Version)


@given(versions)
def test_what_was_encoded_is_decoded(version: Version) -> None:
    text = version.encode()
    assert Version.decode(text) == version
    assert text.isascii()
    assert not set(text) & set(' "\r\n,;=')


@given(versions)
def test_equal_versions_have_one_text(version: Version) -> None:
    assert Version(reversed(version.items())).encode() == version.encode()


@given(versions, versions)
def test_merging_takes_the_later_of_both(one: Version, other: Version) -> None:
    merged = Version(one)
    merged.merge(other)
    assert merged == {cell: max(one.get(cell, 0), other.get(cell, 0)) for cell in {*one, *other}}
    assert one.reached_by(merged)
    assert other.reached_by(merged)


@given(versions, versions)
def test_a_version_is_reached_when_each_of_its_cells_is(version: Version, cursors: Version) -> None:
    assert version.reached_by(cursors) == all(cell in cursors and cursors[cell] >= version[cell] for cell in version)


def test_an_empty_version_is_always_reached_and_has_a_text() -> None:
    assert Version().reached_by({})
    assert Version.decode(Version().encode()) == {}


@given(st.text(alphabet="v1.=ABYZabyz019-_+/ é", max_size=80))
def test_any_text_is_refused_or_is_its_own_version(text: str) -> None:
    try:
        version = Version.decode(text)
    except VersionError:
        return
    assert version.encode().rstrip("=") == text.rstrip("=")


def packed(*pairs: tuple[int, int]) -> str:
    body = b"".join(struct.pack(">qq", cell, seq) for cell, seq in pairs)
    return "v1." + base64.urlsafe_b64encode(body).rstrip(b"=").decode("ascii")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v1",
        "v2.",
        "V1.",
        packed((1, 2))[:-1],
        packed((1, 2)) + "A",
        packed((1, 2)) + "\n",
        packed((1, 2)).replace("v1.", "v1.*"),
        packed((0, 2)),
        packed((1, 0)),
        packed((-1, 2)),
        packed((1, -2)),
        packed((1, 2), (1, 3)),
        "v1." + "é",
        "v1." + "A" * MAX_CHARS,
    ],
)
def test_damage_is_refused(text: str) -> None:
    with pytest.raises(VersionError):
        Version.decode(text)


@given(versions.filter(bool), st.data())
def test_a_text_cut_short_is_refused_or_a_shorter_version(version: Version, data: st.DataObject) -> None:
    text = version.encode()
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    with suppress(VersionError):
        assert Version.decode(cut).items() < version.items()
