import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.replica.numbering import MISSING, Numbering

# The keys are kept in an array below 2**24, and in a dictionary from there on.
keys = st.one_of(st.integers(1, 3000), st.integers(2**24 - 3, 2**24 + 3), st.integers(2**40, 2**40 + 5))


# The array of keys near its limit takes 64 MB.
@settings(max_examples=40, deadline=None)
@given(filed=st.dictionaries(keys, st.integers(0, 2**31 - 1), max_size=20), asked=st.lists(keys, max_size=30))
def test_every_key_finds_its_number_and_no_other_finds_one(filed: dict[int, int], asked: list[int]) -> None:
    numbering = Numbering()
    for key, number in filed.items():
        numbering.add(key, number)
    asked += list(filed)
    right = [filed.get(key, MISSING) for key in asked]
    assert [numbering.find(key) for key in asked] == right
    assert numbering.find_all(np.array(asked, dtype=np.int64)).tolist() == right


@pytest.mark.parametrize("key", [1, 1023, 1024, 2**24 - 1, 2**24, 2**40])
def test_a_key_filed_again_has_the_later_number(key: int) -> None:
    numbering = Numbering()
    numbering.add(key, 1)
    numbering.add(key, 2)
    assert numbering.find(key) == 2
    assert numbering.find_all(np.array([key, key, 7])).tolist() == [2, 2, MISSING]


def test_nothing_asked_is_nothing_found() -> None:
    assert Numbering().find_all(np.empty(0, dtype=np.int64)).tolist() == []
