"""HTTP whose answers leave in one packet, to clients that take them."""

import asyncio
from collections.abc import Iterable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# A phone in a tunnel takes nothing of a stream and does not say that it is gone: it must not be kept in mind for hours.
STALLED_S = 60.0


class OnePacketProtocol(HttpToolsProtocol):
    """uvicorn's, which writes an answer's head and its body one after the other.

    Each write is a system call that wakes whoever asked: for the head alone, in vain. On a machine with few cores the
    client takes the core from the service for it. Of a quote's time, the head's own packet was a tenth.
    """

    _cutting: asyncio.TimerHandle | None = None
    _waiting_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(cast(asyncio.Transport, JoinedWrites(transport, self.loop)))

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look_again()

    def _look_again(self) -> None:
        self._waiting_bytes = self.transport.get_write_buffer_size()
        self._cutting = self.loop.call_later(STALLED_S, self._cut_if_stalled)

    def _cut_if_stalled(self) -> None:
        """End what has taken nothing since the last look. A long answer on a slow line may take many looks."""
        if self.transport.get_write_buffer_size() < self._waiting_bytes:
            self._look_again()
        else:
            self.transport.abort()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._is_taken()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._is_taken()

    def _is_taken(self) -> None:
        if self._cutting is not None:
            self._cutting.cancel()
            self._cutting = None


class JoinedWrites:
    """A transport that writes two by two what is written in the same turn of the loop, and all of it in order."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: bytes | None = None

    def write(self, data: bytes) -> None:
        """Hold the first of two until the second comes, or the loop's next turn."""
        if self._held is None:
            self._held = data
            self._loop.call_soon(self._let_go)
        else:
            held, self._held = self._held, None
            self._transport.write(held + data)

    def writelines(self, parts: Iterable[bytes]) -> None:
        """As one ``write``: past this one, what is held would come too late."""
        self.write(b"".join(parts))

    def close(self) -> None:
        """Write what is held, and close."""
        self._let_go()
        self._transport.close()

    def _let_go(self) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            if not self._transport.is_closing():  # else nobody hears it
                self._transport.write(held)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
