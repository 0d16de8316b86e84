"""Which cores are left to whatever answers.

An answer takes two milliseconds of a core. The kernel shares a core fairly with all who want it, and likes to put
whoever is woken beside who woke him: an answer then waits for a backend of PostgreSQL, and every answer behind it does
too. So the embedded database, imports and helping threads keep to other cores, if there are any. What answers is bound
to none: it goes where there is room, which its own cores always have. Whatever is not of the service may run on them.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Cores:
    """The cores of this process, and those of them for what runs in the background."""

    every: frozenset[int]
    background: frozenset[int]

    @classmethod
    def of(cls, answering: int) -> Self:
        """Leave one core to each of so many that answer: the last ones, for interrupts mostly come to the first.

        Where that would leave none to the background, or threads cannot be told where to run, all share all.
        """
        if not hasattr(os, "sched_getaffinity"):
            return cls(frozenset(), frozenset())
        every = sorted(os.sched_getaffinity(0))
        left = every[:-answering] if answering < len(every) else every
        return cls(frozenset(every), frozenset(left))

    @contextlib.contextmanager
    def in_background(self) -> Iterator[None]:
        """Have the processes and threads that this thread starts meanwhile keep to the background."""
        self.keep_to_background()
        try:
            yield
        finally:
            self.use_every()

    def keep_to_background(self) -> None:
        """Keep this thread, and what it starts from now on, to the background's cores."""
        _bind(0, self.background)

    def use_every(self, pid: int = 0) -> None:
        """Let this thread, or a process of one thread, run on every core."""
        _bind(pid, self.every)


def _bind(pid: int, cores: frozenset[int]) -> None:
    # Where to run is a matter of speed alone: cores may have been taken away, or the process be somebody else's.
    with contextlib.suppress(OSError):
        if cores:
            os.sched_setaffinity(pid, cores)
