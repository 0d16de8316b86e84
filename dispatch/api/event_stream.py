"""A listener's events as server-sent events (text/event-stream, WHATWG HTML, "Server-sent events")."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dispatch.api.orders_told import event_told
from dispatch.api.state import Service
from dispatch.domain.callers import Hearing
from dispatch.domain.versions import Version
from dispatch.services.live import Batch, Listener
from dispatch.storage.order_events import EventScope, OrderEvent, heard

# Proxies mostly give an answer up that is silent for a minute. A message, for browsers tell their pages nothing of
# comments, and a page has to find out by itself that a connection is dead which nobody has ended.
HEARTBEAT_S = 15.0
# Whom nothing concerns is told how far everything is, so as not to go through all of it after a break.
POSITION_EVERY_S = 60.0
_RETRY_MS: Final = 2000
_HEARTBEAT: Final = b"event: beat\ndata: {}\n\n"

_json = msgspec.json.Encoder().encode


class EventStream(Response):
    """Tells a listener's batches, one message each, until the listener is ended or nobody is there any more.

    It ends, too, where ``hearing`` does: with the event by which an order leaves, or at its time.
    """

    media_type = "text/event-stream"

    def __init__(self, service: Service, scope: EventScope, hearing: Hearing, after: Version) -> None:
        # Without Response's own, which would announce an empty body.
        self.status_code = 200
        self.background = None
        # nginx keeps an answer back until it is whole, unless told not to.
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._hub, self._clock = service.live, service.clock
        self._scope, self._hearing, self._is_over = scope, hearing, False
        self._told, self._told_at_s = after, 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        listener = self._hub.listen(self._scope, self._told)
        gone = asyncio.create_task(_gone(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            first = b"retry: %d\n" % _RETRY_MS + self._at(self._told, b"ready")
            await send({"type": "http.response.body", "body": first, "more_body": True})
            await self._tell_all(listener, gone, send)
            if not gone.done():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            listener.leave()
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)

    async def _tell_all(self, listener: Listener, gone: "asyncio.Task[None]", send: Send) -> None:
        coming = asyncio.create_task(listener.next())
        try:
            while not self._is_over:
                waited_for: set[asyncio.Future[Any]] = {coming, gone, listener.ended}
                await asyncio.wait(waited_for, timeout=self._patience_s(), return_when=asyncio.FIRST_COMPLETED)
                if gone.done() or listener.ended.done() or self._hearing.has_ended(self._clock()):
                    return
                if coming.done():
                    message = self._batch(coming.result())
                    coming = asyncio.create_task(listener.next())
                else:
                    message = self._nothing(listener)
                # Who takes nothing is waited for here, while what waits for it grows, until the hub ends the listener.
                await send({"type": "http.response.body", "body": message, "more_body": True})
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    def _batch(self, batch: Batch) -> bytes:
        self._note(batch.position)
        events, self._is_over = heard(batch.events, self._hearing)
        if self._is_over:  # no message for others
            return _orders(events, batch.position)
        if batch.told is None:
            batch.told = _orders(batch.events, batch.position)
        return batch.told

    def _patience_s(self) -> float:
        """How long there may be silence: until something is sent for life's sake, or nothing may be told any more."""
        if self._hearing.until is None:
            return HEARTBEAT_S
        return max(0.0, min(HEARTBEAT_S, (self._hearing.until - self._clock()).total_seconds()))

    def _nothing(self, listener: Listener) -> bytes:
        """What is sent for life's sake: now and then a position, if there is a new one."""
        if asyncio.get_running_loop().time() - self._told_at_s < POSITION_EVERY_S:
            return _HEARTBEAT
        position = listener.position
        return _HEARTBEAT if position == self._told else self._at(position, b"position")

    def _at(self, position: Version, kind: bytes) -> bytes:
        self._note(position)
        after = position.encode()
        return _message(kind, after, {"after": after})

    def _note(self, position: Version) -> None:
        self._told, self._told_at_s = position, asyncio.get_running_loop().time()


def _orders(events: Sequence[OrderEvent], position: Version) -> bytes:
    after = position.encode()
    return _message(b"orders", after, {"events": [event_told(event) for event in events], "after": after})


def _message(kind: bytes, position: str, told: object) -> bytes:
    """JSON has no line breaks of its own, so that it is one line of data."""
    return b"event: %b\nid: %b\ndata: %b\n\n" % (kind, position.encode(), _json(told))


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
