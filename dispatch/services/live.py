"""What happens to orders, told to listeners as it happens: one look at the database for all of a worker's listeners.

A listener's place is a position among all events, as GET /v1/events tells it. It reads what lies before the hub's own
position from the database itself, then takes what the hub reads. Since every event has its number in its cell, and a
position says of every cell up to which number it goes, nothing is told twice where the two meet, and nothing is left
out: a listener joins before it reads the last of its history.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog

from dispatch.domain.errors import DatabaseUnavailable
from dispatch.domain.versions import Version
from dispatch.storage.feed import current_heads, packed_heads, unpacked
from dispatch.storage.order_events import EventScope, EventsPage, OrderEvent, events_after, scopes_of
from dispatch.storage.pool import Database

_log = structlog.get_logger(__name__)

# About so many events at once, of history and of what comes.
_EVENTS_A_READING: Final = 500
# Who is so far behind is better off to come again and read what it has missed from the database.
MOST_WAITING: Final = 256
# When a service starts anew all its listeners come back at once; others need the pool's connections, too.
_READERS: Final = 2
_RETRY_S: Final = 0.5
_PATIENCE_S: Final = 10.0


class Batch:
    """Events of a listener's scope, and the position behind them. Shared by listeners, so neither changes."""

    __slots__ = ("events", "position", "told")

    def __init__(self, events: Sequence[OrderEvent], position: Version) -> None:
        self.events = events
        self.position = position
        self.told: bytes | None = None
        """What the first who tells it has made of it, for the others who will."""


class Hub:
    """The listeners of one worker. Belongs to its event loop."""

    def __init__(self, database: Database, *, every_s: float) -> None:
        self._database = database
        self._every_s = every_s
        self._listeners: dict[EventScope, set[Listener]] = {}
        self._open: set[Listener] = set()
        self._reading = asyncio.Semaphore(_READERS)
        self._wanted = asyncio.Event()
        # Set while the hub has a position of its own.
        self._begun = asyncio.Event()
        self._position = Version()
        # The heads up to which everything has been told.
        self._seen: bytes | None = None
        self._is_over = False
        self._is_cut_off = False

    def __len__(self) -> int:
        """How many listeners there are."""
        return len(self._open)

    # ── for those who listen ───────────────────────────────────────────────────────────────────────────────────

    async def now(self) -> Version:
        """The position behind all that has happened. Raises DatabaseUnavailable."""
        try:
            async with asyncio.timeout(_PATIENCE_S), self._reading:
                return Version(await current_heads(self._database))
        except TimeoutError:
            raise DatabaseUnavailable("the database did not answer in time") from None

    def listen(self, scope: EventScope, after: Version) -> "Listener":
        """A listener to what happens after a position, which must be one of this database. Let it ``leave``."""
        listener = Listener(self, scope, after)
        self._open.add(listener)
        if self._is_over:
            listener.end()
        return listener

    def end(self) -> None:
        """End every listener, and each that may still come: the service stops."""
        self._is_over = True
        for listener in self._open:
            listener.end()

    # ── for listeners ──────────────────────────────────────────────────────────────────────────────────────────

    def join(self, listener: "Listener") -> None:
        """From now on, have a listener given what the hub reads."""
        self._listeners.setdefault(listener.scope, set()).add(listener)
        self._wanted.set()

    def leave(self, listener: "Listener") -> None:
        self._open.discard(listener)
        joined = self._listeners.get(listener.scope)
        if joined is not None:
            joined.discard(listener)
            if not joined:
                del self._listeners[listener.scope]

    async def position(self) -> Version:
        """Where the hub is, once it is somewhere."""
        await self._begun.wait()
        return self._position

    @property
    def position_now(self) -> Version:
        """Where the hub is; of no use before a listener has waited for ``position``."""
        return self._position

    async def read(self, after: Version, scope: EventScope) -> EventsPage:
        """A page of history. Raises DatabaseUnavailable, VersionAhead."""
        async with self._reading:
            return await events_after(self._database, after, _EVENTS_A_READING, scope)

    # ── running ────────────────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Read what happens whenever somebody listens, until cancelled."""
        while True:
            await self._wanted.wait()
            while self._listeners:
                await self._look_in_any_case()
            # Nobody listens any more; who comes next shall not be told of what has happened meanwhile.
            self._wanted.clear()
            self._begin_anew()

    async def _look_in_any_case(self) -> None:
        try:
            await self._look()
        except DatabaseUnavailable as error:
            if not self._is_cut_off:
                _log.warning("events_wait_for_the_database", reason=str(error))
            self._is_cut_off = True
            await asyncio.sleep(_RETRY_S)
        except Exception as error:
            # A restored database, or a fault of ours: whoever listens shall rather come again than hear nothing more.
            _log.error("events_interrupted", exc_info=error)
            for listener in [one for joined in self._listeners.values() for one in joined]:
                listener.end()
                self.leave(listener)
            self._begin_anew()
            await asyncio.sleep(_RETRY_S)
        else:
            self._is_cut_off = False
            await asyncio.sleep(self._every_s)

    def _begin_anew(self) -> None:
        self._begun.clear()
        self._position, self._seen = Version(), None

    async def _look(self) -> None:
        heads = await packed_heads(self._database)
        if not self._begun.is_set():
            self._position, self._seen = Version(unpacked(heads)), heads
            self._begun.set()
        elif heads != self._seen:
            more = True
            while more:
                page = await events_after(self._database, self._position, _EVENTS_A_READING)
                self._position, more = page.position, page.more
                self._hand_out(page)
            self._seen = heads

    def _hand_out(self, page: EventsPage) -> None:
        """Give every listener what concerns it; those of one scope share it."""
        by_scope: dict[EventScope, list[OrderEvent]] = {}
        for event in page.events:
            for scope in scopes_of(event) & self._listeners.keys():
                by_scope.setdefault(scope, []).append(event)
        for scope, events in by_scope.items():
            batch = Batch(events, page.position)
            for listener in self._listeners[scope]:
                listener.take(batch)


class Listener:
    """Hears everything of a scope once, and in order, from a position on."""

    def __init__(self, hub: Hub, scope: EventScope, after: Version) -> None:
        self.scope = scope
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once nothing more will be told: the service stops, or the listener is too slow."""
        self._hub = hub
        self._position = after
        self._waiting: deque[Batch] = deque()
        self._arrived = asyncio.Event()
        self._has_read_all = False
        # Where the hub was when this joined it: up to there the database is read.
        self._upto: Version | None = None
        self._is_live = False
        self._is_level = False

    @property
    def position(self) -> Version:
        """Behind all that ``next`` has told, and what of others has been passed over since.

        Not to be asked while ``next`` has an answer that has not been taken.
        """
        if self._is_live and not self._waiting:
            self._position = self._further(self._hub.position_now)
        return self._position

    async def next(self) -> Batch:
        """The next events, whenever they come. Raises VersionAhead if the position is not of this database any more."""
        while not self._is_live:
            if self._has_read_all and self._upto is None:
                # What the hub reads from here on waits; what it had read before has to be in the database.
                self._hub.join(self)
                self._upto = await self._hub.position()
            if self._upto is not None and self._upto.reached_by(self._position):
                self._is_live = True
                break
            page = await self._read()
            self._position, self._has_read_all = page.position, not page.more
            if page.events:
                return Batch(page.events, page.position)
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            batch = self._not_yet_told(self._waiting.popleft())
            self._position = batch.position
            if batch.events:
                return batch

    def take(self, batch: Batch) -> None:
        """From the hub: a batch to be told when its time comes."""
        if len(self._waiting) >= MOST_WAITING:
            self.end()
        if not self.ended.done():
            self._waiting.append(batch)
            self._arrived.set()

    def end(self) -> None:
        """Tell nothing more."""
        if not self.ended.done():
            self.ended.set_result(None)
        self._waiting.clear()

    def leave(self) -> None:
        """To be called when nobody hears it any more."""
        self.end()
        self._hub.leave(self)

    async def _read(self) -> EventsPage:
        while True:
            try:
                return await self._hub.read(self._position, self.scope)
            except DatabaseUnavailable:
                await asyncio.sleep(_RETRY_S)

    def _not_yet_told(self, batch: Batch) -> Batch:
        """A batch without what was history; the same batch once the hub has got to where history ended."""
        if self._is_level:
            return batch
        before = self._position
        new = [event for event in batch.events if event.head_seq > before.get(event.cell, 0)]
        return Batch(new, self._further(batch.position))

    def _further(self, position: Version) -> Version:
        """The hub's position, or, as long as history went further in some cells, the later of both."""
        self._is_level = self._is_level or self._position.reached_by(position)
        if self._is_level:
            return position
        both = Version(self._position)
        both.merge(position)
        return both
