"""A file's stores on disk on their way into the database, read back a cell at a time.

The file's order is not the database's, and its size is anybody's guess. The stores are written as they come to a
temporary file without a name; what is remembered of each is where it stands, and in which cell it lies.
"""

import os
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np


class StagedStore(NamedTuple):
    """Row number, cell, the store as the stager wrote it."""

    row_no: int
    cell: int
    store: bytes


class StagedStores:
    """The stores of one file, on disk; in memory they take 24 bytes each."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by __exit__
        self._row_nos, self._cells = array("q"), array("q")
        self._starts = array("q", [0])  # of each store; then the end of the last

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._row_nos)

    def add(self, stores: Sequence[StagedStore]) -> None:
        """Take in some stores."""
        end = self._starts[-1]
        for row_no, cell, store in stores:
            end += len(store)
            self._row_nos.append(row_no)
            self._cells.append(cell)
            self._starts.append(end)
        rest = memoryview(b"".join(store for _, _, store in stores))
        while rest:
            rest = rest[self._file.write(rest) or 0 :]

    def by_cell(self, most: int) -> Iterator[list[StagedStore]]:
        """All of them, at most ``most`` of one cell at a time: cells ascending, each in the order it came in."""
        cells = np.array(self._cells, dtype=np.int64)
        order = np.argsort(cells, kind="stable")
        _, firsts = np.unique(cells[order], return_index=True)
        for first, end in pairwise([*firsts.tolist(), len(order)]):
            for start in range(first, end, most):
                yield [self._read(index) for index in order[start : min(start + most, end)].tolist()]

    def _read(self, index: int) -> StagedStore:
        start, end = self._starts[index], self._starts[index + 1]
        store = os.pread(self._file.fileno(), end - start, start)
        if len(store) < end - start:
            raise OSError("the temporary file of an import ends too soon")
        return StagedStore(self._row_nos[index], self._cells[index], store)
