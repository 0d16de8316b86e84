"""Keeps a replica up with the database.

One cursor a cell: the heads are polled, and where one has moved, the changes between are read. All of one step comes
from one snapshot, so a replica is always the copy of one moment.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import batched

import numpy as np
import structlog

from dispatch.domain.errors import DatabaseUnavailable, ReplicaBehind, ReplicaNotReady
from dispatch.domain.versions import Version
from dispatch.replica.catalogue import StoreDefaults
from dispatch.replica.filer import Filer
from dispatch.replica.numbering import MISSING
from dispatch.replica.pauses import Pauses
from dispatch.replica.replica import Progress, Replica, load
from dispatch.storage.feed import Change, FeedReader, ShelfColumns, StoreRow, packed_heads, reading, unpacked
from dispatch.storage.pool import Database
from geo.travel import TravelModel

_log = structlog.get_logger(__name__)

# A lost database is mostly back within a second or two, and whoever waits for the replica waits for this too.
_LEAST_PAUSE_S = 0.004
_RETRY_FIRST_S = 0.1
_RETRY_MOST_S = 0.25
# Stores read at once, and skus, when many have changed; and stores taken in without a look at the time.
_STORES_A_READING = 256
_STORES_A_STRETCH = 32
_SKUS_A_READING = 1_000
# So few hardly make a search longer; more are merged once there is nothing else to do.
_PLACES_UNMERGED_AT_REST = 256
# About so many shelf rows are read at once; how many a store has is only known afterwards.
_ROWS_A_READING = 50_000
_ROWS_A_STORE_AT_FIRST = 800.0
_ROWS_A_STORE_LEAST = 50.0


class Follower:
    """Loads a replica, then follows the changes until stopped. ``monotonic`` tells seconds for measuring lag."""

    def __init__(
        self,
        database: Database,
        *,
        defaults: StoreDefaults,
        travel: TravelModel,
        every_s: float,
        stale_after_s: float,
        monotonic: Callable[[], float],
        progress: Progress | None = None,
        settle: Callable[[], None] | None = None,
    ) -> None:
        """``settle`` is called each time a replica has been loaded, before it can be asked."""
        self._database = database
        self._defaults = defaults
        self._travel = travel
        self._every_s = every_s
        self._stale_after_s = stale_after_s
        self._monotonic = monotonic
        self._progress = progress
        self._settle = settle
        self._replica: Replica | None = None
        self._as_of: float | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_mixed = False
        self._hurry = asyncio.Event()
        self._moved = asyncio.Condition()
        self.problem: str | None = None
        # Shelves to be read, by cell: kept until they are, also when a step fails in between.
        self._owed: dict[int, set[int]] = {}
        self._rows_a_store = _ROWS_A_STORE_AT_FIRST
        self._filer: Filer | None = None
        # The heads that the replica's cursors were last found to be at; None: not since they have moved.
        self._settled_at: bytes | None = None

    # ── for those who ask ──────────────────────────────────────────────────────────────────────────────────────

    @property
    def replica(self) -> Replica:
        """The replica. Raises ReplicaNotReady while there is none, or it is too old to be believed."""
        if self._replica is None:
            raise ReplicaNotReady("stores and stock are being loaded; try again in a few seconds")
        if self.lag_s > self._stale_after_s:
            raise ReplicaNotReady(
                f"the database has not been heard of for {self.lag_s:.0f} s; stock may be out of date"
            )
        return self._replica

    @property
    def is_whole(self) -> bool:
        """Whether the replica is the copy of one moment: not while a step is being written to it."""
        return not self._is_mixed

    @property
    def lag_s(self) -> float:
        """Seconds since the moment that the replica is a copy of."""
        return float("inf") if self._as_of is None else max(0.0, self._monotonic() - self._as_of)

    async def read_since(self, moment: float, *, at_most_s: float) -> bool:
        """Wait until the replica is the copy of a moment after ``moment`` (of ``monotonic``); False after a time."""
        try:
            async with asyncio.timeout(at_most_s), self._moved:
                while self._as_of is None or self._as_of < moment or self._replica is None:
                    self._hurry.set()
                    await self._moved.wait()
        except TimeoutError:
            return False
        return True

    async def wait_for(self, version: Version, *, at_most_s: float) -> None:
        """Return once the replica has seen ``version``. Raises ReplicaBehind after ``at_most_s``."""
        if version.reached_by(self.replica.cursors):
            return
        try:
            async with asyncio.timeout(at_most_s), self._moved:
                self._hurry.set()
                while not version.reached_by(self.replica.cursors):
                    await self._moved.wait()
        except TimeoutError:
            raise ReplicaBehind(
                f"this replica has not seen that version within {at_most_s:g} s; try again, or without it"
            ) from None

    # ── running ────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="follower")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._filer is not None:
            await self._filer.stop()

    async def filed(self) -> None:
        """Wait until no shelves are being filed."""
        if self._filer is not None:
            await self._filer.ended()

    async def _run(self) -> None:
        retry_s = _RETRY_FIRST_S
        while True:
            began = self._monotonic()
            try:
                await self.step()
            except DatabaseUnavailable as error:
                if self.problem is None:
                    _log.warning("replica_cannot_follow", reason=str(error))
                self.problem = str(error)
                await asyncio.sleep(retry_s)
                retry_s = min(_RETRY_MOST_S, 2 * retry_s)
                continue
            except Exception as error:
                # A fault of ours must not stop the following for good, nor pass in silence: the replica turns stale,
                # so that nothing is answered from it, and the next step begins with a fresh copy.
                _log.exception("replica_step_failed")
                self.problem = f"the replica could not follow ({type(error).__name__})"
                self._replica = None
                await asyncio.sleep(retry_s)
                retry_s = min(_RETRY_MOST_S, 2 * retry_s)
                continue
            retry_s, self.problem = _RETRY_FIRST_S, None
            # Polled tens of times a second, it matters that this costs a tenth of asyncio.wait_for.
            in_time = asyncio.get_running_loop().call_later(self._every_s, self._hurry.set)
            await self._hurry.wait()
            in_time.cancel()
            self._hurry.clear()
            # Many that are in a hurry share one look: each for itself would leave no time for anything else.
            await asyncio.sleep(max(0.0, began + _LEAST_PAUSE_S - self._monotonic()))

    async def step(self) -> None:
        """Load the replica if there is none, else catch up with the database once."""
        began = self._monotonic()
        replica = self._replica
        if replica is None:
            async with reading(self._database) as reader:
                replica = await load(reader, defaults=self._defaults, travel=self._travel, progress=self._progress)
            if self._settle is not None:
                self._settle()
            if self._filer is not None:
                await self._filer.stop()
            self._filer = Filer(replica, self._monotonic)
            self._replica, self._as_of, self._is_mixed = replica, began, False
            self._settled_at = None
            self._owed.clear()
            # Loading takes its time; what happened meanwhile is a step like any other.
            await self._tell_moved()
            return
        assert self._filer is not None, "it comes with the replica"
        self._filer.begin_if_due()
        packed = await packed_heads(self._database)
        if packed != self._settled_at:
            heads = unpacked(packed)
            if any(heads.get(cell, 0) < seq for cell, seq in replica.cursors.items()):
                _log.warning(
                    "replica_reloads", reason="the database is older than the replica; it was restored or replaced"
                )
                self._replica = None
                return
            self._settled_at = None if _behind(replica.cursors, heads) else packed
        if self._settled_at is not None:
            self._as_of = began
            await self._tell_moved()
            if replica.index.backlog > _PLACES_UNMERGED_AT_REST:
                await self._merge_places(replica)
            return
        async with reading(self._database) as reader:
            heads = await reader.heads()
            self._is_mixed = True
            for cell in _behind(replica.cursors, heads):
                await self._catch_up(reader, replica, cell, heads[cell])
                self._move_cursor(replica, cell, heads[cell])
            await self._read_owed(reader, replica, heads)
        self._as_of, self._is_mixed = began, False
        await self._tell_moved()

    async def _tell_moved(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    async def _catch_up(self, reader: FeedReader, replica: Replica, cell: int, head: int) -> None:
        after = replica.cursors.get(cell, 0)
        changes = await reader.changes(cell, after=after, upto=head)
        if changes is None:
            _log.info("replica_reloads_cell", cell=cell, after=after, head=head)
            await self._reload_cell(reader, replica, cell)
        else:
            await self._apply(reader, replica, cell, changes)

    def _move_cursor(self, replica: Replica, cell: int, head: int) -> None:
        """Say that the replica has seen a cell up to its head, unless shelves of it are still to be read."""
        if not self._owed.get(cell):
            self._owed.pop(cell, None)
            replica.cursors[cell] = head

    async def _apply(self, reader: FeedReader, replica: Replica, cell: int, changes: list[Change]) -> None:
        owed = self._owed.setdefault(cell, set())
        owed |= {change.store_no for change in changes if change.kind == "shelves"}
        stores = {change.store_no for change in changes if change.kind == "store"}
        rows = {
            (change.store_no, change.sku_no): change
            for change in changes
            if change.kind == "shelf" and change.store_no not in owed
        }
        loads = {change.store_no: change for change in changes if change.kind == "load"}
        await self._read_stores(reader, replica, cell, sorted(stores))
        await self._know_new_skus(reader, replica, {sku_no for _, sku_no in rows if sku_no is not None})
        # What is left in a cell of a store that has moved away is not its shelf any more. Looked up once a store: an
        # order changes several rows of one, and nobody else takes stores in or out meanwhile.
        slots = {no: replica.slot_in(no, cell) for no in {no for no, _ in rows} | loads.keys()}
        pauses = Pauses()
        for change in rows.values():
            slot = slots[change.store_no]
            if slot is not None and not self._write_row(replica, slot, change):
                owed.add(change.store_no)
            if pauses.due:
                await pauses.give_way()
        for change in loads.values():
            slot = slots[change.store_no]
            # A store that was read anew has the figure already.
            if slot is not None and change.store_no not in stores:
                assert change.open_orders is not None
                replica.catalogue.set_open_orders(slot, change.open_orders)

    async def _read_stores(self, reader: FeedReader, replica: Replica, cell: int, store_nos: list[int]) -> None:
        """Read stores anew; the shelves of those that are new here, or kept to another staleness, are owed."""
        owed = self._owed.setdefault(cell, set())
        pauses = Pauses()
        for part in batched(store_nos, _STORES_A_READING):
            gone_nos = set(part)
            for rows in batched(await reader.stores(cell, part), _STORES_A_STRETCH):
                owed |= self._put_stores(replica, rows)
                gone_nos -= {row.store_no for row in rows}
                if pauses.due:
                    await pauses.give_way()
            for gone in gone_nos:
                replica.catalogue.remove(gone, from_cell=cell)
            if replica.index.merge_is_due:
                await self._merge_places(replica)
            await pauses.give_way()

    def _put_stores(self, replica: Replica, rows: Sequence[StoreRow]) -> set[int]:
        """Take in stores; the numbers of those whose shelves are owed."""
        stale_after_s = replica.columns.stale_after_s
        before = [replica.catalogue.slot_of_number(row.store_no) for row in rows]
        known = [None if at is None or at not in replica.index else int(stale_after_s[at]) for at in before]
        slots = replica.put_stores(rows)
        now = replica.columns.stale_after_s[slots].tolist()
        return {row.store_no for row, was, is_now in zip(rows, known, now, strict=True) if was != is_now}

    async def _merge_places(self, replica: Replica) -> None:
        """Make searches fast again after many stores came or went: built in a thread, while answers go on."""
        merge = replica.index.begin_merge()
        await asyncio.to_thread(merge.build)
        merge.finish()

    async def _read_owed(self, reader: FeedReader, replica: Replica, heads: Mapping[int, int]) -> None:
        """Read the shelves that are owed, of all cells together, now that their stores are known."""
        owed = sorted((cell, store_no) for cell, store_nos in self._owed.items() for store_no in store_nos)
        start = 0
        while start < len(owed):
            # Who waits for a cell of which no shelf is owed any more need not wait for the others'.
            await self._tell_moved()
            part = owed[start : start + max(1, int(_ROWS_A_READING / self._rows_a_store))]
            start += len(part)
            here = [(cell, store_no) for cell, store_no in part if replica.lies_in(store_no, cell)]
            if here:
                rows = await reader.shelves_of(here)
                self._rows_a_store = max(len(rows) / len(here), self._rows_a_store / 2, _ROWS_A_STORE_LEAST)
                await self._know_new_skus(reader, replica, _unknown(replica, rows))
                await replica.take_shelves(rows)
                assert self._filer is not None, "it comes with the replica"
                self._filer.shelves_came()
            for cell, store_no in part:
                self._owed[cell].discard(store_no)
            for cell in {cell for cell, _ in part}:
                self._move_cursor(replica, cell, heads[cell])

    async def _know_new_skus(self, reader: FeedReader, replica: Replica, sku_nos: Iterable[int]) -> None:
        unknown = [sku_no for sku_no in sku_nos if replica.sku_numbering.find(sku_no) == MISSING]
        for part in batched(unknown, _SKUS_A_READING):
            replica.know_skus(await reader.skus(part))

    def _write_row(self, replica: Replica, slot: int, change: Change) -> bool:
        """Write one row; False if the store's whole shelf must be read for it."""
        assert change.sku_no is not None
        assert change.available is not None
        assert change.fresh_at is not None
        fresh_s, stock = int(change.fresh_at.timestamp()), replica.stock
        price = None if change.price_minor is None else (change.price_minor, str(change.currency))
        number, price_id = replica.sku_numbering.find(change.sku_no), stock.price_id(price)
        return stock.change_one(number, slot, change.available, fresh_s, price_id)

    async def _reload_cell(self, reader: FeedReader, replica: Replica, cell: int) -> None:
        """Read all of a cell anew, for its changes are no longer kept."""
        known = np.flatnonzero(replica.columns.cell == cell)
        known = known[~np.isnan(replica.index.lats[known])]
        numbers = {int(store_no) for store_no in replica.columns.store_no[known]}
        there = await reader.store_numbers(cell)
        self._owed.setdefault(cell, set()).update(there)
        await self._read_stores(reader, replica, cell, sorted(numbers | there))


def _unknown(replica: Replica, rows: ShelfColumns) -> list[int]:
    """The database's numbers of the skus in these rows that the replica has not met yet."""
    sku_nos: list[int] = np.unique(rows.sku_no[replica.sku_numbering.find_all(rows.sku_no) == MISSING]).tolist()
    return sku_nos


def _behind(cursors: Mapping[int, int], heads: Mapping[int, int]) -> list[int]:
    """The cells whose head has moved on, in order."""
    return sorted(cell for cell, seq in heads.items() if seq > cursors.get(cell, 0))
