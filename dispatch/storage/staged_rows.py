"""A file's counts on disk, from which the rows of any few stores are read back.

The file's order is not the database's, and its size is anybody's guess. Rows are written in runs, each in order of
store, to a temporary file without a name; what is remembered of a run is where each store's rows begin.
"""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import numpy as np

ROW: Final = np.dtype(
    [
        ("store_no", "i8"),
        ("sku_n", "i4"),
        ("on_hand", "i4"),
        ("price_minor", "i8"),
        ("currency", "S3"),
        ("price_set", "u1"),
        ("safety_stock", "i4"),
        ("safety_set", "u1"),
        ("as_of_us", "i8"),
        ("n_rows", "i4"),
    ]
)
"""A count: ``price_minor`` −1 and currency ``---`` for none; ``n_rows``: of how many rows of the file it is the sum."""

_ROWS_A_RUN: Final = 200_000


@dataclass(frozen=True, slots=True)
class StoresFound:
    """The stores of a file in order of number: how many rows each has, and the oldest moment of these."""

    store_no: np.ndarray
    rows: np.ndarray
    oldest_us: np.ndarray


@dataclass(frozen=True, slots=True)
class _Run:
    store_no: np.ndarray  # ascending
    starts: np.ndarray  # of each store's rows, counted over all runs; then the end of the last
    oldest_us: np.ndarray


class StagedRows:
    """Rows of ROW, on disk; memory does not grow with them but for a few bytes a store and run."""

    def __init__(self, *, rows_a_run: int = _ROWS_A_RUN) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by __exit__
        self._rows_a_run = rows_a_run
        self._waiting: list[np.ndarray] = []
        self._waiting_rows = 0
        self._written_rows = 0
        self._runs: list[_Run] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def add(self, rows: np.ndarray) -> None:
        """Take in some rows."""
        self._waiting.append(rows)
        self._waiting_rows += len(rows)
        if self._waiting_rows >= self._rows_a_run:
            self._write_run()

    def stores(self) -> StoresFound:
        """Which stores have rows."""
        self._write_run()
        runs = self._runs
        if not runs:
            nothing = np.empty(0, dtype=np.int64)
            return StoresFound(nothing, nothing, nothing)
        store_no, which = np.unique(np.concatenate([run.store_no for run in runs]), return_inverse=True)
        rows = np.zeros(len(store_no), dtype=np.int64)
        np.add.at(rows, which, np.concatenate([np.diff(run.starts) for run in runs]))
        oldest_us = np.full(len(store_no), np.iinfo(np.int64).max)
        np.minimum.at(oldest_us, which, np.concatenate([run.oldest_us for run in runs]))
        return StoresFound(store_no, rows, oldest_us)

    def of(self, store_nos: np.ndarray) -> np.ndarray:
        """The rows of these stores, in no order."""
        self._write_run()
        store_nos = np.sort(store_nos)
        pieces = [piece for run in self._runs for piece in self._pieces(run, store_nos)]
        return np.concatenate(pieces) if pieces else np.empty(0, dtype=ROW)

    def _pieces(self, run: _Run, store_nos: np.ndarray) -> Iterator[np.ndarray]:
        at = np.minimum(run.store_no.searchsorted(store_nos), len(run.store_no) - 1)
        at = at[run.store_no[at] == store_nos]
        # Stores that lie side by side in the run are read at once.
        for stretch in np.split(at, np.flatnonzero(np.diff(at) != 1) + 1):
            if len(stretch):
                start, end = int(run.starts[stretch[0]]), int(run.starts[stretch[-1] + 1])
                yield self._read(start, end)

    def _read(self, start: int, end: int) -> np.ndarray:
        rows = np.empty(end - start, dtype=ROW)
        rest, offset = memoryview(rows.view(np.uint8)), start * ROW.itemsize
        while rest:
            read = os.preadv(self._file.fileno(), [rest], offset)
            if read == 0:
                raise OSError("the temporary file of an import ends too soon")
            rest, offset = rest[read:], offset + read
        return rows

    def _write_run(self) -> None:
        if not self._waiting_rows:
            return
        rows = np.concatenate(self._waiting)
        self._waiting, self._waiting_rows = [], 0
        rows = rows[np.argsort(rows["store_no"], kind="stable")]
        store_no, starts = np.unique(rows["store_no"], return_index=True)
        oldest_us = np.minimum.reduceat(rows["as_of_us"], starts)
        rest = memoryview(rows.view(np.uint8))
        while rest:
            rest = rest[self._file.write(rest) or 0 :]
        starts = np.append(starts, len(rows)) + self._written_rows
        self._runs.append(_Run(store_no, starts, oldest_us))
        self._written_rows += len(rows)
