"""What answers is left its cores, and nothing ever fails for want of them."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Final

import pytest

from dispatch.cores import Cores

_TELL: Final = "import os; print(*sorted(os.sched_getaffinity(0)))"

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="threads cannot be told where to run here")
_two_cores = pytest.mark.skipif(
    hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) < 2, reason="there is but one core"
)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("there", "answering", "background"),
    [
        ({0, 1}, 1, {0}),
        ({0, 1, 2, 3}, 1, {0, 1, 2}),
        ({2, 5, 7}, 2, {2}),
        ({0, 1}, 2, {0, 1}),  # else nothing would be left
        ({0, 1}, 8, {0, 1}),
        ({3}, 1, {3}),
    ],
)
def test_the_last_cores_are_left_to_what_answers_if_there_are_others(
    there: set[int], answering: int, background: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: there)
    cores = Cores.of(answering)
    assert cores.every == there
    assert cores.background == background


@_two_cores
def test_what_is_started_in_the_background_stays_there() -> None:
    cores = Cores.of(1)
    seen: list[set[int]] = []
    with cores.in_background():
        thread = threading.Thread(target=lambda: seen.append(os.sched_getaffinity(0)))
        thread.start()
        child = subprocess.run([sys.executable, "-c", _TELL], capture_output=True, text=True, check=True)
    thread.join()
    assert os.sched_getaffinity(0) == cores.every
    assert seen == [cores.background]
    assert set(map(int, child.stdout.split())) == cores.background


@_two_cores
def test_a_process_may_be_let_out_of_the_background() -> None:
    cores = Cores.of(1)
    command = [sys.executable, "-c", f"input(); {_TELL}"]
    with cores.in_background():
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert os.sched_getaffinity(child.pid) == cores.background
    cores.use_every(child.pid)
    assert set(map(int, child.communicate("\n")[0].split())) == cores.every


def test_where_to_run_is_never_an_error() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    Cores.of(1).use_every(gone.pid)
    Cores(frozenset({100_000}), frozenset({100_000})).keep_to_background()  # such a core was taken away
    nowhere = Cores(frozenset(), frozenset())  # as where threads cannot be told
    with nowhere.in_background():
        assert os.sched_getaffinity(0)
