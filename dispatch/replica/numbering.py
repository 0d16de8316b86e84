"""From the database's numbers of stores and skus to the replica's own small ones."""

from typing import Final

import numpy as np

from dispatch.domain.market import IntArray

# Keys below this are kept in an array; a sequence that has counted further leaves it for a dictionary.
_DENSE_LIMIT: Final = 1 << 24
MISSING: Final = -1


class Numbering:
    """Small numbers by key; fast for many keys at once while the keys themselves are not huge."""

    def __init__(self) -> None:
        self._dense = np.full(1024, MISSING, dtype=np.int32)
        self._sparse: dict[int, int] = {}

    def add(self, key: int, number: int) -> None:
        """File a number under a positive key."""
        if key >= _DENSE_LIMIT:
            self._sparse[key] = number
            return
        if key >= len(self._dense):
            grown = np.full(min(_DENSE_LIMIT, max(key + 1, 2 * len(self._dense))), MISSING, dtype=np.int32)
            grown[: len(self._dense)] = self._dense
            self._dense = grown
        self._dense[key] = number

    def find(self, key: int) -> int:
        """The number of a key, or MISSING."""
        return int(self._dense[key]) if key < len(self._dense) else self._sparse.get(key, MISSING)

    def find_all(self, keys: IntArray) -> IntArray:
        """The number of each key, or MISSING, in the order given."""
        is_dense = keys < len(self._dense)
        if is_dense.all():
            return self._dense[keys].astype(np.int64)
        found = np.full(len(keys), MISSING, dtype=np.int64)
        found[is_dense] = self._dense[keys[is_dense]]
        if self._sparse:
            distinct, which = np.unique(keys[~is_dense], return_inverse=True)
            found[~is_dense] = np.array([self.find(key) for key in distinct.tolist()], dtype=np.int64)[which]
        return found
