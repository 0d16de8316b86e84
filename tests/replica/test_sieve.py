"""What compiled code is told of where arrays lie."""

import numpy as np
import pytest

from dispatch.domain.question import Line, Question
from dispatch.replica.sieve import _NAMES
from geo.coordinates import LatLon
from tests.selection.worlds import NOW_S, PLACES, world


@pytest.mark.parametrize("part", range(len(_NAMES)), ids=[names[0] for names in _NAMES])
def test_each_array_that_was_replaced_is_told_anew(part: int) -> None:
    sieve = world(np.random.default_rng(20261128), PLACES["dense"], count=20, strict=False).replica.sieve
    place = LatLon(lat=25.0, lon=121.5)
    question = Question(destination=place, lines=(Line("a", 1),), promise_s=60, now_s=NOW_S, start_s=NOW_S)
    sieve._see(question)
    told = sieve._memory.copy()
    # As after a change of this one alone: what was told of is another, and lies elsewhere.
    seen = list(sieve._seen)
    seen[part] = tuple(object() for _ in _NAMES[part])
    sieve._seen = tuple(seen)
    sieve._memory[_NAMES[part][0]] = 0
    sieve._see(question)
    assert (sieve._memory == told).all()
