"""Where a slot is in what is sorted, from a place before it on."""

import numpy as np

from dispatch.replica.sifting.rows import first_after, first_near

SEED = 20261128


def test_from_wherever_it_begins_it_is_found_as_by_searchsorted() -> None:
    rng = np.random.default_rng(SEED)
    for size in [0, 1, 2, 3, 5, 17, 200]:
        values = np.unique(rng.integers(0, 400, size)).astype(np.uint16)
        end = len(values)
        for wanted in [*range(0, 402, 7 if size > 20 else 1), 65_535]:
            right = int(values.searchsorted(wanted))
            for first in range(right + 1):
                assert first_after(values, first, end, wanted) == right, f"seed {SEED}: {wanted} from {first}"
            for guess in (-5, 0, end // 2, end, end + 9):
                assert first_near(values, 0, end, guess, wanted) == right, f"seed {SEED}: {wanted} near {guess}"


def test_it_does_not_look_beyond_the_end() -> None:
    values = np.array([1, 3, 5, 7, 9, 11], dtype=np.uint16)
    assert [first_after(values, 1, 3, wanted) for wanted in (0, 3, 4, 5, 6, 20)] == [1, 1, 2, 2, 3, 3]
