"""The process that workers are forked from, by commands.workers.

``python -m dispatch.commands.nursery LISTENER_FD LIFELINE_FD``: what the workers listen on, and what ends when they
shall.

Importing everything takes more than a second of a processor, and a killed worker's place must not stand empty for so
long: here it is imported once. This process has one thread and no event loop, so that it may fork.

It takes a line on standard input for each worker that is wanted, and tells, a line each, on standard output:
``started PID``, ``ready PID`` (written by the worker itself), ``ended PID CODE``. It ends when standard input does.
"""

import contextlib
import gc
import os
import select
import signal
import sys
from typing import NoReturn

from dispatch.commands import worker
from dispatch.replica.warming import warm_up
from geo.coordinates import LatLon, timezone_of


def main() -> NoReturn:
    """Fork workers until standard input ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # it ends when told, not in between
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    # The first look-up, of any place, unpacks the map of time zones: 0.2 s.
    timezone_of(LatLon(lat=25.03, lon=121.56))
    warm_up()
    gc.freeze()  # what is there now is shared for good: collecting would copy its pages
    while True:
        readable, _, _ = select.select([0, woken], [], [])
        if woken in readable:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 4096)
            _bury()
        if 0 in readable:
            asked = os.read(0, 4096)
            if not asked:
                os._exit(0)
            for _ in range(asked.count(b"\n")):
                _fork(woken, wake)


def _fork(woken: int, wake: int) -> None:
    pid = os.fork()
    if pid:
        say(f"started {pid}")
        return
    code = 70
    try:
        signal.set_wakeup_fd(-1)
        for of_nursery in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(of_nursery, signal.SIG_DFL)
        listener, lifeline = int(sys.argv[1]), int(sys.argv[2])
        os.dup2(lifeline, 0)
        for number in (lifeline, woken, wake):
            os.close(number)
        code = worker.run(listener)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _bury() -> None:
    """Tell of every worker that has ended."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            say(f"ended {ended[0]} {os.waitstatus_to_exitcode(ended[1])}")


def say(text: str) -> None:
    """Write a line at once and whole: a pipe does not mix writes as short as this."""
    # Whoever looks after this process is gone if nobody reads; standard input ends then, too.
    with contextlib.suppress(BrokenPipeError):
        os.write(1, f"{text}\n".encode())


if __name__ == "__main__":
    main()
