"""Ctrl-C, SIGTERM and a lost terminal: noted at once, obeyed where nothing is left behind.

A signal that raised wherever it happened to hit could leave a database server starting with nobody to stop it.
"""

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_IMPATIENT_AFTER_S = 1.0

type _Handler = Callable[[int, FrameType | None], Any] | int | None


class Stopped(Exception):
    """The person, or the system, has asked for the end."""


class StopRequest:
    """Notes the signals that ask for the end while it is entered. Of the main thread; one at a time.

    A second Ctrl-C raises KeyboardInterrupt on the spot, if it comes a while later: some programs send each twice.
    """

    def __init__(self) -> None:
        self._asked_at: float | None = None
        self._obey: Callable[[], object] | None = None
        self._previous: dict[signal.Signals, _Handler] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            # Under nohup a lost terminal is to be survived.
            if number is signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise Stopped if the end was asked for."""
        if self._asked_at is not None:
            raise Stopped

    @contextmanager
    def obeyed_by(self, obey: Callable[[], object]) -> Iterator[None]:
        """Have the first signal call ``obey``, in a signal's handler. Raises Stopped if it was before."""
        self.check()
        self._obey = obey
        try:
            yield
        finally:
            self._obey = None

    def run[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end and return what it returns. The first signal cancels it: Stopped is raised."""
        if self._asked_at is not None:
            work.close()
            raise Stopped
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            task = loop.create_task(work)
            # The loop may be asleep in a system call that a signal does not end: only this wakes it.
            with self.obeyed_by(lambda: loop.call_soon_threadsafe(task.cancel)):
                try:
                    return loop.run_until_complete(task)
                except asyncio.CancelledError:
                    raise Stopped from None

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._asked_at is None:
            self._asked_at = now
            if self._obey is not None:
                self._obey()
        elif number == signal.SIGINT and now > self._asked_at + _IMPATIENT_AFTER_S:
            raise KeyboardInterrupt
