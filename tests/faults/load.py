"""Clients that write all the time, and remember what was acknowledged."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import httpx

WRITE_TIMEOUT_S: Final = 5.0
_BETWEEN_WRITES_S: Final = 0.01
_AFTER_FAILURE_S: Final = 0.1
_SETTLED_S: Final = 0.5


class Load(ABC):
    """What the clients write. Each client calls ``write`` again and again, one at a time."""

    @abstractmethod
    async def prepare(self, http: httpx.AsyncClient) -> None:
        """Make what will be written to."""

    @abstractmethod
    async def write(self, http: httpx.AsyncClient, client: int) -> None:
        """Write once, and remember it. Raises httpx.HTTPError unless it was acknowledged."""

    def remark(self) -> str:
        """What else is worth telling of it."""
        return ""

    @abstractmethod
    async def problems(self, http: httpx.AsyncClient) -> list[str]:
        """What was acknowledged and is not there, or is there twice."""


class Clients:
    """So many clients of a load, running while entered; they know when the service answers."""

    def __init__(self, load: Load, address: str, count: int) -> None:
        self._load = load
        self._address = address
        self._count = count
        self.written = 0
        self.failed = 0
        # (begun, ended) of the writes since the last look, of time.monotonic.
        self._acknowledged: list[tuple[float, float]] = []
        self._last_failure = 0.0

    async def back_after(self, moment: float, *, at_most_s: float) -> float | None:
        """Seconds from ``moment`` to the end of the first write after which all went well again; None after a time.

        A write that was begun before, or is followed by failures, does not count: a dying database may still answer.
        """
        self._acknowledged.clear()
        while time.monotonic() < moment + at_most_s:
            await asyncio.sleep(0.02)
            since = max(moment, self._last_failure)
            ends = [ended for begun, ended in self._acknowledged if begun >= since]
            if ends and time.monotonic() - since >= _SETTLED_S:
                return min(ends) - moment
        return None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Have them write. An error that is no lost answer is raised at the end."""
        async with httpx.AsyncClient(base_url=self._address, timeout=WRITE_TIMEOUT_S) as http:
            await self._load.prepare(http)
        tasks = [asyncio.create_task(self._write(number)) for number in range(self._count)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        faults: Sequence[BaseException] = [error for error in ended if isinstance(error, Exception)]
        if faults:
            raise faults[0]

    async def problems(self) -> list[str]:
        """What the load finds wrong."""
        async with httpx.AsyncClient(base_url=self._address, timeout=WRITE_TIMEOUT_S) as http:
            return await self._load.problems(http)

    async def _write(self, number: int) -> None:
        async with httpx.AsyncClient(base_url=self._address, timeout=WRITE_TIMEOUT_S) as http:
            while True:
                begun = time.monotonic()
                try:
                    await self._load.write(http, number)
                except httpx.HTTPError:
                    self.failed += 1
                    self._last_failure = time.monotonic()
                    await asyncio.sleep(_AFTER_FAILURE_S)
                    continue
                self.written += 1
                self._acknowledged.append((begun, time.monotonic()))
                await asyncio.sleep(_BETWEEN_WRITES_S)
