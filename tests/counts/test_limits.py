"""What the comparison itself complains of."""

import tomllib

from tests.counts.limits import complaints_of

TABLE = {"headroom": 1.1, "a": {"measured": 10, "most": 11}, "none": {"measured": 0, "most": 0}}


def test_counts_within_their_limits_pass() -> None:
    assert complaints_of("s", {"a": 11, "none": 0}, TABLE) == []
    assert complaints_of("s", {"a": 7.5, "none": 0}, TABLE) == []


def test_what_is_above_its_limit_or_far_below_it_is_told_with_what_would_hold() -> None:
    above = complaints_of("s", {"a": 12, "none": 1}, TABLE)
    assert [line.partition(":")[2] for line in above[:2]] == [
        " a is 12, more than 11: see tests/counts/__init__.py",
        " none is 1, more than 0: see tests/counts/__init__.py",
    ]
    below = complaints_of("s", {"a": 7, "none": 0}, TABLE)
    assert below[0] == "s: a is 7, and its limit 11: lower it"
    for counts in ({"a": 12, "none": 1}, {"a": 7, "none": 0}, {"a": 123.4567, "none": 0.123}):
        told = complaints_of("s", counts, TABLE)
        right = tomllib.loads("\n".join(told[told.index("[s]") :]))["s"]
        assert complaints_of("s", counts, right) == []


def test_names_must_be_the_same_on_both_sides() -> None:
    told = complaints_of("s", {"a": 10, "new": 3}, TABLE)
    assert told[:2] == ["s: new is counted and has no limit", "s: none has a limit and is not counted"]


def test_without_headroom_a_lower_count_is_told_too() -> None:
    exact = {"headroom": 1.0, "a": {"measured": 3, "most": 3}}
    assert complaints_of("s", {"a": 3}, exact) == []
    assert complaints_of("s", {"a": 2}, exact)[0] == "s: a is 2, and its limit 3: lower it"
