"""Processes of imports: none outlives who asked for it, and none holds a thread while it works."""

import asyncio
import gc
import multiprocessing
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.context import ForkServerProcess

import pytest

from dispatch.cores import Cores
from dispatch.services.import_processes import ImportProcesses


@pytest.fixture
def processes() -> Iterator[ImportProcesses]:
    yield ImportProcesses("postgresql://nowhere", prepare=gc.enable, lag_s=lambda: 0.0, cores=Cores.of(1))
    for child in _asleep():
        child.kill()


def _asleep() -> list[multiprocessing.process.BaseProcess]:
    return [child for child in multiprocessing.active_children() if child.name == "sleep"]


async def _until_asleep() -> None:
    async with asyncio.timeout(20):
        while not _asleep():
            await asyncio.sleep(0.01)


async def test_a_process_that_starts_while_its_caller_is_cancelled_is_ended(
    processes: ImportProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    starting, started = threading.Event(), threading.Event()
    start = ForkServerProcess.start

    def start_slowly(process: ForkServerProcess) -> None:
        starting.set()
        time.sleep(0.2)
        start(process)
        started.set()

    monkeypatch.setattr(ForkServerProcess, "start", start_slowly)
    asked = asyncio.create_task(processes._answer_of(time.sleep, 60))
    while not starting.is_set():
        await asyncio.sleep(0.005)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    while not started.is_set():
        await asyncio.sleep(0.005)
    assert not _asleep()


async def test_a_process_at_work_is_ended_with_its_caller(processes: ImportProcesses) -> None:
    asked = asyncio.create_task(processes._answer_of(time.sleep, 60))
    await _until_asleep()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert not _asleep()


async def test_processes_at_work_hold_no_thread(processes: ImportProcesses) -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    asked = asyncio.create_task(processes._answer_of(time.sleep, 60))
    await _until_asleep()
    await asyncio.sleep(0.05)
    await asyncio.wait_for(asyncio.to_thread(int), 5)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked


async def test_what_the_process_answers_is_told_and_its_death_is_an_error(processes: ImportProcesses) -> None:
    assert await processes._answer_of(divmod, 7, 2) == (3, 1)
    asked = asyncio.create_task(processes._answer_of(time.sleep, 60))
    await _until_asleep()
    for child in _asleep():
        child.kill()
    with pytest.raises(RuntimeError):
        await asked
