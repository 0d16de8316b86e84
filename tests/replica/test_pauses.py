"""Long work gives way to all that is ready, but does not stand still for it."""

import asyncio
import time

import pytest

from dispatch.replica.pauses import Pauses


async def test_a_pause_lets_an_answer_of_many_turns_come_to_its_end() -> None:
    turns = 0

    async def answer() -> None:
        nonlocal turns
        for _ in range(5):
            time.sleep(0.001)  # blocks the loop, as work does
            turns += 1
            await asyncio.sleep(0)

    answering = asyncio.create_task(answer())
    await Pauses().give_way()
    assert turns == 5
    await answering


async def test_a_pause_ends_though_there_is_always_something_else() -> None:
    async def never_ends() -> None:
        while True:
            time.sleep(0.001)
            await asyncio.sleep(0)

    other = asyncio.create_task(never_ends())
    async with asyncio.timeout(5) as limit:
        await Pauses().give_way()
    assert not limit.expired()
    other.cancel()


async def test_a_pause_is_due_after_a_stretch_and_not_just_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatch.replica.pauses.STRETCH_S", 60.0)
    assert not Pauses().due
    monkeypatch.setattr("dispatch.replica.pauses.STRETCH_S", 0.0)
    pauses = Pauses()
    assert pauses.due
    monkeypatch.setattr("dispatch.replica.pauses.STRETCH_S", 60.0)
    await pauses.give_way()
    assert not pauses.due
